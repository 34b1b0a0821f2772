"""The server itself: where it listens, when it is ready, how it stops."""

import asyncio
import socket
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.adapters.grpc import orders
from gateway.adapters.grpc import server as server_module
from gateway.adapters.grpc.server import AddressInUse, ApiServer
from gateway.adapters.grpc.trade import TradeStream
from gateway.cli.ctl_api import Api
from gateway.client import GatewayClient
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, events_until, eventually, failing, running
from tests.adapters.grpc.lane_peer import submits

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel: grpc.aio.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)).status


async def test_until_it_is_open_it_says_so(gateway: Running) -> None:
    other = ApiServer(gateway.server.services)
    await other.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{other.port}") as channel:
        alpha = gateway.as_client("alpha", channel)
        assert await health(channel) == NOT_SERVING
        with failing() as error:
            await alpha.submit("k-1")
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert error.metadata["key_spent"] == "false"
        await other.open()
        assert await health(channel) == SERVING
        assert await health(channel, "gateway.v1.OrderService") == SERVING
        await alpha.submit("k-1")
    await other.stop(1)


async def test_reflection_lists_our_services(gateway: Running) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(gateway.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([request]), timeout=20)
    names = {service.name for service in (await call.read()).list_services_response.service}
    ours = {service.full_name for service in pb.DESCRIPTOR.services_by_name.values()}
    assert names == ours | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_it_listens_on_a_unix_socket_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with running(unix_socket=path) as gateway:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            await gateway.as_client("alpha", channel).submit("k-1")
    assert not path.exists()


async def test_a_path_with_a_percent_sign_is_taken_as_it_is(tmp_path: Path) -> None:
    """gRPC listened on "gateA.sock", or on nothing where a directory was called so."""
    path = tmp_path / "gate%41.sock"
    async with running(unix_socket=path):
        assert path.exists()
        async with GatewayClient(f"unix:{path}", client_id="alpha", timeout_s=20) as client:
            assert [each async for each in client.list_orders()] == []
        assert await asyncio.to_thread(_seq_of, f"unix:{path}")
    assert not path.exists()


def _seq_of(address: str) -> int:
    with Api(address, "op") as api:
        return int(api.overview().seq)


async def test_a_socket_that_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    async with running(unix_socket=path) as gateway, grpc.aio.insecure_channel(f"unix:{path}") as channel:
        await gateway.as_client("alpha", channel).submit("k-1")


async def test_a_socket_that_a_living_process_holds_is_left_alone(gateway: Running, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as alive:
        alive.bind(str(path))
        alive.listen()
        other = ApiServer(gateway.server.services)
        with pytest.raises(AddressInUse, match="another process"):
            await other.start("127.0.0.1", 0, path)
        await other.stop(0)
    assert path.exists()


async def test_a_file_that_is_no_socket_is_left_alone(gateway: Running, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressInUse, match="not a socket"):
        await ApiServer(gateway.server.services).start("127.0.0.1", 0, path)
    assert path.read_text() == "data"


async def test_a_path_that_no_socket_can_have_is_refused(gateway: Running, tmp_path: Path) -> None:
    with pytest.raises(AddressInUse, match="too long"):
        await ApiServer(gateway.server.services).start("127.0.0.1", 0, tmp_path / ("x" * 120))


async def test_a_port_in_use_is_refused(gateway: Running) -> None:
    """Also when the one that holds it is a gateway: they would share its connections without knowing of each other."""
    with pytest.raises(AddressInUse, match=str(gateway.server.port)):
        await ApiServer(gateway.server.services).start("127.0.0.1", gateway.server.port)


async def test_when_it_stops_commands_finish_and_streams_end(wire: dict[str, Any]) -> None:
    cancel = pb.Command(cancel_order=pb.CancelOrderRequest(cl_ord_id="c-1", orig_cl_ord_id="x"))
    async with running(**wire) as gateway:
        alpha = gateway.as_client("alpha")
        stream, trade = alpha.subscribe(1), alpha.trade()
        await stream.read()
        gateway.journal.gate.clear()
        await trade.write(pb.TradeRequest(commands=[cancel]))
        await eventually(lambda: "alpha" in gateway.sequencer.state.keys)
        stopping = asyncio.ensure_future(gateway.server.stop(20))
        gateway.journal.gate.set()
        assert [reply.cl_ord_id for reply in (await trade.read()).replies] == ["c-1"]
        with failing() as error:
            await trade.read()
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        with failing() as error:
            while True:
                await stream.read()
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        async with asyncio.timeout(20):
            await stopping


async def test_what_comes_while_it_stops_is_not_done(wire: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender is told that nothing was done, and may send it elsewhere."""
    came: list[pb.TradeRequest | None] = []

    class Watched(TradeStream):
        async def _read_next(self) -> pb.TradeRequest | None:
            came.append(await super()._read_next())
            return came[-1]

    monkeypatch.setattr(orders, "TradeStream", Watched)
    async with running(**wire) as gateway:
        trade = gateway.as_client("alpha").trade()
        gateway.journal.gate.clear()
        await trade.write(submits("k-1"))
        await eventually(lambda: "alpha" in gateway.sequencer.state.keys)
        stopping = asyncio.ensure_future(gateway.server.stop(20))
        await eventually(lambda: gateway.server._presence._stopped)
        await trade.write(submits("k-2"))
        await eventually(lambda: came)
        gateway.journal.gate.set()
        assert [reply.cl_ord_id for reply in (await trade.read()).replies] == ["k-1"]
        with failing() as error:
            await trade.read()
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        async with asyncio.timeout(20):
            await stopping
        await gateway.settled()
        assert list(gateway.sequencer.state.keys["alpha"]) == ["k-1"]


async def test_a_defect_of_ours_is_logged_and_not_told(
    alpha: Client, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(gateway.sequencer, "execute", broken)
    with structlog.testing.capture_logs() as logs, failing() as error:
        await alpha.submit("k-1")
    assert (error.code, error.reason, error.metadata["key_spent"]) == (grpc.StatusCode.INTERNAL, "INTERNAL", "unknown")
    assert "secret" not in error.text
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    options = [
        (key, 4 if key == "grpc.max_allowed_incoming_connections" else value) for key, value in server_module.OPTIONS
    ]
    monkeypatch.setattr(server_module, "OPTIONS", options)
    async with running() as gateway:
        address = ("127.0.0.1", gateway.server.port)
        await gateway.as_client("alpha").submit("k-1")
        opened = [await asyncio.open_connection(*address) for _ in range(30)]
        await eventually(lambda: sum(reader.at_eof() for reader, _ in opened) >= 20)
        await gateway.as_client("alpha").submit("k-2")
        for _, writer in opened:
            writer.close()


def test_it_runs_on_uvloop() -> None:
    async def one_order() -> None:
        async with running() as gateway:
            stream = gateway.as_client("alpha").subscribe(1)
            reply = await gateway.as_client("alpha").submit("k-1")
            events, _ = await events_until(stream, lambda seen: bool(seen) and seen[-1].seq > reply.seq)
            assert [event.seq for event in events] == [gateway.logged_on_seq + more for more in range(3)]

    uvloop.run(one_order())


async def test_a_burst_of_calls_that_are_reset_does_no_harm(alpha: Client, gateway: Running) -> None:
    for _ in range(20):
        calls = [alpha.subscribe(1) for _ in range(50)]
        for call in calls:
            call.cancel()
    await alpha.submit("k-1")
    await eventually(lambda: gateway.feed.readers == 0)
