"""Rows of the projections as tables for people. Times are UTC; numbers have thousands apart and every digit."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.text import Text

from gateway.cli.layout import Columns, row, table
from gateway.cli.tables import age, clock, counts, ord_status
from gateway.pb.v1 import gateway_pb2 as pb

Row = dict[str, Any]

_NS = 1_000_000_000
_SEVERITIES = {"critical": "bold white on red", "warning": "yellow", "info": "dim"}
_GOOD, _BAD = ("SessionLoggedOn", "OrderEntryOpened", "ReconciliationEnded"), ("SessionLoggedOut",)


def orders(rows: Sequence[Row], more: bool, now_ns: int) -> Columns:
    """Orders, one line each, with when they came and when something last happened to them."""
    right = ("quantity", "price", "done", "leaves", "average")
    left = (
        "submitted",
        "last event",
        "order",
        "client",
        "ClOrdID",
        "account",
        "symbol",
        "venue",
        "side",
        "type",
        "TIF",
    )
    spare = ("TIF", "account", "client", "last event", "type", "leaves", "venue", "average", "ClOrdID", "submitted")
    made = table(_title("Orders", rows, more), *left, *right, "status", right=right, spare=spare)
    for each in rows:
        row(
            made,
            clock(each["submitted_ns"], now_ns),
            clock(each["updated_ns"], now_ns),
            each["order_id"],
            each["client_id"],
            each["cl_ord_id"],
            each["account"],
            Text(each["symbol"], "bold"),
            each["venue"],
            _side(each["side"]),
            each["ord_type"],
            each["time_in_force"],
            _number(each["order_qty"]),
            _prices(each),
            _number(each["cum_qty"]),
            _number(each["leaves_qty"]),
            _number(each["avg_px"]) if each["cum_qty"] else "",
            _status(each),
        )
    return made


def executions(rows: Sequence[Row], more: bool, now_ns: int) -> Columns:
    """Executions as they were traded; what does not count (busted, or corrected since) is dim, what counts as another
    quantity since a split says so.
    """
    right = ("seq", "quantity", "price")
    left = ("time", "seq", "order", "client", "ClOrdID", "account", "symbol", "venue", "side", "what")
    spare = ("trade date", "client", "account", "ClOrdID", "refers to", "venue", "seq", "order", "time")
    tail = ("quantity", "price", "ExecID", "refers to", "trade date", "counts")
    made = table(_title("Executions", rows, more), *left, *tail, right=right, spare=spare)
    for each in rows:
        row(
            made,
            clock(each["time_ns"], now_ns),
            str(each["seq"]),
            each["order_id"],
            each["client_id"],
            each["cl_ord_id"],
            each["account"],
            Text(each["symbol"], "bold"),
            each["venue"],
            _side(each["side"]),
            Text(each["kind"], "" if each["kind"] == "fill" else "magenta"),
            _number(each["last_qty"]) if each["last_qty"] else "",
            _number(each["last_px"]) if each["last_qty"] else "",
            each["exec_id"],
            each["exec_ref_id"],
            each["trade_date"],
            counts(each["last_qty"], each["factor"], in_force=each["in_force"]),
        )
    return made


def positions(rows: Sequence[Row], more: bool, _now_ns: int) -> Columns:
    """Positions; a short one is red, and so is a loss."""
    right = ("net", "average entry", "realised P&L", "bought", "sold", "multiplier")
    spare = ("multiplier", "sold", "bought", "currency")
    made = table(
        _title("Positions", rows, more), "account", "strategy", "symbol", *right, "currency", right=right, spare=spare
    )
    for each in rows:
        row(
            made,
            each["account"],
            each["strategy"],
            Text(each["symbol"], "bold"),
            _signed(each["net_qty"]),
            _number(each["avg_entry_px"]),
            _signed(each["realized_pnl"]),
            _number(each["bought_qty"]),
            _number(each["sold_qty"]),
            _number(each["multiplier"]),
            each["currency"],
        )
    return made


def sessions(rows: Sequence[Row], more: bool, now_ns: int) -> Columns:
    """What happened to sessions, in words."""
    made = table(
        _title("Session events", rows, more),
        *("time", "seq", "venue", "event", "what", "by"),
        right=("seq",),
        spare=("event", "seq", "by"),
        folds=("what",),
    )
    for each in rows:
        style = "green" if each["event"] in _GOOD else "red" if each["event"] in _BAD else "yellow"
        row(
            made,
            clock(each["time_ns"], now_ns),
            str(each["seq"]),
            Text(each["venue"], "bold"),
            Text(each["event"], style),
            each["text"],
            each["cause"],
        )
    return made


def items(rows: Sequence[Row], more: bool, now_ns: int) -> Columns:
    """Reconciliation items; how long an open one has been open is counted until now."""
    made = table(
        _title("Items", rows, more),
        *("raised", "item", "severity", "open for", "venue", "kind", "order", "ours", "theirs", "what", "resolved"),
        right=("open for", "ours", "theirs"),
        spare=("ours", "theirs", "kind", "raised"),
        folds=("what", "resolved"),
    )
    for each in rows:
        done = each["resolved_ns"]
        who = f" ({each['operator']})" if each["operator"] else ""
        row(
            made,
            clock(each["raised_ns"], now_ns),
            each["item_id"],
            Text(each["severity"], _SEVERITIES.get(each["severity"], "")),
            age(each["raised_ns"], now_ns if done is None else done),
            Text(each["venue"], "bold"),
            each["kind"],
            each["order_id"] or each["venue_order_id"],
            each["ours"],
            each["theirs"],
            each["text"],
            Text("open", "bold red") if done is None else f"{clock(done, now_ns)} {each['resolution']}{who}",
        )
    return made


TABLES: dict[str, Callable[[Sequence[Row], bool, int], Columns]] = {
    "orders": orders,
    "executions": executions,
    "positions": positions,
    "sessions": sessions,
    "items": items,
}


def utc(at_ns: int) -> str:
    """UTC with milliseconds."""
    if not at_ns:
        return "before the first event"
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%d %H:%M:%S}.{at_ns % _NS // 1_000_000:03d} UTC"


def _title(name: str, rows: Sequence[Row], more: bool) -> str:
    return f"{name}, the newest {len(rows):,} (--limit for more)" if more else name


def _number(value: Decimal) -> str:
    return f"{value:,f}"


def _signed(value: Decimal) -> Text:
    return Text(_number(value), "red" if value < 0 else "")


def _prices(order: Row) -> str:
    price = "market" if order["price"] is None else _number(order["price"])
    return price if order["stop_px"] is None else f"{price} @{_number(order['stop_px'])}"


def _side(name: str) -> Text:
    short = {"SELL_SHORT": "SHORT", "SELL_SHORT_EXEMPT": "EXEMPT"}.get(name, name)
    return Text(short, "green" if name == "BUY" else "red")


def _status(order: Row) -> Text:
    text = ord_status(pb.OrdStatus.Value(f"ORD_STATUS_{order['ord_status']}"))
    if order["in_doubt"]:
        text.append(" IN DOUBT", "bold white on red")
    return text
