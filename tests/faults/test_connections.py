"""Ten thousand connections: the cap holds, and who was there before goes on."""

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.grpc.server import MAX_CONNECTIONS
from gateway.client import GatewayClient
from ops.stack import Stack
from tests.e2e.hard import sent_twice, working
from tests.e2e.stack import CLIENT_ID

WANTED = 10_000
OWN_DESCRIPTORS = 500


@pytest.fixture
def descriptors() -> Iterator[int]:
    """How many connections this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(hard, WANTED + OWN_DESCRIPTORS) if hard != resource.RLIM_INFINITY else WANTED + OWN_DESCRIPTORS
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
    yield min(WANTED, limit - OWN_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_connections_stay_under_the_cap_and_orders_go_on(own_stack: Stack, descriptors: int) -> None:
    opened: list[asyncio.StreamWriter] = []
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        await working(gateway)
        for _ in range(descriptors // 100):
            made = await asyncio.gather(*(connection(own_stack) for _ in range(100)))
            opened += [writer for writer in made if writer is not None]
        await working(gateway)
        assert held(own_stack.gateway.pid) <= MAX_CONNECTIONS + OWN_DESCRIPTORS
        for writer in opened:
            writer.close()
        await working(gateway)
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as later:
        await working(later)
    assert not sent_twice(own_stack)
    assert len(opened) >= descriptors // 2, "the crowd was there"


async def connection(stack: Stack) -> asyncio.StreamWriter | None:
    with contextlib.suppress(OSError):
        return (await asyncio.open_connection("127.0.0.1", stack.api_port))[1]
    return None


def held(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
