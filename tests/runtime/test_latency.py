"""Order-to-acknowledgement times are those of the venue's first word on each order, and of nothing else."""

from decimal import Decimal

import pytest

from gateway.core import events as ev
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, Event, Record
from gateway.core.types import ExecType, OrdStatus, OrdType, Side
from gateway.runtime import latency as module
from gateway.runtime.latency import KEPT, FirstWords, Latency
from tests.core.world import SECOND_NS, World

CLIENT, VENUE, OPERATOR = Cause("client", "demo"), Cause("venue", "XSIM", 7), Cause("operator", "ops")
SUBMIT = SubmitOrder("demo", "c1", "ACME", Side.BUY, Decimal(1), OrdType.MARKET)


def submitted(order_id: str, at_ns: int = 0) -> Record:
    return Record(1, at_ns, CLIENT, ev.OrderSubmitted(order_id, SUBMIT, "XSIM", Decimal(1), "USD"))


def told(event: Event, at_ns: int, cause: Cause = VENUE) -> Record:
    return Record(1, at_ns, cause, event)


def test_percentiles_are_of_the_newest_orders() -> None:
    latency = Latency()
    assert latency.percentile_us(50) == 0
    records = [
        record
        for number in range(1, 101)
        for record in (submitted(f"O{number}"), told(ev.OrderAcknowledged(f"O{number}"), number * 1_000))
    ]
    latency.note(records)
    assert [latency.percentile_us(percent) for percent in (0, 1, 50, 99, 100)] == [1, 1, 50, 99, 100]
    for _ in range(200):
        latency.note(records)
    assert len(latency._newest_us) == KEPT


def test_an_order_that_goes_on_is_not_acknowledged_once_more() -> None:
    """A venue says New (39=0) again after a suspension, and of a GTC order on each day: that took no day to answer."""
    world, latency = World.started(), Latency()
    order = world.submit("gtc")
    world.acknowledge(order)
    took_us = (world.now_ns - order.submitted_ns) // 1_000
    for pause in (ExecType.SUSPENDED, ExecType.DONE_FOR_DAY):
        world.now_ns += 3_600 * SECOND_NS
        world.report(order, pause, ord_status=OrdStatus(pause.value))
        world.now_ns += 36_000 * SECOND_NS
        world.acknowledge(order)
    latency.note(world.records)
    assert list(latency._newest_us) == [took_us]


def test_a_fill_or_a_rejection_may_be_the_first_word() -> None:
    latency = Latency()
    latency.note([submitted("O1"), told(ev.OrderFilled("O1"), 4_000), told(ev.OrderAcknowledged("O1"), 9_000)])
    latency.note([submitted("O2"), told(ev.OrderRejected("O2"), 5_000)])
    assert list(latency._newest_us) == [4, 5]


@pytest.mark.parametrize(
    "record",
    [
        told(ev.OrderUnsent("O1", "V1", "not logged on"), 1),
        told(ev.OrderAcknowledged("O1", text="operator ops: by telephone"), 600 * SECOND_NS, OPERATOR),
        told(ev.OrderAcknowledged("from before the restart"), 1),
    ],
)
def test_what_is_no_word_of_the_venue_is_not_counted(record: Record) -> None:
    latency = Latency()
    latency.note([submitted("O1"), record])
    assert latency.percentile_us(99) == 0


def test_orders_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAITED_AT_MOST", 2)
    first_words = FirstWords()
    for number in range(5):
        first_words.took_ns(submitted(f"O{number}"))
    assert len(first_words) == 2
    assert [first_words.took_ns(told(ev.OrderAcknowledged(f"O{n}"), 1)) for n in (2, 3, 4)] == [None, 1, 1]
