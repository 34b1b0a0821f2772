"""The lane's server: `OrderService.Trade` for clients on the same host, without gRPC (`gateway.lane`).

Everything else is the same: who is let in, what a stream does, and how it fails.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import structlog
from google.rpc import status_pb2

from gateway.adapters.grpc.calls import Gate, parse, told
from gateway.adapters.grpc.errors import ApiReason, Failure
from gateway.adapters.grpc.identity import CLIENT_ID, REQUEST_ID, RULES, Call
from gateway.adapters.grpc.streams import together
from gateway.codec.proto.fields import InvalidField
from gateway.lane import BrokenLane, Frame, Kind, Lane
from gateway.pb.v1 import gateway_pb2 as pb

MAX_LANES = 256
"""As gRPC takes connections."""

HELLO_S = 10.0
"""How long a connection may say nothing before it is closed."""

LAST_WORDS_S = 5.0
"""How long one who is told why its stream ended may take to read it, and what was said before."""

SIGN_S, MISSED_SIGNS = 5.0, 5
"""How often a client is looked at, and how many times in a row it may have said nothing. After the first it is asked,
and has four more to answer: one whose loop something else keeps for 20 seconds stays, one that was stopped is gone
within 30, as with gRPC. Looks are counted, not seconds: while we were stopped ourselves nobody was silent.
"""

BATCH_BYTES = 1_024
"""Before a message beyond it, of several commands, others have their turn: who sends many must not hold up all."""

_TRADE = "gateway.v1.OrderService/Trade"

_log = structlog.get_logger("gateway.api")


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
        while (frame := await _received(self._lane)) is not None:
            if frame.kind != Kind.MESSAGE or len(frame.body) > BATCH_BYTES:
                await asyncio.sleep(0)
            if frame.kind == Kind.MESSAGE:
                return frame.body
            if frame.kind != Kind.PING:  # That was a sign of life when it came.
                raise InvalidField("", f"a frame of kind {frame.kind} where a message was due")
        return grpc.aio.EOF

    async def write(self, message: bytes) -> None:
        """Write one message; returns when there is room for the next, after others had their turn: a reader of a long
        history who keeps up must not hold up orders.
        """
        await self._lane.send(Kind.MESSAGE, message)
        await asyncio.sleep(0)


class LaneServer:
    """Listens, and runs a Trade stream for each that connects. All on the event loop."""

    def __init__(self, trade: Callable[[Call], Coroutine[Any, Any, None]], gate: Gate) -> None:
        self._trade, self._gate = trade, gate
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._strangers: set[Lane] = set()
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
        """Let nobody in, give streams that were told to end, and their readers, `grace_s` seconds, listen no more. Safe
        to call twice.
        """
        if self._server is not None:
            self._server.close()
        for lane in tuple(self._strangers):
            lane.abort()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace_s)
        for lane in tuple(self._running):
            lane.abort()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _opened(self, lane: Lane) -> None:
        self._strangers.add(lane)
        self._running[lane] = asyncio.create_task(self._serve(lane), name="lane")

    def _lost(self, lane: Lane) -> None:
        """Who goes away takes its stream with it, as with gRPC; what was taken is done all the same."""
        self._strangers.discard(lane)
        if (task := self._running.pop(lane, None)) is not None:
            task.cancel()

    async def _serve(self, lane: Lane) -> None:
        end = await self._end_of(lane)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await lane.send(Kind.END, end.SerializeToString())
                await lane.close()
        lane.abort()

    async def _end_of(self, lane: Lane) -> status_pb2.Status:
        """Run the stream, and say how it ended."""
        try:
            call = self._gate.admit(RULES[_TRADE], await self._introduced(lane))
            watch = _until_silent(lane, call.caller.id)
            await together(self._trade(call._replace(gathered=True)), beside=(watch,))
        except Exception as error:  # noqa: BLE001  # Whatever it is, the caller gets a status and the log the rest.
            return told(_TRADE, error).status()
        return status_pb2.Status()

    async def _introduced(self, lane: Lane) -> LaneCall:
        try:
            if len(self._running) > MAX_LANES:
                raise Failure(ApiReason.OVERLOADED, f"{MAX_LANES} lanes are open, which is the limit")
            async with asyncio.timeout(HELLO_S):
                frame = await _received(lane)
        except TimeoutError:
            raise InvalidField("", f"no hello within {HELLO_S:.0f} s") from None
        finally:
            self._strangers.discard(lane)
        if frame is None or frame.kind != Kind.HELLO:
            raise InvalidField("", "the first frame has to be a hello")
        return LaneCall(lane, parse(pb.LaneHello, frame.body))


async def _received(lane: Lane) -> Frame | None:
    try:
        return await lane.receive()
    except BrokenLane as error:
        raise InvalidField("", str(error)) from None


async def _until_silent(lane: Lane, client_id: str) -> None:
    """Until the client gives no sign of life any more: then it is gone, like one whose connection broke."""
    silent = 0
    while silent < MISSED_SIGNS:
        await asyncio.sleep(SIGN_S)
        silent = 0 if lane.heard() else silent + 1
        if silent == 1:
            lane.ping()
    _log.warning("a client on the lane gave no sign of life", client=client_id)
    lane.abort()
