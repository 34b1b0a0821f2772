"""Self-match prevention: an order of ours never trades with another of ours, whoever they are of."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import Order
from gateway.core.reports import SessionDown, SessionUp
from gateway.core.risk import self_match
from gateway.core.types import ExecType, OrdType, Reason, Side
from tests.core.risk.trading import (
    BOND,
    OTHER_CLIENT,
    STRATEGY,
    buy,
    mark,
    no,
    overridable,
    sell,
    started,
    yes,
)
from tests.core.world import CLIENT, OTHER_VENUE, VENUE, World, restarted

OTHERS = {"client_id": OTHER_CLIENT, "account": "A2", "strategy": "beta"}
MARKET: dict[str, Any] = {"price": None, "ord_type": OrdType.MARKET}


def resting(world: World, name: str, qty: int = 100, px: str = "10", **changes: Any) -> Order:
    """A sell order of another client that the venue works."""
    made = world.submit(name, qty, **({"side": Side.SELL, "price": Decimal(px)} | OTHERS | changes))
    world.acknowledge(made)
    return made


# --- Refuse ---


@pytest.mark.control("self_match")
def test_what_would_trade_with_an_own_order_is_refused_up_to_the_price_itself() -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", px="10.01")
    text = f"it would trade with our own order {other.order_id}"
    yes(world, buy("2", price=Decimal(10)))
    for changes in ({"price": Decimal("10.01")}, {"price": Decimal(11)}, MARKET):
        no(world, buy("3", **changes), Reason.RISK_SELF_MATCH, text)
    assert "rests at" not in world.events(ev.CommandRefused)[-1].text, "another client's price is its own affair"
    yes(world, buy("4", price=Decimal(11), symbol=BOND))
    yes(world, buy("5", price=Decimal(11), venue=OTHER_VENUE))
    yes(world, buy("6", price=None, stop_px=Decimal(11), ord_type=OrdType.STOP))
    overridable(world, "desk:cash", "self_match", buy("7", price=Decimal(11)), Reason.RISK_SELF_MATCH)


@pytest.mark.control("self_match")
def test_a_sale_looks_at_the_bids_and_ones_own_order_is_named_with_its_price() -> None:
    world = started(self_match="refuse")
    own = resting(world, "1", px="9.99", side=Side.BUY, client_id=CLIENT)
    yes(world, sell("2", price=Decimal(10)))
    text = f"it would trade with our own order {own.order_id}, which rests at 9.99"
    no(world, sell("3", price=Decimal("9.99")), Reason.RISK_SELF_MATCH, text, "price")


@pytest.mark.control("self_match")
def test_a_replace_is_looked_at_too_and_counts_with_the_price_that_trades_first() -> None:
    world = started(self_match="refuse")
    world.submit("1", price=Decimal(9), strategy=STRATEGY)
    other = resting(world, "2")
    up = ReplaceOrder(CLIENT, "3", "1", price=Decimal(10))
    no(world, up, Reason.RISK_SELF_MATCH, other.order_id)
    world.ask(ReplaceOrder(OTHER_CLIENT, "4", "2", price=Decimal(11)))
    no(world, up, Reason.RISK_SELF_MATCH, other.order_id)
    (asked,) = other.unanswered
    world.report(other, ExecType.REPLACED, cl_ord_id=asked)
    yes(world, up)


@pytest.mark.control("self_match")
def test_an_order_rests_until_its_end_is_proven() -> None:
    world = started(self_match="refuse")
    other = resting(world, "1")
    world.ask(CancelOrder(OTHER_CLIENT, "2", "1"))
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    no(world, buy("3"), Reason.RISK_SELF_MATCH, other.order_id)
    world = restarted(world)
    world.tell(SessionUp(VENUE))
    no(world, buy("4"), Reason.RISK_SELF_MATCH, other.order_id)
    world.report(world.state.orders[other.order_id], ExecType.CANCELED)
    yes(world, buy("5"))


@pytest.mark.parametrize("terms", [{}, {"stop_px": Decimal(10), "price": None, "ord_type": OrdType.STOP}])
def test_of_an_order_that_has_ended_nothing_rests_also_when_an_execution_is_missing(terms: dict[str, Any]) -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", **terms)
    world.report(other, ExecType.CANCELED, cum_qty=Decimal(60))
    assert other.disputed
    yes(world, buy("2", price=Decimal(11)))


def stop(px: str, price: str | None = None) -> dict[str, Any]:
    """A stop order, with a limit price or without."""
    if price is None:
        return {"stop_px": Decimal(px), "price": None, "ord_type": OrdType.STOP}
    return {"stop_px": Decimal(px), "price": Decimal(price), "ord_type": OrdType.STOP_LIMIT}


@pytest.mark.control("self_match")
def test_a_stop_order_whose_price_is_there_already_is_a_market_or_a_limit_order() -> None:
    world = started(self_match="refuse")
    ask, bid = resting(world, "1", px="10.01"), resting(world, "2", px="9.99", side=Side.BUY)
    for made in (stop("9"), stop("10"), stop("9", "10.01"), stop("10", "11")):
        no(world, buy("3", **made), Reason.RISK_SELF_MATCH, ask.order_id)
    for made in (stop("11"), stop("10"), stop("11", "9.99"), stop("10", "9")):
        no(world, sell("4", **made), Reason.RISK_SELF_MATCH, bid.order_id)
    yes(world, buy("5", **stop("9", "10")))
    yes(world, buy("6", **stop("10.01", "11")))
    yes(world, sell("7", **stop("11", "10.01")))
    yes(world, sell("8", **stop("9.99")))
    mark(world, "9.99")
    no(world, sell("9", **stop("9.99")), Reason.RISK_SELF_MATCH, bid.order_id)


@pytest.mark.control("self_match")
def test_a_stop_order_that_may_have_been_triggered_rests_at_its_limit_price() -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", side=Side.BUY, **stop("9", "10"))
    no(world, sell("2", price=Decimal(10)), Reason.RISK_SELF_MATCH, other.order_id)
    yes(world, sell("3", price=Decimal("10.01")))
    mark(world, 9)
    no(world, sell("4", price=Decimal(10)), Reason.RISK_SELF_MATCH, other.order_id)
    mark(world, "8.99")  # It still waits; if it was triggered, it has found a price below 10 and traded.
    yes(world, sell("5", price=Decimal(10)))


@pytest.mark.control("self_match")
@pytest.mark.parametrize("price", ["8.9", None])
def test_a_stop_order_that_protects_a_position_is_in_nobodys_way_before_its_price_is_there(price: str | None) -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", **stop("9", price))
    yes(world, buy("2", price=Decimal(11)))
    yes(world, buy("3", **MARKET))
    mark(world, 9)
    no(world, buy("4", price=Decimal(9)), Reason.RISK_SELF_MATCH, other.order_id)
    no(restarted_up(world), buy("5", price=Decimal(9)), Reason.RISK_SELF_MATCH, other.order_id)
    world.report(other, ExecType.CANCELED)
    yes(world, buy("6", price=Decimal(9)))


def restarted_up(world: World) -> World:
    after = restarted(world)
    after.tell(SessionUp(VENUE))
    return after


@pytest.mark.control("self_match")
def test_of_a_stop_order_with_a_replace_that_is_not_answered_the_worst_counts() -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", **stop("9", "8"))
    assert world.ask(ReplaceOrder(OTHER_CLIENT, "2", "1", stop_px=Decimal(11), price=Decimal(12))).reason is None
    no(world, buy("3", price=Decimal(8)), Reason.RISK_SELF_MATCH, other.order_id)
    (asked,) = other.unanswered
    world.report(other, ExecType.REPLACED, cl_ord_id=asked)
    yes(world, buy("4", price=Decimal("11.99")))
    no(world, buy("5", price=Decimal(12)), Reason.RISK_SELF_MATCH, other.order_id)


@pytest.mark.control("self_match")
def test_a_replace_of_a_stop_order_is_looked_at_unless_it_surely_waits() -> None:
    world = started(self_match="refuse")
    other = resting(world, "1", px="10")
    world.submit("2", strategy=STRATEGY, **stop("9", "9.5"))
    world.submit("3", strategy=STRATEGY, **stop("11", "11"))
    world.submit("4", strategy=STRATEGY, **stop("10.5", "8"))  # Triggered at 10.5, perhaps, it rests at 8.
    no(world, ReplaceOrder(CLIENT, "5", "2", price=Decimal(10)), Reason.RISK_SELF_MATCH, other.order_id)
    yes(world, ReplaceOrder(CLIENT, "6", "3", price=Decimal(12)))
    no(world, ReplaceOrder(CLIENT, "7", "3", stop_px=Decimal(10)), Reason.RISK_SELF_MATCH, other.order_id)
    no(world, ReplaceOrder(CLIENT, "8", "4", price=Decimal(10)), Reason.RISK_SELF_MATCH, other.order_id)


@pytest.mark.control("self_match")
def test_a_market_order_trades_at_any_price_until_it_has_ended() -> None:
    world = started(self_match="refuse")
    other = world.submit("1", **(OTHERS | MARKET))
    no(world, sell("2", price=Decimal(100)), Reason.RISK_SELF_MATCH, other.order_id)
    no(world, sell("3", **MARKET), Reason.RISK_SELF_MATCH, other.order_id)
    yes(world, buy("4", price=Decimal(10)))
    world.fill(other, 100)
    yes(world, sell("5", price=Decimal(100)))


def test_off_is_off() -> None:
    world = started(self_match="off")
    resting(world, "1")
    yes(world, buy("2"))


# --- Cancel old ---


@pytest.mark.control("self_match")
def test_cancel_old_takes_what_rests_out_of_the_way_before_the_order_goes_out() -> None:
    world = started(self_match="cancel_old")
    near, far = resting(world, "1", px="9.99"), resting(world, "2", px="10")
    beyond = resting(world, "3", px="10.01")
    records = len(world.records)
    taken = world.submit("4", strategy=STRATEGY)
    events = [record.event for record in world.records[records:]]
    assert [type(event) for event in events] == [*[ev.CancelRequested] * 2, ev.OrderSubmitted, ev.OrderRouted]
    assert [event.order_id for event in events[:2]] == [near.order_id, far.order_id]
    assert {event.command.client_id for event in events[:2]} == {OTHER_CLIENT}
    assert len({event.venue_cl_ord_id for event in events if not isinstance(event, ev.OrderSubmitted)}) == 3
    assert (taken.terms.order_qty, beyond.unanswered) == (100, {})
    records = len(world.records)
    yes(world, buy("5"))  # Their cancels are on their way, on the same session and before it.
    assert not [each for each in world.records[records:] if isinstance(each.event, ev.CancelRequested)]
    assert restarted(world).state.orders[near.order_id].unanswered == near.unanswered


@pytest.mark.control("self_match")
def test_cancel_old_leaves_a_stop_order_that_waits_and_takes_one_that_may_rest() -> None:
    world = started(self_match="cancel_old")
    resting(world, "1", **stop("9", "8"))
    rests, beyond = resting(world, "2", **stop("9", "10")), resting(world, "3", **stop("9.5", "11"))
    limit = resting(world, "4", px="10")
    yes(world, buy("5", price=Decimal(10)))
    assert [each.order_id for each in world.events(ev.CancelRequested)] == [limit.order_id, rests.order_id]
    assert not beyond.unanswered


@pytest.mark.control("self_match")
def test_a_cancel_in_doubt_is_sent_again_and_a_replace_takes_others_away_too() -> None:
    world = started(self_match="cancel_old")
    other = resting(world, "1")
    world.ask(CancelOrder(OTHER_CLIENT, "2", "1"))
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    own = world.submit("3", price=Decimal(9), strategy=STRATEGY)
    yes(world, ReplaceOrder(CLIENT, "4", "3", price=Decimal(10)))
    assert [world.state.orders[each.order_id] for each in world.events(ev.CancelRequested)] == [other, other]
    assert own.last_terms().price == 10


@pytest.mark.control("self_match")
def test_no_more_than_so_many_are_taken_out_of_the_way_of_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_match, "MOST", 3)
    world = started(self_match="cancel_old")
    for number in range(4):
        resting(world, f"{number}", qty=1)
    no(world, buy("many"), Reason.RISK_SELF_MATCH, "and with more than 2 others")
    assert not world.events(ev.CancelRequested)
    world.report(next(iter(world.state.orders.values())), ExecType.CANCELED)
    yes(world, buy("enough"))
    assert len(world.events(ev.CancelRequested)) == 3


# --- Decrement ---


@pytest.mark.control("self_match")
def test_decrement_takes_the_smaller_quantity_off_both_and_the_rest_goes_out() -> None:
    world = started(self_match="decrement")
    one, two = resting(world, "1", 30), resting(world, "2", 20, px="9.99")
    world.fill(one, 5)
    taken = world.submit("3", 100, max_floor=Decimal(80), strategy=STRATEGY)
    assert [each.order_id for each in world.events(ev.CancelRequested)] == [two.order_id, one.order_id]
    assert (taken.command.order_qty, taken.terms.order_qty, taken.terms.max_floor) == (100, 55, 55)
    assert world.records[-1].order is not None
    assert world.records[-1].order.leaves_qty == 55
    assert restarted(world).state.orders[taken.order_id].terms == taken.terms


@pytest.mark.control("self_match")
def test_decrement_of_a_larger_resting_order_replaces_it_down_and_nothing_goes_out() -> None:
    world = started(self_match="decrement")
    other = resting(world, "1", 100, max_floor=Decimal(90))
    world.fill(other, 10)
    answer = world.ask(buy("2", 40))
    assert (answer.reason, other.order_id in answer.text) == (Reason.RISK_SELF_MATCH, True)
    (asked,) = world.events(ev.ReplaceRequested)
    assert (asked.order_id, asked.terms.order_qty, asked.terms.max_floor) == (other.order_id, 60, 60)
    assert asked.command.client_id == OTHER_CLIENT
    assert len(world.state.orders) == 1
    again = world.ask(buy("2", 40))
    assert (again.repeated, again.reason) == (True, Reason.RISK_SELF_MATCH)
    assert len(world.events(ev.ReplaceRequested)) == 1


@pytest.mark.control("self_match")
def test_decrement_of_equal_quantities_leaves_nothing_of_either() -> None:
    world = started(self_match="decrement")
    other = resting(world, "1", 40)
    assert world.ask(buy("2", 40)).reason is Reason.RISK_SELF_MATCH
    assert [each.order_id for each in world.events(ev.CancelRequested)] == [other.order_id]


@pytest.mark.control("self_match")
def test_what_cannot_be_taken_off_is_refused() -> None:
    text = "and that cannot be taken off now"
    world = started(self_match="decrement")
    resting(world, "1")
    no(world, buy("2", 0, cash_order_qty=Decimal(500)), Reason.RISK_SELF_MATCH, text)
    world.ask(CancelOrder(OTHER_CLIENT, "3", "1"))
    no(world, buy("4"), Reason.RISK_SELF_MATCH, text)
    world.submit("5", price=Decimal(9), strategy=STRATEGY)
    no(world, ReplaceOrder(CLIENT, "6", "5", price=Decimal(10)), Reason.RISK_SELF_MATCH, "it would trade with")
    assert len(world.events(ev.CancelRequested)) == 1
