"""`make demo` as a person runs it, and with the gateway killed in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from ops.stack import ROOT


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


def gateway_pid(folder: Path) -> int:
    """The process that holds the data directory, found by its command line."""
    wanted = str(folder / "gateway.toml").encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted in (entry / "cmdline").read_bytes().split(b"\0"):
            return int(entry.name)
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
    running = demo(folder, seconds=20)
    assert running.stdout is not None
    for _ in range(2):
        line_with(running.stdout, r"executions [1-9].*XSIM up YSIM up")
        os.kill(gateway_pid(folder), signal.SIGKILL)
        line_with(running.stdout, "the gateway is back")
    verdict = verdict_of(running)
    assert verdict["executions"] == verdict["venue_executions"] > 0
    assert (verdict["lost"], verdict["duplicated"]) == (0, 0), verdict


def test_ctrl_c_ends_the_demo_in_order_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    running = demo(folder, seconds=600)
    assert running.stdout is not None
    line_with(running.stdout, r"executions [1-9]")
    running.send_signal(signal.SIGINT)
    assert verdict_of(running)["lost"] == 0
    left = [
        (entry / "cmdline").read_bytes()
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes()
    ]
    assert left == []
