"""What a venue's reports mean: which order they speak of, whether they say anything new, and which events they are.

A venue's word is a fact: it is never refused. What fits no order of ours, or cannot be true, is set aside whole and
visible.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import assert_never

import msgspec

from gateway.core import doubt, items, next_day, rejects
from gateway.core import events as ev
from gateway.core.events import Event, Terms
from gateway.core.executions import execution, has_undated, net, totals
from gateway.core.money import EXACT, ZERO, add, subtract
from gateway.core.order import ACCEPTED, REJECTED, SENT, UNANSWERED, UNSENT, Order, Request, ord_status, report_key
from gateway.core.reports import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    ReportFact,
    UnexpectedMessage,
)
from gateway.core.risk.watch import mass_cancel_answered
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, ItemKind, OrdStatus, Severity

# Looked up once: on Python 3.11 each look at a member of an enum costs as much as a call.
_TRADE, _TRADE_CANCEL, _ORDER_STATUS = ExecType.TRADE, ExecType.TRADE_CANCEL, ExecType.ORDER_STATUS
_DONE_FOR_DAY = OrdStatus.DONE_FOR_DAY
_OF_AN_EXECUTION = frozenset({ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL})
ENDED_STATUS = (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED)
"""What OrdStatus(39) is of an order that nothing can happen to any more."""
MAX_EXTERNAL = 10_000
"""How many orders of a venue that are not ours are kept (rule 7)."""
NOT_OURS = "it names no order of ours"


def decide(state: State, settings: Settings, report: ReportFact) -> list[Event]:
    """The events of one report. Every inbound message leaves its mark and its sequence number in the journal: there
    are none only of the reply that ends a mass question, which `reconciliation.follow` turns into the run's next event.
    """
    match report:
        case ExecutionReport():
            return _execution_report(state, settings, report)
        case OrderCancelReject():
            return rejects.cancel_reject(state, report)
        case MassCancelReport():
            return [mass_cancel_answered(report)]
        case MessageRejected():
            return rejects.message_rejected(state, report)
        case UnexpectedMessage():
            return [ev.ReportSetAside(report, report.problem)]
    assert_never(report)


def _execution_report(state: State, settings: Settings, report: ExecutionReport) -> list[Event]:
    order = find(state, report)
    if order is None:
        return _stranger(state, report)
    problem = _contradiction(order, report)
    if problem:
        return [ev.ReportSetAside(report, problem)]
    exec_type = report.exec_type
    if exec_type is _ORDER_STATUS:
        return [*_status_reply(state, order, report), *_surprise(state, settings, order, report)]
    known = report.exec_id and report_key(report.trade_date, report.exec_id) in order.seen
    # A status reply may have had the ExecID(17) of an execution that is not booked yet.
    if known and (exec_type not in _OF_AN_EXECUTION or order.has_execution(report.trade_date, report.exec_id)):
        return [_ignored(order, report, "this ExecID of this order was applied before")]
    told = _told(state, order, report, exec_type)
    if _DONE_FOR_DAY in order.marks:
        told.extend(next_day.told(state, order, report, told[0], _evidence(order, report)))
    return told


def _told(state: State, order: Order, report: ExecutionReport, exec_type: ExecType) -> list[Event]:
    """What a report says that is no status reply and was not applied before."""
    if exec_type in _PLAIN:
        event = _PLAIN[exec_type](*_evidence(order, report))
    elif exec_type in _OF_AN_EXECUTION:
        return _execution(order, report)
    elif exec_type is ExecType.RESTATED:
        return _restatement(order, report)
    else:
        event = _ANSWERS[exec_type](order, report)
    events: list[Event] = [event]
    if type(event) is ev.OrderAcknowledged and report.ord_status is OrdStatus.DONE_FOR_DAY:
        events.append(ev.OrderDoneForDay(*_evidence(order, report)))  # Reinstated, and still over for today.
    elif type(event) is ev.OrderReplaced:
        events.extend(rejects.accepted_after_all(state, order, event))
    cum_qty = report.cum_qty
    if cum_qty is not None and cum_qty > order.cum_qty and cum_qty > order.disputed_cum_qty:
        # Less than our sum is no wonder: the report may be older than the last execution.
        events.append(ev.QuantityDisputed(order.order_id, cum_qty, order.cum_qty))
    return events


def find(state: State, report: ExecutionReport) -> Order | None:
    """The order of ours that a report speaks of, by any name that it gives."""
    named = state.by_venue_cl_ord_id
    order_id = named.get(report.cl_ord_id) or named.get(report.orig_cl_ord_id)
    if order_id is not None:
        return state.orders[order_id]
    order_id = state.by_venue_order_id.get(report.venue, {}).get(report.venue_order_id)
    return state.orders[order_id] if order_id is not None else None


def says_no_orders(state: State, report: ExecutionReport) -> bool:
    """A reply to a mass question that is about no order: there is none."""
    about_one = report.ord_status is not OrdStatus.REJECTED or find(state, report) is not None
    return report.exec_type is ExecType.ORDER_STATUS and bool(report.mass_status_req_id) and not about_one


def _stranger(state: State, report: ExecutionReport) -> list[Event]:
    """An order that we never sent: shown as external when the venue lists it in a comparison, or spoke of it in one."""
    run = state.runs.get(report.venue)
    if says_no_orders(state, report):
        if run is not None and run.how == "mass" and run.mass_status_req_id == report.mass_status_req_id:
            return []
        return [ev.ReportSetAside(report, "it answers a comparison that is over")]
    known = state.external.get(report.venue, {})
    listed = run is not None and report.exec_type is ExecType.ORDER_STATUS
    if report.venue_order_id in known or (listed and is_working_elsewhere(report) and len(known) < MAX_EXTERNAL):
        return [ev.ExternalOrderReported(report.venue, report.venue_order_id, report)]
    return [ev.ReportSetAside(report, NOT_OURS)]


def is_working_elsewhere(report: ExecutionReport) -> bool:
    """It speaks of an order by the venue's name for it, and that order has not ended."""
    return report.venue_order_id not in ("", "NONE") and report.ord_status not in ENDED_STATUS


def _contradiction(order: Order, report: ExecutionReport) -> str:
    if report.venue != order.venue:
        return f"it names an order of ours that is at {order.venue}"
    if report.side is not None and report.side is not order.command.side:
        return f"its side {report.side.name} is not that of order {order.order_id}"
    exec_type, last_qty = report.exec_type, report.last_qty
    if exec_type in _OF_AN_EXECUTION:
        trade = exec_type is not _TRADE_CANCEL
        if trade and (last_qty is None or report.last_px is None or last_qty <= 0 or not report.exec_id):
            return "an execution needs ExecID(17), LastQty(32) above 0 and LastPx(31)"
        if exec_type is not _TRADE and not report.exec_ref_id:
            return "a correction or bust needs ExecRefID(19)"
    return ""


_PLAIN: dict[ExecType, Callable[..., Event]] = {
    ExecType.NEW: ev.OrderAcknowledged,
    ExecType.PENDING_NEW: ev.OrderPendingNew,
    ExecType.EXPIRED: ev.OrderExpired,
    ExecType.DONE_FOR_DAY: ev.OrderDoneForDay,
    ExecType.SUSPENDED: ev.OrderSuspended,
    ExecType.CALCULATED: ev.OrderCalculated,
}


def _evidence(
    order: Order, report: ExecutionReport
) -> tuple[str, str, str, str, str, int | None, Decimal | None, Decimal | None]:
    """The fields of `Reported`, in order."""
    return (
        order.order_id,
        report.exec_id,
        report.trade_date,
        report.venue_order_id,
        report.text,
        report.transact_time_ns,
        report.cum_qty,
        None if order.terms.cash_order_qty is None or order.quantity_known else report.order_qty or None,
    )


def _ignored(order: Order, report: ExecutionReport, why: str) -> Event:
    return ev.ReportIgnored(order.order_id, report.exec_id, why, report.trade_date)


# --- Executions ---


def _execution(order: Order, report: ExecutionReport) -> list[Event]:
    if order.executions and has_undated(order.executions, order.seen, report.trade_date, report.exec_id):
        return [
            _ignored(order, report, "an execution with this ExecID was applied before, and one of both has no date")
        ]
    event = _execution_event(order, report)
    if type(event) is ev.OrderFilled and not order.amended:
        cum_qty = add(order.cum_qty, event.last_qty)
    else:
        cum_qty = _counted_anew(order, event)
    events: list[Event] = [event]
    if report.cum_qty is not None and (report.cum_qty != cum_qty or order.disputed):
        events.extend(_dispute(order, event, report.cum_qty, cum_qty))
    order_qty = event.order_qty or order.terms.order_qty
    if order.cum_qty < cum_qty > order_qty and (order_qty or order.quantity_known):
        excess = subtract(cum_qty, order_qty)
        events.append(ev.OrderOverfilled(order.order_id, excess))
        events.append(ev.InstrumentHalted(order.command.symbol, f"order {order.order_id} is overfilled by {excess}"))
    return events


def _dispute(order: Order, event: Event, told: Decimal, cum_qty: Decimal) -> list[Event]:
    """The venue's CumQty(14) is not the sum; or it is, but the venue has told of more before, so that more executions
    than this one are missing.
    """
    if order.disputed and told != cum_qty:
        return []
    theirs = max(told, order.disputed_cum_qty) if type(event) is ev.OrderFilled else told
    return [ev.QuantityDisputed(order.order_id, theirs, cum_qty)] if theirs != cum_qty else []


def _execution_event(
    order: Order, report: ExecutionReport
) -> ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted:
    exec_type, evidence = report.exec_type, _evidence(order, report)
    if exec_type is _TRADE_CANCEL:
        return ev.ExecutionBusted(*evidence, exec_ref_id=report.exec_ref_id)
    last_qty, last_px = report.last_qty or ZERO, report.last_px if report.last_px is not None else ZERO
    if exec_type is _TRADE:
        return ev.OrderFilled(*evidence, last_qty, last_px)
    return ev.ExecutionCorrected(*evidence, exec_ref_id=report.exec_ref_id, last_qty=last_qty, last_px=last_px)


def _counted_anew(order: Order, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted) -> Decimal:
    """What CumQty(14) will be when what counts may change: by a copy of the whole ledger."""
    return totals(net([*map(msgspec.structs.replace, order.executions), execution(event, 0)]))[0]


# --- Answers to requests ---


def _request_named(order: Order, report: ExecutionReport, kind: str) -> str:
    """The request of this kind that the report answers: named by its ClOrdID(11); empty when the venue acted by
    itself.
    """
    request = order.requests.get(report.cl_ord_id)
    return request.venue_cl_ord_id if request is not None and request.kind == kind else ""


def _cancellation(order: Order, report: ExecutionReport) -> Event:
    return ev.OrderCanceled(*_evidence(order, report), venue_cl_ord_id=_request_named(order, report, "cancel"))


def _rejection(order: Order, report: ExecutionReport) -> Event:
    """Of the request that the report names, or of the order."""
    if rejects.is_of_a_request(order, report):
        of, late = report.cl_ord_id, rejects.has_arrived(order, order.requests[report.cl_ord_id])
        return ev.RequestRejected(*_evidence(order, report), of, report.ord_rej_reason, 103, late)
    if report.ord_rej_reason == rejects.DUPLICATE_ORDER and order.acknowledged:
        return _ignored(order, report, "a duplicate of this order was rejected, not the order itself")
    return ev.OrderRejected(*_evidence(order, report), ord_rej_reason=report.ord_rej_reason)


def _pending(order: Order, report: ExecutionReport) -> Event:
    kind = "cancel" if report.exec_type is ExecType.PENDING_CANCEL else "replace"
    named = _request_named(order, report, kind)
    if not named:
        named = next((key for key in order.unanswered if order.requests[key].kind == kind), "")
    if not named:
        return _ignored(order, report, f"no {kind} of ours is unanswered")
    arrived = order.requests[named].state == UNSENT and not order.closed
    return ev.RequestPending(*_evidence(order, report), venue_cl_ord_id=named, arrived=arrived)


def _replaced(order: Order, report: ExecutionReport) -> Event:
    named = _request_named(order, report, "replace")
    if named and named != order.venue_cl_ord_id:
        if order.requests[named].state == ACCEPTED:
            return _ignored(order, report, "this replace was accepted before, and a later one since")
        if _is_overtaken(order, named):
            evidence, waits = _evidence(order, report)[:-1], report.ord_status is OrdStatus.PENDING_NEW
            return ev.OrderReplaced(*evidence, venue_cl_ord_id=named, overtaken=True, pending_new=waits)
    return _replacement(order, report)


def _is_overtaken(order: Order, named: str) -> bool:
    """The replace in force was asked for on top of this one: the venue accepted this one before, and tells it late.

    Most of the time it is the other way round, and the chain may be long.
    """
    if order.requests[named].orig_venue_cl_ord_id == order.venue_cl_ord_id:
        return False
    later: Request | None = order.requests[order.venue_cl_ord_id]
    while later is not None and later.orig_venue_cl_ord_id != named:
        later = order.requests.get(later.orig_venue_cl_ord_id)
    return later is not None


def _replacement(order: Order, report: ExecutionReport) -> Event:
    named = _request_named(order, report, "replace")
    asked = order.requests[named].terms if named else None
    terms, waits = stated_terms(asked or order.terms, report), report.ord_status is OrdStatus.PENDING_NEW
    return ev.OrderReplaced(*_evidence(order, report), terms=terms, venue_cl_ord_id=named, pending_new=waits)


def _guarantee(order: Order, report: ExecutionReport) -> Event:
    """LastQty(32) and LastPx(31) of a Stopped report are guaranteed, not executed (Appendix D, L.1.a)."""
    qty, px = report.last_qty or ZERO, report.last_px if report.last_px is not None else ZERO
    return ev.OrderStopped(*_evidence(order, report), last_qty=qty, last_px=px)


_ANSWERS: dict[ExecType, Callable[[Order, ExecutionReport], Event]] = {
    ExecType.REJECTED: _rejection,
    ExecType.PENDING_CANCEL: _pending,
    ExecType.PENDING_REPLACE: _pending,
    ExecType.CANCELED: _cancellation,
    ExecType.REPLACED: _replaced,
    ExecType.STOPPED: _guarantee,
}


def stated_terms(terms: Terms, report: ExecutionReport) -> Terms:
    """The terms with what the venue states: it may amend what was asked for (Appendix D, C.3.c)."""
    return msgspec.structs.replace(
        terms,
        order_qty=report.order_qty if report.order_qty is not None else terms.order_qty,
        price=report.price if report.price is not None and terms.price is not None else terms.price,
        stop_px=report.stop_px if report.stop_px is not None and terms.stop_px is not None else terms.stop_px,
    )


def _restatement(order: Order, report: ExecutionReport) -> list[Event]:
    restated = ev.OrderRestated(
        *_evidence(order, report),
        terms=stated_terms(order.terms, report),
        exec_restatement_reason=report.exec_restatement_reason,
        factor=next_day.split_factor(order, report),
    )
    told, cum_qty = report.cum_qty, EXACT.multiply(order.cum_qty, restated.factor)
    if told is None or told == cum_qty or (order.disputed and told <= order.disputed_cum_qty):
        return [restated]
    return [restated, ev.QuantityDisputed(order.order_id, told, cum_qty)]


# --- Evidence about what is in doubt ---


def _status_reply(state: State, order: Order, report: ExecutionReport) -> list[Event]:
    """The venue's answer to a status request: adopt what it says of requests in doubt; never take quantities from it
    (rule 4).
    """
    if _knows_no_such_order(order, report):
        return [_unknown_at_venue(order, report)]
    events: list[Event] = []
    if _tells_of_a_replacement(order, report):
        events.append(_replacement(order, report))
    if _tells_of_an_end(order, report):
        events.append(_ENDINGS[report.ord_status](*_evidence(order, report)))
    events.extend(next_day.replied(order, report, _evidence(order, report)))
    if pending := doubt.shown_as_pending(order, report.cl_ord_id, report.ord_status):
        events.append(ev.RequestPending(*_evidence(order, report), venue_cl_ord_id=pending))
    events.append(
        ev.OrderStatusReported(
            *_evidence(order, report),
            venue_cl_ord_id=report.cl_ord_id,
            ord_status=report.ord_status,
            mass_status_req_id=report.mass_status_req_id,
            poss_dup=report.poss_dup,
        )
    )
    events.extend(_proven_unsent(state, order, report))
    cum_qty = report.cum_qty
    more = cum_qty is not None and cum_qty > max(order.cum_qty, order.disputed_cum_qty)
    if cum_qty is not None and (more if report.poss_dup else cum_qty != order.cum_qty and not order.disputed):
        events.append(ev.QuantityDisputed(order.order_id, cum_qty, order.cum_qty))
    return events


def _proven_unsent(state: State, order: Order, report: ExecutionReport) -> list[Event]:
    """Cancels and replaces in doubt that went out on an earlier connection. The venue was asked on this one, after it
    had received everything sent before or let it be gap-filled: a request that it had, it would have answered before
    this reply, or shown as pending in it.

    A reply that comes again (PossDupFlag(43)=Y) answers a question of an earlier connection, and proves nothing.
    """
    if report.poss_dup:
        return []
    silent_about = _NOT_PENDING.get(report.ord_status, ())
    evidence = f"{order.venue} was asked on a later connection: the order is {report.ord_status.name}"
    return [
        ev.OrderUnsent(order.order_id, key, f"{evidence}, and no {asked.kind} is pending")
        for key in order.unanswered
        if (asked := order.requests[key]).in_doubt
        and asked.kind in silent_about
        and key != report.cl_ord_id
        and asked.logon < state.session(order.venue).logons
    ]


_NOT_PENDING: dict[OrdStatus, tuple[str, ...]] = {
    # OrdStatus(39) of a reply    the kinds of request that no one can be waiting for then
    OrdStatus.NEW: ("cancel", "replace"),
    OrdStatus.PARTIALLY_FILLED: ("cancel", "replace"),
    OrdStatus.STOPPED: ("cancel", "replace"),
    OrdStatus.SUSPENDED: ("cancel", "replace"),
    OrdStatus.CALCULATED: ("cancel", "replace"),
    OrdStatus.DONE_FOR_DAY: ("cancel", "replace"),
    OrdStatus.PENDING_REPLACE: ("cancel",),  # Pending Cancel would come first, and hide a replace.
}


def _tells_of_a_replacement(order: Order, report: ExecutionReport) -> bool:
    """The venue calls the order by the name of an unanswered replace (or one that only an operator has answered), and
    nothing is pending: it accepted that replace.
    """
    asked = order.requests.get(report.cl_ord_id)
    if asked is None or asked.kind != "replace":
        return False
    if asked.state not in UNANSWERED and report.cl_ord_id != order.presumed:
        return False
    return report.ord_status not in _UNDECIDED


_UNDECIDED = (OrdStatus.PENDING_NEW, OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE, OrdStatus.REJECTED)
_CLOSED = (*ENDED_STATUS, OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED)
_ENDINGS: dict[OrdStatus, Callable[..., Event]] = {
    OrdStatus.CANCELED: ev.OrderCanceled,
    OrdStatus.EXPIRED: ev.OrderExpired,
    OrdStatus.REJECTED: lambda *evidence: msgspec.structs.replace(ev.OrderRejected(*evidence), by_reply=True),
    OrdStatus.DONE_FOR_DAY: ev.OrderDoneForDay,
}


def _tells_of_an_end(order: Order, report: ExecutionReport) -> bool:
    """The venue says that the order has ended, and so far nobody has said so, or only an operator or a proof that it
    never arrived: both give way to the venue's word.

    The day's end is an end of an order for the day, and only in a reply that comes for the first time.
    """
    if report.ord_status is OrdStatus.DONE_FOR_DAY:
        over = OrdStatus.DONE_FOR_DAY in order.marks or order.terms.time_in_force.outlives_the_day
        if over or report.poss_dup:
            return False
    unsent = order.requests[order.first_venue_cl_ord_id].state == UNSENT
    return report.ord_status in _ENDINGS and (unsent or bool(order.presumed) or not order.closed)


def _knows_no_such_order(order: Order, report: ExecutionReport) -> bool:
    """Because it says so, and had not rejected the order; or because the venue calls rejected what it had confirmed:
    no order that was accepted or executed becomes Rejected, so venues that give no OrdRejReason(103) mean the same.
    """
    first = order.requests[order.first_venue_cl_ord_id]
    if report.ord_status is not OrdStatus.REJECTED or (first.state == REJECTED and not order.executions):
        return False
    return rejects.is_unknown(report) or rejects.was_confirmed(order)


def _unknown_at_venue(order: Order, report: ExecutionReport) -> Event:
    """The venue never saw the order. It received our question after it would have received the order (one ordered
    session), so this is proof.

    An order that it once confirmed cannot vanish: that is a contradiction for a person, not a proof.
    """
    first = order.requests[order.first_venue_cl_ord_id]
    taken_for_accepted = order.presumed == first.venue_cl_ord_id and not order.closed
    if (first.state == SENT or taken_for_accepted) and not order.executions:
        return ev.OrderUnsent(
            order.order_id,
            first.venue_cl_ord_id,
            f"{order.venue} does not know the order: {report.text or 'unknown order'}",
        )
    if first.state == UNSENT:
        return _ignored(order, report, "that the venue does not know the order is known")
    says = "no longer knows" if rejects.is_unknown(report) else "calls rejected"
    return ev.ReportSetAside(report, f"{order.venue} {says} order {order.order_id}, which it once confirmed")


def _surprise(state: State, settings: Settings, order: Order, report: ExecutionReport) -> list[Event]:
    """A status reply that tells of another end than we know of, or of a life after it. Where it can be, the venue's
    word is taken, and the item is for the record; that an order lives which the venue had ended is for a person, unless
    the venue takes it back when it is asked.

    A reply that comes again (PossDupFlag(43)=Y) tells how things were. What was in doubt is no surprise.
    """
    silent = order.venue not in settings.reconcile or report.poss_dup or order.in_doubt
    if silent or _knows_no_such_order(order, report):
        return []
    ours, theirs = ord_status(order).name, report.ord_status.name
    told = f"we had order {order.order_id} as {ours}, {order.venue} says {theirs} without having told us before"
    unsent = order.requests[order.first_venue_cl_ord_id].state == UNSENT
    lives = order.closed and report.ord_status not in _CLOSED
    other_end = ours != theirs and _tells_of_an_end(order, report)
    taken = unsent or (lives and bool(order.presumed)) or other_end or next_day.is_replied(order, report)
    if taken or lives:
        severity = Severity.WARNING if taken else Severity.CRITICAL
        kind, venue = ItemKind.STATUS, order.venue
        raised = list(items.raise_(state, kind, venue, told, severity=severity, order=order, ours=ours, theirs=theirs))
        if raised and not taken:  # A reply that was on its way when the order ended is put right by the next one.
            return [*raised, *rejects.ask(state, order, "it had ended, and the venue speaks of it as if it lived")]
        return [*raised, *[ev.ItemResolved(one.item_id, venue, "the venue's word was taken") for one in raised]]
    return list(items.resolve(state, f"{order.venue} says {theirs}", ItemKind.STATUS, order.venue, order.order_id))
