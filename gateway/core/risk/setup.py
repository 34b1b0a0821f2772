"""What the configuration says about risk. It becomes part of the state by an event (`RiskConfigured`), so that an
auditor sees in the journal under which limits each order went out, and a journal replays to the same decisions under
any file.
"""

from decimal import Decimal

import msgspec

from gateway.core.risk.controls import Breaker, Control

ONE = Decimal(1)


class Limit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A limit in the unit of its control. `per_s` is the window of a rate, `after` the smallest amount at which a ratio
    or a share counts at all (a first order is always 100 % of everything).
    """

    value: Decimal
    per_s: int = 0
    after: Decimal = Decimal(0)


class RiskInstrument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What risk has to know of an instrument.

    `reference_px` is a price that a person stands behind, such as yesterday's settlement: it values the instrument
    until the first mark comes, and it is what a mark may not move away from too far. `margin_pct` is the margin in
    percent of the value, `volatility_pct` the standard deviation of a day in percent of the value. `short_sale` is
    "free" (a future), "flagged" (a sale beyond the long position has to be SELL_SHORT with a locate) or "forbidden".
    `dropped` says that the configuration has it no more: it takes no orders, and what is left of it counts still.
    """

    asset_class: str
    currency: str
    multiplier: Decimal = ONE
    tick_size: Decimal = ONE
    lot_size: Decimal = ONE
    reference_px: Decimal | None = None
    margin_pct: Decimal = Decimal(100)
    volatility_pct: Decimal = Decimal(0)
    short_sale: str = "free"
    dropped: bool = False


class RiskClient(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a client may trade for; "*" stands for all. `cancel_on_disconnect_ns` is the grace after its last stream
    ended (None: its orders stay).
    """

    accounts: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ("*",)
    cancel_on_disconnect_ns: int | None = None


class RiskVenue(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a venue can do for us: `mass_cancel` says that it knows OrderMassCancelRequest(35=q)."""

    mass_cancel: bool = False


class Scenario(msgspec.Struct, frozen=True, gc=False):
    """Shocks in percent, by instrument or asset class (the instrument's own comes first; none is no shock)."""

    name: str
    shocks: dict[str, Decimal]


class BreakerRule(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """When trading stops by itself at a scope.

    It trips when what is measured reaches `value`, over `window_s` where the breaker counts, with at least `after`
    occasions. It resets itself `cool_down_s` later, and only when what is measured is below `clear`; with
    `needs_person` a person has to. `cancels` also takes the working orders back.
    """

    scope: str
    kind: Breaker
    value: Decimal
    clear: Decimal
    window_s: int = 60
    after: int = 0
    cool_down_s: int = 60
    needs_person: bool = True
    cancels: bool = True


class RiskSetup(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it. `desks` maps a desk to the one above ("": the firm), `accounts` an account to its desk ("": the firm).

    `limits` are by scope; `rates` are the value of one unit of a currency in `currency`. `restricted` and `permitted`
    are instruments by scope. `correlations` are by "a/b" of two asset classes, in either order; what is not named is 1:
    nothing is diversified away that nobody said. `approvals` are the levels at which a second person has to approve
    that a limit is raised. `day_start` is the time of day (minutes after midnight in `time_zone`) at which profit and
    loss begin anew.
    """

    currency: str = ""
    rates: dict[str, Decimal] = {}
    desks: dict[str, str] = {}
    accounts: dict[str, str] = {}
    clients: dict[str, RiskClient] = {}
    instruments: dict[str, RiskInstrument] = {}
    venues: dict[str, RiskVenue] = {}
    limits: dict[str, dict[Control, Limit]] = {}
    restricted: dict[str, tuple[str, ...]] = {}
    permitted: dict[str, tuple[str, ...]] = {}
    scenarios: tuple[Scenario, ...] = ()
    correlations: dict[str, Decimal] = {}
    breakers: tuple[BreakerRule, ...] = ()
    self_match: str = "refuse"
    approvals: tuple[str, ...] = ("firm",)
    day_start: int = 0
    time_zone: str = "UTC"
