"""A trading day as a journal: lives of orders by the real core, from a seed.

Half of the orders are filled in two parts, a quarter are canceled, the others are replaced and then filled; every
twentieth request is refused and every twentieth order stays open for good.
"""

from collections import deque
from collections.abc import Generator, Iterator
from decimal import Decimal
from random import Random

import msgspec

from gateway.core import engine
from gateway.core.commands import CancelOrder, ReplaceOrder, SubmitOrder
from gateway.core.events import Cause, Input, Record
from gateway.core.instruments import Instrument
from gateway.core.order import Order
from gateway.core.reports import ExecutionReport, ProcessStarted, SessionUp, TimerFired
from gateway.core.state import Settings, State
from gateway.core.types import ExecType, OrdStatus, OrdType, Side
from tests.risk import open_risk

START_NS = 1_767_600_000_000_000_000  # 2026-01-05 08:00 UTC
SECOND_NS = 1_000_000_000
TIMER_EVERY = 500
"""Inputs between two turns of the clock, so that orders leave as fast as they end."""
VENUE, TRADE_DATE = "XSIM", "20260105"
CLIENTS = ("alpha", "beta", "gamma")
SYMBOLS = tuple(f"S{number:02}" for number in range(20))

INSTRUMENTS = {
    symbol: Instrument(symbol, {VENUE: symbol}, VENUE, tick_size=Decimal("0.01"), lot_size=Decimal(1), currency="EUR")
    for symbol in SYMBOLS
}
SETTINGS = Settings(
    instruments=INSTRUMENTS,
    venues=(VENUE,),
    risk=open_risk(INSTRUMENTS, (VENUE,)),
    ack_timeout_ns={VENUE: 5 * SECOND_NS},
    retire_after_ns=60 * SECOND_NS,
)

Said = tuple[object, Cause]
Life = Generator[Said, None, None]


class Lives:
    """Some orders at a time live side by side; `batches` gives what a sequencer would commit."""

    def __init__(self, seed: int, settings: Settings = SETTINGS, *, at_once: int = 200, batch: int = 25) -> None:
        self.state, self.settings = State(), settings
        self._random = Random(seed)
        self._at_once, self._batch = at_once, batch
        self._now_ns = START_NS
        self._msg_seq_num = self._exec_no = self._number = self._given = 0
        self._lives: deque[Life] = deque()

    def batches(self, events: int) -> Iterator[list[Record]]:
        """Batches of records until there are so many events."""
        start = [*self._give(ProcessStarted("1"), Cause("process"))]
        yield start + self._give(SessionUp(VENUE), Cause("venue", VENUE))
        while self.state.seq < events:
            records: list[Record] = []
            for _ in range(self._batch):
                records += self._next()
            if records:
                yield records

    def over(self) -> State:
        """What is left when all lives are over, what stayed open is canceled, and every order has left memory."""
        self._at_once = 0
        while self._lives:
            self._next()
        for order_id, order in list(self.state.orders.items()):
            if order_id not in self.state.ended:
                self._give(*self._cancel(order))
                self._give(*self._canceled(order))
        while self.state.orders:
            self._give(TimerFired(), Cause("timer"))
        return self.state

    def _next(self) -> list[Record]:
        self._given += 1
        if self._given % TIMER_EVERY == 0:
            return self._give(TimerFired(), Cause("timer"))
        while len(self._lives) < self._at_once:
            self._lives.append(self._life())
        self._lives.rotate(-self._random.randrange(8))
        life = self._lives[0]
        said = next(life, None)
        if said is None:
            self._lives.popleft()
            return []
        return self._give(*said)

    def _give(self, body: object, cause: Cause) -> list[Record]:
        self._now_ns += SECOND_NS // 1_000
        return engine.execute(self.state, self.settings, Input(self._now_ns, cause, body))

    # --- Lives ---

    def _life(self) -> Life:
        self._number += 1
        random, name, client = self._random, f"order-{self._number:08}", self._random.choice(CLIENTS)
        asked = Cause("client", client)
        kind = random.randrange(20)
        yield self._new_order(client, name, "0.005" if kind == 19 else "0.01"), asked
        order = self.state.find_order(client, name)
        if order is None:
            return
        yield self._report(order, ExecType.NEW)
        if kind < 10:
            yield self._fill(order, 40)
            yield self._fill(order, 60)
        elif kind < 15:
            yield self._cancel(order)
            yield self._canceled(order)
        elif kind < 18:
            yield ReplaceOrder(client, f"{name}-r", name, order_qty=Decimal(80)), asked
            yield self._report(order, ExecType.REPLACED, cl_ord_id=next(iter(order.unanswered)))
            yield self._fill(order, 80)

    def _new_order(self, client: str, name: str, tick: str) -> SubmitOrder:
        random = self._random
        price = Decimal(random.randint(900, 1_100)) / 100 + Decimal(tick)
        return SubmitOrder(
            client,
            name,
            random.choice(SYMBOLS),
            random.choice((Side.BUY, Side.SELL)),
            Decimal(100),
            OrdType.LIMIT,
            price=price,
            account="A1",
            strategy=f"T{random.randrange(4)}",
        )

    def _cancel(self, order: Order) -> Said:
        client, name = order.command.client_id, order.command.cl_ord_id
        return CancelOrder(client, f"{name}-c", name), Cause("client", client)

    def _canceled(self, order: Order) -> Said:
        return self._report(order, ExecType.CANCELED, cl_ord_id=next(iter(order.unanswered)))

    def _report(self, order: Order, exec_type: ExecType, **fields: object) -> Said:
        self._exec_no += 1
        self._msg_seq_num += 1
        report = ExecutionReport(
            VENUE,
            exec_type,
            OrdStatus.NEW,
            exec_id=f"E{self._exec_no:09}",
            cl_ord_id=order.venue_cl_ord_id,
            venue_order_id=order.venue_order_id or f"V{order.order_id}",
            trade_date=TRADE_DATE,
            transact_time_ns=self._now_ns,
        )
        return msgspec.structs.replace(report, **fields), Cause("venue", VENUE, self._msg_seq_num)

    def _fill(self, order: Order, last_qty: int) -> Said:
        qty = Decimal(last_qty)
        px = order.terms.price
        return self._report(order, ExecType.TRADE, last_qty=qty, last_px=px, cum_qty=order.cum_qty + qty)
