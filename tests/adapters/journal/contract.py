"""What every implementation of the `Journal` port has to do. A subclass says where its journals are kept."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from gateway.codec.journal import GENESIS
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, Journal, JournalError, JournalHead
from tests.adapters.journal.records import batches, fill, fills

# Makes one more journal object on one and the same storage, as one more process would.
Opener = Callable[[], Any]


class JournalContract:
    """Subclasses give the fixture `storages`: a function that makes a new, empty storage and returns its `Opener`."""

    @pytest.fixture
    def opener(self, storages: Callable[[], Opener]) -> Opener:
        return storages()

    @pytest.fixture
    def journal(self, opener: Opener) -> Any:
        made = opener()
        yield made
        made.close()

    def test_an_empty_journal_begins_its_first_epoch_at_seq_0(self, journal: Journal) -> None:
        assert journal.open() == JournalHead(seq=0, hash=GENESIS, epoch=1)
        assert list(journal.read()) == []

    def test_what_was_appended_is_read_back_in_order(self, journal: Journal) -> None:
        journal.open()
        journal.append(fills(1, 3))
        journal.append([fill(4)])
        journal.append(fills(5, 9))
        assert list(journal.read()) == fills(1, 9)

    @pytest.mark.parametrize("from_seq", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1_000, 2**62])
    def test_reading_begins_at_any_seq_also_inside_a_batch(self, journal: Journal, from_seq: int) -> None:
        journal.open()
        for first, last in ((1, 3), (4, 4), (5, 9)):
            journal.append(fills(first, last))
        assert list(journal.read(from_seq)) == fills(from_seq, min(9, from_seq + 9))

    @pytest.mark.parametrize("from_seq", [1, 2, 3, 4, 5, 9, 10])
    def test_a_replay_gets_the_same_records_with_the_views_as_they_were_written(
        self, journal: Journal, from_seq: int
    ) -> None:
        journal.open()
        for first, last in ((1, 3), (4, 4), (5, 9)):
            journal.append(fills(first, last))
        told = [record for batch in journal.told(from_seq) for record in batch]
        wanted = list(journal.read(from_seq))
        assert [(each.seq, each.at_ns, each.cause, each.event) for each in told] == [
            (each.seq, each.at_ns, each.cause, each.event) for each in wanted
        ]
        assert [bytes(each.order) for each in told] == [
            b"" if each.order is None else msgspec.msgpack.encode(each.order) for each in wanted
        ]

    def test_reopening_goes_on_where_the_last_epoch_ended(self, opener: Opener) -> None:
        first = opener()
        first.open()
        first.append(fills(1, 5))
        first.close()
        second = opener()
        head = second.open()
        assert (head.seq, head.epoch) == (5, 2)
        second.append(fills(6, 7))
        assert list(second.read()) == fills(1, 7)
        second.close()

    def test_the_head_names_the_hash_of_the_last_batch(self, opener: Opener) -> None:
        heads = []
        for seq in (1, 2, 3):
            journal = opener()
            heads.append(journal.open().hash)
            journal.append([fill(seq)])
            journal.close()
        assert heads[0] == GENESIS
        assert len(set(heads)) == 3
        assert all(len(each) == 32 for each in heads)

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param([], id="nothing"),
            pytest.param(fills(3, 3), id="a gap before it"),
            pytest.param(fills(1, 1), id="a seq that is taken"),
            pytest.param([fill(2), fill(4)], id="a gap inside it"),
            pytest.param([fill(2), fill(2)], id="one seq twice"),
            pytest.param([msgspec.structs.replace(fill(2), at_ns=2**70)], id="a number beyond 64 bits"),
        ],
    )
    def test_a_batch_that_does_not_follow_is_refused_and_changes_nothing(
        self, journal: Journal, wrong: list[Record]
    ) -> None:
        journal.open()
        journal.append([fill(1)])
        with pytest.raises(JournalError, match="nothing was written"):
            journal.append(wrong)
        assert list(journal.read()) == [fill(1)]
        journal.append([fill(2)])
        assert list(journal.read()) == fills(1, 2)

    def test_an_older_owner_can_no_longer_append_and_writes_nothing(self, opener: Opener) -> None:
        """C13: a paused process wakes after another took over."""
        old, new = opener(), opener()
        assert old.open().epoch == 1
        old.append([fill(1)])
        head = new.open()
        assert (head.seq, head.epoch) == (1, 2)
        with pytest.raises(EpochStale, match="epoch 1 is over"):
            old.append([fill(2)])
        new.append([msgspec.structs.replace(fill(2), at_ns=7)])
        assert [record.at_ns for record in new.read(2)] == [7]
        with pytest.raises(JournalError):
            old.append([fill(3)])
        assert len(list(new.read())) == 2
        old.close()
        new.close()

    def test_an_owner_that_writes_nothing_learns_that_it_was_overtaken(self, opener: Opener) -> None:
        """C13: who has nothing to commit has to ask."""
        old, new = opener(), opener()
        with pytest.raises(JournalError):
            old.confirm()
        old.open()
        old.confirm()
        old.append([fill(1)])
        old.confirm()
        new.open()
        with pytest.raises(EpochStale, match="epoch 1 is over"):
            old.confirm()
        new.confirm()
        old.close()
        new.close()

    def test_an_older_owner_is_stale_also_before_the_newer_one_wrote_anything(self, opener: Opener) -> None:
        old, new = opener(), opener()
        old.open()
        new.open()
        with pytest.raises(EpochStale):
            old.append([fill(1)])
        assert list(new.read()) == []
        old.close()
        new.close()

    def test_of_many_that_open_at_once_exactly_one_can_append(self, opener: Opener) -> None:
        created = opener()
        created.open()
        created.close()
        journals = [opener() for _ in range(8)]
        together = threading.Barrier(len(journals))
        epochs: list[int] = []

        def take_over(journal: Journal) -> None:
            together.wait(10)
            epochs.append(journal.open().epoch)

        threads = [threading.Thread(target=take_over, args=(journal,)) for journal in journals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(epochs) == list(range(2, 10))
        assert sum(_appended(journal, [fill(1)]) for journal in journals) == 1
        for journal in journals:
            journal.close()

    def test_of_many_that_make_it_at_once_each_gets_an_epoch_of_its_own(self, opener: Opener) -> None:
        journals = [opener() for _ in range(6)]
        together = threading.Barrier(len(journals))
        epochs: list[int] = []

        def make(journal: Journal) -> None:
            together.wait(10)
            epochs.append(journal.open().epoch)

        threads = [threading.Thread(target=make, args=(journal,)) for journal in journals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(epochs) == [1, 2, 3, 4, 5, 6]
        for journal in journals:
            journal.close()

    def test_a_snapshot_can_be_tied_to_the_end_of_a_batch_only(self, opener: Opener) -> None:
        journal = opener()
        journal.open()
        for first, last in ((1, 3), (4, 4), (5, 9)):
            journal.append(fills(first, last))
        journal.close()
        reader = opener()
        hashes = {seq: reader.hash_at(seq) for seq in range(12)}
        assert [seq for seq, found in hashes.items() if found is not None] == [3, 4, 9]
        assert len({hashes[3], hashes[4], hashes[9]}) == 3
        assert hashes[9] == reader.open().hash
        reader.close()

    def test_a_reader_beside_the_writer_sees_whole_batches_in_order(self, opener: Opener) -> None:
        writer, reader = opener(), opener()
        writer.open()
        done = threading.Event()
        seen: list[int] = []
        failed: list[BaseException] = []

        def follow() -> None:
            try:
                while not done.is_set() or len(seen) < 600:
                    seen.extend(record.seq for record in reader.read(len(seen) + 1))
                    assert len(seen) % 3 == 0, "half a batch was visible"
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            for seq in range(1, 601, 3):
                writer.append(fills(seq, seq + 2))
        finally:
            done.set()
            thread.join(60)
        assert not failed
        assert seen == list(range(1, 601))
        writer.close()
        reader.close()

    def test_a_reader_that_rests_does_not_hold_up_the_writer(self, journal: Journal) -> None:
        journal.open()
        journal.append(fills(1, 10))
        reading = journal.read()
        assert next(reading) == fill(1)
        journal.append(fills(11, 20))
        assert list(journal.read(15)) == fills(15, 20)
        assert list(itertools.islice(reading, 9)) == fills(2, 10)

    def test_big_batches_and_many_small_ones(self, journal: Journal) -> None:
        journal.open()
        journal.append(fills(1, 10_000))
        for seq in range(10_001, 10_601):
            journal.append([fill(seq)])
        assert list(journal.read()) == fills(1, 10_600)
        assert next(iter(journal.read(9_999))) == fill(9_999)

    def test_closing_twice_is_safe_and_a_closed_journal_takes_nothing(self, journal: Journal) -> None:
        journal.open()
        journal.append([fill(1)])
        journal.close()
        journal.close()
        with pytest.raises(JournalError, match="not open"):
            journal.append([fill(2)])
        assert journal.open().seq == 1

    def test_a_journal_that_was_not_opened_takes_nothing(self, journal: Journal) -> None:
        with pytest.raises(JournalError, match="not open"):
            journal.append([fill(1)])

    def test_opening_what_is_open_is_refused_and_leaves_it_open(self, journal: Journal) -> None:
        journal.open()
        with pytest.raises(JournalError, match="open already"):
            journal.open()
        journal.append([fill(1)])
        assert list(journal.read()) == [fill(1)]

    # Each example has a storage of its own, and no subclass shares anything with another.
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(made=batches())
    def test_any_record_comes_back_as_it_was(self, storages: Callable[[], Opener], made: list[list[Record]]) -> None:
        opener = storages()
        journal = opener()
        journal.open()
        for batch in made:
            journal.append(batch)
        journal.close()
        again = opener()
        assert again.open().seq == made[-1][-1].seq
        assert list(again.read()) == [record for batch in made for record in batch]
        again.close()


def _appended(journal: Journal, records: list[Record]) -> bool:
    try:
        journal.append(records)
    except EpochStale:
        return False
    return True
