"""The cancels of a stop when venues lose them, forget them, or never say what became of them."""

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import VOID
from gateway.core.reports import ProcessStarted, SessionDown
from gateway.core.risk import figures, stops, watch
from gateway.core.risk.events import StopCompleted
from gateway.core.types import ExecType, OrdStatus, Reason
from tests.core.risk.floor import Floor, cancels, mine_of, of
from tests.core.world import OTHER_VENUE, VENUE


@pytest.fixture
def floor() -> Floor:
    return Floor.opened()


def _says_new(floor: Floor, mine: str) -> None:
    floor.report(floor.state.orders[mine], ExecType.ORDER_STATUS, exec_id="", ord_status=OrdStatus.NEW)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_cancel_that_was_pending_and_then_lost_is_sent_again(floor: Floor, restarts: bool) -> None:
    mine = mine_of(floor)
    floor.stop()
    floor.pends_cancel(mine)
    floor.tell(SessionDown(VENUE))
    floor = floor.restarted() if restarts else floor
    came_up = floor.up(VENUE)
    _says_new(floor, mine.order_id)
    asked = came_up + floor.tick(5)
    assert cancels(asked) == [], "the venue has called it pending not long ago"
    assert cancels(floor.tick(6)) == [mine.order_id]
    mine = floor.state.orders[mine.order_id]
    floor.canceled(mine)
    assert of(StopCompleted, floor.tick()) == [StopCompleted("firm", "kill")]
    assert floor.recovered() == floor.state


def test_a_cancel_that_stays_pending_is_sent_again_after_a_while(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.stop()
    floor.pends_cancel(mine)
    assert cancels(floor.tick(29)) == []
    assert cancels(floor.tick(1)) == [mine.order_id]
    assert cancels(floor.tick(9)) == [], "the venue has not answered this one"


def test_a_clients_own_cancel_that_stays_pending_holds_nothing_up(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.ask(CancelOrder("desk", "c", "mine"))
    floor.pends_cancel(mine)
    floor.stop()
    asked = [order_id for _ in range(40) for order_id in cancels(floor.tick())]
    assert asked[:1] == [mine.order_id]


def test_no_number_of_cancels_without_an_answer_is_the_last_one() -> None:
    floor = Floor(msgspec.structs.replace(Floor.opened().settings, max_unanswered_per_order=2))
    floor.tell(ProcessStarted("1"))
    for venue in (VENUE, OTHER_VENUE):
        floor.up(venue)
    mine = mine_of(floor)
    floor.stop()
    for _ in range(3 * watch.DOUBTFUL_KEPT):
        asked = cancels(floor.tick(stops.MOST_PATIENT)) + cancels(floor.tick(stops.MOST_PATIENT))
        assert mine.order_id in asked
        assert len(mine.unanswered) <= watch.DOUBTFUL_KEPT + 1
    assert floor.ask(CancelOrder("desk", "c", "mine")).reason is Reason.TOO_MANY_REQUESTS
    assert floor.recovered() == floor.state
    first = next(request for request in mine.requests.values() if request.kind == "cancel")
    assert first.state == VOID
    floor.report(mine, ExecType.CANCELED, cl_ord_id=first.venue_cl_ord_id, ord_status=OrdStatus.CANCELED)
    assert of(StopCompleted, floor.tick()) == [StopCompleted("firm", "kill")], "a late answer counts all the same"
    assert not floor.state.doubtful
    assert not floor.state.waiting


def test_no_cancel_of_a_client_is_given_up_where_nothing_is_stopped(floor: Floor) -> None:
    mine, many = mine_of(floor), watch.DOUBTFUL_KEPT + 5
    floor.stop("account:A2")
    for number in range(many):
        floor.ask(CancelOrder("desk", f"c{number}", "mine"))
    floor.tell(SessionDown(VENUE))
    floor.up(VENUE)
    floor.ask(CancelOrder("desk", "c", "mine"))
    assert len(mine.unanswered) == many + 1


def test_a_filled_order_whose_replace_is_pending_is_not_gone(floor: Floor) -> None:
    mine = mine_of(floor)
    floor.ask(ReplaceOrder("desk", "r", "mine", order_qty=mine.terms.order_qty + 50))
    asked = mine.last_venue_cl_ord_id()
    floor.report(mine, ExecType.PENDING_REPLACE, cl_ord_id=asked, ord_status=OrdStatus.PENDING_REPLACE)
    floor.fill(mine, 100)
    assert not mine.working
    assert not of(StopCompleted, floor.stop()), "the replace may still revive it"
    assert [event for event in floor.tick() if isinstance(event, ev.CancelRequested)] == []
    floor.report(mine, ExecType.REPLACED, cl_ord_id=asked)
    assert cancels(floor.tick()) == [mine.order_id]


@pytest.mark.parametrize("pends", [True, False])
def test_a_filled_order_whose_cancel_is_never_answered_is_gone_until_it_lives_again(floor: Floor, pends: bool) -> None:
    mine = mine_of(floor)
    floor.stop()
    if pends:
        floor.pends_cancel(mine)
    floor.fill(mine, 100, exec_id="F")
    assert mine.unanswered
    assert of(StopCompleted, floor.tick()), "nothing of it can be executed"
    [stop] = floor.state.risk.stops.values()
    assert (stop.completed, figures.unsettled(floor.state, "firm")) == (True, 0)
    watched = floor.state.risk.watched["firm"]
    assert (watched.waiting, [*watched.over]) == ({}, [mine.order_id]), "no turn of the clock looks at it again"
    floor.report(mine, ExecType.TRADE_CANCEL, exec_ref_id="F")
    assert mine.working
    assert (stop.completed, figures.unsettled(floor.state, "firm")) == (False, 1)
    assert not of(StopCompleted, floor.tick())
    floor.canceled(mine)
    assert of(StopCompleted, floor.tick())
    assert floor.recovered() == floor.state
