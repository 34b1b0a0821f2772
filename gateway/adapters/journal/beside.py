"""A process that reads a long journal ahead of a start: see `gateway.runtime.ahead`."""

import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

import msgspec

from gateway.adapters.journal.archive import Archive
from gateway.adapters.journal.sql import SqlJournal
from gateway.runtime.ahead import hand_over

LEAST_EVENTS = 200_000
"""With fewer it takes longer to start the process than it saves."""

_BUFFER_BYTES = 1 << 20


class _Task(msgspec.Struct):
    url: str
    archive: str
    from_seq: int
    send_after: int


class ReaderBeside:
    """Starts such processes for a journal. `archive` is the directory of its archive, which need not exist."""

    def __init__(self, url: str, archive: Path, least_events: int = LEAST_EVENTS) -> None:
        self._url = url
        self._archive = str(archive)
        self._least_events = least_events

    def __call__(self, from_seq: int, send_after: int) -> AbstractContextManager[IO[bytes]] | None:
        """A process that proves the journal from `from_seq` on, and hands it over from behind `send_after`; None when
        there is too little to read, or one processor for both.
        """
        if len(os.sched_getaffinity(0)) < 2 or SqlJournal(self._url).last_seq() - from_seq < self._least_events:
            return None
        return _started(_Task(self._url, self._archive, from_seq, send_after))


@contextlib.contextmanager
def _started(task: _Task) -> Iterator[IO[bytes]]:
    """Its output. It does not outlive this, nor, by its next write, the process that started it."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        bufsize=_BUFFER_BYTES,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the one that people started.
    ) as process:
        try:
            with cast("IO[bytes]", process.stdin) as order:
                order.write(msgspec.json.encode(task))
            yield cast("IO[bytes]", process.stdout)
        finally:
            process.kill()


def main() -> None:
    """Hand over the journal that standard input names."""
    gc.disable()  # It makes no circles.
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)
    journal = SqlJournal(task.url, older=Archive(Path(task.archive)))
    with contextlib.suppress(BrokenPipeError):
        hand_over(journal.batches(task.from_seq), sys.stdout.buffer.write, task.send_after)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
