"""QUANTITY: our sum of the executions against the venue's CumQty(14), what raises the item and what settles it."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.commands import ResolveItem
from gateway.core.events import Cause
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, ItemKind, OrdStatus, Reason, Severity
from tests.core.test_reconciliation import (
    EACH,
    MASS,
    asked,
    ended,
    kinds,
    later,
    no_orders,
    reconnect,
    reply,
)
from tests.core.test_reconciliation_items import only, resolutions, with_order

HUNDRED, FIFTY = Decimal(100), Decimal(50)


def test_a_cum_qty_that_jumps_is_an_item_and_the_status_is_asked_once() -> None:
    """Rule 4: the venue's CumQty is a check."""
    world, one = with_order()
    assert asked(world.fill(one, 10, cum_qty=Decimal(30))) == [one.order_id]
    raised = only(world).raised
    assert (raised.kind, raised.severity, raised.order_id) == (ItemKind.QUANTITY, Severity.CRITICAL, one.order_id)
    assert (raised.ours, raised.theirs) == ("10", "30")
    assert not asked(world.fill(one, 5, cum_qty=Decimal(35)))
    assert kinds(world) == [ItemKind.QUANTITY]


def test_the_missing_fill_resolves_the_quantity() -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(30))
    world.fill(one, 20, cum_qty=Decimal(30))
    assert (kinds(world), one.disputed) == ([], False)


TOLD_LATE = [
    ExecType.CANCELED,
    ExecType.EXPIRED,
    ExecType.DONE_FOR_DAY,
    ExecType.REJECTED,
    ExecType.REPLACED,
    ExecType.STOPPED,
    ExecType.SUSPENDED,
    ExecType.CALCULATED,
    ExecType.NEW,
]


@pytest.mark.parametrize("exec_type", TOLD_LATE)
def test_any_report_tells_of_an_execution_that_was_lost(exec_type: ExecType) -> None:
    """An end that overtakes the last fill is the common case: the fill resolves it."""
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(10))
    assert asked(world.report(one, exec_type, cum_qty=Decimal(60))) == [one.order_id]
    raised = only(world).raised
    assert (raised.kind, raised.ours, raised.theirs) == (ItemKind.QUANTITY, "10", "60")
    world.fill(one, 50, cum_qty=Decimal(60))
    assert (kinds(world), one.disputed) == ([], False)


@pytest.mark.parametrize("exec_type", TOLD_LATE)
def test_a_report_that_is_older_than_the_last_execution_is_no_difference(exec_type: ExecType) -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(10))
    world.report(one, exec_type, cum_qty=Decimal(0))
    assert (kinds(world), one.disputed) == ([], False)


def test_of_several_lost_fills_the_last_one_resolves_the_quantity() -> None:
    """Each fill agrees with its own CumQty(14), but the end told of more."""
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=Decimal(60))
    for cum_qty in (10, 30):
        assert not asked(world.fill(one, cum_qty - one.cum_qty, cum_qty=Decimal(cum_qty))), "it was asked already"
        assert (kinds(world), one.disputed) == ([ItemKind.QUANTITY], True)
    world.fill(one, 30, cum_qty=Decimal(60))
    assert (kinds(world), one.disputed) == ([], False)
    assert [event.venue_cum_qty for event in world.events(ev.QuantityDisputed)] == [60, 60, 60]
    assert world.recovered() == world.state


def test_an_end_that_tells_of_more_than_the_last_fill_did_raises_what_is_disputed() -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(30))
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=Decimal(60))
    world.fill(one, 20, cum_qty=Decimal(30))
    assert kinds(world) == [ItemKind.QUANTITY]
    world.fill(one, 30, cum_qty=Decimal(60))
    assert kinds(world) == []


@pytest.mark.parametrize(
    ("exec_type", "said"), [(ExecType.RESTATED, {}), (ExecType.ORDER_STATUS, {"exec_id": "0", "poss_dup": True})]
)
def test_what_is_told_of_an_order_in_dispute_counts_when_it_is_more(
    exec_type: ExecType, said: dict[str, object]
) -> None:
    """The item stays until all of it has come, and less than before is older."""
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(30))
    for cum_qty in (60, 50):
        world.report(one, exec_type, cum_qty=Decimal(cum_qty), **said)
        assert one.disputed_cum_qty == 60
    world.fill(one, 20, cum_qty=Decimal(30))
    assert kinds(world) == [ItemKind.QUANTITY]
    world.fill(one, 30, cum_qty=Decimal(60))
    assert (kinds(world), one.disputed) == ([], False)
    assert world.recovered() == world.state


def test_a_bust_that_agrees_resolves_what_was_told_before_it() -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(10), exec_id="A")
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=Decimal(60))
    world.report(one, ExecType.TRADE_CANCEL, exec_ref_id="A", cum_qty=Decimal(0))
    assert (kinds(world), one.disputed) == ([], False)


@pytest.mark.parametrize("how", [EACH, MASS])
def test_a_fill_that_comes_late_has_the_quantity_asked_again(how: Reconcile) -> None:
    """Its CumQty(14) is of its time: that the sum is right now, only the venue can say."""
    world, one = with_order(how)
    world.fill(one, 50, cum_qty=HUNDRED, ord_status=OrdStatus.FILLED)
    reply(world, one, OrdStatus.FILLED, cum_qty=HUNDRED)
    world.fill(one, 50, cum_qty=FIFTY)
    assert (one.working, kinds(world)) == (False, [ItemKind.QUANTITY])
    events = later(world, 301)
    if how.mass:
        events = no_orders(world)
    assert asked(events) == [one.order_id]
    assert world.recovered() == world.state
    assert ended(reply(world, one, OrdStatus.FILLED, cum_qty=HUNDRED)) == [True]
    assert (kinds(world), one.order_id in world.state.ended) == ([], True)


def test_a_reply_that_comes_again_settles_no_quantity_and_disputes_none_that_grew() -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(10))
    reply(world, one, cum_qty=Decimal(0), poss_dup=True)
    assert kinds(world) == []
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=Decimal(60))
    reply(world, one, cum_qty=Decimal(10), poss_dup=True)
    assert kinds(world) == [ItemKind.QUANTITY]


def test_a_quantity_that_an_operator_settles_is_not_waited_for() -> None:
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=Decimal(60))
    assert asked(reconnect(world)) == [one.order_id]
    item_id = only(world).raised.item_id
    events = [record.event for record in world.give(ResolveItem("ops", item_id, "by phone"), Cause("operator", "ops"))]
    assert ended(events) == [True]
    assert world.recovered() == world.state


def test_a_status_reply_that_agrees_resolves_the_quantity_and_one_that_does_not_raises_it() -> None:
    world, one = with_order()
    assert not asked(reply(world, one, cum_qty=Decimal(30))), "its answer is known"
    assert kinds(world) == [ItemKind.QUANTITY]
    reply(world, one, cum_qty=Decimal(0))
    assert kinds(world) == []


def test_an_operator_settles_a_quantity_and_our_sum_counts() -> None:
    world, one = with_order()
    world.fill(one, 10, cum_qty=Decimal(30))
    item_id = only(world).raised.item_id
    assert world.ask(ResolveItem("ops", item_id, "the venue counts a bust twice")).reason is None
    assert (kinds(world), one.disputed, world.state.disputed) == ([], False, {})
    assert resolutions(world) == [("the venue counts a bust twice", "ops")]
    assert world.ask(ResolveItem("ops", item_id, "again")).reason is Reason.ITEM_UNKNOWN
    world.fill(one, 10, cum_qty=Decimal(40))
    assert kinds(world) == [ItemKind.QUANTITY], "a new difference is a new item"


def test_what_was_disputed_before_the_venue_was_compared_gets_its_item() -> None:
    world, one = with_order()
    settings, world.settings = world.settings, msgspec.structs.replace(world.settings, reconcile={})
    world.fill(one, 10, cum_qty=Decimal(30))
    assert (kinds(world), one.disputed) == ([], True)
    world.settings = settings
    reconnect(world)
    assert kinds(world) == [ItemKind.QUANTITY]
