"""From QuickFIX's thread to the event loop: bounded, in order, without a loss."""

import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What came."""

    MESSAGE = 0
    ENGINE_REJECT = 1
    UP = 2
    DOWN = 3
    NOTICE = 4
    TOO_LOW = 5
    ALERT = 6


_MANY = (Kind.MESSAGE, Kind.ENGINE_REJECT, Kind.NOTICE)
"""Of these a connection may have as many as the venue likes."""


class Entry(NamedTuple):
    """One thing that happened in the FIX thread at `at_ns` (UTC). `text` is the message, or what there is to say.

    Of UP: whether the numbers started over, whether without our asking, and the number of our own Logon. Of a message:
    whether it stands in its place, so that with its number all before it is there.
    """

    at_ns: int
    kind: Kind
    text: str = ""
    reset: bool = False
    unexpected: bool = False
    logon_seq_num: int = 0
    in_place: bool = True


class Inbox:
    """A queue of at most `limit` messages. The FIX thread puts, the loop takes.

    While it is full the FIX thread waits, and with it the venue (by TCP's own back-pressure): nothing is dropped. What
    finds it full and cannot wait makes it `overrun`: nothing more of this connection is kept, and it has to be cut. The
    venue sends it again on the next one.
    """

    def __init__(self, limit: int, wake: Callable[[], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._entries: deque[Entry] = deque()
        self._room = threading.Event()
        self._woken = False
        self._closing = False
        self._dropping = False
        self.overrun = False

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Append; wait while it is full. Takes a lock, so it is not for callbacks in which QuickFIX holds one."""
        while len(self._entries) >= self._limit and not self._closing and not self._dropping:
            self._room.clear()
            if len(self._entries) >= self._limit:
                self._room.wait(0.1)
        self.put_now(entry)

    def put_now(self, entry: Entry) -> None:
        """Append without waiting: for what must not wait. Of what may be many nothing goes over the limit."""
        if entry.kind in _MANY and self._drops():
            return
        self._entries.append(entry)
        if not self._woken:
            self._woken = True
            self._wake()

    def _drops(self) -> bool:
        """Once one message is dropped all that follow are, so that there is no gap between two that are kept: the venue
        sends them again, from the first one on that was not committed.
        """
        if len(self._entries) >= self._limit and not self._dropping:
            self._dropping = True
            self.overrun = not self._closing
        return self._dropping

    def take(self) -> Entry | None:
        """The oldest entry, None when there is none."""
        self._woken = False
        if not self._entries:
            return None
        entry = self._entries.popleft()
        if not self._room.is_set():
            self._room.set()
        return entry

    def reopen(self) -> None:
        """Another connection begins: what was dropped of the last one comes again on it."""
        self._dropping = self.overrun = False

    def close(self) -> None:
        """Wait no more: what finds no room from now on is dropped. What is there can still be taken."""
        self._closing = True
        self._room.set()
