"""What no well-behaved client sends: INVALID_ARGUMENT that names the field, nothing done, the key free."""

import asyncio
from typing import Any

import grpc
import pytest

from gateway.adapters.grpc.server import MAX_MESSAGE_BYTES
from gateway.codec.proto.fields import LIST_LENGTH
from gateway.codec.proto.wire import LOOKED_THROUGH_BYTES
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, failing, order

SUBMIT = "/gateway.v1.OrderService/SubmitOrder"


async def raw(gateway: Running, data: bytes, path: str = SUBMIT) -> Any:
    """A call with bytes of our own making."""
    return await gateway.channel.unary_unary(path)(data, metadata=(("client-id", "alpha"),), timeout=20)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_qty", "NaN"),
        ("order_qty", "-100"),
        ("order_qty", "1e308"),
        ("order_qty", "1.00000000001"),
        ("price", "Infinity"),
        ("price", "1e308"),
        ("side", 77),
        ("ord_type", 0),
        ("time_in_force", 77),
        ("cl_ord_id", "k\x0111=evil"),
        ("symbol", "AC\x01ME"),
        ("account", "A\x001"),
        ("strategy", "a\nb"),
        ("exec_inst", "G\x01"),
        ("symbol", "x" * 1_000_000),
    ],
)
async def test_a_field_that_cannot_be_is_named(alpha: Client, gateway: Running, field: str, value: object) -> None:
    before = gateway.sequencer.state.seq
    with failing() as error:
        request = order("k-1")
        setattr(request, field, value)
        await alpha.orders.SubmitOrder(request, metadata=alpha.metadata)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))
    assert error.metadata["key_spent"] == "false"
    assert len(error.text) < 400
    assert gateway.sequencer.state.seq == before


async def test_text_that_is_not_utf8_is_named(gateway: Running) -> None:
    """Protobuf refuses such a message as a whole; gRPC alone would answer INTERNAL and name nothing."""
    data = order("k-1", symbol="HURT").SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe")
    with failing() as error:
        await raw(gateway, data)
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", ("symbol",))


async def test_a_long_message_that_is_not_utf8_holds_up_nobody(gateway: Running) -> None:
    """Looking for the broken text took the event loop for ten seconds where there were two million."""
    hurt = order("k-1", symbol="HURT", strategy="x" * LOOKED_THROUGH_BYTES)
    data = hurt.SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe")
    with failing() as error:
        async with asyncio.timeout(3):
            await raw(gateway, data)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert "gateway.v1.SubmitOrderRequest, or a text in it is not UTF-8" in error.text


async def test_a_list_without_end_is_refused_unread(alpha: Client) -> None:
    """Four million members of an enum took the event loop for a second."""
    request = pb.ListOrdersRequest(ord_status=[pb.ORD_STATUS_NEW] * 1_000_000)
    with failing() as error:
        await alpha.orders.ListOrders(request, metadata=alpha.metadata)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("ord_status",))
    assert error.text == f"ord_status: has 1000000 entries, {LIST_LENGTH} is the limit"


async def test_text_that_is_not_utf8_in_a_stream_is_named(gateway: Running) -> None:
    request = pb.TradeRequest(commands=[pb.Command(submit_order=order("k-1", strategy="HURT"))])
    stream = gateway.channel.stream_stream("/gateway.v1.OrderService/Trade")(metadata=(("client-id", "alpha"),))
    await stream.write(request.SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe"))
    with failing() as error:
        await stream.read()
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("commands.submit_order.strategy",))


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0b\x0b", bytes(range(256))])
async def test_bytes_that_are_no_message_are_refused(gateway: Running, data: bytes) -> None:
    with failing() as error:
        await raw(gateway, data)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


async def test_a_message_over_the_bound_never_reaches_us(alpha: Client, gateway: Running) -> None:
    """This one is gRPC's own answer: it has no details, and nothing of the message was kept."""
    with failing() as error:
        await alpha.submit("k-1", symbol="x" * (MAX_MESSAGE_BYTES + 1))
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    assert (await alpha.submit("k-1")).order_id


@pytest.mark.parametrize(
    ("message", "one", "path", "field"),
    [
        (pb.TradeRequest, b"\x12\x00", "/gateway.v1.OrderService/Trade", "commands"),
        (pb.ListOrdersRequest, b"\x28\x01", "/gateway.v1.OrderService/ListOrders", "ord_status"),
    ],
)
async def test_a_message_of_two_million_entries_is_refused_before_they_are_made(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, message: Any, one: bytes, path: str, field: str
) -> None:
    """Rule 7: that takes most of a second, and everybody waits."""
    monkeypatch.setattr(message, "FromString", None)
    call = gateway.channel.stream_stream(path)(metadata=(("client-id", "alpha"),), timeout=20)
    with failing() as error:
        await call.write(one * (MAX_MESSAGE_BYTES // len(one)))
        await call.done_writing()
        await call.read()
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", (field,))


async def test_metadata_that_is_too_large_is_refused(alpha: Client) -> None:
    metadata = (*alpha.metadata, ("request-id", "x" * 100_000))
    with failing() as error:
        await alpha.orders.SubmitOrder(order("k-1"), metadata=metadata)
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_field_does_no_harm(gateway: Running) -> None:
    """A newer client may send more than we know."""
    data = order("k-1").SerializeToString() + b"\xf8\xff\xff\xff\x0f\x01"
    assert pb.CommandReply.FromString(await raw(gateway, data)).order_id


async def test_an_unknown_method_is_unimplemented(gateway: Running) -> None:
    with failing() as error:
        await raw(gateway, b"", "/gateway.v1.OrderService/SubmitEverything")
    assert error.code is grpc.StatusCode.UNIMPLEMENTED
