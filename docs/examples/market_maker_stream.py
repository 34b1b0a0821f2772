"""A market maker in small: a bid and an offer, renewed as they trade, driven by the event stream.

    python market_maker_stream.py [ADDRESS]     (until Ctrl-C)

The stream goes on by itself when the connection or the gateway is lost, with no event missed and none twice, so what is
counted here stays right. A quote that is refused, as while a venue that was away is compared, is put out when new
orders may go there again.
"""

import asyncio
import contextlib
import sys
from decimal import Decimal

from gateway.client import Event, EventType, GatewayClient, OrdType, Refused, Side

SYMBOL, STRATEGY = "GLOBEX", "maker"
MID, HALF_SPREAD, SKEW, SIZE = Decimal("250.00"), Decimal("0.50"), Decimal("0.05"), Decimal(10)
# After these new orders may go to a venue again. They belong to no strategy: a filter for one would leave them out.
AGAIN = (
    EventType.SESSION_LOGGED_ON,
    EventType.RECONCILIATION_ENDED,
    EventType.ORDER_ENTRY_OPENED,
    EventType.TRADING_RESUMED,
)


class Maker:
    """Keeps one order on each side. Both prices move against the position: who is long wants to sell."""

    def __init__(self, gw: GatewayClient) -> None:
        self.gw = gw
        self.net_qty = Decimal(0)
        self.fills = 0
        self.refused: list[Side] = []

    async def quote(self, side: Side) -> None:
        """Put out an order on one side. Its key makes it safe to repeat, which the client does when it has to."""
        middle = MID - SKEW * (self.net_qty / SIZE)
        price = middle - HALF_SPREAD * side.sign
        try:
            await self.gw.submit(
                symbol=SYMBOL, side=side, order_qty=SIZE, ord_type=OrdType.LIMIT, price=price, strategy=STRATEGY
            )
        except Refused as refused:
            print(f"no {side.name}: {refused.reason}", flush=True)
            self.refused.append(side)

    async def on_event(self, event: Event) -> None:
        """Count a fill and renew the side that is used up; or quote anew what was refused."""
        if event.type in AGAIN:
            sides, self.refused = self.refused, []
            for side in sides:
                await self.quote(side)
        elif event.order is not None and event.order.strategy == STRATEGY:
            await self.on_fill(event)

    async def on_fill(self, event: Event) -> None:
        """Count it, and renew the side that is used up."""
        if event.order is None or event.last_qty is None:
            return
        self.fills += 1
        self.net_qty += event.last_qty * event.order.side.sign
        print(
            f"{event.seq}: {event.order.side.name} {event.last_qty} at {event.last_px}, now {self.net_qty}", flush=True
        )
        if event.order.is_done:
            await self.quote(event.order.side)


async def main(address: str) -> None:
    """Make a market until interrupted, then take everything away."""
    async with GatewayClient(address, client_id="demo") as gw:
        maker = Maker(gw)
        events = gw.events(types=[EventType.ORDER_FILLED, *AGAIN])  # From here on, whatever happens.
        try:
            await maker.quote(Side.BUY)
            await maker.quote(Side.SELL)
            print("quoting", flush=True)
            async for event in events:
                await maker.on_event(event)
        finally:
            await gw.mass_cancel(strategy=STRATEGY)
            async for order in gw.list_orders(strategy=STRATEGY, working=True):
                await (await gw.attach(order.cl_ord_id)).done(timeout_s=10)
            print(f"{maker.fills} fills, position {maker.net_qty}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001"))
