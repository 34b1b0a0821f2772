"""FIX to facts: what a venue's message says, in FIX 4.4 terms whatever version it came in.

`decode` never raises: what cannot be understood becomes an `UnexpectedMessage` that says why, beside the answer that
FIX asks for.
"""

import msgspec

from gateway.codec.fix import fields as f
from gateway.codec.fix.dialect import FIX42, Dialect
from gateway.codec.fix.fields import FieldError, Fields
from gateway.core.money import ZERO
from gateway.core.reports import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    ReportFact,
    UnexpectedMessage,
)
from gateway.core.types import CxlRejResponseTo, ExecType, OrdStatus, Side

_RAW_SHOWN = 4_096

_SIDES = {side.value: side for side in Side}
_RESPONSES = {each.value: each for each in CxlRejResponseTo}
_EXEC_TYPES = {each.value: each for each in ExecType}
# Partial fill and fill, before FIX 4.3; some venues say so still.
_EXEC_TYPES |= {"1": ExecType.TRADE, "2": ExecType.TRADE}
# Triggered by the system (FIX 5.0): a stop order is live. It says how the order stands, and no more.
_EXEC_TYPES |= {"L": ExecType.ORDER_STATUS}
# ExecTransType(20) of FIX 4.2 overrules ExecType(150), unless it says New (0).
_EXEC_TRANS_TYPES = {
    "0": None,
    "1": ExecType.TRADE_CANCEL,
    "2": ExecType.TRADE_CORRECT,
    "3": ExecType.ORDER_STATUS,
}
_ORD_STATUSES: dict[str, OrdStatus | None] = {each.value: each for each in OrdStatus}
_EXECUTIONS = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)
# OrigClOrdID of each order that a mass cancel affects (NoAffectedOrders(534)): it is not read.
_IN_GROUPS = {"r": ("41",)}


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """One message understood. `msg_seq_num` is MsgSeqNum(34), None when the message has none that can be read.

    `reject_reason` is BusinessRejectReason(380) when the venue is to be answered with BusinessMessageReject(35=j), and
    `ref_id` its BusinessRejectRefID(379); None when there is nothing to answer.
    """

    msg_seq_num: int | None
    poss_dup: bool
    fact: ReportFact
    reject_reason: int | None = None
    ref_id: str = ""


def decode(raw: str, dialect: Dialect) -> Decoded:
    """What the message `raw` (with SOH, as received) says. Never raises."""
    fields, broken = f.parse(raw)
    seq, poss_dup = f.whole(fields.get("34", "")), fields.get("43") == "Y"
    msg_type = fields.get("35", "")
    try:
        return Decoded(seq, poss_dup, _fact(msg_type, fields, dialect, poss_dup, broken))
    except FieldError as error:
        fact = UnexpectedMessage(dialect.venue, shown(msg_type[:32]), error.problem, shown(raw))
        # A reject is never answered with a reject: two engines that do not understand each other would go on for ever.
        answer = None if msg_type in ("3", "j") else error.reason
        return Decoded(seq, poss_dup, fact, answer, shown(fields.get("17", "")))


def _fact(msg_type: str, fields: Fields, dialect: Dialect, poss_dup: bool, broken: str) -> ReportFact:
    if broken:
        raise FieldError(broken)
    f.check(fields, _IN_GROUPS.get(msg_type, ()))
    if msg_type == "8":
        return _execution_report(fields, dialect, poss_dup)
    if msg_type == "9":
        return _cancel_reject(fields, dialect, poss_dup)
    if msg_type == "r":
        return _mass_cancel_report(fields, dialect)
    if msg_type == "3":
        return _session_reject(fields, dialect)
    if msg_type == "j":
        return _business_reject(fields, dialect)
    if not msg_type:
        raise FieldError("MsgType(35) is missing")
    raise FieldError(f"MsgType(35)={shown(msg_type[:32])} is not supported", f.UNSUPPORTED_MESSAGE_TYPE)


def _execution_report(fields: Fields, dialect: Dialect, poss_dup: bool) -> ExecutionReport:
    exec_type = _exec_type(fields, dialect)
    cum_qty, leaves_qty = f.number(fields, "14"), f.readable_number(fields, "151")
    transact_time_ns = f.time_ns(fields, "60")
    report = ExecutionReport(
        venue=dialect.venue,
        exec_type=exec_type,
        ord_status=_ord_status(fields, f.required(fields, "39")),
        exec_id=_exec_id(fields, exec_type),
        exec_ref_id=fields.get("19", ""),
        cl_ord_id=fields.get("11", ""),
        orig_cl_ord_id=fields.get("41", ""),
        venue_order_id=fields.get("37", ""),
        venue_symbol=fields.get("55", ""),
        side=_side(fields, exec_type),
        account=dialect.our_account(fields.get("1", "")),
        order_qty=f.number(fields, "38"),
        cash_order_qty=f.number(fields, "152"),
        price=f.number(fields, "44"),
        stop_px=f.number(fields, "99"),
        last_qty=f.number(fields, "32"),
        last_px=f.number(fields, "31"),
        cum_qty=cum_qty,
        leaves_qty=leaves_qty,
        avg_px=f.readable_number(fields, "6"),
        ord_rej_reason=fields.get("103", ""),
        exec_restatement_reason=fields.get("378", ""),
        text=f.free_text(fields),
        trade_date=f.date(fields, "75") or (fields["60"][:8] if transact_time_ns is not None else ""),
        transact_time_ns=transact_time_ns,
        poss_dup=poss_dup,
        poss_resend=fields.get("97") == "Y",
        mass_status_req_id=fields.get("584", ""),
        tot_num_reports=f.whole(fields.get("911", "")),
        last_rpt_requested=fields.get("912") == "Y",
    )
    _check_quantities(report)
    if exec_type in _EXECUTIONS:
        _check_execution(report)
    return report


def _exec_id(fields: Fields, exec_type: ExecType) -> str:
    """ExecID(17). "Will be 0 (zero) for ExecTransType(20)=3 (Status)" in FIX 4.2, and at some venues wherever there is
    no execution: then it names nothing, and the next such report is another one.
    """
    exec_id = fields.get("17", "")
    return "" if exec_id == "0" and exec_type not in _EXECUTIONS else exec_id


def _side(fields: Fields, exec_type: ExecType) -> Side | None:
    """Side(54) of an order of ours. A status reply may also be about one that is not, with a side that we never send,
    or about no order at all, where Side is 7 (undisclosed) because the field has to be there.
    """
    if exec_type is ExecType.ORDER_STATUS:
        return _SIDES.get(fields.get("54", ""))
    return f.choice(fields, "54", _SIDES)


def _exec_type(fields: Fields, dialect: Dialect) -> ExecType:
    if dialect.begin_string == FIX42:
        overruled = f.required_choice(fields, "20", _EXEC_TRANS_TYPES)
        if overruled is not None:
            return overruled
    return f.required_choice(fields, "150", _EXEC_TYPES)


def _ord_status(fields: Fields, value: str) -> OrdStatus:
    """OrdStatus(39). Replaced (5), which ended with FIX 4.3, tells of an event: the quantities tell the status."""
    status = _ORD_STATUSES.get(value)
    if status is not None:
        return status
    if value != "5":
        raise FieldError(f"OrdStatus(39)={value[:20]} is not known")
    if not f.number(fields, "14"):
        return OrdStatus.NEW
    return OrdStatus.PARTIALLY_FILLED if f.number(fields, "151") != ZERO else OrdStatus.FILLED


def _check_quantities(report: ExecutionReport) -> None:
    for name, value in (
        ("OrderQty(38)", report.order_qty),
        ("CashOrderQty(152)", report.cash_order_qty),
        ("LastQty(32)", report.last_qty),
        ("CumQty(14)", report.cum_qty),
    ):
        if value is not None and value < ZERO:
            raise FieldError(f"{name} is negative: {value}")


def _check_execution(report: ExecutionReport) -> None:
    """What the ledger cannot do without."""
    if not report.exec_id:
        raise FieldError("ExecID(17) is missing", f.CONDITIONALLY_REQUIRED_FIELD_MISSING)
    if report.exec_type is not ExecType.TRADE and not report.exec_ref_id:
        raise FieldError("ExecRefID(19) is missing", f.CONDITIONALLY_REQUIRED_FIELD_MISSING)
    if report.exec_type is ExecType.TRADE_CANCEL:
        return
    if report.last_qty is None:
        raise FieldError("LastQty(32) is missing", f.CONDITIONALLY_REQUIRED_FIELD_MISSING)
    if not report.last_qty:
        raise FieldError("LastQty(32) of an execution is zero")
    if report.last_px is None:
        raise FieldError("LastPx(31) is missing", f.CONDITIONALLY_REQUIRED_FIELD_MISSING)


def _cancel_reject(fields: Fields, dialect: Dialect, poss_dup: bool) -> OrderCancelReject:
    ord_status = fields.get("39", "")
    return OrderCancelReject(
        venue=dialect.venue,
        cl_ord_id=f.required(fields, "11"),
        orig_cl_ord_id=fields.get("41", ""),
        ord_status=_ord_status(fields, ord_status) if ord_status else None,
        cxl_rej_response_to=f.choice(fields, "434", _RESPONSES) or CxlRejResponseTo.CANCEL,
        cxl_rej_reason=fields.get("102", ""),
        venue_order_id=fields.get("37", ""),
        text=f.free_text(fields),
        poss_dup=poss_dup,
    )


def _mass_cancel_report(fields: Fields, dialect: Dialect) -> MassCancelReport:
    return MassCancelReport(
        dialect.venue,
        fields.get("11", ""),
        f.required(fields, "531") != "0",
        f.whole(fields.get("533", "")),
        fields.get("532", ""),
        f.free_text(fields),
    )


def _session_reject(fields: Fields, dialect: Dialect) -> MessageRejected:
    tag = fields.get("371", "")
    return _message_rejected(fields, dialect, 373, more_text=f" (tag {tag})" if tag else "")


def _business_reject(fields: Fields, dialect: Dialect) -> MessageRejected:
    return _message_rejected(fields, dialect, 380, ref_cl_ord_id=fields.get("379", ""))


def _message_rejected(
    fields: Fields, dialect: Dialect, reason_tag: int, *, more_text: str = "", ref_cl_ord_id: str = ""
) -> MessageRejected:
    return MessageRejected(
        venue=dialect.venue,
        ref_msg_type=fields.get("372", ""),
        ref_cl_ord_id=ref_cl_ord_id,
        ref_seq_num=f.whole(fields.get("45", "")),
        reject_reason=fields.get(str(reason_tag), ""),
        text=f.free_text(fields) + more_text,
        reason_tag=reason_tag,
    )


def shown(raw: str) -> str:
    """A message as people read it: its beginning, SOH as "|", and nothing that a database or a terminal could not
    take.
    """
    readable = raw[:_RAW_SHOWN].replace(f.SOH, "|")
    if readable.isascii() and readable.isprintable():
        return readable
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "?" for c in readable)
