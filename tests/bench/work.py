"""How much work an order is, counted and not timed: `python -m tests.bench.work`.

For each stage of an order's life (`stages.py`): how many Python functions are called, and how many bytecodes they
execute. The numbers are the same on every machine and in every run, so a test can hold them against a budget, which no
time on a shared machine could be. What runs in C counts as one bytecode, however long it takes: `codec.py` and
`core_lives.py` measure time.
"""

import sys
from collections.abc import Callable, Sequence
from statistics import median_low
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from tests.bench.stages import Core

LIVES = 3
WARM_UP = 60
"""Lives before those that are counted: the first orders of a process fill caches."""
OPEN_ORDERS = (100, 10_000)

T = TypeVar("T")


class Work(NamedTuple):
    """Python calls and bytecodes."""

    calls: int
    bytecodes: int

    def plus(self, other: "Work") -> "Work":
        """Both together."""
        return Work(self.calls + other.calls, self.bytecodes + other.bytecodes)


class Counter:
    """Runs stages and counts what each does in one life."""

    def __init__(self) -> None:
        self.stages: dict[str, Work] = {}
        self._calls = self._bytecodes = 0

    def __call__(self, stage: str, work: Callable[[], T], /) -> T:
        """Run one stage. A stage that comes more than once in a life is counted together."""
        self._calls = self._bytecodes = 0
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            return work()
        finally:
            sys.settrace(before)
            # Without what calls the work here.
            done = Work(self._calls - 1, self._bytecodes)
            self.stages[stage] = self.stages.get(stage, Work(0, 0)).plus(done)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any]:
        self._calls += 1
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._executes

    def _executes(self, _frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        if event == "opcode":
            self._bytecodes += 1
        return self._executes


def counted(open_orders: int) -> dict[str, Work]:
    """The work of each stage of an order while so many others are open."""
    core, lives = Core(open_orders), []
    for _ in range(WARM_UP):
        core.live(lambda _, work: work())
    for _ in range(LIVES):
        counter = Counter()
        core.live(counter)
        lives.append(counter.stages)
    return {stage: _median([life[stage] for life in lives]) for stage in lives[0]}


def _median(given: Sequence[Work]) -> Work:
    return Work(median_low(each.calls for each in given), median_low(each.bytecodes for each in given))


def main() -> None:
    """Print the table in the form in which test_work.py has it, and what is not the same with more open orders."""
    few, many = (counted(size) for size in OPEN_ORDERS)
    print(f"# Python {sys.version.split()[0]}, {OPEN_ORDERS[0]:,} open orders: calls, bytecodes")
    for stage, work in few.items():
        more = "" if many[stage] == work else f"  # {tuple(many[stage])} with {OPEN_ORDERS[1]:,}"
        print(f'    "{stage}": {tuple(work)},{more}')


if __name__ == "__main__":
    main()
