"""The lane's server: `OrderService.Trade` for clients on the same host, without gRPC (`gateway.lane`).

Everything else is the same: who is let in, what a stream does, and how it fails.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from google.rpc import status_pb2

from gateway.adapters.grpc.calls import Gate, parse, told
from gateway.adapters.grpc.errors import ApiReason, Failure
from gateway.adapters.grpc.identity import CLIENT_ID, REQUEST_ID, RULES, Call
from gateway.codec.proto.fields import InvalidField
from gateway.lane import BrokenLane, Frame, Kind, Lane
from gateway.pb.v1 import gateway_pb2 as pb

MAX_LANES = 512
"""As gRPC takes connections."""

HELLO_S = 10.0
"""How long a connection may say nothing before it is closed."""

LAST_WORDS_S = 5.0
"""How long one who is told why its stream ended may take to read it."""

BATCH_BYTES = 1_024
"""Before a message beyond it, of several commands, others have their turn: who sends many must not hold up all."""

_TRADE = "gateway.v1.OrderService/Trade"


class LaneCall:
    """A client at the other end, in the words of gRPC's context, which the Trade stream is written for."""

    def __init__(self, lane: Lane, hello: pb.LaneHello) -> None:
        self._lane = lane
        said = ((CLIENT_ID, hello.client_id), (REQUEST_ID, hello.request_id))
        self._metadata = tuple((key, value) for key, value in said if value)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """What a call of gRPC would have brought."""
        return self._metadata

    async def read(self) -> Any:
        """The next message's bytes; EOF when there is none any more.

        Raises:
            InvalidField: what came is not a message.
        """
        frame = await _received(self._lane)
        if frame is None:
            return grpc.aio.EOF
        if frame.kind != Kind.MESSAGE:
            raise InvalidField("", f"a frame of kind {frame.kind} where a message was due")
        if len(frame.body) > BATCH_BYTES:
            await asyncio.sleep(0)
        return frame.body

    async def write(self, message: bytes) -> None:
        """Write one message; returns when there is room for the next, after others had their turn: a reader of a long
        history who keeps up must not hold up orders.
        """
        await self._lane.send(Kind.MESSAGE, message)
        await asyncio.sleep(0)


class LaneServer:
    """Listens, and runs a Trade stream for each that connects. All on the event loop."""

    def __init__(self, trade: Callable[[Call], Awaitable[None]], gate: Gate) -> None:
        self._trade, self._gate = trade, gate
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """Listen at a path that is free, for the gateway's own user (0600).

        Raises:
            OSError: that cannot be.
        """
        before = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: Lane(self._opened, self._lost), str(path), start_serving=False
            )
        finally:
            os.umask(before)
        self._path = path
        await self._server.start_serving()

    async def stop(self, grace_s: float) -> None:
        """Let nobody in, give streams that were told to end `grace_s` seconds, listen no more. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace_s)
        for lane in tuple(self._running):
            lane.abort()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _opened(self, lane: Lane) -> None:
        self._running[lane] = asyncio.create_task(self._serve(lane), name="lane")

    def _lost(self, lane: Lane) -> None:
        """Who goes away takes its stream with it, as with gRPC; what was taken is done all the same."""
        if (task := self._running.pop(lane, None)) is not None:
            task.cancel()

    async def _serve(self, lane: Lane) -> None:
        end = await self._end_of(lane)
        asyncio.get_running_loop().call_later(LAST_WORDS_S, lane.abort)
        await lane.send(Kind.END, end.SerializeToString())
        lane.close()

    async def _end_of(self, lane: Lane) -> status_pb2.Status:
        """Run the stream, and say how it ended."""
        try:
            call = self._gate.admit(RULES[_TRADE], await self._introduced(lane))
            await self._trade(call._replace(gathered=True))
        except Exception as error:  # noqa: BLE001  # Whatever it is, the caller gets a status and the log the rest.
            return told(_TRADE, error).status()
        return status_pb2.Status()

    async def _introduced(self, lane: Lane) -> LaneCall:
        if len(self._running) > MAX_LANES:
            raise Failure(ApiReason.OVERLOADED, f"{MAX_LANES} lanes are open, which is the limit")
        try:
            async with asyncio.timeout(HELLO_S):
                frame = await _received(lane)
        except TimeoutError:
            raise InvalidField("", f"no hello within {HELLO_S:.0f} s") from None
        if frame is None or frame.kind != Kind.HELLO:
            raise InvalidField("", "the first frame has to be a hello")
        return LaneCall(lane, parse(pb.LaneHello, frame.body))


async def _received(lane: Lane) -> Frame | None:
    try:
        return await lane.receive()
    except BrokenLane as error:
        raise InvalidField("", str(error)) from None
