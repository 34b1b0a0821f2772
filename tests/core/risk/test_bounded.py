"""What risk remembers is bounded: clients name strategies as they like, and something is kept of each."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.reports import TimerFired
from gateway.core.risk import checks
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import BreakerRule, Limit
from gateway.core.risk.state import Profit
from gateway.core.types import ExecType, Reason, Side
from tests.core.risk.trading import STRATEGY, again, buy, limited, mark, no, started, yes
from tests.core.world import OTHER_VENUE, SECOND_NS, SYMBOL, World, restarted

DAY_NS = 86_400 * SECOND_NS
RULES = tuple(
    BreakerRule("strategy:*", kind, Decimal(1_000), Decimal(1))
    for kind in (Breaker.FILL_RATE, Breaker.MESSAGE_RATE, Breaker.REPEATED_EXECUTION)
)


def next_day(world: World, after_ns: int = DAY_NS) -> None:
    """Orders that have ended leave memory with it."""
    world.settings = msgspec.structs.replace(world.settings, retire_after_ns=SECOND_NS)
    for _ in range(2):
        world.now_ns += after_ns
        world.tell(TimerFired())


def traded(world: World, strategy: str, qty: int = 100, px: int = 10) -> None:
    name = f"{strategy} {len(world.records)}"
    world.fill(world.submit(name, qty, strategy=strategy), qty, px)


def test_an_order_by_amount_of_money_that_has_left_memory_is_looked_for_by_no_mark() -> None:
    world = started()
    made = world.submit("1", 0, strategy=STRATEGY, cash_order_qty=Decimal(1_000))
    world.acknowledge(made)
    mark(world, 11)
    world.report(made, ExecType.CANCELED)
    next_day(world)
    assert not world.state.orders
    mark(world, 12)


@pytest.mark.control("authorised")
def test_an_account_has_so_many_strategies_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_STRATEGIES", 2)
    world = started()
    yes(world, buy("1", strategy="one"))
    yes(world, buy("2", strategy="two"))

    text = "account A1 has had 2 strategies, and may not have more: 'three' is none of them"
    no(world, buy("3", strategy="three"), Reason.RISK_NOT_AUTHORISED, text, "strategy")

    yes(world, buy("4", strategy="two"))
    yes(world, buy("5", strategy="three", account="A2"))
    assert restarted(world).state.risk.strategies == {"A1": {"one": None, "two": None}, "A2": {"three": None}}


@pytest.mark.control("authorised")
def test_a_refused_order_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_STRATEGIES", 1)
    world = limited("firm", Control.MAX_ORDER_QTY, 100)
    no(world, buy("1", 101, strategy="one"), Reason.RISK_ORDER_QTY, "")
    yes(world, buy("2", strategy="two"))
    no(world, buy("3", strategy="one"), Reason.RISK_NOT_AUTHORISED, "'one' is none of them")


def _known(world: World) -> tuple[int, ...]:
    book = world.state.risk.book
    return tuple(len(each) for each in (book.paths, book.nodes, book.leaves, book.cells, book.by_symbol[SYMBOL]))


@pytest.mark.parametrize("strategies", [20, 1])
def test_nothing_is_left_of_strategies_whose_orders_were_all_refused(
    strategies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals that nobody needs would be looked through at each turn of the clock."""
    monkeypatch.setattr(checks, "MOST_STRATEGIES", strategies)
    world = limited("firm", Control.MAX_ORDER_QTY, 100)
    yes(world, buy("0", strategy="one"))
    for command in (buy("1", 101, strategy="refused"), buy("1", 101, strategy="refused", symbol="FUT")):
        assert again(world, command).reason
    yes(world, buy("2", strategy="one", symbol="FUT"))
    known = _known(world)
    for number in range(30):
        symbol = (SYMBOL, "FUT")[number % 2]
        assert again(world, buy(f"{number}", 101, strategy=f"s{number}", symbol=symbol)).reason
        mark(world, 10)
    more = [now - before for now, before in zip(_known(world), known, strict=True)]
    assert max(more) <= 1, "the last one"


def test_a_strategy_that_is_refused_at_first_counts_all_that_it_does_then() -> None:
    world = started({"strategy:*": {Control.MAX_POSITION_QTY: Limit(Decimal(100))}})
    no(world, buy("1", 101, strategy="new"), Reason.RISK_POSITION, "101 over limit 100")
    yes(world, buy("2", 60, strategy="new"))
    no(world, buy("3", 101, strategy="newer"), Reason.RISK_POSITION, "101 over limit 100")
    no(world, buy("4", 101, strategy="newest"), Reason.RISK_POSITION, "101 over limit 100")
    no(world, buy("5", 41, strategy="new"), Reason.RISK_POSITION, "101 over limit 100")
    yes(world, buy("6", 100, strategy="newer", venue=OTHER_VENUE))
    no(world, buy("7", 1, strategy="newer"), Reason.RISK_POSITION, "101 over limit 100")


@pytest.mark.control("authorised")
def test_a_new_day_makes_room_for_names_that_nothing_is_left_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_STRATEGIES", 3)
    world = started()
    traded(world, "holds")
    world.submit("works", strategy="works")
    world.report(world.submit("gone", strategy="gone"), ExecType.REJECTED)
    no(world, buy("1", strategy="new"), Reason.RISK_NOT_AUTHORISED, "3 strategies")

    next_day(world)

    yes(world, buy("2", strategy="new"))
    no(world, buy("3", strategy="gone"), Reason.RISK_NOT_AUTHORISED, "3 strategies")
    assert world.recovered() == world.state


def test_a_new_day_forgets_what_has_come_to_nothing() -> None:
    world = started({"strategy:*": {Control.MESSAGE_RATE: Limit(Decimal(100), 60)}}, breakers=RULES)
    for number in range(5):
        world.report(world.submit(f"{number}", strategy=f"s{number}"), ExecType.REJECTED)
    traded(world, STRATEGY)
    mark(world, 11)
    risk = world.state.risk
    assert all(any("s4" in name for name in kept) for kept in (risk.meters, risk.tallies))

    next_day(world)

    assert (risk.meters, risk.tallies, risk.strategies) == ({}, {}, {"A1": {STRATEGY: None}})
    known = {scope: each for scope, each in risk.profits.items() if scope.startswith("strategy")}
    assert known == {"strategy:A1/alpha": Profit(Decimal(100), Decimal(100))}
    assert world.recovered() == world.state


def test_what_was_forgotten_counts_from_nothing_and_what_still_counts_stays() -> None:
    """The caches beside the state point at nothing that is gone from it."""
    ratio = {Control.ORDER_TO_TRADE: Limit(Decimal(1), after=Decimal(3)), Control.MAX_LOSS: Limit(Decimal(50))}
    world = started({"strategy:A1/alpha": ratio}, breakers=RULES)
    traded(world, STRATEGY)
    traded(world, "flat")
    mark(world, 11)
    world.fill(world.submit("flat again", strategy="flat", side=Side.SELL), 100)
    mark(world, 10)  # Everything is worth what it cost: a profit of nothing.
    next_day(world)
    assert not world.state.risk.profits
    for number in range(3):
        yes(world, buy(f"{number}", 1))
    no(world, buy("4", 1), Reason.RISK_ORDER_TO_TRADE, "")
    world.fill(world.submit("5", 100, strategy="beta", side=Side.SELL), 100, 9)
    mark(world, 9)
    no(world, buy("6", 1), Reason.RISK_LOSS, "loss of the day 100")
    traded(world, "flat", 100, 10)
    assert world.state.risk.profits["strategy:A1/flat"].day == -100
    assert world.state.risk.leaf_profits["strategy:A1/flat", SYMBOL].day == -100
    assert world.recovered() == world.state

    next_day(world, 10 * SECOND_NS)
    assert world.state.risk.tallies, "no new day has begun"


@pytest.mark.control("authorised")
def test_a_strategy_with_a_slash_is_none_that_a_limit_could_name() -> None:
    no(started(), buy("1", strategy="a/b"), Reason.FIELD_INVALID, "without slash", "strategy")
    no(started(), buy("1", strategy="*"), Reason.FIELD_INVALID, "and not *", "strategy")
