"""What an order is and how it changes.

An order has two axes. One is what has happened to it at the venue: its executions, and *marks* such as New, Stopped
or Canceled. The other is which of its requests are unanswered: the new order itself, cancels, replaces. OrdStatus(39)
is never stored: it is the highest of all that holds, by the precedence of FIX 4.4 Volume 4, Appendix D. So a partial
fill while a cancel is pending stays Pending Cancel, and a late fill after a cancel leaves the order Canceled with a
larger CumQty(14).

All transitions are in the tables `MARKS` and `ANSWERS`. Nothing here decides whether an event may happen: a venue's
word is a fact.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, NamedTuple, get_args

import msgspec

from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import OrderView, Terms
from gateway.core.executions import Execution, Net, execution, net, totals
from gateway.core.money import ZERO, average, subtract
from gateway.core.types import OrdStatus

PRECEDENCE = (
    OrdStatus.PENDING_CANCEL,  # 12
    OrdStatus.PENDING_REPLACE,  # 11
    OrdStatus.DONE_FOR_DAY,  # 10
    OrdStatus.CALCULATED,  # 9
    OrdStatus.FILLED,  # 8
    OrdStatus.STOPPED,  # 7
    OrdStatus.SUSPENDED,  # 6
    OrdStatus.CANCELED,  # 5
    OrdStatus.EXPIRED,  # 5
    OrdStatus.PARTIALLY_FILLED,  # 4
    OrdStatus.REJECTED,  # 2: of the three, the one that ends the order is what its owner has to know
    OrdStatus.NEW,  # 2
    OrdStatus.PENDING_NEW,  # 2
)

_CANCELED, _EXPIRED, _REJECTED = CLOSING = (OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED)
"""Marks that end an order for good: LeavesQty(151) is 0 whatever is executed, busted or corrected later."""

# The marks of most orders, most of the time: what is asked at every event is in short then.
_PLAIN = ((), (OrdStatus.NEW,))
_NEW, _PENDING_NEW, _STOPPED = OrdStatus.NEW, OrdStatus.PENDING_NEW, OrdStatus.STOPPED
_FILLED, _PARTIALLY_FILLED = OrdStatus.FILLED, OrdStatus.PARTIALLY_FILLED
_DONE_FOR_DAY = OrdStatus.DONE_FOR_DAY
_RESUMED = (OrdStatus.SUSPENDED, _DONE_FOR_DAY)
FACTORS = Context(prec=28)
"""Factors of corporate actions stay this short, however many there are."""

MARKS: dict[type, tuple[OrdStatus | None, tuple[OrdStatus, ...]]] = {
    # event                   mark it sets            marks it lifts
    ev.OrderPendingNew: (None, ()),
    ev.OrderAcknowledged: (OrdStatus.NEW, _RESUMED),
    ev.OrderRejected: (OrdStatus.REJECTED, ()),
    ev.OrderReplaced: (OrdStatus.NEW, ()),
    ev.OrderCanceled: (OrdStatus.CANCELED, ()),
    ev.OrderExpired: (OrdStatus.EXPIRED, ()),
    ev.OrderDoneForDay: (OrdStatus.DONE_FOR_DAY, ()),
    ev.OrderStopped: (OrdStatus.STOPPED, ()),
    ev.OrderSuspended: (OrdStatus.SUSPENDED, ()),
    ev.OrderCalculated: (OrdStatus.CALCULATED, ()),
    ev.OrderRestated: (OrdStatus.NEW, _RESUMED),
    ev.OrderFilled: (OrdStatus.NEW, ()),
}

SENT, PENDING, ACCEPTED, REJECTED, UNSENT, VOID = "sent", "pending", "accepted", "rejected", "unsent", "void"
UNANSWERED = (SENT, PENDING)

ANSWERS: dict[type, str] = {
    # What an event makes of the request it names (or, without a name, of the new order).
    ev.OrderPendingNew: PENDING,
    ev.RequestPending: PENDING,
    ev.OrderAcknowledged: ACCEPTED,
    ev.OrderFilled: ACCEPTED,
    ev.OrderReplaced: ACCEPTED,
    ev.OrderCanceled: ACCEPTED,
    ev.OrderExpired: ACCEPTED,
    ev.OrderDoneForDay: ACCEPTED,
    ev.OrderStopped: ACCEPTED,
    ev.OrderSuspended: ACCEPTED,
    ev.OrderCalculated: ACCEPTED,
    ev.OrderRestated: ACCEPTED,
    ev.OrderRejected: REJECTED,
    ev.RequestRejected: REJECTED,
    ev.OrderUnsent: UNSENT,
}


class Request(msgspec.Struct, gc=False):
    """One message of the order's chain: the new order, a cancel or a replace (`kind` "new", "cancel", "replace").

    `state` is "sent" until the venue speaks of it, then "pending", "accepted" or "rejected"; "unsent" when it is
    proven that it never arrived, "void" when the order ended first or nobody waits for it any more. `in_doubt` says
    that it may or may not have arrived (rule 2). `logon` counts the logons of the session before: which connection.
    """

    kind: str
    cl_ord_id: str
    venue_cl_ord_id: str
    orig_venue_cl_ord_id: str = ""
    state: str = SENT
    sent_ns: int = 0
    logon: int = 0
    in_doubt: bool = False
    terms: Terms | None = None
    text: str = ""


class Order(msgspec.Struct, gc=False):
    """One order of one client. `command` is the request as it came; `terms` are those in force; `requests` is the
    chain, by venue_cl_ord_id.

    `cum_value` is the sum of quantity times price of what counts, `unanswered` the cancels and replaces the venue has
    not decided, `seen` the reports known. `guaranteed_to` is the CumQty(14) at which a Stopped report's guarantee is
    fulfilled, `former_venue_order_ids` what else the venue called the order. `presumed` names the request of which an
    operator settled the doubt (the order_id: the order itself) until the venue speaks of it, `presumed_over` the name
    and the terms that were in force before (see gateway.core.doubt). `disputed_cum_qty` is the most that the venue
    says was executed, while that is `disputed`. `rejected_by_reply`: a status reply alone called it rejected.
    """

    order_id: str
    command: SubmitOrder
    venue: str
    terms: Terms
    multiplier: Decimal
    currency: str
    cl_ord_id: str
    submitted_ns: int
    venue_cl_ord_id: str = ""
    venue_order_id: str = ""
    venue_symbol: str = ""
    requests: dict[str, Request] = {}
    unanswered: dict[str, None] = {}
    executions: list[Execution] = []
    amended: bool = False
    cum_qty: Decimal = ZERO
    cum_value: Decimal = ZERO
    marks: tuple[OrdStatus, ...] = ()
    guaranteed_to: Decimal = ZERO
    seen: dict[str, None] = {}
    disputed: bool = False
    former_venue_order_ids: tuple[str, ...] = ()
    presumed: str = ""
    presumed_over: tuple[str, Terms] | None = None
    disputed_cum_qty: Decimal = ZERO
    rejected_by_reply: bool = False

    @property
    def closed(self) -> bool:
        """Ended for good: canceled, expired, rejected, or never sent."""
        marks = self.marks
        return marks not in _PLAIN and (_CANCELED in marks or _EXPIRED in marks or _REJECTED in marks)

    @property
    def acknowledged(self) -> bool:
        """The venue has said something that only an accepted order can cause."""
        return _NEW in self.marks

    @property
    def leaves_qty(self) -> Decimal:
        """LeavesQty(151): what can still be executed. A day order that is done for the day has none left."""
        cum_qty, order_qty = self.cum_qty, self.terms.order_qty
        if cum_qty < order_qty and (self.marks in _PLAIN or self._tradable):
            return subtract(order_qty, cum_qty)
        return ZERO

    @property
    def quantity_known(self) -> bool:
        """False as long as the venue has not said what quantity it makes of CashOrderQty(152)."""
        return self.terms.cash_order_qty is None or bool(self.terms.order_qty)

    @property
    def working(self) -> bool:
        """Whether it can still be executed: something is left, or how much there was is not known yet."""
        order_qty = self.terms.order_qty
        if self.cum_qty < order_qty:
            return self.marks in _PLAIN or self._tradable
        return not order_qty and self.terms.cash_order_qty is not None and not self.closed

    @property
    def _tradable(self) -> bool:
        """Neither ended nor done for the day: what is left of it can be executed."""
        over = _DONE_FOR_DAY in self.marks and not self.terms.time_in_force.outlives_the_day
        return not (over or self.closed)

    @property
    def in_doubt(self) -> bool:
        """Whether one of its requests may or may not have reached the venue."""
        first = self.first_request
        in_doubt = first is not None and first.in_doubt
        return in_doubt or (bool(self.unanswered) and any(self.requests[key].in_doubt for key in self.unanswered))

    def has_execution(self, trade_date: str, exec_id: str) -> bool:
        """Whether the ledger has this execution, correction or bust."""
        return any(line.exec_id == exec_id and line.trade_date == trade_date for line in self.executions)

    @property
    def first_request(self) -> Request | None:
        """The new order itself; None while it is not routed."""
        return next(iter(self.requests.values()), None)

    @property
    def first_venue_cl_ord_id(self) -> str:
        """The venue_cl_ord_id of the new order itself; empty while it is not routed."""
        return next(iter(self.requests), "")

    def last_terms(self) -> Terms:
        """The terms that will be in force when every unanswered replace is accepted: what the next replace starts
        from.
        """
        for key in reversed(self.unanswered):
            asked = self.requests[key].terms
            if asked is not None:
                return asked
        return self.terms

    def last_venue_cl_ord_id(self, lost_logons: int = -1) -> str:
        """What OrigClOrdID(41) of the next request names: the newest replace that was not refused, else the order.

        Never one in doubt: a venue that did not get it would refuse every later cancel, for an order it does not know.
        Nor one that has still to come into doubt: silent, and sent up to the `lost_logons`-th logon.
        """
        for key in reversed(self.unanswered):
            request = self.requests[key]
            lost = request.in_doubt or (request.state == SENT and request.logon <= lost_logons)
            if request.kind == "replace" and not lost:
                return key
        return self.venue_cl_ord_id


def ord_status(order: Order, pending_states: tuple[str, ...] = UNANSWERED) -> OrdStatus:
    """OrdStatus(39): the highest of all that holds.

    With `pending_states=("pending",)` it is the venue's own view, which knows of a request only when it has received
    it.
    """
    holds, cum_qty = [*order.marks], order.cum_qty
    if _STOPPED in holds:
        met = cum_qty > order.guaranteed_to or (cum_qty == order.guaranteed_to and order.closed)
        holds = [mark for mark in holds if not (met and mark is _STOPPED)]  # The guarantee is behind us.
    if cum_qty:
        whole = cum_qty >= order.terms.order_qty and order.quantity_known
        holds.append(_FILLED if whole else _PARTIALLY_FILLED)
    if order.unanswered and not order.closed:
        asked = [order.requests[key] for key in order.unanswered]
        holds += [PENDING_STATUS[request.kind] for request in asked if request.state in pending_states]
    return min(holds, key=PRECEDENCE.index, default=_PENDING_NEW)


PENDING_STATUS = {"cancel": OrdStatus.PENDING_CANCEL, "replace": OrdStatus.PENDING_REPLACE}


def view(order: Order, venue_cl_ord_id: str = "") -> OrderView:
    """The order as its owner sees it, after an event that names the request `venue_cl_ord_id`."""
    command, terms, requests, unanswered = order.command, order.terms, order.requests, order.unanswered
    named = requests.get(venue_cl_ord_id) if venue_cl_ord_id else None
    cum_qty, order_qty, marks = order.cum_qty, terms.order_qty, order.marks
    if unanswered or marks not in _PLAIN:
        leaves_qty, status, in_doubt = order.leaves_qty, ord_status(order), order.in_doubt
    else:  # Most orders, most of the time: all of it in short.
        leaves_qty = subtract(order_qty, cum_qty) if cum_qty < order_qty else ZERO
        if not cum_qty:
            status = _NEW if marks else _PENDING_NEW
        else:
            status = _PARTIALLY_FILLED if leaves_qty or not order.quantity_known else _FILLED
        in_doubt = bool(requests) and next(iter(requests.values())).in_doubt
    return OrderView(  # In the order of its fields: with their names it would take a third longer, at every event.
        order.order_id,
        command.client_id,
        order.cl_ord_id,
        command.symbol,
        order.venue,
        command.side,
        command.ord_type,
        terms,
        status,
        cum_qty,
        leaves_qty,
        average(order.cum_value, cum_qty) if cum_qty else ZERO,
        command.account,
        command.strategy,
        command.exec_inst,
        order.venue_order_id,
        tuple([requests[key].cl_ord_id for key in unanswered]) if unanswered else (),
        in_doubt,
        order.venue_symbol,
        named.cl_ord_id if named is not None and named.cl_ord_id != order.cl_ord_id else "",
    )


# --- Changes ---


def route(order: Order, event: ev.OrderRouted, at_ns: int) -> Request:
    """The new order is on its way."""
    name = event.venue_cl_ord_id
    order.requests[name] = request = Request("new", order.cl_ord_id, name, "", SENT, at_ns)
    order.venue_cl_ord_id = name
    return request


def request_change(order: Order, event: ev.CancelRequested | ev.ReplaceRequested, at_ns: int) -> Request:
    """A cancel or a replace is on its way."""
    terms = event.terms if isinstance(event, ev.ReplaceRequested) else None
    kind = "cancel" if terms is None else "replace"
    name = event.venue_cl_ord_id
    request = Request(kind, event.cl_ord_id, name, event.orig_venue_cl_ord_id, SENT, at_ns, terms=terms)
    order.requests[name] = request
    order.unanswered[name] = None
    return request


def change(order: Order, event: ev.VenueEvent, at_ns: int) -> None:
    """Apply one event that came from the venue, or from what is known about a message to it."""
    mark, lifts, answer, writes, is_report, names_request = _EFFECTS[type(event)]
    if order.marks:
        if lifts:
            order.marks = tuple([held for held in order.marks if held not in lifts])
        if is_report and _REJECTED in order.marks:
            _arrived_after_all(order, event)  # type: ignore[arg-type]  # It is `Reported`.
    if is_report:
        _note(order, event)  # type: ignore[arg-type]
    if writes is not None:
        writes(order, event, at_ns)
    if mark is not None and mark not in order.marks:
        order.marks = (*order.marks, mark)
    if names_request:
        _answer(order, event, answer)
    elif answer:
        first = next(iter(order.requests.values()), None)
        if first is not None and (first.in_doubt or first.state in UNANSWERED):
            _settle(order, first, answer, event.text)  # type: ignore[union-attr]
    if order.unanswered and order.closed:
        void(order, list(order.unanswered))


def _note(order: Order, event: ev.Reported) -> None:
    """What every report tells: its own identity, and the venue's name for the order."""
    exec_id = event.exec_id
    if exec_id:
        order.seen[f"{event.trade_date}:{exec_id}"] = None  # As `report_key` has it: this is every report.
    name = event.venue_order_id
    if name and name != order.venue_order_id:
        if order.venue_order_id and order.venue_order_id not in order.former_venue_order_ids:
            order.former_venue_order_ids = (*order.former_venue_order_ids, order.venue_order_id)
        order.venue_order_id = name
    if event.order_qty is not None:
        order.terms = msgspec.structs.replace(order.terms, order_qty=event.order_qty)


def _arrived_after_all(order: Order, event: ev.Reported) -> None:
    """The venue speaks of an order that it had said it does not know: the later word is the truth, the order lives."""
    first = order.first_request
    if first is None or first.state != UNSENT or isinstance(event, ev.RequestRejected):
        return
    first.state = PENDING
    order.marks = tuple(held for held in order.marks if held is not OrdStatus.REJECTED)


def report_key(trade_date: str, exec_id: str) -> str:
    """What makes a report of an order the same report (rule 4)."""
    return f"{trade_date}:{exec_id}"


def _book(order: Order, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted, at_ns: int) -> None:
    """Write the ledger and derive CumQty(14) from it; a plain fill only adds."""
    line = execution(event, at_ns)
    order.executions.append(line)
    if order.amended or line.kind != "fill":
        order.amended = True
        order.cum_qty, order.cum_value = totals(net(order.executions))
    else:
        qty = line.last_qty
        order.cum_qty += qty
        order.cum_value += qty * line.last_px
    theirs = event.venue_cum_qty
    if theirs is not None:
        order.disputed = theirs != order.cum_qty
        order.disputed_cum_qty = max(theirs, order.disputed_cum_qty) if order.disputed else ZERO


def counted(order: Order) -> Net:
    """What counts of the order's executions, by place in the ledger."""
    if order.amended:
        return net(order.executions)
    return {place: (line.qty, line.value) for place, line in enumerate(order.executions)}


def _guarantee(order: Order, event: ev.OrderStopped, _: int) -> None:
    order.guaranteed_to = order.cum_qty + event.last_qty if event.last_qty else order.terms.order_qty


def _amend(order: Order, event: ev.OrderReplaced | ev.OrderRestated, _: int) -> None:
    """New terms are in force; a corporate action also changes what the executed quantities are worth in units."""
    if event.terms is not None:
        order.terms = event.terms
    if isinstance(event, ev.OrderRestated):
        if event.factor != 1:
            for line in order.executions:
                line.factor = FACTORS.multiply(line.factor, event.factor)
            order.cum_qty, order.cum_value = totals(counted(order))
        return
    request = order.requests.get(event.venue_cl_ord_id)
    if request is None:
        return
    if not event.overtaken:
        order.cl_ord_id = request.cl_ord_id
        order.venue_cl_ord_id = request.venue_cl_ord_id
    request.state = ACCEPTED  # Whatever was thought of it before: the venue's word is a fact.
    order.unanswered.pop(event.venue_cl_ord_id, None)


def _answer(order: Order, event: Any, answer: str) -> None:
    """Settle the request that the event names; the new order where it names none. What is accepted of an order that is
    Pending New is not the order.
    """
    named = event.venue_cl_ord_id
    of_the_order = PENDING if isinstance(event, ev.OrderReplaced) and event.pending_new else answer
    request = order.requests.get(named) if named else order.first_request
    _settle(order, request, answer if named else of_the_order, event.evidence if answer == UNSENT else event.text)
    if named and answer == ACCEPTED:
        _settle(order, order.first_request, of_the_order, "")
    elif answer == UNSENT and request is not None and request.kind == "new":
        order.marks = (*order.marks, OrdStatus.REJECTED)


def _settle_by_status(order: Order, event: ev.OrderStatusReported, _: int) -> None:
    """A status reply proves that the order arrived, and a pending one that the request it names did.

    One that says Filled ends the requests in doubt: they were sent before the question, and the venue would have
    answered them first. One that comes again has a CumQty(14) of its time, which settles no dispute.
    """
    if event.venue_cum_qty is not None and not event.poss_dup:
        order.disputed = event.venue_cum_qty != order.cum_qty
        order.disputed_cum_qty = event.venue_cum_qty if order.disputed else ZERO
    _settle(order, order.first_request, PENDING if event.ord_status is OrdStatus.PENDING_NEW else ACCEPTED, "")
    if event.ord_status is not OrdStatus.PENDING_NEW and OrdStatus.NEW not in order.marks:
        order.marks = (*order.marks, OrdStatus.NEW)
    if event.ord_status in PENDING_STATUS.values():
        # Many venues name the order there, not the request: that is clear enough when only one can be meant.
        meant = [key for key in order.unanswered if PENDING_STATUS[order.requests[key].kind] is event.ord_status]
        _settle(order, order.requests.get(meant[0] if len(meant) == 1 else event.venue_cl_ord_id), PENDING, "")
    if event.ord_status is OrdStatus.FILLED:
        void(order, [key for key in order.unanswered if order.requests[key].in_doubt])


def _settle(order: Order, request: Request | None, state: str, text: str) -> None:
    if request is None:
        return
    request.in_doubt = False
    if request.state not in UNANSWERED:
        return
    request.state = state
    request.text = text
    if order.unanswered and state not in UNANSWERED:
        order.unanswered.pop(request.venue_cl_ord_id, None)


def void(order: Order, keys: list[str]) -> None:
    """No answer to these cancels and replaces is waited for any more."""
    for key in keys:
        order.requests[key].state, order.requests[key].in_doubt = VOID, False
        del order.unanswered[key]


class _Effect(NamedTuple):
    """All that the tables say of one kind of event, and what it writes beside that. Looked up once for each event."""

    mark: OrdStatus | None
    lifts: tuple[OrdStatus, ...]
    answer: str
    writes: Callable[[Order, Any, int], None] | None
    is_report: bool
    names_request: bool


_WRITES: dict[type, Callable[[Order, Any, int], None]] = {
    ev.OrderFilled: _book,
    ev.ExecutionCorrected: _book,
    ev.ExecutionBusted: _book,
    ev.OrderReplaced: _amend,
    ev.OrderRestated: _amend,
    ev.OrderStopped: _guarantee,
    ev.OrderStatusReported: _settle_by_status,
}
_EFFECTS: dict[type, _Effect] = {
    kind: _Effect(
        *MARKS.get(kind, (None, ())),
        answer=ANSWERS.get(kind, ""),
        writes=_WRITES.get(kind),
        is_report=issubclass(kind, ev.Reported),
        names_request=kind in ANSWERS and "venue_cl_ord_id" in kind.__struct_fields__,
    )
    for kind in get_args(ev.VenueEvent)
}
