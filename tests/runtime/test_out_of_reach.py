"""What left memory and cannot be read now: nothing is guessed, nothing is lost, and nothing else stops."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core import items
from gateway.core.commands import CancelOrder, OpenOrderEntry, RequestOrderStatus
from gateway.core.events import Cause, Input, Record
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    SendRefused,
    TimerFired,
)
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, ItemKind, OrdStatus, Severity
from gateway.runtime import sequencer
from gateway.runtime.ports import JournalDamaged, JournalError
from gateway.runtime.recovery import recover
from tests.core.world import START_NS, VENUE, order
from tests.runtime.journals import ASKED, HeldJournal, Running, ended, running
from tests.runtime.test_recall import LATER, RETIRING, TIMER, Line, ended_orders, kinds, said
from tests.runtime.test_recall import tell as tell_all

WHY = "seq 1 to 7 were moved to the archive and are not there: put its files back"
DROP_COPY = "XDC"
COMPARED = msgspec.structs.replace(RETIRING, reconcile={VENUE: Reconcile(mass=True, timeout_ns=10**18)})


class Away(HeldJournal):
    """A journal of which some cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[int] | None = set()
        self.error: JournalError = JournalError(WHY)

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        if self.away is None or from_seq in self.away:
            raise self.error
        return super().read(from_seq)

    def lose(self, run: Running, *order_ids: str) -> None:
        """What these orders left behind cannot be read; without a name, nothing can."""
        retired = {r.event.order_id: r.seq for r in run.released if isinstance(r.event, ev.OrderRetired)}
        self.away = {retired[order_id] for order_id in order_ids} if order_ids else None


async def tell(run: Running, *facts: Input) -> list[Record]:
    """The same without what becomes of the keys by which it waits."""
    return [record for record in await tell_all(run, *facts) if not isinstance(record.event, ev.KeysRetired)]


def timer(seconds: int) -> Input:
    return Input(LATER + seconds * 1_000_000_000, Cause("timer"), TimerFired())


def bust(number: int, name: str, of: int = 100) -> Input:
    return said(number, name, ExecType.TRADE_CANCEL, exec_id=f"B{of}", exec_ref_id=f"E{of}")


def position(run: Running) -> Decimal:
    return sum((each.net_qty for each in run.sequencer.state.positions.values()), Decimal(0))


async def test_a_key_that_cannot_be_looked_up_gets_no_answer_and_keeps_its_first_one() -> None:
    """Rule 3: it is neither done again nor refused, and whoever asks beside it is served."""
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        first = await run.sequencer.execute(order("1"), ASKED)
        (live,) = run.sequencer.state.orders.values()
        await tell(run, said(100, live.venue_cl_ord_id))
        await tell(run, TIMER)
        journal.lose(run)
        before = len(run.released)
        asked = [order("1"), order("new"), CancelOrder("C1", "c", "1"), RequestOrderStatus("C1", "1"), order("new")]
        asked = [msgspec.structs.replace(each, client_id=first_client(run)) for each in asked]
        answers = await run.sequencer.execute_many(asked, ASKED)
        assert [answer.out_of_reach for answer in answers] == [WHY, "", WHY, WHY, ""]
        assert kinds(run.released[before:]) == [ev.OrderSubmitted, ev.OrderRouted], "nothing is kept of the others"
        assert answers[4] == msgspec.structs.replace(answers[1], repeated=True)
        journal.away = set()
        again = await run.sequencer.execute(order("1"), ASKED)
        assert again == msgspec.structs.replace(first, repeated=True)
        assert recover(run.journal) == run.sequencer.state


def first_client(run: Running) -> str:
    return next(iter(run.sequencer.state.keys))


@pytest.mark.parametrize("error", [JournalError(WHY), JournalDamaged("damaged at seq 5", 5)], ids=["away", "damaged"])
async def test_a_late_bust_waits_whole_and_visible_and_is_applied_when_its_order_can_be_read(
    error: JournalError,
) -> None:
    journal = Away()
    journal.error = error
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1")
        await tell(run, TIMER)
        journal.lose(run)
        late = bust(300, names[0])
        set_aside, raised = await tell(run, late)
        assert set_aside.event == ev.ReportSetAside(late.body, str(error))
        assert set_aside.cause.msg_seq_num == 300, "its number counts as received: the venue need not send it again"
        item = raised.event
        assert (item.kind, item.severity, item.set_aside_seq) == (
            ItemKind.REPORT_WAITING,
            Severity.CRITICAL,
            set_aside.seq,
        )
        assert str(error) in item.text
        assert position(run) == 100
        assert await tell(run, timer(10)) == []
        journal.away = set()
        recalled, busted, resolved = await tell(run, timer(20))
        assert kinds([recalled, busted, resolved]) == [ev.OrderRecalled, ev.ExecutionBusted, ev.ItemResolved]
        assert busted.cause == Cause("venue", VENUE, request=f"event {set_aside.seq}")
        assert resolved.event.item_id == item.item_id
        assert position(run) == 0
        assert (run.sequencer.state.items, run.sequencer.state.session(VENUE).inbound_seq) == ({}, 300)
        assert recover(run.journal) == run.sequencer.state


async def test_what_was_told_twice_meanwhile_counts_once_and_one_order_does_not_hold_up_another() -> None:
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1", "2")
        lost, other = run.sequencer.state.orders
        await tell(run, TIMER)
        journal.lose(run)
        await tell(run, bust(300, names[0]), bust(301, names[0]), bust(302, names[1], of=101), bust(303, names[1], 101))
        assert len(run.sequencer.state.items) == 4
        assert position(run) == 200
        journal.lose(run, lost)
        for seconds in range(10, 60, 10):
            await tell(run, timer(seconds))
        assert position(run) == 100
        assert len(run.sequencer.state.items) == 2
        journal.away = set()
        await tell(run, timer(60))
        assert (position(run), len(run.sequencer.state.items)) == (0, 0)
        assert other in run.sequencer.state.orders
        assert kinds(run.released).count(ev.ExecutionBusted) == 2
        assert recover(run.journal) == run.sequencer.state


async def test_a_restart_goes_on_waiting_and_a_reset_of_the_numbers_does_no_harm() -> None:
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1")
        await tell(run, TIMER)
        journal.lose(run)
        await tell(run, bust(300, names[0]))
    journal.away = set()
    state = recover(journal)
    state.sessions[VENUE].inbound_seq = 0
    async with running(state, journal, settings=RETIRING) as run:
        told = await tell(run, timer(10))
        assert ev.ExecutionBusted in kinds(told)
        assert run.sequencer.state.session(VENUE).inbound_seq == 0


async def test_a_turn_of_the_clock_looks_only_so_often() -> None:
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1")
        await tell(run, TIMER)
        journal.lose(run)
        await tell(run, bust(300, names[0]))
        await tell(run, timer(1))
        journal.away = set()
        assert await tell(run, timer(2)) == []
        assert ev.ExecutionBusted in kinds(await tell(run, timer(3)))


async def test_copies_and_answers_to_cancels_wait_too_and_what_changes_nothing_does_not() -> None:
    journal = Away()
    settings = msgspec.structs.replace(RETIRING, drop_copies={DROP_COPY: VENUE})
    async with running(journal=journal, settings=settings) as run:
        names = await ended_orders(run, "1")
        await tell(run, TIMER)
        journal.lose(run)
        copy = Input(START_NS, Cause("venue", DROP_COPY, 7), DropCopied(DROP_COPY, bust(0, names[0]).body))
        late = Input(START_NS, Cause("venue", VENUE, 300), OrderCancelReject(VENUE, names[0], names[0]))
        rejected = Input(START_NS, Cause("venue", VENUE, 301), MessageRejected(VENUE, "H", names[0]))
        unsent = Input(START_NS, Cause("process"), SendRefused(VENUE, names[0], "down"))
        told = await tell(run, copy, late, rejected, unsent)
        waits = [ev.ReportSetAside, ev.ItemRaised]
        assert kinds(told) == [*waits, *waits, ev.MessageRefused]
        journal.away = set()
        told = await tell(run, timer(10))
        assert kinds(told) == [ev.OrderRecalled, ev.DropCopyNoted, ev.ItemResolved, ev.ReportSetAside, ev.ItemResolved]
        assert told[1].event.session == DROP_COPY
        assert not run.sequencer.state.items
        assert recover(run.journal) == run.sequencer.state


async def test_a_comparison_ends_though_its_last_answer_speaks_of_what_cannot_be_read() -> None:
    journal = Away()
    async with running(journal=journal, settings=COMPARED) as run:
        state = run.sequencer.state
        assert state.runs, "it was asked when it logged on"
        await run.sequencer.execute(OpenOrderEntry("op", VENUE, "a test"), ASKED)
        names = await ended_orders(run, "1")
        await tell(run, TIMER)
        journal.lose(run)
        asked = state.runs[VENUE].mass_status_req_id
        answer = ExecutionReport(
            VENUE,
            ExecType.ORDER_STATUS,
            OrdStatus.FILLED,
            cl_ord_id=names[0],
            mass_status_req_id=asked,
            tot_num_reports=1,
            last_rpt_requested=True,
        )
        told = await tell(run, Input(START_NS, Cause("venue", VENUE, 300), answer))
        assert kinds(told) == [ev.ReportSetAside, ev.ItemRaised, ev.ReconciliationEnded]
        assert told[-1].event.complete


async def test_when_too_much_waits_the_process_stops_and_the_venue_sends_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 7: an execution that could not be taken up again is not acknowledged either."""
    monkeypatch.setattr("gateway.runtime.retired.MAX_OPEN", 1)
    assert items.MAX_OPEN > 1
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1", "2")
        await tell(run, TIMER)
        journal.lose(run)
        await tell(run, bust(300, names[0]))
        run.sequencer.add_source(Line(bust(301, names[1], of=101)))
        run.sequencer.wake()
        await ended(run.task)
        assert [str(error) for error in run.fatal] == [WHY]
        assert recover(run.journal).session(VENUE).inbound_seq == 300


async def test_one_turn_takes_up_no_more_than_a_batch_may_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "MAX_RECALLS", 2)
    journal = Away()
    async with running(journal=journal, settings=RETIRING) as run:
        names = await ended_orders(run, "1", "2", "3")
        await tell(run, TIMER)
        journal.lose(run)
        for number, name in enumerate(names):
            await tell(run, bust(300 + number, name, of=100 + number))
        journal.away = set()
        told = await tell(run, timer(10))
        assert kinds(told).count(ev.OrderRecalled) == 2
        await tell(run, timer(20))
        assert position(run) == 0
