"""Breaches: told once when a figure comes near its limit or passes it, once when that is over."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.risk.commands import SetLimit
from gateway.core.risk.controls import Control
from gateway.core.risk.events import BreachBegan, BreachEnded
from gateway.core.risk.setup import Limit
from gateway.core.types import ExecType, OrdStatus, Reason, Severity, Side
from tests.core.risk.floor import Floor, of, settings
from tests.core.world import OTHER_VENUE, SYMBOL, order
from tests.risk import ample


def _floor(control: Control, value: int, scope: str = "account:A1") -> Floor:
    return Floor.opened(limits={"firm": ample(), scope: {control: Limit(Decimal(value))}})


def _holding(control: Control, value: int, scope: str = "account:A1") -> Floor:
    """100 at a cost of 10 each."""
    floor = _floor(control, value, scope)
    floor.fill(floor.working("1"), 100)
    return floor


def _told(floor: Floor) -> list[tuple[str, str]]:
    """What the clock's next turn tells."""
    told = of((BreachBegan, BreachEnded), floor.tick())  # type: ignore[arg-type]
    return [(event.control, event.severity.value if isinstance(event, BreachBegan) else "ended") for event in told]


def _told_of(floor: Floor) -> list[tuple[str, str, str]]:
    """The same by instrument."""
    told = of((BreachBegan, BreachEnded), floor.tick())  # type: ignore[arg-type]
    return [
        (each.control, each.symbol, each.severity.value if isinstance(each, BreachBegan) else "ended") for each in told
    ]


def test_a_loss_is_told_when_it_is_near_its_limit_at_it_and_over_again() -> None:
    floor = _holding(Control.MAX_LOSS, 100)
    floor.mark("9.21")
    assert _told(floor) == []
    floor.mark("9.20")
    assert _told(floor) == [("max_loss", "warning")]
    assert _told(floor) == [], "once"
    floor.mark("9.24")
    assert _told(floor) == [], "76 is not below 75 percent"
    floor.mark("9")
    assert _told(floor) == [], "at the limit orders still pass"
    assert floor.ask(order("at it", 1)).reason is None
    floor.mark("8.99")
    assert floor.ask(order("beyond it", 1)).reason is Reason.RISK_LOSS
    assert _told(floor) == [("max_loss", "critical")]
    assert _told(floor) == []
    floor.mark("9.26")
    assert _told(floor) == [("max_loss", "ended")]
    assert _told(floor) == []


def test_what_is_beyond_its_limit_and_then_near_it_is_told_as_near() -> None:
    floor = _holding(Control.MAX_LOSS, 100)
    floor.mark("8")
    assert _told(floor) == [("max_loss", "critical")]
    floor.mark("9.1")
    assert _told(floor) == [("max_loss", "ended"), ("max_loss", "warning")]
    floor.mark("9.5")
    assert _told(floor) == [("max_loss", "ended")]


def test_the_text_has_the_numbers_and_the_scope() -> None:
    floor = _holding(Control.MAX_LOSS, 1000)
    floor.mark("1")
    [began] = of(BreachBegan, floor.tick())
    assert began.text == "loss of the day 900 of limit 1,000 (90 %) at account A1"
    assert (began.scope, began.severity, began.value, began.limit) == ("account:A1", Severity.WARNING, 900, 1000)


@pytest.mark.parametrize(("limit", "share"), [(251, "199 %"), (527, "94 %"), (501, "99 %"), (499, "100 %")])
def test_the_percentage_is_rounded_down_as_everywhere(limit: int, share: str) -> None:
    """99.8 % is not yet all of it; what is beyond its limit is told as critical."""
    floor = _holding(Control.MAX_LOSS, limit)
    floor.mark("5")
    [began] = of(BreachBegan, floor.tick())
    assert began.text == f"loss of the day 500 of limit {limit} ({share}) at account A1"


def test_a_drawdown_is_told() -> None:
    floor = _holding(Control.MAX_DRAWDOWN, 100)
    floor.mark("11")
    assert _told(floor) == []
    floor.mark("10")
    assert _told(floor) == [("max_drawdown", "warning")]
    assert floor.ask(order("at it", 1)).reason is None
    floor.mark("9.99")
    assert floor.ask(order("beyond it", 1)).reason is Reason.RISK_DRAWDOWN
    assert _told(floor) == [("max_drawdown", "critical")]


@pytest.mark.parametrize("control", [Control.MAX_GROSS_NOTIONAL, Control.MAX_NET_NOTIONAL, Control.MAX_MARGIN])
def test_what_prices_make_of_a_position_is_told(control: Control) -> None:
    floor = _holding(control, 1300)
    assert _told(floor) == []
    floor.mark("10.4")
    assert _told(floor) == [(control.value, "warning")]
    floor.mark("13")
    assert _told(floor) == [], "at the limit is within it"
    floor.mark("13.01")
    assert _told(floor) == [(control.value, "critical")]


def test_what_is_at_its_limit_again_is_within_it() -> None:
    floor = _holding(Control.MAX_GROSS_NOTIONAL, 1000)
    floor.mark("10.01")
    assert _told(floor) == [("max_gross_notional", "critical")]
    floor.mark("10")
    assert _told(floor) == [("max_gross_notional", "ended"), ("max_gross_notional", "warning")]


def _lowered(floor: Floor, control: Control, unit: str, value: int, scope: str = "account:A1") -> None:
    answer = floor.operate(SetLimit("ann", scope, control, unit, "less", Limit(Decimal(value))))
    assert answer.reason is None, answer


def test_a_position_beyond_its_limit_is_told_by_instrument() -> None:
    floor = _floor(Control.MAX_POSITION_QTY, 100)
    bought, sold = floor.working("1", 70), floor.working("2", 79, symbol="FUT", side=Side.SELL)
    assert _told(floor) == []
    floor.fill(bought, 70)
    floor.fill(sold, 79)
    floor.working("3", 10)
    assert _told_of(floor) == [("max_position_qty", SYMBOL, "warning")]
    _lowered(floor, Control.MAX_POSITION_QTY, "qty", 75)
    assert _told_of(floor) == [("max_position_qty", SYMBOL, "critical"), ("max_position_qty", "FUT", "critical")]
    assert _told_of(floor) == []
    [text] = [each.text for each in floor.state.risk.breaches.values() if each.symbol == "FUT"]
    assert text == "position with all working orders in FUT 79 of limit 75 (105 %) at account A1"

    floor.fill(floor.working("4", 79, symbol="FUT"), 79)
    assert _told_of(floor) == [("max_position_qty", "FUT", "ended")]
    assert [each.symbol for each in floor.restarted().state.risk.breaches.values()] == [SYMBOL]
    _lowered(floor, Control.MAX_POSITION_QTY, "qty", 1000)
    assert _told_of(floor) == [("max_position_qty", SYMBOL, "ended")]


def test_a_limit_of_nothing_is_kept_by_who_holds_nothing() -> None:
    floor = _floor(Control.MAX_POSITION_QTY, 100)
    held = floor.working("1", 50)
    floor.fill(held, 50)
    _lowered(floor, Control.MAX_POSITION_QTY, "qty", 0)
    assert _told(floor) == [("max_position_qty", "critical")]
    floor.fill(floor.working("2", 50, side=Side.SELL), 50)
    assert _told(floor) == [("max_position_qty", "ended")]
    assert _told(floor) == []


def test_a_share_that_prices_move_beyond_its_limit_is_told_by_instrument() -> None:
    floor = Floor.opened()
    floor.fill(floor.working("1", 20, symbol="FUT"), 20)
    alike = int(floor.state.risk.book.nodes["account:A1"].gross / 10)
    floor.fill(floor.working("2", alike), alike)
    _lowered(floor, Control.MAX_CONCENTRATION_PCT, "pct", 70)
    assert _told(floor) == []
    floor.mark("24")
    assert _told_of(floor) == [("max_concentration_pct", SYMBOL, "critical")]
    floor.mark("22")
    assert _told_of(floor) == [
        ("max_concentration_pct", SYMBOL, "ended"),
        ("max_concentration_pct", SYMBOL, "warning"),
    ]
    floor.mark("10")
    assert _told_of(floor) == [("max_concentration_pct", SYMBOL, "ended")]


def test_a_share_of_little_and_a_limit_of_all_are_none_of_a_breach() -> None:
    for share in (Limit(Decimal(70), after=Decimal(1000)), Limit(Decimal(100))):
        floor = Floor.opened(limits={"firm": ample(), "account:A1": {Control.MAX_CONCENTRATION_PCT: share}})
        floor.fill(floor.working("1"), 100)
        assert _told(floor) == []


def test_a_correlation_adjusted_exposure_beyond_its_limit_is_told() -> None:
    instruments = {
        name: msgspec.structs.replace(each, volatility_pct=Decimal(10))
        for name, each in settings().risk.instruments.items()
    }
    limit = {Control.MAX_CORRELATED_EXPOSURE: Limit(Decimal(130))}
    floor = Floor.opened(instruments=instruments, limits={"firm": ample(), "account:A1": limit})
    floor.fill(floor.working("1"), 100)
    assert _told(floor) == []
    floor.mark("10.4")
    assert _told(floor) == [("max_correlated_exposure", "warning")]
    floor.mark("13.01")
    assert _told(floor) == [("max_correlated_exposure", "critical")]


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (Control.MAX_OPEN_ORDERS, "working orders 2 of limit 1 (200 %) at account A1"),
        (Control.MAX_INSTRUMENTS, "instruments 2 of limit 1 (200 %) at account A1"),
        (Control.MAX_VENUES, "venues 2 of limit 1 (200 %) at account A1"),
    ],
)
def test_what_is_counted_is_told_when_its_limit_is_lowered_below_it(control: Control, text: str) -> None:
    floor = _floor(control, 2)
    floor.working("1")
    last = floor.working("2", symbol="FUT", venue=OTHER_VENUE)
    assert _told(floor) == [], "many stay at such a limit by intent"
    _lowered(floor, control, "count", 1)
    [began] = of(BreachBegan, floor.tick())
    assert (began.severity, began.text) == (Severity.CRITICAL, text)
    floor.report(last, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert _told(floor) == [(control.value, "ended")]


def test_working_orders_count() -> None:
    floor = _floor(Control.MAX_GROSS_NOTIONAL, 1000)
    mine = floor.working("1", 80)
    assert _told(floor) == [("max_gross_notional", "warning")]
    floor.fill(mine, 80)
    assert _told(floor) == []


def test_each_scope_is_told_by_itself() -> None:
    floor = Floor.opened(
        limits={
            "firm": ample(),
            "strategy:*": {Control.MAX_LOSS: Limit(Decimal(100))},
            "strategy:A1/b": {Control.MAX_LOSS: Limit(Decimal(10_000))},
        }
    )
    for name in "abc":
        floor.fill(floor.working(name, strategy=name), 100)
    floor.mark("8")
    assert [each.scope for each in of(BreachBegan, floor.tick())] == ["strategy:A1/a", "strategy:A1/c"]


def test_a_limit_that_is_no_more_ends_its_breach() -> None:
    floor = _holding(Control.MAX_LOSS, 100)
    floor.mark("8")
    assert _told(floor) == [("max_loss", "critical")]
    floor.state.risk.limits["account:A1"].clear()
    floor.state.risk.book.forget()
    assert [(event.scope, event.control) for event in of(BreachEnded, floor.tick())] == [("account:A1", "max_loss")]


def test_what_was_lost_by_who_holds_nothing_any_more_is_told_after_a_restart() -> None:
    floor = _holding(Control.MAX_LOSS, 100)
    sold = floor.working("2", side=Side.SELL)
    floor.fill(sold, 100, "8.99")
    after = floor.restarted()
    assert _told(after) == [("max_loss", "critical")]


def test_a_breach_is_remembered_over_a_restart() -> None:
    floor = _holding(Control.MAX_LOSS, 100)
    floor.mark("8")
    assert _told(floor) == [("max_loss", "critical")]
    after = floor.restarted()
    assert _told(after) == []
    assert after.recovered() == after.state
