"""pytest as `make test` runs it ends, whatever a test does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANGS = {
    "blocks": "def test_blocks():\n    threading.Event().wait()\n",
    "awaits": "async def test_awaits():\n    await asyncio.Event().wait()\n",
    "child": "def test_child():\n    subprocess.run(['tail', '-f', '/dev/null'])\n",
}
LATER = "def test_later():\n    pass\n"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The Makefile's pytest, with pyproject.toml's settings, over another folder."""
    line = re.search(r"-m pytest (.*) \$\(ARGS\)", (ROOT / "Makefile").read_text())
    assert line is not None
    command = [sys.executable, "-m", "pytest", *line[1].split(), "-c", str(ROOT / "pyproject.toml"), *options]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize("how", HANGS)
def test_a_test_that_hangs_fails_and_the_rest_is_run(tmp_path: Path, how: str) -> None:
    (tmp_path / "test_hanging.py").write_text(f"import asyncio, subprocess, threading\n\n{HANGS[how]}\n{LATER}")
    told = run(tmp_path, "-o", "timeout=1")
    assert "1 failed, 1 passed" in told.stdout, told.stdout + told.stderr
    assert f"test_hanging.py::test_{how} - Failed: Timeout" in told.stdout


def test_a_process_that_dies_ends_the_run_and_is_named(tmp_path: Path) -> None:
    """Twenty files had been done, and pytest-xdist would wait for ever after it had replaced the process."""
    for number in range(30):
        tests = "".join(f"def test_{case}():\n    pass\n" for case in range(5))
        dies = "def test_dies():\n    import os\n    os._exit(1)\n" if number == 20 else ""
        (tmp_path / f"test_{number:02}.py").write_text(tests + dies)
    told = run(tmp_path)
    assert told.returncode == 1, told.stdout + told.stderr
    assert "crashed while running 'test_20.py::test_dies'" in told.stdout


def test_one_that_no_signal_reaches_is_shown_on_stderr(tmp_path: Path) -> None:
    """It hangs after its own time is over, as in a clean-up; its process ends, and says where it was."""
    waits = "threading.Event().wait()"
    stuck = f"def test_stuck():\n    try:\n        {waits}\n    finally:\n        {waits}\n"
    (tmp_path / "test_hanging.py").write_text(f"import threading\n\n{stuck}")
    told = run(tmp_path, "-o", "timeout=1", "-o", "faulthandler_timeout=3")
    assert "crashed while running 'test_hanging.py::test_stuck'" in told.stdout, told.stdout + told.stderr
    assert "in test_stuck" in told.stderr
