"""A venue that rejects everything: each request goes out once, each question once in a comparison, and that is all."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.client import OrdStatus
from gateway.core import events as ev
from ops.stack import Stack
from tests.e2e.desk import desk_at
from tests.e2e.hard import WAIT_S, accepted, events_of, received, sent_twice, until
from tests.e2e.stack import running_stack

ORDERS = 50


def in_a_hurry(text: str) -> str:
    """XSIM's questions are given up after a second."""
    head, end = text.split('\n[[venues]]\nname = "YSIM"')
    return f'{head}\n[venues.reconcile]\ntimeout_s = 1\n\n[[venues]]\nname = "YSIM"{end}'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path / "stack", {"gateway": in_a_hurry}) as running:
        yield running


@pytest.mark.parametrize("kind", ["session_reject", "business_reject"])
async def test_a_venue_that_rejects_every_order_gets_each_of_them_once(stack: Stack, kind: str) -> None:
    """Rule 2: a reject ends the order, and its owner decides what comes next."""
    async with desk_at(stack) as desk:
        desk.do("fault", kind=kind, msg_type="D", every=1, text="a storm")
        handles = await asyncio.gather(*(accepted(desk.gateway) for _ in range(ORDERS)))
        for handle in handles:
            assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.REJECTED
        assert len(received(stack, "D")) == ORDERS
        desk.do("clear_faults")
        await desk.working()
        assert not sent_twice(stack)


async def test_a_venue_that_rejects_every_question_is_asked_once_in_each_comparison(stack: Stack) -> None:
    """The next comparison is the earliest after the time-out, so the rate of questions has a bound."""
    async with desk_at(stack) as desk:
        handles = [(await desk.working())[0] for _ in range(5)]
        for msg_type in ("AF", "H"):
            desk.do("fault", kind="business_reject", msg_type=msg_type, every=1, reason=3)
        desk.do("drop")
        await desk.item("NOT_ANSWERED")
        await until(lambda: len(ended(stack)) >= 3)
        desk.do("clear_faults")
        await until(desk.session_open)
        for handle in handles:
            assert (await desk.order(handle)).ord_status is OrdStatus.NEW, "a reject of a question ends no order"
    runs = [event.run for event in ended(stack)]
    assert len(runs) == len(set(runs))
    asked = Counter((event.order_id, event.why) for event in events_of(stack, ev.StatusRequested))
    assert set(asked.values()) == {1}
    assert not sent_twice(stack)


def ended(stack: Stack) -> list[ev.ReconciliationEnded]:
    """XSIM's comparisons that failed."""
    return [event for event in events_of(stack, ev.ReconciliationEnded) if event.venue == "XSIM" and not event.complete]
