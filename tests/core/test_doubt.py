"""Rule 2: an operator's evidence about a request in doubt, and that a later word of the venue wins."""

from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder, ResolveDoubt
from gateway.core.engine import Answer
from gateway.core.order import Order
from gateway.core.reports import OrderCancelReject, SessionDown
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, Reason
from tests.core.world import CLIENT, VENUE, World

UNSENT, ACCEPTED, REJECTED = DoubtOutcome.UNSENT, DoubtOutcome.ACCEPTED, DoubtOutcome.REJECTED
CANCEL = CancelOrder(CLIENT, "2", "1")
REPLACE = ReplaceOrder(CLIENT, "3", "1", order_qty=Decimal(50))


def in_doubt(*commands: CancelOrder | ReplaceOrder) -> tuple[World, Order]:
    """An order whose session went down before the venue answered; acknowledged when there are later commands."""
    world = World.started()
    order = world.submit()
    if commands:
        world.acknowledge(order)
    for command in commands:
        assert world.ask(command).reason is None
    world.tell(SessionDown(VENUE))
    assert order.in_doubt
    return world, order


def settle(world: World, order: Order, outcome: DoubtOutcome, named: str = "") -> Answer:
    return world.ask(ResolveDoubt("ops", order.order_id, outcome, "called the venue", named))


def shown(world: World) -> OrdStatus:
    view = next(record.order for record in reversed(world.records) if record.order is not None)
    assert world.recovered() == world.state
    return view.ord_status


@pytest.mark.parametrize(
    ("commands", "outcome", "status", "order_qty"),
    [
        ((), UNSENT, OrdStatus.REJECTED, 100),
        ((), ACCEPTED, OrdStatus.NEW, 100),
        ((), REJECTED, OrdStatus.REJECTED, 100),
        ((CANCEL,), UNSENT, OrdStatus.NEW, 100),
        ((CANCEL,), ACCEPTED, OrdStatus.CANCELED, 100),
        ((CANCEL,), REJECTED, OrdStatus.NEW, 100),
        ((REPLACE,), UNSENT, OrdStatus.NEW, 100),
        ((REPLACE,), ACCEPTED, OrdStatus.NEW, 50),
        ((REPLACE,), REJECTED, OrdStatus.NEW, 100),
    ],
)
def test_what_the_evidence_makes_of_the_order(
    commands: tuple[CancelOrder | ReplaceOrder, ...], outcome: DoubtOutcome, status: OrdStatus, order_qty: int
) -> None:
    world, order = in_doubt(*commands)
    assert settle(world, order, outcome).reason is None
    assert (shown(world), order.terms.order_qty, order.in_doubt) == (status, order_qty, False)
    resolved, event = (record.event for record in world.records[-2:])
    assert isinstance(resolved, ev.DoubtResolved)
    assert (resolved.operator, resolved.reason, resolved.outcome) == ("ops", "called the venue", outcome)
    assert "operator ops: called the venue" in (getattr(event, "text", "") or getattr(event, "evidence", ""))


def test_only_what_is_in_doubt_can_be_settled() -> None:
    world = World.started()
    order = world.submit()
    refused = settle(world, order, ACCEPTED)
    assert (refused.reason, refused.field) == (Reason.NOT_IN_DOUBT, "order_id")
    world, order = in_doubt(CANCEL)
    refused = settle(world, order, ACCEPTED, order.venue_cl_ord_id)
    assert (refused.reason, refused.field) == (Reason.NOT_IN_DOUBT, "venue_cl_ord_id")
    assert world.ask(ResolveDoubt("ops", "?", UNSENT, "")).reason is Reason.ORDER_UNKNOWN


def test_of_several_requests_in_doubt_one_has_to_be_named() -> None:
    world, order = in_doubt(REPLACE, CANCEL)
    replace, cancel = order.unanswered
    refused = settle(world, order, ACCEPTED)
    assert (refused.reason, refused.field) == (Reason.FIELD_REQUIRED, "venue_cl_ord_id")
    assert settle(world, order, REJECTED, cancel).reason is None
    assert settle(world, order, ACCEPTED, replace).reason is None
    assert (shown(world), order.terms.order_qty) == (OrdStatus.NEW, 50)


# --- A later word of the venue ---


@pytest.mark.parametrize("outcome", [UNSENT, REJECTED])
def test_an_order_that_was_given_up_lives_when_the_venue_speaks_of_it(outcome: DoubtOutcome) -> None:
    world, order = in_doubt()
    settle(world, order, outcome)
    world.fill(order, 30)
    assert (shown(world), order.leaves_qty) == (OrdStatus.PARTIALLY_FILLED, 70)


def test_an_order_that_was_taken_for_accepted_ends_when_the_venue_rejects_it() -> None:
    world, order = in_doubt()
    settle(world, order, ACCEPTED)
    world.report(order, ExecType.REJECTED, ord_status=OrdStatus.REJECTED)
    assert (shown(world), order.leaves_qty) == (OrdStatus.REJECTED, 0)


def test_an_order_that_was_taken_for_accepted_ends_when_the_venue_does_not_know_it() -> None:
    world, order = in_doubt()
    settle(world, order, ACCEPTED)
    world.report(order, ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, ord_rej_reason="5")
    assert (shown(world), order.leaves_qty) == (OrdStatus.REJECTED, 0)
    assert not world.events(ev.ReportSetAside)
    world.acknowledge(order)
    assert shown(world) is OrdStatus.NEW, "and its last word is the truth"


def test_an_order_that_was_given_up_stays_so_when_the_venue_does_not_know_it() -> None:
    world, order = in_doubt()
    settle(world, order, UNSENT)
    (event,) = world.report(order, ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, ord_rej_reason="5")
    assert (type(event), shown(world)) == (ev.ReportIgnored, OrdStatus.REJECTED)


def test_an_order_that_was_taken_for_canceled_lives_when_the_venue_refuses_the_cancel() -> None:
    world, order = in_doubt(CANCEL)
    (cancel,) = order.unanswered
    settle(world, order, ACCEPTED)
    world.hear(OrderCancelReject(VENUE, cancel, order.venue_cl_ord_id))
    assert (shown(world), order.leaves_qty) == (OrdStatus.NEW, 100)


def test_an_order_that_was_taken_for_canceled_lives_when_the_venue_says_that_it_works() -> None:
    world, order = in_doubt(CANCEL)
    settle(world, order, ACCEPTED)
    world.report(order, ExecType.ORDER_STATUS, ord_status=OrdStatus.NEW)
    assert (shown(world), order.leaves_qty) == (OrdStatus.NEW, 100)


def test_a_cancel_that_was_settled_does_not_live_on_when_the_venue_had_ended_the_order() -> None:
    """The venue's own end is not the operator's to take back."""
    world, order = in_doubt(CANCEL)
    settle(world, order, ACCEPTED)
    world.report(order, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    world.report(order, ExecType.ORDER_STATUS, ord_status=OrdStatus.NEW)
    assert shown(world) is OrdStatus.CANCELED


def test_a_cancel_that_was_given_up_ends_the_order_when_the_venue_says_so() -> None:
    world, order = in_doubt(CANCEL)
    (cancel,) = order.unanswered
    settle(world, order, UNSENT)
    world.report(order, ExecType.CANCELED, cl_ord_id=cancel, ord_status=OrdStatus.CANCELED)
    assert (shown(world), order.requests[cancel].state) == (OrdStatus.CANCELED, "accepted")


def test_a_cancel_that_was_given_up_is_pending_when_the_venue_says_so() -> None:
    world, order = in_doubt(CANCEL)
    (cancel,) = order.unanswered
    settle(world, order, REJECTED)
    world.report(order, ExecType.PENDING_CANCEL, cl_ord_id=cancel, ord_status=OrdStatus.PENDING_CANCEL)
    assert (shown(world), list(order.unanswered)) == (OrdStatus.PENDING_CANCEL, [cancel])


def test_a_replace_that_was_given_up_is_in_force_when_the_venue_says_so() -> None:
    world, order = in_doubt(REPLACE)
    (replace,) = order.unanswered
    settle(world, order, UNSENT)
    world.report(order, ExecType.REPLACED, cl_ord_id=replace)
    assert (shown(world), order.terms.order_qty) == (OrdStatus.NEW, 50)
