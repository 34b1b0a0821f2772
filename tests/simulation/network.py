"""The network between the gateway and a venue: connections that keep the order of bytes, and may be cut.

As TCP does it: what is written arrives in order after some time, or not at all because the connection is gone. A cut
loses what is under way in both directions. A silent cut tells neither end: they have to notice by heartbeats.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from tests.simulation.scheduler import MS, US, Scheduler


class End(Protocol):
    """One end of a connection."""

    def arrived(self, data: bytes) -> None:
        """Bytes came."""

    def gone(self) -> None:
        """The connection is over."""


class Wire:
    """One connection. End 0 is the one that connected."""

    def __init__(self, scheduler: Scheduler, chance: Random, name: str, slow: Callable[[], int]) -> None:
        self.name = name
        self.open = True
        self.ends: list[End | None] = [None, None]
        self._scheduler = scheduler
        self._chance = chance
        self._slow = slow
        self._last_arrival = [0, 0]
        self._deaf = False

    def write(self, to: int, data: bytes) -> None:
        """Send bytes to one end. Into a cut connection they go nowhere."""
        if not self.open or self._deaf:
            return
        if len(data) > 40 and self._chance.random() < 0.05:
            middle = self._chance.randrange(1, len(data))
            self._send(to, data[:middle])
            data = data[middle:]
        self._send(to, data)

    def _send(self, to: int, data: bytes) -> None:
        now = self._scheduler.now_ns
        delay = 50 * US + int(self._chance.expovariate(1 / (300 * US))) + self._slow()
        due = max(now + delay, self._last_arrival[to] + 1)
        self._last_arrival[to] = due
        self._scheduler.at(due - now, "", self._arrive, to, data)

    def _arrive(self, to: int, data: bytes) -> None:
        end = self.ends[to]
        if self.open and not self._deaf and end is not None:
            end.arrived(data)

    def close(self, by: int) -> None:
        """One end closes: the other reads what was sent before, then the end."""
        if not self.open:
            return
        self.ends[by] = None
        now = self._scheduler.now_ns
        due = max(now + 50 * US, self._last_arrival[1 - by] + 1)
        self._scheduler.at(due - now, "", self._finish, 1 - by)

    def _finish(self, end_no: int) -> None:
        if self.open:
            self.open = False
            self._tell(end_no)

    def cut(self, *, silent: bool = False) -> None:
        """Lose the connection and what is under way; `silent`: nobody is told."""
        if not self.open:
            return
        if silent:
            self._deaf = True
            return
        self.open = False
        for end_no in (0, 1):
            self._scheduler.at(self._chance.randrange(5 * MS), "", self._tell, end_no)

    def abandon(self, end_no: int) -> None:
        """The process at this end died: its kernel closes the connection, what it had written still arrives."""
        self.close(end_no)

    def _tell(self, end_no: int) -> None:
        end = self.ends[end_no]
        if end is not None:
            self.ends[end_no] = None
            end.gone()
