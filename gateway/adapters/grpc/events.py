"""EventService: a reader's own copy of what happens, without gap or duplicate, resumable at any time."""

import asyncio

from gateway.adapters.grpc.errors import slow_reader, unavailable
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import EventEncoder, EventFlow, Streams, StreamWriter, StuckReader, together
from gateway.codec.proto.wire import subscribe_response
from gateway.pb.v1 import gateway_pb2 as pb


class EventService:
    """The method of gateway.v1.EventService."""

    def __init__(self, services: Services, encoder: EventEncoder, streams: Streams) -> None:
        self._services = services
        self._encoder = encoder
        self._streams = streams

    async def subscribe(self, request: pb.SubscribeRequest, call: Call) -> None:
        """Events from `from_seq` on until the reader goes away or falls behind its bound."""
        flow = EventFlow(self._services, self._encoder, call, request, StreamWriter(call.context), subscribe_response)
        stream = _Subscription(flow)
        with self._streams.running(stream):
            await stream.run()


class _Subscription:
    """One reader's stream."""

    def __init__(self, flow: EventFlow) -> None:
        self._flow = flow
        self._ended = asyncio.Event()

    async def run(self) -> None:
        try:
            await together(self._flow.run(), self._until_ended())
        except StuckReader:
            raise slow_reader(self._flow.next_seq) from None

    async def _until_ended(self) -> None:
        await self._ended.wait()
        raise unavailable()

    def end(self) -> None:
        """The server stops."""
        self._ended.set()
