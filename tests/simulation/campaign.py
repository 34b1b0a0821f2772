"""Many seeds on all cores, with progress and a summary; the failing seeds at the end."""

import gc
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TextIO

from tests.simulation.witness import CHECK_EVERY
from tests.simulation.world import Outcome, simulate

CHUNK = 10


def run(first: int, count: int, *, jobs: int | None = None, out: TextIO = sys.stdout) -> list[Outcome]:
    """Run `count` seeds from `first` on; the outcomes of those that failed."""
    started = time.monotonic()
    faults: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    failures: list[Outcome] = []
    starts = range(first, first + count, CHUNK)
    ends = [min(start + CHUNK, first + count) for start in starts]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        for some in pool.map(outcomes, starts, ends):
            for outcome in some:
                faults.update(outcome.faults)
                sums.update(_figures(outcome))
                if outcome.failure:
                    failures.append(outcome)
                    print(f"\nseed {outcome.seed}: {outcome.failure}", file=out, flush=True)
            _progress(sums["seeds"], count, time.monotonic() - started, len(failures), out)
    _summary(sums, faults, time.monotonic() - started, out)
    return failures


def report(outcome: Outcome, out: TextIO = sys.stdout) -> None:
    """What a person needs of one failure."""
    print(f"seed {outcome.seed} failed: {outcome.failure}", file=out)
    for line in outcome.trace[-40:]:
        print(line, file=out)
    print(f"replay: .venv/bin/python -m tests.simulation --seed {outcome.seed} --trace", file=out)


def outcomes(start: int, end: int, *, check_every: int = CHECK_EVERY) -> list[Outcome]:
    """Run the seeds from `start` to before `end`.

    Every recovery makes old what is there (see gateway.runtime.recovery), and of what is old the collector looks for
    garbage only when much has become old by itself: two megabytes a seed would stay.
    """
    found = [simulate(seed, check_every=check_every) for seed in range(start, end)]
    gc.collect()
    return found


def _figures(outcome: Outcome) -> dict[str, int]:
    return {
        "seeds": 1,
        "steps": outcome.steps,
        "events": outcome.records,
        "orders": outcome.orders,
        "executions": outcome.executions,
        "crashes": outcome.lives - 1,
        "recoveries": outcome.lives,
        "virtual seconds": outcome.virtual_ns // 1_000_000_000,
    }


def _progress(done: int, count: int, seconds: float, failed: int, out: TextIO) -> None:
    if out.isatty():
        print(f"\r{done} of {count} seeds, {done / seconds:.1f} seeds/s, {failed} failed", end="", file=out, flush=True)


def _summary(sums: Counter[str], faults: Counter[str], seconds: float, out: TextIO) -> None:
    print(f"\n{sums['seeds']} seeds in {seconds:.0f} s: {sums['seeds'] / seconds:.1f} seeds/s", file=out)
    print(", ".join(f"{number} {name}" for name, number in sums.items() if name != "seeds"), file=out)
    print("faults:", file=out)
    for kind, number in sorted(faults.items()):
        print(f"  {number:8d}  {kind}", file=out)
