"""What venues do wrong, over real FIX: faults.md's "Reports", each a line here."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import grpc
import pytest

from gateway.cli.ctl_api import Api
from gateway.client import Event, EventType, GatewayClient, OrderHandle, OrdStatus, OrdType, Reason, Refused, Side
from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import Stack
from sim_exchange.control import ControlClient
from tests.e2e.hard import told, working
from tests.e2e.stack import CLIENT_ID, OPERATOR_ID

WAIT_S = 60


class Desk:
    """Orders at XSIM, where the test decides what the venue does. DESK is worked by hand."""

    def __init__(self, stack: Stack, gateway: GatewayClient, control: ControlClient) -> None:
        self.stack, self.gateway, self.control = stack, gateway, control

    async def send(self, symbol: str = "ACME", order_qty: int = 100, price: str = "90.00") -> OrderHandle:
        return await self.gateway.submit(
            symbol=symbol, side=Side.BUY, order_qty=order_qty, ord_type=OrdType.LIMIT, price=price
        )

    async def working(self, **order: Any) -> tuple[OrderHandle, str]:
        """An acknowledged order, and what the venue calls it."""
        handle = await self.send(**order)
        await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        detail = await self.gateway.get_order(cl_ord_id=handle.cl_ord_id)
        return handle, detail.requests[0].venue_cl_ord_id

    def venue(self, do: str, **arguments: Any) -> dict[str, Any]:
        answer = self.control.request({"do": do, **arguments})
        assert answer["ok"], answer
        return answer

    async def told(self, handle: OrderHandle, *types: EventType) -> list[Event]:
        """The order's events up to the first of one of these types."""
        events = []
        async for event in self.gateway.events(from_seq=1):
            if event.order is not None and event.order.order_id == handle.order.order_id:
                events.append(event)
                if event.type in types:
                    return events
        raise AssertionError


@pytest.fixture
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        with ControlClient(f"127.0.0.1:{stack.control_ports['XSIM']}") as control:
            yield Desk(stack, gateway, control)
            control.request({"do": "clear_faults"})
            await gateway.mass_cancel()


async def test_the_same_exec_id_under_a_new_msg_seq_num_counts_once(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("fault", kind="duplicate", exec_type="F")
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    await desk.told(handle, EventType.REPORT_IGNORED)
    order = await handle.wait_for(lambda seen: bool(seen.cum_qty), timeout_s=WAIT_S)
    assert order.cum_qty == 30


@pytest.mark.parametrize("kind", ["poss_dup", "poss_resend"])
async def test_a_report_that_says_it_may_be_a_repetition_counts_once(desk: Desk, kind: str) -> None:
    """PossDupFlag(43) under the old number, PossResend(97) under a new one: the next fill shows that both are done."""
    handle, name = await desk.working()
    desk.venue("fault", kind=kind, exec_type="F")
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    desk.venue("fill", cl_ord_id=name, qty="20", px="90")
    order = await handle.wait_for(lambda order: order.cum_qty >= 50, timeout_s=WAIT_S)
    assert (order.cum_qty, len((await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)).executions)) == (50, 2)


async def test_the_same_exec_id_on_two_orders_counts_on_both(desk: Desk) -> None:
    for _ in range(2):
        handle, name = await desk.working()
        desk.venue("fill", cl_ord_id=name, qty="30", px="90", exec_id="SHARED-1")
        order = await handle.wait_for(lambda order: order.cum_qty == 30, timeout_s=WAIT_S)
        assert order.leaves_qty == 70


async def test_busts_and_corrections_move_order_and_position(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    desk.venue("fill", cl_ord_id=name, qty="20", px="91")
    desk.venue("correct", cl_ord_id=name, qty="10", px="92")
    order = await handle.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
    assert order.avg_px == Decimal("90.5")
    desk.venue("bust", cl_ord_id=name)
    order = await handle.wait_for(lambda order: order.cum_qty == 30, timeout_s=WAIT_S)
    assert (order.avg_px, order.leaves_qty) == (90, 70)


async def test_an_unsolicited_cancel_ends_the_order(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("unsolicited_cancel", cl_ord_id=name)
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED


async def test_a_fill_after_the_cancel_counts_and_does_not_reopen(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("unsolicited_cancel", cl_ord_id=name)
    await handle.done(timeout_s=WAIT_S)
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    await desk.told(handle, EventType.ORDER_FILLED)
    order = (await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)).order
    assert (order.ord_status, order.cum_qty, order.leaves_qty) == (OrdStatus.CANCELED, 30, 0)


async def test_an_overfill_is_recorded_and_halts_the_instrument_until_an_operator_resumes_it(desk: Desk) -> None:
    order = await desk.gateway.submit(
        symbol="INITECH", side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="30.00"
    )
    await order.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    detail = await desk.gateway.get_order(cl_ord_id=order.cl_ord_id)
    desk.venue("fill", cl_ord_id=detail.requests[0].venue_cl_ord_id, qty="12", px="30")
    events = await desk.told(order, EventType.ORDER_OVERFILLED)
    assert events[-1].order is not None
    assert events[-1].order.cum_qty == 12
    with pytest.raises(Refused) as refused:
        await desk.send(symbol="INITECH", price="30.00")
    assert refused.value.reason == Reason.INSTRUMENT_HALTED
    with Api(desk.stack.api_address, OPERATOR_ID) as ops:
        ops.administer(pb.ResumeInstrumentRequest(symbol="INITECH", reason="the venue busts the excess"))
    again, _ = await desk.working(symbol="INITECH", price="30.00")
    assert again.order.ord_status is OrdStatus.NEW


async def test_a_venue_reject_is_its_own_event_with_the_venues_words(desk: Desk) -> None:
    desk.venue("fault", kind="reject", msg_type="D", text="not today")
    handle = await desk.send()
    assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.REJECTED
    events = await desk.told(handle, EventType.ORDER_REJECTED)
    assert "not today" in events[-1].text


async def test_reports_out_of_order_come_to_the_same(desk: Desk) -> None:
    desk.venue("fault", kind="reorder", exec_type="0")
    handle = await desk.send(price="100.50")
    other = await desk.gateway.submit(
        symbol="ACME", side=Side.SELL, order_qty=40, ord_type=OrdType.LIMIT, price="100.50"
    )
    await other.done(timeout_s=WAIT_S)
    order = await handle.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
    assert order.ord_status is OrdStatus.PARTIALLY_FILLED


async def test_a_gap_is_filled_by_one_resend_and_nothing_is_lost(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("fault", kind="gap", exec_type="F")
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    desk.venue("fill", cl_ord_id=name, qty="20", px="90")
    order = await handle.wait_for(lambda order: order.cum_qty == 50, timeout_s=WAIT_S)
    assert order.leaves_qty == 50


async def test_a_dropped_connection_comes_back_with_what_was_missed(desk: Desk) -> None:
    handle, name = await desk.working()
    desk.venue("drop")
    desk.venue("fill", cl_ord_id=name, qty="30", px="90")
    order = await handle.wait_for(lambda order: order.cum_qty == 30, timeout_s=WAIT_S)
    assert order.ord_status is OrdStatus.PARTIALLY_FILLED


async def test_an_order_without_an_answer_when_the_session_drops_is_in_doubt_until_the_venue_says(desk: Desk) -> None:
    """Rule 2: silence is not evidence. The venue got the order and said nothing; after the reconnect it is asked."""
    desk.venue("fault", kind="silence", msg_type="D")
    handle = await desk.send()
    desk.venue("wait", **{"for": "received"}, msg_type="D", count=1)
    detail = await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)
    assert not detail.order.in_doubt
    desk.venue("drop")
    events = await desk.told(handle, EventType.ORDER_IN_DOUBT)
    assert events[-1].order is not None
    assert events[-1].order.in_doubt
    events = await desk.told(handle, EventType.ORDER_UNSENT, EventType.ORDER_STATUS_REPORTED)
    order = (await desk.gateway.get_order(cl_ord_id=handle.cl_ord_id)).order
    assert not order.in_doubt
    routed = [event for event in events if event.type is EventType.ORDER_ROUTED]
    assert len(routed) == 1, "rule 2: never sent again"


async def test_a_report_for_an_order_that_is_not_ours_is_set_aside_and_visible(desk: Desk) -> None:
    desk.venue(
        "phone_order", session="FIX.4.4:XSIM->GATEWAY", symbol="ACME", side="1", qty="10", px="90", account="ACC1"
    )
    with Api(desk.stack.api_address, OPERATOR_ID) as ops:
        async for event in operator_events(desk):
            if event.type is EventType.REPORT_SET_ASIDE:
                break
        reports, items = ops.set_aside(), ops.items("XSIM").items
    assert "REPORT_UNKNOWN" in {item.kind for item in items}, "the alert"
    assert reports.total >= 1
    assert "no order of ours" in reports.reports[-1].why


async def operator_events(desk: Desk) -> AsyncIterator[Event]:
    async with GatewayClient(desk.stack.api_address, client_id=OPERATOR_ID) as operator:
        async for event in operator.events(from_seq=1):
            yield event


async def test_an_unknown_message_is_answered_and_shown_and_trading_goes_on(desk: Desk) -> None:
    desk.venue("send", msg_type="8", fields=[[37, "X1"], [17, "X1"], [150, "?"], [39, "0"], [55, "ACME"], [54, "1"]])
    desk.venue("wait", **{"for": "received"}, msg_type="j", count=1)
    handle, _ = await desk.working()
    assert handle.order.ord_status is OrdStatus.NEW


async def test_only_operators_administer(desk: Desk) -> None:
    with Api(desk.stack.api_address, CLIENT_ID) as trader, pytest.raises(grpc.RpcError) as refused:
        trader.set_aside()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]


async def test_a_session_that_an_operator_logs_out_refuses_orders_until_he_logs_it_on(desk: Desk) -> None:
    with Api(desk.stack.api_address, OPERATOR_ID) as ops:
        seq = ops.administer(pb.LogoutRequest(venue="XSIM", reason="a test")).seq
        desk.venue("wait", **{"for": "logoff"}, timeout_s=WAIT_S)
        await told(desk.stack, EventType.SESSION_LOGGED_OUT, from_seq=seq, venue="XSIM")
        with pytest.raises(Refused) as refused:
            await desk.send()
        assert refused.value.reason == Reason.SESSION_DOWN
        ops.administer(pb.LogonRequest(venue="XSIM", reason="the test goes on"))
    desk.venue("wait", **{"for": "logon"}, timeout_s=WAIT_S)
    await working(desk.gateway)


async def test_a_venue_whose_sequence_numbers_are_too_low_is_held_down_and_hides_no_fill(own_stack: Stack) -> None:
    """faults.md: "sequence too low (alert, no silent reset)".

    Logging on again and again would use up the venue's numbers until they fit, and cover up the fill in between.
    """
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID) as gateway:
        with ControlClient(f"127.0.0.1:{own_stack.control_ports['XSIM']}") as control:
            desk = Desk(own_stack, gateway, control)
            orders = [await desk.working() for _ in range(5)]
            right = desk.venue("sessions")["sessions"][0]["next_out"]
            desk.venue("set_seq", next_out=2)
            desk.venue("drop")
            async for event in operator_events(desk):
                if event.type is EventType.SESSION_LOGGED_OUT and "too low" in event.text:
                    break
            desk.venue("fill", cl_ord_id=orders[0][1], qty="30", px="90")
            with Api(own_stack.api_address, OPERATOR_ID) as ops:
                (held,) = [each for each in ops.sessions().sessions if each.venue == "XSIM"]
                assert (held.enabled, held.logged_on) == (False, False)
                with pytest.raises(Refused) as refused:
                    await desk.send()
                assert refused.value.reason == Reason.SESSION_DOWN
                desk.venue("set_seq", next_out=right + 1)
                ops.administer(pb.LogonRequest(venue="XSIM", reason="the venue found its numbers again"))
            await working(desk.gateway)
            handle, _ = orders[0]
            await gateway.request_order_status(handle.cl_ord_id)
            events = await desk.told(handle, EventType.QUANTITY_DISPUTED, EventType.ORDER_FILLED)
            assert events[-1].type is EventType.QUANTITY_DISPUTED, "what nobody can send again is not made up either"
