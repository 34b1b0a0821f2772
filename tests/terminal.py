"""`gatewayctl` as a person sees it."""

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from typing import Self

from ops.stack import ROOT

DEADLINE_S = 60


class Terminal:
    """`gatewayctl` with a terminal of its own."""

    def __init__(self, *arguments: str, size: tuple[int, int] = (60, 200)) -> None:
        self._screen, self._side = pty.openpty()
        termios.tcsetwinsize(self._side, size)
        self._before = termios.tcgetattr(self._side)
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")  # A read may end inside a character.
        self.shown = ""
        # The size is the terminal's own, whatever the test runner says about its.
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", "from gateway.cli.ctl import main; main()", *arguments]
        self._process = subprocess.Popen(
            command, stdin=self._side, stdout=self._side, stderr=self._side, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._screen)
        os.close(self._side)

    def read_until(self, *texts: str) -> None:
        """Wait until all of this was shown."""
        deadline = time.monotonic() + DEADLINE_S
        while not all(text in self.shown for text in texts):
            assert time.monotonic() < deadline, f"waited for {texts}, saw {self.shown}"
            assert self._process.poll() is None, f"ended before {texts}: {self.shown}"
            self._read()

    def write(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Its exit code; until then what it shows is read, or it could not end."""
        deadline = time.monotonic() + DEADLINE_S
        while (code := self._process.poll()) is None:
            assert time.monotonic() < deadline, self.shown
            self._read()
        return code

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._side) == self._before

    def _read(self) -> None:
        if select.select([self._screen], [], [], 0.1)[0]:
            self.shown += self._text.decode(os.read(self._screen, 65_536))
