"""What left memory comes back through the sequencer, before the input that needs it is decided."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec
import pytest

from gateway.adapters.memory_journal import Disk
from gateway.core import events as ev
from gateway.core import retention
from gateway.core.commands import CancelOrder
from gateway.core.events import Cause, Input, Record
from gateway.core.reports import ExecutionReport, TimerFired
from gateway.core.types import ExecType, OrdStatus, Reason
from gateway.runtime import sequencer
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from gateway.runtime.retired import retired_order
from tests.core.world import CLIENT, SECOND_NS, SETTINGS, START_NS, VENUE, order
from tests.runtime.journals import ASKED, HeldJournal, Running, running, turns

RETIRING = msgspec.structs.replace(SETTINGS, retire_after_ns=60 * SECOND_NS)
LATER = START_NS + 61 * SECOND_NS
TIMER = Input(LATER, Cause("timer"), TimerFired())


class Line:
    """A source of facts."""

    def __init__(self, *facts: Input) -> None:
        self.waiting = list(facts)

    def drain(self, limit: int) -> Sequence[Input]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken


def said(number: int, of: str, exec_type: ExecType = ExecType.TRADE, **fields: object) -> Input:
    """What the venue says of an order; by default that it is filled."""
    values = {"exec_id": f"E{number}", "cl_ord_id": of, "last_qty": Decimal(100), "last_px": Decimal(10)} | fields
    report = ExecutionReport(VENUE, exec_type, OrdStatus.NEW, trade_date="20260105", **values)
    return Input(START_NS, Cause("venue", VENUE, number), report)


async def tell(run: Running, *facts: Input) -> list[Record]:
    """Give facts to the sequencer in one go; the records of all that they became."""
    before = len(run.released)
    run.sequencer.add_source(Line(*facts))
    run.sequencer.wake()
    await run.sequencer.execute(order("sync" + str(before), symbol="NOPE"), ASKED)
    return run.released[before:-1]


async def ended_orders(run: Running, *cl_ord_ids: str) -> list[str]:
    """Filled orders; their venue_cl_ord_ids."""
    answers = [await run.sequencer.execute(order(name), ASKED) for name in cl_ord_ids]
    names = [run.sequencer.state.orders[answer.order_id].venue_cl_ord_id for answer in answers]
    await tell(run, *[said(number, name) for number, name in enumerate(names, start=100)])
    return names


def kinds(records: Sequence[Record]) -> list[type]:
    return [type(record.event) for record in records]


async def test_a_late_bust_finds_its_order() -> None:
    async with running(settings=RETIRING) as run:
        (name,) = await ended_orders(run, "1")
        assert ev.OrderRetired in kinds(await tell(run, TIMER))
        assert not run.sequencer.state.orders
        told = await tell(run, said(300, name, ExecType.TRADE_CANCEL, exec_ref_id="E100"))
        assert kinds(told) == [ev.OrderRecalled, ev.ExecutionBusted]
        assert [record.cause.kind for record in told] == ["process", "venue"]
        assert next(iter(run.sequencer.state.positions.values())).net_qty == 0
        assert recover(run.journal) == run.sequencer.state


async def test_a_repeated_key_gets_its_answer_a_week_later() -> None:
    """Rule 3, for an order and for a refusal; after a restart as well."""
    disk = Disk()
    async with running(journal=HeldJournal(disk), settings=RETIRING) as run:
        await ended_orders(run, "1")
        first = await run.sequencer.execute(order("1"), ASKED)
        refused = await run.sequencer.execute(order("bad", symbol="NOPE"), ASKED)
        await tell(run, TIMER)
        assert not run.sequencer.state.orders
        assert not run.sequencer.state.keys[CLIENT].keys() & {"1", "bad"}
    again = HeldJournal(disk)
    async with running(recover(again), again, settings=RETIRING) as run:
        assert await run.sequencer.execute(order("1"), ASKED) == first
        repeated = await run.sequencer.execute(order("bad", symbol="NOPE"), ASKED)
        assert repeated == msgspec.structs.replace(refused, repeated=True)
        assert (await run.sequencer.execute(order("1", 7), ASKED)).reason is Reason.DUPLICATE_CL_ORD_ID
        assert [type(record.event) for record in run.released].count(ev.OrderRecalled) == 1
        assert recover(again) == run.sequencer.state


async def test_what_leaves_and_is_needed_in_one_batch_is_there() -> None:
    """The record is not in the journal yet: it is part of the commit that is being made."""
    async with running(settings=RETIRING) as run:
        (name,) = await ended_orders(run, "1")
        (order_id,) = run.sequencer.state.orders
        run.journal.hold()
        waiting = asyncio.create_task(run.sequencer.execute(order("other"), ASKED))
        await run.journal.until_appending()
        late = said(300, name, ExecType.TRADE_CANCEL, exec_ref_id="E100")
        run.sequencer.add_source(Line(TIMER, late, TIMER))
        cancel = asyncio.create_task(run.sequencer.execute(CancelOrder(CLIENT, "c", "1"), ASKED))
        await turns()
        run.journal.batches.clear()
        run.journal.let_go()
        await waiting
        answer = await cancel
        assert answer.reason is None, "the bust has brought the order back to life"
        (batch,) = [batch for batch in run.journal.batches if ev.OrderRetired in kinds(batch)]
        told = kinds([record for record in batch if getattr(record.event, "order_id", "") == order_id])
        assert told == [ev.OrderRetired, ev.OrderRecalled, ev.ExecutionBusted, ev.CancelRequested]
        assert recover(run.journal) == run.sequencer.state


async def test_many_commands_of_one_request_find_what_left() -> None:
    async with running(settings=RETIRING) as run:
        await ended_orders(run, "1", "2", "3")
        await tell(run, TIMER)
        answers = await run.sequencer.execute_many([order("3"), order("1"), order("1"), order("new")], ASKED)
        assert [answer.repeated for answer in answers] == [True, True, True, False]
        assert len(run.sequencer.state.orders) == 3


async def flooded(run: Running, count: int) -> list[list[Record]]:
    """What is committed when busts of so many orders that left memory have come, and an order of a client with them."""
    names = await ended_orders(run, *[str(number) for number in range(count)])
    await tell(run, TIMER)
    run.journal.batches.clear()
    first = await run.held_up()
    late = [said(300 + n, name, ExecType.TRADE_CANCEL, exec_ref_id=f"E{100 + n}") for n, name in enumerate(names)]
    run.sequencer.add_source(Line(*late))
    second = asyncio.create_task(run.sequencer.execute(order("second"), ASKED))
    await turns()
    run.journal.let_go()
    await asyncio.gather(first, second)
    return run.journal.batches[1:]


async def test_a_batch_recalls_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: the rest waits for the next batch, in order, and commands behind facts."""
    monkeypatch.setattr(sequencer, "MAX_RECALLS", 2)
    async with running(settings=RETIRING) as run:
        batches = await flooded(run, 5)
        assert [kinds(batch).count(ev.OrderRecalled) for batch in batches] == [2, 2, 1]
        busted = [
            record.cause.msg_seq_num
            for batch in batches
            for record in batch
            if isinstance(record.event, ev.ExecutionBusted)
        ]
        assert busted == [300, 301, 302, 303, 304]
        assert kinds(batches[-1])[-2:] == [ev.OrderSubmitted, ev.OrderRouted]
        assert recover(run.journal) == run.sequencer.state


async def test_a_flood_about_what_left_memory_leaves_commands_a_part_of_each_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequencer, "MAX_RECALLS", 4)
    async with running(settings=RETIRING) as run:
        told = kinds((await flooded(run, 7))[0])
        assert (told.count(ev.OrderRecalled), told.count(ev.OrderSubmitted)) == (3, 1)


async def test_one_message_about_what_left_memory_holds_up_nobody_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that cancels all it ever sent. The others have their turn, and it gets its answers in order."""
    monkeypatch.setattr(sequencer, "MAX_RECALLS", 2)
    async with running(settings=RETIRING) as run:
        names = [str(number) for number in range(5)]
        await ended_orders(run, *names)
        await tell(run, TIMER)
        run.journal.batches.clear()
        cancels = [CancelOrder(CLIENT, f"c{name}", name) for name in names]
        message = asyncio.create_task(run.sequencer.execute_many(cancels, ASKED))
        behind = asyncio.create_task(run.sequencer.execute(order("behind"), ASKED))
        other = asyncio.create_task(run.sequencer.execute(order("other"), Cause("client", "other")))
        answers = await message
        await asyncio.gather(behind, other)
        told = [record for batch in run.journal.batches for record in batch if record.cause.kind == "client"]
        asked = [getattr(getattr(record.event, "command", None), "cl_ord_id", "") for record in told]
        assert [each for each in asked if each] == ["c0", "c1", "other", "c2", "c3", "c4", "behind"]
        assert [kinds(batch).count(ev.OrderRecalled) for batch in run.journal.batches] == [2, 2, 1]
        assert [(each.reason, each.repeated) for each in answers] == [(Reason.ORDER_NOT_WORKING, False)] * 5
        again = await run.sequencer.execute_many(cancels, ASKED)
        assert [each.repeated for each in again] == [True] * 5
        assert recover(run.journal) == run.sequencer.state


class Reading(HeldJournal):
    """A journal that knows who read it, and can fail to be read."""

    def __init__(self, disk: Disk | None = None) -> None:
        super().__init__(disk)
        self.readers: list[tuple[int, str]] = []
        self.unreadable = False

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        self.readers.append((from_seq, threading.current_thread().name))
        if self.unreadable:
            raise JournalError("no connection")
        return super().read(from_seq)


async def test_the_journal_is_read_off_the_loop_and_only_when_needed() -> None:
    journal = Reading()
    async with running(journal=journal, settings=RETIRING) as run:
        (name,) = await ended_orders(run, "1")
        await tell(run, TIMER)
        assert await run.sequencer.execute(order("new"), ASKED)
        await tell(run, said(300, "stranger"))
        assert journal.readers == []
        retired = next(record.seq for record in run.released if isinstance(record.event, ev.OrderRetired))
        await tell(run, said(301, name), said(302, name))
        assert [seq for seq, _ in journal.readers] == [retired]
        assert journal.readers[0][1].startswith("journal")


async def test_a_retired_order_can_be_looked_at_without_a_change() -> None:
    async with running(settings=RETIRING) as run:
        await ended_orders(run, "1")
        (was,) = run.sequencer.state.orders.values()
        await tell(run, TIMER)
        state, seq = run.sequencer.state, run.sequencer.committed_seq
        for wanted in (retention.wanted_order(state, was.order_id), retention.wanted_key(state, CLIENT, "1")):
            assert await asyncio.to_thread(retired_order, run.journal, wanted) == was
        for wanted in (retention.wanted_order(state, "other"), retention.wanted_key(state, "other", "1")):
            assert retired_order(run.journal, wanted) is None
        assert (run.sequencer.committed_seq, state.orders) == (seq, {})


async def test_a_refusal_is_no_order() -> None:
    async with running(settings=RETIRING) as run:
        await run.sequencer.execute(order("bad", symbol="NOPE"), ASKED)
        await tell(run, TIMER)
        wanted = retention.wanted_key(run.sequencer.state, CLIENT, "bad")
        assert wanted.seqs
        assert retired_order(run.journal, wanted) is None


def test_a_record_that_should_be_there_and_is_not_stops_everything() -> None:
    wanted = retention.Wanted("O1", (99,))
    with pytest.raises(JournalError, match="no event 99"):
        retired_order(HeldJournal(), wanted)
