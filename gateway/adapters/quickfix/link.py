"""One FIX session to one venue, behind the `VenueLink` port.

Three rules carry it. The journal owns the inbound sequence: at every Logon the session is told to expect the number
after the last committed one, so what was received and not committed comes again. Nothing is sent twice: of what went
out before our own Logon on this connection nothing is ever resent. Nothing is stored that was not sent: while the
session is down, a send is refused before QuickFIX can keep it for later.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import quickfix as fix
import structlog

from gateway.adapters.quickfix.application import Application
from gateway.adapters.quickfix.facts import (
    Refs,
    Sent,
    answer_to,
    copied,
    name_of,
    recordable,
    refused_by_engine,
    refused_here,
)
from gateway.adapters.quickfix.inbox import Entry, Inbox, Kind
from gateway.adapters.quickfix.line import MARKS, Line
from gateway.adapters.quickfix.schedule import Keeper, schedule_of
from gateway.adapters.quickfix.settings import dialect_of, messages_of, session_settings
from gateway.adapters.quickfix.store import Store
from gateway.adapters.quickfix.wire import Numbers, Wire
from gateway.codec.fix import EncodeError, Encoder, decode
from gateway.config import VenueConfig
from gateway.core.events import (
    CancelRequested,
    Cause,
    Input,
    OrderRouted,
    ReconciliationStarted,
    Record,
    ReplaceRequested,
    SessionAdministered,
    SessionLoggedOn,
    StatusRequested,
)
from gateway.core.instruments import Instrument
from gateway.core.reports import Fact, MessageRejected, SendRefused, SessionDown, SessionUp, UnexpectedMessage
from gateway.core.risk.events import MassCancelSent
from gateway.runtime.ports import Known, SessionStatus

DICTIONARIES = "dictionaries"
"""The folder beside those of the sessions that they all read."""
_LOGOUT_S = 3.0
_TICK_S = 0.1
_PROBE_S = 5.0


class QuickFixLink:
    """The link to one venue, or to its drop copy. A `Source` of facts for the sequencer, and a `VenueLink` for what is
    committed.

    All methods are called on the event loop; `stop` blocks and may be called from any thread.

    Args:
        config: the session; its name is the one that facts and records name it by.
        instruments: all instruments; those with a symbol at this venue are traded here.
        store_dir: where each session has a folder, and all together one for the dictionaries.
        wake: tells the loop that facts are waiting; called from QuickFIX's thread, must neither block nor take a lock.
        now_ns: UTC nanoseconds since the epoch.
        fatal: ends the process; called with what must not have happened, from any thread, not expected to return.
        overlay: a dictionary laid over the standard one, or None.
        inbox_limit: messages that wait for the loop before QuickFIX's thread, and so the venue, is held back.
        unconfirmed_limit: how many messages may be on their way that the venue has not shown to have read; over it a
            send is refused. QuickFIX's own queue has no bound and cannot be seen.
        copies: the venue whose executions this session copies. Nothing is sent on such a session.
        monotonic: seconds of a clock that does not jump; None for that of the running loop.
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
        copies: str = "",
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        loop = _running_loop()
        monotonic = monotonic or (loop.time if loop is not None else time.monotonic)
        self.venue = config.name
        self._config = config
        self._dictionaries, self._overlay = store_dir / DICTIONARIES, overlay
        self._copies = copies
        self._wake = wake
        self._now_ns = now_ns
        self._monotonic = monotonic
        self._dialect = dialect_of(config, instruments, copies)
        self._encoder = Encoder(self._dialect)
        self._keeper = Keeper(schedule_of(config.schedule), now_ns, monotonic) if config.schedule else None
        session_id = (config.begin_string, config.sender_comp_id, config.target_comp_id, config.name)
        self._session_id = fix.SessionID(*session_id)
        self._store = Store(store_dir / config.name, session_id)
        self._inbox = Inbox(inbox_limit, wake)
        self._wire = Wire(config, self._session_id, self._store, self._inbox, now_ns, monotonic)
        self._application = Application(self._wire, lambda error: fatal(self._store.named(error)))
        self._mark = next(MARKS)
        self._line = Line(self._mark, config.port)
        self._log = structlog.get_logger().bind(venue=config.name)
        self._initiator: fix.SocketInitiator | None = None
        self._session: fix.Session | None = None
        self._refusals: deque[Input] = deque()
        self._refs = Refs()
        self._answers: dict[int, str] = {}
        self._unconfirmed_limit = unconfirmed_limit
        self._probed_at = 0.0
        self._began_ns: int | None = None
        self._cut = 0
        self._off = False
        self._running = False
        self._stopped = False
        self.send_refusals = 0

    # --- VenueLink ---------------------------------------------------------------------------------------------

    def start(self, known: Known) -> None:
        """Begin to connect, as the journal knows the session.

        Raises:
            DictionaryError, StoreError, quickfix.ConfigError: the session cannot be made as configured.
        """
        note = self._store.note
        self._began_ns = note.session_began_ns
        self._wire.numbers = Numbers(known.inbound_seq, starting_over=note.reset, asked=note.asked)
        evidence = self._store.examine(known.unanswered, known.logon_seq_num, restored=known.restored)
        # While the numbers start over, the journal knows only those of before.
        sender = self._store.next_sender(known, self._log, trusted=note.reset or not evidence.no_proof)
        self._store.keep()
        settings = fix.SessionSettings()
        settings.setFromString(session_settings(self._config, self._dictionaries, self._overlay, self._mark))
        self._message = messages_of(self._config, self._dictionaries, self._overlay)
        factory = fix.FileStoreFactory(str(self._store.folder))
        self._initiator = fix.SocketInitiator(self._application, factory, settings)
        self._session = fix.Session.lookupSession(self._session_id)
        self._wire.engine = self._engine
        if self._engine.getExpectedSenderNum() < sender:
            # A lost or an old store; or a day began between `keep` and the constructor, which deleted it.
            self._engine.setNextSenderMsgSeqNum(sender)
        self._store.opened()
        if evidence.no_proof and known.unanswered:
            self._log.warning("the store proves nothing about what was unanswered", why=evidence.no_proof)
        for venue_cl_ord_id in evidence.unsent:
            self._refuse(SendRefused(self.venue, venue_cl_ord_id, "the FIX store proves that it was never sent"))
        self.tend()
        self._initiator.start()
        self._running = True
        if (loop := _running_loop()) is not None:  # Without one, `tend` is for whoever drains.
            self._tick(loop)

    def act(self, record: Record) -> None:
        """Carry out one committed record. Called for every committed record, in order; never raises."""
        cause, event = record.cause, record.event
        try:
            if cause.msg_seq_num is not None and cause.kind == "venue" and cause.who == self.venue:
                self._commit(cause.msg_seq_num)
            if getattr(event, "venue", None) == self.venue:
                self._carry_out(record, event)
        except BaseException as error:  # noqa: BLE001 - what was sent or stored is not known, and may not be guessed.
            self._application.end(error)

    def _carry_out(self, record: Record, event: object) -> None:
        match event:
            case OrderRouted() | CancelRequested() | ReplaceRequested() | StatusRequested() | MassCancelSent():
                self._send_record(record, event)
            case ReconciliationStarted(how="mass"):
                self._send_record(record, event)
            case SessionAdministered():
                self._administer(event)
            case SessionLoggedOn():
                self._logged_on_in_journal(event)

    def drain(self, limit: int) -> Sequence[Input]:
        """At most `limit` facts, oldest first. Decodes what came in."""
        inputs: list[Input] = []
        while self._refusals and len(inputs) < limit:
            inputs.append(self._refusals.popleft())
        while len(inputs) < limit and (entry := self._inbox.take()) is not None:
            given = self._handle(entry)
            if given is not None:
                inputs.append(given if entry.text.isascii() else recordable(given))
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
            enabled=session is not None and not self._stopped and (session.isEnabled() or self._resting),
            next_sender_msg_seq_num=session.getExpectedSenderNum() if session and not self._stopped else 0,
            next_target_msg_seq_num=session.getExpectedTargetNum() if session and not self._stopped else 0,
            last_received_ns=self._wire.last_received_ns,
            last_sent_ns=self._wire.last_sent_ns,
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
        problem = self._try_to_send(record, event)
        if not problem:
            return
        self.send_refusals += 1
        self._log.warning("send refused", ref_id=name_of(event), why=problem)
        self._refuse(refused_here(event, self.venue, problem))

    def _refuse(self, fact: SendRefused | MessageRejected) -> None:
        self._refusals.append(self._input(self._now_ns(), fact))
        self._wake()

    def _try_to_send(self, record: Record, event: Sent) -> str:
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
        if self._wire.unread >= self._unconfirmed_limit:
            return f"the venue has not read the last {self._unconfirmed_limit} messages"
        if not self._send(body):
            return "the FIX session did not take it"
        self._refs.note(self._wire.assigned, body[3 : body.index("\x01")], name_of(event))
        return ""

    def _send(self, body: str) -> bool:
        wire = self._wire
        wire.sender, wire.assigned = threading.get_ident(), 0
        if self._engine.send(self._message(body)):
            wire.last_sent_ns = self._now_ns()
            wire.sent += 1
            if wire.sent - wire.probed >= max(1, self._unconfirmed_limit // 4):
                self._probe()
            return True
        if wire.assigned:
            raise self._store.unwritten(wire.assigned)  # It went through toApp and was not stored.
        return False

    def _probe(self) -> None:
        """A heartbeat that answers this TestRequest(35=1) shows that the venue has read everything before it."""
        wire = self._wire
        wire.probed = wire.sent
        self._probed_at = self._monotonic()
        self._engine.send(fix.Message(f"35=1\x01112=GW-{wire.logon_seq_num}-{wire.sent}\x01", False))

    def _probe_again(self) -> None:
        """At the limit nothing more is sent that would bring a TestRequest with it, and those that were may be lost: a
        venue that asks for them again gets a gap fill.
        """
        waited_s = self._monotonic() - self._probed_at
        if self._wire.unread >= self._unconfirmed_limit and waited_s >= _PROBE_S and self._logged_on():
            self._probe()

    def _administer(self, event: SessionAdministered) -> None:
        session = self._session
        self._log.info("session administered", action=event.action, operator=event.operator, reason=event.reason)
        if session is None:
            return
        if event.action == "logon":
            self._off = False
            self._wire.pace.at_once()
            session.logon()
        elif event.action == "logout":
            self._off = True
            session.logout()
        elif event.action == "set_sequence":
            self._set_numbers(session, event.next_sender_msg_seq_num, event.next_target_msg_seq_num)

    def _set_numbers(self, session: fix.Session, sender: int | None, target: int | None) -> None:
        wire = self._wire
        wire.numbers.asked = wire.numbers.asked or 1 in (sender, target)
        if sender is not None:
            # From here on a number may stand for two messages: none of before is resent, and none proves anything.
            self._store.emptied()
            self._refs.clear()
            wire.resend_from = sender
            session.setNextSenderMsgSeqNum(sender)
            wire.numbered_anew()
        if target is not None:
            wire.numbers.committed, wire.numbers.starting_over = target - 1, False
            session.setNextTargetMsgSeqNum(target)

    # --- The inbound number ---------------------------------------------------------------------------------------

    def _commit(self, msg_seq_num: int) -> None:
        numbers = self._wire.numbers
        if not numbers.starting_over:
            numbers.committed = max(numbers.committed, msg_seq_num)
        answer = self._answers.pop(msg_seq_num, "")
        # Not to a venue that does not read what it is sent: QuickFIX would keep every answer for it.
        if answer and self._logged_on() and self._wire.unread < self._unconfirmed_limit:
            self._send(answer)

    def _logged_on_in_journal(self, event: SessionLoggedOn) -> None:
        self._wire.numbers.asked = False
        if event.reset:
            self._wire.numbers = Numbers()
            self._store.noted(reset=False, asked=False)

    # --- What has to be looked after ------------------------------------------------------------------------------

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._stopped:
            return
        try:
            self.tend()
        except BaseException as error:  # noqa: BLE001 - in a callback of the loop it would only be logged.
            self._application.end(error)
        loop.call_later(_TICK_S, self._tick, loop)

    def tend(self) -> None:
        """Keep the schedule, the pace and the line; to be called a few times in a second."""
        session = self._session
        if session is None or self._stopped:
            return
        if not self._is_scheduled(session):
            self._wire.resting = False
            if session.isEnabled():
                session.logout("end of session")
        elif not session.isEnabled() and not self._off and self._monotonic() >= self._wire.pace.until:
            self._wire.resting = False
            session.logon()
        if self._wire.connected:
            self._watch(session, self._line.of(self._wire.connections))
            self._probe_again()

    @property
    def _resting(self) -> bool:
        """The session went down, and will be tried again when it is time."""
        return self._wire.resting and not self._off

    def _is_scheduled(self, session: fix.Session) -> bool:
        """Whether the session is to be up; each one of the schedule with numbers of its own."""
        if self._keeper is None:
            return True
        if jump_s := self._keeper.jumped_s():
            self._log.error("the clock jumped: no session of the schedule begins until it has settled", seconds=jump_s)
        wanted, began_ns = self._keeper.wants(self._began_ns)
        if began_ns is None or began_ns == self._began_ns:
            return wanted
        # Down first: the numbers cannot change while QuickFIX's thread uses them.
        if self._running and (session.isEnabled() or session.isLoggedOn()):
            return False
        if self._wire.connected and self._line.of(self._wire.connections).cut():
            return False
        if moved := self._keeper.moved(self._began_ns, began_ns):
            self._log.warning("the schedule was changed: the numbers start over within a session", **moved)
        self._begin_session(session, began_ns)
        return wanted

    def _begin_session(self, session: fix.Session, began_ns: int) -> None:
        if self._began_ns is not None:
            session.reset()
            self._refs.clear()
            self._wire.start_over(asked=True)
        self._began_ns = began_ns
        self._store.noted(session_began_ns=began_ns)

    def _watch(self, session: fix.Session, line: Line) -> None:
        """End a connection that sends no messages, too many that are refused, or what is none and never ends."""
        wire = self._wire
        quiet = session.isLoggedOn() and session.isEnabled() and not wire.waiting
        silent_s = self._monotonic() - wire.heard_at if quiet else 0.0
        why = line.trouble(wire.handed_over, silent_s, self._config.heart_bt_int_s)
        if self._inbox.overrun:
            why = "the venue sends messages that the session layer refuses, faster than they can be journaled"
        if why and self._cut != wire.connections:
            self._cut = wire.connections
            wire.logout_text = why
            self._log.error("the connection is cut", why=why)
        if why:
            line.cut()

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
                if entry.reset:
                    self._refs.clear()
                log = self._log.error if entry.unexpected else self._log.info
                log("session is up", reset=entry.reset, unexpected=entry.unexpected)
                up = SessionUp(self.venue, entry.reset, entry.logon_seq_num, entry.unexpected)
                return self._input(entry.at_ns, up)
            case Kind.DOWN:
                log = self._log.error if "too low" in entry.text else self._log.warning
                log("session is down", why=entry.text)
                return self._input(entry.at_ns, SessionDown(self.venue, entry.text))
            case Kind.TOO_LOW:
                return self._hold(entry)
            case Kind.NOTICE:
                self._log.warning(entry.text)
            case Kind.ALERT:
                self._log.error(entry.text)
        return None

    def _hold(self, entry: Entry) -> Input | None:
        """The venue's numbers are too low: it forgot messages that it sent, and may number new ones as it did those.

        Each attempt to log on uses up one of its numbers, until they fit again and what was numbered in between is
        never asked for. So no further attempt is made until an operator has looked and logs the session on. The same
        goes for a venue that expects ever higher numbers of us.
        """
        if self._off:
            return None
        self._off = True
        if self._session is not None:  # It may be stopped by now.
            self._session.logout()
        text = f"{entry.text}; the session stays down until an operator sets its numbers and logs it on"
        self._log.error("session is held down", why=text)
        return self._input(entry.at_ns, SessionDown(self.venue, text))

    def _understand(self, entry: Entry) -> Input:
        decoded = decode(entry.text, self._dialect)
        fact: Fact = decoded.fact
        if self._copies:
            fact = copied(decoded.fact, entry.text, self.venue)
        elif isinstance(fact, MessageRejected):
            fact = self._refs.named(fact)
        if isinstance(fact, UnexpectedMessage):
            self._log.error("message not understood", msg_type=fact.msg_type, problem=fact.problem)
            if not self._copies and (answer := answer_to(decoded)):
                self._answers[decoded.msg_seq_num or 0] = answer  # It leaves with the commit (rule 1).
        return self._input(entry.at_ns, fact, decoded.msg_seq_num if entry.in_place else None)

    def _engine_reject(self, entry: Entry) -> Input:
        """QuickFIX refused a message of the venue with a Reject(35=3): kept as what is known of it."""
        fact, msg_seq_num = refused_by_engine(entry.text, self.venue)
        self._log.error("message refused", msg_type=fact.msg_type, problem=fact.problem)
        return self._input(entry.at_ns, fact, msg_seq_num if entry.in_place else None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
