"""The journal in memory: the same bytes, chain and fencing as the one on disk, without the disk. For tests and
simulations.

A `Disk` outlives the journals that are opened on it, as a file outlives a process: to crash is to drop the
`MemoryJournal`, to restart is to make another on the same disk.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from gateway.codec.journal import Batch, ChainBroken, Link, Told, link, seal, unseal, unseal_told
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, JournalDamaged, JournalError, JournalHead

R = TypeVar("R")


class Disk:
    """What stays: the batches in order, and the epoch in force."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.batches: list[Batch] = []
        self.epoch = 0

    @property
    def end(self) -> Link:
        """The end of the chain."""
        return link(self.batches[-1]) if self.batches else Link()


class MemoryJournal:
    """The `Journal` port on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._epoch: int | None = None

    def open(self) -> JournalHead:
        """See `Journal.open`."""
        if self._epoch is not None:
            raise JournalError("the journal is open already: close it first")
        with self._disk.lock:
            batches = self._disk.batches
            if batches:
                _proven(unseal, link(batches[-2]) if len(batches) > 1 else Link(), batches[-1])
            end = self._disk.end
            self._epoch = self._disk.epoch = max(self._disk.epoch, end.epoch) + 1
            return JournalHead(seq=end.seq, hash=end.hash, epoch=self._epoch)

    def append(self, records: Sequence[Record]) -> None:
        """See `Journal.append`."""
        with self._disk.lock:
            if self._epoch is None:
                raise JournalError("the journal is not open: nothing was written")
            if self._epoch != self._disk.epoch:
                stale, self._epoch = self._epoch, None
                raise EpochStale(f"epoch {stale} is over: another owner took the journal over, nothing was written")
            try:
                self._disk.batches.append(seal(self._disk.end, self._epoch, records))
            except (ValueError, OverflowError) as error:
                raise JournalError(f"{error}; nothing was written") from error

    def confirm(self) -> None:
        """See `Journal.confirm`."""
        if self._epoch is None:
            raise JournalError("the journal is not open")
        if self._epoch != self._disk.epoch:
            raise EpochStale(f"epoch {self._epoch} is over: another owner took the journal over")

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See `Journal.read`."""
        for end, batch in self._from(from_seq):
            yield from _proven(unseal, end, batch)[max(0, from_seq - batch.first_seq) :]

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        """See `Journal.told`."""
        for end, batch in self._from(from_seq):
            yield _proven(unseal_told, end, batch)[max(0, from_seq - batch.first_seq) :]

    def hash_at(self, seq: int) -> bytes | None:
        """See `Journal.hash_at`."""
        return next((batch.hash for batch in reversed(self._disk.batches) if batch.last_seq == seq), None)

    def _from(self, seq: int) -> Iterator[tuple[Link, Batch]]:
        """The batches that hold `seq` and what follows, each with the end of the one before."""
        end = Link()
        # The list only grows, and a list's iterator sees what is appended while it runs.
        for batch in self._disk.batches:
            if batch.last_seq >= seq:
                yield end, batch
            end = link(batch)

    def close(self) -> None:
        """See `Journal.close`."""
        self._epoch = None


def _proven(open_batch: Callable[[Link, Batch], list[R]], end: Link, batch: Batch) -> list[R]:
    try:
        return open_batch(end, batch)
    except ChainBroken as broken:
        raise JournalDamaged(
            f"the journal is damaged at seq {broken.damage.seq}: {broken.damage.what}", broken.damage.seq
        ) from broken
