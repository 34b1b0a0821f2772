"""SQLite's log is moved into its file beside the commits, and a thread that cannot do it takes nothing away."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.adapters.journal import SqlJournal, sqlite_log
from gateway.adapters.journal.sqlite_log import LogMover
from tests.adapters.journal.records import fills

BATCH = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqlJournal]:
    opened = SqlJournal(f"sqlite:///{path}", "process")
    opened.open()
    yield opened
    opened.close()


def append(journal: SqlJournal, batches: int) -> None:
    for number in range(batches):
        journal.append(fills(number * BATCH + 1, (number + 1) * BATCH))


def test_the_log_is_moved_while_the_journal_is_open(
    journal: SqlJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "AFTER_BYTES", 100_000)
    moved, move = threading.Event(), LogMover._move

    def seen(mover: LogMover) -> None:
        move(mover)
        moved.set()

    monkeypatch.setattr(LogMover, "_move", seen)
    before = path.stat().st_size
    append(journal, 20)
    assert moved.wait(20)
    assert path.stat().st_size > before + 50_000
    assert journal.verify().records == 20 * BATCH


def test_without_the_thread_a_commit_moves_a_log_that_is_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: the log is bounded, whatever the thread does."""
    monkeypatch.setattr(sqlite_log, "AFTER_BYTES", 1 << 40)
    monkeypatch.setattr(sqlite_log, "LONGEST_PAGES", 50)
    journal = SqlJournal(f"sqlite:///{path}", "process")
    journal.open()
    append(journal, 40)
    assert path.with_name(path.name + "-wal").stat().st_size < 150 * 4_200
    assert journal.verify().records == 40 * BATCH
    journal.close()


def test_a_thread_that_fails_takes_nothing_away(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_log, "AFTER_BYTES", 1)

    def no_connection() -> sa.Connection:
        raise sa.exc.OperationalError("PRAGMA", None, OSError("too many open files"))

    monkeypatch.setattr(journal._writer, "_connect", no_connection)
    with capture_logs() as logged:
        append(journal, 5)
        assert journal.last_seq() == 5 * BATCH
        journal.close()
    assert "too many open files" in next(line["why"] for line in logged if line["event"] == "journal_log_not_moved")
