"""Rule 2: what counts as evidence about a request, and what does not."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder, RequestOrderStatus, ResolveDoubt
from gateway.core.order import ord_status
from gateway.core.reports import MessageRejected, OrderCancelReject, SessionDown, SessionUp
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, OrdType
from tests.core.life import Life
from tests.core.world import CLIENT, VENUE, World


@pytest.mark.parametrize(
    ("exec_type", "said", "status"),
    [
        (ExecType.PENDING_NEW, {"ord_status": OrdStatus.PENDING_NEW}, OrdStatus.PENDING_NEW),
        (ExecType.NEW, {}, OrdStatus.NEW),
        (ExecType.TRADE, {"last_qty": Decimal(30), "last_px": Decimal(10)}, OrdStatus.PARTIALLY_FILLED),
    ],
)
def test_an_order_that_the_venue_first_does_not_know_and_then_speaks_of_lives(
    exec_type: ExecType, said: dict[str, Any], status: OrdStatus
) -> None:
    """A venue may answer a status request before it has looked at the order: its later word is the truth."""
    world = World.started()
    order = world.submit()
    world.report(order, ExecType.ORDER_STATUS, ord_status=OrdStatus.REJECTED, ord_rej_reason="5")
    assert order.closed
    world.report(order, exec_type, **said)
    assert (world.records[-1].order.ord_status, order.closed) == (status, False)
    assert order.leaves_qty == 100 - order.cum_qty
    assert order.order_id in world.state.working[CLIENT]
    assert world.recovered() == world.state


@pytest.mark.parametrize("ref_msg_type", ["D", ""])
def test_a_reject_of_the_order_message_rejects_the_order(ref_msg_type: str) -> None:
    world = World.started()
    order = world.submit()
    said = {"reject_reason": "1", "text": "no", "reason_tag": 373}
    (event,) = world.hear(MessageRejected(VENUE, ref_msg_type, order.venue_cl_ord_id, **said))
    assert world.records[-1].order.ord_status is OrdStatus.REJECTED
    assert event == ev.OrderRejected(order.order_id, text="no", ord_rej_reason="1", reason_tag=373)


def test_a_reject_of_a_status_request_says_nothing_about_the_order_it_asked_for() -> None:
    world = World.started()
    order = world.submit()
    world.ask(RequestOrderStatus(CLIENT, "1"))
    (event,) = world.hear(MessageRejected(VENUE, "H", order.venue_cl_ord_id, text="unsupported message type"))
    assert isinstance(event, ev.MessageRefused)
    assert not order.closed


def test_a_reject_that_names_an_order_the_venue_has_accepted_does_not_end_it() -> None:
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    (event,) = world.hear(MessageRejected(VENUE, "D", order.venue_cl_ord_id, text="late"))
    assert isinstance(event, ev.MessageRefused)
    assert not order.closed


def test_a_duplicate_that_is_rejected_is_the_order_itself_while_the_venue_has_confirmed_none() -> None:
    """OrdRejReason(103) 6: only of an order that works is another message the duplicate."""
    world = World.started()
    unconfirmed, confirmed = world.submit("1"), world.submit("2")
    world.acknowledge(confirmed)
    for order in (unconfirmed, confirmed):
        world.report(order, ExecType.REJECTED, ord_status=OrdStatus.REJECTED, ord_rej_reason="6")
    assert (unconfirmed.closed, confirmed.closed) == (True, False)


def test_a_reject_of_a_cancel_message_ends_the_cancel_only() -> None:
    world = World.started()
    order = world.submit()
    world.ask(CancelOrder(CLIENT, "2", "1"))
    (cancel,) = order.unanswered
    (event,) = world.hear(MessageRejected(VENUE, "F", cancel, reject_reason="4", text="no", reason_tag=380))
    assert (event.cxl_rej_reason, event.reason_tag) == ("4", 380)
    assert (order.closed, dict(order.unanswered)) == (False, {})


@pytest.mark.parametrize(("reason", "asks"), [("0", True), ("1", True), ("2", False), ("", False)])
def test_a_venue_to_which_an_order_is_over_that_works_here_is_asked(reason: str, asks: bool) -> None:
    """Its Done For Day came before its New, or never came: each cancel of a stop was refused, and nobody asked."""
    life = Life().live("NEW cancel")
    cancel, why = list(life.order.requests)[-1], "too late"
    events = life.world.hear(
        OrderCancelReject(VENUE, cancel, life.order.venue_cl_ord_id, text=why, cxl_rej_reason=reason)
    )
    assert [type(event) for event in events] == [ev.RequestRejected, *([ev.StatusRequested] if asks else [])]
    again = life.world.hear(
        OrderCancelReject(VENUE, cancel, life.order.venue_cl_ord_id, text=why, cxl_rej_reason=reason)
    )
    assert [type(event) for event in again] == [ev.ReportIgnored]


def test_a_cancel_that_crossed_the_execution_that_was_the_orders_end_asks_nothing() -> None:
    life = Life().live("NEW cancel TRADE=100")
    cancel = list(life.order.requests)[-1]
    events = life.world.hear(OrderCancelReject(VENUE, cancel, life.order.venue_cl_ord_id, cxl_rej_reason="0"))
    assert [type(event) for event in events] == [ev.RequestRejected]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "REJECTED"), ("DONE_FOR_DAY", "DONE_FOR_DAY"), ("STOPPED", "STOPPED"), ("SUSPENDED", "SUSPENDED")],
)
def test_an_order_that_is_rejected_under_the_name_of_a_replace_in_force_has_ended(before: str, after: str) -> None:
    """The venue accepted the replace before the order itself (Pending New), and then rejected the order. What
    outranks Rejected hides it in OrdStatus(39).
    """
    life = Life().live("PENDING_NEW replace=50")
    replace = list(life.order.requests)[-1]
    life.world.report(life.order, ExecType.REPLACED, cl_ord_id=replace, ord_status=OrdStatus.PENDING_NEW)
    life.live(before)
    life.world.report(life.order, ExecType.REJECTED, cl_ord_id=replace, ord_status=OrdStatus[after])
    assert (life.order.closed, life.shown) == (True, (after, 0, 0, "-"))


@pytest.mark.parametrize("ord_status", [OrdStatus.NEW, OrdStatus.PENDING_NEW, OrdStatus.PENDING_REPLACE])
def test_a_rejection_that_names_a_replace_in_force_ends_no_order_that_works(ord_status: OrdStatus) -> None:
    life = Life().live("NEW replace=50")
    replace = list(life.order.requests)[-1]
    life.world.report(life.order, ExecType.REPLACED, cl_ord_id=replace, ord_status=OrdStatus.NEW)
    life.world.report(life.order, ExecType.REJECTED, cl_ord_id=replace, ord_status=ord_status)
    assert (life.order.closed, life.shown) == (False, ("NEW", 0, 50, "-"))


@dataclass
class Replacing:
    """A day order of 100 whose replace by one of 50 is on its way, and what its venue says of both."""

    life: Life

    def __post_init__(self) -> None:
        self.life.live("replace=50")
        self.replace = list(self.life.order.requests)[-1]

    def told(self, exec_type: ExecType, ord_status: OrdStatus, **fields: Any) -> list[ev.Event]:
        """A report that names the replace."""
        said = {"cl_ord_id": self.replace, "ord_status": ord_status} | fields
        return self.life.world.report(self.life.order, exec_type, **said)

    def replies_rejected(self, **fields: Any) -> list[ev.Event]:
        """The venue answers a status request: the order is rejected."""
        return self.told(ExecType.ORDER_STATUS, OrdStatus.REJECTED, exec_id="", **fields)


@pytest.mark.parametrize("before", ["", "PENDING_NEW"])
def test_a_rejection_that_is_told_before_the_replace_that_it_names_ends_the_order_by_a_reply(before: str) -> None:
    """Until then it may have refused the replace: venues do that with an ExecutionReport, too."""
    asked = Replacing(Life().live(before))
    order, world = asked.life.order, asked.life.world
    (refused,) = asked.told(ExecType.REJECTED, OrdStatus.REJECTED)
    assert (type(refused), order.closed) == (ev.RequestRejected, False)
    replaced, question = asked.told(ExecType.REPLACED, OrdStatus.PENDING_NEW)
    assert (type(replaced), order.closed, order.leaves_qty) == (ev.OrderReplaced, False, 50), "its risk stays"
    assert (type(question), question.venue_cl_ord_id) == (ev.StatusRequested, asked.replace)
    world.ask(CancelOrder(CLIENT, "c", "1"))
    asked.replies_rejected()
    assert (asked.life.shown, world.state.set_aside_total) == (("REJECTED", 0, 0, "-"), 0)
    assert world.recovered() == world.state


def test_an_order_whose_replace_alone_was_accepted_may_be_rejected_by_a_reply() -> None:
    """The report of its rejection never came."""
    asked = Replacing(Life().live("PENDING_NEW"))
    assert [type(event) for event in asked.told(ExecType.REPLACED, OrdStatus.PENDING_NEW)] == [ev.OrderReplaced]
    asked.replies_rejected()
    assert (asked.life.shown, asked.life.world.state.set_aside_total) == (("REJECTED", 0, 0, "-"), 0)


@pytest.mark.parametrize("refused_before", [True, False])
@pytest.mark.parametrize(
    ("before", "shows", "after"),
    [
        ("NEW", "NEW", ""),
        ("NEW", "PENDING_NEW", ""),
        ("PENDING_NEW", "NEW", ""),
        ("PENDING_NEW", "PENDING_NEW", "NEW"),
        ("PENDING_NEW", "PENDING_NEW", "SUSPENDED"),
        ("PENDING_NEW", "PENDING_NEW", "TRADE=10"),
    ],
)
def test_a_reply_rejects_no_order_that_the_venue_accepted_before_or_after_its_replace(
    before: str, shows: str, after: str, refused_before: bool
) -> None:
    """The venue may have forgotten it: that it refused and accepted one replace does not say that the order is over."""
    asked = Replacing(Life().live(before))
    if refused_before:
        asked.told(ExecType.REJECTED, OrdStatus.REJECTED)
    asked.told(ExecType.REPLACED, OrdStatus[shows])
    asked.life.live(after)
    (aside,) = asked.replies_rejected()
    assert (type(aside), asked.life.order.working) == (ev.ReportSetAside, True)


def test_a_replace_that_is_refused_with_an_execution_report_ends_no_order() -> None:
    asked = Replacing(Life().live("PENDING_NEW"))
    asked.told(ExecType.REJECTED, OrdStatus.REJECTED)
    asked.life.world.report(asked.life.order, ExecType.NEW)
    assert asked.life.shown == ("NEW", 0, 100, "-")
    (aside,) = asked.replies_rejected(cl_ord_id=asked.life.order.venue_cl_ord_id)
    assert (type(aside), asked.life.order.working) == (ev.ReportSetAside, True)


@pytest.mark.parametrize("unknown", [{"ord_rej_reason": "5"}, {"venue_order_id": "NONE"}], ids=["103=5", "37=NONE"])
def test_an_unknown_order_whose_replace_alone_was_accepted_goes_on(unknown: dict[str, Any]) -> None:
    """That is no rejection: a venue that spoke of the order and does not know it contradicts itself."""
    asked = Replacing(Life())
    asked.told(ExecType.REPLACED, OrdStatus.PENDING_NEW)
    (aside,) = asked.replies_rejected(**unknown)
    assert (type(aside), asked.life.order.working) == (ev.ReportSetAside, True)


@pytest.mark.parametrize("told_last", [0, 1])
def test_replaces_of_an_order_that_is_pending_new_do_not_accept_it(told_last: int) -> None:
    world = World.started()
    order = world.submit()
    for cl_ord_id, orig in (("2", "1"), ("3", "2")):
        assert world.ask(ReplaceOrder(CLIENT, cl_ord_id, orig, price=Decimal(cl_ord_id))).reason is None
    names = list(order.unanswered)
    for name in (names[1 - told_last], names[told_last]):
        world.report(order, ExecType.REPLACED, cl_ord_id=name, ord_status=OrdStatus.PENDING_NEW)
    world.report(order, ExecType.ORDER_STATUS, exec_id="", cl_ord_id=names[1], ord_status=OrdStatus.REJECTED)
    assert (order.closed, order.cl_ord_id) == (True, "3")
    assert world.recovered() == world.state


def test_a_venue_that_changes_an_order_that_is_pending_new_does_not_accept_it() -> None:
    """Unasked, under the order's own name."""
    life = Life()
    life.world.report(life.order, ExecType.REPLACED, order_qty=Decimal(90), ord_status=OrdStatus.PENDING_NEW)
    assert life.order.leaves_qty == 90
    life.world.report(life.order, ExecType.ORDER_STATUS, exec_id="", ord_status=OrdStatus.REJECTED)
    assert life.shown == ("REJECTED", 0, 0, "-")


def test_a_replace_that_an_operator_took_for_refused_and_that_is_accepted_asks_nothing() -> None:
    asked = Replacing(Life().live("NEW"))
    world, order = asked.life.world, asked.life.order
    world.tell(SessionDown(VENUE))
    settled = ResolveDoubt("ops", order.order_id, DoubtOutcome.REJECTED, "they said so", asked.replace)
    assert world.ask(settled).reason is None
    world.tell(SessionUp(VENUE))
    (replaced,) = asked.told(ExecType.REPLACED, OrdStatus.NEW)
    assert (type(replaced), order.leaves_qty) == (ev.OrderReplaced, 50)


def test_a_replace_that_is_told_again_after_a_later_one_changes_nothing() -> None:
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    names = []
    for cl_ord_id, order_qty in (("2", 80), ("3", 60)):
        world.ask(ReplaceOrder(CLIENT, cl_ord_id, "1", order_qty=Decimal(order_qty)))
        names.append(next(iter(order.unanswered)))
        world.report(order, ExecType.REPLACED, cl_ord_id=names[-1])
    world.report(order, ExecType.REPLACED, cl_ord_id=names[0])
    assert isinstance(world.records[-1].event, ev.ReportIgnored)
    assert (order.terms.order_qty, order.venue_cl_ord_id) == (60, names[1])


@pytest.mark.parametrize("order_in_which_they_are_told", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)])
def test_chained_replaces_that_are_told_in_any_order_come_to_the_same(
    order_in_which_they_are_told: tuple[int, ...],
) -> None:
    """Each was asked for on top of the one before, so the last is in force, whichever the venue tells last."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    asked = [("2", "1", 80), ("3", "2", 70), ("4", "3", 60)]
    for cl_ord_id, orig, order_qty in asked:
        assert world.ask(ReplaceOrder(CLIENT, cl_ord_id, orig, order_qty=Decimal(order_qty))).reason is None
    names = list(order.unanswered)
    for which in order_in_which_they_are_told:
        qty = Decimal(asked[which][2])
        world.report(order, ExecType.REPLACED, cl_ord_id=names[which], order_qty=qty, venue_order_id="V1")
    assert (order.terms.order_qty, order.cl_ord_id, order.venue_cl_ord_id) == (60, "4", names[2])
    assert not order.unanswered
    assert {order.requests[name].state for name in names} == {"accepted"}
    world.fill(order, 60)
    assert ord_status(order) is OrdStatus.FILLED
    assert world.recovered() == world.state


class Looked(dict[str, Any]):
    """Requests that count how often one of them is looked for."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)


def test_a_replace_costs_the_same_however_many_came_before() -> None:
    world = World.started()
    made = world.submit("0")
    world.acknowledge(made)
    made.requests = looked = Looked(made.requests)
    spent = []
    for number in range(1, 30):
        world.ask(ReplaceOrder(CLIENT, f"{number}", f"{number - 1}", price=Decimal(number)))
        before, newest = looked.looks, next(iter(made.unanswered))
        world.report(made, ExecType.REPLACED, cl_ord_id=newest)
        spent.append(looked.looks - before)
    assert (made.terms.price, spent[-1]) == (29, spent[0])


def test_a_restatement_whose_cum_qty_is_not_ours_is_disputed() -> None:
    """Rule 4: a venue's CumQty is a check, never a source."""
    world = World.started()
    order = world.submit()
    world.fill(order, 30)
    world.report(order, ExecType.RESTATED, cum_qty=Decimal(20), exec_restatement_reason="1")
    assert (order.cum_qty, order.disputed) == (30, True)
    (disputed,) = world.events(ev.QuantityDisputed)
    assert (disputed.venue_cum_qty, disputed.cum_qty) == (20, 30)


def test_an_order_whose_execution_was_corrected_before_anything_else_was_told_is_no_rejected_one() -> None:
    """No order that was executed becomes Rejected: the venue contradicts itself, which is for a person."""
    world = World.started()
    order = world.submit()
    world.report(order, ExecType.TRADE_CORRECT, exec_ref_id="gone", last_qty=Decimal(30), last_px=Decimal(10))
    (event,) = world.report(order, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus.REJECTED)
    assert isinstance(event, ev.ReportSetAside)
    assert "calls rejected" in event.why
    assert (order.cum_qty, order.leaves_qty, order.closed) == (30, 70, False)


def test_a_price_that_a_venue_states_of_a_market_order_makes_no_limit_order_of_it() -> None:
    world = World.started()
    order = world.submit(ord_type=OrdType.MARKET, price=None)
    world.report(order, ExecType.RESTATED, order_qty=Decimal(80), price=Decimal(12), stop_px=Decimal(11))
    assert (order.terms.order_qty, order.terms.price, order.terms.stop_px) == (80, None, None)


def test_a_pending_cancel_that_names_the_order_is_of_the_cancel_that_is_unanswered() -> None:
    """Many venues name the order there, not the request."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.ask(CancelOrder(CLIENT, "c", "1"))
    (event,) = world.report(order, ExecType.PENDING_CANCEL, ord_status=OrdStatus.PENDING_CANCEL)
    assert isinstance(event, ev.RequestPending)
    assert event.venue_cl_ord_id == [*order.requests][-1]
    assert order.requests[event.venue_cl_ord_id].state == "pending"


def test_a_cancel_that_arrived_after_the_order_had_ended_is_not_waited_for() -> None:
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.ask(CancelOrder(CLIENT, "c", "1"))
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    cancel = [*order.requests][-1]
    world.report(order, ExecType.ORDER_STATUS, exec_id="0")
    world.report(order, ExecType.EXPIRED, ord_status=OrdStatus.EXPIRED)
    (pending,) = world.report(order, ExecType.PENDING_CANCEL, cl_ord_id=cancel, ord_status=OrdStatus.EXPIRED)
    assert (pending.arrived, order.requests[cancel].state, dict(order.unanswered)) == (False, "unsent", {})


def test_a_cancel_that_the_venue_did_not_know_and_then_calls_pending_is_waited_for() -> None:
    """Its answer has a request to settle then, and what the venue calls pending next is not taken for another one."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.ask(CancelOrder(CLIENT, "c1", "1"))
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    first = [*order.requests][-1]
    world.report(order, ExecType.ORDER_STATUS, exec_id="0")
    assert order.requests[first].state == "unsent"
    world.ask(CancelOrder(CLIENT, "c2", "1"))
    second = [*order.requests][-1]
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    world.report(order, ExecType.PENDING_CANCEL, cl_ord_id=first)
    assert [*order.unanswered] == [first, second]
    world.report(order, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus.PENDING_CANCEL)
    assert order.requests[second].in_doubt, "it may be the first one that the venue has"
    world.hear(OrderCancelReject(VENUE, first, order.venue_cl_ord_id))
    assert [*order.unanswered] == [second]
    assert world.recovered() == world.state


@pytest.mark.parametrize("by_report", [False, True], ids=["cancel reject", "execution report"])
def test_a_cancel_that_was_taken_for_unsent_and_refused_is_not_waited_for_when_it_is_called_pending(
    by_report: bool,
) -> None:
    """Told in the wrong order: the refusal was passed over, and then nothing answered what it had been an answer to."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.ask(CancelOrder(CLIENT, "c1", "1"))
    world.tell(SessionDown(VENUE))
    world.tell(SessionUp(VENUE))
    cancel = [*order.requests][-1]
    world.report(order, ExecType.ORDER_STATUS, exec_id="0")
    assert order.requests[cancel].state == "unsent"
    if by_report:
        (refused,) = world.report(order, ExecType.REJECTED, cl_ord_id=cancel)
    else:
        (refused,) = world.hear(OrderCancelReject(VENUE, cancel, order.venue_cl_ord_id))
    assert (type(refused), refused.arrived, order.requests[cancel].state) == (ev.RequestRejected, True, "rejected")
    world.report(order, ExecType.PENDING_CANCEL, cl_ord_id=cancel)
    assert ([*order.unanswered], order.closed) == ([], False)
    assert world.recovered() == world.state


@pytest.mark.parametrize("status", [OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE])
def test_a_reply_that_calls_pending_what_we_never_asked_for_settles_nothing(status: OrdStatus) -> None:
    """A venue's desk may cancel under a name of its own; the order is known by OrderID(37) alone then."""
    world = World.started()
    order = world.submit()
    world.report(order, ExecType.NEW, venue_order_id="V1")
    named = {"cl_ord_id": "theirs", "venue_order_id": "V1", "ord_status": status}
    (told,) = world.report(order, ExecType.ORDER_STATUS, exec_id="0", **named)
    assert isinstance(told, ev.OrderStatusReported)
    assert (ord_status(order), list(order.unanswered)) == (OrdStatus.NEW, [])
    assert world.recovered() == world.state


def test_a_replace_that_is_told_after_the_one_on_top_of_it_has_all_that_the_venue_said() -> None:
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    for name, order_qty in (("2", 150), ("3", 170)):
        world.ask(ReplaceOrder(CLIENT, name, "1", order_qty=Decimal(order_qty)))
    first, second = order.unanswered
    world.report(order, ExecType.REPLACED, cl_ord_id=second)
    (late,) = world.report(order, ExecType.REPLACED, cl_ord_id=first, exec_id="E9", text="told late")
    assert isinstance(late, ev.OrderReplaced)
    assert (late.overtaken, late.exec_id, late.text) == (True, "E9", "told late")
    assert (order.terms.order_qty, order.unanswered) == (170, {})


def test_an_order_that_is_reinstated_may_still_be_done_for_the_day() -> None:
    """A suspension ends by New; what OrdStatus(39) says beside it counts. A cancel would be refused all day long."""
    life = Life().live("NEW DONE_FOR_DAY SUSPENDED")
    life.world.report(life.order, ExecType.NEW, ord_status=OrdStatus.DONE_FOR_DAY)
    assert (ord_status(life.order), life.order.working) == (OrdStatus.DONE_FOR_DAY, False)
    life.world.report(life.order, ExecType.NEW, ord_status=OrdStatus.NEW)
    assert (ord_status(life.order), life.order.working) == (OrdStatus.NEW, True)


@pytest.mark.parametrize(("said", "shown"), [("NEW", "NEW"), ("PARTIALLY_FILLED", "NEW"), ("SUSPENDED", "SUSPENDED")])
def test_an_order_that_is_done_for_the_day_works_again_when_its_venue_takes_a_replace(said: str, shown: str) -> None:
    """It has to count, and a stop has to cancel it. Whether it is so now is asked: the replace may be told late."""
    life = Life().live("NEW DONE_FOR_DAY SUSPENDED replace=150")
    world, order = life.world, life.order
    *_, asked = world.report(order, ExecType.REPLACED, cl_ord_id=[*order.requests][-1], ord_status=OrdStatus[said])
    assert isinstance(asked, ev.StatusRequested)
    assert asked.venue_cl_ord_id == order.venue_cl_ord_id
    assert (ord_status(order).name, order.leaves_qty, order.working) == (shown, 150, True)
    assert world.ask(CancelOrder(CLIENT, "c", "r")).reason is None
    world.report(order, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus.DONE_FOR_DAY)
    assert (order.leaves_qty, order.working) == (0, False)
    assert world.recovered() == world.state


@pytest.mark.parametrize(("said", "shown"), [("NEW", "NEW"), ("PARTIALLY_FILLED", "NEW"), ("SUSPENDED", "SUSPENDED")])
def test_an_order_that_is_done_for_the_day_works_again_when_a_reply_says_so(said: str, shown: str) -> None:
    life = Life().live("NEW DONE_FOR_DAY SUSPENDED")
    life.world.report(life.order, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus[said])
    assert life.shown == (shown, 0, 100, "-")
    assert life.world.recovered() == life.world.state


@pytest.mark.parametrize(
    "said", [{"ord_status": OrdStatus.DONE_FOR_DAY}, {"ord_status": OrdStatus.NEW, "poss_dup": True}]
)
def test_an_order_that_is_done_for_the_day_stays_so_by_an_older_word(said: dict[str, Any]) -> None:
    """A fill that is told late is of an order that traded; the question what it means is answered now."""
    life = Life().live("NEW DONE_FOR_DAY")
    *_, asked = life.world.fill(life.order, 40, ord_status=OrdStatus.PARTIALLY_FILLED)
    assert isinstance(asked, ev.StatusRequested)
    life.world.report(life.order, ExecType.ORDER_STATUS, exec_id="0", **said)
    assert life.shown == ("DONE_FOR_DAY", 40, 0, "-")
