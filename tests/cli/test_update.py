"""`gateway prepare-update`: the version to come proves that it replays the journal, and begins at a snapshot then."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.adapters.journal import SqlJournal
from gateway.cli import update
from gateway.cli.server import app
from gateway.codec import snapshot
from gateway.core import order
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from tests.cli.history import configured, write_journal
from tests.core.world import World


@pytest.fixture(autouse=True)
def as_nice_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in the process of the tests."""
    monkeypatch.setattr(os, "nice", lambda _: 0)


class Site:
    """A stack whose gateway runs, with a journal that grows and the snapshots of its own version."""

    def __init__(self, folder: Path) -> None:
        self.config = configured(folder, "[retention]\nsnapshots = 1\nsnapshot_events = 1000")
        self.world = World.started()
        self.made = self.world.submit()
        self.journal: SqlJournal = write_journal(folder, self.world)
        self.snapshots = Snapshots(folder / "data" / "snapshots", 1)
        self.save()

    def trade(self) -> None:
        before = len(self.world.records)
        self.world.fill(self.made, 10)
        self.journal.append(self.world.records[before:])

    def save(self) -> None:
        state = recover(self.journal)
        self.snapshots.save(state, self.journal.hash_at(state.seq) or b"")

    def prepare(self) -> Result:
        return CliRunner().invoke(app, ["prepare-update", "--config", str(self.config)])

    def begins_at(self) -> int:
        """Where a start of the version that is in force would begin."""
        found = self.snapshots.newest(self.journal)
        return found.seq if found is not None else 0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def be(name: str) -> None:
        monkeypatch.setattr(snapshot, "__version__", name)
        monkeypatch.setattr(update, "__version__", name)
        snapshot.layout.cache_clear()

    return be


@pytest.fixture(autouse=True)
def this_version_again() -> object:
    yield
    snapshot.layout.cache_clear()


def test_the_version_to_come_begins_at_its_snapshot_and_the_one_that_runs_at_its_own(
    site: Site, version: Callable[[str], None]
) -> None:
    ours = site.begins_at()
    site.trade()
    version("9.0.0")
    assert site.begins_at() == 0
    said = site.prepare()
    assert said.exit_code == 0, said.output
    assert "Version 9.0.0 replays the journal to what was told" in said.output
    assert site.begins_at() == site.world.state.seq > ours
    assert recover(site.journal, site.snapshots) == recover(site.journal)
    version("0.1.0")
    assert site.begins_at() == ours


def test_prepared_again_it_goes_on_from_the_snapshot_before(site: Site, version: Callable[[str], None]) -> None:
    version("9.0.0")
    for _ in range(2):
        site.trade()
        assert site.prepare().exit_code == 0
        assert site.begins_at() == site.world.state.seq


def test_a_version_that_does_not_replay_the_journal_says_so_and_leaves_nothing(
    site: Site, version: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.trade()
    version("9.0.0")
    monkeypatch.setattr(order, "average", lambda total, _count: total)
    said = site.prepare()
    assert said.exit_code == 3
    assert "do not start version 9.0.0 on this journal" in said.output
    assert f"event {site.world.state.seq} (OrderFilled) replays differently" in said.output
    assert site.begins_at() == 0


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    config = configured(tmp_path)
    said = CliRunner().invoke(app, ["prepare-update", "--config", str(config)])
    assert said.exit_code == 1
    assert "does not exist" in said.output
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["prepare-update.lock"]
