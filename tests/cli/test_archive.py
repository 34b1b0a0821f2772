"""`gateway archive`: what every snapshot has behind it leaves the journal, and is read where it is now."""

import shutil

import pytest

from gateway.runtime.files import alone
from gateway.runtime.recovery import recover
from gateway.runtime.snapshots import Snapshots
from tests.cli.test_keep import Site, site

__all__ = ["site"]


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


def test_one_archives_at_a_time(site: Site) -> None:
    site.snapshot()
    site.trade(2)
    with alone(site.data / "archive.lock", ""):
        refused = site.run("archive")
    assert (refused.exit_code, "another archive runs on" in refused.output) == (1, True)
    assert site.run("archive").exit_code == 0


def test_a_journal_whose_archive_is_gone_says_what_is_missing_and_where(site: Site) -> None:
    site.snapshot()
    site.trade(2)
    assert site.run("archive").exit_code == 0
    shutil.rmtree(site.data / "archive")
    with pytest.raises(Exception, match=r"seq 1 to .* archive"):
        list(site.journal().read())
