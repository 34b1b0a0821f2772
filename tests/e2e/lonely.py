"""A client of one working order that waits to be killed: python -m tests.e2e.lonely ADDRESS CLIENT_ID."""

import asyncio
import json
import sys

from gateway.client import GatewayClient
from tests.e2e.hard import working


async def wait_for_the_end(address: str, client_id: str) -> None:
    async with GatewayClient(address, client_id=client_id) as gateway:
        handle = await working(gateway)
        sys.stdout.write(json.dumps({"cl_ord_id": handle.cl_ord_id}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(wait_for_the_end(*sys.argv[1:]))
