"""One FIX session, acceptor side. Sans-I/O: messages and time come in as arguments; what is to be remembered goes to
`outbox`, and to `wire` in the order in which it is to be sent.

The session keeps no messages itself. What it numbered goes to the ledger, and a ResendRequest(2) reads it from there.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from sim_exchange.checks import ADMIN, check, comp_id, sending_time, whole
from sim_exchange.codec import FIX42, FIXT11, Fields, SessionReject
from sim_exchange.fix import Message, encode, parse, utc_timestamp
from sim_exchange.resend import Again, Resends

LOGOUT_S = 10
ASK_AGAIN_S = 10
MAX_QUEUED = 10_000
_SECOND = 1_000_000_000


class Now(msgspec.Struct, frozen=True):
    """Wall clock (nanoseconds since the epoch) for stamps, monotonic clock (nanoseconds) for intervals."""

    wall_ns: int
    mono_ns: int


class Store(Protocol):
    """Where a session finds what it sent."""

    def sent(self, session: str, msg_seq_num: int) -> bytes | None:
        """The message with this MsgSeqNum(34) as it was sent, None when there is none."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on both ends. `sender` is the venue's CompID, `target` the client's.

    `max_skew_s` is how far SendingTime(52) may be from the venue's clock; 0 for no limit.
    """

    begin_string: str
    sender: str
    target: str
    username: str | None = None
    password: str | None = None
    max_skew_s: int = 120

    @property
    def name(self) -> str:
        """The session as FIX engines print it."""
        return f"{self.begin_string}:{self.sender}->{self.target}"


class Outgoing(msgspec.Struct):
    """A message on its way out. `repeat`: again under its old number. `wire` False: stored, not put on the wire.

    `torn`: the connection ends in the middle of it.
    """

    seq: int
    msg_type: str
    raw: bytes
    cl_ord_id: str | None = None
    wire: bool = True
    repeat: bool = False
    torn: bool = False


class Session:
    """State of one session over many connections."""

    def __init__(self, identity: Identity, store: Store, next_in: int = 1, next_out: int = 1) -> None:
        self.identity = identity
        self.next_in = next_in
        self.next_out = next_out
        self.logged_on = False
        self.outbox: list[Outgoing] = []
        self.wire: list[Outgoing] = []
        self.close: str | None = None
        self.rejects_received = 0
        self._store = store
        self._heartbeat_s = 30
        self._last_in = self._last_out = 0
        self._test_sent = False
        self._leave_at: int | None = None
        self._reset_sent = False
        self._asked_to = 0
        # What was expected at the last look, and since when it has been.
        self._stuck_at, self._stuck_since = 0, 0
        self._queued: dict[int, Message] = {}
        self._resends = Resends(self._sent)
        # What was numbered while a ResendRequest(2) is answered goes out behind the answer.
        self._behind: list[Outgoing] = []
        self._behind_bytes = 0
        self._unwritten: dict[int, bytes] = {}

    @property
    def name(self) -> str:
        """The session as FIX engines print it."""
        return self.identity.name

    # In -------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """A new connection carries this session; `logon` must follow."""
        self.close = None
        self._test_sent = False
        self._leave_at = None
        self._reset_sent = False
        self._asked_to = 0
        self._queued.clear()

    def disconnected(self) -> None:
        """The connection is gone; what waited for it is in the ledger."""
        self.logged_on = False
        self._resends.clear()
        self._behind, self._behind_bytes = [], 0

    def logon(self, message: Message, now: Now, *, refuse: str | None = None, lose_numbers: bool = False) -> None:
        """The first message of a connection, a Logon(A).

        `refuse` ends it with this text. With `lose_numbers` the venue begins anew at 1 in both directions although
        nobody asked for it, and says so with ResetSeqNumFlag(141).
        """
        refusal = refuse or self._refusal(message, now)
        if refusal:
            self._logout(refusal, now)
            return
        reset = lose_numbers or message.get(141) == "Y"
        if reset:
            self.next_in = self.next_out = 1
        seq = message.number(34) or 0
        if seq < self.next_in and message.get(43) != "Y":
            self._logout(self._too_low(seq), now)
            return
        self._heartbeat_s = whole(message, 108)
        self.logged_on = True
        self._last_in = now.mono_ns
        self._admin("A", self._logon_fields(reset), now)
        if lose_numbers:
            self._reset_sent = True
            return
        if seq > self.next_in:
            self._ask_resend(seq, now)
        elif seq == self.next_in:
            self.next_in += 1

    def receive(self, message: Message, now: Now) -> list[Message]:
        """Any later message; the application messages that are now due, in sequence."""
        self._last_in = now.mono_ns
        self._test_sent = False
        if self._ends_here(message, now):
            return []
        seq = message.number(34) or 0
        if message.msg_type == "4" and message.get(123) != "Y":
            self._handle(self._sequence_reset, message, now)
            return self._drain(now)
        if message.msg_type == "A" and message.get(141) == "Y" and not self._reset_sent:
            self._reset_while_connected(message, now)
            return []
        if seq > self.next_in:
            self._too_high(message, seq, now)
            return []
        if seq < self.next_in:
            if message.get(43) == "Y":
                self._handle(lambda m, _: check(self.identity.begin_string, m), message, now)
            else:
                self._logout(self._too_low(seq), now)
            return []
        return self._in_sequence(message, now) + self._drain(now)

    def tick(self, now: Now) -> None:
        """Heartbeats, and the end of a logout: call at least once a second."""
        if self._leave_at is not None and now.mono_ns >= self._leave_at:
            self.close = "no answer to the Logout(5)"
        self._ask_again(now)
        if not self.logged_on or not self._heartbeat_s:
            return
        interval = self._heartbeat_s * _SECOND
        silent = now.mono_ns - self._last_in
        if silent > 2.4 * interval:
            self.close = "no message within two heartbeats"
            self.logged_on = False
            return
        if silent > 1.2 * interval and not self._test_sent:
            self._test_sent = True
            self._admin("1", [(112, "TEST")], now)
        if now.mono_ns - self._last_out >= interval:
            self._admin("0", [], now)

    # Out ------------------------------------------------------------------------------------------

    def send(
        self, msg_type: str, fields: Fields, now: Now, *, poss_resend: bool = False, wire: bool = True
    ) -> Outgoing:
        """Number and queue an application message, also while nobody is connected; it is then resent when asked for."""
        head = [(97, "Y")] if poss_resend else []
        return self._number(msg_type, head, fields, now, wire=wire and self.logged_on)

    def repeat(self, outgoing: Outgoing, now: Now) -> None:
        """Put a message on the connection once more under its number, with PossDupFlag(43)."""
        message = parse(outgoing.raw)
        if message is None:
            raise ValueError("a message of our own cannot be read")
        self._put(self._again(message, now))

    @property
    def resending(self) -> bool:
        """Whether a ResendRequest(2) is not yet answered in full; `resend_more` goes on with it."""
        return bool(self._resends)

    @property
    def behind_bytes(self) -> int:
        """How many bytes wait until the answer to a ResendRequest(2) is out."""
        return self._behind_bytes

    def resend_more(self, messages: int, now: Now) -> None:
        """Repeat so many more messages of those that were asked for, now and until the next call."""
        self._resends.allow(messages)
        self._repeat_due(now)

    def logout(self, text: str, now: Now) -> None:
        """End the session from our side: say so, and hang up once the client has answered, at latest in LOGOUT_S."""
        if self.logged_on:
            self._stop_resending()
            self._admin("5", [(58, text)], now)
            self.logged_on = False
            self._leave_at = now.mono_ns + LOGOUT_S * _SECOND

    def reject(self, message: Message, tag: int | None, reason: int | None, text: str, now: Now) -> None:
        """Reject(3) a message."""
        fields: Fields = [(45, message.get(34) or "0")]
        if tag is not None:
            fields.append((371, str(tag)))
        fields.append((372, message.msg_type))
        if reason is not None:
            # FIX 4.2 knows the reasons 0 to 11.
            fields.append((373, str(5 if self.identity.begin_string == FIX42 and reason > 11 else reason)))
        self._admin("3", [*fields, (58, text)], now)

    # Inside ---------------------------------------------------------------------------------------

    def _refusal(self, message: Message, now: Now) -> str | None:
        """Why this Logon(A) is not good enough."""
        wanted = self.identity
        if (wanted.username, wanted.password) != (None, None):
            given = message.get(553), message.get(554)
            if given != (wanted.username, wanted.password):
                return "Username(553) or Password(554) is wrong"
        if message.number(34) is None:
            return "MsgSeqNum(34) is missing or no number"
        if message.get(141) == "Y" and message.number(34) != 1:
            return "ResetSeqNumFlag(141) needs MsgSeqNum(34) 1"
        if wanted.begin_string == FIXT11 and message.get(1137) is None:
            return "DefaultApplVerID(1137) is missing"
        try:
            whole(message, 108)
            if whole(message, 98):
                return "EncryptMethod(98) must be 0"
            sending_time(message, now.wall_ns, wanted.max_skew_s)
            check(wanted.begin_string, message)
        except SessionReject as reject:
            return reject.text
        return None

    def _logon_fields(self, reset: bool) -> Fields:
        fields: Fields = [(98, "0"), (108, str(self._heartbeat_s))]
        if reset:
            fields.append((141, "Y"))
        if self.identity.begin_string == FIXT11:
            fields.append((1137, "9"))
        return fields

    def _ends_here(self, message: Message, now: Now) -> bool:
        """Whether the session ends over what a header says, or because this is the answer to our Logout(5)."""
        wanted = self.identity
        if self._leave_at is not None and message.msg_type == "5":
            self.close = "logged out"
        elif message.get(8) != wanted.begin_string:
            self._logout(f"BeginString(8) {message.get(8)} is not this session's", now)
        elif message.number(34) is None:
            self._logout("MsgSeqNum(34) is missing or no number", now)
        else:
            return self._header_rejected(message, now)
        return True

    def _header_rejected(self, message: Message, now: Now) -> bool:
        wanted = self.identity
        try:
            comp_id(message, 49, wanted.target)
            comp_id(message, 56, wanted.sender)
            sending_time(message, now.wall_ns, wanted.max_skew_s)
        except SessionReject as reject:
            self.next_in += message.number(34) == self.next_in
            self.reject(message, reject.tag, reject.reason, reject.text, now)
            self._logout(reject.text, now)
            return True
        return False

    def _handle(self, handler: Callable[[Message, Now], None], message: Message, now: Now) -> bool:
        """Do what a message asks; one that cannot be understood is answered with Reject(3), and False comes back."""
        try:
            handler(message, now)
        except SessionReject as reject:
            self.reject(message, reject.tag, reject.reason, reject.text, now)
            return False
        return True

    def _too_low(self, seq: int) -> str:
        return f"MsgSeqNum too low, expecting {self.next_in} but received {seq}"

    def _reset_while_connected(self, message: Message, now: Now) -> None:
        """A Logon(A) with ResetSeqNumFlag(141) in the middle of a connection: both begin anew at 1."""
        refusal = self._refusal(message, now)
        if refusal:
            self._logout(refusal, now)
            return
        self._queued.clear()
        self._asked_to = 0
        self._stop_resending()
        self.next_in, self.next_out = 2, 1
        self._admin("A", self._logon_fields(reset=True), now)

    def _too_high(self, message: Message, seq: int, now: Now) -> None:
        if message.msg_type == "2":
            # Both sides may have a gap; answering first keeps them from waiting for each other.
            self._handle(self._resend, message, now)
        elif message.msg_type == "5":
            self._logout("bye", now)
            return
        if len(self._queued) < MAX_QUEUED:
            self._queued.setdefault(seq, message)
        self._ask_resend(seq, now)

    def _ask_resend(self, seq: int, now: Now) -> None:
        """Ask once for everything from the gap on; later messages do not ask again until the gap is closed."""
        if self._asked_to <= self.next_in:
            self._asked_to = seq
            self._admin("2", [(7, str(self.next_in)), (16, "0")], now)

    def _ask_again(self, now: Now) -> None:
        """Ask once more when a gap has not become smaller for ASK_AGAIN_S: what was sent again has been lost, too."""
        if not self._asked_to or not self.logged_on or self.next_in != self._stuck_at:
            self._stuck_at, self._stuck_since = self.next_in, now.mono_ns
        elif now.mono_ns - self._stuck_since >= ASK_AGAIN_S * _SECOND:
            self._stuck_since = now.mono_ns
            self._admin("2", [(7, str(self.next_in)), (16, "0")], now)

    def _drain(self, now: Now) -> list[Message]:
        due: list[Message] = []
        while (message := self._queued.pop(self.next_in, None)) is not None:
            if message.msg_type == "2":
                self.next_in += 1
                continue
            due += self._in_sequence(message, now)
        if not self._queued or self.next_in >= self._asked_to:
            self._asked_to = 0
        return due

    def _in_sequence(self, message: Message, now: Now) -> list[Message]:
        sound = self._handle(lambda m, _: check(self.identity.begin_string, m), message, now)
        if sound and message.msg_type == "4":
            self._handle(self._sequence_reset, message, now)
            return []
        self.next_in += 1
        if not sound:
            return []
        if message.msg_type not in ADMIN:
            return [message]
        handler = self._admin_handlers().get(message.msg_type)
        if handler is not None:
            self._handle(handler, message, now)
        return []

    def _admin_handlers(self) -> dict[str, Callable[[Message, Now], None]]:
        return {
            "1": self._on_test_request,
            "2": self._resend,
            "3": self._on_reject,
            "5": self._on_logout,
            "A": self._on_second_logon,
        }

    def _on_test_request(self, message: Message, now: Now) -> None:
        test_req_id = message.get(112)
        if test_req_id is None:
            raise SessionReject(112, 1, "TestReqID(112) is missing")
        self._admin("0", [(112, test_req_id)], now)

    def _on_second_logon(self, message: Message, now: Now) -> None:  # noqa: ARG002 - one shape for all handlers.
        """The answer to our own ResetSeqNumFlag(141) is one; any other is not."""
        if message.get(141) != "Y":
            raise SessionReject(35, 99, "already logged on")
        self._reset_sent = False

    def _on_reject(self, message: Message, now: Now) -> None:  # noqa: ARG002 - one shape for all handlers.
        self.rejects_received += 1

    def _on_logout(self, message: Message, now: Now) -> None:  # noqa: ARG002 - one shape for all handlers.
        self._logout("bye", now)

    def _logout(self, text: str, now: Now) -> None:
        self._stop_resending()
        self._admin("5", [(58, text)], now)
        self.close = text
        self.logged_on = False

    def _sequence_reset(self, message: Message, now: Now) -> None:  # noqa: ARG002 - one shape for all handlers.
        new = whole(message, 36)
        if new < self.next_in or (new == self.next_in and message.get(123) == "Y"):
            raise SessionReject(36, 5, f"NewSeqNo(36) {new} is not above {self.next_in}")
        self.next_in = new
        self._queued = {seq: queued for seq, queued in self._queued.items() if seq >= new}

    def _resend(self, message: Message, now: Now) -> None:
        begin, end = whole(message, 7), whole(message, 16)
        if begin == 0 or begin >= self.next_out:
            raise SessionReject(7, 5, f"BeginSeqNo(7) {begin} was never sent")
        if end and end < begin:
            raise SessionReject(16, 5, "EndSeqNo(16) is before BeginSeqNo(7)")
        self._resends.ask(begin, self.next_out - 1 if end == 0 else min(end, self.next_out - 1))
        self._repeat_due(now)

    def _repeat_due(self, now: Now) -> None:
        if not self._resends:
            return
        self._unwritten = {out.seq: out.raw for out in self.outbox if not out.repeat}
        for again in self._resends.due():
            repeated = self._gap_fill(again, now) if again.message is None else self._again(again.message, now)
            self.outbox.append(repeated)
            self.wire.append(repeated)
        if not self._resends:
            self._stop_resending()

    def _stop_resending(self) -> None:
        """What waited for the answer to a ResendRequest(2) goes out now."""
        self._resends.clear()
        self.wire += self._behind
        self._behind, self._behind_bytes = [], 0

    def _sent(self, seq: int) -> bytes | None:
        """What has this number, also when it is not yet in the ledger."""
        return self._unwritten.get(seq) or self._store.sent(self.name, seq)

    def _again(self, message: Message, now: Now) -> Outgoing:
        body = [(tag, value) for tag, value in message.fields if tag not in _HEADER]
        seq = message.number(34) or 0
        head = [*self._head(message.msg_type, seq, now), (43, "Y"), (122, message.get(52) or "")]
        if message.get(97) == "Y":
            head.append((97, "Y"))
        raw = encode(self.identity.begin_string, head + body)
        return Outgoing(seq, message.msg_type, raw, message.get(11), repeat=True)

    def _gap_fill(self, again: Again, now: Now) -> Outgoing:
        head = [*self._head("4", again.begin, now), (43, "Y"), (122, utc_timestamp(now.wall_ns))]
        raw = encode(self.identity.begin_string, [*head, (123, "Y"), (36, str(again.new))])
        return Outgoing(again.begin, "4", raw, repeat=True)

    def _head(self, msg_type: str, seq: int, now: Now) -> Fields:
        who = self.identity
        return [(35, msg_type), (34, str(seq)), (49, who.sender), (52, utc_timestamp(now.wall_ns)), (56, who.target)]

    def _admin(self, msg_type: str, fields: Fields, now: Now) -> None:
        self._number(msg_type, [], fields, now)

    def _number(self, msg_type: str, head: Fields, fields: Fields, now: Now, *, wire: bool = True) -> Outgoing:
        raw = encode(self.identity.begin_string, [*self._head(msg_type, self.next_out, now), *head, *fields])
        cl_ord_id = next((value for tag, value in fields if tag == 11), None)
        outgoing = Outgoing(self.next_out, msg_type, raw, cl_ord_id, wire)
        self.next_out += 1
        self._last_out = now.mono_ns
        self._put(outgoing)
        return outgoing

    def _put(self, outgoing: Outgoing) -> None:
        self.outbox.append(outgoing)
        if self._resends:
            self._behind.append(outgoing)
            self._behind_bytes += len(outgoing.raw)
        else:
            self.wire.append(outgoing)


_HEADER = frozenset((8, 9, 34, 35, 43, 49, 52, 56, 97, 122, 10))
