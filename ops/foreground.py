"""Run a command so that Ctrl-C reaches it alone: `python -m ops.foreground COMMAND...`.

make dies of the Ctrl-C that its recipe has handled well, hides the recipe's exit code, and prints a line of its own
after the recipe's last one. A command that a shell runs in the foreground has the terminal to itself; this gives the
command the same. Where there is no terminal, or make is not in its foreground, signals come by process group,
and the command stays in make's.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the command line and exit as it does; 128 + N when signal N ended it, as shells have it."""
    terminal = _foreground_terminal()
    early: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda received, _frame: early.append(received))
    if terminal is not None:
        # The shell knows nothing of the new group and could not continue it, so Ctrl-Z must not stop it.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    process = subprocess.Popen(sys.argv[1:], process_group=None if terminal is None else 0)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda received, _frame: process.send_signal(received))
    if terminal is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # What interrupts the group has reached the command already.
    for received in early:
        process.send_signal(received)
    with _lent(terminal, process.pid):
        code = process.wait()
    sys.exit(code if code >= 0 else 128 - code)


def _foreground_terminal() -> int | None:
    with contextlib.suppress(OSError):
        if os.tcgetpgrp(0) == os.getpgrp():
            return 0
    return None


@contextlib.contextmanager
def _lent(terminal: int | None, group: int) -> Iterator[None]:
    if terminal is None:
        yield
        return
    # Who is not in the foreground and changes who is, is stopped by SIGTTOU unless it looks away.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(terminal, group)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # The terminal has been closed.
            os.tcsetpgrp(terminal, os.getpgrp())


if __name__ == "__main__":
    main()
