"""Circuit breakers: each trips where it should and not before, and lets go only when it may."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import engine
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.reports import OrderCancelReject
from gateway.core.risk import breakers, watch
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import RiskDayBegan, TradingResumed, TradingStopped
from gateway.core.risk.setup import BreakerRule, RiskSetup
from gateway.core.types import ExecType, ItemKind, OrdStatus, Reason, Severity, Side
from tests.core.risk.floor import OPERATOR, Floor, breaker, cancels, of
from tests.core.world import OTHER_VENUE, SYMBOL, VENUE, order


def _floor(*rules: BreakerRule) -> Floor:
    return Floor.opened(breakers=rules)


def _trips(floor: Floor) -> list[tuple[str, str]]:
    return [(event.scope, event.source) for event in floor.events(TradingStopped)]


def _rejected(floor: Floor, cl_ord_id: str, **changes: object) -> list[Event]:
    made = floor.submit(cl_ord_id, **changes)
    return floor.report(made, ExecType.REJECTED, ord_status=OrdStatus.REJECTED)


def _lasting(rule: BreakerRule) -> BreakerRule:
    """It lets go by itself, 30 s later at the earliest."""
    return msgspec.structs.replace(rule, needs_person=False, cool_down_s=30)


# --- Counting ---


def test_executions_within_the_window_trip_the_fill_rate() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not _trips(floor)
    events = floor.fill(mine, 1)
    [stopped] = of(TradingStopped, events)
    assert (stopped.scope, stopped.source) == ("firm", "fill_rate")
    assert stopped.reason == "executions 3 in 60 s reached 3 at the firm"
    assert cancels(events) == [mine.order_id], "with the event that tripped it"
    assert floor.ask(order("2")).reason is Reason.RISK_STOPPED


def test_what_is_older_than_the_window_does_not_count() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.tick(62)
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not _trips(floor)
    floor.tick(58)
    floor.fill(mine, 1)
    assert _trips(floor) == [("firm", "fill_rate")]


def test_a_report_that_comes_twice_counts_once() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 2))
    mine = floor.working("1")
    for _ in range(3):
        floor.fill(mine, 1, exec_id="F1")
    assert not _trips(floor)


def test_a_clock_that_was_set_back_neither_trips_nor_blinds_a_breaker() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.now_ns -= 3_600_000_000_000
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    assert not _trips(floor)
    floor.fill(mine, 1)
    assert _trips(floor) == [("firm", "fill_rate")]


def test_what_was_counted_long_before_a_new_day_is_forgotten_and_what_comes_then_counts() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    for _ in range(2):
        floor.fill(mine, 1)
    floor.tick(24 * 3_600)
    assert floor.events(RiskDayBegan)[-1].day > floor.events(RiskDayBegan)[0].day
    assert not floor.state.risk.tallies
    for _ in range(2):
        floor.fill(mine, 1)
    assert not _trips(floor)
    assert [tally.total for by_name in floor.state.risk.tallies.values() for tally in by_name.values()] == [2]
    floor.fill(mine, 1)
    assert _trips(floor) == [("firm", "fill_rate")]


def test_executions_of_one_strategy_in_one_instrument_on_one_side_are_repeated_ones() -> None:
    rule = breaker(Breaker.REPEATED_EXECUTION, 3, "strategy:*", needs_person=False)
    floor = _floor(rule)
    buys, sells = floor.working("1", strategy="a"), floor.working("2", strategy="a", side=Side.SELL)
    other = floor.working("3", strategy="b")
    for each in (buys, buys, sells, sells, other, other):
        floor.fill(each, 1)
    assert not _trips(floor)
    [stopped] = of(TradingStopped, floor.fill(buys, 1))
    assert stopped.scope == "strategy:A1/a"
    assert f"A1/a {SYMBOL} BUY" in stopped.reason
    assert stopped.needs_person, "a designated person has to let it go on, whatever the rule says"
    floor.tick(100_000)
    assert floor.ask(order("4", strategy="a")).reason is Reason.RISK_STOPPED
    assert floor.ask(order("5", strategy="b")).reason is None


def test_orders_replaces_and_cancels_are_messages() -> None:
    floor = _floor(breaker(Breaker.MESSAGE_RATE, 4, "client:*"))
    floor.working("1")
    floor.ask(ReplaceOrder("desk", "2", "1", order_qty=Decimal(120)))
    floor.working("3")
    floor.ask(order("1", 7))
    assert not _trips(floor), "what was refused is none"
    floor.ask(CancelOrder("desk", "4", "3"))
    assert _trips(floor) == [("client:desk", "message_rate")]


def test_what_a_stop_cancels_is_no_message_of_anybody() -> None:
    floor = _floor(breaker(Breaker.MESSAGE_RATE, 4), breaker(Breaker.REJECT_RATE, 50, after=3))
    orders = [floor.working(name) for name in "123"]
    floor.stop()
    for each in orders:
        floor.refuses_cancel(each)
    floor.tick()
    assert _trips(floor) == [("firm", "kill")]


def test_rejects_trip_as_a_percentage_of_the_answers_once_there_are_enough() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 50, f"venue:{VENUE}", after=4))
    _rejected(floor, "1")
    _rejected(floor, "2")
    _rejected(floor, "other", venue=OTHER_VENUE)
    floor.working("3")
    assert not _trips(floor), "two of three, but three are too few"
    floor.working("4")
    assert _trips(floor) == [(f"venue:{VENUE}", "reject_rate")]


def test_an_order_is_accepted_once() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 50, after=4))
    mine = floor.working("1")
    for _ in range(5):
        floor.report(mine, ExecType.NEW)
    for name in "23":
        _rejected(floor, name)
    assert not _trips(floor), "three answers"
    _rejected(floor, "4")
    assert _trips(floor) == [("firm", "reject_rate")]


def test_an_order_is_accepted_also_when_the_venue_called_it_pending_before() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "123":
        mine = floor.submit(name)
        floor.report(mine, ExecType.PENDING_NEW, ord_status=OrdStatus.PENDING_NEW)
        floor.acknowledge(mine) if name != "3" else floor.fill(mine, 100)
        floor.report(mine, ExecType.NEW)
    _rejected(floor, "4")
    _rejected(floor, "5")
    assert not _trips(floor), "two of five"
    _rejected(floor, "6")
    assert _trips(floor) == [("firm", "reject_rate")]


def test_fewer_rejects_do_not_trip() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 50, after=4))
    for name in "123":
        floor.working(name)
    _rejected(floor, "4")
    _rejected(floor, "5")
    assert not _trips(floor)
    _rejected(floor, "6")
    assert _trips(floor) == [("firm", "reject_rate")]


def test_a_refused_cancel_and_an_accepted_one_are_answers_too() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 50, after=4))
    first, second = floor.working("1"), floor.working("2")
    floor.ask(CancelOrder("desk", "c1", "1"))
    floor.refuses_cancel(first)
    assert not _trips(floor)
    floor.ask(CancelOrder("desk", "c2", "1"))
    floor.hear(OrderCancelReject(VENUE, first.last_venue_cl_ord_id(), "", cxl_rej_reason="0"))
    floor.refuses_cancel(first)
    assert _trips(floor) == [("firm", "reject_rate")]
    assert not second.unanswered or second.working


def test_our_own_refusals_are_no_rejects() -> None:
    floor = _floor(breaker(Breaker.REJECT_RATE, 1, after=1))
    assert floor.ask(order("1", "0.5")).reason is Reason.QTY_OFF_LOT
    assert not _trips(floor)


def _answered_after(floor: Floor, cl_ord_id: str, ms: int) -> Order:
    made = floor.submit(cl_ord_id)
    floor.now_ns += (ms - 1) * 1_000_000
    floor.acknowledge(made)
    return made


def test_slow_answers_trip_the_latency() -> None:
    floor = _floor(breaker(Breaker.LATENCY, 100, after=2))
    _answered_after(floor, "1", 100)
    _answered_after(floor, "2", 99)
    assert not _trips(floor)
    mine = _answered_after(floor, "3", 100)
    assert _trips(floor) == [("firm", "latency")]
    assert floor.events(TradingStopped)[0].reason == "2 answers in 60 s took 100 ms or longer at the firm"
    assert mine.unanswered


def test_only_the_first_word_of_an_order_is_its_answer() -> None:
    floor = _floor(breaker(Breaker.LATENCY, 100, after=1))
    mine = floor.working("1")
    floor.now_ns += 10_000_000_000
    floor.fill(mine, 1)
    floor.report(mine, ExecType.NEW)
    assert not _trips(floor)


def test_an_answer_that_stays_out_is_a_slow_one() -> None:
    floor = _floor(breaker(Breaker.LATENCY, 1000, after=1))
    floor.submit("1")
    floor.tick(6)
    assert _trips(floor) == [("firm", "latency")]


def test_an_answer_that_stayed_out_is_one_slow_one_also_when_it_comes() -> None:
    floor = _floor(breaker(Breaker.LATENCY, 1000, after=2))
    for name in "12":
        mine = floor.submit(name)
        assert not _trips(floor)
        floor.tick(6)
        floor.acknowledge(mine)
    assert _trips(floor) == [("firm", "latency")]
    assert floor.events(TradingStopped)[0].reason == "2 answers in 60 s took 1,000 ms or longer at the firm"


def test_the_time_in_which_no_gateway_ran_is_no_latency_of_a_venue() -> None:
    floor = _floor(breaker(Breaker.LATENCY, 1000, after=1))
    mine = floor.submit("1")
    floor.now_ns += 60_000_000_000
    floor = floor.restarted()
    floor.up(VENUE)
    mine = floor.state.orders[mine.order_id]
    assert mine.in_doubt
    floor.acknowledge(mine)
    floor.tick()
    assert not _trips(floor)
    floor.submit("2")
    floor.tick(6)
    assert _trips(floor) == [("firm", "latency")]


# --- What the clock looks at ---


def _lose(floor: Floor, px: str, **changes: object) -> None:
    """Hold 100 that cost 10 each, and mark them."""
    if not floor.state.positions:
        floor.fill(floor.working("lose", **changes), 100)
    floor.mark(px)


def test_a_loss_of_the_day_trips() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200, "account:A1"))
    mine = floor.working("1")
    _lose(floor, "8.01")
    assert not of(TradingStopped, floor.tick())
    floor.mark("8")
    [stopped] = of(TradingStopped, events := floor.tick())
    assert (stopped.scope, stopped.source) == ("account:A1", "loss")
    assert stopped.reason == "loss of the day 200 reached 200 at account A1"
    assert cancels(events) == [mine.order_id]


def test_orders_that_reduce_a_losing_position_pass() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200))
    _lose(floor, "8")
    floor.tick()
    assert floor.ask(order("in", price=Decimal(8))).reason is Reason.RISK_STOPPED
    assert floor.ask(order("out", side=Side.SELL, price=Decimal(8))).reason is None
    assert not cancels(floor.tick(60))


def test_a_drawdown_from_the_highest_profit_trips() -> None:
    floor = _floor(breaker(Breaker.DRAWDOWN, 200), breaker(Breaker.LOSS, 200))
    _lose(floor, "12")
    floor.mark("10.5")
    assert not of(TradingStopped, floor.tick())
    floor.mark("10")
    floor.tick()
    assert _trips(floor) == [("firm", "drawdown")]


def test_what_was_lost_before_a_person_resumed_does_not_trip_again() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200))
    _lose(floor, "8")
    floor.tick()
    floor.resume("firm", "loss")
    assert not of(TradingStopped, floor.tick())
    floor.mark("6.1")
    assert not of(TradingStopped, floor.tick())
    floor.mark("6")
    assert of(TradingStopped, floor.tick())


def test_a_new_day_counts_from_nothing_again() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200))
    _lose(floor, "8")
    floor.tick()
    floor.resume("firm", "loss")
    floor.records.append(engine.apply(floor.state, RiskDayBegan("2026-01-06"), floor.now_ns, OPERATOR))
    floor.mark("6")
    assert of(TradingStopped, floor.tick())


def test_a_drawdown_counts_anew_from_where_a_person_resumed_until_a_new_high() -> None:
    floor = _floor(breaker(Breaker.DRAWDOWN, 200))
    _lose(floor, "8")
    floor.tick()
    floor.resume("firm", "drawdown")
    floor.mark("6.1")
    assert not of(TradingStopped, floor.tick())
    floor.mark("11")
    assert not of(TradingStopped, floor.tick())
    floor.mark("9")
    assert of(TradingStopped, floor.tick()), "200 below the new high"


def test_an_old_mark_of_what_is_held_or_worked_trips() -> None:
    floor = _floor(breaker(Breaker.STALE_MARK, 10, f"instrument:{SYMBOL}"))
    floor.mark("10")
    assert not of(TradingStopped, floor.tick(20)), "nobody has anything in it"
    floor.mark("10")
    floor.working("1")
    assert not of(TradingStopped, floor.tick(9))
    assert of(TradingStopped, floor.tick(2))
    assert _trips(floor) == [(f"instrument:{SYMBOL}", "stale_mark")]


def test_a_reference_price_is_never_old() -> None:
    floor = _floor(breaker(Breaker.STALE_MARK, 10))
    floor.working("1")
    assert not of(TradingStopped, floor.tick(100))


def _item(floor: Floor, number: int, venue: str = VENUE, severity: Severity = Severity.CRITICAL) -> None:
    raised = ev.ItemRaised(f"I{number}", venue, ItemKind.REPORT_UNKNOWN, severity, "?", venue_order_id=f"V{number}")
    floor.records.append(engine.apply(floor.state, raised, floor.now_ns, OPERATOR))


def test_open_critical_items_trip() -> None:
    floor = _floor(breaker(Breaker.ITEMS, 2), breaker(Breaker.ITEMS, 2, f"venue:{OTHER_VENUE}"))
    _item(floor, 1)
    _item(floor, 2, severity=Severity.WARNING)
    assert not of(TradingStopped, floor.tick())
    _item(floor, 3)
    floor.tick()
    assert _trips(floor) == [("firm", "items")]


def test_items_trip_where_their_orders_are_also_when_nothing_works_there_any_more() -> None:
    floor = _floor(breaker(Breaker.ITEMS, 1, "account:*"))
    flat = floor.working("1")
    floor.report(flat, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    raised = ev.ItemRaised("I1", VENUE, ItemKind.STATUS, Severity.CRITICAL, "?", order_id=flat.order_id)
    floor.records.append(engine.apply(floor.state, raised, floor.now_ns, OPERATOR))
    after = floor.restarted()
    for each in (floor, after):
        each.tick()
        assert _trips(each) == [("account:A1", "items")]


def test_items_are_looked_through_once_for_all_scopes_of_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be 10,000 of them, and 1,000 strategies."""
    floor = _floor(breaker(Breaker.ITEMS, 3, "strategy:*"), breaker(Breaker.ITEMS, 30, "strategy:A1/s0"))
    orders = [floor.working(f"{number}", strategy=f"s{number % 10}") for number in range(20)]
    for number, each in enumerate([*orders, orders[7]]):
        raised = ev.ItemRaised(f"I{number}", VENUE, ItemKind.STATUS, Severity.CRITICAL, "?", order_id=each.order_id)
        floor.records.append(engine.apply(floor.state, raised, floor.now_ns, OPERATOR))
    looked: list[str] = []
    scopes_of = watch.scopes_of

    def looks(setup: RiskSetup, order: Order) -> list[str]:
        looked.append(order.order_id)
        return scopes_of(setup, order)

    monkeypatch.setattr(watch, "scopes_of", looks)
    [stopped] = breakers.timer(floor.state, floor.now_ns)
    assert isinstance(stopped, TradingStopped)
    assert (stopped.scope, stopped.source) == ("strategy:A1/s7", "items")
    assert len(looked) == 21 * 2, "each item once for each rule"


def test_a_rule_for_all_of_a_level_trips_each_by_itself_and_not_what_has_its_own() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200, "account:*"), breaker(Breaker.LOSS, 900, "account:A2"))
    floor.fill(floor.working("1"), 100)
    floor.fill(floor.working("2", account="A2"), 100)
    floor.mark("7")
    floor.tick()
    assert _trips(floor) == [("account:A1", "loss")]
    floor.mark("1")
    floor.tick()
    assert _trips(floor) == [("account:A1", "loss"), ("account:A2", "loss")]


def test_of_two_counting_rules_a_scopes_own_is_the_one() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 1, "account:*"), breaker(Breaker.FILL_RATE, 2, "account:A2"))
    second = floor.working("2", account="A2")
    floor.fill(second, 1)
    assert not _trips(floor)
    floor.fill(floor.working("1"), 1)
    floor.fill(second, 1)
    assert _trips(floor) == [("account:A1", "fill_rate"), ("account:A2", "fill_rate")]


# --- Letting go ---


def test_a_breaker_that_may_lets_go_after_its_cool_down_once_the_figure_is_low() -> None:
    floor = _floor(_lasting(breaker(Breaker.LOSS, 200, clear=Decimal(100))))
    _lose(floor, "8")
    floor.tick()
    assert floor.events(TradingStopped)[0].until_ns == floor.now_ns + 30_000_000_000
    floor.mark("9.5")
    assert not of(TradingResumed, floor.tick(28)), "the cool-down has not passed"
    floor.mark("9")
    assert not of(TradingResumed, floor.tick(60)), "100 is not below 100"
    floor.mark("9.01")
    [resumed] = of(TradingResumed, floor.tick())
    assert (resumed.scope, resumed.source, resumed.operator) == ("firm", "loss", "")
    assert floor.ask(order("2")).reason is None


def test_a_breaker_that_needs_a_person_never_lets_go_by_itself() -> None:
    floor = _floor(breaker(Breaker.LOSS, 200, cool_down_s=1))
    _lose(floor, "8")
    floor.tick()
    floor.mark("10")
    assert not of(TradingResumed, floor.tick(100_000))
    floor.resume("firm", "loss")
    assert floor.ask(order("2")).reason is None


@pytest.mark.parametrize("kind", [Breaker.FILL_RATE, Breaker.LATENCY, Breaker.REJECT_RATE])
def test_what_is_counted_lets_go_when_the_window_has_passed(kind: Breaker) -> None:
    floor = _floor(_lasting(breaker(kind, 1 if kind is Breaker.FILL_RATE else 50)))
    if kind is Breaker.FILL_RATE:
        floor.fill(floor.working("1"), 1)
    elif kind is Breaker.LATENCY:
        _answered_after(floor, "1", 50)
    else:
        _rejected(floor, "1")
    assert _trips(floor) == [("firm", kind.value)]
    assert not of(TradingResumed, floor.tick(40)), "it is within the window of 60 s"
    assert of(TradingResumed, floor.tick(25))


def test_too_few_answers_are_no_rate_when_it_lets_go_either() -> None:
    floor = _floor(_lasting(breaker(Breaker.REJECT_RATE, 50, after=3)))
    _rejected(floor, "1")
    _rejected(floor, "2")
    floor.tick(30)
    _rejected(floor, "3")
    assert _trips(floor) == [("firm", "reject_rate")]
    assert of(TradingResumed, floor.tick(35)), "one of one within the window"


def test_a_kill_is_not_lifted_with_a_breaker() -> None:
    floor = _floor(_lasting(breaker(Breaker.FILL_RATE, 1)))
    floor.fill(floor.working("1"), 1)
    floor.stop()
    assert of(TradingResumed, floor.tick(100))
    assert floor.ask(order("2")).reason is Reason.RISK_STOPPED


def test_what_was_counted_before_a_person_resumed_does_not_count() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 2, cancels=False))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.resume("firm", "fill_rate")
    floor.fill(mine, 1)
    assert len(_trips(floor)) == 1
    floor.fill(mine, 1)
    assert len(_trips(floor)) == 2


def test_a_rule_without_cancels_leaves_orders_working() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 1, cancels=False))
    mine = floor.working("1")
    floor.fill(mine, 1)
    assert _trips(floor)
    assert not cancels(floor.tick(60))
    assert mine.working


def test_it_trips_once() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 1, cancels=False), breaker(Breaker.LOSS, 200))
    mine = floor.working("1")
    for _ in range(5):
        floor.fill(mine, 20)
    floor.mark("1")
    for _ in range(5):
        floor.tick()
    assert _trips(floor) == [("firm", "fill_rate"), ("firm", "loss")]


# --- Remembering ---


def test_what_was_counted_survives_a_restart() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    after = floor.restarted()
    after.fill(after.state.orders[mine.order_id], 1)
    assert _trips(after) == [("firm", "fill_rate")]
    assert after.recovered() == after.state


def test_what_is_kept_is_bounded() -> None:
    floor = _floor(breaker(Breaker.FILL_RATE, 10**6))
    floor.checking = False
    mine = floor.working("1", 1_000_000)
    for _ in range(500):
        floor.now_ns += 300_000_000
        floor.fill(mine, 1)
    [tally] = floor.state.risk.tallies["fill_rate|firm"].values()
    assert len(tally.steps) <= 61
    assert tally.total == sum(total for _, total, _ in tally.steps)
    assert 60 / 0.301 <= tally.total <= 61 / 0.301
