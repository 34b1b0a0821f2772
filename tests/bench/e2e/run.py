"""The benchmark from one end to the other: `make bench`, `make bench-quick`.

Prints tables, and one JSON object as the last line. With `--report docs` it writes docs/performance.md too.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ops.processes import main_of
from tests.bench.e2e import machine, page, parts, tables
from tests.bench.e2e.plan import FULL, QUICK, Plan
from tests.bench.e2e.report import Report, as_json
from tests.bench.e2e.rounds import Say
from tests.bench.e2e.targets import targets

_PLAIN_EVERY_S = 10.0
_WIDTH = 160


def measure(plan: Plan, folder: Path, say: Say) -> Report:
    """All parts of a plan, one after the other."""
    began = time.monotonic()
    report = Report(machine.described(), plan.name, plan.compared_at)
    found = parts.contest(plan, folder / "contest", say)
    report.round_trips, report.sustained = found.round_trips, found.sustained
    if plan.open_orders:
        report.open_orders = parts.open_orders(plan, folder / "open", say)
    if plan.clients:
        report.clients = parts.clients(plan, folder / "clients", say)
    if plan.sessions:
        report.sessions = parts.sessions(plan, folder / "sessions", say)
    if plan.lives:
        report.core_lives_per_s = parts.core(plan, say)
    report.risk_us = parts.risk_us(plan, say)
    report.codec = parts.codecs(plan, say)
    report.recovery = parts.recoveries(plan, say)
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def progress() -> Iterator[Say]:
    """Says what is being done: in one line that changes on a terminal, else in a line from time to time."""
    console, began, said = Console(stderr=True), time.monotonic(), -_PLAIN_EVERY_S
    if console.is_terminal:
        with console.status("") as status:
            yield lambda text: status.update(f"{time.monotonic() - began:4.0f} s  {text}")
        return

    def say(text: str) -> None:
        nonlocal said
        now = time.monotonic() - began
        if now - said >= _PLAIN_EVERY_S:
            said = now
            print(f"{now:4.0f} s  {text}", file=sys.stderr, flush=True)

    yield say


def main() -> None:
    """Measure, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: the comparison alone")
    parser.add_argument("--report", choices=["docs"], help="write docs/performance.md and its plots")
    given = parser.parse_args()
    if given.report and (changed := machine.uncommitted()):
        parser.error(
            f"docs/performance.md names the commit that was measured, and {', '.join(changed)} is changed and not"
            " committed. Commit or undo that first, or leave out the report. Nothing was measured."
        )
    plan = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder, progress() as say:
        report = measure(plan, Path(folder), say)
    tables.show(report, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if given.report:
        page.write(report)
    print(as_json(report, targets=targets(report)))


if __name__ == "__main__":
    main_of(main)
