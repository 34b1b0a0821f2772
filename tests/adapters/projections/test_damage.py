"""A flipped bit in the projections' file keeps nobody from starting or following: they are built again."""

import sqlite3
from pathlib import Path

import pytest

from gateway.adapters.memory_journal import MemoryJournal
from gateway.adapters.projections.place import witness
from gateway.adapters.projections.reading import LISTS, History
from gateway.adapters.projections.store import Projections
from gateway.adapters.projections.wanted import Wanted
from gateway.runtime.follower import Follower, ProjectionsError
from tests.adapters.projections.harness import STACK, check, day, followed, journal_of, url


@pytest.fixture
def journal(tmp_path: Path) -> MemoryJournal:
    """A day, and projections of it."""
    made = journal_of(day(1).world.records)
    followed(made, url(tmp_path))
    return made


def _change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path / "projections.sqlite")
    with database:
        database.executescript(statement)
    database.close()


@pytest.mark.parametrize("table", ["projection_position", "executions"])
def test_a_table_of_which_sqlite_quotes_no_text(tmp_path: Path, journal: MemoryJournal, table: str) -> None:
    """SQLite names what it does not understand, and Python finds that this is no UTF-8."""
    file = tmp_path / "projections.sqlite"
    content = bytearray(file.read_bytes())
    content[content.index(b"CREATE TABLE " + table.encode() + b" (") + len(f"CREATE TABLE {table} ")] ^= 0x80
    file.write_bytes(content)
    assert witness(url(tmp_path), STACK) is None
    for what in LISTS:
        with pytest.raises(ProjectionsError, match=r"projections\.sqlite are damaged: .*Drop them; start the gateway"):
            History(url(tmp_path)).list(what, Wanted())
    follower = Follower(journal, Projections(url(tmp_path), STACK))
    follower.catch_up()
    follower.finish()
    assert follower.state == day(1).world.state
    assert "Drop them, and they are built again" in follower.projections_failure
    file.unlink()
    followed(journal, url(tmp_path))
    check(url(tmp_path), day(1).world.state, day(1).world.records)


@pytest.mark.parametrize("change", ["seq = 'text'", "journal_hash = 'text'", "stack = CAST(x'ff' AS TEXT)"])
def test_a_place_that_is_none_any_more_says_nothing(tmp_path: Path, journal: MemoryJournal, change: str) -> None:
    _change(tmp_path, f"UPDATE projection_position SET {change}")
    assert witness(url(tmp_path), STACK) is None
    follower = Follower(journal, Projections(url(tmp_path), STACK))
    follower.catch_up()
    follower.finish()
    assert follower.state == day(1).world.state


@pytest.mark.usefixtures("journal")
def test_a_decimal_that_is_none_any_more(tmp_path: Path) -> None:
    _change(tmp_path, "UPDATE executions SET last_px = '1?0'")
    with pytest.raises(ProjectionsError, match="damaged: InvalidOperation"):
        History(url(tmp_path)).list("executions", Wanted())
