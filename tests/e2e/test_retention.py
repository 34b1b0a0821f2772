"""What has ended leaves memory and is not forgotten: over a real gateway, its snapshots and its archive."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from gateway.client import Event, EventType, OrderDetail, OrderHandle, OrdStatus, OrdType, Reason, Refused, Side
from gateway.core import events as ev
from gateway.runtime.snapshots import Snapshots
from ops.demo.compare import every_order, journal_view, venue_view
from ops.stack import ROOT, Stack
from tests.e2e.desk import Desk, desk_at
from tests.e2e.hard import WAIT_S, events_of, journal_of, received, sent_twice, told, until
from tests.e2e.stack import CLIENT_ID, running_stack, until_open

RETENTION = "\n[retention]\nretire_after_s = 1\nsnapshot_events = 1000\n"
MANY, AT_ONCE = 280, 40
"""Orders that make more than a snapshot's worth of events."""
SNAPSHOT_S = 200


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    edit = {"gateway": lambda text: f"{text}{RETENTION}"}
    with running_stack(tmp_path_factory.mktemp("stack"), edit) as running:
        yield running


@pytest.fixture
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    async with desk_at(stack) as made:
        yield made
    assert not sent_twice(stack), "rule 2"


class Past(NamedTuple):
    """An order that was filled and has left memory: its key, what the venue calls it, and all that was known of it."""

    cl_ord_id: str
    venue_name: str
    strategy: str
    detail: OrderDetail


async def past_order(desk: Desk, strategy: str) -> Past:
    """Filled in two executions, and gone from memory."""
    handle, name = await desk.working(order_qty=10, strategy=strategy)
    for qty in ("4", "6"):
        desk.do("fill", cl_ord_id=name, qty=qty, px="90")
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.FILLED
    detail = await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)
    await retired(desk, detail.order.order_id)
    return Past(handle.cl_ord_id, name, strategy, detail)


async def retired(desk: Desk, order_id: str) -> None:
    """Wait until an order is not in memory any more, also when it had been put back."""

    def is_gone() -> bool:
        moves = events_of(desk.stack, ev.OrderRetired, ev.OrderRecalled)
        last = next((event for event in reversed(moves) if event.order_id == order_id), None)
        return isinstance(last, ev.OrderRetired)

    await until(is_gone)
    assert desk.api.overview().retired_orders >= 1


async def again(desk: Desk, past: Past, order_qty: int = 10) -> OrderHandle:
    """Submit an order under the key of the past one."""
    return await desk.gateway.submit(
        cl_ord_id=past.cl_ord_id,
        symbol="ACME",
        side=Side.BUY,
        order_qty=order_qty,
        ord_type=OrdType.LIMIT,
        price="90.00",
        strategy=past.strategy,
    )


async def net_qty(desk: Desk, past: Past) -> int:
    positions = await desk.gateway.positions()
    return sum(int(each.net_qty) for each in positions if each.strategy == past.strategy)


async def is_remembered(desk: Desk, past: Past) -> None:
    """Rule 3 holds for what left memory: shown whole, the same answer to the same key, a bust applied as always."""
    order_id = past.detail.order.order_id
    for detail in (
        await desk.gateway.get_order(order_id=order_id),
        await desk.gateway.get_order(cl_ord_id=past.cl_ord_id),
    ):
        assert (detail.order, detail.executions, detail.requests) == (
            past.detail.order,
            past.detail.executions,
            past.detail.requests,
        )
    sent = received(desk.stack, "D")
    assert (await again(desk, past)).order.order_id == order_id
    with pytest.raises(Refused) as refused:
        await again(desk, past, order_qty=20)
    assert refused.value.reason == Reason.DUPLICATE_CL_ORD_ID
    assert received(desk.stack, "D") == sent, "nothing was sent again"

    await retired(desk, order_id)
    assert await net_qty(desk, past) == 10
    asked_from = desk.api.last_seq() + 1
    desk.do("bust", cl_ord_id=past.venue_name, exec_ref_id=past.detail.executions[0].exec_id)
    await told(desk.stack, EventType.EXECUTION_BUSTED, from_seq=asked_from)
    detail = await desk.gateway.get_order(order_id=order_id)
    assert (detail.order.cum_qty, [each.in_force for each in detail.executions]) == (6, [False, True, False])
    assert await net_qty(desk, past) == 6


async def events_until(desk: Desk, last_seq: int) -> list[Event]:
    """What a subscriber from the very first event on is told, up to this one, which must be about an order of its own:
    of what concerns nobody, such as an order that leaves memory, it is told nothing.
    """
    seen: list[Event] = []
    async with asyncio.timeout(WAIT_S):
        async for event in desk.gateway.events(from_seq=1):
            seen.append(event)
            if event.seq == last_seq:
                break
    return seen


async def restarted(desk: Desk) -> None:
    desk.stack.gateway.kill()
    desk.stack.gateway.start()
    await asyncio.to_thread(until_open, desk.stack, ["XSIM"])


async def snapshot_beyond(desk: Desk, seq: int) -> None:
    """Wait for a snapshot: it is written by a process that runs only where nobody else wants to."""
    async with asyncio.timeout(SNAPSHOT_S):
        while desk.api.overview().snapshot_seq <= seq:  # noqa: ASYNC110  # It is the gateway's; it is asked again.
            await asyncio.sleep(0.5)


def gateway_says(stack: Stack, *words: str) -> str:
    """What the `gateway` program prints."""
    code = "import sys; sys.argv[0] = 'gateway'; from gateway.cli.server import main; main()"
    command = [sys.executable, "-c", code, *words, "--config", str(stack.gateway_config)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S).stdout


async def test_an_order_that_left_memory_is_shown_whole_answers_its_key_and_takes_a_late_bust(desk: Desk) -> None:
    await is_remembered(desk, await past_order(desk, "at-once"))


@pytest.mark.timeout(400)
async def test_the_same_after_kill_9_from_a_snapshot_and_after_the_old_journal_was_archived(desk: Desk) -> None:
    """A restart begins at a snapshot, and what lies before it is in the archive: nothing of it is forgotten."""
    past = {name: await past_order(desk, name) for name in ("restarted", "archived", "both")}
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> int:
        async with places:
            handle, _ = await desk.working(order_qty=1, price="80.00")
            await handle.cancel()
            await handle.done(timeout_s=WAIT_S)
            return handle.as_of_seq

    last_seq = max(await asyncio.gather(*(one() for _ in range(MANY))))
    await snapshot_beyond(desk, 1_000)
    before = await events_until(desk, last_seq)

    await restarted(desk)
    assert "snapshot not used" not in desk.stack.gateway.log.read_text()
    newest = Snapshots(desk.stack.folder / "gateway" / "snapshots", 2).newest(journal_of(desk.stack))
    assert newest is not None
    assert newest.seq > 1_000
    await is_remembered(desk, past["restarted"])

    assert " are in " in gateway_says(desk.stack, "archive")
    await is_remembered(desk, past["archived"])
    assert await events_until(desk, last_seq) == before
    await restarted(desk)
    await is_remembered(desk, past["both"])
    assert await events_until(desk, last_seq) == before
    the_books_agree(desk.stack)


def the_books_agree(stack: Stack) -> None:
    """Most of it is not in memory any more, and the journal still has every order and execution of the venues."""
    journal = journal_view(every_order(journal_of(stack).read()), CLIENT_ID)
    venues = venue_view({name: stack.ledger(name) for name in stack.venues})
    assert journal.at_venue.keys() == venues.received.keys()
    assert sorted(journal.fills) == sorted(venues.fills)
