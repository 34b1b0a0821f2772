"""The API server: gRPC over TCP and over a Unix socket, with health and reflection beside our own services; and the
lane.
"""

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from gateway.adapters.grpc.admin import AdminService
from gateway.adapters.grpc.calls import Gate, handlers
from gateway.adapters.grpc.events import EventService
from gateway.adapters.grpc.identity import Authenticator, ConfiguredClients, check_rules
from gateway.adapters.grpc.lane import MAX_LANES, LaneServer
from gateway.adapters.grpc.orders import OrderService
from gateway.adapters.grpc.positions import PositionService
from gateway.adapters.grpc.presence import Presence
from gateway.adapters.grpc.risk import RiskService
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import EventEncoder, Streams
from gateway.lane import MAX_SOCKET_PATH_BYTES, grpc_target, lane_path
from gateway.pb.v1 import gateway_pb2 as pb

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_CONCURRENT_CALLS = 8_192
MAX_CONNECTIONS = MAX_LANES
"""Of each of three listeners (TCP, the Unix socket, the lane): together three quarters of the file descriptors that a
process may usually have. Sessions and the journal keep theirs.
"""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),  # Bounded by what we build: pages, parts of streams.
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1_024),
    ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
    # A client that vanished without a word is noticed in half a minute and its streams are given back.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A client may ask for a sign of life every five seconds; one that asks more often is sent away.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 2),
    # Two gateways on one port would share its connections without knowing of each other.
    ("grpc.so_reuseport", 0),
)


class AddressInUse(Exception):
    """The API cannot listen there. The message names the address."""


class ApiServer:
    """The API. `start` listens and answers UNAVAILABLE, `open` lets calls in, `stop` ends it. All on the event loop."""

    def __init__(self, services: Services, authenticator: Authenticator | None = None) -> None:
        """Make it; nothing listens yet.

        Raises:
            MissingRule: a method has no rule.
        """
        self.services = services
        self.port = 0
        self._gate = Gate(authenticator or ConfiguredClients(services.config.clients))
        self._streams = Streams()
        self._presence = Presence(services.sequencer)
        self._health = HealthServicer()
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS)
        self._socket: Path | None = None
        orders = OrderService(services, encoder := EventEncoder(), self._streams, self._presence)
        self._lane = LaneServer(orders.trade, self._gate)
        implementations = _implementations(services, orders, encoder, self._streams)
        check_rules(_methods([*(pb.DESCRIPTOR.services_by_name[name] for name in implementations), *_STANDARD]))
        for name, implementation in implementations.items():
            service = pb.DESCRIPTOR.services_by_name[name]
            self._server.add_generic_rpc_handlers((handlers(service, implementation, self._gate),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in (*pb.DESCRIPTOR.services_by_name.values(), *_STANDARD)]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(ReflectionServicer(names), self._server)

    async def start(self, host: str, port: int, unix_socket: Path | None = None) -> None:
        """Listen. Port 0 lets the system choose; `self.port` is the one in use. `unix_socket` gets permissions 0600.

        Raises:
            AddressInUse: somebody else listens there, or the path cannot hold a socket.
        """
        await self._set_health(serving=False)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError:
            raise AddressInUse(f"cannot listen on {address}: another program does, or it is not ours") from None
        if unix_socket is not None:
            await self._listen_on_socket(unix_socket)
        await self._server.start()

    async def _listen_on_socket(self, path: Path) -> None:
        """The lane first: who finds gRPC's socket finds the lane too."""
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            limit = f"{MAX_SOCKET_PATH_BYTES} bytes is the limit"
            raise AddressInUse(f"{path} is too long for a Unix socket: {limit}; choose a shorter path")
        lane = Path(lane_path(str(path)))
        for each in (lane, path):
            _remove_stale_socket(each)
        try:
            await self._lane.start(lane)
        except OSError as error:
            raise AddressInUse(f"cannot listen on {lane}: {error.strerror}") from None
        before = os.umask(0o177)
        try:
            self._server.add_insecure_port(grpc_target(str(path)))
        except RuntimeError:
            raise AddressInUse(f"cannot listen on {path}: another program does, or we may not") from None
        finally:
            os.umask(before)
        self._socket = path

    async def open(self) -> None:
        """Recovery is done: let calls in and tell the health service so."""
        self._gate.is_open = True
        await self._set_health(serving=True)

    async def stop(self, grace_s: float) -> None:
        """Let nobody in, end the streams, give running calls `grace_s` seconds, listen no more. Safe to call twice."""
        self._gate.is_open = False
        await self._health.enter_graceful_shutdown()
        self._presence.stop()
        self._streams.end_all()
        await asyncio.gather(self._server.stop(grace_s), self._lane.stop(grace_s))
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    async def _set_health(self, *, serving: bool) -> None:
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if serving else response.NOT_SERVING
        for name in ("", *(service.full_name for service in pb.DESCRIPTOR.services_by_name.values())):
            await self._health.set(name, status)


_STANDARD: tuple[ServiceDescriptor, ...] = (
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)


def _implementations(
    services: Services, orders: OrderService, encoder: EventEncoder, streams: Streams
) -> dict[str, object]:
    return {
        "OrderService": orders,
        "EventService": EventService(services, encoder, streams),
        "PositionService": PositionService(services),
        "AdminService": AdminService(services),
        "RiskService": RiskService(services, streams),
    }


def _methods(services: list[Any]) -> list[str]:
    return [f"{service.full_name}/{method.name}" for service in services for method in service.methods]


def _remove_stale_socket(path: Path) -> None:
    """A killed process leaves its socket file behind; a living one answers on it.

    Raises:
        AddressInUse: it is alive, or the path holds something else.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressInUse(f"{path} exists and is not a socket")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise AddressInUse(f"another process listens on {path}")
