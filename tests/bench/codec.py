"""The codecs alone: how long a message takes each way, beside other FIX libraries: `python -m tests.bench.codec`.

FIX out is a NewOrderSingle(35=D) with the same fields from the same record, FIX in an ExecutionReport(35=8) of which
the same fields are read, the numbers as decimals. What they do beside that differs: the gateway checks every value and
makes a typed fact; simplefix, asyncfix and QuickFIX write BodyLength(9) and CheckSum(10), asyncfix the session's fields
too. `gateway, by QuickFIX` is the gateway's way in production, where QuickFIX frames what goes out and checks what
comes in. Protobuf and the journal's records are the gateway's alone.

asyncfix is not among the project's dependencies; without it its rows are left out:

    pip install --target build/asyncfix asyncfix==1.0.1
    PYTHONPATH=build/asyncfix python -m tests.bench.codec
"""

import argparse
import gc
import importlib
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from statistics import median
from typing import Any, TypeVar

import msgspec
import quickfix as fix
import simplefix
from rich.console import Console
from rich.table import Table

from gateway.codec import journal
from gateway.codec.fix import FIX44, decode
from gateway.codec.fix.times import utc_timestamp
from gateway.codec.proto import commands
from gateway.codec.proto.events import event_to_pb
from gateway.codec.proto.wire import framed
from gateway.core.events import OrderRouted, Record
from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.stages import ACCOUNT, CLIENT, DIALECT, ENCODER, Core, Life

LIVES = 500
"""So many different messages of each kind: none finds its own values in a cache."""
MESSAGES_PER_SLICE = 100
GATEWAY = "gateway"

_TEXTS = (11, 17, 37, 39, 54, 55, 60, 150)
_NUMBERS = (6, 14, 31, 32, 38, 44, 151)
_PARSER = simplefix.FixParser()

T = TypeVar("T")
Fields = list[tuple[int, str]]


class Slices(msgspec.Struct):
    """Microseconds of processor time for a message: the median of the slices, and the fastest and slowest of them."""

    us: float
    low: float
    high: float


# --- FIX out: from a record to the text of a message ---


def gateway_out(record: Record) -> str:
    return ENCODER.encode(record)


def gateway_quickfix_out(record: Record) -> str:
    return fix.Message(ENCODER.encode(record), False).toString()


def simplefix_out(record: Record) -> bytes:
    message = simplefix.FixMessage()
    message.append_pair(8, FIX44)
    message.append_pair(35, "D")
    for tag, text in _order(record):
        message.append_pair(tag, text)
    return message.encode()  # type: ignore[no-any-return]


def quickfix_out(record: Record) -> str:
    message = fix.Message()
    header = message.getHeader()
    header.setField(8, FIX44)
    header.setField(35, "D")
    for tag, text in _order(record):
        message.setField(tag, text)
    return message.toString()


def _order(record: Record) -> Fields:
    event, order = record.event, record.order
    assert isinstance(event, OrderRouted)
    assert order is not None
    return [
        (11, event.venue_cl_ord_id),
        (1, order.account),
        (21, "1"),
        (55, order.venue_symbol),
        (54, order.side.value),
        (60, utc_timestamp(record.at_ns)),
        (38, f"{order.terms.order_qty:f}"),
        (40, order.ord_type.value),
        (59, order.terms.time_in_force.value),
        (44, f"{order.terms.price:f}"),
    ]


# --- FIX in: from the text of a message to its values ---


def gateway_in(raw: str) -> object:
    return decode(raw, DIALECT)


def gateway_quickfix_in(raw: str) -> object:
    return decode(fix.Message(raw, False).toString(), DIALECT)


def simplefix_in(raw: str) -> list[object]:
    _PARSER.append_buffer(raw)
    message = _PARSER.get_message()
    return _values(lambda tag: message.get(tag).decode())


def quickfix_in(raw: str) -> list[object]:
    return _values(fix.Message(raw, False).getField)


def _values(get: Callable[[int], str]) -> list[object]:
    return [*[get(tag) for tag in _TEXTS], *[Decimal(get(tag)) for tag in _NUMBERS]]


def asyncfix_codec() -> tuple[Callable[[Record], object], Callable[[str], object]] | None:
    """Out and in by asyncfix; None when it is not installed."""
    if importlib.util.find_spec("asyncfix") is None:
        return None
    asyncfix: Any = importlib.import_module("asyncfix")
    protocol = importlib.import_module("asyncfix.protocol").FIXProtocol44()
    codec = importlib.import_module("asyncfix.codec").Codec(protocol)
    session = importlib.import_module("asyncfix.session").FIXSession(1, "XSIM", "GATEWAY")
    session.next_num_out = 1

    def out(record: Record) -> object:
        return codec.encode(asyncfix.FIXMessage("D", dict(_order(record))), session)

    def read(raw: str) -> object:
        message, _, _ = codec.decode(raw.encode())
        return _values(message.get)

    return out, read


# --- Protobuf and the journal ---


def _command_in(data: bytes) -> object:
    return commands.command(pb.TradeRequest.FromString(data).commands[0], CLIENT, ACCOUNT)


def _event_out(record: Record) -> bytes:
    return framed(event_to_pb(record))


def _seal(records: list[Record]) -> journal.Batch:
    return journal.seal(journal.Link(records[0].seq - 1), 1, records)


def _unseal(batch: journal.Batch) -> object:
    return journal.unseal_told(journal.Link(batch.first_seq - 1), batch)


# --- Measuring ---


def lives(count: int = LIVES) -> list[Life]:
    """So many orders, each with its messages."""
    core = Core(100)
    return [core.live(lambda _, work: work()) for _ in range(count)]


def contests(made: Sequence[Life]) -> dict[str, dict[str, Callable[[int], object]]]:
    """What is measured: by its name, then by who does it, one message by its number."""
    routed = [life.submitted[-1] for life in made]
    fills = [life.fill for life in made]
    batches = [_seal(life.submitted) for life in made]
    out: dict[str, Callable[[Record], object]] = {
        GATEWAY: gateway_out,
        "gateway, by QuickFIX": gateway_quickfix_out,
        "simplefix": simplefix_out,
        "QuickFIX": quickfix_out,
    }
    read: dict[str, Callable[[str], object]] = {
        GATEWAY: gateway_in,
        "gateway, by QuickFIX": gateway_quickfix_in,
        "simplefix": simplefix_in,
        "QuickFIX": quickfix_in,
    }
    if (asyncfix := asyncfix_codec()) is not None:
        out["asyncfix"], read["asyncfix"] = asyncfix
    return {
        "NewOrderSingle out": {who: _each(work, routed) for who, work in out.items()},
        "ExecutionReport in": {who: _each(work, fills) for who, work in read.items()},
        "command in (protobuf)": {GATEWAY: _each(_command_in, [life.request for life in made])},
        "event out (protobuf)": {GATEWAY: _each(_event_out, [life.filled[0] for life in made])},
        "two records sealed": {GATEWAY: _each(_seal, [life.submitted for life in made])},
        "two records read": {GATEWAY: _each(_unseal, batches)},
    }


def _each(work: Callable[[T], object], given: Sequence[T]) -> Callable[[int], object]:
    return lambda number: work(given[number % len(given)])


def measure(seconds: float = 3.0) -> dict[str, dict[str, Slices]]:
    """Time each in turns, for so long in all: at least three slices each."""
    asked = contests(lives())
    taken: dict[tuple[str, str], list[float]] = {(name, who): [] for name in asked for who in asked[name]}
    gc.collect()
    gc.disable()
    end, turn = time.monotonic() + seconds, 0
    while turn < 3 or time.monotonic() < end:
        for (name, who), slices in taken.items():
            slices.append(_slice_us(asked[name][who], turn))
        turn += 1
    gc.enable()
    return {name: {who: _said(taken[name, who]) for who in asked[name]} for name in asked}


def _slice_us(work: Callable[[int], object], turn: int) -> float:
    first = turn * MESSAGES_PER_SLICE
    began = time.process_time_ns()
    for number in range(first, first + MESSAGES_PER_SLICE):
        work(number)
    return (time.process_time_ns() - began) / MESSAGES_PER_SLICE / 1_000


def _said(slices: list[float]) -> Slices:
    return Slices(round(median(slices), 2), round(min(slices), 2), round(max(slices), 2))


def table(measured: dict[str, dict[str, Slices]]) -> Table:
    """What people read; the ratio says how many times as long as the gateway's codec each takes."""
    made = Table(title="Codecs, processor time for each message")
    for column in ("what", "by", "us", "range", "ratio"):
        made.add_column(column, no_wrap=True, justify="left" if column in ("what", "by") else "right")
    for name, by in measured.items():
        for who, each in by.items():
            ratio = "" if len(by) == 1 else f"{each.us / by[GATEWAY].us:.2f}"
            made.add_row(name, who, f"{each.us:.1f}", f"{each.low:.1f} - {each.high:.1f}", ratio)
    return made


def main() -> None:
    """Measure, print a table, and the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    measured = measure(parser.parse_args().seconds)
    Console().print(table(measured))
    if importlib.util.find_spec("asyncfix") is None:
        print("asyncfix is not installed; `python -m tests.bench.codec --help` says how.")
    print(json.dumps(msgspec.to_builtins(measured)))


if __name__ == "__main__":
    main()
