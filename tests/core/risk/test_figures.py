"""Figures of scopes: what they say, and that breakdowns always add up."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.instruments import Instrument
from gateway.core.risk import figures
from gateway.core.risk.commands import SetMarks
from gateway.core.risk.controls import Control
from gateway.core.risk.events import Mark
from gateway.core.risk.figures import Figures, Row
from gateway.core.risk.setup import Limit, RiskSetup, Scenario
from gateway.core.types import Side
from tests.core.world import CLIENT, INSTRUMENTS, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World
from tests.risk import ample, open_risk, risk_instrument

BOND = Instrument("BOND", {VENUE: "BOND", OTHER_VENUE: "BOND.Y"}, VENUE, Decimal("0.01"), Decimal(1), "USD")
ALL = {**INSTRUMENTS, "BOND": BOND}


def setup(**changes: object) -> RiskSetup:
    """Two desks, one in the other, with accounts; A3 is the firm's own."""
    made = open_risk(ALL, (VENUE, OTHER_VENUE))
    instruments = {
        **made.instruments,
        "ACME": risk_instrument(ALL["ACME"], volatility_pct=Decimal(2), margin_pct=Decimal(25)),
        "BOND": risk_instrument(BOND, asset_class="bond", volatility_pct=Decimal(1), margin_pct=Decimal(10)),
    }
    scenarios = (
        Scenario("crash", {"equity": Decimal(-20)}),
        Scenario("rates", {"equity": Decimal(5), "bond": Decimal(-50)}),
    )
    return msgspec.structs.replace(
        made,
        instruments=instruments,
        desks={"europe": "", "paris": "europe"},
        accounts={"A1": "paris", "A2": "europe", "A3": ""},
        scenarios=scenarios,
        correlations={"equity/bond": Decimal(0)},
        **changes,
    )


def started(**changes: object) -> World:
    return World.started(msgspec.structs.replace(SETTINGS, instruments=ALL, risk=setup(**changes)))


def at(world: World, scope: str, symbol: str = "") -> Figures:
    return figures.figures(world.state, [Row(scope, symbol)], world.now_ns)[0]


def mark(world: World, **prices: str) -> None:
    world.ask(SetMarks("op", tuple(Mark(symbol, Decimal(px)) for symbol, px in prices.items())))


def trade(world: World, cl_ord_id: str, qty: int, px: int, *, filled: int, **changes: object) -> None:
    """An order that is filled in part, or in whole."""
    side = Side.BUY if qty > 0 else Side.SELL
    order = world.submit(cl_ord_id, abs(qty), price=Decimal(px), side=side, **changes)
    world.acknowledge(order)
    if filled:
        world.fill(order, filled, px)


def test_what_a_scope_holds_and_has_working() -> None:
    world = started()
    trade(world, "1", 100, 10, filled=60)
    trade(world, "2", -50, 10, filled=50, account="A2")
    mark(world, ACME="11")
    firm = at(world, "firm")
    assert (firm.long, firm.short, firm.net) == (Decimal(660), Decimal(-550), Decimal(110))
    assert (firm.buys, firm.sells, firm.open_orders) == (Decimal(440), Decimal(0), 1)
    assert firm.gross == Decimal(1100 + 550)
    assert (firm.margin, firm.margin_used) == (Decimal("412.5"), Decimal("412.5"))
    paris = at(world, "desk:paris")
    assert (paris.parent, paris.long, paris.short) == ("desk:europe", Decimal(660), Decimal(0))
    assert (paris.worst_scenario, paris.worst_loss) == ("crash", Decimal(220))


def test_profit_is_realized_and_unrealized_and_of_the_day() -> None:
    world = started()
    trade(world, "1", 100, 10, filled=100)
    trade(world, "2", -40, 12, filled=40)
    mark(world, ACME="9")
    gain = at(world, "account:A1").gain
    assert gain is not None
    assert (gain.realized, gain.unrealized, gain.day) == (Decimal(80), Decimal(-60), Decimal(20))
    # When 40 were sold at 12, the other 60 were still worth 10 each.
    assert (gain.high, gain.drawdown) == (Decimal(80), Decimal(60))
    assert at(world, f"client:{CLIENT}").gain is None


def test_money_in_another_currency_and_with_a_multiplier() -> None:
    world = started(rates={"USD": Decimal("0.5")})
    trade(world, "1", 10, 10, filled=10, symbol="BOND")
    trade(world, "2", 10, 10, filled=10, symbol="FUT")
    mark(world, BOND="12", FUT="11")
    assert at(world, "asset_class:bond").net == Decimal(60)
    bond, future = (at(world, f"instrument:{symbol}").gain for symbol in ("BOND", "FUT"))
    assert bond is not None
    assert future is not None
    assert (bond.unrealized, future.unrealized) == (Decimal(10), Decimal(100))


def test_the_correlated_exposure_is_that_of_the_control() -> None:
    world = started()
    trade(world, "1", 100, 10, filled=100)
    trade(world, "2", 100, 10, filled=100, symbol="BOND", account="A2")
    assert at(world, "account:A1").correlated == Decimal(20)
    assert at(world, "account:A2").correlated == Decimal(10)
    assert at(world, "firm").correlated == Decimal("22.3606797750")  # sqrt(20 ^ 2 + 10 ^ 2)
    trade(world, "3", -150, 10, filled=0, symbol="BOND", account="A2")
    assert at(world, "account:A2").correlated == Decimal(10)  # It may not fill.
    trade(world, "4", -150, 10, filled=0, symbol="BOND", account="A2")
    assert at(world, "account:A2").correlated == Decimal(20)
    assert at(world, "strategy:A2/", "BOND").correlated == Decimal(20)
    assert at(world, "firm").correlated == Decimal("28.2842712475")  # sqrt(20 ^ 2 + 20 ^ 2)


def test_rows_are_chosen_by_name_by_beginning_and_by_level() -> None:
    world = started()
    trade(world, "1", 10, 10, filled=10, strategy="alpha")
    trade(world, "2", 10, 10, filled=10, strategy="beta")

    def names(*args: str, children: bool = False) -> list[str]:
        rows = figures.select(world.state, *args, children=children)
        return [row.scope + (f" {row.symbol}" if row.symbol else "") for row in rows]

    assert names("account:A1") == ["account:A1"]
    assert names("account:A") == ["account:A1", "account:A2", "account:A3"]
    assert names("", "desk") == ["desk:europe", "desk:paris"]
    assert names("firm", children=True) == ["firm", "desk:europe", "account:A3"]
    assert names("desk:europe", children=True) == ["desk:europe", "desk:paris", "account:A2"]
    assert names("account:A1", children=True) == ["account:A1", "strategy:A1/alpha", "strategy:A1/beta"]
    assert names("strategy:A1/alpha", children=True) == ["strategy:A1/alpha", "strategy:A1/alpha ACME"]
    assert names("asset_class:equity", children=True) == ["asset_class:equity", "instrument:ACME"]
    assert names("instrument:FUT") == ["instrument:FUT"]
    assert names("strategy:*") == []
    assert names("account:NOPE") == []


def test_asking_about_what_has_not_traded_leaves_nothing_behind() -> None:
    world = started(limits={"firm": ample(), "strategy:*": {Control.MAX_GROSS_NOTIONAL: Limit(Decimal(700))}})
    trade(world, "1", 10, 10, filled=10)
    scopes_before = set(world.state.risk.book.nodes)
    figure = at(world, "strategy:A1/new")
    assert (figure.net, figure.open_orders) == (Decimal(0), 0)
    assert [(use.control, use.used, use.limit) for use in figure.uses] == [
        (Control.MAX_GROSS_NOTIONAL, Decimal(0), Decimal(700))
    ]
    assert set(world.state.risk.book.nodes) == scopes_before


def test_a_strategy_that_is_flat_keeps_its_profit_after_a_restart() -> None:
    world = started()
    trade(world, "1", 10, 10, filled=10, strategy="alpha")
    trade(world, "2", -10, 12, filled=10, strategy="alpha")
    state = world.recovered()
    rows = figures.select(state, "strategy:A1/alpha", children=True)
    assert rows == [Row("strategy:A1/alpha"), Row("strategy:A1/alpha", "ACME")]
    for figure in figures.figures(state, rows, world.now_ns):
        assert figure.gain is not None
        assert (figure.gain.realized, figure.gain.unrealized, figure.net) == (Decimal(20), Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("control", "scope", "figure"),
    [
        (Control.MAX_OPEN_ORDERS, "account:A1", Decimal(1)),
        (Control.MAX_INSTRUMENTS, "account:A1", Decimal(1)),
        (Control.MAX_VENUES, "account:A1", Decimal(1)),
        (Control.MAX_POSITION_QTY, "account:A1", Decimal(100)),
        (Control.MAX_POSITION_QTY, "account:A2", Decimal(50)),
        (Control.MAX_GROSS_NOTIONAL, "firm", Decimal(1500)),
        (Control.MAX_NET_NOTIONAL, "firm", Decimal(500)),
        (Control.MAX_CONCENTRATION_PCT, "firm", Decimal(100)),
        (Control.MAX_MARGIN, "firm", Decimal(375)),
        (Control.MAX_LOSS, "firm", Decimal(10)),
        (Control.MAX_LOSS, f"client:{CLIENT}", None),
        (Control.MAX_DRAWDOWN, "firm", Decimal(10)),
        (Control.ORDER_TO_TRADE, "firm", Decimal(1)),
        (Control.MAX_ORDER_QTY, "firm", None),
        (Control.MAX_OPEN_ORDERS, "account:NOPE", None),
    ],
)
def test_how_much_of_a_limit_is_used(control: Control, scope: str, figure: Decimal | None) -> None:
    limits = {"firm": ample(), "account:*": ample(), "client:*": {}}
    world = started(limits=limits)
    trade(world, "1", 100, 10, filled=60)
    trade(world, "2", -50, 10, filled=50, account="A2")
    # A third leg that loses 10 and leaves nothing open.
    trade(world, "3", 10, 10, filled=10, account="A3")
    trade(world, "4", -10, 9, filled=10, account="A3")
    assert figures.used(world.state, scope, control, Limit(Decimal(1)), world.now_ns) == figure


def test_the_message_rate_is_what_is_still_in_the_bucket() -> None:
    limit = Limit(Decimal(10), per_s=10)
    world = started(limits={"firm": {**ample(), Control.MESSAGE_RATE: limit}})
    for number in range(5):
        world.submit(str(number))
    used = figures.used(world.state, "firm", Control.MESSAGE_RATE, limit, world.now_ns)
    assert used is not None
    assert Decimal("4.9") < used <= 5
    later = figures.used(world.state, "firm", Control.MESSAGE_RATE, limit, world.now_ns + 60 * SECOND_NS)
    assert later == 0


def test_the_limits_of_a_scope_include_those_of_its_level() -> None:
    own = {Control.MAX_ORDER_QTY: Limit(Decimal(5))}
    limits = {"firm": ample(), "account:*": ample(), "account:A1": own}
    world = started(limits=limits)
    found = {each.control: each for each in figures.limits_in_force(world.state, "account:A1")}
    assert found.keys() == ample().keys()
    assert (found[Control.MAX_ORDER_QTY].limit.value, found[Control.MAX_ORDER_QTY].set_at) == (5, "account:A1")
    assert found[Control.MAX_LOSS].set_at == "account:*"
    assert all(each.configured for each in found.values())
    assert {each.scope for each in figures.limits_in_force(world.state, "account:")} == {"account:*", "account:A1"}
    assert len(figures.limits_in_force(world.state)) == 2 * len(ample()) + 1


# --- Breakdowns add up ---


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["A1", "A2", "A3"]),
        st.sampled_from(["alpha", "beta"]),
        st.sampled_from(["ACME", "FUT", "BOND"]),
        st.integers(-9, 9).filter(bool),
        st.integers(9, 11),
        st.integers(0, 9),
    ),
    max_size=8,
)
ADDS_UP: dict[str, Callable[[Figures], Decimal | int | None]] = {
    "long": lambda each: each.long,
    "short": lambda each: each.short,
    "gross": lambda each: each.gross,
    "buys": lambda each: each.buys,
    "sells": lambda each: each.sells,
    "margin": lambda each: each.margin,
    "realized": lambda each: each.gain.realized if each.gain else None,
    "unrealized": lambda each: each.gain.unrealized if each.gain else None,
    "day": lambda each: each.gain.day if each.gain else None,
}


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, px=st.integers(8, 12))
def test_every_breakdown_adds_up_exactly(steps: list[tuple[str, str, str, int, int, int]], px: int) -> None:
    world = started(rates={"USD": Decimal("0.333")})
    for number, (account, strategy, symbol, qty, at_px, filled) in enumerate(steps):
        names = {"account": account, "strategy": strategy, "symbol": symbol}
        trade(world, str(number), qty, at_px, filled=min(filled, abs(qty)), **names)
    mark(world, ACME=str(px), BOND="10.07")
    rows = figures.select(world.state)
    whole = figures.figures(world.state, figures.select(world.state, children=True), world.now_ns)
    assert {each.row for each in whole} >= set(rows)
    for scope in {each.parent for each in whole} - {""}:
        below = [each for each in whole if each.parent == scope]
        _adds_up(next(each for each in whole if each.row == Row(scope)), below)
    firm = at(world, "firm")
    _adds_up(firm, [each for each in whole if each.row.scope.startswith("asset_class:")])


def _adds_up(whole: Figures, parts: list[Figures]) -> None:
    for name, figure in ADDS_UP.items():
        told = [figure(each) for each in parts]
        if figure(whole) is not None and None not in told:
            assert sum(told, Decimal(0)) == figure(whole), f"{name} of {whole.row.scope}"
    if all(each.open_orders is not None for each in parts):
        assert sum(each.open_orders or 0 for each in parts) == whole.open_orders
