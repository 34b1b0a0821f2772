"""Bugs planted on purpose: each breaks one promise in the real code, as a mistake of a programmer would.

They show that the simulator can fail. A bug is a context in which the patched code is in force.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import wraps
from typing import Any
from unittest.mock import patch

import msgspec

from gateway.adapters.quickfix.link import QuickFixLink
from gateway.adapters.quickfix.store import Store
from gateway.adapters.quickfix.wire import Wire
from gateway.codec.fix.encode import Encoder
from gateway.core import (
    doubt,
    drop_copy,
    engine,
    intake,
    items,
    lost,
    order,
    reconciliation,
    rejects,
    retention,
    sessions,
    venue_reports,
)
from gateway.core import events as ev
from gateway.core.events import Event, Record
from gateway.core.money import ZERO
from gateway.core.name_index import NameIndex
from gateway.core.order import Order
from gateway.core.reports import ExecutionReport, OrderCancelReject, ProcessStarted
from gateway.core.risk import exposure, stops, watch
from gateway.core.state import Run, Settings, State
from gateway.core.types import ExecType
from gateway.runtime.feed import Feed
from gateway.runtime.ports import JournalError, Known
from gateway.runtime.sequencer import Sequencer, _Batch, _resolve
from tests.simulation import process

Bug = Callable[[], AbstractContextManager[Any]]


def release_before_commit() -> AbstractContextManager[Any]:
    """Rule 1: the venue gets the order before it is durable."""

    async def finish(self: Sequencer, batch: _Batch) -> float:
        if batch.records:
            self._release(batch.records)
            await self._loop.run_in_executor(self._writer, self._journal.append, batch.records)
            self.committed_seq = batch.records[-1].seq
            while self._commit_waiters and self._commit_waiters[0][0] <= self.committed_seq:
                _resolve(self._commit_waiters.popleft()[1], None)
        for reply, answers in batch.replies:
            _resolve(reply, answers)
        return 0.0

    return patch.object(Sequencer, "_finish", finish)


def reply_before_commit() -> AbstractContextManager[Any]:
    """Rule 1: the caller is answered before its answer is durable."""
    finish = Sequencer._finish

    async def hasty(self: Sequencer, batch: _Batch) -> float:
        for reply, answers in batch.replies:
            _resolve(reply, answers)
        return await finish(self, batch)

    return patch.object(Sequencer, "_finish", hasty)


def failed_append_retried() -> AbstractContextManager[Any]:
    """A commit whose outcome is not known is simply tried again."""
    finish = Sequencer._finish

    async def stubborn(self: Sequencer, batch: _Batch) -> float:
        try:
            return await finish(self, batch)
        except JournalError:
            return await finish(self, batch)

    return patch.object(Sequencer, "_finish", stubborn)


def orders_resent() -> AbstractContextManager[Any]:
    """Rule 2: the venue asks for a resend and gets an order of an earlier connection."""

    def again(self: Wire, message: Any) -> None:
        self.assigned = int(message.getHeader().getField(34))

    return patch.object(Wire, "sends_app", again)


def duplicates_booked() -> AbstractContextManager[Any]:
    """Rule 4: an ExecID that was seen before counts again."""
    return patch.object(venue_reports, "report_key", lambda _date, _exec_id: "never seen")


def inbound_number_too_high() -> AbstractContextManager[Any]:
    """The session expects one message too late: what was received and not committed is not asked for."""
    start = QuickFixLink.start

    @wraps(start)
    def late(self: QuickFixLink, known: Known) -> None:
        start(self, msgspec.structs.replace(known, inbound_seq=known.inbound_seq + (known.inbound_seq > 0)))

    return patch.object(QuickFixLink, "start", late)


def fill_after_cancel_dropped() -> AbstractContextManager[Any]:
    """A canceled order cannot be filled, can it?"""
    real = venue_reports._execution

    def strict(order: Order, report: ExecutionReport) -> list[Event]:
        return [venue_reports._ignored(order, report, "the order has ended")] if order.closed else real(order, report)

    return patch.object(venue_reports, "_execution", strict)


def doubt_ended_by_a_restart() -> AbstractContextManager[Any]:
    """Rule 2: after a restart what nobody answered is called unsent."""
    real = sessions.process_started

    def cleared(state: State, fact: ProcessStarted, at_ns: int) -> list[Event]:
        unsent = [ev.OrderUnsent(order_id, key, "the process ended") for key, order_id in state.waiting.items()]
        return [event for event in real(state, fact, at_ns) if not isinstance(event, ev.OrderInDoubt)] + unsent

    return patch.object(sessions, "process_started", cleared)


def rest_of_the_lost_forgotten() -> AbstractContextManager[Any]:
    """Of what a connection that is gone left unanswered only the first part comes into doubt."""
    return patch.object(lost, "next_part", lambda _: [])


def key_forgotten_at_recovery() -> AbstractContextManager[Any]:
    """Rule 3: the newest key does not survive a restart."""
    real = process.recover

    def forgetful(*given: Any) -> State:
        state = real(*given)
        for keys in state.keys.values():
            keys.popitem()
            break
        return state

    return patch.object(process, "recover", forgetful)


def stream_skips_a_record() -> AbstractContextManager[Any]:
    """A reader that resumes from the journal misses a record between two pieces."""
    real = Feed.from_journal

    def skipping(self: Feed, from_seq: int, count: int) -> list[Record]:
        records = real(self, from_seq, count)
        return records[:1] + records[2:] if len(records) > 20 else records

    return patch.object(Feed, "from_journal", skipping)


def last_batch_not_recovered() -> AbstractContextManager[Any]:
    """Recovery stops one record before the end of the journal."""

    def short(journal: Any, *_: Any) -> State:
        state, last = State(), None
        for record in journal.read():
            if last is not None:
                engine.replay(state, last)
            last = record
        return state

    return patch.object(process, "recover", short)


def unknown_order_taken_for_canceled() -> AbstractContextManager[Any]:
    """The venue refuses a cancel because it does not know the order: then it is gone, is it not?"""
    real = rejects.cancel_reject

    def hopeful(state: State, report: OrderCancelReject) -> list[Event]:
        order = state.orders.get(state.by_venue_cl_ord_id.get(report.cl_ord_id, ""))
        if order is None or report.cxl_rej_reason != rejects.UNKNOWN_TO_CANCEL:
            return real(state, report)
        return [ev.OrderCanceled(order.order_id, text=report.text, venue_cl_ord_id=report.cl_ord_id)]

    return patch.object(rejects, "cancel_reject", hopeful)


def order_of_the_venue_called_canceled() -> AbstractContextManager[Any]:
    """An operator says that an order is over: no need to look at what its venue says."""
    return patch.object(doubt, "_is_unknown", lambda *_: True)


def called_canceled_for_good() -> AbstractContextManager[Any]:
    """An operator has called the order canceled: the venue's later word on it changes nothing."""
    return patch.object(doubt, "_known_again", lambda *_: None)


def key_taken_by_another_request() -> AbstractContextManager[Any]:
    """Rule 3: a second request under a known key is answered as if it were the first."""

    def same(state: State, command: Any) -> bool:
        return getattr(command, "cl_ord_id", "") in state.keys.get(command.client_id, {})

    return patch.object(intake, "_is_repeated", same)


def report_lost_with_its_batch() -> AbstractContextManager[Any]:
    """Facts that find no room in a batch are dropped instead of left where they are."""
    real = Sequencer._drain

    def dropping(self: Sequencer) -> None:
        real(self)
        for source in self._sources:
            if len(self._drained) >= self._max_batch:
                source.drain(1)

    return patch.object(Sequencer, "_drain", dropping)


def store_trusted_after_power_loss() -> AbstractContextManager[Any]:
    """C12: a FIX store that lost its tail proves that what is not in it was never sent."""
    return patch.object(Store, "_doubt", lambda _self, _floor: "")


def retired_not_recalled() -> AbstractContextManager[Any]:
    """What has left memory is forgotten."""
    return patch.object(retention, "wanted", lambda _state, _body: [])


def stop_ended_by_a_restart() -> AbstractContextManager[Any]:
    """The kill switch holds as long as the process: a new one trades again, and replays to that."""
    real = engine._APPLY[ev.EpochBegan]

    def forgetful(state: State, event: ev.EpochBegan, at_ns: int) -> None:
        real(state, event, at_ns)
        scopes = [stop.stopped.scope for stop in state.risk.stops.values()]
        state.risk.stops.clear()
        state.risk.stopped.clear()
        for scope in scopes:
            watch.refresh(state, scope)

    return patch.dict(engine._APPLY, {ev.EpochBegan: forgetful})


def one_cancel_for_each_order() -> AbstractContextManager[Any]:
    """A stop asks for each order once: what the venue refused, or never heard, goes on working."""
    return patch.object(stops, "_may_go", lambda _settings, order, *_: watch.last_cancel(order) is None)


def stop_completed_when_all_is_asked_for() -> AbstractContextManager[Any]:
    """A stop is called completed when every cancel is out, not when each is answered."""
    return patch.object(watch, "is_settled", lambda watched: not any(watched.owed.values()))


def order_entry_never_opens() -> AbstractContextManager[Any]:
    """A venue that was compared takes no orders all the same, until an operator opens it."""
    real = engine._APPLY[ev.ReconciliationEnded]

    def ended(state: State, event: ev.ReconciliationEnded, at_ns: int) -> None:
        real(state, event, at_ns)
        state.sessions[event.venue].reconciled = False

    return patch.dict(engine._APPLY, {ev.ReconciliationEnded: ended})


def order_entry_opens_before_the_comparison() -> AbstractContextManager[Any]:
    """A venue takes orders as soon as it is logged on."""
    return patch.object(reconciliation, "check_order_entry", lambda *_: None)


def no_item_is_raised() -> AbstractContextManager[Any]:
    """What differs is seen, and nobody is told."""
    return patch.object(items, "raise_", lambda *_given, **_named: iter(()))


def no_comparison_is_complete() -> AbstractContextManager[Any]:
    """Every answer is there, and the comparison is called incomplete."""

    def incomplete(_: State, venue: str, run: Run) -> Iterator[Event]:
        yield ev.ReconciliationEnded(venue, run.run, False, run.compared, 0, "not all of it")

    return patch.object(reconciliation, "_complete", incomplete)


def names_counted_one_short() -> AbstractContextManager[Any]:
    """A snapshot brings every name back, and one too few in their number."""
    real = NameIndex.load

    def short(data: bytes) -> NameIndex:
        index = real(data)
        index._total -= bool(index)
        return index

    return patch.object(NameIndex, "load", short)


def copied_execution_never_applied() -> AbstractContextManager[Any]:
    """What only the drop copy told is kept, and never counted."""
    return patch.object(drop_copy, "_apply", lambda *_: iter(()))


def copied_execution_applied_at_once() -> AbstractContextManager[Any]:
    """The order session gets no time to tell what the drop copy was first to tell."""
    return patch.object(drop_copy, "_late", lambda waiting, *_: list(waiting.values()))


def silent_drop_copy_not_noticed() -> AbstractContextManager[Any]:
    """An execution that the drop copy never shows raises nothing."""
    return patch.object(drop_copy, "_unconfirmed", lambda *_: iter(()))


def pending_requests_hidden() -> AbstractContextManager[Any]:
    """Rule 5: a fill while a cancel is pending shows the order as partially filled."""
    real = order.ord_status
    return patch.object(order, "ord_status", lambda each, *_: real(each, ()))


def silence_taken_for_a_refusal() -> AbstractContextManager[Any]:
    """Rule 2: a cancel or replace that nobody answered in time is called refused."""
    real = sessions.timer

    def impatient(state: State, settings: Settings, at_ns: int) -> list[Event]:
        return [_refused(state, event) for event in real(state, settings, at_ns)]

    return patch.object(sessions, "timer", impatient)


def _refused(state: State, event: Event) -> Event:
    if not isinstance(event, ev.OrderInDoubt):
        return event
    request = state.orders[event.order_id].requests[event.venue_cl_ord_id]
    if request.kind == "new":
        return event
    return ev.RequestRejected(event.order_id, text=event.why, venue_cl_ord_id=event.venue_cl_ord_id)


def pending_replace_taken_for_accepted() -> AbstractContextManager[Any]:
    """Rule 2: that the venue has received a replace is taken for its yes."""
    return patch.dict(venue_reports._ANSWERS, {ExecType.PENDING_REPLACE: venue_reports._replaced})


def replace_sent_with_the_price_in_force() -> AbstractContextManager[Any]:
    """The journal has the price that was asked for, the venue is asked for another."""
    real = Encoder.encode

    def stale(self: Encoder, record: Record) -> str:
        event, view = record.event, record.order
        if isinstance(event, ev.ReplaceRequested) and view is not None:
            terms = msgspec.structs.replace(event.terms, price=view.terms.price)
            record = msgspec.structs.replace(record, event=msgspec.structs.replace(event, terms=terms))
        return real(self, record)

    return patch.object(Encoder, "encode", stale)


def sent_after_a_sleep() -> AbstractContextManager[Any]:
    """C13: a process that was asleep between its commit and the venue does not ask whose the journal is."""

    async def trusting(*_: object) -> None:
        return None

    return patch.object(Sequencer, "_ask", trusting)


def compared_at_logon_only() -> AbstractContextManager[Any]:
    """A venue that stays logged on is compared once."""
    real = reconciliation._due

    def seldom(state: State, settings: Settings, at_ns: int) -> Iterator[Event]:
        done = {venue for venue, last in state.last_runs.items() if last.complete and venue not in state.runs}
        compared = {venue: each for venue, each in settings.reconcile.items() if venue not in done}
        yield from real(state, msgspec.structs.replace(settings, reconcile=compared), at_ns)

    return patch.object(reconciliation, "_due", seldom)


def doubt_frees_what_it_reserved() -> AbstractContextManager[Any]:
    """Rule 2: what is in doubt no longer counts against a limit."""
    real = exposure.open_qty

    def hopeful(order: Order, *given: Any) -> Decimal:
        return ZERO if order.in_doubt else real(order, *given)

    return patch.object(exposure, "open_qty", hopeful)


def strangers_not_adopted() -> AbstractContextManager[Any]:
    """An order that we never sent is set aside wherever it is found."""
    return patch.object(venue_reports, "MAX_EXTERNAL", 0)


BUGS: dict[Bug, int] = {
    # The bug, and a seed that finds it.
    release_before_commit: 0,
    rest_of_the_lost_forgotten: 7,
    reply_before_commit: 0,
    failed_append_retried: 16,
    orders_resent: 5,
    duplicates_booked: 3,
    inbound_number_too_high: 0,
    fill_after_cancel_dropped: 13,
    doubt_ended_by_a_restart: 0,
    key_forgotten_at_recovery: 0,
    stream_skips_a_record: 0,
    last_batch_not_recovered: 0,
    unknown_order_taken_for_canceled: 6,
    order_of_the_venue_called_canceled: 1,
    called_canceled_for_good: 28,
    key_taken_by_another_request: 1,
    report_lost_with_its_batch: 5,
    store_trusted_after_power_loss: 15,
    retired_not_recalled: 1,
    stop_ended_by_a_restart: 0,
    one_cancel_for_each_order: 5,
    stop_completed_when_all_is_asked_for: 4,
    order_entry_never_opens: 0,
    order_entry_opens_before_the_comparison: 16,
    no_item_is_raised: 0,
    no_comparison_is_complete: 0,
    names_counted_one_short: 6,
    copied_execution_never_applied: 14,
    copied_execution_applied_at_once: 2,
    silent_drop_copy_not_noticed: 40,
    pending_requests_hidden: 0,
    silence_taken_for_a_refusal: 2,
    pending_replace_taken_for_accepted: 1,
    replace_sent_with_the_price_in_force: 2,
    sent_after_a_sleep: 387,
    compared_at_logon_only: 2,
    doubt_frees_what_it_reserved: 0,
    strangers_not_adopted: 125,
}
