"""The answers of `gatewayctl query`: rows of the projections as tables, JSON or CSV, and how fresh they are."""

import contextlib
import csv
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.adapters.projections.reading import LISTS, History, Listing
from gateway.adapters.projections.wanted import Wanted
from gateway.cli.configured import configuration
from gateway.cli.ctl_command import USAGE, fail
from gateway.cli.keep import kept_journal
from gateway.cli.layout import output
from gateway.cli.query_tables import TABLES, utc
from gateway.config import Config, sqlite_url
from gateway.runtime.follower import ProjectionsError
from gateway.runtime.ports import JournalError

FAILED = 1


def show(name: str, wanted: Wanted, path: Path | None, database: str, *, as_json: bool, as_csv: bool) -> None:
    """Look it up and print it."""
    config = _configuration(path, database)
    url = config.projections.url if config is not None else database
    if not url:
        fail(f"{path} has no projections: [projections] url is empty", FAILED)
    url = url if "://" in url else sqlite_url(Path(url).absolute())
    try:
        listing = History(url).list(name, wanted)
    except ProjectionsError as error:
        fail(str(error), FAILED)
    behind = _behind(config, listing)
    if as_csv:
        _print_csv(name, listing, behind)
    elif as_json:
        print(json.dumps(_document(name, listing, behind), indent=2, ensure_ascii=False))
    else:
        _print_tables(name, listing, behind)


def _configuration(path: Path | None, database: str) -> Config | None:
    if database:
        return None
    if path is None:
        fail("say where: --config FILE, or --database FILE or URL", USAGE)
    return configuration(path)


def _behind(config: Config | None, listing: Listing) -> int | None:
    """How many events of the journal the rows do not tell yet; None when that is not known."""
    if config is None:
        return None
    with contextlib.suppress(JournalError):
        return max(0, kept_journal(config).last_seq() - listing.seq)
    return None


def _print_tables(name: str, listing: Listing, behind: int | None) -> None:
    console = output()
    console.print(TABLES[name](listing.rows, listing.more, time.time_ns()))
    console.print(_freshness(listing, behind))


def _freshness(listing: Listing, behind: int | None) -> Text:
    told = Text.assemble(("as of ", "dim"), f"seq {listing.seq:,}", (f", {utc(listing.time_ns)}", "dim"))
    if behind:
        told.append(f"; {behind:,} events behind the journal", "yellow")
    elif behind == 0:
        told.append("; the journal's end", "dim")
    return told


def _document(name: str, listing: Listing, behind: int | None) -> dict[str, Any]:
    return {
        "as_of_seq": listing.seq,
        "as_of_ns": listing.time_ns,
        "behind": behind,
        "more": listing.more,
        name: [{key: _plain(value) for key, value in row.items()} for row in listing.rows],
    }


def _print_csv(name: str, listing: Listing, behind: int | None) -> None:
    """Headings, also above no rows; what a spreadsheet has no place for is said on standard error."""
    writer = csv.writer(sys.stdout)
    writer.writerow(LISTS[name].columns.keys())
    for row in listing.rows:
        writer.writerow("" if value is None else _plain(value) for value in row.values())
    beside = Console(stderr=True, highlight=False, soft_wrap=True)
    if listing.more:
        beside.print(Text(f"only the newest {len(listing.rows):,} rows; there are more: --limit", "bold yellow"))
    beside.print(_freshness(listing, behind))


def _plain(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value
