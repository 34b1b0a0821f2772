"""What happens in QuickFIX's thread, and the few values that it shares with the loop: plain ones, each written whole.

In `sends_admin`, `sends_app` and `logged_out` QuickFIX holds the session's mutex: nothing waits there, and no lock of
ours is taken.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import quickfix as fix

from gateway.adapters.quickfix.inbox import Entry, Inbox, Kind
from gateway.adapters.quickfix.pace import Pace
from gateway.adapters.quickfix.store import Store
from gateway.adapters.quickfix.waiting import Waiting
from gateway.codec.fix import readable, whole
from gateway.config import VenueConfig

HIGHEST = 999_999_999
"""No MsgSeqNum(34) above it is believed: many engines count in 32 bits."""
_ADOPTIONS = 3
_UNSTORED = 3
"""So many messages that get one number, one after the other, were not stored: neither the first nor the second."""
_DIGITS = re.compile(r"\d+")
_TAGS = re.compile(r"\(\d+\)")
_TOO_LOW = re.compile(r"too low|too small|lower than|less than", re.IGNORECASE)
_EXPECTED = re.compile(r"\bexpect(?:ing|ed|s)?\b\D{0,40}?(\d+)", re.IGNORECASE | re.ASCII)


def expected_number(text: str) -> int | None:
    """The MsgSeqNum(34) that a venue's Text(58) says it expects of us, when it says that ours was too low."""
    said = _TAGS.sub("", text)
    found = _EXPECTED.search(said) if _TOO_LOW.search(said) else None
    return int(found.group(1)) if found is not None and len(found.group(1)) <= 18 else None


def _text(message: fix.Message, tag: int) -> str:
    """A field of the body; "" when it is not there."""
    return str(message.getField(tag)) if message.isSetField(tag) else ""


def _number(message: fix.Message, tag: int) -> int | None:
    """A number in the body; None when it is not there, or is none."""
    return whole(_text(message, tag))


class Engine(Protocol):
    """What is needed of a quickfix.Session here."""

    def isLoggedOn(self) -> bool: ...  # noqa: N802 - QuickFIX's names.
    def logout(self) -> None: ...
    def getExpectedSenderNum(self) -> int: ...  # noqa: N802
    def getExpectedTargetNum(self) -> int: ...  # noqa: N802
    def setNextSenderMsgSeqNum(self, number: int) -> None: ...  # noqa: N802
    def setNextTargetMsgSeqNum(self, number: int) -> None: ...  # noqa: N802
    def next(self, message: fix.Message, now: fix.UtcTimeStamp) -> None: ...


@dataclass
class Numbers:
    """The inbound number that the journal has, and whether the numbers start over.

    `starting_over` is true from then on until the journal has it; `asked` that the schedule or an operator wanted it.
    """

    committed: int = 0
    starting_over: bool = False
    asked: bool = False


class Wire:
    """The handler of one session's callbacks. `engine` has to be set before the session starts.

    `sender` is the thread that sends our messages; `assigned` the number that the last of them was given.
    """

    engine: Engine

    def __init__(
        self,
        config: VenueConfig,
        session_id: fix.SessionID,
        store: Store,
        inbox: Inbox,
        now_ns: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config
        self._session_id = session_id
        self._store = store
        self._inbox = inbox
        self._now_ns = now_ns
        self._monotonic = monotonic
        self.pace = Pace(config.reconnect_interval_s)
        self.numbers = Numbers()
        self.logon_seq_num = 0
        self.resend_from = 0
        self.sender = self.assigned = 0
        self._passed = (0, 0)
        self.sent = self.confirmed = self.probed = 0
        self.connected = False
        self.connections = 0
        self.handed_over = 0
        self.heard_at = 0.0
        self.waiting = False
        self.resting = False
        self.last_received_ns: int | None = None
        self.last_sent_ns: int | None = None
        self._up = False
        self._reset_seen = False
        self.logout_text = ""
        self._too_low = False
        self._expected: int | None = None
        self._adoptions = 0
        self._told = ""
        self._waiting = Waiting()

    # --- The session ---

    def logged_on(self) -> None:
        """The session is up."""
        self._up = True
        self._told = ""
        self._adoptions = 0
        self.pace.came_up(self._monotonic())
        reset = self.numbers.starting_over or self._reset_seen
        unexpected = reset and not self.numbers.asked
        entry = Entry(self._now_ns(), Kind.UP, reset=reset, unexpected=unexpected, logon_seq_num=self.logon_seq_num)
        self._put(entry)  # A venue may start over, and be up anew, as often as it likes.

    def logged_out(self) -> None:
        """The session is down, or did not come up: said once, not at each attempt to connect."""
        text, self.logout_text = self.logout_text, ""
        said = _DIGITS.sub("", text)  # A number that grows with each attempt does not make it another reason.
        held = self._too_low or not self._adopt()
        if self._up or held or (said and said != self._told):
            self._inbox.put_now(Entry(self._now_ns(), Kind.TOO_LOW if held else Kind.DOWN, text or "disconnected"))
        self._up = self._too_low = self.connected = False
        self._told = said or self._told
        # Were it enabled still, QuickFIX would write a Logon for the connection that is gone, and use up a number. The
        # link lets it log on again.
        self.resting = True
        self.engine.logout()
        slowed = self.pace.slowed
        if self.pace.went_down(self._monotonic()) and not slowed:
            text = "the session does not come up: attempts are made at growing intervals from here on"
            self._inbox.put_now(Entry(self._now_ns(), Kind.ALERT, text))

    def _adopt(self) -> bool:
        """Go on with the number that the venue expects of us. False when the venue is not to be followed any more."""
        expected, self._expected = self._expected, None
        ours = self.engine.getExpectedSenderNum()
        if expected is None or expected <= ours:
            return True
        if self._adoptions >= _ADOPTIONS or expected > HIGHEST:
            return False
        self._adoptions += 1
        self.engine.setNextSenderMsgSeqNum(expected)
        text = f"the venue knows more messages of ours than our store: {expected} is our next number, not {ours}"
        self._inbox.put_now(Entry(self._now_ns(), Kind.ALERT, text))
        return True

    def start_over(self, *, asked: bool) -> None:
        """The numbers begin at 1 again. What is committed until the journal has this counts in the old ones."""
        self.numbered_anew()
        numbers = self.numbers
        numbers.asked = asked or numbers.asked
        numbers.starting_over = True
        numbers.committed = 0
        self._store.noted(reset=True, asked=numbers.asked, emptied=True)

    # --- Out ---

    @property
    def unread(self) -> int:
        """How many messages are on their way that the venue has not shown to have read."""
        return self.sent - self.confirmed

    def numbered_anew(self) -> None:
        """Our next number was set: it may be one that was used."""
        self._passed = (0, 0)

    def _passes(self, number: int) -> None:
        """A message leaves with this number, unless QuickFIX cannot store it. Then the next one has it again: QuickFIX
        says nothing of a heartbeat or a Logon that was not stored, and the session stays dead.

        Two in a row say it as well, but an operator may set the numbers in between. And QuickFIX may start over at 1
        without a word, for a Logon that it then refuses: number 1 proves nothing.

        Raises:
            StoreError: nothing is stored any more.
        """
        last, times = self._passed
        times = times + 1 if number == last else 1
        self._passed = (number, times)
        if times >= _UNSTORED and number > 1:
            raise self._store.unwritten(number)

    def sends_admin(self, msg_type: str, message: fix.Message) -> None:
        """Complete our Logon, and note what says something about the session."""
        if msg_type != "4":  # It has the number of what it stands for, and is not stored.
            self._passes(int(message.getHeader().getField(34)))
        if msg_type == "A":
            self._logon(message)
        elif msg_type == "5" and (said := _text(message, 58)):
            self.logout_text = readable(said)
            # Once the session is up, a number that is too low is a message that came twice. At the Logon it is a loss.
            self._too_low = "too low" in self.logout_text and not self._up
        elif msg_type == "3":
            self._refused(message)
        elif msg_type == "2":
            self._waiting.asked()
            gap = f"asking the venue to resend from {message.getField(7)}"
            self._inbox.put_now(Entry(self._now_ns(), Kind.NOTICE, gap))
        self.last_sent_ns = self._now_ns()

    def _refused(self, message: fix.Message) -> None:
        """QuickFIX refused a message of the venue, before it looked at its number.

        What is not in its place has not been counted. It comes again when the gap is asked for, and is refused again
        then; but SequenceReset(35=4) and Logon (35=A) are not counted in their place either, and may never come again.
        """
        number = _number(message, 45)
        in_place = number is not None and number < self.engine.getExpectedTargetNum()
        if in_place or number is None or _text(message, 372) in ("4", "A"):
            self._inbox.put_now(Entry(self._now_ns(), Kind.ENGINE_REJECT, message.toString(), in_place=in_place))
        else:
            text = f"refused message {number} before its turn: it is asked for again"
            self._inbox.put_now(Entry(self._now_ns(), Kind.NOTICE, text))

    def _logon(self, message: fix.Message) -> None:
        if self._config.username:
            message.setField(553, self._config.username)
        if self._config.password:
            message.setField(554, self._config.password)
        for tag, text in self._config.dialect.add.get("A", {}).items():
            part = message.getHeader() if fix.Message.isHeaderField(int(tag)) else message
            part.setField(int(tag), text)
        if _text(message, 141) == "Y":
            self.numbered_anew()  # It gets number 1 from here on.
        self.logon_seq_num = self.resend_from = int(message.getHeader().getField(34))
        self.sent = self.confirmed = self.probed = 0
        if not self.connected:
            self._inbox.reopen()
            self.handed_over = 0
            self.connections += 1
            self.connected = True
        self.heard_at = self._monotonic()
        expected = 1 if self.numbers.starting_over else self.numbers.committed + 1
        # Our own numbers began at 1 although the venue's did not: the store was lost.
        self._reset_seen = self.logon_seq_num == 1 and expected > 1
        self.engine.setNextTargetMsgSeqNum(expected)

    def sends_app(self, message: fix.Message) -> None:
        """Let a first sending pass while the session is up, and of resends those that were sent on this connection."""
        header = message.getHeader()
        msg_seq_num = int(header.getField(34))
        if header.isSetField(43):
            if msg_seq_num < self.resend_from:
                raise fix.DoNotSend
            return
        logged_on, ours = self.engine.isLoggedOn(), threading.get_ident() == self.sender
        if not ours:
            self._refused_as_business(message, logged_on=logged_on)
        if not logged_on:
            raise fix.DoNotSend
        self._passes(msg_seq_num)
        if ours:
            self.assigned = msg_seq_num

    def _refused_as_business(self, message: fix.Message, *, logged_on: bool) -> None:
        """QuickFIX answers an application message without its CompIDs with BusinessMessageReject(35=j), and has counted
        it by now, whatever its number was. What was not its turn is not counted.
        """
        counted = self.engine.getExpectedTargetNum() - 1
        if _number(message, 45) != counted or not logged_on:
            self.engine.setNextTargetMsgSeqNum(counted)
        self._refused(message)

    # --- In ---

    def received_admin(self, msg_type: str, message: fix.Message) -> None:
        """Note what says something about the session."""
        if self._waiting.is_ours():
            return
        text = message.toString()
        self._heard(text)
        if msg_type == "A":
            self._waiting.begins(int(message.getHeader().getField(34)))
            # The interval is ours to say. QuickFIX takes that of a venue which starts over, whatever it is, for good.
            message.setField(108, str(self._config.heart_bt_int_s))
            if _text(message, 141) == "Y":
                self.start_over(asked=False)
        elif msg_type == "5":
            self.logout_text = readable(_text(message, 58)) or "the venue logged out"
            self._expected = expected_number(self.logout_text)
        elif msg_type == "3":
            self._rejected(int(message.getHeader().getField(34)), text)
        elif msg_type == "4":
            self._goes_on(message)
        elif msg_type == "0" and message.isSetField(112):
            self._heartbeat(message.getField(112))

    def _rejected(self, msg_seq_num: int, text: str) -> None:
        """The venue refused a message of ours. QuickFIX does not look whether such a Reject stands above a gap, and
        counts it all the same: it would take the first missing message for received.

        So its number is set back by the one that is about to be added. What the Reject says counts at once, because an
        engine may fill its place with a gap fill later; should it come again, it is known by then.
        """
        in_place = msg_seq_num <= self.engine.getExpectedTargetNum()
        self._put(Entry(self._now_ns(), Kind.MESSAGE, text, in_place=in_place))
        expected = self.engine.getExpectedTargetNum()
        # Message 1 of a session is its Logon, which nobody misses.
        if not in_place and expected > 1:
            self.engine.setNextTargetMsgSeqNum(expected - 1)

    def _goes_on(self, message: fix.Message) -> None:
        """A SequenceReset(35=4), which QuickFIX follows once this callback is over."""
        following = _number(message, 36)
        if following is None:
            message.setField(36, "0")  # Nobody counts so far: QuickFIX refuses it.
            return
        number = int(message.getHeader().getField(34))
        if _text(message, 123) != "Y":
            self._skipped(following)
            number = self.engine.getExpectedTargetNum() - 1  # Its own may be any.
        if not self._waiting.lead(self.engine, message, number, following):
            text = f"the venue goes on with number {following}: what it sent before may be lost: compare our orders"
            self._put(Entry(self._now_ns(), Kind.ALERT, text))

    def _skipped(self, number: int) -> None:
        """A SequenceReset(35=4) that is no gap fill: what the venue had under the numbers below is lost to it."""
        expected = self.engine.getExpectedTargetNum()
        if number > expected:
            never = f"{expected} to {number - 1}"
            text = f"the venue goes on with number {number} and never sends {never}: compare our orders"
            self._put(Entry(self._now_ns(), Kind.ALERT, text))

    def _heartbeat(self, test_req_id: str) -> None:
        mark, _, number = test_req_id.rpartition("-")
        if mark == f"GW-{self.logon_seq_num}":
            self.confirmed = max(self.confirmed, min(whole(number) or 0, self.probed))

    def received_app(self, text: str) -> None:
        """Take an application message; wait while too many are waiting."""
        self._heard(text)
        self._put(Entry(self._now_ns(), Kind.MESSAGE, text))

    def _heard(self, text: str) -> None:
        self.last_received_ns = self._now_ns()
        self.heard_at = self._monotonic()
        # Bytes, as the kernel counts them: a letter may have several.
        self.handed_over += len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))

    def _put(self, entry: Entry) -> None:
        self.waiting = True
        self._inbox.put(entry)
        self.waiting = False
        self.heard_at = self._monotonic()
