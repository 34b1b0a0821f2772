"""An operator's evidence about a request in doubt (rule 2), or about an order that its venue says it does not know:
what it makes of the order.

It stands until the venue speaks of the request, or of the order: a later word of the venue wins (see `overrule`).
"""

from gateway.core import events as ev
from gateway.core import items
from gateway.core.commands import ResolveDoubt
from gateway.core.events import Event
from gateway.core.order import CLOSING, MARKS, PENDING, PENDING_STATUS, UNANSWERED, Order, Request
from gateway.core.refusal import Refusal
from gateway.core.rejects import refuses_as_unknown
from gateway.core.state import State
from gateway.core.types import DoubtOutcome, ItemKind, OrdStatus, Reason

ALWAYS_HEARD = frozenset({ev.RequestPending, ev.RequestRejected, ev.OrderRejected})
"""The events that `overrule` has to hear of any order: by them a venue speaks of a request that was taken for unsent,
or rejects an order in no more than a status reply.
"""
_WORKS = frozenset(
    {ev.OrderAcknowledged, ev.OrderFilled, ev.OrderReplaced, ev.OrderRestated, ev.OrderStopped, ev.OrderSuspended}
)
"""The reports of an order that a venue works."""


def decide(state: State, command: ResolveDoubt) -> list[Event]:
    """The evidence, and the event that it is evidence of.

    Raises:
        Refusal: there is no such order, nothing of it is in doubt, more than one request and none is named, or the
            order is called canceled and no open item says that its venue does not know it.
    """
    order = state.orders.get(command.order_id)
    if order is None:
        raise Refusal(Reason.ORDER_UNKNOWN, "order_id", f"there is no order {command.order_id!r}, or it has ended")
    evidence = f"operator {command.operator}: {command.reason}"
    if command.outcome is DoubtOutcome.CANCELED:
        _check_unknown(state, order, command.venue_cl_ord_id)
        resolved = ev.DoubtResolved(order.order_id, "", command.outcome, command.operator, command.reason)
        return [resolved, ev.OrderCanceled(order.order_id, text=evidence)]
    request = _request(state, order, command.venue_cl_ord_id)
    resolved = ev.DoubtResolved(
        order.order_id,
        request.venue_cl_ord_id,
        command.outcome,
        command.operator,
        command.reason,
        in_force=order.venue_cl_ord_id,
        terms=order.terms,
    )
    return [resolved, _event(order, request, command.outcome, evidence)]


def _is_unknown(state: State, order: Order) -> bool:
    """Whether the last that the venue said of the order, which works here, is that it does not know it."""
    return bool(items.find(state, ItemKind.ORDER_UNKNOWN, order.venue, order.order_id))


def _check_unknown(state: State, order: Order, named: str) -> None:
    if named:
        raise Refusal(Reason.FIELD_NOT_ALLOWED, "venue_cl_ord_id", "canceled is said of the order: name no request")
    if not order.working:
        raise Refusal(Reason.NOT_IN_DOUBT, "order_id", f"order {order.order_id} does not work any more")
    if not _is_unknown(state, order):
        raise Refusal(
            Reason.NOT_IN_DOUBT,
            "order_id",
            f"no open item ORDER_UNKNOWN says that {order.venue} does not know order {order.order_id}: have the venue "
            "compared; when it knows the order, cancel that",
        )


def _request(state: State, order: Order, named: str) -> Request:
    doubtful = [request for request in order.requests.values() if request.in_doubt]
    names = ", ".join(request.venue_cl_ord_id for request in doubtful)
    if not doubtful:
        known = f"; {order.venue} does not know it: it can be called canceled" if _is_unknown(state, order) else ""
        raise Refusal(Reason.NOT_IN_DOUBT, "order_id", f"nothing of order {order.order_id} is in doubt{known}")
    if not named and len(doubtful) > 1:
        raise Refusal(Reason.FIELD_REQUIRED, "venue_cl_ord_id", f"say which request: {names} are in doubt")
    for request in doubtful:
        if named in ("", request.venue_cl_ord_id):
            return request
    raise Refusal(Reason.NOT_IN_DOUBT, "venue_cl_ord_id", f"{named} is not in doubt; in doubt: {names}")


def _event(order: Order, request: Request, outcome: DoubtOutcome, evidence: str) -> Event:
    order_id, key = order.order_id, request.venue_cl_ord_id
    match outcome, request.kind:
        case DoubtOutcome.UNSENT, _:
            return ev.OrderUnsent(order_id, key, evidence)
        case DoubtOutcome.ACCEPTED, "new":
            return ev.OrderAcknowledged(order_id, text=evidence)
        case DoubtOutcome.ACCEPTED, "cancel":
            return ev.OrderCanceled(order_id, text=evidence, venue_cl_ord_id=key)
        case DoubtOutcome.ACCEPTED, _:
            return ev.OrderReplaced(order_id, text=evidence, terms=request.terms, venue_cl_ord_id=key)
        case DoubtOutcome.REJECTED, "new":
            return ev.OrderRejected(order_id, text=evidence)
        case _:
            return ev.RequestRejected(order_id, text=evidence, venue_cl_ord_id=key)


def shown_as_pending(order: Order, named: str, ord_status: OrdStatus) -> str:
    """The request of which an operator settled the doubt, when a status reply with this ClOrdID(11) and OrdStatus(39)
    shows that the venue has not decided it. Many venues name the order there, which is clear enough when no other
    request can be meant.
    """
    request = order.requests.get(order.presumed)
    if request is None or PENDING_STATUS.get(request.kind) is not ord_status:
        return ""
    alone = request.kind not in [order.requests[key].kind for key in order.unanswered]
    return order.presumed if alone or named == order.presumed else ""


# --- Changing ---


def presume(order: Order, event: ev.DoubtResolved) -> None:
    """The operator's next event counts until the venue speaks; what it displaces is kept."""
    order.presumed = event.venue_cl_ord_id or order.order_id
    order.presumed_over = (event.in_force, event.terms) if event.terms is not None else None


def overrule(order: Order, event: ev.VenueEvent) -> None:
    """The venue speaks of what an operator settled: its word counts, as if nobody had spoken before. So it does when
    it calls a request pending, or refuses one, that it had said it does not have.

    While the request is still in doubt, the event is the operator's own.
    """
    if isinstance(event, ev.OrderRejected):
        order.rejected_by_reply = event.by_reply
    elif order.rejected_by_reply and _works(order, event):
        _live_again(order)
    if isinstance(event, (ev.RequestPending, ev.RequestRejected)) and event.arrived:
        order.requests[event.venue_cl_ord_id].state = PENDING
        _wait_again(order)
    if order.presumed == order.order_id:
        _known_again(order, event)
        return
    request = order.requests.get(order.presumed)
    if request is None or request.in_doubt:
        return
    new, told = request.kind == "new", event.ord_status if isinstance(event, ev.OrderStatusReported) else None
    named = told is None and getattr(event, "venue_cl_ord_id", "") == order.presumed
    speaks = isinstance(event, ev.Reported) and not isinstance(event, ev.RequestRejected)
    ends = MARKS.get(type(event), (None, ()))[0] in CLOSING
    if not (named or (speaks if new else ends or told is not None)):
        return
    if new or named:
        request.state = PENDING
    if new or told not in CLOSING:  # What a reply calls ended does not live for a moment.
        taken_back = (OrdStatus.NEW, OrdStatus.REJECTED) if new else (OrdStatus.CANCELED,)
        order.marks = tuple(held for held in order.marks if held not in taken_back)
    if named:
        _take_back_terms(order, request)
    _wait_again(order)
    order.presumed, order.presumed_over = "", None


def _known_again(order: Order, event: ev.VenueEvent) -> None:
    """The venue speaks of an order that was taken for canceled because it did not know it: unless it tells an end, the
    order works again. While the order works, the event is the operator's own.
    """
    if not order.closed or not isinstance(event, ev.Reported):
        return
    if isinstance(event, ev.RequestRejected) and (event.reason_tag not in (102, 103) or refuses_as_unknown(event)):
        return
    told = event.ord_status if isinstance(event, ev.OrderStatusReported) else None
    if told not in CLOSING:  # What a reply calls ended does not live for a moment.
        order.marks = tuple(held for held in order.marks if held is not OrdStatus.CANCELED)
    order.presumed = ""


def _works(order: Order, event: ev.VenueEvent) -> bool:
    """Whether a report shows that the venue works the order. A replace of an order that is Pending New does not, and
    neither does an execution that the venue had counted when it called the order rejected.
    """
    waits = isinstance(event, ev.OrderReplaced) and event.pending_new
    counted = isinstance(event, ev.OrderFilled) and order.disputed
    return type(event) in _WORKS and not (waits or counted)


def _live_again(order: Order) -> None:
    """A venue that has lost an order may say no more of it than Rejected, when it is asked: its own report counts."""
    order.rejected_by_reply = False
    order.requests[order.first_venue_cl_ord_id].state = PENDING
    order.marks = tuple(held for held in order.marks if held is not OrdStatus.REJECTED)


def _wait_again(order: Order) -> None:
    """For all that the venue has not decided, in the order in which it was asked."""
    order.unanswered = {
        key: None for key, asked in order.requests.items() if asked.kind != "new" and asked.state in UNANSWERED
    }


def _take_back_terms(order: Order, request: Request) -> None:
    """A replace that was taken for accepted is not, or not yet: the order has its former name and terms. Not when a
    later replace is in force, and not the terms when the venue has stated others since.
    """
    if request.kind != "replace" or order.venue_cl_ord_id != request.venue_cl_ord_id or order.presumed_over is None:
        return
    order.venue_cl_ord_id, terms = order.presumed_over
    order.cl_ord_id = order.requests[order.venue_cl_ord_id].cl_ord_id
    if order.terms == request.terms:
        order.terms = terms
