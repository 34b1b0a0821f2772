"""An instrument that leaves the configuration: what is held, works and was lost in it counts on."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.core.commands import CancelOrder
from gateway.core.events import Cause
from gateway.core.order import Order
from gateway.core.reports import ProcessStarted, SessionUp, TimerFired
from gateway.core.risk import changes, exposure
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit
from gateway.core.types import ExecType, Reason, Side
from tests.core.keeping import Keeping
from tests.core.risk.trading import (
    BOND,
    OTHER_CLIENT,
    STRATEGY,
    buy,
    hold,
    mark,
    no,
    of_acme,
    sell,
    setup,
    started,
    yes,
)
from tests.core.world import CLIENT, SECOND_NS, SYMBOL, VENUE, World

FIRM = {"firm": {Control.MAX_GROSS_NOTIONAL: Limit(Decimal(2_000)), Control.MAX_LOSS: Limit(Decimal(150))}}


def configured(world: World, **changes: Any) -> None:
    """The process starts with another file."""
    world.settings = msgspec.structs.replace(world.settings, risk=setup(FIRM, **changes))
    world.tell(ProcessStarted("2"))
    for venue in world.settings.venues:
        world.tell(SessionUp(venue), Cause("venue", venue))


def without(*symbols: str) -> dict[str, Any]:
    return {"instruments": {name: each for name, each in setup().instruments.items() if name not in symbols}}


def gross(world: World) -> Decimal:
    return exposure.sync(world.state).nodes["firm"].gross


@pytest.mark.control("max_gross_notional")
def test_its_position_and_its_orders_count_and_it_takes_no_new_ones() -> None:
    world = started(FIRM)
    hold(world, 100)
    works = world.submit("1", 50, strategy=STRATEGY)
    assert gross(world) == 1_500

    configured(world, **without(SYMBOL))

    assert gross(world) == 1_500
    no(world, buy("2"), Reason.RISK_NOT_AUTHORISED, "risk knows no instrument ACME", "symbol")
    no(world, sell("3"), Reason.RISK_NOT_AUTHORISED, "risk knows no instrument ACME", "symbol")
    no(world, buy("4", 51, symbol=BOND), Reason.RISK_GROSS_NOTIONAL, "2,010 over limit 2,000")
    yes(world, CancelOrder(CLIENT, "5", "1"))
    world.report(works, ExecType.CANCELED, cl_ord_id=next(iter(works.unanswered)))
    yes(world, buy("6", 100, symbol=BOND))
    assert world.recovered() == world.state


@pytest.mark.control("max_loss")
def test_its_loss_of_the_day_counts_and_goes_on_with_its_marks() -> None:
    world = started(FIRM)
    hold(world, 100)
    mark(world, 9)

    configured(world, **without(SYMBOL))

    yes(world, buy("1", 1, symbol=BOND))
    mark(world, 8)
    no(world, buy("2", 1, symbol=BOND), Reason.RISK_LOSS, "loss of the day 200")


@pytest.mark.control("max_loss")
def test_its_loss_of_the_day_counts_when_nothing_else_is_left_of_it() -> None:
    world = started(FIRM)
    hold(world, 100)
    world.fill(world.submit("1", 100, strategy=STRATEGY, side=Side.SELL), 100, 8)
    configured(world, **without(SYMBOL))
    later(world, 3_600)
    assert not world.state.orders
    configured(world, **without(SYMBOL))
    no(world, buy("2", 1, symbol=BOND), Reason.RISK_LOSS, "loss of the day 200")

    later(world)
    configured(world, **without(SYMBOL))
    assert world.state.risk.setup == world.settings.risk
    yes(world, buy("3", 1, symbol=BOND))


@pytest.mark.parametrize(
    ("seller", "scopes"),
    [
        ({"client_id": OTHER_CLIENT}, ("client:desk", "client:other")),
        ({"account": "A2"}, ("account:A1", "account:A2")),
    ],
)
def test_it_counts_where_the_firm_as_a_whole_is_flat(seller: dict[str, Any], scopes: tuple[str, str]) -> None:
    world = started(FIRM)
    hold(world, 100)
    world.fill(world.submit("1", 100, **({"strategy": STRATEGY, "side": Side.SELL} | seller)), 100)
    later(world)
    configured(world, **without(SYMBOL))
    nodes = exposure.sync(world.state).nodes
    assert [nodes[scope].net for scope in scopes] == [1_000, -1_000]


def test_its_currency_keeps_its_rate_until_it_goes() -> None:
    world = started(FIRM, **of_acme(currency="USD"), rates={"USD": Decimal(2)})
    works = world.submit("1", 50, strategy=STRATEGY)

    configured(world, **without(SYMBOL))

    assert gross(world) == 1_000
    world.report(works, ExecType.CANCELED)
    later(world)
    configured(world, **without(SYMBOL))
    assert world.state.risk.rates == {}
    assert world.state.risk.setup == world.settings.risk


def test_it_goes_when_nothing_is_left_of_it_and_comes_back_as_the_file_says() -> None:
    world = started(FIRM)
    hold(world, 50)
    configured(world, **without(SYMBOL, "FUT"))
    assert world.state.risk.setup.instruments.keys() == {BOND, SYMBOL}

    configured(world)
    assert world.state.risk.setup == world.settings.risk
    world.fill(world.submit("1", 50, strategy=STRATEGY, side=Side.SELL), 50)
    later(world)

    configured(world, **without(SYMBOL))
    assert world.state.risk.setup == world.settings.risk
    assert world.recovered() == world.state


def gone(**changes: Any) -> tuple[World, Order]:
    """Nothing was left of an instrument when it was taken out of the file: not even an order in memory. The order that
    bought 100 of it, which were sold again.
    """
    before = started(FIRM, **changes).settings
    world = Keeping.started(msgspec.structs.replace(before, retire_after_ns=SECOND_NS))
    bought = world.submit("1", 100, strategy=STRATEGY)
    world.fill(bought, 100, exec_id="X1")
    world.fill(world.submit("2", 100, strategy=STRATEGY, side=Side.SELL), 100)
    later(world)
    assert not world.state.orders
    configured(world, **without(SYMBOL))
    assert SYMBOL not in world.state.risk.setup.instruments
    return world, bought


def test_a_late_bust_counts_also_when_the_instrument_has_gone() -> None:
    """Rule 4, a long time later. The position was there, and counted in no limit."""
    world, bought = gone()
    world.report(bought, ExecType.TRADE_CANCEL, exec_ref_id="X1")
    assert [position.net_qty for position in world.state.positions.values()] == [-100]
    nodes = exposure.sync(world.state).nodes
    assert [nodes[scope].net for scope in ("firm", f"client:{CLIENT}", f"venue:{VENUE}")] == [-1_000, -1_000, -1_000]
    no(world, buy("3", 101, symbol=BOND), Reason.RISK_GROSS_NOTIONAL, "2,010 over limit 2,000")
    no(world, buy("4"), Reason.RISK_NOT_AUTHORISED, "risk knows no instrument ACME", "symbol")
    assert world.recovered() == world.state

    configured(world, **without(SYMBOL))
    assert gross(world) == 1_000
    configured(world)
    assert (gross(world), world.state.risk.former) == (1_000, {})


def test_a_late_correction_is_profit_of_the_day_on_which_it_comes() -> None:
    world, bought = gone()
    world.report(bought, ExecType.TRADE_CORRECT, exec_ref_id="X1", last_qty=Decimal(100), last_px=Decimal(12))
    no(world, buy("3", 1, symbol=BOND), Reason.RISK_LOSS, "loss of the day 200")


def test_an_order_that_lives_again_counts_also_when_its_instrument_has_gone() -> None:
    world, bought = gone()
    world.report(bought, ExecType.RESTATED, order_qty=Decimal(150))
    assert gross(world) == 500


def test_a_stop_that_took_it_in_has_it_still_when_it_comes_back() -> None:
    world, bought = gone()
    world.ask(StopTrading("ann", "asset_class:equity", "over"))
    world.report(bought, ExecType.RESTATED, order_qty=Decimal(150))
    world.tell(TimerFired())
    assert [request.kind for request in world.state.orders[bought.order_id].requests.values()] == ["new", "cancel"]


def test_its_currency_has_the_rate_of_when_it_went() -> None:
    world, bought = gone(**of_acme(currency="USD"), rates={"USD": Decimal(2)})
    assert world.state.risk.rates == {}
    world.report(bought, ExecType.TRADE_CANCEL, exec_ref_id="X1")
    assert gross(world) == 2_000


def test_not_more_than_so_many_that_have_gone_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7."""
    monkeypatch.setattr(changes, "MOST_FORMER", 1)
    world, bought = gone()
    assert [*world.state.risk.former] == [SYMBOL]
    configured(world, **without(SYMBOL, "FUT"))
    assert [*world.state.risk.former] == ["FUT"]
    world.report(bought, ExecType.TRADE_CANCEL, exec_ref_id="X1")
    yes(world, buy("3", 1, symbol=BOND))
    configured(world)
    assert gross(world) == 1_010
    assert not exposure.differences(world.state)


def later(world: World, seconds: int = 86_400) -> None:
    """When orders that have ended have left memory, on another day."""
    world.settings = msgspec.structs.replace(world.settings, retire_after_ns=SECOND_NS)
    for _ in range(2):
        world.now_ns += seconds * SECOND_NS
        world.tell(TimerFired())
