"""One gateway's core with a client and a venue talking to it, for tests that say what happens and look."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

import msgspec

from gateway.core import engine, reconciliation
from gateway.core.commands import Command, SubmitOrder
from gateway.core.engine import Answer
from gateway.core.events import Cause, Event, Input, OrderRouted, Record
from gateway.core.instruments import Instrument
from gateway.core.invariants import check_state
from gateway.core.items import find
from gateway.core.order import Order, view
from gateway.core.reports import ExecutionReport, ProcessStarted, SessionUp
from gateway.core.risk import stops
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, ItemKind, OrdStatus, OrdType, Side
from tests.risk import open_risk

E = TypeVar("E")

START_NS = 1_767_600_000_000_000_000  # 2026-01-05 08:00 UTC, a Monday.
SECOND_NS = 1_000_000_000
PROCESS = Cause("process")
CLIENT, VENUE, OTHER_VENUE, SYMBOL = "desk", "XSIM", "YSIM", "ACME"


def instrument(symbol: str = SYMBOL, **changes: object) -> Instrument:
    made = Instrument(
        symbol,
        {VENUE: symbol, OTHER_VENUE: symbol + ".Y"},
        VENUE,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        currency="EUR",
    )
    return msgspec.structs.replace(made, **changes)


INSTRUMENTS = {
    SYMBOL: instrument(),
    "FUT": instrument("FUT", multiplier=Decimal(10), tick_size=Decimal("0.25")),
}
SETTINGS = Settings(
    instruments=INSTRUMENTS,
    venues=(VENUE, OTHER_VENUE),
    ack_timeout_ns={VENUE: 5 * SECOND_NS},
    risk=open_risk(INSTRUMENTS, (VENUE, OTHER_VENUE)),
)


def order(cl_ord_id: str = "1", order_qty: int | str = 100, **changes: object) -> SubmitOrder:
    """A limit order to buy at 10."""
    made = SubmitOrder(
        CLIENT, cl_ord_id, SYMBOL, Side.BUY, Decimal(order_qty), OrdType.LIMIT, price=Decimal(10), account="A1"
    )
    return msgspec.structs.replace(made, **changes)


@dataclass
class World:
    """A core, everything it committed, and the clock."""

    settings: Settings = SETTINGS
    state: State = field(default_factory=State)
    records: list[Record] = field(default_factory=list)
    now_ns: int = START_NS
    _msg_seq_num: int = 0
    _exec_no: int = 0

    @classmethod
    def started(cls, settings: Settings = SETTINGS) -> "World":
        """A gateway whose sessions are up."""
        world = cls(settings)
        world.tell(ProcessStarted("1"))
        for venue in settings.venues:
            world.tell(SessionUp(venue), Cause("venue", venue))
        return world

    def give(self, body: object, cause: Cause) -> list[Record]:
        """Execute one input and check everything that must hold."""
        self.now_ns += 1_000_000
        given = Input(self.now_ns, cause, body)
        records = engine.execute(self.state, self.settings, given)
        self.records.extend(records)
        check_state(self.state)
        self._check_disputes()
        self._check_short_ways(given, records)
        return records

    def _check_short_ways(self, given: Input, records: list[Record]) -> None:
        """What `engine.execute` spares itself would have come to nothing, or to the same."""
        state, all_of_them = self.state, tuple(records)
        if not reconciliation.may_follow(state, self.settings, given.body, records):
            assert not list(reconciliation.follow(state, self.settings, given, all_of_them))
        if not (state.risk.setup.breakers or state.risk.watched):
            assert not list(stops.follow(state, self.settings, all_of_them, given.at_ns))
        if records and isinstance(routed := records[-1].event, OrderRouted):
            assert records[-1].order == view(state.orders[routed.order_id], routed.venue_cl_ord_id)

    def _check_disputes(self) -> None:
        """Where orders are compared, each disputed quantity has its item."""
        for order_id in self.state.disputed:
            venue = self.state.orders[order_id].venue
            compared = self.state.session(venue).reconciled or venue in self.state.runs
            if venue in self.settings.reconcile and compared and not find(self.state, ItemKind.TOO_MANY, venue):
                assert find(self.state, ItemKind.QUANTITY, venue, order_id), f"{order_id} is disputed, without an item"

    def tell(self, fact: object, cause: Cause = PROCESS) -> list[Event]:
        """A fact that no venue's message carries."""
        return [record.event for record in self.give(fact, cause)]

    def ask(self, command: Command) -> Answer:
        """A command, as its sender sees it."""
        return engine.answer(self.state, command, self.give(command, Cause("client", CLIENT)))

    def hear(self, report: object) -> list[Event]:
        """A venue's message."""
        self._msg_seq_num += 1
        return self.tell(report, Cause("venue", report.venue, self._msg_seq_num))

    def submit(self, cl_ord_id: str = "1", order_qty: int | str = 100, **changes: object) -> Order:
        """An order that the gateway takes."""
        answer = self.ask(order(cl_ord_id, order_qty, **changes))
        assert answer.reason is None, answer
        return self.state.orders[answer.order_id]

    def report(self, of: Order, exec_type: ExecType, **fields: object) -> list[Event]:
        """An ExecutionReport of an order; what is not said is filled in plausibly."""
        self._exec_no += 1
        said = {
            "exec_id": f"E{self._exec_no}",
            "cl_ord_id": of.venue_cl_ord_id,
            "trade_date": "20260105",
            "ord_status": OrdStatus.NEW,
        } | fields
        return self.hear(ExecutionReport(of.venue, exec_type, **said))

    def acknowledge(self, of: Order) -> list[Event]:
        return self.report(of, ExecType.NEW)

    def fill(self, of: Order, last_qty: int | str, last_px: int | str = 10, **fields: object) -> list[Event]:
        return self.report(of, ExecType.TRADE, last_qty=Decimal(last_qty), last_px=Decimal(last_px), **fields)

    def events(self, kind: type[E]) -> list[E]:
        return [record.event for record in self.records if isinstance(record.event, kind)]

    def recovered(self) -> State:
        """What a new process makes of the journal's bytes."""
        state = State()
        for record in msgspec.msgpack.decode(msgspec.msgpack.encode(self.records), type=list[Record]):
            engine.replay(state, record)
        check_state(state)
        return state


def restarted(world: World) -> World:
    """The same gateway after its process ended and another took over."""
    after = World(world.settings, world.recovered(), list(world.records), world.now_ns)
    after._msg_seq_num, after._exec_no = world._msg_seq_num, world._exec_no
    after.tell(ProcessStarted("2"))
    return after
