"""The drop copy: executions that one source tells and the other does not, and what a copy is evidence of."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from gateway.core import drop_copy, items
from gateway.core import events as ev
from gateway.core.commands import AdministerSession, CancelOrder, ReplaceOrder, ResolveItem
from gateway.core.events import Cause, Event
from gateway.core.order import Order, view
from gateway.core.reports import DropCopied, ExecutionReport, SessionDown, SessionUp, TimerFired
from gateway.core.state import State
from gateway.core.types import ExecType, ItemKind, OrdStatus
from tests.core.test_reconciliation import EACH, kinds, reconnect
from tests.core.world import CLIENT, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, restarted

DROP = f"{VENUE}.DROP"
SETTLED = msgspec.structs.replace(
    SETTINGS, venues=(VENUE,), reconcile={VENUE: EACH}, drop_copies={DROP: VENUE}, ack_timeout_ns={}
)


def world_with(copy_up: bool = True) -> tuple[World, Order]:
    """An order that the venue has confirmed, before the drop copy was up."""
    world = World.started(SETTLED)
    one = world.submit()
    world.acknowledge(one)
    if copy_up:
        up(world)
    return world, one


def world_in_doubt() -> tuple[World, Order]:
    """An order of which the venue had said nothing when its session went down; the drop copy is up."""
    world = World.started(SETTLED)
    up(world)
    one = world.submit()
    world.tell(SessionDown(VENUE))
    return world, one


def up(world: World) -> None:
    world.tell(SessionUp(DROP), Cause("venue", DROP))


def copied(world: World, of: Order, exec_id: str, last_qty: int = 10, **fields: object) -> list[Event]:
    """The drop copy shows an execution."""
    said = {
        "exec_id": exec_id,
        "trade_date": "20260105",
        "cl_ord_id": of.venue_cl_ord_id,
        "last_qty": Decimal(last_qty),
        "last_px": Decimal(10),
    } | fields
    kind = said.pop("exec_type", ExecType.TRADE)
    status = said.pop("ord_status", OrdStatus.PARTIALLY_FILLED)
    report = ExecutionReport(VENUE, kind, status, **said)
    return world.tell(DropCopied(DROP, report), Cause("venue", DROP, len(world.records)))


def wait(world: World, seconds: int = 5) -> list[Event]:
    world.now_ns += seconds * SECOND_NS
    events = world.tell(TimerFired())
    assert world.recovered() == world.state
    return events


def lists(world: World) -> tuple[int, int]:
    copy = world.state.drop_copies[VENUE]
    return len(copy.told), len(copy.untold)


# --- Both tell it ---


@pytest.mark.parametrize("drop_copy_first", [True, False])
def test_an_execution_that_both_tell_counts_once(drop_copy_first: bool) -> None:
    """Rule 4."""
    world, one = world_with()
    if drop_copy_first:
        (noted,) = copied(world, one, "E9")
        assert (noted.known, one.cum_qty, lists(world)) == (False, 0, (1, 0))
    world.fill(one, 10, exec_id="E9")
    if not drop_copy_first:
        assert lists(world) == (0, 1)
        (noted,) = copied(world, one, "E9")
        assert noted.known
    wait(world)
    assert (one.cum_qty, lists(world), world.events(ev.ItemRaised)) == (10, (0, 0), [])


@pytest.mark.parametrize("drop_copy_first", [True, False])
@pytest.mark.parametrize(("ours", "copys"), [("", "20260105"), ("20260105", "")])
def test_a_source_that_says_no_date_means_the_same_execution(ours: str, copys: str, drop_copy_first: bool) -> None:
    """Neither TransactTime(60) nor TradeDate(75) has to be in a report. The position was twice what was bought."""
    world, one = world_with()
    if drop_copy_first:
        copied(world, one, "E9", trade_date=copys)
    world.fill(one, 10, exec_id="E9", trade_date=ours)
    if not drop_copy_first:
        copied(world, one, "E9", trade_date=copys)
    wait(world)
    assert (one.cum_qty, lists(world), world.events(ev.ItemRaised)) == (10, (0, 0), [])


@pytest.mark.parametrize(("ours", "copys"), [("", "20260105"), ("20260105", "")])
def test_what_only_the_drop_copy_had_told_is_dropped_when_it_comes_without_a_date(ours: str, copys: str) -> None:
    world, one = world_with()
    copied(world, one, "E9", trade_date=copys)
    wait(world)
    assert one.cum_qty == 10
    world.fill(one, 10, exec_id="E9", trade_date=ours)
    assert (one.cum_qty, type(world.records[-1].event)) == (10, ev.ReportIgnored)
    world.fill(one, 10, exec_id="E10", trade_date=ours)
    assert one.cum_qty == 20


def test_an_execution_with_the_same_name_on_another_day_is_another_one() -> None:
    """ExecID(17) is unique within a day: the copy of today's does not show yesterday's."""
    world, one = world_with()
    world.fill(one, 10, exec_id="E9", trade_date="20260105")
    copied(world, one, "E9", trade_date="20260106")
    assert lists(world) == (1, 1)


def test_a_copy_without_a_date_shows_only_the_execution_that_it_names() -> None:
    """Of that order and with that ExecID(17), although others have waited longer."""
    world, one = world_with()
    two = world.submit("2")
    world.fill(one, 10, exec_id="E9")
    world.fill(two, 10, exec_id="E8")
    world.fill(two, 10, exec_id="E9")
    copied(world, two, "E9", trade_date="")
    wait(world)
    raised = [(event.order_id, event.exec_id) for event in world.events(ev.ItemRaised)]
    assert raised == [(one.order_id, "E9"), (two.order_id, "E8")]


def test_an_order_is_found_by_the_venues_name_for_it() -> None:
    world, one = world_with()
    world.fill(one, 10, exec_id="E9", venue_order_id="V1")
    (noted,) = copied(world, one, "E9", cl_ord_id="theirs", venue_order_id="V1")
    assert (noted.order_id, noted.known) == (one.order_id, True)


# --- The order session does not ---


def test_an_execution_that_only_the_drop_copy_tells_is_applied_after_the_grace_time() -> None:
    """Rule 2: the drop copy is evidence."""
    world, one = world_with()
    copied(world, one, "E9", cum_qty=Decimal(10))
    assert wait(world, 4) == []
    raised, filled, resolved, noted = wait(world, 1)
    assert (raised.kind, raised.exec_id, raised.order_id) == (ItemKind.EXECUTION_MISSING, "E9", one.order_id)
    assert raised.theirs == "10 at 10"
    assert (filled.last_qty, filled.text) == (10, f"told by drop copy {DROP}")
    assert (noted.known, resolved.text) == (True, f"applied from drop copy {DROP}")
    assert (one.cum_qty, one.disputed, kinds(world), lists(world)) == (10, False, [], (0, 0))


def test_a_status_reply_with_its_exec_id_does_not_tell_an_execution() -> None:
    world, one = world_with()
    world.report(one, ExecType.ORDER_STATUS, exec_id="E9", ord_status=OrdStatus.PARTIALLY_FILLED)
    (noted,) = copied(world, one, "E9", cum_qty=Decimal(10))
    assert not noted.known
    wait(world)
    assert one.cum_qty == 10


def test_the_order_sessions_later_copy_is_dropped_by_its_exec_id() -> None:
    world, one = world_with()
    copied(world, one, "E9")
    wait(world)
    (event,) = world.fill(one, 10, exec_id="E9")
    assert (type(event), one.cum_qty) == (ev.ReportIgnored, 10)


def test_a_quantity_that_does_not_fit_is_an_item_there_too() -> None:
    """Rule 4."""
    world, one = world_with()
    copied(world, one, "E9", cum_qty=Decimal(30))
    assert one.order_id in [event.order_id for event in wait(world) if isinstance(event, ev.StatusRequested)]
    assert (kinds(world), one.disputed) == ([ItemKind.QUANTITY], True)


def test_a_comparison_does_not_wait_for_what_the_drop_copy_has_told() -> None:
    world, one = world_with()
    reconnect(world)
    assert list(world.state.runs[VENUE].awaited) == [one.order_id]
    copied(world, one, "A", 100, cum_qty=Decimal(100))
    assert [event.complete for event in wait(world) if isinstance(event, ev.ReconciliationEnded)] == [True]


def test_a_bust_that_only_the_drop_copy_tells_is_applied_too() -> None:
    world, one = world_with()
    world.fill(one, 10, exec_id="E9")
    copied(world, one, "E9")
    copied(world, one, "E10", exec_type=ExecType.TRADE_CANCEL, exec_ref_id="E9")
    wait(world)
    assert (one.cum_qty, kinds(world)) == (0, [])


def test_an_execution_that_cannot_be_true_is_set_aside_and_not_tried_again() -> None:
    world, one = world_with()
    copied(world, one, "E9", last_qty=0)
    wait(world)
    assert (one.cum_qty, len(world.events(ev.ReportSetAside)), lists(world)) == (0, 1, (0, 0))
    assert ItemKind.EXECUTION_MISSING in kinds(world)
    assert wait(world) == []
    world.fill(one, 10, exec_id="E9")
    assert ItemKind.EXECUTION_MISSING not in kinds(world), "the order session has told it"


def test_what_waits_survives_a_restart() -> None:
    world, one = world_with()
    copied(world, one, "E9")
    world = restarted(world)
    wait(world)
    assert world.state.orders[one.order_id].cum_qty == 10


def test_no_execution_is_forgotten_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: the oldest is applied before its time."""
    monkeypatch.setattr(drop_copy, "MAX_AWAITED", 2)
    world, one = world_with()
    for exec_id in ("E91", "E92", "E93"):
        copied(world, one, exec_id)
    assert (one.cum_qty, lists(world)) == (10, (2, 0))


# --- The drop copy does not ---


def test_many_that_only_the_drop_copy_tells_are_applied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order session that has fallen silent may owe very many: other venues and clients are heard in between."""
    monkeypatch.setattr(drop_copy, "APPLIED_AT_ONCE", 2)
    world, order = world_with()
    for number in range(5):
        copied(world, order, f"X{number}", 1)
    assert not drop_copy.waits(world.state, world.settings, world.now_ns)
    wait(world)
    parts = [lists(world)]
    while drop_copy.waits(world.state, world.settings, world.now_ns):
        wait(world, 0)
        parts.append(lists(world))
    assert (parts, order.cum_qty, world.recovered()) == ([(3, 0), (1, 0), (0, 0)], 5, world.state)
    assert [line.exec_id for line in order.executions] == ["X0", "X1", "X2", "X3", "X4"]


def test_an_execution_that_the_drop_copy_does_not_show_is_an_item_until_it_does() -> None:
    world, one = world_with()
    world.fill(one, 10, exec_id="E9")
    assert wait(world, 4) == []
    (raised,) = wait(world, 1)
    assert (raised.kind, raised.exec_id, lists(world)) == (ItemKind.EXECUTION_UNCONFIRMED, "E9", (0, 0))
    copied(world, one, "E9")
    assert kinds(world) == []


def test_a_venue_without_a_drop_copy_is_not_waited_for() -> None:
    world = World.started(msgspec.structs.replace(SETTLED, venues=(VENUE, OTHER_VENUE)))
    up(world)
    there = world.submit("1", venue=OTHER_VENUE)
    world.fill(there, 10)
    wait(world)
    assert (there.cum_qty, lists(world), world.events(ev.ItemRaised)) == (10, (0, 0), [])


def test_a_drop_copy_that_is_down_is_not_waited_for() -> None:
    world, one = world_with(copy_up=False)
    world.fill(one, 10, exec_id="E8")
    up(world)
    world.fill(one, 10, exec_id="E9")
    world.tell(SessionDown(DROP), Cause("venue", DROP))
    world.fill(one, 10, exec_id="E10")
    up(world)
    assert wait(world) == []


def test_too_many_that_are_not_shown_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7."""
    monkeypatch.setattr(drop_copy, "MAX_AWAITED", 2)
    world, one = world_with()
    for _ in range(3):
        world.fill(one, 10)
    assert lists(world) == (0, 1)
    (raised,) = wait(world, 1)
    assert raised.kind is ItemKind.TOO_MANY
    assert wait(world, 1) == []
    assert world.ask(ResolveItem("ops", raised.item_id, "compared by hand")).reason is None
    assert wait(world, 1) == [], "also when a person has dealt with it"


def test_what_has_no_room_for_an_item_waits_for_it_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: at each turn of the clock as many are looked at as there can be items, and one more."""
    monkeypatch.setattr(items, "MAX_OPEN", 3)
    world, one = world_with()
    for number in range(9):
        world.fill(one, 1, exec_id=f"F{number}")
    wait(world)
    assert kinds(world) == [*[ItemKind.EXECUTION_UNCONFIRMED] * 3, ItemKind.TOO_MANY]
    looked_at: list[str] = []

    def watched(state: State, kind: ItemKind, venue: str, text: str, **about: object) -> Iterator[ev.ItemRaised]:
        looked_at.append(text)
        return raise_(state, kind, venue, text, **about)

    raise_ = items.raise_
    monkeypatch.setattr(items, "raise_", watched)
    assert (wait(world), lists(world)) == ([], (0, 6))
    assert len([text for text in looked_at if "has not shown" in text]) == 1
    copied(world, one, "F0", 1)
    copied(world, one, "F1", 1)
    (raised,) = wait(world)
    assert (raised.kind, raised.exec_id, lists(world)) == (ItemKind.EXECUTION_UNCONFIRMED, "F3", (0, 5))


# --- Other copies ---


def test_a_copy_is_evidence_about_an_order_in_doubt() -> None:
    """Rule 2: the order session is down, the drop copy shows that the venue has the order."""
    world, one = world_in_doubt()
    assert one.in_doubt
    noted, acknowledged = copied(world, one, "E1", exec_type=ExecType.NEW, ord_status=OrdStatus.NEW)
    assert (noted.known, type(acknowledged), one.in_doubt) == (True, ev.OrderAcknowledged, False)


def test_the_copy_of_a_status_reply_is_no_evidence() -> None:
    """Rule 2: it answers a question of ours by what the venue knew then, and the order session brings that answer."""
    world, one = world_in_doubt()
    (noted,) = copied(world, one, "0", exec_type=ExecType.ORDER_STATUS, ord_status=OrdStatus.CANCELED)
    assert (noted.known, one.in_doubt, one.closed) == (True, True, False)


def test_what_the_order_session_has_told_is_no_news_in_the_copy() -> None:
    """Also while something else of the order is in doubt: its owner is told once."""
    world = World.started(SETTLED)
    up(world)
    one = world.submit()
    world.report(one, ExecType.NEW, exec_id="E1")
    assert world.ask(CancelOrder(CLIENT, "2", "1")).reason is None
    world.tell(SessionDown(VENUE))
    assert one.in_doubt
    (noted,) = copied(world, one, "E1", exec_type=ExecType.NEW, ord_status=OrdStatus.NEW)
    assert (type(noted), one.in_doubt) == (ev.DropCopyNoted, True)


def test_a_copy_of_the_cancellation_settles_the_cancel_in_doubt() -> None:
    world, one = world_with()
    assert world.ask(CancelOrder(CLIENT, "2", "1")).reason is None
    (cancel,) = one.unanswered
    world.tell(SessionDown(VENUE))
    over = {"cl_ord_id": cancel, "exec_type": ExecType.CANCELED, "ord_status": OrdStatus.CANCELED}
    _, canceled = copied(world, one, "E2", **over)
    assert (type(canceled), one.closed, one.in_doubt) == (ev.OrderCanceled, True, False)


def test_the_order_session_tells_in_its_place_what_the_copy_was_ahead_with() -> None:
    """The copy's Done For Day came first, and the New, which lifts one that it follows, was sent before it."""
    world, one = world_in_doubt()
    over = {"exec_id": "E2", "ord_status": OrdStatus.DONE_FOR_DAY}
    _, done = copied(world, one, exec_type=ExecType.DONE_FOR_DAY, **over)
    assert (type(done), view(one).ord_status) == (ev.OrderDoneForDay, OrdStatus.DONE_FOR_DAY)
    world.tell(SessionUp(VENUE))
    world.report(one, ExecType.NEW, exec_id="E1")
    world.report(one, ExecType.DONE_FOR_DAY, **over)
    assert view(one).ord_status is OrdStatus.DONE_FOR_DAY
    assert world.recovered() == world.state


@pytest.mark.parametrize("end", ["CANCELED", "EXPIRED", "REJECTED"])
def test_what_ends_an_order_is_not_told_twice(end: str) -> None:
    world, one = world_in_doubt()
    over = {"exec_id": "E2", "ord_status": OrdStatus[end]}
    copied(world, one, exec_type=ExecType[end], **over)
    world.tell(SessionUp(VENUE))
    (again,) = world.report(one, ExecType[end], **over)
    assert (one.closed, type(again)) == (True, ev.ReportIgnored)


def test_a_rejection_that_names_a_replace_is_left_to_the_order_session() -> None:
    """It was the order's, under the name of a replace that the venue had accepted. Taken for one of the replace it was
    dropped by its ExecID when the order session told it, and an order that had ended went on here.
    """
    world = World.started(SETTLED)
    up(world)
    one = world.submit()
    assert world.ask(ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(50))).reason is None
    (replace,) = one.unanswered
    world.tell(SessionDown(VENUE))
    rejected = {"exec_id": "E2", "cl_ord_id": replace, "ord_status": OrdStatus.REJECTED}
    (noted,) = copied(world, one, exec_type=ExecType.REJECTED, **rejected)
    assert type(noted) is ev.DropCopyNoted
    world.tell(SessionUp(VENUE))
    world.report(one, ExecType.REPLACED, exec_id="E1", cl_ord_id=replace, ord_status=OrdStatus.PENDING_NEW)
    world.report(one, ExecType.REJECTED, **rejected)
    assert (one.closed, one.cl_ord_id) == (True, "2")
    assert world.recovered() == world.state


def test_any_other_copy_about_an_order_of_ours_is_only_noted() -> None:
    world, one = world_with()
    (noted,) = copied(world, one, "E5", exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    assert (noted.known, one.closed) == (True, False)


def test_an_order_that_we_never_sent_is_external() -> None:
    world, one = world_with()
    copied(world, one, "E5", cl_ord_id="theirs", venue_order_id="V9")
    assert (kinds(world), list(world.state.external[VENUE])) == ([ItemKind.ORDER_EXTERNAL], ["V9"])
    copied(world, one, "E6", cl_ord_id="theirs", venue_order_id="V9", ord_status=OrdStatus.FILLED)
    assert (kinds(world), world.state.external[VENUE]) == ([], {})
    noted, *_ = copied(world, one, "E7", cl_ord_id="theirs", venue_order_id="V8", ord_status=OrdStatus.FILLED)
    assert not noted.known
    assert kinds(world) == [ItemKind.REPORT_UNKNOWN]


def test_at_a_venue_that_is_not_compared_its_drop_copy_alone_shows_external_orders() -> None:
    world = World.started(msgspec.structs.replace(SETTLED, reconcile={}))
    up(world)
    one = world.submit()
    copied(world, one, "E5", cl_ord_id="theirs", venue_order_id="V9")
    assert kinds(world) == [ItemKind.ORDER_EXTERNAL]


def test_a_copy_that_names_an_order_of_ours_at_another_venue_makes_it_no_external_one() -> None:
    world = World.started(msgspec.structs.replace(SETTLED, venues=(VENUE, OTHER_VENUE)))
    up(world)
    there = world.submit("1", venue=OTHER_VENUE)
    copied(world, there, "E5", venue_order_id="V9")
    assert (kinds(world), world.state.external) == ([ItemKind.REPORT_UNKNOWN], {})


def test_external_orders_that_only_the_drop_copy_tells_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: what has no room is an item all the same."""
    for module in ("gateway.core.venue_reports", "gateway.core.reconciliation"):
        monkeypatch.setattr(f"{module}.MAX_EXTERNAL", 1)
    world, one = world_with()
    for name in ("V8", "V9"):
        copied(world, one, f"of {name}", cl_ord_id="theirs", venue_order_id=name)
    assert (kinds(world), list(world.state.external[VENUE])) == (
        [ItemKind.ORDER_EXTERNAL, ItemKind.REPORT_UNKNOWN],
        ["V8"],
    )


def test_an_operator_acts_on_a_drop_copys_session_as_on_any_other() -> None:
    world, _ = world_with()
    assert world.ask(AdministerSession("ops", DROP, "logout", "maintenance")).reason is None
