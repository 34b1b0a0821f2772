"""The one scheduler of a simulation: virtual time, one queue of what happens next, one seed.

Everything that happens is an entry of the queue: a turn of an event loop, the end of a disk write, bytes that arrive, a
client's next idea. Chance decides only how long each takes, and with that their order; each concern draws from a
stream of its own, so that one more draw here does not change every draw elsewhere.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

US, MS, S = 1_000, 1_000_000, 1_000_000_000
SHOWN = 40


class Mortal(Protocol):
    """A process: what it had planned ends with it."""

    dead: bool
    paused_until_ns: int


class Chance(Random):
    """A source of chance. What it draws is what `Random` draws, without asking each time whether it was asked well."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """One of the numbers from `start`, or 0, to before `stop`."""
        if stop is None:
            start, stop = 0, start
        width = stop - start
        if width <= 0 or step != 1:
            raise ValueError(f"nothing to draw from {start} to {stop} by {step}")
        bits = width.bit_length()
        while (drawn := self.getrandbits(bits)) >= width:
            pass
        return start + drawn


_Planned = tuple[int, int, str, Mortal | None, Callable[..., None], tuple[Any, ...]]
"""When, its number, what it is called in the trace, whose it is, and the call."""


class Scheduler:
    """Virtual time in nanoseconds since the simulation began."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        self.seed = seed
        self.now_ns = 0
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self._queue: list[_Planned] = []
        self._number = 0
        self._digest = hashlib.blake2b(digest_size=8)
        self._trace: deque[tuple[int, str]] = deque(maxlen=None if keep_trace else SHOWN)

    def stream(self, name: str) -> Random:
        """A source of chance for one concern."""
        return Chance(f"{self.seed}:{name}")

    def at(self, delay_ns: int, what: str, call: Callable[..., None], *args: Any, owner: Mortal | None = None) -> None:
        """Plan a call. `what` is for the trace; empty for what is not worth a line."""
        self._number = number = self._number + 1
        due = self.now_ns + delay_ns if delay_ns > 0 else self.now_ns
        heappush(self._queue, (due, number, what, owner, call, args))

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        queue = self._queue
        while queue:
            self.now_ns, number, what, owner, call, args = heappop(queue)
            if owner is not None:
                if owner.dead:
                    continue
                if owner.paused_until_ns > self.now_ns:
                    heappush(queue, (owner.paused_until_ns, number, what, owner, call, args))
                    continue
            self.steps += 1
            if what:
                self.note(what)
            call(*args)
            return True
        return False

    def note(self, text: str) -> None:
        """A line of the trace."""
        self._trace.append((self.now_ns, text))
        self._digest.update(b"%d %s\n" % (self.now_ns, text.encode()))

    def count(self, kind: str) -> None:
        """A fault happened: noted and counted."""
        self.counts[kind] += 1
        self.note(f"FAULT {kind}")

    @property
    def trace(self) -> list[str]:
        """The newest lines, or all when they are kept."""
        return [f"{now_ns / S:12.6f}  {text}" for now_ns, text in self._trace]

    @property
    def trace_hash(self) -> str:
        """Of every line since the beginning."""
        return self._digest.hexdigest()
