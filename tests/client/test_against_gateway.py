"""The client's promises against a real gateway that is killed under it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.client import (
    EventStream,
    EventType,
    GatewayClient,
    NotAllowed,
    OrderHandle,
    OrdType,
    Refused,
    Side,
    lane,
)
from gateway.client.lane import LaneCall, lane_call
from ops.stack import Stack
from tests.e2e.stack import CLIENT_ID, NOT_YET, OPERATOR_ID, running_stack

STRATEGIES = 20
ORDERS_EACH = 50
WAIT_S = 60
LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": 1, "ord_type": OrdType.LIMIT, "price": "50"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path / "stack") as running:
        yield running


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> list[LaneCall | None]:
    """The lane of each Trade stream that was opened; None where there was none."""
    found: list[LaneCall | None] = []

    async def noted(address: str, client_id: str) -> LaneCall | None:
        found.append(await lane_call(address, client_id))
        return found[-1]

    monkeypatch.setattr(lane, "lane_call", noted)
    return found


@pytest.mark.parametrize("address", ["api_address", "unix_address"])
async def test_orders_and_events_are_complete_across_a_kill_of_the_gateway(
    stack: Stack, address: str, lanes: list[LaneCall | None]
) -> None:
    async with GatewayClient(getattr(stack, address), client_id=CLIENT_ID, timeout_s=60) as gw:
        events = gw.events(1)
        handles: dict[str, OrderHandle | None] = {}
        submitting = asyncio.gather(*(strategy(gw, handles) for _ in range(STRATEGIES)))
        seen = await take(events, 500)
        await asyncio.to_thread(stack.gateway.kill)
        assert not submitting.done()
        await asyncio.to_thread(stack.gateway.start)
        await submitting

        orders = {order.cl_ord_id: order.order_id async for order in gw.list_orders()}
        assert orders == {key: handle.order.order_id for key, handle in handles.items() if handle is not None}
        assert len(set(orders.values())) == len(orders)

        head = (await gw.get_order(cl_ord_id=next(iter(orders)))).as_of_seq
        while events.next_seq <= head:
            seen += await take(events, 1)
        assert seen == await take(gw.events(1), len(seen))
        assert seen == sorted(set(seen))
        on_the_lane = address == "unix_address"
        assert len(lanes) > 1
        assert [lane is not None for lane in (lanes[0], lanes[-1])] == [on_the_lane, on_the_lane]


async def test_an_operator_sees_everything_and_trades_nothing(stack: Stack) -> None:
    async with (
        GatewayClient(stack.api_address, client_id=CLIENT_ID) as gw,
        GatewayClient(stack.unix_address, client_id=OPERATOR_ID) as operator,
    ):
        events = operator.events(types=[EventType.ORDER_SUBMITTED])
        handle = await gw.submit(**LIMIT)
        assert [order.order_id async for order in operator.list_orders()] == [handle.order.order_id]
        async with asyncio.timeout(WAIT_S):
            assert (await anext(events)).cl_ord_id == handle.cl_ord_id
        with pytest.raises(NotAllowed):
            await operator.submit(**LIMIT)


async def strategy(gw: GatewayClient, handles: dict[str, OrderHandle | None]) -> None:
    """Orders far from the market, one after the other; None where the session to the venue was not up again."""
    for _ in range(ORDERS_EACH):
        key = gw.new_cl_ord_id()
        try:
            handles[key] = await gw.submit(**LIMIT, cl_ord_id=key)
        except Refused as refused:
            if refused.reason not in NOT_YET:
                raise
            handles[key] = None


async def take(events: EventStream, count: int) -> list[int]:
    async with asyncio.timeout(WAIT_S):
        return [(await anext(events)).seq for _ in range(count)]
