"""The ways of docs/runbook.md out of a damaged journal and a lost archive: what a backup has is not read again."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from gateway.adapters.journal.tables import batch as batches
from gateway.cli import keep, server
from gateway.config import load
from gateway.core.engine import replay
from gateway.core.events import Record
from gateway.core.state import State
from tests.bench.lives import Lives
from tests.cli.history import configured


class Stack:
    """A configuration with a journal, and a backup that does not have the newest part of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = configured(folder)
        self.file = folder / "data" / "journal.sqlite"
        self.written: list[Record] = []
        journal = keep.kept_journal(load(self.config, {}))
        journal.open()
        for batch in Lives(1).batches(600):
            journal.append(batch)
            self.written += batch
            if len(self.written) > 300 and not (folder / "backup").exists():
                assert self.back_up() == 0
        journal.close()

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(server.app, [*arguments, "--config", str(self.config)])

    def back_up(self) -> int:
        return self.run("backup", "--to", str(self.folder / "backup")).exit_code

    def restore(self) -> None:
        """In the place of the journal, which is moved away."""
        (self.folder / "evidence").mkdir()
        for part in self.file.parent.glob("journal.sqlite*"):
            part.rename(self.folder / "evidence" / part.name)
        restored = self.run("restore", "--from", str(self.folder / "backup"))
        assert restored.exit_code == 0, restored.output
        assert self.run("journal", "verify").exit_code == 0


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def test_a_journal_damaged_behind_the_end_of_a_backup_is_made_whole_without_a_loss(stack: Stack) -> None:
    damaged = sa.create_engine(f"sqlite:///{stack.file}")
    with damaged.begin() as connection:
        changed = sa.update(batches).where(batches.c.first_seq <= 100, batches.c.last_seq >= 100)
        assert connection.execute(changed.values(records=b"damaged")).rowcount == 1
    damaged.dispose()
    assert stack.run("journal", "verify").exit_code == 1
    assert stack.back_up() == 0
    stack.restore()
    assert list(keep.kept_journal(load(stack.config, {})).read()) == stack.written


def test_an_archive_that_is_lost_is_made_good_by_a_backup_that_reaches_beyond_it(stack: Stack) -> None:
    journal = keep.kept_journal(load(stack.config, {}))
    state, last = State(), next(batch for batch in journal.batches(1) if batch.last_seq >= 200)
    for record in stack.written[: last.last_seq]:
        replay(state, record)
    keep.kept_snapshots(load(stack.config, {})).save(state, last.hash)
    assert stack.run("archive").exit_code == 0
    shutil.rmtree(stack.file.parent / "archive")
    assert stack.run("journal", "verify").exit_code == 1
    assert stack.back_up() == 0
    stack.restore()
    assert list(keep.kept_journal(load(stack.config, {})).read()) == stack.written
