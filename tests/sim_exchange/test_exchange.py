"""Requests, the manual desk, faults, the ledger and restarts, on an exchange without sockets."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from sim_exchange import ledger
from sim_exchange.control import Control
from sim_exchange.enums import Phase
from sim_exchange.orders import RuleBroken

Make = Callable[..., Any]
Messages = list[dict[int, str]]


def short(messages: Messages) -> list[tuple[str | None, ...]]:
    """ClOrdID, ExecType, OrdStatus, CumQty, LeavesQty of reports; the type and reason of anything else."""
    return [
        (m.get(11), m[150], m[39], m[14], m[151]) if m[35] == "8" else (m.get(11), m[35], m.get(39), m.get(102))
        for m in messages
    ]


# Requests


def test_two_clients_orders_trade_at_the_resting_price(bench: Make) -> None:
    b = bench()
    assert short(b.new("S", "2", "100", "99.50")) == [("S", "0", "0", "0", "100")]
    assert short(b.new("B", "1", "60", "100.00")) == [
        ("B", "0", "0", "0", "60"),
        ("S", "F", "1", "60", "40"),
        ("B", "F", "2", "60", "0"),
    ]
    assert {m[31] for m in b.written if m.get(150) == "F"} == {"99.50"}


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"t55": "NONE"}, "1", "unknown symbol"),
        ({"t38": "0"}, "13", "positive multiple"),
        ({"t55": "GLOBEX", "t38": "15", "t44": "250"}, "13", "multiple of 10"),
        ({"t44": "99.005"}, "99", "multiple of 0.01"),
        ({"t44": "-1"}, "99", "positive"),
        ({"t18": "G"}, "11", "ExecInst"),
        ({"t18": "6", "t44": "200"}, "99", "would trade at once"),
        ({"t111": "20"}, "99", "MaxFloor"),
        ({"t59": "2"}, "99", "opening is over"),
        ({"t59": "6", "t126": "20200101-00:00:00"}, "99", "expiry"),
    ],
)
def test_orders_that_break_a_rule_are_rejected_with_the_reason(
    bench: Make, change: dict[str, str], reason: str, text: str
) -> None:
    b = bench()
    b.new("S", "2", "5", "150.00")
    answer = b.new(
        "X",
        "1",
        "10",
        **{"price": "99.00"} | {k: v for k, v in change.items() if k != "t44"},
        **{k: v for k, v in change.items() if k == "t44"},
    )
    assert short(answer) == [("X", "8", "8", "0", "0")]
    assert answer[0][103] == reason
    assert text in answer[0][58]


def test_duplicate_cl_ord_id_is_rejected_without_touching_the_first(bench: Make) -> None:
    """F.1.a."""
    b = bench()
    b.new("X", "1", "10", "99.00")
    answer = b.new("X", "1", "20", "98.00")
    assert (answer[0][150], answer[0][103], answer[0][37]) == ("8", "6", "NONE")
    assert short(b.send("H", t11="X", t55="ACME", t54="1")) == [("X", "I", "0", "0", "10")]


def test_poss_resend_of_a_known_order_gets_its_status_and_of_a_new_one_is_an_order(bench: Make) -> None:
    """F.1.b."""
    b = bench()
    b.new("X", "1", "10", "99.00")
    assert short(b.new("X", "1", "10", "99.00", t97="Y")) == [("X", "I", "0", "0", "10")]
    assert short(b.new("Y", "1", "10", "99.00", t97="Y")) == [("Y", "0", "0", "0", "10")]


def test_cancel_and_replace_of_unknown_orders(bench: Make) -> None:
    """B.1.f: OrderID NONE, Rejected, reason 1; the ClOrdID that was asked for is not spent."""
    b = bench()
    answer = b.cancel("C", "X")
    assert (answer[0][35], answer[0][37], answer[0][39], answer[0][102], answer[0][434]) == ("9", "NONE", "8", "1", "1")
    assert b.replace("R", "X", "1", "99.00")[0][434] == "2"
    assert short(b.new("X", "1", "10", "99.00")) == [("X", "0", "0", "0", "10")]
    assert b.new("C", "1", "10", "99.00")[0][103] == "6", "the ClOrdID of the request is spent"


def test_cancel_replace_and_too_late(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    assert short(b.replace("Y", "X", "20", "99.50")) == [("Y", "5", "0", "0", "20")]
    assert short(b.cancel("Z", "Y")) == [("Z", "4", "4", "0", "0")]
    assert short(b.cancel("W", "Z")) == [("W", "9", "4", "0")]
    assert short(b.cancel("W", "Z")) == [("W", "9", "4", "6")], "a spent ClOrdID"


def test_replace_of_a_filled_order_upwards_goes_back_to_the_market(bench: Make) -> None:
    """C.1.c."""
    b = bench()
    b.new("S", "2", "10", "99.00")
    b.new("X", "1", "10", "99.00")
    assert short(b.replace("Y", "X", "30", "99.00")) == [("Y", "5", "1", "10", "20")]
    assert short(b.new("T", "2", "5", "99.00"))[1:] == [("Y", "F", "1", "15", "15"), ("T", "F", "2", "5", "0")]


def test_replace_below_cum_qty_ends_the_order_at_cum_qty(bench: Make) -> None:
    """C.3.c."""
    b = bench()
    b.new("X", "1", "100", "99.00")
    b.new("S", "2", "80", "99.00")
    answer = b.replace("Y", "X", "70", "99.00")
    assert short(answer) == [("Y", "5", "2", "80", "0")]
    assert answer[0][38] == "80"
    assert b.venue.instruments["ACME"].market.book.depth(1) == []


def test_status_of_unknown_order(bench: Make) -> None:
    """G.1.a."""
    m = bench().send("H", t11="X", t55="ACME", t54="1", t790="R1")[0]
    assert (m[150], m[39], m[103], m[37], m[790]) == ("I", "8", "5", "NONE", "R1")


def test_mass_status_tells_how_many_reports_there_are(bench: Make) -> None:
    b = bench()
    for n in range(3):
        b.new(f"A{n}", "1", "10", "99.00")
    b.new("G", "1", "10", "250.00", t55="GLOBEX")
    b.cancel("C", "A1")
    answer = b.send("AF", t584="M1", t585="7")
    assert [(m[11], m[584], m[911], m[912]) for m in answer] == [
        ("A0", "M1", "3", "N"),
        ("A2", "M1", "3", "N"),
        ("G", "M1", "3", "Y"),
    ]
    assert [m[11] for m in b.send("AF", t584="M2", t585="1", t55="GLOBEX")] == ["G"]
    none = b.send("AF", t584="M3", t585="1", t55="DESK")
    assert [(m[39], m[911], m[912]) for m in none] == [("8", "0", "Y")]


def test_mass_cancel_reports_then_cancels(bench: Make) -> None:
    b = bench()
    b.new("A", "1", "10", "99.00")
    b.new("B", "2", "10", "101.00")
    b.new("G", "1", "10", "250.00", t55="GLOBEX")
    answer = b.send("q", t11="M", t530="1", t55="ACME", t60="20260101-00:00:00")
    assert (answer[0][35], answer[0][531], answer[0][533]) == ("r", "1", "2")
    assert short(answer[1:]) == [("A", "4", "4", "0", "0"), ("B", "4", "4", "0", "0")]
    assert b.send("q", t11="M2", t530="3", t60="20260101-00:00:00")[0][531] == "0"
    assert [m[11] for m in b.send("AF", t584="S", t585="7")] == ["G"]


def test_dialect_demands_its_tag(bench: Make) -> None:
    b = bench(session='required = [{ tag = 9001, msg_types = ["D"] }]')
    answer = b.new("X", "1", "10", "99.00")
    assert [(m[35], m[380], m[379]) for m in answer] == [("j", "5", "X")]
    assert short(b.new("X", "1", "10", "99.00", t9001="d")) == [("X", "0", "0", "0", "10")]


def test_market_close_expires_day_orders_and_keeps_gtc(bench: Make) -> None:
    b = bench()
    b.new("D", "1", "10", "99.00")
    b.new("G", "1", "10", "99.00", t59="1")
    b.exchange.do(lambda: b.venue.set_phase("ACME", Phase.CLOSED), b.now)
    assert short(b.written[-1:]) == [("D", "C", "C", "0", "0")]
    assert [m[11] for m in b.send("AF", t584="S", t585="7")] == ["G"]
    assert b.new("E", "1", "10", "99.00")[0][103] == "2"


# The manual desk


def test_nothing_happens_on_a_manual_instrument_by_itself(bench: Make) -> None:
    b = bench()
    assert b.new("X", "1", "10", "10.00", t55="DESK") == []
    assert b.cancel("Y", "X") == []
    assert b.send("H", t11="X", t55="DESK", t54="1") == []
    assert b.new("X", "1", "10", "10.00", t55="DESK")[0][103] == "6"


def test_desk_works_requests_by_their_own_cl_ord_id(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "10.00", t55="DESK")
    b.desk("pending_new", cl_ord_id="X")
    b.desk("new", cl_ord_id="X")
    b.replace("Y", "X", "120", "10.00", t55="DESK")
    b.replace("Z", "Y", "130", "10.00", t55="DESK")
    assert short(b.desk("pending_replace", cl_ord_id="Y")) == [("Y", "E", "E", "0", "100")]
    assert short(b.desk("pending_replace", cl_ord_id="Z")) == [("Z", "E", "E", "0", "100")]
    assert short(b.desk("replace_accept", cl_ord_id="Y")) == [("Y", "5", "E", "0", "120")]
    assert short(b.desk("replace_reject", cl_ord_id="Z", reason=2, text="no")) == [("Z", "9", "0", "2")]
    b.cancel("C", "Y")
    with pytest.raises(RuleBroken, match="not a request"):
        b.desk("replace_accept", cl_ord_id="C")
    assert short(b.desk("cancel_accept", cl_ord_id="C")) == [("C", "4", "4", "0", "0")]


def test_every_desk_action_says_what_it_should(bench: Make) -> None:
    """ExecType, OrdStatus and what is special, for the actions that no scenario above shows."""
    b = bench()
    phone = b.desk("phone_order", session=b.session, symbol="DESK", side="1", qty="100", price="10.00", account="A")
    assert (phone[0][150], phone[0].get(11), phone[0][38], phone[0][1]) == ("0", None, "100", "A")
    order_id = phone[0][37]

    def act(do: str, **arguments: Any) -> dict[int, str]:
        answer: dict[int, str] = b.desk(do, order_id=order_id, **arguments)[0]
        return answer

    assert (act("suspend")[39], act("reinstate", exec_type="D")[150]) == ("9", "D")
    assert act("stopped", qty="50", px="10.00")[150] == "7"
    fill = act("fill", qty="40", px="10.10")
    assert (fill[150], fill[39], fill[31], fill[6]) == ("F", "7", "10.10", "10.1")
    correct = act("correct", px="10.20")
    assert (correct[150], correct[19], correct[31], correct[6]) == ("G", fill[17], "10.20", "10.2")
    assert (act("correct", qty="30", exec_ref_id=correct[17])[14], act("bust")[14]) == ("30", "0")
    restated = act("restate", qty="90", price="9.00", reason=5)
    assert (restated[150], restated[378], restated[38], restated[44]) == ("D", "5", "90", "9.00")
    assert act("restate", ratio="2", reason=0)[38] == "180"
    assert act("unsolicited_replace", qty="80")[150] == "5"
    assert act("report", exec_type="D", tags={"5001": "x"})[5001] == "x"
    assert act("status")[150] == "I"
    assert act("calculate")[39] == "B"
    assert act("done_for_day")[39] == "3"
    assert act("restate", reason=1)[39] == "7", "a new day: neither done nor calculated, still guaranteed"
    cancel = act("unsolicited_cancel", reason=6)
    assert (cancel[150], cancel[378]) == ("4", "6")
    b.new("X", "1", "10", "10.00", t55="DESK")
    assert b.desk("reject", cl_ord_id="X", reason=7, text="verbal")[0][103] == "7"
    b.new("Y", "1", "10", "10.00", t55="DESK")
    assert b.desk("expire", cl_ord_id="Y")[0][150] == "C"


def test_cash_order_gets_its_quantity_with_the_fill(bench: Make) -> None:
    """L.1.b."""
    b = bench()
    b.send("D", t11="X", t55="DESK", t54="1", t60="20260101-00:00:00", t152="10000", t40="1")
    new = b.desk("new", cl_ord_id="X")[0]
    assert (new.get(38), new[152], new[151]) == (None, "10000", "0")
    fill = b.desk("fill", cl_ord_id="X", order_qty="200", qty="200", px="50")[0]
    assert (fill[38], fill[39], fill[14]) == ("200", "2", "200")


def test_desk_moves_the_market_on_automatic_instruments(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "99.00")
    book = b.venue.instruments["ACME"].market.book
    b.desk("fill", cl_ord_id="X", qty="30", px="99.00")
    assert book.depth(1) == [(9900, 70)]
    b.desk("restate", cl_ord_id="X", qty="50")
    assert book.depth(1) == [(9900, 20)]
    b.desk("bust", cl_ord_id="X")
    assert book.depth(1) == [(9900, 50)]
    b.desk("unsolicited_cancel", cl_ord_id="X")
    assert book.depth(1) == []


def test_the_same_exec_id_may_stand_on_two_orders_but_not_twice_on_one(bench: Make) -> None:
    b = bench()
    for name in ("X", "Y"):
        b.new(name, "1", "100", "10.00", t55="DESK")
        b.desk("new", cl_ord_id=name)
        assert b.desk("fill", cl_ord_id=name, qty="10", px="10", exec_id="SAME")[0][17] == "SAME"
    with pytest.raises(RuleBroken, match="already has"):
        b.desk("fill", cl_ord_id="X", qty="10", px="10", exec_id="SAME")
    assert len(ledger.read_executions(b.exchange.ledger.path)) == 2


# Faults: each is one line of the script and what the client then sees


def fault(kind: str, **values: object) -> str:
    lines = "\n".join(f"{k} = {v if isinstance(v, int | float) else repr(v)}" for k, v in values.items())
    return f'[[fault]]\nkind = "{kind}"\n{lines}\n'.replace("'", '"')


def sequence(messages: Messages) -> list[tuple[str, str | None, str | None]]:
    """ClOrdID, MsgSeqNum, PossDupFlag or PossResend."""
    return [(m[11], m[34], "dup" if m.get(43) else "resend" if m.get(97) else None) for m in messages]


def test_fault_duplicate(bench: Make) -> None:
    b = bench(extra=fault("duplicate", nth=1))
    answer = b.new("X", "1", "10", "99.00")
    assert sequence(answer) == [("X", "2", None), ("X", "3", None)]
    assert answer[0][17] == answer[1][17]
    assert len(b.new("Y", "1", "10", "99.00")) == 1, "once"


def test_fault_poss_dup_and_poss_resend(bench: Make) -> None:
    b = bench(extra=fault("poss_dup", cl_ord_id="X") + fault("poss_resend", cl_ord_id="Y"))
    assert sequence(b.new("X", "1", "10", "99.00")) == [("X", "2", None), ("X", "2", "dup")]
    assert sequence(b.new("Y", "1", "10", "99.00")) == [("Y", "3", None), ("Y", "4", "resend")]


def test_fault_gap_loses_a_message_that_a_resend_request_brings_back(bench: Make) -> None:
    b = bench(extra=fault("gap", cl_ord_id="X"))
    assert b.new("X", "1", "10", "99.00") == []
    assert sequence(b.new("Y", "1", "10", "99.00")) == [("Y", "3", None)]
    assert sequence(b.send("2", t7="2", t16="2")) == [("X", "2", "dup")]


def test_fault_delay_holds_everything_behind_it_in_order(bench: Make) -> None:
    b = bench(extra=fault("delay", delay_ms=500, nth=1))
    assert b.new("X", "1", "10", "99.00") == []
    assert b.new("Y", "1", "10", "99.00") == []
    assert b.tick(499) == []
    assert sequence(b.tick(1)) == [("X", "2", None), ("Y", "3", None)]


def test_fault_reorder_swaps_with_the_next_or_goes_out_alone(bench: Make) -> None:
    b = bench(extra=fault("reorder", nth=1) + fault("reorder", cl_ord_id="Z"))
    assert b.new("X", "1", "10", "99.00") == []
    assert sequence(b.new("Y", "1", "10", "99.00")) == [("Y", "2", None), ("X", "3", None)]
    assert b.new("Z", "1", "10", "99.00") == []
    assert sequence(b.tick(200)) == [("Z", "4", None)]


def test_fault_drop_cuts_the_connection_and_the_report_comes_after_the_next_logon(bench: Make) -> None:
    b = bench(extra=fault("drop", nth=1))
    assert b.new("X", "1", "10", "99.00") == []
    assert b.link.closed
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    assert b.send("A", t98="0", t108="30")[0][34] == "3"
    assert sequence(b.send("2", t7="2", t16="2")) == [("X", "2", "dup")]


def test_fault_reject_and_silence_hit_requests(bench: Make) -> None:
    b = bench(extra=fault("reject", nth=2, reason=3, text="no more") + fault("silence", msg_type="F"))
    b.new("X", "1", "10", "99.00")
    answer = b.new("Y", "1", "10", "99.00")
    assert (answer[0][150], answer[0][103], answer[0][58]) == ("8", "3", "no more")
    assert b.cancel("C", "X") == []
    assert short(b.cancel("D", "X")) == [("D", "4", "4", "0", "0")]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("unsolicited_cancel", {"reason": 4}, [("X", "4", "4", "0", "0")]),
        ("done_for_day", {}, [("X", "3", "3", "0", "0")]),
        ("restate", {"qty": "5"}, [("X", "D", "0", "0", "5")]),
        ("restate", {"qty": "5", "every": 1}, [("X", "D", "0", "0", "5")]),
        ("overfill", {"qty": "7"}, [("X", "F", "2", "17", "0")]),
    ],
)
def test_order_faults_strike_a_fresh_order(bench: Make, kind: str, values: dict[str, object], expected: Any) -> None:
    b = bench(extra=fault(kind, **values))
    assert short(b.new("X", "1", "10", "99.00")) == [("X", "0", "0", "0", "10"), *expected]
    assert b.venue.instruments["ACME"].market.book.best(1) == (9900 if kind == "restate" else None)


def test_what_a_fault_does_sets_off_no_other(bench: Make) -> None:
    b = bench(extra=fault("restate", exec_type="D", every=1))
    b.new("X", "1", "10", "99.00")
    assert len(b.desk("restate", cl_ord_id="X", reason=1)) == 2, "the desk's own and one by the fault"


def test_order_faults_bust_and_correct_an_execution(bench: Make) -> None:
    b = bench(extra=fault("bust", cl_ord_id="X", delay_ms=100) + fault("correct", cl_ord_id="Y", px="98.00"))
    b.new("S", "2", "10", "99.00")
    fill = b.new("X", "1", "10", "99.00")[-1]
    bust = b.tick(100)[0]
    assert (bust[150], bust[19], bust[14], bust[151]) == ("H", fill[17], "0", "10")
    b.cancel("C", "X")
    b.new("T", "2", "10", "99.00")
    answer = [m for m in b.new("Y", "1", "10", "99.00") if m[11] == "Y"]
    assert [(m[150], m[31]) for m in answer[-2:]] == [("F", "99.00"), ("G", "98.00")]


def test_fault_halt_stops_the_instrument(bench: Make) -> None:
    b = bench(extra=fault("halt", nth=2))
    b.new("X", "1", "10", "99.00")
    b.new("Y", "1", "10", "98.00")
    assert b.new("Z", "1", "10", "98.00")[0][58] == "instrument is halted"
    assert short(b.cancel("C", "X")) == [("C", "4", "4", "0", "0")]


def test_seeded_faults_repeat_with_the_seed(bench: Make) -> None:
    b = bench(extra=fault("duplicate", probability=0.5))
    counts = [len(b.new(f"X{n}", "1", "10", "99.00")) for n in range(40)]
    assert {1, 2} == set(counts)
    b.exchange.ledger.path.unlink()
    b.seq = 1
    again = b.restart()
    assert counts == [len(again.new(f"X{n}", "1", "10", "99.00")) for n in range(40)]


# Ledger and restart


def test_ledger_tells_the_net_truth_whatever_was_repeated(bench: Make) -> None:
    b = bench(extra=fault("duplicate", every=1) + fault("poss_dup", every=2))
    b.new("S", "2", "50", "99.00")
    b.new("X", "1", "30", "99.00")
    b.new("Y", "1", "20", "99.00")
    first = next(m[17] for m in b.written if m.get(11) == "X" and m.get(150) == "F")
    b.desk("correct", cl_ord_id="Y", px="98.50")
    b.desk("bust", cl_ord_id="X", exec_ref_id=first)
    net = [(e.cl_ord_id, e.last_qty, e.last_px) for e in ledger.read_executions(b.exchange.ledger.path)]
    assert net == [
        ("S", Decimal(30), Decimal("99.00")),
        ("S", Decimal(20), Decimal("99.00")),
        ("Y", Decimal(20), Decimal("98.50")),
    ]


def test_ledger_holds_every_message_both_ways_before_the_wire(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    lines = list(ledger.read_lines(b.exchange.ledger.path))
    sent = {line.msg_seq_num: line.raw for line in lines if isinstance(line, ledger.Sent)}
    assert [int(m[34]) for m in b.written] == list(sent)
    received = [line.msg_type for line in lines if isinstance(line, ledger.Received)]
    assert received == ["A", "D"]


def test_restart_rebuilds_orders_priority_counters_and_sequence_numbers(bench: Make) -> None:
    b = bench()
    for n, price in enumerate(("99.00", "99.00", "98.00")):
        b.new(f"X{n}", "1", "10", price)
    b.new("S", "2", "4", "99.00")
    b.new("G", "1", "10", "10.00", t55="DESK")
    b.replace("Y", "G", "5", "10.00", t55="DESK")
    b.new("STOP", "1", "10", None, t40="3", t99="105.00")
    ids = {m[17] for m in b.written if m.get(17) not in (None, "0")} | {m[37] for m in b.written if 37 in m}
    before = b.send("AF", t584="M", t585="7")

    c = b.restart()
    assert c.exchange.lanes[c.session].session.next_in == c.seq, "numbers go on"
    after = c.send("AF", t584="M", t585="7")
    volatile = (8, 9, 10, 34, 52, 60)
    assert [{k: v for k, v in m.items() if k not in volatile} for m in after] == [
        {k: v for k, v in m.items() if k not in volatile} for m in before
    ]
    trade = c.new("T", "2", "10", "99.00")
    assert [(m[11], m[32]) for m in trade if m[150] == "F"] == [("X0", "6"), ("T", "6"), ("X1", "4"), ("T", "4")]
    assert not ids & ({m[17] for m in trade} | {m[37] for m in c.new("U", "1", "1", "90.00")}), "no id is used twice"
    assert c.new("X1", "1", "10", "99.00")[0][103] == "6"
    assert short(c.desk("pending_replace", cl_ord_id="Y")) == [("Y", "E", "E", "0", "10")]
    assert sequence(c.send("2", t7="2", t16="2")) == [("X0", "2", "dup")], "the old process's message"


def test_torn_last_line_is_cut_off_and_damage_before_it_is_refused(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    path = b.exchange.ledger.path
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"sent","time":"2026')
    assert b.restart().venue.orders.keys() == b.venue.orders.keys()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[3:]]))
    with pytest.raises(ledger.LedgerDamaged, match=rf"byte {len(lines[0] + lines[1])}:"):
        b.restart()


def test_ledger_cut_at_any_byte_is_as_if_the_last_work_had_not_been(bench: Make) -> None:
    """A kill in the middle of the write leaves all of a piece of work or nothing of it."""
    b = bench()
    b.new("S", "2", "10", "99.00")
    path = b.exchange.ledger.path
    before = path.read_bytes()
    b.new("X", "1", "4", "99.00")
    whole = path.read_bytes()
    assert whole.count(b"\n") - before.count(b"\n") > 5, "one piece of work has many lines"
    for cut in range(len(before), len(whole), 37):
        path.write_bytes(whole[:cut])
        opened = ledger.Ledger(path)
        assert [o.cum_qty for o in opened.state.orders.values()] == [0]
        assert (opened.state.sessions[b.session].next_in, opened.state.counters.order) == (3, 1)
        opened.close()
        assert path.read_bytes() == before
    path.write_bytes(whole)
    assert [o.cum_qty for o in ledger.Ledger(path).state.orders.values()] == [4, 4]


@pytest.mark.parametrize("seed", range(5))
def test_restart_at_any_moment_loses_nothing_the_client_saw(bench: Make, seed: int) -> None:
    """Random orders between two sides; after each restart every order is where the client was last told it is."""
    rng, b = Random(seed), bench()
    told: dict[str, tuple[str, str, str]] = {}
    for n in range(120):
        before = len(b.written)
        known = list(told)
        draw = rng.random()
        price = f"{rng.randint(98, 102)}.00"
        if draw < 0.7 or not known:
            b.new(f"N{n}", rng.choice("12"), str(rng.randint(1, 50)), price, t59=rng.choice("013"))
        elif draw < 0.85:
            b.cancel(f"C{n}", rng.choice(known))
        else:
            b.replace(f"R{n}", rng.choice(known), str(rng.randint(1, 60)), price)
        for m in b.written[before:]:
            if m[35] == "8":
                told[m[37]] = (m[39], m[14], m[151])
        if rng.random() < 0.1:
            b = b.restart()
        orders = {k: (o.ord_status.value, str(o.cum_qty), str(o.leaves_qty)) for k, o in b.venue.orders.items()}
        assert orders == {k: v for k, v in told.items() if k != "NONE"}, f"seed {seed}, step {n}"
        market = b.venue.instruments["ACME"].market
        resting = {r.key: r.open_qty for side in (1, -1) for r in market.book.resting(side)}
        assert resting == {o.number: int(o.leaves_qty) for o in b.venue.orders.values() if o.leaves_qty}
        told = {k: v for k, v in told.items() if k != "NONE"}


def test_venue_that_is_full_says_so(bench: Make) -> None:
    b = bench()
    b.venue.max_records = 2
    b.new("A", "1", "1", "90.00")
    b.new("B", "1", "1", "90.00")
    answer = b.new("C", "1", "1", "90.00")
    assert (answer[0][103], answer[0][58]) == ("3", "the venue is full")


# Control


async def test_control_answers_and_names_what_is_wrong(bench: Make) -> None:
    b = bench()
    control = Control(b.exchange, lambda: b.now, lambda: None, lambda: None)

    async def ask(text: str) -> dict[str, Any]:
        return await control.answer(text.encode())

    assert (await ask('{"do":"ping"}'))["venue"] == "XSIM"
    for text, error in [
        ("nonsense", "malformed"),
        ("[]", 'expected an object with "do"'),
        ('{"do":"dance"}', "unknown action dance"),
        ('{"do":"fill"}', "cl_ord_id or order_id"),
        ('{"do":"fill","cl_ord_id":"X"}', "no order has ClOrdID X"),
        ('{"do":"orders","colour":1}', "unknown key colour"),
        ('{"do":"phase","symbol":"ACME","phase":"x"}', "Invalid enum"),
        ('{"do":"fault","kind":"earthquake"}', "Invalid enum"),
        ('{"do":"wait","for":"rain"}', "for: expected received"),
        ('{"do":"wait","for":"received","msg_type":"Z","timeout_s":0}', "timeout"),
        ('{"do":"book","symbol":"NONE"}', "unknown symbol NONE"),
        ('{"do":"drop","session":"x"}', "session: expected"),
        ('{"do":"fault","kind":"drop","nth":1,"every":2}', "expected one of nth, every, probability"),
    ]:
        answer = await ask(text)
        assert not answer["ok"]
        assert error in answer["error"], (text, answer)


async def test_control_looks_at_orders_books_and_sessions(bench: Make) -> None:
    b = bench()
    control = Control(b.exchange, lambda: b.now, lambda: None, lambda: None)
    b.new("S", "2", "10", "101.00")
    b.new("X", "1", "4", "101.00")
    rows = (await control.answer(b'{"do":"orders","open":true}'))["orders"]
    assert [(r["cl_ord_id"], r["ord_status"], r["cum_qty"], r["leaves_qty"]) for r in rows] == [("S", "1", "4", "6")]
    assert (await control.answer(b'{"do":"executions"}'))["total"] == 2
    book = await control.answer(b'{"do":"book","symbol":"ACME"}')
    assert (book["last_px"], book["offers"]) == ("101.00", [{"px": "101.00", "qty": "6"}])
    assert (await control.answer(b'{"do":"sessions"}'))["sessions"][0]["logged_on"]
    assert (await control.answer(b'{"do":"halt"}'))["symbols"] == ["ACME", "GLOBEX", "DESK"]
    assert (await control.answer(b'{"do":"resume","symbol":"ACME"}'))["symbols"] == ["ACME"]
    assert (await control.answer(b'{"do":"wait","for":"sent","msg_type":"8","cl_ord_id":"X","count":2}'))["ok"]
