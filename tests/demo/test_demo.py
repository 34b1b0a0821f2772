"""`make demo` as a person runs it, and with the gateway killed in the middle."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

import pytest

from ops.stack import ROOT

ENDS_S = 60


def demo(folder: Path, seconds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops.demo.run"],
        cwd=ROOT,
        env={**os.environ, "DEMO_SECONDS": str(seconds), "DEMO_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def line_with(output: IO[str], pattern: str) -> re.Match[str]:
    for line in output:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"the demo ended without a line like {pattern!r}")


def verdict_of(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout is not None
    with running:
        last = running.stdout.read().splitlines()[-1]
    code = running.returncode
    verdict = json.loads(last)
    assert isinstance(verdict, dict)
    assert code == 0, verdict
    return verdict


def command_lines() -> dict[int, bytes]:
    """Of every process there is, as the kernel keeps them: words that end with a zero byte."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # It has ended since it was listed.
                found[int(entry.name)] = (entry / "cmdline").read_bytes()
    return found


def gateway_pid(folder: Path) -> int:
    """The process that holds the data directory; its follower is told of the same configuration, and does not serve."""
    wanted = {str(folder / "gateway.toml").encode(), b"serve"}
    for pid, line in command_lines().items():
        if wanted <= set(line.split(b"\0")):
            return pid
    raise AssertionError("the gateway is not running")


def test_the_demo_trades_loses_nothing_and_duplicates_nothing(tmp_path: Path) -> None:
    verdict = verdict_of(demo(tmp_path / "demo", seconds=6))
    assert verdict.keys() == {
        "orders", "executions", "venue_executions", "lost", "duplicated", "in_doubt", "p50_us", "p99_us",
    }  # fmt: skip
    assert verdict["executions"] == verdict["venue_executions"] > 0
    assert (verdict["lost"], verdict["duplicated"], verdict["in_doubt"]) == (0, 0, 0)
    assert 0 < verdict["p50_us"] <= verdict["p99_us"]


@pytest.mark.timeout(300)
def test_kill_9_of_the_gateway_in_the_middle_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    running = demo(folder, seconds=600)
    assert running.stdout is not None
    trading = r"executions [1-9].*XSIM up YSIM up"
    for _ in range(2):
        line_with(running.stdout, trading)
        os.kill(gateway_pid(folder), signal.SIGKILL)
        line_with(running.stdout, "the gateway is back")
    line_with(running.stdout, trading)
    running.send_signal(signal.SIGINT)
    verdict = verdict_of(running)
    assert verdict["executions"] == verdict["venue_executions"] > 0
    assert (verdict["lost"], verdict["duplicated"]) == (0, 0), verdict


def test_a_second_demo_leaves_the_files_of_the_first_alone(tmp_path: Path) -> None:
    """It took them away, journal and ledgers, and the first could only fail."""
    first = demo(tmp_path / "demo", seconds=600)
    assert first.stdout is not None
    line_with(first.stdout, r"executions [1-9]")
    second = demo(tmp_path / "demo", seconds=1)
    assert second.stdout is not None
    folder = Path(line_with(second.stdout, r"Starting .* in (\S*)").group(1))
    assert verdict_of(second)["lost"] == 0
    first.send_signal(signal.SIGINT)
    assert verdict_of(first)["lost"] == 0
    assert folder.parent == Path(tempfile.gettempdir())
    shutil.rmtree(folder)


@pytest.mark.parametrize("names", [["precious.txt"], ["gateway.toml", "gateway"], ["XSIM.toml", "notes"]])
def test_a_folder_with_anything_else_in_it_is_refused_and_stays_as_it_is(tmp_path: Path, names: list[str]) -> None:
    """It was emptied, whatever it was."""
    for name in names:
        (tmp_path / name).write_text("mine")
    running = demo(tmp_path, seconds=1)
    said, _ = running.communicate(timeout=ENDS_S)
    assert running.returncode == 1
    assert "has what no demo left there" in said
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == dict.fromkeys(names, "mine")


def test_ctrl_c_ends_the_demo_in_order_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    running = demo(folder, seconds=600)
    assert running.stdout is not None
    line_with(running.stdout, r"executions [1-9]")
    running.send_signal(signal.SIGINT)
    assert verdict_of(running)["lost"] == 0
    pause, end = threading.Event(), time.monotonic() + ENDS_S
    while left := [line for line in command_lines().values() if str(folder).encode() in line]:
        assert time.monotonic() < end, left
        pause.wait(0.02)
