"""The journal in memory keeps the contract, and notices damage like the one on disk."""

from collections.abc import Callable

import msgspec
import pytest

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.runtime.ports import JournalDamaged
from tests.adapters.journal.contract import JournalContract, Opener
from tests.adapters.journal.records import fill, fills


class TestMemory(JournalContract):
    @pytest.fixture
    def storages(self) -> Callable[[], Opener]:
        def new() -> Opener:
            disk = Disk()
            return lambda: MemoryJournal(disk)

        return new


def _damaged(number: int) -> MemoryJournal:
    disk = Disk()
    journal = MemoryJournal(disk)
    journal.open()
    for seq in range(1, 9, 2):
        journal.append(fills(seq, seq + 1))
    batch = disk.batches[number]
    records = batch.records[:-1] + bytes([batch.records[-1] ^ 1])
    disk.batches[number] = msgspec.structs.replace(batch, records=records)
    return MemoryJournal(disk)


def test_damage_in_the_middle_stops_the_reader_there() -> None:
    journal = _damaged(2)
    assert journal.open().seq == 8
    reading = journal.read()
    assert [next(reading) for _ in range(4)] == fills(1, 4)
    with pytest.raises(JournalDamaged) as damaged:
        next(reading)
    assert damaged.value.seq == 5


def test_damage_in_the_last_batch_refuses_the_start() -> None:
    with pytest.raises(JournalDamaged) as damaged:
        _damaged(3).open()
    assert damaged.value.seq == 7


def test_a_reader_that_begins_behind_the_damage_is_not_held_up() -> None:
    assert list(_damaged(1).read(5)) == [fill(5), fill(6), fill(7), fill(8)]
