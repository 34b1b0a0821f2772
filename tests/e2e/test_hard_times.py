"""What a desk fears most: processes that die or hang at any moment, while orders are on their way.

Whatever happens, the accounts of the same orders agree (the client's, the journal's, the venues'), nothing is sent
twice, and nothing stays in doubt about which a venue can be asked.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from gateway.adapters.journal import SqlJournal
from gateway.app import core_settings
from gateway.client import CommandReply, EventType, GatewayClient, OrderHandle, OrdStatus
from gateway.config import load
from gateway.core import engine
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, Command, ReplaceOrder, SubmitOrder
from gateway.core.events import Cause, Input
from gateway.core.order import UNSENT
from gateway.core.types import OrdType, Side
from gateway.runtime.recovery import recover
from ops.demo.compare import compare, journal_view, venue_view
from ops.demo.strategy import Strategy, caught_up
from ops.stack import Stack
from tests.e2e.hard import (
    WAIT_S,
    accepted,
    canceled,
    control,
    events_of,
    received,
    sent_twice,
    state_of,
    told,
    until,
    without_doubt,
    working,
)
from tests.e2e.stack import CLIENT_ID, running_stack

KILLS = int(os.environ.get("HARD_TIMES_KILLS", "3"))
"""Kills of each run under load. HARD_TIMES_KILLS=100 takes some minutes."""

VICTIMS = (("gateway",), ("XSIM", "YSIM"), ("gateway", "XSIM", "YSIM"))


@pytest.mark.timeout(240 + 10 * KILLS)
async def test_kill_9_under_load_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    """C0 to C11, wherever the kills happen to fall: of the gateway, of the venues, of all at once."""
    random = Random(KILLS)
    with Stack(tmp_path / "stack") as stack:
        async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
            strategy = Strategy(gateway, random)
            listening = asyncio.create_task(strategy.listen())
            stop = asyncio.Event()
            trading = asyncio.create_task(strategy.trade(stop))
            for _, victims in zip(range(KILLS), cycle(VICTIMS), strict=False):
                enough = len(strategy.view.orders) + random.randint(10, 30)
                await until(lambda enough=enough: len(strategy.view.orders) >= enough)  # type: ignore[misc]
                await asyncio.to_thread(kill_and_restart, stack, victims)
            stop.set()
            await trading
            await strategy.wind_down()
            await without_doubt(gateway)
            await caught_up(gateway, strategy)
            listening.cancel()
        stack.stop()
        state = state_of(stack)
        venues = venue_view({name: stack.ledger(name) for name in stack.venues})
        verdict = compare(strategy.view, journal_view(state.orders.values(), CLIENT_ID), venues)
        assert (verdict.problems, verdict.in_doubt, sent_twice(stack)) == ([], 0, [])
        assert verdict.executions > 0
        assert not state.disputed


def kill_and_restart(stack: Stack, names: tuple[str, ...]) -> None:
    processes = [stack.gateway if name == "gateway" else stack.venues[name] for name in names]
    for process in processes:
        process.kill()
    for process in reversed(processes):
        process.start()


# --- Committed, and killed before it was sent ----------------------------------------------------------------------


def killed_after_the_commit_of(stack: Stack, commands: tuple[Command, ...]) -> None:
    """Kill the gateway just when commands are durable and nothing of them has left (C2)."""
    stack.gateway.kill()
    journal = SqlJournal(stack.journal_url)
    journal.open()
    try:
        state = recover(journal)
        at_ns = max(order.submitted_ns for order in state.orders.values())
        settings, cause = core_settings(load(stack.gateway_config)), Cause("client", CLIENT_ID)
        for command in commands:
            journal.append(engine.execute(state, settings, Input(at_ns, cause, command)))
    finally:
        journal.close()


async def test_what_was_killed_between_commit_and_send_is_never_sent_and_its_owner_hears_it(own_stack: Stack) -> None:
    """Nobody may wait forever for the answer to a cancel that no venue has, or build on a replace that none has."""
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handles = [await working(gateway, cl_ord_id=key) for key in ("1", "2")]
        account = handles[0].order.account
        lost = (
            SubmitOrder(
                CLIENT_ID, "new", "ACME", Side.BUY, Decimal(10), OrdType.LIMIT, price=Decimal(90), account=account
            ),
            CancelOrder(CLIENT_ID, "cancel", "1"),
            ReplaceOrder(CLIENT_ID, "replace", "2", price=Decimal("90.01")),
        )
        await asyncio.to_thread(killed_after_the_commit_of, own_stack, lost)
        own_stack.gateway.start()
        await without_doubt(gateway)
        assert (await gateway.get_order(cl_ord_id="new")).order.ord_status is OrdStatus.REJECTED
        for handle in handles:
            order = (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).order
            assert (order.ord_status, order.price, order.pending) == (OrdStatus.NEW, 90, ())
            moved = await handle.settled(await handle.replace(price="90.02"), timeout_s=WAIT_S)
            assert moved.price == Decimal("90.02")
            assert (await canceled(gateway, handle)).ord_status is OrdStatus.CANCELED
    assert len(events_of(own_stack, ev.OrderUnsent)) == len(lost)
    assert len(received(own_stack, "D")) == len(handles)
    assert not sent_twice(own_stack)


# --- Sent, and killed before the answer ----------------------------------------------------------------------------


async def test_a_request_that_the_venue_decides_while_nobody_listens_is_adopted(own_stack: Stack) -> None:
    """C5: the venue has the request and decides it; its answer is held back until we, or both, are dead."""
    xsim = own_stack.venues["XSIM"]
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handle = await working(gateway)
        await decided_unheard(own_stack, gateway, "G", handle.replace(price="89.00"))
        xsim.kill()
        own_stack.gateway.kill()
        xsim.start()
        own_stack.gateway.start()
        await without_doubt(gateway)
        assert (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).order.price == 89
        await until_up(gateway)
        await decided_unheard(own_stack, gateway, "F", handle.cancel())
        own_stack.gateway.kill()
        own_stack.gateway.start()
        assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED
        await without_doubt(gateway)
    assert not events_of(own_stack, ev.OrderUnsent)
    assert not sent_twice(own_stack)


async def decided_unheard(
    stack: Stack, gateway: GatewayClient, msg_type: str, command: Awaitable[CommandReply]
) -> None:
    """Send a request, and wait until the venue has it; what it says to that is slow to leave it."""
    with control(stack) as venue:
        venue.do("fault", kind="delay", delay_ms=3_000)
        reply = await command
        requests = (await gateway.get_order(cl_ord_id=reply.cl_ord_id)).requests
        name = next(each.venue_cl_ord_id for each in requests if each.cl_ord_id == reply.cl_ord_id)
        venue.wait("received", msg_type=msg_type, cl_ord_id=name, timeout_s=WAIT_S)


async def until_up(gateway: GatewayClient) -> None:
    """Wait until both sides are logged on again."""
    handle = await working(gateway, "80.00")
    assert (await canceled(gateway, handle)).ord_status is OrdStatus.CANCELED


# --- Processes that hang ----------------------------------------------------------------------------------------------


def short_heartbeats(text: str) -> str:
    return text.replace("heart_bt_int_s = 30", "heart_bt_int_s = 1")


async def test_processes_that_hang_are_noticed_and_wake_up_to_the_truth(tmp_path: Path) -> None:
    """Half-open: connections stand, nobody answers. What was sent meanwhile is in doubt, and then known."""
    with running_stack(tmp_path / "stack", {"gateway": short_heartbeats}) as stack:
        async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
            handle = await working(gateway)
            await the_gateway_hangs(stack, gateway, handle)
            await the_venue_hangs(stack, gateway)
        stack.stop()
        there = received(stack, "D")
        for order in state_of(stack).orders.values():
            first = order.requests[order.first_venue_cl_ord_id]
            assert (first.venue_cl_ord_id in there) != (first.state == UNSENT)
        assert not sent_twice(stack)


async def the_gateway_hangs(stack: Stack, gateway: GatewayClient, handle: OrderHandle) -> None:
    name = (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).requests[0].venue_cl_ord_id
    with control(stack) as venue:
        os.kill(stack.gateway.pid, signal.SIGSTOP)
        venue.wait("logoff", timeout_s=WAIT_S)
        venue.do("fill", cl_ord_id=name, qty="4", px="90")
        os.kill(stack.gateway.pid, signal.SIGCONT)
    await handle.wait_for(lambda order: order.cum_qty == 4, timeout_s=WAIT_S)
    assert (await canceled(gateway, handle)).cum_qty == 4


async def the_venue_hangs(stack: Stack, gateway: GatewayClient) -> None:
    await working(gateway)
    os.kill(stack.venues["XSIM"].pid, signal.SIGSTOP)
    try:
        # All at once: soon the venue is missed, and takes none.
        handles = await asyncio.gather(*(accepted(gateway) for _ in range(5)))
        await told(stack, EventType.ORDER_IN_DOUBT, from_seq=handles[0].as_of_seq)
        assert all([(await gateway.get_order(cl_ord_id=each.cl_ord_id)).order.in_doubt for each in handles])
    finally:
        os.kill(stack.venues["XSIM"].pid, signal.SIGCONT)
    await without_doubt(gateway)
