"""The client's end of the lane: when it is taken, and what its end means."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import status_pb2

from gateway.client import GatewayClient, OrdType, Side
from gateway.client.lane import LaneCall, StreamFailed, lane_call
from gateway.lane import MAX_SOCKET_PATH_BYTES, Kind, Lane
from gateway.pb.v1 import gateway_pb2 as pb
from tests.client.fake_gateway import CLIENT, LOSE_REPLY, OVERLOADED, Book, FakeGateway
from tests.client.fake_lane import FakeLane

LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


@asynccontextmanager
async def gateway_says(*said: bytes) -> AsyncIterator[LaneCall]:
    """A call to which these bytes came, and nothing after them."""
    ours, theirs = socket.socketpair()
    _, lane = await asyncio.get_running_loop().create_connection(Lane, sock=ours)
    with theirs:
        theirs.sendall(b"".join(said))
    yield LaneCall(lane)
    lane.abort()


def frame(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(4, "big") + body


def end(status: status_pb2.Status) -> bytes:
    return frame(Kind.END, status.SerializeToString())


async def test_a_stream_that_ends_well_ends() -> None:
    first = pb.TradeResponse(next_seq=7)
    async with gateway_says(frame(Kind.MESSAGE, first.SerializeToString()), end(status_pb2.Status())) as call:
        assert await call.read() == first
        assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_a_stream_that_fails_says_why(code: grpc.StatusCode) -> None:
    async with gateway_says(end(status_pb2.Status(code=code.value[0], message="so it is"))) as call:
        with pytest.raises(StreamFailed, match="so it is") as failed:
            await call.read()
    assert failed.value.failure.code is code


async def test_the_details_of_a_failure_come_along() -> None:
    async with gateway_says(end(OVERLOADED)) as call:
        with pytest.raises(StreamFailed) as failed:
            await call.read()
    assert (failed.value.failure.reason, failed.value.failure.is_overload) == ("OVERLOADED", True)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", grpc.StatusCode.UNAVAILABLE),
        (b"\x00\x00", grpc.StatusCode.UNAVAILABLE),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", grpc.StatusCode.INTERNAL),
        (frame(Kind.MESSAGE, b"\xff"), grpc.StatusCode.INTERNAL),
        (frame(Kind.END, b"\xff"), grpc.StatusCode.INTERNAL),
    ],
    ids=["nothing", "half a frame", "no frame", "no message", "no status"],
)
async def test_what_is_no_stream_is_a_loss_that_is_worth_another_try(said: bytes, code: grpc.StatusCode) -> None:
    async with gateway_says(said) as call:
        with pytest.raises(StreamFailed) as failed:
            await call.read()
    assert failed.value.failure.code is code
    assert failed.value.failure.is_transient


@pytest.mark.parametrize("form", ["unix:{}", "unix://{}"])
async def test_a_unix_sockets_address_has_a_lane(book: Book, tmp_path: object, form: str) -> None:
    longest = f"{tmp_path}/".ljust(MAX_SOCKET_PATH_BYTES, "x")
    server = FakeGateway(book, longest)
    await server.start()
    call = await lane_call(form.format(longest), CLIENT)
    assert call is not None
    await call.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1)))
    assert (await call.read()).next_seq == 1
    call.cancel()
    await server.stop()


async def test_any_other_address_has_none(book: Book, tmp_path: object) -> None:
    server = FakeGateway(book)
    await server.start()
    assert await lane_call(server.address, CLIENT) is None
    assert await lane_call(f"unix:{tmp_path}/nowhere.sock", CLIENT) is None
    await server.stop()


async def test_a_lane_that_is_there_later_is_taken_by_the_next_stream(book: Book, tmp_path: object) -> None:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock", lane=False)
    lane = FakeLane(server.Trade)
    await server.start()
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
        assert (server.trade_streams, server.lane_streams) == (1, 0)
        await lane.start(f"{tmp_path}/gateway.sock")
        server.faults.append(LOSE_REPLY)
        await gw.submit(**LIMIT, cl_ord_id="K2")
        assert (server.trade_streams, server.lane_streams) == (2, 1)
    assert book.done == ["K1", "K2"]
    lane.stop()
    await server.stop()
