"""From records to rows. Pure: what a record says is all that its rows need."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.codec.words import describe
from gateway.core import events as ev
from gateway.core.events import OrderView, Record
from gateway.core.executions import execution
from gateway.core.positions import Position, PositionKey

Row = dict[str, Any]

_EXECUTED = (ev.OrderFilled, ev.ExecutionCorrected, ev.ExecutionBusted)
_OF_SESSIONS = (
    ev.SessionLoggedOn,
    ev.SessionLoggedOut,
    ev.SessionAdministered,
    ev.EpochBegan,
    ev.ReconciliationStarted,
    ev.ReconciliationEnded,
    ev.OrderEntryOpened,
)


class Rows(msgspec.Struct):
    """What some records in a row make of the tables.

    `orders` are the newest rows of orders by order_id; those in `submitted` are new. `factors` are what corporate
    actions made of the executions before them: (seq, factor) by order_id. `moved` are the positions that changed.
    """

    submitted: dict[str, Row] = {}
    orders: dict[str, Row] = {}
    executions: list[Row] = []
    factors: dict[str, list[tuple[int, Decimal]]] = {}
    requests: list[Row] = []
    moved: dict[PositionKey, None] = {}
    session_events: list[Row] = []
    raised: dict[str, Row] = {}
    resolved: list[Row] = []


def rows_of(records: Sequence[Record]) -> Rows:
    """The rows of these records."""
    rows = Rows()
    newest: dict[str, tuple[Record, OrderView]] = {}
    for record in records:
        if record.order is not None:
            newest[record.order.order_id] = (record, record.order)
            _order(rows, record, record.order)
        _event(rows, record)
    for order_id, (record, order) in newest.items():
        rows.orders[order_id] = order_row(order) | {"updated_ns": record.at_ns, "updated_seq": record.seq}
    return rows


def _order(rows: Rows, record: Record, order: OrderView) -> None:
    match record.event:
        case ev.OrderSubmitted() as event:
            rows.submitted[order.order_id] = {
                "currency": event.currency,
                "multiplier": event.multiplier,
                "submitted_ns": record.at_ns,
                "submitted_seq": record.seq,
            }
        case ev.OrderFilled() | ev.ExecutionCorrected() | ev.ExecutionBusted() as event:
            rows.executions.append(_execution(record, event, order))
        case ev.OrderRestated() as event if event.factor != 1:
            rows.factors.setdefault(order.order_id, []).append((record.seq, event.factor))
        case ev.OrderRouted() as event:
            rows.requests.append(_request(record, event, order.client_id, "new", order.cl_ord_id))
        case ev.CancelRequested() as event:
            rows.requests.append(_request(record, event, order.client_id, "cancel", event.cl_ord_id))
        case ev.ReplaceRequested() as event:
            rows.requests.append(_request(record, event, order.client_id, "replace", event.cl_ord_id))
    if isinstance(record.event, (*_EXECUTED, ev.OrderRestated)):
        rows.moved[PositionKey(order.account, order.strategy, order.symbol)] = None


def _event(rows: Rows, record: Record) -> None:
    match record.event:
        case ev.ItemRaised() as event:
            raised = msgspec.structs.asdict(event) | {"kind": event.kind.value, "severity": event.severity.value}
            rows.raised[event.item_id] = raised | {"raised_ns": record.at_ns, "raised_seq": record.seq}
        case ev.ItemResolved() as event:
            rows.resolved.append(
                {
                    "of": event.item_id,
                    "resolution": event.text,
                    "operator": event.operator,
                    "resolved_ns": record.at_ns,
                    "resolved_seq": record.seq,
                }
            )
        case event if isinstance(event, _OF_SESSIONS):
            rows.session_events.append(_session_event(record, event))


def order_row(order: OrderView) -> Row:
    """The order as its owner saw it, but for when it came."""
    terms = order.terms
    return {
        "order_id": order.order_id,
        "client_id": order.client_id,
        "cl_ord_id": order.cl_ord_id,
        "account": order.account,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "venue": order.venue,
        "venue_symbol": order.venue_symbol,
        "side": order.side.name,
        "ord_type": order.ord_type.name,
        "time_in_force": terms.time_in_force.name,
        "order_qty": terms.order_qty,
        "cash_order_qty": terms.cash_order_qty,
        "price": terms.price,
        "stop_px": terms.stop_px,
        "max_floor": terms.max_floor,
        "expire_time_ns": terms.expire_time_ns,
        "exec_inst": order.exec_inst,
        "ord_status": order.ord_status.name,
        "cum_qty": order.cum_qty,
        "leaves_qty": order.leaves_qty,
        "avg_px": order.avg_px,
        "pending": " ".join(order.pending),
        "in_doubt": order.in_doubt,
        "venue_order_id": order.venue_order_id,
    }


def _execution(
    record: Record, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted, order: OrderView
) -> Row:
    line = execution(event, record.at_ns)
    return {
        "seq": record.seq,
        "time_ns": line.time_ns,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "cl_ord_id": order.cl_ord_id,
        "account": order.account,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "venue": order.venue,
        "side": order.side.name,
        "kind": line.kind,
        "exec_id": line.exec_id,
        "exec_ref_id": line.exec_ref_id,
        "trade_date": line.trade_date,
        "last_qty": line.last_qty,
        "last_px": line.last_px,
        "factor": line.factor,
        "in_force": line.in_force,
        "venue_order_id": event.venue_order_id,
        "transact_time_ns": event.transact_time_ns,
        "msg_seq_num": record.cause.msg_seq_num,
        "text": event.text,
    }


def _request(
    record: Record,
    event: ev.OrderRouted | ev.CancelRequested | ev.ReplaceRequested,
    client_id: str,
    kind: str,
    cl_ord_id: str,
) -> Row:
    terms = event.terms if isinstance(event, ev.ReplaceRequested) else None
    return {
        "venue_cl_ord_id": event.venue_cl_ord_id,
        "orig_venue_cl_ord_id": "" if isinstance(event, ev.OrderRouted) else event.orig_venue_cl_ord_id,
        "order_id": event.order_id,
        "client_id": client_id,
        "cl_ord_id": cl_ord_id,
        "venue": event.venue,
        "kind": kind,
        "order_qty": terms and terms.order_qty,
        "price": terms and terms.price,
        "stop_px": terms and terms.stop_px,
        "sent_ns": record.at_ns,
        "sent_seq": record.seq,
    }


def _session_event(record: Record, event: ev.Event) -> Row:
    return {
        "seq": record.seq,
        "time_ns": record.at_ns,
        "venue": getattr(event, "venue", ""),
        "event": type(event).__name__,
        "cause": f"{record.cause.kind} {record.cause.who}".strip(),
        "text": describe(record),
        "msg_seq_num": record.cause.msg_seq_num,
    }


def position_row(position: Position) -> Row:
    """A position as it stands."""
    return {
        "account": position.account,
        "strategy": position.strategy,
        "symbol": position.symbol,
        "currency": position.currency,
        "multiplier": position.multiplier,
        "net_qty": position.net_qty,
        "avg_entry_px": position.avg_entry_px,
        "cost": position.cost,
        "realized_pnl": position.realized_pnl,
        "bought_qty": position.bought_qty,
        "sold_qty": position.sold_qty,
    }
