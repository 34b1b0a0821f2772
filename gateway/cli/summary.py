"""What a configuration says, as tables for people. Shows no secret."""

from rich.console import RenderableType
from rich.table import Table

from gateway.cli.layout import apart, row, table
from gateway.config import Config, InstrumentConfig, VenueConfig


def summary(config: Config) -> RenderableType:
    """The whole configuration: the stack first, then venues, instruments, clients and trading sessions."""
    parts = [_stack(config), _venues(config), _instruments(config), _clients(config)]
    return apart(*parts, *([_trading_sessions(config)] if config.trading_sessions else []))


def _stack(config: Config) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    survives = {"power": "survives power loss", "process": "survives kill -9, may lose the last moments on power loss"}
    api, metrics, durability = config.api, config.metrics, config.journal.durability
    row(grid, "stack", config.stack)
    row(grid, "data", config.data_dir)
    row(grid, "journal", config.journal.url)
    row(grid, "durability", f"{durability} ({survives[durability]})")
    row(grid, "api", f"{api.host}:{api.port}" + (f", unix:{api.unix_socket}" if api.unix_socket else ""))
    row(grid, "metrics", f"http://{metrics.host}:{metrics.port}/metrics")
    row(grid, "log", f"{config.log.level}, {config.log.format}")
    return grid


def _venues(config: Config) -> RenderableType:
    columns = ("venue", "FIX", "address", "session", "heartbeat", "logon", "schedule")
    made = table("Venues", *columns, right=("heartbeat",), folds=("logon", "schedule"))
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
    return made


def _credentials(venue: VenueConfig) -> str:
    if not venue.username:
        return "no credentials"
    return f"{venue.username}, password {'set' if venue.password else 'not set'}"


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
    made = table("Clients", "client", "role", "accounts (default first)")
    for client in config.clients:
        row(made, client.id, client.role, ", ".join(client.accounts) or "-")
    return made


def _trading_sessions(config: Config) -> RenderableType:
    made = table("Trading sessions", "session", "time zone", "open", "close", "days")
    for session in config.trading_sessions:
        row(made, session.name, session.time_zone, session.open, session.close, " ".join(session.days))
    return made
