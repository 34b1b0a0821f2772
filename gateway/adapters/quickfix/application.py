"""What QuickFIX calls, on its own thread: the least there, and nothing that could escape.

An exception that leaves a callback wedges QuickFIX's thread for good: orders go out still and nothing comes in. So each
callback is wrapped, and what is not meant for QuickFIX ends the process. A message is QuickFIX's own and is gone when
the callback ends: only its text is kept. In toApp, toAdmin and onLogout QuickFIX holds the session's mutex: no lock is
taken there, and nothing is logged.

Importing quickfix resets the handler of SIGINT: handlers have to be installed after it.
"""

# ruff: noqa: ARG002, N802, N803 - the names and the arguments are QuickFIX's.

import ctypes
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol

import quickfix as fix

P = ParamSpec("P")


class Handler(Protocol):
    """What the link does in the FIX thread."""

    def logged_on(self) -> None:
        """The session is up."""

    def logged_out(self) -> None:
        """The session is down, or did not come up. No lock may be taken."""

    def sends_admin(self, msg_type: str, message: fix.Message) -> None:
        """A session message goes out; it may be completed. No lock may be taken."""

    def sends_app(self, message: fix.Message) -> None:
        """An application message goes out, for the first time or again. No lock may be taken.

        Raises:
            quickfix.DoNotSend: it must not go out.
        """

    def received_admin(self, msg_type: str, message: fix.Message) -> None:
        """A session message came in."""

    def received_app(self, text: str) -> None:
        """An application message came in."""


_kept = threading.local()


def _keep_thread() -> None:
    """Let Python know this thread of QuickFIX's for good.

    For a thread that it does not know Python makes a state at each callback, with memory from the system, and throws it
    away at the end; that takes longer than the callback. One claim that is never given back keeps the state.
    """
    if not getattr(_kept, "known", False):
        ctypes.pythonapi.PyGILState_Ensure()
        _kept.known = True


class Application(fix.Application):
    """The shell around a handler. `fatal` gets whatever escapes it and is meant not to return.

    Should it return, nothing is sent or received any more.
    """

    def __init__(self, handler: Handler, fatal: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._handler = handler
        self._fatal = fatal
        self.dead = False

    def end(self, error: BaseException) -> None:
        """Something happened after which this process must not trade on."""
        self.dead = True
        self._fatal(error)

    @staticmethod
    def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
        @wraps(callback)
        def call(self: "Application", *args: Any) -> None:
            try:
                if not self.dead:
                    callback(self, *args)
            except fix.DoNotSend:
                raise
            except BaseException as error:  # noqa: BLE001 - CancelledError would wedge QuickFIX too.
                self.end(error)

        return call

    @_guarded
    def onCreate(self, sessionID: fix.SessionID) -> None:
        pass

    @_guarded
    def onLogon(self, sessionID: fix.SessionID) -> None:
        self._handler.logged_on()

    @_guarded
    def onLogout(self, sessionID: fix.SessionID) -> None:
        self._handler.logged_out()

    @_guarded
    def toAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        self._handler.sends_admin(message.getHeader().getField(35), message)

    @_guarded
    def fromAdmin(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        _keep_thread()
        self._handler.received_admin(message.getHeader().getField(35), message)

    @_guarded
    def fromApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        self._handler.received_app(message.toString())

    def toApp(self, message: fix.Message, sessionID: fix.SessionID) -> None:
        """Not wrapped as the others are: when anything is wrong, nothing may go out."""
        if self.dead:
            raise fix.DoNotSend
        try:
            self._handler.sends_app(message)
        except fix.DoNotSend:
            raise
        except BaseException as error:
            self.end(error)
            raise fix.DoNotSend from error
