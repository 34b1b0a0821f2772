"""The lane of the fake gateway: its Trade stream without gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.rpc import status_pb2

from gateway.lane import Kind, Lane, lane_path
from gateway.pb.v1 import gateway_pb2 as pb


class _EndedError(Exception):
    def __init__(self, status: status_pb2.Status) -> None:
        self.status = status


class LaneContext:
    """What the services use of gRPC's context."""

    def __init__(self, client_id: str) -> None:
        self._metadata = (("client-id", client_id),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        raise _EndedError(status_pb2.Status(code=code.value[0], message=text))

    async def abort_with_status(self, status: grpc.Status) -> None:
        ((_, details),) = status.trailing_metadata
        raise _EndedError(status_pb2.Status.FromString(details))


class FakeLane:
    """Listens beside a Unix socket, and runs `trade` as gRPC would."""

    def __init__(self, trade: Callable[[AsyncIterator[pb.TradeRequest], Any], Any]) -> None:
        self._trade = trade
        self.tasks: dict[Lane, asyncio.Task[None]] = {}

    async def start(self, unix_socket: str) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Lane(self._opened, self._lost), lane_path(unix_socket))

    def stop(self) -> None:
        self._server.close()
        for lane in self.tasks:
            lane.abort()

    def _opened(self, lane: Lane) -> None:
        self.tasks[lane] = asyncio.create_task(self._serve(lane))

    def _lost(self, lane: Lane) -> None:
        self.tasks.pop(lane).cancel()

    async def _serve(self, lane: Lane) -> None:
        first = await lane.receive()
        assert first is not None
        assert first.kind == Kind.HELLO
        context = LaneContext(pb.LaneHello.FromString(first.body).client_id)
        end = status_pb2.Status()
        try:
            async with aclosing(self._trade(_requests(lane), context)) as responses:
                async for response in responses:
                    await lane.send(Kind.MESSAGE, response.SerializeToString())
        except _EndedError as ended:
            end = ended.status
        await lane.send(Kind.END, end.SerializeToString())
        await lane.close()


async def _requests(lane: Lane) -> AsyncIterator[pb.TradeRequest]:
    while (frame := await lane.receive()) is not None:
        assert frame.kind == Kind.MESSAGE
        yield pb.TradeRequest.FromString(frame.body)
