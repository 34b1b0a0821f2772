"""What events make of the risk state: the figures that live and replay alike have to follow event by event.

The running totals are not here: they follow from orders and positions (`gateway.core.risk.exposure`). Profit and loss
has a highest of the day, and messages are counted over time, so those are.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from gateway.core.money import ZERO, add, exactly
from gateway.core.order import Order
from gateway.core.positions import Position
from gateway.core.risk import breakers, exposure, prices, scopes, watch
from gateway.core.risk import events as re
from gateway.core.risk.book import Leaf, Node, Path
from gateway.core.risk.checks import kind_of
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskInstrument, RiskSetup
from gateway.core.risk.state import Former, Kind, KnownMark, Meter, Profit, RiskState
from gateway.core.state import State

_SECOND_NS = 1_000_000_000
MOST_RECENT = 100_000
"""How many orders are remembered as possible duplicates, at most: the newest."""
MOST_FORMER = 10_000
"""How many instruments are remembered that are no longer configured, at most: those that went last."""


# --- Orders ---


def submitted(state: State, order: Order, at_ns: int) -> None:
    """A new order: it counts as a message, and as what another might be a duplicate of."""
    command, risk = order.command, state.risk
    path = exposure.known_path(state, command, order.venue)
    if path is None:
        return
    names = risk.strategies.get(command.account)
    if names is None:
        names = risk.strategies[command.account] = {}
    names[command.strategy] = None
    if path.paces:
        _count_message(state, path, at_ns)
    window_ns = risk.book.duplicate_ns
    if window_ns is None:
        window_ns = _duplicate_ns(state)
    if window_ns:
        _remember(risk.recent, kind_of(command), at_ns, window_ns)


def _remember(recent: dict[Kind, int], kind: Kind, at_ns: int, window_ns: int) -> None:
    recent.pop(kind, None)
    recent[kind] = at_ns
    for _ in range(2):  # More than one goes for each that comes.
        oldest = next(iter(recent))
        if 0 <= at_ns - recent[oldest] <= window_ns and len(recent) <= MOST_RECENT:
            break
        del recent[oldest]


def requested(state: State, order: Order, at_ns: int) -> None:
    """A cancel or a replace counts as a message."""
    path = exposure.known_path(state, order.command, order.venue)
    if path is not None and path.paces:
        _count_message(state, path, at_ns)


def _count_message(state: State, path: Path, at_ns: int) -> None:
    """The bucket is full at most, also when the clock was set back: cancels always pass, and hold up nothing for longer
    than the window.
    """
    for node, between_ns, window_ns, _, _ in path.paces:
        meter = node.meter or _meter(state, node)
        meter.messages += 1
        if between_ns:
            meter.full_ns = min(max(meter.full_ns, at_ns) + between_ns, at_ns + window_ns)


def _meter(state: State, node: Node) -> Meter:
    """Where a scope's messages are counted."""
    meter = state.risk.meters.get(node.scope)
    if meter is None:
        meter = state.risk.meters[node.scope] = Meter()
    node.meter = meter
    return meter


def _duplicate_ns(state: State) -> int:
    """Work out for how long an order is remembered as a possible duplicate."""
    windows = [
        limit.value
        for limits in state.risk.limits.values()
        if (limit := limits.get(Control.DUPLICATE_WINDOW_S)) is not None
    ]
    state.risk.book.duplicate_ns = longest_ns = int(max(windows, default=ZERO) * _SECOND_NS)
    return longest_ns


def executed(
    state: State, order: Order, path: Path | None, position: Position, moved: Decimal, *, filled: bool
) -> None:
    """An execution (`filled`), a correction, a bust or a split moved a position by so much. What a client and a venue
    hold is kept whatever is configured: it may be again. Within `exactly`.
    """
    if moved:
        symbol = order.command.symbol
        for held in _held_of(state, order) if path is None else path.held or _held_on(state, order, path):
            held[symbol] = held.get(symbol, ZERO) + moved
    if state.risk.book.positions is not None:
        exposure.note_position(state, position)
    if path is None:
        return
    if filled:
        for pace in path.paces:
            meter = pace.node.meter or _meter(state, pace.node)
            meter.executions += 1
    _gain(state, path.leaves[0], position)


def _held_on(state: State, order: Order, path: Path) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What client and venue of a path have; looked up once."""
    path.held = found = _held_of(state, order)
    return found


def _held_of(state: State, order: Order) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    held = state.risk.held
    return held.setdefault(f"client:{order.command.client_id}", {}), held.setdefault(f"venue:{order.venue}", {})


# --- Profit and loss ---


def _gain(state: State, leaf: Leaf, position: Position) -> None:
    """What one position has gained now. A loss leaves the day's highest where it is."""
    known = leaf.profit or _leaf_profit(state, leaf)
    now = _profit_of(state, leaf, position)
    change = now - known.now
    if not change:
        return
    known.now, rises = now, change > ZERO
    for profit, node in leaf.gains or _gains(state, leaf):
        profit.now = now = profit.now + change
        if rises and now - profit.began > profit.high:
            _raise_high(node, profit)


def _raise_high(node: Node, profit: Profit) -> None:
    """The day's highest is this one. What may be lost from there is counted from it."""
    now, floor, drawdown = profit.now, node.floor, node.most_drawdown
    profit.high = now - profit.began
    if floor is not None and drawdown is not None:
        node.floor = max(floor, now - drawdown)


@exactly
def _revalue(state: State, positions: Iterable[tuple[Leaf, Position]]) -> None:
    """The same of many. The day's highest is looked at when all of them are valued: what is true only between two of
    them never was.
    """
    moved: dict[Node, Profit] = {}
    for leaf, position in positions:
        known = leaf.profit or _leaf_profit(state, leaf)
        now = _profit_of(state, leaf, position)
        change = now - known.now
        if not change:
            continue
        known.now = now
        for profit, node in leaf.gains or _gains(state, leaf):
            profit.now += change
            moved[node] = profit
    for node, profit in moved.items():
        if profit.now - profit.began > profit.high:
            _raise_high(node, profit)


def _leaf_profit(state: State, leaf: Leaf) -> Profit:
    known = state.risk.leaf_profits.get(leaf.key)
    if known is None:
        known = state.risk.leaf_profits[leaf.key] = Profit()
    leaf.profit = known
    return known


def _gains(state: State, leaf: Leaf) -> tuple[tuple[Profit, Node], ...]:
    """The profits that a leaf moves, each with its node; looked up once."""
    leaf.gains = found = tuple([(node.profit or _node_profit(state, node), node) for node in leaf.nodes])
    return found


def _node_profit(state: State, node: Node) -> Profit:
    known = state.risk.profits.get(node.scope)
    if known is None:
        known = state.risk.profits[node.scope] = Profit()
    node.profit = known
    return known


def _profit_of(state: State, leaf: Leaf, position: Position) -> Decimal:
    """Realized and unrealized at the mark, in the risk currency. Without a mark what is open is worth what it cost."""
    price = state.risk.book.prices.get(leaf.symbol) or prices.price_of(state, leaf.symbol, leaf.instrument)
    open_profit = ZERO if price.px is None else position.net_qty * price.px - position.cost
    return (position.realized + open_profit) * price.point


def _leaf_of(state: State, position: Position) -> Leaf:
    return exposure.tree_leaf(state, position.account, position.strategy, position.symbol)


def marks_set(state: State, event: re.MarksSet, at_ns: int) -> None:
    """Positions are worth something else."""
    risk, instruments = state.risk, state.risk.setup.instruments
    for mark in event.marks:
        before = risk.marks.get(mark.symbol)
        risk.marks[mark.symbol] = KnownMark(
            mark, at_ns, before.first if before is not None and before.first > 0 else mark.px
        )
    risk.rates.update(event.rates)
    moved = dict.fromkeys([mark.symbol for mark in event.marks if mark.symbol in instruments])
    if event.rates:
        moved.update(dict.fromkeys([name for name, each in instruments.items() if each.currency in event.rates]))
    exposure.revalue(state, moved)
    positions = [position for symbol in moved for position in exposure.positions_in(state, symbol)]
    _revalue(state, [(_leaf_of(state, position), position) for position in positions])


def day_began(state: State, event: re.RiskDayBegan, at_ns: int) -> None:
    """Profit and loss, and what is counted by the day, begin anew. Of what has come to nothing, nothing is kept."""
    risk = state.risk
    risk.day = event.day
    for profit in (*risk.profits.values(), *risk.leaf_profits.values()):
        profit.began, profit.high = profit.now, ZERO
    for node in risk.book.nodes.values():
        node.floor = None
    for meter in risk.meters.values():
        meter.messages = meter.executions = 0
    risk.marks = {symbol: msgspec.structs.replace(known, first=known.mark.px) for symbol, known in risk.marks.items()}
    risk.book.prices.clear()
    _forget_nothing(state, at_ns)
    breakers.forget_empty(state, at_ns)
    _forget_strategies(state)


def _forget_nothing(state: State, at_ns: int) -> None:
    """Without the meters and profits that say what a new one says; the profit of an open position stays known."""
    risk = state.risk
    held = {
        (scopes.strategy(key.account, key.strategy), key.symbol)
        for key, position in state.positions.items()
        if position.net_qty
    }
    risk.meters = {scope: meter for scope, meter in risk.meters.items() if meter.full_ns > at_ns}
    risk.profits = {scope: profit for scope, profit in risk.profits.items() if profit.now}
    risk.leaf_profits = {key: profit for key, profit in risk.leaf_profits.items() if profit.now or key in held}
    for node in risk.book.nodes.values():
        node.meter = node.profit = None
    for leaf in risk.book.leaves.values():
        leaf.profit = leaf.gains = None


def _forget_strategies(state: State) -> None:
    """Without the names that neither a position nor an order in memory has: there is room for others."""
    used = {(key.account, key.strategy) for key in state.positions}
    used.update((order.command.account, order.command.strategy) for order in state.orders.values())
    state.risk.strategies = {
        account: {name: None for name in names if (account, name) in used}
        for account, names in state.risk.strategies.items()
    }


# --- The configuration ---


def configured(state: State, event: re.RiskConfigured, _: int) -> None:
    """What the file says is in force; what it says as before stays as operators have set it since. Of an instrument
    that it has no more, what is left counts as before.
    """
    risk, before, setup = state.risk, state.risk.setup, _with_dropped(state, event.setup)
    for scope in {**before.limits, **setup.limits}:
        _configure_limits(state, scope, before.limits.get(scope, {}), setup.limits.get(scope, {}))
    _forget_rates(risk, before, setup)
    risk.rates.update({name: value for name, value in setup.rates.items() if before.rates.get(name) != value})
    risk.setup = setup
    risk.book.forget()
    _regroup(state)
    watch.regroup(state, before)


def _with_dropped(state: State, setup: RiskSetup) -> RiskSetup:
    """With the instruments that were there before, and that a position, an order in memory or a profit of the day is
    of.
    """
    risk, gone = state.risk, state.risk.setup.instruments.keys() - setup.instruments.keys()
    for symbol in setup.instruments if risk.former else ():
        risk.former.pop(symbol, None)
    if not gone:
        return setup
    used = {position.symbol for position in state.positions.values() if position.net_qty}
    used.update([symbol for held in risk.held.values() for symbol, qty in held.items() if qty])
    used.update([order.command.symbol for order in state.orders.values()])
    used.update([symbol for (_, symbol), profit in risk.leaf_profits.items() if profit.day])
    leaving = {symbol: each for symbol, each in risk.setup.instruments.items() if symbol in gone}
    _remember_former(state, {symbol: each for symbol, each in leaving.items() if symbol not in used})
    return _keeping(setup, {symbol: each for symbol, each in leaving.items() if symbol in used})


def _keeping(setup: RiskSetup, instruments: dict[str, RiskInstrument]) -> RiskSetup:
    kept = {symbol: msgspec.structs.replace(each, dropped=True) for symbol, each in instruments.items()}
    return msgspec.structs.replace(setup, instruments=setup.instruments | kept)


def _remember_former(state: State, instruments: dict[str, RiskInstrument]) -> None:
    former = state.risk.former
    for symbol, each in instruments.items():
        former.pop(symbol, None)
        former[symbol] = Former(each, prices.rate(state, each.currency))
    while len(former) > MOST_FORMER:
        del former[next(iter(former))]


def bring_back(state: State, symbol: str) -> None:
    """A venue speaks of an order in an instrument that is no longer configured: what it makes of it counts like
    whatever else is left of one that was taken out of the file.
    """
    risk = state.risk
    former = risk.former.pop(symbol, None)
    if former is None:
        return
    before, currency = risk.setup, former.instrument.currency
    if former.rate is not None and currency != before.currency:
        risk.rates.setdefault(currency, former.rate)
    risk.setup = _keeping(before, {symbol: former.instrument})
    risk.book.forget()
    _regroup(state)
    watch.regroup(state, before)


def _forget_rates(risk: RiskState, before: RiskSetup, setup: RiskSetup) -> None:
    """The rates that the file has no more go, and with an instrument the rate that was only kept for it."""
    kept = {each.currency for each in setup.instruments.values() if each.dropped}
    gone = {each.currency for each in before.instruments.values() if each.dropped}
    gone -= {each.currency for each in setup.instruments.values()}
    for currency in (gone | before.rates.keys()) - setup.rates.keys() - kept:
        risk.rates.pop(currency, None)


def _configure_limits(state: State, scope: str, before: dict[Control, Limit], now: dict[Control, Limit]) -> None:
    limits = state.risk.limits.setdefault(scope, {})
    for control in {**before, **now}:
        if before.get(control) == now.get(control):
            continue
        state.risk.temporary.get(scope, {}).pop(control, None)
        if control in now:
            limits[control] = now[control]
        else:
            limits.pop(control, None)


@exactly
def _regroup(state: State) -> None:
    """The tree or the instruments are others: add the profits of the leaves up anew. The day's highest stays where the
    scope was there before. What a position had gained before risk knew its instrument is none of today's profit.
    """
    risk = state.risk
    highest = {scope: profit.high for scope, profit in risk.profits.items()}
    risk.profits = {}
    for position in state.positions.values():
        if position.symbol not in risk.setup.instruments:
            continue
        leaf = _leaf_of(state, position)
        is_new = leaf.key not in risk.leaf_profits
        known = _leaf_profit(state, leaf)
        known.now = _profit_of(state, leaf, position)
        if is_new:
            known.began = known.now
        for profit, _ in leaf.gains or _gains(state, leaf):
            profit.now, profit.began = add(profit.now, known.now), add(profit.began, known.began)
    for scope, profit in risk.profits.items():
        profit.high = max(highest.get(scope, ZERO), profit.day)
    for node in risk.book.nodes.values():
        node.floor = None


APPLY: dict[type, Callable[[State, Any, int], None]] = {
    re.RiskConfigured: configured,
    re.MarksSet: marks_set,
    re.RiskDayBegan: day_began,
}
