"""What the exchange answers to requests, without sockets."""

from collections.abc import Callable
from typing import Any

import pytest

from sim_exchange.enums import OrdStatus, Phase
from sim_exchange.orders import RuleBroken
from tests.sim_exchange.shorthand import short

Make = Callable[..., Any]


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


@pytest.mark.parametrize("count", ["\xb2", "x", "-1", "10000"])
def test_a_group_whose_count_is_no_number_is_rejected_and_the_venue_lives(bench: Make, count: str) -> None:
    """A superscript two is a digit to Python and no number to FIX."""
    b = bench()
    answer = b.new("X", "1", "10", "99.00", t453=count)
    assert [(m[35], m[371], m[373]) for m in answer] == [("3", "453", "6")]
    assert short(b.new("Y", "1", "10", "99.00")) == [("Y", "0", "0", "0", "10")]


@pytest.mark.parametrize("end", [{"t432": "99991231"}, {"t126": "99991231-23:59:59"}])
def test_an_order_that_is_good_until_the_last_day_there_is_rests_also_after_a_restart(
    bench: Make, end: dict[str, str]
) -> None:
    b = bench()
    assert short(b.new("X", "1", "10", "99.00", t59="6", **end)) == [("X", "0", "0", "0", "10")]
    c = b.restart()
    c.tick(1_000)
    assert short(c.send("H", t11="X", t55="ACME", t54="1")) == [("X", "I", "0", "0", "10")]


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


@pytest.mark.parametrize("symbol", ["ACME", "DESK"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"t55": "GLOBEX"}, "Symbol(55) GLOBEX is not that of the order, which is {}"),
        ({"t54": "2"}, "Side(54) 2 is not that of the order, which is 1"),
    ],
)
def test_a_cancel_or_replace_that_speaks_of_another_symbol_or_side_is_refused(
    bench: Make, symbol: str, change: dict[str, str], text: str
) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00", t55=symbol)
    named = {"t41": "X", "t55": symbol, "t54": "1", "t60": "20260101-00:00:00"} | change
    terms = {"t38": "5", "t40": "2", "t44": "99.00"}
    for answer in (b.send("F", t11="C", **named), b.send("G", t11="R", **named, **terms)):
        assert [(m[35], m[41], m[102], m[58]) for m in answer] == [("9", "X", "99", text.format(symbol))]
    order = b.venue.find("X", None)
    assert (order.open, order.order_qty, order.pending) == (True, 10, [])


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


def test_a_venue_without_mass_cancel_says_that_it_does_not_know_the_message(bench: Make) -> None:
    b = bench(venue="mass_cancel = false")
    b.new("A", "1", "10", "99.00")
    answer = b.send("q", t11="M", t530="7", t60="20260101-00:00:00")
    assert [(m[35], m[372], m[380]) for m in answer] == [("j", "q", "3")]
    assert [m[11] for m in b.send("AF", t584="S", t585="7")] == ["A"]


@pytest.mark.parametrize("asked", [{"t9100": "Y"}, {"t9100": "N"}, {}])
def test_what_a_client_leaves_is_canceled_when_its_logon_asked_for_it(bench: Make, asked: dict[str, str]) -> None:
    b = bench(session='cancel_on_disconnect_tag = "9100=Y"', logon=False)
    b.send("A", t98="0", t108="30", **asked)
    b.new("DAY", "1", "10", "99.00")
    b.new("GTC", "1", "10", "99.00", t59="1")
    b.new("GTD", "1", "10", "99.00", t59="6", t126="20270101-00:00:00")
    b.new("DESK", "1", "10", "9.00", t55="DESK")
    b.desk("new", cl_ord_id="DESK")
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    b.send("A", t98="0", t108="30")
    kept = {m[11] for m in b.send("AF", t584="S", t585="7") if m.get(584) == "S"}
    wanted = asked == {"t9100": "Y"}
    assert kept == ({"GTC", "GTD"} if wanted else {"DAY", "GTC", "GTD", "DESK"})
    resent = b.send("2", t7="1", t16="0")
    canceled = [(m[11], m[58]) for m in resent if m.get(150) == "4"]
    both = [("DAY", "cancel on disconnect"), ("DESK", "cancel on disconnect")]
    assert canceled == (both if wanted else [])


def test_each_logon_asks_for_cancel_on_disconnect_anew(bench: Make) -> None:
    b = bench(session='cancel_on_disconnect_tag = "9100=Y"', logon=False)
    for asked in ({"t9100": "Y"}, {}):
        b.send("A", t98="0", t108="30", **asked)
        b.exchange.on_lost(b.connection, b.now)
        b.connect()
    b.send("A", t98="0", t108="30")
    b.new("DAY", "1", "10", "99.00")
    b.exchange.on_lost(b.connection, b.now)
    b.connect()
    b.send("A", t98="0", t108="30")
    assert [m[11] for m in b.send("AF", t584="S", t585="7")] == ["DAY"]


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


@pytest.mark.parametrize("restart", [False, True])
def test_what_rests_in_no_market_ends_with_its_day_or_its_time(bench: Make, restart: bool) -> None:
    """Suspended, or less than a lot of it left: the market does not know it, the day is over for it all the same."""
    b = bench()
    for name, terms in {"DAY": {}, "LESS": {}, "GTC": {"t59": "1"}, "GTD": {"t59": "6", "t432": "20260101"}}.items():
        b.new(name, "1", "10", "90.00", **terms)
        if name != "LESS":
            b.desk("suspend", cl_ord_id=name)
    b.desk("fill", cl_ord_id="LESS", qty="9.5", px="90.00")
    if restart:
        b = b.restart()
    before = len(b.written)
    b.exchange.do(lambda: b.venue.set_phase("ACME", Phase.CLOSED), b.now)
    ended = [("DAY", "C", "C", "0", "0"), ("LESS", "C", "C", "9.5", "0")]
    assert sorted(short(b.written[before:])) == ended
    b.tick(86_400_000)
    assert b.venue.find("GTD", None).ended is OrdStatus.EXPIRED
    assert b.venue.find("GTC", None).open


def test_venue_that_is_full_says_so(bench: Make) -> None:
    b = bench()
    b.venue.max_records = 2
    b.new("A", "1", "1", "90.00")
    b.new("B", "1", "1", "90.00")
    answer = b.new("C", "1", "1", "90.00")
    assert (answer[0][103], answer[0][58]) == ("3", "the venue is full")


def test_a_full_venue_remembers_no_more_requests_and_still_cancels_what_works(bench: Make) -> None:
    """Else a client that only replaces, or cancels what is not there, would fill memory for ever."""
    b = bench()
    b.new("A", "1", "10", "90.00")
    b.new("B", "1", "10", "90.00")
    b.replace("R0", "A", "9", "90.00")
    b.venue.max_records = 4
    assert short(b.replace("R1", "R0", "8", "90.00")) == [("R1", "5", "0", "0", "8")]
    known = len(b.venue._by_cl_ord_id)
    for n in range(20):
        refused = b.replace(f"R{n + 2}", "R1", "7", "90.00")
        assert (refused[0][102], refused[0][58]) == ("99", "the venue is full, it takes cancels of working orders only")
        assert b.cancel(f"U{n}", "NEVER")[0][102] == "1"
    with pytest.raises(RuleBroken, match="the venue is full"):
        b.desk("phone_order", session=b.session, symbol="DESK", side="1", qty="100")
    assert len(b.venue._by_cl_ord_id) == known
    assert short(b.cancel("C", "R1")) == [("C", "4", "4", "0", "0")]
    assert b.cancel("D", "R1")[0][102] == "99", "it has ended"
    assert short(b.send("q", t11="M", t530="7", t60="20260101-00:00:00"))[1:] == [("B", "4", "4", "0", "0")]
    assert len(b.venue._by_cl_ord_id) == known + 1
    assert b.restart().venue.full is False, "the configuration allows more"
