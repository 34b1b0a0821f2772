"""A fake gateway with a little history, and a way to run `gatewayctl` against it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import ctl
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.fake_gateway import NOON_NS, FakeGateway, an_event, an_order

Run = Callable[..., Result]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """One filled and one working order, one short position, one session up and one down."""
    with FakeGateway() as fake:
        fill(fake)
        yield fake


@pytest.fixture
def run(gateway: FakeGateway) -> Run:
    """Runs `gatewayctl` with these arguments against the fake gateway, without a terminal."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(ctl.app, [*arguments, "--address", gateway.address], env={"COLUMNS": "80"})

    return invoke


def fill(fake: FakeGateway) -> None:
    filled = an_order("O1", ord_status=pb.ORD_STATUS_FILLED, cum_qty="1000", avg_px="99.9500000001")
    filled.leaves_qty = "0"
    working = an_order("O2", symbol="GLOBEX", side=pb.SIDE_SELL_SHORT, in_doubt=True)
    working.terms.stop_px = "98"
    fake.all_orders = [filled, working]
    whole: dict[str, Any] = {"exec_id": "E1", "last_qty": "1000", "last_px": "99.95"}
    fake.events = [
        an_event(1, pb.EPOCH_BEGAN, text="version 0.1.0, epoch 2"),
        an_event(2, pb.ORDER_SUBMITTED, an_order("O1"), cl_ord_id="c-O1", venue="XSIM", symbol="ACME"),
        an_event(3, pb.ORDER_FILLED, filled, venue="XSIM", symbol="ACME", **whole),
        an_event(4, pb.ORDER_SUBMITTED, working, cl_ord_id="c-O2", venue="XSIM", symbol="GLOBEX"),
        an_event(5, pb.COMMAND_REFUSED, cl_ord_id="c9", reason="PRICE_OFF_TICK", field="price", text="[not] a tick"),
        an_event(6, pb.SESSION_LOGGED_OUT, venue="YSIM", text="gone"),
    ]
    fake.details["O1"] = pb.GetOrderResponse(
        order=filled,
        executions=[pb.Execution(kind="fill", in_force=True, time_ns=NOON_NS, **whole)],
        requests=[pb.OrderRequest(cl_ord_id="c-O1", venue_cl_ord_id="V1", kind="new", state="accepted")],
        as_of_seq=6,
        executions_total=1,
    )
    fake.details["demo/c-O1"] = fake.details["O1"]
    figures = pb.GetOverviewResponse(
        orders=2, working_orders=1, executions=1, in_doubt=1, open_items=1, halted_symbols=["GLOBEX"]
    )
    figures.order_to_ack_p50_us, figures.order_to_ack_p99_us = 190, 1_234
    fake.overview.MergeFrom(figures)
    fake.sessions.sessions.extend(_sessions())
    short = pb.Position(account="ACC1", symbol="ACME", currency="USD", net_qty="-1234567.5", avg_entry_px="99.95")
    short.realized_pnl, short.multiplier, short.bought_qty, short.sold_qty = "-10.25", "1", "0", "1234567.5"
    fake.positions.positions.append(short)
    report = pb.SetAsideReport(seq=9, time_ns=NOON_NS, venue="XSIM", why="unknown order")
    report.report_json = '{"exec_id":"E9"}'
    fake.set_aside.reports.append(report)
    fake.set_aside.total = 5
    fake.items.items.append(
        pb.Item(
            item_id="I1",
            venue="XSIM",
            kind="QUANTITY",
            severity=pb.SEVERITY_CRITICAL,
            text="the venue executed more than it told",
            order_id="O2",
            ours="5",
            theirs="10",
            raised_ns=NOON_NS,
        )
    )
    fake.in_doubt.requests.append(
        pb.DoubtfulRequest(order=working, venue_cl_ord_id="R2", cl_ord_id="c-O2", kind="new", sent_ns=NOON_NS)
    )
    fake.external_orders.orders.append(
        pb.ExternalOrder(
            venue="XSIM",
            venue_order_id="V99",
            venue_symbol="ACME",
            side=pb.SIDE_BUY,
            ord_status=pb.ORD_STATUS_NEW,
            order_qty="1000",
            cum_qty="0",
            price="98",
            first_ns=NOON_NS,
        )
    )


def _sessions() -> list[pb.Session]:
    """Logged on, connecting, and logged out by an operator."""
    up, down, off = (pb.Session(venue=name, target_comp_id=name) for name in ("XSIM", "YSIM", "ZSIM"))
    for session in (up, down, off):
        session.begin_string, session.sender_comp_id, session.connects_to = "FIX.4.4", "GW", "127.0.0.1:9001"
    up.logged_on = up.enabled = up.order_entry_open = down.enabled = True
    up.next_sender_msg_seq_num, up.last_received_ns = 12, NOON_NS
    down.next_target_msg_seq_num, down.send_refusals = 34, 3
    return [up, down, off]
