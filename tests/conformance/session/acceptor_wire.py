"""A client of the exchange on a raw socket, with a framer of its own, and the exchange that it talks to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conformance.session.acceptor_cases import ACCEPTOR_CASES
from tests.sim_exchange.conftest import VenueProcess, running

SOH = "\x01"
DEADLINE_S = 60.0
USER, PASSWORD = "gw", "not-to-be-kept"
Field = tuple[int, str]
Message = dict[int, str]

CONFIG = """
[venue]
name = "XSIM"
data_dir = "{data}"

{sessions}

[[instrument]]
symbol = "ACME"
tick = "0.01"
lot = "1"
reference = "100.00"
"""


def frame(
    fields: list[Field], begin_string: str = "FIX.4.4", *, longer: int = 0, check_sum: str | None = None
) -> bytes:
    """A message from its fields behind BodyLength; `longer` makes BodyLength wrong, `check_sum` CheckSum."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in fields)
    text = f"8={begin_string}{SOH}9={len(body) + longer}{SOH}{body}"
    right = f"{sum(text.encode('latin-1')) % 256:03d}"
    return f"{text}10={right if check_sum is None else check_sum}{SOH}".encode("latin-1")


def utc(seconds: float = 0) -> str:
    """Now, or so many seconds later, as FIX writes it."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y%m%d-%H:%M:%S.%f}"[:-3]


class Exchange:
    """A running `sim-exchange serve` with one session for each case, so that each begins with number 1."""

    def __init__(self, venue: VenueProcess, data: Path) -> None:
        self.port = venue.fix_port
        self.control = venue.control
        self.ledger = data / "ledger.jsonl"
        self._process = venue.process

    def peak_memory_kib(self) -> int:
        """The most memory that the process has had so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

    def lives(self) -> None:
        assert self.control.do("ping")["venue"] == "XSIM"


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    """Start the exchange and end it again."""
    sessions = "\n".join(
        f'[[session]]\nclient = "{case.id}"\nbegin_string = "{"FIXT.1.1" if "fixt" in case.id else "FIX.4.4"}"\n'
        + (f'username = "{USER}"\npassword = "{PASSWORD}"\n' if "password" in case.id else "")
        for case in ACCEPTOR_CASES
    )
    config = folder / "venue.toml"
    config.write_text(CONFIG.format(data=folder / "data", sessions=sessions))
    with running(config, folder / "log") as venue:
        yield Exchange(venue, folder / "data")


class Client:
    """One client of one session. It numbers what it sends unless it is told a number."""

    def __init__(self, venue: Exchange, comp_id: str) -> None:
        self.venue, self.comp_id = venue, comp_id
        self.begin_string = "FIXT.1.1" if "fixt" in comp_id else "FIX.4.4"
        self.name = f"{self.begin_string}:XSIM->{comp_id}"
        self.seq = 1
        self._connect()

    def connect(self) -> None:
        """Connect again, once the exchange knows that the connection before is gone."""
        self.close()
        self.venue.control.wait("disconnected", session=self.name)
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.venue.port), DEADLINE_S)
        self._read = b""

    def close(self) -> None:
        self._socket.close()

    def hang_up(self) -> None:
        """Close, and wait until the exchange has noticed."""
        self.close()
        self.venue.control.wait("disconnected", session=self.name)

    # Out.

    def fields(
        self, msg_type: str, body: list[Field] | None = None, header: dict[int, str | None] | None = None
    ) -> list[Field]:
        """A message from MsgType on; `header` changes, adds or (None) leaves out header fields."""
        given: dict[int, str | None] = {35: msg_type, 34: str(self.seq), 49: self.comp_id, 52: utc(), 56: "XSIM"}
        given |= header or {}
        return [(tag, value) for tag, value in given.items() if value is not None] + (body or [])

    def send(self, msg_type: str, body: list[Field] | None = None, **header: str | None) -> None:
        """send("0", t34="7") sends a Heartbeat with MsgSeqNum 7; without one it takes the next number."""
        changed = {int(key[1:]): value for key, value in header.items()}
        begin_string = changed.pop(8, None) or self.begin_string
        self.put(frame(self.fields(msg_type, body, changed), begin_string))
        if 34 not in changed:
            self.seq += 1

    def put(self, data: bytes) -> None:
        self._socket.sendall(data)

    def flood(self, data: bytes, most: int) -> None:
        """Send the same again and again until the exchange hangs up; fails when it has taken `most` bytes."""
        taken = 0
        try:
            while taken < most:
                taken += self._socket.send(data)
        except OSError:
            return
        raise AssertionError(f"the exchange has taken {taken} bytes")

    def logon(self, *more: Field, answered: bool = True, **header: str | None) -> Message:
        default = [(1137, "9")] if self.begin_string == "FIXT.1.1" else []
        self.send("A", [(98, "0"), (108, "30"), *(more or default)], **header)
        return self.expect("A") if answered else {}

    def order(self, cl_ord_id: str = "X", *more: Field, **header: str | None) -> None:
        terms = [(55, "ACME"), (54, "1"), (60, utc()), (38, "10"), (40, "2"), (44, "90.00")]
        self.send("D", [(11, cl_ord_id), *terms, *more], **header)

    # In.

    def _next(self) -> Message | None:
        """The next message, None at the end of the connection."""
        while b"\x0110=" not in self._read or not self._read[self._read.index(b"\x0110=") + 4 :].count(b"\x01"):
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self._read, f"an unfinished message: {self._read!r}"
                return None
            self._read += data
        end = self._read.index(b"\x01", self._read.index(b"\x0110=") + 4) + 1
        raw, self._read = self._read[:end], self._read[end:]
        pairs = [item.partition("=") for item in raw.decode("latin-1").split(SOH)[:-1]]
        fields = [(int(tag), value) for tag, _, value in pairs]
        assert raw == frame(fields[2:-1], fields[0][1]), f"BodyLength or CheckSum is wrong: {raw!r}"
        return dict(fields)

    def expect(self, msg_type: str, **tags: str) -> Message:
        """The next message, which must be of this type with these values: expect("3", t373="9")."""
        message = self._next()
        assert message is not None, f"the connection ended, expected {msg_type}"
        wanted = {35: msg_type} | {int(key[1:]): value for key, value in tags.items()}
        assert {tag: message.get(tag) for tag in wanted} == wanted, message
        assert (message[49], message[56]) == ("XSIM", self.comp_id), message
        return message

    def expect_any(self, *msg_types: str) -> Message | None:
        """The next message, which must be of one of these types; None at the end of the connection."""
        message = self._next()
        assert message is None or message[35] in msg_types, message
        return message

    def expect_end(self) -> None:
        """The exchange hangs up, and says nothing before."""
        assert self._next() is None

    def expect_logout(self, *words: str) -> None:
        """A Logout whose text has these words, then the end."""
        text = self.expect("5")[58]
        assert all(word in text for word in words), text
        self.expect_end()

    def goes_on(self) -> None:
        """Nothing more was said, the next number is expected, and what was sent before is done with."""
        test_req_id = f"T{self.seq}"
        self.send("1", [(112, test_req_id)])
        self.expect("0", t112=test_req_id)
