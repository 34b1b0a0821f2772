"""The shape of the running totals: what every scope holds and has working, kept up to date order by order, so that no
decision ever looks through all of them. `gateway.core.risk.exposure` fills it.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.core.risk.controls import Control

if TYPE_CHECKING:
    from gateway.core.order import Order
    from gateway.core.positions import Position, PositionKey
    from gateway.core.risk.breakers import Counters
    from gateway.core.risk.setup import Limit, RiskInstrument
    from gateway.core.risk.state import Meter, Profit
    from gateway.core.types import Side

ZERO = Decimal(0)
Sigma = tuple[Decimal, Decimal]
"""A standard deviation in money: of the largest and of the smallest value that positions can become."""
ANY = Decimal("Infinity")
ANY_COUNT = 10**30
"""What no limit allows."""
MAX_PATHS = 100_000
"""How many combinations of client, account, strategy, instrument and venue are kept, of which some may be in no use."""


class Cell:
    """One instrument in a scope: the largest and the smallest quantity that the position can become (all working buys
    filled and no sell, and the other way round), and its gross notional. `leaves` counts what is in use of it.
    """

    __slots__ = ("gross", "leaves", "long_qty", "short_qty")

    def __init__(self) -> None:
        self.long_qty = self.short_qty = self.gross = ZERO
        self.leaves = 0


class Looks(NamedTuple):
    """What the limits of a scope look at with every order: its gross notional, its quantities, its shares of one."""

    sums: bool = False
    cells: bool = False
    shares: bool = False


class Node:
    """One scope. Money is in the risk currency.

    `long` and `short` are the sums of the largest and of the smallest value that each position can become, `gross` of
    the larger amount of the two, `net` of the positions as they are, `margin` of the margins, `losses` by scenario,
    `sigmas` a day's standard deviations of `long` and of `short` by asset class. The `cells` in use, and where a limit
    looks at it (`looks`) `gross`, are always up to date, the others when `exposure.carry` has been called.

    `safe` is the gross notional up to which no limit of a sum can be reached, `floor` the profit down to which no limit
    of loss or drawdown is (None: to be worked out), `most_...` are its limits of these and of what is counted, `pace`
    that of messages. `profit` and `meter` are what the state has of this scope, once they have been looked up.
    """

    __slots__ = (
        "cells",
        "floor",
        "gross",
        "limits",
        "long",
        "looks",
        "losses",
        "margin",
        "meter",
        "most_drawdown",
        "most_instruments",
        "most_loss",
        "most_orders",
        "most_venues",
        "net",
        "open_orders",
        "pace",
        "profit",
        "safe",
        "scope",
        "short",
        "sigmas",
        "venues",
    )

    def __init__(self, scope: str, scenarios: int) -> None:
        self.scope = scope
        self.limits: dict[Control, Limit] = {}
        self.long = self.short = self.gross = self.net = self.margin = ZERO
        self.losses = [ZERO] * scenarios
        self.sigmas: dict[str, Sigma] = {}
        self.cells: dict[str, Cell] = {}
        self.open_orders = 0
        self.venues: dict[str, int] = {}
        self.safe, self.looks = ANY, Looks()
        self.floor: Decimal | None = None
        self.most_orders = self.most_instruments = self.most_venues = ANY_COUNT
        self.most_loss: Decimal | None = None
        self.most_drawdown: Decimal | None = None
        self.profit: Profit | None = None
        self.meter: Meter | None = None
        self.pace: Pace | None = None


class Places(NamedTuple):
    """Where a leaf counts: in the gross notional of which scopes, with which quantities, with which shares of one."""

    sums: tuple[Node, ...] = ()
    cells: tuple[Cell, ...] = ()
    shares: tuple[Cell, ...] = ()


class Leaf:
    """The smallest thing that has a position of its own: an instrument in an account's strategy, of a client, or at a
    venue. It counts at each of its `places`, and its book knows it by its `key`. `buys` and `sells` are what the
    working orders can still execute.

    `long_qty`, `short_qty` and `gross` follow from these at once; `long`, `short`, `net_value` and `carried` (these
    three) are what has been carried to the places: where a limit looks at it `at_once`, elsewhere `later`. `position`
    (by its `position_key`) or `held` is where the state has its quantity, `profit` its profit and `gains` those of its
    nodes, once they have been looked up.
    """

    __slots__ = (
        "at_once",
        "buys",
        "carried",
        "gains",
        "gross",
        "held",
        "instrument",
        "key",
        "later",
        "long",
        "long_qty",
        "net_qty",
        "net_value",
        "nodes",
        "places",
        "position",
        "position_key",
        "profit",
        "sells",
        "short",
        "short_qty",
        "symbol",
    )

    def __init__(
        self, symbol: str, instrument: "RiskInstrument", places: tuple[tuple[Node, Cell], ...], scope: str = ""
    ) -> None:
        self.symbol, self.instrument, self.places = symbol, instrument, places
        self.key = (scope, symbol)
        self.nodes = tuple([node for node, _ in places])
        self.net_qty = self.buys = self.sells = self.long_qty = self.short_qty = self.gross = ZERO
        self.long = self.short = self.net_value = ZERO
        self.carried = (ZERO, ZERO, ZERO)
        self.at_once = self.later = Places()
        self.position_key: PositionKey | None = None
        self.position: Position | None = None
        self.held: dict[str, Decimal] | None = None
        self.profit: Profit | None = None
        self.gains: tuple[tuple[Profit, Node], ...] | None = None


class Price:
    """What is known of an instrument's price until the next mark comes. `px` is the mark, or the reference price while
    there was none, `unit` the value of a quantity of one in the risk currency, `point` what one price point of it is
    worth (0 while it is not known).

    `moved` is |px - reference| x 100, `reference` the instrument's reference_px or else the day's first mark, `at_ns`
    when the mark was set (None: it is the reference price).
    """

    __slots__ = ("at_ns", "crossed", "moved", "point", "px", "rate", "reference", "unit")

    def __init__(self, px: Decimal | None, rate: Decimal | None) -> None:
        self.px, self.rate = px, rate
        self.unit = self.point = self.moved = self.reference = ZERO
        self.at_ns: int | None = None
        self.crossed = False


class Bound(NamedTuple):
    """A limit on an order's way: where it stands, and with which of the path's leaves its node moves. `whole` is its
    value rounded down, for what is counted.
    """

    value: Decimal
    node: Node
    leaf: int
    cell: Cell
    whole: int
    limit: "Limit"


class Pace(NamedTuple):
    """A scope that counts messages: the time between two at the full rate and the time that a burst may be ahead, in
    nanoseconds (0: it only counts). Up to `free` messages, or `ratio` for each execution, no order-to-trade ratio is
    over its limit.
    """

    node: Node
    between_ns: int
    window_ns: int
    ratio: int
    free: int


class Sight(NamedTuple):
    """What the limits and what is known of the price make together: between `low` and `high` no collar says no, until
    `until_ns` the mark is young enough, and an order may have `most_qty` and `most_value`.
    """

    price: Price
    low: Decimal
    high: Decimal
    until_ns: int
    most_qty: Decimal
    most_value: Decimal


class Path:
    """All that an order of one client, account, strategy, instrument and venue has to pass.

    `leaves` are those of the account's strategy, of the client and of the venue; `barred` the scopes at which the
    instrument is restricted or not permitted; `authorised` says that the client may trade for these, and `resting` are
    our own buys and sells at the venue. `bounds` has, by control, every limit on the way; where all of them compare one
    figure of the order, the lowest first. `missing` are the controls without any, `paces` the scopes that count
    messages. `sums` are the nodes with a limit of a sum, `gains` those with one of loss or drawdown, `counted` those
    with one of what is counted, `cells` and `shares` the limits of positions and of concentration,
    `duplicate_ns` the longest time for which an order looks back for one like it, `sight` what an order is first held
    against (None: to be worked out). These are as of the book's `version` of the limits; `gathered` says that all of
    them are there, before that it is the `paces` alone. `counters`
    are what breakers count, by side; `held` is what client and venue have (None: not looked up yet).
    """

    __slots__ = (
        "authorised",
        "barred",
        "bounds",
        "cells",
        "counted",
        "counters",
        "duplicate_ns",
        "gains",
        "gathered",
        "held",
        "instrument",
        "leaves",
        "missing",
        "nodes",
        "paces",
        "resting",
        "scopes",
        "shares",
        "sight",
        "sums",
        "symbol",
        "version",
    )

    def __init__(
        self,
        instrument: "RiskInstrument",
        leaves: tuple[Leaf, Leaf, Leaf],
        barred: tuple[str, ...],
        resting: "tuple[Resting, Resting]",
        *,
        authorised: bool,
    ) -> None:
        self.instrument, self.leaves, self.barred = instrument, leaves, barred
        self.resting, self.authorised = resting, authorised
        self.symbol = leaves[0].symbol
        self.nodes = tuple([node for leaf in leaves for node in leaf.nodes])
        self.scopes = tuple([node.scope for node in self.nodes])
        self.bounds: dict[Control, tuple[Bound, ...]] = {}
        self.missing: tuple[Control, ...] = ()
        self.paces: tuple[Pace, ...] = ()
        self.duplicate_ns = 0
        self.sums: tuple[Node, ...] = ()
        self.gains: tuple[Node, ...] = ()
        self.counted: tuple[Node, ...] = ()
        self.cells: tuple[tuple[Decimal, Cell], ...] = ()
        self.shares: tuple[Bound, ...] = ()
        self.sight: Sight | None = None
        self.counters: dict[Side, Counters] = {}
        self.held: tuple[dict[str, Decimal], dict[str, Decimal]] | None = None
        self.version = -1
        self.gathered = False


class Resting:
    """Our own orders at one venue, in one instrument and on one side: the prices at which they trade in order, and
    whose they are; and `stops`, the stop orders by the price beyond which the mark says that none rests.
    """

    __slots__ = ("orders", "prices", "stops")

    def __init__(self) -> None:
        self.prices: list[Decimal] = []
        self.orders: dict[Decimal, dict[str, None]] = {}
        self.stops: list[tuple[Decimal, str]] = []


class Reserve:
    """What one order counts for: its path, its side (+1 or -1), the quantity that it can still execute at worst, what
    it had executed when it was last looked at, and the price at which it rests (`stop`: where it is among the stops).
    """

    __slots__ = ("cum_qty", "path", "price", "qty", "resting", "sign", "stop")

    def __init__(self, path: Path, sign: int, resting: Resting) -> None:
        self.path, self.sign, self.resting = path, sign, resting
        self.qty = self.cum_qty = ZERO
        self.price: Decimal | None = None
        self.stop: Decimal | None = None


class Book:
    """All of it. `built` says that it is true but for the orders in `touched`. It follows from the rest of the state,
    so two books are equal, and it is never written down.

    `touched` holds the orders themselves: one may have left memory before the next decision asks. `by_cash` are the
    orders whose quantity only the mark tells, `dirty` the leaves that have something to carry, `positions` those in
    each instrument (None: not looked through yet), `duplicate_ns` the longest time for which an order is remembered as
    a possible duplicate. With more than `room` paths it is worked out anew, without those that nothing needs.
    `percent` is of how much of the gross notional each sum can be at most (None: to be worked out). `counting` is the
    order of which breakers counted something last, and who counts it. `on_trial` is the scope of a strategy of which
    nothing is known but that an order of it was looked at last, and the key of that order's path.
    """

    __slots__ = (
        "built",
        "by_cash",
        "by_symbol",
        "cells",
        "correlations",
        "counting",
        "dirty",
        "duplicate_ns",
        "leaves",
        "nodes",
        "on_trial",
        "paths",
        "percent",
        "positions",
        "prices",
        "reserves",
        "resting",
        "room",
        "touched",
        "version",
    )

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next decision works it out from scratch."""
        self.built = False
        self.version = 0
        self.room = MAX_PATHS
        self.duplicate_ns: int | None = None
        self.by_cash: dict[str, None] = {}
        self.by_symbol: dict[str, list[Leaf]] = {}
        self.correlations: dict[tuple[str, str], Decimal] = {}
        self.counting: tuple[Order, Counters] | None = None
        self.dirty: dict[Leaf, None] = {}
        self.cells: dict[tuple[str, str], Cell] = {}
        self.nodes: dict[str, Node] = {}
        self.leaves: dict[tuple[str, str], Leaf] = {}
        self.on_trial: tuple[str, tuple[str, str, str, str, str]] | None = None
        self.paths: dict[tuple[str, str, str, str, str], Path] = {}
        self.positions: dict[str, dict[PositionKey, Position]] | None = None
        self.prices: dict[str, Price] = {}
        self.reserves: dict[str, Reserve] = {}
        self.resting: dict[tuple[str, str, int], Resting] = {}
        self.percent: dict[Control, Decimal] | None = None
        self.touched: dict[str, Order] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Book)

    __hash__ = None  # type: ignore[assignment]  # It changes.

    def __copy__(self) -> "Book":
        return Book()

    def __deepcopy__(self, _: Any) -> "Book":
        return Book()
