"""The load of the campaign: strategies that submit, replace, cancel and repeat themselves, whatever happens to the
gateway, and that keep their own account of what they were told.
"""

import asyncio
import contextlib
import time
from collections import deque
from decimal import Decimal
from random import Random

from gateway.client import (
    GatewayClient,
    GatewayError,
    Order,
    OrderHandle,
    OrdType,
    Refused,
    Side,
    TimeInForce,
    Unknown,
)
from ops.crash.books import ClientBook
from ops.demo.strategy import MARKETS, steadily

ORDERS_PER_S = 20
MOST_AT_ONCE = 24
CLOSE_S = 60.0
AFTER_REFUSAL_S = 0.05
REMEMBERED = 200
"""How many of its last orders a strategy repeats a key of: the older ones have ended and left the gateway's memory."""


class Openings:
    """When, since it was asked last, an order for each venue was first taken: its order entry is open."""

    def __init__(self, venues: tuple[str, ...]) -> None:
        self.accepted = 0
        self._venues = venues
        self._since: dict[str, float] = {}
        self._from = 0.0
        self._all = asyncio.Event()
        self._one = asyncio.Event()

    def expect(self) -> float:
        """From here on, in `time.monotonic`. An answer that was on its way already says nothing."""
        self._since = {}
        self._all.clear()
        self._from = time.monotonic()
        return self._from

    def note(self, venue: str, sent: float) -> None:
        """An order for this venue, first sent then, was taken."""
        self.accepted += 1
        self._one.set()
        if sent < self._from:
            return
        self._since.setdefault(venue, time.monotonic())
        if len(self._since) == len(self._venues):
            self._all.set()

    async def all_open(self, timeout_s: float) -> float:
        """Wait until every venue takes orders; when the last one did. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._all.wait()
        return max(self._since.values())

    async def some(self, count: int, timeout_s: float) -> None:
        """Wait until so many more orders were taken. Raises TimeoutError."""
        wanted = self.accepted + count
        async with asyncio.timeout(timeout_s):
            while self.accepted < wanted:
                self._one.clear()
                await self._one.wait()


class Trader:
    """One strategy under one client id."""

    def __init__(self, gateway: GatewayClient, book: ClientBook, random: Random, openings: Openings) -> None:
        self.gateway = gateway
        self.book = book
        self._random = random
        self._openings = openings
        self._sent: deque[tuple[dict[str, object], str]] = deque(maxlen=REMEMBERED)

    async def listen(self) -> None:
        """Follow everything that ever happened to this client's orders."""
        async for event in self.gateway.events(from_seq=1):
            self.book.take(event)

    async def trade(self, stop: asyncio.Event) -> None:
        """One order after the other until told to stop; then wait for those under way."""
        await steadily(self._one_order, stop, ORDERS_PER_S, MOST_AT_ONCE)

    async def _one_order(self) -> None:
        try:
            if self._sent and self._random.random() < 0.05:
                await self._repeat(*self._random.choice(self._sent))
                return
            handle = await self._submitted()
            if handle is not None:
                await self._tend(handle)
        except Refused:
            await asyncio.sleep(AFTER_REFUSAL_S)
        except (GatewayError, TimeoutError):
            pass  # Not answered in time; what is left is canceled before the accounts are compared.

    async def _submitted(self) -> OrderHandle | None:
        """Send one order until its fate is known, and sometimes once more under its key."""
        symbol, venue, middle, tick, lot = self._random.choice(MARKETS)
        side = self._random.choice((Side.BUY, Side.SELL))
        terms = {
            "cl_ord_id": self.gateway.new_cl_ord_id(),
            "symbol": symbol,
            "venue": venue,
            "side": side,
            "order_qty": lot * self._random.randint(1, 40),
            "ord_type": OrdType.LIMIT,
            "price": middle + self._random.randint(-5, 4) * side.sign * tick,
            "time_in_force": self._random.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.IOC)),
        }
        sent = time.monotonic()
        handle = await self._until_known(terms)
        if handle is None:
            self.book.refused.add(str(terms["cl_ord_id"]))
        else:
            self._openings.note(venue, sent)
            self.book.accepted(handle.cl_ord_id, handle.order.order_id)
            self._sent.append((terms, handle.cl_ord_id))
            if self._random.random() < 0.15:
                await self._repeat(terms, handle.cl_ord_id)
        return handle

    async def _repeat(self, terms: dict[str, object], cl_ord_id: str) -> None:
        """The same request again, soon or long after its order ended, has the same answer."""
        again = await self._until_known(terms)
        self.book.accepted(cl_ord_id, again.order.order_id if again is not None else "refused")

    async def _until_known(self, terms: dict[str, object]) -> OrderHandle | None:
        while True:
            try:
                return await self.gateway.submit(**terms)  # type: ignore[arg-type]  # One of each kind, as above.
            except Unknown:
                continue
            except Refused:
                await asyncio.sleep(AFTER_REFUSAL_S)
                return None

    async def _tend(self, handle: OrderHandle) -> None:
        """Leave it, move it, cancel it; now and then while the answer to the last request is still out."""
        await asyncio.sleep(self._random.uniform(0, 0.6))
        if handle.order.is_done:
            return
        if self._random.random() < 0.4:
            better = (handle.order.price or Decimal(0)) + handle.order.side.sign * Decimal("0.05")
            reply = await handle.replace(price=better)
            if self._random.random() < 0.5:
                await handle.settled(reply, timeout_s=5)
        if self._random.random() < 0.7 and not handle.order.is_done:
            await handle.cancel()

    async def close(self) -> None:
        """Cancel what works until nothing does and nothing is in doubt. Raises TimeoutError."""
        async with asyncio.timeout(CLOSE_S):
            while await self._open():
                with contextlib.suppress(GatewayError):
                    await self.gateway.mass_cancel()
                await asyncio.sleep(0.2)  # The venues answer meanwhile.

    async def _open(self) -> list[Order]:
        orders = [order async for order in self.gateway.list_orders()]
        return [order for order in orders if order.in_doubt or not order.is_done]
