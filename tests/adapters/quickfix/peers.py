"""Two venues to test the link against: QuickFIX's own acceptor, and a socket that says exactly what a test wants."""

# ruff: noqa: N803 - the names of callbacks are QuickFIX's.

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import quickfix as fix

SOH = "\x01"
DEADLINE_S = 60.0


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition, with a deadline; fails naming what did not happen."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"did not happen within {DEADLINE_S} s: {what}")


def fields(text: str) -> dict[str, str]:
    return dict(piece.split("=", 1) for piece in text.split(SOH) if piece)


def utc() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


class Acceptor(fix.Application):
    """QuickFIX's acceptor for one session, with the dictionaries as they come: strict about what we send."""

    def __init__(self, begin_string: str, port: int, folder: Path, sender: str = "VENUE", target: str = "GW") -> None:
        super().__init__()
        self.session_id = fix.SessionID(begin_string, sender, target)
        self.admin: list[dict[str, str]] = []
        self.app: list[dict[str, str]] = []
        self.logons = 0
        self._stopping = False
        self.on_app: Callable[[dict[str, str]], None] = lambda _message: None
        share = Path(fix.__file__).parents[3] / "share" / "quickfix"
        if begin_string == "FIXT.1.1":
            dictionaries = (
                f"TransportDataDictionary={share}/FIXT11.xml\nAppDataDictionary={share}/FIX50SP2.xml\n"
                "DefaultApplVerID=FIX.5.0SP2\n"
            )
        else:
            dictionaries = f"DataDictionary={share}/{begin_string.replace('.', '')}.xml\n"
        settings = fix.SessionSettings()
        settings.setFromString(
            "[DEFAULT]\nConnectionType=acceptor\nNonStopSession=Y\nSocketReuseAddress=Y\nUseDataDictionary=Y\n"
            f"[SESSION]\nBeginString={begin_string}\nSenderCompID={sender}\nTargetCompID={target}\n"
            f"SocketAcceptPort={port}\nHeartBtInt=30\n{dictionaries}"
        )
        self._acceptor = fix.SocketAcceptor(self, fix.FileStoreFactory(str(folder)), settings)

    def start(self) -> "Acceptor":
        """Run on a thread that stops it too: QuickFIX's stop() walks over sockets that its own thread closes."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stopping:
            self._acceptor.poll()
            time.sleep(0.001)
        self._acceptor.stop(True)

    def stop(self) -> None:
        """QuickFIX knows sessions by their ID alone: this one has to be gone before the next of that name is made."""
        self._stopping = True
        self._thread.join()
        del self._acceptor

    @property
    def session(self) -> Any:
        return fix.Session.lookupSession(self.session_id)

    def send(self, body: str) -> None:
        assert self.session.send(fix.Message(body, False))

    def onCreate(self, sessionID: fix.SessionID) -> None:
        pass

    def onLogon(self, sessionID: fix.SessionID) -> None:
        self.logons += 1

    def onLogout(self, sessionID: fix.SessionID) -> None:
        pass

    def toAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        pass

    def toApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        pass

    def fromAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        self.admin.append(fields(message.toString()))

    def fromApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        got = fields(message.toString())
        self.app.append(got)
        self.on_app(got)


class RawVenue:
    """A FIX acceptor of a few lines: it answers the Logon, keeps what it reads, and writes what a test tells it to.

    A ResendRequest(35=2) is answered with a gap fill while `fills_gaps` is set.
    """

    def __init__(self, begin_string: str = "FIX.4.4", sender: str = "VENUE", target: str = "GW") -> None:
        self.begin_string, self.sender, self.target = begin_string, sender, target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._socket: socket.socket | None = None
        self._buffer = b""
        self.next_out = 1
        self.fills_gaps = True
        self.got: list[dict[str, str]] = []

    def accept(self) -> None:
        self._listener.settimeout(DEADLINE_S)
        if self._socket is not None:
            self.drop()
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(DEADLINE_S)
        self._buffer = b""

    def read(self) -> dict[str, str]:
        """The next message."""
        assert self._socket is not None
        while True:
            end = self._buffer.find(b"\x0110=")
            stop = self._buffer.find(b"\x01", end + 4) if end >= 0 else -1
            if stop >= 0:
                message, self._buffer = self._buffer[: stop + 1], self._buffer[stop + 1 :]
                got = fields(message.decode("latin-1"))
                self.got.append(got)
                if got["35"] == "2" and self.fills_gaps:
                    self.send(f"35=4\x01123=Y\x0136={self.next_out}\x01", int(got["7"]), f"43=Y\x01122={utc()}\x01")
                return got
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionError("the gateway closed the connection")
            self._buffer += data

    def read_until(self, msg_type: str) -> dict[str, str]:
        while (got := self.read())["35"] != msg_type:
            pass
        return got

    def read_all(self) -> None:
        """Read what the other side has sent until it answers this TestRequest(35=1)."""
        self.send("35=1\x01112=and now\x01")
        while self.read_until("0").get("112") != "and now":
            pass

    def send(self, body: str, seq: int | None = None, extra: str = "") -> int:
        """Send a message; `body` begins with 35=. Without `seq` the next number is used."""
        assert self._socket is not None
        number = self.next_out if seq is None else seq
        if seq is None:
            self.next_out += 1
        self._socket.sendall(self.message(body, number, extra))
        return number

    def message(self, body: str, number: int, extra: str = "") -> bytes:
        msg_type, _, rest = body.partition(SOH)
        header = f"{msg_type}\x0134={number}\x0149={self.sender}\x0152={utc()}\x0156={self.target}\x01{extra}"
        whole = (header + rest).encode("latin-1")
        head = f"8={self.begin_string}\x019={len(whole)}\x01".encode()
        total = sum(head + whole) % 256
        return head + whole + f"10={total:03d}\x01".encode()

    def send_bytes(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(data)

    def patience(self, seconds: float) -> None:
        """How long a read or a write of this connection may take."""
        assert self._socket is not None
        self._socket.settimeout(seconds)

    def logon(self, more: str = "", seq: int | None = None) -> dict[str, str]:
        """Accept a connection and answer its Logon, which is returned."""
        self.accept()
        got = self.read_until("A")
        fixt = "1137=9\x01" if self.begin_string == "FIXT.1.1" else ""
        if seq is not None:
            self.next_out = seq
        self.send(f"35=A\x0198=0\x01108=30\x01{fixt}{more}")
        return got

    def drop(self) -> None:
        assert self._socket is not None
        self._socket.close()
        self._socket = None

    def close(self) -> None:
        if self._socket is not None:
            self.drop()
        self._listener.close()
