"""Rule 5: OrdStatus(39) follows from what has happened and from what is unanswered, by the precedence of FIX 4.4."""

from decimal import Decimal
from itertools import chain, combinations
from typing import get_args

import pytest

from gateway.core import engine, order
from gateway.core import events as ev
from gateway.core.commands import CancelOrder
from gateway.core.order import ord_status
from gateway.core.reports import SendRefused, SessionDown, SessionUp, TimerFired
from gateway.core.state import State
from gateway.core.types import ExecType, OrdStatus, TimeInForce
from tests.core.life import Life, in_doubt
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, VENUE, World, restarted

VOLUME_4_APPENDIX_D = {
    OrdStatus.PENDING_CANCEL: 12,
    OrdStatus.PENDING_REPLACE: 11,
    OrdStatus.DONE_FOR_DAY: 10,
    OrdStatus.CALCULATED: 9,
    OrdStatus.FILLED: 8,
    OrdStatus.STOPPED: 7,
    OrdStatus.SUSPENDED: 6,
    OrdStatus.CANCELED: 5,
    OrdStatus.EXPIRED: 5,
    OrdStatus.PARTIALLY_FILLED: 4,
    OrdStatus.NEW: 2,
    OrdStatus.PENDING_NEW: 2,
    OrdStatus.REJECTED: 2,
}


# --- The tables are complete ---


def test_every_event_has_a_handler() -> None:
    assert set(engine._APPLY) == set(get_args(ev.Event))


def test_every_event_that_changes_an_order_has_a_row() -> None:
    """An event of the venue that is in no table would leave the order as it is, silently."""
    changing = {event for event, handler in engine._APPLY.items() if handler in (engine._changed, engine._executed)}
    own_code = {ev.ExecutionCorrected, ev.ExecutionBusted, ev.OrderStatusReported}
    assert changing - own_code == set(order.MARKS) | set(order.ANSWERS)


def test_every_event_can_be_written_and_read() -> None:
    tags = [event.__struct_config__.tag for event in get_args(ev.Event)]
    assert sorted(tags) == sorted({event.__name__ for event in get_args(ev.Event)})


def test_every_status_has_its_place() -> None:
    assert set(order.PRECEDENCE) == set(OrdStatus) == set(VOLUME_4_APPENDIX_D)
    numbers = [VOLUME_4_APPENDIX_D[status] for status in order.PRECEDENCE]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("exec_type", ExecType)
def test_every_exec_type_is_understood(exec_type: ExecType) -> None:
    world = World.started()
    working = world.submit("1")
    world.fill(working, 10, exec_id="A")
    events = world.report(working, exec_type, last_qty=Decimal(1), last_px=Decimal(1), exec_ref_id="A")
    assert events
    assert not world.events(ev.ReportSetAside)


# --- Precedence ---

MARKS = sorted({mark for mark, _ in order.MARKS.values() if mark is not None})
SOME_MARKS = list(chain.from_iterable(combinations(MARKS, count) for count in range(len(MARKS) + 1)))


@pytest.mark.parametrize("cum_qty", [0, 40, 100])
def test_the_highest_of_all_that_holds_wins(cum_qty: int) -> None:
    """Every set of marks, with every state of execution."""
    world = World.started()
    made = world.submit("1", 100)
    made.cum_qty = Decimal(cum_qty)
    made.guaranteed_to = Decimal(1000)
    executed = {0: set(), 40: {OrdStatus.PARTIALLY_FILLED}, 100: {OrdStatus.FILLED}}[cum_qty]
    for marks in SOME_MARKS:
        made.marks = marks
        holds = {*marks, *executed} or {OrdStatus.PENDING_NEW}
        highest = max(VOLUME_4_APPENDIX_D[status] for status in holds)
        assert VOLUME_4_APPENDIX_D[ord_status(made)] == highest, marks
        assert ord_status(made) in holds
        assert OrdStatus.REJECTED not in holds or highest > 2 or ord_status(made) is OrdStatus.REJECTED


# One life a row: what happens to an order to buy 100, then OrdStatus, CumQty, LeavesQty, and what is unanswered.
# Requests of the client end in "?", the venue's words are its ExecTypes.
LIVES = """
    -                                                   PENDING_NEW         0   100  -
    PENDING_NEW                                         PENDING_NEW         0   100  -
    NEW                                                 NEW                 0   100  -
    REJECTED                                            REJECTED            0     0  -
    NEW TRADE=40                                        PARTIALLY_FILLED   40    60  -
    TRADE=40                                            PARTIALLY_FILLED   40    60  -
    TRADE=40 NEW                                        PARTIALLY_FILLED   40    60  -
    NEW TRADE=100                                       FILLED            100     0  -
    NEW TRADE=120                                       FILLED            120     0  -
    NEW CANCELED                                        CANCELED            0     0  -
    NEW TRADE=40 CANCELED                               CANCELED           40     0  -
    NEW TRADE=40 CANCELED TRADE=60                      FILLED            100     0  -
    NEW CANCELED TRADE=40                               CANCELED           40     0  -
    NEW TRADE=40 EXPIRED                                EXPIRED            40     0  -
    NEW TRADE=40 EXPIRED TRADE=10                       EXPIRED            50     0  -
    NEW REJECTED TRADE=10                               PARTIALLY_FILLED   10     0  -
    NEW TRADE=40 DONE_FOR_DAY                           DONE_FOR_DAY       40     0  -
    NEW TRADE=100 DONE_FOR_DAY                          DONE_FOR_DAY      100     0  -
    NEW TRADE=40 DONE_FOR_DAY NEW                       PARTIALLY_FILLED   40    60  -
    NEW TRADE=40 DONE_FOR_DAY RESTATED                  PARTIALLY_FILLED   40    60  -
    NEW TRADE=100 CALCULATED                            CALCULATED        100     0  -
    NEW STOPPED                                         STOPPED             0   100  -
    NEW STOPPED TRADE=40                                STOPPED            40    60  -
    NEW STOPPED TRADE=100                               FILLED            100     0  -
    NEW SUSPENDED                                       SUSPENDED           0   100  -
    NEW TRADE=40 SUSPENDED                              SUSPENDED          40    60  -
    NEW TRADE=40 SUSPENDED NEW                          PARTIALLY_FILLED   40    60  -
    NEW TRADE=40 SUSPENDED CANCELED                     SUSPENDED          40     0  -
    NEW cancel?                                         PENDING_CANCEL      0   100  c
    NEW cancel? PENDING_CANCEL                          PENDING_CANCEL      0   100  c
    NEW cancel? TRADE=40                                PENDING_CANCEL     40    60  c
    NEW cancel? TRADE=100                               PENDING_CANCEL    100     0  c
    NEW cancel? TRADE=40 CANCELED                       CANCELED           40     0  -
    NEW cancel? TRADE=100 no!                           FILLED            100     0  -
    NEW cancel? no!                                     NEW                 0   100  -
    cancel?                                             PENDING_CANCEL      0   100  c
    cancel? NEW                                         PENDING_CANCEL      0   100  c
    cancel? REJECTED!                                   PENDING_NEW         0   100  -
    NEW replace=150?                                    PENDING_REPLACE     0   100  r
    NEW replace=150? TRADE=100                          PENDING_REPLACE   100     0  r
    NEW replace=150? REPLACED                           NEW                 0   150  -
    NEW replace=150? TRADE=100 REPLACED                 PARTIALLY_FILLED  100    50  -
    NEW TRADE=100 replace=150? REPLACED                 PARTIALLY_FILLED  100    50  -
    NEW TRADE=60 replace=60? REPLACED                   FILLED             60     0  -
    NEW TRADE=60 replace=50? REPLACED                   FILLED             60     0  -
    NEW replace=150? no!                                NEW                 0   100  -
    NEW replace=150? cancel?                            PENDING_CANCEL      0   100  r,c
    NEW replace=150? cancel? CANCELED                   CANCELED            0     0  -
    NEW replace=150? cancel? no!                        PENDING_REPLACE     0   100  r
    NEW DONE_FOR_DAY replace=150?                       PENDING_REPLACE     0     0  r
    NEW TRADE=40 bust                                   NEW                 0   100  -
    NEW TRADE=100 bust                                  NEW                 0   100  -
    NEW TRADE=40 TRADE=60 bust                          PARTIALLY_FILLED   40    60  -
    NEW TRADE=100 correct=70                            PARTIALLY_FILLED   70    30  -
    NEW TRADE=100 CANCELED bust                         CANCELED            0     0  -
    NEW TRADE=100 CALCULATED bust                       CALCULATED          0   100  -
    NEW cancel? CANCELED TRADE=10 bust                  CANCELED            0     0  -
"""


@pytest.mark.parametrize("row", LIVES.strip().splitlines(), ids=lambda row: " ".join(row.split()))
def test_lives(row: str) -> None:
    *steps, status, cum_qty, leaves_qty, pending = row.split()
    life = Life().live(" ".join(steps))
    assert life.shown == (status, int(cum_qty), int(leaves_qty), pending)
    assert life.world.recovered() == life.world.state


def test_the_rows_cover_every_mark_and_status() -> None:
    words = {word.partition("=")[0] for row in LIVES.strip().splitlines() for word in row.split()}
    assert {mark.name for mark, _ in order.MARKS.values() if mark is not None} <= words
    assert {status.name for status in OrdStatus} <= words


def test_an_order_that_outlives_the_day_keeps_what_is_left_when_the_day_is_done() -> None:
    assert Life(TimeInForce.GTC).live("NEW TRADE=40 DONE_FOR_DAY").shown == ("DONE_FOR_DAY", 40, 60, "-")


@pytest.mark.parametrize("event", order.ANSWERS, ids=lambda event: event.__name__)
def test_each_answer_settles_the_request_it_names(event: type) -> None:
    """The rows of ANSWERS, one by one: an event about the new order, or about the request it names."""
    life = Life()
    assert life.world.ask(CancelOrder(CLIENT, "c", "1")).reason is None
    first, cancel = life.order.requests.values()
    named = "venue_cl_ord_id" in event.__struct_fields__
    fields = {"venue_cl_ord_id": cancel.venue_cl_ord_id} if named else {}
    if event is ev.OrderUnsent:
        fields["evidence"] = "the store says so"
    order.change(life.order, event(life.order.order_id, **fields), 0)
    assert (cancel if named else first).state == order.ANSWERS[event]


# --- In doubt (rule 2): silence is not evidence ---


@pytest.mark.parametrize("answer", ["PENDING_NEW", "NEW", "REJECTED", "TRADE=10", "CANCELED", "EXPIRED"])
def test_a_session_that_goes_down_leaves_doubt_until_the_venue_speaks(answer: str) -> None:
    life = Life()
    life.world.tell(SessionDown(VENUE))
    assert in_doubt(life)
    assert life.order.leaves_qty == 100, "its risk stays reserved"
    life.world.tell(SessionUp(VENUE))
    assert life.world.events(ev.StatusRequested)[-1].order_id == life.order.order_id
    life.live(answer)
    assert not in_doubt(life)


def test_what_was_answered_is_never_in_doubt() -> None:
    life = Life().live("NEW")
    life.world.tell(SessionDown(VENUE))
    assert not in_doubt(life)
    assert not life.world.events(ev.OrderInDoubt)


def test_a_session_down_puts_only_its_own_venues_orders_in_doubt() -> None:
    world = World.started()
    here, there = world.submit("1"), world.submit("2", venue=OTHER_VENUE)
    world.tell(SessionDown(OTHER_VENUE))
    assert (here.in_doubt, there.in_doubt) == (False, True)


def test_a_restart_puts_what_was_on_its_way_in_doubt_and_sends_nothing_again() -> None:
    life = Life()
    after = restarted(life.world)
    assert after.state.orders[life.order.order_id].in_doubt
    after.tell(SessionUp(VENUE))
    after.tell(SessionUp(OTHER_VENUE))
    assert len(after.events(ev.OrderRouted)) == 1
    assert len(after.events(ev.StatusRequested)) == 1


def test_the_timer_asks_about_what_waits_too_long_once() -> None:
    life = Life()
    assert life.world.tell(TimerFired()) == []
    life.world.now_ns += 5 * SECOND_NS
    kinds = [type(event) for event in life.world.tell(TimerFired())]
    assert kinds == [ev.OrderInDoubt, ev.StatusRequested]
    life.world.now_ns += 50 * SECOND_NS
    assert life.world.tell(TimerFired()) == []


def test_the_timer_asks_once_about_an_order_with_several_requests() -> None:
    life = Life().live("cancel? ")
    life.world.now_ns += 5 * SECOND_NS
    life.world.tell(TimerFired())
    assert (len(life.world.events(ev.OrderInDoubt)), len(life.world.events(ev.StatusRequested))) == (2, 1)


def test_a_message_that_was_not_handed_over_is_proven_unsent() -> None:
    life = Life()
    life.world.tell(SendRefused(VENUE, life.order.venue_cl_ord_id, "not logged on"))
    assert life.shown == ("REJECTED", 0, 0, "-")
    assert life.world.tell(SendRefused(VENUE, life.order.venue_cl_ord_id, "not logged on")) == []
    assert life.world.tell(SendRefused(VENUE, "unknown", "not logged on")) == []


def test_an_unsent_cancel_leaves_the_order_as_it_was() -> None:
    life = Life().live("NEW cancel?")
    life.world.tell(SendRefused(VENUE, list(life.order.requests)[-1], "not logged on"))
    assert life.shown == ("NEW", 0, 100, "-")


def status_reply(life: Life, ord_status: OrdStatus, **fields: object) -> None:
    life.world.report(life.order, ExecType.ORDER_STATUS, ord_status=ord_status, exec_id="", **fields)


def test_a_status_reply_is_evidence_and_no_source_of_quantities() -> None:
    life = Life()
    life.world.tell(SessionDown(VENUE))
    status_reply(life, OrdStatus.PARTIALLY_FILLED, cum_qty=Decimal(40))
    assert not in_doubt(life)
    assert life.shown == ("NEW", 0, 100, "-")
    assert life.world.events(ev.QuantityDisputed) == [ev.QuantityDisputed(life.order.order_id, Decimal(40), Decimal(0))]


def test_an_order_on_its_way_is_shown_as_itself_whatever_was_told_before() -> None:
    """What the event before gave is used only when it is of the same order."""
    world = World.started()
    other = world.submit("1")
    world.submit("2")
    state, routed = State(), world.records[-1]
    for record in world.records[:-1]:
        engine.replay(state, record)
    assert isinstance(routed.event, ev.OrderRouted)
    assert engine.apply(state, routed.event, routed.at_ns, routed.cause, order.view(other)) == routed


def test_any_number_of_status_replies_leaves_one_mark() -> None:
    """Rule 7."""
    life = Life()
    for _ in range(3):
        status_reply(life, OrdStatus.NEW)
    assert life.order.marks == (OrdStatus.NEW,)


def test_a_venue_that_does_not_know_an_order_it_never_spoke_of_proves_it_unsent() -> None:
    life = Life()
    status_reply(life, OrdStatus.REJECTED, ord_rej_reason="5")
    assert life.shown == ("REJECTED", 0, 0, "-")
    assert life.world.events(ev.OrderUnsent)


@pytest.mark.parametrize("exec_type", [ExecType.NEW, ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL])
def test_an_order_said_to_be_unknown_lives_when_the_venue_speaks_of_it_after_all(exec_type: ExecType) -> None:
    """Whatever the venue says of it, the order has arrived: it is not on its way any more and never in doubt again."""
    life = Life()
    status_reply(life, OrdStatus.REJECTED, ord_rej_reason="5")
    life.world.report(life.order, exec_type, exec_ref_id="A", last_qty=Decimal(10), last_px=Decimal(10))
    assert life.order.leaves_qty == 100 - life.order.cum_qty
    life.world.tell(SessionDown(VENUE))
    assert not in_doubt(life)
    assert life.world.recovered() == life.world.state


@pytest.mark.parametrize("ord_rej_reason", ["5", "99", ""])
@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ("NEW", ("NEW", 0, 100, "-")),
        ("STOPPED", ("STOPPED", 0, 100, "-")),
        ("TRADE=10", ("PARTIALLY_FILLED", 10, 90, "-")),
        ("NEW cancel", ("PENDING_CANCEL", 0, 100, "c")),
    ],
)
def test_an_order_that_the_venue_once_confirmed_cannot_vanish(
    steps: str, shown: tuple[object, ...], ord_rej_reason: str
) -> None:
    """Nor can it become Rejected: its risk stays, and so does the way to its fills."""
    life = Life().live(steps)
    status_reply(life, OrdStatus.REJECTED, ord_rej_reason=ord_rej_reason)
    assert life.shown == shown
    assert life.world.state.set_aside_total == 1


def test_an_order_of_which_only_a_correction_came_was_confirmed_too() -> None:
    life = Life()
    life.traded = "never told"
    life.live("correct=10")
    status_reply(life, OrdStatus.REJECTED, ord_rej_reason="5")
    assert (life.order.closed, life.world.state.set_aside_total) == (False, 1)


def test_an_order_that_the_venue_never_accepted_may_be_rejected_by_a_status_reply() -> None:
    life = Life().live("PENDING_NEW")
    for _ in range(2):
        status_reply(life, OrdStatus.REJECTED)
        assert (life.shown, life.world.state.set_aside_total) == (("REJECTED", 0, 0, "-"), 0)


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ("NEW", ("NEW", 0, 100, "-")),
        ("TRADE=10", ("PARTIALLY_FILLED", 10, 90, "-")),
        ("STOPPED", ("STOPPED", 0, 100, "-")),
        ("PENDING_NEW", ("REJECTED", 0, 0, "-")),
        ("REPLACED", ("NEW", 0, 100, "-")),
        ("NEW REJECTED", ("REJECTED", 0, 0, "-")),
        ("REJECTED NEW", ("REJECTED", 0, 0, "-")),
    ],
)
def test_an_order_that_only_a_status_reply_rejected_lives_when_the_venue_works_it(
    steps: str, shown: tuple[object, ...]
) -> None:
    """A venue that has lost an order says no more than Rejected of it, and has it again. It worked there, with its risk
    given back here, and neither its owner nor a stop could cancel it.
    """
    life = Life().live("PENDING_NEW")
    status_reply(life, OrdStatus.REJECTED)
    life.live(steps)
    assert life.shown == shown
    assert life.world.recovered() == life.world.state


def test_a_venue_that_rejected_an_order_need_not_know_it() -> None:
    life = Life().live("REJECTED")
    (event,) = life.world.report(life.order, ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, ord_rej_reason="5")
    assert isinstance(event, ev.OrderStatusReported)
    assert (life.shown, life.world.state.set_aside_total) == (("REJECTED", 0, 0, "-"), 0)


def test_a_venue_that_executed_an_order_has_to_know_it_though_it_was_called_rejected() -> None:
    life = Life().live("REJECTED TRADE=10")
    (event,) = life.world.report(life.order, ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, ord_rej_reason="5")
    assert isinstance(event, ev.ReportSetAside)
    assert event.why == "XSIM no longer knows order T8DSW0O1, which it once confirmed"


def test_a_reply_with_no_order_id_rejects_no_order_that_the_venue_had_received() -> None:
    """OrderID(37) NONE is what a venue says of an order that it does not know, with OrdRejReason(103) or without. Taken
    for a rejection it freed the risk of an order that the venue then accepted.
    """
    life = Life()
    life.world.report(life.order, ExecType.PENDING_NEW, venue_order_id="V1", ord_status=OrdStatus.PENDING_NEW)
    status_reply(life, OrdStatus.REJECTED, venue_order_id="NONE")
    assert (life.order.closed, life.order.venue_order_id, life.world.state.set_aside_total) == (False, "V1", 1)
    life.live("NEW")
    assert life.shown == ("NEW", 0, 100, "-")


def test_a_reply_with_no_order_id_proves_unsent_what_the_venue_never_spoke_of() -> None:
    """So the order lives when the venue speaks of it after all."""
    life = Life()
    status_reply(life, OrdStatus.REJECTED, venue_order_id="NONE")
    assert (life.shown, len(life.world.events(ev.OrderUnsent))) == (("REJECTED", 0, 0, "-"), 1)
    life.live("NEW")
    assert life.shown == ("NEW", 0, 100, "-")
