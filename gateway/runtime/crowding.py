"""Larger batches where the processor has no time to spare.

A batch has a price that is the same for one order and for a hundred: threads that wake, a commit, a message to each
client. While the loop rests now and then, nobody waits for more than what is there. When it rests no more, what comes
waits anyway; a short pause before each batch then lets more of it share that price, and all of it gets through sooner.
A commit that waits for a disk is such a pause by itself.
"""

import time
from collections.abc import Callable

WINDOW_S = 0.01
"""How long the loop is watched before it is judged."""
CROWDED, CALM = 0.85, 0.3
"""The share of its time that the loop has to be at work to be crowded, and the one below which it is no more. While it
pauses it is at work for much less; and where others share its processors it never gets all of one.
"""
PAUSE_S = 0.001


class Crowding:
    """How busy the thread is that asks; `now` and `used` are clocks in seconds, of time and of that thread's work."""

    def __init__(
        self, now: Callable[[], float] = time.perf_counter, used: Callable[[], float] = time.thread_time
    ) -> None:
        self._now = now
        self._used = used
        self._since, self._work = now(), used()
        self._crowded = False

    def pause_s(self) -> float:
        """How long to wait before the next batch, in seconds; 0 when there is time to spare."""
        now = self._now()
        if now - self._since >= WINDOW_S:
            work = self._used()
            share = (work - self._work) / (now - self._since)
            self._crowded = share > (CALM if self._crowded else CROWDED)
            self._since, self._work = now, work
        return PAUSE_S if self._crowded else 0.0
