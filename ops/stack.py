"""A whole stack on this machine as real processes: two simulated venues and the gateway, on free ports of the
loopback.

The demo and the end-to-end tests both start it. The configurations are the samples in config/, with ports and folders
of their own put in.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import IO, Any, Protocol, Self

from gateway.config import sqlite_url
from ops.limits import with_ample_limits

ROOT = Path(__file__).resolve().parent.parent
VENUES = ("XSIM", "YSIM")
# Those of config/gateway.toml.
API_PORT, METRICS_PORT = 7001, 7002
READY_S = 60.0
# A stop waits 8 s for a follower that gets no processor, and some seconds for the logouts.
STOP_S = 60.0


class NotReady(Exception):
    """A process ended, or did not say that it is ready; the text has the end of its log."""


class Running(Protocol):
    """A program that was started: what a stack needs of `subprocess.Popen`."""

    stdout: IO[str] | None

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def wait(self, timeout: float) -> int:
        """Its exit code, when it ends in time; else raises subprocess.TimeoutExpired."""

    def send_signal(self, number: signal.Signals, /) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """SIGKILL."""


class Process:
    """One program of the stack. It says that it is ready with one line of JSON on its standard output."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.ready: dict[str, Any] = {}
        self.command = command
        self._process: Running | None = None

    @property
    def pid(self) -> int:
        """The process id of the running program."""
        if self._process is None:
            raise NotReady(f"{self.name} is not running")
        return self._process.pid

    def launch(self) -> None:
        """Start it without waiting."""
        with self.log.open("a") as log:
            self._process = self._started(log)

    def _started(self, log: IO[str]) -> Running:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            cwd=self.log.parent,
        )

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait for the line that says it is ready.

        Raises:
            NotReady: it ended first, or took longer than `timeout_s` seconds.
        """
        output = self._output()
        line = _read_line(output, timeout_s)
        if not line:
            raise NotReady(f"{self.name} did not start; the end of {self.log}:\n{tail(self.log)}")
        self.ready = json.loads(line)

    def _output(self) -> IO[str]:
        if self._process is None or self._process.stdout is None:
            raise NotReady(f"{self.name} is not running")
        return self._process.stdout

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def ended(self, timeout_s: float) -> int:
        """Wait until it has ended by itself; its exit code.

        Raises:
            NotReady: it takes longer.
        """
        if self._process is None:
            raise NotReady(f"{self.name} is not running")
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise NotReady(f"{self.name} still runs after {timeout_s:g} s") from None
        return self._end(signal.SIGKILL)

    def kill(self) -> int:
        """SIGKILL, and wait until it is gone. Its exit code, which is another one when it had ended by itself."""
        return self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait for a clean end; SIGKILL when it takes too long. Its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(STOP_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code


def _read_line(stream: IO[str], timeout_s: float) -> str:
    """One line, or nothing when the stream ends first or it takes too long."""
    import select  # noqa: PLC0415  # Only needed here.

    ready, _, _ = select.select([stream], [], [], timeout_s)
    return stream.readline() if ready else ""


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


class Stack:
    """Two venues and a gateway in one folder. Use it as a context: leaving it stops everything.

    Args:
        folder: where configurations, journals, ledgers and logs go; made when it is not there.
        edit: changes the text of a configuration before it is written, by its name ("gateway", "XSIM", "YSIM").
        usual_ports: let the API and the metrics have the sample configuration's ports where those are free.
        journal_url: where the gateway keeps its journal; a file in the folder when empty.
        sample_limits: keep the sample configuration's limits of risk, in place of some that nothing reaches.
    """

    def __init__(
        self,
        folder: Path,
        edit: Mapping[str, Callable[[str], str]] | None = None,
        *,
        usual_ports: bool = False,
        journal_url: str = "",
        sample_limits: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.journal_url = journal_url or sqlite_url(self.folder / "gateway" / "journal.sqlite3")
        self._edit = dict(edit or {})
        self._sample_limits = sample_limits
        self.api_port = free_port(API_PORT if usual_ports else 0)
        self.metrics_port = free_port(METRICS_PORT if usual_ports else 0)
        self.fix_ports = {venue: free_port() for venue in VENUES}
        self.control_ports = {venue: free_port() for venue in VENUES}
        self.venues = {venue: self._venue(venue) for venue in VENUES}
        self.gateway_config = self._write("gateway", self._gateway_text())
        self.gateway = self.gateway_by("gateway.cli.server")

    @property
    def api_address(self) -> str:
        """Where the gateway's API is, over TCP."""
        return f"127.0.0.1:{self.api_port}"

    @property
    def unix_address(self) -> str:
        """Where the gateway's API is, over a Unix socket."""
        return f"unix:{self.folder}/gateway/gateway.sock"

    def ledger(self, venue: str) -> Path:
        """A venue's own ledger of everything it received and sent."""
        return self.folder / f"venue-{venue}" / "ledger.jsonl"

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            for venue in self.venues.values():
                venue.launch()
            for venue in self.venues.values():
                venue.wait_ready()
            self.gateway.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> dict[str, int]:
        """Stop the gateway, then the venues; exit codes by name."""
        codes = {"gateway": self.gateway.stop()}
        return codes | {name: venue.stop() for name, venue in self.venues.items()}

    def gateway_by(
        self, module: str, environment: Mapping[str, str] | None = None, words: tuple[str, ...] = ("serve",)
    ) -> Process:
        """The gateway on this stack's files, run by the `main` of a module: its own, or one that a test wraps round it.

        Only one of them can serve at a time: the gateway locks its data directory.
        """
        return self._process("gateway", module, *words, "--config", str(self.gateway_config), environment=environment)

    def _process(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Process:
        code = f"import sys; sys.argv[0] = {name!r}; from {module} import main; main()"
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        # Compiled once for all of them, whatever this process does: each start would take a tenth longer.
        given = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})}
        settings = [f"{key}={value}" for key, value in given.items()]
        command = ["/usr/bin/env", *settings, sys.executable, "-c", code, *arguments]
        return Process(name, command, self.folder / f"{name}.log")

    def _venue(self, venue: str) -> Process:
        text = (ROOT / "config" / f"sim-{venue.lower()}.toml").read_text()
        text = put(text, "fix", f'"127.0.0.1:{self.fix_ports[venue]}"')
        text = put(text, "control", f'"127.0.0.1:{self.control_ports[venue]}"')
        text = put(text, "data_dir", f'"{self.folder}/venue-{venue}"')
        return self._process(venue, "sim_exchange.cli", "serve", "--config", str(self._write(venue, text)))

    def _gateway_text(self) -> str:
        text = (ROOT / "config" / "gateway.toml").read_text()
        if not self._sample_limits:
            text = with_ample_limits(text)
        text = put(text, "data_dir", f'"{self.folder}/gateway"')
        if not self.journal_url.startswith("sqlite:"):
            text = put(text, "url", f'"{self.journal_url}"')
        for old, new in {API_PORT: self.api_port, METRICS_PORT: self.metrics_port}.items():
            text = put(text, "port", str(new), str(old))
        for fix_port, venue in {"9001": "XSIM", "9002": "YSIM"}.items():
            text = put(text, "port", str(self.fix_ports[venue]), fix_port)
        return text

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(self._edit.get(name, str)(text))
        return path


def put(text: str, key: str, value: str, old: str = ".*?") -> str:
    """The configuration with one key set anew. Exactly one line must have that key (and that old value).

    Raises:
        ValueError: none has, or several.
    """
    line = re.compile(rf"^{key} = {old}(?=\s*(#.*)?$)", re.MULTILINE)
    if len(line.findall(text)) != 1:
        raise ValueError(f"{key} = {old}: {len(line.findall(text))} lines of the configuration fit, one should")
    return line.sub(lambda _: f"{key} = {value}", text)


def free_port(preferred: int = 0) -> int:
    """A TCP port of the loopback that nobody listens on now: the preferred one, if it is free.

    Never one from the range that the system gives to outgoing connections: one of those could take it before its
    program does. And never one that another process was given lately: two stacks that start at once do not meet.
    """
    for port in [preferred] * bool(preferred) + _PORTS.sample(_NEVER_OUTGOING, len(_NEVER_OUTGOING)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _claim(port)
                return port
    raise NotReady("no port of the loopback is free")


def _claim(port: int) -> None:
    """Raises OSError when somebody has claimed it: a name in Linux's abstract namespace belongs to one socket."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0fix-gateway-port-{port}")
    except OSError:
        claim.close()
        raise
    _CLAIMS.append(claim)
    if len(_CLAIMS) > _CLAIMS_KEPT:  # The program of so old a claim has its port itself by now.
        _CLAIMS.popleft().close()


_CLAIMS: deque[socket.socket] = deque()
_CLAIMS_KEPT = 100
_NEVER_OUTGOING = range(20_000, 32_000)
_PORTS = Random(os.getpid())  # noqa: S311  # It spreads ports; nothing here is secret.
