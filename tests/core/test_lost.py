"""What was sent on a connection that is gone comes into doubt in parts, and nothing that depends on it runs ahead."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core import lost, sessions
from gateway.core.commands import (
    CancelOrder,
    MassCancel,
    OpenOrderEntry,
    ReconcileVenue,
    ReplaceOrder,
    RequestOrderStatus,
    ResolveDoubt,
)
from gateway.core.events import Cause, Event
from gateway.core.reports import DropCopied, ExecutionReport, OrderCancelReject, SessionDown, SessionUp, TimerFired
from gateway.core.risk.commands import StopTrading
from gateway.core.risk.controls import Breaker
from gateway.core.state import Reconcile
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, Reason
from tests.core.risk.floor import breaker, settings
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, order, restarted

COMPARED = msgspec.structs.replace(SETTINGS, reconcile={VENUE: Reconcile(mass=False)})
SESSION_DOWN, PROCESS_ENDED = (
    "the session went down before the venue answered",
    "the process ended before the venue answered",
)


@pytest.fixture(autouse=True)
def by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that brings two requests into doubt at once."""
    monkeypatch.setattr(lost, "DOUBTS_AT_ONCE", 2)


def with_five(of: World | None = None) -> World:
    """Five orders of which the venue has said nothing."""
    world = of or World.started()
    for number in range(5):
        world.submit(f"{number}")
    return world


def compared() -> World:
    """A venue whose orders are compared; there were none."""
    world = World.started(COMPARED)
    assert world.state.session(VENUE).reconciled
    return world


def doubted(events: list[Event]) -> list[str]:
    return [event.order_id for event in events if isinstance(event, ev.OrderInDoubt)]


def asked(events: list[Event]) -> list[str]:
    return [event.order_id for event in events if isinstance(event, ev.StatusRequested)]


def tick(world: World) -> list[Event]:
    return world.tell(TimerFired(), Cause("timer"))


def up(world: World) -> list[Event]:
    return world.tell(SessionUp(VENUE))


def ids(world: World) -> list[str]:
    return [*world.state.orders]


def test_what_a_session_leaves_comes_into_doubt_in_parts() -> None:
    world = with_five()
    elsewhere = world.submit("elsewhere", venue=OTHER_VENUE)
    parts = [doubted(events) for events in (world.tell(SessionDown(VENUE)), tick(world), tick(world), tick(world))]
    assert parts == [ids(world)[:2], ids(world)[2:4], ids(world)[4:5], []]
    assert {event.why for event in world.events(ev.OrderInDoubt)} == {SESSION_DOWN}
    assert (world.state.lost, elsewhere.in_doubt, world.recovered()) == ({}, False, world.state)


def test_the_clock_comes_soon_while_something_is_left() -> None:
    world = with_five()
    assert not sessions.due(world.state, world.settings, world.now_ns)
    world.tell(SessionDown(VENUE))
    turns = 0
    while sessions.due(world.state, world.settings, world.now_ns):
        tick(world)
        turns += 1
    assert turns == 2


def test_what_a_process_leaves_comes_into_doubt_in_parts_after_each_restart() -> None:
    world = with_five()
    first, again = restarted(world), restarted(restarted(world))
    assert doubted([record.event for record in first.records]) == ids(world)[:2]
    assert doubted(tick(first)) == ids(world)[2:4]
    assert doubted([record.event for record in again.records]) == ids(world)[:4], "a kill between parts"
    assert doubted(tick(again)) == ids(world)[4:]
    assert {event.why for event in again.events(ev.OrderInDoubt)} == {PROCESS_ENDED}
    assert (again.state.lost, again.recovered()) == ({}, again.state)


def test_what_was_lost_with_two_connections_comes_oldest_first() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    up(world)
    mine = world.state.orders[ids(world)[4]]
    cancel = world.ask(CancelOrder(CLIENT, "c", "4"))
    assert (cancel.reason, len(world.state.silent[VENUE]), world.state.lost[VENUE].left) == (None, 4, 3)
    world.tell(SessionDown(VENUE))
    assert world.state.lost[VENUE].left == 2
    tick(world)
    keys = [event.venue_cl_ord_id for event in world.events(ev.OrderInDoubt)]
    assert keys == [*[world.state.orders[each].first_venue_cl_ord_id for each in ids(world)], *mine.unanswered]
    assert (world.state.lost, world.recovered()) == ({}, world.state)


def test_silence_comes_into_doubt_in_parts_too_and_the_venue_is_asked() -> None:
    world = with_five()
    world.now_ns += 5 * SECOND_NS
    for part in (ids(world)[:2], ids(world)[2:4], ids(world)[4:]):
        assert sessions.due(world.state, world.settings, world.now_ns)
        events = tick(world)
        assert (doubted(events), asked(events)) == (part, part)
    assert not sessions.due(world.state, world.settings, world.now_ns)


def test_what_was_lost_comes_before_what_waits_too_long_and_each_once() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    world.now_ns += 5 * SECOND_NS
    tick(world)
    tick(world)
    assert doubted([record.event for record in world.records]) == ids(world)


# --- A session that comes back meanwhile ---


def test_no_order_goes_out_before_all_is_through() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    up(world)
    for command in (order("early"), ReplaceOrder(CLIENT, "r", "0", order_qty=Decimal(50))):
        answer = world.ask(command)
        assert (answer.reason, "3 requests" in answer.text) == (Reason.SESSION_NOT_RECONCILED, True)
    assert not sessions.takes_orders(world.state, world.settings, VENUE)
    assert world.ask(order("there", venue=OTHER_VENUE)).reason is None
    tick(world)
    tick(world)
    assert sessions.takes_orders(world.state, world.settings, VENUE)
    assert world.ask(order("late")).reason is None


def test_no_operator_opens_order_entry_or_compares_before_all_is_through() -> None:
    world = with_five(compared())
    world.tell(SessionDown(VENUE))
    up(world)
    assert world.ask(OpenOrderEntry("ops", VENUE, "I know better")).reason is None
    assert world.ask(order("early")).reason is Reason.SESSION_NOT_RECONCILED
    assert world.ask(ReconcileVenue("ops", VENUE, "now")).reason is Reason.SESSION_NOT_RECONCILED
    assert not sessions.takes_orders(world.state, world.settings, VENUE)


def test_the_comparison_begins_when_all_is_through_and_asks_about_all_of_it() -> None:
    world = with_five(compared())
    world.tell(SessionDown(VENUE))
    assert [type(event) for event in up(world)] == [ev.SessionLoggedOn]
    assert [type(event) for event in tick(world)] == [ev.OrderInDoubt, ev.OrderInDoubt]
    last = tick(world)
    assert (doubted(last), asked(last)) == (ids(world)[4:], ids(world))
    assert world.state.runs[VENUE].total == 5
    assert world.events(ev.ReconciliationStarted)[-1] in last


def test_the_comparison_begins_too_when_the_last_of_it_was_answered() -> None:
    world = with_five(compared())
    world.tell(SessionDown(VENUE))
    up(world)
    tick(world)
    world.acknowledge(world.state.orders[ids(world)[4]])
    assert (world.state.lost, world.state.runs) == ({}, {})
    assert sorted(asked(tick(world))) == sorted(ids(world))


def test_a_comparison_that_failed_waits_its_time_as_ever() -> None:
    world = with_five(compared())
    world.tell(SessionDown(VENUE))
    up(world)
    tick(world)
    tick(world)
    world.now_ns += 30 * SECOND_NS
    tick(world)
    assert (world.state.runs, world.state.last_runs[VENUE].complete) == ({}, False)
    assert not asked(tick(world)), "it has been asked on this connection"


def test_each_is_asked_about_once_where_nothing_is_compared() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    questions = [asked(events) for events in (up(world), tick(world), tick(world), tick(world))]
    assert questions == [ids(world)[:2], ids(world)[2:4], ids(world)[4:], []]


def test_many_in_doubt_are_asked_about_in_parts_when_the_session_is_back() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    tick(world)
    tick(world)
    back = up(world)
    assert (asked(back), back[0].later) == (ids(world)[:2], tuple(ids(world)[2:]))
    assert sessions.due(world.state, world.settings, world.now_ns)
    assert [asked(tick(world)) for _ in range(3)] == [ids(world)[2:4], ids(world)[4:], []]
    assert not sessions.due(world.state, world.settings, world.now_ns)
    assert (world.state.unasked, world.recovered()) == ({}, world.state)


def test_nobody_is_asked_later_about_what_is_settled_or_was_asked_meanwhile() -> None:
    world = with_five()
    for _ in range(2):
        world = restarted(world)
    tick(world)
    up(world)
    world.acknowledge(world.state.orders[ids(world)[2]])
    world.ask(RequestOrderStatus(CLIENT, "3"))
    assert [asked(tick(world)) for _ in range(2)] == [ids(world)[4:], []]


def test_a_session_that_goes_again_is_asked_anew_when_it_is_back() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    tick(world)
    tick(world)
    up(world)
    world.tell(SessionDown(VENUE))
    assert (world.state.unasked, asked(tick(world))) == ({}, [])
    assert [asked(events) for events in (up(world), tick(world), tick(world))] == [
        ids(world)[:2],
        ids(world)[2:4],
        ids(world)[4:],
    ]
    up(world)
    assert asked(tick(restarted(world))) == [], "the new process has no session yet"


# --- What speaks of a request before its turn ---


def test_an_answer_before_its_turn_is_taken_as_if_it_had_come_after() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    up(world)
    last = world.state.orders[ids(world)[4]]
    events = world.acknowledge(last)
    kinds = [type(event) for event in events]
    assert kinds == [ev.OrderInDoubt, ev.StatusRequested, ev.OrderAcknowledged]
    assert (last.in_doubt, world.state.lost[VENUE].left) == (False, 2)
    tick(world)
    assert (ids(world)[4] in tick(world), world.state.lost, world.recovered()) == (False, {}, world.state)


def test_a_reply_about_an_order_proves_what_it_would_have_proven_later() -> None:
    """A cancel that was lost is proven unsent by a later connection's status reply, and a filled order ends it."""
    world = World.started()
    orders = [world.submit(f"{number}") for number in range(5)]
    for number, each in enumerate(orders):
        world.acknowledge(each)
        world.ask(CancelOrder(CLIENT, f"c{number}", f"{number}"))
    world.tell(SessionDown(VENUE))
    up(world)
    reply = {"exec_id": "", "ord_status": OrdStatus.NEW, "cum_qty": Decimal(0), "leaves_qty": Decimal(100)}
    world.report(orders[4], ExecType.ORDER_STATUS, **reply)
    assert [event.order_id for event in world.events(ev.OrderUnsent)] == [orders[4].order_id]
    assert (orders[4].unanswered, orders[4].in_doubt) == ({}, False)


def test_a_reject_and_a_drop_copy_are_heard_as_ever() -> None:
    world = with_five(World.started(msgspec.structs.replace(SETTINGS, drop_copies={"DC": VENUE})))
    world.tell(SessionDown(VENUE))
    one, other = (world.state.orders[ids(world)[place]] for place in (3, 4))
    copied = ExecutionReport(VENUE, ExecType.NEW, exec_id="D1", cl_ord_id=one.venue_cl_ord_id, ord_status=OrdStatus.NEW)
    assert doubted(world.tell(DropCopied("DC", copied))) == [one.order_id]
    assert one.acknowledged, "of an order in doubt the drop copy is evidence"
    up(world)
    world.ask(CancelOrder(CLIENT, "c", "4"))
    reject = OrderCancelReject(VENUE, next(iter(other.unanswered)), other.venue_cl_ord_id, cxl_rej_reason="1")
    assert doubted(world.hear(reject)) == [other.order_id]


def test_an_operator_settles_no_part_of_an_order() -> None:
    world = with_five()
    world.tell(SessionDown(VENUE))
    mine = ids(world)[4]
    early = world.ask(ResolveDoubt("ops", mine, DoubtOutcome.UNSENT, "called the venue"))
    assert (early.reason, early.text) == (
        Reason.NOT_IN_DOUBT,
        f"1 requests of order {mine} have still to come into doubt; ask again in a moment",
    )
    tick(world)
    tick(world)
    assert world.ask(ResolveDoubt("ops", mine, DoubtOutcome.UNSENT, "called the venue")).reason is None


@pytest.mark.parametrize("cancel", [CancelOrder(CLIENT, "c", "0"), MassCancel(CLIENT, "c"), "stop"])
def test_no_cancel_names_a_replace_that_may_be_lost(cancel: CancelOrder | MassCancel | str) -> None:
    """The venue would refuse it, for an order that it does not know."""
    world = World.started(settings())
    mine = world.submit("0")
    world.acknowledge(mine)
    with_five_more = [world.submit(f"more {number}") for number in range(5)]
    assert world.ask(ReplaceOrder(CLIENT, "r", "0", order_qty=Decimal(50))).reason is None
    world.tell(SessionDown(VENUE))
    up(world)
    assert (mine.in_doubt, len(with_five_more)) == (False, 5)
    world.ask(cancel if not isinstance(cancel, str) else StopTrading("ann", "firm", "enough", cancels=True))
    named = {event.order_id: event.orig_venue_cl_ord_id for event in world.events(ev.CancelRequested)}
    assert named[mine.order_id] == mine.first_venue_cl_ord_id


# --- The latency breaker ---


def test_a_latency_ends_when_the_connection_goes_not_when_its_turn_comes() -> None:
    world = with_five(World.started(settings(breakers=(breaker(Breaker.LATENCY, 1000, after=1),))))
    world.tell(SessionDown(VENUE))
    world.now_ns += 2 * SECOND_NS
    tick(world)
    tick(world)
    assert (len(world.events(ev.OrderInDoubt)), world.state.risk.stops) == (5, {})


def test_what_a_process_left_is_no_latency_however_late_it_comes_into_doubt() -> None:
    world = with_five(World.started(settings(breakers=(breaker(Breaker.LATENCY, 1000, after=1),))))
    world.now_ns += 60 * SECOND_NS
    world = restarted(world)
    tick(world)
    tick(world)
    assert (len(world.events(ev.OrderInDoubt)), world.state.risk.stops) == (5, {})


def test_what_only_a_drop_copy_told_is_no_latency_either() -> None:
    """Its grace time may end before the order's turn comes."""
    slow = settings(breakers=(breaker(Breaker.LATENCY, 1000, after=1),))
    world = with_five(World.started(msgspec.structs.replace(slow, drop_copies={"DC": VENUE})))
    world.tell(SessionUp("DC"))
    filled = world.state.orders[ids(world)[4]]
    told = {"exec_id": "D1", "cl_ord_id": filled.venue_cl_ord_id, "last_qty": Decimal(100), "last_px": Decimal(10)}
    world.tell(DropCopied("DC", ExecutionReport(VENUE, ExecType.TRADE, ord_status=OrdStatus.FILLED, **told)))
    world.tell(SessionDown(VENUE))
    world.now_ns += 6 * SECOND_NS
    kinds = [type(event) for event in tick(world) if getattr(event, "order_id", "") == filled.order_id]
    assert kinds == [ev.ItemRaised, ev.OrderInDoubt, ev.OrderFilled, ev.DropCopyNoted]
    assert (filled.in_doubt, world.state.risk.stops, world.recovered()) == (False, {}, world.state)


# --- The same in the end ---


def story(monkeypatch: pytest.MonkeyPatch, at_once: int) -> dict[str, list[str]]:
    """What each order is told, of a day with two losses and answers in between, however small the parts are."""
    monkeypatch.setattr(lost, "DOUBTS_AT_ONCE", at_once)
    world = World.started()
    orders = [world.submit(f"{number}") for number in range(12)]
    for each in orders[:4]:
        world.acknowledge(each)
        world.ask(CancelOrder(CLIENT, f"c{each.cl_ord_id}", each.cl_ord_id))
    world.tell(SessionDown(VENUE))
    up(world)
    world.fill(orders[11], 100)
    world.acknowledge(orders[10])
    world.ask(CancelOrder(CLIENT, "late", "10"))
    world.tell(SessionDown(VENUE))
    world = restarted(world)
    for _ in range(20):
        tick(world)
    told: dict[str, list[str]] = {}
    for record in world.records:
        if record.order is not None and not isinstance(record.event, ev.StatusRequested):
            said = f"{type(record.event).__name__} {record.order.ord_status.name} {record.order.in_doubt}"
            told.setdefault(record.order.order_id, []).append(said)
    return told


def test_an_order_is_told_the_same_however_small_the_parts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert story(monkeypatch, 1) == story(monkeypatch, 1_000)
