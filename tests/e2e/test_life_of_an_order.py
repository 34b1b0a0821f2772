"""One order's whole life over real gRPC and real FIX, between real processes."""

from decimal import Decimal

import pytest

from gateway.client import EventType, GatewayClient, OrdStatus, OrdType, Reason, Refused, Side, TimeInForce
from ops.stack import Stack
from tests.e2e.stack import CLIENT_ID, NOT_YET

WAIT_S = 60


async def rest_and_take(gateway: GatewayClient, **market: str) -> tuple[OrdStatus, OrdStatus]:
    resting = await gateway.submit(
        side=Side.SELL, order_qty=100, ord_type=OrdType.LIMIT, price="100.10", account="ACC1", **market
    )
    await resting.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    taking = await gateway.submit(
        side=Side.BUY, order_qty=40, ord_type=OrdType.LIMIT, price="100.10", account="ACC2", **market
    )
    taken = await taking.done(timeout_s=WAIT_S)
    left = await resting.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
    await resting.cancel()
    canceled = await resting.done(timeout_s=WAIT_S)
    assert (canceled.ord_status, canceled.cum_qty, canceled.leaves_qty) == (OrdStatus.CANCELED, 40, 0)
    return left.ord_status, taken.ord_status


@pytest.mark.parametrize("address", ["api_address", "unix_address"])
@pytest.mark.parametrize("venue", ["XSIM", "YSIM"])
async def test_orders_rest_fill_and_cancel_on_both_venues_and_both_transports(
    stack: Stack, address: str, venue: str
) -> None:
    async with GatewayClient(getattr(stack, address), client_id=CLIENT_ID) as gateway:
        statuses = await rest_and_take(gateway, symbol="ACME", venue=venue)
    assert statuses == (OrdStatus.PARTIALLY_FILLED, OrdStatus.FILLED)


async def test_a_replace_takes_price_and_quantity_to_the_venue(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        order = await gateway.submit(
            symbol="INITECH", side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="39.00", strategy="replace"
        )
        await order.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        reply = await order.replace(price="39.01", order_qty=15)
        replaced = await order.settled(reply, timeout_s=WAIT_S)
        assert (replaced.price, replaced.order_qty, replaced.cl_ord_id) == (Decimal("39.01"), 15, reply.cl_ord_id)
        other = await gateway.submit(
            symbol="INITECH", side=Side.SELL, order_qty=15, ord_type=OrdType.MARKET, time_in_force=TimeInForce.IOC
        )
        assert (await other.done(timeout_s=WAIT_S)).avg_px == Decimal("39.01")
        assert (await order.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED


async def test_positions_move_with_the_fills(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        for side, account in ((Side.SELL, "ACC2"), (Side.BUY, "ACC1")):
            order = await gateway.submit(
                symbol="GLOBEX",
                side=side,
                order_qty=20,
                ord_type=OrdType.LIMIT,
                price="250.05",
                account=account,
                strategy="pos",
            )
        await order.done(timeout_s=WAIT_S)
        found = {position.account: position for position in await gateway.positions(strategy="pos")}
    assert (found["ACC1"].net_qty, found["ACC2"].net_qty) == (20, -20)
    assert found["ACC1"].avg_entry_px == Decimal("250.05")


async def test_a_wrong_order_is_refused_by_field_and_reason(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        with pytest.raises(Refused) as refused:
            await gateway.submit(symbol="ACME", side=Side.BUY, order_qty=1, ord_type=OrdType.LIMIT, price="100.001")
    assert (refused.value.reason, refused.value.field) == (Reason.PRICE_OFF_TICK, "price")


async def test_the_state_the_stream_and_the_sessions_survive_kill_9(own_stack: Stack) -> None:
    """Rules 1 and 3: what was acknowledged is there after kill -9, and the client's stream goes on without a gap."""
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        events = gateway.events(from_seq=1)
        order = await gateway.submit(
            symbol="ACME", side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="99.00", cl_ord_id="before"
        )
        await order.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        before = await gateway.get_order(cl_ord_id="before")
        own_stack.gateway.kill()
        own_stack.gateway.start()
        after = await gateway.get_order(cl_ord_id="before", timeout_s=60)
        assert (after.order, after.executions, after.requests) == (before.order, before.executions, before.requests)
        again = await gateway.submit(
            symbol="ACME", side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="99.00", cl_ord_id="before"
        )
        assert again.order.order_id == before.order.order_id
        filled = await sell_when_the_session_is_back(gateway)
        assert (await order.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED
        told = []
        async for event in events:
            told.append(event)
            if event.order and event.order.order_id == order.order.order_id and event.type is EventType.ORDER_FILLED:
                break
    seqs = [event.seq for event in told]
    assert seqs == sorted(set(seqs))
    types = [event.type for event in told if event.order and event.order.order_id == order.order.order_id]
    assert types == [
        EventType.ORDER_SUBMITTED,
        EventType.ORDER_ROUTED,
        EventType.ORDER_ACKNOWLEDGED,
        EventType.ORDER_STATUS_REPORTED,  # The comparison after the logon.
        EventType.ORDER_FILLED,
    ]
    assert filled is OrdStatus.FILLED


async def sell_when_the_session_is_back(gateway: GatewayClient) -> OrdStatus:
    """Until the FIX session is up again the gateway refuses, and each refusal spends its key."""
    while True:
        try:
            order = await gateway.submit(
                symbol="ACME", side=Side.SELL, order_qty=10, ord_type=OrdType.LIMIT, price="99.00"
            )
        except Refused as refused:
            if refused.reason not in NOT_YET:
                raise
        else:
            return (await order.done(timeout_s=WAIT_S)).ord_status
