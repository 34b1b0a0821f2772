"""The one scheduler of a simulation: virtual time, one queue of what happens next, one seed.

Everything that happens is an entry of the queue: a turn of an event loop, the end of a disk write, bytes that arrive, a
client's next idea. Chance decides only how long each takes, and with that their order; each concern draws from a
stream of its own, so that one more draw here does not change every draw elsewhere.
"""

import hashlib
import heapq
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

US, MS, S = 1_000, 1_000_000, 1_000_000_000
SHOWN = 40


class Mortal(Protocol):
    """A process: what it had planned ends with it."""

    dead: bool
    paused_until_ns: int


class Planned:
    """One entry of the queue."""

    __slots__ = ("args", "call", "canceled", "owner", "what")

    def __init__(self, what: str, owner: Mortal | None, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.what = what
        self.owner = owner
        self.call = call
        self.args = args
        self.canceled = False

    def cancel(self) -> None:
        """It does not happen."""
        self.canceled = True


class Scheduler:
    """Virtual time in nanoseconds since the simulation began."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        self.seed = seed
        self.now_ns = 0
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self._queue: list[tuple[int, int, Planned]] = []
        self._number = 0
        self._digest = hashlib.blake2b(digest_size=8)
        self._trace: deque[str] = deque(maxlen=None if keep_trace else SHOWN)

    def stream(self, name: str) -> Random:
        """A source of chance for one concern."""
        return Random(f"{self.seed}:{name}")

    def at(
        self, delay_ns: int, what: str, call: Callable[..., None], *args: Any, owner: Mortal | None = None
    ) -> Planned:
        """Plan a call. `what` is for the trace; empty for what is not worth a line."""
        planned = Planned(what, owner, call, args)
        self._number += 1
        heapq.heappush(self._queue, (self.now_ns + max(0, delay_ns), self._number, planned))
        return planned

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        while self._queue:
            self.now_ns, number, planned = heapq.heappop(self._queue)
            owner = planned.owner
            if planned.canceled or (owner is not None and owner.dead):
                continue
            if owner is not None and owner.paused_until_ns > self.now_ns:
                heapq.heappush(self._queue, (owner.paused_until_ns, number, planned))
                continue
            self.steps += 1
            if planned.what:
                self.note(planned.what)
            planned.call(*planned.args)
            return True
        return False

    def note(self, text: str) -> None:
        """A line of the trace."""
        self._trace.append(f"{self.now_ns / S:12.6f}  {text}")
        self._digest.update(b"%d %s\n" % (self.now_ns, text.encode()))

    def count(self, kind: str) -> None:
        """A fault happened: noted and counted."""
        self.counts[kind] += 1
        self.note(f"FAULT {kind}")

    @property
    def trace(self) -> list[str]:
        """The newest lines, or all when they are kept."""
        return list(self._trace)

    @property
    def trace_hash(self) -> str:
        """Of every line since the beginning."""
        return self._digest.hexdigest()
