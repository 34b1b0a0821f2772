"""Who takes part. Each has processes of its own, a venue too where it needs one, and a load; all take the same slices.

What each of them is stands in docs/performance.md.
"""

import re
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from gateway.lane import lane_path
from ops.stack import NotReady, free_port
from tests.bench.e2e import configurations, machine
from tests.bench.e2e.clocked_gateway import TIMES, Times
from tests.bench.e2e.configurations import BEGIN_STRING, SENDER, VENUE, Gateway
from tests.bench.e2e.load import LANE, Done, Slice
from tests.bench.e2e.messages import PRICE, SYMBOLS
from tests.bench.e2e.programs import READY_S, Program

FIRST = Slice(rate=200, seconds=0.3)
"""What each is sent before anything counts: the first calls of a process take many times as long as the others."""


class Contestant:
    """Some processes that together take slices. `start` and `stop` are not for the event loop: they wait."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._programs: dict[str, Program] = {}
        self._load: Program | None = None

    def start(self) -> None:
        """Start everything, and wait until orders can be sent.

        Raises:
            NotReady: something did not start.
        """
        self._load = self._started()
        self._load.wait_ready()
        self.run(FIRST)

    def stop(self) -> None:
        """End everything, the newest first. Safe to call twice, and when the start failed."""
        for program in reversed(self._programs.values()):
            program.stop()

    def run(self, asked: Slice) -> Done:
        """Have a slice sent.

        Raises:
            NotReady: the contestant is not running, or has ended.
        """
        if self._load is None:
            raise NotReady(f"{self.name} is not running")
        return self._load.ask(asked)

    @property
    def pids(self) -> dict[int, str]:
        """All its processes that live now, and what they are: "server", "follower", "venue", "load"."""
        return {program.pid: role for role, program in self._programs.items()}

    @property
    def times(self) -> Times | None:
        """How long orders were inside, where there is a clock for that."""
        return None

    def _started(self) -> Program:
        """Start what there is, and return the load."""
        raise NotImplementedError

    def _program(
        self, role: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Program:
        program = Program(role, self._folder, module, *arguments, environment=environment)
        self._programs[role] = program
        return program

    def _venue(self, sessions: int = 1) -> int:
        """Start a venue; the port of its FIX sessions."""
        fix_port, config = free_port(), self._folder / "venue.toml"
        self._folder.mkdir(parents=True, exist_ok=True)
        config.write_text(configurations.venue_text(self._folder / "venue", fix_port, free_port(), sessions))
        self._program("venue", "sim_exchange.cli", "serve", "--config", str(config)).wait_ready()
        return fix_port

    def _load_of(self, address: str) -> Program:
        return self._program("load", "tests.bench.e2e.load", "--address", address)


class Echo(Contestant):
    """Bare gRPC: each command is answered at once."""

    def _started(self) -> Program:
        address = f"127.0.0.1:{free_port()}"
        self._program("server", "tests.bench.peers.echo", "--listen", address).wait_ready()
        return self._load_of(address)


class Bridge(Contestant):
    """gRPC and QuickFIX in one process, and nothing between them."""

    def _started(self) -> Program:
        address = f"127.0.0.1:{free_port()}"
        arguments = _session(self._venue(), self._folder)
        self._program("server", "tests.bench.peers.bridge", "--listen", address, *arguments).wait_ready()
        return self._load_of(address)


class Floor(Contestant):
    """Bare QuickFIX, which is its own load."""

    def _started(self) -> Program:
        arguments = _session(self._venue(), self._folder)
        symbols = ["--symbols", ",".join(SYMBOLS), "--price", PRICE]
        return self._program("load", "tests.bench.peers.quickfix_floor", *arguments, *symbols)


class GatewayServer(Contestant):
    """The gateway, with all that it has in production.

    `clients` is through which of its addresses: "tcp", "unix" or "lane". `others` are processes that work for it and
    that somebody else starts, by what they are: the database server.
    """

    def __init__(
        self, name: str, folder: Path, kind: Gateway, *, clients: str = "tcp", others: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(name, folder)
        self._kind, self._clients, self._others = kind, clients, dict(others or {})
        self._times: Times | None = None

    @property
    def pids(self) -> dict[int, str]:
        found = super().pids
        if (server := self._programs.get("server")) is not None:
            found |= dict.fromkeys(machine.with_children(server.pid)[1:], "follower")
        for role, pid in self._others.items():
            found |= dict.fromkeys(machine.with_children(pid), role)
        return found

    @property
    def times(self) -> Times | None:
        return self._times

    def _started(self) -> Program:
        fix_port, api_port, metrics_port = self._venue(self._kind.sessions), free_port(), free_port()
        config, data, times = self._folder / "gateway.toml", self._folder / "gateway", self._folder / "times"
        config.write_text(configurations.gateway_text(self._kind, data, fix_port, api_port, metrics_port))
        self._times = Times(times)
        module = "tests.bench.e2e.clocked_gateway"
        server = self._program("server", module, "serve", "--config", str(config), environment={TIMES: str(times)})
        server.wait_ready()
        _until_open(metrics_port, self._kind.sessions)
        _until_followed(server.pid)
        socket = f"{data}/gateway.sock"
        addresses = {"tcp": f"127.0.0.1:{api_port}", "unix": f"unix:{socket}", "lane": LANE + lane_path(socket)}
        return self._load_of(addresses[self._clients])


def _session(venue_port: int, folder: Path) -> list[str]:
    names = ["--sender", SENDER, "--target", VENUE, "--begin-string", BEGIN_STRING]
    return ["--venue-port", str(venue_port), *names, "--dir", str(folder / "fix")]


def _until_open(metrics_port: int, sessions: int) -> None:
    """Until orders can be sent to all venues."""
    end, found = time.monotonic() + READY_S, 0
    while found < sessions:
        if time.monotonic() > end:
            raise NotReady("order entry did not open")
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=READY_S) as answer:
            found = len(re.findall(r"^gateway_order_entry_open\{.*\} 1", answer.read().decode(), re.MULTILINE))
        time.sleep(0.05)


def _until_followed(pid: int) -> None:
    """Until the gateway has started the process that follows its journal; its start must not fall into a slice."""
    end = time.monotonic() + READY_S
    while len(machine.with_children(pid)) == 1:
        if time.monotonic() > end:
            raise NotReady("the gateway has no follower")
        time.sleep(0.05)
