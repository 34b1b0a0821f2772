"""What streams are made of: encoding each event once, one writer per stream, and following the feed for one reader."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
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
from gateway.runtime.feed import CHUNK, EVERYBODY

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
    """Writes a stream's messages, one at a time. `watch` belongs beside, so that none waits for ever."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._began = 0.0

    async def write(self, message: bytes) -> None:
        """Hand over one message; returns when there is room for the next."""
        self._began = time.monotonic()
        await self._context.write(message)
        self._began = 0.0

    async def watch(self) -> None:
        """Look from time to time at how long a message has waited, until this is canceled.

        Raises:
            StuckReader: one has for WRITE_TIMEOUT_S or longer.
        """
        while True:
            await asyncio.sleep(WRITE_TIMEOUT_S / 4)
            if self._began and time.monotonic() - self._began >= WRITE_TIMEOUT_S:
                raise StuckReader


class EventFlow:
    """Events for one reader, from where it asked on, for ever. Who writes the stream asks for each message; `wake` is
    called when there may be one again.

    Raises:
        TooManyReaders: as the feed does.
    """

    def __init__(
        self,
        services: Services,
        encoder: EventEncoder,
        call: Call,
        request: pb.SubscribeRequest,
        message: Callable[[Sequence[bytes], int], bytes],
        wake: Callable[[], None],
    ) -> None:
        self._state = services.sequencer.state
        self._encoder = encoder
        self._caller = call.caller
        self._message = message
        self._wake = wake
        self._selection = selection(request.filter) if request.HasField("filter") else EVERYTHING
        self.next_seq = self._told = _start(request, services.sequencer.committed_seq)
        audience = EVERYBODY if call.caller.is_operator else call.caller.id
        self._reader = services.feed.reader(self.next_seq, audience, wake)
        self._due = False
        # Where the stream starts is said at once.
        self._messages = iter((message((), self.next_seq),))

    def next_message(self) -> bytes | None:
        """What to write next; None while there is nothing.

        Raises:
            SlowReader, JournalError: as the feed does.
        """
        while (message := next(self._messages, None)) is None:
            taken = self._reader.take()
            if taken is None:
                return self._progress()
            self._messages = self._encoded(*taken)
        return message

    async def keep_current(self) -> None:
        """Let a reader that nothing is for know how far it is: otherwise it would resume from far behind."""
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            self._due = True
            self._wake()

    def close(self) -> None:
        """Read no more, and let go of what was not written yet: it knows this flow, and what is part of a circle may
        stay in memory until no session is up (`gateway.runtime.garbage`).
        """
        self._reader.close()
        self._messages = iter(())

    def _encoded(self, records: Sequence[Record], next_seq: int) -> Iterator[bytes]:
        events: list[bytes] = []
        size = 0
        for record in records:
            if not self._wants(record):
                continue
            event = self._encoder(record)
            events.append(event)
            size += len(event)
            if len(events) == EVENTS_PER_MESSAGE or size >= MESSAGE_BYTES:
                yield self._tell(events, record.seq + 1)
                events, size = [], 0
        if events or len(records) >= CHUNK:  # Between chunks of what others did, others have their turn.
            yield self._tell(events, next_seq)
        self.next_seq = next_seq

    def _wants(self, record: Record) -> bool:
        own = record.order is not None and record.order.client_id == self._caller.id
        if not own and not may_see(self._caller, record, self._state.risk.setup):
            return False
        return self._selection is EVERYTHING or self._selection.passes(record)

    def _progress(self) -> bytes | None:
        if not self._due:
            return None
        self._due = False
        next_seq = self._reader.next_seq
        return self._tell((), next_seq) if next_seq > self._told else None

    def _tell(self, events: Sequence[bytes], next_seq: int) -> bytes:
        self.next_seq = self._told = next_seq
        return self._message(events, next_seq)


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


async def together(*work: Coroutine[Any, Any, None], beside: Sequence[Coroutine[Any, Any, None]] = ()) -> None:
    """Run all until all are done or one fails; then the others are ended and its exception passes on. What is `beside`
    runs for as long and is not waited for.
    """
    tasks, watching = ([asyncio.create_task(part) for part in parts] for parts in (work, beside))
    running: list[asyncio.Future[Any]] = [asyncio.gather(*tasks), *watching]
    try:
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for each in ended:
            each.result()
    finally:
        for task in (*tasks, *watching):
            task.cancel()
        await asyncio.gather(*tasks, *running, return_exceptions=True)


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
