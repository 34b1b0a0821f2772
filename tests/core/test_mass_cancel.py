"""A mass cancel: what it takes, and that one of many orders goes out in parts."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core import mass_cancel
from gateway.core.commands import CancelOrder, MassCancel, ReplaceOrder
from gateway.core.events import Event
from gateway.core.reports import OrderCancelReject, SessionDown, SessionUp, TimerFired
from gateway.core.types import ExecType, OrdStatus, Reason, Side
from tests.core.risk.floor import Floor
from tests.core.world import CLIENT, OTHER_VENUE, SETTINGS, SYMBOL, VENUE, World, order, restarted

ALL = MassCancel(CLIENT, "m")


@pytest.mark.parametrize(
    ("filters", "canceled"),
    [
        ({}, {"1", "2", "3", "4"}),
        ({"account": "A2"}, {"2"}),
        ({"strategy": "trend"}, {"3"}),
        ({"symbol": "FUT"}, {"3"}),
        ({"venue": OTHER_VENUE}, {"4"}),
        ({"side": Side.SELL}, {"4"}),
        ({"symbol": SYMBOL, "side": Side.BUY}, {"1", "2"}),
        ({"account": "A2", "strategy": "trend"}, set()),
    ],
)
def test_a_mass_cancel_takes_what_fits_all_its_filters(filters: dict[str, object], canceled: set[str]) -> None:
    world = World.started()
    world.submit("1")
    world.submit("2", account="A2")
    world.submit("3", symbol="FUT", strategy="trend")
    world.submit("4", venue=OTHER_VENUE, side=Side.SELL)
    world.fill(world.submit("5"), 100)
    world.submit("6", client_id="other")
    answer = world.ask(MassCancel(CLIENT, "m", **filters))
    named = {world.state.orders[event.order_id].cl_ord_id for event in world.events(ev.CancelRequested)}
    assert (named, answer.requested) == (canceled, len(canceled))


def test_a_mass_cancel_says_what_it_could_not_reach_and_uses_no_name_twice() -> None:
    world = World.started()
    reached, skipped = world.submit("1"), world.submit("2", venue=OTHER_VENUE)
    world.submit("m.1", symbol="FUT")
    world.tell(SessionDown(OTHER_VENUE))
    assert world.ask(MassCancel(CLIENT, "m", symbol=SYMBOL)).requested == 1
    assert [(event.order_id, event.cl_ord_id) for event in world.events(ev.CancelRequested)] == [
        (reached.order_id, "m.2")
    ]
    assert world.events(ev.MassCancelDone)[0].skipped == (skipped.order_id,)
    assert world.ask(order("m.2")).reason is Reason.DUPLICATE_CL_ORD_ID


def test_mass_cancels_are_bounded_like_cancels() -> None:
    """Rule 7: asking again and again under new keys cannot grow an order's chain without end."""
    world = World.started(msgspec.structs.replace(SETTINGS, max_unanswered_per_order=3))
    first = world.submit("1")
    for number in range(20):
        world.ask(MassCancel(CLIENT, f"m{number}"))
    assert len(first.unanswered) == 6
    assert world.events(ev.MassCancelDone)[-1].skipped == (first.order_id,)


# --- Many ---


@pytest.fixture
def by_two(monkeypatch: pytest.MonkeyPatch) -> World:
    """A gateway that asks for two cancels at once, with five orders."""
    monkeypatch.setattr(mass_cancel, "CANCELS_AT_ONCE", 2)
    world = World.started()
    for number in range(5):
        world.acknowledge(world.submit(f"{number}"))
    return world


def tick(world: World) -> list[str]:
    """The orders that the clock's next turn asks to cancel."""
    return canceled(world.tell(TimerFired()))


def canceled(events: list[Event]) -> list[str]:
    return [event.order_id for event in events if isinstance(event, ev.CancelRequested)]


def ids(world: World) -> list[str]:
    return [*world.state.orders]


def test_many_cancels_go_out_in_parts_and_venues_are_heard_in_between(by_two: World) -> None:
    answer = by_two.ask(ALL)
    assert (answer.requested, canceled(by_two.events(ev.CancelRequested))) == (5, ids(by_two)[:2])
    assert by_two.events(ev.MassCancelDone) == [ev.MassCancelDone(ALL, 5, later=tuple(ids(by_two)[2:]))]
    assert [tick(by_two), tick(by_two), tick(by_two)] == [ids(by_two)[2:4], ids(by_two)[4:], []]
    assert [event.cl_ord_id for event in by_two.events(ev.CancelRequested)] == ["m.1", "m.2", "m.3", "m.4", "m.5"]
    assert (by_two.state.mass_cancels, by_two.recovered()) == ({}, by_two.state)


def test_the_clock_comes_soon_while_cancels_are_left(by_two: World) -> None:
    assert not mass_cancel.due(by_two.state, by_two.settings)
    by_two.ask(ALL)
    by_two.tell(SessionDown(VENUE))
    assert not mass_cancel.due(by_two.state, by_two.settings)
    by_two.tell(SessionUp(VENUE))
    turns = 0
    while mass_cancel.due(by_two.state, by_two.settings):
        tick(by_two)
        turns += 1
    assert turns == 2


def test_the_same_mass_cancel_again_starts_nothing_anew(by_two: World) -> None:
    first = by_two.ask(ALL)
    tick(by_two)
    committed = len(by_two.records)
    assert by_two.ask(ALL) == msgspec.structs.replace(first, repeated=True)
    assert len(by_two.records) == committed
    assert [tick(by_two), tick(by_two)] == [ids(by_two)[4:], []]


def test_a_restart_goes_on_where_the_process_before_it_ended(by_two: World) -> None:
    """Rule 2: no order gets its cancel twice, and none of those that were promised is forgotten."""
    by_two.ask(ALL)
    tick(by_two)
    world = restarted(by_two)
    assert tick(world) == []
    world.tell(SessionUp(VENUE))
    assert [tick(world), tick(world)] == [ids(world)[4:], []]
    assert canceled(world.events(ev.CancelRequested)) == ids(world)


def test_an_order_that_has_ended_before_its_turn_needs_no_cancel(by_two: World) -> None:
    by_two.ask(ALL)
    _, _, filled, partly, gone = by_two.state.orders.values()
    by_two.fill(filled, 100)
    by_two.fill(partly, 50)
    by_two.report(gone, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert [tick(by_two), tick(by_two)] == [[partly.order_id], []]


def test_an_order_is_canceled_under_the_name_that_it_has_got_meanwhile(by_two: World) -> None:
    by_two.ask(ALL)
    order_id = ids(by_two)[2]
    by_two.ask(ReplaceOrder(CLIENT, "new", "2", price=Decimal(9)))
    assert tick(by_two)[0] == order_id
    named = {event.order_id: event.orig_venue_cl_ord_id for event in by_two.events(ev.CancelRequested)}
    assert [named[order_id]] == [event.venue_cl_ord_id for event in by_two.events(ev.ReplaceRequested)]


def test_the_cancels_for_a_venue_that_goes_away_wait_until_it_is_back(by_two: World) -> None:
    there = [by_two.submit(f"there {number}", venue=OTHER_VENUE).order_id for number in range(2)]
    by_two.ask(ALL)
    by_two.tell(SessionDown(VENUE))
    assert [tick(by_two), tick(by_two)] == [there, []]
    by_two.tell(SessionUp(VENUE))
    assert [tick(by_two), tick(by_two), tick(by_two)] == [ids(by_two)[2:4], ids(by_two)[4:5], []]


def test_another_mass_cancel_takes_what_the_first_one_has_not_to_come_to(by_two: World) -> None:
    """Rule 7: however many there are, they wait for each order once."""
    by_two.ask(ALL)
    late = [by_two.submit(f"late {number}").order_id for number in range(3)]
    answer = by_two.ask(MassCancel(CLIENT, "n"))
    again = canceled(by_two.events(ev.CancelRequested))[2:]
    assert (answer.requested, again) == (8, ids(by_two)[:2])
    assert by_two.events(ev.MassCancelDone)[-1].later == tuple(late)
    first = ids(by_two)[2:5]
    assert [tick(by_two) for _ in range(4)] == [*map(list, zip(first, late, strict=True)), []]
    names = [event.cl_ord_id for event in by_two.events(ev.CancelRequested)]
    assert len(set(names)) == 10


def test_a_mass_cancel_of_one_client_is_not_held_up_by_that_of_another(by_two: World) -> None:
    for number in range(3):
        by_two.submit(f"theirs {number}", client_id="other")
    by_two.ask(ALL)
    by_two.ask(MassCancel("other", "m"))
    assert tick(by_two) == [ids(by_two)[2], ids(by_two)[7]]
    assert [tick(by_two), tick(by_two)] == [ids(by_two)[3:5], []]


def test_an_order_with_too_many_requests_waits_for_the_venue(by_two: World) -> None:
    by_two.settings = msgspec.structs.replace(SETTINGS, max_unanswered_per_order=1)
    by_two.ask(ALL)
    crowded = by_two.state.orders[ids(by_two)[2]]
    for name in ("a", "b"):
        by_two.ask(CancelOrder(CLIENT, name, crowded.cl_ord_id))
    assert [tick(by_two), tick(by_two)] == [ids(by_two)[3:], []]
    by_two.hear(OrderCancelReject(VENUE, next(iter(crowded.unanswered)), crowded.venue_cl_ord_id, cxl_rej_reason="99"))
    assert [tick(by_two), tick(by_two)] == [[crowded.order_id], []]


def test_a_name_that_the_client_has_used_meanwhile_is_passed_over(by_two: World) -> None:
    by_two.ask(ALL)
    by_two.submit("m.3", symbol="FUT")
    assert tick(by_two) == ids(by_two)[2:4]
    assert [event.cl_ord_id for event in by_two.events(ev.CancelRequested)][2:] == ["m.4", "m.5"]


def test_a_stop_in_the_same_turn_gives_its_cancels_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests of both are decided before any of them is applied."""
    monkeypatch.setattr(mass_cancel, "CANCELS_AT_ONCE", 2)
    floor = Floor.opened()
    orders = [floor.working(f"{number}") for number in range(5)]
    floor.ask(ALL)
    floor.stop("account:A1")
    for each in orders:
        floor.refuses_cancel(each)
    asked = [event.venue_cl_ord_id for event in floor.tick(2) if isinstance(event, ev.CancelRequested)]
    assert len(set(asked)) == len(asked) == 7
