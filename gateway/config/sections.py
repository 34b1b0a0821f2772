"""The keys of the configuration file, section by section. docs/configuration.md explains every one."""

from datetime import time
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from gateway.config.risk import RiskConfig
from gateway.config.values import (
    CompId,
    Count,
    Currency,
    DatabaseUrl,
    FixText,
    Host,
    Name,
    NotNegative,
    OptionalDatabaseUrl,
    OptionalFixText,
    OptionalWeekday,
    Path,
    Port,
    Seconds,
    Section,
    SentMsgType,
    Strategy,
    Tag,
    TagText,
    TimeOfDay,
    TimeZone,
    Weekday,
)
from gateway.core.instruments import Instrument, TradingSession


class JournalConfig(Section, frozen=True):
    """Where what happened is kept. `url` is a SQLAlchemy URL.

    `load` makes a relative SQLite path absolute, from the data directory.
    """

    url: DatabaseUrl = "sqlite:///journal.sqlite"
    durability: Literal["power", "process"] = "power"


class RetentionConfig(Section, frozen=True):
    """What stays in memory, and how long a restart takes.

    An order that has ended leaves memory after `retire_after_s`, or earlier when more than `ended_orders` have; it can
    still be asked for, and its key is remembered. A snapshot is written every `snapshot_events` events, and the
    newest `snapshots` are kept.
    """

    retire_after_s: Annotated[int, msgspec.Meta(ge=1)] = 3_600
    ended_orders: Count = 100_000
    snapshot_events: Annotated[int, msgspec.Meta(ge=1_000)] = 100_000
    snapshots: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2


class ProjectionsConfig(Section, frozen=True):
    """Tables for people and reports, written behind the journal by a process of their own. No `url`: none."""

    url: OptionalDatabaseUrl = "sqlite:///projections.sqlite"


class ApiConfig(Section, frozen=True):
    """Where the gRPC API listens. Port 0 lets the system choose; an empty `unix_socket` means none.

    `load` makes a relative `unix_socket` absolute, from the data directory.
    """

    host: Host = "127.0.0.1"
    port: Port = 7001
    unix_socket: str = "gateway.sock"


class MetricsConfig(Section, frozen=True):
    """Where Prometheus can scrape. Port 0 lets the system choose."""

    host: Host = "127.0.0.1"
    port: Port = 7002


class LogConfig(Section, frozen=True):
    """How the server logs, to standard error. "auto" is "console" on a terminal and "json" elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class LimitsConfig(Section, frozen=True):
    """Bounds (rule 7).

    Over `command_queue` a command is answered RESOURCE_EXHAUSTED; over `subscriber_lag` events a reader is dropped and
    can resume.
    """

    command_queue: Count = 10_000
    report_queue: Count = 100_000
    batch: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 512
    subscriber_lag: Annotated[int, msgspec.Meta(ge=1_024)] = 65_536
    subscribers: Count = 256
    # The Python client sends up to 250 commands in one message.
    trade_batch: Annotated[int, msgspec.Meta(ge=250)] = 1_000
    orders_per_client: Count = 1_000_000
    requests_per_order: Count = 1_000


class ClientConfig(Section, frozen=True):
    """Who may call.

    A trader sends orders for `accounts` (its first is the default) and `strategies` ("*": any) and sees its own; an
    operator administers and sees everything; "market_data" sets marks. With `cancel_on_disconnect_s` a trader's orders
    are canceled so long after its last stream ended.
    """

    id: Name
    role: Literal["trader", "operator", "market_data"] = "trader"
    accounts: tuple[Name, ...] = ()
    strategies: Annotated[tuple[Strategy, ...], msgspec.Meta(min_length=1)] = ("*",)
    cancel_on_disconnect_s: Annotated[int, msgspec.Meta(ge=0, le=3_600)] | None = None


class DialectConfig(Section, frozen=True):
    """What is particular about one venue's FIX, as data.

    `add` puts constant tags on messages, by MsgType(35): {"D" = {9001 = "GW"}}. `required` lists the tags that a venue
    asks for, by MsgType: an order that would go out without one is refused before it is sent. Symbols come from the
    instruments; `accounts` maps our account names to the venue's Account(1). `dictionary` is a QuickFIX XML overlay in
    fix_specs/ laid over the standard dictionary. `mass_cancel` says that the venue knows
    OrderMassCancelRequest(35=q).
    """

    add: dict[SentMsgType, dict[TagText, FixText]] = msgspec.field(default_factory=dict)
    required: dict[SentMsgType, tuple[Tag, ...]] = msgspec.field(default_factory=dict)
    accounts: dict[Name, FixText] = msgspec.field(default_factory=dict)
    dictionary: str = ""
    handl_inst: Literal["", "1", "2", "3"] = "1"
    ex_destination: OptionalFixText = ""
    mass_cancel: bool = False


class ScheduleConfig(Section, frozen=True):
    """When the FIX session is to be connected: local times of `time_zone`; with days, from one weekday to another.

    Without a schedule it never ends and never resets.
    """

    start: TimeOfDay
    end: TimeOfDay
    time_zone: TimeZone = "UTC"
    start_day: OptionalWeekday = ""
    end_day: OptionalWeekday = ""


class ReconcileConfig(Section, frozen=True):
    """How our orders are compared with the venue's.

    `mode` "mass" asks with one OrderMassStatusRequest(35=AF), "each" with an OrderStatusRequest(35=H) for every order,
    "auto" is "each" in FIX 4.2, which has no 35=AF, and else "mass". At "off" nothing is compared and order entry is
    open as soon as the session is up.
    """

    mode: Literal["auto", "mass", "each", "off"] = "auto"
    every_s: Annotated[int, msgspec.Meta(ge=5)] = 300
    timeout_s: Seconds = 30
    window: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 500
    grace_s: Seconds = 5


class DropCopyConfig(Section, frozen=True):
    """A second FIX session to the venue that copies every execution to us: the third book that is compared."""

    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    sender_comp_id: CompId
    target_comp_id: CompId
    username: OptionalFixText = ""
    password: OptionalFixText = ""


class VenueConfig(Section, frozen=True):
    """One venue, reached by one FIX session that we initiate."""

    name: Name
    begin_string: Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    sender_comp_id: CompId
    target_comp_id: CompId
    heart_bt_int_s: Seconds = 30
    reconnect_interval_s: Seconds = 2
    ack_timeout_s: Seconds = 10
    username: OptionalFixText = ""
    password: OptionalFixText = ""
    schedule: ScheduleConfig | None = None
    dialect: DialectConfig = DialectConfig()
    reconcile: ReconcileConfig = ReconcileConfig()
    drop_copy: DropCopyConfig | None = None

    @property
    def drop_copy_session(self) -> str:
        """The name of the drop-copy session, as operators see it."""
        return f"{self.name}.DROP"


class InstrumentConfig(Section, frozen=True):
    """One instrument. `venue_symbols` maps venue names to Symbol(55) there.

    The first venue in it is the primary one unless `primary_venue` names another. `asset_class` and what follows is
    what risk has to know of it; without `reference_px` no order passes before the first mark has come.
    """

    symbol: Name
    venue_symbols: Annotated[dict[Name, FixText], msgspec.Meta(min_length=1)]
    tick_size: Decimal
    lot_size: Decimal
    currency: Currency
    primary_venue: str = ""
    multiplier: Decimal = Decimal(1)
    trading_session: str = ""
    asset_class: Name = "equity"
    reference_px: Decimal | None = None
    margin_pct: NotNegative = Decimal(100)
    volatility_pct: NotNegative = Decimal(0)
    short_sale: Literal["free", "flagged", "forbidden"] = "free"


class AuctionConfig(Section, frozen=True):
    """The call of an auction, in the session's time zone: from `begin` to `end` no order that has to trade at once.

    An end before the begin is on the next day.
    """

    begin: TimeOfDay
    end: TimeOfDay


class TradingSessionConfig(Section, frozen=True):
    """A named trading session that instruments refer to. A close at or before the open is on the next day."""

    name: Name
    time_zone: TimeZone
    open: TimeOfDay
    close: TimeOfDay
    days: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1)] = ("mon", "tue", "wed", "thu", "fri")
    auctions: tuple[AuctionConfig, ...] = ()

    def core(self) -> TradingSession:
        """The session as the core wants it."""
        calls = [(time.fromisoformat(each.begin), time.fromisoformat(each.end)) for each in self.auctions]
        hours = time.fromisoformat(self.open), time.fromisoformat(self.close)
        return TradingSession(self.name, self.time_zone, *hours, self.days, tuple(calls))


class Config(Section, frozen=True):
    """One stack. `data_dir` holds the journal, the FIX store and the Unix socket.

    `load` makes it absolute, from the file's own directory.
    """

    stack: Name
    data_dir: Path
    clients: Annotated[tuple[ClientConfig, ...], msgspec.Meta(min_length=1)]
    venues: Annotated[tuple[VenueConfig, ...], msgspec.Meta(min_length=1)]
    instruments: Annotated[tuple[InstrumentConfig, ...], msgspec.Meta(min_length=1)]
    risk: Annotated[
        RiskConfig,
        msgspec.Meta(description="a table; copy [risk] and all that is below it from config/gateway.toml"),
    ]
    journal: JournalConfig = JournalConfig()
    api: ApiConfig = ApiConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    projections: ProjectionsConfig = ProjectionsConfig()
    trading_sessions: tuple[TradingSessionConfig, ...] = ()

    def core_instruments(self) -> dict[str, Instrument]:
        """The instruments as the core wants them, by symbol."""
        sessions = {session.name: session.core() for session in self.trading_sessions}
        return {
            item.symbol: Instrument(
                symbol=item.symbol,
                venue_symbols=dict(item.venue_symbols),
                primary_venue=item.primary_venue or next(iter(item.venue_symbols)),
                tick_size=item.tick_size,
                lot_size=item.lot_size,
                currency=item.currency,
                multiplier=item.multiplier,
                trading_session=sessions.get(item.trading_session),
            )
            for item in self.instruments
        }
