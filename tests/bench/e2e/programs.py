"""The programs of a contestant: each says in one line that it is ready; a load then answers lines of JSON."""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ops.stack import ROOT, NotReady, tail
from tests.bench.e2e.load import Done, Slice

READY_S, STOP_S = 60.0, 60.0
_MARGIN_S = 30.0


class Program:
    """A Python program that runs, with its errors in a log. It is started by being made."""

    def __init__(
        self, name: str, folder: Path, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._name, self._log = name, folder / f"{name}.log"
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": path} | dict(environment or {}),
            )
        self.pid = self._process.pid

    def wait_ready(self) -> None:
        """Wait for its first line.

        Raises:
            NotReady: it ended first, or took too long.
        """
        self._line(READY_S)

    def ask(self, asked: Slice) -> Done:
        """Have a slice sent.

        Raises:
            NotReady: it ended, or took too long.
        """
        stdin = self._process.stdin
        if stdin is None:
            raise NotReady(f"{self._name} takes no slices")
        with contextlib.suppress(BrokenPipeError):  # It has ended, and the missing answer says so.
            stdin.write(msgspec.json.encode(asked).decode() + "\n")
            stdin.flush()
        line = self._line(asked.warm_up_s + asked.seconds + 2 * asked.patience_s + _MARGIN_S)
        return msgspec.json.decode(line, type=Done)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long. Safe to call twice."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _line(self, timeout_s: float) -> str:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None and select.select([stdout], [], [], timeout_s)[0] else ""
        if not line:
            raise NotReady(f"{self._name} has no answer; the end of {self._log}:\n{tail(self._log)}")
        return line
