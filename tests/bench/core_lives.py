"""How many complete lives of orders the core alone does in a second, on one core: `python -m tests.bench.core_lives`.

A life is a request, the venue's acknowledgement and one fill: three inputs and four events, each decided, applied and
checked as in production. Journal, network and FIX are not in it.
"""

import argparse
import gc
import time
from decimal import Decimal

from gateway.core import engine
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, Input, OrderRouted, Record
from gateway.core.reports import ExecutionReport, ProcessStarted, SessionUp
from gateway.core.state import State
from gateway.core.types import ExecType, OrdStatus, OrdType, Side
from tests.bench.lives import SETTINGS, START_NS, SYMBOLS, TRADE_DATE, VENUE

CLIENT = "alpha"
_QTY, _PX = Decimal(100), Decimal("10.12")


def lived(lives: int) -> tuple[State, float]:
    """The state after so many lives, one after the other, and the seconds of the processor that they took."""
    state = State()
    _give(state, ProcessStarted("1"), Cause("process"))
    _give(state, SessionUp(VENUE), Cause("venue", VENUE))
    began = time.process_time()
    for number in range(lives):
        _live(state, number)
    return state, time.process_time() - began


def _live(state: State, number: int) -> None:
    side = Side.BUY if number % 2 else Side.SELL
    command = SubmitOrder(
        CLIENT, f"order-{number}", SYMBOLS[number % 20], side, _QTY, OrdType.LIMIT, price=_PX, account="A1"
    )
    routed = _give(state, command, Cause("client", CLIENT))[-1].event
    if not isinstance(routed, OrderRouted):
        raise SystemExit(f"the order was not sent: {routed}")
    key, name = routed.venue_cl_ord_id, f"V{number}"
    acknowledged = ExecutionReport(
        VENUE, ExecType.NEW, OrdStatus.NEW, f"A{number}", cl_ord_id=key, venue_order_id=name, trade_date=TRADE_DATE
    )
    _give(state, acknowledged, Cause("venue", VENUE, 2 * number + 1))
    filled = ExecutionReport(
        VENUE,
        ExecType.TRADE,
        OrdStatus.FILLED,
        f"F{number}",
        cl_ord_id=key,
        venue_order_id=name,
        trade_date=TRADE_DATE,
        last_qty=_QTY,
        last_px=_PX,
        cum_qty=_QTY,
    )
    _give(state, filled, Cause("venue", VENUE, 2 * number + 2))


def _give(state: State, body: object, cause: Cause) -> list[Record]:
    return engine.execute(state, SETTINGS, Input(START_NS + state.seq, cause, body))


def main() -> None:
    """Measure some times, and say each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    gc.disable()
    for _ in range(given.times):
        print(f"{given.lives / lived(given.lives)[1]:,.0f} lives per second of the processor")


if __name__ == "__main__":
    main()
