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
        stream = _Subscription(self._services, self._encoder, request, call)
        with self._streams.running(stream):
            await stream.run()


class _Subscription:
    """One reader's stream."""

    def __init__(self, services: Services, encoder: EventEncoder, request: pb.SubscribeRequest, call: Call) -> None:
        self._awake = asyncio.Event()
        self._ended = asyncio.Event()
        self._writer = StreamWriter(call.context)
        self._flow = EventFlow(services, encoder, call, request, subscribe_response, self._awake.set)

    async def run(self) -> None:
        try:
            await together(self._send(), self._flow.keep_current(), self._until_ended(), beside=(self._writer.watch(),))
        except StuckReader:
            raise slow_reader(self._flow.next_seq) from None
        finally:
            self._flow.close()

    async def _send(self) -> None:
        while True:
            self._awake.clear()
            message = self._flow.next_message()
            if message is not None:
                await self._writer.write(message)
            else:
                await self._awake.wait()

    async def _until_ended(self) -> None:
        await self._ended.wait()
        raise unavailable()

    def end(self) -> None:
        """The server stops."""
        self._ended.set()
