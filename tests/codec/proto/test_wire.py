"""Splicing encoded events gives what protobuf itself would write, and a broken text is found wherever it sits."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.proto import wire
from gateway.pb.v1 import gateway_pb2 as pb

EVENTS = st.builds(
    pb.Event,
    seq=st.integers(1, 2**64 - 1),
    text=st.text(max_size=400),
    order=st.builds(pb.Order, order_id=st.text(max_size=20), pending=st.lists(st.text(max_size=9), max_size=3)),
)


@given(st.lists(EVENTS, max_size=5), st.integers(1, 2**64 - 1))
def test_a_spliced_response_is_the_one_that_protobuf_writes(events: list[pb.Event], next_seq: int) -> None:
    framed = [wire.framed(event) for event in events]
    assert pb.SubscribeResponse.FromString(wire.subscribe_response(framed, next_seq)) == pb.SubscribeResponse(
        events=events, next_seq=next_seq
    )
    assert pb.TradeResponse.FromString(wire.trade_response(framed, next_seq)) == pb.TradeResponse(
        events=events, next_seq=next_seq
    )


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (pb.SubmitOrderRequest(cl_ord_id="k", symbol="HURT"), "symbol"),
        (pb.SubmitOrderRequest(cl_ord_id="HURT", symbol="x"), "cl_ord_id"),
        (pb.SubmitOrderRequest(price="HURT"), "price"),
        (
            pb.TradeRequest(commands=[pb.Command(cancel_order=pb.CancelOrderRequest(orig_cl_ord_id="HURT"))]),
            "commands.cancel_order.orig_cl_ord_id",
        ),
        (pb.SubscribeRequest(from_seq=9, filter=pb.EventFilter(venue="HURT")), "filter.venue"),
    ],
)
def test_the_text_that_is_not_utf8_is_named(message: Any, path: str) -> None:
    data = message.SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe")
    with pytest.raises(DecodeError):
        type(message).FromString(data)
    assert wire.broken_text_field(message.DESCRIPTOR, data) == path


@pytest.mark.parametrize(
    ("message", "field", "one"),
    [
        (pb.TradeRequest, "commands", b"\x12\x00"),
        (pb.TradeRequest, "commands", b"\x12\x80\x01" + b"x" * 128),
        (pb.TradeRequest, "subscribe", b"\x0a\x02\x08\x01"),
        (pb.SetMarksRequest, "rates", b"\x12\x00"),
        (pb.ListOrdersRequest, "ord_status", b"\x28\x01"),
        (pb.TradeRequest, "", b"\xf8\xff\xff\xff\x0f\x01"),
        (pb.TradeRequest, "", b"\x7d1234"),
        (pb.TradeRequest, "", b"\x7912345678"),
        (pb.TradeRequest, "", b"\x7b\x7c"),
    ],
)
def test_the_field_that_is_one_too_many_is_named(message: Any, field: str, one: bytes) -> None:
    fields = 2 if one == b"\x7b\x7c" else 1
    assert wire.crowded_field(message.DESCRIPTOR, one * 100, 100 * fields) is None
    assert wire.crowded_field(message.DESCRIPTOR, one * 101, 100 * fields) == field


@given(st.binary(max_size=200), st.integers(1, 20))
def test_bytes_that_are_no_message_are_counted_too(data: bytes, most: int) -> None:
    """Whatever they are: the parser is the one that refuses them."""
    assert wire.crowded_field(pb.TradeRequest.DESCRIPTOR, data, most) in {None, "", "commands", "subscribe"}


def test_a_long_message_is_not_looked_through() -> None:
    """Each field costs microseconds: two million of them would hold up the event loop for ten seconds (rule 7)."""
    fits = pb.SubmitOrderRequest(symbol="HURT").SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe")
    empty_text = b"\x0a\x00"
    many = empty_text * ((wire.LOOKED_THROUGH_BYTES - len(fits)) // len(empty_text))
    descriptor = pb.SubmitOrderRequest.DESCRIPTOR
    assert wire.broken_text_field(descriptor, many + fits) == "symbol"
    assert wire.broken_text_field(descriptor, empty_text + many + fits) == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    found = wire.broken_text_field(pb.TradeRequest.DESCRIPTOR, data)
    if found:
        with pytest.raises(DecodeError):
            pb.TradeRequest.FromString(data)
