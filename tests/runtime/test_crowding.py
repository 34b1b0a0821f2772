"""A loop that has no time to spare lets batches grow; one that has does not."""

import os
import threading
import time
from pathlib import Path

import pytest

from gateway.runtime.crowding import CALM, CROWDED, LONGEST_S, SHORTEST_S, WINDOW_S, Crowding, busy_clock


class Clocks:
    """Time, and how much of it a thread was at work."""

    def __init__(self) -> None:
        self.now = self.used = 100.0
        self.crowding = Crowding(lambda: self.now, lambda: self.used)

    def spend(self, share: float, seconds: float = 2 * WINDOW_S) -> float:
        """Let time pass, and ask."""
        self.now += seconds
        self.used += share * seconds
        return self.crowding.pause_s()


def test_nobody_waits_while_there_is_time_to_spare() -> None:
    clocks = Clocks()
    assert [clocks.spend(share) for share in (0.0, 0.3, 0.7, CROWDED - 0.01)] == [0, 0, 0, 0]


def test_a_loop_at_work_all_the_time_pauses_until_it_rests_again() -> None:
    clocks = Clocks()
    told = [clocks.spend(share) for share in (1.0, CALM + 0.1, CALM + 0.1, CALM - 0.1, CROWDED - 0.1)]
    assert told == [SHORTEST_S, SHORTEST_S, SHORTEST_S, 0, 0]


def test_a_pause_that_does_not_help_grows_to_its_bound_and_shrinks_as_it_grew() -> None:
    clocks = Clocks()
    assert [clocks.spend(1.0) for _ in range(5)] == [0.001, 0.002, 0.004, 0.008, 0.008]
    assert clocks.spend(CALM + 0.1) == LONGEST_S
    assert [clocks.spend(CALM - 0.1) for _ in range(5)] == [0.004, 0.002, 0.001, 0, 0]


@pytest.mark.parametrize(("share", "told", "then"), [(1.0, SHORTEST_S, 0), (0.0, 0, SHORTEST_S)])
def test_a_moment_says_nothing(share: float, told: float, then: float) -> None:
    """What was judged last holds until enough has been seen."""
    clocks = Clocks()
    assert clocks.spend(share) == told
    for _ in range(3):
        assert clocks.spend(1 - share, WINDOW_S / 4) == told
    assert clocks.spend(1 - share, WINDOW_S) == then


def test_work_counts_and_so_does_waiting_for_a_processor(schedstat: Path) -> None:
    clock = busy_clock()
    assert clock() == 2.5
    schedstat.write_text("3000000000 700000000 18\n")
    assert clock() == 3.7


@pytest.mark.parametrize("told", ["0 0 0\n", ""], ids=["no figures", "nothing"])
def test_where_the_system_keeps_no_figures_work_alone_counts(schedstat: Path, told: str) -> None:
    schedstat.write_text(told)
    clock = busy_clock()
    assert 0 < clock() <= time.thread_time()


def test_when_the_system_tells_no_more_work_alone_counts(schedstat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trading does not end for that."""

    def gone(*_: object) -> bytes:
        raise ProcessLookupError

    clock = busy_clock()
    monkeypatch.setattr(os, "pread", gone)
    assert 0 < clock() <= time.thread_time()


def test_where_the_system_does_not_tell_work_alone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_there(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", nothing_there)
    assert busy_clock() is time.thread_time


def test_the_figures_are_those_of_the_thread_that_asks(schedstat: Path, opened: list[str]) -> None:
    busy_clock()
    assert opened == [f"/proc/self/task/{threading.get_native_id()}/schedstat"]


@pytest.fixture
def opened() -> list[str]:
    """What was opened."""
    return []


@pytest.fixture
def schedstat(tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of the system's: nanoseconds at work, nanoseconds waiting, and how often."""
    path = tmp_path / "schedstat"
    path.write_text("2000000000 500000000 17\n")
    real = os.open

    def instead(name: str, flags: int) -> int:
        opened.append(name)
        return real(path, flags)

    monkeypatch.setattr(os, "open", instead)
    return path
