"""Committed events in order, without gap or duplicate, across lost connections and restarts of the gateway."""

import asyncio
from collections import deque
from random import Random

import grpc

from gateway.client import wire
from gateway.client.backoff import Backoff
from gateway.client.cancellation import cancellations
from gateway.client.errors import Failure, Unavailable, of_call
from gateway.client.outage import Outage
from gateway.client.trade import Metadata
from gateway.client.types import Event
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc


class EventStream:
    """An asynchronous iterator over events that never ends by itself. It resumes by itself after any loss, also after
    it was too slow for the gateway.

    It may be left and taken up again, and a wait for the next event may be canceled (`asyncio.timeout`): nothing is
    lost by it.
    """

    def __init__(
        self,
        stub: gateway_pb2_grpc.EventServiceStub,
        metadata: Metadata,
        random: Random,
        from_seq: int,
        event_filter: pb.EventFilter,
    ) -> None:
        self.next_seq = from_seq
        """Where to resume: every event below it that the filter lets through has been handed out. Store it, and pass it
        as `from_seq` after a restart.
        """
        self._stub = stub
        self._metadata = metadata
        self._filter = event_filter
        self._backoff = Backoff(random)
        self._outage = Outage("Event stream")
        self._call: grpc.aio.UnaryStreamCall | None = None
        self._pause: asyncio.Future[None] | None = None
        self._times_closed = 0
        self._batch: deque[Event] = deque()
        self._after_batch = from_seq

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        """The next event; waits for as long as it takes.

        Raises:
            NotAllowed, Refused: the gateway does not want this subscription.
            StopAsyncIteration: `aclose` was called meanwhile.
            Unavailable: the client was closed before.
        """
        while not self._batch:
            failure = await self._receive()
            if failure:
                await self._lost(failure)
        event = self._batch.popleft()
        self.next_seq = event.seq + 1 if self._batch else self._after_batch
        return event

    async def aclose(self) -> None:
        """End the subscription at the gateway, also for another task that waits for its next event: its iteration ends.
        Iterating again takes it up at `next_seq`.
        """
        self._times_closed += 1
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    async def _receive(self) -> Failure | None:
        """Wait for one message of the gateway."""
        if self._call is None:
            request = pb.SubscribeRequest(from_seq=self.next_seq, filter=self._filter)
            try:
                self._call = self._stub.Subscribe(request, metadata=self._metadata)
            except grpc.aio.UsageError:
                raise Unavailable("the client was closed") from None
        call, before, times_closed = self._call, cancellations(), self._times_closed
        try:
            response = await call.read()
        except grpc.aio.AioRpcError as error:
            failure = of_call(error)
        except asyncio.CancelledError:
            if cancellations():
                self._call = None  # Canceling a read ends the whole call in grpc.aio; the next one begins at next_seq.
                raise
            failure = Failure(grpc.StatusCode.CANCELLED, "the gateway canceled the stream", None)
        else:
            if response is not grpc.aio.EOF:
                self._take(response)
                return None
            failure = Failure(grpc.StatusCode.UNAVAILABLE, "the gateway ended the stream", None)
        if self._times_closed > times_closed:
            raise StopAsyncIteration  # By `aclose`, of another task.
        self._call = None
        if cancellations() > before:
            raise asyncio.CancelledError
        return failure

    def _take(self, response: pb.SubscribeResponse) -> None:
        self._backoff.reset()
        self._outage.back()
        self._batch.extend(wire.event(message) for message in response.events if message.seq >= self.next_seq)
        self._after_batch = max(self.next_seq, response.next_seq, self._batch[-1].seq + 1 if self._batch else 0)
        if not self._batch:
            self.next_seq = self._after_batch

    async def _lost(self, failure: Failure) -> None:
        """Wait before the next try.

        Raises:
            GatewayError: there is none.
            StopAsyncIteration: `aclose` was called meanwhile.
        """
        if not failure.is_transient:
            raise failure.error()
        self._outage.lost(f"at {self.next_seq}: {failure.text}")
        self._pause = asyncio.get_running_loop().create_future()
        closed, _ = await asyncio.wait([self._pause], timeout=self._backoff.next_s())
        if closed:
            raise StopAsyncIteration
