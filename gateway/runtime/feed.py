"""The feed: every committed record, in order, to any number of readers, without gap or duplicate.

Readers are cursors over one shared window of the newest records, so a reader costs no queue. What is older comes from
the journal, read on a thread. A reader that was live and falls out of the window is dropped: it knows where it stood
and can resume (rule 7).

A reader whom only some records concern says so, and is then woken for those alone: the hundredth client costs an order
of the first nothing.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import islice

from gateway.core.events import Record
from gateway.runtime.ports import Journal

CHUNK = 1_000
"""Most records a reader is given at once."""
_SLACK = 256
"""How many more than the window are kept before the oldest are dropped, all at once: few, so that it takes no time."""


class SlowReader(Exception):
    """The reader fell too far behind. `next_seq` is where to resume."""

    def __init__(self, next_seq: int) -> None:
        super().__init__(f"fell behind by more than the window; resume at sequence number {next_seq}")
        self.next_seq = next_seq


class TooManyReaders(Exception):
    """The number of readers is at its limit."""


NOBODY, EVERYBODY = "", "*"
"""What is no single audience's: only readers of everything get it, or all readers do."""

Audience = Callable[[Record], str]


class _Channel:
    """The records of the window that concern one audience, oldest first; `dropped` were before them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.dropped = 0
        self.readers = 0
        self.news = asyncio.Event()

    @property
    def end(self) -> int:
        return self.dropped + len(self.records)

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.news.set()

    def drop_before(self, seq: int) -> None:
        count = bisect_left(self.records, seq, key=lambda record: record.seq)
        del self.records[:count]
        self.dropped += count


class Feed:
    """Committed records for readers. `publish` and `follow` run on the event loop. `audience` says whom a record
    concerns.
    """

    def __init__(
        self,
        journal: Journal,
        committed_seq: int,
        *,
        window: int = 65_536,
        max_readers: int = 256,
        audience: Audience = lambda _record: EVERYBODY,
    ) -> None:
        self.readers = 0
        self._audience = audience
        self._channels: dict[str, _Channel] = {}
        self._journal = journal
        self._next_seq = committed_seq + 1
        self._window = window
        self._max_readers = max_readers
        self._recent: list[Record] = []
        self._news = asyncio.Event()

    @property
    def _first_recent(self) -> int:
        return self._next_seq - len(self._recent)

    def publish(self, records: Sequence[Record]) -> None:
        """Newly committed records, in order."""
        self._recent.extend(records)
        self._next_seq += len(records)
        # A batch larger than the window must not drop the readers that were up to date before it.
        kept = max(self._window, len(records))
        if self._channels:
            self._distribute(records)
        if len(self._recent) > kept + min(kept, _SLACK):
            del self._recent[:-kept]
            for channel in self._channels.values():
                channel.drop_before(self._first_recent)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _distribute(self, records: Sequence[Record]) -> None:
        for record in records:
            concerned = self._audience(record)
            if concerned == EVERYBODY:
                for channel in self._channels.values():
                    channel.add(record)
            elif concerned in self._channels:
                self._channels[concerned].add(record)

    def nudge(self, audience: str) -> None:
        """Let the readers of an audience know how far all is, though nothing was for them."""
        if audience in self._channels:
            self._channels[audience].news.set()

    async def follow(
        self, from_seq: int | None = None, audience: str = EVERYBODY
    ) -> AsyncGenerator[tuple[Sequence[Record], int], None]:
        """Batches of records from `from_seq` on (None: from now on), each with the sequence number to go on from.
        Never ends by itself. Of those that come live, one who reads for an audience gets only what concerns it.

        Raises:
            SlowReader: it was live and fell out of the window.
            TooManyReaders: no place for another reader.
        """
        if self.readers >= self._max_readers:
            raise TooManyReaders(f"{self._max_readers} readers is the limit")
        self.readers += 1
        channel: _Channel | None = None
        try:
            next_seq = self._next_seq if from_seq is None else max(1, from_seq)
            while next_seq < self._first_recent:
                # Counted here: the thread must not look at a window that is being published to.
                count = min(CHUNK, self._first_recent - next_seq)
                records = await asyncio.to_thread(self._from_journal, next_seq, count)
                next_seq += len(records)
                yield records, next_seq
            while audience == EVERYBODY or next_seq != self._next_seq:
                if next_seq < self._first_recent:
                    raise SlowReader(next_seq)
                start = next_seq - self._first_recent
                if live := self._recent[start : start + CHUNK]:
                    next_seq += len(live)
                    yield live, next_seq
                else:
                    await self._news.wait()
            channel = self._channels.setdefault(audience, _Channel())
            channel.readers += 1
            place = channel.end
            while True:
                if place < channel.dropped:
                    raise SlowReader(next_seq)
                start = place - channel.dropped
                if live := channel.records[start : start + CHUNK]:
                    place += len(live)
                    next_seq = live[-1].seq + 1 if place < channel.end else self._next_seq
                    yield live, next_seq
                elif next_seq < self._next_seq:
                    next_seq = self._next_seq
                    yield (), next_seq
                else:
                    channel.news.clear()
                    await channel.news.wait()
        finally:
            self.readers -= 1
            if channel is not None:
                channel.readers -= 1
                if not channel.readers:
                    del self._channels[audience]

    def _from_journal(self, from_seq: int, count: int) -> list[Record]:
        return list(islice(self._journal.read(from_seq), count))
