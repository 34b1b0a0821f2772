"""The ledger, and an exchange that is started again from it."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from sim_exchange import ledger
from sim_exchange.enums import Phase
from tests.sim_exchange.shorthand import fault, sequence, short

Make = Callable[..., Any]


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


def test_restart_lets_no_stop_go_at_a_price_that_never_was(bench: Make) -> None:
    """The reference of the configuration is 100.00; the market is at 104.00 when the venue is killed."""
    b = bench()
    b.new("A", "2", "1", "104.00")
    b.new("B", "1", "1", "104.00")
    b.new("STOP", "2", "10", None, t40="3", t99="102.00")
    b.new("BID", "1", "10", "95.00")
    c = b.restart()
    assert short(c.new("N", "1", "1", "90.00")) == [("N", "0", "0", "0", "1")]
    assert c.venue.instruments["ACME"].market.last_price == 10400
    assert short(c.send("H", t11="STOP", t55="ACME", t54="2")) == [("STOP", "I", "0", "0", "10")]


def test_a_stop_order_that_was_released_stands_behind_those_before_it_also_after_a_restart(bench: Make) -> None:
    b = bench()
    b.new("STOP", "1", "10", "101.00", t40="4", t99="101.00")
    b.new("FIRST", "1", "10", "101.00")
    b.new("S", "2", "1", "101.00")
    for venue in (b.venue, b.restart().venue):
        resting = venue.instruments["ACME"].market.book.resting(1)
        assert [venue.orders[f"XSIM-O{r.key}"].cl_ord_id for r in resting] == ["FIRST", "STOP"]


@pytest.mark.parametrize("restart", [False, True])
def test_less_quantity_keeps_the_place_of_a_stop_and_of_what_waits_for_an_auction(bench: Make, restart: bool) -> None:
    b = bench()
    for name in ("FIRST", "SECOND"):
        b.new(name, "1", "10", None, t40="3", t99="101.00")
        b.new(f"{name}-ATC", "1", "10", "110.00", t59="7")
    b.replace("LESS", "FIRST", "5", "0", t40="3", t99="101.00")
    b.replace("LESS-ATC", "FIRST-ATC", "5", "110.00", t59="7")
    if restart:
        b = b.restart()
    b.new("S", "2", "4", "101.00")
    b.new("B", "1", "1", "101.00")
    b.new("T", "2", "5", "110.00", t59="7")
    b.exchange.do(lambda: b.venue.set_phase("ACME", Phase.CLOSED), b.now)
    filled = [(m[11], m[32]) for m in b.written if m.get(150) == "F" and m[11] not in ("S", "B", "T")]
    assert filled == [("LESS", "3"), ("LESS-ATC", "5")]


def test_an_order_that_is_changed_often_writes_no_more_with_each_change(bench: Make) -> None:
    b = bench()
    b.new("X0", "1", "10", "99.00")

    def grown(first: int, last: int) -> int:
        before = b.exchange.ledger.path.stat().st_size
        for n in range(first, last):
            b.replace(f"X{n + 1}", f"X{n}", "10", "99.00")
        return b.exchange.ledger.path.stat().st_size - before

    early, late = grown(0, 100), grown(100, 1000) / 9
    assert late < 1.1 * early
    c = b.restart()
    (order,) = c.venue.orders.values()
    assert order.cl_ord_ids == [f"X{n}" for n in range(1001)]
    assert c.new("X500", "1", "10", "99.00")[0][103] == "6", "spent"
    assert short(c.cancel("C", "X7")) == [("C", "4", "4", "0", "0")]


def test_a_ledger_whose_order_lines_have_all_names_is_read_as_before(bench: Make) -> None:
    b = bench()
    b.new("X", "1", "10", "99.00")
    b.replace("Y", "X", "5", "99.00")
    path = b.exchange.ledger.path
    lines = path.read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if line.startswith('{"kind":"order"'))
    lines[last] = lines[last].replace('"cl_ord_ids":["X"]', '"cl_ord_ids":["X","Y"]')
    path.write_text("".join(line for line in lines if not line.startswith('{"kind":"used"')))
    c = b.restart()
    assert short(c.replace("Z", "Y", "4", "99.00")) == [("Z", "5", "0", "0", "4")]
    (order,) = c.restart().venue.orders.values()
    assert order.cl_ord_ids == ["X", "Y", "Z"]


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
