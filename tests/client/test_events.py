"""Event streams: in order, no gap, no duplicate, whatever happens to the connection."""

import asyncio
from collections.abc import Callable

import grpc
import pytest

from gateway.client import EventStream, EventType, GatewayClient, NotAllowed, OrdType, Side, Unavailable
from gateway.pb.v1 import gateway_pb2 as pb
from tests.client.fake_gateway import Book, FakeGateway, status

Connect = Callable[..., GatewayClient]
LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


async def take(events: EventStream, count: int) -> list[int]:
    async with asyncio.timeout(10):
        return [(await anext(events)).seq for _ in range(count)]


async def test_the_stream_begins_at_the_call_however_late_it_is_read(gw: GatewayClient) -> None:
    await gw.submit(**LIMIT)
    events = gw.events()
    first = events.next_seq
    await gw.submit(**LIMIT)
    assert await take(events, 2) == [first, first + 1]


async def test_an_event_is_typed(gw: GatewayClient, book: Book) -> None:
    events = gw.events(1)
    await gw.submit(**LIMIT, cl_ord_id="K1")
    exec_id = book.fill("K1", "40", "10.50")
    await book.tell()
    *_, fill = [await anext(events) for _ in range(4)]
    assert (fill.type, fill.exec_id, str(fill.last_qty), str(fill.last_px)) == (
        EventType.ORDER_FILLED,
        exec_id,
        "40",
        "10.50",
    )
    assert fill.order is not None
    assert str(fill.order.cum_qty) == "40"


async def test_no_gap_and_no_duplicate_across_a_restart(gw: GatewayClient, server: FakeGateway, book: Book) -> None:
    for _ in range(4):
        await gw.submit(**LIMIT)
    events = gw.events(1)
    seen = await take(events, 4)
    await server.stop()
    await server.start(server.port)
    seen += await take(events, 8)
    assert seen == list(range(1, 13))


async def test_a_reader_dropped_as_too_slow_goes_on_where_it_was(
    gw: GatewayClient, server: FakeGateway, book: Book
) -> None:
    for _ in range(4):
        await gw.submit(**LIMIT)
    server.end_events_after = 6
    events = gw.events(1)
    assert await take(events, 12) == list(range(1, 13))
    assert len(server.subscriptions) == 2


async def test_a_canceled_wait_loses_nothing(gw: GatewayClient, book: Book) -> None:
    events = gw.events(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(events)
    await gw.submit(**LIMIT)
    assert await take(events, 3) == [1, 2, 3]


async def test_next_seq_is_where_another_run_goes_on(connect: Connect) -> None:
    async with connect() as gw:
        await gw.submit(**LIMIT)
        events = gw.events(1)
        assert await take(events, 2) == [1, 2]
        stored = events.next_seq
        await gw.submit(**LIMIT)
    async with connect() as gw:
        assert await take(gw.events(stored), 4) == [3, 4, 5, 6]


async def test_next_seq_advances_over_events_that_the_filter_drops(gw: GatewayClient, server: FakeGateway) -> None:
    for _ in range(3):
        await gw.submit(**LIMIT)
    events = gw.events(1, types=[EventType.ORDER_ACKNOWLEDGED])
    assert await take(events, 3) == [3, 6, 9]
    assert events.next_seq == 10


async def test_a_closed_stream_can_be_taken_up_again(gw: GatewayClient, server: FakeGateway) -> None:
    await gw.submit(**LIMIT)
    events = gw.events(1)
    assert await take(events, 1) == [1]
    await events.aclose()
    assert await take(events, 2) == [2, 3]


async def test_a_subscription_that_is_not_allowed_ends_with_the_reason(gw: GatewayClient, server: FakeGateway) -> None:
    server.refuse_clients = status(grpc.StatusCode.PERMISSION_DENIED, "not yours", "NOT_ALLOWED")
    with pytest.raises(NotAllowed, match="not yours"):
        await anext(gw.events(1))


async def test_a_kind_of_event_that_a_newer_gateway_knows_is_passed_on(gw: GatewayClient, book: Book) -> None:
    book.add(999, text="from the future")  # type: ignore[arg-type]
    event = await anext(gw.events(1))
    assert (event.type, event.text) == (EventType.UNSPECIFIED, "from the future")


def test_every_kind_of_event_has_its_name_here() -> None:
    names = {name for name, number in pb.EventType.items() if number}
    assert {kind.value for kind in EventType} == names | {"EVENT_TYPE_UNSPECIFIED"}


async def test_where_trading_stopped_and_by_what_is_said(gw: GatewayClient, book: Book) -> None:
    book.add(pb.TRADING_STOPPED, scope="account:A1", source="kill", text="fat finger")
    event = await anext(gw.events(1))
    assert (event.type, event.scope, event.source) == (EventType.TRADING_STOPPED, "account:A1", "kill")


async def test_an_event_says_whether_a_comparison_was_complete(gw: GatewayClient, book: Book) -> None:
    book.add(pb.SESSION_LOGGED_ON, venue="XSIM")
    book.add(pb.RECONCILIATION_ENDED, venue="XSIM", complete=False)
    book.add(pb.RECONCILIATION_ENDED, venue="XSIM", complete=True)
    events = gw.events(1)
    assert [(await anext(events)).complete for _ in range(3)] == [None, False, True]


async def test_a_subscription_that_is_closed_ends_for_who_waits_on_it(gw: GatewayClient, server: FakeGateway) -> None:
    """It does not subscribe again behind the back of whoever closed it."""
    events = gw.events()
    first = events.next_seq
    reading = asyncio.create_task(anext(events))
    async with asyncio.timeout(10):
        while not server.subscriptions:  # noqa: ASYNC110 - The fake gateway's, which tells nobody.
            await asyncio.sleep(0.005)
    await events.aclose()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(reading, 10)
    assert server.subscriptions == [first]
    await gw.submit(**LIMIT)
    assert await take(events, 2) == [first, first + 1]


async def test_a_client_that_is_closed_ends_a_subscription_between_two_tries(
    connect: Connect, server: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as gw:
        events = gw.events()
        reading = asyncio.create_task(anext(events))
        await server.stop()
        async with asyncio.timeout(10):
            while "Event stream lost" not in caplog.text:  # noqa: ASYNC110 - The log tells nobody.
                await asyncio.sleep(0.005)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(reading, 10)
    await server.start(server.port)


async def test_a_subscription_of_a_client_that_was_closed_cannot_be_taken_up(connect: Connect) -> None:
    gw = connect()
    async with gw:
        events = gw.events()
    async with gw:
        with pytest.raises(Unavailable, match="the client was closed"):
            await anext(events)
