"""Reconciliation over real processes and sockets: a venue that hides, denies, forgets and lies, and how that shows.

docs/reconciliation.md says what must happen; each test is a line of it.
"""

import re
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from gateway.client import EventType, OrderHandle, OrdStatus, OrdType, Reason, Refused, Side
from gateway.core import events as ev
from gateway.core.risk.events import StopCompleted
from gateway.core.types import Severity
from ops.stack import Stack
from tests.e2e.desk import MANUAL, Desk, desk_at
from tests.e2e.hard import WAIT_S, accepted, events_of, sent_twice, told, until
from tests.e2e.stack import OPERATOR_ID, running_stack

OUR_SESSION = "FIX.4.4:XSIM->GATEWAY"
HURRY = """
[venues.reconcile]
timeout_s = 3
"""
NO_ANSWERS = {"kind": "lose", "exec_type": "I", "every": 1}
"""No reply to any question about orders leaves the venue."""


def in_a_hurry(text: str) -> str:
    """XSIM is given up after some seconds; DESK is worked there by hand."""
    head, end = text.split('\n[[venues]]\nname = "YSIM"')
    return f'{head}ack_timeout_s = 1\n{HURRY}\n[[venues]]\nname = "YSIM"{end}{MANUAL}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), {"gateway": in_a_hurry}) as running:
        yield running


@pytest.fixture
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    async with desk_at(stack) as made:
        yield made
    assert not sent_twice(stack), "rule 2"


# --- Quantities -------------------------------------------------------------------------------------------------------


async def test_a_fill_that_was_never_told_is_a_critical_item_and_nothing_is_made_up(desk: Desk) -> None:
    """Rule 4: a venue's CumQty(14) is a check. Told later, the fill itself is the evidence that closes the item."""
    handle, name = await desk.working(order_qty=100)
    silent = desk.do("fill", cl_ord_id=name, qty="30", px="90", silent=True)["report"]
    await desk.compared()
    item = await desk.item("QUANTITY", handle.order.order_id)
    assert (item.ours, item.theirs) == ("0", "30")
    order = await desk.order(handle)
    assert (order.cum_qty, order.leaves_qty, order.avg_px) == (0, 100, 0)

    assert re.search(rf"{item.item_id} +CRITICAL .*XSIM +QUANTITY +{order.order_id}", desk.ctl("items"))
    assert desk.metric('gateway_items_open{severity="critical"}') >= 1
    log = desk.stack.gateway.log.read_text()
    assert re.search(rf'"item":"{item.item_id}".*"kind":"QUANTITY"', log.replace('": "', '":"'))

    desk.do("report", cl_ord_id=name, exec_type="F", qty="30", px="90", exec_id=silent["exec_id"])
    order = await handle.wait_for(lambda order: order.cum_qty == 30, timeout_s=WAIT_S)
    assert (order.leaves_qty, order.avg_px) == (70, 90)
    closed = await desk.closed(item)
    assert (closed.operator, closed.text) == ("", "CumQty(14) 30 is what XSIM says")


async def test_an_operator_who_settles_a_quantity_is_named_with_the_reason(desk: Desk) -> None:
    handle, name = await desk.working(order_qty=100)
    desk.do("fill", cl_ord_id=name, qty="5", px="90", silent=True)
    await desk.compared()
    item = await desk.item("QUANTITY", handle.order.order_id)
    desk.ctl("resolve-item", item.item_id, "--reason", "the venue busts it", "--yes")
    closed = await desk.closed(item)
    assert (closed.operator, closed.text) == (OPERATOR_ID, "the venue busts it")
    assert (await desk.order(handle)).cum_qty == 0


async def test_a_cum_qty_that_jumps_is_an_item_and_the_status_is_asked(desk: Desk) -> None:
    """The report names an executed quantity that its executions do not add up to: asked once, and shown."""
    handle, name = await desk.working(order_qty=100)
    desk.do("lie", cl_ord_id=name, tags={"14": "50", "151": "50"})
    desk.do("fill", cl_ord_id=name, qty="10", px="90")
    item = await desk.item("QUANTITY", handle.order.order_id)
    assert (item.ours, item.theirs) == ("10", "50")
    await told(desk.stack, EventType.ORDER_STATUS_REPORTED, from_seq=handle.as_of_seq)
    asked = [event for event in events_of(desk.stack, ev.StatusRequested) if event.order_id == item.order_id]
    assert [event.why for event in asked] == ["CumQty(14) is not the sum of the executions that it told us"]
    assert (await desk.order(handle)).cum_qty == 10

    desk.do("lie", cl_ord_id=name)
    await desk.compared()
    assert (await desk.closed(item)).operator == ""


# --- Orders -----------------------------------------------------------------------------------------------------------


async def test_an_order_that_ended_silently_has_ended_and_the_difference_is_kept(desk: Desk) -> None:
    """The venue's word is taken; that it came so late is an item for the record."""
    handle, name = await desk.working()
    desk.do("unsolicited_cancel", cl_ord_id=name, silent=True)
    await desk.compared()
    order = await handle.done(timeout_s=WAIT_S)
    assert order.ord_status is OrdStatus.CANCELED
    (raised,) = desk.raised("STATUS", order.order_id)
    assert raised.severity is Severity.WARNING
    assert not desk.items("STATUS", order.order_id)


async def test_an_order_that_the_venue_denies_is_an_item_and_stays_as_it_was(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.do("forget", cl_ord_id=name)
    await desk.compared()
    item = await desk.item("ORDER_UNKNOWN", handle.order.order_id)
    assert item.severity == 1
    assert (await desk.order(handle)).ord_status is OrdStatus.NEW
    desk.ctl("resolve-item", item.item_id, "--reason", "they look for it", "--yes")
    await desk.closed(item)


async def test_an_order_that_the_venue_lost_is_ended_by_an_operator_and_a_stop_that_waits_for_it_is_completed(
    desk: Desk,
) -> None:
    handle, name = await desk.working()
    order_id = handle.order.order_id
    resolve = ("resolve-doubt", order_id, "--outcome", "canceled", "--reason", "they lost it", "--yes")
    assert "NOT_IN_DOUBT" in desk.refused(*resolve)
    desk.do("forget", cl_ord_id=name)
    desk.ctl("risk", "kill", f"order:{order_id}", "--reason", "out of it", "--no-wait")
    await desk.compared()
    item = await desk.item("ORDER_UNKNOWN", order_id)
    await told(desk.stack, EventType.REQUEST_REJECTED)
    assert not events_of(desk.stack, StopCompleted)
    desk.ctl(*resolve)
    await until_status(desk, handle, OrdStatus.CANCELED)
    assert f"operator {OPERATOR_ID}: they lost it" in await last_word(desk, handle, EventType.ORDER_CANCELED)
    assert (await desk.closed(item)).text == "the order has ended"
    await told(desk.stack, EventType.STOP_COMPLETED)
    assert "NOT_IN_DOUBT" in desk.refused(*resolve)
    desk.ctl("risk", "resume", f"order:{order_id}", "--source", "kill", "--reason", "over", "--yes")


async def test_terms_that_changed_silently_are_an_item_until_the_order_ends(desk: Desk) -> None:
    handle, name = await desk.working(order_qty=100)
    desk.do("unsolicited_replace", cl_ord_id=name, qty="80", price="89.5", silent=True)
    await desk.compared()
    item = await desk.item("TERMS", handle.order.order_id)
    assert (item.ours, item.theirs) == ("OrderQty 100 Price 90", "OrderQty 80 Price 89.5")
    order = await desk.order(handle)
    assert (order.order_qty, order.price) == (100, Decimal(90))
    await handle.cancel()
    await handle.done(timeout_s=WAIT_S)
    assert (await desk.closed(item)).text == "the order has ended"


async def test_an_order_of_the_venue_that_we_never_sent_is_adopted_shown_and_followed(desk: Desk) -> None:
    taken = {"session": OUR_SESSION, "symbol": "INITECH", "side": "1", "qty": "70", "price": "20"}
    order_id = desk.do("phone_order", **taken, silent=True)["report"]["order_id"]
    await desk.compared()
    (item,) = [each for each in desk.items("ORDER_EXTERNAL") if each.venue_order_id == order_id]
    assert re.search(rf"{order_id} .*INITECH .*70", desk.ctl("external-orders"))
    working = desk.api.overview().working_orders

    desk.do("unsolicited_replace", order_id=order_id, qty="60", silent=True)
    await desk.compared()
    (external,) = [each for each in desk.api.external_orders("XSIM").orders if each.venue_order_id == order_id]
    assert (external.order_qty, external.venue_symbol) == ("60", "INITECH")

    desk.do("unsolicited_cancel", order_id=order_id, silent=True)
    await desk.compared()
    assert order_id not in desk.ctl("external-orders")
    assert "no longer works it" in (await desk.closed(item)).text
    assert desk.api.overview().working_orders == working, "it was never one of ours"


# --- Order entry ------------------------------------------------------------------------------------------------------


async def logged_on_without_an_answer(desk: Desk) -> tuple[OrderHandle, str]:
    """An order works, the session comes back, and the venue leaves every question open."""
    handle, name = await desk.working()
    desk.do("fault", **NO_ANSWERS)
    desk.do("drop")
    await desk.item("NOT_ANSWERED")
    return handle, name


async def refusal(desk: Desk) -> Refused:
    with pytest.raises(Refused) as refused:
        await desk.gateway.submit(
            symbol="ACME", side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="90.00", venue="XSIM"
        )
    return refused.value


async def test_until_the_venue_answers_cancels_pass_and_new_orders_are_refused(desk: Desk) -> None:
    handle, _ = await logged_on_without_an_answer(desk)
    assert (await refusal(desk)).reason == Reason.SESSION_NOT_RECONCILED
    assert desk.metric('gateway_order_entry_open{venue="XSIM"}') == 0
    (item,) = desk.items("NOT_ANSWERED")
    await handle.cancel()
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED
    desk.do("clear_faults")
    await until(desk.session_open)
    await desk.working()
    assert "is complete" in (await desk.closed(item)).text


async def test_an_operator_opens_order_entry_with_a_reason_that_is_kept(desk: Desk) -> None:
    handle, _ = await logged_on_without_an_answer(desk)
    assert (await refusal(desk)).reason == Reason.SESSION_NOT_RECONCILED
    desk.ctl("open-entry", "XSIM", "--reason", "confirmed by telephone", "--yes")
    await desk.working()
    opened = events_of(desk.stack, ev.OrderEntryOpened)[-1]
    assert (opened.venue, opened.operator, opened.reason) == ("XSIM", OPERATOR_ID, "confirmed by telephone")
    assert desk.items("NOT_ANSWERED"), "the comparison is still owed"
    desk.do("clear_faults")
    await until(lambda: not desk.items("NOT_ANSWERED"))
    assert (await desk.order(handle)).ord_status is OrdStatus.NEW


async def test_an_unexpected_reset_of_the_numbers_closes_order_entry_until_all_is_compared(desk: Desk) -> None:
    """ResetSeqNumFlag(141)=Y that nobody asked for: what the old numbers held may be missing."""
    handle, name = await desk.working(order_qty=100)
    desk.do("fault", **NO_ANSWERS)
    desk.do("fault", kind="lose_numbers", nth=1)
    desk.do("drop")
    item = await desk.item("SEQUENCE_RESET")
    assert item.severity == 1
    assert (await refusal(desk)).reason in (Reason.SESSION_NOT_RECONCILED, Reason.SESSION_DOWN)
    desk.do("clear_faults")
    await until(desk.session_open)
    assert "is complete" in (await desk.closed(item)).text
    desk.do("fill", cl_ord_id=name, qty="20", px="90")
    await handle.wait_for(lambda order: order.cum_qty == 20, timeout_s=WAIT_S)


# --- In doubt ---------------------------------------------------------------------------------------------------------


async def test_what_an_operator_says_of_a_doubt_stands_until_the_venue_speaks(desk: Desk) -> None:
    """Rule 2: evidence settles doubt, an operator's word is evidence, and the venue's own counts for more."""
    handles = {outcome: await accepted(desk.gateway, symbol="DESK") for outcome in ("unsent", "accepted", "rejected")}
    names = {outcome: await desk.name(handle) for outcome, handle in handles.items()}
    for name in names.values():
        desk.do("wait", **{"for": "received", "msg_type": "D", "cl_ord_id": name, "timeout_s": WAIT_S})
    desk.do("fault", **NO_ANSWERS)
    desk.stack.gateway.kill()
    desk.stack.gateway.start()
    await desk.item("NOT_ANSWERED")
    assert (await refusal(desk)).reason == Reason.SESSION_NOT_RECONCILED
    await until(lambda: {each.venue_cl_ord_id for each in desk.api.in_doubt().requests} >= set(names.values()))
    shown = desk.ctl("in-doubt")
    for outcome, handle in handles.items():
        assert handle.order.order_id in shown
        desk.ctl("resolve-doubt", handle.order.order_id, "--outcome", outcome, "--reason", "they say so", "--yes")
    assert not {each.venue_cl_ord_id for each in desk.api.in_doubt().requests} & set(names.values())
    ends = {
        "unsent": (EventType.ORDER_UNSENT, OrdStatus.REJECTED),
        "accepted": (EventType.ORDER_ACKNOWLEDGED, OrdStatus.NEW),
        "rejected": (EventType.ORDER_REJECTED, OrdStatus.REJECTED),
    }
    for outcome, (event_type, status) in ends.items():
        text = await last_word(desk, handles[outcome], event_type)
        assert f"operator {OPERATOR_ID}: they say so" in text
        assert (await desk.order(handles[outcome])).ord_status is status

    desk.do("clear_faults")
    desk.do("new", cl_ord_id=names["unsent"])
    desk.do("reject", cl_ord_id=names["accepted"])
    desk.do("new", cl_ord_id=names["rejected"])
    desk.do("fill", cl_ord_id=names["rejected"], qty="10", px="90")
    await until_status(desk, handles["unsent"], OrdStatus.NEW)
    await until_status(desk, handles["accepted"], OrdStatus.REJECTED)
    await until_status(desk, handles["rejected"], OrdStatus.FILLED)
    await ended_by_the_desk(desk, names["unsent"])


async def test_an_order_that_an_operator_took_for_canceled_works_again_when_the_venue_refuses_the_cancel(
    desk: Desk,
) -> None:
    handle = await accepted(desk.gateway, symbol="DESK")
    name = await desk.name(handle)
    desk.do("wait", **{"for": "received", "msg_type": "D", "cl_ord_id": name, "timeout_s": WAIT_S})
    desk.do("new", cl_ord_id=name)
    await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    await handle.cancel()
    cancel = (await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)).requests[-1].venue_cl_ord_id
    desk.do("wait", **{"for": "received", "msg_type": "F", "cl_ord_id": cancel, "timeout_s": WAIT_S})
    desk.do("fault", **NO_ANSWERS)
    desk.stack.gateway.kill()
    desk.stack.gateway.start()
    await until(lambda: cancel in {each.venue_cl_ord_id for each in desk.api.in_doubt().requests})
    await desk.item("NOT_ANSWERED")
    desk.ctl("resolve-doubt", handle.order.order_id, "--outcome", "accepted", "--reason", "they say so", "--yes")
    await until_status(desk, handle, OrdStatus.CANCELED)

    desk.do("clear_faults")
    desk.do("cancel_reject", cl_ord_id=cancel)
    await until_status(desk, handle, OrdStatus.NEW)
    await ended_by_the_desk(desk, name)


async def ended_by_the_desk(desk: Desk, name: str) -> None:
    """The last order that works at the venue's desk, which answers no question by itself, ends: all is compared."""
    desk.do("unsolicited_cancel", cl_ord_id=name)
    await until(desk.session_open)


async def last_word(desk: Desk, handle: OrderHandle, wanted: EventType) -> str:
    """The text of the order's event of this type, as its owner's stream tells it."""
    async for event in desk.gateway.events(from_seq=1):
        if event.type is wanted and event.order is not None and event.order.order_id == handle.order.order_id:
            return event.text
    raise AssertionError


async def until_status(desk: Desk, handle: OrderHandle, status: OrdStatus) -> None:
    await handle.wait_for(lambda order: order.ord_status is status, timeout_s=WAIT_S)
    assert (await desk.order(handle)).ord_status is status


# --- Venues without the mass question ---------------------------------------------------------------------------------


def older(text: str) -> str:
    """XSIM speaks FIX 4.2, which has no OrderMassStatusRequest."""
    assert text.count('begin_string = "FIX.4.4"') == 1
    return text.replace('begin_string = "FIX.4.4"', 'begin_string = "FIX.4.2"')


def quiet_and_older(text: str) -> str:
    return "".join(line for line in older(text).splitlines(keepends=True) if not line.startswith("crowd = "))


def without_mass_status(text: str) -> str:
    lines = (line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
    return "".join(lines).replace("[venue]\n", "[venue]\nmass_status = false\n")


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    edit = {"gateway": older, "XSIM": quiet_and_older, "YSIM": without_mass_status}
    with running_stack(tmp_path_factory.mktemp("each"), edit) as running:
        yield running


@pytest.mark.parametrize(("venue", "how"), [("XSIM", ["each"]), ("YSIM", ["mass", "each"])])
async def test_a_venue_without_the_mass_question_is_asked_about_each_order(
    one_by_one: Stack, venue: str, how: list[str]
) -> None:
    async with desk_at(one_by_one, venue) as desk:
        kept, _ = await desk.working(venue=venue)
        gone, name = await desk.working(venue=venue)
        desk.do("unsolicited_cancel", cl_ord_id=name, silent=True)
        await desk.compared()
        assert (await gone.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED
        assert (await desk.order(kept)).ord_status is OrdStatus.NEW
        started = [each for each in events_of(one_by_one, ev.ReconciliationStarted) if each.venue == venue]
        assert [each.how for each in started if each.run == started[-1].run] == how
        assert not sent_twice(one_by_one)
