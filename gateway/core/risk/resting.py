"""The prices at which our own orders rest, so that no order of ours meets another (`self_match`)."""

from bisect import bisect_left, insort
from decimal import Decimal

from gateway.core.order import Order
from gateway.core.risk.book import Reserve


def keep(order: Order, reserve: Reserve) -> None:
    """Keep the price of an order as it stands now: of two prices of a replace that is not answered, the one that trades
    first.
    """
    price = _resting_px(order, reserve.sign) if reserve.qty else None
    if price == reserve.price:
        return
    resting = reserve.resting
    if reserve.price is not None:
        at_price = resting.orders[reserve.price]
        del at_price[order.order_id]
        if not at_price:
            del resting.orders[reserve.price]
            del resting.prices[bisect_left(resting.prices, reserve.price)]
    if price is not None:
        known = resting.orders.get(price)
        if known is None:
            known = resting.orders[price] = {}
            insort(resting.prices, price)
        known[order.order_id] = None
    reserve.price = price


def _resting_px(order: Order, sign: int) -> Decimal | None:
    price = order.terms.price
    if price is None or order.terms.stop_px is not None:
        return None
    if not order.unanswered:
        return price
    asked = [terms.price for key in order.unanswered if (terms := order.requests[key].terms) is not None]
    prices = [price, *[each for each in asked if each is not None]]
    return max(prices) if sign > 0 else min(prices)
