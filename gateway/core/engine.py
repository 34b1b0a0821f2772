"""The two functions that carry the core: `step` decides, `apply` changes.

`step(state, settings, input)` gives the events of one input and changes nothing. `apply(state, event, ...)` is the
only way the state ever changes, live and in recovery alike. Both are pure: time and identity come with the input,
numbers from counters in the state (rule 8).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core import events as ev
from gateway.core import intake, venue_reports
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    Command,
    HaltInstrument,
    MassCancel,
    ReplaceOrder,
    RequestOrderStatus,
    ResumeInstrument,
    SubmitOrder,
)
from gateway.core.events import Cause, Event, Input, Record
from gateway.core.invariants import check_order
from gateway.core.order import SENT, Order, change, counted, report_key, request_change, route, view
from gateway.core.positions import Position, PositionKey
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    ProcessStarted,
    SendRefused,
    SessionDown,
    SessionUp,
    TimerFired,
    UnexpectedMessage,
)
from gateway.core.state import SET_ASIDE_KEPT, Key, Session, Settings, State, inbound
from gateway.core.types import Reason

_COMMANDS = (
    SubmitOrder,
    ReplaceOrder,
    CancelOrder,
    MassCancel,
    RequestOrderStatus,
    HaltInstrument,
    ResumeInstrument,
    AdministerSession,
)
_REPORTS = (ExecutionReport, OrderCancelReject, MessageRejected, UnexpectedMessage)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the sender of a command is told.

    `reason` None means accepted; `repeated` that the key was answered before and nothing new was done.
    """

    order_id: str = ""
    seq: int = 0
    repeated: bool = False
    requested: int = 0
    reason: Reason | None = None
    field: str = ""
    text: str = ""


class Diverged(Exception):
    """Replaying an event did not give what was told when it happened: the journal or the program is not what it was."""


# --- Deciding ---


def step(state: State, settings: Settings, given: Input) -> list[Event]:
    """The events of one input.

    Raises:
        TypeError: the input is neither a command nor a fact.
    """
    body = given.body
    if isinstance(body, _COMMANDS):
        return intake.decide(state, settings, body, given.at_ns)
    if isinstance(body, _REPORTS):
        return venue_reports.decide(state, body)
    match body:
        case SessionUp():
            return _session_up(state, body)
        case SessionDown():
            return _session_down(state, body)
        case SendRefused():
            return _send_refused(state, body)
        case TimerFired():
            return _timer(state, settings, given.at_ns)
        case ProcessStarted():
            return _process_started(state, body, given.at_ns)
    raise TypeError(f"not an input: {type(body).__name__}")


def _session_up(state: State, fact: SessionUp) -> list[Event]:
    """Ask the venue about everything that may or may not have reached it; each order once."""
    asked = dict.fromkeys(
        order_id for order_id in state.doubtful.values() if state.orders[order_id].venue == fact.venue
    )
    questions = [_question(state.orders[order_id], "it is in doubt and the session is back") for order_id in asked]
    return [ev.SessionLoggedOn(fact.venue, fact.reset), *questions]


def _question(order: Order, why: str) -> Event:
    return ev.StatusRequested(order.order_id, order.venue, order.venue_cl_ord_id, why)


def _session_down(state: State, fact: SessionDown) -> list[Event]:
    if not state.session(fact.venue).up:
        # It did not come up. The link says why once, not at each attempt, and that is worth keeping.
        return [ev.SessionLoggedOut(fact.venue, fact.text)] if fact.text else []
    return [
        ev.SessionLoggedOut(fact.venue, fact.text),
        *_doubt(state, fact.venue, "the session went down before the venue answered"),
    ]


def _doubt(state: State, venue: str, why: str) -> list[Event]:
    return [
        ev.OrderInDoubt(order_id, key, why)
        for key, order_id in state.waiting.items()
        if (not venue or state.orders[order_id].venue == venue) and key not in state.doubtful
    ]


def _send_refused(state: State, fact: SendRefused) -> list[Event]:
    order = state.orders.get(state.by_venue_cl_ord_id.get(fact.venue_cl_ord_id, ""))
    if order is None or order.requests[fact.venue_cl_ord_id].state != SENT:
        return []
    return [ev.OrderUnsent(order.order_id, fact.venue_cl_ord_id, fact.text)]


def _timer(state: State, settings: Settings, at_ns: int) -> list[Event]:
    """Silence is not evidence: what waits too long is in doubt, and the venue is asked."""
    late: list[ev.OrderInDoubt] = []
    for key, order_id in state.waiting.items():
        order = state.orders[order_id]
        limit = settings.ack_timeout_ns.get(order.venue)
        if limit is not None and key not in state.doubtful and at_ns - order.requests[key].sent_ns >= limit:
            late.append(ev.OrderInDoubt(order_id, key, f"no answer for {limit // 1_000_000_000} s"))
    asked = [state.orders[order_id] for order_id in dict.fromkeys(event.order_id for event in late)]
    questions = [_question(order, "the venue has not answered") for order in asked if state.session(order.venue).up]
    return [*late, *questions]


def _process_started(state: State, fact: ProcessStarted, at_ns: int) -> list[Event]:
    """A new process owns the journal: no session is up, and what was on its way may or may not have arrived."""
    prefix = state.id_prefix or _base36(at_ns // 1_000_000_000)
    down = [ev.SessionLoggedOut(venue, "the process ended") for venue, session in state.sessions.items() if session.up]
    return [
        ev.EpochBegan(fact.version, fact.epoch or state.epoch + 1, prefix),
        *down,
        *_doubt(state, "", "the process ended before the venue answered"),
    ]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"


# --- Changing ---


def execute(state: State, settings: Settings, given: Input) -> list[Record]:
    """Decide and apply one input; the records to commit, each with what its owner sees after it."""
    return [apply(state, event, given.at_ns, given.cause) for event in step(state, settings, given)]


def replay(state: State, record: Record) -> None:
    """Apply one committed record again.

    Raises:
        Diverged: the result is not what the record says it was.
    """
    again = apply(state, record.event, record.at_ns, record.cause)
    if again != record:
        raise Diverged(
            f"event {record.seq} ({type(record.event).__name__}) replays differently: {again} instead of {record}"
        )


def apply(state: State, event: Event, at_ns: int, cause: Cause) -> Record:
    """Change the state by one event and give its record. The only way the state ever changes."""
    state.seq += 1
    came = inbound(cause)
    if came is not None:
        session = _session(state, came[0])
        session.inbound_seq = max(session.inbound_seq, came[1])
    order = _APPLY[type(event)](state, event, at_ns)
    if order is None:
        return _remember(state, Record(state.seq, at_ns, cause, event))
    _index(state, order)
    check_order(order)
    return Record(state.seq, at_ns, cause, event, view(order))


def _remember(state: State, record: Record) -> Record:
    if isinstance(record.event, (ev.ReportSetAside, ev.MessageRefused)):
        state.set_aside_total += 1
        state.set_aside.append(record)
        del state.set_aside[:-SET_ASIDE_KEPT]
    return record


def _session(state: State, venue: str) -> Session:
    return state.sessions.setdefault(venue, Session())


def _submitted(state: State, event: ev.OrderSubmitted, at_ns: int) -> Order:
    command = event.command
    order = Order(
        event.order_id,
        command,
        event.venue,
        intake.submitted_terms(command),
        event.multiplier,
        event.currency,
        command.cl_ord_id,
        at_ns,
        venue_symbol=event.venue_symbol,
    )
    state.last_order_no += 1
    state.orders[event.order_id] = order
    _spend(state, command, command.cl_ord_id, Key(command, state.seq, event.order_id))
    return order


def _spend(
    state: State, command: SubmitOrder | ReplaceOrder | CancelOrder | MassCancel, cl_ord_id: str, key: Key
) -> None:
    state.keys.setdefault(command.client_id, {}).setdefault(cl_ord_id, key)


def _routed(state: State, event: ev.OrderRouted, at_ns: int) -> Order:
    order = state.orders[event.order_id]
    route(order, event, at_ns)
    _on_its_way(state, order, event.venue_cl_ord_id)
    return order


def _on_its_way(state: State, order: Order, venue_cl_ord_id: str) -> None:
    state.last_request_no += 1
    order.requests[venue_cl_ord_id].logon = state.session(order.venue).logons
    state.by_venue_cl_ord_id[venue_cl_ord_id] = order.order_id
    state.waiting[venue_cl_ord_id] = order.order_id


def _change_requested(state: State, event: ev.CancelRequested | ev.ReplaceRequested, at_ns: int) -> Order:
    order = state.orders[event.order_id]
    request_change(order, event, at_ns)
    _on_its_way(state, order, event.venue_cl_ord_id)
    _spend(state, event.command, event.cl_ord_id, Key(event.command, state.seq, event.order_id))
    return order


def _mass_cancel_done(state: State, event: ev.MassCancelDone, _: int) -> None:
    command = event.command
    _spend(state, command, command.cl_ord_id, Key(command, state.seq, requested=event.requested))


def _refused(state: State, event: ev.CommandRefused, _: int) -> None:
    command = event.command
    if isinstance(command, (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)):
        key = Key(command, state.seq, reason=event.reason, field=event.field, text=event.text)
        _spend(state, command, command.cl_ord_id, key)


def _changed(state: State, event: ev.VenueEvent, at_ns: int) -> Order:
    order = state.orders[event.order_id]  # type: ignore[union-attr]  # Only events of an order are in the table with this function.
    _change(state, order, event, at_ns)
    return order


def _change(state: State, order: Order, event: ev.VenueEvent, at_ns: int) -> None:
    """The event may answer requests, which then no longer wait."""
    asked = tuple(order.unanswered)
    change(order, event, at_ns)
    for key in asked:
        _track(state, order, key)


def _executed(
    state: State, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted | ev.OrderRestated, at_ns: int
) -> Order:
    """The position moves by the same event as the order."""
    order = state.orders[event.order_id]
    plain = isinstance(event, ev.OrderFilled) and not order.amended
    known = len(order.executions) if plain else 0  # Nothing that counted before is touched by a plain fill.
    before = counted(order, known)
    _change(state, order, event, at_ns)
    position = _position(state, order)
    position.take(order.order_id, order.command.side.sign, before, counted(order, known))
    if isinstance(event, ev.OrderFilled):
        state.executions += 1
    return order


def _position(state: State, order: Order) -> Position:
    command = order.command
    key = PositionKey(command.account, command.strategy, command.symbol)
    return state.positions.setdefault(key, Position(*key, order.currency, order.multiplier))


def _in_doubt(state: State, event: ev.OrderInDoubt, _: int) -> Order:
    order = state.orders[event.order_id]
    order.requests[event.venue_cl_ord_id].in_doubt = True
    return order


def _logged_on(state: State, event: ev.SessionLoggedOn, _: int) -> None:
    session = _session(state, event.venue)
    session.up = True
    session.logons += 1
    if event.reset:
        session.inbound_seq = 0


def _logged_out(state: State, event: ev.SessionLoggedOut, _: int) -> None:
    _session(state, event.venue).up = False


def _administered(state: State, event: ev.SessionAdministered, _: int) -> None:
    if event.next_target_msg_seq_num is not None:
        _session(state, event.venue).inbound_seq = event.next_target_msg_seq_num - 1


def _halted(state: State, event: ev.InstrumentHalted, _: int) -> None:
    state.halted[event.symbol] = event.reason


def _resumed(state: State, event: ev.InstrumentResumed, _: int) -> None:
    state.halted.pop(event.symbol, None)


def _began(state: State, event: ev.EpochBegan, _: int) -> None:
    state.epoch, state.id_prefix = event.epoch, event.id_prefix


def _touched(
    state: State, event: ev.StatusRequested | ev.QuantityDisputed | ev.OrderOverfilled | ev.ReportIgnored, _: int
) -> Order:
    order = state.orders[event.order_id]
    if isinstance(event, ev.QuantityDisputed):
        order.disputed = True
    elif isinstance(event, ev.ReportIgnored) and event.exec_id:
        order.seen[report_key(event.trade_date, event.exec_id)] = None
    return order


def _nothing(_: State, __: Event, ___: int) -> None:
    """The record itself is all there is to it."""


_APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    ev.OrderSubmitted: _submitted,
    ev.OrderRouted: _routed,
    ev.CancelRequested: _change_requested,
    ev.ReplaceRequested: _change_requested,
    ev.MassCancelDone: _mass_cancel_done,
    ev.CommandRefused: _refused,
    ev.StatusRequested: _touched,
    ev.SessionAdministered: _administered,
    ev.InstrumentHalted: _halted,
    ev.InstrumentResumed: _resumed,
    ev.OrderPendingNew: _changed,
    ev.OrderAcknowledged: _changed,
    ev.OrderRejected: _changed,
    ev.OrderUnsent: _changed,
    ev.RequestPending: _changed,
    ev.RequestRejected: _changed,
    ev.OrderReplaced: _changed,
    ev.OrderCanceled: _changed,
    ev.OrderExpired: _changed,
    ev.OrderDoneForDay: _changed,
    ev.OrderStopped: _changed,
    ev.OrderSuspended: _changed,
    ev.OrderCalculated: _changed,
    ev.OrderRestated: _executed,
    ev.OrderFilled: _executed,
    ev.ExecutionCorrected: _executed,
    ev.ExecutionBusted: _executed,
    ev.OrderStatusReported: _changed,
    ev.QuantityDisputed: _touched,
    ev.OrderOverfilled: _touched,
    ev.OrderInDoubt: _in_doubt,
    ev.ReportIgnored: _touched,
    ev.ReportSetAside: _nothing,
    ev.MessageRefused: _nothing,
    ev.SessionLoggedOn: _logged_on,
    ev.SessionLoggedOut: _logged_out,
    ev.EpochBegan: _began,
}


def _index(state: State, order: Order) -> None:
    """Keep the indexes true to the order: who waits, who is in doubt, who is working, how the venue calls it."""
    for key in (order.first_venue_cl_ord_id, *order.unanswered):
        _track(state, order, key)
    if order.venue_order_id not in ("", "NONE"):  # NONE: what a venue says of any order that it does not know.
        state.by_venue_order_id.setdefault(order.venue, {})[order.venue_order_id] = order.order_id
    working = state.working.setdefault(order.command.client_id, {})
    if order.working:
        working.setdefault(order.order_id, None)
    else:
        working.pop(order.order_id, None)
    if order.disputed:
        state.disputed[order.order_id] = None
    else:
        state.disputed.pop(order.order_id, None)


def _track(state: State, order: Order, key: str) -> None:
    request = order.requests.get(key)
    if request is None:
        return
    if request.state != SENT:
        state.waiting.pop(key, None)
    if request.in_doubt:
        state.doubtful[key] = order.order_id
    else:
        state.doubtful.pop(key, None)


def answer(state: State, command: Command, records: list[Record]) -> Answer:
    """What to tell the sender of a command that has just been executed."""
    if not isinstance(command, (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)):
        return _answer_without_key(state, records)
    refused = records[0].event if records else None
    if isinstance(refused, ev.CommandRefused):
        return Answer(seq=state.seq, reason=refused.reason, field=refused.field, text=refused.text)
    key = state.keys[command.client_id][command.cl_ord_id]
    return Answer(key.order_id, key.seq, not records, key.requested, key.reason, key.field, key.text)


def _answer_without_key(state: State, records: list[Record]) -> Answer:
    event = records[0].event
    if isinstance(event, ev.CommandRefused):
        return Answer(seq=state.seq, reason=event.reason, field=event.field, text=event.text)
    return Answer(getattr(event, "order_id", ""), records[0].seq)
