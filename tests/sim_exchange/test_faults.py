"""Faults: each is one line of the script and what the client then sees."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sim_exchange.shorthand import fault, sequence, short

Make = Callable[..., Any]


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


def test_a_cancel_by_the_fault_script_comes_too_late_for_an_order_that_fills_at_once(bench: Make) -> None:
    b = bench(extra=fault("unsolicited_cancel", cl_ord_id="X"))
    b.new("S", "2", "10", "99.00")
    assert short(b.new("X", "1", "10", "99.00"))[-1] == ("X", "F", "2", "10", "0")


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
