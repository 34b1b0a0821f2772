"""Which events are differences between our books and a venue's, and which say that one is no more.

Each function is a generator of events: each is applied before the next is decided.
"""

from collections.abc import Iterator

from gateway.core import events as ev
from gateway.core import items
from gateway.core.events import Event
from gateway.core.order import Order, report_key
from gateway.core.rejects import ask, refuses_as_unknown
from gateway.core.reports import ExecutionReport, MessageRejected, OutOfReach
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, ItemKind, OrdStatus
from gateway.core.venue_reports import NOT_OURS, find

RAISING = frozenset(
    {
        ev.DropCopyNoted,
        ev.ExternalOrderReported,
        ev.OrderStatusReported,
        ev.QuantityDisputed,
        ev.ReportSetAside,
        ev.SessionLoggedOn,
    }
)
"""Events that can raise an item; all others can only resolve one."""


def of(state: State, settings: Settings, event: Event, body: object) -> Iterator[Event]:
    """What an event raises and resolves. `body` is what it came from: a report, a command, the clock."""
    match event:
        case ev.ReportSetAside():
            yield from _set_aside(state, settings, event)
        case ev.ExternalOrderReported():
            yield from _external(state, settings, event)
        case ev.SessionLoggedOn():
            if event.unexpected and event.venue in settings.reconcile:
                text = f"the numbers of the session to {event.venue} started over without our asking"
                yield from items.raise_(state, ItemKind.SEQUENCE_RESET, event.venue, text)
        case ev.DropCopyNoted():
            yield from _copied(state, event)
        case ev.ItemRaised() | ev.ItemResolved():
            pass
        case _:
            order = state.orders.get(getattr(event, "order_id", ""))
            if order is not None and (state.items or order.venue in settings.reconcile):
                yield from _of_order(state, settings, order, event, body)


def _of_order(state: State, settings: Settings, order: Order, event: Event, body: object) -> Iterator[Event]:
    """An order's quantity, its terms, and whether the venue knows it."""
    if isinstance(event, ev.QuantityDisputed) and order.venue in settings.reconcile:
        known = items.find(state, ItemKind.QUANTITY, order.venue, order.order_id)
        yield from _quantity(state, order, f"{event.venue_cum_qty}")
        if not known and not _is_reply(body):
            yield from ask(state, order, "CumQty(14) is not the sum of the executions that it told us")
    yield from _ended(state, order)
    if not isinstance(event, ev.Reported):
        return
    if isinstance(event, (ev.OrderFilled, ev.ExecutionCorrected, ev.ExecutionBusted)):
        text, key = f"{order.venue} has told it", report_key(event.trade_date, event.exec_id)
        yield from items.resolve(state, text, ItemKind.EXECUTION_MISSING, order.venue, order.order_id, key)
    if not order.disputed:
        text = f"CumQty(14) {order.cum_qty} is what {order.venue} says"
        yield from items.resolve(state, text, ItemKind.QUANTITY, order.venue, order.order_id)
    if _knows(order, event, body):
        text = f"{order.venue} speaks of it again"
        yield from items.resolve(state, text, ItemKind.ORDER_UNKNOWN, order.venue, order.order_id)
    if isinstance(event, ev.OrderStatusReported) and isinstance(body, ExecutionReport) and not body.poss_dup:
        yield from _terms(state, settings, order, body)


def _quantity(state: State, order: Order, theirs: str) -> Iterator[Event]:
    """Rule 4: the venue's CumQty(14) is a check, and it failed."""
    ours = f"{order.cum_qty}"
    text = f"the executions of order {order.order_id} add up to {ours}, {order.venue} says {theirs or 'otherwise'}"
    yield from items.raise_(
        state,
        ItemKind.QUANTITY,
        order.venue,
        text,
        order=order,
        ours=ours,
        theirs=theirs,
    )


def disputes(state: State, venue: str) -> Iterator[Event]:
    """Orders whose quantity is disputed and has no item yet: from before the venue was compared, or one too many."""
    for order_id in list(state.disputed):
        order = state.orders[order_id]
        if order.venue == venue:
            yield from _quantity(state, order, "")


def _ended(state: State, order: Order) -> Iterator[Event]:
    """The terms of an order that has ended do not matter, and a venue may forget it."""
    if not order.closed:
        yield from items.resolve(state, "the order lives", ItemKind.STATUS, order.venue, order.order_id)
    if not order.working:
        for kind in (ItemKind.TERMS, ItemKind.ORDER_UNKNOWN):
            yield from items.resolve(state, "the order has ended", kind, order.venue, order.order_id)


def _terms(state: State, settings: Settings, order: Order, report: ExecutionReport) -> Iterator[Event]:
    """OrderQty(38) and Price(44) in force, while no replace is on its way that may have changed them."""
    replacing = any(order.requests[key].kind == "replace" for key in order.unanswered)
    if replacing or not order.working or order.venue not in settings.reconcile:
        return
    pairs = (("OrderQty", order.terms.order_qty, report.order_qty), ("Price", order.terms.price, report.price))
    told = [(label, ours, theirs) for label, ours, theirs in pairs if None not in (ours, theirs)]
    other = [(f"{label} {ours}", f"{label} {theirs}") for label, ours, theirs in told if ours != theirs]
    if other:
        ours, theirs = (" ".join(values) for values in zip(*other, strict=True))
        yield from items.raise_(
            state,
            ItemKind.TERMS,
            order.venue,
            f"order {order.order_id} has {ours} here and {theirs} at {order.venue}",
            order=order,
            ours=ours,
            theirs=theirs,
        )
    else:
        yield from _agreed(state, order, {label for label, _, _ in told})


def _agreed(state: State, order: Order, told: set[str]) -> Iterator[Event]:
    """All that differed is told again, and agrees: of what a reply leaves out it says nothing."""
    item = state.items.get(items.find(state, ItemKind.TERMS, order.venue, order.order_id))
    if item is not None and {"OrderQty", "Price"} & set(item.raised.ours.split()) <= told:
        yield from items.resolve(state, f"{order.venue} agrees", ItemKind.TERMS, order.venue, order.order_id)


def _set_aside(state: State, settings: Settings, event: ev.ReportSetAside) -> Iterator[Event]:
    report = event.report
    if report.venue not in settings.reconcile:
        return
    if not isinstance(report, ExecutionReport):
        yield from _unknown(state, report, event.why)
        return
    order = find(state, report)
    ours = order is not None and order.venue == report.venue
    if order is not None and ours and _is_reply(report) and report.ord_status is OrdStatus.REJECTED:
        if order.working:
            yield from items.raise_(
                state,
                ItemKind.ORDER_UNKNOWN,
                order.venue,
                event.why,
                order=order,
                theirs=report.text,
            )
    elif not report.mass_status_req_id or report.ord_status is not OrdStatus.REJECTED:
        yield from _unknown(state, report, event.why)


def _unknown(state: State, report: object, why: str) -> Iterator[Event]:
    """One item for each order that a venue names and we do not know, and one for what names none."""
    venue = getattr(report, "venue", "")
    yield from items.raise_(
        state,
        ItemKind.REPORT_UNKNOWN,
        venue,
        f"a report of {venue} was set aside: {why}",
        venue_order_id=getattr(report, "venue_order_id", ""),
    )


def waiting(state: State, fact: OutOfReach, seq: int) -> Iterator[Event]:
    """A report waits, kept whole in event `seq`, until what it speaks of can be read."""
    report = fact.report
    yield from items.raise_(
        state,
        ItemKind.REPORT_WAITING,
        report.venue,
        f"a report of {report.venue} waits, whole in event {seq}, because what it speaks of cannot be read: {fact.why}",
        venue_order_id=report.venue_order_id,
        set_aside_seq=seq,
    )


def _external(state: State, settings: Settings, event: ev.ExternalOrderReported) -> Iterator[Event]:
    venue, venue_order_id, report = event.venue, event.venue_order_id, event.report
    known = state.external.get(venue, {}).get(venue_order_id)
    text = f"{venue} says {report.ord_status.name}"
    yield from items.resolve(state, "it is an external order", ItemKind.REPORT_UNKNOWN, venue, venue_order_id)
    if known is None:
        yield from items.resolve(state, text, ItemKind.ORDER_EXTERNAL, venue, venue_order_id)
    elif known.first_ns == known.last_ns and (venue in settings.reconcile or venue in settings.drop_copies.values()):
        side = report.side.name if report.side is not None else "an order"
        what = f"{side} {report.order_qty or ''} {report.venue_symbol}".strip()
        yield from items.raise_(
            state,
            ItemKind.ORDER_EXTERNAL,
            venue,
            f"{venue} works {what} as {venue_order_id}, which we never sent",
            venue_order_id=venue_order_id,
            theirs=report.ord_status.name,
        )


def _copied(state: State, event: ev.DropCopyNoted) -> Iterator[Event]:
    report, text = event.report, f"drop copy {event.session} shows it"
    if event.order_id:
        key = report_key(report.trade_date, report.exec_id)
        yield from items.resolve(state, text, ItemKind.EXECUTION_UNCONFIRMED, report.venue, event.order_id, key)
    else:
        yield from _unknown(state, report, f"drop copy {event.session}: {NOT_OURS}")


def _is_reply(body: object) -> bool:
    return isinstance(body, ExecutionReport) and body.exec_type is ExecType.ORDER_STATUS


def _knows(order: Order, event: ev.Reported, body: object) -> bool:
    """The venue speaks of the order; not by refusing a message, or a request because it does not know the order."""
    if getattr(body, "venue", "") != order.venue or isinstance(body, MessageRejected):
        return False
    return not isinstance(event, ev.RequestRejected) or not refuses_as_unknown(event)
