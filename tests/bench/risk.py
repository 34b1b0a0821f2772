"""How long all risk checks of one order take, and what risk costs each event of a replay.

    make bench-risk                        # 100 to 100,000 open orders
    python -m tests.bench.risk --open 1000

A firm with a desk in a desk, 20 accounts with 10 strategies each, clients, instruments, asset classes and venues; each
of them has limits. The open orders stay as many as they are: each order that is taken lets the oldest end. What is
measured is `check_submit` with self-match prevention, and by itself `exposure.settle` of the two orders before it: the
sequencer does that when it has released what they made, and no order waits for it.
"""

import argparse
import gc
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from statistics import median
from timeit import repeat
from unittest import mock

from gateway.core import engine, intake
from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, Event
from gateway.core.instruments import Instrument
from gateway.core.risk import checks, exposure, quick, self_match
from gateway.core.risk import events as re
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import Limit, RiskClient, RiskInstrument, RiskSetup, RiskVenue, Scenario
from gateway.core.state import Settings, State
from gateway.core.types import OrdType, Side

SIZES = (100, 1_000, 10_000, 100_000)
ACCOUNTS, STRATEGIES, CLIENTS, INSTRUMENTS = 20, 10, 10, 50
CLASSES, VENUES = ("equity", "future", "bond"), ("XSIM", "YSIM")
CAUSE = Cause("client", "bench")
START_NS = 1_767_600_000_000_000_000
AMPLE = Decimal(10) ** 15


ORDER = (Control.MAX_ORDER_QTY, Control.MAX_ORDER_VALUE, Control.PRICE_COLLAR_PCT, Control.PRICE_COLLAR_TICKS)
SUMS = (Control.MAX_GROSS_NOTIONAL, Control.MAX_NET_NOTIONAL, Control.MAX_MARGIN)
PROFIT = (Control.MAX_LOSS, Control.MAX_DRAWDOWN)
PACE = (Control.MESSAGE_RATE, Control.ORDER_TO_TRADE)
COUNTS = (Control.MAX_OPEN_ORDERS, Control.MAX_INSTRUMENTS, Control.MAX_VENUES)
AS_ASKED_FOR = {
    "desk:*": (*SUMS, *PROFIT),
    "account:*": (*SUMS, *PROFIT, Control.MAX_POSITION_QTY, Control.MAX_ORDER_VALUE),
    "strategy:*": (Control.MAX_GROSS_NOTIONAL, Control.MAX_POSITION_QTY, *PROFIT, *PACE, *COUNTS, *ORDER),
    "client:*": (Control.MAX_GROSS_NOTIONAL, Control.MAX_NET_NOTIONAL, *PACE, Control.MAX_OPEN_ORDERS),
    "instrument:*": (Control.MAX_POSITION_QTY, *ORDER, Control.MAX_MARK_AGE_S),
    "asset_class:*": (Control.MAX_GROSS_NOTIONAL,),
    "venue:*": PACE,
}
"""At which levels the rules of the trade ask for which control; the firm has a limit of each that is not named here."""


def limits(*, everywhere: bool) -> dict[str, dict[Control, Limit]]:
    """Limits that nothing reaches: with every control at every level, or as the rules ask for them."""
    one = {control: Limit(AMPLE) for control in SPECS}
    one[Control.MESSAGE_RATE] = Limit(Decimal(1_000_000), per_s=1)
    one[Control.DUPLICATE_WINDOW_S] = Limit(Decimal(1))
    one[Control.MAX_CONCENTRATION_PCT] = Limit(Decimal(60), after=Decimal(1_000_000))
    if everywhere:
        apart = (Control.MAX_CONCENTRATION_PCT, Control.DUPLICATE_WINDOW_S)
        level = {control: limit for control, limit in one.items() if control not in apart}
        return {"firm": one, **dict.fromkeys(AS_ASKED_FOR, level)}
    firm = {
        control: limit for control, limit in one.items() if control not in (*PACE, *COUNTS, Control.MAX_POSITION_QTY)
    }
    return {"firm": firm, **{scope: {each: one[each] for each in asked} for scope, asked in AS_ASKED_FOR.items()}}


def setup(*, everywhere: bool = False) -> RiskSetup:
    """A firm of which every part has limits."""
    names = [f"I{number}" for number in range(INSTRUMENTS)]
    return RiskSetup(
        currency="EUR",
        rates={"USD": Decimal("0.9")},
        desks={"europe": "", "cash": "europe"},
        accounts={f"A{number}": "cash" for number in range(ACCOUNTS)},
        clients={"*": RiskClient(("*",))},
        instruments={
            name: RiskInstrument(
                CLASSES[place % len(CLASSES)],
                ("EUR", "USD")[place % 2],
                tick_size=Decimal("0.01"),
                reference_px=Decimal("100.25"),
                margin_pct=Decimal(20),
                volatility_pct=Decimal("1.5"),
            )
            for place, name in enumerate(names)
        },
        venues={venue: RiskVenue() for venue in VENUES},
        limits=limits(everywhere=everywhere),
        scenarios=(Scenario("fall", dict.fromkeys(CLASSES, Decimal(-10))), Scenario("rates", {"bond": Decimal(5)})),
        correlations={"equity/bond": Decimal("0.2"), "equity/future": Decimal("0.8")},
        self_match="refuse",
    )


def orders() -> Iterator[SubmitOrder]:
    """Orders of all strategies in turn, each of another quantity or price than the one before of its kind."""
    for number, side in enumerate(cycle([Side.BUY, Side.BUY, Side.SELL]), start=1):
        yield SubmitOrder(
            f"C{number % CLIENTS}",
            f"{number}",
            f"I{number % INSTRUMENTS}",
            side,
            Decimal(100 + number % 900),
            OrdType.LIMIT,
            price=Decimal((10_000 if side is Side.BUY else 10_051) + number % 51) / 100,
            account=f"A{number % ACCOUNTS}",
            strategy=f"S{number // ACCOUNTS % STRATEGIES}",
        )


@dataclass
class Bench:
    """A core with open orders, and those that end next."""

    state: State
    at_ns: int = START_NS

    def apply(self, *events: Event) -> None:
        """Change the state as the sequencer would."""
        for event in events:
            engine.apply(self.state, event, self.at_ns, CAUSE)

    def take(self, command: SubmitOrder) -> tuple[int, int]:
        """Check an order and take it; how long the checks took in nanoseconds, and how long bringing the totals up to
        date with the orders before it.
        """
        self.at_ns += 1_000_000
        terms, venue = intake.submitted_terms(command), VENUES[len(command.cl_ord_id) % 2]
        began = time.perf_counter_ns()
        exposure.settle(self.state)
        settled = time.perf_counter_ns()
        asked = checks.check_submit(self.state, command, terms, venue, self.at_ns)
        self_match.clear(asked, SETTINGS)
        checked = time.perf_counter_ns()
        self.apply(*taken(self.state, command, venue))
        return checked - settled, settled - began

    def end(self, order_id: str) -> None:
        """Every other order is filled, the others are canceled."""
        qty, px = self.state.orders[order_id].command.order_qty, Decimal("100.5")
        filled = int(order_id[1:]) % 2
        self.apply(ev.OrderFilled(order_id, "E", last_qty=qty, last_px=px) if filled else ev.OrderCanceled(order_id))


def taken(state: State, command: SubmitOrder, venue: str) -> list[Event]:
    """The events of an order that is taken."""
    order_id, known = f"O{state.last_order_no + 1}", INSTRUMENT[command.symbol]
    return [
        ev.OrderSubmitted(order_id, command, venue, known.multiplier, known.currency, command.symbol),
        ev.OrderRouted(order_id, venue, f"R{state.last_request_no + 1}"),
    ]


INSTRUMENT = {
    name: Instrument(name, dict.fromkeys(VENUES, name), VENUES[0], Decimal("0.01"), Decimal(1), currency)
    for name, currency in zip([f"I{number}" for number in range(INSTRUMENTS)], cycle(["EUR", "USD"]), strict=False)
}
SETTINGS = Settings(INSTRUMENT, VENUES)


def measure(open_orders: int, samples: int, *, everywhere: bool = False) -> list[tuple[int, int]]:
    """The time of each check with this many open orders."""
    bench, source = Bench(State()), orders()
    bench.apply(re.RiskConfigured(setup(everywhere=everywhere)))
    bench.apply(re.MarksSet(tuple([re.Mark(symbol, Decimal("100.5")) for symbol in INSTRUMENT])))
    for _ in range(open_orders):
        bench.take(next(source))
    gc.collect()
    gc.disable()
    took = []
    oldest = iter(list(bench.state.orders))
    for number in range(samples):
        took.append(bench.take(next(source)))
        bench.end(next(oldest, None) or f"O{number + 1}")
    gc.enable()
    return took


def replay_us(events: int, *, with_risk: bool) -> float:
    """Processor time for each event of a replay, in microseconds: new, routed, acknowledged, two fills."""
    source, made = orders(), State()
    journal: list[Event] = [re.RiskConfigured(setup())] if with_risk else []
    while len(journal) < events:
        command = next(source)
        new = taken(made, command, "XSIM")
        order_id, half = new[0].order_id, command.order_qty / 2  # type: ignore[union-attr]
        fills = [
            ev.OrderFilled(order_id, f"E{len(journal)}.{each}", last_qty=half, last_px=command.price or Decimal(1))
            for each in range(2)
        ]
        more = [*new, ev.OrderAcknowledged(order_id, f"A{len(journal)}"), *fills]
        for event in more:
            engine.advance(made, event, START_NS, CAUSE)
        journal.extend(more)
    state = State()
    gc.collect()
    gc.disable()
    began = time.process_time()
    for number, event in enumerate(journal):
        engine.advance(state, event, START_NS + number * 1_000, CAUSE)
    took = time.process_time() - began
    gc.enable()
    return took / len(journal) * 1e6


def said(took: list[tuple[int, int]]) -> str:
    """What people read."""
    checked, settled = (sorted(times) for times in zip(*took, strict=True))
    p50, p99 = (checked[len(checked) * percent // 100] / 1_000 for percent in (50, 99))
    return f"checks p50 {p50:5.1f} us, p99 {p99:6.1f} us; totals of two orders p50 {median(settled) / 1_000:.1f} us"


def addition_ns() -> int:
    """How fast the machine is now, beside all else that it does: 40 on the test machine when it does nothing else."""
    took = repeat("a + b", "a, b = Decimal('1234567.25'), Decimal('234.5')", number=100_000, globals=globals())
    return round(sorted(took)[2] * 1e4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", default=",".join(str(size) for size in SIZES), help="open orders, comma-separated")
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=50_000, help="of the replay")
    given = parser.parse_args()
    now = datetime.now(UTC)
    print(
        f"{now:%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f};"
        f" {ACCOUNTS * STRATEGIES} strategies, {len(SPECS)} controls; adding two decimals takes {addition_ns()} ns"
    )
    sizes = [int(text) for text in given.open.split(",")]
    for size in sizes:
        print(f"{size:>8,} open orders: {said(measure(size, given.samples))}")
    print(f"every control at every level: {said(measure(sizes[0], given.samples, everywhere=True))}")
    with mock.patch.object(quick, "passes", return_value=False):
        print(f"control by control: {said(measure(sizes[0], given.samples))}")
    bare, full = replay_us(given.events, with_risk=False), replay_us(given.events, with_risk=True)
    print(f"replay: {bare:.1f} us for each event without risk, {full:.1f} us with it")


if __name__ == "__main__":
    main()
