"""What differs and what is in doubt, as tables for people."""

from collections.abc import Iterable

from rich.text import Text

from gateway.cli.layout import Columns, row, table
from gateway.cli.tables import age, clock, number, ord_status, side, status
from gateway.pb.v1 import gateway_pb2 as pb

_SEVERITIES = {"CRITICAL": "bold white on red", "WARNING": "yellow", "INFO": "dim"}


def items(messages: Iterable[pb.Item], now_ns: int, title: str = "Items") -> Columns:
    """Reconciliation items, oldest first."""
    columns = ("item", "severity", "age", "venue", "kind", "order", "ours", "theirs", "what")
    made = table(
        title, *columns, right=("age", "ours", "theirs"), folds=("what",), spare=("ours", "theirs", "venue", "kind")
    )
    for item in messages:
        name = pb.Severity.Name(item.severity).removeprefix("SEVERITY_")
        row(
            made,
            item.item_id,
            Text(name, _SEVERITIES.get(name, "")),
            age(item.raised_ns, now_ns),
            Text(item.venue, "bold"),
            item.kind,
            item.order_id or item.venue_order_id,
            item.ours,
            item.theirs,
            item.text,
        )
    return made


def in_doubt(messages: Iterable[pb.DoubtfulRequest], now_ns: int, title: str = "In doubt") -> Columns:
    """Requests in doubt, oldest first."""
    columns = (
        "order",
        "client",
        "ClOrdID",
        "at the venue",
        "kind",
        "sent",
        "age",
        "venue",
        "symbol",
        "side",
        "quantity",
    )
    made = table(
        title,
        *columns,
        "status",
        right=("age", "quantity"),
        spare=("sent", "at the venue", "client", "side", "quantity", "symbol"),
    )
    for request in messages:
        order = request.order
        row(
            made,
            order.order_id,
            order.client_id,
            request.cl_ord_id,
            request.venue_cl_ord_id,
            request.kind,
            clock(request.sent_ns, now_ns),
            age(request.sent_ns, now_ns),
            Text(order.venue, "bold"),
            order.symbol,
            side(order.side),
            number(order.terms.order_qty),
            status(order),
        )
    return made


def external_orders(messages: Iterable[pb.ExternalOrder], now_ns: int) -> Columns:
    """Orders at venues that we never sent."""
    columns = (
        "venue",
        "OrderID",
        "ClOrdID",
        "symbol",
        "side",
        "quantity",
        "price",
        "done",
        "account",
        "status",
        "known for",
    )
    made = table(
        "External orders", *columns, right=("quantity", "price", "done", "known for"), spare=("account", "ClOrdID")
    )
    for order in messages:
        row(
            made,
            Text(order.venue, "bold"),
            order.venue_order_id,
            order.venue_cl_ord_id,
            order.venue_symbol,
            side(order.side) if order.side else "",
            number(order.order_qty),
            number(order.price),
            number(order.cum_qty),
            order.account,
            ord_status(order.ord_status),
            age(order.first_ns, now_ns),
        )
    return made
