"""The way of a request to the venue, and a process that is killed at every step of it (C0 to C5, C9).

Each with a new order, a cancel and a replace: what a venue does not have, nobody may wait for, and what it has, nobody
may send again.
"""

import asyncio

import grpc
import pytest

from gateway.client import OrderHandle, OrdStatus
from gateway.core import events as ev
from gateway.pb.v1 import gateway_pb2 as pb
from tests.crash.conftest import Rigged
from tests.crash.rig import Command, Rig, an_order
from tests.e2e.hard import WAIT_S, until
from tests.e2e.stack import until_open, without_crowd
from tests.postgres import PostgresServer

KINDS = ("new", "cancel", "replace")
KEY = "doomed"


def command(kind: str, base: OrderHandle) -> Command:
    if kind == "cancel":
        return pb.CancelOrderRequest(cl_ord_id=KEY, orig_cl_ord_id=base.cl_ord_id)
    if kind == "replace":
        return pb.ReplaceOrderRequest(cl_ord_id=KEY, orig_cl_ord_id=base.cl_ord_id, price="91.00")
    return an_order(KEY)


async def came_to_be(rig: Rig, kind: str, base: OrderHandle) -> None:
    """The venue did what was asked."""
    if kind == "new":
        await rig.becomes(KEY, lambda order: order.ord_status is OrdStatus.NEW and not order.in_doubt)
    elif kind == "cancel":
        await rig.becomes(base.cl_ord_id, lambda order: order.ord_status is OrdStatus.CANCELED)
    else:
        await rig.becomes(base.cl_ord_id, lambda order: order.price == 91 and not order.pending)


async def came_to_nothing(rig: Rig, kind: str, base: OrderHandle) -> None:
    """The venue does not have what was asked, its owner was told so, and the order is as it was."""
    if kind == "new":
        await rig.becomes(KEY, lambda order: order.ord_status is OrdStatus.REJECTED and not order.in_doubt)
    order = await rig.becomes(base.cl_ord_id, lambda order: not order.pending)
    assert (order.ord_status, order.price) == (OrdStatus.NEW, 90)
    assert len(rig.records(ev.OrderUnsent)) == 1


# --- C0, C1: before it is durable ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_c0_killed_before_the_commit_nothing_happened_and_the_same_key_does_it(rig: Rigged, kind: str) -> None:
    async with rig("before the commit") as run:
        await never_was(run, kind, 1)


@pytest.mark.parametrize("write", [1, 2])
async def test_c1_killed_inside_a_write_of_the_commit_its_torn_tail_is_cut_off(rig: Rigged, write: int) -> None:
    """The frame's header, then its page, each written to half of it."""
    async with rig("write of the log") as run:
        await never_was(run, "new", write)


async def test_c0_on_postgresql_killed_before_the_commit_nothing_happened_and_the_same_key_does_it(
    on_postgresql: Rigged,
) -> None:
    async with on_postgresql("before the commit") as run:
        await never_was(run, "new", 1)


async def test_c1_on_postgresql_killed_with_half_a_statement_sent_nothing_happened(
    on_postgresql: Rigged, postgres: PostgresServer
) -> None:
    """The server has half of a commit, and does none of it: that is its torn tail."""
    async with on_postgresql("statement half sent") as run:
        await never_was(run, "new", 1)
    assert "incomplete message from client" in postgres.log.read_text()


async def never_was(run: Rig, kind: str, passage: int) -> None:
    # The logon and comparison of the other venue are events too: they come before the order, and so before the count.
    await asyncio.to_thread(until_open, run.stack, ("XSIM", "YSIM"))
    base = await run.base()
    before = run.records()
    run.arm(passage)
    await run.lost(command(kind, base))
    assert run.records() == before
    await run.restarts()
    await run.up()
    reply = await run.ask(command(kind, base))
    assert isinstance(reply, pb.CommandReply)
    assert not reply.repeated
    await came_to_be(run, kind, base)
    await run.agrees()


async def test_c1_killed_before_the_sync_the_commit_is_whole_or_not_there(rig: Rigged) -> None:
    """kill -9 leaves what the system holds: the commit is whole, so the order is ours and its owner hears of it."""
    async with rig("sync of the log") as run:
        base = await run.base()
        run.arm()
        await run.lost(command("new", base))
        await run.restarts()
        await came_to_nothing(run, "new", base)
        await run.agrees()


async def test_c1_on_postgresql_killed_before_the_server_syncs_the_commit_is_whole(on_postgresql: Rigged) -> None:
    """The server has the statement and nobody waits for its answer any more: it commits all the same."""
    async with on_postgresql("statement sent") as run:
        base = await run.base()
        run.arm()
        await run.lost(command("new", base))
        await until(lambda: KEY in str(run.records(ev.OrderRouted)))
        await run.restarts()
        await came_to_nothing(run, "new", base)
        await run.agrees()


# --- C2, C3: durable, and not sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ("after the commit", "new"),
        ("before the link", "new"),
        ("in toApp", "new"),
        ("in toApp", "cancel"),
        ("in toApp", "replace"),
    ],
)
async def test_c2_killed_before_quickfix_stored_it_the_store_proves_it_unsent(
    rig: Rigged, point: str, kind: str
) -> None:
    async with rig(point) as run:
        await proven_unsent_without_the_venue(run, kind)


@pytest.mark.parametrize("point", ["after the commit", "in toApp"])
async def test_c2_on_postgresql_killed_before_quickfix_stored_it_the_store_proves_it_unsent(
    on_postgresql: Rigged, point: str
) -> None:
    async with on_postgresql(point) as run:
        await proven_unsent_without_the_venue(run, "new")


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ("body stored", "new"),
        ("header stored", "new"),
        ("number not advanced", "new"),
        ("number not advanced", "cancel"),
        ("number not advanced", "replace"),
    ],
)
async def test_c3_killed_while_quickfix_stores_it_the_store_proves_it_unsent(
    rig: Rigged, point: str, kind: str
) -> None:
    async with rig(point) as run:
        await proven_unsent_without_the_venue(run, kind)


async def proven_unsent_without_the_venue(run: Rig, kind: str) -> None:
    """The venue is dead as well: nobody but QuickFIX's store can say it."""
    base = await run.base()
    run.arm()
    await run.lost(command(kind, base))
    assert not run.records(ev.OrderUnsent)
    run.stack.venues["XSIM"].kill()
    await run.restarts()
    await came_to_nothing(run, kind, base)
    await run.venue_restarts()
    await run.up()
    reply = await run.ask(command(kind, base))
    assert isinstance(reply, pb.CommandReply)
    assert reply.repeated
    assert not run.books.received()[KEY]
    await run.agrees()


# --- C4, C5: perhaps sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_c4_killed_before_the_wire_the_gap_is_filled_and_the_venue_says_that_it_has_nothing(
    rig: Rigged, kind: str
) -> None:
    async with rig("before send") as run:
        base = await run.base()
        run.arm()
        await run.lost(command(kind, base))
        run.stack.venues["XSIM"].kill()
        await run.restarts()
        doubted = KEY if kind == "new" else base.cl_ord_id
        assert (await run.order(doubted)).in_doubt, "nobody but the venue can say it"
        await run.venue_restarts()
        await came_to_nothing(run, kind, base)
        await run.up()
        await run.agrees()


@pytest.mark.parametrize("kind", KINDS)
async def test_c5_killed_after_the_wire_what_the_venue_did_is_adopted(rig: Rigged, kind: str) -> None:
    async with rig("after send") as run:
        base = await run.base()
        run.arm()
        await run.lost(command(kind, base))
        await run.restarts()
        await came_to_be(run, kind, base)
        assert not run.records(ev.OrderUnsent)
        await run.agrees()


async def test_c5_while_the_venue_is_silent_the_order_stays_in_doubt_with_an_alert(rig: Rigged) -> None:
    """Silence is no evidence (rule 2). The venue has the order, and answers no question until a person does."""
    async with rig("after send", {"XSIM": by_hand}) as run:
        await run.base("30.00", symbol="INITECH")
        run.arm()
        await run.lost(an_order(KEY))
        with run.venue() as venue:
            for question in ("H", "AF"):
                venue.do("fault", kind="silence", msg_type=question, every=1)
            await run.restarts()
            venue.wait("received", msg_type="AF", count=2, timeout_s=WAIT_S)
            detail = await run.gateway.get_order(cl_ord_id=KEY)
            assert detail.order.in_doubt
            log = await asyncio.to_thread(run.stack.gateway.log.read_text)
            assert any(
                "in doubt" in line and '"error"' in line and detail.order.order_id in line for line in log.splitlines()
            )
            assert not run.records(ev.OrderUnsent, ev.DoubtResolved)
            venue.do("clear_faults")
            venue.do("new", cl_ord_id=detail.requests[0].venue_cl_ord_id)
        await run.becomes(KEY, lambda order: order.ord_status is OrdStatus.NEW and not order.in_doubt)
        await run.agrees()


def by_hand(text: str) -> str:
    """A venue that does nothing with ACME by itself."""
    return without_crowd(text).replace('symbol = "ACME"\n', 'symbol = "ACME"\nmode = "manual"\n')


# --- C9: done, and not told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_c9_killed_before_the_reply_the_same_key_gets_the_stored_answer(rig: Rigged, kind: str) -> None:
    async with rig("before the reply") as run:
        await answered_again(run, kind)


async def test_c9_on_postgresql_killed_before_the_reply_the_same_key_gets_the_stored_answer(
    on_postgresql: Rigged,
) -> None:
    async with on_postgresql("before the reply") as run:
        await answered_again(run, "new")


async def answered_again(run: Rig, kind: str) -> None:
    """What was done and not told is told on the next request, and not done again."""
    base = await run.base()
    run.arm()
    await run.lost(command(kind, base))
    await run.restarts()
    await came_to_be(run, kind, base)
    replies = [await run.ask(command(kind, base)) for _ in range(2)]
    taken = (ev.OrderSubmitted, ev.CancelRequested, ev.ReplaceRequested)
    seq = next(record.seq for record in run.records(*taken) if KEY in str(record.event))
    for reply in replies:
        assert isinstance(reply, pb.CommandReply)
        assert (reply.repeated, reply.seq) == (True, seq)
    other = command("new", base)
    other.order_qty = "11"  # type: ignore[union-attr]
    assert await run.ask(other) is grpc.StatusCode.ALREADY_EXISTS
    await run.agrees()
