"""Cancel on disconnect: clients that went away, and came back in time."""

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.reports import ProcessStarted, SessionDown, TimerFired
from gateway.core.risk.commands import ClientPresence
from gateway.core.risk.events import ClientAway, ClientBack, StopCompleted
from gateway.core.risk.setup import RiskClient
from gateway.core.types import ExecType
from tests.core.risk.floor import GRACE_NS, Floor, cancels, of
from tests.core.world import SECOND_NS, VENUE, order


@pytest.fixture
def floor() -> Floor:
    return Floor.opened()


def _leaves(floor: Floor, client_id: str = "fix") -> list[object]:
    return floor.tell(ClientPresence(client_id, connected=False))


def _comes(floor: Floor, client_id: str = "fix") -> list[object]:
    return floor.tell(ClientPresence(client_id, connected=True))


def test_orders_of_a_client_that_went_away_are_canceled_after_its_grace(floor: Floor) -> None:
    mine, other = floor.working("1", client_id="fix"), floor.working("1")
    assert _leaves(floor) == [ClientAway("fix")]
    assert cancels(floor.tick(4)) == []
    [cancel] = of(ev.CancelRequested, floor.tick(1))
    assert cancel.order_id == mine.order_id
    assert cancel.cl_ord_id.startswith("AWAY.")
    assert not other.unanswered


def test_a_grace_is_over_at_its_end(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    over_ns = floor.state.risk.away["fix"] + GRACE_NS
    for at_ns, canceled in ((over_ns - 1, []), (over_ns, [mine.order_id])):
        floor.now_ns = at_ns - 1_000_000  # The clock's turn comes a millisecond later.
        assert cancels(floor.tick(0)) == canceled


def test_a_client_that_is_back_in_time_keeps_its_orders(floor: Floor) -> None:
    floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(4)
    assert _comes(floor) == [ClientBack("fix")]
    assert cancels(floor.tick(60)) == []
    assert not floor.state.risk.watched


def test_the_grace_begins_anew_each_time(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(4)
    _comes(floor)
    _leaves(floor)
    assert cancels(floor.tick(4)) == []
    assert cancels(floor.tick(1)) == [mine.order_id]


def test_a_client_for_whom_nothing_is_configured_keeps_its_orders(floor: Floor) -> None:
    floor.working("1")
    assert _leaves(floor, "desk") == []
    assert cancels(floor.tick(60)) == []


def test_it_is_told_once_that_a_client_went_or_came(floor: Floor) -> None:
    assert _comes(floor) == []
    assert _leaves(floor) == [ClientAway("fix")]
    assert _leaves(floor) == []
    assert _comes(floor) == [ClientBack("fix")]
    assert _comes(floor) == []


def test_the_cancels_are_sent_again_while_the_client_stays_away(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(5)
    floor.refuses_cancel(mine)
    assert cancels(floor.tick(1)) == [mine.order_id]
    floor.refuses_cancel(mine)
    _comes(floor)
    assert cancels(floor.tick(60)) == []


def test_cancels_wait_for_a_session_that_is_down(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    floor.tell(SessionDown(VENUE))
    _leaves(floor)
    assert cancels(floor.tick(6)) == []
    assert cancels(floor.up(VENUE)) == [mine.order_id]


def _set(floor: Floor, seconds: float) -> list[ev.Event]:
    """Somebody sets the wall clock; its next turn is a second later, and knows by how much."""
    floor.now_ns += int((seconds + 1) * SECOND_NS)
    return floor.tell(TimerFired(jumped_ns=int(seconds * SECOND_NS)))


@pytest.mark.parametrize("back_s", [4.5, 10, 3600])
def test_a_clock_that_is_set_back_holds_the_cancels_up_for_one_grace_at_most(floor: Floor, back_s: float) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(4)
    assert cancels(_set(floor, -back_s)) == []
    assert cancels([event for _ in range(4) for event in floor.tick()]) == []
    assert cancels(floor.tick()) == [mine.order_id]


def test_so_does_one_that_nobody_noticed(floor: Floor) -> None:
    """What lies in the future began before the clock was set back."""
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    assert floor.tick(-3600) == [ClientAway("fix")]
    assert cancels(floor.tick(4)) == []
    assert cancels(floor.tick(1)) == [mine.order_id]
    assert floor.recovered() == floor.state


def test_a_clock_that_is_set_forward_cuts_no_grace_short(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    assert _set(floor, 3600) == [ClientAway("fix")]
    assert cancels(floor.tick(4)) == []
    assert cancels(floor.tick(1)) == [mine.order_id]
    assert floor.recovered() == floor.state


def test_a_clock_that_is_set_forward_makes_no_grace_begin_anew_that_is_over(floor: Floor) -> None:
    """Nor one by less than a turn: clocks are always set a little."""
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(4)
    assert cancels(_set(floor, 0.5)) == [mine.order_id]
    floor.refuses_cancel(mine)
    assert cancels(_set(floor, 3600)) == [mine.order_id]
    assert floor.events(ClientAway) == [ClientAway("fix")]


def test_a_stop_of_the_client_does_not_wait_for_its_grace(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    assert cancels(floor.stop("client:fix")) == [mine.order_id]
    floor.refuses_cancel(mine)
    assert cancels(_set(floor, 3600)) == [mine.order_id]


def test_a_session_that_is_back_within_the_grace_cancels_nothing(floor: Floor) -> None:
    floor.working("1", client_id="fix")
    floor.tell(SessionDown(VENUE))
    _leaves(floor)
    assert cancels(floor.up(VENUE)) == []


def test_an_absence_is_no_stop(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(6)
    floor.canceled(mine)
    floor.tick(1)
    assert not floor.events(StopCompleted)
    assert floor.ask(order("2", client_id="fix")).reason is None


def test_after_a_start_no_client_is_there(floor: Floor) -> None:
    mine = floor.working("1", client_id="fix")
    floor.working("1")
    after = floor.restarted()
    assert list(after.state.risk.away) == ["fix"]
    after.up(VENUE)
    after.report(after.state.orders[mine.order_id], ExecType.ORDER_STATUS, exec_id="")
    assert cancels(after.tick(6)) == [mine.order_id]
    assert after.recovered() == after.state


def test_a_start_makes_no_grace_longer_that_had_begun(floor: Floor) -> None:
    """Nor do many: the orders of one that is away would never be canceled."""
    mine = floor.working("1", client_id="fix")
    _leaves(floor)
    floor.tick(4)
    after = floor.restarted()
    after.up(VENUE)
    assert cancels(after.tick(1)) == [mine.order_id]


def test_a_client_without_orders_is_not_away_after_a_start(floor: Floor) -> None:
    floor.fill(floor.working("1", client_id="fix"), 100)
    after = floor.restarted()
    assert not after.state.risk.away


def test_the_new_configuration_says_who_is_away_after_a_start(floor: Floor) -> None:
    floor.working("1")
    clients = {"*": RiskClient(accounts=("*",), cancel_on_disconnect_ns=0)}
    risk = msgspec.structs.replace(floor.settings.risk, clients=clients)
    floor.settings = msgspec.structs.replace(floor.settings, risk=risk)
    floor.tell(ProcessStarted("2"))
    assert list(floor.state.risk.away) == ["desk"]
