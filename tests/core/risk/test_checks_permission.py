"""One test for each control that is not a number: who may trade what, how, and whether anybody may now."""

from datetime import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import Cause
from gateway.core.instruments import TradingSession
from gateway.core.reports import ProcessStarted, SessionUp
from gateway.core.risk import exposure
from gateway.core.risk.asked import words
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import Limit, RiskClient
from gateway.core.state import Settings
from gateway.core.types import OrdType, Reason, Side, TimeInForce
from tests.core.risk.trading import (
    KNOWN,
    SCOPES,
    SIDES,
    STRATEGY,
    buy,
    each_scope,
    elsewhere,
    happen,
    hedge,
    hold,
    mark,
    no,
    of_acme,
    overridable,
    sell,
    setup,
    started,
    yes,
)
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, SYMBOL, VENUE, World, instrument
from tests.risk import AMPLE

pytestmark = pytest.mark.usefixtures("both_ways")

MARKET = {"price": None, "ord_type": OrdType.MARKET}


@pytest.mark.control("authorised")
@pytest.mark.parametrize(
    ("client", "field", "text"),
    [
        (RiskClient(accounts=("A2",)), "account", "client desk may not trade for account 'A1'; it may for A2"),
        (RiskClient(), "account", "it may for none"),
        (RiskClient(accounts=("A1",), strategies=("beta", "")), "strategy", "for strategy 'alpha'; it may for beta"),
    ],
)
def test_a_client_trades_only_for_its_accounts_and_strategies(client: RiskClient, field: str, text: str) -> None:
    no(started(clients={CLIENT: client}), buy("1"), Reason.RISK_NOT_AUTHORISED, text, field)


@pytest.mark.control("authorised")
def test_a_client_that_is_not_named_does_not_trade_and_all_may_be_named() -> None:
    no(
        started(clients={"other": RiskClient(("*",))}),
        buy("1"),
        Reason.RISK_NOT_AUTHORISED,
        "client desk may not trade",
    )
    yes(started(clients={"*": RiskClient(("A1",), (STRATEGY,))}), buy("1"))


@pytest.mark.control("authorised")
def test_who_may_no_longer_trade_may_cancel_and_not_replace() -> None:
    world = started()
    world.submit("1", strategy=STRATEGY)
    happen_configured(world, clients={})
    no(world, ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(50)), Reason.RISK_NOT_AUTHORISED, "may not trade")
    yes(world, CancelOrder(CLIENT, "3", "1"))


def happen_configured(world: World, **changes: Any) -> None:
    """The process starts with another configuration."""
    world.settings = msgspec.structs.replace(world.settings, risk=setup(**changes))
    world.tell(ProcessStarted("2"))
    for venue in world.settings.venues:
        world.tell(SessionUp(venue), Cause("venue", venue))


@pytest.mark.control("authorised")
def test_an_order_whose_instrument_left_the_configuration_is_not_replaced_and_still_executes() -> None:
    world = started()
    one, other = world.submit("1", strategy=STRATEGY), world.submit("2", strategy=STRATEGY)
    known = setup().instruments
    happen_configured(world, instruments={name: known[name] for name in known if name != SYMBOL})
    no(world, ReplaceOrder(CLIENT, "3", "1", order_qty=Decimal(50)), Reason.RISK_NOT_AUTHORISED, "no instrument ACME")
    no(world, buy("4"), Reason.RISK_NOT_AUTHORISED, "risk knows no instrument ACME", "symbol")
    world.fill(one, 40)
    yes(world, CancelOrder(CLIENT, "5", "1"))
    happen_configured(world)
    yes(world, buy("6"))
    node = exposure.sync(world.state).nodes["client:desk"]
    assert (node.net, node.long) == (400, 400 + 600 + 1_000 + 1_000)
    assert node.long == world.state.risk.book.nodes["firm"].long
    world.fill(other, 100)


@pytest.mark.control("restricted")
@each_scope
@pytest.mark.parametrize(
    "how", [{"restricted": ("X", SYMBOL)}, {"permitted": ("FUT", "BOND")}], ids=["no", "not named"]
)
def test_a_restricted_instrument_and_one_that_is_not_permitted(scope: str, how: dict[str, tuple[str, ...]]) -> None:
    world = started(**{name: {scope: said} for name, said in how.items()})
    no(world, buy("1"), Reason.RISK_RESTRICTED, f"ACME is restricted at {words(scope)}", "symbol")
    overridable(world, scope, "restricted", buy("2"), Reason.RISK_RESTRICTED)
    if scope != "firm":
        yes(world, elsewhere(buy("3")))
    if "instrument" not in scope:
        yes(world, buy("4", symbol="FUT"))


@pytest.mark.control("restricted")
def test_where_no_instrument_is_permitted_none_is_traded() -> None:
    world = started(permitted={"desk:cash": ()})
    no(world, buy("1"), Reason.RISK_RESTRICTED, "ACME is restricted at desk cash", "symbol")
    yes(world, elsewhere(buy("2")))


@pytest.mark.control("restricted")
def test_all_of_a_level_may_be_restricted_but_those_that_say_otherwise() -> None:
    world = started(restricted={"strategy:*": (SYMBOL,), "strategy:A1/beta": ()})
    no(world, buy("1"), Reason.RISK_RESTRICTED, "ACME is restricted at strategy A1/alpha")
    yes(world, buy("2", strategy="beta"))


# --- Short sales ---


@pytest.mark.control("short_sale")
def test_a_sale_beyond_the_position_has_to_be_flagged_with_a_locate() -> None:
    world = started(**of_acme(short_sale="flagged"))
    hold(world, 100)
    one = world.submit("1", 60, side=Side.SELL, strategy=STRATEGY)
    yes(world, sell("2", 40))
    no(world, sell("3", 1), Reason.RISK_SHORT_SALE, "the position is 100 with 100 in working sales", "side")
    no(world, ReplaceOrder(CLIENT, "4", "1", order_qty=Decimal(61)), Reason.RISK_SHORT_SALE, "has to be SELL_SHORT")
    short = sell("5", 1)
    for side in (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT):
        no(world, msgspec.structs.replace(short, side=side), Reason.RISK_SHORT_SALE, "needs locate_id", "locate_id")
        yes(world, msgspec.structs.replace(short, side=side, locate_id="L1"))
    overridable(world, "account:A1", "short_sale", sell("6", 1), Reason.RISK_SHORT_SALE)
    yes(world, ReplaceOrder(CLIENT, "7", one.cl_ord_id, price=Decimal("10.01")))  # Not one share more.


@pytest.mark.control("short_sale")
def test_where_short_sales_are_forbidden_no_flag_helps_and_where_they_are_free_none_is_needed() -> None:
    world = started(**of_acme(short_sale="forbidden"))
    hold(world, 100)
    no(world, short_of("0"), Reason.RISK_SHORT_SALE, "may not")
    yes(world, sell("1", 100))
    for side in (Side.SELL, Side.SELL_SHORT):
        no(
            world,
            sell("2", 1, locate_id="L1") if side is Side.SELL else short_of("3"),
            Reason.RISK_SHORT_SALE,
            "may not",
        )
    yes(started(), sell("1", 100))


@pytest.mark.control("short_sale")
@pytest.mark.parametrize("rule", ["flagged", "forbidden"])
def test_while_only_what_reduces_passes_the_whole_position_may_be_sold_without_a_locate(rule: str) -> None:
    world = started(**of_acme(short_sale=rule))
    hold(world, 100)
    world.ask(StopTrading("ann", "firm", "over", cancels=False, allow_reducing=True))
    yes(world, sell("1", 100))


def short_of(name: str) -> Any:
    return buy(name, 1, side=Side.SELL_SHORT, locate_id="L1")


# --- Stops ---


@pytest.mark.control("stopped")
@each_scope
def test_a_stop_lets_nothing_new_out_of_its_scope_and_cancels_pass(scope: str) -> None:
    world = started()
    world.submit("1", strategy=STRATEGY)
    world.ask(StopTrading("ann", scope, "runaway", cancels=False))
    text = f"trading is stopped at {words(scope)} (kill) by ann: runaway."
    no(world, buy("2"), Reason.RISK_STOPPED, text)
    no(world, ReplaceOrder(CLIENT, "3", "1", order_qty=Decimal(50)), Reason.RISK_STOPPED, text)
    yes(world, CancelOrder(CLIENT, "4", "1"))
    if scope != "firm":
        yes(world, elsewhere(buy("5")))


@pytest.mark.control("stopped")
def test_one_order_may_be_stopped_and_a_stop_may_let_what_only_reduces_pass() -> None:
    world = started()
    one = world.submit("1", strategy=STRATEGY)
    world.ask(StopTrading("ann", f"order:{one.order_id}", "looks odd", cancels=False))
    no(world, ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(50)), Reason.RISK_STOPPED, "stopped at order")
    yes(world, buy("3"))
    hold(world, 100)
    world.ask(StopTrading("ann", "desk:cash", "over", cancels=False, allow_reducing=True))
    no(world, buy("4"), Reason.RISK_STOPPED, "stopped at desk cash")
    no(world, sell("5", 101), Reason.RISK_STOPPED, "stopped at desk cash")
    world.submit("6", 100, side=Side.SELL, strategy=STRATEGY)
    reprice = ReplaceOrder(CLIENT, "7", "6", price=Decimal("10.01"))
    yes(world, reprice)
    world.ask(StopTrading("ann", "firm", "all of it", cancels=False))
    no(world, reprice, Reason.RISK_STOPPED, "stopped at the firm")


@pytest.mark.control("stopped")
@pytest.mark.parametrize(("held", "closing"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)])
def test_what_turns_a_position_around_reduces_none_whichever_side_it_is_on(held: Side, closing: Side) -> None:
    """All that works on the closing side counts together."""
    world = started()
    hold(world, 100, side=held)
    world.ask(StopTrading("ann", "firm", "over", cancels=False, allow_reducing=True))
    no(world, buy("1", 101, side=closing), Reason.RISK_STOPPED, "stopped at the firm")
    yes(world, buy("2", 60, side=closing))
    no(world, buy("3", 41, side=closing), Reason.RISK_STOPPED, "stopped at the firm")
    yes(world, buy("4", 40, side=closing))


@pytest.mark.control("stopped")
@pytest.mark.parametrize("scope", [scope for scope in SCOPES if not scope.startswith("strategy:")])
def test_a_stop_lets_nothing_pass_that_reduces_one_strategy_and_takes_its_scope_further(scope: str) -> None:
    world = started()
    hold(world, 100)
    hedge(world)
    world.ask(StopTrading("ann", "strategy:A1/alpha", "over", cancels=False, allow_reducing=True))
    yes(world, sell("1", 10))
    world.ask(StopTrading("ann", scope, "over", cancels=False, allow_reducing=True))
    no(world, sell("2", 71), Reason.RISK_STOPPED, f"stopped at {words(scope)}")
    yes(world, sell("3", 70))


# --- What is not known ---


@pytest.mark.control("limit_missing")
@pytest.mark.parametrize("control", SPECS)
def test_each_control_needs_a_limit(control: Control) -> None:
    ample = setup().limits["firm"]
    world = with_limits({"firm": {each: limit for each, limit in ample.items() if each is not control}})
    no(world, buy("1"), Reason.RISK_LIMIT_MISSING, f"no limit of {control.value} applies to this order")
    for scope in SCOPES:
        limits = {"firm": {each: limit for each, limit in ample.items() if each is not control}}
        limits[scope] = limits.get(scope, {}) | {control: ample[control]}
        world = with_limits(limits)
        if SPECS[control].tree_only and scope in SIDES:
            no(world, buy("2"), Reason.RISK_LIMIT_MISSING, control.value)
        else:
            yes(world, buy("3"))


def with_limits(limits: dict[str, dict[Control, Limit]]) -> World:
    """These, and no ample ones."""
    return World.started(Settings(KNOWN, (VENUE, OTHER_VENUE), risk=msgspec.structs.replace(setup(), limits=limits)))


@pytest.mark.control("limit_missing")
def test_a_limit_of_all_of_a_level_is_each_ones_and_its_own_comes_first() -> None:
    world = started({"account:*": {Control.MAX_ORDER_QTY: Limit(Decimal(5))}, "account:A1": {}})
    no(world, buy("1", 6), Reason.RISK_ORDER_QTY, "over limit 5 at account A1")
    world = started({"account:*": {Control.MAX_ORDER_QTY: Limit(Decimal(5))}, "account:A1": qty_limit(7)})
    yes(world, buy("2", 7))
    no(world, elsewhere(buy("3", 6)), Reason.RISK_ORDER_QTY, "over limit 5 at account A2")


def qty_limit(value: int) -> dict[Control, Limit]:
    return {Control.MAX_ORDER_QTY: Limit(Decimal(value))}


@pytest.mark.control("no_mark")
@pytest.mark.control("crossed_mark")
def test_what_reduces_one_strategy_and_takes_the_firm_further_needs_a_price_that_can_be_believed() -> None:
    for unknown in (True, False):
        world = started()
        hold(world, 100)
        hedge(world)
        if unknown:
            happen_configured(world, **of_acme(reference_px=None))
        else:
            mark(world, 10, bid=Decimal(11), ask=Decimal(10))
        no(world, sell("1", 81), Reason.RISK_NO_MARK if unknown else Reason.RISK_CROSSED_MARK, "ACME ")
        yes(world, sell("2", 80))


@pytest.mark.control("no_mark")
def test_what_has_no_price_or_no_rate_is_not_traded_but_reduced() -> None:
    world = started()
    hold(world, 100)
    happen_configured(world, **of_acme(reference_px=None))
    text = "ACME has neither a mark nor a reference price"
    no(world, buy("1"), Reason.RISK_NO_MARK, text, "symbol")
    no(world, buy("2", 0, cash_order_qty=Decimal(5), **MARKET), Reason.RISK_NO_MARK, text)
    no(world, sell("3", 0, cash_order_qty=Decimal(5), **MARKET), Reason.RISK_NO_MARK, text)
    yes(world, sell("4", 50))
    mark(world, 0)
    no(world, buy("5"), Reason.RISK_NO_MARK, text)
    yes(world, sell("6", 25))
    mark(world, 10)
    yes(world, buy("7"))
    happen_configured(world, **of_acme(currency="JPY"))
    no(world, buy("8"), Reason.RISK_NO_MARK, "no rate of JPY in EUR is known", "symbol")
    yes(world, sell("9", 25))


@pytest.mark.control("crossed_mark")
def test_a_crossed_market_blocks_what_does_not_reduce() -> None:
    world = started()
    hold(world, 100)
    mark(world, 10, bid=Decimal(10), ask=Decimal(10))
    yes(world, buy("1"))
    mark(world, 10, bid=Decimal("10.02"), ask=Decimal("10.01"))
    no(world, buy("2"), Reason.RISK_CROSSED_MARK, "ACME is crossed: bid 10.02, ask 10.01", "symbol")
    overridable(world, "instrument:ACME", "crossed_mark", buy("3"), Reason.RISK_CROSSED_MARK)
    yes(world, sell("4"))


# --- Auctions ---

DAY = TradingSession(
    "day", "UTC", time(7), time(17), auctions=((time(8), time(8, 0, 10)), (time(16, 55), time(17)))
)  # The test's day begins at 08:00.


@pytest.mark.control("auction")
def test_what_has_to_trade_at_once_waits_for_the_end_of_an_auction() -> None:
    known = KNOWN | {SYMBOL: instrument(trading_session=DAY)}
    world = World.started(Settings(known, (VENUE, OTHER_VENUE), risk=setup()))
    text = "ACME is in an auction (day): no IOC, FOK or market orders"
    now = [
        buy("1", time_in_force=TimeInForce.IOC),
        buy("2", time_in_force=TimeInForce.FOK),
        buy("3", **MARKET),
    ]
    for command in now:
        no(world, command, Reason.RISK_AUCTION, text, "time_in_force")
    for tif in (TimeInForce.OPG, TimeInForce.ATC):
        yes(world, buy("4", time_in_force=tif, **MARKET))
    world.submit("5", strategy=STRATEGY)
    at_once = ReplaceOrder(CLIENT, "6", "5", time_in_force=TimeInForce.IOC)
    no(world, at_once, Reason.RISK_AUCTION, text)
    yes(world, sell("7"))
    world.now_ns += 10 * SECOND_NS
    for command in (*now, at_once):
        yes(world, command)


@pytest.mark.parametrize(
    ("local", "inside"),
    [("21:59:59", False), ("22:00", True), ("22:05", False), ("03:59", False), ("04:00", True), ("04:10", False)],
)
def test_an_auction_of_a_session_past_midnight_is_of_the_next_morning(local: str, inside: bool) -> None:
    night = TradingSession(
        "night",
        "UTC",
        time(22),
        time(5),
        days=("mon",),
        auctions=((time(22), time(22, 5)), (time(4), time(4, 10))),
    )
    at = time.fromisoformat(local)
    monday = 1_767_571_200 + (86_400 if at < time(12) else 0)  # 2026-01-05
    at_ns = (monday + at.hour * 3_600 + at.minute * 60 + at.second) * SECOND_NS
    assert night.in_auction(at_ns) is inside
    assert not night.in_auction(at_ns + 3 * 86_400 * SECOND_NS)


def test_the_figures_of_a_message_are_exact_to_their_last_digit() -> None:
    """The longest figures that the gateway carries pass every check without being rounded, and without an error."""
    tiny = Decimal("0.0000000001")
    huge = Decimal(999_999_999_999_999) + Decimal("0.9999999999")
    long_lots = {SYMBOL: instrument(lot_size=tiny, tick_size=tiny, multiplier=huge)}
    known = setup().instruments
    risk = msgspec.structs.replace(
        known[SYMBOL],
        multiplier=huge,
        lot_size=tiny,
        tick_size=tiny,
        currency="X",
        margin_pct=huge,
        volatility_pct=huge,
    )
    top = Limit(AMPLE**5)
    limits = setup().limits["firm"] | {
        control: top
        for control in SPECS
        if control not in {Control.MESSAGE_RATE, Control.DUPLICATE_WINDOW_S, Control.MAX_ORDER_VALUE}
    }
    limits[Control.MAX_ORDER_VALUE] = Limit(huge**4 - tiny)
    made = setup(instruments={SYMBOL: risk}, rates={"X": huge}, limits={"firm": limits})
    world = World.started(Settings(long_lots, (VENUE, OTHER_VENUE), risk=made))
    mark(world, huge)
    no(world, buy("1", huge, price=huge), Reason.RISK_ORDER_VALUE, "over limit")
    world.submit("2", huge - tiny, price=huge)
    world.fill(next(iter(world.state.orders.values())), huge - tiny, huge)
    happen(world, msgspec.structs.replace(world.records[-1].event, exec_id="again"))
