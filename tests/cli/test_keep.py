"""`gateway backup`, `restore` and `archive`: what is copied is proven, and what is restored is what there was."""

import fcntl
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.adapters.journal import SqlJournal
from gateway.cli import keep, server
from gateway.config import load
from gateway.core.commands import CancelOrder
from gateway.core.reports import ProcessStarted
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from tests.cli.history import configured
from tests.core.world import CLIENT, SECOND_NS, World
from tests.postgres import PostgresServer, postgres

__all__ = ["postgres"]


class Site:
    """A stack's files: a configuration and a journal with some orders in many batches."""

    def __init__(self, folder: Path, names: str = "k", url: str = "") -> None:
        folder.mkdir()
        self.names = names
        self.folder = folder
        self.config = configured(folder, f'[journal]\nurl = "{url}"' if url else "")
        self.data = folder / "data"
        self.world = World.started()
        self._written = 0

    def journal(self) -> SqlJournal:
        return keep.kept_journal(load(self.config, {}))

    def trade(self, orders: int) -> None:
        """Orders that fill, each in commits of its own."""
        begin = len(self.world.state.orders)
        journal = self.journal()
        journal.open()
        for number in range(begin, begin + orders):
            name = f"{self.names}{number}"
            made = self.world.submit(name)
            self.world.acknowledge(made)
            if number % 3 == 0:
                self.world.ask(CancelOrder(CLIENT, f"c{number}", name))
            elif number % 3 == 1:
                self.world.fill(made, 100)
            new = self.world.records[self._written :]
            self._written = len(self.world.records)
            journal.append(new)
        journal.close()

    def goes_on_from(self, other: "Site") -> None:
        """What this one trades follows on what was restored from the other."""
        self.world, self._written = other.world, len(other.world.records)

    def snapshot(self) -> int:
        """Write one of where the journal ends; its seq."""
        journal = self.journal()
        state = recover(journal)
        hash_ = journal.hash_at(state.seq)
        assert hash_ is not None
        Snapshots(self.data / "snapshots", 2).save(state, hash_)
        return state.seq

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(server.app, [*arguments, "--config", str(self.config)])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.trade(20)
    return made


def test_a_backup_restored_elsewhere_is_the_same_state(site: Site, tmp_path: Path) -> None:
    new = Site(tmp_path / "new")
    move(site, new, tmp_path / "backup")
    assert (new.data / keep.RESTORED).exists()


def move(old: Site, new: Site, backup: Path) -> None:
    """Back one up and restore it as the other: every record, the last hash and the state are the same."""
    copied = old.run("backup", "--to", str(backup))
    assert copied.exit_code == 0, copied.output
    assert "the chain is whole" in copied.output
    restored = new.run("restore", "--from", str(backup))
    assert restored.exit_code == 0, restored.output
    assert list(new.journal().read()) == old.world.records
    assert new.journal().head() == old.journal().head()
    assert recover(new.journal()) == recover(old.journal())


@pytest.mark.parametrize("backed_up_before", [False, True])
def test_what_was_archived_is_in_the_backup_and_in_what_is_restored(
    site: Site, tmp_path: Path, backed_up_before: bool
) -> None:
    """Also where the backup has its beginning from before the archive."""
    if backed_up_before:
        site.run("backup", "--to", str(tmp_path / "backup"))
        site.trade(5)
    archived = site.snapshot()
    site.trade(5)
    assert site.run("archive").exit_code == 0
    assert site.journal().first_seq() == archived + 1
    new = Site(tmp_path / "new")
    move(site, new, tmp_path / "backup")
    assert new.journal().first_seq() == 1


def test_a_stack_moves_to_postgresql_and_back_with_its_archive(
    site: Site, tmp_path: Path, postgres: PostgresServer
) -> None:
    """What happens on PostgreSQL comes along, and what is archived there."""
    site.snapshot()
    site.trade(5)
    assert site.run("archive").exit_code == 0
    moved = Site(tmp_path / "moved", url=postgres.url(postgres.new_database()))
    move(site, moved, tmp_path / "backup")
    moved.goes_on_from(site)
    moved.trade(5)
    archived = moved.snapshot()
    moved.trade(5)
    assert moved.run("archive").exit_code == 0
    assert moved.journal().first_seq() == archived + 1
    back = Site(tmp_path / "back")
    move(moved, back, tmp_path / "second")
    assert back.journal().verify().records == len(moved.world.records)


def test_a_backup_is_brought_up_to_date_and_copies_only_what_is_new(site: Site, tmp_path: Path) -> None:
    site.run("backup", "--to", str(tmp_path / "backup"))
    before = len(site.world.records)
    site.trade(5)
    result = site.run("backup", "--to", str(tmp_path / "backup"))
    assert result.exit_code == 0, result.output
    assert f"{len(site.world.records):,} events, {len(site.world.records) - before:,} of them new" in result.output
    copy = SqlJournal(f"sqlite:///{tmp_path / 'backup' / keep.JOURNAL}")
    assert list(copy.read()) == site.world.records


def test_a_backup_never_takes_in_another_journal(site: Site, tmp_path: Path) -> None:
    site.run("backup", "--to", str(tmp_path / "backup"))
    other = Site(tmp_path / "other", names="o")
    other.trade(30)
    result = other.run("backup", "--to", str(tmp_path / "backup"))
    assert result.exit_code == 1
    assert "has a backup of another journal" in result.output


def test_a_restore_goes_only_into_an_empty_journal(site: Site, tmp_path: Path) -> None:
    site.run("backup", "--to", str(tmp_path / "backup"))
    result = site.run("restore", "--from", str(tmp_path / "backup"))
    assert result.exit_code == 1
    assert "events already" in result.output


def test_a_restore_is_refused_while_a_gateway_runs(site: Site, tmp_path: Path) -> None:
    site.run("backup", "--to", str(tmp_path / "backup"))
    shutil.rmtree(site.data)
    site.data.mkdir()
    with (site.data / "gateway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = site.run("restore", "--from", str(tmp_path / "backup"))
    assert result.exit_code == 1
    assert "a gateway runs on" in result.output


@pytest.mark.parametrize("damage", ["flipped", "shorter", "no manifest"])
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_written(
    site: Site, tmp_path: Path, damage: str
) -> None:
    """Never a start with less than was accepted."""
    copy = tmp_path / "backup"
    site.run("backup", "--to", str(copy))
    with sqlite3.connect(copy / keep.JOURNAL) as database:
        if damage == "flipped":
            database.execute(
                "UPDATE journal_batch SET records = CAST(X'00' || SUBSTR(records, 2) AS BLOB) WHERE first_seq = "
                "(SELECT first_seq FROM journal_batch ORDER BY first_seq LIMIT 1 OFFSET 5)"
            )
        elif damage == "shorter":
            database.execute("DELETE FROM journal_batch WHERE first_seq = (SELECT MAX(first_seq) FROM journal_batch)")
    database.close()
    if damage == "no manifest":
        (copy / keep.MANIFEST).unlink()
    shutil.rmtree(site.data)
    result = site.run("restore", "--from", str(copy))
    assert result.exit_code == 1
    assert {"flipped": "damaged at seq", "shorter": "it is not whole", "no manifest": "is not a backup"}[
        damage
    ] in result.output
    assert not (site.data / "journal.sqlite").exists()


def test_after_a_restore_no_id_is_given_a_second_time(site: Site) -> None:
    """What was sent after the backup is not in it: its venue ClOrdIDs must not come back for other orders (rule 2)."""
    state = site.world.state
    before = state.id_prefix
    site.world.now_ns += 60 * SECOND_NS
    site.world.tell(ProcessStarted("2"))
    assert state.id_prefix != before


def test_the_archive_takes_what_every_snapshot_has_behind_it_and_nothing_changes_for_readers(site: Site) -> None:
    assert "nothing to archive" in site.run("archive").output
    archived = site.snapshot()
    site.trade(5)
    result = site.run("archive")
    assert result.exit_code == 0, result.output
    assert site.journal().first_seq() == archived + 1
    assert list(site.journal().read()) == site.world.records
    assert recover(site.journal()) == recover(site.journal(), Snapshots(site.data / "snapshots", 2))
    assert site.journal().verify().damage is None
    assert "nothing to archive" in site.run("archive").output


def test_a_journal_whose_archive_is_gone_says_what_is_missing_and_where(site: Site) -> None:
    site.snapshot()
    site.trade(2)
    assert site.run("archive").exit_code == 0
    shutil.rmtree(site.data / "archive")
    with pytest.raises(Exception, match=r"seq 1 to .* archive"):
        list(site.journal().read())
