"""Old batches in files of the journal's own format: one SQLite file for each stretch, named after its seq.

A file is there whole or not at all, and is never changed. So it can be copied, kept elsewhere, and read by
`gateway journal` like any journal.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.journal.sql import SqlJournal
from gateway.adapters.journal.sqlite import seal
from gateway.codec.journal import Batch, Link, link
from gateway.config import sqlite_url
from gateway.runtime.files import make_durably, sync
from gateway.runtime.ports import JournalError

# About as much as goes into one file.
SEGMENT_BYTES = 256 << 20

_NAME = re.compile(r"(\d{20})-(\d{20})\.sqlite")


class Segment(NamedTuple):
    """One file: the batches from `first_seq` to `last_seq`."""

    first_seq: int
    last_seq: int
    path: Path

    def journal(self) -> SqlJournal:
        """The file as a journal, for reading."""
        return SqlJournal(sqlite_url(self.path))


class Archive:
    """The files in a directory, which need not exist as long as nothing is archived."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.where = f"the archive {directory}"

    def segments(self) -> list[Segment]:
        """The files that are there, by seq."""
        if not self.directory.exists():
            return []
        names = ((_NAME.fullmatch(path.name), path) for path in self.directory.iterdir())
        return sorted(Segment(int(name[1]), int(name[2]), path) for name, path in names if name is not None)

    def gaps(self, through: int) -> list[tuple[int, int]]:
        """Which seq up to `through` no file is named after, as (first, last). Nothing is opened.

        Raises:
            OSError: the directory cannot be read.
        """
        missing, next_seq = [], 1
        for first_seq, last_seq, _ in self.segments():
            if first_seq > through:
                break
            if next_seq < first_seq:
                missing.append((next_seq, first_seq - 1))
            next_seq = max(next_seq, last_seq + 1)
        return [*missing, (next_seq, through)] if next_seq <= through else missing

    def batches(self, seq: int) -> Iterator[Batch]:
        """The archived batches from the one that holds `seq`, in order, as far as they are there without a gap.

        Raises:
            JournalError: a file is damaged, or cannot be read.
        """
        for segment in self.segments():
            if segment.first_seq <= seq <= segment.last_seq:
                for batch in segment.journal().batches(seq):
                    yield batch
                    seq = batch.last_seq + 1

    def add(self, batches: Iterable[Batch], after: Link, through: int) -> int:
        """Put those of `batches`, which follow on `after`, that end at `through` or before into new files, durably.
        What is there already, as after an archiving that was cut short, is not written again.

        Returns:
            The last seq that the archive has then.

        Raises:
            JournalError: they do not follow, or cannot be written.
        """
        make_durably(self.directory)
        coming = iter(batches)
        end = after
        for kept in self.batches(after.seq + 1):
            if kept.last_seq > through:
                break
            if next(coming, None) != kept:
                raise JournalError(f"{self.where} has another seq {kept.first_seq} than the journal: move it away")
            end = link(kept)
        going = takewhile(lambda each: each.last_seq <= through, coming)
        while (added := self._write(_stretch(going), end)) is not None:
            end = added
        return end.seq

    def _write(self, batches: Iterator[Batch], after: Link) -> Link | None:
        """One new file; where it ends, None when there are no batches."""
        first = next(batches, None)
        if first is None:
            return None
        part = self.directory / f"{after.seq + 1:020d}.part"
        _remove(part)
        try:
            head = SqlJournal(sqlite_url(part)).import_batches(chain((first,), batches), after)
            seal(part)
            for _ in SqlJournal(sqlite_url(part)).batches(after.seq + 1):
                pass  # Proven as it is read.
            part.replace(self.directory / f"{after.seq + 1:020d}-{head.seq:020d}.sqlite")
            sync(self.directory)
        except OSError as error:
            raise JournalError(f"{self.where} cannot be written: {error}; free space or correct its rights") from error
        finally:
            _remove(part)
        return Link(head.seq, head.hash, head.epoch)


def _stretch(batches: Iterator[Batch]) -> Iterator[Batch]:
    """What goes into one file."""
    size = 0
    for batch in batches:
        yield batch
        size += len(batch.records)
        if size >= SEGMENT_BYTES:
            return


def _remove(part: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        part.with_name(part.name + end).unlink(missing_ok=True)
