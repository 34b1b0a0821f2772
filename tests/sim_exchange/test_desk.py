"""The manual desk: what a person at the exchange can do to orders."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from sim_exchange import ledger
from sim_exchange.enums import Phase
from sim_exchange.orders import RuleBroken
from tests.sim_exchange.shorthand import short

Make = Callable[..., Any]


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


def test_a_cash_order_that_waits_for_its_price_is_open(bench: Make) -> None:
    """It has no leaves yet, but it works: a client that reconciles must be told of it, and can cancel it."""
    b = bench()
    b.send("D", t11="X", t55="DESK", t54="1", t60="20260101-00:00:00", t152="10000", t40="1")
    b.desk("new", cl_ord_id="X")
    status = b.send("AF", t584="M", t585="7")
    assert [(m.get(11), m[39], m[911], m.get(152)) for m in status] == [("X", "0", "1", "10000")]
    answer = b.send("q", t11="Q", t530="7", t60="20260101-00:00:00")
    assert (answer[0][533], short(answer[1:])) == ("1", [("X", "4", "4", "0", "0")])


@pytest.mark.parametrize("do", ["unsolicited_cancel", "expire", "cancel_accept"])
def test_a_filled_order_is_not_canceled(bench: Make, do: str) -> None:
    """B.1.c: what was executed in full has nothing left to cancel, whoever asks for it."""
    b = bench()
    b.new("X", "1", "10", "10.00", t55="DESK")
    b.desk("new", cl_ord_id="X")
    b.cancel("C", "X")
    b.desk("pending_cancel", cl_ord_id="C")
    b.desk("fill", cl_ord_id="X", qty="10", px="10")
    with pytest.raises(RuleBroken, match="the order is filled"):
        b.desk(do, cl_ord_id="C")
    answer = b.send("q", t11="Q", t530="7", t60="20260101-00:00:00")
    assert [(m[35], m[533]) for m in answer] == [("r", "0")]
    assert short(b.desk("cancel_reject", cl_ord_id="C")) == [("C", "9", "2", "0")]


def test_mass_cancel_passes_by_an_order_that_was_filled_before_it_was_acknowledged(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "10.00", t55="DESK")
    b.desk("fill", cl_ord_id="X", qty="10", px="10")
    answer = b.send("q", t11="Q", t530="7", t60="20260101-00:00:00")
    assert [(m[35], m[533]) for m in answer] == [("r", "0")]


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
    b.desk("calculate", cl_ord_id="X")
    assert book.depth(1) == [], "a day order that is calculated has no leaves"
    b.desk("restate", cl_ord_id="X", reason=1)
    assert book.depth(1) == [(9900, 50)]
    b.desk("unsolicited_cancel", cl_ord_id="X")
    assert book.depth(1) == []


def test_less_than_a_lot_is_left_to_the_desk(bench: Make) -> None:
    """Nothing of it can trade, before a restart or after it."""
    b = bench()
    b.new("X", "1", "10", "99.00")
    b.desk("fill", cl_ord_id="X", qty="9.5", px="99.00")
    b.exchange.do(lambda: b.venue.set_phase("ACME", Phase.HALTED), b.now)
    assert short(b.desk("restate", cl_ord_id="X", price="98.00")) == [("X", "D", "1", "9.5", "0.5")]
    b.exchange.do(lambda: b.venue.set_phase("ACME", Phase.OPEN), b.now)
    assert short(b.new("S", "2", "5", "98.00")) == [("S", "0", "0", "0", "5")]
    b.cancel("C", "S")
    assert short(b.restart().new("T", "2", "5", "98.00")) == [("T", "0", "0", "0", "5")]


def test_the_same_exec_id_may_stand_on_two_orders_but_not_twice_on_one(bench: Make) -> None:
    b = bench()
    for name in ("X", "Y"):
        b.new(name, "1", "100", "10.00", t55="DESK")
        b.desk("new", cl_ord_id=name)
        assert b.desk("fill", cl_ord_id=name, qty="10", px="10", exec_id="SAME")[0][17] == "SAME"
    with pytest.raises(RuleBroken, match="already has"):
        b.desk("fill", cl_ord_id="X", qty="10", px="10", exec_id="SAME")
    assert len(ledger.read_executions(b.exchange.ledger.path)) == 2


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_executed_before_a_split_is_taken_back_in_units_of_now(bench: Make, restart: bool) -> None:
    """H.1.b, then J.1.c: 2000 at 10 count as 4000 at 5."""
    b = bench()
    b.new("X", "1", "10000", "10.00", t55="DESK", t59="1")
    b.desk("new", cl_ord_id="X")
    first = b.desk("fill", cl_ord_id="X", qty="2000", px="10.00")[0][17]
    second = b.desk("fill", cl_ord_id="X", qty="1000", px="10.60")[0][17]
    restated = b.desk("restate", cl_ord_id="X", ratio="2", reason=0)[0]
    assert (restated[38], restated[14], restated[151], restated[6]) == ("20000", "6000", "14000", "5.1")
    third = b.desk("fill", cl_ord_id="X", qty="2000", px="5.40")[0]
    assert (third[14], third[6]) == ("8000", "5.175")
    if restart:
        b = b.restart()
    corrected = b.desk("correct", cl_ord_id="X", exec_ref_id=first, qty="3000")[0]
    assert (corrected[32], corrected[31], corrected[14], corrected[151]) == ("3000", "5", "7000", "13000")
    busted = b.desk("bust", cl_ord_id="X", exec_ref_id=second)[0]
    assert (busted[32], busted[31], busted[14], busted[6]) == ("2000", "5.3", "5000", "5.16")
    assert b.desk("bust", cl_ord_id="X", exec_ref_id=corrected[17])[0][14] == "2000"
    last = b.desk("bust", cl_ord_id="X", exec_ref_id=third[17])[0]
    assert (last[14], last[6], last[151]) == ("0", "0", "20000")
    assert b.venue.find("X", None).notional == 0


def test_a_split_without_an_exact_price_leaves_no_trace_when_all_is_taken_back(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "10.00", t55="DESK", t59="1")
    b.desk("new", cl_ord_id="X")
    b.desk("fill", cl_ord_id="X", qty="10", px="10.00")
    b.desk("restate", cl_ord_id="X", ratio="3", reason=0)
    busted = b.desk("bust", cl_ord_id="X")[0]
    assert (busted[32], busted[31], busted[14]) == ("30", "3.33333333", "0")
    assert b.venue.find("X", None).notional == 0


def test_a_split_changes_what_was_guaranteed_and_what_is_shown(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "100", "10.00", t55="DESK", t59="1", t111="20")
    b.desk("new", cl_ord_id="X")
    b.desk("stopped", cl_ord_id="X", qty="50", px="10.00")
    restated = b.desk("restate", cl_ord_id="X", ratio="2", reason=0)[0]
    assert (restated[39], restated[111]) == ("7", "40")
    assert b.desk("fill", cl_ord_id="X", qty="60", px="5.00")[0][39] == "7", "100 are guaranteed now"


@pytest.mark.parametrize(
    ("side", "price", "rests_at", "trades_at"), [("1", "99.01", 4950, "49.50"), ("2", "101.01", 5051, "50.51")]
)
def test_a_price_between_two_ticks_trades_at_none_beyond_it(
    bench: Make, side: str, price: str, rests_at: int, trades_at: str
) -> None:
    """99.01 becomes 49.505 with a 2:1 split; the tick is 0.01."""
    b = bench()
    b.new("X", side, "10", price)
    b.desk("restate", cl_ord_id="X", ratio="2", reason=0)
    assert b.venue.instruments["ACME"].market.book.best(1 if side == "1" else -1) == rests_at
    fill = b.new("Y", "12".replace(side, ""), "5", None)[1]
    assert (fill[11], fill[150], fill[31]) == ("X", "F", trades_at)


@pytest.mark.parametrize(("side", "stop_px", "waits_for"), [("1", "101.01", 5051), ("2", "99.01", 4950)])
def test_a_stop_between_two_ticks_is_not_released_before_it(
    bench: Make, side: str, stop_px: str, waits_for: int
) -> None:
    b = bench()
    b.new("X", side, "10", None, t40="3", t99=stop_px)
    order = b.venue.find("X", None)
    order.split(Decimal(2))
    assert b.venue.instruments["ACME"].market_order(order, order.leaves_qty).stop == waits_for


@pytest.mark.parametrize(("version", "exec_types"), [("FIX.4.2", ["1", "2"]), ("FIX.4.4", ["F", "F"])])
def test_a_late_fill_of_a_canceled_order_is_partial_until_the_order_is_executed(
    bench: Make, version: str, exec_types: list[str]
) -> None:
    b = bench(version)
    b.new("X", "1", "10", "10.00", t55="DESK")
    b.desk("new", cl_ord_id="X")
    b.desk("unsolicited_cancel", cl_ord_id="X")
    late = [b.desk("fill", cl_ord_id="X", qty=qty, px="10")[0] for qty in ("4", "6")]
    assert [(m[150], m[151]) for m in late] == [(exec_type, "0") for exec_type in exec_types]
    assert late[0][39] == "4"
