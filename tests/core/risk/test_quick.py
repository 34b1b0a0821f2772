"""The short way is certain: where it lets an order pass, no control looked at by itself says no."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.refusal import Refusal
from gateway.core.risk import checks, quick, worst_case
from gateway.core.risk.asked import Asked
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.events import LimitChanged, RiskDayBegan, TradingStopped
from gateway.core.risk.setup import Limit
from gateway.core.state import Settings
from gateway.core.types import Reason, Side
from tests.core.risk.test_exposure_properties import INSTRUMENTS, RUNS, SETUP, STEPS, VENUES, Day
from tests.core.risk.trading import STRATEGY, buy, happen, hold, limited, mark, no, started, yes
from tests.core.world import SECOND_NS, VENUE, World
from tests.risk import ample

TIGHT = {
    Control.MAX_ORDER_QTY: Limit(Decimal(120)),
    Control.MAX_ORDER_VALUE: Limit(Decimal(1_000)),
    Control.PRICE_COLLAR_PCT: Limit(Decimal(15)),
    Control.PRICE_COLLAR_TICKS: Limit(Decimal(100)),
    Control.MESSAGE_RATE: Limit(Decimal(9), per_s=1),
    Control.ORDER_TO_TRADE: Limit(Decimal("2.5"), after=Decimal(6)),
    Control.MAX_OPEN_ORDERS: Limit(Decimal(4)),
    Control.MAX_GROSS_NOTIONAL: Limit(Decimal(2_500)),
    Control.MAX_NET_NOTIONAL: Limit(Decimal(2_000)),
    Control.MAX_POSITION_QTY: Limit(Decimal(150)),
    Control.MAX_CONCENTRATION_PCT: Limit(Decimal(70), after=Decimal(1_200)),
    Control.MAX_CORRELATED_EXPOSURE: Limit(Decimal(40)),
    Control.MAX_MARGIN: Limit(Decimal(400)),
    Control.MAX_LOSS: Limit(Decimal(150)),
    Control.MAX_DRAWDOWN: Limit(Decimal(200)),
    Control.MAX_MARK_AGE_S: Limit(Decimal(5)),
    Control.MAX_MARK_MOVE_PCT: Limit(Decimal(30)),
}
AT_THE_STRATEGY = {Control.MAX_INSTRUMENTS: Limit(Decimal(1)), Control.MAX_VENUES: Limit(Decimal(1))}
SCOPES = ("firm", "desk:europe", "account:*", "strategy:*", "client:*", "instrument:*", "asset_class:*", "venue:*")


class Answers:
    """What the short way said of each order, held against the controls one by one."""

    def __init__(self) -> None:
        self.said: list[bool] = []
        self._passes: Callable[[Asked], bool] = quick.passes

    def passes(self, asked: Asked) -> bool:
        self.said.append(self._passes(asked))
        if self.said[-1]:
            self._prove(msgspec.structs.replace(asked))
        return self.said[-1]

    def _prove(self, asked: Asked) -> None:
        try:
            checks._check(asked)
            worst_case.check_counts(asked)
        except Refusal as refusal:
            raise AssertionError(f"the short way let pass what is refused: {refusal.text}") from refusal


@contextmanager
def listened() -> Iterator[Answers]:
    answers = Answers()
    with mock.patch.object(quick, "passes", answers.passes):
        yield answers


def day_with(limits: dict[str, dict[Control, Limit]]) -> Day:
    day = Day()
    risk = msgspec.structs.replace(SETUP, limits=limits)
    day.world = World.started(Settings(INSTRUMENTS, VENUES, ack_timeout_ns={VENUE: 5 * SECOND_NS}, risk=risk))
    return day


@settings(max_examples=120 * RUNS, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 63), st.integers(0, 99), st.integers(1, 160)), max_size=40
    ),
    st.sets(st.sampled_from(list(TIGHT)), min_size=1),
    st.sampled_from(SCOPES),
)
def test_what_the_short_way_lets_pass_no_control_refuses(
    taken: list[tuple[str, int, int, int]], tight: set[Control], scope: str
) -> None:
    limits = {"firm": ample()}
    limits[scope] = limits.get(scope, {}) | {control: TIGHT[control] for control in tight}
    limits["strategy:*"] = limits.get("strategy:*", {}) | AT_THE_STRATEGY
    day = day_with(limits)
    with listened(), mock.patch.object(Day, "check_decision"):  # Its limits are others.
        for step in taken:
            day.act(*step)


@pytest.mark.parametrize("control", [Control.MAX_LOSS, Control.MAX_DRAWDOWN])
def test_a_limit_of_loss_that_was_set_after_an_order_passed_holds_for_the_next(control: Control) -> None:
    world = started()
    hold(world, 100)
    mark(world, 11)
    mark(world, 9)
    yes(world, buy("1"))
    happen(world, LimitChanged("firm", control, None, Limit(Decimal(99)), "ops", "too much"))
    no(world, buy("2"), SPECS[control].reason, "over limit 99")


def test_a_drawdown_is_from_the_newest_high() -> None:
    world = limited("desk:cash", Control.MAX_DRAWDOWN, 100)
    hold(world, 100)
    for px in ("10.5", "13", "12"):
        mark(world, px)
        yes(world, buy(px))
    mark(world, "11.99")
    no(world, buy("1"), Reason.RISK_DRAWDOWN, "drawdown of the day 101 over limit 100")
    world.fill(world.submit("2", 100, side=Side.SELL, strategy=STRATEGY), 100, 20)
    yes(world, buy("3"))
    hold(world, 100, 20)
    mark(world, "19")
    yes(world, buy("4"))
    mark(world, "18.99")
    no(world, buy("5"), Reason.RISK_DRAWDOWN, "drawdown of the day 101 over limit 100")


def test_a_loss_is_of_the_day() -> None:
    world = limited("firm", Control.MAX_LOSS, 100)
    hold(world, 100)
    mark(world, 13)
    yes(world, buy("1"))
    happen(world, RiskDayBegan("2026-01-06"))
    yes(world, buy("2"))
    mark(world, "11.99")
    no(world, buy("3"), Reason.RISK_LOSS, "loss of the day 101 over limit 100")


def test_a_stop_elsewhere_leaves_an_order_the_short_way() -> None:
    with listened() as answers:
        day = day_with({"firm": ample()})
        for scope in ("account:A2", "order:O99", "firm"):
            happen(day.world, TradingStopped(scope, "kill", "it runs wild", "ops"))
            day.act("submit", 0, 1, 10)
    assert answers.said == [True, True, False]


def test_an_order_far_from_every_limit_goes_the_short_way() -> None:
    with listened() as answers:
        day = day_with({"firm": ample()})
        day.act("submit", 0, 1, 10)
        day.act("fill", 0, 1, 10)
        day.act("mark", 0, 50, 1)
        day.act("submit", 0, 1, 20)
        day.act("replace", 1, 1, 30)
    assert answers.said == [True, True, True]
