"""Where a stop holds: scopes that no file names, files that change while it holds, and many stops at once."""

from typing import Any

import msgspec
import pytest

from gateway.core import engine
from gateway.core.events import Input
from gateway.core.order import Order
from gateway.core.reports import ProcessStarted, SessionDown
from gateway.core.risk import stops
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.events import StopCompleted, TradingStopped
from gateway.core.risk.setup import RiskClient
from gateway.core.types import ExecType, OrdStatus, Reason, Side
from tests.core.risk.floor import OPERATOR, Floor, cancels, of, other_of
from tests.core.world import OTHER_VENUE, SECOND_NS, VENUE, order


@pytest.fixture
def floor() -> Floor:
    return Floor.opened()


def _configure(floor: Floor, **changes: Any) -> None:
    """The process ends, and the next one reads another file."""
    floor.settings = msgspec.structs.replace(
        floor.settings, risk=msgspec.structs.replace(floor.settings.risk, **changes)
    )
    floor.tell(ProcessStarted("2"))
    for venue in (VENUE, OTHER_VENUE):
        floor.up(venue)


# --- What can be stopped ---


@pytest.mark.parametrize("scope", ["account:A9", "strategy:A9/alpha"])
def test_what_trades_can_be_stopped_though_the_configuration_does_not_name_it(floor: Floor, scope: str) -> None:
    answer = floor.operate(StopTrading("ann", scope, "because"))
    assert (answer.reason, answer.field) == (Reason.SCOPE_UNKNOWN, "scope")
    unnamed = floor.working("1", account="A9", strategy="alpha")
    assert cancels(floor.stop(scope)) == [unnamed.order_id]


@pytest.mark.parametrize(("scope", "none"), [("account:A9", "account:A8"), ("strategy:A9/alpha", "strategy:A9/beta")])
def test_what_holds_a_position_can_be_stopped_when_its_orders_have_left_memory(
    floor: Floor, scope: str, none: str
) -> None:
    floor.fill(floor.working("1", account="A9", strategy="alpha"), 100)
    floor.settings = msgspec.structs.replace(floor.settings, retire_after_ns=SECOND_NS)
    floor.tick(2)
    assert not floor.state.orders
    floor.stop(scope)
    assert floor.ask(order("2", account="A9", strategy="alpha")).reason is Reason.RISK_STOPPED
    assert floor.operate(StopTrading("ann", none, "because")).reason is Reason.SCOPE_UNKNOWN


@pytest.mark.parametrize("scope", ["firm:now", "strategy:A1", "firm:A1", "strategy:A1/*"])
def test_what_only_looks_like_a_scope_is_not_stopped(floor: Floor, scope: str) -> None:
    """No new order would be in it; those that it took back would never be proven gone, and the clock asked for them."""
    mine = floor.working("1", strategy="")
    answer = floor.operate(StopTrading("ann", scope, "because"))
    assert (answer.reason, answer.field) == (Reason.SCOPE_UNKNOWN, "scope")
    assert not mine.unanswered
    assert not floor.state.risk.stops


@pytest.mark.parametrize("scope", ["firm:now", "strategy:A1"])
def test_a_journal_in_which_such_a_stop_stands_goes_on(floor: Floor, scope: str) -> None:
    mine = floor.working("1", strategy="")
    stopped = TradingStopped(scope, "kill", "because", "ann")
    floor.records.append(engine.apply(floor.state, stopped, floor.now_ns, OPERATOR))
    floor.report(mine, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert of(StopCompleted, floor.tick())
    assert not cancels(floor.tick(60))
    assert floor.recovered() == floor.state


def test_a_client_that_has_not_traded_yet_can_be_stopped_where_all_may_trade(floor: Floor) -> None:
    floor.stop("client:newcomer")
    assert floor.ask(order("1", client_id="newcomer")).reason is Reason.RISK_STOPPED


@pytest.mark.parametrize("ends", ["canceled", "filled and sold"])
def test_what_is_known_is_the_same_after_a_recovery(floor: Floor, ends: str) -> None:
    unnamed = floor.working("1", account="A9", strategy="alpha")
    if ends == "canceled":
        floor.stop(f"order:{unnamed.order_id}")
        floor.canceled(unnamed)
    else:
        floor.fill(unnamed, 100)
        floor.fill(floor.working("2", account="A9", strategy="alpha", side=Side.SELL), 100)
    command = StopTrading("ann", "account:A9", "because")
    given = Input(floor.now_ns, OPERATOR, command)
    decided = [engine.step(state, floor.settings, given) for state in (floor.state, floor.recovered())]
    assert decided[0] == decided[1]
    assert floor.operate(command).reason is None


def test_a_stop_of_a_strategy_leaves_that_of_another_account_with_the_same_name(floor: Floor) -> None:
    mine, namesake = floor.working("1", strategy="alpha"), floor.working("2", account="A2", strategy="alpha")
    assert cancels(floor.stop("strategy:A1/alpha")) == [mine.order_id]
    assert not namesake.unanswered
    assert floor.ask(order("3", account="A2", strategy="alpha")).reason is None


# --- Again ---


def test_stopping_again_does_not_let_reducing_orders_pass(floor: Floor) -> None:
    floor.fill(floor.working("1"), 100)
    floor.stop()
    floor.stop(allow_reducing=True)
    assert floor.ask(order("out", 50, side=Side.SELL)).reason is Reason.RISK_STOPPED
    floor.resume()
    floor.stop(allow_reducing=True)
    assert floor.ask(order("out2", 50, side=Side.SELL)).reason is None
    floor.stop()
    assert floor.ask(order("out3", 50, side=Side.SELL)).reason is Reason.RISK_STOPPED


# --- Another file ---

RENAMED: dict[str, Any] = {
    "desks": {"EQ": "", "EQ1": "EQ", "NEW": "EQ"},
    "accounts": {"A1": "EQ1", "A2": "NEW"},
}


def _without(floor: Floor, scope: str) -> dict[str, Any]:
    """A file that does not know the scope any more."""
    if scope.startswith("desk:"):
        return RENAMED
    instruments = floor.settings.risk.instruments
    return {"instruments": {**instruments, "FUT": msgspec.structs.replace(instruments["FUT"], asset_class="swap")}}


def _as_other(cl_ord_id: str) -> Any:
    return order(cl_ord_id, account="A2", strategy="beta", symbol="FUT", venue=OTHER_VENUE)


@pytest.mark.parametrize("scope", ["desk:EQ2", "asset_class:future"])
def test_what_was_stopped_stays_stopped_when_its_scope_leaves_the_file(floor: Floor, scope: str) -> None:
    other = other_of(floor)
    assert cancels(floor.stop(scope)) == [other.order_id]
    _configure(floor, **_without(floor, scope))
    assert floor.ask(_as_other("1")).reason is Reason.RISK_STOPPED
    assert floor.ask(order("2")).reason is None
    floor.refuses_cancel(other)
    assert cancels(floor.tick(10)) == [other.order_id], "what works there is still canceled"
    floor.stop(scope)
    floor.canceled(other)
    assert of(StopCompleted, floor.tick()) == [StopCompleted(scope, "kill")]
    assert floor.recovered() == floor.state
    floor.resume(scope)
    assert floor.ask(_as_other("3")).reason is None
    assert not floor.state.risk.stopped
    assert floor.operate(StopTrading("ann", scope, "because")).reason is Reason.SCOPE_UNKNOWN


def test_what_a_stop_carries_on_stands_in_the_order_of_the_names(floor: Floor) -> None:
    """Rule 8: every process has to make the same of the same journal."""
    names = [f"A{number}" for number in range(9)]
    _configure(floor, accounts=dict.fromkeys(names, "EQ2"))
    floor.stop("desk:EQ2")
    _configure(floor, desks={"EQ": ""}, accounts=dict.fromkeys(names, "EQ"))
    assert floor.state.risk.stops["desk:EQ2|kill"].carried == tuple(f"account:{name}" for name in names)


def test_a_client_that_holds_something_can_be_stopped_when_it_left_the_file(floor: Floor) -> None:
    floor.fill(floor.working("1", client_id="former"), 100)
    _configure(floor, clients={"desk": RiskClient(("*",))})
    floor.settings = msgspec.structs.replace(floor.settings, retire_after_ns=SECOND_NS)
    floor.tick(2)
    assert not floor.state.orders
    floor.stop("client:former")
    assert floor.operate(StopTrading("ann", "client:nobody", "because")).reason is Reason.SCOPE_UNKNOWN


def test_it_stays_stopped_through_several_files_and_once_it_is_back(floor: Floor) -> None:
    before = {"desks": floor.settings.risk.desks, "accounts": floor.settings.risk.accounts}
    floor.stop("desk:EQ2", cancels=False)
    _configure(floor, **RENAMED)
    _configure(floor, desks={"ALL": ""}, accounts={"A1": "ALL", "A2": "ALL"})
    assert floor.ask(_as_other("1")).reason is Reason.RISK_STOPPED
    assert floor.ask(order("2", account="A1")).reason is None
    _configure(floor, **before)
    assert floor.state.risk.stops["desk:EQ2|kill"].carried == ()
    assert floor.ask(_as_other("3")).reason is Reason.RISK_STOPPED
    floor.resume("desk:EQ2")
    assert floor.ask(_as_other("4")).reason is None


# --- Many ---


class NotLooped(dict[str, Any]):
    """Nobody looks through all of it."""

    def values(self) -> Any:
        raise AssertionError("looked through all stops")

    __iter__ = items = values  # type: ignore[assignment]


def test_an_order_does_not_look_through_all_stops() -> None:
    floor = Floor.opened()
    orders: list[Order] = [floor.working(f"{number}") for number in range(3)]
    for each in orders:
        floor.stop(f"order:{each.order_id}")
    floor.stop("strategy:A1/alpha")
    floor.checking = False
    floor.state.risk.stops = NotLooped(floor.state.risk.stops)
    assert floor.ask(order("new", strategy="beta")).reason is None
    assert floor.ask(order("new2", strategy="alpha")).reason is Reason.RISK_STOPPED


def test_there_is_room_for_a_stop_of_the_firm_however_many_there_are(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [floor.working(f"{number}") for number in range(3)]
    monkeypatch.setattr(stops, "MOST_STOPS", 2)
    for each in orders[:2]:
        floor.stop(f"order:{each.order_id}")
    for scope in (f"order:{orders[2].order_id}", "strategy:A1/alpha", "client:newcomer"):
        answer = floor.operate(StopTrading("ann", scope, "because"))
        assert (answer.reason, answer.field) == (Reason.TOO_MANY_REQUESTS, "scope")
        assert scope in answer.text
    floor.stop(f"order:{orders[0].order_id}")
    floor.stop("account:A1")
    floor.stop("firm")
    assert len(floor.state.risk.stops) == 4


def test_a_second_stop_takes_back_what_the_first_let_pass(floor: Floor) -> None:
    """Also one that lets orders pass itself: those that come after it."""
    out = _out_after_a_stop(floor)
    stopped = TradingStopped("firm", "drawdown", "a breaker", allow_reducing=True)
    floor.records.append(engine.apply(floor.state, stopped, floor.now_ns, OPERATOR))
    assert cancels(floor.tick()) == [out.order_id]


def test_a_stop_that_was_complete_is_not_when_it_takes_back_more(floor: Floor) -> None:
    """Nobody may go by it while the session is down and no cancel can be sent."""
    out = _out_after_a_stop(floor)
    assert floor.state.risk.stops["firm|kill"].completed
    floor.tell(SessionDown(VENUE))
    assert cancels(floor.stop()) == []
    assert not floor.state.risk.stops["firm|kill"].completed
    assert cancels(floor.up(VENUE)) == [out.order_id]


def _out_after_a_stop(floor: Floor) -> Order:
    """An order that reduces a position, and that came after a stop of the firm that lets it pass."""
    mine = floor.working("mine", strategy="alpha")
    floor.fill(mine, 60)
    floor.stop(allow_reducing=True)
    floor.canceled(mine)
    floor.tick()
    return floor.working("out", 60, side=Side.SELL, strategy="alpha")
