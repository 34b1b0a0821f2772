"""What happens to files, disks, ports, processes and configurations of a gateway: what it accepted is kept, and what it
cannot do it says.
"""

import asyncio
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from gateway.cli.ctl_api import Api
from gateway.client import GatewayClient, OrderHandle, OrdStatus, Reason, Refused
from gateway.core import events as ev
from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import Stack, put, tail
from sim_exchange.control import ControlClient
from tests.e2e.hard import (
    WAIT_S,
    accepted,
    canceled,
    control,
    ended,
    events_of,
    received,
    sent_twice,
    state_of,
    until,
    without_doubt,
    working,
)
from tests.e2e.stack import CLIENT_ID, OPERATOR_ID

# --- QuickFIX's store against the journal and the venue ------------------------------------------------------------


def store_of(stack: Stack, venue: str = "XSIM") -> Path:
    return stack.folder / "gateway" / "fix" / venue


async def test_a_store_that_lost_its_numbers_never_lets_one_count_twice(own_stack: Stack) -> None:
    """C12: numbers are never lower than the journal proves, whether the store is older or gone, and it is an error in
    the log. An operator may set them higher: the venue asks for the gap, and gets no order out of it.
    """
    store, copy = store_of(own_stack), own_stack.folder / "copy"
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        first = await working(gateway)
        shutil.copytree(store, copy)
        second, third = await working(gateway), await working(gateway)
        own_stack.gateway.kill()
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        own_stack.gateway.start()
        assert await down_with(own_stack, "store older than the journal")
        assert (await canceled(gateway, first)).ord_status is OrdStatus.CANCELED
        own_stack.gateway.kill()
        shutil.rmtree(store)
        own_stack.gateway.log.unlink()
        own_stack.gateway.start()
        assert await down_with(own_stack, "store lost")
        assert (await canceled(gateway, second)).ord_status is OrdStatus.CANCELED
        with control(own_stack) as venue:
            expects = next_in(venue)
        with Api(own_stack.api_address, OPERATOR_ID) as ops:
            ops.administer(pb.LogoutRequest(venue="XSIM", reason="to set its number"))
            ops.administer(
                pb.SetSequenceNumbersRequest(
                    venue="XSIM", reason="agreed by telephone", next_sender_msg_seq_num=expects + 20
                )
            )
            ops.administer(pb.LogonRequest(venue="XSIM", reason="its number is set"))
        assert (await canceled(gateway, third)).ord_status is OrdStatus.CANCELED
    assert not sent_twice(own_stack)


def next_in(venue: ControlClient) -> int:
    """The number that the venue expects next from us."""
    return next(each["next_in"] for each in venue.request({"do": "sessions"})["sessions"] if each["next_in"] > 1)


async def down_with(stack: Stack, words: str) -> str:
    async with GatewayClient(stack.api_address, client_id=OPERATOR_ID, timeout_s=WAIT_S) as operator:
        async with asyncio.timeout(WAIT_S):
            while True:
                log = await asyncio.to_thread(stack.gateway.log.read_text)
                for line in log.splitlines():
                    if words in line and "error" in line:
                        return line
                await operator.list_orders().__anext__()


# --- The disk ---------------------------------------------------------------------------------------------------------


async def test_a_journal_that_cannot_grow_ends_the_process_and_keeps_all_that_was_acknowledged(
    own_stack: Stack,
) -> None:
    """Rule 1: nothing is released of a batch that is not committed. A file size limit stands for the full disk."""
    acknowledged: list[OrderHandle] = []
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        acknowledged.append(await working(gateway))
        no_space(own_stack, after=100_000)
        pressing = asyncio.create_task(press_on(gateway, acknowledged))
        code = await asyncio.to_thread(ended, own_stack.gateway)
        assert code == 1
        assert "SQLITE" in tail(own_stack.gateway.log, 200)
        seq = state_of(own_stack).seq
        own_stack.gateway.stop()
        own_stack.gateway.start()
        assert state_of(own_stack).seq > seq
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
        for handle in acknowledged:
            assert (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).order.order_id
        await without_doubt(gateway)
    assert not sent_twice(own_stack)
    assert set(received(own_stack, "D")) <= set(state_of(own_stack).by_venue_cl_ord_id)


async def test_a_fill_that_finds_no_space_comes_again_from_the_venue_and_is_booked_once(own_stack: Stack) -> None:
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handle = await working(gateway)
        name = (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).requests[0].venue_cl_ord_id
        no_space(own_stack)
        with control(own_stack) as venue:
            venue.do("fill", cl_ord_id=name, qty="4", px="90")
        assert await asyncio.to_thread(ended, own_stack.gateway) == 1
        assert "SQLITE" in tail(own_stack.gateway.log, 200)
        assert not events_of(own_stack, ev.OrderFilled)
        assert handle.order.cum_qty == 0, "nobody was told"
        own_stack.gateway.stop()
        own_stack.gateway.start()
        await handle.wait_for(lambda order: order.cum_qty == 4, timeout_s=WAIT_S)
        await canceled(gateway, handle)
        (filled,) = events_of(own_stack, ev.OrderFilled)
        assert (filled.order_id, filled.last_qty) == (handle.order.order_id, 4)
        assert [position.net_qty for position in await gateway.positions()] == [4]


def no_space(stack: Stack, after: int = 0) -> None:
    """The log of the journal cannot grow by more than this many bytes."""
    wal = stack.folder / "gateway" / "journal.sqlite3-wal"
    limit = wal.stat().st_size + after
    resource.prlimit(stack.gateway.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


async def press_on(gateway: GatewayClient, acknowledged: list[OrderHandle]) -> None:
    while True:
        acknowledged.append(await accepted(gateway))


# --- Ending and starting ----------------------------------------------------------------------------------------------


async def test_sigterm_under_load_ends_cleanly_and_what_was_answered_is_durable(own_stack: Stack) -> None:
    acknowledged: list[OrderHandle] = []
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        pressing = [asyncio.create_task(press_on(gateway, acknowledged)) for _ in range(8)]
        await until(lambda: len(acknowledged) >= 100)
        os.kill(own_stack.gateway.pid, signal.SIGTERM)
        os.kill(own_stack.gateway.pid, signal.SIGTERM)
        assert await asyncio.to_thread(ended, own_stack.gateway) == 0
        for task in pressing:
            task.cancel()
        await asyncio.gather(*pressing, return_exceptions=True)
        state = state_of(own_stack)
        keys = {order.command.cl_ord_id for order in state.orders.values()}
        assert {handle.cl_ord_id for handle in acknowledged} <= keys
        assert not any(session.up for session in state.sessions.values()), "each session was logged out"
        answered = {order.order_id for order in state.orders.values() if order.acknowledged}
        assert not answered & set(state.doubtful.values())
        own_stack.gateway.stop()
        own_stack.gateway.start()
        await without_doubt(gateway)
    assert not sent_twice(own_stack)


async def test_a_second_gateway_and_a_taken_port_are_refused_and_harm_nothing(own_stack: Stack) -> None:
    data_dir = f'"{own_stack.folder}/gateway"'
    second = Stack(own_stack.folder / "second", {"gateway": lambda text: put(text, "data_dir", data_dir)})
    assert await refused_start(second, 3, "another gateway runs on")
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID) as gateway:
        await working(gateway)
    assert len(events_of(own_stack, ev.EpochBegan)) == 1
    own_stack.gateway.stop()
    before = state_of(own_stack)
    taken = str(own_stack.control_ports["XSIM"])
    third = Stack(
        own_stack.folder / "third",
        {"gateway": lambda text: put(put(text, "data_dir", data_dir), "port", taken, str(third_port(text)))},
    )
    assert await refused_start(third, 1, f"cannot listen on 127.0.0.1:{taken}")
    assert state_of(own_stack) == before
    own_stack.gateway.start()
    with Api(own_stack.api_address, OPERATOR_ID) as ops:
        assert events_of(own_stack, ev.EpochBegan)[-1].epoch == ops.overview().epoch


def third_port(text: str) -> str:
    """The port of the API in the text of a configuration."""
    return text.partition("[api]")[2].partition("port = ")[2].splitlines()[0]


async def refused_start(stack: Stack, code: int, words: str) -> bool:
    """Start its gateway only; whether it ends with this code and says so."""
    stack.gateway.launch()
    try:
        return await asyncio.to_thread(ended, stack.gateway) == code and words in tail(stack.gateway.log)
    finally:
        stack.gateway.stop()


# --- A configuration that changed while orders were working ------------------------------------------------------


@pytest.mark.parametrize(
    "symbol",
    [
        "ACME",
        "INITECH",
    ],
)
async def test_orders_survive_a_configuration_without_their_venue_instrument_and_tick(
    own_stack: Stack, symbol: str
) -> None:
    """Recovery knows no configuration. Where the venue is still there, its orders can still be canceled."""
    path = own_stack.gateway_config
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        here = await working(gateway, symbol=symbol, price="30.01")
        there = await working(gateway, venue="YSIM")
        own_stack.gateway.kill()
        path.write_text(smaller(path.read_text()))
        own_stack.gateway.start()
        with pytest.raises(Refused) as refused:
            await there.cancel()
        assert refused.value.reason == Reason.SESSION_DOWN
        assert (await gateway.get_order(cl_ord_id=there.cl_ord_id)).order.ord_status is OrdStatus.NEW
        await accepted(gateway, "29.75")
        order = await here.settled(await here.cancel(), timeout_s=WAIT_S)
        assert order.ord_status is OrdStatus.CANCELED
    assert not sent_twice(own_stack)


def smaller(text: str) -> str:
    """Without YSIM, without INITECH, and with another tick for ACME."""
    parts = text.split("\n[[")
    kept = [part for part in parts if 'name = "YSIM"' not in part and 'symbol = "INITECH"' not in part]
    text = "\n[[".join(kept)
    for word in (', YSIM = "ACME"', ', YSIM = "GLOBEX"'):
        text = text.replace(word, "")
    return text.replace('primary_venue = "YSIM"', 'primary_venue = "XSIM"').replace(
        "tick_size = 0.01", "tick_size = 0.25"
    )
