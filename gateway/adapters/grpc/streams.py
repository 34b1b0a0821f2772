"""What streams are made of: encoding each event once, one writer per stream, and following the feed for one reader."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

from gateway.adapters.grpc.errors import ApiReason, Failure
from gateway.adapters.grpc.identity import Call
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.visibility import may_see
from gateway.codec.proto.events import event_to_pb
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.filters import EVERYTHING, selection
from gateway.codec.proto.wire import framed
from gateway.core.events import Record
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.feed import EVERYBODY

ENCODED_KEPT = 8_192
"""How many of the newest encoded events are kept for other readers."""

EVENTS_PER_MESSAGE = 64
"""So that one message is encoded in about a millisecond: a reader of a long history must not hold up orders."""

MESSAGE_BYTES = 256 * 1024
"""A message is sent when it is this large; far below the 4 MiB that gRPC clients take by default."""

PROGRESS_INTERVAL_S = 1.0
"""How often next_seq moves on for a reader that nothing was for."""

WRITE_TIMEOUT_S = 30.0
"""How long one message may wait for a reader who does not read, before the stream is ended."""


class EventEncoder:
    """Encodes each event once for all its readers. The oldest encodings are forgotten first."""

    def __init__(self) -> None:
        self._encoded: OrderedDict[int, bytes] = OrderedDict()

    def __call__(self, record: Record) -> bytes:
        """The event, encoded, with its length before it."""
        found = self._encoded.get(record.seq)
        if found is None:
            found = self._encoded[record.seq] = framed(event_to_pb(record))
            if len(self._encoded) > ENCODED_KEPT:
                self._encoded.popitem(last=False)
        return found


class StuckReader(Exception):
    """The reader did not take a message in time."""


class StreamWriter:
    """The one writer of a stream: a message at a time, and never one that waits for ever."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._lock = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """A message is on its way."""
        return self._lock.locked()

    async def write(self, message: bytes) -> None:
        """Hand over one message; returns when there is room for the next.

        Raises:
            StuckReader: there was none for WRITE_TIMEOUT_S.
        """
        async with self._lock:
            await self._send(message)

    async def _send(self, message: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._context.write(message)
        except TimeoutError:
            raise StuckReader from None


class JoiningWriter(StreamWriter):
    """Sends as one message what several hand over at the same time, or while one is on its way: batches grow with the
    load, and nothing waits for a second.

    For messages whose encodings one after the other are the encoding of both: repeated fields, and numbers of which the
    last counts.
    """

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._waiting: list[bytes] = []
        self._handed = self._taken = 0

    async def write(self, message: bytes) -> None:
        """See `StreamWriter.write`."""
        self._waiting.append(message)
        self._handed += 1
        ticket = self._handed
        async with self._lock:
            if ticket > self._taken:
                await asyncio.sleep(0)  # Who has something to send at this moment hands it over.
                joined = b"".join(self._waiting)
                self._waiting.clear()
                self._taken = self._handed
                await self._send(joined)


class EventFlow:
    """Events for one reader, from where it asked on, for ever."""

    def __init__(
        self,
        services: Services,
        encoder: EventEncoder,
        call: Call,
        request: pb.SubscribeRequest,
        writer: StreamWriter,
        message: Callable[[Sequence[bytes], int], bytes],
    ) -> None:
        self._feed = services.feed
        self._state = services.sequencer.state
        self._encoder = encoder
        self._caller = call.caller
        self._audience = EVERYBODY if call.caller.is_operator else call.caller.id
        self._writer = writer
        self._message = message
        self._selection = selection(request.filter) if request.HasField("filter") else EVERYTHING
        self.next_seq = _start(request, services.sequencer.committed_seq)
        self._told = self.next_seq

    async def run(self) -> None:
        """Say where the stream starts, at once; then deliver.

        Raises:
            SlowReader, TooManyReaders: as the feed does.
            StuckReader: as the writer does.
        """
        await self._tell((), self.next_seq)
        await together(self._follow(), self._keep_current())

    async def _follow(self) -> None:
        async with aclosing(self._feed.follow(self.next_seq, self._audience)) as batches:
            async for records, next_seq in batches:
                await self._deliver(records)
                self.next_seq = next_seq

    async def _deliver(self, records: Sequence[Record]) -> None:
        events: list[bytes] = []
        size = 0
        for record in records:
            if not self._wants(record):
                continue
            event = self._encoder(record)
            events.append(event)
            size += len(event)
            if len(events) == EVENTS_PER_MESSAGE or size >= MESSAGE_BYTES:
                await self._tell(events, record.seq + 1)
                events, size = [], 0
        if events:
            await self._tell(events, records[-1].seq + 1)

    def _wants(self, record: Record) -> bool:
        own = record.order is not None and record.order.client_id == self._caller.id
        if not own and not may_see(self._caller, record, self._state.risk.setup):
            return False
        return self._selection is EVERYTHING or self._selection.passes(record)

    async def _tell(self, events: Sequence[bytes], next_seq: int) -> None:
        self.next_seq = self._told = next_seq
        await self._writer.write(self._message(events, next_seq))

    async def _keep_current(self) -> None:
        """Let a reader that nothing is for know how far it is: otherwise it would resume from far behind."""
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            self._feed.nudge(self._audience)
            if self.next_seq > self._told and not self._writer.busy:
                await self._tell((), self.next_seq)


def _start(request: pb.SubscribeRequest, committed_seq: int) -> int:
    if not request.HasField("from_seq"):
        return committed_seq + 1
    if request.from_seq < 1:
        raise InvalidField("from_seq", "sequence numbers start at 1")
    if request.from_seq > committed_seq + 1:
        text = (
            f"from_seq {request.from_seq} is ahead of this journal, which ends at {committed_seq}: is it another one?"
        )
        raise Failure(ApiReason.SEQ_AHEAD, text, "from_seq", {"next_seq": str(committed_seq + 1)})
    return request.from_seq


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until all are done or one fails; then the others are ended and its exception passes on."""
    tasks = [asyncio.create_task(part) for part in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Stream(Protocol):
    """A stream that the server can end when it stops."""

    def end(self) -> None:
        """Finish what was taken, then fail with UNAVAILABLE."""


class Streams:
    """All streams that run."""

    def __init__(self) -> None:
        self._running: set[Stream] = set()

    @contextmanager
    def running(self, stream: Stream) -> Iterator[None]:
        """The stream runs while this is open."""
        self._running.add(stream)
        try:
            yield
        finally:
            self._running.discard(stream)

    def end_all(self) -> None:
        """The server stops."""
        for stream in tuple(self._running):
            stream.end()
