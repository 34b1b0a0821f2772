from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.grpc import calls
from tests.adapters.grpc.harness import Client, Running, running


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running() as started:
        yield started


@pytest.fixture(params=["grpc", "lane"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What Trade streams take, as `running` is told it."""
    return {"lane": tmp_path / "gateway.sock"} if request.param == "lane" else {}


@pytest.fixture
def alpha(gateway: Running) -> Client:
    return gateway.as_client("alpha")


@pytest.fixture
def bravo(gateway: Running) -> Client:
    return gateway.as_client("bravo")


@pytest.fixture
def operator(gateway: Running) -> Client:
    return gateway.as_client("op")


@pytest.fixture(autouse=True)
def room_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has room for so many lines a minute, and tests are quick."""
    for name in ("_denied", "_failed"):
        monkeypatch.setattr(calls, name, calls.Sparing())
