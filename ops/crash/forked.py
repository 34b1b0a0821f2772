"""A stack whose programs are forked from a starter (`ops.crash.starter`); now and then one is a new interpreter."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Self, cast

import msgspec

from ops.crash.starter import MOST_BYTES, Reap, Request, Start
from ops.stack import ROOT, Process, Running, Stack


class Starter:
    """The process that forks the programs. Use it as a context; leaving it ends what is left of them."""

    def __enter__(self) -> Self:
        """Start it. It imports while others already ask."""
        self._children: dict[int, Child] = {}
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
        """End it, and with it what is left."""
        self._socket.close()
        self._process.wait()
        for child in self._children.values():
            child.end(-signal.SIGKILL)

    def start(self, program: Start, log: IO[str]) -> "Child":
        """Start a program."""
        output, theirs = os.pipe()
        try:
            pid = self._ask(program, theirs, log.fileno())
        finally:
            os.close(theirs)
        child = self._children[pid] = Child(pid, output, lambda: self._reap(pid))
        return child

    def _reap(self, pid: int) -> int:
        del self._children[pid]
        return self._ask(Reap(pid))

    def _ask(self, request: Request, *descriptors: int) -> int:
        socket.send_fds(self._socket, [msgspec.json.encode(request)], descriptors)
        return int(self._socket.recv(MOST_BYTES))


class Child:
    """What was started, with as much of `subprocess.Popen` as a stack needs."""

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
            self.end(self._reap())
        return cast("int", self._code)

    def end(self, code: int) -> None:
        """It has ended with this exit code, and is reaped."""
        self._code = code
        os.close(self._ended)

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing when it has ended: until it is reaped, nobody else has its id."""
        if self._code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(Process):
    """A program of the stack that is forked, unless `from_nothing` says at a start that it is a new interpreter."""

    def __init__(self, starter: Starter, program: Start, process: Process, from_nothing: Callable[[], bool]) -> None:
        super().__init__(process.name, process.command, process.log)
        self.forked = True
        self._starter = starter
        self._program = program
        self._from_nothing = from_nothing

    def _started(self, log: IO[str]) -> Running:
        self.forked = not self._from_nothing()
        command = () if self.forked else tuple(self.command)
        return self._starter.start(msgspec.structs.replace(self._program, command=command), log)


class ForkedStack(Stack):
    """A stack of forked programs. `from_nothing` is asked at each start, and counts afterwards how often it said so."""

    def __init__(
        self,
        folder: Path,
        starter: Starter,
        edit: Mapping[str, Callable[[str], str]],
        journal_url: str,
        from_nothing: Callable[[], bool],
    ) -> None:
        self.from_nothing = 0
        self._starter = starter
        self._is_from_nothing = from_nothing
        super().__init__(folder, edit, journal_url=journal_url)
        self.gateway = self.gateway_by("ops.crash.server")

    @property
    def gateway_is_forked(self) -> bool:
        """Whether the gateway's last start was a fork."""
        return isinstance(self.gateway, ForkedProcess) and self.gateway.forked

    def _counted(self) -> bool:
        fresh = self._is_from_nothing()
        self.from_nothing += fresh
        return fresh

    def _process(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Process:
        program = Start(name, module, arguments, dict(environment or {}), str(self.folder))
        return ForkedProcess(
            self._starter,
            program,
            super()._process(name, module, *arguments, environment=environment),
            self._counted,
        )
