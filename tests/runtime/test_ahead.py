"""Reading ahead: a start that a process beside helps is the same start, and one that it fails is as well."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import IO

import msgspec
import pytest
import structlog

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.codec.journal import Batch, Link, check, link
from gateway.core import events as ev
from gateway.core.engine import Diverged
from gateway.core.events import Record
from gateway.core.state import State
from gateway.runtime import recovery
from gateway.runtime.ahead import hand_over
from gateway.runtime.ports import JournalDamaged
from gateway.runtime.recovery import recover
from tests.bench.lives import SETTINGS, Lives

SHORT = msgspec.structs.replace(SETTINGS, retire_after_ns=1_000_000_000)


class Reader:
    """A process beside that is none: all of it is handed over at once. `spoil` changes the bytes on their way."""

    def __init__(self, disk: Disk, spoil: Callable[[bytes], bytes] = bytes) -> None:
        self.disk, self.spoil = disk, spoil
        self.asked: list[int] = []

    def __call__(self, from_seq: int, send_after: int) -> "Reader":
        self.asked.append(from_seq)
        self.send_after = send_after
        return self

    def __enter__(self) -> IO[bytes]:
        written = io.BytesIO()
        hand_over(self._proven(), written.write, self.send_after)
        return io.BytesIO(self.spoil(written.getvalue()))

    def _proven(self) -> Iterator[Batch]:
        end = Link()
        for batch in self.disk.batches:
            check(end, batch)
            end = link(batch)
            if batch.last_seq >= self.asked[-1]:
                yield batch

    def __exit__(self, *_: object) -> None:
        pass


def journal_of(batches: list[list[Record]]) -> Disk:
    disk = Disk()
    journal = MemoryJournal(disk)
    journal.open()
    for records in batches:
        journal.append(records)
    return disk


@pytest.fixture(autouse=True, params=[0, 900, 10_000], ids=["all", "most", "nothing"])
def handed_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much of the journal comes from the process beside."""
    monkeypatch.setattr(recovery, "WHILE_IT_STARTS", request.param)


@pytest.fixture(scope="module")
def batches() -> list[list[Record]]:
    """A day with orders that leave memory, some that are open, some that ended."""
    lived = Lives(1, SHORT, at_once=40)
    found = list(lived.batches(6_000))
    assert lived.state.retired_orders > 200
    assert lived.state.ended
    assert len(lived.state.orders) > len(lived.state.ended)
    return found


def changed(batches: list[list[Record]], record: Record) -> list[list[Record]]:
    return [[record if each.seq == record.seq else each for each in records] for records in batches]


def last_word(batches: list[list[Record]], order_id: str) -> Record:
    told = [each for records in batches for each in records if each.order is not None]
    return next(each for each in reversed(told) if each.order is not None and each.order.order_id == order_id)


def lie_about(batches: list[list[Record]], order_id: str) -> list[list[Record]]:
    record = last_word(batches, order_id)
    assert record.order is not None
    lie = msgspec.structs.replace(record.order, cum_qty=record.order.cum_qty + Decimal(1))
    return changed(batches, msgspec.structs.replace(record, order=lie))


def test_a_start_with_a_reader_beside_is_the_same_start(batches: list[list[Record]]) -> None:
    """Rule 1: the state is the sum of the events, whoever reads them."""
    disk = journal_of(batches)
    reader, passed, alone = Reader(disk), list[int](), list[int]()
    assert recover(MemoryJournal(disk), passed=passed.append, beside=reader) == recover(
        MemoryJournal(disk), passed=alone.append
    )
    assert (reader.asked, passed) == ([1], alone)


def test_an_empty_journal_has_an_end(batches: list[list[Record]]) -> None:
    disk = journal_of([])
    assert recover(MemoryJournal(disk), beside=Reader(disk)) == State()
    disk = journal_of(batches)
    whole, snapshot = recover(MemoryJournal(disk)), recover(MemoryJournal(disk))
    assert recover(MemoryJournal(disk), Kept(snapshot), beside=Reader(disk)) == whole  # type: ignore[arg-type]


class Kept:
    """Snapshots, of which there is one."""

    def __init__(self, state: State) -> None:
        self.state = state

    def newest(self, _journal: object) -> State:
        return self.state


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside"])
@pytest.mark.parametrize("which", ["retired", "ended", "open"])
def test_a_last_word_that_is_not_so_stops_the_start(batches: list[list[Record]], which: str, *, beside: bool) -> None:
    """What left memory is compared with what was told as well as what is there at the end."""
    state = recover(MemoryJournal(journal_of(batches)))
    retired = next(each.event for records in batches for each in records if isinstance(each.event, ev.OrderRetired))
    order_id = {
        "retired": retired.order_id,
        "ended": next(iter(state.ended)),
        "open": next(order_id for order_id in state.orders if order_id not in state.ended),
    }[which]
    lied = lie_about(batches, order_id)
    disk = journal_of(lied)
    with pytest.raises(Diverged, match=f"event {last_word(lied, order_id).seq} "):
        recover(MemoryJournal(disk), beside=Reader(disk) if beside else None)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside"])
def test_who_changed_was_told_and_nobody_else(batches: list[list[Record]], *, beside: bool) -> None:
    records = [each for records in batches for each in records]
    with_word = next(each for each in records if each.order is not None)
    without = next(each for each in records if each.order is None)
    for wrong in (
        msgspec.structs.replace(with_word, order=None),
        msgspec.structs.replace(without, order=with_word.order),
    ):
        disk = journal_of(changed(batches, wrong))
        with pytest.raises(Diverged, match=f"event {wrong.seq} "):
            recover(MemoryJournal(disk), beside=Reader(disk) if beside else None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[:4] + b"\xc1" + data[5:],
    ],
    ids=["nothing", "half", "no end", "nonsense"],
)
def test_a_reader_that_comes_to_no_end_costs_time_and_nothing_else(
    batches: list[list[Record]], spoil: Callable[[bytes], bytes]
) -> None:
    disk = journal_of(batches)
    with structlog.testing.capture_logs() as logs:
        state = recover(MemoryJournal(disk), beside=Reader(disk, spoil))
    assert state == recover(MemoryJournal(disk))
    assert [line["event"] for line in logs] == ["reader_failed"]


def test_a_reader_of_another_journal_is_not_believed(batches: list[list[Record]]) -> None:
    """As when the journal's file was replaced in that moment."""
    disk = journal_of(batches)
    for other in (list(Lives(2, SHORT).batches(5_000)), [*batches[:-1], batches[-1][:1]]):
        with structlog.testing.capture_logs() as logs:
            state = recover(MemoryJournal(disk), beside=Reader(journal_of(other)))
        assert state == recover(MemoryJournal(disk))
        assert [line["event"] for line in logs] == ["reader_failed"]


def test_what_a_reader_has_not_read_is_read_here(batches: list[list[Record]]) -> None:
    disk, shorter = journal_of(batches), journal_of(batches[:-3])
    assert recover(MemoryJournal(disk), beside=Reader(shorter)) == recover(MemoryJournal(disk))


def test_a_reader_that_cannot_be_started_is_done_without(batches: list[list[Record]]) -> None:
    @contextmanager
    def full(_from_seq: int, _send_after: int) -> Iterator[IO[bytes]]:
        raise OSError("Cannot allocate memory")
        yield

    disk = journal_of(batches)
    assert recover(MemoryJournal(disk), beside=full).seq == disk.end.seq


def test_damage_is_found_by_who_replays_and_named(batches: list[list[Record]]) -> None:
    disk = journal_of(batches)
    batch = disk.batches[7]
    disk.batches[7] = msgspec.structs.replace(batch, records=batch.records[:-1] + b"\0")
    with pytest.raises(JournalDamaged) as raised:
        recover(MemoryJournal(disk), beside=Reader(disk))
    assert raised.value.seq == batch.first_seq
