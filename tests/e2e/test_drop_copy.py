"""The drop copy, the third book: what it confirms, what it finds, and what it never shows."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from gateway.client import OrderHandle, OrdStatus
from gateway.core import events as ev
from gateway.core.types import ExecType
from ops.stack import Stack
from sim_exchange import ledger
from tests.e2e.desk import MANUAL, Desk, desk_at
from tests.e2e.hard import WAIT_S, accepted, events_of, sent_twice, state_of, until
from tests.e2e.stack import OPERATOR_ID, running_stack

ORDERS, COPIES = "FIX.4.4:XSIM->GATEWAY", "FIX.4.4:XSIM->GATEWAY-DC"
DROP = "XSIM.DROP"


def with_drop_copy(text: str) -> str:
    """XSIM has a second session, on the port of the first, and three seconds to show an execution there."""
    (port,) = [line for line in text.split('name = "XSIM"')[1].splitlines() if line.startswith("port = ")][:1]
    copy = f"""ack_timeout_s = 1

[venues.reconcile]
grace_s = 3

[venues.drop_copy]
host = "127.0.0.1"
{port}
sender_comp_id = "GATEWAY-DC"
target_comp_id = "XSIM"
"""
    head, end = text.split('\n[[venues]]\nname = "YSIM"')
    return f'{head}{copy}\n[[venues]]\nname = "YSIM"{end}{MANUAL}'


def copying(text: str) -> str:
    """XSIM without its random counterparties, and with the session that gets a copy of every report."""
    quiet = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
    return quiet + '\n[[drop_copy]]\nclient = "GATEWAY-DC"\nbegin_string = "FIX.4.4"\nreports = "all"\n'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    edit = {"gateway": with_drop_copy, "XSIM": copying}
    with running_stack(tmp_path_factory.mktemp("stack"), edit) as running:
        yield running


@pytest.fixture
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    async with desk_at(stack) as made:
        await until(lambda: copies_are_up(made))
        yield made
    assert not sent_twice(stack), "rule 2"


def copies_are_up(desk: Desk) -> bool:
    (session,) = [each for each in desk.api.sessions().sessions if each.drop_copy_of == "XSIM"]
    return session.logged_on


def noted(stack: Stack, order_id: str) -> list[tuple[str, bool]]:
    """The executions of an order that the drop copy showed, and whether they were known by then."""
    events = [event for event in events_of(stack, ev.DropCopyNoted) if event.order_id == order_id]
    return [(event.report.exec_id, event.known) for event in events if event.report.exec_type is ExecType.TRADE]


def fill(desk: Desk, name: str, qty: str, *, silent: bool = False) -> str:
    """An execution at the venue; its ExecID(17)."""
    return str(desk.do("fill", cl_ord_id=name, qty=qty, px="90", silent=silent)["report"]["exec_id"])


async def test_an_execution_that_both_sessions_tell_is_confirmed(desk: Desk) -> None:
    handle, name = await desk.working(order_qty=100)
    exec_id = fill(desk, name, "30")
    await handle.wait_for(lambda order: order.cum_qty == 30, timeout_s=WAIT_S)
    await until(lambda: len(noted(desk.stack, handle.order.order_id)) == 1)
    assert noted(desk.stack, handle.order.order_id)[0][0] == exec_id
    await settled(desk)
    assert not desk.raised("EXECUTION_MISSING", handle.order.order_id)
    assert not desk.raised("EXECUTION_UNCONFIRMED", handle.order.order_id)


async def test_order_entry_is_a_matter_of_venues_and_never_of_a_drop_copy(desk: Desk) -> None:
    """It would be closed there for good, and the alert of operations.md would never end."""
    await until(lambda: desk.metric('gateway_order_entry_open{venue="XSIM"}') == 1)
    figures = desk.metrics()
    assert figures[f'gateway_session_up{{venue="{DROP}"}}'] == 1
    assert f'gateway_order_entry_open{{venue="{DROP}"}}' not in figures


async def settled(desk: Desk) -> None:
    """Nothing waits for the other source any more: as the journal has it, the grace time is over for nobody."""

    def nothing_waits() -> bool:
        copy = state_of(desk.stack).drop_copies["XSIM"]
        return copy.up and not copy.told and not copy.untold

    await until(nothing_waits)


async def test_a_fill_that_only_the_drop_copy_tells_is_found_and_counted_once(desk: Desk) -> None:
    """The order session never tells it: after the grace time the drop copy is the evidence. Told later, it is known."""
    handle, name = await desk.working(order_qty=100)
    desk.do("fault", kind="lose", session=ORDERS, exec_type="F", cl_ord_id=name, nth=1)
    exec_id = fill(desk, name, "40")
    order = await handle.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
    assert (order.leaves_qty, order.avg_px) == (60, 90)
    (raised,) = desk.raised("EXECUTION_MISSING", order.order_id)
    assert (raised.exec_id, raised.theirs) == (exec_id, "40 at 90")
    (resolved,) = [each for each in events_of(desk.stack, ev.ItemResolved) if each.item_id == raised.item_id]
    assert resolved.text == f"applied from drop copy {DROP}"
    (filled,) = [each for each in events_of(desk.stack, ev.OrderFilled) if each.order_id == order.order_id]
    assert f"told by drop copy {DROP}" in filled.text

    desk.do("report", cl_ord_id=name, exec_type="F", qty="40", px="90", exec_id=exec_id)
    await ignored(desk, handle)
    assert (await desk.order(handle)).cum_qty == 40


async def ignored(desk: Desk, handle: OrderHandle) -> None:
    """Wait until a report about the order was dropped as known."""
    order_id = handle.order.order_id
    await until(lambda: order_id in {event.order_id for event in events_of(desk.stack, ev.ReportIgnored)})


async def test_an_execution_that_the_drop_copy_never_shows_is_an_item(desk: Desk) -> None:
    handle, name = await desk.working(order_qty=100)
    desk.do("fault", kind="lose", session=COPIES, exec_type="F", cl_ord_id=name, nth=1)
    exec_id = fill(desk, name, "25")
    await handle.wait_for(lambda order: order.cum_qty == 25, timeout_s=WAIT_S)
    item = await desk.item("EXECUTION_UNCONFIRMED", handle.order.order_id)
    assert item.exec_id == exec_id
    assert (await desk.order(handle)).cum_qty == 25, "the order session's word counts"
    desk.ctl("resolve-item", item.item_id, "--reason", "the venue confirms it", "--yes")
    assert (await desk.closed(item)).operator == OPERATOR_ID


async def test_an_order_in_doubt_is_settled_by_the_drop_copy(desk: Desk) -> None:
    """Rule 2: what the venue tells the drop copy is evidence, and it is taken at once."""
    handle = await accepted(desk.gateway, symbol="DESK")
    name = await desk.name(handle)
    await until(lambda: name in {each.venue_cl_ord_id for each in desk.api.in_doubt().requests})
    desk.do("fault", kind="lose", session=ORDERS, every=1)
    desk.do("new", cl_ord_id=name)
    await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    (known,) = [each for each in events_of(desk.stack, ev.OrderAcknowledged) if each.order_id == handle.order.order_id]
    assert f"told by drop copy {DROP}" in known.text
    assert not (await desk.order(handle)).in_doubt


async def test_an_order_of_somebody_else_that_the_drop_copy_shows_is_external(desk: Desk) -> None:
    desk.do("fault", kind="lose", session=ORDERS, every=1)
    taken = {"session": ORDERS, "symbol": "INITECH", "side": "2", "qty": "50", "price": "60"}
    order_id = desk.do("phone_order", **taken)["report"]["order_id"]
    await until(lambda: order_id in {each.venue_order_id for each in desk.api.external_orders("XSIM").orders})
    (item,) = [each for each in desk.items("ORDER_EXTERNAL") if each.venue_order_id == order_id]
    desk.do("unsolicited_cancel", order_id=order_id)
    assert (await desk.closed(item)).text == "XSIM says CANCELED"
    assert order_id not in desk.ctl("external-orders")


async def test_copies_are_neither_lost_nor_doubled_by_kill_9_of_the_gateway(desk: Desk) -> None:
    """Killed while executions come in on both sessions, and executed on while it is away."""
    handles = [await desk.working(order_qty=1_000, price="80.00") for _ in range(3)]
    told: list[str] = []
    for round_number in range(2):
        for handle, name in handles:
            told += [fill(desk, name, "1") for _ in range(5)]
            if handle is handles[round_number][0]:
                desk.stack.gateway.kill()
        desk.stack.gateway.start()
    for handle, _ in handles:
        order = await handle.wait_for(lambda order: order.cum_qty == 10, timeout_s=WAIT_S)
        assert order.avg_px == Decimal(90)
    order_ids = {handle.order.order_id for handle, _ in handles}

    def shown() -> Counter[str]:
        return Counter(exec_id for order_id in order_ids for exec_id, _ in noted(desk.stack, order_id))

    await until(lambda: len(shown()) == len(told))
    assert shown() == Counter(told)
    executed = [each for each in ledger.read_executions(desk.stack.ledger("XSIM")) if each.exec_id in set(told)]
    assert Counter(each.exec_id for each in executed) == shown()
    await settled(desk)
    await until(lambda: not order_ids & {each.order_id for each in desk.api.items("XSIM").items})
