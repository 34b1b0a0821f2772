"""A Trade stream over the lane, for a client on the gateway's own host (`gateway.lane`)."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gateway.client.errors import Failure, of_status
from gateway.lane import MAX_SOCKET_PATH_BYTES, BrokenLane, Kind, Lane, grpc_target, lane_path
from gateway.pb.v1 import gateway_pb2 as pb

_log = logging.getLogger("gateway.client")
_UNIX = "unix:"


class StreamFailed(Exception):
    """The gateway ended the stream, or what came from it cannot be read."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class TradeCalls:
    """Opens the Trade streams of one client."""

    def __init__(self, address: str, client_id: str, over_grpc: Callable[[], Any]) -> None:
        """Open them at an address as GatewayClient takes it; where there is no lane, as `over_grpc` does."""
        self._address = address
        self._client_id = client_id
        self._over_grpc = over_grpc
        self._told = False

    async def open(self) -> Any:
        """A stream over the lane or, where there is none, over gRPC.

        Raises:
            StreamFailed: there is a lane, and it cannot be connected to now.
        """
        lane = await lane_call(self._address, self._client_id)
        if lane is not None:
            self._told = False
            return lane
        call = self._over_grpc()
        return _WithoutLane(call, self._tell) if unix_socket_of(self._address) else call

    def _tell(self) -> None:
        if not self._told:
            _log.warning("no lane at %s: the Trade stream takes gRPC for as long as there is none", self._address)
        self._told = True


class _WithoutLane:
    """gRPC's stream where a lane was looked for. Only a message tells that there is none: before it, the gateway
    itself may be away.
    """

    def __init__(self, call: Any, tell: Callable[[], None]) -> None:
        self._call = call
        self._tell = tell
        self.write, self.cancel = call.write, call.cancel

    async def read(self) -> Any:
        response = await self._call.read()
        if response is not grpc.aio.EOF:
            self._tell()
        return response


class LaneCall:
    """A stream, with the methods that gRPC's call has."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def read(self) -> Any:
        """The next message; EOF when the gateway ended the stream and nothing is wrong.

        Raises:
            StreamFailed: there will be none.
        """
        try:
            frame = await self._lane.receive()
            if frame is None:
                raise StreamFailed(Failure(grpc.StatusCode.UNAVAILABLE, "the gateway has left", None))
            if frame.kind == Kind.END:
                return _ended(status_pb2.Status.FromString(frame.body))
            return pb.TradeResponse.FromString(frame.body)
        except (BrokenLane, DecodeError) as error:
            raise StreamFailed(Failure(grpc.StatusCode.INTERNAL, str(error), None)) from None

    async def write(self, request: pb.TradeRequest) -> None:
        """Send one message; returns when there is room for the next."""
        await self._lane.send(Kind.MESSAGE, request.SerializeToString())

    def cancel(self) -> None:
        """Leave."""
        self._lane.abort()


def _ended(status: status_pb2.Status) -> Any:
    if status.code:
        raise StreamFailed(of_status(status))
    return grpc.aio.EOF


def unix_socket_of(address: str) -> str:
    """The path of a Unix socket's address; empty of another."""
    return address.removeprefix(_UNIX).removeprefix("//") if address.startswith(_UNIX) else ""


def target_of(address: str) -> str:
    """What gRPC calls the gateway at an address, as GatewayClient takes it."""
    unix_socket = unix_socket_of(address)
    return grpc_target(unix_socket) if unix_socket else address


async def lane_call(address: str, client_id: str) -> LaneCall | None:
    """A stream over the lane of the gateway at an address; None where there is no lane.

    Args:
        address: as GatewayClient takes it; only a Unix socket has a lane beside it.
        client_id: who calls.

    Raises:
        StreamFailed: there is one, and it cannot be connected to now.
    """
    unix_socket = unix_socket_of(address)
    if not unix_socket or len(os.fsencode(unix_socket)) > MAX_SOCKET_PATH_BYTES:
        return None
    path = lane_path(unix_socket)
    try:
        _, lane = await asyncio.get_running_loop().create_unix_connection(lambda: Lane(answers=True), path)
    except (FileNotFoundError, ConnectionRefusedError):  # An older gateway, or none: gRPC says which.
        return None
    except OSError as error:
        text = f"cannot connect to {path}: {error.strerror}"
        raise StreamFailed(Failure(grpc.StatusCode.UNAVAILABLE, text, None)) from None
    await lane.send(Kind.HELLO, pb.LaneHello(client_id=client_id).SerializeToString())
    return LaneCall(lane)
