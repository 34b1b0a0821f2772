"""Circuit breakers: each trips where it should and not before, and lets go only when it may."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import engine
from gateway.core import events as ev
from gateway.core.order import Order
from gateway.core.reports import TimerFired
from gateway.core.risk import breakers, watch
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import RiskDayBegan, TradingResumed, TradingStopped
from gateway.core.risk.setup import RiskSetup
from gateway.core.types import ExecType, ItemKind, OrdStatus, Reason, Severity, Side
from tests.core.risk.floor import OPERATOR, Floor, breaker, cancels, of, settings
from tests.core.risk.tripping import answered_after, floor_with, lasting, rejected, trips
from tests.core.world import OTHER_VENUE, SECOND_NS, SYMBOL, VENUE, order

# --- What the clock looks at ---


def _lose(floor: Floor, px: str, **changes: object) -> None:
    """Hold 100 that cost 10 each, and mark them."""
    if not floor.state.positions:
        floor.fill(floor.working("lose", **changes), 100)
    floor.mark(px)


def test_a_loss_of_the_day_trips() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 200, "account:A1"))
    mine = floor.working("1")
    _lose(floor, "8.01")
    assert not of(TradingStopped, floor.tick())
    floor.mark("8")
    [stopped] = of(TradingStopped, events := floor.tick())
    assert (stopped.scope, stopped.source) == ("account:A1", "loss")
    assert stopped.reason == "loss of the day 200 reached 200 at account A1"
    assert cancels(events) == [mine.order_id]


def test_a_position_that_was_opened_after_the_first_mark_is_valued_at_the_next() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 100))
    floor.mark(10)
    floor.fill(floor.working("1"), 100)
    floor.mark(9)
    assert of(TradingStopped, floor.tick())
    assert trips(floor) == [("firm", "loss")]


def test_orders_that_reduce_a_losing_position_pass() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 200))
    _lose(floor, "8")
    floor.tick()
    assert floor.ask(order("in", price=Decimal(8))).reason is Reason.RISK_STOPPED
    assert floor.ask(order("out", side=Side.SELL, price=Decimal(8))).reason is None
    assert not cancels(floor.tick(60))


def test_a_drawdown_from_the_highest_profit_trips() -> None:
    floor = floor_with(breaker(Breaker.DRAWDOWN, 200), breaker(Breaker.LOSS, 200))
    _lose(floor, "12")
    floor.mark("10.5")
    assert not of(TradingStopped, floor.tick())
    floor.mark("10")
    floor.tick()
    assert trips(floor) == [("firm", "drawdown")]


def test_what_was_lost_before_a_person_resumed_does_not_trip_again() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 200))
    _lose(floor, "8")
    floor.tick()
    floor.resume("firm", "loss")
    assert not of(TradingStopped, floor.tick())
    floor.mark("6.1")
    assert not of(TradingStopped, floor.tick())
    floor.mark("6")
    assert of(TradingStopped, floor.tick())


@pytest.mark.parametrize("kind", [Breaker.LOSS, Breaker.DRAWDOWN])
def test_what_a_person_resumed_from_is_the_rules_own_figure(kind: Breaker) -> None:
    """After a gain of 200: a loss of 200 is a drawdown of 400 by then, and 200 of drawdown are no loss at all."""
    floor = floor_with(breaker(kind, 200))
    _lose(floor, "12")
    floor.mark("8" if kind is Breaker.LOSS else "10")
    floor.tick()
    floor.resume("firm", kind.value)
    assert not of(TradingStopped, floor.tick())
    floor.mark("6" if kind is Breaker.LOSS else "8")
    assert of(TradingStopped, floor.tick())


@pytest.mark.parametrize("kind", [Breaker.LOSS, Breaker.DRAWDOWN])
def test_a_new_day_counts_from_nothing_again(kind: Breaker) -> None:
    floor = floor_with(breaker(kind, 200))
    _lose(floor, "8")
    floor.tick()
    floor.resume("firm", kind.value)
    floor.records.append(engine.apply(floor.state, RiskDayBegan("2026-01-06"), floor.now_ns, OPERATOR))
    floor.mark("6")
    assert of(TradingStopped, floor.tick())


def test_a_drawdown_counts_anew_from_where_a_person_resumed_until_a_new_high() -> None:
    floor = floor_with(breaker(Breaker.DRAWDOWN, 200))
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
    floor = floor_with(breaker(Breaker.STALE_MARK, 10, f"instrument:{SYMBOL}"))
    floor.mark("10")
    assert not of(TradingStopped, floor.tick(20)), "nobody has anything in it"
    floor.mark("10")
    floor.working("1")
    assert not of(TradingStopped, floor.tick(9))
    assert of(TradingStopped, floor.tick(2))
    assert trips(floor) == [(f"instrument:{SYMBOL}", "stale_mark")]


def test_the_oldest_of_several_marks_trips_and_each_instrument_by_itself() -> None:
    floor = floor_with(breaker(Breaker.STALE_MARK, 10), breaker(Breaker.STALE_MARK, 10, "instrument:*"))
    floor.working("1")
    floor.working("2", symbol="FUT")
    floor.mark("10")
    floor.mark("10", "FUT")
    floor.tick(8)
    floor.mark("10")
    floor.tick(3)
    assert trips(floor) == [("firm", "stale_mark"), ("instrument:FUT", "stale_mark")]


def test_a_reference_price_is_never_old() -> None:
    floor = floor_with(breaker(Breaker.STALE_MARK, 10))
    floor.working("1")
    assert not of(TradingStopped, floor.tick(100))


def _item(floor: Floor, number: int, venue: str = VENUE, severity: Severity = Severity.CRITICAL) -> None:
    raised = ev.ItemRaised(f"I{number}", venue, ItemKind.REPORT_UNKNOWN, severity, "?", venue_order_id=f"V{number}")
    floor.records.append(engine.apply(floor.state, raised, floor.now_ns, OPERATOR))


def test_open_critical_items_trip() -> None:
    floor = floor_with(breaker(Breaker.ITEMS, 2), breaker(Breaker.ITEMS, 1, f"venue:{OTHER_VENUE}"))
    _item(floor, 1)
    _item(floor, 2, severity=Severity.WARNING)
    assert not of(TradingStopped, floor.tick())
    _item(floor, 3)
    floor.tick()
    assert trips(floor) == [("firm", "items")]


def test_items_trip_where_their_orders_are_also_when_nothing_works_there_any_more() -> None:
    floor = floor_with(breaker(Breaker.ITEMS, 1, "account:*"))
    flat = floor.working("1")
    floor.report(flat, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    raised = ev.ItemRaised("I1", VENUE, ItemKind.STATUS, Severity.CRITICAL, "?", order_id=flat.order_id)
    floor.records.append(engine.apply(floor.state, raised, floor.now_ns, OPERATOR))
    after = floor.restarted()
    for each in (floor, after):
        each.tick()
        assert trips(each) == [("account:A1", "items")]


def test_items_are_looked_through_once_for_all_scopes_of_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be 10,000 of them, and 1,000 strategies."""
    floor = floor_with(breaker(Breaker.ITEMS, 3, "strategy:*"), breaker(Breaker.ITEMS, 30, "strategy:A1/s0"))
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
    [stopped] = breakers.timer(floor.state, floor.now_ns, 0)
    assert isinstance(stopped, TradingStopped)
    assert (stopped.scope, stopped.source) == ("strategy:A1/s7", "items")
    assert len(looked) == 21 * 2, "each item once for each rule"


def test_a_rule_for_all_of_a_level_trips_each_by_itself_and_not_what_has_its_own() -> None:
    others = breaker(Breaker.DRAWDOWN, 5_000, "account:A1")
    floor = floor_with(breaker(Breaker.LOSS, 200, "account:*"), breaker(Breaker.LOSS, 900, "account:A2"), others)
    floor.fill(floor.working("1"), 100)
    floor.fill(floor.working("2", account="A2"), 100)
    floor.mark("7")
    floor.tick()
    assert trips(floor) == [("account:A1", "loss")]
    floor.mark("1")
    floor.tick()
    assert trips(floor) == [("account:A1", "loss"), ("account:A2", "loss")]


def test_of_several_that_trip_at_once_the_order_is_that_of_their_names() -> None:
    """Rule 8: who traded first is not what a new process knows."""
    floor = floor_with(breaker(Breaker.LOSS, 200, "account:*"))
    for name in ("A9", "A2", "A5"):
        floor.fill(floor.working(name, account=name), 100)
    floor.mark("7")
    floor.tick()
    assert [scope for scope, _ in trips(floor)] == ["account:A2", "account:A5", "account:A9"]


def test_a_loss_trips_also_where_nothing_is_held_any_more() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 200, "account:*"))
    floor.fill(floor.working("1"), 100)
    floor.fill(floor.working("2", side=Side.SELL), 100, 8)
    after = floor.restarted()
    after.tick()
    assert trips(after) == [("account:A1", "loss")]


def test_of_two_counting_rules_a_scopes_own_is_the_one() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 1, "account:*"), breaker(Breaker.FILL_RATE, 2, "account:A2"))
    second = floor.working("2", account="A2")
    floor.fill(second, 1)
    assert not trips(floor)
    floor.fill(floor.working("1"), 1)
    floor.fill(second, 1)
    assert trips(floor) == [("account:A1", "fill_rate"), ("account:A2", "fill_rate")]


def test_a_corrected_price_leaves_the_days_highest_where_it_was_and_a_person_goes_on_from_there() -> None:
    """What it would have been cannot be told (docs/risk.md): the drawdown is too large, and not too small."""
    floor = floor_with(breaker(Breaker.DRAWDOWN, 500))
    floor.mark("10")
    mine = floor.working("1")
    floor.fill(mine, 100, 1, exec_id="wrong")
    right = {"last_qty": Decimal(100), "last_px": Decimal(10)}
    floor.report(mine, ExecType.TRADE_CORRECT, exec_ref_id="wrong", **right)
    profit = floor.state.risk.profits["firm"]
    assert (profit.day, profit.high, profit.drawdown) == (0, 900, 900)
    assert of(TradingStopped, floor.tick())
    floor.resume("firm", "drawdown")
    floor.mark("5.01")
    assert not of(TradingStopped, floor.tick())
    floor.mark("5")
    assert of(TradingStopped, floor.tick())


# --- Letting go ---


def test_a_breaker_that_may_lets_go_after_its_cool_down_once_the_figure_is_low() -> None:
    floor = floor_with(lasting(breaker(Breaker.LOSS, 200, clear=Decimal(100))))
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


@pytest.mark.parametrize("by_s", [3600, 20, -20, -3600])
def test_a_cool_down_is_as_long_however_the_clock_is_set(by_s: int) -> None:
    """30 s of it are left. Set forward by an hour it let go at once, set back it lasted an hour longer."""
    floor = floor_with(lasting(breaker(Breaker.LOSS, 200, clear=Decimal(100))))
    _lose(floor, "8")
    floor.tick()
    floor.mark("10")
    floor.now_ns += by_s * SECOND_NS
    [told_again] = of(TradingStopped, floor.tell(TimerFired(by_s * SECOND_NS)))
    first = floor.events(TradingStopped)[0]
    assert told_again == msgspec.structs.replace(first, until_ns=first.until_ns + by_s * SECOND_NS)
    assert not of(TradingResumed, floor.tick(28))
    assert of(TradingResumed, floor.tick(2))
    assert floor.recovered() == floor.state


def test_a_clock_that_is_set_by_less_than_a_second_changes_no_cool_down() -> None:
    floor = floor_with(lasting(breaker(Breaker.LOSS, 200)))
    _lose(floor, "8")
    floor.tick()
    assert not of(TradingStopped, floor.tell(TimerFired(SECOND_NS - 1)))


def test_a_stop_that_is_told_again_takes_back_no_later_orders() -> None:
    """Those that reduce a position pass it."""
    floor = floor_with(lasting(breaker(Breaker.LOSS, 200)))
    _lose(floor, "8")
    floor.tick()
    out = floor.working("out", 50, side=Side.SELL)
    floor.tell(TimerFired(3_600 * SECOND_NS))
    floor.tick()
    assert not out.unanswered


def test_a_breaker_whose_rule_has_gone_never_lets_go_by_itself() -> None:
    floor = floor_with(lasting(breaker(Breaker.LOSS, 200)), breaker(Breaker.FILL_RATE, 9))
    _lose(floor, "8")
    floor.tick()
    floor.settings = settings(breakers=(breaker(Breaker.FILL_RATE, 9),))
    floor = floor.restarted()
    floor.mark("10")
    assert not of(TradingResumed, floor.tick(100))
    assert floor.state.risk.stops.keys() == {"firm|loss"}
    floor.resume("firm", "loss")


def test_a_breaker_that_needs_a_person_never_lets_go_by_itself() -> None:
    floor = floor_with(breaker(Breaker.LOSS, 200, cool_down_s=1))
    _lose(floor, "8")
    floor.tick()
    floor.mark("10")
    assert not of(TradingResumed, floor.tick(100_000))
    floor.resume("firm", "loss")
    assert floor.ask(order("2")).reason is None


@pytest.mark.parametrize("kind", [Breaker.FILL_RATE, Breaker.LATENCY, Breaker.REJECT_RATE])
def test_what_is_counted_lets_go_when_the_window_has_passed(kind: Breaker) -> None:
    floor = floor_with(lasting(breaker(kind, 1 if kind is Breaker.FILL_RATE else 50)))
    if kind is Breaker.FILL_RATE:
        floor.fill(floor.working("1"), 1)
    elif kind is Breaker.LATENCY:
        answered_after(floor, "1", 50)
    else:
        rejected(floor, "1")
    assert trips(floor) == [("firm", kind.value)]
    assert not of(TradingResumed, floor.tick(40)), "it is within the window of 60 s"
    assert of(TradingResumed, floor.tick(25))


def test_the_rate_that_lets_go_is_that_of_the_window_alone() -> None:
    """Three rejects tripped it; what the venue answers later, to orders that were on their way, is accepted."""
    floor = floor_with(lasting(breaker(Breaker.REJECT_RATE, 50, after=3, cancels=False)))
    on_their_way = [floor.submit(name) for name in "456"]
    for name in "123":
        rejected(floor, name)
    assert trips(floor) == [("firm", "reject_rate")]
    floor.tick(40)
    for each in on_their_way:
        floor.acknowledge(each)
    assert not of(TradingResumed, floor.tick()), "three of six"
    assert of(TradingResumed, floor.tick(25))


def test_answers_that_are_no_longer_slow_and_not_yet_quick_do_not_let_go() -> None:
    """As slow as `clear` is not below it."""
    rule = lasting(breaker(Breaker.LATENCY, 40_000, after=1, cancels=False))
    floor = floor_with(msgspec.structs.replace(rule, clear=Decimal(20_000)))
    first = floor.submit("1")
    floor.now_ns += 39_000_000_000
    second = floor.submit("2")
    floor.now_ns += 1_000_000_000
    floor.acknowledge(first)
    assert trips(floor) == [("firm", "latency")]
    floor.now_ns = second.submitted_ns + 20_000_000_000 - 1_000_000
    floor.acknowledge(second)
    assert not of(TradingResumed, floor.tick(42)), "the slow one is past, the other is not"
    assert of(TradingResumed, floor.tick(20))


def test_too_few_answers_are_no_rate_when_it_lets_go_either() -> None:
    floor = floor_with(lasting(breaker(Breaker.REJECT_RATE, 50, after=3)))
    rejected(floor, "1")
    rejected(floor, "2")
    floor.tick(30)
    rejected(floor, "3")
    assert trips(floor) == [("firm", "reject_rate")]
    assert of(TradingResumed, floor.tick(35)), "one of one within the window"


def test_a_kill_is_not_lifted_with_a_breaker() -> None:
    floor = floor_with(lasting(breaker(Breaker.FILL_RATE, 1)))
    floor.fill(floor.working("1"), 1)
    floor.stop()
    assert of(TradingResumed, floor.tick(100))
    assert floor.ask(order("2")).reason is Reason.RISK_STOPPED


def test_what_was_counted_before_a_person_resumed_does_not_count() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 2, cancels=False))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    floor.resume("firm", "fill_rate")
    floor.fill(mine, 1)
    assert len(trips(floor)) == 1
    floor.fill(mine, 1)
    assert len(trips(floor)) == 2


def test_a_rule_without_cancels_leaves_orders_working() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 1, cancels=False))
    mine = floor.working("1")
    floor.fill(mine, 1)
    assert trips(floor)
    assert not cancels(floor.tick(60))
    assert mine.working


def test_it_trips_once() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 1, cancels=False), breaker(Breaker.LOSS, 200))
    mine = floor.working("1")
    for _ in range(5):
        floor.fill(mine, 20)
    floor.mark("1")
    for _ in range(5):
        floor.tick()
    assert trips(floor) == [("firm", "fill_rate"), ("firm", "loss")]


# --- Remembering ---


def test_what_was_counted_survives_a_restart() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 3))
    mine = floor.working("1")
    floor.fill(mine, 1)
    floor.fill(mine, 1)
    after = floor.restarted()
    after.fill(after.state.orders[mine.order_id], 1)
    assert trips(after) == [("firm", "fill_rate")]
    assert after.recovered() == after.state


def test_what_is_kept_is_bounded() -> None:
    floor = floor_with(breaker(Breaker.FILL_RATE, 10**6))
    floor.checking = False
    mine = floor.working("1", 1_000_000)
    for _ in range(500):
        floor.now_ns += 300_000_000
        floor.fill(mine, 1)
    [tally] = floor.state.risk.tallies["fill_rate|firm"].values()
    assert len(tally.steps) <= 61
    assert tally.total == sum(total for _, total, _ in tally.steps)
    assert 60 / 0.301 <= tally.total <= 61 / 0.301
