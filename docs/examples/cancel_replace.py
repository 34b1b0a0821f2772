"""Change a working order, learn whether the venue took the change, and cancel the rest.

python cancel_replace.py [ADDRESS]
"""

import asyncio
import sys

from gateway.client import GatewayClient, OrdStatus, OrdType, Refused, Side


async def main(address: str) -> None:
    """Quote a bid far below the market, move it up, and take it away."""
    async with GatewayClient(address, client_id="demo") as gw:
        order = await gw.submit(symbol="ACME", side=Side.BUY, order_qty=100, ord_type=OrdType.LIMIT, price="90.00")
        await order.wait_for(OrdStatus.NEW, timeout_s=5)

        # order_qty is the new total, what has traded included. A term that is not named stays.
        request = await order.replace(price="90.50", order_qty=150)
        now = await order.settled(request, timeout_s=5)
        accepted = now.cl_ord_id == request.cl_ord_id
        print(f"replace {'accepted' if accepted else 'rejected'}: {now.order_qty} at {now.price}")

        # An order is known by every ClOrdID of its chain, so the handle's first one still works.
        await order.cancel()
        end = await order.done(timeout_s=5)
        print(f"{end.ord_status.name} with {end.cum_qty} done")

        # What the gateway itself refuses comes as an exception, and nothing is sent to the venue.
        try:
            await order.replace(price="91.00")
        except Refused as refused:
            print(f"refused: {refused.reason}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001"))
