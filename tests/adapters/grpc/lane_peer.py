"""Whoever is at the other end of a lane: bare sockets, the frames they send and what they got."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.rpc import status_pb2

from gateway.lane import Kind
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import (
    Running,
    order,
    read_status,
)

SUBSCRIBE = pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1))


def submits(*keys: str) -> pb.TradeRequest:
    return pb.TradeRequest(commands=[pb.Command(submit_order=order(key)) for key in keys])


def frame(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(4, "big") + body


@contextlib.contextmanager
def stranger(gateway: Running, *frames: bytes) -> Iterator[socket.socket]:
    """A bare socket that has sent these, and reads nothing by itself."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(gateway.lane)
        peer.sendall(b"".join(frames))
        peer.setblocking(False)
        yield peer


def hello(client_id: str) -> bytes:
    return frame(Kind.HELLO, pb.LaneHello(client_id=client_id).SerializeToString())


async def rest_of(peer: socket.socket) -> bytes:
    """What comes until the gateway has closed."""
    data = b""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionResetError):  # So the system says that something was not read.
            while part := await asyncio.get_running_loop().sock_recv(peer, 65_536):
                data += part
    return data


def end_in(data: bytes) -> Any:
    """The status of the only frame there is."""
    assert data[0] == Kind.END
    assert int.from_bytes(data[1:5], "big") == len(data) - 5
    return read_status(status_pb2.Status.FromString(data[5:]))


def kinds_in(data: bytes) -> list[int]:
    """Of whole frames."""
    kinds = []
    while data:
        kinds.append(data[0])
        data = data[5 + int.from_bytes(data[1:5], "big") :]
    return kinds


def exists(path: str | Path) -> bool:
    return Path(path).exists()


def permissions(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def open_lanes(gateway: Running) -> int:
    return len(gateway.server._lane._running)
