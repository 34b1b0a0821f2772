"""Rule 4: what counts is computed from all that was said, so the order in which it was said does not matter."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.executions import Execution, net, totals
from gateway.core.types import ExecType, OrdStatus
from tests.core.world import World

DAY, NEXT_DAY, THIRD_DAY = "20260105", "20260106", "20260107"
DAYS = {"": DAY, "next": NEXT_DAY, "third": THIRD_DAY}


def line(text: str) -> Execution:
    """A ledger line: "A fill 100@10", "B correction of A 90@10", "C bust of A", "B@next correction of A 90@10"."""
    name, kind, *rest = text.split()
    exec_id, _, later = name.partition("@")
    ref = rest.pop(1) if rest and rest[0] == "of" else ""
    qty, px = (rest[-1] if rest and "@" in rest[-1] else "0@0").split("@")
    return Execution(kind, exec_id, DAYS[later], Decimal(qty), Decimal(px), 0, ref)


def counted(lines: Sequence[Execution]) -> tuple[Decimal, Decimal]:
    return totals(net([msgspec.structs.replace(each) for each in lines]))


@pytest.mark.parametrize(
    ("said", "cum_qty", "value"),
    [
        (["A fill 100@10"], 100, 1000),
        (["A fill 100@10", "B fill 50@11"], 150, 1550),
        (["A fill 100@10", "B bust of A"], 0, 0),
        (["A fill 100@10", "B fill 50@11", "C bust of A"], 50, 550),
        (["A fill 100@10", "B correction of A 90@10"], 90, 900),
        (["A fill 100@10", "B correction of A 90@10", "C correction of B 80@11"], 80, 880),
        # A bust ends the execution by whichever name it is called.
        (["A fill 100@10", "B correction of A 90@10", "C bust of B"], 0, 0),
        (["A fill 100@10", "B correction of A 90@10", "C bust of A"], 0, 0),
        (["A fill 100@10", "B correction of A 90@10", "C correction of B 80@11", "D bust of B"], 0, 0),
        (["A fill 100@10", "B bust of A", "C correction of A 90@10"], 0, 0),
        # What never came is told well enough by its correction, and not at all by its bust.
        (["B correction of A 90@10"], 90, 900),
        (["B bust of A"], 0, 0),
        # The same ExecID on two trade dates names two executions.
        (["A fill 100@10", "A@next fill 50@11"], 150, 1550),
        (["A fill 100@10", "A@next fill 50@11", "B bust of A"], 50, 550),
        (["A fill 100@10", "A@next fill 50@11", "B@next bust of A"], 100, 1000),
        (["A fill 100@10", "A@next fill 50@11", "B@next correction of A 40@11", "C correction of A 90@10"], 130, 1340),
        # A reference to another day's execution, when that day has none of that name.
        (["A fill 100@10", "B@next bust of A"], 0, 0),
        (["A fill 100@10", "B@next correction of A 90@10", "C@next bust of B"], 0, 0),
        # When several earlier days have one, the latest is meant; never the line itself.
        (["A fill 100@10", "A@next fill 50@11", "B@third bust of A"], 100, 1000),
        (["A fill 100@10", "A@next bust of A"], 0, 0),
        (["A fill 100@10", "B fill 50@11", "C correction of A 90@10", "D correction of B 60@12"], 150, 1620),
    ],
)
def test_every_order_of_arrival_gives_the_same(said: list[str], cum_qty: int, value: int) -> None:
    for arrived in permutations(said):
        assert counted([line(text) for text in arrived]) == (cum_qty, value), arrived


def test_contradicting_corrections_are_decided_by_arrival() -> None:
    first, second, fill = line("B correction of A 90@10"), line("C correction of A 80@10"), line("A fill 100@10")
    assert counted([fill, first, second]) == (80, 800)
    assert counted([fill, second, first]) == (90, 900)


def test_each_line_says_whether_it_is_in_force() -> None:
    ledger = [line("A fill 100@10"), line("B correction of A 90@10"), line("C fill 5@10"), line("D bust of C")]
    net(ledger)
    assert [each.in_force for each in ledger] == [False, True, False, False]


def test_references_in_a_circle_end() -> None:
    circle = [line("A correction of B 1@1"), line("B correction of A 1@1")]
    assert counted(circle)[0] >= 0


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Execution], Decimal, Decimal]:
    """What a sane venue says of some executions, and what is left of them in the end."""
    lines, cum_qty, cum_value = [], Decimal(0), Decimal(0)
    for number in range(draw(st.integers(1, 12))):
        exec_id = f"{number}."
        qty, px = Decimal(draw(st.integers(1, 1000))), draw(st.decimals(-100, 1000, places=4))
        lines.append(Execution("fill", exec_id, DAY, qty, px, 0))
        for change in range(draw(st.integers(0, 4))):
            qty, px = Decimal(draw(st.integers(1, 1000))), draw(st.decimals(-100, 1000, places=4))
            day = NEXT_DAY if draw(st.booleans()) else DAY
            lines.append(Execution("correction", f"{number}.{change}", day, qty, px, 0, lines[-1].exec_id))
        if draw(st.booleans()):
            named = draw(st.sampled_from([each for each in lines if each.exec_id.startswith(exec_id)]))
            lines.append(Execution("bust", f"{number}.bust", NEXT_DAY, Decimal(0), Decimal(0), 0, named.exec_id))
            continue
        cum_qty, cum_value = cum_qty + qty, cum_value + qty * px
    return lines, cum_qty, cum_value


@given(conversations(), st.randoms(use_true_random=False))
def test_long_conversations_in_any_order(said: tuple[list[Execution], Decimal, Decimal], random: Random) -> None:
    lines, cum_qty, cum_value = said
    for _ in range(3):
        assert counted(lines) == (cum_qty, cum_value)
        random.shuffle(lines)


def test_the_same_exec_id_counts_once_a_day_and_once_in_each_order() -> None:
    world = World.started()
    first, second = world.submit("1"), world.submit("2")
    for _ in range(2):
        world.fill(first, 10, exec_id="A")
        world.fill(first, 10, exec_id="A", trade_date=NEXT_DAY)
        world.fill(second, 10, exec_id="A")
    assert (first.cum_qty, second.cum_qty) == (20, 10)


@pytest.mark.parametrize("exec_type", [ExecType.ORDER_STATUS, ExecType.NEW])
def test_an_execution_whose_exec_id_another_report_had_counts(exec_type: ExecType) -> None:
    """A status reply with the ExecID(17) of the last execution, which comes later, as from a resend."""
    world = World.started()
    one = world.submit("1")
    world.report(one, exec_type, exec_id="A", ord_status=OrdStatus.NEW)
    world.fill(one, 10, exec_id="A")
    world.fill(one, 10, exec_id="A")
    assert one.cum_qty == 10


def test_an_amended_order_with_many_executions_stays_quick() -> None:
    """Thirty thousand lines: quadratic work would take minutes here, and the sequencer with it."""
    lines = [Execution("fill", str(number), DAY, Decimal(1), Decimal(1), 0) for number in range(30_000)]
    lines.append(line("C bust of 17"))
    assert totals(net(lines)) == (29_999, 29_999)
