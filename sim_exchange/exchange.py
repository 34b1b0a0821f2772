"""The whole venue without its sockets: FIX sessions, rules, fault script and ledger around one piece of work at a time.

A piece of work is some received bytes, a control request or a moment of time. Everything it caused is first one write
to the ledger; only then do its messages go to the connections.
"""

import heapq
import logging
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from sim_exchange import codec, desk
from sim_exchange.config import Config, FaultConfig
from sim_exchange.copies import DropCopies
from sim_exchange.enums import Phase
from sim_exchange.faults import FaultScript, refusal, storm
from sim_exchange.fix import Framer, Message, parse, redact, utc_timestamp
from sim_exchange.inquiries import MAX_MASS_STATUSES
from sim_exchange.ledger import Ledger, Received, Sent, SessionNumbers
from sim_exchange.messages import Reply, Report
from sim_exchange.orders import Order, RuleBroken
from sim_exchange.resend import RESEND_SLICE
from sim_exchange.session import Now, Session
from sim_exchange.venue import Venue

log = logging.getLogger("sim_exchange")

MAX_HELD = 10_000
MAX_NOTED = 10_000
MAX_UNSENT = 128 << 20
# With more than this on its way, a client gets no more of what it asked for again until it has read.
MAX_AHEAD = 1 << 20
_REORDER_MS = 200


class Link(Protocol):
    """One connection, as far as the exchange needs it."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the client."""

    def unsent(self) -> int:
        """How many bytes are queued that the client has not read."""

    def close(self) -> None:
        """Close the connection once what was queued is out."""

    def abort(self) -> None:
        """Close the connection at once."""

    def pause(self) -> None:
        """Read nothing more from the client."""

    def resume(self) -> None:
        """Read again."""


class Lane:
    """The way of one session's messages to its client; delayed and reordered replies wait in `held`.

    `closing`: the connection ends once what was queued is out. `cancels_on_disconnect`: the Logon(A) of this
    connection asked for it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.link: Link | None = None
        self.held: deque[Reply] = deque()
        self.swapped: deque[Reply] = deque()
        self.abort = False
        self.closing = False
        self.cancels_on_disconnect = False
        self.numbers = (session.next_in, session.next_out)


class Connection:
    """A TCP connection before and after its Logon(A); of one that was `refused` nothing counts any more."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.framer = Framer()
        self.lane: Lane | None = None
        self.refused = False


class Exchange:
    """Owns all state of a venue; every method is called by one thread."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self.config = config
        self.ledger = ledger
        self.venue = Venue(config, ledger.state)
        self.faults = FaultScript(config.fault, config.venue.seed)
        self.lanes: dict[str, Lane] = {}
        self.received: Counter[tuple[str, str | None]] = Counter()
        self.sent: Counter[tuple[str, str | None]] = Counter()
        self.stats: Counter[str] = Counter()
        self.on_work: Callable[[], None] = lambda: None
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._after: deque[Callable[[], None]] = deque()
        self._striking = False
        self.stopped = False
        self._now = Now(0, 0)
        self.venue.on_report = self._befall
        self.copies = DropCopies(config)
        self._required = {
            config.identity(s).name: {r.tag: frozenset(r.msg_types) for r in s.required} for s in config.session
        }
        self._cancel_tags = {
            config.identity(s).name: s.cancel_on_disconnect_tag for s in config.session if s.cancel_on_disconnect_tag
        }
        for identity in map(config.identity, config.sessions()):
            known = ledger.state.sessions.get(identity.name)
            start = (known.next_in, known.next_out) if known else (1, 1)
            self.lanes[identity.name] = Lane(Session(identity, ledger, *start))

    # Pieces of work -------------------------------------------------------------------------------

    def on_bytes(self, connection: Connection, data: bytes, now: Now) -> None:
        """Bytes came in. Raises FrameError when the stream cannot be framed; anything else raised is fatal."""
        if self.stopped:
            return
        self._begin(now)
        garbled = connection.framer.garbled
        for raw in connection.framer.feed(data):
            self._on_raw(connection, raw)
        self.stats["garbled"] += connection.framer.garbled - garbled
        self._finish()

    def on_lost(self, connection: Connection, now: Now) -> None:
        """The connection is gone."""
        lane = connection.lane
        if self.stopped or lane is None or lane.link is not connection.link:
            return
        self._begin(now)
        self._disconnected(lane)
        if lane.cancels_on_disconnect:
            self.venue.cancel_on_disconnect(lane.session.name)
        self._finish()

    def _disconnected(self, lane: Lane) -> None:
        lane.link = None
        lane.session.disconnected()
        self.venue.stop_answering(lane.session.name)
        log.info("disconnected session=%s", lane.session.name)

    def freeze(self, lane: Lane) -> None:
        """Forget the connection without closing it: the client sends into the void and hears nothing."""
        self._disconnected(lane)

    def on_tick(self, now: Now) -> bool:
        """Time passed: heartbeats, expiries, the crowd, what was delayed. True when there is more to do at once."""
        self._begin(now)
        self.venue.tick(now.mono_ns)
        self.venue.answer_more()
        for lane in self.lanes.values():
            lane.session.tick(now)
        while self._timers and self._timers[0][0] <= now.mono_ns:
            heapq.heappop(self._timers)[2]()
            self._flow()
        more = self._resend_more()
        self._finish()
        return more

    def _resend_more(self) -> bool:
        """Go on with what clients asked for again, as far as they read; whether one of them could take more."""
        waiting = sum(lane.session.resending for lane in self.lanes.values())
        share = max(1, RESEND_SLICE // max(1, waiting))
        more = False
        for lane in self.lanes.values():
            reads = lane.link is not None and lane.link.unsent() <= MAX_AHEAD
            lane.session.resend_more(share if reads else 0, self._now)
            more = more or (reads and lane.session.resending)
        return more

    def do(self, work: Callable[[], object], now: Now) -> object:
        """Run a control request as one piece of work.

        A refusal (RuleBroken) is raised again after the ledger is written; anything else raised is fatal.
        """
        if self.stopped:
            raise RuleBroken("the venue is closed")
        self._begin(now)
        try:
            result = work()
        except RuleBroken:
            self._finish()
            raise
        self._finish()
        return result

    def stop(self, now: Now) -> None:
        """Release what is held, cancel what is to be canceled on disconnect, say goodbye to every client and write
        the ledger. Nothing is done after it.
        """
        self._begin(now)
        for lane in self.lanes.values():
            self._release(lane)
            if lane.link is not None and lane.cancels_on_disconnect:
                self.venue.cancel_on_disconnect(lane.session.name)
        self._flow()
        for lane in self.lanes.values():
            lane.session.logout("the venue closes", now)
        self._finish()
        self.ledger.close()
        self.stopped = True

    def _begin(self, now: Now) -> None:
        self._now = now
        self.venue.now_ns = now.wall_ns

    def _finish(self) -> None:
        self._flow()
        for line in self.venue.take_lines():
            self.ledger.add(line)
        for lane in self.lanes.values():
            self._note_sent(lane)
        self.ledger.commit()
        for lane in self.lanes.values():
            self._transmit(lane)
        self.on_work()

    def _flow(self) -> None:
        """Send what the venue said; order faults add to it until nothing is left."""
        while self.venue.replies or self._after:
            replies, self.venue.replies = self.venue.replies, []
            for reply in replies:
                self._dispatch(reply)
                for copy in self.copies.of(reply):
                    self._dispatch(copy)
            if self._after and not self.venue.replies:
                self._after.popleft()()

    # In -------------------------------------------------------------------------------------------

    def _on_raw(self, connection: Connection, raw: bytes) -> None:
        message = parse(raw)
        if message is None:
            self.stats["garbled"] += 1
            return
        if connection.refused:
            return
        lane = connection.lane
        if lane is None:
            self._first(connection, message, raw)
            return
        if lane.link is not connection.link or lane.session.close is not None:
            return
        self._note_received(lane, message, raw)
        for due in lane.session.receive(message, self._now):
            self._on_application(lane, due)
            self._flow()

    def _first(self, connection: Connection, message: Message, raw: bytes) -> None:
        """Only a Logon(A) of a known session that is not connected already opens a connection."""
        name = f"{message.get(8)}:{message.get(56)}->{message.get(49)}"
        lane = self.lanes.get(name)
        if message.msg_type != "A" or lane is None or lane.link is not None:
            log.warning("connection refused session=%s reason=%s", name, "already connected" if lane else "unknown")
            connection.refused = True
            connection.link.abort()
            return
        connection.lane, lane.link, lane.closing = lane, connection.link, False
        self._note_received(lane, message, raw)
        lane.session.connect()
        fired = {f.kind: f for f in self.faults.inbound("A", name, None, None)}
        refuse = fired["refuse_logon"].text or "refused by the fault script" if "refuse_logon" in fired else None
        lane.session.logon(message, self._now, refuse=refuse, lose_numbers="lose_numbers" in fired)
        lane.cancels_on_disconnect = lane.session.logged_on and self._asks_for_cancel(name, message)
        log.info("%s session=%s", "logon" if lane.session.logged_on else "logon refused", name)

    def _asks_for_cancel(self, name: str, logon: Message) -> bool:
        tag, _, value = self._cancel_tags.get(name, "").partition("=")
        return bool(tag) and logon.get(int(tag)) == value

    def _on_application(self, lane: Lane, message: Message) -> None:
        session = lane.session
        name = session.name
        try:
            self._supported(name, message)
            request = codec.decode(session.identity.begin_string, message, self._required[name])
            fired = self.faults.inbound(message.msg_type, name, message.get(55), message.get(11))
            storm(fired)
        except codec.SessionReject as reject:
            session.reject(message, reject.tag, reject.reason, reject.text, self._now)
        except codec.BusinessReject as reject:
            session.send("j", codec.encode_business_reject(message, reject), self._now)
        else:
            if not any(f.kind == "silence" for f in fired):
                self.venue.handle(name, request, refusal(fired))

    def _supported(self, name: str, message: Message) -> None:
        """Raises BusinessReject for what a drop-copy session, or this venue, does not answer at all."""
        if name in self.copies.names:
            raise codec.BusinessReject(3, "this session gets drop copies and takes no requests")
        if message.msg_type == "AF" and not self.config.venue.mass_status:
            raise codec.BusinessReject(3, "this venue has no OrderMassStatusRequest(AF)")
        if message.msg_type == "AF" and self.venue.is_answering_enough(name):
            text = f"{MAX_MASS_STATUSES} mass statuses of this session are not yet answered; wait for one"
            raise codec.BusinessReject(4, text, message.get(584))
        if message.msg_type == "q" and not self.config.venue.mass_cancel:
            raise codec.BusinessReject(3, "this venue has no OrderMassCancelRequest(q)")

    def _note_received(self, lane: Lane, message: Message, raw: bytes) -> None:
        self.ledger.add(
            Received(
                time=utc_timestamp(self._now.wall_ns),
                session=lane.session.name,
                msg_type=message.msg_type,
                raw=redact(raw),
                msg_seq_num=message.number(34),
            )
        )
        self._count("received", message.msg_type, message.get(11))

    def _count(self, direction: str, msg_type: str, cl_ord_id: str | None) -> None:
        counter = self.received if direction == "received" else self.sent
        self.stats[direction] += 1
        counter[msg_type, None] += 1
        if cl_ord_id is None:
            return
        counter[msg_type, cl_ord_id] += 1
        if len(counter) > 2 * MAX_NOTED:
            # Counts per ClOrdID(11) serve tests that wait; the oldest half is forgotten.
            for key in [k for k in counter if k[1] is not None][:MAX_NOTED]:
                del counter[key]

    # Out ------------------------------------------------------------------------------------------

    def _dispatch(self, reply: Reply) -> None:
        """Put a reply on its way, with the transport faults that hit it."""
        lane = self.lanes.get(reply.owner)
        if lane is None:
            return
        if lane.held:
            self._hold(lane, reply)
            return
        fired = {f.kind: f for f in self.faults.transport(reply, codec.REPLY_TYPES[type(reply)])}
        if "lose" in fired:
            return
        if "delay" in fired:
            self._hold(lane, reply)
            self._later(fired["delay"].delay_ms, lambda: self._release(lane))
        elif "reorder" in fired:
            lane.swapped.append(reply)
            self._later(fired["reorder"].delay_ms or _REORDER_MS, lambda: self._release_swapped(lane))
        else:
            self._number(lane, reply, frozenset(fired))
            self._release_swapped(lane)

    def _number(self, lane: Lane, reply: Reply, faults: frozenset[str] = frozenset()) -> None:
        session, now = lane.session, self._now
        msg_type, fields = codec.encode_reply(session.identity.begin_string, reply, now.wall_ns)
        lost = "gap" in faults or "drop" in faults
        outgoing = session.send(msg_type, fields, now, poss_resend=reply.poss_resend, wire=not lost)
        if "poss_dup" in faults:
            session.repeat(outgoing, now)
        if "duplicate" in faults:
            session.send(msg_type, fields, now)
        if "poss_resend" in faults:
            session.send(msg_type, fields, now, poss_resend=True)
        if "drop" in faults:
            lane.abort = True
        outgoing.torn = "torn" in faults

    def _hold(self, lane: Lane, reply: Reply) -> None:
        lane.held.append(reply)
        if len(lane.held) > MAX_HELD:
            self._release(lane)

    def _release(self, lane: Lane) -> None:
        while lane.held:
            self._number(lane, lane.held.popleft())
        self._release_swapped(lane)

    def _release_swapped(self, lane: Lane) -> None:
        while lane.swapped:
            self._number(lane, lane.swapped.popleft())

    def _later(self, delay_ms: int, work: Callable[[], None]) -> None:
        self._timer_count += 1
        due = self._now.mono_ns + delay_ms * 1_000_000
        heapq.heappush(self._timers, (due, self._timer_count, work))

    def _note_sent(self, lane: Lane) -> None:
        session = lane.session
        for out in session.outbox:
            self.ledger.add(
                Sent(
                    time=utc_timestamp(self._now.wall_ns),
                    session=session.name,
                    msg_type=out.msg_type,
                    raw=redact(out.raw),
                    msg_seq_num=out.seq,
                    repeat=out.repeat,
                    wire=out.wire and lane.link is not None,
                )
            )
            self._count("sent", out.msg_type, out.cl_ord_id)
        numbers = (session.next_in, session.next_out)
        if numbers != lane.numbers:
            lane.numbers = numbers
            self.ledger.add(SessionNumbers(session=session.name, next_in=numbers[0], next_out=numbers[1]))

    @staticmethod
    def _transmit(lane: Lane) -> None:
        session = lane.session
        session.outbox.clear()
        wire, session.wire = session.wire, []
        link = lane.link
        if link is None:
            session.close = None
            lane.abort = False
            return
        torn = next((at for at, out in enumerate(wire) if out.wire and out.torn), None)
        data = b"".join(out.raw for out in wire[:torn] if out.wire)
        if torn is not None:
            data += wire[torn].raw[: len(wire[torn].raw) // 2]
        if data:
            link.write(data)
        if link.unsent() + session.behind_bytes > MAX_UNSENT:
            log.warning("connection cut reason=the client does not read")
            link.abort()
        if torn is not None:
            link.close()
        if lane.abort:
            lane.abort = False
            link.abort()
        elif session.close is not None and not lane.closing:
            lane.closing = True
            log.info("closing session=%s reason=%s", session.name, session.close)
            link.close()

    # Order faults ---------------------------------------------------------------------------------

    def _befall(self, order: Order, report: Report) -> None:
        """Arrange what the fault script has in store for an order once this report about it is out."""
        if self._striking:
            # What a fault does to an order sets off no further fault; else a restatement could restate for ever.
            return
        for fault in self.faults.after(report):
            work = self._order_fault(fault, order, report)
            if fault.delay_ms:
                self._later(fault.delay_ms, work)
            else:
                self._after.append(work)

    def _order_fault(self, fault: FaultConfig, order: Order, report: Report) -> Callable[[], None]:
        def work() -> None:
            self._striking = True
            try:
                self._strike(fault, order, report)
            except RuleBroken as broken:
                log.warning("fault not possible kind=%s order_id=%s reason=%s", fault.kind, order.order_id, broken)
            finally:
                self._striking = False

        return work

    def _strike(self, fault: FaultConfig, order: Order, report: Report) -> None:
        if fault.kind == "halt":
            self.venue.set_phase(order.symbol, Phase.HALTED)
            return
        action = desk.Action(
            do={"overfill": "fill"}.get(fault.kind, fault.kind),
            order_id=order.order_id,
            qty=fault.qty,
            px=fault.px,
            reason=fault.reason,
            text=fault.text,
        )
        if fault.kind in ("bust", "correct"):
            action.exec_ref_id = report.exec_id
            if fault.kind == "correct" and fault.qty is None and fault.px is None:
                action.px = str(report.last_px + self.venue.instrument(order.symbol).tick)
        elif fault.kind == "overfill":
            action.qty, action.px = self._overfill(fault, order)
        elif fault.kind == "restate":
            action.reason = 5 if fault.reason is None else fault.reason
        desk.perform(self.venue, action)

    def _overfill(self, fault: FaultConfig, order: Order) -> tuple[str, str]:
        """All that is left and `qty` (one lot) more, at the order's price or the last price."""
        instrument = self.venue.instrument(order.symbol)
        more = Decimal(fault.qty) if fault.qty else instrument.lot
        last = instrument.market.last_price * instrument.tick
        px = fault.px or str(order.terms.price or last)
        return str(order.leaves_qty + more), px
