"""One test for each control of one order, of prices and of behaviour: it passes at the limit, and is refused one step
beyond, at every scope of an order; `over` also proves that an override lets it pass for its time.
"""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.reports import TimerFired
from gateway.core.risk.controls import SPECS, Control
from gateway.core.types import ExecType, OrdType, Reason
from tests.core.risk.trading import (
    STRATEGY,
    buy,
    each_scope,
    each_scope_but,
    elsewhere,
    hedge,
    hold,
    limited,
    mark,
    no,
    of_acme,
    over,
    sell,
    yes,
)
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, World

pytestmark = pytest.mark.usefixtures("both_ways")


def replace(orig: str, **terms: str | int) -> ReplaceOrder:
    return ReplaceOrder(CLIENT, f"replace of {orig}", orig, **{name: Decimal(value) for name, value in terms.items()})


def passes_elsewhere(world: World, scope: str, command: object) -> None:
    """A scope's limit says nothing of an order that is not in it."""
    if scope != "firm":
        yes(world, elsewhere(command))


# --- One order ---


@pytest.mark.control("max_order_qty")
@each_scope
def test_max_order_qty(scope: str) -> None:
    world = limited(scope, Control.MAX_ORDER_QTY, 100)
    world.ask(buy("1", 100))
    over(world, scope, Control.MAX_ORDER_QTY, buy("2", 101), "order quantity 101 over limit 100")
    over(world, scope, Control.MAX_ORDER_QTY, replace("1", order_qty=101), "order quantity 101 over limit 100")
    passes_elsewhere(world, scope, buy("3", 101))


@pytest.mark.control("max_order_value")
@each_scope
def test_max_order_value(scope: str) -> None:
    world = limited(scope, Control.MAX_ORDER_VALUE, 1_000_000)
    world.ask(buy("1", 100_000))
    over(world, scope, Control.MAX_ORDER_VALUE, buy("2", 125_000), "order value 1,250,000 over limit 1,000,000")
    text = "order value 1,000,010 over limit 1,000,000"
    over(world, scope, Control.MAX_ORDER_VALUE, replace("1", order_qty=100_001), text)
    passes_elsewhere(world, scope, buy("3", 125_000))


@pytest.mark.control("max_order_value")
def test_the_value_is_at_the_higher_of_price_and_mark_times_multiplier_and_rate() -> None:
    world = limited("firm", Control.MAX_ORDER_VALUE, 1_800, currency="USD", rates={"EUR": Decimal("1.5")})
    text = "order value 1,801.5 over limit 1,800"
    no(world, buy("1", 100, price=Decimal("12.01")), Reason.RISK_ORDER_VALUE, text, "order_qty")
    yes(world, buy("2", 100, price=Decimal(12)))
    yes(world, buy("3", 120, price=Decimal(1)))
    no(world, buy("4", 121, price=Decimal(1)), Reason.RISK_ORDER_VALUE, "order value 1,815 over")
    no(world, buy("5", 121, price=None, ord_type=OrdType.MARKET), Reason.RISK_ORDER_VALUE, "order value 1,815 over")
    no(
        world,
        buy("6", 13, price=None, stop_px=Decimal(10), ord_type=OrdType.STOP, symbol="FUT"),
        Reason.RISK_ORDER_VALUE,
        "order value 1,950 over",
    )
    yes(world, buy("7", 12, symbol="FUT"))


@pytest.mark.control("max_order_value")
def test_an_order_by_amount_is_worth_its_amount() -> None:
    world = limited("firm", Control.MAX_ORDER_VALUE, 1_000)
    yes(world, buy("1", 0, cash_order_qty=Decimal(1_000)))
    more = buy("2", 0, cash_order_qty=Decimal(1_001))
    no(world, more, Reason.RISK_ORDER_VALUE, "order value 1,001 over limit 1,000", "cash_order_qty")


@pytest.mark.control("max_order_qty")
def test_the_quantity_of_an_order_by_amount_is_what_it_buys_at_the_lowest_price_rounded_up() -> None:
    world = limited("firm", Control.MAX_ORDER_QTY, 100)
    market = {"price": None, "ord_type": OrdType.MARKET}
    yes(world, buy("1", 0, cash_order_qty=Decimal(1_000), **market))
    no(world, buy("2", 0, cash_order_qty=Decimal("1000.01"), **market), Reason.RISK_ORDER_QTY, "quantity 101 over")
    no(world, buy("3", 0, cash_order_qty=Decimal(1_000), price=Decimal(5)), Reason.RISK_ORDER_QTY, "quantity 200 over")


@pytest.mark.control("price_collar_pct")
@each_scope
def test_price_collar_pct(scope: str) -> None:
    world = limited(scope, Control.PRICE_COLLAR_PCT, 5)
    world.ask(buy("1", price=Decimal("10.50")))
    yes(world, buy("2", price=Decimal("9.50")))
    text = "price 10.51 against the mark 10: percent 5.1 over limit 5"
    over(world, scope, Control.PRICE_COLLAR_PCT, buy("3", price=Decimal("10.51")), text)
    over(world, scope, Control.PRICE_COLLAR_PCT, replace("1", price="10.51"), text)
    no(world, sell("4", price=Decimal("9.49")), Reason.RISK_PRICE_COLLAR, "percent 5.1 over limit 5", "price")
    passes_elsewhere(world, scope, buy("5", price=Decimal(20)))


@pytest.mark.control("price_collar_ticks")
@each_scope
def test_price_collar_ticks(scope: str) -> None:
    world = limited(scope, Control.PRICE_COLLAR_TICKS, 20)
    world.ask(buy("1", price=Decimal("10.20")))
    text = "price 10.21 against the mark 10: ticks 21 over limit 20"
    over(world, scope, Control.PRICE_COLLAR_TICKS, buy("2", price=Decimal("10.21")), text)
    over(world, scope, Control.PRICE_COLLAR_TICKS, replace("1", price="10.21"), text)
    passes_elsewhere(world, scope, buy("3", price=Decimal(20)))


@pytest.mark.control("price_collar_pct")
def test_a_stop_price_stands_in_the_collar_too_and_a_new_mark_moves_it() -> None:
    world = limited("firm", Control.PRICE_COLLAR_PCT, 5)
    stop = buy("1", price=None, stop_px=Decimal("10.51"), ord_type=OrdType.STOP)
    no(world, stop, Reason.RISK_PRICE_COLLAR, "stop_px 10.51 against the mark 10: percent 5.1", "stop_px")
    mark(world, "10.1")
    yes(world, stop)


# --- Prices ---


@pytest.mark.control("max_mark_age_s")
@each_scope
def test_max_mark_age_s(scope: str) -> None:
    world = limited(scope, Control.MAX_MARK_AGE_S, 5)
    hold(world, 100)
    mark(world, 10)
    world.now_ns += 5 * SECOND_NS - 1_000_000
    yes(world, buy("1"))
    text = "age of the mark in seconds 5.001 over limit 5"
    no(world, buy("2"), Reason.RISK_STALE_MARK, text, "symbol")
    over(world, scope, Control.MAX_MARK_AGE_S, buy("3"), "over limit 5")
    yes(world, sell("4"))
    passes_elsewhere(world, scope, buy("5"))


@pytest.mark.control("max_mark_age_s")
def test_a_reference_price_is_never_stale_and_a_clock_that_was_set_back_makes_no_mark_stale() -> None:
    world = limited("firm", Control.MAX_MARK_AGE_S, 5)
    world.now_ns += 3_600 * SECOND_NS
    yes(world, buy("1"))
    mark(world, 10)
    world.now_ns -= 3_600 * SECOND_NS
    yes(world, buy("2"))


@pytest.mark.control("max_mark_move_pct")
@each_scope
def test_max_mark_move_pct(scope: str) -> None:
    world = limited(scope, Control.MAX_MARK_MOVE_PCT, 10)
    hold(world, 100)
    mark(world, 11)
    yes(world, buy("1"))
    mark(world, "11.01")
    text = "percent that the mark moved from the reference price 10.1 over limit 10"
    over(world, scope, Control.MAX_MARK_MOVE_PCT, buy("2"), text)
    yes(world, sell("3"))
    passes_elsewhere(world, scope, buy("4"))


@pytest.mark.control("max_mark_move_pct")
def test_without_a_reference_price_a_mark_is_held_against_the_days_first() -> None:
    world = limited("firm", Control.MAX_MARK_MOVE_PCT, 10, **of_acme(reference_px=None))
    mark(world, 10)
    mark(world, "11.01")
    text = "percent that the mark moved from the reference price 10.1 over limit 10"
    over(world, "firm", Control.MAX_MARK_MOVE_PCT, buy("1"), text)
    mark(world, "11.01")
    over(world, "firm", Control.MAX_MARK_MOVE_PCT, buy("2"), text)
    world.now_ns += 86_400 * SECOND_NS
    world.tell(TimerFired())
    mark(world, "11.01")
    yes(world, buy("3", price=Decimal("11.01")))


@pytest.mark.parametrize("control", [Control.MAX_MARK_AGE_S, Control.MAX_MARK_MOVE_PCT])
@pytest.mark.parametrize("scope", ["firm", "desk:cash", "account:A1", "instrument:ACME", "venue:XSIM"])
def test_what_reduces_one_strategy_and_takes_another_scope_further_needs_its_mark(scope: str, control: Control) -> None:
    world = limited(scope, control, 5)
    hold(world, 100)
    hedge(world)
    mark(world, 11)
    world.now_ns += 10 * SECOND_NS
    no(world, sell("1", 81), SPECS[control].reason, "over limit 5")
    yes(world, sell("2", 80))


# --- Behaviour ---


@pytest.mark.control("message_rate")
@each_scope
def test_message_rate(scope: str) -> None:
    world = limited(scope, Control.MESSAGE_RATE, 2, per_s=1)
    yes(world, buy("1"))
    world.submit("2", strategy=STRATEGY)
    text = "message rate over limit 2 in 1 s"
    over(world, scope, Control.MESSAGE_RATE, buy("3"), text)
    no(world, replace("2", order_qty=50), Reason.RISK_MESSAGE_RATE, text)
    assert world.ask(CancelOrder(CLIENT, "c", "2")).reason is None, "cancels always pass"
    passes_elsewhere(world, scope, buy("4"))


@pytest.mark.control("message_rate")
def test_the_bucket_empties_with_time_and_no_flood_of_cancels_holds_it_up_for_longer_than_its_window() -> None:
    world = limited("firm", Control.MESSAGE_RATE, 2, per_s=1)
    for name in "12":
        yes(world, buy(name))
    no(world, buy("3"), Reason.RISK_MESSAGE_RATE, "try again in 0.498 s")
    world.now_ns += 500_000_000
    one = world.submit("4")
    no(world, buy("5"), Reason.RISK_MESSAGE_RATE, "over limit")
    for number in range(10):
        world.ask(CancelOrder(CLIENT, f"c{number}", one.cl_ord_id))
    world.now_ns += 500_000_000
    yes(world, buy("6"))


@pytest.mark.control("message_rate")
def test_a_clock_that_was_set_back_does_not_stop_trading_until_it_is_as_late_again() -> None:
    world = limited("firm", Control.MESSAGE_RATE, 2, per_s=1)
    for name in "12":
        yes(world, buy(name))
    world.now_ns -= 3_600 * SECOND_NS
    for name in "34":
        yes(world, buy(name))
        no(world, buy("5"), Reason.RISK_MESSAGE_RATE, "try again in 0.499 s")
        world.now_ns += 497_000_000
        no(world, buy("6"), Reason.RISK_MESSAGE_RATE, "over limit 2")


@pytest.mark.control("message_rate")
@pytest.mark.parametrize("value", ["0", "0.5"])
def test_a_rate_below_one_message_lets_nothing_pass(value: str) -> None:
    no(limited("firm", Control.MESSAGE_RATE, value, per_s=1), buy("1"), Reason.RISK_MESSAGE_RATE, "message rate over")


@pytest.mark.control("order_to_trade")
@each_scope
def test_order_to_trade(scope: str) -> None:
    world = limited(scope, Control.ORDER_TO_TRADE, 3, after=3)
    one = world.submit("1", strategy=STRATEGY)
    for name in "23":
        yes(world, buy(name))
    text = "messages for each execution 4 over limit 3"
    over(world, scope, Control.ORDER_TO_TRADE, buy("4"), text)
    no(world, replace("1", order_qty=101), Reason.RISK_ORDER_TO_TRADE, "over limit 3")
    world.fill(one, 1)
    no(world, buy("5"), Reason.RISK_ORDER_TO_TRADE, "5 over limit 3")
    world.fill(one, 1)
    yes(world, buy("6"))
    passes_elsewhere(world, scope, buy("7"))


@pytest.mark.control("order_to_trade")
def test_a_bust_is_no_execution() -> None:
    world = limited("firm", Control.ORDER_TO_TRADE, 1)
    one = world.submit("1")
    world.fill(one, 1)
    world.report(one, ExecType.TRADE_CANCEL, exec_ref_id="E1")
    no(world, buy("2"), Reason.RISK_ORDER_TO_TRADE, "messages for each execution 2 over limit 1")


@pytest.mark.control("duplicate_window_s")
@each_scope
def test_duplicate_window_s(scope: str) -> None:
    world = limited(scope, Control.DUPLICATE_WINDOW_S, 5)
    yes(world, buy("1"))
    text = "an order of the same side, quantity and price was sent 0.001 s ago;"
    no(world, buy("2"), Reason.RISK_DUPLICATE_ORDER, text)
    world.now_ns -= 2_000_000
    no(world, buy("of the same moment"), Reason.RISK_DUPLICATE_ORDER, "was sent 0 s ago")
    for other in (buy("3", 101), sell("4"), buy("5", price=Decimal("10.01")), buy("6", strategy="beta")):
        yes(world, other)
    world.state.risk.overrides = {scope: {Control.DUPLICATE_WINDOW_S: world.now_ns + SECOND_NS}}
    yes(world, buy("7"))
    world.state.risk.overrides = {}
    world.now_ns += 5 * SECOND_NS - 2_000_000
    no(world, buy("8"), Reason.RISK_DUPLICATE_ORDER, "was sent 4.999 s ago")
    yes(world, buy("9"))


@pytest.mark.control("duplicate_window_s")
def test_what_is_remembered_as_a_duplicate_is_bounded_and_survives_a_clock_that_was_set_back() -> None:
    world = limited("firm", Control.DUPLICATE_WINDOW_S, 5)
    for qty in range(1, 50):
        yes(world, buy("1", qty))
    assert len(world.state.risk.recent) == 49
    world.now_ns += 10 * SECOND_NS
    for qty in range(1, 50):
        yes(world, buy("2", qty))
    assert len(world.state.risk.recent) == 49
    world.now_ns -= 3_600 * SECOND_NS
    yes(world, buy("3", 1))
    no(world, buy("4", 1), Reason.RISK_DUPLICATE_ORDER, "0.001 s ago")


# --- Counts ---


@pytest.mark.control("max_open_orders")
@each_scope
def test_max_open_orders(scope: str) -> None:
    world = limited(scope, Control.MAX_OPEN_ORDERS, 1)
    one = world.submit("1", strategy=STRATEGY)
    over(world, scope, Control.MAX_OPEN_ORDERS, sell("2"), "working orders 2 over limit 1")
    world.report(list(world.state.orders.values())[-1], ExecType.CANCELED)  # It passed by an override.
    world.ask(CancelOrder(CLIENT, "c", "1"))
    no(world, buy("3"), Reason.RISK_OPEN_ORDERS, "over limit 1")
    passes_elsewhere(world, scope, buy("4"))
    world.report(one, ExecType.CANCELED)
    yes(world, buy("5"))


@pytest.mark.control("max_open_orders")
def test_a_replace_that_brings_a_filled_order_back_counts_it_again() -> None:
    world = limited("firm", Control.MAX_OPEN_ORDERS, 1)
    hold(world, 100)
    filled = next(iter(world.state.orders.values()))
    world.submit("2")
    no(world, replace(filled.cl_ord_id, order_qty=101), Reason.RISK_OPEN_ORDERS, "working orders 2 over limit 1")


@pytest.mark.control("max_instruments")
@each_scope_but("instrument")
def test_max_instruments(scope: str) -> None:
    world = limited(scope, Control.MAX_INSTRUMENTS, 1)
    hold(world, 100)
    yes(world, buy("1"))
    over(world, scope, Control.MAX_INSTRUMENTS, buy("2", symbol="FUT"), "instruments 2 over limit 1")
    yes(world, sell("3"))
    passes_elsewhere(world, scope, buy("4"))


@pytest.mark.control("max_venues")
@each_scope_but("venue")
def test_max_venues(scope: str) -> None:
    world = limited(scope, Control.MAX_VENUES, 1)
    hold(world, 100)
    yes(world, buy("1"))
    yes(world, sell("2", venue=OTHER_VENUE))  # It only reduces.
    world = limited(scope, Control.MAX_VENUES, 1)
    yes(world, buy("3"))
    over(world, scope, Control.MAX_VENUES, buy("4", venue=OTHER_VENUE), "venues 2 over limit 1")
    passes_elsewhere(world, scope, buy("5"))


# --- All of them ---


def test_every_control_has_a_test_that_says_so() -> None:
    marked = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for names in re.findall(r"^@pytest\.mark\.control\(([^)]*)\)", path.read_text(), re.MULTILINE)
        for name in re.findall(r'"(\w+)"', names)
    }
    named = {"authorised", "stopped", "restricted", "limit_missing", "short_sale", "no_mark", "crossed_mark"}
    assert marked >= {*SPECS, *named, "self_match", "auction"}


def test_every_reason_of_risk_is_met_by_some_test_here() -> None:
    said = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    used = {reason for reason in Reason if f"Reason.{reason.name}" in said} | {spec.reason for spec in SPECS.values()}
    assert {reason for reason in Reason if reason.startswith("RISK_")} <= used
