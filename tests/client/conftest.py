from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from gateway.client import GatewayClient
from tests.client.fake_gateway import CLIENT, Book, FakeGateway


@pytest.fixture
async def book() -> Book:
    return Book()


@pytest.fixture(params=["grpc", "lane"])
def wire(request: pytest.FixtureRequest) -> str:
    """What Trade streams take."""
    return request.param


@pytest.fixture
async def server(book: Book, wire: str, tmp_path: Path) -> AsyncIterator[FakeGateway]:
    server = FakeGateway(book, f"{tmp_path}/gateway.sock" if wire == "lane" else "")
    await server.start()
    yield server
    await server.stop()
    assert server.lane_streams == (server.trade_streams if wire == "lane" else 0)


@pytest.fixture
def connect(server: FakeGateway) -> Callable[..., GatewayClient]:
    def new(**options: object) -> GatewayClient:
        return GatewayClient(server.address, **{"client_id": CLIENT, "random": Random(1), **options})

    return new


@pytest.fixture
async def gw(connect: Callable[..., GatewayClient]) -> AsyncIterator[GatewayClient]:
    async with connect() as client:
        yield client
