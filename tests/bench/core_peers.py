"""The core alone beside another one: nautilus_trader's risk and execution engine, on the same orders in turns.

    python -m venv build/nautilus
    build/nautilus/bin/pip install nautilus_trader==1.221.0
    python -m tests.bench.core_peers                                # --python PATH: where else it is installed

nautilus_trader is not among the project's dependencies and pins others of its own, so it lives in an environment of
its own. A life is a request, the venue's acknowledgement and one fill. Neither of the two writes anything down or
talks to anybody. They do not do the same for it: ours checks every control of risk, keeps a ledger of executions and
makes the records of the journal; nautilus_trader's has a handful of checks, and keeps an account.
"""

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench import core_lives

ROOT = Path(__file__).parents[2]
USUAL = ROOT / "build" / "nautilus" / "bin" / "python"
OURS, THEIRS = "gateway", "nautilus_trader"
Lived = Callable[[int], float]
"""The seconds of the processor that so many lives take."""


class NotInstalled(Exception):
    """There is no such Python, or it has no nautilus_trader."""


@contextmanager
def nautilus(python: Path) -> Iterator[tuple[str, Lived]]:
    """The version of nautilus_trader that runs by this Python, and its lives.

    Raises:
        NotInstalled: it does not.
    """
    if not _has_it(python):
        raise NotInstalled(f"{THEIRS} is not installed at {python}; `python -m tests.bench.core_peers --help` says how")
    program = ROOT / "tests" / "bench" / "peers" / "nautilus_lives.py"
    with subprocess.Popen([python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given, said = process.stdin, process.stdout

        def lived(lives: int) -> float:
            print(lives, file=given, flush=True)
            return float(said.readline())

        yield said.readline().strip(), lived
        given.close()


def _our_lives(lives: int) -> float:
    gc.collect()
    gc.disable()
    try:
        return core_lives.lived(lives)[1]
    finally:
        gc.enable()


def _has_it(python: Path) -> bool:
    command = [str(python), "-c", "import nautilus_trader"]
    return python.exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0


def measure(python: Path = USUAL, lives: int = 10_000, times: int = 5) -> dict[str, dict[str, float]]:
    """Lives per second of the processor of each: the median, and the lowest and highest of so many turns.

    Raises:
        NotInstalled: nautilus_trader is not there.
    """
    with nautilus(python) as (version, theirs):
        both: dict[str, Lived] = {OURS: _our_lives, f"{THEIRS} {version}": theirs}
        taken: dict[str, list[float]] = {name: [] for name in both}
        for lived in both.values():
            lived(max(1, lives // 10))
        for _ in range(times):
            for name, lived in both.items():
                taken[name].append(round(lives / lived(lives)))
    return {
        name: {"lives_per_s": round(median(each)), "low": min(each), "high": max(each)} for name, each in taken.items()
    }


def table(measured: dict[str, dict[str, float]]) -> Table:
    """What people read."""
    made = Table("core", "lives per second", "range", "ratio", title="The core alone, one process")
    for name, each in measured.items():
        ratio = each["lives_per_s"] / measured[OURS]["lives_per_s"]
        made.add_row(name, f"{each['lives_per_s']:,.0f}", f"{each['low']:,} - {each['high']:,}", f"{ratio:.2f}")
    return made


def main() -> None:
    """Measure, print a table, and the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=USUAL, help="one that has nautilus_trader")
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    try:
        measured = measure(given.python, given.lives, given.times)
    except NotInstalled as error:
        sys.exit(str(error))
    Console().print(table(measured))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
