"""The checks of what a scope holds and has working: an order may not take the worst case of any scope over its limit.

An order that only reduces a position passes, unless it would raise the figure of that scope: it may be another client
or another venue that it trades for, or it held a net figure in balance.
"""

from decimal import Decimal

from gateway.core.money import ZERO
from gateway.core.risk import correlation, exposure
from gateway.core.risk.asked import HUNDRED, Asked, over, percent, root
from gateway.core.risk.book import Cell, Leaf
from gateway.core.risk.controls import Control

_HUNDREDTH = Decimal("0.01")


def reduces(asked: Asked) -> bool:
    """All that works on this side and this together stay within the position that is there. Of an order by amount of
    money nobody knows that yet.
    """
    leaf = asked.path.leaves[0]
    if asked.terms.cash_order_qty is not None:
        return False
    if asked.sign > 0:
        return leaf.net_qty < 0 and leaf.long_qty + asked.extra <= 0
    return leaf.net_qty > 0 and leaf.short_qty - asked.extra >= 0


def reduces_at(asked: Asked, place: Cell | Leaf) -> bool:
    """The same, and what the position of a scope can become at worst does not grow either: another strategy may hold
    the other side of it.
    """
    if not asked.reduces:
        return False
    exposure.carry(asked.state)
    return _worst(asked, place) <= max(place.long_qty, -place.short_qty)


def takes_on_nothing(asked: Asked, place: Cell | Leaf) -> bool:
    """It takes nothing on at a scope that has lost too much, or whose prices cannot be believed."""
    return asked.lowers or reduces_at(asked, place)


def _worst(asked: Asked, place: Cell | Leaf) -> Decimal:
    """What the order's side can become with it, as an amount."""
    return place.long_qty + asked.extra if asked.sign > 0 else asked.extra - place.short_qty


def check_counts(asked: Asked) -> None:
    """One more working order.

    Raises:
        Refusal: there are too many, or in too many instruments, or at too many venues.
    """
    bounds, symbol, venue = asked.path.bounds, asked.path.symbol, asked.venue
    for limit, node, _, _, whole, _ in bounds[Control.MAX_OPEN_ORDERS]:
        if node.open_orders >= whole:
            over(asked, Control.MAX_OPEN_ORDERS, node, Decimal(node.open_orders + 1), limit, "", "working orders")
    if asked.reduces:
        return
    for limit, node, _, _, whole, _ in bounds[Control.MAX_INSTRUMENTS]:
        if len(node.cells) >= whole and symbol not in node.cells:
            over(asked, Control.MAX_INSTRUMENTS, node, Decimal(len(node.cells) + 1), limit, "symbol", "instruments")
    for limit, node, _, _, whole, _ in bounds[Control.MAX_VENUES]:
        if len(node.venues) >= whole and venue not in node.venues:
            over(asked, Control.MAX_VENUES, node, Decimal(len(node.venues) + 1), limit, "venue", "venues")


def check(asked: Asked) -> None:
    """All that an order would reserve more. The sums are looked at one by one only where the gross notional leaves it
    open whether they are within their limits.

    Raises:
        Refusal: with it the worst case of a scope passes its limit.
    """
    _check_position(asked)
    more = tuple([_more_gross(leaf, asked) for leaf in asked.path.leaves])
    by_leaf = zip(asked.path.leaves, more, strict=True)
    if any(node.gross + by > node.safe for leaf, by in by_leaf for node in leaf.nodes):
        exposure.carry(asked.state)
        _check_notional(asked, more)
        _check_margin(asked, more)
        _check_correlated(asked)
    _check_concentration(asked, more)


def _more_gross(leaf: Leaf, asked: Asked) -> Decimal:
    """What the order adds to the gross notional at the scopes of a leaf."""
    if asked.sign > 0:
        worst = exposure.worst_qty(leaf.long_qty + asked.extra, leaf.short_qty)
    else:
        worst = exposure.worst_qty(leaf.long_qty, leaf.short_qty - asked.extra)
    return worst * asked.price.unit - leaf.gross


def _check_position(asked: Asked) -> None:
    for limit, node, _, cell, _, _ in asked.path.bounds[Control.MAX_POSITION_QTY]:
        worst = _worst(asked, cell)
        if worst > limit and not reduces_at(asked, cell):
            what = f"position in {asked.path.symbol} with all working orders"
            over(asked, Control.MAX_POSITION_QTY, node, worst, limit, "order_qty", what)


def _check_notional(asked: Asked, more: tuple[Decimal, ...]) -> None:
    bounds, reducing = asked.path.bounds, asked.reduces
    for limit, node, leaf, _, _, _ in bounds[Control.MAX_GROSS_NOTIONAL]:
        gross = node.gross + more[leaf]
        if gross > limit and not (reducing and gross <= node.gross):
            over(asked, Control.MAX_GROSS_NOTIONAL, node, gross, limit, "order_qty", "gross notional")
    value = asked.extra * asked.price.unit
    for limit, node, _, _, _, _ in bounds[Control.MAX_NET_NOTIONAL]:
        net = value + node.long if asked.sign > 0 else value - node.short
        if net > limit and not (reducing and net <= max(node.long, -node.short)):
            over(asked, Control.MAX_NET_NOTIONAL, node, net, limit, "order_qty", "net notional")


def _check_concentration(asked: Asked, more: tuple[Decimal, ...]) -> None:
    for value, node, leaf, cell, _, limit in asked.path.shares:
        gross = node.gross + more[leaf]
        if gross <= limit.after or (asked.reduces and more[leaf] <= 0):
            continue
        ours = cell.gross + more[leaf]
        if ours * HUNDRED > value * gross:
            what = f"percent of the gross notional in {asked.path.symbol}"
            over(asked, Control.MAX_CONCENTRATION_PCT, node, percent(ours, gross), value, "order_qty", what)


def _check_margin(asked: Asked, more: tuple[Decimal, ...]) -> None:
    instrument, value = asked.path.instrument, asked.extra * asked.price.unit
    long_, short = (value, ZERO) if asked.sign > 0 else (ZERO, -value)
    losses = dict(exposure.scenario_losses(asked.state, asked.path.symbol, instrument, long_, short))
    for limit, node, leaf, _, _, _ in asked.path.bounds[Control.MAX_MARGIN]:
        margin = node.margin + more[leaf] * instrument.margin_pct * _HUNDREDTH
        margin = max([margin, *[loss + losses.get(number, ZERO) for number, loss in enumerate(node.losses)]])
        if margin > limit and not (asked.reduces and margin <= max([node.margin, *node.losses])):
            over(asked, Control.MAX_MARGIN, node, margin, limit, "order_qty", "margin")


def _check_correlated(asked: Asked) -> None:
    value = asked.extra * asked.price.unit
    name = asked.path.instrument.asset_class
    sigma = correlation.sigma_of(asked.path.instrument, value)
    more = (sigma, ZERO) if asked.sign > 0 else (ZERO, -sigma)
    for limit, node, _, _, _, _ in asked.path.bounds[Control.MAX_CORRELATED_EXPOSURE]:
        squared = correlation.squared_with(asked.risk, node.sigmas, name, more)
        if squared > limit * limit and not (asked.reduces and squared <= correlation.squared(asked.risk, node.sigmas)):
            what = "correlation-adjusted exposure"
            over(asked, Control.MAX_CORRELATED_EXPOSURE, node, root(squared), limit, "order_qty", what)


def check_profit(asked: Asked) -> None:
    """What has been lost.

    Raises:
        Refusal: it is over a limit.
    """
    profits, bounds = asked.risk.profits, asked.path.bounds
    for limit, node, _, cell, _, _ in bounds[Control.MAX_LOSS]:
        profit = profits.get(node.scope)
        if profit is None or takes_on_nothing(asked, cell):
            continue
        if (loss := profit.began - profit.now) > limit:
            over(asked, Control.MAX_LOSS, node, loss, limit, "", "loss of the day")
    for limit, node, _, cell, _, _ in bounds[Control.MAX_DRAWDOWN]:
        profit = profits.get(node.scope)
        if profit is None or takes_on_nothing(asked, cell):
            continue
        if profit.high - profit.now + profit.began > limit:
            over(asked, Control.MAX_DRAWDOWN, node, profit.drawdown, limit, "", "drawdown of the day")
