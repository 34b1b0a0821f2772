"""Messages that came above a gap, when the venue then goes on beyond them.

QuickFIX keeps a message whose MsgSeqNum(34) is too high until it is its turn. A SequenceReset(35=4) to a higher number
takes that turn away: QuickFIX never looks at it again, and a fill in it would be lost, although it was received. It
cannot be asked for either, since the venue would answer as before. So QuickFIX is led up to the new number one by one.
"""

from typing import Protocol

import quickfix as fix

LOOKED_AT = 10_000
"""So many numbers are looked at for one SequenceReset: a venue may name any."""

# BeginString, BodyLength, MsgType, SenderCompID, SendingTime, TargetCompID.
_HEADER = (8, 9, 35, 49, 52, 56)


class Engine(Protocol):
    """What is needed of a quickfix.Session here."""

    def getExpectedTargetNum(self) -> int: ...  # noqa: N802 - QuickFIX's name.
    def next(self, message: fix.Message, now: fix.UtcTimeStamp) -> None: ...


class Waiting:
    """What may wait in QuickFIX on one connection. Used in QuickFIX's thread only."""

    def __init__(self) -> None:
        self._lowest = self._highest = 0
        self._asked = False
        self._leading = self._own = False

    def begins(self, logon_seq_num: int) -> None:
        """The venue's Logon on a new connection: what waits came behind it."""
        self._lowest, self._asked = logon_seq_num + 1, False

    def asked(self) -> None:
        """A ResendRequest(35=2) leaves: something waits."""
        self._asked = True

    def is_ours(self) -> bool:
        """The message in this callback is a step of ours, none of the venue's."""
        ours, self._own = self._own, False
        return ours

    def lead(self, engine: Engine, message: fix.Message, number: int, following: int) -> bool:
        """Let QuickFIX take what waits below `following`, to which the SequenceReset `message` leads; `number` is its
        own. To be called before QuickFIX follows it. False when some of the numbers were not looked at.
        """
        if not self._asked or following <= max(number + 1, self._lowest):
            return True
        if self._leading:  # It waited itself. Who leads goes on to where this one leads.
            self._highest = max(self._highest, following)
            message.setField(36, str(number + 1))
            return True
        self._leading, self._highest = True, following
        try:
            return self._lead(engine, message)
        finally:
            self._leading = self._own = False
            message.setField(36, str(max(self._highest, engine.getExpectedTargetNum())))

    def _lead(self, engine: Engine, message: fix.Message) -> bool:
        for _ in range(LOOKED_AT):
            expected = engine.getExpectedTargetNum()
            if expected >= self._highest - 1:
                return True
            self._own = True
            step = _gap_fill(message, expected, max(expected + 1, self._lowest))
            engine.next(step, fix.UtcTimeStamp.now())
            if engine.getExpectedTargetNum() <= expected:
                return False  # The session has ended.
        return engine.getExpectedTargetNum() >= self._highest - 1


def _gap_fill(like: fix.Message, number: int, following: int) -> fix.Message:
    """A gap fill from this number to the following one, as the venue would have sent it. It has what QuickFIX looks at
    and no more: data in a header may have a delimiter in it, and its text could not be read again.
    """
    step = fix.Message()
    for tag in _HEADER:
        step.getHeader().setField(tag, like.getHeader().getField(tag))
    step.getHeader().setField(34, str(number))
    step.setField(123, "Y")
    step.setField(36, str(following))
    step.getTrailer().setField(10, like.getTrailer().getField(10))
    return step
