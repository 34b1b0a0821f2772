"""Comparisons that are begun again, and questions that somebody else asks meanwhile."""

import pytest

from gateway.core import events as ev
from gateway.core.commands import RequestOrderStatus
from gateway.core.reports import SessionUp, TimerFired
from tests.core.test_reconciliation import MASS, asked, ended, later, reconnect, reply, working, world_of
from tests.core.world import CLIENT, SECOND_NS, VENUE

TURN_NS = 1_000_000
"""By how much a world's clock goes on before each input."""


def test_a_logon_that_follows_on_another_begins_the_comparison_anew() -> None:
    """What was asked on the connection before may be lost: it is asked again, and the old answers open nothing."""
    world = world_of()
    orders = working(world, "1", "2")
    before = asked(reconnect(world))
    events = world.tell(SessionUp(VENUE))
    assert (ended(events), asked(events)) == ([False], before)
    assert world.events(ev.ReconciliationEnded)[-1].text == "the session was logged on again"
    assert world.state.runs[VENUE].run == world.events(ev.ReconciliationEnded)[-1].run + 1
    assert sorted(before) == [each.order_id for each in orders]


def test_a_venue_that_answers_neither_way_is_asked_in_the_one_and_in_the_other() -> None:
    world = world_of(MASS)
    working(world, "1")
    reconnect(world)
    for _ in range(8):  # A turn of the clock ends a comparison, and the next one begins another.
        later(world, 30)
    begun = [event.how for event in world.events(ev.ReconciliationStarted)][1:]
    assert begun == ["mass", "each", "mass", "each", "mass"]


def test_a_question_that_the_owner_repeats_takes_no_place_of_another() -> None:
    """The window is of two orders, and stays so."""
    world = world_of()
    first, second, third = working(world, "1", "2", "3")
    assert asked(reconnect(world)) == [first.order_id, second.order_id]
    assert world.ask(RequestOrderStatus(CLIENT, "1")).reason is None
    assert asked(reply(world, first)) == [third.order_id]
    assert not ended(reply(world, second))
    assert ended(reply(world, third)) == [True]


@pytest.mark.parametrize(("answered", "wait_s"), [(True, 300), (False, 30)])
def test_a_venue_is_asked_again_when_the_time_is_up_and_not_before(answered: bool, wait_s: int) -> None:
    world = world_of()
    (one,) = working(world, "1")
    reconnect(world)
    if answered:
        reply(world, one)
    else:
        later(world, 30)
    due_ns = world.state.last_runs[VENUE].ended_ns + wait_s * SECOND_NS
    for at_ns, again in ((due_ns - 1, []), (due_ns, [one.order_id])):
        world.now_ns = at_ns - TURN_NS
        assert asked(world.tell(TimerFired())) == again


def test_a_venue_has_not_answered_when_its_time_is_up_and_not_before() -> None:
    world = world_of()
    working(world, "1")
    reconnect(world)
    due_ns = world.state.runs[VENUE].heard_ns + 30 * SECOND_NS
    for at_ns, over in ((due_ns - 1, []), (due_ns, [False])):
        world.now_ns = at_ns - TURN_NS
        assert ended(world.tell(TimerFired())) == over
