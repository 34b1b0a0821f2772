"""What has left memory comes back as if it had never left."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from gateway.core import engine, name_index, retention
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, MassCancel, ReplaceOrder, RequestOrderStatus, ResolveDoubt
from gateway.core.events import Cause
from gateway.core.order import Order, view
from gateway.core.reports import DropCopied, ExecutionReport, MessageRejected, OrderCancelReject, Recalled, SendRefused
from gateway.core.state import Settings
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, Reason, Side
from tests.core.keeping import KEEP_NS, NOTHING, RETIRING, Keeping, filled, known
from tests.core.world import CLIENT, OTHER_VENUE, SETTINGS, VENUE, order


@pytest.fixture
def world() -> Keeping:
    return Keeping.started(RETIRING)


def late_bust(world: Keeping, made: Order) -> None:
    world.report(made, ExecType.TRADE_CANCEL, exec_ref_id="X1", exec_id="late")


def bust_by_the_venues_name_only(world: Keeping, _made: Order) -> None:
    said = {"exec_ref_id": "X1", "exec_id": "late", "venue_order_id": "V1", "trade_date": "20260105"}
    world.hear(ExecutionReport(VENUE, ExecType.TRADE_CANCEL, OrdStatus.NEW, **said))


def copy_of_a_late_fill(world: Keeping, made: Order) -> None:
    report = ExecutionReport(VENUE, ExecType.TRADE, OrdStatus.FILLED, exec_id="late", cl_ord_id=made.venue_cl_ord_id)
    world.tell(DropCopied("XSIM.DROP", report), Cause("venue", "XSIM.DROP", 1))


def late_fill(world: Keeping, made: Order) -> None:
    world.fill(made, 5, exec_id="late")


def resent_fill(world: Keeping, made: Order) -> None:
    world.fill(made, 100, exec_id="X1")


def repeated_key(world: Keeping, made: Order) -> None:
    assert world.ask(order("1")) == engine.Answer(made.order_id, world.state.keys[CLIENT]["1"].seq, True)


def key_with_another_body(world: Keeping, _made: Order) -> None:
    assert world.ask(order("1", 7)).reason is Reason.DUPLICATE_CL_ORD_ID


def revived(world: Keeping, _made: Order) -> None:
    assert world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=Decimal(150))).reason is None


def canceled(world: Keeping, _made: Order) -> None:
    assert world.ask(CancelOrder(CLIENT, "c", "1")).reason is Reason.ORDER_NOT_WORKING


def status_asked(world: Keeping, made: Order) -> None:
    assert world.ask(RequestOrderStatus(CLIENT, "1")).order_id == made.order_id


def cancel_rejected(world: Keeping, made: Order) -> None:
    world.hear(OrderCancelReject(VENUE, made.venue_cl_ord_id, ""))


def message_rejected(world: Keeping, made: Order) -> None:
    world.hear(MessageRejected(VENUE, "D", made.venue_cl_ord_id))


def send_refused(world: Keeping, made: Order) -> None:
    assert world.tell(SendRefused(VENUE, made.venue_cl_ord_id, "")) == []


def doubt_resolved(world: Keeping, made: Order) -> None:
    command = ResolveDoubt("ops", made.order_id, DoubtOutcome.ACCEPTED, "asked them")
    assert world.ask(command).reason is Reason.NOT_IN_DOUBT


def unrelated(world: Keeping, _made: Order) -> None:
    world.submit("new")
    world.ask(CancelOrder(CLIENT, "c", "never was"))


INPUTS = [
    late_bust,
    bust_by_the_venues_name_only,
    copy_of_a_late_fill,
    late_fill,
    resent_fill,
    repeated_key,
    key_with_another_body,
    revived,
    canceled,
    status_asked,
    cancel_rejected,
    message_rejected,
    send_refused,
    doubt_resolved,
]


def both(settings: Settings = RETIRING) -> Iterator[tuple[Keeping, Order]]:
    """The same order in a gateway where it left, and in one where nothing ever leaves."""
    for each in (settings, SETTINGS):
        world = Keeping.started(each)
        made = filled(world)
        world.later()
        yield world, made


@pytest.mark.parametrize("given", [*INPUTS, unrelated])
def test_what_comes_later_is_treated_as_if_the_order_had_never_left(given: object) -> None:
    """Rules 3 and 4, a long time later."""
    (left, made), (stayed, _) = both()
    assert made.order_id not in left.state.orders
    for world in (left, stayed):
        world.now_ns = stayed.now_ns
        given(world, made)
    assert (made.order_id in left.state.orders) == (given is not unrelated)
    if given is not unrelated:
        assert left.state.orders == stayed.state.orders
        assert left.state.positions == stayed.state.positions
        assert left.state.by_venue_cl_ord_id == stayed.state.by_venue_cl_ord_id
        assert left.state.by_venue_order_id == stayed.state.by_venue_order_id
        assert {name: key.command for name, key in left.state.keys[CLIENT].items()} == {
            name: key.command for name, key in stayed.state.keys[CLIENT].items()
        }
    special = (ev.OrderRetired, ev.OrderRecalled)
    told = [
        [record.event for record in world.records if not isinstance(record.event, special)] for world in (left, stayed)
    ]
    assert told[0] == told[1]
    assert left.recovered() == left.state


@pytest.mark.parametrize("given", INPUTS)
def test_names_with_one_fingerprint_change_nothing(monkeypatch: pytest.MonkeyPatch, given: object) -> None:
    """A collision costs a look into another record, never a wrong answer."""
    monkeypatch.setattr(name_index, "fingerprint", lambda _name: bytes(8))
    world = Keeping.started(RETIRING)
    before = filled(world, "0", account="A2", side=Side.SELL)
    world.later()
    made = filled(world)
    world.ask(order("bad", symbol="NOPE"))
    world.ask(order("worse", symbol="NOPE"))
    world.later()
    after = filled(world, "2", account="A2", side=Side.SELL)
    world.later()
    given(world, made)
    assert list(world.state.orders) == [made.order_id]
    assert not {before.order_id, after.order_id} & set(world.state.orders)
    fresh = world.submit("new", symbol="FUT")
    assert world.ask(order("bad", symbol="NOPE")).repeated
    assert "worse" not in world.state.keys[CLIENT]
    assert world.state.find_order(CLIENT, "new") is fresh
    assert world.recovered() == world.state


def test_an_order_can_leave_and_come_back_many_times(world: Keeping) -> None:
    made = filled(world)
    for number in range(5):
        world.later()
        assert not world.state.orders
        world.fill(made, 1, exec_id=f"late {number}")
        assert world.state.orders[made.order_id].cum_qty == 101 + number, "the newest record is the one"
    assert world.state.retired_orders == 0
    assert world.recovered() == world.state


def test_a_key_that_names_no_order_is_remembered_for_good(world: Keeping) -> None:
    """Rule 3: the refusal and the count of a mass cancel are what they were."""
    refused = world.ask(order("bad", symbol="NOPE"))
    canceled = world.ask(MassCancel(CLIENT, "all"))
    (left,) = world.later()
    assert left == ev.KeysRetired(((CLIENT, "bad"), (CLIENT, "all")))
    assert known(world) == NOTHING
    assert world.ask(order("bad", symbol="NOPE")) == msgspec.structs.replace(refused, repeated=True)
    assert world.ask(MassCancel(CLIENT, "all")) == msgspec.structs.replace(canceled, repeated=True)
    assert world.ask(order("all")).reason is Reason.DUPLICATE_CL_ORD_ID
    assert [type(event) for event in world.events(ev.KeyRecalled)] == [ev.KeyRecalled] * 2
    world.later()
    assert known(world) == NOTHING
    assert world.ask(order("bad", symbol="NOPE")) == msgspec.structs.replace(refused, repeated=True)
    assert world.recovered() == world.state


def test_a_mass_cancel_makes_no_name_that_was_ever_used(world: Keeping) -> None:
    """Rule 3: a key that left memory is still spent."""
    filled(world, "all.1")
    world.ask(order("all.2", symbol="NOPE"))
    world.later()
    world.acknowledge(world.submit("live"))
    assert world.ask(MassCancel(CLIENT, "all")).requested == 1
    assert [event.cl_ord_id for event in world.events(ev.CancelRequested)] == ["all.3"]


def test_another_clients_key_of_the_same_name_is_another_key(world: Keeping) -> None:
    filled(world)
    world.later()
    world.give(order("1", client_id="other"), Cause("client", "other"))
    assert world.events(ev.OrderRecalled) == []
    assert [made.command.client_id for made in world.state.orders.values()] == ["other"]


def test_an_order_that_is_back_stays_as_long_as_any(world: Keeping) -> None:
    made = filled(world)
    world.later()
    world.ask(order("1"))
    assert world.later(KEEP_NS - 10_000_000) == []
    assert [left.order_id for left in world.later(10_000_000)] == [made.order_id]


def test_what_is_in_memory_is_not_put_back_again(world: Keeping) -> None:
    """A recall may have been on its way twice; the order that lives is the true one."""
    made = filled(world)
    world.later()
    memory = world.records[-1].event.memory
    assert len(world.tell(Recalled(orders=(memory, memory)))) == 1
    world.fill(made, 1, exec_id="late")
    now = view(world.state.orders[made.order_id])
    assert world.tell(Recalled(orders=(memory,))) == []
    assert view(world.state.orders[made.order_id]) == now


def test_a_key_that_is_in_memory_is_not_put_back_again(world: Keeping) -> None:
    """Rule 3: the client used the ClOrdID(11) again while the recall was on its way, and that answer stands."""
    world.ask(order("bad", symbol="NOPE"))
    world.later()
    world.ask(order("bad", symbol="NOPE"))
    memory = world.events(ev.KeyRecalled)[-1].memory
    assert world.tell(Recalled(keys=(memory,))) == []


# --- Names that a venue uses again ---


@pytest.fixture
def reused(world: Keeping) -> tuple[Keeping, Order, Order]:
    """Two orders that the venue gave the same OrderID(37), the first gone before the second came."""
    first = world.submit("1")
    world.fill(first, 100, venue_order_id="SAME", exec_id="X1")
    world.later()
    second = world.submit("2")
    world.fill(second, 100, venue_order_id="SAME", exec_id="X2")
    return world, first, second


def by_venue_name(world: Keeping, exec_id: str) -> list[ev.Event]:
    said = {"exec_id": exec_id, "venue_order_id": "SAME", "last_qty": Decimal(1), "last_px": Decimal(10)}
    return world.hear(ExecutionReport(VENUE, ExecType.TRADE, OrdStatus.NEW, trade_date="20260105", **said))


@pytest.mark.parametrize("second_left", [False, True])
@pytest.mark.parametrize("first_is_back", [False, True])
def test_a_name_means_the_order_that_had_it_last(
    reused: tuple[Keeping, Order, Order], second_left: bool, first_is_back: bool
) -> None:
    world, first, second = reused
    if second_left:
        world.later()
    if first_is_back:
        world.ask(order("1"))
        assert first.order_id in world.state.orders
    assert by_venue_name(world, "late")[0].order_id == second.order_id
    if not first_is_back:
        world.ask(order("1"))
    world.fill(first, 1, exec_id="later")
    assert world.state.orders[first.order_id].cum_qty == 101
    world.later()
    assert not world.state.orders
    assert world.recovered() == world.state


def test_a_name_of_what_is_in_memory_is_looked_for_nowhere(reused: tuple[Keeping, Order, Order]) -> None:
    """The journal is read for what is missing, not with every report."""
    world, _, second = reused
    report = ExecutionReport(VENUE, ExecType.TRADE, OrdStatus.NEW, venue_order_id="SAME")
    assert retention.wanted(world.state, report) == []
    world.later()
    third = world.submit("3")
    told = msgspec.structs.replace(report, cl_ord_id=third.venue_cl_ord_id)
    assert retention.wanted(world.state, told) == [], "the order is known by our own name for it"
    asked = msgspec.structs.replace(told, cl_ord_id="", orig_cl_ord_id=second.venue_cl_ord_id)
    assert [wanted.name for wanted in retention.wanted(world.state, asked)] == [
        f"R{second.venue_cl_ord_id}",
        f"V4:{VENUE}SAME",
    ]


def test_a_former_name_that_means_another_order_now_stays_with_that(world: Keeping) -> None:
    first = world.submit("1")
    for name in ("SAME", "OTHER"):
        world.fill(first, 50, venue_order_id=name)
    second = world.submit("2")
    world.report(second, ExecType.NEW, venue_order_id="SAME")
    (left,) = world.later()
    assert left.order_id == first.order_id
    assert by_venue_name(world, "late")[0].order_id == second.order_id
    assert world.recovered() == world.state


def test_every_name_the_venue_ever_gave_an_order_leads_to_it(world: Keeping) -> None:
    made = world.submit("1")
    for name in ("A", "B", "A", "C", "C"):
        world.fill(made, 20, venue_order_id=name)
    assert (made.venue_order_id, made.former_venue_order_ids) == ("C", ("A", "B"))
    world.later()
    assert known(world) == NOTHING
    for number, name in enumerate("ABC"):
        said = {"exec_id": f"late {number}", "venue_order_id": name, "last_qty": Decimal(1), "last_px": Decimal(10)}
        world.hear(ExecutionReport(VENUE, ExecType.TRADE, OrdStatus.NEW, trade_date="20260105", **said))
        assert world.state.orders[made.order_id].cum_qty == 101 + number
        world.later()
    elsewhere = ExecutionReport(OTHER_VENUE, ExecType.TRADE, OrdStatus.NEW, venue_order_id="A", exec_id="E")
    assert isinstance(world.hear(elsewhere)[0], ev.ReportSetAside)


def test_a_key_that_left_memory_is_spent_for_a_change_of_another_order_too() -> None:
    """Rule 3: one intent, one key, whichever kind of request has it."""
    world = Keeping.started(RETIRING)
    filled(world, "1")
    world.later()
    assert "1" not in world.state.keys[CLIENT]
    world.acknowledge(world.submit("2"))
    for change in (CancelOrder(CLIENT, "1", "2"), ReplaceOrder(CLIENT, "1", "2", price=Decimal(9))):
        assert world.ask(change).reason is Reason.DUPLICATE_CL_ORD_ID
        world.later()
