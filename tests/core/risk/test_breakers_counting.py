"""Circuit breakers that count, order by order: what counts, for how long, and where."""

from decimal import Decimal

import pytest

from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.reports import MessageRejected
from gateway.core.risk.commands import ClientPresence
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import RiskDayBegan, TradingStopped
from gateway.core.types import ExecType, OrdStatus, Reason, Side
from tests.core.risk.floor import breaker, cancels, of, settings
from tests.core.risk.tripping import answered_after, floor_with, rejected, trips
from tests.core.world import OTHER_VENUE, SYMBOL, VENUE, order


def test_executions_within_the_window_trip_the_fill_rate() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not trips(floor)
    events = floor.fill(mine, 1)
    [stopped] = of(TradingStopped, events)
    assert (stopped.scope, stopped.source) == ("firm", "fill_rate")
    assert stopped.reason == "executions 3 in 60 s reached 3 at the firm"
    assert cancels(events) == [mine.order_id], "with the event that tripped it"
    assert floor.ask(order("2")).reason is Reason.RISK_STOPPED


def test_what_is_older_than_the_window_does_not_count() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.tick(62)
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not trips(floor)
    floor.tick(58)
    floor.fill(mine, 1)
    assert trips(floor) == [("firm", "fill_rate")]


def test_a_report_that_comes_twice_counts_once() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 2))
    mine = floor.working("1")
    for _ in range(3):
        floor.fill(mine, 1, exec_id="F1")
    assert not trips(floor)


def test_a_clock_that_was_set_back_neither_trips_nor_blinds_a_breaker() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.now_ns -= 3_600_000_000_000
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not trips(floor)
    floor.fill(mine, 1)
    assert trips(floor) == [("firm", "fill_rate")]


def test_a_clock_that_was_set_back_by_less_than_the_window_goes_on_counting() -> None:
    """What came before counts, and what comes then counts for no longer than a window."""
    floor = floor_with(breaker(Breaker.FILL_RATE, 4))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.tick(20)
    floor.fill(mine, 1)
    floor.now_ns -= 10_000_000_000
    floor.fill(mine, 1)
    assert not trips(floor)
    floor.tick(55)
    floor.fill(mine, 1)
    assert not trips(floor), "the first is older than the window"
    floor.fill(mine, 1)
    assert trips(floor) == [("firm", "fill_rate")]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_counted_shortly_before_a_new_day_counts_on(restarts: bool) -> None:
    """A window is no day: a runaway strategy does not get a second chance at midnight."""
    floor = floor_with(breaker(Breaker.FILL_RATE, 4))
    floor.tick(16 * 3_600 - 80)
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.tick(50)
    for _ in range(2):
        floor.fill(mine, 1)
    floor = floor.restarted() if restarts else floor
    assert of(RiskDayBegan, floor.tick(31))
    for _ in range(2):
        assert not trips(floor), "the first is older than the window"
        floor.fill(mine, 1)
    assert trips(floor) == [("firm", "fill_rate")]


def test_what_no_rule_asks_for_any_more_is_forgotten_with_the_day() -> None:
    """Rule 7."""
    floor = floor_with(breaker(Breaker.FILL_RATE, 3), breaker(Breaker.MESSAGE_RATE, 4))
    floor.tick(16 * 3_600 - 30)
    floor.fill(floor.working("1"), 1)
    assert floor.state.risk.tallies.keys() == {"fill_rate|firm", "message_rate|firm"}
    floor.settings = settings(breakers=(breaker(Breaker.FILL_RATE, 3),))
    floor = floor.restarted()
    assert of(RiskDayBegan, floor.tick(31))
    assert floor.state.risk.tallies.keys() == {"fill_rate|firm"}


def test_what_was_counted_long_before_a_new_day_is_forgotten_and_what_comes_then_counts() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    for _ in range(2):
        floor.fill(mine, 1)
    floor.tick(24 * 3_600)
    assert floor.events(RiskDayBegan)[-1].day > floor.events(RiskDayBegan)[0].day
    assert not floor.state.risk.tallies
    for _ in range(2):
        floor.fill(mine, 1)
    assert not trips(floor)
    assert [tally.total for by_name in floor.state.risk.tallies.values() for tally in by_name.values()] == [2]
    floor.fill(mine, 1)
    assert trips(floor) == [("firm", "fill_rate")]


def test_executions_of_one_strategy_in_one_instrument_on_one_side_are_repeated_ones() -> None:
    rule = breaker(Breaker.REPEATED_EXECUTION, 3, "strategy:*", needs_person=False)
    floor = floor_with(rule)
    buys, sells = floor.working("1", strategy="a"), floor.working("2", strategy="a", side=Side.SELL)
    other = floor.working("3", strategy="b")
    for each in (buys, buys, sells, sells, other, other):
        floor.fill(each, 1)
    assert not trips(floor)
    [stopped] = of(TradingStopped, floor.fill(buys, 1))
    assert stopped.scope == "strategy:A1/a"
    assert f"A1/a {SYMBOL} BUY" in stopped.reason
    assert stopped.needs_person, "a designated person has to let it go on, whatever the rule says"
    floor.tick(100_000)
    assert floor.ask(order("4", strategy="a")).reason is Reason.RISK_STOPPED
    assert floor.ask(order("5", strategy="b")).reason is None


def test_orders_replaces_and_cancels_are_messages() -> None:
    floor = floor_with(breaker(Breaker.MESSAGE_RATE, 4, "client:*"))
    floor.working("1")
    floor.ask(ReplaceOrder("desk", "2", "1", order_qty=Decimal(120)))
    floor.working("3")
    floor.ask(order("1", 7))
    assert not trips(floor), "what was refused is none"
    floor.ask(CancelOrder("desk", "4", "3"))
    assert trips(floor) == [("client:desk", "message_rate")]


def test_what_a_stop_cancels_is_no_message_of_anybody() -> None:
    floor = floor_with(breaker(Breaker.MESSAGE_RATE, 4), breaker(Breaker.REJECT_RATE, 50, after=3))
    orders = [floor.working(name) for name in "123"]
    floor.stop()
    for each in orders:
        floor.refuses_cancel(each)
    floor.tick()
    assert trips(floor) == [("firm", "kill")]


def test_rejects_trip_as_a_percentage_of_the_answers_once_there_are_enough() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, f"venue:{VENUE}", after=4))
    rejected(floor, "1")
    rejected(floor, "2")
    rejected(floor, "other", venue=OTHER_VENUE)
    floor.working("3")
    assert not trips(floor), "two of three, but three are too few"
    floor.working("4")
    assert trips(floor) == [(f"venue:{VENUE}", "reject_rate")]


def test_an_order_is_accepted_once() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    mine = floor.working("1")
    for _ in range(5):
        floor.report(mine, ExecType.NEW)
    for name in "23":
        rejected(floor, name)
    assert not trips(floor), "three answers"
    rejected(floor, "4")
    assert trips(floor) == [("firm", "reject_rate")]


def test_an_order_is_accepted_also_when_the_venue_called_it_pending_before() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "123":
        mine = floor.submit(name)
        floor.report(mine, ExecType.PENDING_NEW, ord_status=OrdStatus.PENDING_NEW)
        floor.acknowledge(mine) if name != "3" else floor.fill(mine, 100)
        floor.report(mine, ExecType.NEW)
    rejected(floor, "4")
    rejected(floor, "5")
    assert not trips(floor), "two of five"
    rejected(floor, "6")
    assert trips(floor) == [("firm", "reject_rate")]


def test_fewer_rejects_do_not_trip() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "123":
        floor.working(name)
    rejected(floor, "4")
    rejected(floor, "5")
    assert not trips(floor)
    rejected(floor, "6")
    assert trips(floor) == [("firm", "reject_rate")]


def test_a_refused_cancel_and_an_accepted_one_are_answers_too() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    first, second = floor.working("1"), floor.working("2")
    floor.ask(CancelOrder("desk", "c2", "2"))
    floor.canceled(second)
    for name in ("c3", "c4"):
        floor.ask(CancelOrder("desk", name, "1"))
        floor.refuses_cancel(first)
        assert not trips(floor), "two of five at most"
    floor.ask(CancelOrder("desk", "c5", "1"))
    floor.refuses_cancel(first)
    assert trips(floor) == [("firm", "reject_rate")]


def test_a_reject_that_is_older_than_the_window_does_not_count() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "123":
        rejected(floor, name)
    floor.tick(62)
    for name in "4567":
        floor.working(name)
    rejected(floor, "8")
    assert not trips(floor), "one of five"


def test_a_cancel_that_nobody_asked_for_is_no_answer() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "12":
        floor.report(floor.working(name), ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    rejected(floor, "3")
    assert not trips(floor), "three answers"
    rejected(floor, "4")
    assert trips(floor) == [("firm", "reject_rate")]


def test_what_a_client_sends_while_it_is_away_is_its_messages() -> None:
    """Only the cancels are the gateway's: a program that lost its stream may still send, and run wild."""
    floor = floor_with(breaker(Breaker.MESSAGE_RATE, 3, "client:*"))
    floor.tell(ClientPresence("fix", connected=False))
    floor.working("1", client_id="fix")
    for name in ("2", "3"):
        assert not trips(floor)
        floor.ask(ReplaceOrder("fix", name, "1", order_qty=Decimal(120)))
    assert trips(floor) == [("client:fix", "message_rate")]


def test_our_own_refusals_are_no_rejects() -> None:
    floor = floor_with(breaker(Breaker.REJECT_RATE, 1, after=1))
    assert floor.ask(order("1", "0.5")).reason is Reason.QTY_OFF_LOT
    assert not trips(floor)


def test_slow_answers_trip_the_latency() -> None:
    floor = floor_with(breaker(Breaker.LATENCY, 100, after=2))
    answered_after(floor, "1", 100)
    answered_after(floor, "2", 99)
    assert not trips(floor)
    mine = answered_after(floor, "3", 100)
    assert trips(floor) == [("firm", "latency")]
    assert floor.events(TradingStopped)[0].reason == "2 answers in 60 s took 100 ms or longer at the firm"
    assert mine.unanswered


def test_only_the_first_word_of_an_order_is_its_answer() -> None:
    floor = floor_with(breaker(Breaker.LATENCY, 100, after=1))
    mine = floor.working("1")
    floor.now_ns += 10_000_000_000
    floor.fill(mine, 1)
    floor.report(mine, ExecType.NEW)
    assert not trips(floor)


def test_a_reject_of_the_message_itself_is_an_answer_though_it_has_no_exec_id() -> None:
    """BusinessMessageReject(35=j) has no ExecID(17)."""
    floor = floor_with(breaker(Breaker.LATENCY, 100, after=1))
    mine = floor.submit("1")
    floor.now_ns += 200_000_000
    floor.hear(MessageRejected(VENUE, "D", mine.venue_cl_ord_id))
    assert trips(floor) == [("firm", "latency")]


def test_an_answer_that_stays_out_is_a_slow_one() -> None:
    floor = floor_with(breaker(Breaker.LATENCY, 1000, after=1))
    floor.submit("1")
    floor.tick(6)
    assert trips(floor) == [("firm", "latency")]


def test_an_answer_that_stayed_out_is_one_slow_one_also_when_it_comes() -> None:
    floor = floor_with(breaker(Breaker.LATENCY, 1000, after=2))
    for name in "12":
        mine = floor.submit(name)
        assert not trips(floor)
        floor.tick(6)
        floor.acknowledge(mine)
    assert trips(floor) == [("firm", "latency")]
    assert floor.events(TradingStopped)[0].reason == "2 answers in 60 s took 1,000 ms or longer at the firm"


def test_the_time_in_which_no_gateway_ran_is_no_latency_of_a_venue() -> None:
    floor = floor_with(breaker(Breaker.LATENCY, 1000, after=1))
    mine = floor.submit("1")
    floor.now_ns += 60_000_000_000
    floor = floor.restarted()
    floor.up(VENUE)
    mine = floor.state.orders[mine.order_id]
    assert mine.in_doubt
    floor.acknowledge(mine)
    floor.tick()
    assert not trips(floor)
    floor.submit("2")
    floor.tick(6)
    assert trips(floor) == [("firm", "latency")]
