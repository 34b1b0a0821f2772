"""Snapshots save time and are never trusted over the journal: whatever is wrong with one, the start is the same."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import msgspec
import pytest

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.codec.journal import seal
from gateway.codec.snapshot import HEAD_SIZE, pack
from gateway.core.engine import Diverged, replay
from gateway.core.invariants import InvariantBroken
from gateway.core.state import State
from gateway.runtime import snapshots
from gateway.runtime.files import Taken, alone
from gateway.runtime.follower import Follower
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from tests.bench.lives import Lives
from tests.runtime import snapshot_writer

BATCHES = 60


@pytest.fixture(scope="module")
def disk() -> Disk:
    disk = Disk()
    journal = MemoryJournal(disk)
    journal.open()
    lives = Lives(3, at_once=10)
    for batch in lives.batches(10**9):
        journal.append(batch)
        if len(disk.batches) == BATCHES:
            return disk
    raise AssertionError


@pytest.fixture
def journal(disk: Disk) -> MemoryJournal:
    return MemoryJournal(disk)


def state_at(disk: Disk, batches: int) -> tuple[State, bytes]:
    """The state at the end of a batch, and its hash."""
    part = Disk()
    part.batches = disk.batches[:batches]
    return recover(MemoryJournal(part)), part.end.hash


class Kept(Snapshots):
    """Snapshots that remember what they said."""

    def __init__(self, directory: Path, keep: int = 2) -> None:
        self.said: list[str] = []
        super().__init__(directory / "snapshots", keep, self.said.append)


@pytest.fixture
def kept(tmp_path: Path, disk: Disk) -> Kept:
    """Two snapshots: after 20 and after 40 batches."""
    kept = Kept(tmp_path)
    for batches in (20, 40):
        kept.save(*state_at(disk, batches))
    return kept


def test_recovery_goes_on_from_the_newest_snapshot(kept: Kept, disk: Disk, journal: MemoryJournal) -> None:
    found = kept.newest(journal)
    assert found is not None
    assert found.seq == disk.batches[39].last_seq
    before = recover(journal)
    read: list[int] = []
    told = journal.told

    def counted(from_seq: int = 1) -> object:
        read.append(from_seq)
        return told(from_seq)

    journal.told = counted
    assert recover(journal, kept) == before
    assert read == [found.seq + 1]
    assert kept.said == []


def test_a_snapshot_of_the_journals_very_end_is_the_state(kept: Kept, disk: Disk, journal: MemoryJournal) -> None:
    state, chain_hash = state_at(disk, BATCHES)
    kept.save(state, chain_hash)
    assert recover(journal, kept) == state


def test_without_snapshots_the_journal_is_replayed(tmp_path: Path, journal: MemoryJournal) -> None:
    none = Kept(tmp_path)
    assert none.newest(journal) is None
    assert none.oldest_seq() is None
    assert recover(journal, none) == recover(journal)
    assert none.said == []


def test_only_the_newest_are_kept_for_their_owner_alone(kept: Kept, disk: Disk) -> None:
    """Rule 7."""
    saved = [kept.save(*state_at(disk, batches)) for batches in (45, 50, 55)]
    assert kept.paths() == saved[:0:-1]
    assert kept.oldest_seq() == disk.batches[49].last_seq
    assert [path.stat().st_mode & 0o777 for path in kept.paths()] == [0o600] * 2
    assert sorted(saved[0].parent.iterdir()) == sorted(saved[1:])


@pytest.mark.parametrize(("more", "written"), [(0, True), (1, False)])
def test_one_is_written_when_so_many_events_came_and_not_before(
    tmp_path: Path, journal: MemoryJournal, more: int, written: bool
) -> None:
    last = recover(journal).seq
    kept = Kept(tmp_path)
    Follower(journal, None, kept, snapshot_events=last + more).catch_up()
    assert kept.newest_seq() == (last if written else None)


@pytest.mark.parametrize(("more", "written"), [(0, False), (-1, True)])
def test_at_its_end_a_follower_writes_one_when_more_than_so_many_events_came(
    tmp_path: Path, journal: MemoryJournal, more: int, written: bool
) -> None:
    last, kept = recover(journal).seq, Kept(tmp_path)
    follower = Follower(journal, None, kept, snapshot_events=last + 1)
    follower.catch_up()
    follower.finish(last + more)
    assert kept.newest_seq() == (last if written else None)


def test_at_least_one_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Snapshots(tmp_path, 0)


# --- What is wrong with a snapshot ---


def truncated(path: Path, _: Disk) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path, _: Disk) -> None:
    path.write_bytes(b"")


def longer(path: Path, _: Disk) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def changed(path: Path, _: Disk) -> None:
    data = bytearray(path.read_bytes())
    data[HEAD_SIZE + len(data) // 2] ^= 1
    path.write_bytes(data)


def of_another_version(path: Path, _: Disk) -> None:
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)


def something_else(path: Path, _: Disk) -> None:
    path.write_bytes(b"#!/bin/sh\n" * 100)


def a_directory(path: Path, _: Disk) -> None:
    path.unlink()
    path.mkdir()


def of_another_journal(path: Path, disk: Disk) -> None:
    state, _ = state_at(disk, 40)
    path.write_bytes(b"".join(pack(state, bytes(32))))


def between_two_batches(path: Path, disk: Disk) -> None:
    state, chain_hash = state_at(disk, 40)
    path.write_bytes(b"".join(pack(msgspec.structs.replace(state, seq=state.seq - 1), chain_hash)))


def newer_than_the_journal(path: Path, disk: Disk) -> None:
    state, chain_hash = state_at(disk, BATCHES)
    path.write_bytes(b"".join(pack(msgspec.structs.replace(state, seq=state.seq + 100), chain_hash)))


WRONG = {
    truncated: "bytes",
    emptied: "does not begin",
    longer: "bytes",
    changed: "hash",
    of_another_version: "another version",
    something_else: "does not begin",
    a_directory: "directory",
    of_another_journal: "another journal",
    between_two_batches: "no batch that ends",
    newer_than_the_journal: "no batch that ends",
}


@pytest.mark.parametrize("harm", WRONG)
def test_a_bad_snapshot_is_passed_over_with_its_reason(
    kept: Kept, disk: Disk, journal: MemoryJournal, harm: object
) -> None:
    """The older one serves, and without it the whole journal; the state is the same."""
    newest, older = kept.paths()
    whole = recover(journal)
    harm(newest, disk)
    found = kept.newest(journal)
    assert found is not None
    assert found.seq == disk.batches[19].last_seq
    assert len(kept.said) == 1
    assert str(newest) in kept.said[0]
    assert WRONG[harm] in kept.said[0].lower()
    assert recover(journal, kept) == whole
    harm(older, disk)
    assert kept.newest(journal) is None
    assert recover(journal, kept) == whole


def test_a_snapshot_that_the_journal_does_not_go_on_from_is_not_used(
    kept: Kept, disk: Disk, journal: MemoryJournal
) -> None:
    """Whole, of this version and of this journal, and still wrong: the journal says so."""
    state, chain_hash = state_at(disk, 40)
    for order in state.orders.values():
        order.cum_qty += 1
    kept.save(state, chain_hash)
    reasons: list[str] = []
    assert recover(journal, kept, reasons.append) == recover(journal)
    assert len(reasons) == 1
    assert "does not go on" in reasons[0]


def test_a_journal_that_cannot_be_read_is_no_fault_of_the_snapshot(kept: Kept, journal: MemoryJournal) -> None:
    def unreachable(_: int) -> bytes:
        raise JournalError("no connection")

    journal.hash_at = unreachable
    with pytest.raises(JournalError, match="no connection"):
        recover(journal, kept)


def test_a_directory_that_cannot_be_read_costs_time_only(tmp_path: Path, journal: MemoryJournal) -> None:
    kept = Kept(tmp_path)
    (tmp_path / "snapshots").write_text("a file")
    assert kept.newest(journal) is None
    assert len(kept.said) == 1


# --- Writing ---


def test_a_write_that_fails_leaves_what_was_there(kept: Kept, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = kept.paths()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        kept.save(*state_at(disk, 50))
    assert kept.paths() == before
    assert sorted(before[0].parent.iterdir()) == sorted(before)


def test_the_file_and_its_name_are_durable_before_the_old_one_goes(
    kept: Kept, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C10: the file is synced under another name, then it gets its own, then the directory is synced."""
    seen: list[tuple[str, int]] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append((Path(f"/proc/self/fd/{descriptor}").resolve().suffix, len(kept.paths())))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    kept.save(*state_at(disk, 50))
    assert seen == [(".unfinished", 2), ("", 3)]


def test_what_a_killed_writer_left_is_removed_by_the_next(kept: Kept, disk: Disk) -> None:
    left = kept.paths()[0].with_suffix(".unfinished")
    left.write_bytes(b"half")
    kept.save(*state_at(disk, 50))
    assert not left.exists()


def test_one_who_writes_leaves_the_unfinished_of_another_alone(
    kept: Kept, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower and `gateway prepare-update` may meet: each took the other's file for that of a dead process."""
    writing, go_on, sync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        writing.set()
        assert go_on.wait(10)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept.save, *state_at(disk, 50))
        assert writing.wait(10)
        second = pool.submit(kept.save, *state_at(disk, 45))
        assert not second.done()
        go_on.set()
        assert [first.result(10), second.result(10)] == kept.paths()


def test_one_who_has_waited_long_for_another_says_so(
    kept: Kept, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "WRITER_S", 0.0)
    with alone(tmp_path / "snapshots.lock", ""), pytest.raises(Taken, match="another process is writing a snapshot"):
        kept.save(*state_at(disk, 50))


def test_killed_at_any_moment_the_old_snapshot_or_the_new_one_is_there(tmp_path: Path) -> None:
    """C10, with a real process and kill -9: whatever the moment, each finished file is whole."""
    seed = int(os.environ.get("KILL_SEED", "10"))
    print(f"KILL_SEED={seed}")
    random = Random(seed)
    journal = snapshot_writer.journal()
    whole = recover(journal)
    kept = Kept(tmp_path)
    kept.save(whole, journal.hash_at(whole.seq) or b"")
    finished: set[int] = set()
    for _ in range(12):
        command = [sys.executable, "-m", "tests.runtime.snapshot_writer", str(tmp_path / "snapshots")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
            assert writer.stdout is not None
            for _ in range(random.randrange(1, 12)):
                assert writer.stdout.readline().strip() == b"saved"
            for _ in range(random.randrange(20_000)):
                pass
            writer.send_signal(signal.SIGKILL)
            writer.wait(10)
        paths = kept.paths()
        assert paths, "there is always one"
        finished.update(int(path.stem) for path in paths)
        found = kept.newest(journal)
        assert found is not None
        assert found.seq == int(paths[0].stem), kept.said
        assert recover(journal, kept) == whole
    assert kept.said == []
    assert len(finished) > 1


# --- What the fast replay compares ---


def damaged(disk: Disk, place: int, **changes: object) -> MemoryJournal:
    """The same journal, but with another view told in the last record of a batch that has one."""
    lied, records = Disk(), list(MemoryJournal(disk).read())
    state = State()
    for batch in disk.batches:
        ours = records[batch.first_seq - 1 : batch.last_seq]
        for number, record in enumerate(ours):
            replay(state, record)
            if record.seq >= place and record.order is not None and not changes.get("done"):
                lie = msgspec.structs.replace(record.order, cum_qty=record.order.cum_qty + 1)
                ours[number] = msgspec.structs.replace(record, order=lie)
                changes["done"] = record.seq
        lied.batches.append(seal(lied.end, 1, ours))
    return MemoryJournal(lied)


def test_the_last_word_on_every_order_is_compared(disk: Disk) -> None:
    """A view that comes out otherwise than its owner was told stops the start, and the message names the event."""
    last = {record.order.order_id: record.seq for record in MemoryJournal(disk).read() if record.order is not None}
    for seq in list(last.values())[::7]:
        with pytest.raises(Diverged, match=f"event {seq} "):
            recover(damaged(disk, seq))


def test_the_journal_of_an_order_that_left_is_compared_when_it_leaves(disk: Disk) -> None:
    retired = msgspec.structs.replace(Lives(3).settings, retire_after_ns=50_000_000)
    lives, journal = Lives(3, retired, at_once=10), MemoryJournal(gone := Disk())
    journal.open()
    for batch in lives.batches(1_500):
        journal.append(batch)
    assert lives.state.retired_orders > 20
    assert recover(journal) == lives.state
    last = {record.order.order_id: record.seq for record in journal.read() if record.order is not None}
    left = [seq for order_id, seq in last.items() if order_id not in lives.state.orders]
    for seq in left[::9]:
        with pytest.raises((Diverged, InvariantBroken)):
            recover(damaged(gone, seq))
