"""An order that its venue has lost: it works on here until an operator calls it canceled, with a reason, while an open
item says that the venue does not know it; and a later word of the venue wins.
"""

from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReconcileVenue, ReplaceOrder, ResolveDoubt, ResolveItem
from gateway.core.engine import Answer
from gateway.core.order import Order, ord_status
from gateway.core.reports import MessageRejected, OrderCancelReject, SessionDown, TimerFired
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.events import StopCompleted
from gateway.core.types import DoubtOutcome, ExecType, ItemKind, OrdStatus, Reason, TimeInForce
from tests.core.test_reconciliation import asked, kinds, reconnect, reply, world_of
from tests.core.world import CLIENT, SECOND_NS, VENUE, World

OVER = DoubtOutcome.CANCELED
WHY = "they lost their books"


def unknown(**terms: object) -> tuple[World, Order]:
    """An order that the venue accepted, executed 10 of, and does not know any more."""
    world = world_of()
    one = world.submit(**terms)
    world.acknowledge(one)
    world.fill(one, 10)
    forget(world, one)
    return world, one


def forget(world: World, one: Order) -> None:
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5", cum_qty=Decimal(0))
    assert (kinds(world), one.working) == ([ItemKind.ORDER_UNKNOWN], True)


def call_canceled(world: World, one: Order, named: str = "") -> Answer:
    return world.ask(ResolveDoubt("ops", one.order_id, OVER, WHY, named))


def called_canceled(**terms: object) -> tuple[World, Order]:
    world, one = unknown(**terms)
    assert call_canceled(world, one).reason is None
    assert is_over(world, one)
    return world, one


def is_over(world: World, one: Order) -> bool:
    """Whether it is Canceled, with nothing left of it, here and after a restart."""
    assert world.recovered() == world.state
    return (ord_status(one), one.leaves_qty, one.working) == (OrdStatus.CANCELED, 0, False)


def reserved(world: World) -> int:
    return sum(len(working) for working in world.state.working.values())


def test_an_operator_ends_it_and_the_journal_says_who_and_why() -> None:
    world, one = unknown()
    assert reserved(world) == 1
    before = len(world.records)
    assert call_canceled(world, one).order_id == one.order_id
    resolved, canceled, closed = (record.event for record in world.records[before:])
    assert resolved == ev.DoubtResolved(one.order_id, "", OVER, "ops", WHY)
    assert canceled == ev.OrderCanceled(one.order_id, text=f"operator ops: {WHY}"), "its owner is told"
    assert isinstance(closed, ev.ItemResolved)
    assert closed.text == "the order has ended"
    assert (is_over(world, one), one.cum_qty, kinds(world), reserved(world)) == (True, 10, [], 0)


def test_once_is_enough() -> None:
    world, one = called_canceled()
    again = call_canceled(world, one)
    assert (again.reason, again.field) == (Reason.NOT_IN_DOUBT, "order_id")
    assert again.text == f"order {one.order_id} does not work any more"
    assert is_over(world, one)


def test_without_the_item_it_is_refused() -> None:
    """An order that the venue has, as far as anybody knows, is ended by nobody here."""
    world = world_of()
    one = world.submit()
    world.acknowledge(one)
    refused = call_canceled(world, one)
    assert (refused.reason, refused.field) == (Reason.NOT_IN_DOUBT, "order_id")
    assert "no open item ORDER_UNKNOWN" in refused.text
    assert "have the venue compared" in refused.text
    forget(world, one)
    reply(world, one, OrdStatus.NEW)
    assert call_canceled(world, one).reason is Reason.NOT_IN_DOUBT, "it has spoken of it again"
    assert one.working
    assert world.ask(ResolveDoubt("ops", "?", OVER, WHY)).reason is Reason.ORDER_UNKNOWN


def test_an_item_that_was_closed_is_no_evidence_until_a_comparison_raises_it_again() -> None:
    world, one = unknown()
    world.ask(ResolveItem("ops", next(iter(world.state.items)), "seen"))
    assert call_canceled(world, one).reason is Reason.NOT_IN_DOUBT
    world.ask(ReconcileVenue("ops", VENUE, "asked again"))
    forget(world, one)
    assert call_canceled(world, one).reason is None


def test_it_is_said_of_the_order_and_not_of_a_request() -> None:
    world, one = unknown()
    refused = call_canceled(world, one, one.venue_cl_ord_id)
    assert (refused.reason, refused.field) == (Reason.FIELD_NOT_ALLOWED, "venue_cl_ord_id")
    refused = world.ask(ResolveDoubt("ops", one.order_id, DoubtOutcome.UNSENT, WHY))
    assert refused.reason is Reason.NOT_IN_DOUBT
    assert refused.text.endswith(f"is in doubt; {VENUE} does not know it: it can be called canceled")
    assert one.working


def test_what_was_asked_of_it_is_not_waited_for() -> None:
    world, one = unknown()
    world.ask(CancelOrder(CLIENT, "2", "1"))
    world.tell(SessionDown(VENUE))
    assert one.in_doubt
    assert call_canceled(world, one).reason is None
    assert (is_over(world, one), one.in_doubt, world.state.doubtful) == (True, False, {})
    assert asked(reconnect(world)) == [], "it is not compared any more"


def test_a_stop_is_complete_then() -> None:
    world, one = unknown()
    world.ask(StopTrading("risk", f"order:{one.order_id}", "off"))
    for _ in range(3):
        (key,) = one.unanswered
        world.hear(OrderCancelReject(VENUE, key, one.venue_cl_ord_id, cxl_rej_reason="1"))
        world.now_ns += 60 * SECOND_NS
        world.tell(TimerFired())
    assert not [record for record in world.records if isinstance(record.event, StopCompleted)]
    call_canceled(world, one)
    world.tell(TimerFired())
    assert [record for record in world.records if isinstance(record.event, StopCompleted)]
    assert is_over(world, one)


# --- A later word of the venue ---


@pytest.mark.parametrize("status", [each for each in OrdStatus if each is not OrdStatus.REJECTED])
def test_whatever_a_reply_says_counts(status: OrdStatus) -> None:
    world, one = called_canceled(time_in_force=TimeInForce.GTC)
    reply(world, one, status)
    ends = status in (OrdStatus.CANCELED, OrdStatus.EXPIRED)
    assert (one.working, one.presumed) == (not ends, "")
    assert reserved(world) == (not ends)
    assert world.recovered() == world.state
    if ends:
        assert ord_status(one) is status


def test_that_it_still_does_not_know_it_changes_nothing() -> None:
    world, one = called_canceled()
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5", cum_qty=Decimal(0))
    assert (is_over(world, one), kinds(world)) == (True, [])


@pytest.mark.parametrize(
    "exec_type", [ExecType.NEW, ExecType.RESTATED, ExecType.STOPPED, ExecType.SUSPENDED, ExecType.DONE_FOR_DAY]
)
def test_a_report_of_an_order_that_it_has_makes_it_work_again(exec_type: ExecType) -> None:
    world, one = called_canceled(time_in_force=TimeInForce.GTC)
    world.report(one, exec_type)
    assert (one.working, one.leaves_qty, reserved(world)) == (True, 90, 1)
    assert asked(reconnect(world)) == [one.order_id], "and it is compared again"


def test_a_late_execution_counts_and_the_order_may_have_more() -> None:
    world, one = called_canceled()
    world.fill(one, 30)
    assert (one.cum_qty, one.leaves_qty, ord_status(one)) == (40, 60, OrdStatus.PARTIALLY_FILLED)
    forget(world, one)
    assert call_canceled(world, one).reason is None
    assert (is_over(world, one), one.cum_qty) == (True, 40)


@pytest.mark.parametrize("exec_type", [ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED])
def test_the_end_that_the_venue_tells_is_the_end(exec_type: ExecType) -> None:
    world, one = called_canceled()
    before = len(world.records)
    world.report(one, exec_type, ord_status=OrdStatus(exec_type.value))
    assert (one.marks[-1], one.working) == (OrdStatus(exec_type.value), False)
    assert not [told for told in world.records[before:] if told.order is not None and told.order.leaves_qty]
    world.acknowledge(one)
    assert not one.working, "what the venue itself has ended is not ended by an operator"


@pytest.mark.parametrize(("reason", "works"), [("1", False), ("2", True), ("0", True)])
def test_a_request_that_it_refuses_later_speaks_of_the_order_unless_it_does_not_know_it(
    reason: str, works: bool
) -> None:
    world, one = unknown()
    world.ask(ReplaceOrder(CLIENT, "2", "1", Decimal(200)))
    (key,) = one.unanswered
    call_canceled(world, one)
    world.hear(OrderCancelReject(VENUE, key, one.venue_cl_ord_id, cxl_rej_reason=reason))
    assert one.working is works
    assert world.recovered() == world.state


def test_a_rejected_message_does_not_speak_of_it() -> None:
    world, one = unknown()
    world.ask(CancelOrder(CLIENT, "2", "1"))
    (key,) = one.unanswered
    call_canceled(world, one)
    world.hear(MessageRejected(VENUE, "F", key, reject_reason="5"))
    assert is_over(world, one)


def test_a_replace_that_was_on_its_way_is_accepted() -> None:
    world, one = unknown()
    world.ask(ReplaceOrder(CLIENT, "2", "1", Decimal(200)))
    (key,) = one.unanswered
    call_canceled(world, one)
    world.report(one, ExecType.REPLACED, cl_ord_id=key, orig_cl_ord_id=one.venue_cl_ord_id, order_qty=Decimal(200))
    assert (one.working, one.leaves_qty, one.venue_cl_ord_id) == (True, 190, key)
