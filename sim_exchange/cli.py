"""The command line: serve, check-config, ledger, ctl."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvloop

from sim_exchange.config import Config, ConfigError, load
from sim_exchange.control import ControlClient, ControlError
from sim_exchange.ledger import LedgerDamaged, LedgerInUse, Received, Sent, read_executions, read_lines
from sim_exchange.server import Server

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A simulated exchange that speaks FIX.")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration file (TOML).")]


def main() -> None:
    """Entry point of the console script."""
    app()


@app.command()
def serve(
    config: ConfigOption, log_level: Annotated[str, typer.Option(help="Level of the log on stderr.")] = "INFO"
) -> None:
    """Run the venue until SIGINT, SIGTERM or a shutdown request."""
    _log_to_stderr(log_level)
    settings = _load(config)
    try:
        uvloop.run(_serve(settings))
    except (LedgerDamaged, LedgerInUse, OSError) as error:
        _fail(str(error))


async def _serve(config: Config) -> None:
    await Server(config).run()


@app.command()
def check_config(config: ConfigOption) -> None:
    """Read a configuration file and say what it holds or what is wrong with it."""
    settings = _load(config)
    typer.echo(
        f"{config}: {settings.venue.name}, {len(settings.session)} sessions, "
        f"{len(settings.instrument)} instruments, {len(settings.fault)} faults"
    )


@app.command()
def ledger(
    file: Annotated[Path, typer.Argument(help="A ledger.jsonl.")],
    messages: Annotated[bool, typer.Option("--messages", help="Show FIX messages instead of executions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the net executions of a ledger (busts taken out, corrections applied), or its messages."""
    try:
        rows = _messages(file) if messages else [msgspec.to_builtins(e) for e in read_executions(file)]
    except (LedgerDamaged, OSError) as error:
        _fail(str(error))
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        _print_table(rows)


@app.command()
def ctl(
    action: Annotated[str, typer.Argument(help="What to do, for instance orders, fill, halt.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="key=value; a value that is JSON is taken as such.")
    ] = None,
    control: Annotated[str, typer.Option(help="host:port or unix:PATH of the venue's control.")] = "127.0.0.1:9101",
) -> None:
    """Send one control request to a running venue and print its answer."""
    try:
        with ControlClient(control) as client:
            answer = client.request({"do": action} | dict(_argument(a) for a in arguments or []))
    except (OSError, ControlError) as error:
        _fail(f"{control}: {error}")
    typer.echo(json.dumps(answer, indent=2))
    if not answer.get("ok"):
        raise typer.Exit(1)


_WORDS = frozenset(("true", "false", "null"))
_NUMBERS = frozenset(
    (
        "count",
        "timeout_s",
        "nth",
        "every",
        "times",
        "delay_ms",
        "reason",
        "limit",
        "levels",
        "next_in",
        "next_out",
        "probability",
    )
)


def _argument(text: str) -> tuple[str, Any]:
    """key=value; quantities and prices stay strings, counts become numbers, objects and lists are JSON."""
    key, equals, value = text.partition("=")
    if not equals:
        _fail(f"{text}: expected key=value")
    if key in _NUMBERS or value in _WORDS or value[:1] in ("{", "["):
        try:
            return key, json.loads(value)
        except json.JSONDecodeError as error:
            _fail(f"{key}: {error}")
    return key, value


def _messages(file: Path) -> list[dict[str, Any]]:
    return [
        {
            "time": line.time,
            "direction": "in" if isinstance(line, Received) else "out",
            "session": line.session,
            "msg_seq_num": line.msg_seq_num,
            "msg_type": line.msg_type,
            "raw": line.raw.replace("\x01", "|"),
        }
        for line in read_lines(file)
        if isinstance(line, Received | Sent)
    ]


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415  # A venue starts without what draws tables.
    from rich.table import Table  # noqa: PLC0415

    # Wide enough for every column where nobody looks on a terminal; there, long values are cut.
    console = Console(width=None if sys.stdout.isatty() else 400)
    if not rows:
        console.print("nothing")
        return
    table = Table()
    columns = [key for key in rows[0] if key != "kind"]
    for column in columns:
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*("" if row.get(c) is None else str(row[c]) for c in columns))
    console.print(table)


def _load(path: Path) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    typer.echo(f"sim-exchange: {text}", err=True)
    raise typer.Exit(2)


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ level=%(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])


if __name__ == "__main__":
    main()
