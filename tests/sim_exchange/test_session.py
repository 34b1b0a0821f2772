"""The FIX session layer, message by message, with the clock in the test's hand."""

from collections.abc import Callable
from typing import Any

import pytest

from sim_exchange.fix import encode

Bench = Any
Make = Callable[..., Bench]


def types(messages: list[dict[int, str]]) -> list[str]:
    return [m[35] for m in messages]


def test_logon_is_answered_and_numbers_start_at_one(bench: Make) -> None:
    b = bench()
    assert (b.written[0][34], b.written[0][108]) == ("1", "30")
    assert b.new("X", "1", "10", "99.00")[0][34] == "2"


def test_fixt_logon_names_the_application_version(bench: Make) -> None:
    b = bench("FIXT.1.1", logon=False)
    assert b.send("A", t98="0", t108="30", t1137="9")[0][1137] == "9"


def test_first_message_must_be_a_logon_of_a_known_session(bench: Make) -> None:
    b = bench(logon=False)
    assert b.send("D", t11="X") == []
    assert b.link.closed
    b.connect()
    b.feed(encode("FIX.4.4", [(35, "A"), (34, "1"), (49, "STRANGER"), (56, "XSIM"), (108, "30")]))
    assert b.link.closed


def test_what_comes_behind_a_first_message_that_is_refused_does_not_count(bench: Make) -> None:
    """They may have come in one piece; the connection is over with the first."""
    b = bench(logon=False)
    order = {"t55": "ACME", "t54": "1", "t60": "20260101-00:00:00", "t38": "10", "t40": "2", "t44": "90.00"}
    b.feed(b.raw("0", 1) + b.raw("A", 1, t98="0", t108="30") + b.raw("D", 2, t11="X", **order))
    assert (b.link.closed, b.written, b.venue.orders) == (True, [], {})
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    assert types(b.send("A", t98="0", t108="30")) == ["A"]


def test_second_connection_of_a_session_is_refused_and_the_first_lives(bench: Make) -> None:
    b = bench()
    first, connection = b.link, b.connection
    b.connect()
    assert b.send("A", seq=2, t98="0", t108="30") == []
    assert b.link.closed
    b.link, b.connection = first, connection
    assert types(b.send("1", t112="T")) == ["0"]


def test_wrong_password_is_logged_out_and_never_written_down(bench: Make) -> None:
    b = bench(session='username = "gw"\npassword = "right-one"', logon=False)
    answer = b.send("A", t98="0", t108="30", t553="gw", t554="wrong-one")
    assert types(answer) == ["5"]
    assert "wrong" in answer[0][58]
    assert b.link.closed
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    assert types(b.send("A", seq=1, t98="0", t108="30", t553="gw", t554="right-one")) == ["A"]
    ledger = b.exchange.ledger.path.read_text()
    assert "wrong-one" not in ledger
    assert "right-one" not in ledger
    assert "554=***" in ledger


def test_gap_is_asked_for_once_and_what_waited_is_done_in_order(bench: Make) -> None:
    b = bench()
    order = {"t55": "ACME", "t54": "1", "t60": "20260101-00:00:00", "t38": "10", "t40": "2", "t44": "90.00"}
    assert types(b.send("D", seq=4, t11="C", **order)) == ["2"]
    assert b.written[-1][7] == "2"
    assert b.written[-1][16] == "0"
    assert b.send("D", seq=5, t11="D", **order) == []
    assert [m[11] for m in b.send("D", seq=2, t11="A", t43="Y", t122="20260101-00:00:00", **order)] == ["A"]
    assert [m[11] for m in b.send("D", seq=3, t11="B", t43="Y", t122="20260101-00:00:00", **order)] == ["B", "C", "D"]
    assert b.send("D", seq=4, t11="C", t43="Y", t122="20260101-00:00:00", **order) == [], "a repeat is ignored"


@pytest.mark.parametrize("lost", [2, 4])
def test_what_is_lost_again_within_a_resend_is_asked_for_again(bench: Make, lost: int) -> None:
    """A message of the resend comes garbled, the first or the last of it; whatever comes later is above the gap."""
    b = bench()
    order = {"t55": "ACME", "t54": "1", "t60": "20260101-00:00:00", "t38": "10", "t40": "2", "t44": "90.00"}
    assert types(b.send("D", seq=5, t11="A5", **order)) == ["2"]
    again = {seq: b.raw("D", seq, t11=f"A{seq}", t43="Y", t122="20260101-00:00:00", **order) for seq in (2, 3, 4)}
    b.tick(20)
    for seq, raw in again.items():
        b.feed(raw[:-4] + b"000\x01" if seq == lost else raw)
    assert b.send("D", seq=6, t11="A6", **order) == []
    assert b.tick(20) + b.tick(9_000) == []
    assert [(m[35], m[7], m[16]) for m in b.tick(2_000)] == [("2", str(lost), "0")]
    assert b.tick(9_000) == [], "once in ten seconds"
    assert [m[11] for m in b.feed(again[lost])] == [f"A{seq}" for seq in range(lost, 7)]
    b.seq = 7
    b.send("0")
    assert b.tick(11_000) == []


def test_a_resend_that_goes_on_is_not_asked_for_again(bench: Make) -> None:
    b = bench()
    b.send("0", seq=100)
    for seq in range(2, 12):
        b.tick(6_000)
        assert b.send("0", seq=seq, t43="Y", t122="20260101-00:00:00") == []


def test_gap_fill_skips_what_will_not_be_resent(bench: Make) -> None:
    b = bench()
    b.send("1", seq=5, t112="T5")
    assert types(b.send("4", seq=2, t43="Y", t123="Y", t36="5")) == ["0"], "the waiting TestRequest is answered"
    assert b.exchange.lanes[b.session].session.next_in == 6


def test_too_low_without_poss_dup_ends_the_session(bench: Make) -> None:
    b = bench()
    b.send("0")
    answer = b.send("0", seq=1)
    assert types(answer) == ["5"]
    assert "expecting 3 but received 1" in answer[0][58]
    assert b.link.closed


def test_resend_request_gets_reports_again_and_gap_fills_for_the_rest(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    b.send("1", t112="T")
    b.new("Y", "1", "10", "99.00")
    b.tick(5_000)
    answer = b.send("2", t7="1", t16="0")
    assert [(m[35], m[34], m[43], m.get(36)) for m in answer] == [
        ("4", "1", "Y", "2"),
        ("8", "2", "Y", None),
        ("4", "3", "Y", "4"),
        ("8", "4", "Y", None),
    ]
    assert [m.get(11) for m in answer] == [None, "X", None, "Y"]
    first = next(m for m in b.written if m[34] == "2")
    assert (answer[1][122], answer[1][52] > first[52]) == (first[52], True), "OrigSendingTime and a new SendingTime"
    assert types(b.send("2", t7="4", t16="4")) == ["8"]


def test_resend_request_above_a_gap_is_answered_before_the_gap_is_asked_for(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    assert types(b.send("2", seq=9, t7="2", t16="0")) == ["8", "2"]


def test_reset_seq_num_flag_starts_both_directions_again(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    answer = b.send("A", seq=1, t98="0", t108="30", t141="Y")
    assert (answer[0][34], answer[0][141]) == ("1", "Y")
    assert b.exchange.lanes[b.session].session.next_in == 2


def test_sequence_reset_moves_forward_only(bench: Make) -> None:
    b = bench()
    assert b.send("4", seq=7, t36="20") == []
    assert b.exchange.lanes[b.session].session.next_in == 20
    assert types(b.send("4", seq=20, t36="3")) == ["3"]


def test_heartbeats_test_request_and_the_end_of_a_silent_peer(bench: Make) -> None:
    b = bench()
    assert b.tick(29_000) == []
    assert types(b.tick(1_000)) == ["0"]
    assert types(b.tick(7_000)) == ["1"]
    assert b.tick(10_000) == []
    b.tick(26_000)
    assert b.link.closed


def test_a_peer_that_answers_the_test_request_stays(bench: Make) -> None:
    b = bench()
    b.tick(37_000)
    b.send("0", t112="TEST")
    b.tick(30_000)
    assert not b.link.closed


def test_logout_is_answered_and_closes(bench: Make) -> None:
    b = bench()
    assert types(b.send("5")) == ["5"]
    assert b.link.closed


def test_garbled_messages_are_ignored(bench: Make) -> None:
    b = bench()
    assert b.feed(b.raw("1", 2, t112="T")[:-4] + b"000\x01") == []
    assert b.exchange.lanes[b.session].session.next_in == 2
    assert types(b.send("1", t112="T")) == ["0"]


def test_missing_required_field_is_a_session_reject(bench: Make) -> None:
    b = bench("FIX.4.2")
    answer = b.send("D", t11="X", t55="ACME", t54="1", t38="1", t60="20260101-00:00:00")
    assert [(m[35], m[371], m[372], m[373]) for m in answer] == [("3", "40", "D", "1")]


def test_unknown_message_type_is_a_business_reject(bench: Make) -> None:
    answer = bench().send("V", t262="1")
    assert [(m[35], m[372], m[380]) for m in answer] == [("j", "V", "3")]


def test_reports_while_nobody_is_connected_are_kept_for_the_next_logon(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", t55="DESK")
    b.exchange.on_lost(b.connection, b.now)
    b.desk("new", cl_ord_id="X")
    b.desk("fill", cl_ord_id="X", qty="10", px="10")
    b.connect()
    assert b.send("A", t98="0", t108="30")[0][34] == "4", "2 and 3 went nowhere"
    assert [(m[35], m[34], m[150]) for m in b.send("2", t7="2", t16="3")] == [("8", "2", "0"), ("8", "3", "F")]
