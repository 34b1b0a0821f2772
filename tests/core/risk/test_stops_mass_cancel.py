"""Mass cancels: one message for everything that we have at a venue, where the venue knows it, and what follows when it
comes to nothing.
"""

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.reports import MassCancelReport, MessageRejected, SendRefused, SessionDown
from gateway.core.risk.events import MassCancelAnswered, MassCancelSent
from gateway.core.types import ExecType, OrdStatus, Side
from tests.core.risk.floor import Floor, cancels, mass_cancel_at, mine_of, of, other_of
from tests.core.world import OTHER_VENUE, SECOND_NS, SYMBOL, VENUE


@pytest.mark.parametrize("scope", ["firm", f"venue:{VENUE}"])
def test_a_venue_that_knows_mass_cancels_gets_one_first(scope: str) -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine, second, other = mine_of(floor), floor.working("2"), other_of(floor)
    sent = floor.state.sessions[VENUE].sender_floor
    stopped = floor.stop(scope)
    [mass] = of(MassCancelSent, stopped)
    assert (mass.venue, mass.scope) == (VENUE, scope)
    assert cancels(stopped) == ([other.order_id] if scope == "firm" else [])
    assert floor.state.sessions[VENUE].sender_floor == sent + 1
    keys = [event.venue_cl_ord_id for event in stopped if isinstance(event, (MassCancelSent, ev.CancelRequested))]
    assert len(set(keys)) == len(keys)
    floor.report(mine, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert cancels(floor.tick(3)) == []
    assert cancels(floor.tick(3)) == [second.order_id], "the venue left it working"
    assert len(floor.events(MassCancelSent)) == 1


def test_a_clock_that_is_set_back_does_not_make_a_mass_cancel_be_waited_for_so_long() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine = mine_of(floor)
    assert len(of(MassCancelSent, floor.stop())) == 1
    floor.now_ns -= 3_600 * SECOND_NS
    assert cancels(floor.tick()) == [mine.order_id]


def test_a_stop_that_is_repeated_sends_no_second_mass_cancel() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine_of(floor)
    assert len(of(MassCancelSent, floor.stop())) == 1
    again = floor.stop()
    assert (of(MassCancelSent, again), cancels(again)) == ([], [])


@pytest.mark.parametrize("scope", ["account:A1", "desk:EQ", "client:desk", f"instrument:{SYMBOL}"])
def test_a_mass_cancel_never_takes_what_is_not_meant(scope: str) -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine = mine_of(floor)
    assert cancels(floor.stop(scope)) == [mine.order_id]
    assert not floor.events(MassCancelSent)


@pytest.mark.parametrize(
    ("no", "text"),
    [
        (MassCancelReport(VENUE, "", accepted=False, reject_reason="99", text="not today"), "99 not today"),
        (MassCancelReport(VENUE, "", accepted=False, reject_reason="99"), "99"),
        (MessageRejected(VENUE, "q", "", 17, "3", "no such thing"), "no such thing"),
        (MessageRejected(VENUE, "q", "", 17, "11"), "rejected with reason 11"),
        (SendRefused(VENUE, "", "the FIX session did not take it"), "the FIX session did not take it"),
    ],
)
def test_a_mass_cancel_that_comes_to_nothing_leaves_it_to_single_cancels_at_once(no: object, text: str) -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE, OTHER_VENUE))
    mine, other = mine_of(floor), other_of(floor)
    at_venue, elsewhere = of(MassCancelSent, floor.stop())
    assert (at_venue.venue, elsewhere.venue) == (VENUE, OTHER_VENUE)
    name = "cl_ord_id" if isinstance(no, MassCancelReport) else "ref_cl_ord_id"
    name = "venue_cl_ord_id" if isinstance(no, SendRefused) else name
    heard = floor.hear(msgspec.structs.replace(no, **{name: at_venue.venue_cl_ord_id}))
    [answer] = of(MassCancelAnswered, heard)
    assert (answer.venue, answer.venue_cl_ord_id, answer.accepted) == (VENUE, at_venue.venue_cl_ord_id, False)
    assert answer.text == text
    assert len(of(ev.MessageRefused, heard)) == isinstance(no, MessageRejected)
    assert cancels(heard) == [mine.order_id]
    assert cancels(floor.tick(3)) == [], "the other venue has its time"
    assert cancels(floor.tick(3)) == [other.order_id]
    assert len(floor.events(MassCancelSent)) == 2


def test_a_mass_cancel_that_the_venue_takes_has_its_time() -> None:
    """Each order is canceled once: by the mass cancel, as long as that may still do it."""
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine = mine_of(floor)
    [mass] = of(MassCancelSent, floor.stop())
    assert not cancels(floor.hear(MassCancelReport(VENUE, mass.venue_cl_ord_id, accepted=True, total_affected=1)))
    assert not cancels(floor.tick(3))
    assert cancels(floor.tick(3)) == [mine.order_id]


def test_a_reject_of_a_mass_cancel_that_no_stop_waits_for_changes_nothing() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine_of(floor)
    [mass] = of(MassCancelSent, floor.stop())
    floor.resume()
    rejected = floor.hear(MessageRejected(VENUE, "q", mass.venue_cl_ord_id, 17, "3", "no such thing"))
    assert [type(event) for event in rejected] == [ev.MessageRefused]
    assert floor.tell(SendRefused(VENUE, mass.venue_cl_ord_id, "too late")) == []


def test_a_mass_cancel_goes_out_when_the_session_is_back() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine = mine_of(floor)
    floor.tell(SessionDown(VENUE))
    floor.stop()
    came_up = floor.up(VENUE)
    assert [type(event) for event in came_up] == [ev.SessionLoggedOn, MassCancelSent]
    floor.tell(SessionDown(VENUE))
    assert cancels(floor.up(VENUE)) == [mine.order_id], "whether the first one arrived is not known"


def test_a_stop_that_lets_reducing_orders_pass_may_send_one_while_none_has_come() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine_of(floor)
    stopped = floor.stop(allow_reducing=True)
    assert (len(of(MassCancelSent, stopped)), cancels(stopped)) == (1, [])


def test_a_mass_cancel_is_not_sent_where_orders_may_be_that_may_stay() -> None:
    floor = Floor.opened(venues=mass_cancel_at(VENUE))
    mine = mine_of(floor)
    floor.fill(mine, 100, exec_id="F1")
    floor.stop(allow_reducing=True)
    out = floor.working("out", side=Side.SELL, strategy="alpha")
    floor.report(mine, ExecType.TRADE_CANCEL, exec_ref_id="F1")
    assert cancels(floor.tick()) == [mine.order_id]
    assert not floor.events(MassCancelSent)
    assert not out.unanswered
