"""What a venue does for us when all orders have to go: its mass cancel, also one that it turns out not to have, and its
cancel on disconnect.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.client import OrdStatus, TimeInForce
from gateway.core import events as ev
from gateway.core.risk import events as re
from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import Stack
from sim_exchange import ledger
from tests.e2e.desk import desk_at
from tests.e2e.hard import events_of, until
from tests.e2e.stack import running_stack, without_crowd

DIALECT = 'dialect = { mass_cancel = true, add = { A = { 9100 = "Y" } } }\n'


def asks_for_it(text: str) -> str:
    """Our side of YSIM: it is said to take mass cancels, and is asked to cancel when the connection ends."""
    comp_id = 'target_comp_id = "YSIM"\n'
    assert comp_id in text
    return text.replace(comp_id, comp_id + DIALECT)


def only_on_disconnect(text: str) -> str:
    """YSIM cancels on disconnect and takes no mass cancels."""
    session = 'begin_string = "FIXT.1.1"\n'
    assert session in text
    text = text.replace(session, f'{session}cancel_on_disconnect_tag = "9100=Y"\n')
    return without_crowd(text.replace("seed = 2\n", "seed = 2\nmass_cancel = false\n"))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path / "stack", {"gateway": asks_for_it, "YSIM": only_on_disconnect}) as running:
        yield running


async def test_single_cancels_go_at_once_when_the_venue_has_no_mass_cancel_after_all(stack: Stack) -> None:
    async with desk_at(stack, "YSIM") as desk:
        orders = [(await desk.working(venue="YSIM"))[0] for _ in range(3)]
        desk.ctl("risk", "kill", "venue:YSIM", "--reason", "it runs wild")
        await until(lambda: {order.order.ord_status for order in orders} == {OrdStatus.CANCELED})
        (stop,) = desk.api.risk(pb.ListStopsRequest()).stops
        assert (stop.scope, stop.completed) == ("venue:YSIM", True)
    answered, *then = events_of(stack, re.MassCancelAnswered, ev.CancelRequested, re.StopCompleted)
    assert (answered.accepted, answered.text) == (False, "this venue has no OrderMassCancelRequest(q)")
    assert [type(event) for event in then] == [ev.CancelRequested] * 3 + [re.StopCompleted]
    asked = [line.msg_type for line in ledger.read_lines(stack.ledger("YSIM")) if isinstance(line, ledger.Received)]
    assert [msg_type for msg_type in asked if msg_type in "qF"] == ["q", "F", "F", "F"]


async def test_what_a_venue_cancels_when_our_process_dies_is_known_when_the_next_one_is_there(stack: Stack) -> None:
    async with desk_at(stack, "YSIM") as desk:
        day, _ = await desk.working(venue="YSIM")
        until_canceled, _ = await desk.working(venue="YSIM", time_in_force=TimeInForce.GTC)
        stack.gateway.kill()
        await until(lambda: desk.do("orders", open=True)["total"] == 1)
        stack.gateway.start()
        await until(lambda: day.order.ord_status is OrdStatus.CANCELED)
        assert (await desk.order(until_canceled)).ord_status is OrdStatus.NEW
    assert not events_of(stack, ev.CancelRequested)
    assert [event.text for event in events_of(stack, ev.OrderCanceled)] == ["cancel on disconnect"]
