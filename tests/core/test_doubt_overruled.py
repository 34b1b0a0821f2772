"""Rule 2: whatever an operator made of a doubt, what the venue says of the order afterwards counts.

Every outcome of an operator, for every kind of request, with every OrdStatus(39) that a status reply can have.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from gateway.core import doubt
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, OpenOrderEntry, ReplaceOrder, ResolveDoubt
from gateway.core.order import Order
from gateway.core.reports import OrderCancelReject, SessionDown, SessionUp
from gateway.core.types import DoubtOutcome, ExecType, ItemKind, OrdStatus, Severity, TimeInForce
from tests.core.test_reconciliation import kinds, reply
from tests.core.test_reconciliation import world_of as compared
from tests.core.world import CLIENT, VENUE, World

KINDS = {
    "new": (),
    "cancel": (CancelOrder(CLIENT, "2", "1"),),
    "replace": (ReplaceOrder(CLIENT, "3", "1", Decimal(50)),),
}
UNSENT, ACCEPTED, REJECTED = OUTCOMES = DoubtOutcome.UNSENT, DoubtOutcome.ACCEPTED, DoubtOutcome.REJECTED
UNKNOWN = "UNKNOWN"
"""OrdStatus Rejected with OrdRejReason(103) 5: the venue does not know the order."""
EXECUTED = {OrdStatus.PARTIALLY_FILLED: Decimal(40), OrdStatus.FILLED: Decimal(100)}

# What the order is after the reply, by the operator's outcome. An order to buy 100; the replace asks for 50.
#   .     New, with all left of the terms that the operator took to be in force
#   told  what the venue says, with 100 left
#   over  what the venue says, with nothing left
#   lost  Rejected: it never arrived
#   gone  Canceled, as the operator has said
TOLD = """
                      new                             cancel                          replace
                      unsent    accepted  rejected    unsent    accepted  rejected    unsent    accepted  rejected
    NEW               .         .         .           .         .         .           .         .         .
    PARTIALLY_FILLED  .         .         .           .         .         .           .         .         .
    FILLED            .         .         .           .         .         .           .         .         .
    STOPPED           .         .         .           .         .         .           .         .         .
    SUSPENDED         .         .         .           .         .         .           .         .         .
    CALCULATED        .         .         .           .         .         .           .         .         .
    PENDING_NEW       told      told      told        .         .         .           .         .         .
    PENDING_CANCEL    .         .         .           told      told      told        .         .         .
    PENDING_REPLACE   .         .         .           .         .         .           told      told      told
    DONE_FOR_DAY      over      over      over        over      over      over        over      over      over
    CANCELED          over      over      over        over      over      over        over      over      over
    EXPIRED           over      over      over        over      over      over        over      over      over
    REJECTED          over      over      over        .         gone      .           .         .         .
    UNKNOWN           lost      lost      lost        .         gone      .           .         .         .
"""


def cases() -> Iterator[tuple[str, DoubtOutcome, str, str, int]]:
    """Kind of request, outcome, what the venue says; then OrdStatus and LeavesQty."""
    for row in TOLD.strip().splitlines()[2:]:
        told, *cells = row.split()
        columns = [(kind, outcome) for kind in KINDS for outcome in OUTCOMES]
        for (kind, outcome), cell in zip(columns, cells, strict=True):
            left = 50 if (kind, outcome) == ("replace", ACCEPTED) else 100
            meaning = {".": ("NEW", left), "told": (told, 100), "lost": ("REJECTED", 0), "gone": ("CANCELED", 0)}
            yield kind, outcome, told, *meaning.get(cell, (told, 0))


def settled(kind: str, outcome: DoubtOutcome) -> tuple[World, Order, str]:
    """An order, and its last request, which was in doubt until an operator settled it. The venue is up again."""
    world = compared()
    order = world.submit()
    for command in KINDS[kind]:
        world.acknowledge(order)
        assert world.ask(command).reason is None
    world.tell(SessionDown(VENUE))
    assert world.ask(ResolveDoubt("ops", order.order_id, outcome, "called the venue")).reason is None
    assert not order.in_doubt
    world.tell(SessionUp(VENUE))
    return world, order, list(order.requests)[-1]


def shown(world: World) -> tuple[OrdStatus, Decimal]:
    view = next(record.order for record in reversed(world.records) if record.order is not None)
    assert world.recovered() == world.state
    return view.ord_status, view.leaves_qty


def test_an_order_that_an_operator_gave_up_ends_as_the_venue_says_it_ended() -> None:
    world, order, _ = settled("new", REJECTED)
    reply(world, order, OrdStatus.CANCELED)
    assert (shown(world), order.working) == ((OrdStatus.CANCELED, 0), False)


def test_every_status_is_in_the_table() -> None:
    assert {told for _, _, told, _, _ in cases()} == {*(status.name for status in OrdStatus), UNKNOWN}


@pytest.mark.parametrize(("kind", "outcome", "told", "status", "leaves_qty"), list(cases()))
def test_the_venues_word_counts(kind: str, outcome: DoubtOutcome, told: str, status: str, leaves_qty: int) -> None:
    world, order, request = settled(kind, outcome)
    before = len(world.records)
    if told == UNKNOWN:
        reply(world, order, OrdStatus.REJECTED, ord_rej_reason="5")
    else:
        cum_qty = EXECUTED.get(OrdStatus[told], Decimal(0))
        reply(world, order, OrdStatus[told], cum_qty=cum_qty)
        assert order.disputed == (cum_qty != 0), "executions come from executions (rule 4)"
        assert (ItemKind.QUANTITY in kinds(world)) == order.disputed
    views = [record.order for record in world.records[before:] if record.order is not None]
    if views:
        assert shown(world) == (OrdStatus[status], leaves_qty)
    assert (order.closed or not order.working) == (leaves_qty == 0)
    if leaves_qty == 0 and kind != "replace":
        assert not [view for view in views if view.leaves_qty], "nothing is called working that is over"
    pending = status in ("PENDING_CANCEL", "PENDING_REPLACE")
    assert list(order.unanswered) == ([request] if pending else [])


ENDS = [
    case for case in cases() if case[2] == case[3] and case[2] in ("CANCELED", "EXPIRED", "REJECTED", "DONE_FOR_DAY")
]


@pytest.mark.parametrize(("kind", "outcome", "told", "status", "leaves_qty"), ENDS)
def test_an_end_with_a_cum_qty_that_is_not_ours_is_an_end_and_disputed(
    kind: str, outcome: DoubtOutcome, told: str, status: str, leaves_qty: int
) -> None:
    world, order, _ = settled(kind, outcome)
    reply(world, order, OrdStatus[told], cum_qty=Decimal(40))
    assert (shown(world), order.disputed) == ((OrdStatus[status], leaves_qty), True)
    assert kinds(world) == [ItemKind.QUANTITY]
    world.fill(order, 40, cum_qty=Decimal(40))
    assert (order.leaves_qty, order.disputed, kinds(world)) == (0, False, [])


@pytest.mark.parametrize(
    ("kind", "outcome", "told", "recorded"),
    [
        ("new", REJECTED, OrdStatus.CANCELED, True),
        ("new", REJECTED, OrdStatus.REJECTED, False),
        ("cancel", ACCEPTED, OrdStatus.EXPIRED, True),
        ("cancel", ACCEPTED, OrdStatus.CANCELED, False),
    ],
)
def test_another_end_than_the_operator_said_is_recorded(
    kind: str, outcome: DoubtOutcome, told: OrdStatus, recorded: bool
) -> None:
    world, order, _ = settled(kind, outcome)
    reply(world, order, told)
    raised = [(item.kind, item.severity, item.theirs) for item in world.events(ev.ItemRaised)]
    assert raised == ([(ItemKind.STATUS, Severity.WARNING, told.name)] if recorded else [])
    assert kinds(world) == []


@pytest.mark.parametrize(
    ("kind", "outcome", "told", "status", "leaves_qty"), [case for case in ENDS if case[2] != "DONE_FOR_DAY"]
)
def test_what_the_venue_has_ended_stays_ended(
    kind: str, outcome: DoubtOutcome, told: str, status: str, leaves_qty: int
) -> None:
    """The first word of the venue is its own: no later reply takes it back as if it were the operator's."""
    world, order, _ = settled(kind, outcome)
    reply(world, order, OrdStatus[told])
    reply(world, order, OrdStatus.NEW)
    assert shown(world) == (OrdStatus[status], leaves_qty)


@pytest.mark.parametrize("exec_type", [ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED])
@pytest.mark.parametrize(("kind", "outcome"), [("new", UNSENT), ("new", REJECTED), ("cancel", ACCEPTED)])
def test_a_report_of_another_end_than_the_operators_counts(
    kind: str, outcome: DoubtOutcome, exec_type: ExecType
) -> None:
    world, order, _ = settled(kind, outcome)
    world.report(order, exec_type, ord_status=OrdStatus(exec_type.value))
    assert shown(world) == (OrdStatus(exec_type.value), 0)


def test_a_day_that_is_done_is_news_once() -> None:
    """A reply that comes again tells of an earlier day."""
    world, order, _ = settled("new", ACCEPTED)
    reply(world, order, OrdStatus.DONE_FOR_DAY, poss_dup=True)
    assert shown(world) == (OrdStatus.NEW, 100)
    for _ in range(2):
        reply(world, order, OrdStatus.DONE_FOR_DAY)
    assert shown(world) == (OrdStatus.DONE_FOR_DAY, 0)
    assert len(world.events(ev.OrderDoneForDay)) == 1


def test_a_day_that_is_done_is_no_end_of_an_order_that_outlives_it() -> None:
    world = compared()
    order = world.submit(time_in_force=TimeInForce.GTC)
    reply(world, order, OrdStatus.DONE_FOR_DAY)
    assert shown(world) == (OrdStatus.NEW, 100)


# --- A replace that was taken for accepted ---


def in_force(order: Order) -> tuple[str, Decimal, str]:
    return order.cl_ord_id, order.terms.order_qty, order.venue_cl_ord_id


@pytest.mark.parametrize("by_report", [True, False])
def test_a_replace_that_the_venue_refuses_was_never_in_force(by_report: bool) -> None:
    """A later cancel has to name the order as the venue knows it."""
    world, order, replace = settled("replace", ACCEPTED)
    assert in_force(order) == ("3", 50, replace)
    if by_report:
        world.report(order, ExecType.REJECTED, cl_ord_id=replace, ord_status=OrdStatus.NEW)
    else:
        world.hear(OrderCancelReject(VENUE, replace, order.first_venue_cl_ord_id))
    assert in_force(order) == ("1", 100, order.first_venue_cl_ord_id)
    assert (shown(world), order.requests[replace].state) == ((OrdStatus.NEW, 100), "rejected")
    assert world.ask(CancelOrder(CLIENT, "4", "1")).reason is None
    assert world.events(ev.CancelRequested)[-1].orig_venue_cl_ord_id == order.first_venue_cl_ord_id


def test_a_replace_that_is_pending_is_not_yet_in_force() -> None:
    world, order, replace = settled("replace", ACCEPTED)
    reply(world, order, OrdStatus.PENDING_REPLACE)
    assert in_force(order) == ("1", 100, order.first_venue_cl_ord_id)
    world.report(order, ExecType.REPLACED, cl_ord_id=replace)
    assert (in_force(order), shown(world)) == (("3", 50, replace), (OrdStatus.NEW, 50))


def test_a_journal_without_the_former_terms_is_applied_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided on such a state must not be contradicted when the journal is read again."""
    bare = {"in_force": "", "terms": None}
    decide = doubt.decide
    monkeypatch.setattr(
        doubt,
        "decide",
        lambda *asked: [
            msgspec.structs.replace(event, **bare) if isinstance(event, ev.DoubtResolved) else event
            for event in decide(*asked)
        ],
    )
    world, order, replace = settled("replace", ACCEPTED)
    world.hear(OrderCancelReject(VENUE, replace, order.first_venue_cl_ord_id))
    assert (in_force(order), shown(world)) == (("3", 50, replace), (OrdStatus.NEW, 50))


def test_the_venues_confirmation_of_a_replace_is_not_taken_back() -> None:
    world, order, replace = settled("replace", ACCEPTED)
    world.report(order, ExecType.REPLACED, cl_ord_id=replace)
    world.hear(OrderCancelReject(VENUE, replace, order.first_venue_cl_ord_id))
    assert (in_force(order), shown(world)) == (("3", 50, replace), (OrdStatus.NEW, 50))


def test_a_later_replace_stays_in_force_when_an_earlier_one_is_refused_after_all() -> None:
    world, order, replace = settled("replace", ACCEPTED)
    assert world.ask(OpenOrderEntry("ops", VENUE, "by phone")).reason is None
    assert world.ask(ReplaceOrder(CLIENT, "5", "3", Decimal(70))).reason is None
    (later,) = order.unanswered
    world.report(order, ExecType.REPLACED, cl_ord_id=later)
    world.hear(OrderCancelReject(VENUE, replace, order.first_venue_cl_ord_id))
    assert in_force(order) == ("5", 70, later)


def test_terms_that_the_venue_has_stated_since_stay_when_the_replace_is_refused_after_all() -> None:
    world, order, replace = settled("replace", ACCEPTED)
    world.report(order, ExecType.RESTATED, order_qty=Decimal(70))
    world.hear(OrderCancelReject(VENUE, replace, order.first_venue_cl_ord_id))
    assert in_force(order) == ("1", 70, order.first_venue_cl_ord_id)


def test_of_two_cancels_a_reply_that_names_the_one_that_was_given_up_speaks_of_it() -> None:
    world, order, given_up = settled("cancel", REJECTED)
    assert world.ask(CancelOrder(CLIENT, "4", "1")).reason is None
    (asked,) = order.unanswered
    reply(world, order, OrdStatus.PENDING_CANCEL, cl_ord_id=given_up)
    assert list(order.unanswered) == [given_up, asked]
    assert (order.requests[given_up].state, order.requests[asked].state) == ("pending", "sent")


def test_of_two_cancels_a_reply_that_names_neither_speaks_of_the_one_that_is_unanswered() -> None:
    world, order, given_up = settled("cancel", REJECTED)
    assert world.ask(CancelOrder(CLIENT, "4", "1")).reason is None
    (asked,) = order.unanswered
    reply(world, order, OrdStatus.PENDING_CANCEL)
    assert list(order.unanswered) == [asked]
    assert order.requests[given_up].state == "rejected"
