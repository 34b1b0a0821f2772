"""The kill switch: who may be stopped, what is canceled, until when, and what survives."""

from itertools import pairwise

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.reports import ProcessStarted, SendRefused, SessionDown
from gateway.core.risk import stops, watch
from gateway.core.risk.commands import ResumeTrading, StopTrading
from gateway.core.risk.events import StopCompleted, TradingStopped
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, OrdStatus, Reason, Side
from tests.core.risk.floor import Floor, cancels, mine_of, of, other_of
from tests.core.world import OTHER_VENUE, SECOND_NS, SYMBOL, VENUE, order

SCOPES = (
    "firm",
    "desk:EQ",
    "desk:EQ1",
    "account:A1",
    "strategy:A1/alpha",
    "client:desk",
    f"instrument:{SYMBOL}",
    "asset_class:equity",
    f"venue:{VENUE}",
)


@pytest.fixture
def floor() -> Floor:
    return Floor.opened()


# --- What can be stopped ---


@pytest.mark.parametrize("scope", SCOPES)
def test_a_stop_cancels_what_works_in_its_scope_and_takes_no_new_orders_there(floor: Floor, scope: str) -> None:
    mine, other = mine_of(floor), other_of(floor)
    everything = scope in ("firm", "desk:EQ", "client:desk")
    assert cancels(floor.stop(scope)) == [mine.order_id, other.order_id][: 2 if everything else 1]
    assert floor.ask(order("new", strategy="alpha")).reason is Reason.RISK_STOPPED
    assert (
        floor.ask(ReplaceOrder("desk", "r", "mine", order_qty=mine.terms.order_qty + 1)).reason is Reason.RISK_STOPPED
    )
    elsewhere = floor.ask(order("new2", account="A2", strategy="beta", symbol="FUT", venue=OTHER_VENUE))
    assert elsewhere.reason is (Reason.RISK_STOPPED if everything else None)


def test_one_order_can_be_stopped(floor: Floor) -> None:
    mine, other = mine_of(floor), other_of(floor)
    assert cancels(floor.stop(f"order:{mine.order_id}")) == [mine.order_id]
    more = ReplaceOrder("desk", "r", "mine", order_qty=mine.terms.order_qty + 1)
    assert floor.ask(more).reason is Reason.RISK_STOPPED
    assert floor.ask(order("new", strategy="alpha")).reason is None
    assert not other.unanswered


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "firm:",
        "firm:*",
        "account:*",
        "strategy:*",
        "account:A9",
        "desk:",
        "floor:1",
        "order:",
        "order:O99",
        "venue:Z",
    ],
)
def test_a_scope_that_is_none_is_refused_by_name(floor: Floor, scope: str) -> None:
    answer = floor.operate(StopTrading("ann", scope, "because"))
    assert (answer.reason, answer.field) == (Reason.SCOPE_UNKNOWN, "scope")
    assert repr(scope) in answer.text
    assert not floor.state.risk.stops


@pytest.mark.parametrize("command", [StopTrading("ann", "firm", " "), ResumeTrading("ann", "firm", "kill", "")])
def test_without_a_reason_nothing_is_stopped_or_resumed(floor: Floor, command: StopTrading | ResumeTrading) -> None:
    answer = floor.operate(command)
    assert (answer.reason, answer.field) == (Reason.FIELD_REQUIRED, "reason")


# --- Until when ---


def test_a_stop_is_latched_until_a_person_resumes_it(floor: Floor) -> None:
    floor.stop("account:A1")
    floor.tick(100_000)
    assert floor.ask(order("1")).reason is Reason.RISK_STOPPED
    floor.resume("account:A1")
    assert floor.ask(order("2")).reason is None


def test_what_is_not_stopped_cannot_be_resumed(floor: Floor) -> None:
    floor.stop("account:A1")
    answer = floor.operate(ResumeTrading("ann", "firm", "kill", "because"))
    assert (answer.reason, answer.field) == (Reason.NOT_STOPPED, "scope")
    assert "account:A1 (kill)" in answer.text
    assert floor.operate(ResumeTrading("ann", "account:A1", "loss", "because")).reason is Reason.NOT_STOPPED
    assert floor.ask(order("1")).reason is Reason.RISK_STOPPED
    floor.resume("account:A1")
    again = floor.operate(ResumeTrading("ann", "account:A1", "kill", "because"))
    assert again.text.endswith("; nothing is stopped")


def test_a_stop_and_its_cancels_survive_a_restart(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.tell(SessionDown(VENUE))
    assert cancels(floor.stop()) == []
    after = floor.restarted()
    assert list(after.state.risk.stops) == ["firm|kill"]
    assert cancels(after.up(VENUE)) == [mine.order_id]
    after.up(OTHER_VENUE)
    assert after.ask(order("1", venue=OTHER_VENUE)).reason is Reason.RISK_STOPPED
    assert after.recovered() == after.state


def test_stopping_again_adds_the_cancels_and_keeps_what_was_done(floor: Floor) -> None:
    mine = mine_of(floor)
    assert cancels(floor.stop(cancels=False)) == []
    assert floor.tick() == []
    assert cancels(floor.stop()) == [mine.order_id]
    began, number = floor.state.risk.stops["firm|kill"].at_ns, floor.state.risk.stops["firm|kill"].number
    assert cancels(floor.stop(cancels=False)) == []
    stop = floor.state.risk.stops["firm|kill"]
    assert (stop.at_ns, stop.number, stop.stopped.cancels) == (began, number, True)
    floor.refuses_cancel(mine)
    assert cancels(floor.tick()) == [mine.order_id], "the second stop did not make the first one weaker"


def test_a_stop_without_cancels_leaves_orders_alone(floor: Floor) -> None:
    mine_of(floor)
    floor.stop(cancels=False)
    assert not cancels(floor.tick(60))
    assert not floor.events(StopCompleted)


def test_cancels_end_when_the_stop_is_resumed(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    floor.refuses_cancel(mine)
    floor.resume()
    assert cancels(floor.tick(60)) == []
    assert not floor.state.risk.watched


def test_one_of_two_stops_goes_on_alone(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop("firm")
    floor.stop("account:A1")
    floor.resume("firm")
    floor.refuses_cancel(mine)
    assert cancels(floor.tick()) == [mine.order_id]


# --- The cancels ---


def test_a_cancel_is_one_that_the_client_could_have_sent(floor: Floor) -> None:
    mine = mine_of(floor)
    replace = ReplaceOrder("desk", "r", "mine", order_qty=mine.terms.order_qty + 1)
    floor.ask(replace)
    replaced = mine.last_venue_cl_ord_id()
    [cancel] = of(ev.CancelRequested, floor.stop())
    assert cancel.orig_venue_cl_ord_id == replaced
    assert cancel.command.orig_cl_ord_id == mine.cl_ord_id
    assert (cancel.command.client_id, cancel.command.cl_ord_id) == ("desk", cancel.cl_ord_id)
    assert cancel.cl_ord_id.startswith("STOP1.")
    assert cancel.cl_ord_id in floor.state.keys["desk"]


def test_a_name_that_the_client_used_is_passed_over(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.working(f"STOP1.{floor.state.last_request_no + 2}", account="A2")
    [cancel] = of(ev.CancelRequested, floor.stop("account:A1"))
    assert cancel.order_id == mine.order_id
    assert cancel.cl_ord_id == f"STOP1.{floor.state.last_request_no}.1"


def test_a_cancel_that_was_refused_is_sent_again_once_a_second(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    floor.refuses_cancel(mine)
    assert cancels(floor.tick(0.1)) == []
    assert cancels(floor.tick(1)) == [mine.order_id]
    assert cancels(floor.tick(1)) == [], "the venue has not answered this one"
    floor.refuses_cancel(mine)
    assert cancels(floor.tick(1)) == [mine.order_id]


def test_a_venue_that_always_refuses_is_asked_less_and_less_often_but_never_left_alone(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    asked_at = []
    for second in range(1, 4000):
        floor.refuses_cancel(mine) if mine.unanswered else None
        floor.checking = False
        if cancels(floor.tick()):
            asked_at.append(second)
    gaps = [later - earlier for earlier, later in pairwise(asked_at)]
    assert gaps[0] == 1
    assert gaps == sorted(gaps)
    assert gaps[-1] == stops.MOST_PATIENT


def test_a_cancel_that_was_never_sent_is_sent_again(floor: Floor) -> None:
    mine = mine_of(floor)
    [cancel] = of(ev.CancelRequested, floor.stop())
    floor.tell(SendRefused(VENUE, cancel.venue_cl_ord_id, "not logged on"))
    assert cancels(floor.tick()) == [mine.order_id]


def test_a_cancel_in_doubt_is_asked_about_and_sent_again_when_that_settles_it(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    floor.tell(SessionDown(VENUE))
    came_up = floor.up(VENUE)
    assert cancels(came_up) == []
    assert [event.order_id for event in of(ev.StatusRequested, came_up)] == [mine.order_id]
    assert cancels(floor.tick()) == []
    floor.report(mine, ExecType.ORDER_STATUS, exec_id="", ord_status=OrdStatus.NEW)
    assert cancels(floor.tick()) == [mine.order_id]


def test_a_cancel_that_no_answer_settles_is_sent_again_all_the_same(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    asked = floor.tick(6)
    assert of(ev.StatusRequested, asked)
    floor.report(mine, ExecType.ORDER_STATUS, exec_id="", ord_status=OrdStatus.NEW)
    assert mine.in_doubt
    assert cancels(floor.tick(1)) == []
    assert cancels(floor.tick(10)) == [mine.order_id]


def test_nothing_goes_to_a_venue_that_is_down_and_everything_before_all_else_when_it_is_back(floor: Floor) -> None:
    mine = mine_of(floor)
    doubtful = floor.submit("2", strategy="alpha")
    other = other_of(floor)
    floor.tell(SessionDown(VENUE))
    assert cancels(floor.stop()) == [other.order_id]
    assert cancels(floor.tick(5)) == []
    came_up = floor.up(VENUE)
    assert cancels(came_up) == [mine.order_id, doubtful.order_id]
    kinds = [type(event) for event in came_up]
    assert kinds == [ev.SessionLoggedOn, ev.CancelRequested, ev.CancelRequested, ev.StatusRequested]
    assert doubtful.in_doubt


def test_cancels_go_out_before_the_comparison_of_orders(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.settings = msgspec.structs.replace(floor.settings, reconcile={VENUE: Reconcile()})
    floor.tell(SessionDown(VENUE))
    floor.stop()
    came_up = floor.up(VENUE)
    assert [type(event) for event in came_up] == [ev.SessionLoggedOn, ev.CancelRequested, ev.ReconciliationStarted]
    assert cancels(came_up) == [mine.order_id]


def test_an_order_that_comes_back_to_life_is_canceled_too(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.fill(mine, 100, exec_id="F1")
    floor.stop()
    assert of(StopCompleted, [record.event for record in floor.records])
    floor.report(mine, ExecType.TRADE_CANCEL, exec_ref_id="F1")
    assert mine.working
    assert not floor.state.risk.stops["firm|kill"].completed
    assert cancels(floor.tick()) == [mine.order_id]
    assert not of(StopCompleted, floor.tick())
    floor.canceled(mine)
    assert of(StopCompleted, floor.tick())


def test_a_filled_order_that_a_replace_revives_is_canceled_too(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.ask(ReplaceOrder("desk", "r", "mine", order_qty=mine.terms.order_qty + 50))
    asked = mine.last_venue_cl_ord_id()
    floor.fill(mine, 100)
    assert not mine.working
    assert cancels(floor.stop()) == []
    assert not floor.events(StopCompleted), "the replace may still revive it"
    floor.report(mine, ExecType.REPLACED, cl_ord_id=asked)
    assert cancels(floor.tick()) == [mine.order_id]


def test_an_order_that_the_venue_found_after_all_is_canceled(floor: Floor) -> None:
    lost = floor.submit("1")
    floor.tell(SendRefused(VENUE, lost.venue_cl_ord_id, "not logged on"))
    assert not lost.working
    floor.stop()
    floor.acknowledge(lost)
    assert lost.working
    assert cancels(floor.tick()) == [lost.order_id]


def test_a_stop_is_completed_when_nothing_works_and_nothing_is_in_doubt(floor: Floor) -> None:
    mine, other = mine_of(floor), other_of(floor)
    floor.stop()
    floor.canceled(mine)
    assert not of(StopCompleted, floor.tick())
    floor.canceled(other)
    assert of(StopCompleted, floor.tick()) == [StopCompleted("firm", "kill")]
    assert not of(StopCompleted, floor.tick()), "it is told once"


def test_a_stop_of_what_does_nothing_is_completed_at_once(floor: Floor) -> None:
    assert of(StopCompleted, floor.stop("account:A1")) == [StopCompleted("account:A1", "kill")]


def test_an_order_that_only_reduces_may_stay_when_it_came_after_a_stop_that_lets_it_pass(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.fill(mine, 60)
    assert cancels(floor.stop(allow_reducing=True)) == [mine.order_id]
    floor.canceled(mine)
    assert of(StopCompleted, floor.tick())
    out = floor.working("out", 60, side=Side.SELL, strategy="alpha")
    assert floor.ask(order("in", 10, strategy="alpha")).reason is Reason.RISK_STOPPED
    assert cancels(floor.tick(60)) == []
    assert len(floor.events(StopCompleted)) == 1, "what it lets pass is not what it waited for"
    assert cancels(floor.stop()) == [out.order_id], "and not when somebody stops everything"


def test_cancels_of_the_client_that_are_on_their_way_are_all_waited_for(floor: Floor) -> None:
    """Given up are cancels that may be lost, and no others: each of these will have its answer."""
    floor.working("1")
    for number in range(watch.DOUBTFUL_KEPT + 2):
        assert floor.ask(CancelOrder("desk", f"c{number}", "1")).reason is None
        mine = floor.state.find_order("desk", "1")
        floor.stop()
    assert mine is not None
    assert len(mine.unanswered) == watch.DOUBTFUL_KEPT + 2


def test_what_came_before_a_stop_is_no_matter_of_the_clock(floor: Floor) -> None:
    """It may be set back between an order and the stop, or between the stop and an order that it lets pass."""
    mine, later = mine_of(floor), floor.now_ns
    floor.fill(mine, 60)
    floor.now_ns -= 3_600 * SECOND_NS
    assert cancels(floor.stop(allow_reducing=True)) == [mine.order_id]
    assert not floor.state.risk.stops["firm|kill"].completed
    floor.canceled(mine)
    floor.now_ns = later
    floor.stop(allow_reducing=True)
    floor.now_ns -= 3_599 * SECOND_NS
    floor.working("out", 60, side=Side.SELL, strategy="alpha")
    assert cancels(floor.tick(60)) == []


def test_cancels_are_bounded_at_one_turn_and_the_clock_comes_soon_for_the_rest(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stops, "CANCELS_AT_ONCE", 3)
    orders = [floor.working(f"{number}").order_id for number in range(8)]
    assert not stops.due(floor.state, floor.settings, floor.now_ns)
    asked = cancels(floor.stop())
    assert len(asked) == 3
    while stops.due(floor.state, floor.settings, floor.now_ns):
        more = cancels(floor.tick(0.05))
        assert 1 <= len(more) <= 3
        asked += more
    assert asked == orders
    names = [event.venue_cl_ord_id for event in floor.events(ev.CancelRequested)]
    assert len(set(names)) == 8


def test_two_stops_give_an_order_one_cancel(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.tell(SessionDown(VENUE))
    floor.stop("firm")
    floor.stop("account:A1")
    assert cancels(floor.up(VENUE)) == [mine.order_id]


def test_who_belongs_where_may_be_configured_anew_while_it_is_stopped(floor: Floor) -> None:
    mine, other = mine_of(floor), other_of(floor)
    floor.stop("desk:EQ2")
    floor.canceled(other)
    floor.settings = msgspec.structs.replace(
        floor.settings, risk=msgspec.structs.replace(floor.settings.risk, accounts={"A1": "EQ2", "A2": "EQ1"})
    )
    floor.tell(ProcessStarted("2"))
    assert cancels(floor.up(VENUE)) == [mine.order_id]


# --- Many ---


def test_a_thousand_orders_on_two_venues_of_which_one_is_down() -> None:
    floor = Floor.opened()
    floor.checking = False
    orders = [
        floor.working(f"{number}", venue=(VENUE, OTHER_VENUE)[number % 2], account=f"A{number % 3 // 2 + 1}")
        for number in range(1000)
    ]
    floor.tell(SessionDown(OTHER_VENUE))
    here = [each for each in orders if each.venue == VENUE]
    there = [each for each in orders if each.venue == OTHER_VENUE]
    assert cancels(floor.stop()) == [each.order_id for each in here]
    assert floor.ask(order("new")).reason is Reason.RISK_STOPPED
    for place, each in enumerate(here):
        floor.refuses_cancel(each) if place % 10 == 0 else floor.canceled(each)
    assert sorted(cancels(floor.tick())) == sorted(each.order_id for each in here[::10])
    for each in here[::10]:
        floor.canceled(each)
    assert not of(StopCompleted, floor.tick())
    assert not any(each.working for each in here)
    floor = floor.restarted()
    there = [floor.state.orders[each.order_id] for each in there]
    assert cancels(floor.up(OTHER_VENUE)) == [each.order_id for each in there]
    for each in there:
        floor.canceled(each)
    assert of(StopCompleted, floor.tick()) == [StopCompleted("firm", "kill")]
    assert not any(floor.state.working.values())
    assert len(floor.events(TradingStopped)) == 1
    assert floor.recovered() == floor.state


def test_nothing_is_looked_through_while_nothing_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Floor.opened()
    floor.checking = False
    for number in range(200):
        floor.working(f"{number}")
    floor.stop("account:A2")
    looked: list[str] = []
    monkeypatch.setattr(watch, "last_cancel", lambda each: looked.append(each.order_id))
    monkeypatch.setattr(watch, "covers", lambda *_: looked.append("all of them"))
    for _ in range(10):
        floor.tick()
    assert looked == []


def test_what_a_stop_covers_is_the_same_from_both_sides(floor: Floor) -> None:
    orders, setup = [mine_of(floor), other_of(floor)], floor.state.risk.setup
    for scope in (*SCOPES, "account:A2", "strategy:A2/beta", *[f"order:{each.order_id}" for each in orders]):
        assert [watch.covers(setup, scope)(each) for each in orders] == [
            scope in watch.scopes_of(setup, each) for each in orders
        ], scope


def test_replays_give_the_same_state(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop("account:A1")
    floor.refuses_cancel(mine)
    floor.tick()
    floor.tell(SessionDown(VENUE))
    assert floor.recovered() == floor.state
    assert floor.now_ns > SECOND_NS
