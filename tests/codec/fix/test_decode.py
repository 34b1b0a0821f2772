"""Venues' messages to facts: the same fact from every version, and no input that could hurt."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.fix import FIX42, FIX44, FIX50SP2, decode
from gateway.core.order import ord_status
from gateway.core.reports import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    UnexpectedMessage,
)
from gateway.core.types import CxlRejResponseTo, ExecType, OrdStatus, Side
from tests.codec.fix.reports import VERSIONS, dialect, encode_report, wire
from tests.core.world import World

ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
maybe_ids = st.just("") | ids
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
quantities = st.decimals(0, 10**12, places=4).map(lambda value: value.normalize() + 0)
prices = st.decimals(-(10**9), 10**9, places=8)
executions = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


@st.composite
def reports(draw: st.DrawFn) -> ExecutionReport:
    exec_type = draw(st.sampled_from(ExecType))
    executes = exec_type in executions
    maybe_qty, maybe_px = st.none() | quantities, st.none() | prices
    at_ns = draw(st.none() | st.integers(0, 4_000_000_000_000_000).map(lambda us: us * 1_000))
    return ExecutionReport(
        venue="XSIM",
        exec_type=exec_type,
        ord_status=draw(st.sampled_from(OrdStatus)),
        exec_id=draw(ids if executes else maybe_ids.filter(lambda each: each != "0")),
        exec_ref_id=draw(ids if executes and exec_type is not ExecType.TRADE else maybe_ids),
        cl_ord_id=draw(maybe_ids),
        orig_cl_ord_id=draw(maybe_ids),
        venue_order_id=draw(maybe_ids),
        venue_symbol=draw(maybe_ids),
        side=draw(st.none() | st.sampled_from(Side)),
        account=draw(st.sampled_from(["", "house", "H-002"])),
        order_qty=draw(maybe_qty),
        cash_order_qty=draw(maybe_qty),
        price=draw(maybe_px),
        stop_px=draw(maybe_px),
        last_qty=draw(quantities.filter(bool) if executes else maybe_qty),
        last_px=draw(prices if executes else maybe_px),
        cum_qty=draw(maybe_qty),
        leaves_qty=draw(maybe_qty),
        avg_px=draw(maybe_px),
        ord_rej_reason=draw(st.sampled_from(["", "0", "99", "4711"])),
        exec_restatement_reason=draw(st.sampled_from(["", "0", "8"])),
        text=draw(texts),
        trade_date=draw(st.dates().map(lambda day: f"{day:%Y%m%d}".zfill(8))),
        transact_time_ns=at_ns,
        poss_dup=draw(st.booleans()),
        poss_resend=draw(st.booleans()),
    )


@pytest.mark.parametrize("begin_string", VERSIONS)
@given(report=reports(), seq=st.integers(1, 10**12))
def test_a_report_says_the_same_in_every_version(begin_string: str, report: ExecutionReport, seq: int) -> None:
    decoded = decode(encode_report(report, begin_string, seq), dialect(begin_string))
    assert decoded.fact == report
    assert (decoded.msg_seq_num, decoded.poss_dup, decoded.reject_reason) == (seq, report.poss_dup, None)


def report(**changes: str) -> str:
    fields = {"35": "8", "34": "7", "37": "V1", "17": "e1", "11": "g1", "150": "0", "39": "0"}
    fields |= {tag.removeprefix("t"): value for tag, value in changes.items()}
    return wire([(tag, value) for tag, value in fields.items() if value != "-"])


CORRECT_42 = {"t20": "2", "t150": "2", "t39": "2", "t19": "e0", "t32": "5", "t31": "9"}


@pytest.mark.parametrize(
    ("changes", "exec_type", "ord_status"),
    [
        ({"t20": "0", "t150": "1", "t39": "1", "t32": "5", "t31": "9"}, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED),
        ({"t20": "0", "t150": "2", "t39": "2", "t32": "5", "t31": "9"}, ExecType.TRADE, OrdStatus.FILLED),
        ({"t20": "1", "t150": "1", "t39": "0", "t19": "e0"}, ExecType.TRADE_CANCEL, OrdStatus.NEW),
        (CORRECT_42, ExecType.TRADE_CORRECT, OrdStatus.FILLED),
        ({"t20": "3", "t150": "1", "t39": "1"}, ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED),
        ({"t20": "0", "t150": "5", "t39": "5", "t14": "0", "t151": "9"}, ExecType.REPLACED, OrdStatus.NEW),
        ({"t20": "0", "t150": "5", "t39": "5", "t14": "4", "t151": "5"}, ExecType.REPLACED, OrdStatus.PARTIALLY_FILLED),
        ({"t20": "0", "t150": "5", "t39": "5", "t14": "9", "t151": "0"}, ExecType.REPLACED, OrdStatus.FILLED),
        ({"t20": "0", "t150": "D", "t39": "1", "t378": "1"}, ExecType.RESTATED, OrdStatus.PARTIALLY_FILLED),
        ({"t20": "0", "t150": "E", "t39": "E"}, ExecType.PENDING_REPLACE, OrdStatus.PENDING_REPLACE),
    ],
)  # fmt: skip
def test_fix_42_in_fix_44_terms(changes: dict[str, str], exec_type: ExecType, ord_status: OrdStatus) -> None:
    fact = decode(report(**changes), dialect(FIX42)).fact
    assert isinstance(fact, ExecutionReport)
    assert (fact.exec_type, fact.ord_status) == (exec_type, ord_status)


def test_reports_without_an_execution_whose_exec_id_is_zero_are_not_the_same() -> None:
    """The cancellation of an order would be taken for its acknowledgement that came again."""
    world = World.started()
    one = world.submit()
    named = {"t11": one.venue_cl_ord_id, "t17": "0", "t60": "20260105-08:00:00", "t20": "0"}
    for exec_type in ("0", "4"):
        world.hear(decode(report(**named, t150=exec_type, t39=exec_type), dialect(FIX42)).fact)
    assert ord_status(one) is OrdStatus.CANCELED
    executed = {"t150": "2", "t39": "2", "t32": "5", "t31": "9"}
    fact = decode(report(**named | executed), dialect(FIX42)).fact
    assert isinstance(fact, ExecutionReport)
    assert fact.exec_id == "0"


@pytest.mark.parametrize(("data", "length"), [("96", "95"), ("213", "212"), ("89", "93"), ("91", "90")])
def test_no_field_is_read_out_of_data_with_a_delimiter_in_it(data: str, length: str) -> None:
    said = report(t103="0").replace("103=0\x01", f"{length}=7\x01{data}=a\x01103=5\x01")
    fact = decode(said, dialect()).fact
    assert isinstance(fact, UnexpectedMessage)
    assert fact.problem == f"the data in tag {data} is not as long as tag {length} says, or has a delimiter in it"
    fact = decode(report(**{f"t{length}": "2", f"t{data}": "\udcc3\udca9"}), dialect()).fact
    assert isinstance(fact, ExecutionReport)


def test_a_triggered_stop_order_says_how_the_order_stands() -> None:
    fact = decode(report(t150="L", t39="0"), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert fact.exec_type is ExecType.ORDER_STATUS


@pytest.mark.parametrize(
    ("changes", "reason", "problem"),
    [
        ({"t150": "-"}, 5, "ExecType(150) is missing"),
        ({"t150": ""}, 5, "ExecType(150) is missing"),
        ({"t150": "Z"}, 0, "ExecType(150)=Z is not known"),
        ({"t39": "-"}, 5, "OrdStatus(39) is missing"),
        ({"t39": "?"}, 0, "OrdStatus(39)=? is not known"),
        ({"t150": "F", "t31": "1"}, 5, "LastQty(32) is missing"),
        ({"t150": "F", "t32": "1"}, 5, "LastPx(31) is missing"),
        ({"t150": "F", "t32": "0", "t31": "1"}, 0, "LastQty(32) of an execution is zero"),
        ({"t150": "F", "t32": "-1", "t31": "1"}, 0, "LastQty(32) is negative: -1"),
        ({"t150": "F", "t32": "NaN", "t31": "1"}, 0, "LastQty(32): 'NaN' is not a plain decimal number"),
        ({"t150": "F", "t32": "1e308", "t31": "1"}, 0, "LastQty(32): '1e308' is not a plain decimal number"),
        ({"t150": "F", "t32": "1", "t31": "Infinity"}, 0, "LastPx(31): 'Infinity' is not a plain decimal number"),
        ({"t150": "F", "t17": "-", "t32": "1", "t31": "1"}, 5, "ExecID(17) is missing"),
        ({"t150": "G", "t32": "1", "t31": "1"}, 5, "ExecRefID(19) is missing"),
        ({"t150": "H"}, 5, "ExecRefID(19) is missing"),
        ({"t14": "-5"}, 0, "CumQty(14) is negative: -5"),
        ({"t60": "yesterday"}, 0, "TransactTime(60) is not a UTCTimestamp"),
        ({"t60": "20260231-10:00:00"}, 0, "TransactTime(60) is not a day of the calendar"),
        ({"t75": "2026-01-02"}, 0, "TradeDate(75) is not a date"),
        ({"t54": "Q"}, 0, "Side(54)=Q is not known"),
        ({"t11": "g\x021"}, 0, "ClOrdID(11) has characters outside of ASCII: 'g\\x021'"),
        ({"t35": "B"}, 3, "MsgType(35)=B is not supported"),
        ({"t35": "-"}, 0, "MsgType(35) is missing"),
    ],
)
def test_what_is_wrong_is_named_and_answered(changes: dict[str, str], reason: int, problem: str) -> None:
    decoded = decode(report(**changes), dialect())
    assert isinstance(decoded.fact, UnexpectedMessage)
    assert decoded.fact.problem.startswith(problem)
    assert decoded.reject_reason == reason
    assert decoded.msg_seq_num == 7
    assert "34=7|" in decoded.fact.raw


@pytest.mark.parametrize("clock", ["00010101-00:00:00", "99991231-23:59:59", "23000101-00:00:00.000"])
@pytest.mark.parametrize(("t75", "trade_date"), [("-", ""), ("20260105", "20260105")])
def test_an_execution_is_not_lost_for_a_clock_that_was_never_set(clock: str, t75: str, trade_date: str) -> None:
    """It has no time then, and no date but its own TradeDate(75)."""
    fact = decode(report(t150="F", t32="5", t31="10", t60=clock, t75=t75), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert (fact.last_qty, fact.transact_time_ns, fact.trade_date) == (5, None, trade_date)


@pytest.mark.parametrize(
    ("avg_px", "leaves_qty", "read"),
    [
        ("100.013333333333333", "5", (None, Decimal(5))),
        ("1.0001E+2", "5", (None, Decimal(5))),
        ("NaN", "5", (None, Decimal(5))),
        ("100.01", "-5", (Decimal("100.01"), Decimal(-5))),
        ("100.01", "1E+1", (Decimal("100.01"), None)),
    ],
)
def test_an_execution_is_not_lost_for_a_figure_that_is_ours_to_compute(
    avg_px: str, leaves_qty: str, read: tuple[Decimal | None, Decimal | None]
) -> None:
    fact = decode(report(t150="F", t39="1", t32="5", t31="100.02", t6=avg_px, t151=leaves_qty), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert (fact.last_qty, fact.last_px) == (Decimal(5), Decimal("100.02"))
    assert (fact.avg_px, fact.leaves_qty) == read


def test_fix_42_without_exec_trans_type_is_not_guessed_about() -> None:
    decoded = decode(report(t150="1", t39="1", t32="5", t31="9"), dialect(FIX42))
    assert isinstance(decoded.fact, UnexpectedMessage)
    assert decoded.fact.problem == "ExecTransType(20) is missing"


@pytest.mark.parametrize("tag", ["11", "17", "37", "39", "150", "54", "38", "60"])
def test_a_repeated_tag_that_counts_is_refused(tag: str) -> None:
    message = report(t54="1", t38="5", t60="20260102-10:00:00") + f"{tag}=1\x01"
    fact = decode(message, dialect()).fact
    assert isinstance(fact, UnexpectedMessage)
    assert f"({tag}) is there more than once" in fact.problem


def test_repeating_groups_are_no_repeated_tags() -> None:
    parties = "453=2\x01448=A\x01447=D\x01452=1\x01448=B\x01447=D\x01452=3\x01"
    brokers = "382=2\x01375=X\x01437=1\x01375=Y\x01437=2\x01"
    fact = decode(report() + parties + brokers + "14=0\x01", dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert fact.cum_qty == Decimal(0)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("35=8\x0134=7\x0111=g1", "the message does not end with a delimiter"),
        ("35=8\x0134=7\x01nonsense\x01", "a field is not of the form tag=value"),
        ("", "MsgType(35) is missing"),
        ("35=8\x0134=7\x0158=" + "x" * 70_000 + "\x01", "the message has more than 65536 characters"),
    ],
)
def test_a_broken_message_is_named(message: str, problem: str) -> None:
    fact = decode(message, dialect()).fact
    assert isinstance(fact, UnexpectedMessage)
    assert fact.problem == problem
    assert len(fact.raw) <= 4_096


def test_free_text_is_made_fit_to_show() -> None:
    latin = b"caf\xe9 \x07 \xe2\x82\xac".decode("utf-8", "surrogateescape")
    fact = decode(report(t58=latin), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert fact.text == "café ? €"


def test_the_day_of_a_trade_is_that_of_its_time_when_there_is_no_trade_date() -> None:
    fact = decode(report(t60="20260102-23:59:60.123456789"), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert (fact.trade_date, fact.transact_time_ns) == ("20260102", 1_767_398_400_123_456_789)


def test_a_cancel_reject() -> None:
    message = "35=9\x0134=8\x0137=NONE\x0111=g2\x0141=g1\x0139=8\x01434=2\x01102=1\x0158=no\x01"
    assert decode(message, dialect()).fact == OrderCancelReject(
        "XSIM", "g2", "g1", OrdStatus.REJECTED, CxlRejResponseTo.REPLACE, "1", "NONE", "no"
    )


@pytest.mark.parametrize("begin_string", [FIX44, FIX50SP2])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"531": "7", "533": "500"}, MassCancelReport("XSIM", "g9", True, 500)),
        ({"531": "7"}, MassCancelReport("XSIM", "g9", True)),
        ({"531": "7", "533": "many"}, MassCancelReport("XSIM", "g9", True)),
        ({"531": "0", "532": "0", "58": "no"}, MassCancelReport("XSIM", "g9", False, None, "0", "no")),
        ({"531": "0", "11": ""}, MassCancelReport("XSIM", "", False)),
    ],
)
def test_the_answer_to_a_mass_cancel(more: dict[str, str], expected: MassCancelReport, begin_string: str) -> None:
    said = {"35": "r", "34": "8", "11": "g9", "37": "M1", "530": "7"} | more
    decoded = decode(wire([(tag, value) for tag, value in said.items() if value]), dialect(begin_string))
    assert decoded.fact == expected
    assert (decoded.msg_seq_num, decoded.reject_reason) == (8, None)


def test_an_answer_to_a_mass_cancel_may_list_its_orders() -> None:
    said = "35=r\x0134=8\x0111=g9\x0137=M1\x01530=7\x01531=7\x01533=2\x01"
    orders = "534=2\x0141=g1\x01535=V1\x0141=g2\x01535=V2\x01"
    assert decode(said + orders, dialect()).fact == MassCancelReport("XSIM", "g9", True, 2)
    twice = decode(said + orders + "11=g8\x01", dialect()).fact
    assert isinstance(twice, UnexpectedMessage)
    assert twice.problem == "ClOrdID(11) is there more than once"


def test_an_answer_to_a_mass_cancel_that_does_not_say_yes_or_no_is_not_guessed_about() -> None:
    decoded = decode("35=r\x0134=8\x0111=g9\x01530=7\x01", dialect())
    assert isinstance(decoded.fact, UnexpectedMessage)
    assert (decoded.fact.problem, decoded.reject_reason) == ("MassCancelResponse(531) is missing", 5)


@pytest.mark.parametrize("msg_type", ["3", "j"])
def test_rejects_are_understood_and_never_answered(msg_type: str) -> None:
    reason = "373" if msg_type == "3" else "380"
    good = wire([("35", msg_type), ("34", "8"), ("45", "3"), ("372", "D"), (reason, "5"), ("58", "no")])
    assert decode(good, dialect()).fact == MessageRejected("XSIM", "D", "", 3, "5", "no", int(reason))
    bad = decode(good + "58=a\x0145=9\x01", dialect())
    assert isinstance(bad.fact, UnexpectedMessage)
    assert bad.reject_reason is None


anything = st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
tags = st.sampled_from(
    ["35", "34", "43", "150", "39", "17", "11", "32", "31", "60", "75", "14", "54", "58", "453", "20", "531", "533"]
)
odd = st.sampled_from(["", "20260102-10:00:00", "\u0661", "\udce9", "\x00"])
values = st.sampled_from(["8", "9", "3", "j", "r", "F", "0", "1", "-1"]) | odd | anything
fields = st.tuples(tags | anything, values).map(lambda pair: f"{pair[0]}={pair[1]}\x01")
messages = st.lists(fields, max_size=12).map("".join)


@pytest.mark.parametrize("begin_string", [FIX42, FIX44])
@given(raw=anything | messages | messages.map(lambda rest: "35=8\x01" + rest))
def test_no_input_raises_and_every_fact_can_be_kept(begin_string: str, raw: str) -> None:
    decoded = decode(raw, dialect(begin_string))
    kept = msgspec.msgpack.encode(decoded.fact)
    assert msgspec.msgpack.decode(kept, type=type(decoded.fact)) == decoded.fact
    for value in (getattr(decoded.fact, name) for name in decoded.fact.__struct_fields__):
        assert not isinstance(value, str) or "\x00" not in value


@given(report=reports(), data=st.data())
def test_one_character_changed_is_never_an_error(report: ExecutionReport, data: st.DataObject) -> None:
    raw = encode_report(report, FIX44)
    at = data.draw(st.integers(0, len(raw) - 1))
    decode(raw[:at] + data.draw(st.characters()) + raw[at + 1 :], dialect())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ("", None, False)),
        ({"584": "M1", "911": "3", "912": "N"}, ("M1", 3, False)),
        ({"584": "M1", "911": "3", "912": "Y"}, ("M1", 3, True)),
        ({"584": "M1", "911": "many", "912": "?"}, ("M1", None, False)),
    ],
)
def test_the_answers_to_a_mass_status_request_say_so(more: dict[str, str], said: tuple[str, int | None, bool]) -> None:
    fact = decode(report(**more), dialect()).fact
    assert isinstance(fact, ExecutionReport)
    assert (fact.mass_status_req_id, fact.tot_num_reports, fact.last_rpt_requested) == said
