"""The other core may be missing, which is said; when it is there both take the same lives in turns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.core_peers import OURS, ROOT, NotInstalled, measure

STAND_IN = """#!/bin/sh
[ "$1" = -c ] && exit {imports}
echo 9.9
while read lives; do echo $lives >> {asked}; echo 0.5; done
"""


def stand_in(folder: Path, imports: int = 0) -> Path:
    """A Python whose nautilus_trader takes half a second for everything."""
    program = folder / "python"
    program.write_text(STAND_IN.format(imports=imports, asked=folder / "asked"))
    program.chmod(0o755)
    return program


def test_both_take_the_same_lives(tmp_path: Path) -> None:
    measured = measure(stand_in(tmp_path), lives=50, times=2)
    assert list(measured) == [OURS, "nautilus_trader 9.9"]
    assert measured["nautilus_trader 9.9"] == {"lives_per_s": 100, "low": 100, "high": 100}
    assert 0 < measured[OURS]["low"] <= measured[OURS]["lives_per_s"] <= measured[OURS]["high"]
    assert (tmp_path / "asked").read_text().split() == ["5", "50", "50"]


def test_a_python_without_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="not installed"):
        measure(stand_in(tmp_path, imports=1))


def test_its_command_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.core_peers", "--python", str(tmp_path / "none"), "--lives", "10"]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nautilus_trader is not installed at" in ended.stderr


def test_its_command_says_what_was_measured(tmp_path: Path) -> None:
    python = str(stand_in(tmp_path))
    command = [sys.executable, "-m", "tests.bench.core_peers", "--python", python, "--lives", "10", "--times", "1"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert json.loads(said.splitlines()[-1])["nautilus_trader 9.9"]["lives_per_s"] == 20
