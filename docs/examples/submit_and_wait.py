"""Submit one order and wait for its end; cancel what has not traded in time.

python submit_and_wait.py [ADDRESS]
"""

import asyncio
import sys

from gateway.client import GatewayClient, OrdType, Reason, Refused, Side


async def main(address: str) -> None:
    """Buy 100 ACME at 100.10 or better, within two seconds."""
    async with GatewayClient(address, client_id="demo") as gw:
        try:
            order = await gw.submit(symbol="ACME", side=Side.BUY, order_qty=100, ord_type=OrdType.LIMIT, price="100.10")
        except Refused as refused:
            print(f"refused: {refused.reason} in {refused.field!r}: {refused.text}")
            return
        # The gateway has the order now, durably. What the venue makes of it shows in the handle.
        try:
            result = await order.done(timeout_s=2)
        except TimeoutError:
            try:
                await order.cancel()
            except Refused as refused:
                if refused.reason != Reason.ORDER_NOT_WORKING:
                    raise
            # A fill that was faster is in the result too, also one because of which there was nothing left to cancel.
            result = await order.done(timeout_s=5)
        print(f"{result.ord_status.name}: {result.cum_qty} of {result.order_qty} at {result.avg_px}")
        for execution in await order.executions():
            print(f"  {execution.exec_id}: {execution.last_qty} at {execution.last_px}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001"))
