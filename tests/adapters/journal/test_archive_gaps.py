"""An archive that lacks a part: a start says so at once, by the names of its files, and goes on."""

import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.archive import Archive
from gateway.runtime.ports import JournalError
from tests.adapters.journal.records import fill


def name(first: int, last: int) -> str:
    return f"{first:020d}-{last:020d}.sqlite"


@pytest.mark.parametrize(
    ("files", "through", "gaps"),
    [
        ([], 0, []),
        ([], 9, [(1, 9)]),
        ([(1, 9)], 9, []),
        ([(1, 4), (5, 9)], 9, []),
        ([(1, 4), (8, 9)], 9, [(5, 7)]),
        ([(3, 4)], 9, [(1, 2), (5, 9)]),
        ([(1, 9), (10, 12)], 9, []),
        ([(11, 12)], 9, [(1, 9)]),
    ],
)
def test_the_gaps_are_those_between_the_names(
    tmp_path: Path, files: list[tuple[int, int]], through: int, gaps: list[tuple[int, int]]
) -> None:
    for first, last in files:
        (tmp_path / name(first, last)).touch()
    assert Archive(tmp_path).gaps(through) == gaps


def test_a_start_says_what_is_missing_and_goes_on(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    journal = SqlJournal(url, "process", older=archive)
    journal.open()
    for seq in range(1, 7):
        journal.append([fill(seq)])
    last = archive.add(journal.batches(), journal.archived(), 4)
    assert journal.drop_before(last + 1) == 4
    journal.close()
    assert said_at_a_start(url, archive) == []

    (segment,) = archive.segments()
    segment.path.rename(tmp_path / "shelf.sqlite")
    (line,) = said_at_a_start(url, archive)
    assert (line["log_level"], line["where"], line["missing"]) == ("critical", archive.where, "seq 1 to 4")
    with pytest.raises(JournalError, match=r"seq 2 to 4 .* put the archive's files back there"):
        next(SqlJournal(url, older=archive).read(2))
    (tmp_path / "shelf.sqlite").rename(segment.path)
    assert said_at_a_start(url, archive) == []


@pytest.mark.parametrize("folder", ["a?1", "a%41", "a?b=c", "a#1", "100%"])
def test_an_archive_is_in_its_directory_whatever_that_is_called(tmp_path: Path, folder: str) -> None:
    """In a URL "?" ends the path, and "%" begins the number of a letter."""
    archive = Archive(tmp_path / folder / "archive")
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}", "process", older=archive)
    journal.open()
    journal.append([fill(1)])
    journal.append([fill(2)])
    before = list(journal.batches())
    last = archive.add(journal.batches(), journal.archived(), 1)
    assert journal.drop_before(last + 1) == 1
    assert list(journal.batches()) == before
    journal.close()
    assert sorted(path.name for path in archive.directory.iterdir()) == [name(1, 1)]
    assert {path.name for path in tmp_path.iterdir()} == {folder, "journal.sqlite"}


def test_a_new_archive_is_durable_with_its_own_name_before_anything_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    archive = Archive(tmp_path / "archive")
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}", "process", older=archive)
    journal.open()
    for seq in range(1, 4):
        journal.append([fill(seq)])
    archive.add(journal.batches(), journal.archived(), 2)
    journal.close()
    assert (synced[0], synced[-1]) == (tmp_path, archive.directory)


def said_at_a_start(url: str, archive: Archive) -> list[Any]:
    journal = SqlJournal(url, "process", older=archive)
    with capture_logs() as lines:
        journal.open()
    journal.close()
    return [line for line in lines if line["event"] == "archive_missing"]
