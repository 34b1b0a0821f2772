"""Orders and positions as the API shows them."""

from decimal import Decimal

import pytest

from gateway.codec.proto import enums
from gateway.codec.proto.orders import EXECUTIONS_SHOWN, decimal_text, position_to_pb, whole_order_to_pb
from gateway.core.commands import SubmitOrder
from gateway.core.events import Terms
from gateway.core.executions import Execution
from gateway.core.order import Order, Request
from gateway.core.positions import Position
from gateway.core.types import OrdStatus, OrdType, Side, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb


@pytest.mark.parametrize(
    ("value", "text"),
    [("10.00", "10"), ("1E+1", "10"), ("1E-7", "0.0000001"), ("-0", "0"), ("-2.50", "-2.5"), ("0E-9", "0")],
)
def test_a_number_has_one_spelling(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


def test_enums_are_the_same_on_both_sides() -> None:
    for wrapper, numbers in [
        (pb.Side, enums.SIDE),
        (pb.OrdType, enums.ORD_TYPE),
        (pb.TimeInForce, enums.TIME_IN_FORCE),
        (pb.OrdStatus, enums.ORD_STATUS),
    ]:
        assert {0, *numbers} == set(wrapper.values())
    assert {enums.SIDE[n] for n in enums.SIDE} == set(Side)
    assert set(enums.ORD_STATUS_TO_PB) == set(OrdStatus)


def an_order(executions: list[Execution]) -> Order:
    command = SubmitOrder("alpha", "k", "ACME", Side.BUY, Decimal(100), OrdType.MARKET, account="A1")
    order = Order("O1", command, "XSIM", Terms(Decimal(100), TimeInForce.DAY), Decimal(1), "USD", "k", 5)
    order.requests = {
        "R1": Request("new", "k", "R1", state="accepted"),
        "R2": Request("cancel", "c", "R2", state="sent", in_doubt=True, text="t"),
    }
    order.unanswered = {"R2": None}
    order.executions = executions
    return order


def test_a_whole_order_has_its_executions_and_requests() -> None:
    fill = Execution("fill", "E1", "20240102", Decimal("10.0"), Decimal("9.50"), 77, factor=Decimal(2))
    bust = Execution("bust", "E2", "20240102", Decimal(0), Decimal(0), 78, "E1")
    found = whole_order_to_pb(an_order([fill, bust]), 42)
    assert found.as_of_seq == 42
    assert found.order.pending == ["c"]
    assert found.order.in_doubt
    assert list(found.executions) == [
        pb.Execution(
            exec_id="E1",
            trade_date="20240102",
            last_qty="10",
            last_px="9.5",
            in_force=True,
            time_ns=77,
            kind="fill",
            factor="2",
        ),
        pb.Execution(
            exec_id="E2",
            trade_date="20240102",
            last_qty="0",
            last_px="0",
            exec_ref_id="E1",
            time_ns=78,
            kind="bust",
            factor="1",
        ),
    ]
    assert list(found.requests) == [
        pb.OrderRequest(cl_ord_id="k", venue_cl_ord_id="R1", kind="new", state="accepted"),
        pb.OrderRequest(cl_ord_id="c", venue_cl_ord_id="R2", kind="cancel", state="sent", in_doubt=True, text="t"),
    ]


def test_only_the_newest_executions_are_shown() -> None:
    many = [Execution("fill", f"E{n}", "20240102", Decimal(1), Decimal(1), n) for n in range(EXECUTIONS_SHOWN + 3)]
    found = whole_order_to_pb(an_order(many), 1)
    assert (len(found.executions), found.executions_total) == (EXECUTIONS_SHOWN, EXECUTIONS_SHOWN + 3)
    assert found.executions[0].exec_id == "E3"


def test_a_position_shows_every_field() -> None:
    position = Position(
        "A1", "s", "ACME", "USD", Decimal(50), Decimal(-4), Decimal(-42), Decimal("1.5"), Decimal(6), Decimal(10)
    )
    assert position_to_pb(position) == pb.Position(
        account="A1",
        strategy="s",
        symbol="ACME",
        currency="USD",
        multiplier="50",
        net_qty="-4",
        avg_entry_px="10.5",
        realized_pnl="75",
        bought_qty="6",
        sold_qty="10",
    )
