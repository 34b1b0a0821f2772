"""The benchmark of recovery works, at sizes that take no time."""

import subprocess
import sys

import pytest

from tests.bench import recovery
from tests.bench.lives import Lives


def test_it_measures_every_size_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "BEHIND", 100)
    grown = [recovery.measured(events) for events in (300, 900)]
    for of, events in zip(grown, (300, 900), strict=True):
        assert of.events >= events
        assert of.without["seq"] == of.with_snapshot["seq"] == of.events
        assert of.without["open"] == of.with_snapshot["open"] > 0
        assert of.snapshot_bytes > 0 < of.journal_bytes
        assert of.events_per_s > 0 < of.without["peak_bytes"]
        assert 1_000 < of.without["bytes_per_open"] < 20_000
    assert len(recovery.markdown(grown).splitlines()) == len(recovery.ROWS) + 4
    assert recovery.table(grown).row_count == len(recovery.ROWS)


def test_its_command_prints_the_table() -> None:
    command = [sys.executable, "-m", "tests.bench.recovery", "--sizes", "200"]
    said = subprocess.run(command, cwd=recovery.ROOT, check=True, capture_output=True, text=True).stdout
    assert "recovery with snapshot" in said
    assert "bytes of an open order" in said


def test_the_lives_of_a_seed_are_always_the_same() -> None:
    """Rule 8; a figure of today can be compared with one of tomorrow."""
    one, two = (list(Lives(4).batches(500)) for _ in range(2))
    assert one == two
    assert one != list(Lives(5).batches(500))


def test_what_is_counted_is_counted_once() -> None:
    text = "x" * 1_000
    assert recovery.size_of([text, text], set()) < 2 * sys.getsizeof(text)
    assert recovery.size_of({"a": text}, known := set()) > sys.getsizeof(text)
    assert recovery.size_of(text, known) == 0
    with pytest.raises(TypeError, match="object"):
        recovery.size_of([object()], set())
