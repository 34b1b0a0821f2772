"""What a venue says that cannot be applied or believed: set aside, disputed or counted; never lost, never guessed."""

from decimal import Decimal

import pytest

from gateway.core import engine, order
from gateway.core import events as ev
from gateway.core.commands import CancelOrder
from gateway.core.events import Cause
from gateway.core.invariants import check_state
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    ProcessStarted,
    SessionDown,
    SessionUp,
    UnexpectedMessage,
)
from gateway.core.types import ExecType, OrdStatus, Reason
from tests.core.life import Life, in_doubt
from tests.core.world import CLIENT, OTHER_VENUE, VENUE, World, restarted


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


def test_a_cancel_reject_that_names_the_order_says_nothing_about_it() -> None:
    """A venue that names the wrong one is no evidence: the order stays in doubt."""
    life = Life()
    life.world.tell(SessionDown(VENUE))
    for reason in ("0", "1"):
        (event,) = life.world.hear(OrderCancelReject(VENUE, life.order.venue_cl_ord_id, "?", cxl_rej_reason=reason))
        assert isinstance(event, ev.ReportSetAside)
        assert event.why == "it names an order, not a cancel or a replace of it"
    assert in_doubt(life)


@pytest.mark.parametrize("reason", ["0", "1"])
def test_a_cancel_reject_with_its_names_the_wrong_way_round_refuses_the_cancel(reason: str) -> None:
    life = Life().live("cancel")
    first, cancel = life.order.requests
    event, *_ = life.world.hear(OrderCancelReject(VENUE, first, cancel, cxl_rej_reason=reason))
    assert isinstance(event, ev.RequestRejected)
    assert (event.venue_cl_ord_id, life.shown) == (cancel, ("PENDING_NEW", 0, 100, "-"))


def test_the_wrong_way_round_is_believed_only_of_what_was_sent() -> None:
    """The cancel names the replace, not the first order: which of the two is refused cannot be told."""
    life = Life().live("NEW replace=50")
    first, replace = life.order.requests
    life.world.ask(CancelOrder(CLIENT, "c", "r"))
    cancel = list(life.order.requests)[-1]
    assert life.order.requests[cancel].orig_venue_cl_ord_id == replace
    (event,) = life.world.hear(OrderCancelReject(VENUE, first, cancel))
    assert isinstance(event, ev.ReportSetAside)


def test_doubt_about_an_order_that_was_answered_is_indexed_too() -> None:
    """As a journal of an older version may have it."""
    life = Life()
    made, world = life.order, life.world
    rejected = ev.RequestRejected(made.order_id, venue_cl_ord_id=made.venue_cl_ord_id)
    for event in (rejected, ev.OrderInDoubt(made.order_id, made.venue_cl_ord_id, "?")):
        engine.apply(world.state, event, world.now_ns, Cause("venue", VENUE))
    check_state(world.state)
    assert world.state.doubtful == {made.venue_cl_ord_id: made.order_id}


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


def test_a_number_that_came_on_no_session_is_none_of_a_venues() -> None:
    """Counted, the venue would be told to go on behind reports that never came."""
    world = World.started()
    before = world.state.session(VENUE).inbound_seq
    world.tell(SessionDown(VENUE), Cause("operator", VENUE, 999))
    assert world.state.session(VENUE).inbound_seq == before
    assert world.recovered() == world.state


def test_more_than_ordered_is_recorded_and_halts_the_instrument() -> None:
    life = Life().live("NEW TRADE=80 TRADE=40")
    assert life.world.events(ev.OrderOverfilled) == [ev.OrderOverfilled(life.order.order_id, Decimal(20))]
    assert "ACME" in life.world.state.halted


def test_a_cum_qty_that_is_not_the_sum_is_disputed_once_until_it_agrees() -> None:
    """30 is our sum with the third fill, but the venue has told of 40 before: that fill may be one that came late."""
    life = Life()
    for told in (30, 40, 30, 40, 60):
        life.world.fill(life.order, 10, cum_qty=Decimal(told))
    assert [event.venue_cum_qty for event in life.world.events(ev.QuantityDisputed)] == [30, 40, 60]


def test_what_a_reply_agreed_with_is_no_measure_once_it_was_busted() -> None:
    """More than we count is disputed, also when it is less than the venue once said."""
    world = World.started()
    made = world.submit("1", 200)
    world.fill(made, 60)
    world.fill(made, 40, exec_id="T2")
    world.report(made, ExecType.ORDER_STATUS, ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty=Decimal(100))
    assert not made.disputed
    world.report(made, ExecType.TRADE_CANCEL, exec_ref_id="T2")
    world.report(made, ExecType.NEW, cum_qty=Decimal(80))
    assert (made.disputed, made.disputed_cum_qty) == (True, 80)


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
