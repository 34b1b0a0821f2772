"""The journal on SQLite keeps the contract in both durabilities, and is what it says it is."""

import errno
import itertools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from gateway.adapters.journal import SqlJournal, database
from gateway.adapters.journal.sqlite import SqliteDatabase
from gateway.codec.journal import FORMAT_VERSION, Batch
from gateway.runtime.ports import EpochStale, JournalDamaged, JournalError
from tests.adapters.journal.contract import JournalContract, Opener
from tests.adapters.journal.records import BASE_NS, fill, fills


class TestPower(JournalContract):
    durability: Literal["power", "process"] = "power"

    @pytest.fixture
    def storages(self, tmp_path: Path) -> Callable[[], Opener]:
        numbers = itertools.count(1)

        def new() -> Opener:
            url = f"sqlite:///{tmp_path}/{next(numbers)}.sqlite"
            return lambda: SqlJournal(url, self.durability)

        return new


class TestProcess(TestPower):
    durability = "process"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def _journal(path: Path, durability: Literal["power", "process"] = "power") -> SqlJournal:
    return SqlJournal(f"sqlite:///{path}", durability)


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
def test_each_durability_has_its_pragmas(path: Path, durability: Literal["power", "process"], synchronous: int) -> None:
    journal = _journal(path, durability)
    journal.open()
    assert journal._writer is not None
    assert journal._writer.connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
    assert journal._writer.connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    journal.close()


def test_a_database_in_memory_is_refused_because_it_is_not_durable() -> None:
    with pytest.raises(JournalError, match="journal_mode 'memory'"):
        SqlJournal("sqlite:///:memory:").open()


@pytest.mark.parametrize("url", ["mysql://olga:secret@localhost/journal", "postgresql://olga:secret@localhost/journal"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(JournalError, match=r"cannot be kept in \w+:.*sqlite:///.*postgresql\+psycopg://") as refused:
        SqlJournal(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["journal.sqlite", "postgresql+psycopg://olga:secret@localhost:port/journal"])
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(JournalError, match="cannot be read") as refused:
        SqlJournal(url)
    assert "secret" not in str(refused.value)


def test_one_append_is_one_row(path: Path) -> None:
    journal = _journal(path)
    journal.open()
    journal.append(fills(1, 7))
    journal.append([fill(8)])
    journal.close()
    rows = sqlite3.connect(path).execute("SELECT first_seq, last_seq, epoch FROM journal_batch ORDER BY 1").fetchall()
    assert rows == [(1, 7, 1), (8, 8, 1)]


def test_a_directory_that_does_not_exist_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"nowhere/j\.sqlite.*directory exists"):
        _journal(tmp_path / "nowhere" / "j.sqlite").open()


@pytest.mark.parametrize("use", ["read", "verify"])
def test_looking_at_what_does_not_exist_creates_nothing(path: Path, use: str) -> None:
    with pytest.raises(JournalError, match="does not exist"):
        list(_journal(path).read()) if use == "read" else _journal(path).verify()
    assert not path.exists()


def test_a_database_of_something_else_is_not_a_journal(path: Path) -> None:
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(JournalError, match="is not a journal"):
        _journal(path).verify()


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1_000)
    with pytest.raises(JournalDamaged, match="SQLITE_NOTADB"):
        _journal(path).open()
    assert path.read_bytes() == b"not a database at all" * 1_000


def test_a_journal_of_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    journal = _journal(path)
    journal.open()
    journal.append([fill(1)])
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE journal_owner SET format_version = ?", (FORMAT_VERSION + 1,))
    database.close()
    for use in (journal.open, journal.verify, lambda: list(journal.read())):
        with pytest.raises(JournalError, match=f"format version {FORMAT_VERSION + 1}.*start the version"):
            use()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT epoch FROM journal_owner").fetchall() == [(1,)]
    database.close()


@pytest.mark.parametrize("ending", ["", "-wal"])
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_an_owner_learns_that_its_files_were_removed_or_replaced(path: Path, how: str, ending: str) -> None:
    """SQLite would commit to files without a name until the process ends, and what it told would be gone then."""
    journal = _journal(path)
    journal.open()
    journal.append([fill(1)])
    journal.confirm()
    other = path.with_name("other")
    file = path.with_name(path.name + ending)
    if how == "replaced":
        shutil.copy(file, other)
        other.replace(file)
    elif how == "moved":
        file.rename(other)
    else:
        file.unlink()
    with pytest.raises(EpochStale, match="was removed or replaced while it was open"):
        journal.confirm()
    journal.close()


def test_an_owner_learns_that_a_file_stands_where_its_directory_was(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.sqlite"
    path.parent.mkdir()
    journal = _journal(path)
    journal.open()
    path.parent.rename(tmp_path / "moved")
    path.parent.touch()
    with pytest.raises(EpochStale, match="was removed or replaced while it was open"):
        journal.confirm()
    journal.close()


def test_an_owner_whose_files_cannot_be_looked_at_now_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It proves nothing, and must not end who looks from time to time."""
    journal = _journal(path)
    journal.open()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", lambda found, **_: (_ for _ in ()).throw(OSError(errno.EIO, "EIO", str(found))))
        with pytest.raises(JournalError, match=f"{path}: cannot read it: .*EIO") as failed:
            journal.confirm()
    assert not isinstance(failed.value, EpochStale)
    journal.confirm()
    journal.close()


def test_an_owner_that_moves_its_log_is_an_owner_still(path: Path) -> None:
    journal = _journal(path)
    journal.open()
    journal.append([fill(1)])
    reader = sqlite3.connect(path)
    reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader.close()
    journal.confirm()
    journal.append([fill(2)])
    journal.confirm()
    assert list(journal.read()) == fills(1, 2)
    journal.close()


def test_a_lost_epoch_row_cannot_bring_an_old_epoch_back(path: Path) -> None:
    for _ in range(3):
        journal = _journal(path)
        head = journal.open()
        journal.append([fill(head.seq + 1)])
        journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE journal_owner SET epoch = 1")
    database.close()
    assert journal.open().epoch == 4
    journal.close()


def test_a_whole_journal_verifies(path: Path) -> None:
    for epoch in range(3):
        journal = _journal(path)
        head = journal.open()
        for seq in range(head.seq + 1, head.seq + 301):
            journal.append([fill(seq)])
        if epoch < 2:
            journal.close()
    verdict = journal.verify()
    assert (verdict.batches, verdict.records, verdict.epoch, verdict.damage) == (900, 900, 3, None)
    assert (verdict.first_ns, verdict.last_ns) == (BASE_NS + 1, BASE_NS + 900)
    journal.close()
    assert journal.verify() == verdict
    assert verdict.head_hash == journal.open().hash
    journal.close()


def test_reading_takes_a_bounded_amount_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHUNK_BYTES", 1)
    taken: list[int] = []
    chunk = SqliteDatabase.chunk

    def counting(*arguments: Any) -> list[Batch]:
        found = chunk(*arguments)
        taken.append(len(found))
        return found

    monkeypatch.setattr(SqliteDatabase, "chunk", counting)
    journal = _journal(path)
    journal.open()
    for seq in range(1, 6):
        journal.append([fill(seq)])
    assert list(journal.read()) == fills(1, 5)
    assert taken == [1, 1, 1, 1, 1, 0]
    journal.close()
