"""What stands on an order's way: the limits of every scope that it counts at, put together once for all orders of its
kind.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from gateway.core.money import EXACT, ZERO, multiply
from gateway.core.risk import scopes
from gateway.core.risk.book import ANY, ANY_COUNT, Bound, Leaf, Looks, Node, Pace, Path, Places, Price, Resting, Sight
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup

_ONE = Decimal(1)
_HUNDRED = Decimal(100)
_HUNDREDTH = Decimal("0.01")
_SECOND_NS = 1_000_000_000


def new_path(
    setup: RiskSetup, claims: tuple[str, str, str], leaves: tuple[Leaf, Leaf, Leaf], resting: tuple[Resting, Resting]
) -> Path:
    """The way of an order of a client, an account and a strategy (the `claims`), still without limits."""
    symbol = leaves[0].symbol
    named = [each.scope for leaf in leaves for each in leaf.nodes]
    barred = [
        scope
        for scope in named
        if symbol in (_at(setup.restricted, scope) or ())
        or ((permitted := _at(setup.permitted, scope)) is not None and symbol not in permitted)
    ]
    client_id, account, strategy = claims
    client = client_of(setup, client_id)
    may = client is not None and is_among(account, client.accounts) and is_among(strategy, client.strategies)
    instrument = leaves[0].instrument
    return Path(instrument, leaves, tuple(barred), resting, authorised=may and not instrument.dropped)


def client_of(setup: RiskSetup, client_id: str) -> RiskClient | None:
    """What a client may do; None for one that nobody has heard of."""
    return setup.clients.get(client_id) or setup.clients.get("*")


def is_among(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a client may trade for this account or strategy."""
    return name in allowed or "*" in allowed


def _at(said: Mapping[str, tuple[str, ...]], scope: str) -> tuple[str, ...] | None:
    """What is said of a scope, or of all of its level."""
    found = said.get(scope)
    return said.get(scopes.default_of(scope)) if found is None else found


_OF_THE_ORDER = frozenset(
    {
        Control.MAX_ORDER_QTY,
        Control.MAX_ORDER_VALUE,
        Control.PRICE_COLLAR_PCT,
        Control.PRICE_COLLAR_TICKS,
        Control.MAX_MARK_AGE_S,
        Control.MAX_MARK_MOVE_PCT,
    }
)
"""Controls that compare one figure with every limit on the way: when it passes the lowest, it passes all."""


_OF_THE_TREE = frozenset(control for control, spec in SPECS.items() if spec.tree_only)


def gather(path: Path) -> None:
    """The limits on a path's way. Client and venue have no profit of their own, and so no limit of it."""
    found: dict[Control, list[Bound]] = {control: [] for control in SPECS}
    for number, leaf in enumerate(path.leaves):
        for node, cell in leaf.places:
            for control, limit in node.limits.items():
                if not number or control not in _OF_THE_TREE:
                    found[control].append(Bound(limit.value, node, number, cell, int(limit.value), limit))
    for control, each in found.items():
        if len(each) > 1 and control in _OF_THE_ORDER:
            each.sort(key=lambda bound: bound.value)
    found[Control.DUPLICATE_WINDOW_S].sort(key=lambda bound: -bound.value)
    path.bounds = bounds = {control: tuple(each) for control, each in found.items()}
    path.missing = tuple([control for control, each in bounds.items() if not each])
    path.shares = tuple([bound for bound in bounds[Control.MAX_CONCENTRATION_PCT] if bound.value < _HUNDRED])
    path.cells = tuple([(bound.value, bound.cell) for bound in bounds[Control.MAX_POSITION_QTY]])
    path.counted = _nodes(path, Control.MAX_OPEN_ORDERS, Control.MAX_INSTRUMENTS, Control.MAX_VENUES)
    path.sums = tuple([node for node in path.nodes if node.safe != ANY])
    path.gains = _nodes(path, Control.MAX_LOSS, Control.MAX_DRAWDOWN)
    windows = bounds[Control.DUPLICATE_WINDOW_S]
    path.duplicate_ns = int(windows[0].value * _SECOND_NS) if windows else 0
    path.sight, path.gathered = None, True


def pace(path: Path) -> None:
    """The scopes that count what is sent on a path: what an event needs to know of the limits."""
    path.paces = tuple([node.pace for node in path.nodes if node.pace is not None])
    path.gathered = False


def _nodes(path: Path, *controls: Control) -> tuple[Node, ...]:
    """Where one of these limits stands."""
    return tuple(dict.fromkeys([bound.node for control in controls for bound in path.bounds[control]]))


# --- A scope ---


def percentages(setup: RiskSetup) -> dict[Control, Decimal]:
    """No sum of a scope is larger than its gross notional, times the largest percentage that the sum is of."""
    shocks = [shock.copy_abs() for scenario in setup.scenarios for shock in scenario.shocks.values()]
    most_margin = max([each.margin_pct for each in setup.instruments.values()] + shocks, default=ZERO)
    most_volatile = max([each.volatility_pct for each in setup.instruments.values()], default=ZERO)
    return {
        Control.MAX_GROSS_NOTIONAL: _HUNDRED,
        Control.MAX_NET_NOTIONAL: _HUNDRED,
        Control.MAX_MARGIN: most_margin,
        Control.MAX_CORRELATED_EXPOSURE: multiply(most_volatile, max([_ONE, *map(abs, setup.correlations.values())])),
    }


def limit(node: Node, limits: dict[Control, Limit], percent: dict[Control, Decimal]) -> None:
    """These are a scope's limits now."""
    node.limits, node.floor = limits, None
    sums = [_safe(limits[control].value, most) for control, most in percent.items() if most and control in limits]
    node.safe = min(sums, default=ANY)
    shares = Control.MAX_CONCENTRATION_PCT in limits
    node.looks = Looks(node.safe != ANY or shares, Control.MAX_POSITION_QTY in limits, shares)
    node.most_orders = _whole(limits, Control.MAX_OPEN_ORDERS)
    node.most_instruments = _whole(limits, Control.MAX_INSTRUMENTS)
    node.most_venues = _whole(limits, Control.MAX_VENUES)
    loss, drawdown = limits.get(Control.MAX_LOSS), limits.get(Control.MAX_DRAWDOWN)
    node.most_loss = loss.value if loss is not None else None
    node.most_drawdown = drawdown.value if drawdown is not None else None
    rate, ratio = limits.get(Control.MESSAGE_RATE), limits.get(Control.ORDER_TO_TRADE)
    node.pace = None if rate is None and ratio is None else Pace(node, *_pace(rate, ratio))


@lru_cache(maxsize=10_000)
def _safe(value: Decimal, percent: Decimal) -> Decimal:
    """The same object for all scopes with the same limit: so it is in fast memory when the next order asks for it."""
    return EXACT.divide_int(multiply(value, _HUNDRED), percent)


@lru_cache(maxsize=10_000)
def _pace(rate: Limit | None, ratio: Limit | None) -> tuple[int, int, int, int]:
    """A message rate is a leaky bucket: what one message fills, and how much the bucket holds. Below one message in the
    window nothing passes.
    """
    between_ns = window_ns = 0
    if rate is not None:
        window_ns = max(1, rate.per_s) * _SECOND_NS
        between_ns = window_ns // int(rate.value) if rate.value >= 1 else window_ns + 1
    if ratio is None:
        return between_ns, window_ns, ANY_COUNT, ANY_COUNT
    return between_ns, window_ns, int(ratio.value), int(ratio.after)


def _whole(limits: dict[Control, Limit], control: Control) -> int:
    known = limits.get(control)
    return ANY_COUNT if known is None else int(known.value)


def split(leaf: Leaf) -> None:
    """Where a limit looks at what a leaf moves by, it moves at once."""
    leaf.at_once, leaf.later = (
        Places(
            tuple([node for node, _ in leaf.places if node.looks.sums is looks]),
            tuple([cell for node, cell in leaf.places if node.looks.cells is looks]),
            tuple([cell for node, cell in leaf.places if node.looks.shares is looks]),
        )
        for looks in (True, False)
    )


# --- What is known of the price ---


def look(path: Path, price: Price) -> Sight:
    """The limits of one order at this price. It lets no order pass by itself where something is missing, cannot be
    believed or needs a person.
    """
    px, bounds = price.px, path.bounds
    if path.missing or path.barred or px is None or price.rate is None or price.crossed:
        return _blind(price)
    until_ns = ANY_COUNT
    if price.at_ns is not None:
        until_ns = price.at_ns + int(multiply(bounds[Control.MAX_MARK_AGE_S][0].value, Decimal(_SECOND_NS)))
        if price.moved and price.moved > multiply(bounds[Control.MAX_MARK_MOVE_PCT][0].value, price.reference):
            return _blind(price)
    away = min(
        multiply(multiply(bounds[Control.PRICE_COLLAR_PCT][0].value, px), _HUNDREDTH),
        multiply(bounds[Control.PRICE_COLLAR_TICKS][0].value, path.instrument.tick_size),
    )
    return Sight(
        price,
        EXACT.subtract(px, away),
        EXACT.add(px, away),
        until_ns,
        bounds[Control.MAX_ORDER_QTY][0].value,
        bounds[Control.MAX_ORDER_VALUE][0].value,
    )


def _blind(price: Price) -> Sight:
    return Sight(price, ZERO, ZERO, -1, ZERO, ZERO)
