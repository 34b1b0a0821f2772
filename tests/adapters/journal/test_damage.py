"""A flipped bit in the middle, a missing or a replaced batch: start is refused and the place is named."""

import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from sqlalchemy import make_url

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.archive import Archive
from gateway.adapters.journal.sqlite import SqliteDatabase
from gateway.codec.journal import Link, seal
from gateway.core.events import Record
from gateway.runtime.ports import JournalDamaged, JournalError
from tests.adapters.journal.records import fill, fills

FRAME = 24 + 4096


def _journal(path: Path, durability: Literal["power", "process"] = "power") -> SqlJournal:
    return SqlJournal(f"sqlite:///{path}", durability)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed journal: batches of two records, seq 1 to 60."""
    made = tmp_path / "journal.sqlite"
    journal = _journal(made)
    journal.open()
    for seq in range(1, 61, 2):
        journal.append(fills(seq, seq + 1))
    journal.close()
    return made


def _change(path: Path, statement: str, values: Sequence[Any] = ()) -> None:
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement, values).rowcount == 1
    database.close()


def _flip_in_records(path: Path, first_seq: int) -> None:
    database = sqlite3.connect(path)
    (records,) = database.execute("SELECT records FROM journal_batch WHERE first_seq = ?", (first_seq,)).fetchone()
    database.close()
    middle = len(records) // 2
    flipped = records[:middle] + bytes([records[middle] ^ 0x10]) + records[middle + 1 :]
    _change(path, "UPDATE journal_batch SET records = ? WHERE first_seq = ?", (flipped, first_seq))


def _check_damage_at(path: Path, seq: int, what: str) -> None:
    """Reading and verifying agree on the place, and everything before it is good."""
    good: list[Record] = []
    with pytest.raises(JournalDamaged, match=what) as damaged:  # noqa: PT012  # A loop is one statement.
        for record in _journal(path).read():
            good.append(record)  # noqa: PERF402  # What came before the error is what matters.
    assert damaged.value.seq == seq
    assert str(path) in str(damaged.value)
    assert "gateway journal verify" in str(damaged.value)
    assert good == fills(1, seq - 1)
    verdict = _journal(path).verify()
    assert verdict.damage is not None
    assert verdict.damage.seq == seq
    assert verdict.damage.what in str(damaged.value)
    assert verdict.records == seq - 1


def test_a_flipped_bit_in_the_middle(path: Path) -> None:
    _flip_in_records(path, 31)
    _check_damage_at(path, 31, "the batch of seq 31 to 32 does not match its hash")


def test_a_missing_batch(path: Path) -> None:
    _change(path, "DELETE FROM journal_batch WHERE first_seq = 31")
    _check_damage_at(path, 31, "seq 31 to 32 are missing")


def test_a_missing_first_batch(path: Path) -> None:
    _change(path, "DELETE FROM journal_batch WHERE first_seq = 1")
    _check_damage_at(path, 1, "seq 1 to 2 are missing")


def test_a_batch_that_was_replaced_by_a_whole_one(path: Path) -> None:
    forged = seal(Link(seq=30), 1, fills(31, 32))
    values = (forged.prev_hash, forged.hash)
    _change(path, "UPDATE journal_batch SET prev_hash = ?, hash = ? WHERE first_seq = 31", values)
    _check_damage_at(path, 31, "does not follow on the batch before")


def test_a_changed_epoch(path: Path) -> None:
    _change(path, "UPDATE journal_batch SET epoch = 0 WHERE first_seq = 31")
    _check_damage_at(path, 31, "does not match its hash")


def test_a_value_of_another_type(path: Path) -> None:
    _change(path, "UPDATE journal_batch SET records = 'text' WHERE first_seq = 31")
    journal = _journal(path)
    with pytest.raises(JournalDamaged, match="wrong types"):
        list(journal.read())


@pytest.mark.parametrize("column", ["records", "hash", "prev_hash"])
@pytest.mark.parametrize("text", ["'text'", "CAST(x'ff00fe80' AS TEXT)"])
def test_bytes_that_became_a_text_are_damage_in_their_place_whatever_the_text(
    path: Path, column: str, text: str
) -> None:
    """SQLite keeps a type with each value, and a text that is no UTF-8 cannot be read as one."""
    _change(path, f"UPDATE journal_batch SET {column} = {text} WHERE first_seq = 31")
    _check_damage_at(path, 31, "wrong types")
    if column == "hash":
        with pytest.raises(JournalDamaged, match="wrong types"):
            _journal(path).hash_at(32)


def _without_not_null(path: Path, table: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.executescript(
            "PRAGMA writable_schema = ON;"
            f"UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = '{table}'"
        )
    database.close()


@pytest.mark.parametrize("value", ["NULL", "'text'", "x'ff'", "1.5"])
@pytest.mark.parametrize(
    ("table", "column", "what"),
    [
        ("journal_owner", "format_version", "the row of the epoch"),
        ("journal_owner", "epoch", "the row of the epoch"),
        ("journal_border", "seq", "the row of the archive's border"),
    ],
)
def test_a_number_beside_the_batches_that_is_none_any_more_is_damage(
    path: Path, table: str, column: str, what: str, value: str
) -> None:
    """Neither the journal of a newer version nor an error that nobody understands."""
    if table == "journal_border":
        _change(path, "INSERT INTO journal_border VALUES (1, 0, x'00', 0)")
    _without_not_null(path, table)
    _change(path, f"UPDATE {table} SET {column} = {value}")
    journal = _journal(path)
    for use in (journal.open, journal.archived, lambda: list(journal.read()), lambda: journal.hash_at(30)):
        with pytest.raises(JournalDamaged, match=f"{what} holds values of the wrong types"):
            use()
    verdict = journal.verify()
    assert verdict.damage is not None
    assert what in verdict.damage.what


def test_a_schema_of_which_sqlite_quotes_no_text_is_damage(path: Path) -> None:
    """It names what it does not understand, and Python finds that this is no UTF-8."""
    content = bytearray(path.read_bytes())
    content[content.index(b"(\n\tfirst_seq")] ^= 0x80
    path.write_bytes(content)
    journal = _journal(path)
    for use in (journal.head, journal.open, journal.last_seq, lambda: list(journal.read())):
        with pytest.raises(JournalDamaged, match="SQLite says: malformed database schema"):
            use()
    assert journal.verify().damage is not None


def test_a_start_on_a_last_batch_that_became_a_text_is_refused_as_damage(path: Path) -> None:
    _change(path, "UPDATE journal_batch SET records = CAST(x'ff00fe80' AS TEXT) WHERE first_seq = 59")
    with pytest.raises(JournalDamaged, match="wrong types") as damaged:
        _journal(path).open()
    assert damaged.value.seq == 59


def test_a_reader_from_the_middle_notices_that_the_batch_before_is_another(path: Path) -> None:
    _change(path, "UPDATE journal_batch SET hash = ? WHERE first_seq = 29", (bytes(32),))
    with pytest.raises(JournalDamaged, match="does not follow"):
        list(_journal(path).read(32))


@pytest.mark.parametrize("statement", ["UPDATE journal_batch SET epoch = 2 WHERE first_seq = 59", None])
def test_a_changed_last_batch_is_damage_and_not_a_torn_tail(path: Path, statement: str | None) -> None:
    """It was committed whole, and may hold an order that was acknowledged."""
    if statement:
        _change(path, statement)
    else:
        _flip_in_records(path, 59)
    for _ in range(2):
        with pytest.raises(JournalDamaged) as damaged:
            _journal(path).open()
        assert damaged.value.seq == 59
    _check_damage_at(path, 59, "does not match its hash")


def test_a_refused_start_does_not_begin_an_epoch(path: Path) -> None:
    _flip_in_records(path, 59)
    with pytest.raises(JournalDamaged):
        _journal(path).open()
    database = sqlite3.connect(path)
    assert database.execute("SELECT epoch FROM journal_owner").fetchall() == [(1,)]
    database.close()


def test_any_flipped_bit_of_the_file_is_noticed_or_changes_no_record(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    dice = random.Random(5)
    places = [*range(0, 110, 3), *(dice.randrange(len(whole)) for _ in range(300))]
    noticed = 0
    for place in places:
        bit = dice.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        journal = _journal(path)
        try:
            assert list(journal.read()) == fills(1, 60), f"byte {place} bit {bit}"
        except JournalError:
            noticed += 1
        try:
            verdict = journal.verify()
        except JournalError:
            continue
        assert verdict.damage is not None or verdict.records == 60, f"byte {place} bit {bit}"
    assert noticed > 100


# --- SQLite's log ----------------------------------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A journal as kill -9 leaves it: the last commits, one batch and one frame or two each, only in the log."""
    made = tmp_path / "left.sqlite"
    living = tmp_path / "living.sqlite"
    journal = _journal(living)
    journal.open()
    for seq in range(1, 31):
        journal.append([fill(seq)])
    shutil.copy(living, made)
    shutil.copy(f"{living}-wal", f"{made}-wal")
    journal.close()
    return made


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x04
    path.write_bytes(content)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_a_journal_left_by_kill_9_opens(left: Path) -> None:
    journal = _journal(left)
    assert journal.verify().records == 30
    assert journal.open().seq == 30
    journal.close()


@pytest.mark.parametrize(
    "where", ["header magic", "header salt", "frame salt", "frame page number", "frame checksum", "page"]
)
@pytest.mark.parametrize("frame", [1, 9, 20])
def test_a_flipped_bit_in_the_log_before_its_tail_refuses_the_start(left: Path, where: str, frame: int) -> None:
    """SQLite would drop every commit from there on, in silence."""
    begin = 32 + (frame - 1) * FRAME
    offsets = {"frame salt": 9, "frame page number": 3, "frame checksum": 17, "page": 24 + 4_000}
    _flip(_wal(left), {"header magic": 1, "header salt": 17}.get(where, begin + offsets.get(where, 0)))
    before = left.read_bytes(), _wal(left).read_bytes()
    for _ in range(2):
        with pytest.raises(JournalDamaged, match=r"left\.sqlite-wal does not match its checksum") as damaged:
            _journal(left).open()
        assert 1 <= damaged.value.seq < 30
        assert (left.read_bytes(), _wal(left).read_bytes()) == before, "the evidence was touched"
    verdict = _journal(left).verify()
    assert verdict.damage is not None
    assert verdict.damage.seq == damaged.value.seq == verdict.records + 1


@pytest.mark.parametrize("use", ["archive", "backup"])
def test_nothing_else_cuts_what_a_start_refuses(left: Path, tmp_path: Path, use: str) -> None:
    """Any writer makes SQLite's own view of the log final when it closes, and a copy has only that view."""
    _flip(_wal(left), 32 + 19 * FRAME + 100)
    before = left.read_bytes(), _wal(left).read_bytes()
    journal = SqlJournal(f"sqlite:///{left}", older=Archive(tmp_path / "archive"))
    with pytest.raises(JournalDamaged, match=r"left\.sqlite-wal does not match its checksum"):
        journal.drop_before(5) if use == "archive" else list(journal.batches())
    assert (left.read_bytes(), _wal(left).read_bytes()) == before, "the evidence was touched"


def test_the_log_of_a_journal_behind_a_link_is_looked_at_too(left: Path, tmp_path: Path) -> None:
    """SQLite keeps it beside the file itself."""
    _flip(_wal(left), 32 + 19 * FRAME + 100)
    (tmp_path / "data").mkdir()
    link = tmp_path / "data" / "journal.sqlite"
    link.symlink_to(left)
    with pytest.raises(JournalDamaged, match=r"left\.sqlite-wal does not match its checksum"):
        _journal(link).open()
    assert _journal(link).verify().damage is not None


def test_a_log_that_is_read_while_it_is_written_is_no_damage(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a living writer has not written whole yet is whole at the second look."""
    half = bytearray(_wal(left).read_bytes())
    half[32 + 19 * FRAME + 100] ^= 1
    seen = iter([bytes(half)])
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: next(seen, b"") or whole(path))
    assert SqliteDatabase(make_url(f"sqlite:///{left}"), "power").lost_commits() is None


def test_what_is_good_before_a_flipped_bit_in_the_log_can_be_proven_alone(left: Path) -> None:
    """As of a backup that ended there."""
    _flip(_wal(left), 32 + 19 * FRAME + 17)
    damage = _journal(left).verify().damage
    assert damage is not None
    good = _journal(left).verify(damage.seq - 1)
    assert (good.records, good.damage) == (damage.seq - 1, None)
    assert [each.last_seq for each in _journal(left).batches(1, damage.seq - 1)] == [*range(1, damage.seq)]
    assert _journal(left).verify(damage.seq).damage == damage


def test_a_flipped_bit_in_the_last_commit_of_the_log_is_a_torn_tail(left: Path) -> None:
    """Nobody can tell it from a write that stopped there."""
    _flip(_wal(left), _wal(left).stat().st_size - 50)
    journal = _journal(left)
    assert journal.open().seq == 29
    journal.append([fill(30)])
    assert list(journal.read()) == fills(1, 30)
    journal.close()


def test_with_durability_process_a_hole_in_the_log_is_cut_told_and_gone(left: Path) -> None:
    """Losing power may leave such holes there; that is the loss that the setting accepts."""
    _flip(_wal(left), 32 + 20 * FRAME + 100)
    journal = _journal(left, "process")
    with structlog.testing.capture_logs() as logs:
        seq = journal.open().seq
    assert [line["event"] for line in logs] == ["journal_cut"]
    assert 0 < seq < 30
    journal.append([fill(seq + 1)])
    # As kill -9 would leave it now: what was behind the hole must not be taken for damage again.
    copy = left.with_name("again.sqlite")
    shutil.copy(left, copy)
    shutil.copy(_wal(left), _wal(copy))
    again = _journal(copy)
    assert again.open().seq == seq + 1
    again.close()
    journal.close()
