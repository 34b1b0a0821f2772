"""A stack whose programs are forked from a starter (`ops.crash.starter`); now and then one is started from nothing."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Self

import msgspec

from ops.crash.starter import MOST_BYTES, Reap, Request, Start
from ops.stack import ROOT, Process, Running, Stack

FROM_NOTHING_EVERY = 20
"""So many starts of a program are forks, but for one that is a new interpreter, as on a trading machine."""


class Starter:
    """The process that forks the programs. Use it as a context; leaving it ends what is left of them."""

    def __enter__(self) -> Self:
        """Start it. It imports while others already ask."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ops.crash.starter", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def start(self, program: Start, log: IO[str]) -> "Child":
        """Fork a program."""
        output, theirs = os.pipe()
        try:
            pid = self._ask(program, theirs, log.fileno())
        finally:
            os.close(theirs)
        return Child(pid, output, lambda: self._ask(Reap(pid)))

    def _ask(self, request: Request, *descriptors: int) -> int:
        socket.send_fds(self._socket, [msgspec.json.encode(request)], descriptors)
        return int(self._socket.recv(MOST_BYTES))


class Child:
    """What was forked, with as much of `subprocess.Popen` as a stack needs."""

    def __init__(self, pid: int, output: int, reap: Callable[[], int]) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = os.fdopen(output)
        self._ended = os.pidfd_open(pid)
        self._reap = reap
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float) -> int:
        """Its exit code, when it has ended in time; else raises TimeoutExpired."""
        if self._code is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self._code = self._reap()
            os.close(self._ended)
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing when it has ended: until it is reaped, nobody else has its id."""
        if self._code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(Process):
    """A program of the stack that is forked, but for every twentieth start."""

    def __init__(self, starter: Starter, program: Start, process: Process) -> None:
        super().__init__(process.name, process.command, process.log)
        self._starter = starter
        self._program = program
        self._starts = 0

    def _started(self, log: IO[str]) -> Running:
        self._starts += 1
        if self._starts % FROM_NOTHING_EVERY == 0:
            return super()._started(log)
        return self._starter.start(self._program, log)


class ForkedStack(Stack):
    """A stack of forked programs."""

    def __init__(
        self, folder: Path, starter: Starter, edit: Mapping[str, Callable[[str], str]], journal_url: str
    ) -> None:
        self._starter = starter
        super().__init__(folder, edit, journal_url=journal_url)

    def _process(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Process:
        program = Start(name, module, arguments, dict(environment or {}), str(self.folder))
        return ForkedProcess(
            self._starter, program, super()._process(name, module, *arguments, environment=environment)
        )
