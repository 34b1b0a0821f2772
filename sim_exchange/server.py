"""The shell: sockets, clocks and signals around the exchange, in one asyncio loop."""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import cast

from sim_exchange.config import Config
from sim_exchange.control import MAX_LINE, Control
from sim_exchange.exchange import Connection, Exchange
from sim_exchange.fix import FrameError
from sim_exchange.ledger import Ledger, take
from sim_exchange.session import Now

log = logging.getLogger("sim_exchange")

TICK_S = 0.02
LOGON_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 256


def now() -> Now:
    """Both clocks."""
    return Now(time.time_ns(), time.monotonic_ns())


class FixProtocol(asyncio.Protocol):
    """One FIX connection, and the exchange's link to its client."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._connection = Connection(self)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected; it must log on soon."""
        # uvloop's transports have the methods of asyncio.Transport without deriving from it.
        self._transport = cast(asyncio.Transport, transport)
        if len(self._server.open) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._server.open.add(self)
        self._deadline = asyncio.get_running_loop().call_later(LOGON_TIMEOUT_S, self._logon_deadline)

    def _logon_deadline(self) -> None:
        if self._connection.lane is None:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client; work that fails ends the process, for memory is then ahead of the ledger."""
        try:
            self._server.exchange.on_bytes(self._connection, data, now())
        except FrameError as error:
            log.warning("connection cut reason=%s", error)
            self.abort()
        except Exception:  # noqa: BLE001 - whatever it was, it ends the process.
            self._server.fail()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature.
        """The connection is gone."""
        self._server.open.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            self._server.exchange.on_lost(self._connection, now())
        except Exception:  # noqa: BLE001 - whatever it was, it ends the process.
            self._server.fail()

    def write(self, data: bytes) -> None:
        """Queue bytes for the client."""
        if self._transport is not None:
            self._transport.write(data)

    def unsent(self) -> int:
        """How many bytes are queued that the client has not read."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close once everything is out, at latest in CLOSE_TIMEOUT_S: a client that does not read holds no session."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read nothing more; what the client sends fills its buffers and ours."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


class Server:
    """Listens for FIX and control connections until it is told to stop. Raises LedgerInUse, LedgerDamaged, OSError."""

    def __init__(self, config: Config) -> None:
        self._config = config
        data_dir = Path(config.venue.data_dir)
        self._taken = take(data_dir)
        self.exchange = Exchange(config, Ledger(data_dir / "ledger.jsonl"))
        self.open: set[FixProtocol] = set()
        self._stopping = asyncio.Event()

    def fail(self) -> None:
        """Memory may be ahead of the ledger: end at once, a restart rebuilds from the ledger."""
        log.critical("the venue cannot go on", exc_info=sys.exc_info())
        logging.shutdown()
        os._exit(70)

    async def run(self) -> None:
        """Serve; prints one line of JSON with the ports when ready, returns after SIGINT, SIGTERM or shutdown."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        host, _, port = self._config.venue.fix.rpartition(":")
        fix = await loop.create_server(lambda: FixProtocol(self), host.strip("[]"), int(port))
        control, control_address = await self._listen_control()
        ticker = asyncio.create_task(self._tick())
        fix_port = fix.sockets[0].getsockname()[1]
        ready = {
            "ready": True,
            "venue": self._config.venue.name,
            "fix_port": fix_port,
            **control_address,
            "pid": os.getpid(),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        log.info("ready venue=%s fix_port=%s", self._config.venue.name, fix_port)
        await self._stopping.wait()
        fix.close()
        control.close()
        ticker.cancel()
        self.exchange.stop(now())
        await self._hang_up()
        log.info("stopped venue=%s", self._config.venue.name)

    async def _listen_control(self) -> tuple[asyncio.Server, dict[str, int | str]]:
        service = Control(self.exchange, now, self._stopping.set, self.fail)
        address = self._config.venue.control
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            server: asyncio.Server = await asyncio.start_unix_server(service.serve, path, limit=MAX_LINE)
            os.chmod(path, 0o600)  # noqa: PTH101 - once, at the start.
            return server, {"control": address}
        host, _, port = address.rpartition(":")
        server = await asyncio.start_server(service.serve, host.strip("[]"), int(port), limit=MAX_LINE)
        return server, {"control_port": server.sockets[0].getsockname()[1]}

    async def _tick(self) -> None:
        more = False
        while True:
            await asyncio.sleep(0 if more else TICK_S)
            try:
                more = self.exchange.on_tick(now())
            except Exception:  # noqa: BLE001 - whatever it was, it ends the process.
                self.fail()

    async def _hang_up(self) -> None:
        """Give the goodbyes a second to reach the clients."""
        for connection in list(self.open):
            connection.close()
        for _ in range(50):
            if not self.open:
                return
            await asyncio.sleep(TICK_S)
        for connection in list(self.open):
            connection.abort()
