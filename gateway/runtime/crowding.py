"""Larger batches where the processor has no time to spare.

A batch has a price that is the same for one order and for a hundred: threads that wake, a commit, a message to each
client. While the loop rests now and then, nobody waits for more than what is there. When it rests no more, what comes
waits anyway; a short pause before each batch then lets more of it share that price, and all of it gets through sooner.
A commit that waits for a disk is such a pause by itself.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable

WINDOW_S = 0.05
"""How long the loop is watched before it is judged."""
CROWDED, CALM = 0.85, 0.55
"""The share of its time that the loop has to be busy to be crowded, and the one below which it is no more: while it
pauses it is busy for less.
"""
SHORTEST_S, LONGEST_S = 0.001, 0.008


Clock = Callable[[], float]


def busy_clock() -> Clock:
    """For how many seconds the thread that asks here has been at work, or ready for it and waiting for a processor:
    where others share them it never gets all of one. Where Linux does not tell, or no more, the work alone.
    """
    try:
        file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    except OSError:
        return time.thread_time

    def clock() -> float:
        with contextlib.suppress(OSError):
            if told := sum(map(int, os.pread(file, 64, 0).split()[:2])):
                return told / 1e9
        return time.thread_time()  # A system that keeps no such figures says 0, also of a thread that has worked.

    return clock


class Crowding:
    """How busy the thread is that asks; `now` and `busy` are clocks in seconds, of time and of that thread."""

    def __init__(self, now: Clock = time.perf_counter, busy: Clock | None = None) -> None:
        self._now = now
        self._busy = busy or busy_clock()
        self._since, self._work = now(), self._busy()
        self._pause_s = 0.0

    def pause_s(self) -> float:
        """How long to wait before the next batch, in seconds; 0 when there is time to spare. It doubles as long as that
        does not help, and is halved when there is time again.
        """
        now = self._now()
        if now - self._since >= WINDOW_S:
            work = self._busy()
            share = (work - self._work) / (now - self._since)
            self._since, self._work = now, work
            if share > CROWDED:
                self._pause_s = min(LONGEST_S, max(SHORTEST_S, 2 * self._pause_s))
            elif share < CALM:
                self._pause_s = self._pause_s / 2 if self._pause_s > SHORTEST_S else 0.0
        return self._pause_s
