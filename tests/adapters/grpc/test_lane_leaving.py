"""Who leaves a lane, and who stays: what ends a stream, and that nobody is kept for ever."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import structlog

from gateway import lane as framing
from gateway.adapters.grpc import lane as lane_module
from gateway.adapters.grpc import streams
from gateway.client import GatewayClient
from gateway.core.risk.setup import RiskClient
from gateway.lane import HEADER_BYTES, Kind, Lane
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import (
    LaneStream,
    Running,
    eventually,
    failing,
    running,
)
from tests.adapters.grpc.lane_peer import (
    SUBSCRIBE,
    end_in,
    exists,
    frame,
    hello,
    kinds_in,
    open_lanes,
    rest_of,
    stranger,
    submits,
)
from tests.adapters.grpc.test_risk import risk_setup


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(lane=tmp_path / "gateway.sock") as started:
        yield started


async def test_who_is_gone_is_away_also_with_something_unread(tmp_path: Path) -> None:
    clients = {"alpha": RiskClient(accounts=("*",), cancel_on_disconnect_ns=0)}
    async with running(lane=tmp_path / "gateway.sock", risk=risk_setup(clients=clients)) as gateway:
        away = gateway.sequencer.state.risk.away
        over_grpc = gateway.as_client("alpha")
        over_grpc.lane = ""
        other = over_grpc.trade()
        await other.write(SUBSCRIBE)
        await other.read()
        with stranger(gateway, hello("alpha"), frame(Kind.MESSAGE, SUBSCRIBE.SerializeToString())):
            await eventually(lambda: gateway.feed.readers == 2)
            other.cancel()
            await eventually(lambda: gateway.feed.readers == 1)
            await gateway.settled()
            assert not away
        await eventually(lambda: set(away) == {"alpha"})
        assert open_lanes(gateway) == 0
        back = gateway.as_client("alpha").trade()
        await back.write(SUBSCRIBE)
        await eventually(lambda: not away)
        back.cancel()


async def test_one_who_never_reads_is_ended_and_not_kept(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by what it was sent before, nor by the last words."""
    monkeypatch.setattr(streams, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(lane_module, "LAST_WORDS_S", 0.2)
    monkeypatch.setattr(framing, "WRITE_AHEAD_BYTES", 16_384)
    with stranger(gateway, hello("alpha"), frame(Kind.MESSAGE, SUBSCRIBE.SerializeToString())) as peer:
        fast = gateway.as_client("alpha").trade()
        await fast.write(submits("first"))
        assert (await fast.read()).replies
        await eventually(lambda: open_lanes(gateway) == 2)  # Before there is enough to block: then one may soon end.
        for batch in range(20):
            await fast.write(submits(*(f"k-{batch}-{number}" for number in range(100))))
            await fast.read()
        await eventually(lambda: gateway.feed.readers == 0)
        await eventually(lambda: open_lanes(gateway) == 1)
        assert len(await rest_of(peer)) > framing.WRITE_AHEAD_BYTES
        await fast.write(submits("last"))
        assert (await fast.read()).replies
        fast.cancel()


async def test_who_gives_no_sign_of_life_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was stopped: its connection is there, and nothing comes. Its orders do not stay for that."""
    monkeypatch.setattr(lane_module, "SIGN_S", 0.01)
    clients = {"alpha": RiskClient(accounts=("*",), cancel_on_disconnect_ns=0)}
    async with running(lane=tmp_path / "gateway.sock", risk=risk_setup(clients=clients)) as gateway:
        away = gateway.sequencer.state.risk.away
        with structlog.testing.capture_logs() as logs:
            with stranger(gateway, hello("alpha"), frame(Kind.MESSAGE, submits("k-1").SerializeToString())) as peer:
                for _ in range(3):
                    assert await next_ping(peer)
                    peer.send(frame(Kind.PING, b""))
                assert not away
                while await next_ping(peer):
                    pass
            await eventually(lambda: set(away) == {"alpha"})
        assert open_lanes(gateway) == 0
        assert [(entry["event"], entry["client"]) for entry in logs] == [
            ("a client on the lane gave no sign of life", "alpha")
        ]


async def next_ping(peer: socket.socket) -> bool:
    """Wait for one, past everything else; False: the gateway has closed."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while header := await loop.sock_recv(peer, HEADER_BYTES):
            if header == frame(Kind.PING, b""):
                return True
            await loop.sock_recv(peer, int.from_bytes(header[1:], "big"))
    return False


async def test_one_who_says_something_is_never_asked(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []
    heard = Lane.heard
    monkeypatch.setattr(Lane, "heard", lambda lane: looks.append(heard(lane)) or looks[-1])
    monkeypatch.setattr(lane_module, "SIGN_S", 0.01)
    with stranger(gateway, hello("alpha")) as peer:
        for number in range(3 * lane_module.MISSED_SIGNS):
            peer.sendall(frame(Kind.MESSAGE, submits(f"k-{number}").SerializeToString()))
            await eventually(lambda: len(looks) > number)  # noqa: B023  # It is waited for here.
        assert all(looks)
        assert Kind.PING not in kinds_in(peer.recv(1_000_000))


async def test_the_clients_own_end_gives_signs_of_life(gateway: Running) -> None:
    async with GatewayClient(f"unix:{gateway.lane.removesuffix('.lane')}", client_id="alpha"):
        await eventually(lambda: gateway.feed.readers == 1)
        (lane,) = gateway.server._lane._running
        lane.heard()
        lane.ping()
        await eventually(lane.heard)
    await eventually(lambda: open_lanes(gateway) == 0)


async def test_a_slow_reader_gets_all_replies_while_the_gateway_stops(tmp_path: Path) -> None:
    """A stream that is over is not done with: what it said still waits to be read."""
    async with running(lane=tmp_path / "gateway.sock") as gateway:
        keys = [[f"k-{batch}-{number}" for number in range(100)] for batch in range(20)]
        frames = [frame(Kind.MESSAGE, submits(*batch).SerializeToString()) for batch in keys]
        with stranger(gateway, hello("alpha")) as peer:
            await eventually(lambda: gateway.server._streams._running)
            (lane,) = gateway.server._lane._running
            lane._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
            await asyncio.get_running_loop().sock_sendall(peer, b"".join(frames))
            await eventually(lambda: len(gateway.sequencer.state.orders) == 2_000)
            stopping = asyncio.create_task(gateway.server.stop(3_600))
            await eventually(lambda: not gateway.server._streams._running)
            for _ in range(100):
                await asyncio.sleep(0)
            assert lane._transport.get_write_buffer_size(), "something waits"
            assert not stopping.done()
            data = await rest_of(peer)
            async with asyncio.timeout(20):
                await stopping
        replies: list[str] = []
        while data[0] == Kind.MESSAGE:
            size = 5 + int.from_bytes(data[1:5], "big")
            replies += [reply.cl_ord_id for reply in pb.TradeResponse.FromString(data[5:size]).replies]
            data = data[size:]
        assert replies == [key for batch in keys for key in batch]
        assert end_in(data).code is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_does_not_wait_for_one_who_has_not_begun(gateway: Running) -> None:
    """Neither before the hello, nor before the first message: however much time streams are given."""
    with stranger(gateway) as silent, stranger(gateway, hello("alpha")) as idle:
        await eventually(lambda: open_lanes(gateway) == 2 and len(gateway.server._streams._running) == 1)
        async with asyncio.timeout(20):
            await gateway.server.stop(3_600)
        assert await rest_of(silent) == b""
        error = end_in(await rest_of(idle))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


async def test_when_the_gateway_stops_streams_are_told_and_the_path_is_free(tmp_path: Path) -> None:
    async with running(lane=tmp_path / "gateway.sock") as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(SUBSCRIBE)
        await stream.read()
        with stranger(gateway) as silent:
            await eventually(lambda: open_lanes(gateway) == 2)
            async with asyncio.timeout(20):
                await gateway.server.stop(0.1)
            assert await rest_of(silent) == b""
        with failing() as error:
            while True:
                await stream.read()
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert not exists(gateway.lane)
        assert not exists(tmp_path / "gateway.sock")
        with pytest.raises(OSError, match="No such file"):
            await LaneStream(gateway.lane, "alpha").read()
