"""Long answers are made in pieces: others have their turn in between, and all of an answer is as of one event."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.adapters.grpc import admin, orders, pieces
from gateway.core.reports import SessionDown
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running

Watch = Callable[[Any, str, Callable[[], None]], list[int]]


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """In which turn of the event loop each row was encoded by the function of that name. After the first the state
    changes, as it may when others have their turn.
    """
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def watched(module: Any, name: str, change: Callable[[], None]) -> list[int]:
        encode = getattr(module, name)
        made: list[int] = []

        def noted(*row: Any) -> Any:
            made.append(turns)
            encoded = encode(*row)
            if len(made) == 1:
                change()
            return encoded

        monkeypatch.setattr(module, name, noted)
        return made

    monkeypatch.setattr(pieces, "AT_ONCE", 2)
    counting = asyncio.create_task(count())
    yield watched
    counting.cancel()


async def filled(alpha: Client, gateway: Running, key: str, fills: int) -> str:
    order_id = (await alpha.submit(key)).order_id
    gateway.acknowledge(order_id)
    for _ in range(fills):
        gateway.fill(order_id, "1", "10.5")
    await gateway.settled()
    return order_id


async def test_the_executions_of_an_order(alpha: Client, gateway: Running, watch: Watch) -> None:
    """Ten thousand took a tenth of a second, for all clients and venues."""
    order_id = await filled(alpha, gateway, "k-1", fills=6)
    lines = gateway.sequencer.state.orders[order_id].executions
    made = watch(orders, "execution_to_pb", lambda: setattr(lines[-1], "in_force", False))
    assert [line.in_force for line in (await alpha.get(order_id)).executions] == [True] * 6
    assert len(set(made)) == 3


async def test_a_page_of_orders(alpha: Client, gateway: Running, watch: Watch) -> None:
    for number in range(6):
        last = await filled(alpha, gateway, f"k-{number}", fills=0)
    order = gateway.sequencer.state.orders[last]
    made = watch(orders, "order_to_pb", lambda: setattr(order, "venue_order_id", "changed"))
    page = await alpha.orders.ListOrders(pb.ListOrdersRequest(), metadata=alpha.metadata)
    assert [each.venue_order_id for each in page.orders][-1] == f"V-{last}"
    assert len(set(made)) == 3


async def test_requests_in_doubt(alpha: Client, operator: Client, gateway: Running, watch: Watch) -> None:
    for number in range(6):
        last = (await alpha.submit(f"k-{number}")).order_id
    gateway.tell(SessionDown("XSIM", "gone"))
    await gateway.settled()
    (request,) = gateway.sequencer.state.orders[last].requests.values()
    made = watch(admin, "doubt_to_pb", lambda: setattr(request, "kind", "changed"))
    listed = await operator.admin.ListInDoubt(pb.ListInDoubtRequest(), metadata=operator.metadata)
    assert [each.kind for each in listed.requests] == ["new"] * 6
    assert len(set(made)) == 3
