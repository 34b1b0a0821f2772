"""Figures for people and programs: what each scope holds, has working, has gained, and how much of its limits it uses.

Pure functions of one state, so that the rows of one answer always add up. What adds up is added exactly, nothing is
rounded; what does not (a correlated exposure, a share in percent) has ten decimals.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from gateway.core.money import ZERO, add, average, multiply, negated, square_root, subtract
from gateway.core.risk import correlation, exposure, prices, scopes, watch
from gateway.core.risk.book import Book, Leaf, Node
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskSetup
from gateway.core.risk.state import Held, Profit
from gateway.core.state import State

_HUNDRED = Decimal(100)
_HUNDREDTH = Decimal("0.01")
_SECOND_NS = 1_000_000_000
_ORDER = (scopes.FIRM, "desk", "account", "strategy", "asset_class", "instrument", "client", "venue")
_BESIDE = ("client", "venue")
"""Levels without a profit of their own: positions are kept by account and strategy."""


class Row(NamedTuple):
    """Which row: a scope, or one instrument of a strategy, a client or a venue."""

    scope: str
    symbol: str = ""


class Gain(msgspec.Struct, frozen=True, gc=False):
    """Profit in the risk currency: since the beginning, in two parts, and of the day."""

    realized: Decimal
    unrealized: Decimal
    day: Decimal
    high: Decimal
    drawdown: Decimal


class Use(msgspec.Struct, frozen=True, gc=False):
    """How much of a limit is used."""

    control: Control
    used: Decimal
    limit: Decimal


class Figures(msgspec.Struct, frozen=True, gc=False):
    """One row, in the risk currency.

    `long` and `short` value the positions as they are, `gross` each with the working orders that make it largest,
    `buys` and `sells` what working orders can still execute. `open_orders` is None in rows of one instrument, `gain`
    for clients and venues. `margin` adds up; `margin_used` is the larger of it and the loss of `worst_scenario`.
    """

    row: Row
    parent: str
    long: Decimal
    short: Decimal
    gross: Decimal
    buys: Decimal
    sells: Decimal
    margin: Decimal
    margin_used: Decimal
    correlated: Decimal
    worst_scenario: str
    worst_loss: Decimal
    open_orders: int | None = None
    gain: Gain | None = None
    net_qty: Decimal | None = None
    uses: tuple[Use, ...] = ()

    @property
    def net(self) -> Decimal:
        """Of the positions as they are."""
        return add(self.long, self.short)


# --- Which rows there are ---


def select(state: State, scope: str = "", level: str = "", *, children: bool = False) -> list[Row]:
    """The rows that fit, from the firm down: the scope of that name, or all whose name begins so."""
    known = _scopes(state)
    by_name = scope in known or (bool(scope) and _is_one(state.risk.setup, scope))
    found = {each for each in ([scope] if by_name else known) if each.startswith(scope)}
    if level:
        found = {each for each in found if scopes.level_of(each) == level}
    rows = [Row(each) for each in found]
    if children:
        setup = state.risk.setup
        rows += [Row(each) for each in known - found if parent_of(setup, each) in found]
        rows += [Row(*key) for key in _instruments(state) if key[0] in found]
    return sorted(rows, key=order_of)


def order_of(row: Row) -> tuple[int, str, str]:
    """What rows are sorted by: the tree from the firm down, then what stands beside it."""
    return _ORDER.index(scopes.level_of(row.scope)), row.scope, row.symbol


def parent_of(setup: RiskSetup, scope: str) -> str:
    """The scope that a scope's figures are part of; empty where it stands by itself."""
    level, _, name = scope.partition(":")
    match level:
        case "desk":
            above = setup.desks.get(name, "")
            return scopes.scope("desk", above) if above else scopes.FIRM
        case "account":
            desk = setup.accounts.get(name, "")
            return scopes.scope("desk", desk) if desk else scopes.FIRM
        case "strategy":
            return scopes.scope("account", name.partition("/")[0])
        case "instrument":
            known = setup.instruments.get(name)
            return scopes.scope("asset_class", known.asset_class) if known is not None else ""
    return ""


def _scopes(state: State) -> set[str]:
    """The desks and accounts that are configured, and every scope that has traded."""
    setup = state.risk.setup
    return {
        scopes.FIRM,
        *(scopes.scope("desk", name) for name in setup.desks),
        *(scopes.scope("account", name) for name in setup.accounts),
        *exposure.sync(state).nodes,
        *state.risk.profits,
    }


def _is_one(setup: RiskSetup, scope: str) -> bool:
    return not scope.endswith("*") and scopes.is_known(setup, scope)


def _instruments(state: State) -> Iterable[tuple[str, str]]:
    """The instruments of strategies, clients and venues that have a position, a working order or a profit."""
    book = exposure.sync(state)
    held = {key for key, leaf in book.leaves.items() if leaf.net_qty or leaf.buys or leaf.sells}
    return held | {key for key, profit in state.risk.leaf_profits.items() if profit.now or profit.began}


# --- What is in them ---


def figures(state: State, rows: Sequence[Row], at_ns: int) -> list[Figures]:
    """These rows, all from this state."""
    book = exposure.sync(state)
    sums = _Sums(state, book)
    return [_of_instrument(state, book, row) if row.symbol else _of_scope(state, sums, row, at_ns) for row in rows]


class _Sums:
    """What the running totals do not have by scope: the value of long and of short positions, and realized profit.

    Each leaf counts at its strategy and its instrument, and these sums are carried further up.
    """

    def __init__(self, state: State, book: Book) -> None:
        self.long: dict[str, Decimal] = {}
        self.short: dict[str, Decimal] = {}
        self.realized: dict[str, Decimal] = {}
        for (scope, _), leaf in book.leaves.items():
            value = leaf.net_value
            if value:
                sums = self.short if value.is_signed() else self.long
                sums[scope] = add(sums.get(scope, ZERO), value)
                if len(leaf.nodes) > 1:  # Of a strategy.
                    instrument = leaf.nodes[-1].scope
                    sums[instrument] = add(sums.get(instrument, ZERO), value)
        self._realize(state)
        for sums in (self.long, self.short, self.realized):
            self._carry_up(state.risk.setup, sums)

    def _realize(self, state: State) -> None:
        instruments, points = state.risk.setup.instruments, dict[str, Decimal]()
        by_strategy: dict[tuple[str, str], Decimal] = {}
        by_symbol: dict[str, Decimal] = {}
        for (account, strategy, symbol), position in state.positions.items():
            if position.realized and symbol in instruments:
                if symbol not in points:
                    points[symbol] = _point(state, symbol)
                value, name = multiply(position.realized, points[symbol]), (account, strategy)
                by_strategy[name] = add(by_strategy.get(name, ZERO), value)
                by_symbol[symbol] = add(by_symbol.get(symbol, ZERO), value)
        self.realized = {scopes.strategy(*name): value for name, value in by_strategy.items()}
        self.realized |= {scopes.scope("instrument", symbol): value for symbol, value in by_symbol.items()}

    def _carry_up(self, setup: RiskSetup, sums: dict[str, Decimal]) -> None:
        for scope, value in list(sums.items()):
            above = parent_of(setup, scope)
            while above:
                sums[above] = add(sums.get(above, ZERO), value)
                above = parent_of(setup, above)


def _point(state: State, symbol: str) -> Decimal:
    """What one price point of one is worth in the risk currency."""
    instrument = state.risk.setup.instruments[symbol]
    return multiply(instrument.multiplier, prices.rate(state, instrument.currency) or ZERO)


def _of_scope(state: State, sums: _Sums, row: Row, at_ns: int) -> Figures:
    scope = row.scope
    node = exposure.sync(state).nodes.get(scope) or _untouched(state, scope)
    gain = None
    if scopes.level_of(scope) not in _BESIDE:
        gain = _gain(state.risk.profits.get(scope, Profit()), sums.realized.get(scope, ZERO))
    uses = [
        Use(control, used, limit.value)
        for control, limit in node.limits.items()
        if (used := figure(state, node, control, limit, at_ns)) is not None
    ]
    long_, short = sums.long.get(scope, ZERO), sums.short.get(scope, ZERO)
    made = _made(state, row, parent_of(state.risk.setup, scope), node, (long_, short))
    return msgspec.structs.replace(made, open_orders=node.open_orders, gain=gain, uses=tuple(uses))


def _untouched(state: State, scope: str) -> Node:
    """The totals of a scope that has not traded; asking for it leaves nothing behind."""
    node = Node(scope, len(state.risk.setup.scenarios))
    node.limits = {each.control: each.limit for each in limits_in_force(state, scope)}
    return node


def _of_instrument(state: State, book: Book, row: Row) -> Figures:
    leaf = book.leaves.get(row) or Leaf(row.symbol, state.risk.setup.instruments[row.symbol], ())
    value = leaf.net_value
    gain = None
    if scopes.level_of(row.scope) == "strategy":
        gain = _gain(state.risk.leaf_profits.get(row, Profit()), _realized(state, row))
    made = _made(state, row, row.scope, _as_node(state, leaf), (max(value, ZERO), min(value, ZERO)))
    return msgspec.structs.replace(made, gain=gain, net_qty=leaf.net_qty)


def _realized(state: State, row: Row) -> Decimal:
    account, _, strategy = row.scope.removeprefix("strategy:").partition("/")
    key: tuple[str, str, str] = (account, strategy, row.symbol)
    position = state.positions.get(key)  # type: ignore[call-overload]  # As good as a PositionKey.
    return multiply(position.realized, _point(state, row.symbol)) if position is not None else ZERO


def _as_node(state: State, leaf: Leaf) -> Node:
    """The leaf alone, as the totals of a scope."""
    instrument = leaf.instrument
    node = Node("", len(state.risk.setup.scenarios))
    node.long, node.short, node.gross, node.net = leaf.long, leaf.short, leaf.gross, leaf.net_value
    node.margin = multiply(multiply(leaf.gross, instrument.margin_pct), _HUNDREDTH)
    for number, loss in exposure.scenario_losses(state, leaf.symbol, instrument, leaf.long, leaf.short):
        node.losses[number] = loss
    node.sigmas[instrument.asset_class] = (
        correlation.sigma_of(instrument, leaf.long),
        correlation.sigma_of(instrument, leaf.short),
    )
    return node


def _made(state: State, row: Row, parent: str, node: Node, held: tuple[Decimal, Decimal]) -> Figures:
    worst = max(range(len(node.losses)), key=node.losses.__getitem__, default=None)
    loss = max(ZERO, node.losses[worst]) if worst is not None else ZERO
    return Figures(
        row,
        parent,
        *held,
        gross=node.gross,
        buys=subtract(node.long, node.net),
        sells=subtract(node.net, node.short),
        margin=node.margin,
        margin_used=max(node.margin, loss),
        correlated=_correlated(state, node),
        worst_scenario=state.risk.setup.scenarios[worst].name if worst is not None and loss else "",
        worst_loss=loss,
    )


def _gain(profit: Profit, realized: Decimal) -> Gain:
    return Gain(realized, subtract(profit.now, realized), profit.day, profit.high, profit.drawdown)


def unsettled(state: State, scope: str) -> int:
    """How many orders of a stopped scope still work, or are not proven to be gone."""
    watched = state.risk.watched.get(scope)
    if watched is not None:
        return watch.unsettled(watched)
    level, _, name = scope.partition(":")
    if level == scopes.ORDER:
        order = state.orders.get(name)
        return int(order is not None and order.working)
    nodes = exposure.sync(state).nodes
    if name == "*":
        return sum(node.open_orders for each, node in nodes.items() if scopes.level_of(each) == level)
    return nodes[scope].open_orders if scope in nodes else 0


# --- Limits ---


class InForce(NamedTuple):
    """A limit that applies at a scope: `set_at` is where it stands, `held` says that it holds for a time, `configured`
    that it is the configuration's.
    """

    scope: str
    control: Control
    limit: Limit
    set_at: str
    held: Held | None
    configured: bool


def limits_in_force(state: State, scope: str = "") -> list[InForce]:
    """The limits of one scope, those of all of its level among them; or of all scopes whose name begins so."""
    risk = state.risk
    if scope and _is_one(risk.setup, scope):
        default = risk.limits.get(scopes.default_of(scope), {})
        merged = {
            **dict.fromkeys(default, scopes.default_of(scope)),
            **dict.fromkeys(risk.limits.get(scope, {}), scope),
        }
        return [_in_force(state, scope, control, set_at) for control, set_at in merged.items()]
    return [
        _in_force(state, each, control, each)
        for each, limits in risk.limits.items()
        if each.startswith(scope)
        for control in limits
    ]


def _in_force(state: State, scope: str, control: Control, set_at: str) -> InForce:
    risk = state.risk
    limit, held = risk.limits[set_at][control], risk.temporary.get(set_at, {}).get(control)
    configured = held is None and risk.setup.limits.get(set_at, {}).get(control) == limit
    return InForce(scope, control, limit, set_at, held, configured)


# --- How much of a limit is used ---


def used(state: State, scope: str, control: Control, limit: Limit, at_ns: int) -> Decimal | None:
    """The figure that the limit limits, now, in the unit of the control. None where it is about one order, or the scope
    has not traded.
    """
    node = exposure.sync(state).nodes.get(scope)
    return None if node is None else figure(state, node, control, limit, at_ns)


def figure(state: State, node: Node, control: Control, limit: Limit, at_ns: int) -> Decimal | None:
    """The same of known totals."""
    of = _USED.get(control)
    return None if of is None else of(state, node, limit, at_ns)


def _largest_position(_: State, node: Node, __: Limit, ___: int) -> Decimal:
    return max([max(cell.long_qty, negated(cell.short_qty)) for cell in node.cells.values()], default=ZERO)


def _concentration(_: State, node: Node, limit: Limit, __: int) -> Decimal:
    if node.gross <= limit.after:
        return ZERO
    largest = max([cell.gross for cell in node.cells.values()], default=ZERO)
    return average(multiply(largest, _HUNDRED), node.gross)


def _loss(state: State, node: Node, _: Limit, __: int) -> Decimal | None:
    if scopes.level_of(node.scope) in _BESIDE:
        return None
    return max(ZERO, negated(state.risk.profits.get(node.scope, _NO_PROFIT).day))


def _drawdown(state: State, node: Node, _: Limit, __: int) -> Decimal | None:
    if scopes.level_of(node.scope) in _BESIDE:
        return None
    return state.risk.profits.get(node.scope, _NO_PROFIT).drawdown


def _order_to_trade(state: State, node: Node, _: Limit, __: int) -> Decimal:
    meter = state.risk.meters.get(node.scope)
    return ZERO if meter is None else average(Decimal(meter.messages), Decimal(max(1, meter.executions)))


def _message_rate(state: State, node: Node, limit: Limit, at_ns: int) -> Decimal:
    """How many messages are still in the leaky bucket."""
    meter = state.risk.meters.get(node.scope)
    if meter is None:
        return ZERO
    window = limit.per_s * _SECOND_NS
    filled = min(max(0, meter.full_ns - at_ns), window)
    return average(multiply(Decimal(filled), limit.value), Decimal(window))


def _correlated(state: State, node: Node) -> Decimal:
    return square_root(correlation.squared(state.risk, node.sigmas))


_NO_PROFIT = Profit()
_USED: dict[Control, Callable[[State, Node, Limit, int], Decimal | None]] = {
    Control.MAX_OPEN_ORDERS: lambda _, node, __, ___: Decimal(node.open_orders),
    Control.MAX_INSTRUMENTS: lambda _, node, __, ___: Decimal(len(node.cells)),
    Control.MAX_VENUES: lambda _, node, __, ___: Decimal(len(node.venues)),
    Control.MAX_POSITION_QTY: _largest_position,
    Control.MAX_GROSS_NOTIONAL: lambda _, node, __, ___: node.gross,
    Control.MAX_NET_NOTIONAL: lambda _, node, __, ___: max(node.long, negated(node.short), ZERO),
    Control.MAX_CONCENTRATION_PCT: _concentration,
    Control.MAX_CORRELATED_EXPOSURE: lambda state, node, _, __: _correlated(state, node),
    Control.MAX_MARGIN: lambda _, node, __, ___: max(node.margin, *node.losses, ZERO),
    Control.MAX_LOSS: _loss,
    Control.MAX_DRAWDOWN: _drawdown,
    Control.ORDER_TO_TRADE: _order_to_trade,
    Control.MESSAGE_RATE: _message_rate,
}
"""The figure of each control that is about more than one order; `gateway.core.risk.controls` has the formulas."""
