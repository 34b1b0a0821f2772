"""The feed: every committed record, in order, to any number of readers, without gap or duplicate.

Readers are cursors over one shared window of the newest records, so a reader costs no queue. What is older comes from
the journal, read on a thread. A reader that was live and falls out of the window is dropped: it knows where it stood
and can resume (rule 7).

A reader whom only some records concern says so, and is then woken for those alone: the hundredth client costs an order
of the first nothing.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
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


EVERYBODY = "*"
"""The audience of what all readers get. What concerns nobody ("") is only for those who read as EVERYBODY."""

Audience = Callable[[Record], str]


class _Channel:
    """The records of the window that concern one audience, oldest first; `dropped` were before them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.dropped = 0
        self.readers: list[Reader] = []

    @property
    def end(self) -> int:
        return self.dropped + len(self.records)

    def drop_before(self, seq: int) -> None:
        count = bisect_left(self.records, seq, key=lambda record: record.seq)
        del self.records[:count]
        self.dropped += count


class Feed:
    """Committed records for readers. Everything is called on the event loop. `audience` says whom a record concerns."""

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
        self.next_seq = committed_seq + 1
        self._audience = audience
        self._channels: dict[str, _Channel] = {}
        self._journal = journal
        self._window = window
        self._max_readers = max_readers
        self._recent: list[Record] = []

    @property
    def first_recent(self) -> int:
        """The seq of the oldest record in the window; the next one when there is none."""
        return self.next_seq - len(self._recent)

    def publish(self, records: Sequence[Record]) -> None:
        """Newly committed records, in order."""
        self._recent.extend(records)
        self.next_seq += len(records)
        # A batch larger than the window must not drop the readers that were up to date before it.
        kept = max(self._window, len(records))
        concerned = self._distribute(records) if self._channels else ()
        if len(self._recent) > kept + min(kept, _SLACK):
            del self._recent[:-kept]
            for channel in self._channels.values():
                channel.drop_before(self.first_recent)
        for channel in concerned:
            for reader in channel.readers:
                reader.wake()

    def _distribute(self, records: Sequence[Record]) -> set[_Channel]:
        concerned: set[_Channel] = set()
        everything = self._channels.get(EVERYBODY)
        for record in records:
            audience = self._audience(record)
            own = self._channels.get(audience)
            channels = self._channels.values() if audience == EVERYBODY else filter(None, (everything, own))
            for channel in channels:
                channel.records.append(record)
                concerned.add(channel)
        return concerned

    def reader(self, from_seq: int | None, audience: str, wake: Callable[[], None]) -> "Reader":
        """A reader that begins at `from_seq` (None: with what comes from now on). Of what comes live, one who reads for
        an audience gets only what concerns it; for EVERYBODY it is everything.

        Raises:
            TooManyReaders: no place for another reader.
        """
        if self.readers >= self._max_readers:
            raise TooManyReaders(f"{self._max_readers} readers is the limit")
        self.readers += 1
        return Reader(self, self.next_seq if from_seq is None else max(1, from_seq), audience, wake)

    def left(self, reader: "Reader", audience: str, channel: _Channel | None) -> None:
        """A reader reads no more."""
        self.readers -= 1
        if channel is not None:
            channel.readers.remove(reader)
            if not channel.readers:
                del self._channels[audience]

    def join(self, reader: "Reader", audience: str) -> _Channel:
        """A reader has seen everything until now, and is woken from now on."""
        channel = self._channels.setdefault(audience, _Channel())
        channel.readers.append(reader)
        return channel

    def recent(self, from_seq: int) -> list[Record]:
        """Some records of the window, from one on that is in it."""
        start = from_seq - self.first_recent
        return self._recent[start : start + CHUNK]

    def from_journal(self, from_seq: int, count: int) -> list[Record]:
        """Older records. On a thread: it must not look at a window that is being published to."""
        return list(islice(self._journal.read(from_seq), count))


class Reader:
    """One reader's place. `wake` is called when there may be something again after `take` gave nothing."""

    def __init__(self, feed: Feed, next_seq: int, audience: str, wake: Callable[[], None]) -> None:
        self.wake = wake
        self._feed = feed
        self._next_seq = next_seq
        self._audience = audience
        self._reading: asyncio.Future[list[Record]] | None = None
        self._in_window = False
        self._channel: _Channel | None = None
        self._place = 0

    @property
    def next_seq(self) -> int:
        """Everything below it that concerns the reader was given."""
        channel = self._channel
        up_to_date = channel is not None and self._place == channel.end
        return max(self._next_seq, self._feed.next_seq) if up_to_date else self._next_seq

    def take(self) -> tuple[Sequence[Record], int] | None:
        """What comes next, with the sequence number to go on from; None while there is nothing.

        Raises:
            SlowReader: it was live and fell out of the window.
            JournalError: what is older cannot be read.
        """
        if self._channel is not None:
            return self._live(self._channel)
        if self._reading is None and not self._in_window:
            self._in_window = self._next_seq >= self._feed.first_recent
        if self._in_window:
            return self._recent()
        return self._older()

    def close(self) -> None:
        """Read no more. Safe to call once."""
        self._feed.left(self, self._audience, self._channel)

    def _older(self) -> tuple[Sequence[Record], int] | None:
        if self._reading is None:
            count = min(CHUNK, self._feed.first_recent - self._next_seq)
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(None, self._feed.from_journal, self._next_seq, count)
            self._reading.add_done_callback(lambda _: self.wake())
        if not self._reading.done():
            return None
        records, self._reading = self._reading.result(), None
        self._next_seq += len(records)
        return records, self._next_seq

    def _recent(self) -> tuple[Sequence[Record], int] | None:
        if self._next_seq < self._feed.first_recent:
            raise SlowReader(self._next_seq)
        records = self._feed.recent(self._next_seq)
        if not records:
            self._channel = self._feed.join(self, self._audience)
            self._place = self._channel.end
            return None
        self._next_seq += len(records)
        return records, self._next_seq

    def _live(self, channel: _Channel) -> tuple[Sequence[Record], int] | None:
        if self._place < channel.dropped:
            raise SlowReader(self._next_seq)
        start = self._place - channel.dropped
        records = channel.records[start : start + CHUNK]
        if not records:
            return None
        self._place += len(records)
        if records[0].seq < self._next_seq:  # It asked for what had not happened yet.
            records = [record for record in records if record.seq >= self._next_seq]
        if records:
            self._next_seq = records[-1].seq + 1 if self._place < channel.end else self._feed.next_seq
        return (records, self._next_seq) if records else None
