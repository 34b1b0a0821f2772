"""OrderService over a real channel."""

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest

from gateway.adapters.grpc import orders
from gateway.adapters.memory_journal import Disk
from gateway.config import ClientConfig, LimitsConfig
from gateway.core.order import Order
from gateway.core.reports import ExecutionReport, TimerFired
from gateway.core.retention import Wanted
from gateway.core.types import ExecType, OrdStatus
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.ports import Journal
from gateway.runtime.retired import retired_order
from tests.adapters.grpc import harness
from tests.adapters.grpc.harness import (
    Client,
    Error,
    Running,
    events_until,
    eventually,
    failing,
    order,
    read_error,
    running,
)


async def test_a_command_is_answered_with_its_event(alpha: Client, gateway: Running) -> None:
    reply = await alpha.submit("k-1", account="A2")
    placed = gateway.sequencer.state.orders[reply.order_id]
    assert (placed.command.client_id, placed.command.cl_ord_id, placed.command.account) == ("alpha", "k-1", "A2")
    assert reply == pb.CommandReply(cl_ord_id="k-1", order_id=reply.order_id, seq=gateway.sequencer.state.seq - 1)


async def test_an_order_without_an_account_is_for_the_first_one(alpha: Client, gateway: Running) -> None:
    reply = await alpha.submit("k-1")
    assert gateway.sequencer.state.orders[reply.order_id].command.account == "A1"


async def test_replace_cancel_mass_cancel_and_status(alpha: Client, gateway: Running) -> None:
    first = await alpha.submit("k-1")
    gateway.acknowledge(first.order_id)
    replace = pb.ReplaceOrderRequest(cl_ord_id="r-1", orig_cl_ord_id="k-1", order_qty="70")
    replaced = await alpha.orders.ReplaceOrder(replace, metadata=alpha.metadata)
    assert (replaced.cl_ord_id, replaced.order_id) == ("r-1", first.order_id)
    canceled = await alpha.cancel("c-1", "r-1")
    assert (canceled.cl_ord_id, canceled.order_id) == ("c-1", first.order_id)
    asked = await alpha.orders.RequestOrderStatus(
        pb.RequestOrderStatusRequest(orig_cl_ord_id="k-1"), metadata=alpha.metadata
    )
    assert (asked.cl_ord_id, asked.order_id) == ("", first.order_id)
    await alpha.submit("k-2")
    await alpha.submit("k-3", symbol="BETA")
    mass = await alpha.orders.MassCancel(pb.MassCancelRequest(cl_ord_id="m-1", symbol="BETA"), metadata=alpha.metadata)
    assert (mass.cl_ord_id, mass.requested, mass.repeated) == ("m-1", 1, False)
    again = await alpha.orders.MassCancel(pb.MassCancelRequest(cl_ord_id="m-1", symbol="BETA"), metadata=alpha.metadata)
    assert (again.seq, again.requested, again.repeated) == (mass.seq, 1, True)


async def test_nothing_is_answered_before_it_is_durable(alpha: Client, gateway: Running) -> None:
    """Rule 1, for commands and for questions."""
    known = await alpha.submit("k-0")
    gateway.journal.gate.clear()
    command = asyncio.ensure_future(alpha.submit("k-1"))
    await eventually(lambda: gateway.sequencer.state.find_order("alpha", "k-1") is not None)
    questions = [
        asyncio.ensure_future(alpha.orders.GetOrder(pb.GetOrderRequest(cl_ord_id="k-1"), metadata=alpha.metadata)),
        asyncio.ensure_future(alpha.orders.ListOrders(pb.ListOrdersRequest(), metadata=alpha.metadata)),
        asyncio.ensure_future(alpha.positions.ListPositions(pb.ListPositionsRequest(), metadata=alpha.metadata)),
    ]
    # A whole round trip that needs no commit: had one of the others been answered, it would be here by now.
    with failing():
        await alpha.submit("k-2", order_qty="NaN")
    assert not command.done()
    assert not any(question.done() for question in questions)
    gateway.journal.gate.set()
    assert (await command).order_id != known.order_id
    found, listed, _positions = await asyncio.gather(*questions)
    assert found.order.cl_ord_id == "k-1"
    assert len(listed.orders) == 2
    assert found.as_of_seq <= gateway.sequencer.committed_seq


async def test_the_same_key_a_thousand_times_in_parallel_is_one_order(alpha: Client, gateway: Running) -> None:
    """Rule 3."""
    replies = await asyncio.gather(*(alpha.submit("k-1") for _ in range(1_000)))
    assert len(gateway.sequencer.state.orders) == 1
    assert len({(reply.order_id, reply.seq) for reply in replies}) == 1
    assert sum(not reply.repeated for reply in replies) == 1


async def test_the_same_key_with_another_body_is_refused(alpha: Client, gateway: Running) -> None:
    first = await alpha.submit("k-1")
    with failing() as error:
        await alpha.submit("k-1", order_qty="101")
    assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "DUPLICATE_CL_ORD_ID")
    assert (error.metadata["field"], error.metadata["key_spent"]) == ("cl_ord_id", "true")
    assert (await alpha.submit("k-1")).order_id == first.order_id


async def test_another_order_of_accounts_in_the_configuration_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 3, for a request that names no account: its order stays where it is."""
    disk = Disk()
    async with running(disk=disk) as gateway:
        first = await gateway.as_client("alpha").submit("k-1")
    monkeypatch.setattr(harness, "CLIENTS", (ClientConfig("alpha", accounts=("A2", "A1")),))
    async with running(disk=disk) as gateway:
        alpha = gateway.as_client("alpha")
        again, new = await alpha.submit("k-1"), await alpha.submit("k-2")
        assert (again.order_id, again.seq, again.repeated) == (first.order_id, first.seq, True)
        orders = gateway.sequencer.state.orders
        assert [orders[reply.order_id].command.account for reply in (again, new)] == ["A1", "A2"]


async def test_keys_belong_to_the_client(alpha: Client, bravo: Client) -> None:
    assert (await alpha.submit("k-1")).order_id != (await bravo.submit("k-1")).order_id


async def test_a_refusal_of_the_core_is_durable_and_spends_the_key(alpha: Client, gateway: Running) -> None:
    refusals = []
    for _ in range(2):
        with failing() as error:
            await alpha.submit("k-1", price="10.505")
        refusals.append(error)
    assert refusals[0] == refusals[1]
    assert refusals[0].code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refusals[0].reason, refusals[0].fields) == ("PRICE_OFF_TICK", ("price",))
    seq = str(gateway.sequencer.committed_seq)
    assert refusals[0].metadata == {"field": "price", "cl_ord_id": "k-1", "key_spent": "true", "seq": seq}


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"symbol": "NOPE"}, grpc.StatusCode.INVALID_ARGUMENT, "SYMBOL_UNKNOWN"),
        ({"venue": "NOPE"}, grpc.StatusCode.INVALID_ARGUMENT, "VENUE_UNKNOWN"),
        ({"order_qty": "0.5"}, grpc.StatusCode.INVALID_ARGUMENT, "QTY_OFF_LOT"),
        ({"price": None}, grpc.StatusCode.INVALID_ARGUMENT, "FIELD_REQUIRED"),
        ({"stop_px": "1"}, grpc.StatusCode.INVALID_ARGUMENT, "FIELD_NOT_ALLOWED"),
        ({"venue": "YSIM"}, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_DOWN"),
    ],
)
async def test_what_the_core_refuses(alpha: Client, changes: dict[str, str], code: object, reason: str) -> None:
    with failing() as error:
        await alpha.submit("k-1", **changes)
    assert (error.code, error.reason, error.metadata["key_spent"]) == (code, reason, "true")
    assert bool(error.fields) is (code is grpc.StatusCode.INVALID_ARGUMENT)


async def test_a_full_queue_refuses_and_leaves_the_key_free() -> None:
    async with running(LimitsConfig(command_queue=4)) as gateway:
        alpha = gateway.as_client("alpha")
        gateway.journal.gate.clear()
        first = asyncio.ensure_future(alpha.submit("k-0"))
        await eventually(lambda: gateway.sequencer.state.find_order("alpha", "k-0") is not None)
        calls = [asyncio.ensure_future(alpha.submit(f"k-{n}")) for n in range(1, 40)]
        done, waiting = set(), set(calls)
        while len(waiting) > 4:
            finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= finished
        refusals = [read_error(call.exception()) for call in done]
        told = {(error.code, error.reason) for error in refusals}
        assert told == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")}
        assert {error.metadata["key_spent"] for error in refusals} == {"false"}
        gateway.journal.gate.set()
        await asyncio.gather(first, *waiting)
        for number, call in enumerate(calls, 1):
            assert (await alpha.submit(f"k-{number}")).repeated is (call.exception() is None)
        assert len(gateway.sequencer.state.orders) == 40


async def test_a_client_that_goes_away_does_not_lose_its_command(alpha: Client, gateway: Running) -> None:
    gateway.journal.gate.clear()
    call = alpha.orders.SubmitOrder(order("k-1"), metadata=alpha.metadata)
    await eventually(lambda: gateway.sequencer.state.find_order("alpha", "k-1") is not None)
    call.cancel()
    gateway.journal.gate.set()
    await gateway.settled()
    assert (await alpha.submit("k-1")).repeated


async def test_an_order_that_is_not_found_and_one_of_somebody_else_look_the_same(alpha: Client, bravo: Client) -> None:
    reply = await alpha.submit("k-1")

    async def ask(order_id: str) -> Error:
        with failing() as error:
            await bravo.orders.GetOrder(pb.GetOrderRequest(order_id=order_id), metadata=bravo.metadata)
        error.text = error.text.replace(order_id, "*")
        return error

    theirs, nobodys = await ask(reply.order_id), await ask("X" + reply.order_id)
    assert theirs == nobodys
    assert (theirs.code, theirs.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_UNKNOWN")
    with failing() as canceling:
        await bravo.cancel("c-1", "k-1")
    assert (canceling.code, canceling.reason) == (grpc.StatusCode.NOT_FOUND, "ORDER_UNKNOWN")


async def test_get_order_tells_its_whole_life(alpha: Client, operator: Client, gateway: Running) -> None:
    reply = await alpha.submit("k-1")
    gateway.acknowledge(reply.order_id)
    gateway.fill(reply.order_id, "40", "10.5")
    await gateway.settled()
    found = await alpha.orders.GetOrder(pb.GetOrderRequest(cl_ord_id="k-1"), metadata=alpha.metadata)
    assert (found.order.order_id, found.order.cum_qty, found.executions_total) == (reply.order_id, "40", 1)
    assert [request.state for request in found.requests] == ["accepted"]
    assert found.as_of_seq == gateway.sequencer.committed_seq
    by_id = await operator.orders.GetOrder(pb.GetOrderRequest(order_id=reply.order_id), metadata=operator.metadata)
    by_key = await operator.orders.GetOrder(
        pb.GetOrderRequest(cl_ord_id="k-1", client_id="alpha"), metadata=operator.metadata
    )
    assert by_id == by_key == found


async def test_an_order_that_changes_while_it_is_read_is_told_as_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had left memory, and a bust brings it back: who subscribes from the next event on learns of that."""
    read, told = threading.Event(), threading.Event()

    def held(journal: Journal, wanted: Wanted) -> Order | None:
        found = retired_order(journal, wanted)
        read.set()
        told.wait(20)
        return found

    monkeypatch.setattr(orders, "retired_order", held)
    async with running(retire_after_ns=1) as gateway:
        alpha = gateway.as_client("alpha")
        order_id = (await alpha.submit("k-1")).order_id
        name = gateway.sequencer.state.orders[order_id].venue_cl_ord_id
        gateway.fill(order_id, "100", "10.5")
        gateway.tell(TimerFired())
        retired_seq = await gateway.settled()
        assert order_id not in gateway.sequencer.state.orders
        asking = asyncio.ensure_future(alpha.get(order_id))
        await eventually(read.is_set)
        kinds = (ExecType.TRADE_CANCEL, OrdStatus.NEW)
        gateway.tell(ExecutionReport("XSIM", *kinds, "B1", cl_ord_id=name, exec_ref_id="E1", trade_date="20231114"))
        await gateway.settled()
        told.set()
        found = await asking
        assert (found.order.cum_qty, found.as_of_seq) == ("100", retired_seq)
        missing, _ = await events_until(
            alpha.subscribe(found.as_of_seq + 1), lambda events: any(event.exec_ref_id for event in events)
        )
        assert missing[-1].order.cum_qty == "0"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetOrderRequest(), "order_id"),
        (pb.GetOrderRequest(order_id=""), "order_id"),
        (pb.GetOrderRequest(order_id="a b"), "order_id"),
        (pb.GetOrderRequest(cl_ord_id="\x01"), "cl_ord_id"),
    ],
)
async def test_a_question_that_names_no_order_is_refused(
    alpha: Client, request_: pb.GetOrderRequest, field: str
) -> None:
    with failing() as error:
        await alpha.orders.GetOrder(request_, metadata=alpha.metadata)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))


async def test_only_an_operator_names_another_client(alpha: Client, bravo: Client, operator: Client) -> None:
    await alpha.submit("k-1")
    with failing() as error:
        await bravo.orders.ListOrders(pb.ListOrdersRequest(client_id="alpha"), metadata=bravo.metadata)
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")
    listed = await operator.orders.ListOrders(pb.ListOrdersRequest(client_id="alpha"), metadata=operator.metadata)
    assert len(listed.orders) == 1
    asked = await operator.orders.RequestOrderStatus(
        pb.RequestOrderStatusRequest(orig_cl_ord_id="k-1", client_id="alpha"), metadata=operator.metadata
    )
    assert asked.order_id == listed.orders[0].order_id


async def listed(client: Client, **values: object) -> list[str]:
    """All pages of a question, as ClOrdIDs."""
    found: list[str] = []
    token = ""
    while True:
        request = pb.ListOrdersRequest(page_token=token, **values)
        page = await client.orders.ListOrders(request, metadata=client.metadata)
        found += [item.cl_ord_id for item in page.orders]
        if not (token := page.next_page_token):
            return found


async def test_orders_are_listed_by_what_they_are(
    alpha: Client, bravo: Client, operator: Client, gateway: Running
) -> None:
    replies = [
        await alpha.submit("k-1", strategy="trend"),
        await alpha.submit("k-2", account="A2"),
        await alpha.submit("k-3", symbol="BETA"),
        await bravo.submit("b-1"),
    ]
    gateway.acknowledge(replies[1].order_id)
    gateway.report(replies[2].order_id, ExecType.REJECTED, OrdStatus.REJECTED)
    await gateway.settled()
    assert await listed(alpha) == ["k-1", "k-2", "k-3"]
    assert await listed(alpha, client_id="alpha", page_size=1) == ["k-1", "k-2", "k-3"]
    assert await listed(alpha, strategy="trend") == ["k-1"]
    assert await listed(alpha, account="A2") == ["k-2"]
    assert await listed(alpha, symbol="BETA") == ["k-3"]
    assert await listed(alpha, venue="YSIM") == []
    assert await listed(alpha, working=True) == ["k-1", "k-2"]
    assert await listed(alpha, ord_status=[pb.ORD_STATUS_NEW, pb.ORD_STATUS_REJECTED]) == ["k-2", "k-3"]
    assert await listed(operator) == ["k-1", "k-2", "k-3", "b-1"]
    assert await listed(bravo) == ["b-1"]


async def test_pages_are_stable_while_orders_arrive(alpha: Client) -> None:
    for number in range(5):
        await alpha.submit(f"k-{number}")
    first = await alpha.orders.ListOrders(pb.ListOrdersRequest(page_size=3), metadata=alpha.metadata)
    await alpha.submit("k-5")
    request = pb.ListOrdersRequest(page_size=3, page_token=first.next_page_token)
    second = await alpha.orders.ListOrders(request, metadata=alpha.metadata)
    assert [item.cl_ord_id for item in (*first.orders, *second.orders)] == [f"k-{number}" for number in range(6)]
    assert second.next_page_token == ""


async def test_a_page_is_bounded_by_what_it_looks_at(
    alpha: Client, bravo: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SCANNED_PER_PAGE", 2)
    for number in range(5):
        await alpha.submit(f"k-{number}")
    await bravo.submit("b-1")
    page = await bravo.orders.ListOrders(pb.ListOrdersRequest(), metadata=bravo.metadata)
    assert (len(page.orders), bool(page.next_page_token)) == (0, True)
    assert await listed(bravo) == ["b-1"]


class Counted(dict[str, Order]):
    """Orders in memory, and how many of them were looked at one by one."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for order_id in super().__iter__():
            self.looked_at += 1
            yield order_id


async def test_a_page_from_the_beginning_looks_at_no_more_orders_than_it_shows(alpha: Client, gateway: Running) -> None:
    """Every client of Python asks for one order when it connects, whatever is in memory."""
    for number in range(20):
        await alpha.submit(f"k-{number}")
    held = gateway.sequencer.state.orders = Counted(gateway.sequencer.state.orders)
    page = await alpha.orders.ListOrders(pb.ListOrdersRequest(page_size=2), metadata=alpha.metadata)
    assert [item.cl_ord_id for item in page.orders] == ["k-0", "k-1"]
    assert held.looked_at == 3
    assert await listed(alpha, page_size=2) == [f"k-{number}" for number in range(20)]


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
@pytest.mark.parametrize("back", [(), (0,), (2, 1), (6, 0, 3)])
async def test_orders_that_came_back_into_memory_are_listed_in_their_place(
    alpha: Client, gateway: Running, back: tuple[int, ...], page_size: int
) -> None:
    """They stand behind newer ones there."""
    replies = [await alpha.submit(f"k-{number}") for number in range(7)]
    state = gateway.sequencer.state
    for number in back:
        order_id = replies[number].order_id
        state.orders[order_id] = state.orders.pop(order_id)
        state.recalled[order_id] = None
    assert await listed(alpha, page_size=page_size) == [f"k-{number}" for number in range(7)]


@pytest.mark.parametrize("token", ["x", "b3JkZXJzOjk5OTk5", "b3JkZXJzOi0x", "é", "b3RoZXI6MQ=="])
async def test_a_page_token_of_our_own_only(alpha: Client, token: str) -> None:
    with failing() as error:
        await alpha.orders.ListOrders(pb.ListOrdersRequest(page_token=token), metadata=alpha.metadata)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("page_token",))
