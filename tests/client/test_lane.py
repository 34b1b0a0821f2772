"""The client's end of the lane: when it is taken, and what its end means."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import grpc
import pytest
from google.rpc import status_pb2

from gateway.client import GatewayClient, OrdType, Side, Unavailable, Unknown
from gateway.client.lane import LaneCall, StreamFailed, lane_call
from gateway.lane import MAX_SOCKET_PATH_BYTES, Kind, Lane, lane_path
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
    try:
        yield LaneCall(lane)
    finally:
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
async def test_a_unix_sockets_address_has_a_lane(book: Book, tmp_path: Path, form: str) -> None:
    longest = f"{tmp_path}/".ljust(MAX_SOCKET_PATH_BYTES, "x")
    server = FakeGateway(book, longest)
    await server.start()
    call = await lane_call(form.format(longest), CLIENT)
    assert call is not None
    await call.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1)))
    assert (await call.read()).next_seq == 1
    call.cancel()
    await server.stop()


async def test_any_other_address_has_none(book: Book, tmp_path: Path) -> None:
    server = FakeGateway(book)
    await server.start()
    assert await lane_call(server.address, CLIENT) is None
    assert await lane_call(f"unix:{tmp_path}/nowhere.sock", CLIENT) is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(f"{tmp_path}/dead.sock.lane")
    assert await lane_call(f"unix:{tmp_path}/dead.sock", CLIENT) is None
    assert await lane_call("unix:" + f"{tmp_path}/".ljust(MAX_SOCKET_PATH_BYTES + 1, "x"), CLIENT) is None
    await server.stop()


def no_more_files(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EMFILE, "Too many open files")


async def test_a_lane_that_cannot_be_taken_now_is_taken_later_and_not_given_up(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What stands in the way is told, and who waits is served when it is gone."""
    server = FakeGateway(book, f"{tmp_path}/gateway.sock")
    await server.start()
    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "create_unix_connection", no_more_files)
        async with GatewayClient(server.address, client_id=CLIENT) as gw:
            with pytest.raises(Unavailable, match=r"cannot connect to .*gateway\.sock\.lane: Too many open files"):
                await gw.submit(**LIMIT, cl_ord_id="K1", timeout_s=0.5)
            patched.undo()
            await gw.submit(**LIMIT, cl_ord_id="K2")
    assert (server.trade_streams, server.lane_streams) == (1, 1)
    assert "no lane" not in caplog.text
    await server.stop()


async def test_that_there_is_no_lane_is_logged_once(
    book: Book, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock", lane=False)
    await server.start()
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        server.faults.append(LOSE_REPLY)
        await gw.submit(**LIMIT, cl_ord_id="K1")
        assert (server.trade_streams, server.lane_streams) == (2, 0)
    told = [message for message in caplog.messages if "no lane" in message]
    assert told == [f"no lane at {server.address}: the Trade stream takes gRPC for as long as there is none"]
    await server.stop()


async def test_a_gateway_that_is_away_is_not_a_lane_that_is_missing(
    book: Book, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock")
    await server.start()
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
        await server.stop()
        with pytest.raises((Unavailable, Unknown)):
            await gw.submit(**LIMIT, cl_ord_id="K2", timeout_s=0.5)
        assert "no lane" not in caplog.text
        server.lane = None
        await server.start()
        await gw.submit(**LIMIT, cl_ord_id="K3")
        assert caplog.text.count("no lane at") == 1
    await server.stop()


async def test_where_no_lane_can_be_none_is_missed(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    server = FakeGateway(book)
    await server.start()
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
    assert "no lane" not in caplog.text
    await server.stop()


async def test_a_client_that_ends_leaves_nothing_behind(book: Book, tmp_path: Path) -> None:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock")
    await server.start()
    assert server.lane is not None
    async with GatewayClient(server.address, client_id=CLIENT) as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
        (task,) = server.lane.tasks.values()
    _, left = await asyncio.wait([task], timeout=20)
    await server.stop()
    assert not left


async def test_the_clients_end_gives_signs_of_life(tmp_path: Path) -> None:
    """Also when nobody waits for a message: as soon as its loop has a turn."""
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(Kind.PING, b""))
        size = int.from_bytes((await reader.readexactly(5))[1:], "big")
        assert pb.LaneHello.FromString(await reader.readexactly(size)).client_id == CLIENT
        assert await reader.readexactly(5) == frame(Kind.PING, b"")
        asked.set()
        writer.close()

    server = await asyncio.start_unix_server(serve, lane_path(f"{tmp_path}/gateway.sock"))
    call = await lane_call(f"unix:{tmp_path}/gateway.sock", CLIENT)
    assert call is not None
    async with asyncio.timeout(20):
        await asked.wait()
    call.cancel()
    server.close()


async def test_a_lane_that_is_there_later_is_taken_by_the_next_stream(book: Book, tmp_path: Path) -> None:
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
