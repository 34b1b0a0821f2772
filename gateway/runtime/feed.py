"""The feed: every committed record, in order, to any number of readers, without gap or duplicate.

Readers are cursors over one shared window of the newest records, so a reader costs no queue. What is older comes from
the journal, read on a thread. A reader that was live and falls out of the window is dropped: it knows where it stood
and can resume (rule 7).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import islice

from gateway.core.events import Record
from gateway.runtime.ports import Journal

CHUNK = 1_000
"""Most records a reader is given at once."""


class SlowReader(Exception):
    """The reader fell too far behind. `next_seq` is where to resume."""

    def __init__(self, next_seq: int) -> None:
        super().__init__(f"fell behind by more than the window; resume at sequence number {next_seq}")
        self.next_seq = next_seq


class TooManyReaders(Exception):
    """The number of readers is at its limit."""


class Feed:
    """Committed records for readers. `publish` and `follow` run on the event loop."""

    def __init__(self, journal: Journal, committed_seq: int, *, window: int = 65_536, max_readers: int = 256) -> None:
        self.readers = 0
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
        if len(self._recent) > 2 * kept:
            del self._recent[:-kept]
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self, from_seq: int | None = None) -> AsyncGenerator[tuple[Sequence[Record], int], None]:
        """Batches of records from `from_seq` on (None: from now on), each with the sequence number to go on from.
        Never ends by itself.

        Raises:
            SlowReader: it was live and fell out of the window.
            TooManyReaders: no place for another reader.
        """
        if self.readers >= self._max_readers:
            raise TooManyReaders(f"{self._max_readers} readers is the limit")
        self.readers += 1
        try:
            next_seq = self._next_seq if from_seq is None else max(1, from_seq)
            while next_seq < self._first_recent:
                # Counted here: the thread must not look at a window that is being published to.
                count = min(CHUNK, self._first_recent - next_seq)
                records = await asyncio.to_thread(self._from_journal, next_seq, count)
                next_seq += len(records)
                yield records, next_seq
            while True:
                if next_seq < self._first_recent:
                    raise SlowReader(next_seq)
                start = next_seq - self._first_recent
                if live := self._recent[start : start + CHUNK]:
                    next_seq += len(live)
                    yield live, next_seq
                else:
                    await self._news.wait()
        finally:
            self.readers -= 1

    def _from_journal(self, from_seq: int, count: int) -> list[Record]:
        return list(islice(self._journal.read(from_seq), count))
