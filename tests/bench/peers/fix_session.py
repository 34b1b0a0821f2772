"""One initiator session of the official QuickFIX, set up for speed; what both peers that speak FIX are built on.

No data dictionary: sessions answer sooner without one, and the venue's reports have no repeating groups that would
need one. Messages are stored in files, as whoever wants to answer a ResendRequest(35=2) has to.
"""

# ruff: noqa: N803 - the names are QuickFIX's.

import argparse
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import quickfix as fix

SOH = "\x01"
_SETTINGS = """[DEFAULT]
ConnectionType=initiator
SocketNodelay=Y
UseDataDictionary=N
CheckLatency=N
NonStopSession=Y
ReconnectInterval=1
HeartBtInt=30
TimeStampPrecision=3
[SESSION]
BeginString={begin_string}
SenderCompID={sender}
TargetCompID={target}
SocketConnectHost=127.0.0.1
SocketConnectPort={venue_port}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of a peer that speaks FIX."""
    parser.add_argument("--venue-port", type=int, required=True)
    parser.add_argument("--sender", required=True, help="our SenderCompID(49)")
    parser.add_argument("--target", required=True, help="the venue's CompID")
    parser.add_argument("--begin-string", default="FIX.4.4")
    parser.add_argument("--dir", type=Path, required=True, help="of QuickFIX's store")


class FixSession(fix.Application):
    """The session. `on_up` and `on_report` are called in QuickFIX's thread, the latter with each message's text."""

    def __init__(self, given: argparse.Namespace, on_up: Callable[[], None], on_report: Callable[[str], None]) -> None:
        super().__init__()
        self._on_up, self._on_report = on_up, on_report
        text = _SETTINGS.format(**vars(given))
        if given.begin_string == "FIXT.1.1":
            text += "DefaultApplVerID=FIX.5.0SP2\n"
        given.dir.mkdir(parents=True, exist_ok=True)
        settings = fix.SessionSettings()
        settings.setFromString(text)
        self._initiator = fix.SocketInitiator(self, fix.FileStoreFactory(str(given.dir)), settings)
        session = fix.Session.lookupSession(fix.SessionID(given.begin_string, given.sender, given.target))
        if session is None:
            raise RuntimeError("QuickFIX made no session")
        self._session = session

    def start(self) -> None:
        """Connect, in QuickFIX's own thread."""
        self._initiator.start()

    def send(self, body: str) -> bool:
        """Send a message that begins with MsgType(35). False when the session did not take it."""
        return self._session.send(fix.Message(body, False))

    def stop(self) -> None:
        """Log out and end QuickFIX's thread."""
        self._session.logout()
        deadline = time.monotonic() + 2
        while self._session.isLoggedOn() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._initiator.stop(True)

    def fromApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        try:
            self._on_report(message.toString())
        except BaseException:  # Leaving a callback it would wedge QuickFIX's thread, and nobody would know.
            traceback.print_exc()
            os._exit(1)

    def onLogon(self, sessionID: fix.SessionID) -> None:
        self._on_up()

    def onCreate(self, sessionID: fix.SessionID) -> None:
        pass

    def onLogout(self, sessionID: fix.SessionID) -> None:
        pass

    def toAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        pass

    def toApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        pass

    def fromAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        pass


class Clock:
    """TransactTime(60) of now, to the millisecond; the part down to the second is written once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest // 1_000_000:03}"
