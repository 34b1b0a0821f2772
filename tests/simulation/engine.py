"""QuickFIX's session, as far as the gateway's own link can tell the difference: one initiator session in virtual time.

The gateway's link and its callbacks are the real ones; `stand_in.py` puts this under them. What is modelled is what was
seen of QuickFIX 1.16: when it stores, when it numbers, which callback comes when.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import quickfix as fix

from gateway.codec.fix.times import utc_timestamp
from tests.simulation.machine import FixFiles
from tests.simulation.network import Wire
from tests.simulation.scheduler import MS, US, S

if TYPE_CHECKING:
    from tests.simulation.process import Process

ADMIN = frozenset("012345A")
LOGON_TIMEOUT_NS, LOGOUT_TIMEOUT_NS = 10 * S, 2 * S
_END = "\x0110="


class Session:
    """What `fix.Session` is to the link, and what moves it: time, bytes, the venue's end."""

    def __init__(self, process: "Process", session_id: Any, folder: Path) -> None:
        self.process = process
        self.session_id = session_id
        self.venue = session_id.getSessionQualifier()
        self.application: Any = None
        self._names = _names(session_id)
        self.files = FixFiles(folder, "-".join((*self._names, self.venue)))
        self._scheduler = process.world.scheduler
        self._chance: Random = process.world.scheduler.stream(f"engine {self.venue} {process.number}")
        self._heart_ns = process.world.heart_bt_int_s * S
        self._wire: Wire | None = None
        self._enabled = True
        self._reason = ""
        self._sent_logon = self._received_logon = self._sent_logout = False
        self._sent_reset = False
        self._incoming: deque[str | None] = deque()
        self._buffer = ""
        self._queue: dict[int, str] = {}
        self._asked_to = 0
        self._last_in = self._last_out = self._since = 0
        self._tested = 0

    # --- What the link calls ---

    def isLoggedOn(self) -> bool:
        return self._sent_logon and self._received_logon

    def isEnabled(self) -> bool:
        return self._enabled

    def logon(self) -> None:
        self._enabled = True

    def logout(self, reason: str = "") -> None:
        self._enabled = False
        self._reason = reason

    def getExpectedSenderNum(self) -> int:
        return self.files.next_sender

    def getExpectedTargetNum(self) -> int:
        return self.files.next_target

    def setNextSenderMsgSeqNum(self, number: int) -> None:
        self.process.point("before the store writes numbers")
        self.files.set_numbers(number, self.files.next_target)

    def setNextTargetMsgSeqNum(self, number: int) -> None:
        self.process.point("before the store writes numbers")
        self.files.set_numbers(self.files.next_sender, number)

    def reset(self) -> None:
        self.files.reset()

    def next(self, message: Any, _now: Any) -> None:
        """A message as if it had come just now."""
        raw = message.toString()
        said = _fields(raw)
        if self._in_sequence(raw, said, int(said["34"])):
            self._act(raw, said, said["35"])

    def send(self, message: Any) -> bool:
        """Number, show to toApp or toAdmin, store, advance, write: in this order."""
        self.process.point("before the session takes a message")
        header = message.getHeader()
        msg_type, seq = header.getField(35), self.files.next_sender
        self._fill(header, seq)
        if msg_type in ADMIN:
            self.application.toAdmin(message, self.session_id)
        else:
            try:
                self.application.toApp(message, self.session_id)
            except fix.DoNotSend:
                return False
        raw = message.toString()
        self.process.point("before a message is stored")
        self.files.set_message(seq, raw)
        self.process.point("after a message is stored, before its number is used up")
        self.files.set_numbers(seq + 1, self.files.next_target)
        self.process.point("after the number is used up, before the socket")
        if msg_type in "A5" or msg_type in "24" or self.isLoggedOn():
            self._write(raw)
        return True

    # --- Time ---

    def start(self) -> None:
        """Begin to connect."""
        self._later(self._chance.randrange(20 * MS), self.tick)

    def tick(self) -> None:
        """Once a second, more or less."""
        self._later(S // 2 + self._chance.randrange(S // 2), self.tick)
        now = self._scheduler.now_ns
        if self._wire is None:
            if self._enabled and now >= self._since:
                self._connect()
            return
        if not self._enabled:
            self._leave(now)
        elif not self._received_logon:
            if now - self._since > LOGON_TIMEOUT_NS:
                self._disconnect("no answer to Logon")
        elif now - self._last_in > 24 * self._heart_ns // 10:
            self._disconnect("timed out waiting for heartbeat")
        elif now - self._last_in > 12 * self._heart_ns // 10 * (self._tested + 1):
            self._tested += 1
            self._admin("1", {112: "TEST"})
        elif now - self._last_out > self._heart_ns:
            self._admin("0", {})

    def _leave(self, now: int) -> None:
        if not self.isLoggedOn():
            self._disconnect("disabled")
        elif not self._sent_logout:
            self._log_out(self._reason)
        elif now - self._last_out > LOGOUT_TIMEOUT_NS:
            self._disconnect("no answer to Logout")

    def _connect(self) -> None:
        self._sent_logout = False
        self._since = self._scheduler.now_ns
        self._wire = self.process.world.network.connect(self.venue, self)
        # QuickFIX writes its Logon before it knows whether the connection came about: a failed one burns a number.
        self._sent_logon = True
        self._last_in = self._last_out = self._scheduler.now_ns
        self._admin("A", {98: "0", 108: str(self._heart_ns // S)})
        if self._wire is None:
            self._disconnect("connection refused")

    def _later(self, delay_ns: int, call: Callable[..., None], *args: Any) -> None:
        self._scheduler.at(delay_ns, "", call, *args, owner=self.process)

    # --- In: QuickFIX's thread ---

    def arrived(self, data: bytes) -> None:
        """Bytes of the venue."""
        self._buffer += data.decode("latin-1")
        while (at := self._buffer.find(_END)) >= 0 and len(self._buffer) >= at + 8:
            self._put(self._buffer[: at + 8])
            self._buffer = self._buffer[at + 8 :]

    def gone(self) -> None:
        """The connection is over, once what came before is read."""
        self._put(None)

    def _put(self, raw: str | None) -> None:
        self._incoming.append(raw)
        if len(self._incoming) == 1:
            self._later(self._chance.randrange(5 * US, 60 * US), self._take)

    def _take(self) -> None:
        if not self._incoming:
            return
        raw = self._incoming.popleft()
        if self._incoming:
            self._later(self._chance.randrange(5 * US, 60 * US), self._take)
        if raw is None:
            self._disconnect("the connection is gone")
        elif self._wire is not None:
            self._next(raw)

    def _next(self, raw: str) -> None:
        said = _fields(raw)
        msg_type, seq = said["35"], int(said["34"])
        self.process.world.scheduler.note(f"{self.venue} -> 35={msg_type} 34={seq} {_shown(said)}")
        self._last_in, self._tested = self._scheduler.now_ns, 0
        if msg_type == "A":
            self._on_logon(raw, said, seq)
        elif not self._received_logon:
            self._disconnect("first message was no Logon")
        elif msg_type == "2":
            self._from_admin("2", raw)
            self._resend(int(said["7"]), int(said["16"]))
            self._advance_if(seq)
        elif msg_type == "4" and said.get("123") != "Y":
            self._reset_to(self._from_admin("4", raw))
        elif self._in_sequence(raw, said, seq):
            self._act(raw, said, msg_type)

    def _on_logon(self, raw: str, said: dict[str, str], seq: int) -> None:
        if said.get("141") == "Y" and not self._sent_reset:
            self.files.reset()
        if seq < self.files.next_target:
            self._too_low(seq)
            return
        self._from_admin("A", raw)
        self._received_logon = True
        if seq > self.files.next_target and said.get("141") != "Y":
            self._queue[seq] = raw
            self._ask(seq)
        else:
            self._advance(seq + 1)
        if self.isLoggedOn():
            self.application.onLogon(self.session_id)
        self._drain()

    def _in_sequence(self, raw: str, said: dict[str, str], seq: int) -> bool:
        expected = self.files.next_target
        if seq > expected:
            self._queue.setdefault(seq, raw)
            self._ask(seq)
            return False
        if seq < expected:
            if said.get("43") != "Y":
                self._too_low(seq)
            return False
        return True

    def _act(self, raw: str, said: dict[str, str], msg_type: str) -> None:
        if msg_type == "4":
            self._reset_to(self._from_admin("4", raw))
        else:
            if msg_type in ADMIN:
                self._from_admin(msg_type, raw)
            else:
                self.application.fromApp(fix.Message(raw, False), self.session_id)
            self._advance(int(said["34"]) + 1)
        if msg_type == "1":
            self._admin("0", {112: said["112"]})
        elif msg_type == "5":
            if not self._sent_logout:
                self._log_out("")
            self._disconnect("logged out")
            return
        self._drain()

    def _drain(self) -> None:
        """What was queued behind a gap, now that it is closed."""
        if self._asked_to and self.files.next_target > self._asked_to:
            self._asked_to = 0
        raw = self._queue.pop(self.files.next_target, None)
        if raw is not None:
            said = _fields(raw)
            if said["35"] in "A2":
                self._advance(int(said["34"]) + 1)
                self._drain()
            else:
                self._act(raw, said, said["35"])

    def _ask(self, seq: int) -> None:
        if self._asked_to:
            return
        self._asked_to = seq - 1
        self._admin("2", {7: str(self.files.next_target), 16: "0"})

    def _too_low(self, seq: int) -> None:
        self._log_out(f"MsgSeqNum too low, expecting {self.files.next_target} but received {seq}")
        self._disconnect("too low")

    def _reset_to(self, new: int) -> None:
        if new > self.files.next_target:
            self._advance(new)
            self._drain()

    def _advance_if(self, seq: int) -> None:
        if seq == self.files.next_target:
            self._advance(seq + 1)
            self._drain()
        elif seq > self.files.next_target:
            # It was answered at once; its number counts when the gap before it is closed.
            self._queue.setdefault(seq, f"35=2\x0134={seq}\x01")
            self._ask(seq)

    def _advance(self, number: int) -> None:
        self.process.point("before the inbound number moves")
        self.files.set_numbers(self.files.next_sender, number)

    def _from_admin(self, msg_type: str, raw: str) -> int:
        """NewSeqNo(36) as the callback left it: QuickFIX follows that, and not what came."""
        message = fix.Message(raw, False)
        self.application.fromAdmin(message, self.session_id)
        return int(message.getField(36)) if msg_type == "4" else 0

    # --- Out ---

    def _resend(self, begin: int, end: int) -> None:
        last = self.files.next_sender - 1
        end = last if end == 0 else min(end, last)
        gap = 0
        for seq in range(begin, end + 1):
            again = self._again(seq)
            if again is None:
                gap = gap or seq
                continue
            if gap:
                self._gap_fill(gap, seq)
                gap = 0
            self._write(again)
        if gap:
            self._gap_fill(gap, end + 1)

    def _again(self, seq: int) -> str | None:
        raw = self.files.messages.get(seq)
        if raw is None:
            return None
        message = fix.Message(raw, False)
        header = message.getHeader()
        if header.getField(35) in ADMIN:
            return None
        header.setField(43, "Y")
        header.setField(122, header.getField(52))
        header.setField(52, self._stamp())
        try:
            self.application.toApp(message, self.session_id)
        except fix.DoNotSend:
            return None
        return str(message.toString())

    def _gap_fill(self, begin: int, new: int) -> None:
        message = fix.Message(f"35=4\x01123=Y\x0136={new}\x01", False)
        self._fill(message.getHeader(), begin)
        message.getHeader().setField(43, "Y")
        message.getHeader().setField(122, self._stamp())
        self.application.toAdmin(message, self.session_id)
        self._write(message.toString())

    def _admin(self, msg_type: str, fields: dict[int, str]) -> None:
        body = "".join(f"{tag}={value}\x01" for tag, value in fields.items())
        self.send(fix.Message(f"35={msg_type}\x01{body}", False))

    def _log_out(self, text: str) -> None:
        self._sent_logout = True
        self._admin("5", {58: text} if text else {})

    def _fill(self, header: Any, seq: int) -> None:
        begin_string, sender_comp_id, target_comp_id = self._names
        header.setField(8, begin_string)
        header.setField(34, str(seq))
        header.setField(49, sender_comp_id)
        header.setField(52, self._stamp())
        header.setField(56, target_comp_id)

    def _stamp(self) -> str:
        return utc_timestamp(self.process.now_ns())

    def _write(self, raw: str) -> None:
        self._last_out = self._scheduler.now_ns
        if self._wire is None:
            return
        said = _fields(raw)
        self._scheduler.note(f"{self.venue} <- 35={said['35']} 34={said['34']} {_shown(said)}")
        self.process.world.witness.on_wire(self.venue, said, self._wire, overtaken=self.process.overtaken)
        self._wire.write(1, raw.encode("latin-1"))
        self.process.point("after the socket")

    def _disconnect(self, why: str) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close(0)
        self._scheduler.note(f"{self.venue}: disconnected, {why}")
        self._incoming.clear()
        self._buffer = ""
        self._queue.clear()
        self._asked_to = self._tested = 0
        self._since = self._scheduler.now_ns + self._chance.randrange(1 * S)
        was_on = self._sent_logon or self._received_logon
        self._sent_logon = self._received_logon = self._sent_logout = False
        if was_on:
            self.application.onLogout(self.session_id)

    def cut(self) -> bool:
        """Somebody shuts the socket down: the engine reads its end."""
        if self._wire is None:
            return False
        self.gone()
        return True

    def abandon(self) -> None:
        """The process died: its kernel closes its files and the socket."""
        self.files.close()
        if self._wire is not None:
            self._wire.ends[0] = None
            self._wire.abandon(0)


def _names(session_id: Any) -> tuple[str, str, str]:
    """BeginString(8), SenderCompID(49) and TargetCompID(56), in the order in which a FileStore's files are named."""
    parts = session_id.getBeginString(), session_id.getSenderCompID(), session_id.getTargetCompID()
    begin_string, sender_comp_id, target_comp_id = (part.getValue() for part in parts)
    return begin_string, sender_comp_id, target_comp_id


def _fields(raw: str) -> dict[str, str]:
    return dict([piece.split("=", 1) for piece in raw.split("\x01") if piece])


def _shown(said: dict[str, str]) -> str:
    return " ".join(
        f"{tag}={said[tag]}" for tag in ("43", "97", "11", "150", "39", "17", "7", "36", "58") if tag in said
    )
