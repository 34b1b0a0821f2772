"""A market maker in small: a bid and an offer, renewed as they trade, driven by the event stream.

    python market_maker_stream.py [ADDRESS]     (until Ctrl-C)

The stream goes on by itself when the connection or the gateway is lost, with no event missed and none twice, so what is
counted here stays right.
"""

import asyncio
import contextlib
import sys
from decimal import Decimal

from gateway.client import Event, EventType, GatewayClient, OrdType, Side

SYMBOL, STRATEGY = "GLOBEX", "maker"
MID, HALF_SPREAD, SKEW, SIZE = Decimal("250.00"), Decimal("0.50"), Decimal("0.05"), Decimal(10)


class Maker:
    """Keeps one order on each side. Both prices move against the position: who is long wants to sell."""

    def __init__(self, gw: GatewayClient) -> None:
        self.gw = gw
        self.net_qty = Decimal(0)
        self.fills = 0

    async def quote(self, side: Side) -> None:
        """Put out an order on one side. Its key makes it safe to repeat, which the client does when it has to."""
        middle = MID - SKEW * (self.net_qty / SIZE)
        price = middle - HALF_SPREAD * side.sign
        await self.gw.submit(
            symbol=SYMBOL, side=side, order_qty=SIZE, ord_type=OrdType.LIMIT, price=price, strategy=STRATEGY
        )

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
        fills = gw.events(strategy=STRATEGY, types=[EventType.ORDER_FILLED])  # From here on, whatever happens.
        try:
            await maker.quote(Side.BUY)
            await maker.quote(Side.SELL)
            print("quoting", flush=True)
            async for event in fills:
                await maker.on_fill(event)
        finally:
            await gw.mass_cancel(strategy=STRATEGY)
            async for order in gw.list_orders(strategy=STRATEGY, working=True):
                await (await gw.attach(order.cl_ord_id)).done(timeout_s=10)
            print(f"{maker.fills} fills, position {maker.net_qty}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001"))
