"""A strategy that can be killed at any moment and goes on where it was.

    python resume_after_restart.py [ADDRESS] [FILE] [COUNT]

Two things are written down: the key of the order before it is sent, and the place in the event stream after each event.
So the order is sent once however often this starts, and every event is handled: at least once, because a crash between
handling an event and writing it down repeats this one event.
"""

import asyncio
import json
import sys
from pathlib import Path

from gateway.client import GatewayClient, OrdType, Side


class Notebook:
    """A small file that is replaced as a whole, so that it is never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.cl_ord_id = ""
        self.next_seq = 1
        if path.exists():
            self.cl_ord_id, self.next_seq = json.loads(path.read_text())

    def save(self) -> None:
        """Write everything down."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps([self.cl_ord_id, self.next_seq]))
        fresh.replace(self._path)


async def main(address: str, path: Path, count: int) -> None:
    """Send one order, ever, and print `count` more events."""
    notebook = Notebook(path)
    async with GatewayClient(address, client_id="demo") as gw:
        if not notebook.cl_ord_id:
            notebook.cl_ord_id = gw.new_cl_ord_id()
            notebook.save()
        # The first time this sends the order. After a crash it gives the order of that key, wherever the crash was.
        order = await gw.submit(
            symbol="ACME",
            side=Side.BUY,
            order_qty=10,
            ord_type=OrdType.LIMIT,
            price="80.00",
            cl_ord_id=notebook.cl_ord_id,
        )
        print(f"order {order.order.order_id}", flush=True)
        events = gw.events(notebook.next_seq)
        for _ in range(count):
            event = await anext(events)
            print(f"{event.seq} {event.type}", flush=True)
            notebook.next_seq = events.next_seq
            notebook.save()


if __name__ == "__main__":
    asyncio.run(
        main(
            sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7001",
            Path(sys.argv[2] if len(sys.argv) > 2 else "resume.json"),
            int(sys.argv[3]) if len(sys.argv) > 3 else 10,
        )
    )
