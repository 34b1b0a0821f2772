"""Requests to commands: what is refused, naming which field, and in which order."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.proto import commands
from gateway.codec.proto.fields import InvalidField
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    HaltInstrument,
    MassCancel,
    ReplaceOrder,
    RequestOrderStatus,
    ResumeInstrument,
    SubmitOrder,
)
from gateway.core.types import OrdType, Reason, Side, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb

SUBMIT: dict[str, Any] = {
    "cl_ord_id": "k-1",
    "symbol": "ACME",
    "side": pb.SIDE_SELL_SHORT,
    "order_qty": "100",
    "ord_type": pb.ORD_TYPE_STOP_LIMIT,
    "time_in_force": pb.TIME_IN_FORCE_GTD,
    "price": "-0.25",
    "stop_px": "99.95",
    "expire_time_ns": 1_700_000_000_000_000_000,
    "max_floor": "10",
    "exec_inst": "G 6",
    "account": "A1",
    "strategy": "mean reversion",
    "venue": "XSIM",
    "locate_id": "LOC-7",
}
REPLACE: dict[str, Any] = {
    "cl_ord_id": "k-2",
    "orig_cl_ord_id": "k-1",
    "order_qty": "50",
    "price": "10",
    "stop_px": "11",
    "time_in_force": pb.TIME_IN_FORCE_GTC,
    "expire_time_ns": 5,
    "max_floor": "1",
}


def submitted(**changes: Any) -> SubmitOrder:
    return commands.submit_order(pb.SubmitOrderRequest(**{**SUBMIT, **changes}), "alpha", "DEFAULT")


def refusal(**changes: Any) -> tuple[str, Reason]:
    with pytest.raises(InvalidField) as caught:
        submitted(**changes)
    return caught.value.field, caught.value.reason


def test_every_field_of_a_new_order_arrives() -> None:
    assert submitted() == SubmitOrder(
        client_id="alpha",
        cl_ord_id="k-1",
        symbol="ACME",
        side=Side.SELL_SHORT,
        order_qty=Decimal(100),
        ord_type=OrdType.STOP_LIMIT,
        time_in_force=TimeInForce.GTD,
        price=Decimal("-0.25"),
        stop_px=Decimal("99.95"),
        expire_time_ns=1_700_000_000_000_000_000,
        max_floor=Decimal(10),
        exec_inst="G 6",
        account="A1",
        strategy="mean reversion",
        venue="XSIM",
        locate_id="LOC-7",
    )


def test_what_is_not_given_is_not_invented() -> None:
    least = pb.SubmitOrderRequest(cl_ord_id="k", symbol="ACME", side=1, order_qty="1", ord_type=1)
    command = commands.submit_order(least, "alpha", "DEFAULT")
    known = SubmitOrder("alpha", "k", "ACME", Side.BUY, Decimal(1), OrdType.MARKET)
    assert command == msgspec.structs.replace(known, account="DEFAULT", account_given=False)
    assert command.time_in_force is TimeInForce.DAY


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("cl_ord_id", "", Reason.FIELD_REQUIRED),
        ("cl_ord_id", "x" * 37, Reason.FIELD_INVALID),
        ("cl_ord_id", "a\x01b", Reason.FIELD_INVALID),
        ("cl_ord_id", "a\nb", Reason.FIELD_INVALID),
        ("cl_ord_id", "é", Reason.FIELD_INVALID),
        ("symbol", "", Reason.FIELD_REQUIRED),
        ("symbol", "x" * 33, Reason.FIELD_INVALID),
        ("symbol", "AC\x01ME", Reason.FIELD_INVALID),
        ("side", 0, Reason.FIELD_REQUIRED),
        ("side", 3, Reason.FIELD_INVALID),
        ("side", 2**31 - 1, Reason.FIELD_INVALID),
        ("order_qty", "", Reason.FIELD_REQUIRED),
        ("order_qty", "0", Reason.FIELD_INVALID),
        ("order_qty", "-1", Reason.FIELD_INVALID),
        ("order_qty", "NaN", Reason.FIELD_INVALID),
        ("order_qty", "Infinity", Reason.FIELD_INVALID),
        ("order_qty", "1e308", Reason.FIELD_INVALID),
        ("order_qty", "1" * 16, Reason.FIELD_INVALID),
        ("order_qty", "0.00000000001", Reason.FIELD_INVALID),
        ("order_qty", "1,000", Reason.FIELD_INVALID),
        ("order_qty", " 1", Reason.FIELD_INVALID),
        ("order_qty", "٣", Reason.FIELD_INVALID),
        ("order_qty", "1" * 100_000, Reason.FIELD_INVALID),
        ("ord_type", 0, Reason.FIELD_REQUIRED),
        ("ord_type", 9, Reason.FIELD_INVALID),
        ("time_in_force", 8, Reason.FIELD_INVALID),
        ("price", "", Reason.FIELD_REQUIRED),
        ("price", "nan", Reason.FIELD_INVALID),
        ("price", "1e308", Reason.FIELD_INVALID),
        ("price", "--1", Reason.FIELD_INVALID),
        ("stop_px", "-Infinity", Reason.FIELD_INVALID),
        ("expire_time_ns", 0, Reason.FIELD_INVALID),
        ("expire_time_ns", -1, Reason.FIELD_INVALID),
        ("max_floor", "0", Reason.FIELD_INVALID),
        ("max_floor", "-5", Reason.FIELD_INVALID),
        ("exec_inst", "GG", Reason.FIELD_INVALID),
        ("exec_inst", "G  6", Reason.FIELD_INVALID),
        ("exec_inst", "G\x016", Reason.FIELD_INVALID),
        ("exec_inst", "G 6\n", Reason.FIELD_INVALID),
        ("account", "x" * 33, Reason.FIELD_INVALID),
        ("account", "A\x011", Reason.FIELD_INVALID),
        ("strategy", "s\x00", Reason.FIELD_INVALID),
        ("venue", "X\tS", Reason.FIELD_INVALID),
    ],
)
def test_a_wrong_field_of_a_new_order_is_named(field: str, value: object, reason: Reason) -> None:
    assert refusal(**{field: value}) == (field, reason)


def test_fields_are_looked_at_in_the_order_of_their_numbers() -> None:
    wrong = {
        field.name: {"side": 99, "ord_type": 99, "time_in_force": 99, "expire_time_ns": -1}.get(field.name, "\x01" * 40)
        for field in pb.SubmitOrderRequest.DESCRIPTOR.fields
    }
    named = []
    while wrong:
        field, _ = refusal(**wrong)
        named.append(field)
        del wrong[field]
    assert named == [field.name for field in sorted(pb.SubmitOrderRequest.DESCRIPTOR.fields, key=lambda f: f.number)]


def test_what_came_is_not_echoed_at_length() -> None:
    with pytest.raises(InvalidField) as caught:
        submitted(cl_ord_id="\x01" * 36, symbol="y" * 100_000)
    assert len(str(caught.value)) < 300
    assert "\x01" not in str(caught.value)


def test_every_field_of_a_replace_arrives() -> None:
    command = commands.replace_order(pb.ReplaceOrderRequest(**REPLACE), "alpha")
    assert command == ReplaceOrder(
        client_id="alpha",
        cl_ord_id="k-2",
        orig_cl_ord_id="k-1",
        order_qty=Decimal(50),
        price=Decimal(10),
        stop_px=Decimal(11),
        time_in_force=TimeInForce.GTC,
        expire_time_ns=5,
        max_floor=Decimal(1),
    )


def test_a_replace_keeps_what_it_does_not_name() -> None:
    command = commands.replace_order(pb.ReplaceOrderRequest(cl_ord_id="k-2", orig_cl_ord_id="k-1"), "alpha")
    assert command == ReplaceOrder("alpha", "k-2", "k-1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cl_ord_id", ""),
        ("orig_cl_ord_id", ""),
        ("orig_cl_ord_id", "\x01"),
        ("order_qty", "-1"),
        ("price", "NaN"),
        ("stop_px", ""),
        ("time_in_force", 77),
        ("expire_time_ns", -1),
        ("max_floor", "x"),
    ],
)
def test_a_wrong_field_of_a_replace_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidField) as caught:
        commands.replace_order(pb.ReplaceOrderRequest(**{**REPLACE, field: value}), "alpha")
    assert caught.value.field == field


def test_cancel_mass_cancel_and_status() -> None:
    cancel = pb.CancelOrderRequest(cl_ord_id="c", orig_cl_ord_id="k")
    assert commands.cancel_order(cancel, "alpha") == CancelOrder("alpha", "c", "k")
    mass = pb.MassCancelRequest(cl_ord_id="m", account="A1", strategy="s", symbol="ACME", venue="XSIM", side=2)
    assert commands.mass_cancel(mass, "alpha") == MassCancel("alpha", "m", "A1", "s", "ACME", "XSIM", Side.SELL)
    assert commands.mass_cancel(pb.MassCancelRequest(cl_ord_id="m"), "alpha") == MassCancel("alpha", "m")
    status = pb.RequestOrderStatusRequest(orig_cl_ord_id="k")
    assert commands.request_order_status(status, "alpha") == RequestOrderStatus("alpha", "k")


@pytest.mark.parametrize("kind", [field.name for field in pb.Command.DESCRIPTOR.fields])
def test_every_kind_of_command_of_a_stream_is_understood(kind: str) -> None:
    item = pb.Command()
    body = getattr(item, kind)
    body.SetInParent()
    with pytest.raises(InvalidField):
        commands.command(item, "alpha", "")
    for field, value in {**SUBMIT, "orig_cl_ord_id": "k-0"}.items():
        if field in body.DESCRIPTOR.fields_by_name:
            setattr(body, field, value)
    command = commands.command(item, "alpha", "")
    assert command.client_id == "alpha"
    assert commands.command_key(item) == ("k-0" if kind == "request_order_status" else "k-1")


def test_a_command_of_no_kind_is_refused() -> None:
    with pytest.raises(InvalidField) as caught:
        commands.command(pb.Command(), "alpha", "")
    assert (caught.value.field, caught.value.reason) == ("command", Reason.FIELD_REQUIRED)
    assert commands.command_key(pb.Command()) == ""


@pytest.mark.parametrize("reason", ["Störung", "行情异常", "x" * 256])
def test_an_operator_gives_a_reason_in_any_language(reason: str) -> None:
    """No FIX message has it: who has to stop trading at once is not to look for other letters."""
    assert commands.halt_instrument(pb.HaltInstrumentRequest(symbol="ACME", reason=reason), "op").reason == reason


@pytest.mark.parametrize("reason", ["", "a\nb", "a\x01b", "\u202ereversed", "x" * 257])
def test_a_reason_that_cannot_be_shown_is_refused(reason: str) -> None:
    with pytest.raises(InvalidField, match="reason"):
        commands.halt_instrument(pb.HaltInstrumentRequest(symbol="ACME", reason=reason), "op")


def test_operators_say_why() -> None:
    logon = pb.LogonRequest(venue="XSIM", reason="venue called")
    assert commands.logon(logon, "op") == AdministerSession("op", "XSIM", "logon", "venue called")
    logout = pb.LogoutRequest(venue="XSIM", reason="end of test")
    assert commands.logout(logout, "op") == AdministerSession("op", "XSIM", "logout", "end of test")
    halt = pb.HaltInstrumentRequest(symbol="ACME", reason="news")
    assert commands.halt_instrument(halt, "op") == HaltInstrument("op", "ACME", "news")
    resume = pb.ResumeInstrumentRequest(symbol="ACME", reason="over")
    assert commands.resume_instrument(resume, "op") == ResumeInstrument("op", "ACME", "over")
    numbers = pb.SetSequenceNumbersRequest(venue="XSIM", reason="agreed by phone", next_target_msg_seq_num=12)
    assert commands.set_sequence_numbers(numbers, "op") == AdministerSession(
        "op", "XSIM", "set_sequence", "agreed by phone", None, 12
    )
    with pytest.raises(InvalidField, match="reason"):
        commands.logon(pb.LogonRequest(venue="XSIM"), "op")
    for number in (0, 2_000_000_001, 2**64 - 1):
        with pytest.raises(InvalidField, match="next_sender_msg_seq_num"):
            commands.set_sequence_numbers(
                pb.SetSequenceNumbersRequest(venue="XSIM", reason="r", next_sender_msg_seq_num=number), "op"
            )


@given(st.text(max_size=60), st.text(max_size=40), st.integers(-(2**31), 2**31 - 1), st.text(max_size=50))
def test_whatever_comes_is_a_clean_command_or_names_its_field(key: str, name: str, number: int, amount: str) -> None:
    request = pb.SubmitOrderRequest(
        cl_ord_id=key,
        symbol=name,
        side=number,
        order_qty=amount,
        ord_type=1,
        price=amount,
        venue=name,
    )
    refused = ""
    try:
        command = commands.submit_order(request, "alpha", "")
    except InvalidField as error:
        refused = error.field
    if refused:
        assert refused in pb.SubmitOrderRequest.DESCRIPTOR.fields_by_name
        return
    assert command.order_qty > 0
    assert all(" " <= letter <= "~" for letter in command.cl_ord_id + command.symbol + command.venue)
