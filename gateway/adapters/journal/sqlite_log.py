"""SQLite's write-ahead log, moved into its file beside the writer.

SQLite does it in the middle of a commit, every thousand pages, and fsyncs: that commit takes ten milliseconds. Here a
thread does it with a connection of its own, and only a log that grows to `LONGEST_PAGES` all the same, because the
writer never paused, is moved by a commit.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import sqlalchemy as sa
import structlog

_log = structlog.get_logger(__name__)

AFTER_BYTES = 4 << 20
LONGEST_PAGES = 16_384


class LogMover:
    """Moves the log of one writer; `connect` makes a connection for it. `note` and `close` belong to the writer's
    thread.
    """

    def __init__(self, writer: sa.Connection, connect: Callable[[], sa.Connection]) -> None:
        self._connect = connect
        self._written = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-log")
        self._moving: Future[None] | None = None
        writer.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {LONGEST_PAGES}")

    def note(self, size: int) -> None:
        """So many bytes more are in the log."""
        self._written += size
        if self._written >= AFTER_BYTES and (self._moving is None or self._moving.done()):
            self._written = 0
            self._moving = self._thread.submit(self._move)

    def _move(self) -> None:
        try:
            with self._connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
        except sa.exc.SQLAlchemyError as error:
            # Nothing is lost: it stays in the log, and when that is too long a commit finds out what is wrong.
            _log.warning("journal_log_not_moved", why=str(error.__cause__ or error))

    def close(self) -> None:
        """Wait until nothing moves any more."""
        self._thread.shutdown(wait=True)
