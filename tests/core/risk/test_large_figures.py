"""Figures of more digits than anybody's decimal context has: they are told as they are, and stop nothing."""

from decimal import Decimal

from gateway.core.risk import figures
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.events import BreachBegan, TradingStopped
from gateway.core.risk.setup import Limit
from tests.core.risk.floor import Floor, breaker, of
from tests.risk import ample

HUGE = "999999999999999"


def _lost(floor: Floor) -> Floor:
    """All but nothing is left of as much as one order can be."""
    floor.fill(floor.working("1", 100), HUGE, HUGE)
    floor.mark("0.0000000001")
    return floor


def test_a_loss_of_thirty_digits_trips_its_breaker() -> None:
    floor = _lost(Floor.opened(breakers=(breaker(Breaker.LOSS, 200),)))
    [stopped] = of(TradingStopped, floor.tick())
    assert stopped.reason == "loss of the day 999,999,999,999,997,999,999,999,900,001 reached 200 at the firm"
    floor.resume("firm", "loss")
    assert not of(TradingStopped, floor.tick()), "it counts anew, from exactly there"


def test_it_is_a_breach_and_a_use_of_its_limit_to_the_last_digit() -> None:
    limits = {"firm": ample(), "account:A1": {Control.MAX_LOSS: Limit(Decimal(100))}}
    floor = _lost(Floor.opened(limits=limits))
    loss = Decimal("999999999999997999999999900001.0000000001")  # HUGE times what each lost.
    [began] = of(BreachBegan, floor.tick())
    assert (began.control, began.value) == (Control.MAX_LOSS, loss)
    [row] = figures.figures(floor.state, figures.select(floor.state, "account:A1"), floor.now_ns)
    assert [use.used for use in row.uses if use.control is Control.MAX_LOSS] == [loss]
