"""Start other programs so that an interrupt at any moment leaves none of them running. Standard library only."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
KILL_AFTER_S = 5.0
LOG_LINES_SHOWN = 30


class Failed(Exception):
    """A step that cannot go on; its text is meant for the person at the terminal."""


def main_of(steps: Callable[[], None]) -> None:
    """Run `steps` and exit: 0 when done, 1 with the text of `Failed`, 130 after a signal that asked to stop."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        steps()
    except Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is left running; the same command goes on from here.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _stop(_number: int, _frame: FrameType | None) -> None:
    # From here on only cleaning up is left, and an impatient second Ctrl-C must not cut that short.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def started(
    command: Sequence[str | Path], *, log: IO[str], stdout: int | IO[str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start `command` in a process group of its own; on any exception end the whole group before it goes on.

    Its standard error, and its standard output unless `stdout` says otherwise, go to `log`.
    """
    process = None
    try:
        with _signals_waiting():  # Between the start and the next line, nobody would know whom to end.
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        yield process
        process.wait()
    except BaseException:
        if process is not None:
            _end_group(process)
        raise
    finally:
        if process is not None and process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def _signals_waiting() -> Iterator[None]:
    """Hold back what asks to stop until the block has ended, then let the first of it have its effect."""
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda received, _frame: came.append(received)) for number in STOP_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _end_group(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_AFTER_S)


def run(command: Sequence[str | Path], *, log: Path, cwd: Path | None = None) -> None:
    """Run `command` to its end with everything it prints in `log`.

    Raises:
        Failed: it exited with another code than 0; the text shows the last lines of `log`.
    """
    with log.open("w") as output, started(command, log=output, cwd=cwd) as process:
        pass
    check(process, log)


def check(process: subprocess.Popen[str], log: Path) -> None:
    """Raise `Failed` with the end of `log` when a process that has ended did not exit with 0."""
    if process.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        raise Failed("\n".join([*lines, "", f"This failed (exit code {process.returncode}): {process.args!r}"]))
