"""`gatewayctl query`: listings of all that ever happened, from the projections. Needs no running gateway.

Exit codes: 0 done, 1 there are no projections or they cannot be read, 2 the command line or the configuration is wrong.
"""

import inspect
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.adapters.projections.wanted import Wanted
from gateway.cli.ctl_command import USAGE, fail, refuse_no_text
from gateway.core.types import OrdStatus

_NS = 1_000_000_000
_LATEST_NS = (1 << 63) - 1
"""What a database can compare with; nothing ever happened beyond it."""

app = typer.Typer(help="History from the projections, whether a gateway runs or not.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="GATEWAY_CONFIG", help="Of this configuration file.", show_default=False),
]
Database = Annotated[str, typer.Option("--database", help="Or in this database: a file or a SQLAlchemy URL.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]
Csv = Annotated[bool, typer.Option("--csv", help="For spreadsheets: CSV with every column.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most so many, the newest.")]
Since = Annotated[str, typer.Option(help="From this time on: 2026-01-31, 2026-01-31T09:30 (UTC), or 90m, 12h, 7d ago.")]
Until = Annotated[str, typer.Option(help="Until before this time, written in the same way.")]
Order = Annotated[str, typer.Option("--order", help="Only of this order: its id, or any ClOrdID of its chain.")]
Client = Annotated[str, typer.Option(help="Only this client's.")]
Account = Annotated[str, typer.Option(help="Only this account.")]
Strategy = Annotated[str, typer.Option(help="Only this strategy.")]
Symbol = Annotated[str, typer.Option(help="Only this symbol.")]
Venue = Annotated[str, typer.Option(help="Only this venue.")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="Only with this status; may be given again.")]

_COMMON = (
    Parameter("limit", Parameter.KEYWORD_ONLY, default=100, annotation=Limit),
    Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile),
    Parameter("database", Parameter.KEYWORD_ONLY, default="", annotation=Database),
    Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Json),
    Parameter("as_csv", Parameter.KEYWORD_ONLY, default=False, annotation=Csv),
)


def _query(run: Callable[..., Wanted]) -> None:
    """Make a function that says which rows are wanted into a command, with the options that all of them have."""
    name = run.__name__

    def wrapper(*, limit: int, config: Path | None, database: str, as_json: bool, as_csv: bool, **given: Any) -> None:
        refuse_no_text({"database": database, **given})
        wanted = run(**given)
        wanted = Wanted(
            {key: value for key, value in wanted.columns.items() if value},
            wanted.order,
            wanted.since_ns,
            wanted.until_ns,
            wanted.status,
            limit,
        )
        from gateway.cli.query_answer import show  # noqa: PLC0415  # Brings the database with it, which nothing else here needs.

        show(name, wanted, config, database, as_json=as_json, as_csv=as_csv)

    own = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in inspect.signature(run).parameters.values()]
    wrapper.__signature__ = inspect.Signature([*own, *_COMMON])  # type: ignore[attr-defined]
    wrapper.__doc__ = run.__doc__
    app.command(name)(wrapper)


@_query
def orders(
    client: Client = "",
    account: Account = "",
    strategy: Strategy = "",
    symbol: Symbol = "",
    venue: Venue = "",
    order: Order = "",
    since: Since = "",
    until: Until = "",
    status: Statuses = None,
) -> Wanted:
    """Orders as they were last seen, also those that ended long ago; with --since and --until those that lived then."""
    columns = {"client_id": client, "account": account, "strategy": strategy, "symbol": symbol, "venue": venue}
    return Wanted(columns, order, _time(since), _time(until), _ord_status(status or ()))


@_query
def executions(
    client: Client = "",
    account: Account = "",
    strategy: Strategy = "",
    symbol: Symbol = "",
    venue: Venue = "",
    order: Order = "",
    since: Since = "",
    until: Until = "",
) -> Wanted:
    """Fills, corrections and busts, and which of them count."""
    columns = {"client_id": client, "account": account, "strategy": strategy, "symbol": symbol, "venue": venue}
    return Wanted(columns, order, _time(since), _time(until))


@_query
def positions(account: Account = "", strategy: Strategy = "", symbol: Symbol = "") -> Wanted:
    """Positions per account, strategy and instrument."""
    return Wanted({"account": account, "strategy": strategy, "symbol": symbol})


@_query
def sessions(venue: Venue = "", since: Since = "", until: Until = "") -> Wanted:
    """What happened to FIX sessions: logons, logouts, what operators did, reconciliations, starts of the gateway."""
    return Wanted({"venue": venue}, since_ns=_time(since), until_ns=_time(until))


@_query
def items(
    venue: Venue = "", order: Order = "", since: Since = "", until: Until = "", status: Statuses = None
) -> Wanted:
    """Reconciliation items, open and resolved; with --since and --until those that were open then."""
    for each in status or ():
        if each not in {"open", "resolved"}:
            fail(f"an item is open or resolved, not {each}", USAGE)
    return Wanted({"venue": venue}, order, _time(since), _time(until), tuple(status or ()))


# --- What is asked for ------------------------------------------------------------------------------------------------


def _time(text: str) -> int | None:
    """Nanoseconds of a time as people write it; one that is far away, such as 9999-12-31, is as far as there is."""
    return None if not text else min(max(_ns(text), -_LATEST_NS), _LATEST_NS)


def _ns(text: str) -> int:
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if ago:
        return time.time_ns() - int(ago[1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[ago[2]] * _NS
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text} is no time: write 2026-01-31, 2026-01-31T09:30 (UTC), or 90m, 12h, 7d for so long ago", USAGE)
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _NS + since.microseconds * 1_000


def _ord_status(names: Sequence[str]) -> tuple[str, ...]:
    wanted = tuple(name.upper().replace("-", "_") for name in names)
    for name in wanted:
        if name not in OrdStatus.__members__:
            fail(f"there is no OrdStatus {name}; there are: {', '.join(OrdStatus.__members__).lower()}", USAGE)
    return wanted
