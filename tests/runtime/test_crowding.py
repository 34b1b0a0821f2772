"""A loop that has no time to spare lets batches grow; one that has does not."""

import pytest

from gateway.runtime.crowding import CALM, CROWDED, PAUSE_S, WINDOW_S, Crowding


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
    assert told == [PAUSE_S, PAUSE_S, PAUSE_S, 0, 0]


@pytest.mark.parametrize(("share", "told"), [(1.0, PAUSE_S), (0.0, 0)])
def test_a_moment_says_nothing(share: float, told: float) -> None:
    """What was judged last holds until enough has been seen."""
    clocks = Clocks()
    assert clocks.spend(share) == told
    for _ in range(3):
        assert clocks.spend(1 - share, WINDOW_S / 4) == told
    assert clocks.spend(1 - share, WINDOW_S) == PAUSE_S - told
