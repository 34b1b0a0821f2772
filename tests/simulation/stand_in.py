"""What the gateway's link sees in the place of the module `quickfix`: real messages and the real DoNotSend, but
sessions whose sockets, files and clock are the simulation's.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import quickfix as fix

from gateway.adapters.quickfix import link as link_module
from gateway.adapters.quickfix import store as store_module
from gateway.adapters.quickfix.line import Line
from gateway.runtime import follower as follower_module
from tests.simulation.engine import Session

if TYPE_CHECKING:
    from tests.simulation.process import Process


class _Settings:
    def setFromString(self, text: str) -> None:
        pass


class _Sessions:
    """`fix.Session`: found by its ID."""

    current: Session

    @classmethod
    def lookupSession(cls, _: Any) -> Session:
        return cls.current


class _FileStoreFactory:
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)


class _Initiator:
    """`fix.SocketInitiator` of one session."""

    process: "Process"

    def __init__(self, application: Any, factory: _FileStoreFactory, _: Any) -> None:
        session_id = application._handler._session_id
        _Sessions.current = self._session = Session(self.process, session_id, factory.folder)
        self._session.application = application
        self.process.sessions[self._session.venue] = self._session

    def start(self) -> None:
        self._session.start()

    def stop(self, _: bool = False) -> None:
        self._session.abandon()


class _Quickfix:
    """The module `quickfix` as the link sees it."""

    SessionSettings = _Settings
    Session = _Sessions
    FileStoreFactory = _FileStoreFactory
    SocketInitiator = _Initiator

    def __getattr__(self, name: str) -> Any:
        found = getattr(fix, name)
        setattr(self, name, found)  # The next time it is there.
        return found


class _Quiet:
    """A logger whose lines go to nobody."""

    def __getattr__(self, _: str) -> Callable[..., "_Quiet"]:
        return lambda *_args, **_fields: self


class _Line(Line):
    """The socket under a session, which the link watches and may cut."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._process = _Initiator.process
        self.venue = ""

    def of(self, _connection: int) -> "_Line":
        return self

    def held(self, _handed_over: int) -> int:
        return 0

    def cut(self) -> bool:
        session = self._process.sessions.get(self.venue)
        return session is not None and session.cut()


@contextmanager
def simulated() -> Iterator[None]:
    """The link's module with the simulation's engine under it."""
    with (
        patch.object(link_module, "fix", _Quickfix()),
        patch.object(link_module, "structlog", _Quiet()),
        patch.object(link_module, "session_settings", lambda *_: ""),
        patch.object(link_module, "Line", _Line),
        patch.object(follower_module, "_log", _Quiet()),
        patch.object(logging.getLogger("sim_exchange"), "disabled", new=True),
        patch.object(store_module, "boot_id", lambda: _Initiator.process.boot),
    ):
        yield


def belongs_to(process: "Process") -> None:
    """The sessions made from here on run in this process."""
    _Initiator.process = process
