"""Whole batches, for archive, backup and restore: what is moved out is still read, and nothing is there in part."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.adapters.journal import SqlJournal, archive, database
from gateway.adapters.journal.archive import Archive
from gateway.codec.journal import GENESIS, Batch, Link, link, seal
from gateway.runtime.ports import JournalDamaged, JournalError, JournalHead
from tests.adapters.journal.records import fill, fills

NewUrl = Callable[[], str]


@pytest.fixture
def kept(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def url(new_url: NewUrl) -> str:
    return new_url()


@pytest.fixture
def journal(url: str, kept: Archive) -> Iterator[SqlJournal]:
    """Batches of two records, seq 1 to 60 in epoch 1, and open in epoch 2."""
    made = SqlJournal(url, older=kept)
    made.open()
    for seq in range(1, 61, 2):
        made.append(fills(seq, seq + 1))
    made.close()
    made.open()
    yield made
    made.close()


def _archive(journal: SqlJournal, kept: Archive, through: int) -> int:
    """Move everything up to `through`; how many batches were deleted."""
    after = journal.archived()
    return journal.drop_before(kept.add(journal.batches(after.seq + 1), after, through) + 1)


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first_seq", "begins"), [(1, 1), (2, 1), (3, 3), (60, 59), (61, None), (2**62, None)])
def test_batches_begin_with_the_one_that_holds_the_seq(journal: SqlJournal, first_seq: int, begins: int | None) -> None:
    batches = list(journal.batches(first_seq))
    assert [batch.first_seq for batch in batches] == (list(range(begins, 61, 2)) if begins else [])


def test_the_head_is_seen_without_opening(new_url: NewUrl) -> None:
    url = new_url()
    assert SqlJournal(url).head() is None
    journal = SqlJournal(url)
    assert journal.open() == SqlJournal(url).head() == JournalHead(0, GENESIS, 1)
    journal.append(fills(1, 3))
    head = SqlJournal(url).head()
    assert head is not None
    assert (head.seq, head.hash, head.epoch) == (3, journal.hash_at(3), 1)
    journal.close()


# --- Archive ----------------------------------------------------------------------------------------------------------


def test_what_was_archived_is_still_read_from_any_seq(journal: SqlJournal, kept: Archive) -> None:
    before = list(journal.batches())
    places = (0, 1, 2, 19, 20, 21, 40, 42, 58, 59, 60, 61)
    hashes = [journal.hash_at(seq) for seq in places]
    verdict = journal.verify()
    for through, dropped, first in ((21, 10, 21), (41, 10, 41), (1_000, 9, 59), (1_000, 0, 59)):
        assert _archive(journal, kept, through) == dropped
        assert (journal.first_seq(), journal.archived().seq) == (first, first - 1)
        assert list(journal.batches()) == before
        for seq in (1, 2, 19, 20, 21, 22, 40, 41, 58, 59, 60, 61, 62):
            assert list(journal.read(seq)) == fills(seq, 60)
        assert [journal.hash_at(seq) for seq in places] == hashes
        assert journal.verify() == verdict
    assert [segment[:2] for segment in kept.segments()] == [(1, 20), (21, 40), (41, 60)]
    journal.append([fill(61)])
    assert list(journal.read()) == fills(1, 61)
    journal.close()
    assert journal.open().seq == 61


def test_the_last_batch_always_stays(journal: SqlJournal, kept: Archive, url: str) -> None:
    assert _archive(journal, kept, 60) == 29
    assert journal.first_seq() == 59
    journal.close()
    assert SqlJournal(url).open().seq == 60


def test_archiving_again_after_it_was_cut_short_writes_nothing_twice(journal: SqlJournal, kept: Archive) -> None:
    kept.add(journal.batches(), Link(), 20)
    assert _archive(journal, kept, 40) == 20
    assert [segment[:2] for segment in kept.segments()] == [(1, 20), (21, 40)]
    assert list(journal.read()) == fills(1, 60)


def test_a_big_stretch_becomes_several_files(
    journal: SqlJournal, kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SEGMENT_BYTES", 5_000)
    assert _archive(journal, kept, 50) == 25
    segments = kept.segments()
    assert len(segments) > 3
    assert [each.first_seq for each in segments[1:]] == [each.last_seq + 1 for each in segments[:-1]]
    assert list(journal.read()) == fills(1, 60)


def test_a_file_of_the_archive_is_one_that_can_be_read_where_nothing_can_be_written(
    journal: SqlJournal, kept: Archive
) -> None:
    _archive(journal, kept, 20)
    (segment,) = kept.segments()
    assert [path.name for path in kept.directory.iterdir()] == [segment.path.name]
    kept.directory.chmod(0o500)
    assert list(segment.journal().read(3)) == fills(3, 20)
    kept.directory.chmod(0o700)
    assert [path.name for path in kept.directory.iterdir()] == [segment.path.name]


def test_only_what_the_archive_has_is_deleted(journal: SqlJournal, kept: Archive, url: str) -> None:
    with pytest.raises(JournalError, match=r"seq 1 to 2 are not in the archive .*/archive, so they were not deleted"):
        journal.drop_before(41)
    kept.add(journal.batches(), Link(), 20)
    with pytest.raises(JournalError, match="seq 21 to 22 are not in"):
        journal.drop_before(41, chunk=5)
    assert journal.first_seq() == 21
    with pytest.raises(JournalError, match="none was named"):
        SqlJournal(url).drop_before(41)
    assert list(journal.read()) == fills(1, 60)


def test_an_archive_of_another_journal_deletes_nothing_and_is_not_read(
    journal: SqlJournal, kept: Archive, new_url: NewUrl
) -> None:
    other = SqlJournal(new_url())
    other.open()
    other.append([msgspec.structs.replace(fill(1), at_ns=1), fill(2)])
    other.append([fill(3)])
    other.close()
    kept.add(other.batches(), Link(), 2)
    with pytest.raises(JournalError, match="were not deleted"):
        journal.drop_before(3)
    with pytest.raises(JournalError, match="another seq 1 than the journal"):
        kept.add(journal.batches(), Link(), 20)
    foreign = kept.segments()[0].path.read_bytes()
    kept.segments()[0].path.unlink()
    assert _archive(journal, kept, 2) == 1
    kept.segments()[0].path.write_bytes(foreign)
    with pytest.raises(JournalDamaged, match="not that of this journal"):
        list(journal.read())


def test_a_missing_file_of_the_archive_is_named_with_its_seqs(journal: SqlJournal, kept: Archive, url: str) -> None:
    for through in (20, 40):
        _archive(journal, kept, through)
    kept.segments()[1].path.rename(kept.directory / "elsewhere")
    missing = r"seq 21 to 40 of journal .* were moved to the archive and are not in the archive .*/archive: put"
    for use in (
        lambda: list(journal.read()),
        lambda: list(journal.batches(5)),
        journal.verify,
        lambda: journal.hash_at(30),
    ):
        with pytest.raises(JournalError, match=missing.replace("21", "(21|30)")):
            use()
    assert list(journal.read(41)) == fills(41, 60)
    alone = SqlJournal(url)
    with pytest.raises(JournalError, match=r"seq 1 to 40 of journal .* no archive was named"):
        list(alone.read())
    assert list(alone.read(41)) == fills(41, 60)


def test_a_damaged_file_of_the_archive_is_found(journal: SqlJournal, kept: Archive) -> None:
    _archive(journal, kept, 40)
    path = kept.segments()[0].path
    content = bytearray(path.read_bytes())
    at = content.index(b"E21")
    content[at] ^= 1
    path.write_bytes(content)
    good = []
    place = rf"{path.name} is damaged at seq 21: .*does not match its hash"
    with pytest.raises(JournalDamaged, match=place) as damaged:  # noqa: PT012  # A loop is one statement.
        for record in journal.read():
            good.append(record)  # noqa: PERF402  # What came before the error is what matters.
    assert good == fills(1, 20)
    assert damaged.value.seq == 21


def test_a_reader_and_a_writer_go_on_while_it_is_archived(
    journal: SqlJournal, kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHUNK_BATCHES", 3)
    reading = journal.read()
    seen = [next(reading).seq for _ in range(5)]
    done = threading.Event()

    def write() -> None:
        for seq in itertools.count(61):
            if done.wait(0.001):
                return
            journal.append([fill(seq)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert _archive(journal, kept, 50) == 25
        seen += [record.seq for record in itertools.islice(reading, 55)]
    finally:
        done.set()
        writer.join(60)
    assert seen == list(range(1, 61))
    end = journal.last_seq()
    assert end > 60
    assert list(journal.read()) == fills(1, end)


# --- Import -----------------------------------------------------------------------------------------------------------


def test_an_imported_journal_is_the_same_and_goes_on(journal: SqlJournal, kept: Archive, new_url: NewUrl) -> None:
    _archive(journal, kept, 30)
    target = SqlJournal(new_url())
    head = target.import_batches(journal.batches())
    assert head == target.head() == JournalHead(60, journal.hash_at(60) or b"", 1)
    assert list(target.batches()) == list(journal.batches())
    assert target.verify().records == 60
    assert target.open().epoch == 2
    target.append([fill(61)])
    assert list(target.read()) == fills(1, 61)
    target.close()


def test_a_later_import_continues_where_the_first_one_ended(journal: SqlJournal, new_url: NewUrl) -> None:
    target = SqlJournal(new_url())
    target.import_batches(itertools.islice(journal.batches(), 10))
    assert target.import_batches(journal.batches(21)).seq == 60
    assert list(target.batches()) == list(journal.batches())


def test_an_import_of_nothing_is_an_empty_journal(new_url: NewUrl) -> None:
    target = SqlJournal(new_url())
    assert target.import_batches([]).seq == 0
    assert target.open().seq == 0
    target.append([fill(1)])
    target.close()


def test_a_journal_that_begins_behind_its_archive(journal: SqlJournal, kept: Archive, new_url: NewUrl) -> None:
    _archive(journal, kept, 30)
    target = SqlJournal(new_url(), older=kept)
    target.import_batches(journal.batches(31), journal.archived())
    assert list(target.read()) == fills(1, 60)
    assert target.open().seq == 60
    target.close()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda batches: batches[1:], "does not follow on seq 0: seq 1 to 2 are missing"),
        (lambda batches: [batches[0], batches[2]], "does not follow on seq 2: seq 3 to 4 are missing"),
        (lambda batches: [batches[0], batches[0]], "does not follow on seq 2: .*begins inside"),
        (lambda batches: [msgspec.structs.replace(batches[0], records=b"x")], "does not match its hash"),
    ],
)
def test_what_does_not_follow_is_not_imported(
    journal: SqlJournal, new_url: NewUrl, what: Callable[[list[Batch]], list[Batch]], message: str
) -> None:
    url = new_url()
    target = SqlJournal(url)
    with pytest.raises(JournalError, match=message):
        target.import_batches(what(list(journal.batches())))
    assert target.head() is None


def test_an_import_does_not_go_over_what_is_there(journal: SqlJournal) -> None:
    whole = list(journal.batches())
    with pytest.raises(JournalError, match="is open already"):
        journal.import_batches([])
    journal.close()
    with pytest.raises(JournalError, match="does not follow on seq 60"):
        journal.import_batches(whole)
    assert journal.open().seq == 60


def test_an_import_that_was_cut_short_cannot_be_taken_for_the_whole(
    journal: SqlJournal, new_url: NewUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a silent start with less than was accepted."""
    monkeypatch.setattr("gateway.adapters.journal.database.CHUNK_BATCHES", 4)

    def torn() -> Iterator[Batch]:
        yield from itertools.islice(journal.batches(), 10)
        raise ConnectionError("the other side is gone")

    target = SqlJournal(new_url())
    with pytest.raises(JournalError, match="the other side is gone"):
        target.import_batches(torn())
    for use in (target.open, target.verify, lambda: list(target.read())):
        with pytest.raises(JournalError, match="is not whole, because an import into it did not end: import the rest"):
            use()
    head = target.head()
    assert head is not None
    assert head.seq == 16
    target.import_batches(journal.batches(head.seq + 1))
    assert target.open().seq == 60
    assert list(target.read()) == fills(1, 60)
    target.close()


def test_who_writes_while_something_is_imported_is_stale(new_url: NewUrl) -> None:
    url = new_url()
    living = SqlJournal(url)
    living.open()
    first = seal(Link(), 1, fills(1, 2))
    SqlJournal(url).import_batches([first, seal(link(first), 3, fills(3, 4))])
    with pytest.raises(JournalError):
        living.append([fill(1)])
    assert list(SqlJournal(url).read()) == fills(1, 4)
