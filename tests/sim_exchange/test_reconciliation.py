"""What a client reconciles with: mass status, drop copies; and what the venue can be made to hide or deny."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sim_exchange import ledger
from sim_exchange.control import Control
from sim_exchange.exchange import Connection
from sim_exchange.fix import encode, items, parse, redact, utc_timestamp
from sim_exchange.inquiries import MASS_STATUS_SLICE
from sim_exchange.orders import RuleBroken

Make = Callable[..., Any]
Message = dict[int, str]
COPY = '[[drop_copy]]\nclient = "COPY"\nbegin_string = "{}"\n'


class CopyClient:
    """The other end of a drop-copy session of a bench."""

    def __init__(self, bench: Any, version: str = "FIX.4.4", seq: int = 1) -> None:
        self.bench, self.version, self.seq = bench, version, seq
        self.link = type(bench.link)()
        self.connection = Connection(self.link)
        self.name = f"{version}:XSIM->COPY"
        self.send("A", (98, "0"), (108, "30"))

    def send(self, msg_type: str, *body: tuple[int, str]) -> list[Message]:
        now = self.bench.now
        head = [(35, msg_type), (34, str(self.seq)), (49, "COPY"), (52, utc_timestamp(now.wall_ns)), (56, "XSIM")]
        self.seq += 1
        before = len(self.link.written)
        self.bench.exchange.on_bytes(self.connection, encode(self.version, [*head, *body]), now)
        written: list[Message] = self.link.written[before:]
        return written

    @property
    def reports(self) -> list[Message]:
        return [m for m in self.link.written if m[35] == "8"]


async def ask(bench: Any, request: str) -> dict[str, Any]:
    control = Control(bench.exchange, lambda: bench.now, lambda: None, lambda: None)
    return await control.answer(request.encode())


# Mass status


def test_a_venue_without_mass_status_says_that_it_does_not_know_the_message(bench: Make) -> None:
    b = bench(venue="mass_status = false")
    b.new("X", "1", "10", "99.00")
    answer = b.send("AF", t584="M", t585="7")
    assert [(m[35], m[372], m[380]) for m in answer] == [("j", "AF", "3")]


def test_fix42_does_not_know_mass_status(bench: Make) -> None:
    assert [(m[35], m[380]) for m in bench("FIX.4.2").send("AF", t584="M", t585="7")] == [("j", "3")]


def test_mass_status_tells_ended_orders_where_the_venue_is_set_so(bench: Make) -> None:
    b = bench(venue="mass_status_ended = true")
    b.new("X", "1", "10", "99.00")
    b.cancel("C", "X")
    b.new("Y", "1", "10", "99.00")
    answer = b.send("AF", t584="M", t585="7")
    assert [(m[11], m[150], m[39], m[911], m[912]) for m in answer] == [
        ("C", "I", "4", "2", "N"),
        ("Y", "I", "0", "2", "Y"),
    ]


def test_a_large_mass_status_comes_in_slices_and_others_are_served_in_between(bench: Make) -> None:
    b = bench()
    count = 2 * MASS_STATUS_SLICE + 10
    for n in range(count):
        b.new(f"X{n}", "1", "1", "90.00")
    first = b.send("AF", t584="M", t585="7")
    assert len(first) == MASS_STATUS_SLICE
    assert [m[35] for m in b.send("1", t112="T")] == ["0"]
    rest = b.tick(20) + b.tick(20)
    reports = first + rest
    assert [m[11] for m in reports] == [f"X{n}" for n in range(count)]
    assert {m[911] for m in reports} == {str(count)}
    assert [m[912] for m in reports].index("Y") == count - 1
    assert b.tick(20) == []


def test_a_mass_status_that_nobody_waits_for_any_more_is_not_told_to_its_end(bench: Make) -> None:
    b = bench()
    for n in range(MASS_STATUS_SLICE + 1):
        b.new(f"X{n}", "1", "1", "90.00")
    b.send("AF", t584="M", t585="7")
    numbers = b.exchange.lanes[b.session].session
    b.exchange.on_lost(b.connection, b.now)
    next_out = numbers.next_out
    b.tick(20)
    assert numbers.next_out == next_out


def test_mass_statuses_that_wait_are_bounded(bench: Make) -> None:
    b = bench()
    for n in range(MASS_STATUS_SLICE + 1):
        b.new(f"X{n}", "1", "1", "90.00")
    answers = [m for n in range(12) for m in b.send("AF", t584=f"M{n}", t585="7")]
    assert [(m[372], m[380], m[379]) for m in answers if m[35] == "j"] == [("AF", "4", "M10"), ("AF", "4", "M11")]
    for _ in range(20):
        answers += b.tick(20)
    assert [m[584] for m in answers if m.get(912) == "Y"] == [f"M{n}" for n in range(10)]
    assert b.send("AF", t584="AGAIN", t585="7")[0][35] == "8"


# Drop copies


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
def test_a_drop_copy_has_the_names_and_times_of_the_order_session_and_its_own_numbers(
    bench: Make, version: str
) -> None:
    b = bench(version, extra=COPY.format(version))
    copy = CopyClient(b, version)
    b.new("S", "2", "100", "99.50")
    b.new("B", "1", "60", "100.00")
    fills = [m for m in b.written if m[35] == "8" and m[14] == "60"]
    assert len(fills) == len(copy.reports) == 2, "the two acknowledgements are no executions"
    for told, copied in zip(fills, copy.reports, strict=True):
        assert {k: v for k, v in told.items() if k not in (9, 10, 34, 56)} == {
            k: v for k, v in copied.items() if k not in (9, 10, 34, 56, 797)
        }
        assert copied.get(797) == (None if version == "FIX.4.2" else "Y")
    assert [m[34] for m in copy.reports] == ["2", "3"]


def test_busts_and_corrections_are_copied(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4"))
    copy = CopyClient(b)
    b.new("X", "1", "10", "10.00", t55="DESK")
    b.desk("new", cl_ord_id="X")
    b.desk("fill", cl_ord_id="X", qty="4", px="10")
    b.desk("correct", cl_ord_id="X", px="11")
    b.desk("bust", cl_ord_id="X")
    assert [m[150] for m in copy.reports] == ["F", "G", "H"]


def test_all_reports_are_copied_where_it_is_set_so_but_no_answers_to_questions(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4") + 'reports = "all"\n')
    copy = CopyClient(b)
    b.new("X", "1", "10", "99.00")
    b.send("H", t11="X", t55="ACME", t54="1")
    b.cancel("C", "X")
    assert [(m[11], m[150]) for m in copy.reports] == [("X", "0"), ("C", "4")]


def test_copies_for_nobody_are_numbered_and_come_by_resend_also_after_a_kill(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4"))
    b.new("S", "2", "10", "99.00")
    b.new("X", "1", "10", "99.00")
    after_the_kill = b.restart()
    copy = CopyClient(after_the_kill)
    assert copy.link.written[-1][34] == "3", "1 and 2 went nowhere"
    resent = copy.send("2", (7, "1"), (16, "2"))
    assert [(m[35], m[34], m[43], m[11], m[797]) for m in resent] == [
        ("8", "1", "Y", "S", "Y"),
        ("8", "2", "Y", "X", "Y"),
    ]


def test_only_the_named_clients_are_copied(bench: Make) -> None:
    other = '[[session]]\nclient = "OTHER"\nbegin_string = "FIX.4.4"\n'
    b = bench(extra=other + COPY.format("FIX.4.4") + 'of = ["OTHER"]\n')
    copy = CopyClient(b)
    for session in (b.session, "FIX.4.4:XSIM->OTHER"):
        b.desk("phone_order", session=session, symbol="DESK", side="1", qty="10", cl_ord_id="P" + session[-1])
        b.desk("fill", cl_ord_id="P" + session[-1], qty="1", px="10")
    assert [m[11] for m in copy.reports] == ["PR"]


def test_a_drop_copy_session_takes_no_requests(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4"))
    copy = CopyClient(b)
    answer = copy.send("H", (11, "X"), (55, "ACME"), (54, "1"))
    assert [(m[35], m[380]) for m in answer] == [("j", "3")]


def test_a_lost_fill_reaches_the_drop_copy_and_the_ledger_but_never_the_order_session(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4") + '[[fault]]\nkind = "lose"\nexec_type = "F"\ncl_ord_id = "X"\n')
    copy = CopyClient(b)
    b.new("S", "2", "10", "99.00")
    assert [(m[11], m[150]) for m in b.new("X", "1", "10", "99.00")] == [("X", "0"), ("S", "F")]
    assert [m[11] for m in copy.reports] == ["S", "X"]
    assert "X" not in [m.get(11) for m in b.send("2", t7="1", t16="0") if m.get(150) == "F"], "no number was given"
    assert len(ledger.read_executions(b.exchange.ledger.path)) == 2


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("gap", ["3"]), ("lose", ["2"]), ("duplicate", ["2", "3", "4"]), ("reorder", ["2", "3"]), ("delay", [])],
)
def test_faults_strike_a_copy_only_when_they_name_its_session(bench: Make, kind: str, seen: list[str]) -> None:
    fault = f'[[fault]]\nkind = "{kind}"\nexec_type = "F"\ndelay_ms = 500\nnth = 1\n'
    b = bench(extra=COPY.format("FIX.4.4") + fault + 'session = "FIX.4.4:XSIM->COPY"\n')
    copy = CopyClient(b)
    b.new("S", "2", "10", "99.00")
    assert len(b.new("X", "1", "10", "99.00")) == 3, "the order session has all"
    assert [m[34] for m in copy.reports] == seen
    if kind == "delay":
        b.tick(500)
        assert [m[34] for m in copy.reports] == ["2", "3"]
        assert copy.reports[0][52] > copy.reports[0][60], "TransactTime stays that of the execution"


def test_a_fault_that_names_no_session_leaves_copies_alone(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4") + '[[fault]]\nkind = "gap"\nexec_type = "F"\nevery = 1\n')
    copy = CopyClient(b)
    b.new("S", "2", "10", "99.00")
    b.new("X", "1", "10", "99.00")
    assert len(copy.reports) == 2


def test_a_real_engine_gets_its_copies_over_two_lives_of_the_venue(
    tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any
) -> None:
    """QuickFIX with its dictionary finds every copy valid, and misses none over a SIGKILL of the venue."""
    config = write_config(tmp_path, "FIX.4.4", extra=COPY.format("FIX.4.4"))
    with run_venue(config, tmp_path / "log") as venue:
        session = "FIX.4.4:XSIM->GATEWAY"
        venue.control.do("phone_order", session=session, symbol="DESK", side="1", qty="10", cl_ord_id="P")
        venue.control.do("fill", cl_ord_id="P", qty="1", px="10")
        venue.kill()
    with (
        run_venue(config, tmp_path / "log") as venue,
        client_type(venue.fix_port, tmp_path / "store", comp_id="COPY") as copy,
    ):
        assert copy.wait(t11="P", t797="Y", t43="Y")[14] == "1"
        venue.control.do("fill", cl_ord_id="P", qty="2", px="10")
        assert copy.wait(t11="P", t797="Y", t14="3").get(43) is None
        assert [s["rejects_received"] for s in venue.control.do("sessions")["sessions"]] == [0, 0]


# What is hidden


def test_a_silent_fill_is_in_the_ledger_and_in_the_status_and_nowhere_else(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4"))
    copy = CopyClient(b)
    b.new("X", "1", "100", "99.00")
    assert b.desk("fill", cl_ord_id="X", qty="30", px="99.00", silent=True) == []
    assert copy.reports == []
    assert [str(e.last_qty) for e in ledger.read_executions(b.exchange.ledger.path)] == ["30"]
    status = b.send("AF", t584="M", t585="7")[0]
    assert (status[39], status[14], status[151]) == ("1", "30", "70")
    assert b.send("2", t7="3", t16="3")[0][150] == "I", "3 is the status: the fill had no number"


def test_an_order_ends_silently(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "99.00")
    assert b.desk("unsolicited_cancel", cl_ord_id="X", silent=True) == []
    assert b.venue.instruments["ACME"].market.book.best(1) is None
    assert b.send("AF", t584="M", t585="7")[0][911] == "0"


def test_an_order_that_the_client_never_sent_trades_and_changes_silently(bench: Make) -> None:
    b = bench()
    order = {"session": b.session, "symbol": "ACME", "side": "2", "qty": "10", "price": "99.00"}
    assert b.desk("phone_order", **order, cl_ord_id="OTHER-DESK", silent=True) == []
    assert b.desk("unsolicited_replace", cl_ord_id="OTHER-DESK", qty="5", silent=True) == []
    found = b.send("AF", t584="M", t585="7")
    assert [(m[11], m[38], m[912]) for m in found] == [("OTHER-DESK", "5", "Y")]
    assert [(m[11], m[150]) for m in b.new("X", "1", "5", "99.00")] == [("X", "0"), ("OTHER-DESK", "F"), ("X", "F")]
    b.new("Y", "1", "7", "98.00")
    told = b.desk("phone_order", **(order | {"price": "98.00"}), cl_ord_id="AGAIN", silent=True)
    assert [(m[11], m[150]) for m in told] == [("Y", "F")], "the other side of a silent trade is told"
    with pytest.raises(RuleBroken, match="used before"):
        b.desk("phone_order", **order, cl_ord_id="X")


def test_a_request_is_refused_silently(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "10.00", t55="DESK")
    b.desk("new", cl_ord_id="X")
    b.cancel("C", "X")
    assert b.desk("cancel_reject", cl_ord_id="C", silent=True) == []
    with pytest.raises(RuleBroken, match="no request C is waiting"):
        b.desk("cancel_accept", cl_ord_id="C")


def test_a_lie_is_in_every_report_until_it_is_taken_back_also_after_a_restart(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "99.00")
    assert b.desk("lie", cl_ord_id="X", tags={"14": "50", "151": "50"}) == []
    assert b.send("H", t11="X", t55="ACME", t54="1")[0][14] == "50"
    b = b.restart()
    fill = b.new("S", "2", "10", "99.00")[1]
    assert (fill[11], fill[14], fill[32]) == ("X", "50", "10")
    assert str(b.venue.find("X", None).cum_qty) == "10", "the venue itself knows better"
    b.desk("lie", cl_ord_id="X")
    assert b.send("H", t11="X", t55="ACME", t54="1")[0][14] == "10"


def test_a_forgotten_order_is_unknown_also_after_a_restart_and_its_executions_stand(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "99.00")
    b.new("S", "2", "10", "99.00")
    b.desk("forget", cl_ord_id="X")
    for venue in (b, b.restart()):
        answer = venue.send("H", seq=venue.exchange.lanes[b.session].session.next_in, t11="X", t55="ACME", t54="1")
        assert (answer[0][39], answer[0][103]) == ("8", "5")
        assert venue.venue.instruments["ACME"].market.book.best(1) is None
        assert sorted(e.last_qty for e in venue.venue.executions.standing.values()) == [10, 10]


# Sessions that behave badly


def test_every_logon_is_refused_and_then_one_is_not(bench: Make) -> None:
    b = bench(extra='[[fault]]\nkind = "refuse_logon"\ntimes = 2\nevery = 1\ntext = "go away"\n', logon=False)
    for n in (1, 2):
        answer = b.send("A", seq=1, t98="0", t108="30")
        assert [(m[35], m[34], m[58]) for m in answer] == [("5", str(n), "go away")]
        assert b.link.closed
        b.exchange.on_lost(b.connection, b.now)
        b.connect()
    assert [m[35] for m in b.send("A", seq=1, t98="0", t108="30")] == ["A"]


@pytest.mark.parametrize(
    ("kind", "answer"), [("session_reject", ("3", "45", "373", "5")), ("business_reject", ("j", "45", "380", "4"))]
)
def test_a_storm_of_rejects_hits_every_request(bench: Make, kind: str, answer: tuple[str, str, str, str]) -> None:
    b = bench(extra=f'[[fault]]\nkind = "{kind}"\nevery = 1\n')
    for n in range(20):
        told = b.new(f"X{n}", "1", "10", "99.00")
        assert [(m[35], m[int(answer[2])]) for m in told] == [(answer[0], answer[3])]
    assert b.venue.orders == {}
    assert [m[35] for m in b.send("1", t112="T")] == ["0"]


def test_a_logon_that_loses_the_numbers_begins_anew_and_says_so(bench: Make) -> None:
    b = bench(extra='[[fault]]\nkind = "lose_numbers"\nnth = 2\n')
    b.new("X", "1", "10", "99.00")
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    answer = b.send("A", t98="0", t108="30")
    assert [(m[35], m[34], m[141]) for m in answer] == [("A", "1", "Y")]
    assert b.exchange.lanes[b.session].session.next_in == 1
    assert b.send("A", seq=1, t98="0", t108="30", t141="Y") == [], "the client's word for the same"
    assert [(m[35], m[34]) for m in b.send("1", seq=2, t112="T")] == [("0", "2")]


def test_a_real_engine_survives_a_venue_that_loses_its_numbers(
    tmp_path: Path, write_config: Callable[..., Path], client_type: Any, run_venue: Any
) -> None:
    config = write_config(tmp_path, "FIX.4.4")
    with run_venue(config, tmp_path / "log") as venue, client_type(venue.fix_port, tmp_path / "store") as c:
        c.until(lambda: c.logged_on, "logon")
        c.new("A", "10", "90.00", t55="ACME")
        c.wait(t11="A", t150="0")
        venue.control.do("fault", kind="lose_numbers")
        venue.control.do("drop")
        c.wait_admin(t35="A", t141="Y", t34="1")
        c.new("B", "10", "90.00", t55="ACME")
        c.wait(t11="B", t150="0")
        session = venue.control.do("sessions")["sessions"][0]
        assert session["next_out"] < 6, "both count from 1 again, once"
        assert [m for m in c.admin if m[35] in ("3", "5")] == []


def test_a_client_that_is_expected_further_on_is_told_so(bench: Make) -> None:
    """ "MsgSeqNum too low, expecting N": the venue thinks that it has had more than it has."""
    b = bench()
    b.exchange.lanes[b.session].session.next_in = 50
    answer = b.new("X", "1", "10", "99.00")
    assert [(m[35], "expecting 50 but received 2" in m[58]) for m in answer] == [("5", True)]


def test_a_torn_report_ends_the_connection_in_its_middle_and_comes_by_resend(bench: Make) -> None:
    b = bench(extra='[[fault]]\nkind = "torn"\nnth = 1\n')
    torn = b.new("X", "1", "10", "99.00")
    assert [m.get(10) for m in torn] == [None]
    assert b.link.closed
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    b.send("A", t98="0", t108="30")
    assert [(m[11], m[43]) for m in b.send("2", t7="2", t16="2")] == [("X", "Y")]


async def test_a_frozen_connection_stands_and_says_nothing_and_the_next_one_may_log_on(bench: Make) -> None:
    b = bench()
    assert (await ask(b, '{"do":"freeze"}'))["ok"]
    frozen = b.link
    assert b.new("X", "1", "10", "99.00") == []
    assert b.tick(300_000) == []
    assert not frozen.closed
    b.connect()
    assert [m[35] for m in b.send("A", seq=2, t98="0", t108="30")] == ["A"]
    assert b.venue.orders == {}, "what was sent into the void did not arrive"
    b.exchange.on_lost(Connection(frozen), b.now)
    assert b.exchange.lanes[b.session].session.logged_on, "the end of the old connection is not the end of the new one"


async def test_control_over_a_connection(bench: Make) -> None:
    b = bench()
    assert (await ask(b, '{"do":"stop_reading"}'))["ok"]
    assert b.link.paused
    assert (await ask(b, '{"do":"read_again"}'))["ok"]
    assert not b.link.paused
    assert (await ask(b, '{"do":"bytes","text":"8=FIX.4.4\\u00019=2147483648\\u0001","times":3}'))["ok"]
    assert [m[9] for m in b.written[-3:]] == ["2147483648"] * 3
    assert "at most" in (await ask(b, '{"do":"bytes","text":"12345678","times":10000000}'))["error"]
    assert (await ask(b, '{"do":"wait","for":"disconnected","timeout_s":0}'))["error"] == "timeout"
    b.exchange.on_lost(b.connection, b.now)
    assert (await ask(b, '{"do":"wait","for":"disconnected"}'))["ok"]
    assert "not connected" in (await ask(b, '{"do":"freeze"}'))["error"]


async def test_requests_without_a_session_mean_the_one_that_takes_orders(bench: Make) -> None:
    b = bench(extra=COPY.format("FIX.4.4"))
    assert (await ask(b, '{"do":"set_seq","next_out":40}'))["next_out"] == 40
    assert b.exchange.lanes[b.session].session.next_out == 40
    request = '{"do":"phone_order","session":"FIX.4.4:XSIM->COPY","symbol":"DESK","side":"1","qty":"1"}'
    assert "takes orders" in (await ask(b, request))["error"]


def test_connections_that_stand_and_are_not_served_over_real_sockets(
    tmp_path: Path, write_config: Callable[..., Path], run_venue: Any
) -> None:
    def said(connection: socket.socket, *words: bytes) -> bool:
        """Reads until all of the words are there; False when the connection ends before."""
        data = b""
        while not all(word in data for word in words):
            more = connection.recv(4096)
            if not more:
                return False
            data += more
        return True

    def message(msg_type: str, seq: int, *body: tuple[int, str]) -> bytes:
        head = [(35, msg_type), (34, str(seq)), (49, "GATEWAY"), (52, utc_timestamp(time.time_ns())), (56, "XSIM")]
        return encode("FIX.4.4", [*head, *body])

    with run_venue(write_config(tmp_path, "FIX.4.4"), tmp_path / "log") as venue, ExitStack() as stack:
        first, second = (
            stack.enter_context(socket.create_connection(("127.0.0.1", venue.fix_port), 10)) for _ in range(2)
        )
        first.sendall(message("A", 1, (98, "0"), (108, "30")))
        assert said(first, b"\x0135=A\x01")
        venue.control.do("stop_reading")
        first.sendall(message("1", 2, (112, "LATER")))
        venue.control.do("phone_order", session="FIX.4.4:XSIM->GATEWAY", symbol="DESK", side="1", qty="1")
        assert said(first, b"\x0135=8\x01"), "it goes on sending"
        assert venue.control.do("sessions")["sessions"][0]["next_in"] == 2
        venue.control.do("read_again")
        assert said(first, b"112=LATER")
        venue.control.do("freeze")
        first.sendall(message("1", 3, (112, "NEVER")))
        second.sendall(message("A", 3, (98, "0"), (108, "30")))
        assert said(second, b"\x0135=A\x01"), "the new connection is taken"
        venue.control.do("bytes", text="x" * 1000, times=100)
        assert said(second, b"x" * 100_000)
        first.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.recv(1)


# Text


def test_a_delimiter_inside_of_data_does_not_end_it_and_secrets_are_starred_out_whole() -> None:
    raw = encode("FIX.4.4", [(35, "A"), (34, "1"), (95, "12"), (96, "pass\x0138=word"), (108, "30")])
    message = parse(raw)
    assert message is not None
    assert (message.get(96), message.get(108), message.get(38)) == ("pass\x0138=word", "30", None)
    assert "word" not in redact(raw)
    assert "96=***\x01108=30\x01" in redact(raw)


@pytest.mark.parametrize("length", ["0", "3", "99999", "4"])
def test_a_wrong_data_length_ends_the_data_at_the_next_delimiter(length: str) -> None:
    assert items(f"35=A\x0195={length}\x0196=secret\x01108=30\x01") == ["35=A", f"95={length}", "96=secret", "108=30"]
