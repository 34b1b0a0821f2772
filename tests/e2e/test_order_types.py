"""Every order type, time in force, side and instruction, from the client over real FIX to the venue and back."""

import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest

from gateway.client import GatewayClient, OrderHandle, OrdStatus, OrdType, Side, TimeInForce
from ops.stack import Stack, put
from sim_exchange.control import ControlClient
from tests.e2e.stack import CLIENT_ID, running_stack

WAIT_S = 60
LIMIT, MARKET, STOP, STOP_LIMIT = OrdType.LIMIT, OrdType.MARKET, OrdType.STOP, OrdType.STOP_LIMIT


def as_fix_4_2(text: str) -> str:
    return put(text, "begin_string", '"FIX.4.2"', '"(FIXT.1.1|FIX.5.0SP2)"')


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """XSIM speaks FIX.4.4, YSIM FIX.4.2; FIX.5.0SP2 has its turn in the other tests of this folder."""
    edit = {"gateway": as_fix_4_2, "YSIM": lambda text: as_fix_4_2(without_crowd(text))}
    with running_stack(tmp_path_factory.mktemp("stack"), edit) as running:
        yield running


def without_crowd(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))


@pytest.fixture(params=["XSIM", "YSIM"])
async def desk(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator["Desk"]:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        with ControlClient(f"127.0.0.1:{stack.control_ports[request.param]}") as control:
            desk = Desk(gateway, control, request.param)
            yield desk
            await desk.tidy()


class Desk:
    """Orders in ACME at one venue, whose market is empty but for the test's own orders."""

    def __init__(self, gateway: GatewayClient, control: ControlClient, venue: str) -> None:
        self.gateway, self.control, self.venue = gateway, control, venue
        self._handles: list[OrderHandle] = []

    async def send(self, side: Side, order_qty: int, ord_type: OrdType = LIMIT, **terms: Any) -> OrderHandle:
        handle = await self.gateway.submit(
            symbol="ACME", venue=self.venue, side=side, order_qty=order_qty, ord_type=ord_type, **terms
        )
        self._handles.append(handle)
        return handle

    async def rest(self, side: Side, order_qty: int, price: str) -> OrderHandle:
        handle = await self.send(side, order_qty, price=price)
        await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        return handle

    async def tidy(self) -> None:
        for handle in self._handles:
            if not handle.order.is_done:
                await handle.cancel()
                await handle.done(timeout_s=WAIT_S)


@pytest.mark.parametrize("side", list(Side))
async def test_each_side_fills_against_a_resting_order(desk: Desk, side: Side) -> None:
    other = Side.BUY if side.sign < 0 else Side.SELL
    await desk.rest(other, 10, "100.00")
    order = await (await desk.send(side, 10, price="100.00")).done(timeout_s=WAIT_S)
    assert (order.ord_status, order.cum_qty, order.avg_px, order.side) == (OrdStatus.FILLED, 10, 100, side)


async def test_a_market_order_takes_price_levels_in_turn(desk: Desk) -> None:
    await desk.rest(Side.SELL, 10, "100.01")
    await desk.rest(Side.SELL, 10, "100.03")
    order = await (await desk.send(Side.BUY, 20, MARKET)).done(timeout_s=WAIT_S)
    assert (order.ord_status, order.avg_px) == (OrdStatus.FILLED, Decimal("100.02"))


@pytest.mark.parametrize(
    ("tif", "resting", "status", "cum_qty"),
    [
        (TimeInForce.IOC, 0, OrdStatus.CANCELED, 0),
        (TimeInForce.IOC, 4, OrdStatus.CANCELED, 4),
        (TimeInForce.IOC, 10, OrdStatus.FILLED, 10),
        (TimeInForce.FOK, 4, OrdStatus.CANCELED, 0),
        (TimeInForce.FOK, 10, OrdStatus.FILLED, 10),
    ],
)
async def test_ioc_and_fok(desk: Desk, tif: TimeInForce, resting: int, status: OrdStatus, cum_qty: int) -> None:
    if resting:
        await desk.rest(Side.SELL, resting, "100.00")
    order = await (await desk.send(Side.BUY, 10, price="100.00", time_in_force=tif)).done(timeout_s=WAIT_S)
    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (status, cum_qty, 0)


@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD])
async def test_orders_that_rest_are_canceled_on_request(desk: Desk, tif: TimeInForce) -> None:
    expire = time.time_ns() + 3_600_000_000_000 if tif is TimeInForce.GTD else None
    handle = await desk.send(Side.BUY, 10, price="99.00", time_in_force=tif, expire_time_ns=expire)
    order = await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    assert order.time_in_force is tif
    await handle.cancel()
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED


async def test_a_gtd_order_expires(desk: Desk) -> None:
    soon = time.time_ns() + 5_000_000_000
    handle = await desk.send(Side.BUY, 10, price="99.00", time_in_force=TimeInForce.GTD, expire_time_ns=soon)
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.EXPIRED


@pytest.mark.parametrize(("ord_type", "stop_px", "price"), [(STOP, "101.10", None), (STOP_LIMIT, "102.10", "102.20")])
async def test_a_stop_order_waits_for_its_price(desk: Desk, ord_type: OrdType, stop_px: str, price: str | None) -> None:
    stop = await desk.send(Side.BUY, 5, ord_type, stop_px=stop_px, price=price)
    await stop.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    await desk.rest(Side.SELL, 10, stop_px)
    assert stop.order.cum_qty == 0
    await (await desk.send(Side.BUY, 5, price=stop_px)).done(timeout_s=WAIT_S)
    order = await stop.done(timeout_s=WAIT_S)
    assert (order.ord_status, order.avg_px) == (OrdStatus.FILLED, Decimal(stop_px))


async def test_orders_at_the_opening_and_at_the_close_trade_in_their_auctions(desk: Desk) -> None:
    desk.control.request({"do": "phase", "symbol": "ACME", "phase": "pre_open"})
    opening = await desk.send(Side.BUY, 10, price="100.00", time_in_force=TimeInForce.OPG)
    resting = await desk.send(Side.SELL, 20, price="100.00")
    for handle in (opening, resting):
        await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    desk.control.request({"do": "phase", "symbol": "ACME", "phase": "open"})
    assert (await opening.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED
    # FIX 4.2 has no TimeInForce(59) 7: there the venue refuses, and nothing is left to trade at the close.
    closing = await desk.send(Side.BUY, 10, price="100.00", time_in_force=TimeInForce.ATC)
    if desk.venue == "YSIM":
        assert (await closing.done(timeout_s=WAIT_S)).ord_status is OrdStatus.REJECTED
        return
    assert (await closing.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)).cum_qty == 0
    desk.control.request({"do": "phase", "symbol": "ACME", "phase": "closed"})
    assert (await closing.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED
    assert (await resting.done(timeout_s=WAIT_S)).cum_qty == 20
    desk.control.request({"do": "phase", "symbol": "ACME", "phase": "pre_open"})
    desk.control.request({"do": "phase", "symbol": "ACME", "phase": "open"})


async def test_max_floor_shows_only_its_part(desk: Desk) -> None:
    iceberg = await desk.send(Side.SELL, 50, price="100.00", max_floor=10)
    await iceberg.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    shown = desk.control.request({"do": "book", "symbol": "ACME"})["offers"]
    assert [Decimal(level["qty"]) for level in shown] == [10]
    await (await desk.send(Side.BUY, 50, price="100.00")).done(timeout_s=WAIT_S)
    assert (await iceberg.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED


async def test_participate_do_not_initiate_never_takes(desk: Desk) -> None:
    await desk.rest(Side.SELL, 10, "100.00")
    order = await desk.send(Side.BUY, 10, price="100.00", exec_inst="6")
    done = await order.done(timeout_s=WAIT_S)
    assert done.cum_qty == 0
    assert done.ord_status in {OrdStatus.CANCELED, OrdStatus.REJECTED}
