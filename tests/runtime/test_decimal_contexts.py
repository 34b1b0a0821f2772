"""What was told is told again by every process, whatever decimal context its caller has: by the gateway that decides,
by the one that recovers, and by those that replay event by event (the follower, `gateway replay`).
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_UP, Context, Decimal, Inexact, InvalidOperation, Rounded, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import engine
from gateway.core.engine import Diverged
from gateway.core.events import Cause, Record
from gateway.core.invariants import check_state
from gateway.core.money import multiply, subtract
from gateway.core.order import Order
from gateway.core.risk.commands import StopTrading
from gateway.core.state import State
from gateway.core.types import ExecType
from gateway.runtime.recovery import compare_all, recover
from tests.core.world import World
from tests.runtime.test_recovery import reopened, written

DEFAULT = Context(prec=28)
CONTEXTS = (
    DEFAULT,
    Context(prec=5, traps=[InvalidOperation, Inexact]),
    Context(prec=1, traps=[InvalidOperation, Inexact, Rounded]),
    Context(prec=60, rounding=ROUND_UP, traps=[]),
)
Step = Callable[[World, Order], object]


# --- What happens to an order ---


def filled(qty: Decimal) -> Step:
    return lambda world, order: world.report(order, ExecType.TRADE, last_qty=qty, last_px=Decimal("9.99"))


def split(factor: Decimal) -> Step:
    """A corporate action, with what the venue says of it: exactly so much more of everything."""

    def happens(world: World, order: Order) -> object:
        told = {"order_qty": multiply(order.terms.order_qty, factor), "cum_qty": multiply(order.cum_qty, factor)}
        return world.report(order, ExecType.RESTATED, exec_restatement_reason="0", **told)

    return happens


def busted(number: int) -> Step:
    def happens(world: World, order: Order) -> object:
        return world.report(order, ExecType.TRADE_CANCEL, exec_ref_id=exec_id(order, number)) if order.executions else 0

    return happens


def corrected(number: int, qty: Decimal) -> Step:
    def happens(world: World, order: Order) -> object:
        if not order.executions:
            return 0
        named = {"exec_ref_id": exec_id(order, number), "last_qty": qty, "last_px": Decimal(10)}
        return world.report(order, ExecType.TRADE_CORRECT, **named)

    return happens


def exec_id(order: Order, number: int) -> str:
    return order.executions[number % len(order.executions)].exec_id


def stopped(world: World, _: Order) -> object:
    """The cancel of a kill switch is applied one by one, behind the events of its input."""
    return world.give(StopTrading("ann", "firm", "it runs wild"), Cause("operator", "ann"))


def lived(steps: Sequence[Step], context: Context) -> World:
    with localcontext(context):
        world = World.started()
        order = world.submit("1", order_qty="200000000")
        world.acknowledge(order)
        for step in (*steps, stopped):
            step(world, order)
    return world


ODD = Decimal("12345678.1234567891")
SPLIT_AND_BUST = (
    filled(ODD),
    filled(subtract(Decimal(100_000_000), ODD)),
    split(Decimal("1.0123456789")),
    busted(0),
)
"""Leaves a LeavesQty(151) of 29 digits."""


# --- Who tells it again ---


def replayed(world: World) -> State:
    """As the follower and `gateway replay --check` do it."""
    state = State()
    for record in msgspec.msgpack.decode(msgspec.msgpack.encode(world.records), type=list[Record]):
        engine.replay(state, record)
    check_state(state)
    return state


def applied(world: World) -> State:
    """As `gateway replay` does it."""
    state = State()
    for record in world.records:
        assert engine.apply(state, record.event, record.at_ns, record.cause) == record
    return state


WAYS: tuple[Callable[[World], Any], ...] = (
    replayed,
    applied,
    lambda world: recover(reopened(written(world))),
    lambda world: compare_all(reopened(written(world))),
)


def assert_told_again(world: World) -> None:
    for context in CONTEXTS:
        for way in WAYS:
            with localcontext(context):
                assert way(world) == world.state


def test_a_leaves_qty_of_29_digits_is_the_same_for_every_process() -> None:
    world = lived(SPLIT_AND_BUST, DEFAULT)
    told = [record.order.leaves_qty for record in world.records if record.order is not None]
    assert len(told[-1].as_tuple().digits) == 29
    assert told[-1] == told[-2], "a cancel leaves it as it is"
    assert_told_again(world)


QTYS = st.decimals(Decimal("1E-10"), Decimal(99_999_999), places=10)
FACTORS = st.decimals(Decimal("0.0000000001"), Decimal(10), places=10)
STEPS = st.one_of(
    QTYS.map(filled),
    FACTORS.map(split),
    st.integers(0, 5).map(busted),
    st.builds(corrected, st.integers(0, 5), QTYS),
)


@given(st.lists(STEPS, max_size=8))
def test_what_is_told_does_not_depend_on_the_context(steps: list[Step]) -> None:
    worlds = [lived(steps, context) for context in CONTEXTS]
    first = msgspec.msgpack.encode(worlds[0].records)
    assert [msgspec.msgpack.encode(world.records) == first for world in worlds] == [True] * len(worlds)
    assert_told_again(worlds[0])


# --- Journals of versions that rounded ---


def once_told(records: Sequence[Record], digits: int) -> list[Record]:
    """As a version tells it that rounds LeavesQty(151) in what is applied one by one."""
    last = records[-1]
    assert last.order is not None
    leaves_qty = Context(prec=digits).plus(last.order.leaves_qty)
    return [
        *records[:-1],
        msgspec.structs.replace(last, order=msgspec.structs.replace(last.order, leaves_qty=leaves_qty)),
    ]


def test_a_journal_of_a_version_that_rounded_a_leaves_qty_is_replayed() -> None:
    """Its gateway starts again, and goes on."""
    world = lived(SPLIT_AND_BUST, DEFAULT)
    exact = list(world.records)
    world.records = once_told(exact, 28)
    assert world.records != exact
    assert recover(reopened(written(world))) == compare_all(reopened(written(world))) == world.state
    assert replayed(world) == world.state


def test_a_leaves_qty_that_no_version_told_is_not_believed() -> None:
    world = lived(SPLIT_AND_BUST, DEFAULT)
    world.records = once_told(world.records, 20)
    for way in WAYS[2:]:
        with pytest.raises(Diverged):
            way(world)
