"""What risk remembers. Everything in `RiskState` changes by events alone; `book` is worked out from it and from the
orders and positions, whenever a decision needs it, and is never written down.
"""

from decimal import Decimal

import msgspec

from gateway.core.money import ZERO, subtract
from gateway.core.risk.book import Book
from gateway.core.risk.controls import Control
from gateway.core.risk.events import BreachBegan, LimitProposed, Mark, OverrideProposed, TradingStopped
from gateway.core.risk.setup import Limit, RiskInstrument, RiskSetup
from gateway.core.types import Side

Kind = tuple[str, str, str, str, Side, Decimal, Decimal | None, Decimal | None, Decimal | None]
"""Client, account, strategy, instrument, side, quantity, prices and amount: what makes two orders alike."""


class Stop(msgspec.Struct):
    """A scope in which trading is stopped, and since when. `completed` says that nothing works there any more.

    `number` is part of the ClOrdIDs of its cancels, `last_order_no` the newest order when somebody stopped the
    scope last. `carried` are the accounts and instruments (as scopes) that the configuration has taken out of the
    scope since: they stay stopped with it.
    """

    stopped: TradingStopped
    at_ns: int
    number: int
    last_order_no: int
    completed: bool = False
    carried: tuple[str, ...] = ()


class Watch(msgspec.Struct):
    """The orders of a scope that are to be canceled, until that is proven for each.

    `owed` has, by venue, those that can still execute and have no cancel on its way (or one that may be lost), the
    oldest first; `waiting` the others that may execute still: canceled and not answered, or with a replace that is not;
    `over` those that may not, of which something is unanswered. `mass_canceled` is when a venue was asked to cancel
    everything. Orders after the one with the number `until_order_no` may stay.
    """

    owed: dict[str, dict[str, None]] = {}
    waiting: dict[str, None] = {}
    mass_canceled: dict[str, int] = {}
    until_order_no: int | None = None
    over: dict[str, None] = {}


class Held(msgspec.Struct, frozen=True, gc=False):
    """A limit that holds for a time: what it stands in for, and until when."""

    before: Limit | None
    until_ns: int


class Former(msgspec.Struct, frozen=True, gc=False):
    """An instrument of which nothing was left when it was taken out of the configuration, and what its currency was
    worth then.
    """

    instrument: RiskInstrument
    rate: Decimal | None


class KnownMark(msgspec.Struct, frozen=True, gc=False):
    """A mark and when it was set. The reference price of the configuration has no time: it is never stale.

    `first` is the day's first mark: what later ones are compared with where no reference price is configured.
    """

    mark: Mark
    at_ns: int | None
    first: Decimal = ZERO


class Profit(msgspec.Struct, gc=False):
    """Profit and loss of a scope in the risk currency: now, at the start of the day, and the day's highest (at least 0
    above the start).
    """

    now: Decimal = ZERO
    began: Decimal = ZERO
    high: Decimal = ZERO

    @property
    def day(self) -> Decimal:
        """Since the start of the day."""
        return subtract(self.now, self.began)

    @property
    def drawdown(self) -> Decimal:
        """What has been lost since the day's highest."""
        return subtract(self.high, self.day)


class Meter(msgspec.Struct, gc=False):
    """What a scope has sent: `full_ns` is when the leaky bucket of its message rate will be empty; `messages` and
    `executions` are the day's.
    """

    full_ns: int = 0
    messages: int = 0
    executions: int = 0


class Tally(msgspec.Struct, gc=False):
    """What a breaker counts in its window, in steps of it: the number of the step, all its occasions and the bad ones,
    the oldest step first. `total` and `bad` are their sums.
    """

    steps: list[tuple[int, int, int]] = []
    total: int = 0
    bad: int = 0


class Anew(msgspec.Struct, frozen=True, gc=False):
    """Where a loss or a drawdown counted anew, because a person resumed trading: the figure then, the highest profit of
    the day, and the day.
    """

    figure: Decimal
    high: Decimal
    day: str


class RiskState(msgspec.Struct):
    """`limits` are those in force by scope, `temporary` those of them that hold for a time. `proposals` are the changes
    that wait for a second person, by change_id, `proposed_ns` since when. `stops` are by
    "scope|source", `stopped` has the names of those that hold at a scope. `held` is what a client or a venue has of an
    instrument (positions themselves are kept by account and strategy), `profits` are by scope, `leaf_profits` by
    "account/strategy" and instrument. `recent` has the time of the last order of its kind, for the check of duplicates,
    oldest first. `away` are clients whose last stream ended, since when. `watched` are the scopes whose orders are
    canceled. `tallies` are by "breaker|scope" and, where a breaker counts more than one thing there, by its name;
    `anew` is by "breaker|scope", `breaches` by "scope|control", and where each instrument has a figure of its own
    by "scope|control|symbol". `strategies` are the names that orders of an account have had, of those that something is
    kept of. `former` are the instruments that a late word of a venue may bring back, the newest last.
    """

    setup: RiskSetup = RiskSetup()
    limits: dict[str, dict[Control, Limit]] = {}
    temporary: dict[str, dict[Control, Held]] = {}
    proposals: dict[str, LimitProposed | OverrideProposed] = {}
    proposed_ns: dict[str, int] = {}
    last_change_no: int = 0
    overrides: dict[str, dict[str, int]] = {}
    marks: dict[str, KnownMark] = {}
    rates: dict[str, Decimal] = {}
    stops: dict[str, Stop] = {}
    stopped: dict[str, list[str]] = {}
    last_stop_no: int = 0
    held: dict[str, dict[str, Decimal]] = {}
    profits: dict[str, Profit] = {}
    leaf_profits: dict[tuple[str, str], Profit] = {}
    meters: dict[str, Meter] = {}
    recent: dict[Kind, int] = {}
    watched: dict[str, Watch] = {}
    tallies: dict[str, dict[str, Tally]] = {}
    anew: dict[str, Anew] = {}
    breaches: dict[str, BreachBegan] = {}
    away: dict[str, int] = {}
    strategies: dict[str, dict[str, None]] = {}
    day: str = ""
    former: dict[str, Former] = {}
    book: Book = msgspec.field(default_factory=Book)
