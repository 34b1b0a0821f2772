"""What a configuration says, as tables for people. Shows no secret."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table

from gateway.cli.layout import apart, row, table
from gateway.cli.risk_summary import risk_summary
from gateway.config import Config, DialectConfig, InstrumentConfig, VenueConfig
from gateway.config.sections import DropCopyConfig
from gateway.config.values import without_password

_NS = 1_000_000_000


def summary(config: Config, now_ns: int) -> RenderableType:
    """The whole configuration: the stack first, then venues, instruments, clients, trading sessions and risk.

    What depends on the time of day is as of `now_ns`, UTC nanoseconds.
    """
    venues = [_venues(config), *_schedules(config, now_ns), *_dialects(config), _reconciliation(config)]
    sessions = [_trading_sessions(config, now_ns)] if config.trading_sessions else []
    return apart(_stack(config), *venues, _instruments(config), _clients(config), *sessions, *risk_summary(config))


def _stack(config: Config) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    survives = {"power": "survives power loss", "process": "survives kill -9, may lose the last moments on power loss"}
    api, metrics, durability = config.api, config.metrics, config.journal.durability
    row(grid, "stack", config.stack)
    row(grid, "data", config.data_dir)
    row(grid, "journal", without_password(config.journal.url))
    row(grid, "durability", f"{durability} ({survives[durability]})")
    row(grid, "api", f"{api.host}:{api.port}" + (f", unix:{api.unix_socket}" if api.unix_socket else ""))
    row(grid, "metrics", f"http://{metrics.host}:{metrics.port}/metrics")
    row(grid, "log", f"{config.log.level}, {config.log.format}")
    row(grid, "projections", without_password(config.projections.url) or "none")
    kept = config.retention
    row(
        grid,
        "in memory",
        f"orders for {kept.retire_after_s:,} s after their end, at most {kept.ended_orders:,} of these",
    )
    bounds = config.limits
    row(
        grid,
        "queues",
        f"{bounds.command_queue:,} commands, {bounds.report_queue:,} messages of each venue; "
        f"{bounds.batch:,} in a commit",
    )
    row(
        grid,
        "streams",
        f"{bounds.subscribers:,}, dropped when {bounds.subscriber_lag:,} events behind; "
        f"{bounds.trade_batch:,} commands in a message",
    )
    row(
        grid,
        "each client",
        f"at most {bounds.orders_per_client:,} working orders, {bounds.requests_per_order:,} unanswered requests each",
    )
    row(grid, "snapshots", f"every {kept.snapshot_events:,} events, the newest {kept.snapshots:,} are kept")
    return grid


def _venues(config: Config) -> RenderableType:
    columns = ("venue", "FIX", "address", "session", "heartbeat", "logon", "schedule")
    made = table("Venues", *columns, right=("heartbeat",), spare=("heartbeat", "logon", "schedule"))
    for venue in config.venues:
        row(
            made,
            venue.name,
            venue.begin_string,
            f"{venue.host}:{venue.port}",
            f"{venue.sender_comp_id} -> {venue.target_comp_id}",
            f"{venue.heart_bt_int_s} s",
            _credentials(venue),
            _schedule(venue),
        )
        if (copy := venue.drop_copy) is not None:
            row(
                made,
                venue.drop_copy_session,
                venue.begin_string,
                f"{copy.host}:{copy.port}",
                f"{copy.sender_comp_id} -> {copy.target_comp_id}",
                f"{venue.heart_bt_int_s} s",
                _credentials(copy),
                _schedule(venue),
            )
    return made


def _schedules(config: Config, now_ns: int) -> list[RenderableType]:
    """When each scheduled session is up now or next, in the venue's time and in UTC."""
    scheduled = {venue.name: venue.schedule for venue in config.venues if venue.schedule is not None}
    if not scheduled:
        return []
    from gateway.adapters.quickfix.schedule import schedule_of  # noqa: PLC0415  # Brings the FIX engine with it.

    made = table("Schedules, as of now", "venue", "now", "begins", "ends", "begins in UTC", "ends in UTC")
    for name, said in scheduled.items():
        window = schedule_of(said).now_or_next(now_ns)
        zone = ZoneInfo(said.time_zone)
        times = [
            f"{datetime.fromtimestamp(each // _NS, to):%a %Y-%m-%d %H:%M:%S}" for to in (zone, UTC) for each in window
        ]
        row(made, name, "in a session" if window[0] <= now_ns else "down", *times)
    return [made]


def _dialects(config: Config) -> list[RenderableType]:
    """What is particular about venues. What is added to the Logon may be secret: of it only the tags are shown."""
    particular = {venue.name: venue.dialect for venue in config.venues if venue.dialect != DialectConfig()}
    if not particular:
        return []
    columns = ("overlay", "mass cancel", "HandlInst", "ExDestination", "adds", "requires", "accounts")
    made = table("Dialects", "venue", *columns, folds=("adds", "requires", "accounts"))
    for name, said in particular.items():
        row(
            made,
            name,
            said.dictionary or "none",
            "yes" if said.mass_cancel else "no",
            said.handl_inst or "left out",
            said.ex_destination or "left out",
            "; ".join(f"{kind}: {', '.join(_added(kind, tags))}" for kind, tags in said.add.items()),
            "; ".join(f"{kind}: {', '.join(map(str, tags))}" for kind, tags in said.required.items()),
            ", ".join(f"{ours} as {theirs}" for ours, theirs in said.accounts.items()) or "as they are",
        )
    return [made]


def _added(msg_type: str, tags: Mapping[str, str]) -> list[str]:
    return [tag if msg_type == "A" else f"{tag}={text}" for tag, text in tags.items()]


def _reconciliation(config: Config) -> RenderableType:
    right = ("every", "silent for", "window", "grace", "in doubt after")
    made = table("Reconciliation", "venue", "asks with", *right, "drop copy", right=right, spare=("window", "grace"))
    for venue in config.venues:
        said = venue.reconcile
        off = said.mode == "off"
        row(
            made,
            venue.name,
            _question(venue),
            "" if off else f"{said.every_s:,} s",
            "" if off else f"{said.timeout_s:,} s",
            "" if off else f"{said.window:,}",
            "" if off else f"{said.grace_s:,} s",
            f"{venue.ack_timeout_s:,} s",
            venue.drop_copy_session if venue.drop_copy is not None else "none",
        )
    return made


def _question(venue: VenueConfig) -> str:
    """How the venue is asked, where it is left to us as well."""
    mode = venue.reconcile.mode
    if mode == "auto":
        mode = "each" if venue.begin_string == "FIX.4.2" else "mass"
    return {"mass": "mass status (AF)", "each": "status of each (H)"}.get(mode, "off")


def _credentials(session: VenueConfig | DropCopyConfig) -> str:
    if not session.username:
        return "no credentials"
    return f"{session.username}, password {'set' if session.password else 'not set'}"


def _schedule(venue: VenueConfig) -> str:
    times = venue.schedule
    if times is None:
        return "always"
    return f"{times.start_day} {times.start} to {times.end_day} {times.end} {times.time_zone}".replace(
        "  ", " "
    ).strip()


def _instruments(config: Config) -> RenderableType:
    right = ("tick", "lot", "multiplier")
    made = table("Instruments", "symbol", *right, "currency", "venues (primary first)", "trading session", right=right)
    for item in config.instruments:
        row(
            made,
            item.symbol,
            f"{item.tick_size:f}",
            f"{item.lot_size:f}",
            f"{item.multiplier:f}",
            item.currency,
            _venues_of(item),
            item.trading_session or "any time",
        )
    return made


def _venues_of(item: InstrumentConfig) -> str:
    primary = item.primary_venue or next(iter(item.venue_symbols))
    names = sorted(item.venue_symbols, key=lambda name: name != primary)
    return ", ".join(
        name if item.venue_symbols[name] == item.symbol else f"{name} as {item.venue_symbols[name]}" for name in names
    )


def _clients(config: Config) -> RenderableType:
    made = table("Clients", "client", "role", "accounts (default first)", "strategies", "when gone")
    for client in config.clients:
        accounts = ", ".join(client.accounts) or "-"
        if client.role != "trader":
            row(made, client.id, client.role, accounts, "-", "-")
            continue
        strategies = "any" if "*" in client.strategies else ", ".join(each or "none" for each in client.strategies)
        grace_s = client.cancel_on_disconnect_s
        gone = "orders stay" if grace_s is None else f"canceled after {grace_s:,} s"
        row(made, client.id, client.role, accounts, strategies, gone)
    return made


def _trading_sessions(config: Config, now_ns: int) -> RenderableType:
    made = table("Trading sessions", "session", "time zone", "open", "close", "days", "auctions", "now")
    for session in config.trading_sessions:
        calls = ", ".join(f"{each.begin} to {each.end}" for each in session.auctions) or "none"
        core, days = session.core(), " ".join(session.days)
        state = "auction" if core.in_auction(now_ns) else "open" if core.is_open(now_ns) else "closed"
        row(made, session.name, session.time_zone, session.open, session.close, days, calls, state)
    return made
