"""The link against QuickFIX's own acceptor, which checks every message against the standard dictionary."""

from decimal import Decimal

import pytest

from gateway.core.commands import CancelOrder, ReplaceOrder
from gateway.core.events import CancelRequested, ReplaceRequested, StatusRequested, Terms
from gateway.core.reports import ExecutionReport, OrderCancelReject, SessionDown, SessionUp
from gateway.core.types import ExecType, OrdStatus, OrdType, Side, TimeInForce
from tests.adapters.quickfix.conftest import Acceptors, Gateways, venue_config, view
from tests.adapters.quickfix.peers import utc, wait_until

VERSIONS = ["FIX.4.2", "FIX.4.4", "FIXT.1.1"]


def report(begin_string: str, order: dict[str, str], exec_id: str, more: dict[str, str]) -> str:
    said = {
        "35": "8",
        "37": "V1",
        "11": order["11"],
        "17": exec_id,
        "150": "0",
        "39": "0",
        "55": order["55"],
        "54": order["54"],
        "38": order["38"],
        "151": order["38"],
        "14": "0",
        "6": "0",
        "60": utc(),
    } | more
    if begin_string == "FIX.4.2":
        said |= {"20": "0"}
        said["150"] = {"F": "1"}.get(said["150"], said["150"])
    return "".join(f"{tag}={value}\x01" for tag, value in said.items())


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_a_session_trades(begin_string: str, acceptors: Acceptors, gateways: Gateways) -> None:
    acceptor, port = acceptors(begin_string)
    gateway = gateways(venue_config(port, begin_string)).start()
    assert gateway.wait_for(SessionUp).reset is False
    logon = wait_until(lambda: [m for m in acceptor.admin if m["35"] == "A"], "a logon")[0]
    if begin_string != "FIX.4.2":
        assert (logon["553"], logon["554"]) == ("gw-user", "s3cret")

    gateway.order("g1")
    order = wait_until(lambda: acceptor.app, "the order")[0]
    assert {tag: order[tag] for tag in ("35", "11", "55", "54", "38", "40", "44", "59", "1", "21")} == {
        "35": "D", "11": "g1", "55": "ACM.N", "54": "1", "38": "100", "40": "2", "44": "10.5", "59": "0", "1": "house",
        "21": "1",
    }  # fmt: skip

    acceptor.send(report(begin_string, order, "e1", {}))
    acceptor.send(
        report(
            begin_string,
            order,
            "e2",
            {"150": "F", "39": "1", "32": "40", "31": "10.25", "14": "40", "151": "60", "6": "10.25"},
        )
    )
    new = gateway.wait_for(ExecutionReport)
    fill = gateway.wait_for(ExecutionReport, 2)
    assert (new.exec_type, new.ord_status, new.cl_ord_id) == (ExecType.NEW, OrdStatus.NEW, "g1")
    assert (fill.exec_type, fill.last_qty, fill.last_px) == (ExecType.TRADE, Decimal(40), Decimal("10.25"))
    assert gateway.input_of(fill).cause.msg_seq_num == 3

    terms, known = Terms(Decimal(120), price=Decimal("10.75")), view(venue_order_id="V1")
    gateway.act(ReplaceRequested("1", "XSIM", "a2", "g2", "g1", terms, ReplaceOrder("alice", "a2", "a1")), known)
    gateway.act(CancelRequested("1", "XSIM", "a3", "g3", "g2", CancelOrder("alice", "a3", "a2")), known)
    gateway.act(StatusRequested("1", "XSIM", "g3", "no answer"), known)
    replace, cancel, status = wait_until(lambda: acceptor.app[1:] if len(acceptor.app) == 4 else [], "three messages")
    assert [replace[tag] for tag in ("35", "11", "41", "38", "44")] == ["G", "g2", "g1", "120", "10.75"]
    assert (cancel["35"], cancel["11"], cancel["41"]) == ("F", "g3", "g2")
    assert (status["35"], status["11"]) == ("H", "g3")

    acceptor.send("35=9\x0137=V1\x0111=g3\x0141=g2\x0139=1\x01434=1\x01102=0\x0158=too late\x01")
    reject = gateway.wait_for(OrderCancelReject)
    assert (reject.cl_ord_id, reject.orig_cl_ord_id, reject.text) == ("g3", "g2", "too late")

    # Nothing that we sent was refused by the standard dictionary.
    assert not [m for m in acceptor.admin if m["35"] in ("3", "j")]
    gateway.link.stop()
    assert wait_until(lambda: [m for m in acceptor.admin if m["35"] == "5"], "our logout")
    assert not gateway.fatal


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_every_kind_of_order_passes_the_standard_dictionary(
    begin_string: str, acceptors: Acceptors, gateways: Gateways
) -> None:
    acceptor, port = acceptors(begin_string)
    gateway = gateways(venue_config(port, begin_string)).start()
    gateway.wait_for(SessionUp)
    sent = 0
    for side in Side:
        for ord_type in OrdType:
            for tif in TimeInForce:
                terms = Terms(
                    Decimal(10),
                    tif,
                    price=Decimal(1) if ord_type.has_price else None,
                    stop_px=Decimal(2) if ord_type.has_stop_px else None,
                    expire_time_ns=1_900_000_000_000_000_000 if tif is TimeInForce.GTD else None,
                    max_floor=Decimal(5),
                )
                if begin_string == "FIX.4.2" and tif is TimeInForce.ATC and ord_type.has_stop_px:
                    continue
                sent += 1
                gateway.order(f"g{sent}", side=side, ord_type=ord_type, terms=terms, exec_inst="1")
    wait_until(lambda: len(acceptor.app) + len([m for m in acceptor.admin if m["35"] == "3"]) >= sent, "all orders")
    assert len(acceptor.app) == sent
    assert gateway.link.send_refusals == 0


def test_sessions_end_and_come_back(acceptors: Acceptors, gateways: Gateways) -> None:
    acceptor, port = acceptors("FIX.4.4")
    gateway = gateways(venue_config(port)).start()
    gateway.wait_for(SessionUp)
    acceptor.session.logout("maintenance")
    down = gateway.wait_for(SessionDown)
    assert down.text == "maintenance"
    acceptor.session.logon()
    assert gateway.wait_for(SessionUp, 2).reset is False
