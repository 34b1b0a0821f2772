"""The machine: what it is, how fast it is at the moment, and what the processor gave to which process."""

import os
import platform
import subprocess
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ops.stack import ROOT

_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET = 0.10


def described() -> dict[str, str | int]:
    """What the figures belong to."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return {
        "cpu": model[0].partition(": ")[2] if model else platform.machine(),
        "cores": os.cpu_count() or 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit.stdout.strip() or "unknown",
    }


def uncommitted() -> list[str]:
    """The files whose content no commit has, so that figures measured with them belong to no commit."""
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return [line[3:] for line in changed.stdout.splitlines()]


def yardstick_ms() -> float:
    """What a fixed loop of Python takes: the same work at every time, so it shows how fast the machine is now."""
    began = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number * number % 7
    return (time.perf_counter() - began) * 1_000


def with_children(pid: int) -> list[int]:
    """A process and those that it started, which live now."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [each for child in path.read_text().split() for each in with_children(int(child))]
    return found


def cpu_s(pid: int) -> float:
    """Seconds of the processor that a process has had, with those children that have ended; 0.0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def rss_mib(pid: int) -> float:
    """The memory that a process has now; 0.0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def busy_s() -> float:
    """Seconds that the processors were at work, for anybody, or were taken away by the host of a virtual machine."""
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def used(pids: Iterable[int]) -> dict[int, float]:
    """The time of the processor of each."""
    return {pid: cpu_s(pid) for pid in pids}


def until_quiet(pids: Iterable[int], at_most_s: float, for_s: float = 0.05) -> bool:
    """Wait until these do next to nothing: what one contestant has left over must not fall into another's slice."""
    end, seen = time.monotonic() + at_most_s, used(pids)
    while time.monotonic() < end:
        time.sleep(for_s)
        now = used(seen)
        if sum(now.values()) - sum(seen.values()) <= _QUIET * for_s:
            return True
        seen = now
    return False
