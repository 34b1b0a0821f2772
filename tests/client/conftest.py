from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from gateway.client import GatewayClient
from tests.client.fake_gateway import CLIENT, Book, FakeGateway


@pytest.fixture
async def book() -> Book:
    return Book()


@pytest.fixture
async def server(book: Book) -> AsyncIterator[FakeGateway]:
    server = FakeGateway(book)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def connect(server: FakeGateway) -> Callable[..., GatewayClient]:
    def new(**options: object) -> GatewayClient:
        return GatewayClient(f"127.0.0.1:{server.port}", **{"client_id": CLIENT, "random": Random(1), **options})

    return new


@pytest.fixture
async def gw(connect: Callable[..., GatewayClient]) -> AsyncIterator[GatewayClient]:
    async with connect() as client:
        yield client
