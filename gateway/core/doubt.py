"""An operator's evidence about a request in doubt (rule 2): what it makes of the order.

It stands until the venue speaks of the request: a later word of the venue wins (see `order.change`).
"""

from gateway.core import events as ev
from gateway.core.commands import ResolveDoubt
from gateway.core.events import Event
from gateway.core.order import Order, Request
from gateway.core.refusal import Refusal
from gateway.core.state import State
from gateway.core.types import DoubtOutcome, Reason


def decide(state: State, command: ResolveDoubt) -> list[Event]:
    """The evidence, and the event that it is evidence of.

    Raises:
        Refusal: there is no such order, nothing of it is in doubt, or more than one request and none is named.
    """
    order = state.orders.get(command.order_id)
    if order is None:
        raise Refusal(Reason.ORDER_UNKNOWN, "order_id", f"there is no order {command.order_id!r}, or it has ended")
    request = _request(order, command.venue_cl_ord_id)
    resolved = ev.DoubtResolved(
        order.order_id, request.venue_cl_ord_id, command.outcome, command.operator, command.reason
    )
    return [resolved, _event(order, request, command.outcome, f"operator {command.operator}: {command.reason}")]


def _request(order: Order, named: str) -> Request:
    doubtful = [request for request in order.requests.values() if request.in_doubt]
    names = ", ".join(request.venue_cl_ord_id for request in doubtful)
    if not doubtful:
        raise Refusal(Reason.NOT_IN_DOUBT, "order_id", f"nothing of order {order.order_id} is in doubt")
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
