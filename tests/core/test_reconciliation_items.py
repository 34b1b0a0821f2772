"""Differences between our books and a venue's: what raises an item, what resolves it, and that each is there once."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core import engine, items
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder, ResolveDoubt, ResolveItem
from gateway.core.events import Input
from gateway.core.order import Order
from gateway.core.reports import (
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    SessionDown,
    SessionUp,
    TimerFired,
    UnexpectedMessage,
)
from gateway.core.state import Item
from gateway.core.types import DoubtOutcome, ExecType, ItemKind, OrdStatus, Severity
from tests.core.test_reconciliation import (
    EACH,
    MASS,
    asked,
    ended,
    kinds,
    later,
    listed,
    no_orders,
    reconnect,
    reply,
    working,
)
from tests.core.test_reconciliation import world_of as _world_of
from tests.core.world import CLIENT, PROCESS, SECOND_NS, VENUE, World, order

HUNDRED, FIFTY = Decimal(100), Decimal(50)


def with_order(how: object = EACH) -> tuple[World, Order]:
    world = _world_of(how)
    (one,) = working(world, "1")
    return world, one


def only(world: World) -> Item:
    """The one open item."""
    (item,) = world.state.items.values()
    assert world.recovered() == world.state
    return item


def resolutions(world: World) -> list[tuple[str, str]]:
    return [(event.text, event.operator) for event in world.events(ev.ItemResolved)]


# --- STATUS ---


@pytest.mark.parametrize("status", [OrdStatus.CANCELED, OrdStatus.EXPIRED])
def test_an_end_that_only_the_status_reply_tells_is_taken_and_recorded(status: OrdStatus) -> None:
    world, one = with_order()
    reply(world, one, status)
    (raised,) = world.events(ev.ItemRaised)
    assert (raised.kind, raised.severity, raised.ours, raised.theirs) == (
        ItemKind.STATUS,
        Severity.WARNING,
        "NEW",
        status.name,
    )
    assert (kinds(world), one.closed) == ([], True)


def test_an_item_about_an_order_of_ours_has_the_venues_name_for_it() -> None:
    world, one = with_order()
    world.report(one, ExecType.NEW, venue_order_id="V1")
    world.fill(one, 10, cum_qty=Decimal(30))
    raised = only(world).raised
    assert (raised.order_id, raised.venue_order_id) == (one.order_id, "V1")


def test_what_was_in_doubt_is_no_surprise() -> None:
    world = _world_of()
    one = world.submit()
    reconnect(world)
    reply(world, one, OrdStatus.CANCELED)
    assert (one.closed, world.events(ev.ItemRaised)) == (True, [])


def test_an_order_that_is_alive_after_all_is_recorded() -> None:
    world = _world_of()
    one = world.submit()
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5")
    assert one.closed
    reply(world, one)
    assert (one.closed, kinds(world)) == (False, [])
    assert [raised.kind for raised in world.events(ev.ItemRaised)] == [ItemKind.STATUS]


def test_an_order_that_the_venue_ended_and_works_is_for_a_person() -> None:
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    reply(world, one, OrdStatus.NEW)
    raised = only(world).raised
    assert (raised.kind, raised.severity, one.closed) == (ItemKind.STATUS, Severity.CRITICAL, True)
    reply(world, one, OrdStatus.NEW)
    assert len(world.state.items) == 1
    reply(world, one, OrdStatus.CANCELED)
    assert kinds(world) == []


def test_a_venue_that_speaks_of_an_order_that_it_ended_is_asked_once() -> None:
    """The reply may have been on its way when the order ended: the next one tells how it stands."""
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert asked(reply(world, one, OrdStatus.NEW)) == [one.order_id]
    assert asked(reply(world, one, OrdStatus.NEW)) == []
    assert kinds(world) == [ItemKind.STATUS]
    reply(world, one, OrdStatus.CANCELED)
    assert kinds(world) == []


def test_an_order_that_lives_again_by_the_venues_own_report_needs_no_person() -> None:
    world = _world_of()
    one = world.submit()
    world.report(one, ExecType.PENDING_NEW, ord_status=OrdStatus.PENDING_NEW)
    reply(world, one, OrdStatus.REJECTED)
    reply(world, one, OrdStatus.NEW)
    assert (one.closed, kinds(world)) == (True, [ItemKind.STATUS])
    world.acknowledge(one)
    assert (one.closed, kinds(world), resolutions(world)[-1]) == (False, [], ("the order lives", ""))


def test_an_order_that_an_operator_took_for_canceled_and_that_works_is_recorded() -> None:
    """Rule 2: the venue's word wins."""
    world, one = with_order()
    world.ask(CancelOrder(CLIENT, "2", "1"))
    world.tell(SessionDown(VENUE))
    assert world.ask(ResolveDoubt("ops", one.order_id, DoubtOutcome.ACCEPTED, "by phone")).reason is None
    assert one.closed
    world.tell(SessionUp(VENUE))
    reply(world, one, OrdStatus.NEW)
    assert (one.closed, kinds(world)) == (False, [])
    assert [raised.severity for raised in world.events(ev.ItemRaised)] == [Severity.WARNING]


def test_a_reply_that_comes_again_tells_how_things_were() -> None:
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    reply(world, one, OrdStatus.NEW, poss_dup=True, order_qty=FIFTY)
    assert kinds(world) == []


# --- TERMS ---


@pytest.mark.parametrize(
    ("said", "ours", "theirs"),
    [
        ({"order_qty": FIFTY}, "OrderQty 100", "OrderQty 50"),
        ({"order_qty": HUNDRED, "price": Decimal(11)}, "Price 10", "Price 11"),
        ({"order_qty": FIFTY, "price": Decimal(11)}, "OrderQty 100 Price 10", "OrderQty 50 Price 11"),
    ],
)
def test_other_terms_are_an_item_until_the_venue_agrees(said: dict[str, object], ours: str, theirs: str) -> None:
    world, one = with_order()
    reply(world, one, **said)
    raised = only(world).raised
    assert (raised.kind, raised.ours, raised.theirs) == (ItemKind.TERMS, ours, theirs)
    agreed = {"order_qty": HUNDRED, "price": Decimal("10.00")}
    for left_out in ("order_qty", "price"):
        if said.get(left_out, agreed[left_out]) != agreed[left_out]:
            reply(world, one, **agreed | {left_out: None})
            assert kinds(world) == [ItemKind.TERMS], "it says nothing of what differs"
    reply(world, one, **agreed)
    assert kinds(world) == []


def test_a_venue_that_tells_no_price_agrees_by_the_quantity_that_differed() -> None:
    world, one = with_order()
    reply(world, one, order_qty=FIFTY)
    reply(world, one)
    assert kinds(world) == [ItemKind.TERMS]
    reply(world, one, order_qty=HUNDRED)
    assert kinds(world) == []


def test_another_price_is_an_item_also_while_the_quantity_of_an_amount_is_not_known() -> None:
    """Of CashOrderQty(152) the venue makes what quantity it will; the price is the owner's."""
    world = _world_of()
    one = world.submit(order_qty=0, cash_order_qty=Decimal(1_000))
    world.acknowledge(one)
    reply(world, one, price=Decimal(11))
    assert (only(world).raised.ours, only(world).raised.theirs) == ("Price 10", "Price 11")
    reply(world, one, price=Decimal(10), order_qty=FIFTY)
    assert (one.terms.order_qty, kinds(world)) == (50, [])


def test_terms_that_a_replace_may_have_changed_are_no_difference() -> None:
    world, one = with_order()
    assert world.ask(ReplaceOrder(CLIENT, "2", "1", FIFTY)).reason is None
    reply(world, one, order_qty=FIFTY)
    assert kinds(world) == []


def test_the_terms_of_an_order_that_has_ended_do_not_matter() -> None:
    world, one = with_order()
    reply(world, one, order_qty=FIFTY)
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert kinds(world) == []


# --- ORDER_UNKNOWN, REPORT_UNKNOWN ---


@pytest.mark.parametrize("ord_rej_reason", ["5", "99", ""])
def test_an_order_that_the_venue_forgot_is_an_item_until_it_speaks_of_it_again(ord_rej_reason: str) -> None:
    world, one = with_order()
    reconnect(world)
    events = reply(world, one, OrdStatus.REJECTED, ord_rej_reason=ord_rej_reason)
    assert (ended(events), one.working) == ([True], True), "that is an answer too"
    raised = only(world).raised
    assert (raised.kind, raised.severity) == (ItemKind.ORDER_UNKNOWN, Severity.CRITICAL)
    world.fill(one, 10)
    assert kinds(world) == []


def test_a_venue_that_refuses_a_cancel_of_an_order_that_it_does_not_know_still_does_not_know_it() -> None:
    world, one = with_order()
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5")
    for cl_ord_id, cxl_rej_reason, left in (("2", "1", [ItemKind.ORDER_UNKNOWN]), ("3", "0", [])):
        world.ask(CancelOrder(CLIENT, cl_ord_id, "1"))
        refused = OrderCancelReject(VENUE, next(iter(one.unanswered)), one.venue_cl_ord_id)
        world.hear(msgspec.structs.replace(refused, cxl_rej_reason=cxl_rej_reason))
        assert kinds(world) == left


@pytest.mark.parametrize(
    ("reason", "left"), [("5", [ItemKind.ORDER_UNKNOWN]), ("1", [])], ids=["unknown order", "unknown symbol"]
)
def test_nor_does_it_when_it_refuses_the_cancel_by_an_execution_report(reason: str, left: list[ItemKind]) -> None:
    """There the reason is OrdRejReason(103), whose codes are others than those of CxlRejReason(102)."""
    world, one = with_order()
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5")
    world.ask(CancelOrder(CLIENT, "2", "1"))
    event, *_ = world.report(one, ExecType.REJECTED, cl_ord_id=next(iter(one.unanswered)), ord_rej_reason=reason)
    assert (event.cxl_rej_reason, event.reason_tag) == (reason, 103)
    assert (kinds(world), list(one.unanswered)) == (left, [])


def test_nor_does_it_when_it_rejects_the_message() -> None:
    """Reject(35=3) is about the message: its SessionRejectReason(373) says nothing of an order."""
    world, one = with_order()
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5")
    world.ask(CancelOrder(CLIENT, "2", "1"))
    world.hear(MessageRejected(VENUE, "F", next(iter(one.unanswered)), reject_reason="5"))
    assert (kinds(world), list(one.unanswered)) == ([ItemKind.ORDER_UNKNOWN], [])


def test_a_venue_may_forget_an_order_that_has_ended() -> None:
    world, one = with_order()
    world.report(one, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    reply(world, one, OrdStatus.REJECTED, ord_rej_reason="5")
    assert kinds(world) == []


def test_a_report_that_fits_nothing_is_one_item_for_each_order_that_it_names() -> None:
    world = _world_of()
    for name in ("V1", "V1", "V2", "", ""):
        world.hear(ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, venue_order_id=name))
    world.hear(UnexpectedMessage(VENUE, "8", "no ExecType(150)", "8=..."))
    world.hear(OrderCancelReject(VENUE, "?", "?", venue_order_id="V2"))
    assert [item.raised.venue_order_id for item in world.state.items.values()] == ["V1", "V2", ""]
    assert set(kinds(world)) == {ItemKind.REPORT_UNKNOWN}
    assert world.state.set_aside_total == 7


# --- ORDER_EXTERNAL ---


def external(world: World, name: str, status: OrdStatus = OrdStatus.NEW, **fields: object) -> None:
    report = ExecutionReport(VENUE, ExecType.ORDER_STATUS, status, venue_order_id=name, cl_ord_id="theirs")
    world.hear(msgspec.structs.replace(report, **fields))


def in_mass_run() -> tuple[World, str]:
    world = _world_of(MASS)
    reconnect(world)
    return world, world.state.runs[VENUE].mass_status_req_id


def test_an_order_that_we_never_sent_is_shown_as_external() -> None:
    world, req_id = in_mass_run()
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    raised = only(world).raised
    assert (raised.kind, raised.venue_order_id) == (ItemKind.ORDER_EXTERNAL, "V9")
    assert list(world.state.external[VENUE]) == ["V9"]
    assert world.state.session(VENUE).reconciled, "it does not keep order entry closed"
    assert (world.state.orders, world.state.positions) == ({}, {}), "never counted as ours"


def test_an_external_order_is_one_of_the_reports_of_a_mass_answer() -> None:
    """TotNumReports(911) counts what the venue lists, ours or not."""
    world = _world_of(MASS)
    (one,) = working(world, "1")
    reconnect(world)
    external(world, "V9", mass_status_req_id=world.state.runs[VENUE].mass_status_req_id, tot_num_reports=2)
    assert not world.state.session(VENUE).reconciled
    listed(world, one, tot_num_reports=2)
    assert world.state.session(VENUE).reconciled


def test_a_venue_that_lists_external_orders_slowly_but_steadily_is_waited_for() -> None:
    world, req_id = in_mass_run()
    for name in ("V8", "V9"):
        assert not ended(later(world, 29))
        external(world, name, mass_status_req_id=req_id)
    assert not ended(later(world, 29))
    assert ended(later(world, 1)) == [False]


@pytest.mark.parametrize("name", ["", "NONE"])
def test_what_is_listed_without_the_venues_name_for_it_is_set_aside(name: str) -> None:
    """OrderID(37) is how an external order is known."""
    world, req_id = in_mass_run()
    external(world, name, mass_status_req_id=req_id)
    assert (kinds(world), world.state.external) == ([ItemKind.REPORT_UNKNOWN], {})


def test_later_reports_about_an_external_order_update_it_until_it_has_ended() -> None:
    world, req_id = in_mass_run()
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    external(world, "V9", OrdStatus.PARTIALLY_FILLED, exec_type=ExecType.TRADE)
    assert world.state.external[VENUE]["V9"].report.ord_status is OrdStatus.PARTIALLY_FILLED
    assert len(world.state.items) == 1
    external(world, "V9", OrdStatus.PARTIALLY_FILLED, mass_status_req_id=req_id, poss_dup=True)
    assert len(world.state.items) == 1, "a line of the answer that comes again, when nobody asks any more"
    external(world, "V9", OrdStatus.FILLED, exec_type=ExecType.TRADE)
    assert (kinds(world), world.state.external[VENUE]) == ([], {})


def test_an_external_order_that_the_next_mass_answer_leaves_out_is_gone() -> None:
    world, req_id = in_mass_run()
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    reconnect(world)
    no_orders(world)
    assert (kinds(world), world.state.external[VENUE]) == ([], {})


def test_an_external_order_is_not_gone_because_nobody_was_asked_for_it() -> None:
    """Absence from a mass answer says so; a venue that refuses the mass question lists nothing."""
    world, req_id = in_mass_run()
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    reconnect(world)
    assert ended(world.hear(MessageRejected(VENUE, "AF", text="unsupported"))) == [True]
    assert (kinds(world), list(world.state.external[VENUE])) == ([ItemKind.ORDER_EXTERNAL], ["V9"])


def test_an_external_order_that_an_operator_knows_is_not_raised_again() -> None:
    world, req_id = in_mass_run()
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    world.ask(ResolveItem("ops", only(world).raised.item_id, "placed by phone"))
    reconnect(world)
    external(world, "V9", mass_status_req_id=world.state.runs[VENUE].mass_status_req_id, last_rpt_requested=True)
    assert (kinds(world), list(world.state.external[VENUE])) == ([], ["V9"])


def test_an_unsolicited_report_about_a_stranger_is_set_aside() -> None:
    world = _world_of()
    external(world, "V9", exec_type=ExecType.NEW)
    assert (world.state.external, kinds(world)) == ({}, [ItemKind.REPORT_UNKNOWN])


def test_an_external_order_resolves_what_was_set_aside_about_it() -> None:
    world, req_id = in_mass_run()
    external(world, "V9", exec_type=ExecType.NEW)
    external(world, "V9", mass_status_req_id=req_id, last_rpt_requested=True)
    assert kinds(world) == [ItemKind.ORDER_EXTERNAL]


def test_external_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7."""
    for module in ("gateway.core.venue_reports", "gateway.core.reconciliation"):
        monkeypatch.setattr(f"{module}.MAX_EXTERNAL", 2)
    world, req_id = in_mass_run()
    for name in ("V1", "V2", "V3"):
        external(world, name, mass_status_req_id=req_id)
    assert list(world.state.external[VENUE]) == ["V1", "V2"]
    assert kinds(world)[-1] is ItemKind.REPORT_UNKNOWN
    external(world, "V1", OrdStatus.PARTIALLY_FILLED)
    assert world.state.external[VENUE]["V1"].report.ord_status is OrdStatus.PARTIALLY_FILLED, "the known ones go on"


# --- Bounds ---


def test_items_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: one more says that there are more, and what is left out comes with the next comparison."""
    monkeypatch.setattr(items, "MAX_OPEN", 3)
    world = _world_of(MASS)
    orders = working(world, "1", "2", "3", "4", "5")
    for each in orders:
        world.fill(each, 10, cum_qty=Decimal(30))
    assert kinds(world) == [*[ItemKind.QUANTITY] * 3, ItemKind.TOO_MANY]
    for each in orders[:2]:
        world.fill(each, 20, cum_qty=Decimal(30))
    compare(world, orders)
    assert kinds(world) == [ItemKind.QUANTITY, ItemKind.TOO_MANY, ItemKind.QUANTITY], "the next one that has room"
    for each in orders[2:]:
        world.fill(each, 20, cum_qty=Decimal(30))
    compare(world, orders)
    assert kinds(world) == []
    assert world.recovered() == world.state


def compare(world: World, orders: list[Order]) -> None:
    """A whole comparison, in which the venue sees no other quantities than before."""
    reconnect(world)
    for each in orders:
        said = Decimal(30) if each.disputed else each.cum_qty
        listed(world, each, cum_qty=said, last_rpt_requested=each is orders[-1])
    assert world.state.session(VENUE).reconciled


def test_a_venue_that_is_not_compared_has_no_items() -> None:
    world = World.started()
    one = world.submit()
    world.fill(one, 10, cum_qty=Decimal(30))
    world.hear(ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, venue_order_id="V1"))
    assert (kinds(world), one.disputed) == ([], True)


# --- The clock's turn ---


def test_the_clocks_turn_looks_at_nothing_that_is_not_due() -> None:
    """With 100,000 requests that wait and none that is late, one is looked at."""
    world, _ = with_order()
    for number in range(2, 20):
        world.ask(order(f"{number}"))

    class Counted(dict[str, Order]):
        looks = 0

        def __getitem__(self, key: str) -> Order:
            Counted.looks += 1
            return super().__getitem__(key)

    plain, world.state.orders = world.state.orders, Counted(world.state.orders)
    assert engine.execute(world.state, world.settings, Input(world.now_ns, PROCESS, TimerFired())) == []
    world.state.orders = plain
    assert Counted.looks == 1


def test_a_clock_that_was_set_back_does_not_hide_what_waits() -> None:
    world, _ = with_order()
    world.ask(order("2"))
    world.now_ns -= 3_600 * SECOND_NS
    world.ask(order("3"))
    world.now_ns += 6 * SECOND_NS
    world.tell(TimerFired())
    assert [world.state.orders[event.order_id].cl_ord_id for event in world.events(ev.OrderInDoubt)] == ["2", "3"]
