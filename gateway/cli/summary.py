"""What a configuration says, as tables for people. Shows no secret."""

from rich.console import RenderableType
from rich.table import Table

from gateway.cli.layout import apart, row, table
from gateway.cli.risk_summary import risk_summary
from gateway.config import Config, InstrumentConfig, VenueConfig
from gateway.config.sections import DropCopyConfig
from gateway.config.values import without_password


def summary(config: Config) -> RenderableType:
    """The whole configuration: the stack first, then venues, instruments, clients, trading sessions and risk."""
    parts = [_stack(config), _venues(config), _reconciliation(config), _instruments(config), _clients(config)]
    sessions = [_trading_sessions(config)] if config.trading_sessions else []
    return apart(*parts, *sessions, *risk_summary(config))


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


def _trading_sessions(config: Config) -> RenderableType:
    made = table("Trading sessions", "session", "time zone", "open", "close", "days")
    for session in config.trading_sessions:
        row(made, session.name, session.time_zone, session.open, session.close, " ".join(session.days))
    return made
