"""Totals that no limit looks at are added up when somebody asks: whoever decides by them asks first.

Nothing else may ask in between, neither the clock nor a proof of the state, so the floor is not checked on the way.
"""

from decimal import Decimal

import pytest

from gateway.core.commands import ReplaceOrder
from gateway.core.invariants import check_state
from gateway.core.risk import exposure
from gateway.core.risk.commands import SetLimit
from gateway.core.risk.setup import Limit
from gateway.core.types import ExecType, Reason, Side
from tests.core.risk.floor import Floor
from tests.core.world import VENUE, order
from tests.risk import ample


@pytest.fixture
def floor() -> Floor:
    """Nothing but strategies have limits; one has bought 100."""
    floor = Floor.opened(limits={"strategy:*": ample()}, approvals=())
    floor.checking = False
    floor.fill(floor.working("in", 100, strategy="alpha"), 100)
    return floor


def refusal(floor: Floor, name: str, order_qty: int, side: Side = Side.SELL) -> Reason | None:
    return floor.ask(order(name, order_qty, side=side, strategy="alpha")).reason


@pytest.mark.parametrize("scope", ["firm", "account:A1", "client:desk", f"venue:{VENUE}"])
def test_what_reduces_is_known_at_a_scope_without_limits_as_soon_as_it_traded(floor: Floor, scope: str) -> None:
    floor.stop(scope, allow_reducing=True, cancels=False)
    assert refusal(floor, "out", 60) is None
    assert refusal(floor, "beyond", 60) is Reason.RISK_STOPPED
    check_state(floor.state)


def test_what_was_executed_counts_though_as_much_is_left_as_at_the_last_decision(floor: Floor) -> None:
    """The venue takes a larger quantity and executes the difference before anybody decides anything."""
    mine = floor.working("more", 100, strategy="alpha")
    floor.fill(mine, 60)
    assert floor.ask(ReplaceOrder("desk", "r", "more", order_qty=Decimal(140))).reason is None
    floor.report(mine, ExecType.REPLACED, cl_ord_id=next(iter(mine.unanswered)))
    floor.fill(mine, 40)
    assert (mine.cum_qty, mine.leaves_qty) == (100, 40)
    exposure.settle(floor.state)
    check_state(floor.state)


@pytest.mark.parametrize(
    ("control", "unit", "value", "after", "reason"),
    [
        ("max_position_qty", "qty", 150, 0, Reason.RISK_POSITION),
        ("max_gross_notional", "EUR", 1_500, 0, Reason.RISK_GROSS_NOTIONAL),
        ("max_concentration_pct", "pct", 99, 1_500, Reason.RISK_CONCENTRATION),
    ],
)
@pytest.mark.parametrize("scope", ["firm", "account:A1", "client:desk", f"venue:{VENUE}"])
def test_a_limit_where_there_was_none_holds_for_what_was_there_before(
    floor: Floor, scope: str, control: str, unit: str, value: int, after: int, reason: Reason
) -> None:
    limit = Limit(Decimal(value), after=Decimal(after))
    assert refusal(floor, "before", 10, Side.BUY) is None
    assert floor.operate(SetLimit("ann", scope, control, unit, "too much", limit)).reason is None
    assert refusal(floor, "within", 40, Side.BUY) is None
    assert refusal(floor, "beyond", 1, Side.BUY) is reason
    floor.operate(SetLimit("ann", scope, control, unit, "enough", None))
    assert refusal(floor, "free", 1, Side.BUY) is None
    floor.operate(SetLimit("ann", scope, control, unit, "again", limit))
    assert refusal(floor, "still", 1, Side.BUY) is reason
    check_state(floor.state)
