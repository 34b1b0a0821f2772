"""The keys of [risk]: who belongs to whom, limits, scenarios, correlations and breakers.

The words of limits and breakers are those of `gateway.core.risk.controls`, which has their formulas.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from gateway.config.values import Count, Currency, Minute, Name, NotNegative, Section, Signed, TimeZone

Level = Literal["firm", "desk", "account", "strategy", "client", "instrument", "asset_class", "venue"]
Scope = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[ -~]{1,100}$",
        description='"firm", or a level and a name: "desk:EQ", "account:ACC1", "strategy:ACC1/alpha", "client:demo",'
        ' "instrument:ACME", "asset_class:equity", "venue:XSIM"; "account:*" is each one without its own',
    ),
]
BreakerKind = Literal[
    "loss",
    "drawdown",
    "reject_rate",
    "fill_rate",
    "repeated_execution",
    "message_rate",
    "stale_mark",
    "latency",
    "items",
]
Day = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Messages = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class DeskConfig(Section, frozen=True):
    """A desk and the accounts in it; `parent` is the desk above ("": the firm)."""

    name: Name
    accounts: tuple[Name, ...] = ()
    parent: str = ""


class MessageRateConfig(Section, frozen=True):
    """At most `count` orders and replaces within `per_s` seconds."""

    count: Messages
    per_s: Day = 1


class OrderToTradeConfig(Section, frozen=True):
    """At most `ratio` messages for each execution of the day, once there are more than `after` messages."""

    ratio: Decimal
    after: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0


class ConcentrationConfig(Section, frozen=True):
    """At most `pct` percent of a scope's gross notional in one instrument, once it is above `above`."""

    pct: Decimal
    above: NotNegative = Decimal(0)


class RiskLimitsConfig(Section, frozen=True):
    """The limits of one scope. Money is in the risk currency. What is not given has to stand at another scope."""

    scope: Scope
    max_order_qty: Decimal | None = None
    max_order_value: Decimal | None = None
    price_collar_pct: Decimal | None = None
    price_collar_ticks: Decimal | None = None
    message_rate: MessageRateConfig | None = None
    order_to_trade: OrderToTradeConfig | None = None
    duplicate_window_s: NotNegative | None = None
    max_open_orders: Count | None = None
    max_instruments: Count | None = None
    max_venues: Count | None = None
    max_position_qty: NotNegative | None = None
    max_gross_notional: NotNegative | None = None
    max_net_notional: NotNegative | None = None
    max_concentration_pct: ConcentrationConfig | None = None
    max_correlated_exposure: NotNegative | None = None
    max_margin: NotNegative | None = None
    max_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    max_mark_age_s: Decimal | None = None
    max_mark_move_pct: Decimal | None = None
    restricted: tuple[Name, ...] = ()
    permitted: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] | None = None


class ScenarioConfig(Section, frozen=True):
    """Shocks in percent by asset class or symbol; the symbol's own comes first, none is no shock."""

    name: Name
    shocks: Annotated[dict[Name, Signed], msgspec.Meta(min_length=1)]


class CorrelationConfig(Section, frozen=True):
    """The correlation of two asset classes. What is not said is 1: nothing is diversified away that nobody said."""

    of: tuple[Name, ...]
    value: Signed


class BreakerConfig(Section, frozen=True):
    """When trading stops by itself at a scope."""

    scope: Scope
    kind: BreakerKind
    value: Decimal
    clear: NotNegative
    window_s: Day = 60
    after: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    cool_down_s: Day = 60
    needs_person: bool = True
    cancels: bool = True


class RiskConfig(Section, frozen=True):
    """What orders may do before they leave. Every control needs a limit that applies: a missing one blocks."""

    currency: Currency
    limits: Annotated[tuple[RiskLimitsConfig, ...], msgspec.Meta(min_length=1)]
    self_match: Literal["refuse", "cancel_old", "decrement", "off"] = "refuse"
    approvals: tuple[Level, ...] = ("firm",)
    day_start: Minute = "00:00"
    time_zone: TimeZone = "UTC"
    rates: dict[Currency, Decimal] = msgspec.field(default_factory=dict)
    desks: tuple[DeskConfig, ...] = ()
    scenarios: tuple[ScenarioConfig, ...] = ()
    correlations: tuple[CorrelationConfig, ...] = ()
    breakers: tuple[BreakerConfig, ...] = ()
