"""The two functions that carry the core: `step` decides, `apply` changes.

`step(state, settings, input)` gives the events of one input and changes nothing. `apply(state, event, ...)` is the
only way the state ever changes, live and in recovery alike. Both are pure: time and identity come with the input,
numbers from counters in the state (rule 8).
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, getcontext, setcontext
from typing import Any, get_args

import msgspec

from gateway.core import doubt, drop_copy, intake, lost, mass_cancel, reconciliation, retention, sessions, venue_reports
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, Command, MassCancel, ReplaceOrder, SubmitOrder
from gateway.core.events import Cause, Event, Input, OrderView, Record
from gateway.core.invariants import check_order
from gateway.core.items import item_resolved
from gateway.core.money import EXACT, exactly
from gateway.core.order import SENT, Order, Request, change, counted, report_key, request_change, route, view
from gateway.core.positions import Position, PositionKey
from gateway.core.reports import (
    DropCopied,
    OutOfReach,
    ProcessStarted,
    Recalled,
    ReportFact,
    SendRefused,
    SessionDown,
    SessionUp,
    TimerFired,
)
from gateway.core.risk import breakers, exposure, presence, watch
from gateway.core.risk import changes as risk_changes
from gateway.core.risk import limits as risk_limits
from gateway.core.risk import stops as risk_stops
from gateway.core.risk.book import Path
from gateway.core.risk.commands import ClientPresence
from gateway.core.state import SET_ASIDE_KEPT, Key, Settings, State
from gateway.core.types import Reason

# Looked up by type: to ask `isinstance` of one kind after the other takes longer than most decisions.
_COMMANDS: frozenset[type] = frozenset(get_args(Command))
_REPORTS: frozenset[type] = frozenset(get_args(ReportFact))
_KEYED = (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)
NAMES_A_REQUEST: frozenset[type] = frozenset(
    event for event in get_args(Event) if "venue_cl_ord_id" in event.__struct_fields__
)
"""The events that say of which request of an order they speak."""
_TOLD_ONCE = Context(prec=28, rounding=ROUND_HALF_EVEN)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the sender of a command is told.

    `reason` None means accepted; `repeated` that the key was answered before and nothing new was done. `out_of_reach`
    says that nothing was decided and nothing kept, because what the command names left memory and cannot be read now.
    `change_id` is of a change that waits for a second person.
    """

    order_id: str = ""
    seq: int = 0
    repeated: bool = False
    requested: int = 0
    reason: Reason | None = None
    field: str = ""
    text: str = ""
    out_of_reach: str = ""
    change_id: str = ""


class Diverged(Exception):
    """Replaying an event did not give what was told when it happened: the journal or the program is not what it was."""


# --- Deciding ---


def step(state: State, settings: Settings, given: Input) -> list[Event]:
    """The events of one input.

    Raises:
        TypeError: the input is neither a command nor a fact.
    """
    body: Any = given.body
    kind = type(body)
    if kind in _COMMANDS:
        return intake.decide(state, settings, body, given.at_ns)
    if kind in _REPORTS:
        return venue_reports.decide(state, settings, body)
    match body:
        case SessionUp():
            logged_on, *asked = sessions.session_up(state, settings, body)
            return [logged_on, *risk_stops.session_up(state, settings, body.venue, given.at_ns), *asked]
        case SessionDown():
            return sessions.session_down(state, body)
        case SendRefused():
            if body.venue_cl_ord_id in state.by_venue_cl_ord_id:
                return sessions.send_refused(state, body)
            return watch.mass_cancel_failed(state, body.venue, body.venue_cl_ord_id, body.text)
        case TimerFired():
            stopping = risk_stops.timer(state, settings, given.at_ns, body.jumped_ns)
            return [
                *risk_limits.timer(state, given.at_ns),
                *stopping,
                *mass_cancel.timer(state, settings, stopping),
                *sessions.timer(state, settings, given.at_ns),
            ]
        case ProcessStarted():
            began = sessions.process_started(state, body, given.at_ns)
            return [
                *began,
                *risk_limits.configure(state, settings, given.at_ns),
                *presence.process_started(state, settings),
            ]
        case DropCopied():
            return drop_copy.decide(state, settings, body)
        case Recalled():
            return retention.recall(state, body)
        case OutOfReach():
            return [ev.ReportSetAside(body.report, body.why, body.session)]
        case ClientPresence():
            return presence.decide(state, body)
    raise TypeError(f"not an input: {kind.__name__}")


# --- Changing ---


def execute(state: State, settings: Settings, given: Input) -> list[Record]:
    """Decide and apply one input; the records to commit, each with what its owner sees after it."""
    at_ns, cause = given.at_ns, given.cause
    records: list[Record] = []
    if state.lost:
        records.extend(apply(state, event, at_ns, cause) for event in lost.spoken_of(state, settings, given.body))
    told: OrderView | None = None
    events, before = step(state, settings, given), getcontext()
    setcontext(EXACT)  # As `exactly`, without a function of its own: it is asked for at every input.
    try:
        for event in events:
            record = apply(state, event, at_ns, cause, told)
            told = record.order
            records.append(record)
    finally:
        setcontext(before)
    if reconciliation.may_follow(state, settings, given.body, records):
        more = reconciliation.follow(state, settings, given, tuple(records))
        records.extend(apply(state, event, at_ns, cause) for event in more)  # One by one, as they are decided.
    if state.risk.setup.breakers or state.risk.watched:
        tripped = risk_stops.follow(state, settings, tuple(records), at_ns)
        records.extend(apply(state, event, at_ns, cause) for event in tripped)  # One by one as well.
    return records


def replay(state: State, record: Record) -> None:
    """Apply one committed record again.

    Raises:
        Diverged: the result is not what the record says it was.
    """
    again = apply(state, record.event, record.at_ns, record.cause)
    if again.seq != record.seq or not is_as_told(again.order, record.order):
        raise Diverged(
            f"event {record.seq} ({type(record.event).__name__}) replays differently: {again} instead of {record}"
        )


def is_as_told(now: OrderView | None, told: OrderView | None) -> bool:
    """Whether an order looks as its owner was told. Versions up to 0.1.0 did not tell the `request` of an event, and
    now and then they rounded a LeavesQty(151) to 28 digits.
    """
    if now is None or told is None:
        return now is told
    leaves_qty = now.leaves_qty
    if told.leaves_qty == _TOLD_ONCE.plus(leaves_qty):
        leaves_qty = told.leaves_qty
    return msgspec.structs.replace(now, request=now.request if told.request else "", leaves_qty=leaves_qty) == told


def apply(state: State, event: Event, at_ns: int, cause: Cause, told: OrderView | None = None) -> Record:
    """Change the state by one event and give its record. The only way the state ever changes.

    `told` is what the same input's event before gave: to its owner an order that is on its way looks as it did then.
    """
    order = advance(state, event, at_ns, cause)
    if order is None:
        return Record(state.seq, at_ns, cause, event)
    kind = type(event)
    if kind is not ev.OrderRouted or told is None or told.order_id != order.order_id:
        asked = event.venue_cl_ord_id if kind in NAMES_A_REQUEST else ""  # type: ignore[union-attr]
        told = view(order, asked)
        check_order(order, told.leaves_qty)
    return Record(state.seq, at_ns, cause, event, told)


def advance(state: State, event: Event, at_ns: int, cause: Cause) -> Order | None:
    """Change the state by one event, and nothing else: what `apply` does for the state, without checks and without
    what the owner is told. The order that changed, if one did. Plain operators on money are exact here.
    """
    if getcontext() is not EXACT:
        return _advance_exactly(state, event, at_ns, cause)
    state.seq += 1
    number = cause.msg_seq_num
    if number is not None and cause.kind == "venue":
        session = state.sessions.get(cause.who) or sessions.session(state, cause.who)
        session.inbound_seq = max(session.inbound_seq, number)
    kind, risk = type(event), state.risk
    before = breakers.known(state, event) if risk.setup.breakers else None
    order = _APPLY[kind](state, event, at_ns)
    if order is not None:
        book = risk.book
        if book.built:
            book.touched[order.order_id] = order
        if before is not None and cause.kind != "process":  # What a start finds out took as long as nobody listened.
            breakers.count(state, order, event, at_ns, before)
        if risk.watched:
            watch.changed(state, order)
    elif kind is ev.ReportSetAside or kind is ev.MessageRefused:
        state.set_aside_total += 1
        state.set_aside.append(Record(state.seq, at_ns, cause, event))
        del state.set_aside[:-SET_ASIDE_KEPT]
    return order


_advance_exactly = exactly(advance)


def _submitted(state: State, event: ev.OrderSubmitted, at_ns: int) -> Order:
    command = event.command
    order = Order(
        event.order_id,
        command,
        event.venue,
        event.terms or intake.submitted_terms(command),
        event.multiplier,
        event.currency,
        command.cl_ord_id,
        at_ns,
        venue_symbol=event.venue_symbol,
    )
    state.last_order_no += 1
    state.orders[event.order_id] = order
    retention.spend(state, command, command.cl_ord_id, Key(command, state.seq, event.order_id))
    _index_working(state, order, at_ns)
    risk_changes.submitted(state, order, at_ns)
    return order


def _routed(state: State, event: ev.OrderRouted, at_ns: int) -> Order:
    """Its order is indexed already, by the event before it."""
    order = state.orders[event.order_id]
    _on_its_way(state, order, route(order, event, at_ns))
    return order


def _on_its_way(state: State, order: Order, request: Request) -> None:
    venue, key = order.venue, request.venue_cl_ord_id
    state.last_request_no += 1
    session = sessions.sent(state, venue)
    request.logon = session.logons
    state.by_venue_cl_ord_id[key] = state.waiting[key] = order.order_id
    state.silent.setdefault(venue, {})[key] = order.order_id


def _change_requested(state: State, event: ev.CancelRequested | ev.ReplaceRequested, at_ns: int) -> Order:
    order = state.orders[event.order_id]
    _on_its_way(state, order, request_change(order, event, at_ns))
    if state.mass_cancels and isinstance(event, ev.CancelRequested):
        mass_cancel.canceled(state, order, event)
    for given_up in watch.give_up_oldest(state, order) if state.risk.watched else ():
        _track(state, order, given_up)
    retention.spend(state, event.command, event.cl_ord_id, Key(event.command, state.seq, event.order_id))
    _index_working(state, order, at_ns)
    risk_changes.requested(state, order, at_ns)
    return order


def _changed(state: State, event: ev.VenueEvent, at_ns: int) -> Order:
    order = state.orders[event.order_id]  # type: ignore[union-attr]  # Only events of an order are in the table with this function.
    if state.risk.former:
        risk_changes.bring_back(state, order.command.symbol)
    _change(state, order, event, at_ns)
    return order


def _change(state: State, order: Order, event: ev.VenueEvent, at_ns: int) -> None:
    """The event may answer requests, which then no longer wait."""
    asked = [order.requests[key] for key in order.unanswered] if order.unanswered else ()
    if order.presumed or order.rejected_by_reply or type(event) in doubt.ALWAYS_HEARD:
        doubt.overrule(order, event)
    change(order, event, at_ns)
    for request in asked:
        _track(state, order, request)
    if state.runs:
        reconciliation.spoken(state, order, event, at_ns)
    _index(state, order, at_ns)


def _executed(
    state: State, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted | ev.OrderRestated, at_ns: int
) -> Order:
    """The position moves by the same event as the order."""
    order = state.orders[event.order_id]
    command, filled = order.command, type(event) is ev.OrderFilled
    if state.risk.former:
        risk_changes.bring_back(state, command.symbol)
    if state.drop_copies and not isinstance(event, ev.OrderRestated):
        drop_copy.executed(state, order, event, at_ns)
    path = exposure.known_path(state, command, order.venue)
    position = (path.leaves[0].position if path is not None else None) or _position(state, order, path)
    net_qty = position.net_qty
    if filled:
        state.executions += 1
    if filled and not order.amended:  # Then nothing that counted before is touched.
        _change(state, order, event, at_ns)
        position.add(order.order_id, command.side.sign, len(order.executions) - 1, order.executions[-1])
    else:
        before = counted(order)
        _change(state, order, event, at_ns)
        position.take(order.order_id, command.side.sign, before, counted(order))
    risk_changes.executed(state, order, path, position, position.net_qty - net_qty, filled=filled)
    return order


def _position(state: State, order: Order, path: Path | None) -> Position:
    """Looked up once for each path."""
    command = order.command
    key = PositionKey(command.account, command.strategy, command.symbol)
    position = state.positions.get(key)
    if position is None:
        position = state.positions[key] = Position(*key, order.currency, order.multiplier)
    if path is not None:
        path.leaves[0].position = position
    return position


def _in_doubt(state: State, event: ev.OrderInDoubt, at_ns: int) -> Order:
    order = state.orders[event.order_id]
    order.requests[event.venue_cl_ord_id].in_doubt = True
    _index(state, order, at_ns)
    return order


def _halted(state: State, event: ev.InstrumentHalted, _: int) -> None:
    state.halted[event.symbol] = event.reason


def _resumed(state: State, event: ev.InstrumentResumed, _: int) -> None:
    state.halted.pop(event.symbol, None)


def _touched(
    state: State,
    event: ev.StatusRequested | ev.QuantityDisputed | ev.OrderOverfilled | ev.ReportIgnored | ev.DoubtResolved,
    at_ns: int,
) -> Order:
    order = state.orders[event.order_id]
    if isinstance(event, ev.QuantityDisputed):
        order.disputed, order.disputed_cum_qty = True, event.venue_cum_qty
    elif isinstance(event, ev.StatusRequested):
        sessions.sent(state, event.venue)
        reconciliation.asked(state, event, at_ns)
    elif isinstance(event, ev.DoubtResolved):
        doubt.presume(order, event)
    elif isinstance(event, ev.ReportIgnored) and event.exec_id:
        order.seen[report_key(event.trade_date, event.exec_id)] = None
    _index(state, order, at_ns)
    return order


def _settled(state: State, event: ev.ItemResolved, at_ns: int) -> Order | None:
    order = item_resolved(state, event, at_ns)
    if order is not None:
        reconciliation.no_longer_asked(state, order, at_ns)
        _index(state, order, at_ns)
    return order


def _nothing(_: State, __: Event, ___: int) -> None:
    """The record itself is all there is to it."""


_APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    ev.OrderSubmitted: _submitted,
    ev.OrderRouted: _routed,
    ev.CancelRequested: _change_requested,
    ev.ReplaceRequested: _change_requested,
    ev.StatusRequested: _touched,
    ev.SessionAdministered: sessions.administered,
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
    ev.MessageRefused: _nothing,
    ev.SessionLoggedOn: sessions.logged_on,
    ev.SessionLoggedOut: sessions.logged_out,
    ev.EpochBegan: sessions.began,
    ev.DoubtResolved: _touched,
    **mass_cancel.APPLY,
    **reconciliation.APPLY,
    **retention.APPLY,
    **risk_changes.APPLY,
    **risk_limits.APPLY,
    **risk_stops.APPLY,
    ev.ItemResolved: _settled,
}


def _index(state: State, order: Order, at_ns: int) -> None:
    """Keep the indexes true to the order: who waits, who is in doubt, who is working, how the venue calls it, and
    since when it has ended.
    """
    first = next(iter(order.requests.values()), None)
    if first is not None and (first.in_doubt or state.doubtful or first.venue_cl_ord_id in state.waiting):
        _track(state, order, first)
    if order.unanswered:
        for key in order.unanswered:
            _track(state, order, order.requests[key])
    name = order.venue_order_id
    if name and name != "NONE":  # NONE: what a venue says of any order that it does not know.
        known = state.by_venue_order_id.get(order.venue)
        if known is None:
            known = state.by_venue_order_id[order.venue] = {}
        known[name] = order.order_id
    if order.disputed:
        state.disputed[order.order_id] = None
    elif state.disputed:
        state.disputed.pop(order.order_id, None)
    _index_working(state, order, at_ns)


def _index_working(state: State, order: Order, at_ns: int) -> None:
    """The same of an order that only its owner spoke of: whether it is working, or since when it has ended."""
    order_id = order.order_id
    working = state.working.get(order.command.client_id)
    if working is None:
        working = state.working[order.command.client_id] = {}
    if order.working:
        if order_id not in working:
            working[order_id] = None
            state.ended.pop(order_id, None)
    else:
        working.pop(order_id, None)
        if state.mass_cancels:
            mass_cancel.ended(state, order)
        retention.note_ended(state, order, at_ns)


def _track(state: State, order: Order, request: Request) -> None:
    key = request.venue_cl_ord_id
    if (request.state != SENT or request.in_doubt) and key in state.waiting:
        if state.silent.get(order.venue, {}).pop(key, "") and state.lost:
            lost.settled(state, order.venue, request)
        if request.state != SENT:
            del state.waiting[key]
    if request.in_doubt:
        state.doubtful[key] = order.order_id
    elif state.doubtful and state.doubtful.pop(key, "") and state.unasked and not order.in_doubt:
        lost.asked(state, order.venue, order.order_id)


def answer(state: State, command: Command, records: list[Record]) -> Answer:
    """What to tell the sender of a command that has just been executed."""
    if not isinstance(command, _KEYED):
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
    return Answer(getattr(event, "order_id", ""), records[0].seq, change_id=getattr(event, "change_id", ""))
