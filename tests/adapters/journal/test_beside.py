"""The process that reads a journal ahead of a start: a real one, on each database, whole or killed."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from structlog.testing import capture_logs

from gateway.adapters.journal import SqlJournal, beside
from gateway.adapters.journal.archive import Archive
from gateway.adapters.journal.beside import ReaderBeside
from gateway.runtime import recovery
from gateway.runtime.ports import JournalDamaged
from gateway.runtime.recovery import recover
from tests.bench.lives import Lives

EVENTS = 3_000


@pytest.fixture(autouse=True)
def handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """From behind the archived part on, and a little more."""
    monkeypatch.setattr(recovery, "WHILE_IT_STARTS", 1_200)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """The processes that were started."""
    found: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            found.append(self)

    monkeypatch.setattr(beside.subprocess, "Popen", Popen)
    return found


def filled(url: str, archive: Path) -> SqlJournal:
    """A journal whose first third is in the archive."""
    older = Archive(archive)
    journal = SqlJournal(url, "process", older=older)
    journal.open()
    for records in Lives(1).batches(EVENTS):
        journal.append(records)
    last = older.add(journal.batches(), journal.archived(), EVENTS // 3)
    assert journal.drop_before(last + 1) > 0
    return journal


def test_a_start_takes_over_what_a_process_has_read(
    new_url: Callable[[], str], tmp_path: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    """The archived part too, and while the journal is open, as at a start. Nothing is left of the process."""
    url = new_url()
    journal = filled(url, tmp_path)
    reader = ReaderBeside(url, tmp_path, least_events=1)
    with capture_logs() as logs:
        assert recover(journal, beside=reader) == recover(journal)
    journal.close()
    assert logs == []
    assert [process.returncode is not None for process in started] == [True]


def test_a_process_is_started_for_a_long_journal_only(
    tmp_path: Path, started: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    journal = filled(url, tmp_path)
    last = journal.last_seq()
    assert ReaderBeside(url, tmp_path)(1, 0) is None
    assert ReaderBeside(url, tmp_path, least_events=last)(1, 0) is None
    assert ReaderBeside(url, tmp_path, least_events=100)(last - 50, 0) is None
    assert ReaderBeside(url, tmp_path, least_events=last - 1)(1, 0) is not None
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    assert ReaderBeside(url, tmp_path, least_events=1)(1, 0) is None
    journal.close()
    assert started == []  # Not before somebody reads.


def test_a_process_that_is_killed_costs_time_and_nothing_else(
    tmp_path: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    journal = filled(url, tmp_path)
    reader = ReaderBeside(url, tmp_path, least_events=1)

    @contextmanager
    def killed(from_seq: int, send_after: int) -> Iterator[IO[bytes]]:
        process = reader(from_seq, send_after)
        assert process is not None
        with process as stream:
            stream.read(4)
            started[0].kill()
            yield stream

    with capture_logs() as logs:
        assert recover(journal, beside=killed) == recover(journal)
    journal.close()
    assert [line["event"] for line in logs] == ["reader_failed"]


def test_what_the_process_finds_damaged_is_named_by_the_start(
    tmp_path: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite"
    journal = filled(url, tmp_path / "archive")
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database, database:
        (place,) = database.execute("SELECT max(first_seq) FROM journal_batch WHERE first_seq < 2000").fetchone()
        database.execute("UPDATE journal_batch SET hash = prev_hash WHERE first_seq = ?", (place,))
    with capture_logs() as logs, pytest.raises(JournalDamaged) as raised:
        recover(journal, beside=ReaderBeside(url, tmp_path / "archive", least_events=1))
    journal.close()
    assert raised.value.seq == place
    assert [line["event"] for line in logs] == ["reader_failed"]
    assert len(started) == 1
