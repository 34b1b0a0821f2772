"""A command whose output cannot be written ends with a message, or silently where its reader has left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.stack import ROOT

PROGRAMS = ["gateway.cli.server", "gateway.cli.ctl"]


def ended(module: str, output: int, *, buffered: bool) -> subprocess.CompletedProcess[str]:
    """The program's help, written to `output`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({} if buffered else {"PYTHONUNBUFFERED": "1"})
    command = [sys.executable, "-c", f"from {module} import main; main()", "--help"]
    return subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=environment
    )


@pytest.mark.parametrize("module", PROGRAMS)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_is_told(module: str, buffered: bool) -> None:
    with Path("/dev/full").open("wb") as full:
        result = ended(module, full.fileno(), buffered=buffered)
    said = "error: standard output cannot be written: No space left on device; what was asked for may have been done\n"
    assert (result.stderr, result.returncode) == (said, 1)


@pytest.mark.parametrize("module", PROGRAMS)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_has_left_is_no_error_to_be_told(module: str, buffered: bool) -> None:
    read, write = os.pipe()
    os.close(read)
    result = ended(module, write, buffered=buffered)
    os.close(write)
    assert (result.stderr, result.returncode) == ("", 1)
