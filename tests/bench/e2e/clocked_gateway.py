"""The gateway with a clock at its wire: `gateway serve` as it is, and for each order how long it was inside.

From the receipt of the command, as journaled, to the return from QuickFIX's send: risk checks, commit and encoding are
in it. The times are in a file that the harness maps too, so that nobody has to ask the gateway for them.
"""

import mmap
import os
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.adapters.quickfix import QuickFixLink
from gateway.cli.server import main as serve
from gateway.core.events import OrderRouted, Record

TIMES = "BENCH_ORDER_TO_WIRE"
"""The environment variable with the path of the file."""
KEPT = 1 << 20
_SIZE = 8 * (KEPT + 1)


class Times:
    """A ring of times in nanoseconds, with their number before them, in a file that several processes map."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(_SIZE)
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._numbers = memoryview(self._map).cast("q")

    @property
    def count(self) -> int:
        """How many there have been."""
        return self._numbers[0]

    def add(self, time_ns: int) -> None:
        """One more."""
        count = self._numbers[0]
        self._numbers[1 + count % KEPT] = time_ns
        self._numbers[0] = count + 1

    def since(self, count: int) -> Sequence[int]:
        """Those after the first `count`, as far back as the ring goes."""
        return [self._numbers[1 + each % KEPT] for each in range(max(count, self.count - KEPT), self.count)]


def main() -> None:
    """What `gateway` does, with the clock."""
    times, act = Times(Path(os.environ[TIMES])), QuickFixLink.act

    def clocked(link: QuickFixLink, record: Record) -> None:
        act(link, record)
        if isinstance(record.event, OrderRouted) and record.event.venue == link.venue:
            times.add(time.time_ns() - record.at_ns)

    QuickFixLink.act = clocked  # type: ignore[assignment, method-assign]
    serve()


if __name__ == "__main__":
    main()
