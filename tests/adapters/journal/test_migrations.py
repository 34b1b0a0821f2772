"""The migrations make the tables that the program works with, in both databases, from wherever a journal stands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.tables import REVISIONS, batch, metadata, owner
from gateway.adapters.journal.upgrade import configuration
from gateway.codec.journal import FORMAT_VERSION, Link, link, seal
from gateway.runtime.ports import EpochStale, JournalError
from tests.adapters.journal.records import fill, fills


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def _revision(url: str) -> Any:
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _as_it_was_before_migrations(url: str) -> None:
    """The tables and two batches, as the program made them before it had migrations."""
    first = seal(Link(), 1, fills(1, 2))
    with _connected(url) as connection:
        metadata.create_all(connection, tables=[owner, batch])
        connection.execute(owner.insert().values(id=1, format_version=FORMAT_VERSION, epoch=1))
        for each in (first, seal(link(first), 1, [fill(3)])):
            connection.execute(batch.insert().values({name: getattr(each, name) for name in each.__struct_fields__}))


def test_the_revisions_are_those_that_the_program_knows_in_this_order() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == REVISIONS


@pytest.mark.parametrize("old", [False, True], ids=["new", "without a revision"])
def test_migrations_and_tables_are_the_same(url: str, old: bool) -> None:
    if old:
        _as_it_was_before_migrations(url)
    journal = SqlJournal(url)
    journal.open()
    journal.close()
    assert _revision(url) == REVISIONS[-1]
    with _connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_difference_would_be_found(url: str) -> None:
    SqlJournal(url).open()
    with _connected(url) as connection:
        connection.exec_driver_sql("ALTER TABLE journal_border DROP COLUMN epoch")
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []


def test_a_journal_without_a_revision_is_read_as_it_is_and_upgraded_when_it_is_opened(url: str) -> None:
    _as_it_was_before_migrations(url)
    journal = SqlJournal(url)
    assert list(journal.read()) == fills(1, 3)
    assert (journal.verify().records, journal.first_seq(), journal.last_seq()) == (3, 1, 3)
    assert _revision(url) is None, "reading changed it"
    head = journal.open()
    assert (head.seq, head.epoch) == (3, 2)
    assert _revision(url) == REVISIONS[-1]
    journal.append([fill(4)])
    assert list(journal.read()) == fills(1, 4)
    journal.close()


def test_tables_of_a_newer_revision_are_refused_and_left_alone(url: str) -> None:
    journal = SqlJournal(url)
    journal.open()
    journal.append([fill(1)])
    journal.close()
    with _connected(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for use in (journal.open, journal.verify, journal.head, lambda: journal.import_batches([])):
        with pytest.raises(
            JournalError, match=r"revision 9999.*up to 0002: start the version of the gateway that wrote"
        ):
            use()
    with _connected(url) as connection:
        assert connection.execute(sa.select(owner.c.epoch)).scalar() == 1


def test_who_was_overtaken_by_a_newer_version_learns_of_it(url: str) -> None:
    """C13: the newer one may have brought the tables up to date before the older one wakes."""
    journal = SqlJournal(url)
    journal.open()
    with _connected(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(EpochStale, match=r"another process took the journal over: .* revision 9999"):
        journal.confirm()
    journal.close()


def test_a_refused_start_upgrades_nothing(url: str) -> None:
    _as_it_was_before_migrations(url)
    with _connected(url) as connection:
        connection.execute(batch.update().where(batch.c.first_seq == 3).values(epoch=9))
    with pytest.raises(JournalError, match="damaged at seq 3"):
        SqlJournal(url).open()
    assert _revision(url) is None


def test_opening_what_is_up_to_date_needs_no_alembic(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SqlJournal(url).open()
    monkeypatch.setattr("gateway.adapters.journal.upgrade.upgrade", lambda *_, **__: pytest.fail("it was upgraded"))
    journal = SqlJournal(url)
    assert journal.open().epoch == 2
    journal.close()
