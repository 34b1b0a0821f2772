"""Orders by CashOrderQty(152): they work although their quantity is not known (Appendix D, L.1.b)."""

from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, MassCancel, ReplaceOrder
from gateway.core.order import Order, ord_status, view
from gateway.core.risk import exposure
from gateway.core.types import ExecType, OrdStatus, OrdType, Reason
from tests.core.world import CLIENT, World


@pytest.fixture
def world() -> World:
    return World.started()


@pytest.fixture
def cash_order(world: World) -> Order:
    return world.submit(order_qty=0, ord_type=OrdType.MARKET, price=None, cash_order_qty=Decimal(10000))


@pytest.mark.parametrize("cancel", [CancelOrder(CLIENT, "2", "1"), MassCancel(CLIENT, "2")])
def test_one_whose_quantity_is_not_known_can_be_canceled(world: World, cash_order: Order, cancel: object) -> None:
    assert world.ask(cancel).reason is None
    (asked,) = world.events(ev.CancelRequested)
    assert asked.order_id == cash_order.order_id


def test_the_first_report_that_has_a_quantity_gives_it_and_no_later_one_changes_it(
    world: World, cash_order: Order
) -> None:
    """A fill may come before New. Afterwards only a replace or a restatement changes OrderQty(38)."""
    world.fill(cash_order, 200, order_qty=Decimal(500), cum_qty=Decimal(200))
    world.report(cash_order, ExecType.NEW, order_qty=Decimal(700))
    seen = view(cash_order)
    assert (seen.terms.order_qty, seen.cum_qty, seen.leaves_qty) == (500, 200, 300)
    assert seen.ord_status is OrdStatus.PARTIALLY_FILLED
    assert not world.events(ev.OrderOverfilled)


def test_a_fill_that_leaves_the_quantity_open_does_not_fill_the_order(world: World, cash_order: Order) -> None:
    world.fill(cash_order, 200)
    assert view(cash_order).ord_status is OrdStatus.PARTIALLY_FILLED
    assert ord_status(cash_order) is OrdStatus.PARTIALLY_FILLED
    assert cash_order.working
    assert not world.events(ev.OrderOverfilled)


def test_an_order_that_the_venue_restates_to_nothing_works_no_longer(world: World) -> None:
    order = world.submit()
    world.report(order, ExecType.RESTATED, order_qty=Decimal(0))
    assert not order.working
    world.fill(order, 1)
    assert [over.excess for over in world.events(ev.OrderOverfilled)] == [1]


def test_more_than_the_quantity_that_came_with_the_fill_is_an_overfill(world: World, cash_order: Order) -> None:
    world.fill(cash_order, 501, order_qty=Decimal(500))
    (over,) = world.events(ev.OrderOverfilled)
    assert over.excess == 1


def test_a_replace_has_to_name_a_quantity_while_none_is_known(world: World, cash_order: Order) -> None:
    assert world.ask(ReplaceOrder(CLIENT, "2", "1")).reason is not None
    assert world.ask(ReplaceOrder(CLIENT, "3", "1", order_qty=Decimal(400))).reason is None


def test_a_rejected_one_works_no_longer(world: World, cash_order: Order) -> None:
    world.report(cash_order, ExecType.REJECTED)
    assert world.ask(CancelOrder(CLIENT, "2", "1")).reason is Reason.ORDER_NOT_WORKING
    assert not list(world.state.working_orders(CLIENT))


def test_what_is_left_of_the_amount_is_less_by_the_money_that_was_executed(world: World) -> None:
    """Of 1,000, with 10 for each point: 5 at 4 are 200, and 8 more at 10 the 800 that are left."""
    future = world.submit(order_qty=0, symbol="FUT", cash_order_qty=Decimal(1_000))
    assert exposure.sync(world.state).reserves[future.order_id].qty == 10
    world.fill(future, 5, 4)
    assert exposure.sync(world.state).reserves[future.order_id].qty == 8
