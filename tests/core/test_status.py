"""Rule 5: OrdStatus(39) follows from what has happened and from what is unanswered, by the precedence of FIX 4.4."""

from decimal import Decimal
from itertools import chain, combinations
from typing import get_args

import pytest

from gateway.core import engine, order
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.order import Order, ord_status
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    ProcessStarted,
    SendRefused,
    SessionDown,
    SessionUp,
    TimerFired,
    UnexpectedMessage,
)
from gateway.core.types import ExecType, OrdStatus, Reason, TimeInForce
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


class Life:
    """One order and what happens to it."""

    def __init__(self, time_in_force: TimeInForce = TimeInForce.DAY) -> None:
        self.world = World.started()
        self.order: Order = self.world.submit("1", 100, time_in_force=time_in_force)
        self.traded = ""

    def live(self, steps: str) -> "Life":
        for step in steps.split():
            self.step(*step.strip("?").partition("=")[::2])
        return self

    def step(self, word: str, number: str) -> None:
        world, made = self.world, self.order
        newest = list(made.requests)[-1]
        quantity = {"last_qty": Decimal(number or 0), "last_px": Decimal(10)}
        match word:
            case "-":
                return
            case "cancel":
                assert world.ask(CancelOrder(CLIENT, "c", "1")).reason is None
            case "replace":
                assert world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=Decimal(number))).reason is None
            case "no!":
                world.hear(OrderCancelReject(VENUE, newest, made.venue_cl_ord_id))
            case "REJECTED!":
                world.hear(MessageRejected(VENUE, "F", newest))
            case "bust":
                world.report(made, ExecType.TRADE_CANCEL, exec_ref_id=self.traded)
            case "correct":
                world.report(made, ExecType.TRADE_CORRECT, exec_ref_id=self.traded, **quantity)
            case "TRADE":
                self.traded = f"T{world.now_ns}"
                world.report(made, ExecType.TRADE, exec_id=self.traded, **quantity)
            case _:
                world.report(made, ExecType[word], cl_ord_id=newest)

    @property
    def shown(self) -> tuple[str, Decimal, Decimal, str]:
        view = order.view(self.order)
        return view.ord_status.name, view.cum_qty, view.leaves_qty, ",".join(view.pending) or "-"


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


def in_doubt(life: Life) -> bool:
    return order.view(life.order).in_doubt


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


def test_an_order_that_the_venue_once_confirmed_cannot_vanish() -> None:
    life = Life().live("NEW")
    status_reply(life, OrdStatus.REJECTED, ord_rej_reason="5")
    assert life.shown == ("NEW", 0, 100, "-")
    assert life.world.state.set_aside_total == 1


# --- Reports that cannot be applied: set aside, never lost, never guessed about ---


@pytest.mark.parametrize(
    "fields",
    [
        {"cl_ord_id": "unknown"},
        {"venue": OTHER_VENUE},
        {"side": "2"},
        {"exec_type": ExecType.TRADE},
        {"exec_type": ExecType.TRADE, "last_qty": Decimal(0), "last_px": Decimal(1)},
        {"exec_type": ExecType.TRADE, "last_qty": Decimal(1), "last_px": Decimal(1), "exec_id": ""},
        {"exec_type": ExecType.TRADE_CORRECT, "last_qty": Decimal(1), "last_px": Decimal(1)},
        {"exec_type": ExecType.TRADE_CANCEL},
    ],
    ids=str,
)
def test_what_contradicts_or_is_incomplete_is_set_aside(fields: dict[str, object]) -> None:
    life = Life()
    said = {
        "venue": VENUE,
        "exec_type": ExecType.NEW,
        "ord_status": OrdStatus.NEW,
        "exec_id": "A",
        "cl_ord_id": life.order.venue_cl_ord_id,
    }
    if "side" in fields:
        fields = {"side": type(life.order.command.side)("2")}
    report = ExecutionReport(**said | fields)
    (event,) = life.world.hear(report)
    assert isinstance(event, ev.ReportSetAside)
    assert life.shown == ("PENDING_NEW", 0, 100, "-")
    assert life.world.state.set_aside[-1].event.report == report


def test_no_order_id_is_nobodys_name() -> None:
    """OrderID(37)=NONE is what venues say of an order that they do not know: the next NONE is another one."""
    life = Life()
    life.world.report(life.order, ExecType.REJECTED, venue_order_id="NONE")
    (event,) = life.world.report(life.order, ExecType.REJECTED, venue_order_id="NONE", cl_ord_id="stranger")
    assert isinstance(event, ev.ReportSetAside)


def test_an_order_is_found_by_the_venues_name_when_it_echoes_no_other() -> None:
    life = Life()
    life.world.report(life.order, ExecType.NEW, venue_order_id="V1")
    life.world.report(life.order, ExecType.CANCELED, venue_order_id="V1", cl_ord_id="")
    assert life.shown == ("CANCELED", 0, 0, "-")


def test_an_order_reduced_to_nothing_is_not_working() -> None:
    life = Life().live("NEW")
    life.world.report(life.order, ExecType.RESTATED, order_qty=Decimal(0))
    assert not life.order.working
    assert life.world.ask(CancelOrder(CLIENT, "c", "1")).reason is Reason.ORDER_NOT_WORKING


def test_an_order_by_amount_works_until_the_venue_has_said_its_quantity() -> None:
    world = World.started()
    made = world.submit("1", 0, cash_order_qty=Decimal(1000))
    assert (made.working, made.leaves_qty) == (True, 0)
    world.report(made, ExecType.NEW, order_qty=Decimal(90))
    assert (made.working, made.leaves_qty) == (True, 90)
    world.fill(made, 90)
    assert (made.working, order.view(made).ord_status) == (False, OrdStatus.FILLED)


def test_a_message_that_was_ignored_says_nothing_new_when_it_comes_again_either() -> None:
    """Rule 2: an old Pending Cancel, sent again after a gap, is no evidence about a cancel that was asked for since."""
    life = Life().live("NEW")
    pending = {"exec_id": "P", "cl_ord_id": life.order.venue_cl_ord_id}
    life.world.report(life.order, ExecType.PENDING_CANCEL, **pending)
    life.live("cancel?")
    life.world.tell(SessionDown(VENUE))
    life.world.tell(SessionUp(VENUE))
    life.world.report(life.order, ExecType.PENDING_CANCEL, **pending)
    assert in_doubt(life)
    assert life.world.recovered() == life.world.state


def test_the_newest_set_aside_reports_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SET_ASIDE_KEPT", 3)
    world = World.started()
    for number in range(10):
        world.hear(UnexpectedMessage(VENUE, "B", str(number), ""))
    assert [record.event.why for record in world.state.set_aside] == ["7", "8", "9"]
    assert world.state.set_aside_total == 10


def test_every_message_of_a_venue_leaves_its_number_in_the_journal() -> None:
    life = Life().live("NEW TRADE=10")
    before = life.world.state.session(VENUE).inbound_seq
    for report in (
        UnexpectedMessage(VENUE, "B", "news", ""),
        MessageRejected(VENUE, "D", "unknown"),
        OrderCancelReject(VENUE, "unknown", "unknown"),
    ):
        life.world.hear(report)
    life.world.report(life.order, ExecType.TRADE, exec_id=life.traded, last_qty=Decimal(10), last_px=Decimal(10))
    assert life.world.state.session(VENUE).inbound_seq == before + 4


def test_more_than_ordered_is_recorded_and_halts_the_instrument() -> None:
    life = Life().live("NEW TRADE=80 TRADE=40")
    assert life.world.events(ev.OrderOverfilled) == [ev.OrderOverfilled(life.order.order_id, Decimal(20))]
    assert "ACME" in life.world.state.halted


def test_a_cum_qty_that_is_not_the_sum_is_disputed_once_until_it_agrees() -> None:
    life = Life()
    for told in (30, 40, 30, 50):
        life.world.fill(life.order, 10, cum_qty=Decimal(told))
    assert [event.venue_cum_qty for event in life.world.events(ev.QuantityDisputed)] == [30, 50]


@pytest.mark.parametrize(("order_qty", "cum_qty"), [("33", "13"), ("0.333333333333333333", "0.1"), ("7", "3")])
def test_a_split_that_no_decimal_factor_describes_stops_nothing(order_qty: str, cum_qty: str) -> None:
    """A venue's word is a fact, also when its figures cannot be believed."""
    life = Life().live("NEW TRADE=30")
    order_100 = life.order.terms
    assert order_100.order_qty == 100
    life.world.report(
        life.order, ExecType.RESTATED, order_qty=Decimal(300), cum_qty=Decimal(30), exec_restatement_reason="4"
    )
    life.world.report(
        life.order,
        ExecType.RESTATED,
        order_qty=Decimal(order_qty),
        cum_qty=Decimal(cum_qty),
        exec_restatement_reason="0",
    )
    assert life.order.cum_qty == 30
    assert life.order.terms.order_qty == Decimal(order_qty)


def test_a_process_that_starts_begins_an_epoch_and_finds_every_session_down() -> None:
    world = World.started()
    after = restarted(world)
    assert after.state.epoch == world.state.epoch + 1
    assert not any(session.up for session in after.state.sessions.values())
    assert after.tell(ProcessStarted("3"))[0].epoch == 3


def test_a_record_names_the_request_that_its_event_speaks_of() -> None:
    """By the client's own ClOrdID(11), so that nobody has to ask the state, which may have forgotten it."""
    world = World.started()
    made = world.submit("1")
    world.acknowledge(made)
    world.ask(CancelOrder(CLIENT, "c1", "1"))
    cancel = next(reversed(made.requests))
    world.hear(OrderCancelReject(VENUE, cancel, made.venue_cl_ord_id))
    told = [record.order.request for record in world.records if record.order is not None]
    assert told[-2:] == ["c1", "c1"]
    assert not any(told[:-2])
