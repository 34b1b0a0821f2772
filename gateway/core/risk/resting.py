"""The prices at which our own orders rest, so that no order of ours meets another (`self_match`)."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from gateway.core.events import Terms
from gateway.core.order import Order
from gateway.core.risk.book import Reserve, Resting

_ANY = Decimal("Infinity")
"""What a market order pays; it takes the negative amount of it."""


def keep(order: Order, reserve: Reserve) -> None:
    """Keep where an order rests as it stands now."""
    price = stop = None
    rests = reserve.qty and not order.closed  # What the venue counts and has not told is reserved, and rests no more.
    if rests and order.terms.stop_px is None:
        price = first_px(order, reserve.sign)
    elif rests:
        stop = waits_beyond(order, reserve.sign)
    if price != reserve.price:
        _move(order.order_id, reserve, price)
    if stop != reserve.stop:
        stops = reserve.resting.stops
        if reserve.stop is not None:
            del stops[bisect_left(stops, (reserve.stop, order.order_id))]
        if stop is not None:
            insort(stops, (stop, order.order_id))
        reserve.stop = stop


def _move(order_id: str, reserve: Reserve, price: Decimal | None) -> None:
    resting = reserve.resting
    if reserve.price is not None:
        at_price = resting.orders[reserve.price]
        del at_price[order_id]
        if not at_price:
            del resting.orders[reserve.price]
            del resting.prices[bisect_left(resting.prices, reserve.price)]
    if price is not None:
        known = resting.orders.get(price)
        if known is None:
            known = resting.orders[price] = {}
            insort(resting.prices, price)
        known[order_id] = None
    reserve.price = price


def first_px(order: Order, sign: int) -> Decimal:
    """The price at which an order trades: of the prices of replaces that are not answered, the one that trades first. A
    market order trades at any.
    """
    price = order.terms.price
    if price is None:
        return _ANY if sign > 0 else -_ANY
    if not order.unanswered:
        return price
    prices = [price, *[terms.price for terms in asked(order) if terms.price is not None]]
    return max(prices) if sign > 0 else min(prices)


def asked(order: Order) -> list[Terms]:
    """The terms of the replaces that nobody has answered."""
    return [terms for key in order.unanswered if (terms := order.requests[key].terms) is not None]


def waits_beyond(order: Order, sign: int) -> Decimal:
    """Where the mark says that a stop order does not rest: below this a stop order to buy still waits, or, if it was
    triggered on the way, has found its price and traded. Of one to sell it is so above this.
    """
    every = (order.terms, *asked(order))
    prices = [px for terms in every for px in (terms.stop_px, terms.price) if px is not None]
    return min(prices) if sign > 0 else max(prices)


def stops(resting: Resting, sign: int, mark_px: Decimal | None) -> Iterator[str]:
    """Of the stop orders of this side those that may rest at this mark; all of them while nobody knows it."""
    for beyond, order_id in resting.stops if sign > 0 else reversed(resting.stops):
        if mark_px is not None and (mark_px < beyond if sign > 0 else mark_px > beyond):
            break
        yield order_id
