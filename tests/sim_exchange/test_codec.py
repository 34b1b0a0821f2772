"""FIX text: framing, reading, writing, and what differs between the versions."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_exchange.codec import BusinessReject, SessionReject, decode, encode_reply
from sim_exchange.enums import ExecType, OrdStatus, OrdType, Side, TimeInForce
from sim_exchange.fix import MAX_BODY, FrameError, Framer, Message, encode, parse, parse_utc, utc_timestamp
from sim_exchange.messages import CancelReject, NewOrder, ReplaceRequest, Report, Terms

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), min_size=1, max_size=20)
FIELDS = st.lists(st.tuples(st.integers(36, 9999), VALUES), max_size=12)


@given(FIELDS)
def test_what_is_written_reads_back_the_same(fields: list[tuple[int, str]]) -> None:
    raw = encode("FIX.4.4", [(35, "D"), *fields])
    message = parse(raw)
    assert message is not None
    assert message.fields[2:-1] == [(35, "D"), *fields]


@given(st.lists(FIELDS, max_size=4), st.data())
def test_framing_does_not_depend_on_how_the_bytes_arrive(
    messages: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    raws = [encode("FIX.4.4", [(35, "D"), *fields]) for fields in messages]
    stream, framer, found = b"".join(raws), Framer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == raws
    assert framer.garbled == 0


@given(st.binary(max_size=300))
def test_any_garbage_is_survived_and_the_next_message_is_found(garbage: bytes) -> None:
    framer = Framer()
    good = encode("FIX.4.4", [(35, "0"), (34, "1")])
    try:
        framer.feed(garbage)
        found = framer.feed(good) + framer.feed(good) + framer.feed(good)
    except FrameError:
        return
    # A begin that looks right may swallow what follows; then the connection waits for more and holds at most one body.
    assert good in found or len(framer._buffer) <= MAX_BODY + 50


@pytest.mark.parametrize(
    ("raw", "garbled"),
    [
        (encode("FIX.4.4", [(35, "0")])[:-4] + b"999\x01", 1),
        (b"8=FIX.4.4\x019=x\x0135=0\x0110=000\x01", 1),
        (b"hello" + encode("FIX.4.4", [(35, "0")]), 1),
    ],
)
def test_garbled_messages_are_counted_and_skipped(raw: bytes, garbled: int) -> None:
    framer = Framer()
    good = encode("FIX.4.4", [(35, "1"), (112, "T")])
    assert framer.feed(raw + good)[-1] == good
    assert framer.garbled >= garbled


def test_endless_and_oversized_messages_are_bounded() -> None:
    framer = Framer()
    with pytest.raises(FrameError, match="BodyLength"):
        framer.feed(b"8=FIX.4.4\x019=2000000000\x01")
    framer = Framer()
    for _ in range(100):
        framer.feed(b"x" * 10_000)
    assert len(framer._buffer) < 100


@given(st.integers(0, 4_000_000_000_000))
def test_timestamps_read_back_to_the_millisecond(ms: int) -> None:
    assert parse_utc(utc_timestamp(ms * 1_000_000)) == ms * 1_000_000


def message(msg_type: str, **fields: str) -> Message:
    return Message([(35, msg_type), *[(int(k[1:]), v) for k, v in fields.items()]])


ORDER = {
    "t11": "X",
    "t55": "ACME",
    "t54": "5",
    "t38": "100",
    "t40": "4",
    "t44": "10.50",
    "t99": "10.40",
    "t59": "1",
    "t111": "10",
    "t18": "6",
    "t1": "A1",
    "t60": "20260101-00:00:00",
}


def test_new_order_is_read_whole() -> None:
    assert decode("FIX.4.4", message("D", **ORDER, t97="Y"), {}) == NewOrder(
        cl_ord_id="X",
        symbol="ACME",
        side=Side.SELL_SHORT,
        account="A1",
        poss_resend=True,
        terms=Terms(
            ord_type=OrdType.STOP_LIMIT,
            tif=TimeInForce.GTC,
            order_qty=Decimal(100),
            price=Decimal("10.50"),
            stop_px=Decimal("10.40"),
            max_floor=Decimal(10),
            exec_inst="6",
        ),
    )


def test_gtd_by_date_ends_with_the_day_in_utc() -> None:
    request = decode("FIX.4.4", message("G", **ORDER | {"t41": "W", "t59": "6", "t432": "20260101"}), {})
    assert isinstance(request, ReplaceRequest)
    assert request.terms.expires_ns == parse_utc("20260102-00:00:00")


@pytest.mark.parametrize(
    ("change", "tag", "reason"),
    [
        ({"t11": None}, 11, 1),
        ({"t55": None}, 55, 1),
        ({"t40": None}, 40, 1),
        ({"t44": None}, 44, 1),
        ({"t99": None}, 99, 1),
        ({"t38": None}, 38, 1),
        ({"t60": None}, 60, 1),
        ({"t60": "noon"}, 60, 6),
        ({"t54": "X"}, 54, 5),
        ({"t40": "Z"}, 40, 5),
        ({"t59": "9"}, 59, 5),
        ({"t38": "1e5"}, 38, 6),
        ({"t44": "NaN"}, 44, 6),
        ({"t44": "1_0"}, 44, 6),
        ({"t44": "\u0661"}, 44, 6),
        ({"t59": "6"}, 126, 1),
        ({"t59": "6", "t126": "tomorrow"}, 126, 6),
    ],
)
def test_wrong_fields_are_rejected_by_tag_and_reason(change: dict[str, str | None], tag: int, reason: int) -> None:
    fields = {k: v for k, v in (ORDER | change).items() if v is not None}
    with pytest.raises(SessionReject) as caught:
        decode("FIX.4.4", message("D", **fields), {})
    assert (caught.value.tag, caught.value.reason) == (tag, reason)


@pytest.mark.parametrize("msg_type", ["F", "G"])
@pytest.mark.parametrize("tag", [11, 41, 54, 55, 60])
def test_a_cancel_or_replace_names_its_order_as_fix_asks(msg_type: str, tag: int) -> None:
    fields = {k: v for k, v in (ORDER | {"t41": "W"}).items() if k != f"t{tag}"}
    with pytest.raises(SessionReject) as caught:
        decode("FIX.4.4", message(msg_type, **fields), {})
    assert (caught.value.tag, caught.value.reason) == (tag, 1)


def test_a_tag_twice_is_rejected() -> None:
    twice = Message([*message("D", **ORDER).fields, (38, "200")])
    with pytest.raises(SessionReject) as caught:
        decode("FIX.4.4", twice, {})
    assert (caught.value.tag, caught.value.reason) == (38, 13)


def test_a_dialect_may_demand_tags() -> None:
    required = {9001: frozenset(("D", "G")), 1: frozenset("D")}
    with pytest.raises(BusinessReject) as caught:
        decode("FIX.4.4", message("D", **ORDER), required)
    assert (caught.value.reason, caught.value.ref_id) == (5, "X")
    decode("FIX.4.4", message("D", **ORDER, t9001="desk"), required)


@pytest.mark.parametrize("msg_type", ["AF", "q", "8", "V"])
def test_what_a_version_does_not_have_is_a_business_reject(msg_type: str) -> None:
    with pytest.raises(BusinessReject) as caught:
        decode("FIX.4.2", message(msg_type), {})
    assert caught.value.reason == 3


def report(exec_type: ExecType, status: OrdStatus, leaves: int = 0, **fields: Any) -> Report:
    return Report(
        owner="S",
        order_id="O1",
        exec_id="E1",
        exec_type=exec_type,
        ord_status=status,
        symbol="ACME",
        side=Side.BUY,
        leaves_qty=Decimal(leaves),
        order_qty=Decimal(100),
        cl_ord_id="X",
        **fields,
    )


@pytest.mark.parametrize(
    ("r", "trans", "exec_type", "status"),
    [
        (report(ExecType.NEW, OrdStatus.NEW, 100), "0", "0", "0"),
        (report(ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, 50), "0", "1", "1"),
        (report(ExecType.TRADE, OrdStatus.FILLED, cum_qty=Decimal(100)), "0", "2", "2"),
        (report(ExecType.TRADE, OrdStatus.PENDING_CANCEL, 50), "0", "1", "6"),
        (report(ExecType.TRADE_CANCEL, OrdStatus.PARTIALLY_FILLED, 50, exec_ref_id="E0"), "1", "1", "1"),
        (report(ExecType.TRADE_CORRECT, OrdStatus.FILLED, exec_ref_id="E0"), "2", "2", "2"),
        (report(ExecType.ORDER_STATUS, OrdStatus.NEW, 100), "3", "0", "0"),
        (report(ExecType.REPLACED, OrdStatus.NEW, 100, was_replaced=True), "0", "5", "5"),
        (report(ExecType.REPLACED, OrdStatus.PARTIALLY_FILLED, 50, was_replaced=True), "0", "5", "1"),
        (report(ExecType.RESTATED, OrdStatus.NEW, 100), "0", "D", "0"),
    ],
)
def test_fix_42_says_it_with_exec_trans_type(r: Report, trans: str, exec_type: str, status: str) -> None:
    fields = dict(encode_reply("FIX.4.2", r, 0)[1])
    assert (fields[20], fields[150], fields[39]) == (trans, exec_type, status)
    newer = dict(encode_reply("FIX.4.4", r, 0)[1])
    assert 20 not in newer
    assert (newer[150], newer[39]) == (r.exec_type.value, r.ord_status.value)


def test_reasons_that_fix_42_does_not_have_are_mapped() -> None:
    r = report(ExecType.REJECTED, OrdStatus.REJECTED, ord_rej_reason=99, restatement_reason=6)
    old, new = dict(encode_reply("FIX.4.2", r, 0)[1]), dict(encode_reply("FIX.4.4", r, 0)[1])
    assert (old[103], old.get(378), new[103], new[378]) == ("0", None, "99", "6")
    reject = CancelReject(
        owner="S",
        order_id="O",
        cl_ord_id="Y",
        orig_cl_ord_id="X",
        ord_status=OrdStatus.FILLED,
        response_to="1",
        reason=6,
    )
    assert dict(encode_reply("FIX.4.2", reject, 0)[1])[102] == "2"


def test_tags_override_add_and_take_out_fields() -> None:
    r = report(ExecType.NEW, OrdStatus.NEW, tags={"39": "A", "5001": "x", "60": ""})
    fields = dict(encode_reply("FIX.4.4", r, 0)[1])
    assert (fields[39], fields[5001]) == ("A", "x")
    assert 60 not in fields
