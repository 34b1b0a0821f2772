from collections.abc import AsyncIterator

import pytest

from tests.adapters.grpc.harness import Client, Running, running


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running() as started:
        yield started


@pytest.fixture
def alpha(gateway: Running) -> Client:
    return gateway.as_client("alpha")


@pytest.fixture
def bravo(gateway: Running) -> Client:
    return gateway.as_client("bravo")


@pytest.fixture
def operator(gateway: Running) -> Client:
    return gateway.as_client("op")
