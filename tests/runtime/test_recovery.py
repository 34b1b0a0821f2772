"""Recovery: the state is the sum of the journal, every time."""

import asyncio
import threading
from decimal import Decimal

import msgspec
import pytest

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.codec.journal import link, seal, unseal
from gateway.core.commands import CancelOrder, OpenOrderEntry, ReplaceOrder, ResolveItem
from gateway.core.engine import Diverged
from gateway.core.events import Cause, Input
from gateway.core.reports import ProcessStarted
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, OrdStatus
from gateway.runtime import sequencer
from gateway.runtime.ports import EpochStale, JournalDamaged
from gateway.runtime.recovery import compare_all, recover
from tests.core.world import CLIENT, SETTINGS, START_NS, VENUE, World, order
from tests.runtime.journals import ASKED, HeldJournal, running


def lived() -> World:
    """A little of everything."""
    world = World.started()
    first, second = world.submit("1"), world.submit("2", 50)
    world.acknowledge(first)
    world.fill(first, 40, exec_id="A")
    world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=order(order_qty=80).order_qty))
    world.report(first, ExecType.REPLACED, cl_ord_id=list(first.requests)[-1])
    world.report(first, ExecType.TRADE_CANCEL, exec_ref_id="A")
    world.ask(CancelOrder(CLIENT, "c", "2"))
    world.report(second, ExecType.ORDER_STATUS, exec_id="", ord_status=OrdStatus.PENDING_CANCEL)
    world.ask(order("3", symbol="NOPE"))
    return world


def written(world: World, batch: int = 3) -> Disk:
    disk = Disk()
    journal = MemoryJournal(disk)
    journal.open()
    for start in range(0, len(world.records), batch):
        journal.append(world.records[start : start + batch])
    return disk


def reopened(disk: Disk) -> MemoryJournal:
    journal = MemoryJournal(disk)
    journal.open()
    return journal


def test_an_empty_journal_is_an_empty_state() -> None:
    state = recover(reopened(Disk()))
    assert (state.seq, state.orders, state.epoch) == (0, {}, 0)


def test_a_recovery_says_at_each_commit_how_far_it_is() -> None:
    world, passed = lived(), list[int]()
    state = recover(reopened(written(world)), passed=passed.append)
    assert passed == [*range(3, state.seq, 3), state.seq]


def test_the_state_is_the_sum_of_the_journal() -> None:
    world = lived()
    assert recover(reopened(written(world))) == world.state


def test_recovery_can_be_repeated() -> None:
    """C11: the same state every time, and the journal is not touched."""
    disk = written(lived())
    before = list(disk.batches)
    states = [recover(reopened(disk)) for _ in range(3)]
    assert states[0] == states[1] == states[2]
    assert disk.batches == before


@pytest.mark.parametrize("kept", range(1, 6))
def test_every_prefix_of_a_journal_is_a_state(kept: int) -> None:
    """C0 and C1: whatever was committed last, what came before it stands."""
    disk = written(lived())
    del disk.batches[kept:]
    assert recover(reopened(disk)).seq == disk.end.seq


def test_what_is_told_differently_today_stops_the_start() -> None:
    """A view that comes out otherwise than its owner was told: the program or the journal is not what it was."""
    disk = written(lived(), batch=1)
    place, told = next(
        (place, record)
        for place, batch in enumerate(disk.batches)
        for record in unseal(link(disk.batches[place - 1]) if place else link_of_nothing(), batch)
        if record.order is not None
    )
    lie = msgspec.structs.replace(told, order=msgspec.structs.replace(told.order, cum_qty=told.order.cum_qty + 1))
    del disk.batches[place:]
    disk.batches.append(seal(disk.end, disk.epoch, [lie]))
    with pytest.raises(Diverged, match=f"event {told.seq}"):
        recover(reopened(disk))


def link_of_nothing() -> object:
    return Disk().end


def test_a_journal_of_a_version_that_told_less_is_replayed() -> None:
    """An old journal always loads: up to 0.1.0 a view did not have the request that its event is about."""
    world = lived()
    before = list(world.records)
    assert any(record.order is not None and record.order.request for record in before)
    world.records = [
        record
        if record.order is None
        else msgspec.structs.replace(record, order=msgspec.structs.replace(record.order, request=""))
        for record in before
    ]
    assert recover(reopened(written(world))) == compare_all(reopened(written(world))) == world.state


def test_damage_is_named_and_nothing_is_guessed() -> None:
    disk = written(lived())
    disk.batches[1] = msgspec.structs.replace(disk.batches[1], records=disk.batches[1].records[:-1] + b"\0")
    with pytest.raises(JournalDamaged):
        recover(reopened(disk))


async def test_a_process_that_dies_in_a_commit_leaves_what_was_durable() -> None:
    """C0: the client's second attempt under the same key finds nothing of the first and makes one order."""
    disk = Disk()
    journal = HeldJournal(disk)
    async with running(journal=journal) as run:
        first = await run.sequencer.execute(order("1"), ASKED)
        journal.hold()
        journal.broken = RuntimeError("power off")
        lost = asyncio.create_task(run.sequencer.execute(order("2"), ASKED))
        await journal.until_appending()
    lost.cancel()
    again = HeldJournal(disk)
    async with running(recover(again), again) as run:
        repeated = await run.sequencer.execute(order("1"), ASKED)
        fresh = await run.sequencer.execute(order("2"), ASKED)
        assert (repeated.order_id, repeated.repeated, fresh.repeated) == (first.order_id, True, False)
        assert run.sequencer.state.epoch == 2
        assert recover(again) == run.sequencer.state


async def test_an_old_owner_cannot_write_any_more() -> None:
    """C13: its commit fails, it ends, and it released nothing."""
    disk = Disk()
    async with running(journal=HeldJournal(disk)) as old:
        HeldJournal(disk)
        waiting = asyncio.create_task(old.sequencer.execute(order("1"), ASKED))
        await asyncio.wait([old.task], timeout=10)
        assert len(old.fatal) == 1
        assert old.released == []
        waiting.cancel()


async def test_a_process_that_was_overtaken_and_has_nothing_to_commit_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """C13: it would keep its sessions to venues, and the new process could not log on."""
    monkeypatch.setattr(sequencer, "CONFIRM_S", 0)
    disk = Disk()
    async with running(journal=HeldJournal(disk)) as old:
        watch = asyncio.create_task(old.sequencer.watch())
        await asyncio.wait_for(old.sequencer.execute(order("1"), ASKED), 10)
        assert not watch.done()
        HeldJournal(disk)
        await asyncio.wait_for(watch, 10)
        assert [type(error) for error in old.fatal] == [EpochStale]
        old.sequencer.stop()
        await asyncio.wait_for(old.task, 10)


class SlowToLookAt(HeldJournal):
    """A journal of which nobody can see for now whose it is, as behind a name server that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.looked, self.seen = threading.Event(), threading.Event()

    def confirm(self) -> None:
        self.looked.set()
        assert self.seen.wait(10)
        super().confirm()


async def test_no_commit_waits_for_a_look_whose_the_journal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "CONFIRM_S", 0)
    journal = SlowToLookAt()
    async with running(journal=journal) as run:
        watch = asyncio.create_task(run.sequencer.watch())
        assert await asyncio.to_thread(journal.looked.wait, 10)
        try:
            assert (await asyncio.wait_for(run.sequencer.execute(order("1"), ASKED), 5)).order_id
            assert not journal.seen.is_set()
        finally:
            journal.seen.set()
            watch.cancel()


def test_a_journal_may_start_with_any_input() -> None:
    """Facts of a process that never started properly do no harm."""
    world = World()
    world.give(Input(START_NS, Cause("process"), ProcessStarted("1")).body, Cause("process"))
    assert recover(reopened(written(world))).epoch == 1


def test_an_order_whose_last_change_names_it_by_an_item_only_is_compared_too() -> None:
    """An operator closes a QUANTITY item: the order is no longer disputed, and the event does not name it."""
    world = World.started(msgspec.structs.replace(SETTINGS, reconcile={VENUE: Reconcile()}))
    world.ask(OpenOrderEntry("ops", VENUE, "by telephone"))
    made = world.submit()
    world.fill(made, 10, cum_qty=Decimal(60))
    (item,) = world.state.items
    world.ask(ResolveItem("ops", item, "the venue corrected it"))
    assert world.records[-1].order is not None
    assert recover(reopened(written(world))) == world.state
