"""The real QuickFIX initiator against a real `sim-exchange serve`, validated by QuickFIX's own dictionaries."""

import contextlib
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sim_exchange.cli import app
from sim_exchange.ledger import read_executions

WHEN = "20260101-00:00:00"


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_an_orders_life(
    tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any, version: str
) -> None:
    old = version == "FIX.4.2"
    trade = {"partial": "1", "full": "2"} if old else {"partial": "F", "full": "F"}
    config = write_config(tmp_path, version)
    with run_venue(config, tmp_path / "log") as venue, client_type(venue.fix_port, tmp_path / "store", version) as c:
        control = venue.control
        c.until(lambda: c.logged_on, "logon")
        # Automatic: rest, trade, replace, cancel.
        c.new("S", "100", "101.00", t55="ACME", t54="5")
        c.new("B", "40", None, t55="ACME")
        assert c.wait(t11="B", t150=trade["full"])[31] == "101.00"
        assert c.wait(t11="S", t150=trade["partial"])[151] == "60"
        c.send("G", t11="S2", t41="S", t21="1", t55="ACME", t54="5", t60=WHEN, t38="120", t40="2", t44="101.50")
        assert (c.wait(t11="S2", t150="5")[39], c.wait(t11="S2", t150="5")[41]) == ("1", "S")
        c.send("F", t11="S3", t41="S2", t55="ACME", t54="5", t60=WHEN, t38="120")
        assert c.wait(t11="S3", t150="4")[39] == "4"
        c.send("F", t11="S4", t41="S3", t55="ACME", t54="5", t60=WHEN, t38="120")
        assert c.wait(t35="9", t11="S4")[102] == "0"
        # By hand.
        c.new("X", "1000", "10.00")
        control.wait("received", msg_type="D", cl_ord_id="X")
        control.do("new", cl_ord_id="X")
        control.do("fill", cl_ord_id="X", qty="400", px="10.00")
        c.send("F", t11="Y", t41="X", t55="DESK", t54="1", t60=WHEN, t38="1000")
        control.wait("received", msg_type="F", cl_ord_id="Y")
        control.do("pending_cancel", cl_ord_id="Y")
        control.do("fill", cl_ord_id="X", qty="100", px="10.00")
        assert c.wait(2, t11="X", t150=trade["partial"])[39] == "6"
        control.do("cancel_accept", cl_ord_id="Y")
        assert c.wait(t11="Y", t150="4")[14] == "500"
        control.do("bust", cl_ord_id="X")
        bust = c.wait(t11="Y", **({"t20": "1"} if old else {"t150": "H"}))
        assert (bust[39], bust[14]) == ("4", "400")
        for do in (
            {"do": "suspend"},
            {"do": "stopped", "qty": "10", "px": "10"},
            {"do": "calculate"},
            {"do": "restate", "reason": 1, "qty": "900"},
            {"do": "done_for_day"},
            {"do": "expire"},
        ):
            name = f"D{do['do']}"
            c.new(name, "1000", "10.00")
            control.wait("received", msg_type="D", cl_ord_id=name)
            control.do("new", cl_ord_id=name)
            control.do(do.pop("do"), cl_ord_id=name, **do)
            c.wait(2, t11=name)
        # Asked.
        c.send("H", t11="S2", t55="ACME", t54="5", t38="1")
        c.wait(t11="S3", **({"t20": "3"} if old else {"t150": "I"}))
        c.send("H", t11="NEVER", t55="ACME", t54="1", t38="1")
        assert c.wait(t11="NEVER")[103] == "5"
        c.new("U", "10", "1.00", t55="UNKNOWN")
        assert c.wait(t11="U", t150="8")[103] == "1"
        if not old:
            c.new("M", "10", "90.00", t55="ACME")
            c.send("AF", t584="AF1", t585="1", t55="ACME")
            assert c.wait(t584="AF1")[912] == "Y"
            c.send("q", t11="MC", t530="1", t55="ACME", t60=WHEN)
            assert c.wait(t35="r")[533] == "1"
            c.wait(t11="M", t150="4")
        c.send("V", t262="1", t263="0", t264="0", t267="1", t269="0", t146="1", t55="ACME")
        c.wait(t35="j", t380="3")
        control.do("logout")
        c.wait_admin(t35="5")
        sessions = control.do("sessions")["sessions"]
        assert sessions[0]["rejects_received"] == 0, "QuickFIX found every message valid"
        assert [m for m in c.admin if m[35] == "3"] == []
    net = {(e.cl_ord_id, str(e.last_qty)) for e in read_executions(tmp_path / "data" / "ledger.jsonl")}
    assert net == {("B", "40"), ("S", "40"), ("X", "400")}


def test_faults_reach_a_real_engine_and_a_killed_venue_comes_back(
    tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any
) -> None:
    config = write_config(tmp_path, "FIX.4.4")
    text = config.read_text()
    with contextlib.ExitStack() as stack:
        venue = stack.enter_context(run_venue(config, tmp_path / "log"))
        config.write_text(text.replace('name = "XSIM"', f'name = "XSIM"\nfix = "127.0.0.1:{venue.fix_port}"'))
        c = stack.enter_context(client_type(venue.fix_port, tmp_path / "store"))
        c.until(lambda: c.logged_on, "logon")
        # A lost report: QuickFIX sees the gap at the next one, asks, and gets it as a possible duplicate.
        venue.control.do("fault", kind="gap", cl_ord_id="A")
        c.new("A", "10", "90.00", t55="ACME")
        c.new("B", "10", "90.00", t55="ACME")
        c.wait(t11="B", t150="0")
        assert c.wait(t11="A", t150="0")[43] == "Y"
        # A connection cut in the middle: the report comes after QuickFIX is back.
        venue.control.do("fault", kind="drop", cl_ord_id="C")
        c.new("C", "10", "90.00", t55="ACME")
        c.until(lambda: not c.logged_on, "the cut")
        assert c.wait(t11="C", t150="0")[43] == "Y"
        venue.control.do("fault", kind="duplicate", cl_ord_id="D")
        c.new("D", "10", "90.00", t55="ACME")
        first, second = c.wait(1, t11="D"), c.wait(2, t11="D")
        assert first[17] == second[17]
        assert first[34] != second[34]
        # The venue is killed: orders, books, ids and sequence numbers are there again.
        c.new("S", "4", "90.00", t55="ACME", t54="2")
        c.wait(t11="S", t39="2")
        exec_ids = {m[17] for m in c.messages}
        venue.kill()
        c.until(lambda: not c.logged_on, "the kill")
        venue = stack.enter_context(run_venue(config, tmp_path / "log"))
        c.until(lambda: c.logged_on, "logon again")
        c.send("AF", t584="M", t585="7")
        c.wait(t584="M", t912="Y")
        assert [(m[11], m[151]) for m in c.messages if m.get(584) == "M"] == [
            ("A", "6"),
            ("B", "10"),
            ("C", "10"),
            ("D", "10"),
        ]
        c.new("T", "7", "90.00", t55="ACME", t54="2")
        c.wait(t11="T", t39="2")
        assert [m[32] for m in c.messages if m.get(11) in ("A", "B") and m[150] == "F"] == ["4", "6", "1"]
        assert not exec_ids & {m[17] for m in c.messages if m.get(11) == "T"}
        assert venue.control.do("sessions")["sessions"][0]["rejects_received"] == 0


def test_sessions_of_several_versions_share_a_port_and_the_crowd_trades(
    tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any
) -> None:
    config = write_config(tmp_path, "FIX.4.2", "FIX.4.4", session='username = "gw"\npassword = "pw"')
    config.write_text(
        config.read_text().replace('reference = "100.00"', 'reference = "100.00"\ncrowd = { rate = 100.0, take = 0.3 }')
    )
    login = {553: "gw", 554: "pw"}
    with (
        run_venue(config, tmp_path / "log") as venue,
        client_type(venue.fix_port, tmp_path / "s44", "FIX.4.4", login) as new,
        client_type(venue.fix_port, tmp_path / "s42", "FIX.4.2", {96: "x", 95: "1"}) as old,
    ):
        new.until(lambda: new.logged_on, "logon")
        old.wait_admin(t35="5", t58="Username(553) or Password(554) is wrong")
        assert not old.logged_on
        # Above all offers, so that it is filled at once or as soon as the crowd has begun to quote.
        new.new("X", "100", "105.00", t55="ACME")
        # A bid where the offers are: whoever of the crowd comes next takes it.
        new.new("Y", "50", new.wait(t11="X", t39="2")[31], t55="ACME")
        new.wait(t11="Y", t150="F")


def test_a_disk_that_refuses_ends_the_venue_at_once_and_a_restart_knows_what_was_told(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    config = write_config(tmp_path, "FIX.4.4")
    told = []
    order = {"session": "FIX.4.4:XSIM->GATEWAY", "symbol": "DESK", "side": "1", "qty": "10"}
    with run_venue(config, tmp_path / "log") as venue:
        told.append(venue.control.do("phone_order", **order)["report"]["order_id"])
        size = (tmp_path / "data" / "ledger.jsonl").stat().st_size
        resource.prlimit(venue.process.pid, resource.RLIMIT_FSIZE, (size + 2000, size + 2000))
        with contextlib.suppress(OSError):
            while len(told) < 100:
                told.append(venue.control.do("phone_order", **order)["report"]["order_id"])
        assert len(told) < 100, "the disk refused nothing"
        assert venue.process.wait(10) == 70
        venue.control.close()
        venue.process.stdout.close()
    with run_venue(config, tmp_path / "log") as venue:
        assert [o["order_id"] for o in venue.control.do("orders")["orders"]] == told


def test_command_line(tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any) -> None:
    def sim(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.output
        return done.output

    config = write_config(tmp_path, "FIX.4.4")
    assert "1 sessions, 3 instruments" in sim("check-config", "--config", str(config))
    with run_venue(config, tmp_path / "log") as venue:
        at = ["--control", f"127.0.0.1:{venue.ready['control_port']}"]
        side = ["symbol=DESK", "side=1", "qty=10", "session=FIX.4.4:XSIM->GATEWAY"]
        order_id = json.loads(sim("ctl", "phone_order", *side, *at))["report"]["order_id"]
        assert json.loads(sim("ctl", "fill", f"order_id={order_id}", "qty=10", "px=10.5", *at))["ok"]
        assert "needed" in sim("ctl", "fill", f"order_id={order_id}", *at, code=1)
        sim("ctl", "shutdown", *at)
        assert venue.process.wait(10) == 0
        venue.control.close()
        venue.process.stdout.close()
    ledger = str(tmp_path / "data" / "ledger.jsonl")
    row = json.loads(sim("ledger", ledger, "--json"))
    assert (row["last_qty"], row["last_px"], row["order_id"]) == ("10", "10.5", order_id)
    assert "10.5" in sim("ledger", ledger)
    assert sim("ledger", ledger, "--messages")
    assert "No such file" in sim("ledger", str(tmp_path / "none"), code=2)
