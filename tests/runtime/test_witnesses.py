"""What says how far a journal once went, and what a journal that has less cannot hide."""

from pathlib import Path

import msgspec
import pytest

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.codec.snapshot import layout, pack
from gateway.core.state import State
from gateway.runtime.ports import JournalAway, JournalError
from gateway.runtime.snapshots import Snapshots
from gateway.runtime.witnesses import (
    NOTE,
    RESTORED,
    NoteKeeper,
    Restored,
    Witness,
    explains,
    missing,
    read_note,
    read_restored,
    refusal,
    unproven,
)
from tests.bench.lives import Lives

BATCHES = 6


@pytest.fixture(scope="module")
def disk() -> Disk:
    disk = Disk()
    journal = MemoryJournal(disk)
    journal.open()
    for batch in Lives(3, at_once=5).batches(10**9):
        journal.append(batch)
        if len(disk.batches) == BATCHES:
            return disk
    raise AssertionError


def cut(disk: Disk, batches: int) -> MemoryJournal:
    """The same journal, with fewer batches."""
    less = Disk()
    less.batches = disk.batches[:batches]
    return MemoryJournal(less)


def witnessing(disk: Disk, batch: int) -> Witness:
    end = disk.batches[batch - 1]
    return Witness("it", end.last_seq, end.hash)


def test_a_journal_that_goes_on_from_all_witnesses_lacks_nothing(disk: Disk) -> None:
    journal, end = MemoryJournal(disk), disk.end.seq
    assert not [*missing(journal, end, [witnessing(disk, batch) for batch in range(1, BATCHES + 1)])]
    assert not [*missing(journal, end, [Witness("one that saw nothing yet", 0, b"")])]


@pytest.mark.parametrize(("batch", "lacks"), [(3, []), (4, ["it has seq {}"]), (6, ["it has seq {}"])])
def test_a_journal_that_ends_before_a_witness_lacks_what_it_saw(disk: Disk, batch: int, lacks: list[str]) -> None:
    seq = disk.batches[batch - 1].last_seq
    found = [*missing(cut(disk, 3), disk.batches[2].last_seq, [witnessing(disk, batch)])]
    assert [each.text for each in found] == [text.format(seq) for text in lacks]


def test_another_journal_is_known_by_its_hash_however_long_it_is(disk: Disk) -> None:
    witness = msgspec.structs.replace(witnessing(disk, 2), hash=bytes(32))
    (found,) = missing(MemoryJournal(disk), disk.end.seq, [witness])
    assert f"it is of another journal: this one has another hash at seq {witness.seq}" == found.text


class Away(MemoryJournal):
    """One whose old part cannot be read."""

    error: JournalError = JournalError("the archive is not there")

    def hash_at(self, _seq: int) -> bytes | None:
        raise self.error


def test_an_archive_that_is_gone_proves_nothing_and_a_database_that_is_away_is_said(disk: Disk) -> None:
    journal = Away(disk)
    assert not [*missing(journal, disk.end.seq, [witnessing(disk, 2)])]
    journal.error = JournalAway("later")
    with pytest.raises(JournalAway):
        list(missing(journal, disk.end.seq, [witnessing(disk, 2)]))


# --- What explains it ---


def test_a_restore_explains_the_journal_that_was_put_back_and_no_other(disk: Disk) -> None:
    put_back = witnessing(disk, 3)
    restored = Restored(put_back.seq, put_back.hash.hex())
    assert explains(cut(disk, 3), put_back.seq, restored)
    assert explains(cut(disk, 4), disk.batches[3].last_seq, restored), "the next start died after its first commit"
    assert not explains(cut(disk, 2), disk.batches[1].last_seq, restored)
    assert not explains(MemoryJournal(Disk()), 0, restored)
    assert not explains(cut(disk, 3), put_back.seq, Restored(put_back.seq, bytes(32).hex()))


@pytest.mark.parametrize(("batches", "shown"), [(2, False), (3, True), (4, False), (0, False)])
def test_a_restore_that_did_not_end_explains_nothing_and_shows_in_the_journal_that_it_left(
    disk: Disk, batches: int, shown: bool
) -> None:
    """A longer one is not its work, and a shorter one lacks what it was to put back."""
    put_back = witnessing(disk, 3)
    pending = Restored(put_back.seq, put_back.hash.hex(), pending=True)
    end_seq = disk.batches[batches - 1].last_seq if batches else 0
    assert not explains(cut(disk, batches), end_seq, pending)
    assert [each.text for each in unproven(end_seq, pending, Path("F"))] == (
        ["the restore into it, F, did not end"] if shown else []
    )
    assert not [*unproven(put_back.seq, Restored(put_back.seq, put_back.hash.hex()), Path("F"))]


def test_a_journal_that_was_given_up_whole_explains_an_empty_one_only(disk: Disk) -> None:
    assert explains(MemoryJournal(Disk()), 0, Restored(0, "", "all is lost"))
    assert not explains(cut(disk, 1), disk.batches[0].last_seq, Restored(0, "", "all is lost"))


# --- The note ---


def test_the_note_is_written_when_the_journal_went_on_and_reads_back(disk: Disk, tmp_path: Path) -> None:
    assert read_note(tmp_path) is None
    keeper = NoteKeeper(tmp_path, MemoryJournal(disk), "journal J", 7, ("R9",))
    first, last = disk.batches[0], disk.batches[-1]
    for end in (first, last):
        keeper.write(end.last_seq)
        note = read_note(tmp_path)
        assert note is not None
        assert (note.seq, note.hash, note.epoch, note.accepted) == (end.last_seq, end.hash.hex(), 7, ("R9",))
    (tmp_path / NOTE).unlink()
    keeper.write(last.last_seq)
    assert not (tmp_path / NOTE).exists(), "nothing came since"


def test_a_note_is_of_the_end_of_a_batch(disk: Disk, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no batch that ends at seq 100000000"):
        NoteKeeper(tmp_path, MemoryJournal(disk), "J", 1, ()).write(100_000_000)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"journal":"J","seq":1,"hash":"xyz","epoch":1,"noted_ns":1}'])
@pytest.mark.parametrize("name", [NOTE, RESTORED])
def test_a_note_that_cannot_be_read_is_named_with_the_next_step(name: str, content: bytes, tmp_path: Path) -> None:
    """It is written whole or not at all: somebody, or the disk, changed it."""
    (tmp_path / name).write_bytes(content.replace(b'"seq"', b'"last_seq"') if name == RESTORED else content)
    with pytest.raises(JournalError, match=rf"{name}, which says .* move the file away and start again"):
        (read_note if name == NOTE else read_restored)(tmp_path)


def test_a_refusal_names_the_journal_its_end_the_witnesses_and_the_next_steps(disk: Disk) -> None:
    found = [*missing(cut(disk, 1), 1, [msgspec.structs.replace(witnessing(disk, 6), what=f"W{n}") for n in range(9)])]
    text = refusal("/data/journal", 1, found)
    for words in (
        "/data/journal ends at seq 1,",
        f"W0 has seq {disk.end.seq}",
        "3 more",
        "gateway restore",
        "accept-loss",
    ):
        assert words in text
    assert "W8" not in text


# --- Snapshots ---


def saved(disk: Disk, folder: Path, seq: int, chain_hash: bytes) -> Snapshots:
    snapshots = Snapshots(folder, keep=9)
    snapshots.save(msgspec.structs.replace(State(), seq=seq), chain_hash)
    return snapshots


def test_snapshots_are_witnesses_whichever_version_wrote_them(disk: Disk, tmp_path: Path) -> None:
    end = disk.batches[3]
    snapshots = saved(disk, tmp_path, end.last_seq, end.hash)
    newer = b"".join(pack(msgspec.structs.replace(State(), seq=999_999), bytes(32)))
    (tmp_path / f"{999_999:020d}.snapshot").write_bytes(newer.replace(layout(), bytes(32)))
    (tmp_path / f"{9:020d}.snapshot").write_bytes(b"torn")
    assert [(each.seq, each.hash) for each in snapshots.witnesses()] == [(999_999, bytes(32)), (end.last_seq, end.hash)]


def test_snapshots_that_are_not_of_this_journal_are_put_aside_and_kept(disk: Disk, tmp_path: Path) -> None:
    """Else they would count as the newest for good, and those that fit be removed."""
    ends = [disk.batches[at] for at in (1, 3, 5)]
    for end in ends:
        snapshots = saved(disk, tmp_path, end.last_seq, end.hash)
    saved(disk, tmp_path, disk.batches[0].last_seq, bytes(32))
    snapshots.put_aside(cut(disk, 4), ends[1].last_seq)
    assert [int(path.stem) for path in snapshots.paths()] == [ends[1].last_seq, ends[0].last_seq]
    lost = sorted(int(path.stem) for path in tmp_path.glob("*.lost"))
    assert lost == [disk.batches[0].last_seq, ends[2].last_seq]
