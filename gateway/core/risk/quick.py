"""Whether an order passes every control, with as few looks as possible.

What holds for most orders: nothing of theirs is stopped, and every figure is far enough from every limit. A yes is
certain. A no means nothing: the checks look at one control after the other then, and say which one refuses.

It costs what it touches, not what it computes: an order meets scopes and instruments that no order has met for a while,
and their totals come from slow memory. So the limits of a scope stand with its totals, and those of a path together.
"""

from decimal import Decimal

from gateway.core.risk import bounds, scopes
from gateway.core.risk.asked import HUNDRED, Asked
from gateway.core.risk.book import ANY, Node
from gateway.core.risk.state import RiskState
from gateway.core.types import Side

_SELL = Side.SELL


def passes(asked: Asked) -> bool:
    """Whether it is certain that no control says no; of duplicates it knows nothing."""
    path, price, terms, qty = asked.path, asked.price, asked.terms, asked.qty
    sight = path.sight
    if sight is None or sight.price is not price:
        sight = path.sight = bounds.look(path, price)
    if asked.at_ns > sight.until_ns or qty > sight.most_qty or terms.cash_order_qty is not None:
        return False
    if asked.state.risk.stops and _is_stopped(asked):
        return False
    if asked.sign < 0 and path.instrument.short_sale != "free" and not _is_long_sale(asked):
        return False
    px, stop_px, value = terms.price, terms.stop_px, qty * price.unit
    if px is not None and not sight.low <= px <= sight.high:
        return False
    if stop_px is not None:
        if not sight.low <= stop_px <= sight.high:
            return False
        px = px or stop_px
    if value > sight.most_value or (px is not None and qty * px * price.point > sight.most_value):
        return False
    more = value if asked.extra is qty else asked.extra * price.unit
    return _sums_fit(asked, more) and _counts_fit(asked) and _profits_hold(asked) and _paces_hold(asked)


def _is_stopped(asked: Asked) -> bool:
    """By any stop, also one that lets pass what reduces."""
    stopped, order = asked.risk.stopped, f"{scopes.ORDER}:{asked.order_id}"
    return order in stopped or any(scope in stopped for scope in asked.path.scopes)


def _is_long_sale(asked: Asked) -> bool:
    leaf = asked.path.leaves[0]
    return asked.command.side is _SELL and leaf.sells + asked.extra <= leaf.net_qty


def _sums_fit(asked: Asked, more: Decimal) -> bool:
    """No position, and no sum of a scope: the gross notional becomes larger by the order's value at most. An
    instrument's share is largest when all of the order adds to it.
    """
    path, extra = asked.path, asked.extra
    for node in path.sums:
        if node.gross + more > node.safe:
            return False
    if asked.sign > 0:
        for limit, cell in path.cells:
            if cell.long_qty + extra > limit:
                return False
    else:
        for limit, cell in path.cells:
            if extra - cell.short_qty > limit:
                return False
    for value, node, _, cell, _, share in path.shares:
        gross = node.gross + more
        if gross > share.after and (cell.gross + more) * HUNDRED > value * gross:
            return False
    return True


def _counts_fit(asked: Asked) -> bool:
    """One more working order, perhaps in another instrument or at another venue."""
    for node in asked.path.counted:
        if node.open_orders >= node.most_orders:
            return False
        if len(node.cells) >= node.most_instruments and asked.path.symbol not in node.cells:
            return False
        if len(node.venues) >= node.most_venues and asked.venue not in node.venues:
            return False
    return True


def _profits_hold(asked: Asked) -> bool:
    """Nothing has lost as much as it may."""
    for node in asked.path.gains:
        profit = node.profit
        if profit is None:
            profit = node.profit = asked.risk.profits.get(node.scope)
            if profit is None:
                continue
        floor = node.floor
        if profit.now < (_floor(asked.risk, node) if floor is None else floor):
            return False
    return True


def _floor(risk: RiskState, node: Node) -> Decimal:
    """The lowest profit within its limits, until the day's highest is another."""
    profit, floor = risk.profits[node.scope], -ANY
    if node.most_loss is not None:
        floor = profit.began - node.most_loss
    if node.most_drawdown is not None:
        floor = max(floor, profit.began + profit.high - node.most_drawdown)
    node.floor = floor
    return floor


def _paces_hold(asked: Asked) -> bool:
    """One message more, for no execution more."""
    at_ns = asked.at_ns
    for node, between_ns, window_ns, ratio, free in asked.path.paces:
        meter = node.meter
        if meter is None:
            meter = node.meter = asked.risk.meters.get(node.scope)
            if meter is None:
                if between_ns > window_ns:
                    return False
                continue
        if meter.full_ns - at_ns > window_ns - between_ns or between_ns > window_ns:
            return False
        sent = meter.messages + 1
        if sent > free and sent > ratio * (meter.executions or 1):
            return False
    return True
