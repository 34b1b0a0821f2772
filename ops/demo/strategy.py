"""The demo's strategy: a program of its own that trades through the Python client and writes down what it was told.

python -m ops.demo.strategy ADDRESS OUTPUT

Until SIGTERM it sends orders of all kinds; then it cancels what still works, waits until nothing is open, and writes
its view of everything as JSON to OUTPUT.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from gateway.client import (
    EventType,
    GatewayClient,
    GatewayError,
    OrderHandle,
    OrdType,
    Refused,
    Side,
    TimeInForce,
    Unknown,
)
from ops.demo.compare import ClientView, Fill

CLIENT_ID = "demo"
ORDERS_PER_S = 30
MOST_AT_ONCE = 64
QUIET_S = 30.0

# Symbol, venue, price around which to quote, tick, lot.
MARKETS = (
    ("ACME", "XSIM", Decimal("100.00"), Decimal("0.01"), 1),
    ("ACME", "YSIM", Decimal("100.00"), Decimal("0.01"), 1),
    ("GLOBEX", "YSIM", Decimal("250.00"), Decimal("0.05"), 10),
    ("INITECH", "XSIM", Decimal("40.00"), Decimal("0.01"), 1),
)


async def steadily(
    work: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event, per_s: float, most_at_once: int
) -> None:
    """Begin the same work again and again at this rate, so many at once at most; then wait for what is under way."""
    places = asyncio.Semaphore(most_at_once)

    async def one() -> None:
        try:
            await work()
        finally:
            places.release()

    async with asyncio.TaskGroup() as under_way:
        while not stop.is_set():
            await places.acquire()
            under_way.create_task(one())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1 / per_s)


class Strategy:
    """Sends orders at a steady rate, each with a small life of its own."""

    def __init__(self, gateway: GatewayClient, random: Random) -> None:
        self.view = ClientView()
        self.told: dict[str, Decimal] = {}
        self._gateway = gateway
        self._random = random
        self._sent_at: dict[str, float] = {}
        self._last_seq = 0

    async def listen(self) -> None:
        """Follow everything that ever happened to this client's orders."""
        async for event in self._gateway.events(from_seq=1):
            self.view.repeated_events += event.seq <= self._last_seq
            self._last_seq = event.seq
            if event.type in (EventType.ORDER_ACKNOWLEDGED, EventType.ORDER_REJECTED) and event.order is not None:
                self._note_latency(event.order.cl_ord_id)
            elif event.type is EventType.ORDER_FILLED and event.order is not None:
                qty, px = event.last_qty or Decimal(0), event.last_px or Decimal(0)
                self.view.fills.append(Fill(event.order.venue, event.exec_id, qty, px))
            if event.order is not None:
                self.told[event.order.order_id] = event.order.cum_qty

    def _note_latency(self, cl_ord_id: str) -> None:
        started = self._sent_at.pop(cl_ord_id, None)
        if started is not None:
            self.view.latencies_us.append(int((time.perf_counter() - started) * 1_000_000))

    async def trade(self, stop: asyncio.Event) -> None:
        """One order after the other until told to stop; then wait for those under way."""
        await steadily(self._one_order, stop, ORDERS_PER_S, MOST_AT_ONCE)

    async def _one_order(self) -> None:
        try:
            handle = await self._submit(self._gateway.new_cl_ord_id())
            if handle is not None:
                self.view.orders[handle.cl_ord_id] = handle.order.order_id
                await self._tend(handle)
        except Refused:
            self.view.refused += 1
        except (GatewayError, TimeoutError):
            pass  # A cancel or replace that was not answered in time; the sweep at the end takes what is left.

    async def _submit(self, key: str) -> OrderHandle | None:
        """Send the same key until its fate is known: the gateway does it once, however often it is asked."""
        symbol, venue, middle, tick, lot = self._random.choice(MARKETS)
        side = self._random.choice((Side.BUY, Side.SELL))
        ticks = self._random.randint(-6, 4) * side.sign
        tif = self._random.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IOC))
        order_qty, price = lot * self._random.randint(1, 60), middle + ticks * tick
        strategy = self._random.choice(("maker", "taker"))
        self._sent_at[key] = time.perf_counter()
        while True:
            try:
                return await self._gateway.submit(
                    cl_ord_id=key,
                    symbol=symbol,
                    venue=venue,
                    side=side,
                    order_qty=order_qty,
                    ord_type=OrdType.LIMIT,
                    price=price,
                    time_in_force=tif,
                    strategy=strategy,
                )
            except Unknown:
                continue
            except Refused:
                self._sent_at.pop(key, None)
                self.view.refused += 1
                return None

    async def _tend(self, handle: OrderHandle) -> None:
        """Leave it, move it, cancel it."""
        await asyncio.sleep(self._random.uniform(0.1, 2.0))
        if handle.order.is_done:
            return
        if self._random.random() < 0.3:
            better = (handle.order.price or Decimal(0)) + handle.order.side.sign * Decimal("0.05")
            reply = await handle.replace(price=better)
            await handle.settled(reply, timeout_s=5)
        working = not handle.order.is_done
        if working and self._random.random() < 0.7:
            await handle.cancel()

    async def wind_down(self) -> None:
        """Cancel what works until nothing does, and listen until everything about it was told."""
        deadline = time.monotonic() + QUIET_S
        while time.monotonic() < deadline:
            open_orders = [order async for order in self._gateway.list_orders()]
            if all(order.is_done for order in open_orders):
                break
            with contextlib.suppress(GatewayError):
                await self._gateway.mass_cancel()
            await asyncio.sleep(0.5)


async def main(address: str, output: Path) -> None:
    """Trade until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with GatewayClient(address, client_id=CLIENT_ID) as gateway:
        strategy = Strategy(gateway, Random(1))  # noqa: S311  # A repeatable demo; nothing here is secret.
        listening = asyncio.create_task(strategy.listen())
        print('{"ready": true}', flush=True)
        await strategy.trade(stop)
        await strategy.wind_down()
        await caught_up(gateway, strategy)
        listening.cancel()
    await asyncio.to_thread(output.write_bytes, msgspec.json.encode(strategy.view))


async def caught_up(gateway: GatewayClient, strategy: Strategy) -> None:
    """Wait until the stream has told every execution that the orders have."""
    deadline = time.monotonic() + QUIET_S
    while time.monotonic() < deadline:
        if not [order async for order in gateway.list_orders() if order.cum_qty > strategy.told.get(order.order_id, 0)]:
            return
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
