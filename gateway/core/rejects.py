"""A venue's no to a message of ours: OrderCancelReject(35=9), Reject(35=3) and BusinessMessageReject(35=j), and which
request an ExecutionReport(35=8) refuses.
"""

from gateway.core import events as ev
from gateway.core.events import Event
from gateway.core.order import ACCEPTED, REJECTED, SENT, UNANSWERED, UNSENT, VOID, Order, Request
from gateway.core.reports import ExecutionReport, MessageRejected, OrderCancelReject
from gateway.core.risk.watch import mass_cancel_failed
from gateway.core.state import State
from gateway.core.types import OrdStatus

_MSG_TYPE = {"new": "D", "cancel": "F", "replace": "G"}
UNKNOWN_ORDER = "5"
"""OrdRejReason(103): unknown order."""
DUPLICATE_ORDER = "6"
"""OrdRejReason(103): duplicate order."""
TOO_LATE, UNKNOWN_TO_CANCEL = "0", "1"
"""CxlRejReason(102): too late to cancel, and unknown order."""

_HIDES_REJECTED = frozenset({OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED, OrdStatus.STOPPED, OrdStatus.SUSPENDED})
"""What OrdStatus(39) of a rejected order may be in place of Rejected, which they outrank (Appendix D)."""


def is_of_a_request(order: Order, report: ExecutionReport) -> bool:
    """Whether ExecType(150) Rejected is about the cancel or replace that ClOrdID(11) names. About the order, when that
    is a replace in force: a venue may accept a replace of an order that it has not accepted yet, and reject the order
    then. OrdStatus(39) has to say so. A replace that an operator took for accepted is refused by it.
    """
    request = order.requests.get(report.cl_ord_id)
    if request is None or request.kind == "new":
        return False
    if request.state != ACCEPTED or report.cl_ord_id != order.venue_cl_ord_id:
        return True
    hidden = report.ord_status in _HIDES_REJECTED and order.presumed != report.cl_ord_id
    return report.ord_status is not OrdStatus.REJECTED and not hidden


def is_unknown(report: ExecutionReport) -> bool:
    """Whether a status reply that says Rejected speaks of an order that the venue does not know: by OrdRejReason(103),
    or by OrderID(37), which is NONE then.
    """
    return report.ord_rej_reason == UNKNOWN_ORDER or report.venue_order_id == "NONE"


def was_confirmed(order: Order) -> bool:
    """The venue itself accepted or executed the order, and has not rejected it itself."""
    first = order.requests[order.first_venue_cl_ord_id]
    accepted = first.state == ACCEPTED and order.presumed != first.venue_cl_ord_id
    return OrdStatus.REJECTED not in order.marks and (accepted or bool(order.executions))


def cancel_reject(state: State, report: OrderCancelReject) -> list[Event]:
    """The venue refuses a cancel or a replace. What names an order alone refuses neither, and says nothing about that
    order: it is set aside.
    """
    order = state.orders.get(state.by_venue_cl_ord_id.get(report.cl_ord_id, ""))
    if order is None or order.venue != report.venue:
        return [ev.ReportSetAside(report, "it answers no request of ours")]
    refused = _refused(order, report)
    if refused is None:
        return [ev.ReportSetAside(report, "it names an order, not a cancel or a replace of it")]
    rejected = _request_rejected(order, refused, report.text, report.cxl_rej_reason)
    if report.cxl_rej_reason == UNKNOWN_TO_CANCEL and not order.acknowledged:
        return [rejected, *_doubt(state, order)]
    return [rejected, *_asked(state, order, rejected)]


def _refused(order: Order, report: OrderCancelReject) -> Request | None:
    """The cancel or replace that ClOrdID(11) names. A venue may have it in OrigClOrdID(41) and the order in
    ClOrdID(11): believed only when both are what we sent, the other way round.
    """
    named = order.requests[report.cl_ord_id]
    if named.kind != "new":
        return named
    other = order.requests.get(report.orig_cl_ord_id)
    return other if other is not None and other.orig_venue_cl_ord_id == report.cl_ord_id else None


def _doubt(state: State, order: Order) -> list[Event]:
    """A venue that does not know an order and never spoke of it may not have received it: ask (Appendix D, B.1.f)."""
    first = order.requests[order.first_venue_cl_ord_id]
    if first.state != SENT or first.in_doubt:
        return []
    why = f"{order.venue} answered a request as if it did not know the order"
    return [ev.OrderInDoubt(order.order_id, first.venue_cl_ord_id, why), *ask(state, order, why)]


def refuses_as_unknown(rejected: ev.RequestRejected) -> bool:
    """Whether a request is refused because the venue does not know the order."""
    unknown = {102: UNKNOWN_TO_CANCEL, 103: UNKNOWN_ORDER}
    return rejected.cxl_rej_reason == unknown.get(rejected.reason_tag)


def _asked(state: State, order: Order, rejected: Event) -> list[Event]:
    """A venue to which an order is over that works here: its end, or the execution that was its end, is not known. Ask.

    An execution that crossed the request was told before the reject.
    """
    over = isinstance(rejected, ev.RequestRejected) and rejected.cxl_rej_reason in (TOO_LATE, UNKNOWN_TO_CANCEL)
    return ask(state, order, "the venue refused a request as if the order were over") if over and order.working else []


def accepted_after_all(state: State, order: Order, replaced: ev.OrderReplaced) -> list[Event]:
    """A replace is accepted that the venue had refused: what was taken for its no may have been the end of the order,
    told out of turn under the name that the order had by then. No report tells the two apart: ask.
    """
    named = replaced.venue_cl_ord_id
    request = order.requests.get(named)
    if request is None or request.state != REJECTED or named == order.presumed or replaced.overtaken:
        return []
    return ask(state, order, "the venue accepted a replace that it had refused", named) if order.working else []


def ask(state: State, order: Order, why: str, named: str = "") -> list[Event]:
    """The question how an order stands, OrderStatusRequest(35=H), by the name that it has now or gets; none to a venue
    that is not logged on.
    """
    if not state.session(order.venue).up:
        return []
    return [ev.StatusRequested(order.order_id, order.venue, named or order.venue_cl_ord_id, why)]


def _request_rejected(order: Order, request: Request, text: str, reason: str, reason_tag: int = 102) -> Event:
    arrived = has_arrived(order, request)
    if not arrived and request.state not in (*UNANSWERED, VOID) and request.venue_cl_ord_id != order.presumed:
        return ev.ReportIgnored(order.order_id, "", f"{request.kind} {request.cl_ord_id} is {request.state} already")
    return ev.RequestRejected(
        order.order_id,
        text=text,
        venue_cl_ord_id=request.venue_cl_ord_id,
        cxl_rej_reason=reason,
        reason_tag=reason_tag,
        arrived=arrived,
    )


def has_arrived(order: Order, request: Request) -> bool:
    """Whether the venue has decided on a request that was taken for unsent. Remembered as its answer: what it said of
    it before may be told later.
    """
    return request.state == UNSENT and not order.closed and request.venue_cl_ord_id != order.presumed


def message_rejected(state: State, report: MessageRejected) -> list[Event]:
    """The venue refuses a message as such, of whatever kind it was."""
    order = state.orders.get(state.by_venue_cl_ord_id.get(report.ref_cl_ord_id, ""))
    if report.ref_msg_type == "q":
        text = report.text or f"rejected with reason {report.reject_reason}"
        return [ev.MessageRefused(report), *mass_cancel_failed(state, report.venue, report.ref_cl_ord_id, text)]
    if order is None or order.venue != report.venue:
        return [ev.MessageRefused(report)]
    request = order.requests[report.ref_cl_ord_id]
    if report.ref_msg_type not in ("", _MSG_TYPE[request.kind]) or request.state not in UNANSWERED:
        # A status request carries the order's own ClOrdID: its reject says nothing about the order.
        return [ev.MessageRefused(report)]
    text, reason, tag = report.text, report.reject_reason, report.reason_tag
    if request.kind == "new":
        return [ev.OrderRejected(order.order_id, text=text, ord_rej_reason=reason, reason_tag=tag)]
    return [_request_rejected(order, request, text, reason, tag)]
