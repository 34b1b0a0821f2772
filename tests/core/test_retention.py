"""What has ended leaves memory."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from gateway.core import engine, retention
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import Cause
from gateway.core.invariants import InvariantBroken, check_state
from gateway.core.order import Order, view
from gateway.core.reports import SessionUp, TimerFired
from gateway.core.risk.events import RiskDayBegan
from gateway.core.types import ExecType, OrdStatus, Side, TimeInForce
from tests.core.keeping import KEEP_NS, NOTHING, RETIRING, Keeping, filled, known
from tests.core.test_drop_copy import DROP, SETTLED, copied
from tests.core.test_reconciliation import EACH
from tests.core.world import CLIENT, OTHER_VENUE, PROCESS, SECOND_NS, SETTINGS, VENUE, order


@pytest.fixture
def world() -> Keeping:
    return Keeping.started(RETIRING)


def test_an_ended_order_leaves_memory_with_all_its_names(world: Keeping) -> None:
    made = filled(world)
    was = view(made)
    assert world.later(KEEP_NS - 10_000_000) == []
    (left,) = world.later(10_000_000)
    assert isinstance(left, ev.OrderRetired)
    assert known(world) == NOTHING
    assert (world.state.retired_orders, len(world.state.retired)) == (1, 4)
    assert view(retention.remembered(world.records[-1], f"O{made.order_id}").order) == was
    assert world.recovered() == world.state


@pytest.mark.parametrize("what", ["order", "key"])
def test_the_clock_is_wanted_soon_while_something_is_to_leave(world: Keeping, what: str) -> None:
    if what == "order":
        filled(world)
    else:
        world.ask(order("bad", symbol="NOPE"))
    ended_ns = world.now_ns
    assert not retention.due(world.state, world.settings, ended_ns + KEEP_NS - 1)
    assert retention.due(world.state, world.settings, ended_ns + KEEP_NS)
    world.later()
    assert not retention.due(world.state, world.settings, world.now_ns)


def test_an_order_leaves_with_the_keys_of_its_whole_chain(world: Keeping) -> None:
    """Rules 3 and 7: each is answered as before when it comes again."""
    made = world.submit("1")
    replace = ReplaceOrder(CLIENT, "2", "1", order_qty=Decimal(50))
    answers = {replace: world.ask(replace)}
    world.report(made, ExecType.REPLACED, cl_ord_id=next(iter(made.unanswered)))
    cancel = CancelOrder(CLIENT, "3", "2")
    answers[cancel] = world.ask(cancel)
    world.report(made, ExecType.CANCELED, cl_ord_id=next(iter(made.unanswered)))
    for command, answer in answers.items():
        world.later()
        assert known(world) == NOTHING
        assert world.ask(command) == msgspec.structs.replace(answer, repeated=True)
    assert world.recovered() == world.state


def test_nothing_leaves_unless_it_is_told_to() -> None:
    world = Keeping.started(SETTINGS)
    filled(world)
    world.ask(order("2", symbol="NOPE"))
    assert [type(event) for event in world.later(10**6 * KEEP_NS)] == [RiskDayBegan]


def open_new(world: Keeping) -> None:
    world.submit("1")


def open_partly_filled(world: Keeping) -> None:
    world.fill(world.submit("1"), 40)


def open_in_doubt(world: Keeping) -> None:
    made = world.submit("1")
    world.tell(TimerFired())
    world.later(10 * SECOND_NS)
    assert made.in_doubt


def open_filled_with_a_replace_pending(world: Keeping) -> None:
    filled(world)
    world.ask(ReplaceOrder(CLIENT, "r", "1", order_qty=Decimal(200)))


def open_corrected_before_the_venue_answered(world: Keeping) -> None:
    """A correction may come in place of its execution; what became of the new order itself is not said by it."""
    made = world.submit("1", venue=OTHER_VENUE)
    world.report(made, ExecType.TRADE_CORRECT, exec_ref_id="X0", last_qty=Decimal(100), last_px=Decimal(10))
    assert not made.working


def open_disputed(world: Keeping) -> None:
    world.fill(world.submit("1"), 100, cum_qty=Decimal(90))


@pytest.mark.parametrize(
    "lives",
    [
        open_new,
        open_partly_filled,
        open_in_doubt,
        open_filled_with_a_replace_pending,
        open_corrected_before_the_venue_answered,
        open_disputed,
    ],
)
def test_an_order_with_anything_open_never_leaves(world: Keeping, lives: object) -> None:
    """Rule 2: what is in doubt, pending or disputed stays in sight of everybody."""
    lives(world)
    world.later(10 * KEEP_NS)
    world.later(10 * KEEP_NS)
    assert len(world.state.orders) == 1
    assert world.events(ev.OrderRetired) == []


def told_to_live_on(world: Keeping, made: Order) -> None:
    """By two replies, after its end: a critical item."""
    world.report(made, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    for _ in range(2):
        world.report(made, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus.NEW)


def told_by_the_copy_alone(world: Keeping, made: Order) -> None:
    world.report(made, ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
    copied(world, made, "E9")


def not_shown_by_the_copy(world: Keeping, made: Order) -> None:
    world.fill(made, 100, exec_id="E9")


@pytest.mark.parametrize("opens", [told_to_live_on, told_by_the_copy_alone, not_shown_by_the_copy])
def test_an_order_that_is_named_by_what_is_open_stays_until_that_is_over(
    opens: Callable[[Keeping, Order], None],
) -> None:
    """An item, or an execution that waits for the other of two sessions: who looks at it wants the order."""
    reconcile = {VENUE: msgspec.structs.replace(EACH, grace_ns=10 * KEEP_NS, every_ns=100 * KEEP_NS)}
    world = Keeping.started(msgspec.structs.replace(SETTLED, retire_after_ns=KEEP_NS, reconcile=reconcile))
    world.tell(SessionUp(DROP), Cause("venue", DROP))
    made = world.submit()
    world.acknowledge(made)
    opens(world, made)
    assert made.order_id in world.state.ended
    assert ev.OrderRetired not in map(type, world.later(2 * KEEP_NS))
    world.report(made, ExecType.ORDER_STATUS, exec_id="0", ord_status=OrdStatus.CANCELED)
    if opens is told_by_the_copy_alone:
        world.fill(made, 10, exec_id="E9")
    elif opens is not_shown_by_the_copy:
        copied(world, made, "E9")
    assert ev.OrderRetired in map(type, world.later(2 * KEEP_NS))
    assert world.recovered() == world.state


def test_of_an_order_that_executed_nothing_no_sum_is_kept(world: Keeping) -> None:
    """Rule 7: only what traded needs one, to prove positions by."""
    world.report(world.submit("1", account="A7"), ExecType.CANCELED)
    world.later()
    assert (world.state.retired_orders, world.state.retired_sums) == (1, {})


def test_a_change_starts_the_time_anew(world: Keeping) -> None:
    first, second = filled(world, "1"), filled(world, "2")
    world.later(KEEP_NS // 2)
    world.report(first, ExecType.TRADE_CANCEL, exec_ref_id="X1")
    assert list(world.state.ended) == [second.order_id], "a bust gives it something left to execute"
    world.fill(first, 100)
    assert list(world.state.ended) == [second.order_id, first.order_id]
    assert [left.order_id for left in world.later(KEEP_NS // 2)] == [second.order_id]
    assert [left.order_id for left in world.later(KEEP_NS // 2)] == [first.order_id]


def test_what_leaves_is_not_changed_by_what_comes_into_doubt_in_the_same_moment(world: Keeping) -> None:
    """The venue's OrderIDs(37) start over each day: the GTC order of yesterday has the one of today's."""
    older = world.submit("1", time_in_force=TimeInForce.GTC)
    world.report(older, ExecType.NEW, venue_order_id="V2")
    newer = filled(world, "2")
    world.later(KEEP_NS - 10 * SECOND_NS)
    assert world.ask(CancelOrder(CLIENT, "3", "1")).reason is None
    left, *asked = world.later(10 * SECOND_NS)
    assert isinstance(left, ev.OrderRetired)
    assert left.order_id == newer.order_id
    assert [type(event) for event in asked] == [ev.OrderInDoubt, ev.StatusRequested]
    assert world.recovered() == world.state


def test_too_many_leave_before_their_time_the_oldest_first() -> None:
    """Rule 7."""
    world = Keeping.started(msgspec.structs.replace(RETIRING, max_ended_orders=3))
    made = [filled(world, str(number)).order_id for number in range(5)]
    for number in range(5):
        world.ask(order(f"bad {number}", symbol="NOPE"))
    assert [left.order_id for left in world.later(0) if isinstance(left, ev.OrderRetired)] == made[:2]
    assert list(world.state.orders) == made[2:]
    assert [name for _, name in world.state.bare_keys] == ["bad 2", "bad 3", "bad 4"]


def test_a_turn_of_the_clock_is_bounded(monkeypatch: pytest.MonkeyPatch, world: Keeping) -> None:
    monkeypatch.setattr(retention, "ORDERS_AT_ONCE", 3)
    monkeypatch.setattr(retention, "KEYS_AT_ONCE", 2)
    made = [filled(world, str(number)).order_id for number in range(7)]
    for number in range(5):
        world.ask(order(f"bad {number}", symbol="NOPE"))
    assert not retention.due(world.state, RETIRING, world.now_ns)
    assert retention.due(world.state, RETIRING, world.now_ns + KEEP_NS)
    turns = [world.later()]
    while retention.due(world.state, RETIRING, world.now_ns):
        turns.append(world.later(0))
    assert [[left.order_id for left in turn if isinstance(left, ev.OrderRetired)] for turn in turns] == [
        made[:3],
        made[3:6],
        made[6:],
    ]
    assert [len(left.keys) for turn in turns for left in turn if isinstance(left, ev.KeysRetired)] == [2, 2, 1]
    assert known(world) == NOTHING


def test_positions_are_proven_without_the_orders(world: Keeping) -> None:
    """Rule 4: what retired orders executed still counts, and a position that does not fit is found."""
    filled(world, "1")
    filled(world, "2", side=Side.SELL)
    filled(world, "3")
    world.later()
    assert not world.state.orders
    check_state(world.state)
    next(iter(world.state.positions.values())).net_qty += 1
    with pytest.raises(InvariantBroken, match="position"):
        check_state(world.state)


def test_a_position_that_is_gone_is_found(world: Keeping) -> None:
    """Rule 4, from the other side: what was executed, by retired orders too, has its position."""
    filled(world)
    world.later()
    world.state.positions.clear()
    with pytest.raises(InvariantBroken, match=r"position .* is missing"):
        check_state(world.state)


def test_an_order_that_was_restated_and_never_traded_can_leave(world: Keeping) -> None:
    """Its position is empty, and no order in memory speaks of it: a gateway must be able to start on what it wrote."""
    made = world.submit("1")
    world.report(made, ExecType.RESTATED, exec_restatement_reason="5")
    world.report(made, ExecType.CANCELED)
    assert [left.order_id for left in world.later()] == [made.order_id]
    state = world.recovered()
    next(iter(state.positions.values())).net_qty += 1
    with pytest.raises(InvariantBroken, match="not what was executed"):
        check_state(state)


def test_what_leaves_has_to_be_what_is_there(world: Keeping) -> None:
    """The record is all that stays of the order: one that says something else stops the replay."""
    filled(world)
    state = world.recovered()
    world.later()
    record = world.records[-1]
    memory = msgspec.msgpack.decode(record.event.memory)
    memory["order"]["cum_qty"] = "99"
    lie = msgspec.structs.replace(record.event, memory=msgspec.msgpack.encode(memory))
    before = msgspec.structs.replace(state)
    with pytest.raises(InvariantBroken, match="something else"):
        engine.apply(state, lie, record.at_ns, record.cause)
    assert state.orders == before.orders


def test_an_order_that_lives_cannot_be_made_to_leave(world: Keeping) -> None:
    made = world.submit("1")
    with pytest.raises(InvariantBroken, match="has not ended"):
        engine.apply(world.state, ev.OrderRetired(made.order_id, b""), world.now_ns, PROCESS)


def test_a_record_of_an_older_version_may_leave_fields_out(world: Keeping) -> None:
    """Fields are only added, with defaults: the bytes differ then, what they say does not."""
    filled(world)
    state = world.recovered()
    world.later()
    record = world.records[-1]
    memory = msgspec.msgpack.decode(record.event.memory)
    memory["order"]["disputed"] = False
    memory["order"]["a_field_of_tomorrow"] = 1
    other = msgspec.structs.replace(record.event, memory=msgspec.msgpack.encode(memory))
    engine.apply(state, other, record.at_ns, record.cause)
    assert state == world.state
