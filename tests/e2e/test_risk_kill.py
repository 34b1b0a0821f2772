"""The kill switch over real processes: whatever is slow, gone or flooding, nothing new passes and what works is taken
back, until a person says otherwise.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from gateway.client import EventType, GatewayClient, OrderHandle, OrdStatus, Reason, Refused
from gateway.core import events as ev
from gateway.core.risk import events as re
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from ops.stack import ROOT, Process, Stack
from sim_exchange import ledger
from tests.e2e.desk import desk_at
from tests.e2e.hard import WAIT_S, accepted, control, journal_of, sent_twice, told, until, working
from tests.e2e.stack import CLIENT_ID, NOT_YET, OPERATOR_ID, running_stack
from tests.e2e.test_hard_clients import an_order
from tests.postgres import PostgresServer

EACH = 500
BOT, FLOOD = "bot", "flood"
GRACE_S = 1
WAITING = 200
OPERATOR = (("client-id", OPERATOR_ID),)
STOP = pb.StopTradingRequest(scope="firm", reason="it runs wild")
SESSION_LEVEL = frozenset("012345A")
"""MsgTypes(35) of the session itself."""

CLIENTS = f"""
[[clients]]
id = "{FLOOD}"
role = "trader"
accounts = ["ACC2"]

[[clients]]
id = "{BOT}"
role = "trader"
accounts = ["ACC1"]
cancel_on_disconnect_s = {GRACE_S}
"""


def more_clients(text: str) -> str:
    return text + CLIENTS


def one_takes_mass_cancels(text: str) -> str:
    """XSIM does. Both are missed soon when they are silent."""
    comp_id = 'target_comp_id = "XSIM"\n'
    assert comp_id in text
    text = text.replace(comp_id, f"{comp_id}dialect = {{ mass_cancel = true }}\n")
    return text.replace("heart_bt_int_s = 30", "heart_bt_int_s = 1")


def no_mass_cancel(text: str) -> str:
    assert "seed = 2\n" in text
    return "".join(
        line for line in text.replace("seed = 2\n", "seed = 2\nmass_cancel = false\n").splitlines(keepends=True)
        if not line.startswith("crowd = ")
    )  # fmt: skip


# --- A thousand orders ------------------------------------------------------------------------------------------------


def lose_by_kill(venue: Process) -> Callable[[], None]:
    venue.kill()
    return venue.start


def lose_by_stop(venue: Process) -> Callable[[], None]:
    os.kill(venue.pid, signal.SIGSTOP)
    return lambda: os.kill(venue.pid, signal.SIGCONT)


@pytest.mark.parametrize(("lost", "lose"), [("YSIM", lose_by_kill), ("XSIM", lose_by_stop)])
async def test_a_thousand_orders_at_two_venues_of_which_one_is_gone(
    lost: str, lose: Callable[[Process], Callable[[], None]], tmp_path: Path
) -> None:
    (there,) = {"XSIM", "YSIM"} - {lost}
    edit = {"gateway": one_takes_mass_cancels, "YSIM": no_mass_cancel}
    with running_stack(tmp_path / "stack", edit) as stack:
        async with desk_at(stack, there) as desk:
            orders = {venue: await many_working(desk.gateway, venue) for venue in (there, lost)}
            seq = desk.api.last_seq()
            come_back = lose(stack.venues[lost])
            await told(stack, EventType.SESSION_LOGGED_OUT, from_seq=seq, venue=lost)

            desk.ctl("risk", "kill", "firm", "--reason", "it runs wild", "--no-wait")
            assert await refused(desk.gateway, venue=there) == Reason.RISK_STOPPED
            await until(lambda: all_are(orders[there], OrdStatus.CANCELED))
            (stop,) = desk.api.risk(pb.ListStopsRequest()).stops
            assert (stop.scope, stop.source, stop.completed, stop.open_orders) == ("firm", "kill", False, EACH)
            assert all_are(orders[lost], OrdStatus.NEW)

            come_back()
            await until(lambda: all_are(orders[lost], OrdStatus.CANCELED))
            await until(lambda: desk.api.risk(pb.ListStopsRequest()).stops[0].completed)
            assert_the_orders_were_taken_back(stack, there, lost)

            stack.gateway.kill()
            stack.gateway.start()
            (stop,) = desk.api.risk(pb.ListStopsRequest()).stops
            assert (stop.completed, stop.reason, stop.operator) == (True, "it runs wild", OPERATOR_ID)
            assert await refused(desk.gateway, venue=lost) == Reason.RISK_STOPPED
            desk.ctl("risk", "resume", "firm", "--reason", "looked at it", "--yes")
            assert (await working(desk.gateway, venue=lost)).order.ord_status is OrdStatus.NEW
        assert not sent_twice(stack)


async def many_working(gateway: GatewayClient, venue: str) -> list[OrderHandle]:
    handles: list[OrderHandle] = []
    while len(handles) < EACH:
        handles += await asyncio.gather(*(accepted(gateway, venue=venue) for _ in range(50)))
    await until(lambda: all_are(handles, OrdStatus.NEW))
    return handles


def all_are(handles: list[OrderHandle], ord_status: OrdStatus) -> bool:
    return all(handle.order.ord_status is ord_status for handle in handles)


async def refused(gateway: GatewayClient, venue: str = "XSIM") -> str:
    """Why no order passes, once its session is up."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with pytest.raises(Refused) as caught:
                await accepted(gateway, venue=venue)
            if caught.value.reason not in NOT_YET:
                return caught.value.reason


def assert_the_orders_were_taken_back(stack: Stack, there: str, lost: str) -> None:
    """By what was sent, and by what is proven; the venue that was gone got its cancels before anything was asked."""
    taken_back = {"XSIM": ["q"], "YSIM": ["F"] * EACH}
    assert after_the_orders(stack, there) == taken_back[there]
    after = after_the_orders(stack, lost)
    count = len(taken_back[lost])
    assert after[:count] == taken_back[lost]
    assert set(after[count:]) <= {"AF", "H"}
    events = [record.event for record in journal_of(stack).read()]
    kinds = [type(event) for event in events]
    stopped, completed = kinds.index(re.TradingStopped), kinds.index(re.StopCompleted)
    assert kinds.count(re.StopCompleted) == 1
    assert kinds[stopped:completed].count(ev.OrderCanceled) == kinds.count(ev.OrderCanceled) == 2 * EACH
    assert ev.OrderSubmitted not in kinds[stopped:]


def after_the_orders(stack: Stack, venue: str) -> list[str]:
    """What the venue got after the last order, without what belongs to the session."""
    types = [line.msg_type for line in ledger.read_lines(stack.ledger(venue)) if isinstance(line, ledger.Received)]
    last = len(types) - types[::-1].index("D")
    return [msg_type for msg_type in types[last:] if msg_type not in SESSION_LEVEL]


# --- A slow database --------------------------------------------------------------------------------------------------


@contextmanager
def sqlite_is_held(stack: Stack) -> Iterator[None]:
    with closing(sqlite3.connect(stack.folder / "gateway" / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@asynccontextmanager
async def operator(
    stack: Stack,
) -> AsyncIterator[tuple[gateway_pb2_grpc.RiskServiceStub, gateway_pb2_grpc.AdminServiceStub]]:
    """Two services on one connection: what is asked first comes first."""
    async with grpc.aio.insecure_channel(stack.api_address) as channel:
        yield gateway_pb2_grpc.RiskServiceStub(channel), gateway_pb2_grpc.AdminServiceStub(channel)  # type: ignore[no-untyped-call]


def waiting_commands(stack: Stack) -> int:
    with urlopen(f"http://127.0.0.1:{stack.metrics_port}/metrics", timeout=WAIT_S) as page:
        lines = page.read().decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith("gateway_command_queue ")]
    return int(float(value))


@asynccontextmanager
async def stack_in_postgresql(
    folder: Path,
) -> AsyncIterator[tuple[Stack, Callable[[], AbstractContextManager[None]]]]:
    """A stack, and what holds its journal."""
    with PostgresServer() as server:
        database = server.new_database()

        @contextmanager
        def held() -> Iterator[None]:
            with server.connect(database) as other, other.transaction():
                other.execute("LOCK TABLE journal_batch IN EXCLUSIVE MODE")
                yield

        with running_stack(folder, {"gateway": more_clients}, journal_url=server.url(database)) as stack:
            yield stack, held


async def killed_while_held(stack: Stack, held: AbstractContextManager[None]) -> None:
    """The stop is asked for first; orders and a look at it come while its commit waits."""
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=WAIT_S) as gateway:
        before = await working(gateway)
        async with operator(stack) as (risk, admin):
            with held:
                stopping = asyncio.ensure_future(risk.StopTrading(STOP, metadata=OPERATOR, timeout=WAIT_S))
                await admin.ListSessions(pb.ListSessionsRequest(), metadata=OPERATOR)  # It came after the stop.
                looking = asyncio.ensure_future(risk.ListStops(pb.ListStopsRequest(), metadata=OPERATOR))
                orders = [asyncio.create_task(refused(gateway)) for _ in range(20)]
                await until(lambda: waiting_commands(stack) == len(orders))
                assert not stopping.done()
                assert not looking.done(), "what is not durable is not shown"
                assert not [order for order in orders if order.done()]
            reply = await stopping
            assert [stop.scope for stop in (await looking).stops] == ["firm"]
            assert set(await asyncio.gather(*orders)) == {Reason.RISK_STOPPED}
            await before.wait_for(OrdStatus.CANCELED, timeout_s=WAIT_S)
        stack.gateway.kill()
        stack.gateway.start()
        assert await refused(gateway) == Reason.RISK_STOPPED
    records = list(journal_of(stack).read(reply.seq))
    assert isinstance(records[0].event, re.TradingStopped)
    assert not [record for record in records if isinstance(record.event, ev.OrderSubmitted)]


async def test_a_stop_that_waits_for_sqlite_is_durable_and_in_force_when_it_gets_its_turn(own_stack: Stack) -> None:
    await killed_while_held(own_stack, sqlite_is_held(own_stack))


async def test_a_stop_that_waits_for_postgresql_is_durable_and_in_force_when_it_gets_its_turn(tmp_path: Path) -> None:
    async with stack_in_postgresql(tmp_path / "stack") as (stack, held):
        await killed_while_held(stack, held())


# --- A flood, and a client that is gone -------------------------------------------------------------------------------


async def test_a_stop_overtakes_the_orders_of_a_client_that_floods(tmp_path: Path) -> None:
    """However many calls wait, the stop is decided before all of them."""
    async with (
        stack_in_postgresql(tmp_path / "stack") as (stack, held),
        grpc.aio.insecure_channel(stack.api_address) as flooding,
        operator(stack) as (risk, admin),
    ):
        with held():
            # While the commit of a first command is held, everything else has to wait.
            halt = pb.HaltInstrumentRequest(symbol="GLOBEX", reason="to hold the commit")
            halting = asyncio.ensure_future(admin.HaltInstrument(halt, metadata=OPERATOR, timeout=WAIT_S))
            await admin.ListSessions(pb.ListSessionsRequest(), metadata=OPERATOR)
            await until(lambda: waiting_commands(stack) == 0)
            flood = asyncio.ensure_future(flood_with(flooding, WAITING))
            await until(lambda: waiting_commands(stack) == WAITING)
            stopping = asyncio.ensure_future(risk.StopTrading(STOP, metadata=OPERATOR, timeout=WAIT_S))
            await until(lambda: waiting_commands(stack) == WAITING + 1)
        await stopping
        await flood
        events = [record.event for record in journal_of(stack).read((await halting).seq)]
    taken = sum(isinstance(event, ev.OrderSubmitted) for event in events)
    answers = [event.reason for event in events if isinstance(event, ev.CommandRefused)]
    assert taken == 0
    assert answers == [Reason.RISK_STOPPED] * WAITING


async def flood_with(channel: grpc.aio.Channel, count: int) -> None:
    orders = gateway_pb2_grpc.OrderServiceStub(channel)  # type: ignore[no-untyped-call]
    me = (("client-id", FLOOD),)
    calls = [orders.SubmitOrder(an_order(f"flood{n}"), metadata=me, timeout=WAIT_S) for n in range(count)]
    await asyncio.gather(*calls, return_exceptions=True)


async def test_the_orders_of_a_client_whose_process_was_killed_are_canceled_after_its_grace(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack", {"gateway": more_clients}) as stack:
        async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=WAIT_S) as gateway:
            staying = await working(gateway)
            bot = lonely_client(stack)
            bot.start()
            bot.kill()
            with control(stack) as venue:
                venue.wait("received", msg_type="F", timeout_s=WAIT_S)
                await until(lambda: venue.do("orders", open=True)["total"] == 1)
            assert staying.order.ord_status is OrdStatus.NEW
            await told(stack, EventType.ORDER_CANCELED)
        records = list(journal_of(stack).read())
        (away,) = [record for record in records if isinstance(record.event, re.ClientAway)]
        (cancel,) = [record for record in records if isinstance(record.event, ev.CancelRequested)]
        (canceled,) = [record for record in records if isinstance(record.event, ev.OrderCanceled)]
        assert away.event.client_id == BOT
        assert cancel.event.command.orig_cl_ord_id == bot.ready["cl_ord_id"]
        assert cancel.at_ns - away.at_ns >= GRACE_S * 1_000_000_000
        assert canceled.event.order_id == cancel.event.order_id


def lonely_client(stack: Stack) -> Process:
    module = [sys.executable, "-m", "tests.e2e.lonely", stack.api_address, BOT]
    return Process(BOT, ["/usr/bin/env", f"PYTHONPATH={ROOT}", *module], stack.folder / f"{BOT}.log")
