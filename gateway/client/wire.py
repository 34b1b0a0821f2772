"""Between the messages of proto/gateway/v1 and the client's own types."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from gateway.client.types import (
    CommandReply,
    Event,
    EventType,
    Execution,
    Order,
    OrderDetail,
    OrderRequest,
    Position,
)
from gateway.core.types import OrdStatus, OrdType, Side, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb

Number = Decimal | int | str
"""A price or quantity: exact. A float is refused, because it is not the number that was typed."""

_EXPECTED = {
    FieldDescriptor.CPPTYPE_STRING: "a text that UTF-8 can write",
    FieldDescriptor.CPPTYPE_BOOL: "True or False",
    FieldDescriptor.CPPTYPE_UINT64: "an int from 0 to 2**64 - 1",
    FieldDescriptor.CPPTYPE_INT64: "an int from -2**63 to 2**63 - 1",
}
_E = TypeVar("_E", bound=StrEnum)
_M = TypeVar("_M")
_P = ParamSpec("_P")


def _from_wire(enum: type[_E], wire: Any, prefix: str) -> dict[int, _E]:
    """The wire's numbers to ours, by name: ORD_STATUS_FILLED is OrdStatus.FILLED."""
    return {wire.Value(prefix + member.name): member for member in enum}


_SIDE = _from_wire(Side, pb.Side, "SIDE_")
_ORD_TYPE = _from_wire(OrdType, pb.OrdType, "ORD_TYPE_")
_TIME_IN_FORCE = _from_wire(TimeInForce, pb.TimeInForce, "TIME_IN_FORCE_")
_ORD_STATUS = _from_wire(OrdStatus, pb.OrdStatus, "ORD_STATUS_")
_EVENT_TYPE = {pb.EventType.Value(member.value): member for member in EventType}
_SIDE_TO_WIRE = {ours: wire for wire, ours in _SIDE.items()}
_ORD_TYPE_TO_WIRE = {ours: wire for wire, ours in _ORD_TYPE.items()}
_TIME_IN_FORCE_TO_WIRE = {ours: wire for wire, ours in _TIME_IN_FORCE.items()}
_ORD_STATUS_TO_WIRE = {ours: wire for wire, ours in _ORD_STATUS.items()}
_EVENT_TYPE_TO_WIRE = {ours: wire for wire, ours in _EVENT_TYPE.items()}


def built(kind: Callable[_P, _M], *given: _P.args, **fields: _P.kwargs) -> _M:
    """A message of these fields.

    Raises:
        TypeError, ValueError: a field cannot hold what was given. It is named; protobuf's own error does not name it.
    """
    try:
        return kind(*given, **fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            _check_field(kind, name, value)
        raise


def _check_field(kind: Any, name: str, value: Any) -> None:
    try:
        kind(**{name: value})
    except (TypeError, ValueError) as error:
        wanted = _EXPECTED[kind.DESCRIPTOR.fields_by_name[name].cpp_type]
        named = TypeError if isinstance(error, TypeError) else ValueError
        raise named(f"{name}: {wanted} is expected, not {value!r:.100}") from None


def number(value: Number, name: str) -> str:
    """The text of a price or quantity as it travels. The gateway, not the client, judges whether it is a good one.

    Raises:
        TypeError: a float, or something else that is not exact.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if type(value) is int:
        return str(value)
    kind = type(value).__name__
    raise TypeError(f"{name}: a Decimal, int or str is expected, not {kind} (prices and quantities are exact)")


def optional(value: Number | None, name: str) -> str | None:
    """As `number`; None stays None: the field is not given."""
    return None if value is None else number(value, name)


def _to_wire(value: _E, name: str, enum: type[_E], known: dict[_E, int]) -> Any:
    found = known.get(value)
    if found is None:
        members = ", ".join(member.name for member in enum)
        raise TypeError(f"{name}: {value!r} is no {enum.__name__}; one of {enum.__name__}'s {members} is expected")
    return found


def side_to_wire(side: Side | None) -> Any:
    """None is "any side".

    Raises:
        TypeError: it is no Side. Likewise below.
    """
    return pb.SIDE_UNSPECIFIED if side is None else _to_wire(side, "side", Side, _SIDE_TO_WIRE)


def ord_type_to_wire(ord_type: OrdType) -> Any:
    return _to_wire(ord_type, "ord_type", OrdType, _ORD_TYPE_TO_WIRE)


def time_in_force_to_wire(time_in_force: TimeInForce | None) -> Any:
    """None is DAY on a new order and "as it is" on a replace."""
    if time_in_force is None:
        return pb.TIME_IN_FORCE_UNSPECIFIED
    return _to_wire(time_in_force, "time_in_force", TimeInForce, _TIME_IN_FORCE_TO_WIRE)


def ord_status_to_wire(ord_status: OrdStatus) -> Any:
    return _to_wire(ord_status, "ord_status", OrdStatus, _ORD_STATUS_TO_WIRE)


def event_type_to_wire(event_type: EventType) -> Any:
    return _to_wire(event_type, "types", EventType, _EVENT_TYPE_TO_WIRE)


def order(message: pb.Order) -> Order:
    """An order, its terms flattened into it."""
    terms = message.terms
    return Order(
        order_id=message.order_id,
        client_id=message.client_id,
        cl_ord_id=message.cl_ord_id,
        symbol=message.symbol,
        venue=message.venue,
        side=_SIDE[message.side],
        ord_type=_ORD_TYPE[message.ord_type],
        ord_status=_ORD_STATUS[message.ord_status],
        order_qty=Decimal(terms.order_qty),
        cum_qty=Decimal(message.cum_qty),
        leaves_qty=Decimal(message.leaves_qty),
        avg_px=Decimal(message.avg_px),
        time_in_force=_TIME_IN_FORCE.get(terms.time_in_force, TimeInForce.DAY),
        price=Decimal(terms.price) if terms.HasField("price") else None,
        stop_px=Decimal(terms.stop_px) if terms.HasField("stop_px") else None,
        expire_time_ns=terms.expire_time_ns if terms.HasField("expire_time_ns") else None,
        max_floor=Decimal(terms.max_floor) if terms.HasField("max_floor") else None,
        account=message.account,
        strategy=message.strategy,
        exec_inst=message.exec_inst,
        venue_order_id=message.venue_order_id,
        pending=tuple(message.pending),
        in_doubt=message.in_doubt,
        cash_order_qty=Decimal(terms.cash_order_qty) if terms.HasField("cash_order_qty") else None,
    )


def event(message: pb.Event) -> Event:
    return Event(
        seq=message.seq,
        time_ns=message.time_ns,
        type=_EVENT_TYPE.get(message.type, EventType.UNSPECIFIED),
        order=order(message.order) if message.HasField("order") else None,
        cl_ord_id=message.cl_ord_id,
        exec_id=message.exec_id,
        exec_ref_id=message.exec_ref_id,
        last_qty=Decimal(message.last_qty) if message.last_qty else None,
        last_px=Decimal(message.last_px) if message.last_px else None,
        trade_date=message.trade_date,
        transact_time_ns=message.transact_time_ns,
        reason=message.reason,
        text=message.text,
        venue=message.venue,
        symbol=message.symbol,
        field=message.field,
        scope=message.scope,
        source=message.source,
        reason_tag=message.reason_tag,
        complete=message.complete if message.HasField("complete") else None,
    )


def reply(message: pb.CommandReply) -> CommandReply:
    return CommandReply(message.cl_ord_id, message.order_id, message.seq, message.repeated, message.requested)


def execution(message: pb.Execution) -> Execution:
    return Execution(
        exec_id=message.exec_id,
        trade_date=message.trade_date,
        last_qty=Decimal(message.last_qty),
        last_px=Decimal(message.last_px),
        exec_ref_id=message.exec_ref_id,
        in_force=message.in_force,
        time_ns=message.time_ns,
        kind=message.kind,
        factor=Decimal(message.factor or 1),
    )


def detail(message: pb.GetOrderResponse) -> OrderDetail:
    requests = (
        OrderRequest(r.cl_ord_id, r.venue_cl_ord_id, r.kind, r.state, r.in_doubt, r.text) for r in message.requests
    )
    return OrderDetail(
        order=order(message.order),
        executions=tuple(map(execution, message.executions)),
        requests=tuple(requests),
        as_of_seq=message.as_of_seq,
        executions_total=message.executions_total,
    )


def position(message: pb.Position) -> Position:
    return Position(
        account=message.account,
        strategy=message.strategy,
        symbol=message.symbol,
        currency=message.currency,
        net_qty=Decimal(message.net_qty),
        avg_entry_px=Decimal(message.avg_entry_px),
        realized_pnl=Decimal(message.realized_pnl),
        multiplier=Decimal(message.multiplier),
        bought_qty=Decimal(message.bought_qty),
        sold_qty=Decimal(message.sold_qty),
    )
