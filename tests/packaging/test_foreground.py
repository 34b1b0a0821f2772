"""make demo in a terminal: Ctrl-C ends the demo its own way, and make reports what the demo reports."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands for the demo: says that it runs, sums up when it is interrupted, and exits with the code it is given.
DEMO = """
import os, signal
def stop(*_):
    os.write(1, b"summed up\\n")
    os._exit({code})
signal.signal(signal.SIGINT, stop)
os.write(1, b"running\\n")
signal.pause()
"""
# A new session has no terminal of its own until its leader takes one.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
MAKEFILE = "demo:\n\t@{python} -m ops.foreground {python} {script}\n"


@pytest.fixture
def command(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    script, makefile = tmp_path / "demo.py", tmp_path / "Makefile"
    script.write_text(DEMO.format(code=request.param))
    makefile.write_text(MAKEFILE.format(python=sys.executable, script=script))
    return ["make", "--no-print-directory", "-f", str(makefile)]


def _read_until(terminal: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # The last process that held the terminal is gone.
            break
    return seen


def _interrupted_in_a_terminal(command: list[str]) -> tuple[bytes, int]:
    terminal, far_end = pty.openpty()
    in_terminal = [sys.executable, "-c", TAKE_TERMINAL, *command]
    process = subprocess.Popen(
        in_terminal, cwd=ROOT, stdin=far_end, stdout=far_end, stderr=far_end, start_new_session=True
    )
    os.close(far_end)
    seen = _read_until(terminal, b"running\r\n")
    os.write(terminal, b"\x03")
    seen += _read_until(terminal, b"never printed")
    os.close(terminal)
    return seen, process.wait(timeout=30)


@pytest.mark.parametrize("command", [0], indirect=True)
def test_ctrl_c_in_a_terminal_ends_with_the_demos_last_line_and_exit_code_0(command: list[str]) -> None:
    seen, code = _interrupted_in_a_terminal(command)
    assert seen.decode().split() == ["running", "^Csummed", "up"]
    assert code == 0


@pytest.mark.parametrize("command", [1], indirect=True)
def test_a_demo_that_found_a_loss_fails_make_also_after_ctrl_c(command: list[str]) -> None:
    seen, code = _interrupted_in_a_terminal(command)
    assert b"summed up" in seen
    assert code == 2


@pytest.mark.parametrize("command", [0], indirect=True)
def test_without_a_terminal_a_signal_to_the_group_reaches_the_demo(command: list[str]) -> None:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    os.killpg(process.pid, signal.SIGINT)
    rest, _errors = process.communicate(timeout=30)
    assert rest == "summed up\n"
