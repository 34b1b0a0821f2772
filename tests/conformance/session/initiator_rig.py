"""What the scripts of the initiator's cases share: a venue of a few lines on a raw socket, and the gateway's own link.

The scripts stand in the files beside, by topic; `SCRIPTS` holds them by the id of the case once those are imported.
"""

from collections.abc import Callable

import pytest

from gateway.core.reports import (
    SessionDown,
    SessionUp,
)
from tests.adapters.quickfix.conftest import Gateway, Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, utc

Script = Callable[["Rig"], None]
SCRIPTS: dict[str, Script] = {}


class Rig:
    """One venue and one gateway."""

    def __init__(self, venue: RawVenue, gateways: Gateways) -> None:
        self.venue = venue
        self._gateways = gateways
        self._tests = 0

    def start(self, *, heart_bt_int_s: int = 30, committed: int = 0) -> Gateway:
        self.gateway = self._gateways(venue_config(self.venue.port, heart_bt_int_s=heart_bt_int_s))
        return self.gateway.start(committed)

    def up(self, **options: int) -> Gateway:
        gateway = self.start(**options)
        self.venue.logon()
        gateway.wait_for(SessionUp)
        return gateway

    def meets(self) -> dict[str, str]:
        """A connection, and the gateway's Logon."""
        self.start()
        self.venue.accept()
        return self.venue.read_until("A")

    def next_is_expected(self) -> None:
        """A TestRequest under the next number is answered, and nothing else was said before."""
        self._tests += 1
        self.venue.send(f"35=1\x01112=T{self._tests}\x01")
        answer = self.venue.read()
        assert (answer["35"], answer.get("112")) == ("0", f"T{self._tests}"), answer

    def says(self, msg_type: str, **fields: str) -> dict[str, str]:
        """The gateway's next message is this one; fields as t58=..."""
        got = self.venue.read()
        assert got["35"] == msg_type, got
        assert {tag: got.get(tag[1:]) for tag in fields} == fields, got
        return got

    def ends(self) -> None:
        """The gateway ends the connection, and says no more."""
        with pytest.raises(OSError, match=r"closed|reset|Broken"):
            raise AssertionError(f"it said {self.venue.read()}")

    def stays_up(self) -> None:
        assert not self.gateway.bodies(SessionDown)

    def raw(self, body: str, number: int | None = None, extra: str = "", **changes: tuple[str, str]) -> None:
        """A message with something replaced after it was put together; CheckSum(10) is right again at the end."""
        number = self.venue.next_out if number is None else number
        text = self.venue.message(body, number, extra).decode("latin-1")
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new, 1)
        self.venue.send_bytes(checked(text))

    def used(self) -> None:
        """The number of a raw message counts."""
        self.venue.next_out += 1


def checked(text: str) -> bytes:
    """A message whose CheckSum(10) is right again, after something in it was changed."""
    head = text[: text.rindex("\x0110=") + 1].encode("latin-1")
    return head + b"10=%03d\x01" % (sum(head) % 256)


def case(script: Script) -> Script:
    """`def logon_too_high` is the script of the case "logon-too-high"."""
    SCRIPTS[script.__name__.replace("_", "-")] = script
    return script


def new(exec_id: str, more: str = "") -> str:
    """An ExecutionReport that says New."""
    order = f"37=V1\x0111=g1\x0117={exec_id}\x0155=ACM.N\x0154=1\x0138=100\x01"
    return f"35=8\x01{order}150=0\x0139=0\x01151=100\x0114=0\x016=0\x01{more}"


def poss_dup(orig: str = "") -> str:
    return f"43=Y\x01122={orig or utc()}\x01"
