"""`gateway backup`, `restore` and `archive`: what is copied is proven, and what is restored is what there was."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal import sqlite as journal_sqlite
from gateway.cli import keep, server
from gateway.cli.accept import refuse_less
from gateway.config import load
from gateway.core.commands import CancelOrder
from gateway.core.reports import ProcessStarted
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from gateway.runtime.witnesses import NoteKeeper, read_restored
from tests.cli.history import configured
from tests.core.world import CLIENT, SECOND_NS, World
from tests.postgres import PostgresServer, postgres

__all__ = ["postgres"]

FLIP = "UPDATE journal_batch SET records = CAST(X'00' || SUBSTR(records, 2) AS BLOB) WHERE first_seq ="
LAST = "(SELECT MAX(first_seq) FROM journal_batch)"


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


def test_a_backup_is_one_file_that_is_restored_from_where_nothing_can_be_written(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    for orders in (0, 5):  # The first one, and one that is brought up to date.
        site.trade(orders)
        assert site.run("backup", "--to", str(backup)).exit_code == 0
        assert sorted(each.name for each in backup.iterdir()) == [keep.MANIFEST, keep.JOURNAL]
        # Bytes 18 and 19 of the file: 2 asks a reader for a log beside it, in a folder that can be written.
        assert (backup / keep.JOURNAL).read_bytes()[18:20] == bytes([1, 1])


def test_a_backup_that_another_program_reads_is_as_good_and_says_that_it_is_no_single_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_sqlite, "_BUSY_S", 0.01)
    backup, new = tmp_path / "backup", Site(tmp_path / "new")
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    with contextlib.closing(sqlite3.connect(backup / keep.JOURNAL)) as reader:
        reader.executescript("PRAGMA journal_mode = WAL; SELECT COUNT(*) FROM journal_batch")
        said = site.run("backup", "--to", str(backup))
    assert (said.exit_code, "database is locked" in said.output) == (0, True), said.output
    assert new.run("restore", "--from", str(backup)).exit_code == 0
    assert recover(new.journal()) == recover(site.journal())


@pytest.mark.parametrize("below", ["", "today"])
def test_a_backup_into_a_file_says_that_it_wants_a_folder(site: Site, tmp_path: Path, below: str) -> None:
    file = tmp_path / "backup"
    file.write_text("mine")
    refused = site.run("backup", "--to", str(file / below))
    assert refused.exit_code == 1
    assert f"{file} is no folder: name a folder for the backup" in refused.output
    assert file.read_text() == "mine"


def test_a_backup_into_the_data_directory_is_refused_whatever_the_journals_file_is_called(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", url=f"sqlite:///{tmp_path}/site/data/other.sqlite")
    site.data.mkdir(exist_ok=True)
    site.trade(1)
    refused = site.run("backup", "--to", str(site.data))
    assert refused.exit_code == 1
    assert f"{site.data} is the data directory" in refused.output
    assert not (site.data / keep.JOURNAL).exists()


def test_the_backup_of_another_stack_is_refused_before_anything_is_written(site: Site, tmp_path: Path) -> None:
    backup, other = tmp_path / "backup", Site(tmp_path / "other")
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    other.config.write_text(other.config.read_text().replace('stack = "test"', 'stack = "eu"'))
    refused = other.run("restore", "--from", str(backup))
    assert refused.exit_code == 1
    assert "is a backup of stack" in refused.output
    assert "stack 'eu'" in refused.output
    assert other.journal().head() is None
    assert not (other.data / keep.RESTORED).exists()


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
            database.execute(f"{FLIP} (SELECT first_seq FROM journal_batch ORDER BY first_seq LIMIT 1 OFFSET 5)")
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


# --- A backup that breaks off ---


def change(file: Path, statement: str) -> None:
    database = sqlite3.connect(file)
    with database:
        assert database.execute(statement).rowcount == 1
    database.close()


def breaks_off(site: Site, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next backup into the same folder ends between its last commit and its manifest."""
    with monkeypatch.context() as broken:
        broken.setattr(keep, "_prove", interrupted)
        assert site.run("backup", "--to", str(backup)).exit_code != 0


def interrupted(*_arguments: object) -> None:
    raise KeyboardInterrupt


def copied(backup: Path) -> SqlJournal:
    return SqlJournal(f"sqlite:///{backup / keep.JOURNAL}")


@pytest.mark.parametrize("why", ["the journal is damaged", "cut short"])
def test_a_backup_stays_restorable_when_the_next_one_breaks_off_and_the_one_after_goes_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr("gateway.adapters.journal.database.CHUNK_BATCHES", 4)
    backup, whole = tmp_path / "backup", tmp_path / "whole"
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    before = list(site.world.records)
    site.trade(20)
    shutil.copytree(site.data, whole)
    if why == "cut short":
        breaks_off(site, backup, monkeypatch)
    else:
        change(site.data / keep.JOURNAL, f"{FLIP} {LAST}")
        result = site.run("backup", "--to", str(backup))
        assert (result.exit_code, "is damaged at seq" in result.output) == (1, True), result.output
    reached = copied(backup).last_seq()
    assert reached > len(before)

    new = Site(tmp_path / "new")
    restored = new.run("restore", "--from", str(backup))
    assert restored.exit_code == 0, restored.output
    assert list(new.journal().read()) == before

    shutil.copytree(whole, site.data, dirs_exist_ok=True)
    result = site.run("backup", "--to", str(backup))
    assert f"{len(site.world.records) - reached:,} of them new; the chain is whole" in result.output, result.output
    later = Site(tmp_path / "later")
    assert later.run("restore", "--from", str(backup)).exit_code == 0
    assert list(later.journal().read()) == site.world.records


def zero_page(file: Path) -> None:
    """The page that holds the last batch, of which SQLite can make nothing then."""
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = DELETE")
    (last,) = database.execute("SELECT hash FROM journal_batch ORDER BY first_seq DESC LIMIT 1").fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    content = bytearray(file.read_bytes())
    begin = content.index(last) // size * size
    content[begin : begin + size] = bytes(size)
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: change(file, f"{FLIP} {LAST}"),
        lambda file: change(file, f"UPDATE journal_batch SET records = 'text' WHERE first_seq = {LAST}"),
        lambda file: change(file, "UPDATE journal_owner SET epoch = 0"),
        zero_page,
    ],
    ids=["flipped", "text", "an import that did not end", "a page"],
)
def test_what_a_backup_has_behind_its_end_is_no_part_of_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    backup = tmp_path / "backup"
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    before = list(site.world.records)
    site.trade(10)
    breaks_off(site, backup, monkeypatch)
    damage(backup / keep.JOURNAL)
    new = Site(tmp_path / "new")
    restored = new.run("restore", "--from", str(backup))
    assert restored.exit_code == 0, restored.output
    assert list(new.journal().read()) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (f"{FLIP} 1", "is damaged at seq 1: "),
        ("DELETE FROM journal_batch WHERE first_seq = 1", "is damaged at seq 1: "),
    ],
)
def test_a_backup_that_goes_on_behind_its_end_is_refused_when_it_is_not_whole_before(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, words: str
) -> None:
    backup = tmp_path / "backup"
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    site.trade(5)
    breaks_off(site, backup, monkeypatch)
    change(backup / keep.JOURNAL, damage)
    new = Site(tmp_path / "new")
    result = new.run("restore", "--from", str(backup))
    assert (result.exit_code, words in result.output) == (1, True), result.output
    assert not (new.data / keep.RESTORED).exists()


def test_a_first_backup_that_broke_off_is_none_until_it_is_made_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_off(site, tmp_path / "backup", monkeypatch)
    new = Site(tmp_path / "new")
    result = new.run("restore", "--from", str(tmp_path / "backup"))
    assert (result.exit_code, "is not a backup" in result.output) == (1, True), result.output
    assert site.run("backup", "--to", str(tmp_path / "backup")).exit_code == 0
    assert new.run("restore", "--from", str(tmp_path / "backup")).exit_code == 0


def test_the_manifest_of_a_backup_is_durable_with_its_name_and_its_folder(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    backup = tmp_path / "of" / "site"
    assert site.run("backup", "--to", str(backup)).exit_code == 0
    assert synced == [tmp_path, tmp_path / "of", backup / keep.JOURNAL, backup / f"{keep.MANIFEST}.new", backup]


def test_the_journal_itself_is_no_place_for_its_backup_and_none_to_restore_from(site: Site, tmp_path: Path) -> None:
    """Also under another name. A gateway that runs on it would lose its epoch."""
    (tmp_path / "alias").symlink_to(site.data)
    journal = site.journal()
    epoch = journal.open().epoch
    for folder in (site.data, tmp_path / "alias"):
        for command in (("backup", "--to"), ("restore", "--from")):
            result = site.run(*command, str(folder))
            assert (result.exit_code, "is the journal itself" in result.output) == (1, True), result.output
    journal.confirm()
    head = journal.head()
    assert head is not None
    assert head.epoch == epoch
    assert not [path for path in site.data.iterdir() if path.name in {keep.MANIFEST, keep.RESTORED}]


# --- A restore that breaks off ---


def put_in_place(site: Site, of: Path) -> None:
    """The journal that lies in the folder `of`, or none, instead of the site's own."""
    for path in [*site.data.glob("journal.sqlite*")]:
        path.unlink()
    for path in of.glob("journal.sqlite*"):
        shutil.copy(path, site.data)


def refused(site: Site) -> str:
    with pytest.raises(JournalError) as error:
        starts(site)
    return str(error.value)


def starts(site: Site) -> bool:
    """Whether it is the restore that explains the start."""
    journal = site.journal()
    return refuse_less(load(site.config, {}), journal, recover(journal)).restored is not None


def lose(site: Site, folder: Path) -> None:
    """Back up, copy the journal later and lose it later still, when the note of its end is the only witness."""
    assert site.run("backup", "--to", str(folder / "backup")).exit_code == 0
    for name in ("older", "newest"):
        site.trade(3)
        shutil.copytree(site.data, folder / name)
    journal = site.journal()
    NoteKeeper(site.data, journal, journal.label, 1, ()).write(journal.last_seq())
    put_in_place(site, folder / "nothing")


@pytest.mark.parametrize("where", ["keep.SqlJournal.import_batches", "keep._prove", "keep.recover"])
def test_a_restore_that_broke_off_explains_no_journal_and_can_be_repeated(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    lose(site, tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(f"gateway.cli.{where}", interrupted)
        assert site.run("restore", "--from", str(tmp_path / "backup")).exit_code != 0
    left = read_restored(site.data)
    assert left is not None
    assert left.pending
    if where != "keep.SqlJournal.import_batches":
        assert f"the restore into it, {site.data / keep.RESTORED}, did not end" in refused(site)
    put_in_place(site, tmp_path / "older")
    assert "journal-end.json, has seq" in refused(site)
    put_in_place(site, tmp_path / "newest")
    assert not starts(site), "nothing is missing, so nothing has to be explained"

    put_in_place(site, tmp_path / "nothing")
    result = site.run("restore", "--from", str(tmp_path / "backup"))
    assert result.exit_code == 0, result.output
    assert starts(site)


def test_a_restore_that_was_not_proven_is_refused_where_nothing_else_shows_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine there is no other witness; a start would let the FIX stores prove what they cannot know."""
    site.run("backup", "--to", str(tmp_path / "backup"))
    new = Site(tmp_path / "new")
    with monkeypatch.context() as broken:
        broken.setattr(keep, "recover", interrupted)
        assert new.run("restore", "--from", str(tmp_path / "backup")).exit_code != 0
    assert "the restore into it" in refused(new)
    accepted = new.run("accept-loss", "--reason", "no time, olga")
    assert "the restore into it" in accepted.output, accepted.output
    assert starts(new)


def test_after_a_restore_no_id_is_given_a_second_time(site: Site) -> None:
    """What was sent after the backup is not in it: its venue ClOrdIDs must not come back for other orders (rule 2)."""
    state = site.world.state
    before = state.id_prefix
    site.world.now_ns += 60 * SECOND_NS
    site.world.tell(ProcessStarted("2"))
    assert state.id_prefix != before
