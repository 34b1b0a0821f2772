"""What differs, what is in doubt and what left memory, through the API."""

from collections.abc import AsyncIterator

import grpc
import pytest

from gateway.core.reports import ExecutionReport, SessionDown, SessionUp, TimerFired
from gateway.core.state import Reconcile
from gateway.core.types import ExecType, OrdStatus
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, failing, running


@pytest.fixture
async def compared() -> AsyncIterator[Running]:
    """A gateway whose venue XSIM is compared, one order at a time."""
    async with running(reconcile={"XSIM": Reconcile(mass=False)}) as started:
        yield started


@pytest.fixture
async def forgetful() -> AsyncIterator[Running]:
    """A gateway in whose memory no order stays that has ended."""
    async with running(retire_after_ns=0) as started:
        yield started


async def test_order_entry_waits_for_the_comparison_and_an_operator_can_open_it(compared: Running) -> None:
    alpha, operator = compared.as_client("alpha"), compared.as_client("op")
    working = (await alpha.submit("k-1")).order_id
    compared.acknowledge(working)
    compared.tell(SessionDown("XSIM", "gone"))
    compared.tell(SessionUp("XSIM"))
    await compared.settled()
    (session, _) = (await operator.admin.ListSessions(pb.ListSessionsRequest(), metadata=operator.metadata)).sessions
    assert (session.order_entry_open, session.reconciling) == (False, True)
    with failing() as error:
        await alpha.submit("k-2")
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SESSION_NOT_RECONCILED")
    request = pb.OpenOrderEntryRequest(venue="XSIM", reason="by telephone")
    await operator.admin.OpenOrderEntry(request, metadata=operator.metadata)
    await alpha.submit("k-3")


async def test_doubt_is_listed_and_settled_with_a_reason_that_its_owner_hears(alpha: Client, gateway: Running) -> None:
    """Rule 2: doubt ends by evidence only; an operator with a reason is one kind."""
    operator = gateway.as_client("op")
    order_id = (await alpha.submit("k-1")).order_id
    gateway.tell(SessionDown("XSIM", "gone"))
    await gateway.settled()
    listed = await operator.admin.ListInDoubt(pb.ListInDoubtRequest(), metadata=operator.metadata)
    (doubt,) = listed.requests
    assert listed.total == 1
    assert (doubt.order.order_id, doubt.cl_ord_id, doubt.kind, doubt.order.in_doubt) == (order_id, "k-1", "new", True)
    request = pb.ResolveDoubtRequest(order_id=order_id, outcome=pb.DOUBT_OUTCOME_UNSENT, reason="never arrived")
    seq = (await operator.admin.ResolveDoubt(request, metadata=operator.metadata)).seq
    records = list(gateway.journal.read(seq))
    assert [type(record.event).__name__ for record in records] == ["DoubtResolved", "OrderUnsent"]
    assert records[0].cause.who == "op"
    shown = await alpha.get(order_id)
    assert (shown.order.ord_status, shown.order.in_doubt) == (pb.ORD_STATUS_REJECTED, False)
    assert not (await operator.admin.ListInDoubt(pb.ListInDoubtRequest(), metadata=operator.metadata)).requests
    with failing() as error:
        await operator.admin.ResolveDoubt(request, metadata=operator.metadata)
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_IN_DOUBT")


async def test_an_order_that_its_venue_lost_is_ended_by_an_operator_and_its_owner_hears_why(compared: Running) -> None:
    alpha, operator = compared.as_client("alpha"), compared.as_client("op")
    compared.tell(TimerFired())
    await compared.settled()
    order_id = (await alpha.submit("k-1")).order_id
    compared.acknowledge(order_id)
    await compared.settled()
    request = pb.ResolveDoubtRequest(order_id=order_id, outcome=pb.DOUBT_OUTCOME_CANCELED, reason="they lost it")
    with failing() as error:
        await operator.admin.ResolveDoubt(request, metadata=operator.metadata)
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_IN_DOUBT")
    compared.report(order_id, ExecType.ORDER_STATUS, OrdStatus.REJECTED, ord_rej_reason="5")
    await compared.settled()
    seq = (await operator.admin.ResolveDoubt(request, metadata=operator.metadata)).seq
    records = list(compared.journal.read(seq))
    assert [type(record.event).__name__ for record in records] == ["DoubtResolved", "OrderCanceled", "ItemResolved"]
    assert {record.cause.who for record in records} == {"op"}
    assert (await alpha.get(order_id)).order.ord_status == pb.ORD_STATUS_CANCELED
    assert not (await operator.admin.ListItems(pb.ListItemsRequest(), metadata=operator.metadata)).items


async def test_what_differs_is_an_item_that_an_operator_can_close(compared: Running) -> None:
    alpha, operator = compared.as_client("alpha"), compared.as_client("op")
    compared.tell(TimerFired())
    await compared.settled()
    order_id = (await alpha.submit("k-1")).order_id
    compared.acknowledge(order_id)
    compared.report(order_id, ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED, cum_qty=5)
    await compared.settled()
    listed = await operator.admin.ListItems(pb.ListItemsRequest(venue="XSIM"), metadata=operator.metadata)
    (item,) = [each for each in listed.items if each.kind == "QUANTITY"]
    assert (item.order_id, item.severity, item.ours, item.theirs) == (order_id, pb.SEVERITY_CRITICAL, "0", "5")
    close = pb.ResolveItemRequest(item_id=item.item_id, reason="the venue corrected it")
    await operator.admin.ResolveItem(close, metadata=operator.metadata)
    again = await operator.admin.ListItems(pb.ListItemsRequest(venue="XSIM"), metadata=operator.metadata)
    assert item.item_id not in {each.item_id for each in again.items}
    with failing() as error:
        await operator.admin.ResolveItem(close, metadata=operator.metadata)
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "ITEM_UNKNOWN")


async def test_an_order_that_is_not_ours_is_shown_and_counted_as_nobodys(compared: Running) -> None:
    alpha, operator = compared.as_client("alpha"), compared.as_client("op")
    compared.acknowledge((await alpha.submit("k-1")).order_id)
    await operator.admin.Reconcile(pb.ReconcileRequest(venue="XSIM", reason="a look"), metadata=operator.metadata)
    compared.tell(
        ExecutionReport(
            "XSIM", ExecType.ORDER_STATUS, OrdStatus.NEW, venue_order_id="V9", venue_symbol="ACME", cl_ord_id="theirs"
        )
    )
    await compared.settled()
    request = pb.ListExternalOrdersRequest(venue="XSIM")
    (order,) = (await operator.admin.ListExternalOrders(request, metadata=operator.metadata)).orders
    assert (order.venue_order_id, order.venue_cl_ord_id, order.ord_status) == ("V9", "theirs", pb.ORD_STATUS_NEW)
    listed = await alpha.orders.ListOrders(pb.ListOrdersRequest(), metadata=alpha.metadata)
    assert [order.cl_ord_id for order in listed.orders] == ["k-1"]


async def test_a_venue_that_is_never_compared_cannot_be(compared: Running) -> None:
    operator = compared.as_client("op")
    with failing() as error:
        await operator.admin.Reconcile(pb.ReconcileRequest(venue="YSIM", reason="why not"), metadata=operator.metadata)
    assert (error.reason, error.fields) == ("VENUE_UNKNOWN", ("venue",))


async def test_an_order_that_left_memory_is_shown_whole_and_its_key_still_counts(forgetful: Running) -> None:
    """Rule 3: one intent, one order, however long ago."""
    alpha, bravo = forgetful.as_client("alpha"), forgetful.as_client("bravo")
    order_id = (await alpha.submit("k-1")).order_id
    forgetful.acknowledge(order_id)
    forgetful.fill(order_id, "100", "99.95")
    await forgetful.settled()
    before = await alpha.get(order_id)
    forgetful.tell(TimerFired())
    await forgetful.settled()
    assert order_id not in forgetful.sequencer.state.orders
    after = await alpha.get(order_id)
    assert after.order == before.order
    assert after.executions == before.executions
    request = pb.GetOrderRequest(cl_ord_id="k-1")
    assert (await alpha.orders.GetOrder(request, metadata=alpha.metadata)).order == before.order
    with failing() as error:
        await bravo.get(order_id)
    assert error.code is grpc.StatusCode.NOT_FOUND
    again = await alpha.submit("k-1")
    assert (again.order_id, again.repeated) == (order_id, True)
    assert order_id in forgetful.sequencer.state.orders, "what is needed again is back"
    listed = await alpha.orders.ListOrders(pb.ListOrdersRequest(), metadata=alpha.metadata)
    assert [order.order_id for order in listed.orders] == [order_id]
