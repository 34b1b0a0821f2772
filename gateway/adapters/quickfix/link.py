"""One FIX session to one venue, behind the `VenueLink` port.

Three rules carry it. The journal owns the inbound sequence: at every Logon the session is told to expect the number
after the last committed one, so what was received and not committed comes again. Nothing is sent twice: of what went
out before our own Logon on this connection nothing is ever resent. Nothing is stored that was not sent: while the
session is down, a send is refused before QuickFIX can keep it for later.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import quickfix as fix
import structlog

from gateway.adapters.quickfix.application import Application
from gateway.adapters.quickfix.inbox import Entry, Inbox, Kind
from gateway.adapters.quickfix.schedule import Schedule, schedule_of
from gateway.adapters.quickfix.settings import dialect_of, session_settings
from gateway.adapters.quickfix.store import Note, Store
from gateway.codec.fix import EncodeError, Encoder, decode, encode_business_reject
from gateway.config import VenueConfig
from gateway.core.events import (
    CancelRequested,
    Cause,
    Input,
    OrderRouted,
    Record,
    ReplaceRequested,
    SessionAdministered,
    SessionLoggedOn,
    StatusRequested,
)
from gateway.core.instruments import Instrument
from gateway.core.reports import Fact, MessageRejected, SendRefused, SessionDown, SessionUp, UnexpectedMessage
from gateway.runtime.ports import SessionStatus

_REFS_KEPT = 65_536
_LOGOUT_S = 3.0
_TICK_S = 1.0
_DIGITS = re.compile(r"\d+")

Sent = OrderRouted | CancelRequested | ReplaceRequested | StatusRequested


class QuickFixLink:
    """The link to one venue. A `Source` of facts for the sequencer, and a `VenueLink` for what is committed.

    All methods are called on the event loop, except those at the end that QuickFIX's thread calls; `stop` blocks and
    may be called from any thread.

    Args:
        config: the venue.
        instruments: all instruments; those with a symbol at this venue are traded here.
        store_dir: where each venue has a folder for its session.
        wake: tells the loop that facts are waiting; called from QuickFIX's thread, must neither block nor take a lock.
        now_ns: UTC nanoseconds since the epoch.
        fatal: ends the process; called with what must not have happened, from any thread, not expected to return.
        overlay: a dictionary laid over the standard one, or None.
        inbox_limit: messages that wait for the loop before QuickFIX's thread, and so the venue, is held back.
        unconfirmed_limit: how many messages may be on their way that the venue has not shown to have read; over it a
            send is refused. QuickFIX's own queue has no bound and cannot be seen.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Mapping[str, Instrument],
        store_dir: Path,
        *,
        wake: Callable[[], None],
        now_ns: Callable[[], int],
        fatal: Callable[[BaseException], None],
        overlay: Path | None = None,
        inbox_limit: int = 10_000,
        unconfirmed_limit: int = 10_000,
    ) -> None:
        self.venue = config.name
        self._config = config
        self._overlay = overlay
        self._wake = wake
        self._now_ns = now_ns
        self._dialect = dialect_of(config, instruments)
        self._encoder = Encoder(self._dialect)
        self._schedule = schedule_of(config.schedule) if config.schedule else None
        session_id = (config.begin_string, config.sender_comp_id, config.target_comp_id, config.name)
        self._session_id = fix.SessionID(*session_id)
        self._store = Store(store_dir / config.name, session_id)
        self._application = Application(self, fatal)
        self._log = structlog.get_logger().bind(venue=config.name)
        self._initiator: fix.SocketInitiator | None = None
        self._session: fix.Session | None = None
        self._inbox = Inbox(inbox_limit, wake)
        self._refusals: deque[Input] = deque()
        self._refs: dict[int, str] = {}
        self._unconfirmed_limit = unconfirmed_limit
        self._off = False
        self._running = False
        self._stopped = False
        self.send_refusals = 0
        # Shared with QuickFIX's thread: plain values, each written whole.
        self._committed = 0
        self._starting_over = False
        self._logon_seq_num = 0
        self._assigned = 0
        self._unstored: frozenset[int] = frozenset()
        self._up = False
        self._reset_seen = False
        self._logout_text = ""
        self._too_low = False
        self._told = ""
        self._sent = self._confirmed = self._probed = 0
        self._last_received_ns: int | None = None
        self._last_sent_ns: int | None = None

    # --- VenueLink ---------------------------------------------------------------------------------------------

    def start(self, next_target_msg_seq_num: int) -> None:
        """Begin to connect, expecting this MsgSeqNum(34) next: the journal's.

        Raises:
            DictionaryError, quickfix.ConfigError: the session cannot be made as configured.
        """
        self._committed = next_target_msg_seq_num - 1
        self._starting_over = self._store.note.reset
        sender = self._store.next_sender_msg_seq_num()
        self._store.keep()
        settings = fix.SessionSettings()
        settings.setFromString(session_settings(self._config, self._store.folder, self._overlay))
        factory = fix.FileStoreFactory(str(self._store.folder))
        self._initiator = fix.SocketInitiator(self._application, factory, settings)
        self._session = fix.Session.lookupSession(self._session_id)
        if self._engine.getExpectedSenderNum() < sender:
            # A day began between `keep` and the constructor, which deleted the store. A number is never used twice.
            self._engine.setNextSenderMsgSeqNum(sender)
        if self._schedule is not None:
            self._tick(self._schedule)
        self._initiator.start()
        self._running = True

    def act(self, record: Record) -> None:
        """Carry out one committed record. Called for every committed record, in order; never raises."""
        cause, event = record.cause, record.event
        if cause.msg_seq_num is not None and cause.kind == "venue" and cause.who == self.venue:
            self._commit(cause.msg_seq_num)
        match event:
            case OrderRouted() | CancelRequested() | ReplaceRequested() | StatusRequested():
                if event.venue == self.venue:
                    self._send_record(record, event)
            case SessionAdministered():
                if event.venue == self.venue:
                    self._administer(event)
            case SessionLoggedOn():
                if event.venue == self.venue and event.reset:
                    self._started_over()
            case _:
                pass

    def drain(self, limit: int) -> Sequence[Input]:
        """At most `limit` facts, oldest first. Decodes what came in, and answers what cannot be understood."""
        inputs: list[Input] = []
        while self._refusals and len(inputs) < limit:
            inputs.append(self._refusals.popleft())
        while len(inputs) < limit and (entry := self._inbox.take()) is not None:
            fact = self._handle(entry)
            if fact is not None:
                inputs.append(fact)
        return inputs

    @property
    def queued(self) -> int:
        """Messages of the venue that wait for the loop."""
        return len(self._inbox)

    def status(self) -> SessionStatus:
        """What the session looks like now, for people."""
        session, config = self._session, self._config
        return SessionStatus(
            venue=self.venue,
            begin_string=config.begin_string,
            sender_comp_id=config.sender_comp_id,
            target_comp_id=config.target_comp_id,
            logged_on=self._logged_on(),
            enabled=session is not None and not self._stopped and session.isEnabled(),
            next_sender_msg_seq_num=session.getExpectedSenderNum() if session and not self._stopped else 0,
            next_target_msg_seq_num=session.getExpectedTargetNum() if session and not self._stopped else 0,
            last_received_ns=self._last_received_ns,
            last_sent_ns=self._last_sent_ns,
            connects_to=f"{config.host}:{config.port}",
            send_refusals=self.send_refusals,
        )

    def stop(self) -> None:
        """Log out and stop. Blocks, at most for some seconds, until QuickFIX's thread has ended. Safe to call twice."""
        initiator, session = self._initiator, self._session
        if initiator is None or session is None or self._stopped:
            return
        self._stopped = True
        self._inbox.close()
        session.logout()
        deadline = time.monotonic() + _LOGOUT_S
        while session.isLoggedOn() and time.monotonic() < deadline:
            time.sleep(0.01)
        initiator.stop(True)
        self._session = None
        self._initiator = None

    # --- Out, on the loop ---------------------------------------------------------------------------------------

    @property
    def _engine(self) -> fix.Session:
        if self._session is None:
            raise RuntimeError(f"the link to {self.venue} is not started")
        return self._session

    def _logged_on(self) -> bool:
        return self._session is not None and not self._stopped and self._session.isLoggedOn()

    def _send_record(self, record: Record, event: Sent) -> None:
        try:
            # A reject of a status request must not be taken for one of the order that it asks about.
            named = "" if isinstance(event, StatusRequested) else event.venue_cl_ord_id
            problem = self._try_to_send(record, named)
        except BaseException as error:  # noqa: BLE001 - whether it was sent is not known, and nothing may be guessed.
            self._application.end(error)
            return
        if not problem:
            return
        self.send_refusals += 1
        self._log.warning("send refused", cl_ord_id=event.venue_cl_ord_id, why=problem)
        if isinstance(event, StatusRequested):
            # It asks about a request under that request's own ID: a refusal would read as proof that the request itself
            # was not sent. It is asked again when it is still in doubt.
            return
        self._refusals.append(self._input(self._now_ns(), SendRefused(self.venue, event.venue_cl_ord_id, problem)))
        self._wake()

    def _try_to_send(self, record: Record, cl_ord_id: str) -> str:
        """Send one message. Why it could not be, or "" when it was."""
        try:
            body = self._encoder.encode(record)
        except EncodeError as error:
            return str(error)
        missing = self._encoder.missing_required(body)
        if missing:
            return f"{self.venue} requires " + ", ".join(f"tag {tag}" for tag in missing)
        if not self._logged_on():
            return "the FIX session is not logged on"
        if self._sent - self._confirmed >= self._unconfirmed_limit:
            return f"the venue has not read the last {self._unconfirmed_limit} messages"
        if not self._send(body):
            return "the FIX session did not take it"
        self._remember(cl_ord_id)
        return ""

    def _send(self, body: str) -> bool:
        self._assigned = 0
        if self._engine.send(fix.Message(body, False)):
            self._last_sent_ns = self._now_ns()
            return True
        if self._assigned:
            # It went through toApp and could not be stored whole: whatever is on the disk under that number, it was
            # refused and must never be resent.
            self._unstored |= {self._assigned}
        return False

    def _remember(self, cl_ord_id: str) -> None:
        self._refs[self._assigned] = cl_ord_id
        if len(self._refs) > _REFS_KEPT:
            del self._refs[next(iter(self._refs))]
        self._sent += 1
        if self._sent - self._probed >= max(1, self._unconfirmed_limit // 4):
            # A heartbeat that answers this TestRequest(35=1) shows that the venue has read everything before it.
            self._probed = self._sent
            self._engine.send(fix.Message(f"35=1\x01112=GW-{self._logon_seq_num}-{self._sent}\x01", False))

    def _administer(self, event: SessionAdministered) -> None:
        session = self._session
        self._log.info("session administered", action=event.action, operator=event.operator, reason=event.reason)
        if session is None:
            return
        if event.action == "logon":
            self._off = False
            session.logon()
        elif event.action == "logout":
            self._off = True
            session.logout()
        elif event.action == "set_sequence":
            if event.next_sender_msg_seq_num is not None:
                session.setNextSenderMsgSeqNum(event.next_sender_msg_seq_num)
            if event.next_target_msg_seq_num is not None:
                self._committed = event.next_target_msg_seq_num - 1
                self._starting_over = False
                session.setNextTargetMsgSeqNum(event.next_target_msg_seq_num)

    # --- The inbound number ---------------------------------------------------------------------------------------

    def _commit(self, msg_seq_num: int) -> None:
        if not self._starting_over:
            self._committed = max(self._committed, msg_seq_num)

    def _start_over(self) -> None:
        """The numbers begin at 1 again. What is committed until the journal has this counts in the old ones."""
        self._starting_over = True
        self._committed = 0
        self._refs = {}
        self._store.note = msgspec.structs.replace(self._store.note, reset=True)

    def _started_over(self) -> None:
        self._starting_over = False
        self._committed = 0
        self._store.note = msgspec.structs.replace(self._store.note, reset=False)

    # --- The schedule ---------------------------------------------------------------------------------------------

    def _tick(self, schedule: Schedule) -> None:
        if self._stopped:
            return
        try:
            self._keep_schedule(schedule)
        except BaseException as error:  # noqa: BLE001 - in a callback of the loop it would only be logged.
            self._application.end(error)
        asyncio.get_running_loop().call_later(_TICK_S, self._tick, schedule)

    def _keep_schedule(self, schedule: Schedule) -> None:
        """Be up in a session of the schedule, with numbers of its own, and down outside."""
        began_ns = schedule.session_at(self._now_ns())
        session, note = self._engine, self._store.note
        if began_ns is None:
            if session.isEnabled():
                session.logout("end of session")
        elif note.session_began_ns != began_ns:
            self._begin_session(began_ns, note)
        elif not session.isEnabled() and not self._off:
            session.logon()

    def _begin_session(self, began_ns: int, note: Note) -> None:
        session = self._engine
        if self._running and session.isEnabled():
            # Down first: the numbers cannot change while QuickFIX's thread uses them.
            session.logout("end of session")
            return
        if note.session_began_ns is not None:
            session.reset()
            self._start_over()
        self._store.note = Note(began_ns, reset=self._starting_over)

    # --- In, on the loop --------------------------------------------------------------------------------------------

    def _input(self, at_ns: int, fact: Fact, msg_seq_num: int | None = None) -> Input:
        return Input(at_ns, Cause(kind="venue", who=self.venue, msg_seq_num=msg_seq_num), fact)

    def _handle(self, entry: Entry) -> Input | None:
        match entry.kind:
            case Kind.MESSAGE:
                return self._understand(entry)
            case Kind.ENGINE_REJECT:
                return self._engine_reject(entry)
            case Kind.UP:
                self._log.info("session is up", reset=entry.reset)
                return self._input(entry.at_ns, SessionUp(self.venue, entry.reset))
            case Kind.DOWN:
                log = self._log.error if "too low" in entry.text else self._log.warning
                log("session is down", why=entry.text)
                return self._input(entry.at_ns, SessionDown(self.venue, entry.text))
            case Kind.TOO_LOW:
                return self._hold(entry)
            case Kind.NOTICE:
                self._log.warning(entry.text)
        return None

    def _hold(self, entry: Entry) -> Input | None:
        """The venue's numbers are too low: it forgot messages that it sent, and may number new ones as it did those.

        Each attempt to log on uses up one of its numbers, until they fit again and what was numbered in between is
        never asked for. So no further attempt is made until an operator has looked and logs the session on.
        """
        if self._off:
            return None
        self._off = True
        self._engine.logout()
        text = f"{entry.text}; the session stays down until an operator sets its numbers and logs it on"
        self._log.error("session is held down", why=text)
        return self._input(entry.at_ns, SessionDown(self.venue, text))

    def _understand(self, entry: Entry) -> Input:
        decoded = decode(entry.text, self._dialect)
        fact: Fact = decoded.fact
        if isinstance(fact, MessageRejected) and not fact.ref_cl_ord_id and fact.ref_seq_num is not None:
            fact = msgspec.structs.replace(fact, ref_cl_ord_id=self._refs.get(fact.ref_seq_num, ""))
        if isinstance(fact, UnexpectedMessage):
            self._log.error("message not understood", msg_type=fact.msg_type, problem=fact.problem)
            if decoded.reject_reason is not None and decoded.msg_seq_num is not None and self._logged_on():
                body = encode_business_reject(
                    fact.msg_type, decoded.msg_seq_num, decoded.reject_reason, fact.problem, decoded.ref_id
                )
                self._send(body)
        return self._input(entry.at_ns, fact, decoded.msg_seq_num)

    def _engine_reject(self, entry: Entry) -> Input:
        """QuickFIX refused a message of the venue with a Reject(35=3): kept as what is known of it."""
        said = dict(piece.split("=", 1) for piece in entry.text.split("\x01") if "=" in piece)
        tag = f" (tag {said['371']})" if "371" in said else ""
        problem = f"refused by the session layer: {said.get('58', 'no reason given')}{tag}"
        self._log.error("message refused", msg_type=said.get("372", ""), problem=problem)
        raw = entry.text.replace("\x01", "|")
        seq = int(said["45"]) if said.get("45", "").isdigit() else None
        return self._input(entry.at_ns, UnexpectedMessage(self.venue, said.get("372", ""), problem, raw), seq)

    # --- QuickFIX's thread --------------------------------------------------------------------------------------------

    def logged_on(self) -> None:
        """The session is up."""
        self._up = True
        self._told = ""
        self._inbox.put_now(Entry(self._now_ns(), Kind.UP, reset=self._starting_over or self._reset_seen))

    def logged_out(self) -> None:
        """The session is down, or did not come up: said once, not at each attempt to connect."""
        text, self._logout_text = self._logout_text, ""
        said = _DIGITS.sub("", text)  # A number that grows with each attempt does not make it another reason.
        if self._up or self._too_low or (said and said != self._told):
            kind = Kind.TOO_LOW if self._too_low else Kind.DOWN
            self._inbox.put_now(Entry(self._now_ns(), kind, text or "disconnected"))
        self._up = self._too_low = False
        self._told = said or self._told

    def sends_admin(self, msg_type: str, message: fix.Message) -> None:
        """Complete our Logon, and note what says something about the session."""
        if msg_type == "A":
            self._logon(message)
        elif msg_type == "5" and message.isSetField(58):
            self._logout_text = message.getField(58)
            self._too_low = "too low" in self._logout_text
        elif msg_type == "3":
            self._inbox.put_now(Entry(self._now_ns(), Kind.ENGINE_REJECT, message.toString()))
        elif msg_type == "2":
            gap = f"asking the venue to resend from {message.getField(7)}"
            self._inbox.put_now(Entry(self._now_ns(), Kind.NOTICE, gap))
        self._last_sent_ns = self._now_ns()

    def _logon(self, message: fix.Message) -> None:
        if self._config.username:
            message.setField(553, self._config.username)
        if self._config.password:
            message.setField(554, self._config.password)
        self._logon_seq_num = int(message.getHeader().getField(34))
        self._sent = self._confirmed = self._probed = 0
        expected = 1 if self._starting_over else self._committed + 1
        # Our own numbers began at 1 although the venue's did not: the store was lost.
        self._reset_seen = self._logon_seq_num == 1 and expected > 1
        self._engine.setNextTargetMsgSeqNum(expected)

    def sends_app(self, message: fix.Message) -> None:
        """Let a first sending pass while the session is up, and of resends those that were sent on this connection."""
        header = message.getHeader()
        msg_seq_num = int(header.getField(34))
        if not header.isSetField(43):
            if not self._engine.isLoggedOn():
                raise fix.DoNotSend
            self._assigned = msg_seq_num
        elif msg_seq_num < self._logon_seq_num or msg_seq_num in self._unstored:
            raise fix.DoNotSend

    def received_admin(self, msg_type: str, message: fix.Message) -> None:
        """Note what says something about the session."""
        self._last_received_ns = self._now_ns()
        if msg_type == "A":
            if message.isSetField(141) and message.getField(141) == "Y":
                self._start_over()
        elif msg_type == "5":
            self._logout_text = message.getField(58) if message.isSetField(58) else "the venue logged out"
        elif msg_type == "3":
            self._inbox.put(Entry(self._last_received_ns, Kind.MESSAGE, message.toString()))
        elif msg_type == "0" and message.isSetField(112):
            self._heartbeat(message.getField(112))

    def _heartbeat(self, test_req_id: str) -> None:
        mark = f"GW-{self._logon_seq_num}-"
        if test_req_id.startswith(mark) and test_req_id[len(mark) :].isdigit():
            self._confirmed = max(self._confirmed, int(test_req_id[len(mark) :]))

    def received_app(self, text: str) -> None:
        """Take an application message; wait while too many are waiting."""
        self._last_received_ns = self._now_ns()
        self._inbox.put(Entry(self._last_received_ns, Kind.MESSAGE, text))
