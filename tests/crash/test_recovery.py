"""What recovery makes of what is left: from C1's damage, over C11 and C12, to a process that comes back (C13)."""

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import grpc
import pytest

from gateway.client import OrderHandle, OrdStatus
from gateway.core.state import State
from ops.stack import Stack, put, tail
from tests.crash.conftest import Rigged
from tests.crash.rig import RECOVERY_S, Rig, an_order
from tests.e2e.hard import WAIT_S, ended, received, state_of

JOURNAL_REFUSED, FATAL = 3, 1

# --- C1: damage that is no torn tail ---------------------------------------------------------------------------------


async def test_c1_damage_before_the_tail_refuses_to_start_and_says_where(rig: Rigged) -> None:
    """A flipped bit in the middle of SQLite's log, with acknowledged orders behind it."""
    async with rig("") as run:
        for _ in range(3):
            await run.base()
        run.stack.gateway.kill()
        log = run.stack.folder / "gateway" / "journal.sqlite3-wal"
        content = bytearray(log.read_bytes())
        content[32 + 24 + 100] ^= 1  # In the page of the first frame.
        log.write_bytes(content)
        run.stack.gateway.launch()
        assert await asyncio.to_thread(ended, run.stack.gateway) == JOURNAL_REFUSED
        said = tail(run.stack.gateway.log, 3)
        assert all(
            words in said for words in ("frame 1 of journal.sqlite3-wal", "is damaged at seq", "put back a copy")
        )
        assert log.read_bytes() == bytes(content), "nothing was changed"


# --- C11: recovery itself --------------------------------------------------------------------------------------------

# Where recovery dies, one after the other, and at which passage.
DEATHS = (
    ("journal taken over", 1),
    ("replay", 1),
    ("replay", 9),
    ("before the epoch is told", 1),
    ("after the epoch is told", 1),
    ("before a link starts", 1),
    ("after a link started", 1),
    ("after a link started", 2),
    ("before the logon is told", 1),
    ("after the logon is told", 1),
)


async def test_c11_recovery_that_dies_at_each_of_its_steps_gives_the_same_state(rig: Rigged) -> None:
    """With an order in doubt, one that is working and one that is partly filled."""
    async with rig("") as run:
        handles = [await run.base() for _ in range(2)]
        name = (await run.gateway.get_order(cl_ord_id=handles[0].cl_ord_id)).requests[0].venue_cl_ord_id
        with run.venue() as venue:
            venue.do("fill", cl_ord_id=name, qty="3", px="90")
        await handles[0].wait_for(lambda order: order.cum_qty == 3, timeout_s=WAIT_S)
        run.stack.gateway.kill()
        before = state_of(run.stack)
        for point, passage in DEATHS:
            run.mine(point, passage)
            run.stack.gateway.launch()
            await run.dies()
        again, once_more = state_of(run.stack), state_of(run.stack)
        assert again == once_more
        assert trading(again) == trading(before)
        await run.restarts()
        await run.up()
        assert {order.order_id: order.cum_qty for order in state_of(run.stack).orders.values()}.items() >= {
            order.order_id: order.cum_qty for order in before.orders.values()
        }.items()
        await run.agrees()


def trading(state: State) -> tuple[object, ...]:
    """What must not change because a process died: orders, keys, positions."""
    return (state.orders, state.keys, state.positions, state.executions, state.last_request_no, state.working)


# --- C12: QuickFIX's store is older than the journal -----------------------------------------------------------------


@pytest.mark.parametrize("unjournaled", [0, 3])
async def test_c12_an_older_store_never_uses_a_number_twice_and_adopts_what_the_venue_expects(
    rig: Rigged, unjournaled: int
) -> None:
    """As after a loss of power: the store of a while ago, and a machine that was started anew. The journal's floor is
    the number that the venue expects, unless the session's own messages, which no journal has, took more of them.
    """
    async with rig("") as run:
        store = run.stack.folder / "gateway" / "fix" / "XSIM"
        copy = run.stack.folder / "copy"
        first = await run.base()
        run.stack.gateway.kill()
        shutil.copytree(store, copy)
        await run.restarts()
        second = await run.base()
        last = [await run.base() for _ in range(3)][-1]
        run.stack.gateway.kill()
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        for note in store.glob("*.note"):
            note.write_text(note.read_text().replace(boot_id(), "another"))
        with run.venue() as venue:
            venue.do("set_seq", next_in=venue.do("sessions")["sessions"][0]["next_in"] + unjournaled)
        log = run.stack.gateway.log
        before = len(await asyncio.to_thread(log.read_text))
        await run.restarts()
        for handle in (first, second, last):
            await run.up()
            await handle.cancel()
            assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED
        told = (await asyncio.to_thread(log.read_text))[before:].splitlines()
        assert any("store older than the journal" in line for line in told)
        too_low = [line for line in told if "too low, expecting" in line]
        assert bool(too_low) == bool(unjournaled), too_low
        assert all('"level": "error"' in line for line in too_low)
        await run.agrees()


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


# --- C13: an old process wakes up ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wakes_to", ["a report", "a command", "nothing"])
async def test_c13_a_stopped_process_that_wakes_after_another_took_over_writes_and_sends_nothing(
    rig: Rigged, wakes_to: str
) -> None:
    async with rig("") as run:
        await overtaken(run, wakes_to)


@pytest.mark.parametrize("wakes_to", ["a report", "a command"])
async def test_c13_on_postgresql_a_stopped_process_that_wakes_after_another_took_over_writes_and_sends_nothing(
    on_postgresql: Rigged, wakes_to: str
) -> None:
    async with on_postgresql("") as run:
        await overtaken(run, wakes_to)


async def test_c13_asleep_between_its_commit_and_the_venue_it_sends_nothing_either(rig: Rigged) -> None:
    """Its commit was in time. But since then another decides what becomes of the order."""
    async with rig("asleep after the commit") as run:
        await run.up()
        run.arm()
        lost = asyncio.create_task(run.ask(an_order("late")))
        old = run.stack.gateway
        await asyncio.to_thread(stopped, old.pid)
        new = taken_over(run)
        try:
            await asyncio.to_thread(new.gateway.wait_ready, RECOVERY_S)
            os.kill(old.pid, signal.SIGCONT)
            assert await lost is grpc.StatusCode.UNAVAILABLE
            assert await asyncio.to_thread(ended, old) == FATAL
            assert "another process took the journal over" in tail(old.log, 200)
        finally:
            new.gateway.stop()
        old.stop()
        await run.restarts()
        await run.up()
        order = await run.order("late")
        assert (order.ord_status, order.in_doubt) == (OrdStatus.REJECTED, False)
        assert not received(run.stack, "D")[last_name(run, order.order_id)]
        await run.agrees()


def stopped(pid: int) -> None:
    """Wait until a process is stopped by a signal."""
    until = time.monotonic() + WAIT_S
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.02)  # Another process's state: it is looked at again.


def last_name(run: Rig, order_id: str) -> str:
    return state_of(run.stack).orders[order_id].venue_cl_ord_id


async def overtaken(run: Rig, wakes_to: str) -> None:
    """Two machines on one journal: the lock of the data directory cannot help, the epoch must."""
    base = await run.base()
    old = run.stack.gateway
    os.kill(old.pid, signal.SIGSTOP)
    new = taken_over(run)
    try:
        await asyncio.to_thread(new.gateway.wait_ready, RECOVERY_S)
        if wakes_to == "a report":
            await filled(run, base)
        os.kill(old.pid, signal.SIGCONT)
        if wakes_to == "a command":
            assert await run.ask(an_order("late")) is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(ended, old) == FATAL
        assert "another process took the journal over" in tail(old.log, 200)
        assert "'late'" not in str(run.records())
    finally:
        new.gateway.stop()
    old.stop()
    await run.restarts()
    await run.up()
    assert (await run.order(base.cl_ord_id)).cum_qty == (4 if wakes_to == "a report" else 0)
    await run.agrees()


async def filled(run: Rig, base: OrderHandle) -> None:
    """The venue executes 4 of the order."""
    detail = await asyncio.to_thread(lambda: state_of(run.stack).orders[base.order.order_id])
    with run.venue() as venue:
        venue.do("fill", cl_ord_id=detail.venue_cl_ord_id, qty="4", px="90")


def taken_over(run: Rig) -> Stack:
    """A gateway on the same journal and the same venues, with a data directory of its own."""
    text = run.stack.gateway_config.read_text()
    stack = Stack(run.stack.folder.parent / "new")
    text = put(text, "data_dir", f'"{stack.folder}/gateway"')
    text = put(text, "url", f'"{run.stack.journal_url}"')
    for old, new in ((run.stack.api_port, stack.api_port), (run.stack.metrics_port, stack.metrics_port)):
        text = put(text, "port", str(new), str(old))
    stack.gateway_config.write_text(text)
    stack.gateway.launch()
    return stack
