"""The way of a report into the journal and to its owner, and a process that is killed at every step of it (C6 to C8).

The venue executes once; whatever dies, the execution is booked once and told once.
"""

from pathlib import Path

import pytest

from gateway.client import OrderHandle
from gateway.core import events as ev
from tests.crash.conftest import Rigged
from tests.crash.rig import Rig
from tests.e2e.hard import WAIT_S


async def fill(run: Rig, base: OrderHandle) -> None:
    """The venue executes 4 of the order, and the gateway dies of hearing it."""
    name = (await run.gateway.get_order(cl_ord_id=base.cl_ord_id)).requests[0].venue_cl_ord_id
    run.arm()
    with run.venue() as venue:
        venue.do("fill", cl_ord_id=name, qty="4", px="90")
    await run.dies()


async def booked_once(run: Rig, base: OrderHandle) -> None:
    await base.wait_for(lambda order: order.cum_qty == 4, timeout_s=WAIT_S)
    await run.up()
    await run.agrees()
    assert len(run.records(ev.OrderFilled)) == 1
    assert (await run.order(base.cl_ord_id)).cum_qty == 4


@pytest.mark.parametrize("point", ["report in fromApp", "report before the commit"])
async def test_c6_killed_before_a_report_is_committed_the_venue_sends_it_again(rig: Rigged, point: str) -> None:
    """Whether QuickFIX had counted it or not: the journal owns the inbound number."""
    async with rig(point) as run:
        base = await run.base()
        await fill(run, base)
        assert not run.records(ev.OrderFilled)
        await run.restarts()
        await booked_once(run, base)


async def test_c7_killed_before_quickfix_counted_a_committed_report_it_is_booked_once(rig: Rigged) -> None:
    async with rig("report committed, QuickFIX waits") as run:
        base = await run.base()
        await fill(run, base)
        (filled,) = run.records(ev.OrderFilled)
        assert next_target(run.stack.folder / "gateway" / "fix" / "XSIM") == filled.cause.msg_seq_num
        await run.restarts()
        await booked_once(run, base)


def next_target(store: Path) -> int:
    """The number that QuickFIX expects next, as it stored it."""
    (path,) = store.glob("*.seqnums")
    return int(path.read_text().partition(":")[2])


async def test_c8_killed_before_the_streams_saw_a_report_the_client_resumes_without_a_gap(rig: Rigged) -> None:
    async with rig("before the streams") as run:
        base = await run.base()
        await fill(run, base)
        assert len(run.records(ev.OrderFilled)) == 1
        assert base.order.cum_qty == 0, "nobody was told"
        await run.restarts()
        await booked_once(run, base)
