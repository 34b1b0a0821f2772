"""Questions: typed answers, pages, and asking again while the gateway is away."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.client import GatewayClient, NotFound, OrdType, Position, Side, Unavailable, wire
from gateway.pb.v1 import gateway_pb2 as pb
from tests.client.fake_gateway import Book, FakeGateway

LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


async def test_all_pages_are_listed_in_order(gw: GatewayClient) -> None:
    for number in range(5):
        await gw.submit(**{**LIMIT, "symbol": "ACME" if number != 2 else "BETA"})
    assert [order.order_id async for order in gw.list_orders()] == ["O1", "O2", "O3", "O4", "O5"]
    assert [order.order_id async for order in gw.list_orders(symbol="ACME")] == ["O1", "O2", "O4", "O5"]


async def test_get_order_tells_everything_about_one(gw: GatewayClient, book: Book) -> None:
    await gw.submit(**LIMIT, cl_ord_id="K1")
    book.fill("K1", "40", "10.50")
    detail = await gw.get_order(cl_ord_id="K1")
    assert (detail.order.cum_qty, detail.as_of_seq) == (40, 4)
    assert [(e.last_qty, e.in_force) for e in detail.executions] == [(40, True)]
    assert [(r.kind, r.state) for r in detail.requests] == [("new", "accepted")]
    assert (await gw.get_order(order_id="O1")).order == detail.order


def test_what_a_split_made_of_an_execution() -> None:
    """A gateway of before says nothing of it."""
    told = pb.Execution(exec_id="E1", last_qty="10", last_px="9", factor="2.5")
    assert wire.execution(told).factor == Decimal("2.5")
    told.ClearField("factor")
    assert wire.execution(told).factor == 1


async def test_an_order_that_is_not_there(gw: GatewayClient) -> None:
    with pytest.raises(NotFound):
        await gw.get_order(cl_ord_id="K9")
    with pytest.raises(ValueError, match="either"):
        await gw.get_order()


async def test_positions_are_exact(gw: GatewayClient) -> None:
    (position,) = await gw.positions(symbol="ACME")
    assert position == Position(
        account="A1",
        strategy="",
        symbol="ACME",
        currency="USD",
        net_qty=Decimal(-30),
        avg_entry_px=Decimal("99.5"),
        realized_pnl=Decimal("12.25"),
        multiplier=Decimal(1),
        bought_qty=Decimal(0),
        sold_qty=Decimal(30),
    )


async def test_positions_come_page_by_page(gw: GatewayClient) -> None:
    assert [position.symbol for position in await gw.positions()] == ["ACME", "BETA"]


async def test_a_question_is_asked_again_while_the_gateway_restarts(gw: GatewayClient, server: FakeGateway) -> None:
    await server.stop()
    positions = asyncio.create_task(gw.positions())
    await asyncio.sleep(0)
    await server.start(server.port)
    assert len(await positions) == 2


async def test_a_call_that_the_gateway_cancels_is_asked_again(gw: GatewayClient, server: FakeGateway) -> None:
    await gw.submit(**LIMIT)
    server.cancel_calls = 2
    assert (await gw.get_order(order_id="O1")).order.order_id == "O1"
    assert server.cancel_calls == 0


async def test_a_question_has_its_limit(gw: GatewayClient, server: FakeGateway) -> None:
    await server.stop()
    with pytest.raises(Unavailable):
        await gw.positions(timeout_s=0.3)


async def test_a_question_that_is_asked_while_the_client_is_closed_ends(
    connect: Callable[..., GatewayClient], server: FakeGateway
) -> None:
    async with connect(timeout_s=60) as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
        await server.stop()
        asking = asyncio.create_task(gw.get_order(cl_ord_id="K1"))
        await asyncio.sleep(0)  # It is on its way.
    with pytest.raises(Unavailable, match="the client was closed"):
        await asyncio.wait_for(asking, 10)
    await server.start(server.port)
