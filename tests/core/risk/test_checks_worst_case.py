"""One test for each control of what a scope holds, has working and has lost: it passes at the limit, is refused one
step beyond at every scope of an order, also by a replace, and what only reduces passes.
"""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import retention
from gateway.core.commands import CancelOrder, OpenOrderEntry, ReplaceOrder, ResolveItem, ResumeInstrument
from gateway.core.events import Cause
from gateway.core.invariants import check_state
from gateway.core.reports import OrderCancelReject, SessionUp, TimerFired
from gateway.core.risk import exposure
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.events import Mark, MarksSet
from gateway.core.risk.setup import Limit, Scenario
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, OrdStatus, OrdType, Reason, Side, TimeInForce
from tests.core.risk.trading import (
    OTHER_CLIENT,
    STRATEGY,
    TREE,
    buy,
    each_scope,
    each_scope_but,
    elsewhere,
    happen,
    hedge,
    hold,
    limited,
    mark,
    no,
    of_acme,
    over,
    sell,
    setup,
    started,
    yes,
)
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, VENUE, World, restarted

pytestmark = pytest.mark.usefixtures("both_ways")


def replace(orig: str, **terms: str | int) -> ReplaceOrder:
    return ReplaceOrder(CLIENT, f"replace of {orig}", orig, **{name: Decimal(value) for name, value in terms.items()})


# Each with the limit that 100 ACME at 10 just meet, and what is said of one more.
REACHED: dict[Control, tuple[int, str]] = {
    Control.MAX_POSITION_QTY: (100, "position in ACME with all working orders 101 over limit 100"),
    Control.MAX_GROSS_NOTIONAL: (1_000, "gross notional 1,010 over limit 1,000"),
    Control.MAX_NET_NOTIONAL: (1_000, "net notional 1,010 over limit 1,000"),
    Control.MAX_MARGIN: (200, "margin 202 over limit 200"),
    Control.MAX_CORRELATED_EXPOSURE: (100, "correlation-adjusted exposure 101 over limit 100"),
}
VOLATILE = setup().instruments
RATES = of_acme(margin_pct=Decimal(20), volatility_pct=Decimal(10))


@pytest.mark.control(
    "max_position_qty", "max_gross_notional", "max_net_notional", "max_margin", "max_correlated_exposure"
)
@pytest.mark.parametrize("control", REACHED)
@each_scope
def test_what_is_held_and_works_meets_a_limit_and_goes_no_step_beyond(control: Control, scope: str) -> None:
    value, text = REACHED[control]
    for side in (Side.BUY, Side.SELL):
        world = limited(scope, control, value, **RATES)
        one = world.submit("1", 60, side=side, strategy=STRATEGY)
        world.submit("2", 40, side=side, strategy=STRATEGY)
        over(world, scope, control, buy("3", 1, side=side), text)
        world = limited(scope, control, value, **RATES)
        one = world.submit("1", 60, side=side, strategy=STRATEGY)
        world.submit("2", 40, side=side, strategy=STRATEGY)
        over(world, scope, control, replace("1", order_qty=61), text)
        world = limited(scope, control, value, **RATES)
        one = world.submit("1", 60, side=side, strategy=STRATEGY)
        world.fill(one, 60)
        yes(world, buy("2", 40, side=side))
        no(world, buy("3", 1, side=side), SPECS[control].reason, text)
        if scope != "firm":
            yes(world, elsewhere(buy("4", 200, side=side)))


@pytest.mark.control("max_gross_notional")
def test_gross_counts_the_worse_side_of_each_position_and_net_both_sides_apart() -> None:
    world = limited("firm", Control.MAX_GROSS_NOTIONAL, 1_000)
    yes(world, buy("1", 100))
    yes(world, sell("2", 100))  # Either may fill, not both in the same direction.
    no(world, sell("3", 1), Reason.RISK_GROSS_NOTIONAL, "gross notional 1,010")
    no(world, buy("4", 1, strategy="beta"), Reason.RISK_GROSS_NOTIONAL, "gross notional 1,010")
    world = limited("firm", Control.MAX_NET_NOTIONAL, 1_000)
    for name in "12345":
        yes(world, buy(name, 20))
        yes(world, sell(name, 20, strategy="beta"))
    no(world, buy("6", 1), Reason.RISK_NET_NOTIONAL, "net notional 1,010")
    no(world, sell("7", 1, strategy="beta"), Reason.RISK_NET_NOTIONAL, "net notional 1,010")


@pytest.mark.control("max_concentration_pct")
@each_scope_but("instrument")
def test_max_concentration_pct(scope: str) -> None:
    world = limited(scope, Control.MAX_CONCENTRATION_PCT, 50, after=1_000)
    yes(world, buy("1", 10, symbol="FUT"))
    world.submit("2", 100, strategy=STRATEGY)
    text = "percent of the gross notional in ACME 50.2488 over limit 50"
    over(world, scope, Control.MAX_CONCENTRATION_PCT, buy("3", 1), text)
    world = limited(scope, Control.MAX_CONCENTRATION_PCT, 50, after=1_000)
    yes(world, buy("1", 10, symbol="FUT"))
    world.submit("2", 100, strategy=STRATEGY)
    over(world, scope, Control.MAX_CONCENTRATION_PCT, replace("2", order_qty=101), text)
    if scope != "firm":
        yes(world, elsewhere(buy("4", 100)))


@pytest.mark.control("max_margin")
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_margin_is_the_worst_scenario_where_that_is_more_than_the_rates(side: Side) -> None:
    grid = (Scenario("fall", {"equity": Decimal(-50)}), Scenario("rise", {"ACME": Decimal(50), "bond": Decimal(-10)}))
    world = limited("account:A1", Control.MAX_MARGIN, 500, scenarios=grid, **of_acme(margin_pct=Decimal(1)))
    yes(world, buy("1", 100, side=side))
    no(world, buy("2", 1, side=side), Reason.RISK_MARGIN, "margin 505 over limit 500 at account A1")
    other = Side.SELL if side is Side.BUY else Side.BUY
    yes(world, buy("3", 100, side=other))
    no(world, buy("4", 1, side=other), Reason.RISK_MARGIN, "margin 505 over limit 500 at account A1")


@pytest.mark.control("max_correlated_exposure")
def test_what_is_not_said_to_be_correlated_less_adds_up_in_full() -> None:
    known = of_acme(volatility_pct=Decimal(10))
    bond = known["instruments"]["BOND"]
    known["instruments"]["BOND"] = type(bond)("bond", "EUR", reference_px=Decimal(10), volatility_pct=Decimal(10))
    for said, figure in (({}, "200"), ({"bond/equity": Decimal(-1)}, ""), ({"equity/bond": Decimal(0)}, "141.4214")):
        world = limited("firm", Control.MAX_CORRELATED_EXPOSURE, "141.4213", correlations=said, **known)
        yes(world, buy("1", 100))
        bonds = buy("2", 100, symbol="BOND")
        if figure:
            no(world, bonds, Reason.RISK_CORRELATED_EXPOSURE, f"exposure {figure} over limit 141.4213 at the firm")
        else:
            yes(world, bonds)


@pytest.mark.control("max_correlated_exposure")
@pytest.mark.parametrize(("hedge", "qty"), [("BOND", 100), ("FUT", 10)])
def test_a_hedge_that_only_works_makes_no_room(hedge: str, qty: int) -> None:
    instruments = {name: msgspec.structs.replace(each, volatility_pct=Decimal(10)) for name, each in VOLATILE.items()}
    world = limited("firm", Control.MAX_CORRELATED_EXPOSURE, 100, instruments=instruments)
    working = world.submit("1", qty, side=Side.SELL, symbol=hedge, account="A2")
    yes(world, buy("2", 100))
    no(world, buy("3", 1), Reason.RISK_CORRELATED_EXPOSURE, "exposure 101 over limit 100")
    world.fill(working, qty)
    yes(world, buy("4", 100))
    no(world, buy("5", 1), Reason.RISK_CORRELATED_EXPOSURE, "exposure 101 over limit 100")


@pytest.mark.control("max_correlated_exposure")
def test_buys_of_one_class_and_sells_of_another_count_together_where_they_move_against_each_other() -> None:
    instruments = {name: msgspec.structs.replace(each, volatility_pct=Decimal(10)) for name, each in VOLATILE.items()}
    said = {"equity/bond": Decimal(-1)}
    world = limited("firm", Control.MAX_CORRELATED_EXPOSURE, 150, instruments=instruments, correlations=said)
    yes(world, buy("1", 100))
    no(world, sell("2", 51, symbol="BOND"), Reason.RISK_CORRELATED_EXPOSURE, "exposure 151 over limit 150")
    yes(world, sell("3", 50, symbol="BOND"))


# --- What has been lost ---

each_of_the_tree = pytest.mark.parametrize("scope", TREE)


@pytest.mark.control("max_loss")
@each_of_the_tree
def test_max_loss(scope: str) -> None:
    world = limited(scope, Control.MAX_LOSS, 100)
    hold(world, 100)
    one = world.submit("1", strategy=STRATEGY)
    mark(world, 9)
    yes(world, buy("2"))
    mark(world, "8.99")
    over(world, scope, Control.MAX_LOSS, buy("3"), "loss of the day 101 over limit 100")
    no(world, replace(one.cl_ord_id, order_qty=101), Reason.RISK_LOSS, "loss of the day 101")
    yes(world, sell("4"))
    if scope != "firm":
        yes(world, elsewhere(buy("5")))


each_with_strategies = pytest.mark.parametrize("scope", ["firm", "desk:cash", "account:A1", "asset_class:equity"])


@pytest.mark.parametrize("control", [Control.MAX_LOSS, Control.MAX_DRAWDOWN])
@each_with_strategies
def test_what_reduces_one_strategy_and_takes_the_scope_that_lost_further_is_refused(
    scope: str, control: Control
) -> None:
    for where in (scope, f"strategy:A1/{STRATEGY}"):
        world = limited(where, control, 100)
        hold(world, 100)
        hedge(world)
        hold(world, 10, symbol="FUT")
        mark(world, "8.99", symbol="FUT")
        if where == scope:
            no(world, sell("1", 81), SPECS[control].reason, "101 over limit 100")
            yes(world, sell("2", 80))  # The scope may be as far on the other side as it is on this one.
        else:
            yes(world, sell("3", 100))


@pytest.mark.control("max_loss")
def test_a_replace_that_only_lowers_the_quantity_passes_what_has_been_lost_and_marks() -> None:
    for control in (Control.MAX_LOSS, Control.MAX_MARK_MOVE_PCT):
        world = limited("firm", control, 10)
        hold(world, 100)
        world.submit("1", strategy=STRATEGY)
        mark(world, "8.5")
        reason = SPECS[control].reason
        no(world, replace("1", order_qty=101), reason, "over limit 10")
        no(world, replace("1", order_qty=100, max_floor=50), reason, "over limit 10")
        no(world, replace("1", order_qty=50, price="9.99"), reason, "over limit 10")
        longer = msgspec.structs.replace(replace("1", order_qty=50), time_in_force=TimeInForce.GTC)
        no(world, longer, reason, "over limit 10")
        until = msgspec.structs.replace(longer, time_in_force=TimeInForce.GTD, expire_time_ns=world.now_ns + 10**15)
        no(world, until, reason, "over limit 10")
        yes(world, replace("1", order_qty=99))
        no(world, replace("1", order_qty=100), reason, "over limit 10")


@pytest.mark.control("max_loss")
def test_a_replace_that_lowers_what_is_done_for_the_day_brings_it_back_to_life() -> None:
    """Nothing of it can execute (Appendix D, H.1), so all that the replace asks for is taken on anew."""
    world = limited("firm", Control.MAX_LOSS, 100)
    hold(world, 100)
    one = world.submit("1", strategy=STRATEGY)
    world.acknowledge(one)
    world.report(one, ExecType.DONE_FOR_DAY)
    mark(world, 8)
    no(world, replace(one.cl_ord_id, order_qty=50), Reason.RISK_LOSS, "loss of the day 200")


@pytest.mark.control("max_loss")
def test_a_realized_loss_counts_in_the_risk_currency() -> None:
    world = limited("firm", Control.MAX_LOSS, 15, currency="USD", rates={"EUR": Decimal("1.5")})
    hold(world, 10)
    world.fill(world.submit("1", 10, side=Side.SELL, strategy=STRATEGY), 10, 9)
    yes(world, buy("2"))
    hold(world, 1)
    world.fill(world.submit("3", 1, side=Side.SELL, strategy=STRATEGY), 1, "9.99")
    no(world, buy("4"), Reason.RISK_LOSS, "loss of the day 15.015 over limit 15 at the firm")


@pytest.mark.control("max_drawdown")
@each_of_the_tree
def test_max_drawdown(scope: str) -> None:
    world = limited(scope, Control.MAX_DRAWDOWN, 100)
    hold(world, 100)
    mark(world, 11)
    mark(world, 10)
    yes(world, buy("1"))
    mark(world, "9.99")
    over(world, scope, Control.MAX_DRAWDOWN, buy("2"), "drawdown of the day 101 over limit 100")
    yes(world, sell("3"))
    if scope != "firm":
        yes(world, elsewhere(buy("4")))


@pytest.mark.control("max_loss")
@pytest.mark.control("max_drawdown")
@pytest.mark.parametrize("control", [Control.MAX_LOSS, Control.MAX_DRAWDOWN])
def test_what_was_gained_on_the_day_before_counts_in_neither(control: Control) -> None:
    """The second day begins 200 up: what is lost on it is lost from there, and its highest profit is at least 0."""
    world = limited("firm", control, 100)
    hold(world, 100)
    mark(world, 12)
    world.now_ns += 24 * 3600 * SECOND_NS
    world.tell(TimerFired())
    mark(world, "11.5")
    yes(world, buy("1"))
    mark(world, "11")
    yes(world, buy("2"))
    mark(world, "10.99")
    no(world, buy("3"), SPECS[control].reason, "of the day 101 over limit 100")


@pytest.mark.control("max_drawdown")
def test_what_is_true_only_between_two_marks_of_one_event_was_never_the_days_highest() -> None:
    world = started()
    hold(world, 100)
    world.fill(world.submit("1", 100, side=Side.SELL, strategy=STRATEGY, symbol="BOND"), 100, 10)
    happen(world, MarksSet((Mark("ACME", Decimal(12)), Mark("BOND", Decimal(12)))))
    assert {scope: profit.high for scope, profit in world.state.risk.profits.items()} == {
        **dict.fromkeys(TREE, Decimal(0)),
        "asset_class:equity": 200,
        "instrument:ACME": 200,
        "asset_class:bond": 0,
        "instrument:BOND": 0,
    }


# --- What only reduces ---

LIMITS: dict[Control, Limit] = {
    **{control: Limit(Decimal(value)) for control, (value, _) in REACHED.items()},
    Control.MAX_CONCENTRATION_PCT: Limit(Decimal(50), after=Decimal(1_000)),
    Control.MAX_LOSS: Limit(Decimal(100)),
    Control.MAX_DRAWDOWN: Limit(Decimal(100)),
}


@pytest.mark.parametrize("control", LIMITS)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_what_only_reduces_passes_a_limit_that_facts_have_broken(control: Control, side: Side) -> None:
    world = started({"account:A1": {control: LIMITS[control]}}, **RATES)
    one = world.submit("1", side=side, strategy=STRATEGY)
    world.fill(one, 100)
    if control is Control.MAX_POSITION_QTY:
        world.fill(one, 20)  # The venue executes more than was ordered, and the gateway halts the instrument.
        world.ask(ResumeInstrument("ops", "ACME", "looked at it"))
    mark(world, 8 if side is Side.BUY and control in (Control.MAX_LOSS, Control.MAX_DRAWDOWN) else 12)
    other = Side.SELL if side is Side.BUY else Side.BUY
    no(world, buy("2", 1, side=side), SPECS[control].reason, "over limit")
    if control not in (Control.MAX_LOSS, Control.MAX_DRAWDOWN) or side is Side.SELL:
        no(world, buy("3", 300, side=other), SPECS[control].reason, "over limit")
    yes(world, buy("4", 60, side=other))
    yes(world, buy("5", 40, side=other))


@pytest.mark.control("max_net_notional")
def test_what_reduces_one_position_and_unbalances_the_scope_above_is_held_to_its_limit() -> None:
    world = limited("desk:cash", Control.MAX_NET_NOTIONAL, 500)
    for number in range(2):
        hold(world, 50)
        world.fill(world.submit(f"{number}", 50, side=Side.SELL, strategy="beta"), 50)
    yes(world, sell("3", 50))
    no(world, sell("4", 1), Reason.RISK_NET_NOTIONAL, "net notional 510 over limit 500 at desk cash")


@pytest.mark.control("max_gross_notional")
@pytest.mark.parametrize("scope", ["client:other", "venue:YSIM"])
def test_what_reduces_a_position_by_another_client_or_venue_is_held_to_their_limits(scope: str) -> None:
    world = limited(scope, Control.MAX_GROSS_NOTIONAL, 500)
    hold(world, 100)
    closing = sell("1", 51, **({"client_id": OTHER_CLIENT} if "client" in scope else {"venue": OTHER_VENUE}))
    no(world, closing, Reason.RISK_GROSS_NOTIONAL, "gross notional 510 over limit 500")


# --- What counts as working ---


def room(world: World) -> Decimal:
    """What the account's position may become at worst."""
    cell = exposure.sync(world.state).nodes["account:A1"].cells.get("ACME")
    return cell.long_qty if cell is not None else Decimal(0)


def test_what_a_replace_has_executed_already_counts_once() -> None:
    """Of 150, 60 are held and 90 work: no more than 150 in all."""
    world = limited("firm", Control.MAX_POSITION_QTY, 150)
    world.fill(world.submit("1", 100, strategy=STRATEGY), 60)
    said = "position in ACME with all working orders 151 over limit 150"
    no(world, replace("1", order_qty=151), Reason.RISK_POSITION, said)
    yes(world, replace("1", order_qty=150))


def test_a_replace_counts_with_the_larger_quantity_until_it_is_answered() -> None:
    world = started()
    one = world.submit("1", 100, strategy=STRATEGY)
    world.acknowledge(one)
    for name, qty in (("2", 150), ("3", 50)):
        world.ask(ReplaceOrder(CLIENT, name, "1", order_qty=Decimal(qty)))
    assert room(world) == 150
    larger, smaller = one.unanswered
    world.hear(OrderCancelReject(VENUE, larger, "", cxl_rej_reason="0"))
    assert room(world) == 100
    world.report(one, ExecType.REPLACED, cl_ord_id=smaller, order_qty=Decimal(50))
    assert room(world) == 50
    world.fill(one, 60)
    assert room(world) == 60
    world.report(one, ExecType.TRADE_CANCEL, exec_ref_id=one.executions[0].exec_id)
    assert room(world) == 50


def test_a_canceled_order_reserves_nothing_and_its_late_fill_counts() -> None:
    world = started()
    one = world.submit("1", 100, strategy=STRATEGY)
    world.ask(CancelOrder(CLIENT, "2", "1"))
    assert room(world) == 100
    world.report(one, ExecType.CANCELED)
    assert room(world) == 0
    world.fill(one, 70)
    assert room(world) == 70


@pytest.mark.parametrize("ends", [ExecType.CANCELED, ExecType.EXPIRED, ExecType.DONE_FOR_DAY])
def test_what_the_venue_counts_and_has_not_told_stays_reserved_when_the_rest_is_gone(ends: ExecType) -> None:
    world = limited("firm", Control.MAX_POSITION_QTY, 100)
    one = world.submit("1", 100, strategy=STRATEGY)
    world.fill(one, 10)
    world.report(one, ends, cum_qty=Decimal(70))
    assert room(world) == 70, "10 that are held and 60 that are missing"
    no(world, buy("2", 31), Reason.RISK_POSITION, "101 over limit 100")
    world.fill(one, 40, cum_qty=Decimal(50))
    assert (room(world), room(restarted(world))) == (70, 70)
    world.fill(one, 20, cum_qty=Decimal(70))
    assert (room(world), one.disputed) == (70, False)


def test_what_a_venue_counts_beyond_the_order_is_not_reserved_and_a_person_settles_the_rest() -> None:
    settings = msgspec.structs.replace(started().settings, reconcile={VENUE: Reconcile(mass=False)})
    world = World.started(settings)
    world.ask(OpenOrderEntry("ops", VENUE, "nothing is compared here"))
    one = world.submit("1", 100, strategy=STRATEGY)
    world.report(one, ExecType.CANCELED, cum_qty=Decimal(1_000_000))
    assert room(world) == 100
    (item_id,) = world.state.items
    world.give(ResolveItem("ops", item_id, "by phone: nothing was executed"), Cause("operator", "ops"))
    assert room(world) == 0


def test_a_day_order_that_is_done_for_the_day_reserves_nothing_unless_a_replace_may_revive_it() -> None:
    world = started()
    one = world.submit("1", 100, strategy=STRATEGY)
    world.report(one, ExecType.DONE_FOR_DAY)
    assert room(world) == 0
    world.ask(ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(120), time_in_force=TimeInForce.GTC))
    assert room(world) == 120
    (named,) = one.unanswered
    world.report(one, ExecType.REPLACED, cl_ord_id=named)
    assert (one.working, room(world)) == (True, 120)


def test_an_order_by_amount_counts_with_what_the_rest_of_it_buys_until_the_venue_says_its_quantity() -> None:
    world = started()
    one = world.submit("1", 0, cash_order_qty=Decimal(1_000), strategy=STRATEGY)
    assert room(world) == 100
    mark(world, 8)
    assert room(world) == 125
    mark(world, 20)
    assert room(world) == 100  # The order may still buy at its own price of 10.
    world.fill(one, 50, 4)
    assert room(world) == 50 + 80
    world.ask(ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(200)))
    assert room(world) == 50 + 150
    world.report(one, ExecType.NEW, order_qty=Decimal(90), ord_status=OrdStatus.NEW)
    assert room(world) == 50 + 150
    (named,) = one.unanswered
    world.hear(OrderCancelReject(VENUE, named, "", cxl_rej_reason="0"))
    assert room(world) == 90


def test_an_order_by_amount_counts_from_the_mark_on_that_gives_its_instrument_a_price_again() -> None:
    """The file has no reference price any more, and no mark has come yet."""
    position = {"firm": {Control.MAX_POSITION_QTY: Limit(Decimal(150))}}
    before = started(position)
    before.submit("1", 0, price=None, ord_type=OrdType.MARKET, cash_order_qty=Decimal(1_000), strategy=STRATEGY)
    before.settings = msgspec.structs.replace(before.settings, risk=setup(position, **of_acme(reference_px=None)))
    world = restarted(before)
    world.tell(SessionUp(VENUE))
    no(world, buy("2"), Reason.RISK_NO_MARK, "neither a mark nor a reference price")
    mark(world, 10)
    assert room(world) == 100
    no(world, buy("3", 51), Reason.RISK_POSITION, "151 over limit 150")
    yes(world, buy("4", 50))


def test_a_split_is_counted_as_the_venue_states_it() -> None:
    world = started()
    one = world.submit("1", 100, strategy=STRATEGY, time_in_force=TimeInForce.GTC)
    world.fill(one, 40)
    world.report(
        one,
        ExecType.RESTATED,
        exec_restatement_reason="0",
        order_qty=Decimal(200),
        cum_qty=Decimal(80),
        price=Decimal(5),
    )
    assert room(world) == 200
    assert exposure.sync(world.state).nodes["venue:XSIM"].net == 800


def test_an_order_that_left_memory_between_two_decisions_has_still_moved_its_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = started()
    world.settings = msgspec.structs.replace(world.settings, retire_after_ns=0)
    exposure.sync(world.state)
    monkeypatch.setattr("tests.core.world.check_state", lambda _: None)  # It would bring the book up to date.
    one = world.submit("1", 100, strategy=STRATEGY)
    world.fill(one, 100)
    for event in retention.retire(world.state, world.settings, world.now_ns):
        happen(world, event)
    assert one.order_id not in world.state.orders
    assert one.order_id in world.state.risk.book.touched
    assert (room(world), world.state.risk.book.reserves) == (100, {})
    monkeypatch.undo()
    check_state(world.state)
