"""Between FIX messages and the venue's own structs, for FIX.4.2, FIX.4.4 and FIXT.1.1 with FIX.5.0SP2. Pure."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from sim_exchange.enums import ExecType, OrdStatus, OrdType, Side, TimeInForce
from sim_exchange.fix import Message, parse_utc, utc_timestamp
from sim_exchange.messages import (
    CancelReject,
    CancelRequest,
    MassCancelReport,
    MassCancelRequest,
    MassStatusRequest,
    NewOrder,
    ReplaceRequest,
    Reply,
    Report,
    Request,
    StatusRequest,
    Terms,
)

FIX42 = "FIX.4.2"
FIX44 = "FIX.4.4"
FIXT11 = "FIXT.1.1"

Fields = list[tuple[int, str]]
_DAY_NS = 86_400 * 1_000_000_000
_DECIMAL = re.compile(r"-?(\d{1,18}(\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_Kind = TypeVar("_Kind", bound=StrEnum)


class SessionReject(Exception):
    """Answer with Reject(3): SessionRejectReason(373) `reason` about field `tag`."""

    def __init__(self, tag: int | None, reason: int, text: str) -> None:
        super().__init__(text)
        self.tag, self.reason, self.text = tag, reason, text


class BusinessReject(Exception):
    """Answer with BusinessMessageReject(j): BusinessRejectReason(380) `reason`."""

    def __init__(self, reason: int, text: str, ref_id: str | None = None) -> None:
        super().__init__(text)
        self.reason, self.text, self.ref_id = reason, text, ref_id


# From FIX -----------------------------------------------------------------------------------------


def decode(begin_string: str, message: Message, required: Mapping[int, frozenset[str]]) -> Request:
    """Read an application message. `required` maps extra required tags to the types that must carry them.

    Raises SessionReject or BusinessReject with what to answer.
    """
    reader = _READERS.get(message.msg_type)
    too_new = begin_string == FIX42 and message.msg_type in ("AF", "q")
    if reader is None or too_new:
        raise BusinessReject(3, f"MsgType(35) {message.msg_type} is not supported")
    request = reader(message)
    for tag, msg_types in required.items():
        if message.msg_type in msg_types and message.get(tag) is None:
            raise BusinessReject(5, f"tag {tag} is required by this venue", message.get(11))
    return request


def _need(message: Message, tag: int) -> str:
    value = message.get(tag)
    if value is None:
        raise SessionReject(tag, 1, f"required tag {tag} is missing")
    return _once(message, tag, value)


def _maybe(message: Message, tag: int) -> str | None:
    value = message.get(tag)
    return None if value is None else _once(message, tag, value)


def _once(message: Message, tag: int, value: str) -> str:
    if tag in message.repeated:
        raise SessionReject(tag, 13, f"tag {tag} appears more than once")
    return value


def _decimal(message: Message, tag: int) -> Decimal | None:
    value = _maybe(message, tag)
    if value is None:
        return None
    if not _DECIMAL.fullmatch(value):
        raise SessionReject(tag, 6, f"tag {tag} is not a decimal number")
    return Decimal(value)


def _enum(kind: type[_Kind], message: Message, tag: int) -> _Kind:
    value = _need(message, tag)
    try:
        return kind(value)
    except ValueError:
        raise SessionReject(tag, 5, f"tag {tag} value {value} is not supported") from None


def _terms(message: Message) -> Terms:
    ord_type = _enum(OrdType, message, 40)
    price, stop_px = _decimal(message, 44), _decimal(message, 99)
    if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) and price is None:
        raise SessionReject(44, 1, "Price(44) is required for this OrdType(40)")
    if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) and stop_px is None:
        raise SessionReject(99, 1, "StopPx(99) is required for this OrdType(40)")
    tif = _enum(TimeInForce, message, 59) if message.get(59) else TimeInForce.DAY
    order_qty, cash = _decimal(message, 38), _decimal(message, 152)
    if order_qty is None and cash is None:
        raise SessionReject(38, 1, "OrderQty(38) or CashOrderQty(152) is required")
    expire_time, expire_date = _maybe(message, 126), _maybe(message, 432)
    return Terms(
        ord_type=ord_type,
        tif=tif,
        order_qty=order_qty or Decimal(0),
        cash_order_qty=cash,
        price=price if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else None,
        stop_px=stop_px if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) else None,
        max_floor=_decimal(message, 111),
        exec_inst=_maybe(message, 18),
        expire_time=expire_time,
        expire_date=expire_date,
        expires_ns=_expires_ns(tif, expire_time, expire_date),
    )


def _expires_ns(tif: TimeInForce, expire_time: str | None, expire_date: str | None) -> int:
    """When a GTD order ends: ExpireTime(126), or the end of ExpireDate(432) in UTC."""
    if tif is not TimeInForce.GTD:
        return 0
    try:
        if expire_time is not None:
            return parse_utc(expire_time)
        if expire_date is not None:
            return parse_utc(f"{expire_date}-00:00:00") + _DAY_NS
    except ValueError:
        raise SessionReject(126 if expire_time else 432, 6, "not a UTC time or date") from None
    raise SessionReject(126, 1, "GTD needs ExpireTime(126) or ExpireDate(432)")


def _when(message: Message) -> None:
    """TransactTime(60) must be there, and be a time; the venue makes no use of it."""
    try:
        parse_utc(_need(message, 60))
    except ValueError:
        raise SessionReject(60, 6, "TransactTime(60) is not a UTC time") from None


def _new_order(message: Message) -> NewOrder:
    _when(message)
    return NewOrder(
        cl_ord_id=_need(message, 11),
        symbol=_need(message, 55),
        side=_enum(Side, message, 54),
        terms=_terms(message),
        account=_maybe(message, 1),
        poss_resend=message.get(97) == "Y",
    )


def _cancel(message: Message) -> CancelRequest:
    symbol, side = _need(message, 55), _enum(Side, message, 54)
    _when(message)
    return CancelRequest(
        cl_ord_id=_need(message, 11),
        orig_cl_ord_id=_need(message, 41),
        symbol=symbol,
        side=side,
        order_id=_maybe(message, 37),
    )


def _replace(message: Message) -> ReplaceRequest:
    symbol, side = _need(message, 55), _enum(Side, message, 54)
    _when(message)
    return ReplaceRequest(
        cl_ord_id=_need(message, 11),
        orig_cl_ord_id=_need(message, 41),
        symbol=symbol,
        side=side,
        order_id=_maybe(message, 37),
        terms=_terms(message),
    )


def _status(message: Message) -> StatusRequest:
    cl_ord_id, order_id = _maybe(message, 11), _maybe(message, 37)
    if cl_ord_id is None and order_id is None:
        raise SessionReject(11, 1, "ClOrdID(11) or OrderID(37) is required")
    return StatusRequest(
        cl_ord_id=cl_ord_id,
        order_id=order_id,
        symbol=_maybe(message, 55) or "[N/A]",
        side=_enum(Side, message, 54) if message.get(54) else None,
        ord_status_req_id=_maybe(message, 790),
    )


def _mass_status(message: Message) -> MassStatusRequest:
    kind = _need(message, 585)
    if kind not in ("1", "7"):
        raise BusinessReject(0, "MassStatusReqType(585) must be 1 or 7", _need(message, 584))
    return MassStatusRequest(
        mass_status_req_id=_need(message, 584),
        symbol=_need(message, 55) if kind == "1" else None,
        side=_enum(Side, message, 54) if message.get(54) else None,
    )


def _mass_cancel(message: Message) -> MassCancelRequest:
    kind = _need(message, 530)
    _when(message)
    return MassCancelRequest(
        cl_ord_id=_need(message, 11),
        request_type=kind,
        symbol=_need(message, 55) if kind == "1" else None,
        side=_enum(Side, message, 54) if message.get(54) else None,
    )


_READERS: dict[str, Callable[[Message], Request]] = {
    "D": _new_order,
    "F": _cancel,
    "G": _replace,
    "H": _status,
    "AF": _mass_status,
    "q": _mass_cancel,
}


# To FIX -------------------------------------------------------------------------------------------


REPLY_TYPES: dict[type[Reply], str] = {Report: "8", CancelReject: "9", MassCancelReport: "r"}


def encode_reply(begin_string: str, reply: Reply, wall_ns: int) -> tuple[str, Fields]:
    """MsgType(35) and body fields of a reply; `tags` of the reply override fields and add what is not there."""
    if isinstance(reply, Report):
        fields = _report(begin_string, reply, wall_ns)
    elif isinstance(reply, CancelReject):
        fields = _cancel_reject(begin_string, reply, wall_ns)
    else:
        fields = _mass_cancel_report(begin_string, reply)
    return REPLY_TYPES[type(reply)], _override(fields, reply.tags)


def encode_business_reject(message: Message, reject: BusinessReject) -> Fields:
    """Body of a BusinessMessageReject(j) about `message`."""
    return _present(
        [
            (45, message.get(34)),
            (372, message.msg_type),
            (379, reject.ref_id),
            (380, str(reject.reason)),
            (58, reject.text),
        ]
    )


def _present(fields: list[tuple[int, str | None]]) -> Fields:
    return [(tag, value) for tag, value in fields if value is not None]


def _override(fields: Fields, tags: Mapping[str, str]) -> Fields:
    """An empty value takes a field out."""
    if not tags:
        return fields
    given = {int(tag): value for tag, value in tags.items()}
    kept = [(tag, given.pop(tag, value)) for tag, value in fields]
    return [(tag, value) for tag, value in kept + list(given.items()) if value]


def _num(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _status_char(begin_string: str, status: OrdStatus, was_replaced: bool) -> str:
    """FIX 4.2 calls a replaced order without executions Replaced(5); later versions call it New(0)."""
    return "5" if begin_string == FIX42 and was_replaced and status is OrdStatus.NEW else status.value


def _report(begin_string: str, r: Report, wall_ns: int) -> Fields:
    old = begin_string == FIX42
    status = _status_char(begin_string, r.ord_status, r.was_replaced)
    reason, restated = r.ord_rej_reason, r.restatement_reason
    if old:
        reason = 0 if reason is not None and reason > 8 else reason
        restated = None if restated is not None and restated > 5 else restated
    trans, exec_type = _exec_type_42(r, status) if old else (None, r.exec_type.value)
    return _present(
        [
            (37, r.order_id),
            (11, r.cl_ord_id),
            (41, r.orig_cl_ord_id),
            (790, None if old else r.ord_status_req_id),
            (584, r.mass_status_req_id),
            (911, None if r.tot_num_reports is None else str(r.tot_num_reports)),
            (912, "Y" if r.last_rpt_requested else "N" if r.mass_status_req_id else None),
            (17, r.exec_id),
            (19, r.exec_ref_id),
            (20, trans),
            (150, exec_type),
            (39, status),
            (103, None if reason is None else str(reason)),
            (378, None if restated is None else str(restated)),
            (1, r.account),
            (55, r.symbol),
            (54, r.side.value if r.side else "7"),
            *_terms_fields(r),
            (32, _num(r.last_qty)),
            (31, _num(r.last_px)),
            (151, _num(r.leaves_qty)),
            (14, _num(r.cum_qty)),
            (6, _num(r.avg_px)),
            (60, utc_timestamp(r.transact_ns or wall_ns)),
            (58, r.text),
            (797, "Y" if r.copied and not old else None),
        ]
    )


def _terms_fields(r: Report) -> list[tuple[int, str | None]]:
    t = r.terms
    if t is None:
        return []
    cash_only = not r.order_qty and t.cash_order_qty is not None
    return [
        (38, None if cash_only else _num(r.order_qty)),
        (152, _num(t.cash_order_qty)),
        (40, t.ord_type.value),
        (44, _num(t.price)),
        (99, _num(t.stop_px)),
        (59, t.tif.value),
        (126, t.expire_time),
        (432, t.expire_date),
        (18, t.exec_inst),
        (111, _num(t.max_floor)),
    ]


def _exec_type_42(r: Report, status: str) -> tuple[str, str]:
    """ExecTransType(20) and ExecType(150) of FIX 4.2: fills are 1 or 2, busts and corrections a transaction type."""
    if r.exec_type is ExecType.TRADE:
        # Also of an order that has ended: what is executed then leaves nothing, and has still not filled it.
        return "0", "1" if r.order_qty is not None and r.cum_qty < r.order_qty else "2"
    trans = {ExecType.TRADE_CANCEL: "1", ExecType.TRADE_CORRECT: "2", ExecType.ORDER_STATUS: "3"}.get(r.exec_type)
    return (trans, status) if trans else ("0", r.exec_type.value)


def _cancel_reject(begin_string: str, r: CancelReject, wall_ns: int) -> Fields:
    reason = 2 if begin_string == FIX42 and r.reason > 3 else r.reason
    return _present(
        [
            (37, r.order_id),
            (11, r.cl_ord_id),
            (41, r.orig_cl_ord_id),
            (39, _status_char(begin_string, r.ord_status, r.was_replaced)),
            (434, r.response_to),
            (102, str(reason)),
            (60, utc_timestamp(wall_ns)),
            (58, r.text),
        ]
    )


def _mass_cancel_report(begin_string: str, r: MassCancelReport) -> Fields:
    return _present(
        [
            (11, r.cl_ord_id),
            (37, r.order_id),
            (1369, r.order_id if begin_string == FIXT11 else None),
            (530, r.request_type),
            (531, r.response),
            (532, r.reason),
            (533, str(r.total_affected)),
            (58, r.text),
        ]
    )
