"""A venue's side of the codec, written for the tests alone: reports as the three versions put them on the wire."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.codec.fix import FIX42, FIX44, FIX50SP2, Dialect
from gateway.core.reports import ExecutionReport
from gateway.core.types import ExecType, OrdStatus

VERSIONS = [FIX42, FIX44, FIX50SP2]


def dialect(begin_string: str = FIX44, **changes: Any) -> Dialect:
    base: dict[str, Any] = {
        "venue": "XSIM",
        "begin_string": begin_string,
        "symbols": {"ACME": "ACM.N"},
        "accounts": {"house": "H-001"},
    }
    return Dialect(**(base | changes))


def wire(pieces: list[tuple[str, str]]) -> str:
    return "".join(f"{tag}={value}\x01" for tag, value in pieces)


def parse(text: str) -> dict[str, str]:
    """The simplest parser there is; a repeated tag is an error."""
    fields: dict[str, str] = {}
    for piece in text.split("\x01")[:-1]:
        tag, value = piece.split("=", 1)
        assert tag not in fields, f"{tag} twice"
        fields[tag] = value
    assert text.endswith("\x01")
    return fields


def utc(ns: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)
    return moment.strftime("%Y%m%d-%H:%M:%S.%f")


def encode_report(report: ExecutionReport, begin_string: str, seq: int = 7) -> str:
    """The whole message, header and trailer included."""
    pieces = [("8", begin_string), ("9", "1"), ("35", "8"), ("34", str(seq)), ("49", "VENUE"), ("56", "GW")]
    if report.poss_dup:
        pieces.append(("43", "Y"))
    if report.poss_resend:
        pieces.append(("97", "Y"))
    pieces += _types(report, begin_string)
    said: list[tuple[str, object]] = [
        ("17", report.exec_id), ("19", report.exec_ref_id), ("11", report.cl_ord_id), ("41", report.orig_cl_ord_id),
        ("37", report.venue_order_id), ("55", report.venue_symbol), ("54", report.side), ("38", report.order_qty),
        ("152", report.cash_order_qty), ("44", report.price), ("99", report.stop_px), ("32", report.last_qty),
        ("31", report.last_px), ("14", report.cum_qty), ("151", report.leaves_qty), ("6", report.avg_px),
        ("103", report.ord_rej_reason), ("378", report.exec_restatement_reason), ("58", report.text),
        ("75", report.trade_date), ("1", {"house": "H-001"}.get(report.account, report.account)),
    ]  # fmt: skip
    for tag, value in said:
        if value not in (None, ""):
            pieces.append((tag, f"{value:f}" if isinstance(value, Decimal) else str(value)))
    if report.transact_time_ns is not None:
        pieces.append(("60", utc(report.transact_time_ns)))
    return wire([*pieces, ("10", "000")])


def _types(report: ExecutionReport, begin_string: str) -> list[tuple[str, str]]:
    status = ("39", report.ord_status.value)
    if begin_string != FIX42:
        return [("150", report.exec_type.value), status]
    kinds = {ExecType.TRADE_CANCEL: "1", ExecType.TRADE_CORRECT: "2", ExecType.ORDER_STATUS: "3"}
    exec_type = report.exec_type.value
    if report.exec_type is ExecType.TRADE:
        exec_type = "2" if report.ord_status is OrdStatus.FILLED else "1"
    elif report.exec_type in kinds:
        exec_type = "0"
    return [("20", kinds.get(report.exec_type, "0")), ("150", exec_type), status]
