"""A loop that has no time to spare lets batches grow; one that has does not."""

import os
import time

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


def test_work_counts_and_so_does_waiting_for_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, began = busy_clock(), time.thread_time()
    before = clock()
    while time.thread_time() < began + 0.05:
        pass
    assert clock() - before >= 0.03  # The kernel's figure is a tick or two behind.
    monkeypatch.setattr(os, "pread", lambda *_: b"2000000000 500000000 17\n")  # At work, waiting, and how often.
    assert clock() == 2.5


def test_where_the_system_does_not_tell_work_alone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_there(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", nothing_there)
    assert busy_clock() is time.thread_time
