"""Order handles: the latest view, the executions, and what can be waited for."""

import asyncio
import gc
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from gateway.client import GatewayClient, NotFound, Order, OrderEnded, OrdStatus, OrdType, Side
from tests.client.fake_gateway import Book, FakeGateway

Connect = Callable[..., GatewayClient]
LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


async def test_done_waits_until_nothing_is_left(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    done = asyncio.create_task(handle.done(timeout_s=5))
    book.fill("K1", "40", "10.50")
    await book.tell()
    await handle.wait_for(OrdStatus.PARTIALLY_FILLED, timeout_s=5)
    assert not done.done()
    book.fill("K1", "60", "10.25")
    await book.tell()
    order = await done
    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (OrdStatus.FILLED, Decimal(100), Decimal(0))
    executions = await handle.executions()
    assert [(e.last_qty, e.last_px) for e in executions] == [(40, Decimal("10.50")), (60, Decimal("10.25"))]


async def test_a_waiter_sees_every_event_even_if_they_come_together(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    partly = asyncio.create_task(handle.wait_for(OrdStatus.PARTIALLY_FILLED, timeout_s=5))
    await asyncio.sleep(0)
    book.fill("K1", "1", "10")
    book.fill("K1", "99", "10")
    await book.tell()
    assert (await partly).cum_qty == 1


async def test_a_status_that_cannot_come_any_more_ends_the_wait(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    filled = asyncio.create_task(handle.wait_for(OrdStatus.FILLED, timeout_s=5))
    await handle.cancel()
    with pytest.raises(OrderEnded, match="ended as CANCELED") as ended:
        await filled
    assert ended.value.order.ord_status is OrdStatus.CANCELED
    with pytest.raises(OrderEnded):
        await handle.wait_for(OrdStatus.FILLED)


async def test_a_wait_has_its_limit(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    with pytest.raises(TimeoutError) as late:
        await handle.wait_for(OrdStatus.FILLED, timeout_s=0.05)
    order = handle.order
    assert str(late.value) == f"not within 0.05 s: order {order.cl_ord_id} is NEW, 100 of 100 open"


async def test_a_wait_for_an_answer_of_the_venue_says_what_is_unanswered(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    unanswered = msgspec.structs.replace(handle.order, pending=("K2", "K3"), in_doubt=True)
    handle.learn(unanswered, handle.as_of_seq + 1_000)
    with pytest.raises(TimeoutError, match="K1 is NEW, 100 of 100 open, XSIM has not answered K2, K3, in doubt"):
        await handle.done(timeout_s=0.01)


async def test_a_time_that_a_condition_is_out_of_is_its_own(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")

    def late(order: Order) -> bool:
        if order.cum_qty:
            raise TimeoutError("the condition's own")
        return False

    waiting = asyncio.create_task(handle.wait_for(late, timeout_s=5))
    await asyncio.sleep(0)
    book.fill("K1", "1", "10")
    await book.tell()
    with pytest.raises(TimeoutError, match="the condition's own"):
        await waiting


async def test_an_error_in_a_condition_reaches_its_waiter_only(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    broken = asyncio.create_task(handle.wait_for(lambda order: order.cum_qty / order.leaves_qty > 1))
    done = asyncio.create_task(handle.done(timeout_s=5))
    await asyncio.sleep(0)
    book.fill("K1", "100", "10")
    await book.tell()
    assert (await done).is_done
    with pytest.raises(ZeroDivisionError):
        await broken


async def test_replace_gives_new_terms_and_a_new_cl_ord_id(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    reply = await handle.replace(price="10.75", order_qty=150)
    order = await handle.settled(reply, timeout_s=5)
    assert order.cl_ord_id == reply.cl_ord_id != handle.cl_ord_id
    assert (order.price, order.order_qty, order.leaves_qty) == (Decimal("10.75"), 150, 150)


async def test_a_replaced_order_is_still_canceled_through_its_handle(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    await handle.settled(await handle.replace(price="10.75"), timeout_s=5)
    await handle.cancel()
    assert (await handle.done(timeout_s=5)).ord_status is OrdStatus.CANCELED


async def test_what_a_bust_leaves_is_told_by_the_gateway(gw: GatewayClient, book: Book) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    book.bust("K1", book.fill("K1", "10", "10"))
    book.fill("K1", "20", "10")
    await book.tell()
    await handle.wait_for(lambda order: order.cum_qty == 20, timeout_s=5)
    assert [(e.kind, e.last_qty, e.in_force) for e in await handle.executions()] == [
        ("fill", 10, False),
        ("bust", 0, False),
        ("fill", 20, True),
    ]


async def test_the_key_of_an_earlier_run_gives_the_order_as_it_stands(connect: Connect, book: Book) -> None:
    async with connect() as gw:
        await gw.submit(**LIMIT, cl_ord_id="K1")
    book.fill("K1", "30", "10")
    async with connect() as gw:
        handle = await gw.submit(**LIMIT, cl_ord_id="K1")
        assert handle.order.cum_qty == 30
        book.fill("K1", "70", "10")
        await book.tell()
        assert (await handle.done(timeout_s=5)).cum_qty == 100


async def test_attach_finds_an_order_by_any_key_of_its_chain(connect: Connect, book: Book) -> None:
    async with connect() as gw:
        handle = await gw.submit(**LIMIT, cl_ord_id="K1")
        await handle.replace(price="11", cl_ord_id="K2")
    async with connect() as gw:
        by_new, by_old = await gw.attach("K2"), await gw.attach("K1")
        assert by_new is by_old
        assert by_old.order.price == 11
        book.fill("K2", "100", "11")
        await book.tell()
        assert (await by_new.done(timeout_s=5)).ord_status is OrdStatus.FILLED
        with pytest.raises(NotFound):
            await gw.attach("K9")


async def test_a_handle_stays_right_across_a_restart_of_the_gateway(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    handle = await gw.submit(**LIMIT, cl_ord_id="K1")
    book.fill("K1", "10", "10")
    await server.stop()
    book.fill("K1", "20", "10")
    await server.start(server.port)
    book.fill("K1", "70", "10")
    await book.tell()
    assert (await handle.done(timeout_s=10)).cum_qty == 100


async def test_a_handle_that_nobody_holds_is_forgotten(gw: GatewayClient) -> None:
    handle = await gw.submit(**LIMIT)
    assert len(gw._handles._by_order_id) == 1
    del handle
    gc.collect()
    assert len(gw._handles._by_order_id) == 0
    assert len(gw._handles._by_cl_ord_id) == 0


async def test_a_client_that_is_opened_again_follows_the_orders_of_before(connect: Connect) -> None:
    """Also one whose handle of the first time is still held: that one has ended."""
    gw = connect()
    async with gw:
        ended = await gw.submit(**LIMIT, cl_ord_id="K1")
    async with gw:
        handle = await gw.attach("K1")
        assert (await handle.wait_for(OrdStatus.NEW, timeout_s=5)).order_id == "O1"
    assert handle is not ended
