"""A venue: the real exchange of this project (its FIX sessions, its matching, its fault script, its ledger) without its
sockets, and a hand at its desk that does what venues do to orders.

Its ledger is in memory and survives everything, its own restarts too: it is the truth that the gateway is held to.
"""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.types import DoubtOutcome
from sim_exchange import desk
from sim_exchange.config import (
    Config,
    CrowdConfig,
    DropCopyConfig,
    FaultConfig,
    InstrumentConfig,
    SessionConfig,
    VenueConfig,
)
from sim_exchange.enums import OrdStatus, Side
from sim_exchange.exchange import Connection, Exchange
from sim_exchange.fix import Message, parse
from sim_exchange.ledger import Execution, Line, NetExecutions, Sent, State
from sim_exchange.messages import NewOrder, Request, StatusRequest
from sim_exchange.orders import Order, RuleBroken
from sim_exchange.session import ADMIN, Now, Session
from tests.simulation.network import Wire
from tests.simulation.plan import AUTO, BEGIN_STRINGS, COPIES, GATEWAY, MANUAL, exchange_session
from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.world import World

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)
_executions = msgspec.json.Decoder(Execution)


class MemoryLedger:
    """The exchange's ledger, on a disk that never fails."""

    def __init__(self, lines: list[bytes], added: Callable[[Line, bytes], None]) -> None:
        self.lines = lines
        self.state = State()
        self._added = added
        self._sent: dict[tuple[str, int], str] = {}
        for line in lines:
            known = _decoder.decode(line)
            self.state.add(known)
            self._note(known)

    def _note(self, line: Line) -> None:
        if isinstance(line, Sent) and line.msg_seq_num is not None and not line.repeat:
            self._sent[line.session, line.msg_seq_num] = line.raw

    def add(self, line: Line) -> None:
        raw = _encoder.encode(line)
        self.lines.append(raw)
        self._note(line)
        self._added(line, raw)

    def commit(self) -> None:
        pass

    def sent(self, session: str, msg_seq_num: int) -> bytes | None:
        said = self.said(session, msg_seq_num)
        return said.encode("latin-1") if said is not None else None

    def said(self, session: str, msg_seq_num: int) -> str | None:
        return self._sent.get((session, msg_seq_num))

    def close(self) -> None:
        pass


class _VenueEnd:
    """The venue's end of one connection: what `Exchange` writes to, and what the wire delivers to."""

    def __init__(self, venue: "SimVenue", wire: Wire) -> None:
        self.wire = wire
        self._venue = venue
        self._connection = Connection(self)

    # What the exchange calls.

    def write(self, data: bytes) -> None:
        self.wire.write(0, data)

    def unsent(self) -> int:
        return 0

    def close(self) -> None:
        self.wire.close(1)
        self._venue.lost(self._connection)

    def abort(self) -> None:
        self.wire.cut()
        self._venue.lost(self._connection)

    # What the wire calls.

    def arrived(self, data: bytes) -> None:
        self._venue.exchange.on_bytes(self._connection, data, self._venue.now())

    def gone(self) -> None:
        self._venue.lost(self._connection)


class SimVenue:
    """One venue and the hand at its desk."""

    def __init__(self, world: "World", name: str, faults: list[FaultConfig]) -> None:
        self.name = name
        self.up = True
        self.forgets: set[str] = set()
        self.sessions = {name: exchange_session(name, GATEWAY)} | {
            copy: exchange_session(name, COPIES) for copy, venue in world.plan.drop_copies.items() if venue == name
        }
        self.new_orders: dict[str, int] = defaultdict(int)
        self._world = world
        self._chance: Random = world.scheduler.stream(f"venue {name}")
        self._lines: list[bytes] = []
        self._ends: list[_VenueEnd] = []
        self._faults = faults
        self._net = NetExecutions()
        self._made: dict[str, tuple[Decimal, Decimal]] = {}
        self._first_names: dict[str, str] = {}
        self._heard: set[str] = set()
        self._start()
        self._tick()
        self._work_the_desk()

    def _start(self) -> None:
        faults = self._faults if self._world.trouble else []
        seed = self._chance.randrange(1 << 30)
        self._ledger = MemoryLedger(self._lines, self._added)
        config = _config(self.name, seed, faults, self._copies())
        self.exchange = Exchange(config, self._ledger)
        handle = self.exchange.venue.handle

        def handled(owner: str, request: Request, refusal: object = None) -> None:
            self._look_at(request)
            handle(owner, request, refusal)  # type: ignore[arg-type]

        self.exchange.venue.handle = handled  # type: ignore[method-assign, assignment]
        for name, session in self.sessions.items():
            self._may_start_over(name, self.exchange.lanes[session].session)

    def _copies(self) -> list[DropCopyConfig]:
        begin_string, plan = BEGIN_STRINGS[self.name], self._world.plan
        reports = "all" if plan.copies_all else "executions"
        copy = DropCopyConfig(client=COPIES, begin_string=begin_string, reports=reports)  # type: ignore[arg-type]
        return [copy] if plan.drop_copy == self.name else []

    def _may_start_over(self, name: str, session: Session) -> None:
        """With `forgets` set, the next Logon is answered with ResetSeqNumFlag(141)=Y that nobody asked for. Only when
        every report has arrived: what is lost with the numbers nobody could ask for again.
        """
        logon = session.logon

        def answered(message: Message, now: Now, **fired: Any) -> None:
            if name in self.forgets and not self._owed(name, session):
                self.forgets.discard(name)
                self._world.scheduler.count("numbers start over")
                fired["lose_numbers"] = True
            logon(message, now, **fired)
            if fired.get("lose_numbers") and session.logged_on:
                self._world.witness.unheard.add(name)

        session.logon = answered  # type: ignore[method-assign]

    def _owed(self, name: str, session: Session) -> bool:
        witness = self._world.witness
        after = 0 if name in witness.unheard else witness.inbound.get(name, 0)
        later = (self.exchange.ledger.sent(session.name, seq) for seq in range(after + 1, session.next_out))
        return any(parsed.msg_type not in ADMIN for raw in later if raw is not None and (parsed := parse(raw)))

    def now(self) -> Now:
        """The venue's own clocks are right."""
        ns = self._world.scheduler.now_ns
        return Now(self._world.start_ns + ns, ns)

    def accept(self, wire: Wire) -> None:
        """A connection comes in."""
        end = _VenueEnd(self, wire)
        wire.ends[1] = end
        self._ends.append(end)

    def lost(self, connection: Connection) -> None:
        """A connection is over, by whichever end."""
        if self.up:
            self.exchange.on_lost(connection, self.now())

    def crash(self) -> None:
        """Killed and, after a while, started again from its ledger. What it was about to say it has numbered by then:
        a venue that forgets executions of its own could be helped by nobody.
        """
        for end in self._ends:
            end.wire.cut()
        self._ends.clear()
        lanes = self.exchange.lanes.values()
        self.exchange.do(lambda: [self.exchange._release(lane) for lane in lanes], self.now())
        self.up = False
        self._world.scheduler.at(self._chance.randrange(3 * S), f"{self.name} starts again", self._again)

    def _again(self) -> None:
        self._start()
        self.up = True

    def calm(self) -> None:
        """No more faults."""
        self.exchange.faults.clear()

    def _tick(self) -> None:
        self._world.scheduler.at(100 * MS + self._chance.randrange(100 * MS), "", self._tick)
        if self.up:
            self.exchange.on_tick(self.now())

    def _look_at(self, request: Request) -> None:
        self._heard.add(getattr(request, "cl_ord_id", ""))
        match request:
            case NewOrder():
                self.new_orders[request.cl_ord_id] += 1
                self._world.witness.new_order_at_venue(self.name, request.cl_ord_id, self.new_orders)
            case StatusRequest() if request.symbol == MANUAL:
                delay = self._chance.randrange(500 * MS)
                self._world.scheduler.at(delay, "", self._desk_says, request.cl_ord_id)
            case _:
                pass

    # --- The hand at the desk ---

    def _desk_says(self, cl_ord_id: str) -> None:
        """Answer a status request that the exchange leaves to the desk."""
        self._do("status", lambda: desk.perform(self.exchange.venue, desk.Action(do="status", cl_ord_id=cl_ord_id)))

    def _do(self, what: str, work: object) -> None:
        if not self.up:
            return
        self._world.scheduler.note(f"{self.name} desk: {what}")
        try:
            self.exchange.do(work, self.now())  # type: ignore[arg-type]
        except RuleBroken as broken:
            self._world.scheduler.note(f"{self.name} desk: not possible, {broken}")

    def _work_the_desk(self) -> None:
        pause = 40 * MS if not self._world.trouble else 250 * MS
        self._world.scheduler.at(self._chance.randrange(pause), "", self._work_the_desk)
        if not self.up:
            return
        todo = [order for order in self.exchange.venue.orders.values() if order.symbol == MANUAL and order.open]
        if todo and (not self._world.trouble or self._chance.random() < 0.7):
            self._answer(self._chance.choice(todo))
        elif self._world.trouble:
            everything = list(self.exchange.venue.orders.values())
            if everything and self._chance.random() < self._world.plan.lies:
                self._lie(self._chance.choice(everything))

    def _answer(self, order: Order) -> None:
        """What an honest desk does next with an order, in one of the orders that FIX allows."""
        chance = self._chance.random()
        if order.pending:
            asked = order.pending[0]
            kind = "cancel" if asked.terms is None else "replace"
            do = f"{kind}_accept" if chance < 0.6 else f"{kind}_reject" if chance < 0.75 else f"pending_{kind}"
            if not self._world.trouble and do.startswith("pending"):
                do = f"{kind}_reject"
            if order.ended is not None:
                do = f"{kind}_reject"
            self._perform(do, order, cl_ord_id=asked.cl_ord_id)
        elif not order.acknowledged:
            do = "new" if chance < 0.6 else "reject" if chance < 0.7 else "pending_new" if chance < 0.8 else "fill"
            if not self._world.trouble:
                do = "new"
            self._perform_fill(order) if do == "fill" else self._perform(do, order)
        elif chance < 0.5 and (self._world.trouble or not self._world.witness.risk.takes_back()):
            self._perform_fill(order)

    def _lie(self, order: Order) -> None:
        """What no client likes to hear: out of turn, late, taken back, or plainly wrong."""
        lies = {
            "late fill": lambda: self._perform_fill(order, beyond=True),
            "bust": lambda: self._perform("bust", order),
            "correct": lambda: self._perform("correct", order, px=str(self._price(order) + Decimal("0.01"))),
            "unsolicited cancel": lambda: self._perform("unsolicited_cancel", order),
            "unsolicited replace": lambda: self._perform(
                "unsolicited_replace", order, qty=str(max(order.order_qty, order.cum_qty) + 1)
            ),
            "restate": lambda: self._perform("restate", order, reason=5),
            "suspend": lambda: self._perform("suspend", order),
            "reinstate": lambda: self._perform("reinstate", order),
            "done for day": lambda: self._perform("done_for_day", order),
            "expire": lambda: self._perform("expire", order),
            "stopped": lambda: self._perform("stopped", order, px=str(self._price(order))),
            "stray status": lambda: self._perform("status", order),
            "CumQty jumps": lambda: self._perform(
                "status", order, tags={"14": str(order.cum_qty + self._chance.randint(1, 50))}
            ),
            "order of the telephone": self._phone,
        }
        name = self._chance.choice(list(lies))
        self._world.scheduler.count(f"venue: {name}")
        lies[name]()

    def _phone(self) -> None:
        session = next(iter(self.exchange.lanes))
        action = desk.Action(do="phone_order", session=session, symbol=MANUAL, side=Side.BUY, qty="10", price="10")
        self._do("phone_order", lambda: desk.perform(self.exchange.venue, action))

    def loses(self, cl_ord_id: str) -> None:
        """It knows nothing of an order from now on; one with a request that it has not answered stays."""
        order = self._named(cl_ord_id)
        if order is not None and order.leaves_qty and not order.pending:
            self._world.scheduler.count("venue: order lost")
            self._perform("forget", order)

    def denies(self, cl_ord_id: str) -> None:
        """It says once that it does not know an order, which works on."""
        order = self._named(cl_ord_id)
        if order is not None:
            self._world.scheduler.count("venue: order denied")
            self._perform("status", order, tags={"39": "8", "103": "5"})

    def has(self, cl_ord_id: str) -> bool:
        """Whether it knows the order that has this ClOrdID(11)."""
        return self._named(cl_ord_id) is not None

    def _named(self, cl_ord_id: str) -> Order | None:
        return next((each for each in self.exchange.venue.orders.values() if cl_ord_id in each.cl_ord_ids), None)

    def _perform(self, do: str, order: Order, **fields: object) -> None:
        action = desk.Action(do=do, order_id=order.order_id, **fields)  # type: ignore[arg-type]
        self._do(f"{do} {order.cl_ord_id}", lambda: desk.perform(self.exchange.venue, action))

    def _perform_fill(self, order: Order, *, beyond: bool = False) -> None:
        most = int(order.leaves_qty) or (10 if beyond else 0)
        if not most:
            return
        qty = most if self._chance.random() < 0.3 else self._chance.randint(1, most)
        self._perform("fill", order, qty=str(qty), px=str(self._price(order)))

    @staticmethod
    def _price(order: Order) -> Decimal:
        return order.terms.price if order.terms.price is not None else Decimal(10)

    # --- The truth ---

    def executed(self) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
        """The standing executions, by the first ClOrdID(11) of their order: ExecID(17) -> (quantity, price)."""
        found: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
        for (order_id, exec_id), line in self._net.standing.items():
            first = self._first_names.get(order_id, "")
            found.setdefault(first, {})[exec_id] = (line.last_qty, line.last_px)
        return found

    def working(self) -> dict[str, tuple[Decimal, Decimal | None]]:
        """What may still trade, by the first ClOrdID(11) of its order: (what is left, the price)."""
        orders = [order for order in self.exchange.venue.orders.values() if order.leaves_qty and order.cl_ord_ids]
        return {order.cl_ord_ids[0]: (order.leaves_qty, order.terms.price) for order in orders}

    def strangers(self) -> set[str]:
        """The OrderIDs(37) of orders that somebody else gave it, and that work."""
        orders = self.exchange.venue.orders.values()
        return {order.order_id for order in orders if order.leaves_qty and not order.cl_ord_ids}

    def fate(self, cl_ord_id: str, kind: str) -> DoubtOutcome | None:
        """What became of a request here; None when it is not decided, or more happened since."""
        if cl_ord_id not in self._heard:
            return DoubtOutcome.UNSENT
        order = self._named(cl_ord_id)
        if order is None:
            return DoubtOutcome.REJECTED
        if not order.acknowledged or cl_ord_id in [pending.cl_ord_id for pending in order.pending]:
            return None
        if kind == "new":
            return DoubtOutcome.ACCEPTED if order.ended is None else None
        done = order.ended is OrdStatus.CANCELED if kind == "cancel" else order.cl_ord_id == cl_ord_id
        if done:
            return DoubtOutcome.ACCEPTED
        return None if order.was_replaced else DoubtOutcome.REJECTED

    def works(self, cl_ord_id: str) -> bool:
        """Whether the order that has this ClOrdID(11) may still trade here."""
        return any(order.leaves_qty for order in self.exchange.venue.orders.values() if cl_ord_id in order.cl_ord_ids)

    def knows_execution(self, exec_id: str) -> tuple[Decimal, Decimal] | None:
        """Quantity and price of an execution, bust or correction that this venue ever made."""
        return self._made.get(exec_id)

    def said(self, name: str, msg_seq_num: int) -> str:
        """The message that it sent on a session under a number, "" when there is none."""
        return self._ledger.said(self.sessions[name], msg_seq_num) or ""

    def _added(self, line: Line, raw: bytes) -> None:
        """The ledger has one line more. Of an execution counts what was written."""
        if isinstance(line, Order):
            if line.cl_ord_ids:
                self._first_names[line.order_id] = line.cl_ord_ids[0]
        elif isinstance(line, Execution):
            written = _executions.decode(raw)
            self._net.add(written)
            self._made[written.exec_id] = (written.last_qty, written.last_px)


def _config(name: str, seed: int, faults: list[FaultConfig], copies: list[DropCopyConfig]) -> Config:
    crowd = CrowdConfig(rate=3.0, spread_ticks=1, levels=3, max_lots=60, take=0.3)
    return Config(
        venue=VenueConfig(name=name, data_dir="", seed=seed),
        session=[SessionConfig(client=GATEWAY, begin_string=BEGIN_STRINGS[name])],
        drop_copy=copies,
        instrument=[
            InstrumentConfig(symbol=AUTO, tick="0.01", lot="1", reference="10.00", crowd=crowd),
            InstrumentConfig(symbol=MANUAL, tick="0.01", lot="1", reference="10.00", mode="manual"),
        ],
        fault=faults,
    )
