"""The same client without an event loop, for notebooks and scripts.

python sync_quickstart.py [ADDRESS]
"""

import sys

from gateway.client import OrdStatus, OrdType, Side, SyncGatewayClient


def main(address: str) -> None:
    """One order, its events, and the questions that can be asked."""
    with SyncGatewayClient(address, client_id="demo") as gw:
        events = gw.events()
        order = gw.submit(symbol="ACME", side=Side.SELL, order_qty=10, ord_type=OrdType.LIMIT, price="110.00")
        order.wait_for(OrdStatus.NEW, timeout_s=5)
        order.cancel()
        order.done(timeout_s=5)

        # The same happenings as a stream: it blocks until the next one, next(timeout_s=...) gives up after a while.
        for event in events:
            if event.order is None or event.order.order_id != order.order.order_id:
                continue
            print(f"{event.seq} {event.type} -> {event.order.ord_status.name}")
            if event.order.is_done:
                break

        print("working:", [o.cl_ord_id for o in gw.list_orders(symbol="ACME", working=True)])
        for position in gw.positions():
            print(f"{position.account} {position.symbol}: {position.net_qty} at {position.avg_entry_px}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001")
