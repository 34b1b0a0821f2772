"""What the venue is tested with.

A FIX client on the real QuickFIX initiator, a venue process to connect it to, and a bench that holds the exchange
without sockets and moves its clock by hand.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
import quickfix as fix

from sim_exchange import desk
from sim_exchange.checks import HEADER
from sim_exchange.config import load
from sim_exchange.control import ControlClient
from sim_exchange.exchange import Connection, Exchange
from sim_exchange.fix import encode, utc_timestamp
from sim_exchange.ledger import Ledger
from sim_exchange.orders import RuleBroken
from sim_exchange.session import Now

SOH = "\x01"
DEADLINE_S = 60.0
Message = dict[int, str]


def to_dict(text: str) -> Message:
    """First value of each tag."""
    fields: Message = {}
    for item in text.split(SOH)[:-1]:
        tag, _, value = item.partition("=")
        fields.setdefault(int(tag), value)
    return fields


def _dictionaries(begin_string: str) -> dict[str, str]:
    """The dictionaries that QuickFIX installs: what the venue sends must be valid FIX by them."""
    share = Path(sys.prefix) / "share" / "quickfix"
    if begin_string == "FIXT.1.1":
        return {"TransportDataDictionary": str(share / "FIXT11.xml"), "AppDataDictionary": str(share / "FIX50SP2.xml")}
    return {"DataDictionary": str(share / f"{begin_string.replace('.', '')}.xml")}


class Client(fix.Application):
    """Collects everything that comes in; `wait` blocks until a message fits."""

    def __init__(
        self,
        port: int,
        store: Path,
        begin_string: str = "FIX.4.4",
        logon: Mapping[int, str] | None = None,
        venue: str = "XSIM",
        comp_id: str = "GATEWAY",
        **settings: str,
    ) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.admin: list[Message] = []
        self.logged_on = False
        self.errors: list[BaseException] = []
        self._logon_fields = dict(logon or {})
        self._changed = threading.Condition()
        self._begin_string = begin_string
        self._session_id = fix.SessionID(begin_string, comp_id, venue)
        text = "".join(
            f"{key}={value}\n"
            for key, value in {
                "ConnectionType": "initiator",
                "StartTime": "00:00:00",
                "EndTime": "00:00:00",
                "NonStopSession": "Y",
                "HeartBtInt": "30",
                "ReconnectInterval": "1",
                "SocketConnectHost": "127.0.0.1",
                "SocketConnectPort": str(port),
                "FileStorePath": str(store),
                "UseDataDictionary": "Y",
                **_dictionaries(begin_string),
                "SocketNodelay": "Y",
                "ResetOnLogon": "N",
                "DefaultApplVerID": "9",
                "ValidateUserDefinedFields": "N",
                **settings,
            }.items()
        )
        config = store / "client.cfg"
        store.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f"[DEFAULT]\n{text}[SESSION]\nBeginString={begin_string}\nSenderCompID={comp_id}\nTargetCompID={venue}\n"
        )
        self._settings = fix.SessionSettings(str(config))
        self._factory = fix.FileStoreFactory(self._settings)
        self._initiator = fix.SocketInitiator(self, self._factory, self._settings)

    # QuickFIX's thread; nothing may escape from here.
    def onCreate(self, session_id: Any) -> None: ...
    def toApp(self, message: Any, session_id: Any) -> None: ...

    def onLogon(self, session_id: Any) -> None:
        self._set(lambda: setattr(self, "logged_on", True))

    def onLogout(self, session_id: Any) -> None:
        self._set(lambda: setattr(self, "logged_on", False))

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            if "\x0135=A\x01" in message.toString():
                for tag, value in self._logon_fields.items():
                    message.setField(tag, value)
        except BaseException as error:
            self.errors.append(error)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        text = message.toString()
        self._set(lambda: self.admin.append(to_dict(text)))

    def fromApp(self, message: Any, session_id: Any) -> None:
        text = message.toString()
        self._set(lambda: self.messages.append(to_dict(text)))

    def _set(self, change: Callable[[], Any]) -> None:
        try:
            with self._changed:
                change()
                self._changed.notify_all()
        except BaseException as error:
            self.errors.append(error)

    # The test's thread.
    def until(self, holds: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, DEADLINE_S), f"{what}; got {self.messages[-5:]} {self.admin[-3:]}"

    def send(self, msg_type: str, **fields: str) -> None:
        """send("D", t11="X") sends a message with ClOrdID(11) X."""
        version = self._begin_string
        body = "".join(f"{key[1:]}={value}{SOH}" for key, value in fields.items())
        message = fix.Message(f"8={version}{SOH}9=0{SOH}35={msg_type}{SOH}{body}10=000{SOH}", False)
        assert fix.Session.sendToTarget(message, self._session_id)

    def new(self, cl_ord_id: str, qty: str, price: str | None = None, **extra: str) -> None:
        """A limit order, or a market order without a price."""
        fields = (
            {
                "t11": cl_ord_id,
                "t21": "1",
                "t55": "DESK",
                "t54": "1",
                "t60": "20260101-00:00:00",
                "t38": qty,
                "t40": "1" if price is None else "2",
            }
            | ({} if price is None else {"t44": price})
            | extra
        )
        self.send("D", **fields)

    def wait(self, count: int = 1, **fields: str) -> Message:
        """The count-th message whose fields are as given: wait(t35="8", t150="F")."""
        wanted = {int(key[1:]): value for key, value in fields.items()}

        def found() -> list[Message]:
            return [m for m in self.messages if wanted.items() <= m.items()]

        self.until(lambda: len(found()) >= count, f"no message with {wanted}")
        return found()[count - 1]

    def wait_admin(self, **fields: str) -> Message:
        wanted = {int(key[1:]): value for key, value in fields.items()}
        self.until(lambda: any(wanted.items() <= m.items() for m in self.admin), f"no admin message with {wanted}")
        return next(m for m in self.admin if wanted.items() <= m.items())

    def session(self) -> Any:
        return fix.Session.lookupSession(self._session_id)

    def __enter__(self) -> Self:
        self._initiator.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._initiator.stop()
        # QuickFIX finds sessions by their name in one table for the process; this one must leave it now.
        del self._initiator
        assert self.errors == []


class VenueProcess:
    """A real `sim-exchange serve`."""

    def __init__(self, config: Path, log: Path) -> None:
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sim_exchange.cli", "serve", "--config", str(config)],
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, log.read_text()
        self.ready = json.loads(line)
        self.fix_port = int(self.ready["fix_port"])
        self.control = ControlClient(f"127.0.0.1:{self.ready['control_port']}")

    def stop(self) -> int:
        self.control.close()
        self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(config: Path, log: Path) -> Iterator[VenueProcess]:
    venue = VenueProcess(config, log)
    try:
        yield venue
    finally:
        if venue.process.poll() is None:
            assert venue.stop() == 0, log.read_text()


CONFIG = """
[venue]
name = "XSIM"
data_dir = "{data}"
seed = 7
{venue}

{sessions}

[[instrument]]
symbol = "ACME"
tick = "0.01"
lot = "1"
reference = "100.00"

[[instrument]]
symbol = "GLOBEX"
tick = "0.05"
lot = "10"
reference = "250.00"

[[instrument]]
symbol = "DESK"
tick = "0.01"
lot = "1"
reference = "10.00"
mode = "manual"

{extra}
"""


@pytest.fixture(scope="session")
def write_config() -> Callable[..., Path]:
    """Write a configuration for a venue of these FIX versions into a directory."""

    def write(directory: Path, *versions: str, extra: str = "", session: str = "", venue: str = "") -> Path:
        sessions = "\n".join(
            f'[[session]]\nclient = "GATEWAY"\nbegin_string = "{version}"\n{session}' for version in versions
        )
        path = directory / "venue.toml"
        path.write_text(CONFIG.format(data=directory / "data", sessions=sessions, extra=extra, venue=venue))
        return path

    return write


@pytest.fixture(scope="session")
def client_type() -> type[Client]:
    return Client


@pytest.fixture(scope="session")
def run_venue() -> Callable[[Path, Path], AbstractContextManager[VenueProcess]]:
    return running


class FakeLink:
    """Stands for a TCP connection; keeps what the venue wrote as messages."""

    def __init__(self) -> None:
        self.written: list[Message] = []
        self.closed = False
        self.paused = False
        self.unread = 0

    def write(self, data: bytes) -> None:
        text = data.decode("latin-1")
        self.written += [to_dict("8=FIX" + part) for part in text.split("8=FIX")[1:]]

    def unsent(self) -> int:
        return self.unread

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class Bench:
    """An exchange without sockets and with a clock that the test moves; one client, logged on."""

    def __init__(self, config: Path, version: str = "FIX.4.4", next_out: int = 1, logon: bool = True) -> None:
        self.config = load(config)
        self.version = version
        self.exchange = Exchange(self.config, Ledger(Path(self.config.venue.data_dir) / "ledger.jsonl"))
        self.session = f"{version}:XSIM->GATEWAY"
        self.now = Now(1_767_225_600_000_000_000, 1_000_000_000)
        self.seq = next_out
        self.connect()
        if logon:
            self.send("A", t98="0", t108="30")
            assert self.link.written[0][35] == "A", self.link.written

    @property
    def venue(self) -> Any:
        return self.exchange.venue

    @property
    def written(self) -> list[Message]:
        return self.link.written

    def connect(self) -> None:
        self.link = FakeLink()
        self.connection = Connection(self.link)

    def raw(self, msg_type: str, seq: int, **fields: str) -> bytes:
        time = utc_timestamp(self.now.wall_ns)
        head = [(35, msg_type), (34, str(seq)), (49, "GATEWAY"), (52, time), (56, "XSIM")]
        given = [(int(k[1:]), v) for k, v in fields.items()]
        more = [field for field in given if field[0] in HEADER]
        return encode(self.version, head + more + [field for field in given if field[0] not in HEADER])

    def send(self, msg_type: str, *, seq: int | None = None, **fields: Any) -> list[Message]:
        """Send a message as the client and return what came back."""
        if seq is None:
            seq, self.seq = self.seq, self.seq + 1
        return self.feed(self.raw(msg_type, seq, **fields))

    def feed(self, data: bytes) -> list[Message]:
        before = len(self.link.written)
        self.exchange.on_bytes(self.connection, data, self.now)
        return self.link.written[before:]

    def new(self, cl_ord_id: str, side: str, qty: str, price: str | None = None, **extra: str) -> list[Message]:
        fields: dict[str, Any] = (
            {
                "t11": cl_ord_id,
                "t55": "ACME",
                "t54": side,
                "t60": "20260101-00:00:00",
                "t38": qty,
                "t40": "1" if price is None else "2",
            }
            | ({} if price is None else {"t44": price})
            | extra
        )
        return self.send("D", **fields)

    def ordered(self, cl_ord_id: str) -> dict[str, str]:
        """Symbol and Side of the order with this ClOrdID, or any when there is none."""
        try:
            order = self.venue.find(cl_ord_id, self.session)
        except RuleBroken:
            return {"t55": "ACME", "t54": "1"}
        return {"t55": order.symbol, "t54": order.side.value}

    def cancel(self, cl_ord_id: str, orig: str) -> list[Message]:
        return self.send("F", t11=cl_ord_id, t41=orig, t60="20260101-00:00:00", **self.ordered(orig))

    def replace(self, cl_ord_id: str, orig: str, qty: str, price: str, **extra: str) -> list[Message]:
        fields: dict[str, Any] = {
            "t11": cl_ord_id,
            "t41": orig,
            **self.ordered(orig),
            "t60": "20260101-00:00:00",
            "t38": qty,
            "t40": "2",
            "t44": price,
        } | extra
        return self.send("G", **fields)

    def desk(self, do: str, **arguments: Any) -> list[Message]:
        """An action at the manual desk; what the client got from it."""
        before = len(self.link.written)
        action = msgspec.convert({"do": do, **arguments}, desk.Action)
        self.exchange.do(lambda: desk.perform(self.exchange.venue, action), self.now)
        return self.link.written[before:]

    def tick(self, ms: int) -> list[Message]:
        before = len(self.link.written)
        self.now = Now(self.now.wall_ns + ms * 1_000_000, self.now.mono_ns + ms * 1_000_000)
        self.exchange.on_tick(self.now)
        return self.link.written[before:]

    def restart(self) -> "Bench":
        """As after a SIGKILL: nothing of the old process is asked to help."""
        fresh = Bench(self.path, self.version, self.seq)
        fresh.path = self.path
        return fresh

    path: Path


@pytest.fixture
def bench(tmp_path: Path, write_config: Callable[..., Path]) -> Callable[..., Bench]:
    """bench("FIX.4.2", extra=...) makes an exchange for this version."""

    def make(
        version: str = "FIX.4.4", *, extra: str = "", session: str = "", venue: str = "", logon: bool = True
    ) -> Bench:
        path = write_config(tmp_path, version, extra=extra, session=session, venue=venue)
        made = Bench(path, version, logon=logon)
        made.path = path
        return made

    return make
