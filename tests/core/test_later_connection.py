"""Rule 2: what a status reply proves about cancels and replaces in doubt, and when it proves nothing."""

from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import Order
from gateway.core.reports import SessionDown, SessionUp, TimerFired
from gateway.core.types import ExecType, OrdStatus
from tests.core.world import CLIENT, SECOND_NS, VENUE, World


def in_doubt(*commands: CancelOrder | ReplaceOrder, reconnected: bool = True) -> tuple[World, Order]:
    """An acknowledged order and requests that the venue said nothing about."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    for command in commands:
        assert world.ask(command).reason is None
    if reconnected:
        world.tell(SessionDown(VENUE))
        world.tell(SessionUp(VENUE))
    else:
        world.now_ns += 5 * SECOND_NS
        world.tell(TimerFired())
    return world, order


def replies(world: World, order: Order, status: OrdStatus, **fields: object) -> list[str]:
    """The venue answers the question; the kinds of request that are proven unsent by it."""
    world.report(order, ExecType.ORDER_STATUS, ord_status=status, exec_id="", **fields)
    assert world.recovered() == world.state
    return [order.requests[event.venue_cl_ord_id].kind for event in world.events(ev.OrderUnsent)]


CANCEL, REPLACE = CancelOrder(CLIENT, "2", "1"), ReplaceOrder(CLIENT, "3", "1", order_qty=Decimal(50))


@pytest.mark.parametrize(
    ("status", "unsent", "pending"),
    [
        (OrdStatus.NEW, ["cancel", "replace"], 0),
        (OrdStatus.SUSPENDED, ["cancel", "replace"], 0),
        (OrdStatus.PENDING_REPLACE, ["cancel"], 1),
        (OrdStatus.PENDING_CANCEL, [], 2),
        (OrdStatus.PENDING_NEW, [], 2),
    ],
)
def test_a_reply_on_a_later_connection_proves_unsent_what_it_would_have_shown(
    status: OrdStatus, unsent: list[str], pending: int
) -> None:
    world, order = in_doubt(CANCEL, REPLACE)
    assert replies(world, order, status) == unsent
    assert len(order.unanswered) == pending


def test_a_reply_on_the_same_connection_proves_nothing() -> None:
    """The venue has the cancel, and may still be thinking."""
    world, order = in_doubt(CANCEL, reconnected=False)
    assert replies(world, order, OrdStatus.NEW) == []
    assert order.in_doubt


def test_a_reply_that_comes_again_answers_an_older_question_and_proves_nothing() -> None:
    world, order = in_doubt(CANCEL)
    assert replies(world, order, OrdStatus.NEW, poss_dup=True) == []
    assert order.in_doubt


def test_a_pending_status_settles_the_only_request_that_it_can_mean() -> None:
    world, order = in_doubt(CANCEL)
    assert replies(world, order, OrdStatus.PENDING_CANCEL) == []
    assert not order.in_doubt


def test_nothing_is_built_on_a_replace_in_doubt() -> None:
    """A venue that did not get the replace would refuse every cancel that names it."""
    world, order = in_doubt(REPLACE)
    world.ask(CANCEL)
    assert world.events(ev.CancelRequested)[-1].orig_venue_cl_ord_id == order.venue_cl_ord_id


def test_a_reply_that_says_filled_ends_what_is_in_doubt_and_not_what_was_asked_since() -> None:
    """The venue may have read the cancel after it wrote its reply: its answer is still to come."""
    world, order = in_doubt(REPLACE)
    (replace,) = order.unanswered
    assert world.ask(CANCEL).reason is None
    cancel = list(order.unanswered)[-1]
    assert replies(world, order, OrdStatus.FILLED) == []
    assert (order.requests[replace].state, list(order.unanswered)) == ("void", [cancel])
