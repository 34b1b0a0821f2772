"""Lives of orders in nautilus_trader's core: what `tests/bench/core_lives.py` does, with its risk and execution engine.

Run by a Python that has nautilus_trader, and needs nothing else: `core_peers.py` starts it. A strategy submits a limit
order, the risk engine checks it (price, quantity, notional per order, rate), the execution engine gives it to a client
that only keeps it; then the venue's acceptance and one fill come through that client, and change order, account and
position. Each line on its standard input is a number of lives and is answered by the seconds of the processor that they
took; its first line says its version.
"""

import gc
import sys
import time
from typing import Any

import nautilus_trader
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import ExecEngineConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.client import ExecutionClient
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.model.currencies import EUR
from nautilus_trader.model.enums import AccountType, LiquiditySide, OmsType, OrderSide, OrderStatus, OrderType
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    InstrumentId,
    Symbol,
    TradeId,
    TraderId,
    Venue,
    VenueOrderId,
)
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.risk.engine import RiskEngine
from nautilus_trader.trading.strategy import Strategy

TRADER, VENUE, CLIENT, ACCOUNT = TraderId("BENCH-001"), Venue("XSIM"), ClientId("XSIM"), AccountId("XSIM-A1")
QTY, PX, COMMISSION = Quantity.from_int(100), Price.from_str("10.12"), Money(0, EUR)
AMPLE = 10**9


class StubClient(ExecutionClient):
    """Takes what the engine sends to the venue."""

    taken = 0

    def submit_order(self, command: Any) -> None:
        """Keep it; the venue's answers come later."""
        self.taken += 1


def instruments() -> list[Equity]:
    """Twenty, as the gateway's core has."""
    return [
        Equity(
            instrument_id=InstrumentId(Symbol(f"S{number:02}"), VENUE),
            raw_symbol=Symbol(f"S{number:02}"),
            currency=EUR,
            price_precision=2,
            price_increment=Price.from_str("0.01"),
            lot_size=Quantity.from_int(1),
            ts_event=0,
            ts_init=0,
        )
        for number in range(20)
    ]


class Core:
    """The engines, a portfolio and one strategy."""

    def __init__(self) -> None:
        self.clock, self.cache, self.instruments = LiveClock(), Cache(), instruments()
        bus = MessageBus(TRADER, self.clock)
        portfolio = Portfolio(bus, self.cache, self.clock)
        self.engine = ExecutionEngine(bus, self.cache, self.clock, ExecEngineConfig())
        notional = {str(each.id): AMPLE for each in self.instruments}
        limits = RiskEngineConfig(max_order_submit_rate="1000000/00:00:01", max_notional_per_order=notional)
        self.risk = RiskEngine(portfolio, bus, self.cache, self.clock, limits)
        self.client = StubClient(
            client_id=CLIENT,
            venue=VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=EUR,
            msgbus=bus,
            cache=self.cache,
            clock=self.clock,
        )
        self.client._set_account_id(ACCOUNT)
        self.engine.register_client(self.client)
        for each in self.instruments:
            self.cache.add_instrument(each)
        portfolio.update_account(account_state())
        self.strategy = Strategy(StrategyConfig(strategy_id="bench", log_events=False, log_commands=False))
        self.strategy.register(TRADER, portfolio, bus, self.cache, self.clock)
        for component in (self.engine, self.risk, self.strategy):
            component.start()

    def live(self, number: int) -> None:
        """Sent, accepted, filled; instruments and sides as in the gateway's. That is kind to both: positions that open
        and close again cost nautilus_trader twice as much.
        """
        side = OrderSide.BUY if number % 2 else OrderSide.SELL
        order = self.strategy.order_factory.limit(
            self.instruments[number % 20].id, side, QTY, PX, client_order_id=ClientOrderId(f"order-{number}")
        )
        self.strategy.submit_order(order)
        ids = order.strategy_id, order.instrument_id, order.client_order_id
        venue_id, now_ns = VenueOrderId(f"V{number}"), self.clock.timestamp_ns()
        self.client.generate_order_submitted(*ids, now_ns)
        self.client.generate_order_accepted(*ids, venue_id, now_ns)
        self.client.generate_order_filled(
            *ids,
            venue_id,
            None,
            TradeId(f"F{number}"),
            side,
            OrderType.LIMIT,
            QTY,
            PX,
            EUR,
            COMMISSION,
            LiquiditySide.MAKER,
            now_ns,
        )


def account_state() -> AccountState:
    """An account that can pay for everything."""
    return AccountState(
        account_id=ACCOUNT,
        account_type=AccountType.MARGIN,
        base_currency=EUR,
        reported=True,
        balances=[AccountBalance(Money(AMPLE, EUR), Money(0, EUR), Money(AMPLE, EUR))],
        margins=[],
        info={},
        event_id=UUID4(),
        ts_event=0,
        ts_init=0,
    )


def lived(lives: int) -> float:
    """The seconds of the processor that so many lives took."""
    core = Core()
    gc.collect()
    began = time.process_time()
    for number in range(lives):
        core.live(number)
    took = time.process_time() - began
    filled = sum(order.status == OrderStatus.FILLED for order in core.cache.orders())
    if core.client.taken != lives or filled != lives:
        sys.exit(f"of {lives} orders {core.client.taken} were sent and {filled} filled")
    return took


def main() -> None:
    """Answer each line."""
    gc.disable()
    print(nautilus_trader.__version__, flush=True)
    for line in sys.stdin:
        print(lived(int(line)), flush=True)


if __name__ == "__main__":
    main()
