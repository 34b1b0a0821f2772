"""The Trade stream: every command of a client goes through it, and every event of its orders comes back on it.

Commands that wait while a write is under way go out together in the next one, so batches grow with the load and a
single command never waits for a second. When the stream is lost, what was not answered is sent again on the next one
under the same key, and the events go on where they stopped.
"""

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from random import Random
from typing import Any

import grpc

from gateway.client import wire
from gateway.client.backoff import Backoff
from gateway.client.cancellation import cancellations
from gateway.client.errors import SEE, Failure, GatewayError, Unavailable, Unknown, of_call, of_status
from gateway.client.keys import MAX_KEY
from gateway.client.lane import StreamFailed
from gateway.client.outage import Outage
from gateway.client.types import CommandReply, Event
from gateway.core.types import Reason
from gateway.pb.v1 import gateway_pb2 as pb

MAX_IN_FLIGHT = 1_000
"""Commands that are not answered yet; the next caller waits until one is."""
MAX_BATCH = 250
"""Commands in one message."""
MAX_COMMAND_BYTES = 4_096
"""So that a whole batch stays far below gRPC's 4 MiB for a message."""

_log = logging.getLogger("gateway.client")

Metadata = Sequence[tuple[str, str]]


class _Pending:
    """A command on its way: `written` while the present stream owes its answer, `lost` once an answer may have been
    lost for good, `why` what stands in its way.
    """

    __slots__ = ("answer", "cl_ord_id", "command", "lost", "why", "written")

    def __init__(self, command: pb.Command, cl_ord_id: str, why: GatewayError) -> None:
        self.command = command
        self.cl_ord_id = cl_ord_id
        self.why = why
        self.written = False
        self.lost = False
        self.answer: asyncio.Future[pb.TradeReply]

    @property
    def has_key(self) -> bool:
        """Only a question to the venue has none: asking twice changes nothing."""
        return not self.command.HasField("request_order_status")

    def is_settled_by(self, refusal: Failure) -> bool:
        """Whether it says what became of the command. When it was sent before, one that kept nothing under the key only
        speaks of this time: who restarts may be let do less. Nor does one say that finds the key used: it may have been
        by this command, when it named no account, was taken by an older version, and the default is another one now.
        """
        if not self.lost or not self.has_key:
            return True
        return refusal.key_spent and refusal.reason != Reason.DUPLICATE_CL_ORD_ID

    def gave_up(self) -> GatewayError:
        """What to tell a caller that waits no longer. What was never sent, or surely not done, is not Unknown."""
        if not self.written and not self.lost:
            return copy(self.why)
        text = f"{self.cl_ord_id} was sent, and its fate is unknown ({self.why.text}): send it again, or ask get_order"
        return Unknown(text, cl_ord_id=self.cl_ord_id)


class _OutOfStepError(Exception):
    """A reply does not belong to the command that is next in turn: the stream cannot be trusted any further."""


class TradeStream:
    """One client's Trade stream, kept up for as long as the client is open."""

    def __init__(
        self,
        open_call: Callable[[], Awaitable[Any]],
        random: Random,
        from_seq: int,
        on_event: Callable[[Event], None],
        on_end: Callable[[GatewayError], None],
    ) -> None:
        self.next_seq = from_seq
        """Every event below it has been handed to `on_event`."""
        self._open_call = open_call
        self._random = random
        self._on_event = on_event
        self._on_end = on_end
        self._backoff = Backoff(random)
        self._outage = Outage("Trade stream")
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._outbox: deque[_Pending] = deque()
        self._unanswered: deque[_Pending] = deque()
        self._work = asyncio.Event()
        self._ended: GatewayError | None = None
        self._readers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()
        self._task = asyncio.create_task(self._run(), name="gateway-trade-stream")

    async def close(self) -> None:
        """End the stream. Whoever still waits is told."""
        self._end(Unavailable("the client was closed"))
        self._task.cancel()
        await asyncio.wait([self._task])

    # --- Commands ---------------------------------------------------------------------------------------------------

    async def execute(self, command: pb.Command, cl_ord_id: str, timeout_s: float) -> CommandReply:
        """Send a command until it is answered, always under the same key, and return when its own event was handed out.

        Raises:
            Refused, NotAllowed: the gateway said no.
            Overloaded, Unavailable: the deadline passed and surely nothing was done.
            Unknown: the deadline passed after it was sent.
            ValueError: larger than MAX_COMMAND_BYTES.
        """
        if command.ByteSize() > MAX_COMMAND_BYTES:
            raise ValueError(f"a command of {command.ByteSize()} bytes; at most {MAX_COMMAND_BYTES} are sent")
        pending = _Pending(command, cl_ord_id, Unavailable(f"no answer within {timeout_s} s: {SEE}"))
        try:
            async with asyncio.timeout(timeout_s), self._room:
                reply = await self._accepted(pending)
                pending.lost = True
                pending.why = Unavailable(f"it is order {reply.order_id!r}, but its event has not come")
                await self._seen(reply.seq)
                return reply
        except TimeoutError:
            raise pending.gave_up() from None

    async def _accepted(self, pending: _Pending) -> CommandReply:
        backoff = Backoff(self._random)
        while True:
            answer = await self._asked(pending)
            if answer.HasField("reply"):
                return wire.reply(answer.reply)
            failure = of_status(answer.error)
            if not failure.is_transient and pending.is_settled_by(failure):
                raise failure.error(pending.cl_ord_id)
            pending.why = failure.error()
            if not failure.is_transient:
                raise pending.gave_up()
            pending.lost |= not failure.is_overload
            await asyncio.sleep(backoff.next_s())

    async def _asked(self, pending: _Pending) -> pb.TradeReply:
        if self._ended:
            pending.why = self._ended
            raise pending.gave_up()
        pending.answer = asyncio.get_running_loop().create_future()
        self._outbox.append(pending)
        self._work.set()
        try:
            answer = await pending.answer
        except asyncio.CancelledError:
            if pending in self._outbox:
                self._outbox.remove(pending)
            raise
        # Only here: an answer that comes together with the deadline is not read, and the command was sent all the same.
        pending.written = False
        return answer

    async def _seen(self, seq: int) -> None:
        """Return when every event up to `seq` has been handed out.

        Raises:
            TimeoutError: none will come any more.
        """
        if seq < self.next_seq:
            return
        reader = (seq, next(self._tickets), asyncio.get_running_loop().create_future())
        heapq.heappush(self._readers, reader)
        try:
            await reader[2]
        except asyncio.CancelledError:
            if reader in self._readers:
                self._readers.remove(reader)
                heapq.heapify(self._readers)
            raise

    # --- The stream -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                failure = await self._one_stream()
                if cancellations():
                    self._end(Unavailable("the client was closed"))
                    return
                if not failure.is_transient:
                    self._end(failure.error())
                    return
                self._take_back(failure.error())
                self._outage.lost(f"{failure.code.name}: {failure.text}")
                await asyncio.sleep(self._backoff.next_s())
        except Exception as error:  # noqa: BLE001  Whatever it is, no caller may be left waiting.
            _log.exception("The Trade stream cannot go on")
            self._end(GatewayError(f"the Trade stream cannot go on: {error!r}"))

    async def _one_stream(self) -> Failure:
        """Run one stream until it ends, and say why it did; also when this task was canceled."""
        try:
            call = await self._open_call()
        except StreamFailed as error:
            return error.failure
        admitted = asyncio.Event()
        writer = asyncio.create_task(self._write(call, admitted))
        try:
            while (response := await call.read()) is not grpc.aio.EOF:
                admitted.set()
                self._backoff.reset()
                self._outage.back()
                self._receive(response)
        except grpc.aio.AioRpcError as error:
            return of_call(error)
        except StreamFailed as error:
            return error.failure
        except asyncio.CancelledError:
            return Failure(grpc.StatusCode.CANCELLED, "the gateway canceled the stream", None)
        except _OutOfStepError as error:
            return Failure(grpc.StatusCode.INTERNAL, str(error), None)
        else:
            return Failure(grpc.StatusCode.UNAVAILABLE, "the gateway ended the stream", None)
        finally:
            writer.cancel()
            call.cancel()
            await asyncio.wait([writer])

    async def _write(self, call: Any, admitted: asyncio.Event) -> None:
        try:
            await call.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=self.next_seq)))
            # The gateway says at once where the events start. Commands wait for that: none is at risk on a stream that
            # is not let in.
            await admitted.wait()
            while True:
                await self._work.wait()
                if batch := self._next_batch():
                    await call.write(pb.TradeRequest(commands=[pending.command for pending in batch]))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # The stream is over; the reading side learns why.

    def _next_batch(self) -> list[_Pending]:
        """Take what waits, up to the bounds. From here on it counts as sent: a write that fails may have reached the
        gateway all the same.
        """
        # A command whose caller gave up holds no room any more and is unanswered all the same; hence the second bound.
        size = min(len(self._outbox), MAX_BATCH, MAX_IN_FLIGHT - len(self._unanswered))
        batch = [self._outbox.popleft() for _ in range(size)]
        for pending in batch:
            pending.written = True
        self._unanswered.extend(batch)
        self._work.clear()
        if batch and self._outbox:
            self._work.set()
        return batch

    def _take_back(self, why: GatewayError) -> None:
        """After a loss: what was not answered goes first on the next stream, in the same order."""
        for pending in reversed(self._unanswered):
            pending.written, pending.lost = False, True
            if not pending.answer.done():
                self._outbox.appendleft(pending)
        self._unanswered.clear()
        for pending in self._outbox:
            pending.why = why
        self._work.set()

    def _receive(self, response: pb.TradeResponse) -> None:
        for message in response.events:
            if message.seq >= self.next_seq:
                self._on_event(wire.event(message))
                self.next_seq = message.seq + 1
        self.next_seq = max(self.next_seq, response.next_seq)
        while self._readers and self._readers[0][0] < self.next_seq:
            _, _, reader = heapq.heappop(self._readers)
            if not reader.done():
                reader.set_result(None)
        for reply in response.replies:
            self._answer(reply)

    def _answer(self, reply: pb.TradeReply) -> None:
        # A reply names at most as much of a key as a good key has.
        expected = self._unanswered[0].cl_ord_id[:MAX_KEY] if self._unanswered else None
        if reply.cl_ord_id != expected:
            raise _OutOfStepError(f"a reply to {reply.cl_ord_id!r} came where one to {expected!r} was due")
        pending = self._unanswered.popleft()
        self._work.set()
        if not pending.answer.done():
            pending.answer.set_result(reply)

    def _end(self, why: GatewayError) -> None:
        """Nothing will be sent or received any more."""
        if self._ended:
            return
        self._ended = why
        for pending in (*self._unanswered, *self._outbox):
            if not pending.answer.done():
                pending.why = why
                pending.answer.set_exception(pending.gave_up())
        for _, _, reader in self._readers:
            if not reader.done():
                reader.set_exception(TimeoutError())
        self._on_end(why)
