"""What a client asked for again with ResendRequest(2), in order and a piece at a time: others come in between.

Pure: it decides what is next; the session writes it down and sends it.
"""

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from sim_exchange.checks import ADMIN
from sim_exchange.codec import SessionReject
from sim_exchange.fix import Message, parse

# How many messages one piece of work may repeat.
RESEND_SLICE = 250
# How many ResendRequests a client may wait for at a time.
MAX_RESENDS = 10
# A number without a message costs this part of a message.
_SKIPPED = 100


class Again(msgspec.Struct, frozen=True):
    """One message again, or (without one) a gap fill from the number `begin` to `new`."""

    begin: int
    new: int
    message: Message | None = None


class _Range(msgspec.Struct):
    at: int
    end: int


class Resends:
    """The ResendRequests(2) of one connection that are not yet answered in full; true while there are any.

    `sent` finds what was sent under a MsgSeqNum(34).
    """

    def __init__(self, sent: Callable[[int], bytes | None]) -> None:
        self._sent = sent
        self._ranges: deque[_Range] = deque()
        self._room = RESEND_SLICE * _SKIPPED

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def ask(self, begin: int, end: int) -> None:
        """Both numbers are included. Raises SessionReject when too many requests wait."""
        if len(self._ranges) >= MAX_RESENDS:
            text = f"{MAX_RESENDS} ResendRequests(2) are not yet answered in full; wait for one"
            raise SessionReject(None, 99, text)
        self._ranges.append(_Range(begin, end))

    def allow(self, messages: int) -> None:
        """How many messages `due` may tell until the next call."""
        self._room = messages * _SKIPPED

    def clear(self) -> None:
        """Nobody waits any more."""
        self._ranges.clear()

    def due(self) -> Iterator[Again]:
        """What may be told now."""
        while self._ranges and self._room > 0:
            yield from self._next(self._ranges[0])
            if self._ranges[0].at > self._ranges[0].end:
                self._ranges.popleft()

    def _next(self, asked: _Range) -> Iterator[Again]:
        """The next message that is told again, behind one gap fill for what is not."""
        begin, message = asked.at, None
        while message is None and asked.at <= asked.end and self._room > 0:
            raw = self._sent(asked.at)
            self._room -= 1 if raw is None else _SKIPPED
            message = None if raw is None else _told_again(raw)
            asked.at += 1
        after = asked.at if message is None else asked.at - 1
        if begin < after:
            yield Again(begin, after)
        if message is not None:
            yield Again(after, asked.at, message)


def _told_again(raw: bytes) -> Message | None:
    """What was sent in this process or an earlier one, unless it was administrative."""
    message = parse(raw)
    return None if message is None or message.msg_type in ADMIN else message
