"""Reconciliation: a venue's orders are compared with ours before it takes new ones, and again and again."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, MassCancel, OpenOrderEntry, ReconcileVenue, ReplaceOrder
from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.reports import ExecutionReport, MessageRejected, OutOfReach, SessionDown, SessionUp, TimerFired
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, ItemKind, OrdStatus, Reason, Side
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, order, restarted

OPS = "ops"
MASS = Reconcile(mass=True, every_ns=300 * SECOND_NS, timeout_ns=30 * SECOND_NS, window=2)
EACH = msgspec.structs.replace(MASS, mass=False)


def world_of(how: Reconcile = EACH) -> World:
    """A gateway that compares its orders with XSIM's; the session is up, order entry is open."""
    settings = msgspec.structs.replace(SETTINGS, venues=(VENUE,), reconcile={VENUE: how})
    world = World.started(settings)
    if how.mass:
        assert not world.state.session(VENUE).reconciled
        no_orders(world)
    assert world.state.session(VENUE).reconciled
    return world


def no_orders(world: World, **fields: object) -> list[Event]:
    """The mass answer of a venue without orders."""
    said = {"mass_status_req_id": world.state.runs[VENUE].mass_status_req_id, "tot_num_reports": 0} | fields
    return world.hear(ExecutionReport(VENUE, ExecType.ORDER_STATUS, OrdStatus.REJECTED, venue_order_id="NONE", **said))


def reply(world: World, of: Order, status: OrdStatus = OrdStatus.NEW, **fields: object) -> list[Event]:
    """The venue's answer to a question about one order."""
    said = {"exec_id": "0", "ord_status": status, "cum_qty": of.cum_qty} | fields
    return world.report(of, ExecType.ORDER_STATUS, **said)


def listed(world: World, of: Order, status: OrdStatus = OrdStatus.NEW, **fields: object) -> list[Event]:
    """One line of the venue's mass answer."""
    return reply(world, of, status, mass_status_req_id=world.state.runs[VENUE].mass_status_req_id, **fields)


def working(world: World, *names: str) -> list[Order]:
    """Orders that the venue has confirmed."""
    orders = [world.submit(name) for name in names]
    for each in orders:
        world.acknowledge(each)
    return orders


def reconnect(world: World, **up: object) -> list[Event]:
    world.tell(SessionDown(VENUE))
    return world.tell(SessionUp(VENUE, **up))


def later(world: World, seconds: int) -> list[Event]:
    world.now_ns += seconds * SECOND_NS
    return world.tell(TimerFired())


def asked(events: list[Event]) -> list[str]:
    return [event.order_id for event in events if isinstance(event, ev.StatusRequested)]


def ended(events: list[Event]) -> list[bool]:
    return [event.complete for event in events if isinstance(event, ev.ReconciliationEnded)]


def kinds(world: World) -> list[ItemKind]:
    """The open items."""
    return [item.raised.kind for item in world.state.items.values()]


# --- When, and what is asked ---


def test_order_entry_opens_only_when_the_venue_has_spoken_of_every_order() -> None:
    world = world_of()
    first, second, third = working(world, "1", "2", "3")
    events = reconnect(world)
    assert [type(event) for event in events[:2]] == [ev.SessionLoggedOn, ev.ReconciliationStarted]
    assert asked(events) == [first.order_id, second.order_id], "two at once is the window"
    assert asked(reply(world, first)) == [third.order_id]
    assert not ended(reply(world, second))
    assert world.ask(order("4")).reason is Reason.SESSION_NOT_RECONCILED
    assert ended(reply(world, third)) == [True]
    assert world.ask(order("5")).reason is None
    assert world.recovered() == world.state


def test_new_orders_and_replaces_wait_for_it_while_cancels_and_questions_pass() -> None:
    world = world_of()
    working(world, "1")
    reconnect(world)
    refused = world.ask(order("2"))
    assert refused.reason is Reason.SESSION_NOT_RECONCILED
    assert "comparison 2 began 0 s ago and waits for 1 of 1 orders" in refused.text
    assert world.ask(ReplaceOrder(CLIENT, "3", "1", Decimal(50))).reason is Reason.SESSION_NOT_RECONCILED
    assert world.ask(CancelOrder(CLIENT, "4", "1")).reason is None
    assert world.ask(MassCancel(CLIENT, "5")).requested == 1


def test_a_venue_without_orders_is_reconciled_at_once() -> None:
    world = world_of()
    assert ended(world.records and reconnect(world)) == [True]


def test_a_logout_a_restart_and_a_reset_close_order_entry() -> None:
    world = world_of()
    working(world, "1")
    world.tell(SessionDown(VENUE))
    assert not world.state.session(VENUE).reconciled
    world.tell(SessionUp(VENUE))
    world = restarted(world)
    assert not world.state.session(VENUE).reconciled
    assert world.state.runs == {}
    assert [event.text for event in world.events(ev.ReconciliationEnded)][-1] == "the process ended"


@pytest.mark.parametrize(
    "said", [{}, {"ord_status": OrdStatus.REJECTED, "ord_rej_reason": "5"}], ids=["New", "unknown"]
)
def test_a_reply_to_an_earlier_question_that_comes_again_opens_nothing(said: dict[str, object]) -> None:
    """The connection was lost before it arrived: it tells how the order was then."""
    world = world_of()
    (one,) = working(world, "1")
    reconnect(world)
    assert asked(reconnect(world)) == [one.order_id]
    events = world.report(one, ExecType.ORDER_STATUS, exec_id="0", poss_dup=True, **said)
    assert (ended(events), world.state.session(VENUE).reconciled) == ([], False)
    assert world.recovered() == world.state
    assert ended(reply(world, one)) == [True]


def test_an_end_that_a_reply_tells_again_need_not_be_asked_again() -> None:
    world = world_of()
    (one,) = working(world, "1")
    reconnect(world)
    assert ended(reply(world, one, OrdStatus.CANCELED, poss_dup=True)) == [True]


def test_an_order_that_was_just_sent_is_not_asked_about() -> None:
    """A venue may answer the question before it has looked at the order, and say that it does not know it."""
    world = world_of()
    (known,) = working(world, "1")
    world.submit("2")
    world.settings = msgspec.structs.replace(world.settings, ack_timeout_ns={})
    events = later(world, 301)
    assert asked(events) == [known.order_id]


def test_an_order_in_doubt_is_asked_again_by_every_comparison() -> None:
    """Rule 2: until evidence comes."""
    world = world_of()
    doubtful = world.submit("1")
    assert asked(reconnect(world)) == [doubtful.order_id]
    assert ended(later(world, 30)) == [False]
    assert asked(later(world, 30)) == [doubtful.order_id]
    assert ended(reply(world, doubtful)) == [True]
    assert not doubtful.in_doubt


def test_a_comparison_is_repeated_periodically_and_sooner_after_it_failed() -> None:
    world = world_of()
    working(world, "1")
    assert not later(world, 299)
    assert asked(later(world, 1))
    assert ended(later(world, 30)) == [False]
    assert not later(world, 29)
    assert asked(later(world, 1))


def test_an_operator_has_it_done_now_and_not_twice_at_once() -> None:
    world = world_of()
    (one,) = working(world, "1")
    answer = world.ask(ReconcileVenue(OPS, VENUE, "the venue had a failover"))
    assert answer.reason is None
    (started,) = world.events(ev.ReconciliationStarted)[-1:]
    assert started.why == "asked by ops: the venue had a failover"
    again = world.ask(ReconcileVenue(OPS, VENUE, "again"))
    assert (again.reason, len(world.state.runs)) == (Reason.TOO_MANY_REQUESTS, 1)
    assert ended(reply(world, one)) == [True]


def test_at_a_venue_that_is_not_compared_a_refused_command_raises_no_item() -> None:
    """docs/reconciliation.md: no items at "off", also of an order whose quantity is disputed."""
    world = World.started(msgspec.structs.replace(SETTINGS, venues=(VENUE,)))
    (one,) = working(world, "1")
    world.fill(one, 10, cum_qty=50)
    assert one.disputed
    refused = world.ask(ReconcileVenue(OPS, VENUE, "to be sure"))
    assert (refused.reason, refused.text.rpartition("; ")[2]) == (Reason.VENUE_UNKNOWN, "no venue is compared")
    assert not world.state.items


@pytest.mark.parametrize("command", [ReconcileVenue(OPS, "?", ""), OpenOrderEntry(OPS, "?", "")])
def test_a_venue_that_is_not_there_is_refused(command: ReconcileVenue | OpenOrderEntry) -> None:
    refused = world_of().ask(command)
    assert (refused.reason, refused.text.rpartition("; ")[2]) == (Reason.VENUE_UNKNOWN, "there are XSIM")


@pytest.mark.parametrize("command", [ReconcileVenue(OPS, VENUE, ""), OpenOrderEntry(OPS, VENUE, "")])
def test_a_venue_that_is_not_logged_on_is_refused(command: ReconcileVenue | OpenOrderEntry) -> None:
    world = world_of()
    world.tell(SessionDown(VENUE))
    assert world.ask(command).reason is Reason.SESSION_DOWN


def test_an_operator_opens_order_entry_with_a_reason_that_is_kept() -> None:
    world = world_of()
    working(world, "1")
    reconnect(world)
    assert world.ask(OpenOrderEntry(OPS, VENUE, "the venue confirmed by phone")).reason is None
    assert world.ask(order("2")).reason is None
    assert world.events(ev.OrderEntryOpened) == [
        ev.OrderEntryOpened(VENUE, OPS, "the venue confirmed by phone"),
    ]


# --- The mass question ---


def test_a_mass_answer_opens_order_entry() -> None:
    world = world_of(MASS)
    first, second = working(world, "1", "2")
    events = reconnect(world)
    assert (world.events(ev.ReconciliationStarted)[-1].how, asked(events)) == ("mass", [])
    assert not ended(listed(world, first, tot_num_reports=2))
    assert ended(listed(world, second, tot_num_reports=2)) == [True], "the second of two"


def test_the_last_report_requested_ends_a_mass_answer() -> None:
    world = world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    assert ended(listed(world, one, last_rpt_requested=True)) == [True]


def test_what_a_mass_answer_leaves_out_is_asked_singly() -> None:
    """Absence is no evidence: the venue's own answer about the order is."""
    world = world_of(MASS)
    first, second = working(world, "1", "2")
    reconnect(world)
    events = listed(world, first, last_rpt_requested=True)
    assert (asked(events), ended(events)) == ([second.order_id], [])
    assert ended(reply(world, second, OrdStatus.CANCELED)) == [True]
    assert second.closed


def test_a_venue_that_says_it_has_no_orders_is_asked_about_each() -> None:
    world = world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    assert asked(no_orders(world)) == [one.order_id]


@pytest.mark.parametrize("named", [True, False])
def test_a_venue_that_refuses_the_mass_question_is_asked_one_by_one(named: bool) -> None:
    world = world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    req_id = world.state.runs[VENUE].mass_status_req_id
    said = MessageRejected(VENUE, "", req_id) if named else MessageRejected(VENUE, "AF", text="unsupported")
    assert asked(world.hear(said)) == [one.order_id]
    why = world.events(ev.ReconciliationStarted)[-1].why
    assert why == f"the venue refused the mass question: {'no reason' if named else 'unsupported'}"
    assert ended(reply(world, one)) == [True]


def test_a_reject_of_another_message_is_no_answer_to_the_mass_question() -> None:
    world = world_of(MASS)
    (one,) = working(world, "1")
    world.ask(CancelOrder(CLIENT, "2", "1"))
    (cancel,) = one.unanswered
    reconnect(world)
    assert not asked(world.hear(MessageRejected(VENUE, "F", cancel)))
    assert world.state.runs[VENUE].how == "mass"


def test_a_line_of_a_mass_answer_that_cannot_be_true_is_one_of_them() -> None:
    """TotNumReports(911) counts it; the order is not asked about for ever."""
    world = world_of(MASS)
    first, second = working(world, "1", "2")
    reconnect(world)
    assert not ended(listed(world, first, side=Side.SELL, tot_num_reports=2))
    assert ended(listed(world, second, tot_num_reports=2)) == [True]


def test_a_line_of_a_mass_answer_that_comes_again_is_none_more() -> None:
    """Another one would be missing from what TotNumReports(911) announces: the last, of an order that is not ours."""
    world = world_of(MASS)
    (ours,) = working(world, "1")
    reconnect(world)
    answered = {"mass_status_req_id": world.state.runs[VENUE].mass_status_req_id, "tot_num_reports": 3}
    strange = ExecutionReport(VENUE, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0", **answered)
    events = [listed(world, ours, tot_num_reports=3), listed(world, ours, tot_num_reports=3)]
    for name in ("V8", "V8", "V9"):
        assert not any(map(ended, events)), f"{name} is still to come"
        events.append(world.hear(msgspec.structs.replace(strange, venue_order_id=name)))
    assert ended(events[-1]) == [True]
    assert [*world.state.external[VENUE]] == ["V8", "V9"]
    assert world.recovered() == world.state


def test_a_line_of_an_earlier_mass_answer_is_none_of_this_one() -> None:
    world = world_of(MASS)
    (before,) = world.events(ev.ReconciliationStarted)
    first, second = working(world, "1", "2")
    reconnect(world)
    reply(world, first, mass_status_req_id=before.mass_status_req_id, tot_num_reports=2)
    assert not asked(listed(world, first, tot_num_reports=2)), "one of two, so the other is still to come"
    assert ended(listed(world, second, tot_num_reports=2)) == [True]


@pytest.mark.parametrize("session", ["", f"{VENUE}.DROP"])
def test_a_reply_that_cannot_be_read_now_is_one_and_a_copy_of_it_is_none(session: str) -> None:
    """What it speaks of left memory and is out of reach: the comparison goes on without it."""
    world = world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    run = world.state.runs[VENUE].mass_status_req_id
    said = ExecutionReport(VENUE, ExecType.ORDER_STATUS, OrdStatus.NEW, cl_ord_id="gone", mass_status_req_id=run)
    events = world.tell(OutOfReach(msgspec.structs.replace(said, last_rpt_requested=True), "it is away", session))
    assert asked(events) == ([] if session else [one.order_id])
    assert ItemKind.REPORT_WAITING in kinds(world)


def test_a_venue_that_is_silent_about_the_mass_question_is_asked_one_by_one_the_next_time() -> None:
    world = world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    assert ended(later(world, 30)) == [False]
    assert world.events(ev.ReconciliationEnded)[-1].text == "XSIM has not answered the mass question for 30 s"
    assert asked(later(world, 30)) == [one.order_id]


def test_a_mass_answer_that_comes_too_late_is_no_item() -> None:
    world = world_of(MASS)
    late = ExecutionReport(VENUE, ExecType.ORDER_STATUS, OrdStatus.REJECTED, mass_status_req_id="old")
    (event,) = world.hear(late)
    assert isinstance(event, ev.ReportSetAside)
    assert kinds(world) == []


def test_the_end_of_an_earlier_mass_answer_ends_no_later_one_and_its_number_is_kept() -> None:
    """An inbound message without an event would be asked for again after every restart."""
    world = world_of(MASS)
    working(world, "1")
    reconnect(world)
    said = no_orders(world, mass_status_req_id="old")
    assert [type(event) for event in said] == [ev.ReportSetAside]
    assert world.state.session(VENUE).inbound_seq == world._msg_seq_num
    assert not world.state.session(VENUE).reconciled


def test_a_filled_order_with_a_cancel_in_doubt_is_asked_about() -> None:
    """It works no more, and yet it is not known what became of the cancel."""
    world = world_of()
    (one,) = working(world, "1")
    world.ask(CancelOrder(CLIENT, "c", "1"))
    world.tell(SessionDown(VENUE))
    world.fill(one, 100)
    assert (one.working, one.in_doubt) == (False, True)
    assert asked(world.tell(SessionUp(VENUE))) == [one.order_id]
    assert not world.state.session(VENUE).reconciled
    assert ended(reply(world, one, OrdStatus.FILLED)) == [True]
    assert not one.in_doubt


def test_what_another_venue_says_meanwhile_is_no_answer() -> None:
    settings = msgspec.structs.replace(SETTINGS, reconcile={VENUE: EACH, OTHER_VENUE: EACH})
    world = World.started(settings)
    (here,) = working(world, "1")
    there = world.submit("2", venue=OTHER_VENUE)
    assert asked(reconnect(world)) == [here.order_id]
    world.acknowledge(there)
    assert not ended(reply(world, there))
    assert not ended(world.hear(MessageRejected(OTHER_VENUE, "AF")))
    world.hear(ExecutionReport(OTHER_VENUE, ExecType.NEW, OrdStatus.NEW, venue_order_id="V9"))
    assert kinds(world) == [ItemKind.REPORT_UNKNOWN], "of the other venue"
    assert ended(reply(world, here)) == [True]
    over = world.events(ev.ReconciliationEnded)[-1]
    assert (over.venue, over.orders, over.items) == (VENUE, 1, 0)


# --- Silence ---


def test_a_venue_that_does_not_answer_stays_closed_with_an_item_that_its_answer_resolves() -> None:
    world = world_of()
    (one,) = working(world, "1")
    reconnect(world)
    assert ended(later(world, 30)) == [False]
    assert kinds(world) == [ItemKind.NOT_ANSWERED]
    refused = world.ask(order("2"))
    assert refused.reason is Reason.SESSION_NOT_RECONCILED
    assert "the comparison that ended at 2026-01-05 08:00:30 UTC failed" in refused.text
    assert "has not answered 1 of 1 questions for 30 s" in refused.text
    later(world, 30)
    assert ended(reply(world, one)) == [True]
    assert kinds(world) == []


def test_a_venue_that_answers_slowly_but_steadily_is_waited_for() -> None:
    """What counts is its silence: 100,000 orders take their time."""
    world = world_of()
    orders = working(world, "1", "2", "3")
    reconnect(world)
    for each in orders[:2]:
        assert not ended(later(world, 29))
        reply(world, each)
    assert not ended(later(world, 29))
    assert ended(later(world, 1)) == [False]


def test_a_session_that_goes_down_ends_the_comparison() -> None:
    world = world_of()
    working(world, "1")
    reconnect(world)
    assert ended(world.tell(SessionDown(VENUE, "lost"))) == [False]
    assert kinds(world) == [], "that the session is down is said already"


def test_an_order_that_ends_meanwhile_need_not_be_asked() -> None:
    world = world_of()
    first, second, third = working(world, "1", "2", "3")
    reconnect(world)
    world.report(third, ExecType.EXPIRED, ord_status=OrdStatus.EXPIRED)
    reply(world, first)
    assert ended(reply(world, second)) == [True]


# --- The numbers (C12) ---


def test_the_journal_knows_a_number_that_was_used() -> None:
    world = world_of()
    reconnect(world, logon_seq_num=41)
    session = world.state.session(VENUE)
    assert session.sender_floor == 41
    (one,) = working(world, "1")
    world.ask(CancelOrder(CLIENT, "2", "1"))
    assert session.sender_floor == 43
    later(world, 301)
    assert session.sender_floor == 45, "the cancel is in doubt and asked about, then the comparison asks"
    reply(world, one)
    reconnect(world, reset=True, logon_seq_num=1)
    assert session.sender_floor == 2, "our Logon, and the question about the order"


def test_the_number_that_a_venue_is_expected_to_go_on_from_starts_over_with_its_numbers() -> None:
    """After a restart a higher one would hide what it sent since, and a lower one of its own keep the session down."""
    world = world_of()
    (one,) = working(world, "1")
    session = world.state.session(VENUE)
    assert session.inbound_seq == 1
    reconnect(world, reset=True)
    assert session.inbound_seq == 0
    reply(world, one)
    world.hear(ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, exec_id="E9", cl_ord_id="stranger"))
    reconnect(world)
    assert (session.inbound_seq, world.recovered() == world.state) == (3, True)


def test_numbers_that_started_over_close_order_entry_until_the_venue_is_reconciled() -> None:
    world = world_of()
    (one,) = working(world, "1")
    reconnect(world, reset=True, unexpected=True)
    assert kinds(world) == [ItemKind.SEQUENCE_RESET]
    assert world.ask(order("2")).reason is Reason.SESSION_NOT_RECONCILED
    reply(world, one)
    assert kinds(world) == []
    assert world.ask(order("3")).reason is None


def test_a_comparison_ends_with_its_process_also_when_the_venue_is_not_compared_any_more() -> None:
    world = world_of()
    working(world, "1")
    reconnect(world)
    world.settings = SETTINGS
    assert restarted(world).state.runs == {}


def test_a_clock_that_was_set_back_does_not_stop_comparisons() -> None:
    world = world_of()
    (one,) = working(world, "1")
    assert asked(later(world, -3_600)) == [one.order_id]
    assert ended(later(world, -3_600)) == [False]
