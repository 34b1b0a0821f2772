"""Self-match prevention: no order of ours trades with another of ours, whichever client or strategy they are of.

A new order (or a replace) whose price would trade with an own order that rests at the same venue is refused, or those
are canceled before it goes out, or the smaller quantity is taken off both (docs/adr/0013). What rests is what the book
says: an order whose end is not proven still rests.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from gateway.core import events as ev
from gateway.core import retention
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import Event, Terms
from gateway.core.money import EXACT, subtract
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import resting
from gateway.core.risk.asked import Asked, any_override, number
from gateway.core.sessions import request_id
from gateway.core.state import Settings, State
from gateway.core.types import Reason

MOST = 50
"""How many orders may be taken out of the way of one."""


class Way(msgspec.Struct, gc=False):
    """What goes out first, and with which terms the order then goes. `taken` names an order against which all of it was
    taken off: nothing is left to go out.
    """

    terms: Terms
    first: list[Event] = []
    taken: str = ""


def clear(asked: Asked, settings: Settings) -> Way:
    """Make the way free for an order.

    Raises:
        Refusal: it would trade with an order of ours.
    """
    way, setting = Way(asked.terms), asked.risk.setup.self_match
    theirs = asked.path.resting[asked.sign > 0]
    if setting == "off" or not (theirs.prices or theirs.stops):
        return way
    against = _against(asked)
    if not against or any_override(asked, "self_match"):
        return way
    if setting == "cancel_old":
        way.first = _cancels(asked, settings, against)
    elif setting == "decrement" and not asked.order_id:
        _decrement(asked, way, against)
    else:
        raise _refusal(asked, against[0], "")
    return way


def _against(asked: Asked) -> list[Order]:
    """Our orders that this one would trade with, the best price first and the oldest of a price first; one more than
    may be taken out of the way at most. Stop orders come last.
    """
    found: list[Order] = []
    for other in () if _waits(asked) else _meets(asked):
        found.append(other)
        if len(found) > MOST:
            break
    return found


def _waits(asked: Asked) -> bool:
    """A stop order does not trade before it is triggered: when the mark is short of its stop price, and neither was it
    there before.
    """
    stop_px, mark_px = asked.terms.stop_px, asked.price.px
    if stop_px is None or mark_px is None:
        return False
    if asked.order_id:
        known = resting.waits_beyond(asked.state.orders[asked.order_id], asked.sign)
        stop_px = min(stop_px, known) if asked.sign > 0 else max(stop_px, known)
    return mark_px < stop_px if asked.sign > 0 else mark_px > stop_px


def _meets(asked: Asked) -> Iterator[Order]:
    orders, ours, buys = asked.state.orders, asked.terms.price, asked.sign > 0
    theirs = asked.path.resting[buys]  # Of a buy, what we have for sale.
    for price in theirs.prices if buys else reversed(theirs.prices):
        if _is_beyond(asked, ours, price):
            break
        for order_id in theirs.orders[price]:
            yield orders[order_id]
    for order_id in resting.stops(theirs, -asked.sign, asked.price.px):
        other = orders[order_id]
        if not _is_beyond(asked, ours, resting.first_px(other, -asked.sign)):
            yield other


def _is_beyond(asked: Asked, ours: Decimal | None, price: Decimal) -> bool:
    """Our price is not good enough for this one."""
    return ours is not None and (price > ours if asked.sign > 0 else price < ours)


def _refusal(asked: Asked, other: Order, why: str) -> Refusal:
    """No more of another client's order than its name."""
    price = other.terms.price
    own = other.command.client_id == asked.command.client_id and price is not None
    at = f", which rests at {number(price)}" if own and price is not None else ""
    return Refusal(
        Reason.RISK_SELF_MATCH,
        "price" if asked.terms.price is not None else "",
        f"it would trade with our own order {other.order_id}{at}{why}",
    )


def _cancels(asked: Asked, settings: Settings, against: list[Order]) -> list[Event]:
    """One for each that has none on its way: the venue gets them before the order, on the same session."""
    if len(against) > MOST:
        raise _refusal(asked, against[0], f", and with more than {MOST - 1} others")
    first: list[Event] = []
    for other in against:
        if _is_canceled(other):
            continue
        if len(other.unanswered) >= 2 * settings.max_unanswered_per_order:
            raise _refusal(asked, other, ", which has too many unanswered requests")
        first.append(_cancel(asked.state, other, len(first) + 1))
    return first


def _is_canceled(order: Order) -> bool:
    asked = [order.requests[key] for key in order.unanswered]
    return any(request.kind == "cancel" and not request.in_doubt for request in asked)


def _decrement(asked: Asked, way: Way, against: list[Order]) -> None:
    """The quantity that would have traded goes out of both."""
    left = asked.terms.order_qty
    for other in against:
        if len(way.first) == MOST or not _can_shrink(asked, other):
            raise _refusal(asked, other, ", and that cannot be taken off now")
        rests = asked.book.reserves[other.order_id].qty
        if rests > left:
            way.first.append(_replace(asked.state, other, left, len(way.first) + 1))
            way.taken = other.order_id
            return
        way.first.append(_cancel(asked.state, other, len(way.first) + 1))
        left = subtract(left, rests)
        left = subtract(left, EXACT.remainder(left, asked.path.instrument.lot_size))
        if not left:
            way.taken = other.order_id
            return
    floor = asked.terms.max_floor
    way.terms = msgspec.structs.replace(
        asked.terms, order_qty=left, max_floor=min(floor, left) if floor is not None else None
    )


def _can_shrink(asked: Asked, other: Order) -> bool:
    """Both quantities are known, and nothing about the other's is open."""
    known = asked.terms.cash_order_qty is None and other.quantity_known
    return known and not other.unanswered and not other.in_doubt


def _cancel(state: State, order: Order, ahead: int) -> Event:
    key, name, client_id = request_id(state, ahead), _name(state, order, ahead), order.command.client_id
    command = CancelOrder(client_id, name, order.cl_ord_id)
    return ev.CancelRequested(order.order_id, order.venue, name, key, order.last_venue_cl_ord_id(), command)


def _replace(state: State, order: Order, less: Decimal, ahead: int) -> Event:
    """Down by what was taken off."""
    key, name, client_id = request_id(state, ahead), _name(state, order, ahead), order.command.client_id
    qty, floor = subtract(order.terms.order_qty, less), order.terms.max_floor
    command = ReplaceOrder(client_id, name, order.cl_ord_id, order_qty=qty)
    terms = msgspec.structs.replace(
        order.terms, order_qty=qty, max_floor=min(floor, qty) if floor is not None else None
    )
    orig = order.last_venue_cl_ord_id()
    return ev.ReplaceRequested(order.order_id, order.venue, name, key, orig, terms, command)


def _name(state: State, order: Order, ahead: int) -> str:
    """A ClOrdID in the name of the order's owner, who has not used it."""
    name = f"SELF.{state.last_request_no + ahead}"
    while retention.is_spent(state, order.command.client_id, name):
        name = f"{name}.1"
    return name
