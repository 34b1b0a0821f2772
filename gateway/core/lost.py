"""What was sent on a connection that is gone, and that the venue has not answered, comes into doubt.

Not more than `DOUBTS_AT_ONCE` of it with the input that says so: other venues and all clients have to be heard in
between. The rest comes with the clock's next turns, oldest first, and a restart goes on with it. Until all of it is
through the venue takes no new orders and is not compared. What the venue speaks of comes into doubt before its word is
decided, so that an order looks to it as if all had come at once; and no cancel names a replace that may be lost.
"""

from collections.abc import Collection, Iterable, Iterator

from gateway.core import events as ev
from gateway.core import venue_reports
from gateway.core.events import Event, OrderInDoubt
from gateway.core.order import SENT, Order, Request
from gateway.core.refusal import Refusal
from gateway.core.reports import DropCopied, ExecutionReport, MessageRejected, OrderCancelReject
from gateway.core.state import Lost, Session, Settings, State
from gateway.core.types import Reason

DOUBTS_AT_ONCE = 1_000
"""How many requests one input brings into doubt at most."""

_SESSION_DOWN = "the session went down before the venue answered"
_PROCESS_ENDED = "the process ended before the venue answered"


def session_down(state: State, venue: str) -> list[Event]:
    """The first part of what a session that goes down leaves unanswered."""
    return _first_part(state.silent.get(venue, {}).items(), _SESSION_DOWN)


def process_ended(state: State) -> list[Event]:
    """The first part of what a process left unanswered."""
    silent = (request for at_venue in state.silent.values() for request in at_venue.items())
    return _first_part(silent, _PROCESS_ENDED)


def _first_part(silent: Iterable[tuple[str, str]], why: str) -> list[Event]:
    return [*at_most(DOUBTS_AT_ONCE, (OrderInDoubt(order_id, key, why) for key, order_id in silent))]


def next_part(state: State) -> list[OrderInDoubt]:
    """The next of what is still to come into doubt."""
    return at_most(DOUBTS_AT_ONCE, (doubt for venue in state.lost for doubt in _of_venue(state, venue)))


def at_most(count: int, doubts: Iterable[OrderInDoubt]) -> list[OrderInDoubt]:
    """The first of them."""
    return [doubt for _, doubt in zip(range(count), doubts, strict=False)]


def _of_venue(state: State, venue: str) -> Iterator[OrderInDoubt]:
    lost = state.lost[venue]
    oldest = zip(range(lost.left), state.silent[venue].items(), strict=False)  # Those behind them were sent later.
    return (OrderInDoubt(order_id, key, _why(lost)) for _, (key, order_id) in oldest)


def _why(lost: Lost) -> str:
    return _PROCESS_ENDED if lost.by_process else _SESSION_DOWN


def spoken_of(state: State, settings: Settings, body: object) -> list[Event]:
    """What has to come into doubt before a venue's word is decided: all of the order that it speaks of. Where nothing
    is compared, the question too, which the session's return left to this.
    """
    order = _named(state, body)
    doubts = [] if order is None else _of_order(state, order)
    return [*doubts, *questions(state, settings, doubts)]


def _named(state: State, body: object) -> Order | None:
    match body:
        case ExecutionReport():
            return venue_reports.find(state, body)
        case DropCopied():
            return venue_reports.find(state, body.report)
        case OrderCancelReject():
            return state.orders.get(state.by_venue_cl_ord_id.get(body.cl_ord_id, ""))
        case MessageRejected():
            return state.orders.get(state.by_venue_cl_ord_id.get(body.ref_cl_ord_id, ""))
    return None


def _of_order(state: State, order: Order) -> list[OrderInDoubt]:
    lost = state.lost.get(order.venue)
    if lost is None:
        return []
    asked = [order.requests[key] for key in dict.fromkeys([order.first_venue_cl_ord_id, *order.unanswered]) if key]
    return [OrderInDoubt(order.order_id, each.venue_cl_ord_id, _why(lost)) for each in asked if _is_left(lost, each)]


def _is_left(lost: Lost, request: Request) -> bool:
    """Whether a request has still to come into doubt."""
    return request.state == SENT and not request.in_doubt and request.logon <= lost.logons


def of(state: State, event: OrderInDoubt) -> Lost | None:
    """What the request was lost with that this is about to bring into doubt; None when it was not lost."""
    order = state.orders[event.order_id]
    lost = state.lost.get(order.venue)
    return lost if lost is not None and _is_left(lost, order.requests[event.venue_cl_ord_id]) else None


def questions(state: State, settings: Settings, doubts: Iterable[OrderInDoubt]) -> list[Event]:
    """What a venue that is not compared is asked about these, each order once. A comparison asks by itself."""
    asked = [state.orders[order_id] for order_id in dict.fromkeys(event.order_id for event in doubts)]
    return [
        question(order) for order in asked if order.venue not in settings.reconcile and state.session(order.venue).up
    ]


def question(order: Order) -> Event:
    """How an order stands of which a request was lost."""
    why = "it is in doubt and the session is back"
    return ev.StatusRequested(order.order_id, order.venue, order.venue_cl_ord_id, why)


def to_ask(state: State, venue: str) -> tuple[list[str], tuple[str, ...]]:
    """The orders in doubt about which a venue is asked when it comes back, each once: now, and in later parts."""
    asked = [*dict.fromkeys(order_id for order_id in state.doubtful.values() if state.orders[order_id].venue == venue)]
    return asked[:DOUBTS_AT_ONCE], tuple(asked[DOUBTS_AT_ONCE:])


def next_questions(state: State, asked: Collection[str]) -> list[Event]:
    """The next of the questions that were left for later, but for the orders that this turn has `asked` about."""
    left = (order_id for unasked in state.unasked.values() for order_id in unasked)
    orders = [state.orders[order_id] for _, order_id in zip(range(DOUBTS_AT_ONCE), left, strict=False)]
    return [question(order) for order in orders if order.order_id not in asked]


def orig_of_cancel(state: State, order: Order) -> str:
    """What OrigClOrdID(41) of a cancel names (see `Order.last_venue_cl_ord_id`): nothing that may be lost."""
    lost = state.lost.get(order.venue)
    return order.last_venue_cl_ord_id(lost.logons if lost is not None else -1)


def check_none_left(state: State, venue: str, field: str = "") -> None:
    """New orders, new terms and comparisons wait until all of it is in doubt.

    Raises:
        Refusal: it is not.
    """
    lost = state.lost.get(venue)
    if lost is not None:
        raise Refusal(
            Reason.SESSION_NOT_RECONCILED,
            field,
            f"{venue} is not reconciled: {lost.left} requests that were sent on an earlier connection have still to "
            "come into doubt. Nothing was sent; cancels pass. Try again in a moment",
        )


def check_order(state: State, order_id: str) -> None:
    """An operator settles what is in doubt when all of the order that has to be is.

    Raises:
        Refusal: it is not.
    """
    order = state.orders.get(order_id)
    left = _of_order(state, order) if order is not None else []
    if left:
        text = f"{len(left)} requests of order {order_id} have still to come into doubt; ask again in a moment"
        raise Refusal(Reason.NOT_IN_DOUBT, "order_id", text)


# --- Changing ---


def lose(state: State, venue: str, session: Session, at_ns: int, *, by_process: bool = False) -> None:
    """The connection is gone. What an earlier one left is lost with it; what is known of that stays otherwise."""
    silent, known = state.silent.get(venue), state.lost.get(venue)
    if not silent or (known is not None and known.logons == session.logons):
        return
    by_process = by_process or (known is not None and known.by_process)
    state.lost[venue] = Lost(session.logons, len(silent), at_ns, by_process)


def asked(state: State, venue: str, order_id: str) -> None:
    """About this order no question is left for later: one is on its way, or it is not in doubt any more."""
    unasked = state.unasked.get(venue, {})
    if unasked.pop(order_id, "") is None and not unasked:
        del state.unasked[venue]


def settled(state: State, venue: str, request: Request) -> None:
    """A request is silent no more: in doubt, or answered before its turn."""
    lost = state.lost.get(venue)
    if lost is None or request.logon > lost.logons:
        return
    lost.left -= 1
    if not lost.left:
        del state.lost[venue]
