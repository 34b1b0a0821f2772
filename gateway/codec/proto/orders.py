"""Orders, executions and positions as the API shows them."""

from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from gateway.codec.proto import enums
from gateway.core.events import OrderView, Terms
from gateway.core.executions import Execution
from gateway.core.money import plain
from gateway.core.order import Order, Request, view
from gateway.core.positions import Position
from gateway.pb.v1 import gateway_pb2 as pb

EXECUTIONS_SHOWN = 10_000
"""The newest executions of an order that one answer carries (rule 7). The event stream has them all."""

_KEPT_NUMBERS = 65_536


@lru_cache(maxsize=_KEPT_NUMBERS)
def decimal_text(value: Decimal) -> str:
    """The number in its one spelling: "10", never "1E+1" or "10.00"."""
    return format(plain(value), "f")


def terms_to_pb(terms: Terms) -> pb.Terms:
    """What a replace can change."""
    return pb.Terms(
        order_qty=decimal_text(terms.order_qty),
        time_in_force=enums.TIME_IN_FORCE_TO_PB[terms.time_in_force],  # type: ignore[arg-type]  # The stub wants the enum's own type.
        price=_optional(terms.price),
        stop_px=_optional(terms.stop_px),
        expire_time_ns=terms.expire_time_ns,
        max_floor=_optional(terms.max_floor),
        cash_order_qty=_optional(terms.cash_order_qty),
    )


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def order_to_pb(order: OrderView) -> pb.Order:
    """An order as its owner sees it."""
    message = pb.Order()
    write_order(message, order)
    return message


def write_order(message: pb.Order, order: OrderView) -> None:
    """Write into an empty message an order as its owner sees it."""
    message.MergeFromString(_lasting(order))
    message.ord_status = enums.ORD_STATUS_TO_PB[order.ord_status]  # type: ignore[assignment]  # As above.
    message.cum_qty = decimal_text(order.cum_qty)
    message.leaves_qty = decimal_text(order.leaves_qty)
    message.avg_px = decimal_text(order.avg_px)
    message.venue_order_id = order.venue_order_id
    message.in_doubt = order.in_doubt
    if order.pending:
        message.pending.extend(order.pending)


_lasts: OrderedDict[str, tuple[Terms, tuple[str, ...], bytes]] = OrderedDict()
_ORDERS_KEPT = 16_384


def _lasting(order: OrderView) -> bytes:
    """What stays the same from one event of an order to the next, encoded once; the oldest are forgotten first."""
    names = (
        order.client_id,
        order.cl_ord_id,
        order.symbol,
        order.venue,
        order.side,
        order.ord_type,
        order.account,
        order.strategy,
        order.exec_inst,
    )
    kept = _lasts.get(order.order_id)
    if kept is not None and kept[0] is order.terms and kept[1] == names:
        return kept[2]
    encoded = pb.Order(
        order_id=order.order_id,
        client_id=order.client_id,
        cl_ord_id=order.cl_ord_id,
        symbol=order.symbol,
        venue=order.venue,
        side=enums.SIDE_TO_PB[order.side],  # type: ignore[arg-type]  # As above.
        ord_type=enums.ORD_TYPE_TO_PB[order.ord_type],  # type: ignore[arg-type]  # As above.
        terms=terms_to_pb(order.terms),
        account=order.account,
        strategy=order.strategy,
        exec_inst=order.exec_inst,
    ).SerializeToString()
    _lasts[order.order_id] = order.terms, names, encoded
    if len(_lasts) > _ORDERS_KEPT:
        _lasts.popitem(last=False)
    return encoded


def whole_order_to_pb(order: Order, as_of_seq: int) -> pb.GetOrderResponse:
    """An order with its executions and its chain of requests."""
    found = order_and_requests_to_pb(order, as_of_seq)
    found.executions.extend(map(execution_to_pb, executions_shown(order)))
    return found


def order_and_requests_to_pb(order: Order, as_of_seq: int) -> pb.GetOrderResponse:
    """The same without the executions, of which there may be many."""
    return pb.GetOrderResponse(
        order=order_to_pb(view(order)),
        requests=[_request_to_pb(request) for request in order.requests.values()],
        as_of_seq=as_of_seq,
        executions_total=len(order.executions),
    )


def executions_shown(order: Order) -> Sequence[Execution]:
    """The newest."""
    return order.executions[-EXECUTIONS_SHOWN:]


def execution_to_pb(line: Execution) -> pb.Execution:
    """A line of an order's ledger."""
    return pb.Execution(
        exec_id=line.exec_id,
        trade_date=line.trade_date,
        last_qty=decimal_text(line.last_qty),
        last_px=decimal_text(line.last_px),
        exec_ref_id=line.exec_ref_id,
        in_force=line.in_force and line.kind != "bust",
        time_ns=line.time_ns,
        kind=line.kind,
        factor=decimal_text(line.factor),
    )


def _request_to_pb(request: Request) -> pb.OrderRequest:
    return pb.OrderRequest(
        cl_ord_id=request.cl_ord_id,
        venue_cl_ord_id=request.venue_cl_ord_id,
        kind=request.kind,
        state=request.state,
        in_doubt=request.in_doubt,
        text=request.text,
    )


def position_to_pb(position: Position) -> pb.Position:
    """A position; quantities signed, money in its currency."""
    return pb.Position(
        account=position.account,
        strategy=position.strategy,
        symbol=position.symbol,
        currency=position.currency,
        net_qty=decimal_text(position.net_qty),
        avg_entry_px=decimal_text(position.avg_entry_px),
        realized_pnl=decimal_text(position.realized_pnl),
        multiplier=decimal_text(position.multiplier),
        bought_qty=decimal_text(position.bought_qty),
        sold_qty=decimal_text(position.sold_qty),
    )
