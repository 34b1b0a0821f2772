"""`gateway journal`: look at a journal, running or not, without changing it: is it whole, and what happened."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gateway.adapters.journal import SqlJournal
from gateway.cli.configured import CONFIGURATION_WRONG, configuration
from gateway.cli.failing import failed
from gateway.cli.keep import kept_journal
from gateway.codec.journal import Verdict
from gateway.codec.words import describe
from gateway.config import sqlite_url
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, MassCancel, ReplaceOrder, RequestOrderStatus, SubmitOrder
from gateway.core.events import Record
from gateway.runtime.ports import JournalError

_NS = 1_000_000_000

app = typer.Typer(name="journal", help="Look at a journal, running or not, without changing it.", no_args_is_help=True)

JournalArgument = Annotated[
    str, typer.Argument(metavar="[JOURNAL]", help="The journal: a file or a SQLAlchemy URL.", show_default=False)
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Take the journal of this configuration file.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON.")]


@app.command("verify")
def verify_command(journal: JournalArgument = "", config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Prove that nothing in the journal was changed, dropped or moved. Exit code 0 when it is whole, 1 when not."""
    try:
        source = named_journal(journal, config)
        verdict = source.verify()
    except JournalError as error:
        raise failed(str(error)) from None
    print(_verdict_json(source.label, verdict) if as_json else _verdict_words(source.label, verdict))
    if verdict.damage is not None:
        raise typer.Exit(1)


@app.command()
def show(
    journal: JournalArgument = "",
    config: ConfigOption = None,
    order: Annotated[str, typer.Option("--order", help="Only the life of this order: its id, or any ClOrdID.")] = "",
    client: Annotated[str, typer.Option("--client", help="Whose ClOrdID it is, when several have it.")] = "",
    from_seq: Annotated[int, typer.Option("--from", min=1, help="The first seq to show.")] = 1,
    to_seq: Annotated[int | None, typer.Option("--to", min=1, help="The last seq to show.", show_default=False)] = None,
    tail: Annotated[
        int | None, typer.Option("--tail", min=1, help="Only the last so many.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what happened, one line an event. Exit code 1 when there is no such order, or the journal is damaged."""
    if to_seq is not None and to_seq < from_seq:
        raise failed(f"--to {to_seq} is before --from {from_seq}", CONFIGURATION_WRONG)
    out = _json_lines if as_json else _people_lines(naming_orders=not order)
    try:
        source = named_journal(journal, config)
        _refuse_beyond(source, from_seq)
        records = _life(source, order, client) if order else source.read(_first(source, from_seq, to_seq, tail))
        until = takewhile(lambda each: to_seq is None or each.seq <= to_seq, records)
        wanted = (record for record in until if record.seq >= from_seq)
        for record in deque(wanted, tail) if order and tail else wanted:
            out(record)
    except JournalError as error:
        raise failed(str(error)) from None


def _refuse_beyond(source: SqlJournal, from_seq: int) -> None:
    """Nothing shown would look like nothing that happened.

    Raises:
        JournalError: the journal ends before that seq.
    """
    if from_seq > 1 and from_seq > (last := source.last_seq()):
        raise JournalError(f"journal {source.label} ends at seq {last:,}, before --from {from_seq}")


def _first(source: SqlJournal, from_seq: int, to_seq: int | None, tail: int | None) -> int:
    """Where to begin to read, so that what is not wanted of a long journal is passed over."""
    if tail is None:
        return from_seq
    last = source.last_seq()
    return max(from_seq, (last if to_seq is None else min(to_seq, last)) - tail + 1)


def named_journal(journal: str, config: Path | None) -> SqlJournal:
    """The journal that is named, or that of a configuration with its archive."""
    if bool(journal) == (config is not None):
        raise failed("name the journal, or a configuration file with --config: one of the two", CONFIGURATION_WRONG)
    if config is None:
        return SqlJournal(journal if "://" in journal else sqlite_url(Path(journal).absolute()))
    return kept_journal(configuration(config))


# --- One order ------------------------------------------------------------------------------------


def _life(journal: SqlJournal, name: str, client: str) -> Iterator[Record]:
    """The records of the one order that is known as `name`, commands about it that were refused included.

    Raises:
        JournalError: no order is known by it, or orders of several clients are.
    """
    found = _find(journal.read(), name, client)
    clients = sorted(set(found.values()))
    if not found:
        whose = f" of client {client}" if client else ""
        raise JournalError(f"no order and no command{whose} in this journal is known as {name}")
    if len(clients) > 1:
        raise JournalError(f"clients {', '.join(clients)} each have an order {name}: say whose with --client")
    yield from _about(journal.read(), {order_id for order_id in found if order_id}, (clients[0], name))


def _find(records: Iterable[Record], name: str, client: str) -> dict[str, str]:
    """The orders known as `name`, as order_id to client; the order_id is empty when it is only known from a refusal."""
    found: dict[str, str] = {}
    for record in records:
        owner, names = _names(record.event)
        order_id = _order_id(record)
        if owner and name in {order_id, *names} and client in {"", owner}:
            found[order_id] = owner
    return found


def _about(records: Iterable[Record], order_ids: set[str], key: tuple[str, str]) -> Iterator[Record]:
    """The records of these orders, and the refusals of commands that name one of their ClOrdIDs."""
    keys = {key}
    for record in records:
        owner, names = _names(record.event)
        if _order_id(record) in order_ids:
            keys.update((owner, name) for name in names)
            yield record
        elif isinstance(record.event, ev.CommandRefused) and any((owner, name) in keys for name in names):
            yield record


def _order_id(record: Record) -> str:
    if record.order is not None:
        return record.order.order_id
    return getattr(record.event, "order_id", "")


def _names(event: ev.Event) -> tuple[str, tuple[str, ...]]:
    """Whose command an event is about, and the ClOrdIDs by which that command knows one order; both empty for
    others.
    """
    if not isinstance(event, ev.OrderSubmitted | ev.CancelRequested | ev.ReplaceRequested | ev.CommandRefused):
        return "", ()
    match event.command:
        case SubmitOrder() | MassCancel() as command:
            return command.client_id, (command.cl_ord_id,)
        case ReplaceOrder() | CancelOrder() as command:
            return command.client_id, (command.cl_ord_id, command.orig_cl_ord_id)
        case RequestOrderStatus() as command:
            return command.client_id, (command.orig_cl_ord_id,)
        case _:
            return "", ()


# --- Output ---------------------------------------------------------------------------------------


def _json_lines(record: Record) -> None:
    fields = msgspec.to_builtins(record, str_keys=True)
    sys.stdout.write(msgspec.json.encode({**fields, "words": describe(record)}).decode() + "\n")


def _people_lines(*, naming_orders: bool) -> Callable[[Record], None]:
    console = Console(highlight=False, soft_wrap=True)

    def out(record: Record) -> None:
        cause = record.cause
        whose = f"{_order_id(record)}  " if naming_orders and _order_id(record) else ""
        who = f"  [{f'{cause.kind} {cause.who}'.strip()}]"
        words = Text(describe(record), style=_style(record.event))
        console.print(Text.assemble((f"{record.seq:>7}  {_when(record.at_ns)}  ", "dim"), whose, words, (who, "dim")))

    return out


_BAD = (
    ev.CommandRefused
    | ev.OrderRejected
    | ev.OrderUnsent
    | ev.RequestRejected
    | ev.ExecutionBusted
    | ev.QuantityDisputed
    | ev.OrderOverfilled
    | ev.OrderInDoubt
    | ev.ReportSetAside
    | ev.MessageRefused
    | ev.InstrumentHalted
    | ev.SessionLoggedOut
)


def _style(event: ev.Event) -> str:
    if isinstance(event, ev.OrderFilled):
        return "green"
    return "red" if isinstance(event, _BAD) else ""


def _when(ns: int) -> str:
    """Local time with its offset, then UTC: '2026-01-01 10:30:00.123456+01:00 (09:30:00.123456Z)'."""
    seconds, rest = divmod(ns, _NS)
    utc = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)
    local = utc.astimezone().isoformat(" ", "microseconds")
    return f"{local} ({utc:%H:%M:%S.%f}Z)"


def _verdict_words(where: str, verdict: Verdict) -> str:
    good = f"{verdict.records} records in {verdict.batches} batches, epoch {verdict.epoch}"
    if verdict.first_ns is not None and verdict.last_ns is not None:
        good = f"{good}\n  first  {_when(verdict.first_ns)}\n  last   {_when(verdict.last_ns)}"
    if verdict.damage is None:
        return f"{where} is whole: {good}\n  hash   {verdict.head_hash.hex()}"
    return (
        f"{where} is DAMAGED at seq {verdict.damage.seq}: {verdict.damage.what}\n"
        f"Good before it: {good}\n"
        "A gateway does not start on it, or only from a snapshot that has all of the damage behind it. Keep the file "
        "and what lies beside it as evidence, and put back a copy that verifies."
    )


def _verdict_json(where: str, verdict: Verdict) -> str:
    fields = msgspec.structs.asdict(verdict)
    head = {"journal": where, "ok": verdict.damage is None}
    return msgspec.json.encode({**head, **fields, "head_hash": verdict.head_hash.hex()}).decode()
