"""Appendix D on the venue's order record: each test is one rule or one scenario, told step by step."""

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from sim_exchange.enums import CxlRejReason, ExecType, OrdStatus, OrdType, Side, TimeInForce
from sim_exchange.messages import CancelReject, Report, Terms
from sim_exchange.orders import Order, RuleBroken

EXEC_IDS = (f"E{n}" for n in count(1))


def terms(qty: str, tif: TimeInForce = TimeInForce.DAY) -> Terms:
    return Terms(ord_type=OrdType.LIMIT, tif=tif, order_qty=Decimal(qty), price=Decimal(10))


def order(qty: str = "10000", tif: TimeInForce = TimeInForce.DAY, acknowledged: bool = True) -> Order:
    made = Order(
        number=1,
        order_id="O1",
        owner="S",
        symbol="ACME",
        side=Side.BUY,
        terms=terms(qty, tif),
        order_qty=Decimal(qty),
        cl_ord_id="X",
        cl_ord_ids=["X"],
    )
    if acknowledged:
        made.acknowledge(next(EXEC_IDS))
    return made


def do(o: Order, step: str, *args: Any) -> Report | CancelReject:
    """One step of a scenario; quantities are strings."""
    ids = next(EXEC_IDS)
    match step:
        case "fill":
            return o.fill(ids, Decimal(args[0]), Decimal(args[1] if len(args) > 1 else 10))
        case "cancel?" | "replace?":
            o.request(args[0], terms(args[1], o.terms.tif) if step == "replace?" else None)
            return o.status()
        case "pending":
            return o.show_pending(ids, o.find_pending(args[0]))
        case "accept":
            return o.accept(ids, o.find_pending(args[0]))
        case "refuse":
            return o.refuse(o.find_pending(args[0]), CxlRejReason.TOO_LATE)
        case _:
            report = getattr(o, step)(ids, *args)
            assert isinstance(report, Report)
            return report


def row(r: Report | CancelReject) -> tuple[str | None, str | None, str, str, str]:
    """ClOrdID, OrigClOrdID, then as in the matrices: ExecType, OrdStatus, and OrderQty/CumQty/LeavesQty."""
    if isinstance(r, CancelReject):
        return r.cl_ord_id, r.orig_cl_ord_id, "reject", r.ord_status.name, ""
    return (
        r.cl_ord_id,
        r.orig_cl_ord_id,
        r.exec_type.name,
        r.ord_status.name,
        f"{r.order_qty}/{r.cum_qty}/{r.leaves_qty}",
    )


Step = tuple[tuple[str, ...], tuple[str | None, str | None, str, str, str]]

SCENARIOS: dict[str, list[Step]] = {
    "A.1.b part-filled day order, done for day": [
        (("fill", "2000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/2000/8000")),
        (("finish_day",), ("X", None, "DONE_FOR_DAY", "DONE_FOR_DAY", "10000/2000/0")),
    ],
    "B.1.b executions while the cancel is active": [
        (("cancel?", "Y"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("fill", "2000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/2000/8000")),
        (("pending", "Y"), ("Y", "X", "PENDING_CANCEL", "PENDING_CANCEL", "10000/2000/8000")),
        (("fill", "3000"), ("X", None, "TRADE", "PENDING_CANCEL", "10000/5000/5000")),
        (("accept", "Y"), ("Y", "X", "CANCELED", "CANCELED", "10000/5000/0")),
    ],
    "B.1.c filled before the cancel is accepted": [
        (("cancel?", "Y"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("pending", "Y"), ("Y", "X", "PENDING_CANCEL", "PENDING_CANCEL", "10000/0/10000")),
        (("fill", "10000"), ("X", None, "TRADE", "PENDING_CANCEL", "10000/10000/0")),
        (("refuse", "Y"), ("Y", "X", "reject", "FILLED", "")),
    ],
    "C.1.b increase of a part-filled order, fill while pending": [
        (("fill", "1000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/1000/9000")),
        (("replace?", "Y", "12000"), ("X", None, "ORDER_STATUS", "PARTIALLY_FILLED", "10000/1000/9000")),
        (("pending", "Y"), ("Y", "X", "PENDING_REPLACE", "PENDING_REPLACE", "10000/1000/9000")),
        (("fill", "100"), ("X", None, "TRADE", "PENDING_REPLACE", "10000/1100/8900")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "PARTIALLY_FILLED", "12000/1100/10900")),
        (("fill", "10900"), ("Y", None, "TRADE", "FILLED", "12000/12000/0")),
    ],
    "C.1.c increase of a filled order": [
        (("fill", "10000"), ("X", None, "TRADE", "FILLED", "10000/10000/0")),
        (("replace?", "Y", "12000"), ("X", None, "ORDER_STATUS", "FILLED", "10000/10000/0")),
        (("pending", "Y"), ("Y", "X", "PENDING_REPLACE", "PENDING_REPLACE", "10000/10000/0")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "PARTIALLY_FILLED", "12000/10000/2000")),
    ],
    "C.3.b decrease to CumQty": [
        (("fill", "7000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/7000/3000")),
        (("replace?", "Y", "7000"), ("X", None, "ORDER_STATUS", "PARTIALLY_FILLED", "10000/7000/3000")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "FILLED", "7000/7000/0")),
    ],
    "C.3.c decrease below CumQty is amended to CumQty": [
        (("fill", "8000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/8000/2000")),
        (("replace?", "Y", "7000"), ("X", None, "ORDER_STATUS", "PARTIALLY_FILLED", "10000/8000/2000")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "FILLED", "8000/8000/0")),
    ],
    "D.2.b two replaces pending at once": [
        (("replace?", "Y", "8000"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("replace?", "Z", "7000"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("pending", "Y"), ("Y", "X", "PENDING_REPLACE", "PENDING_REPLACE", "10000/0/10000")),
        (("pending", "Z"), ("Z", "X", "PENDING_REPLACE", "PENDING_REPLACE", "10000/0/10000")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "PENDING_REPLACE", "8000/0/8000")),
        (("accept", "Z"), ("Z", "Y", "REPLACED", "NEW", "7000/0/7000")),
    ],
    "D.2.d the second replace is refused, OrigClOrdID is the one last accepted": [
        (("replace?", "Y", "8000"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("replace?", "Z", "7000"), ("X", None, "ORDER_STATUS", "NEW", "10000/0/10000")),
        (("pending", "Y"), ("Y", "X", "PENDING_REPLACE", "PENDING_REPLACE", "10000/0/10000")),
        (("refuse", "Z"), ("Z", "X", "reject", "PENDING_REPLACE", "")),
        (("accept", "Y"), ("Y", "X", "REPLACED", "NEW", "8000/0/8000")),
    ],
    "J.1.b canceled, busted, executed anew: it stays canceled": [
        (("fill", "5000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/5000/5000")),
        (("cancel",), ("X", None, "CANCELED", "CANCELED", "10000/5000/0")),
        (("bust", "E", "5000"), ("X", None, "TRADE_CANCEL", "CANCELED", "10000/0/0")),
        (("fill", "1000"), ("X", None, "TRADE", "CANCELED", "10000/1000/0")),
    ],
    "J.1.d done for day, corrected, busted: it stays done for day": [
        (("fill", "5000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/5000/5000")),
        (("finish_day",), ("X", None, "DONE_FOR_DAY", "DONE_FOR_DAY", "10000/5000/0")),
        (("correct", "E", "5000", "4000"), ("X", None, "TRADE_CORRECT", "DONE_FOR_DAY", "10000/4000/0")),
        (("bust", "E", "4000"), ("X", None, "TRADE_CANCEL", "DONE_FOR_DAY", "10000/0/0")),
    ],
    "K.1.a suspended and reinstated": [
        (("fill", "6000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/6000/4000")),
        (("suspend",), ("X", None, "SUSPENDED", "SUSPENDED", "10000/6000/4000")),
        (("reinstate",), ("X", None, "NEW", "PARTIALLY_FILLED", "10000/6000/4000")),
    ],
    "L.1.a stopped until more than what was guaranteed is executed": [
        (("stop", "5000", "10"), ("X", None, "STOPPED", "STOPPED", "10000/0/10000")),
        (("fill", "1000"), ("X", None, "TRADE", "STOPPED", "10000/1000/9000")),
        (("fill", "4000"), ("X", None, "TRADE", "STOPPED", "10000/5000/5000")),
        (("fill", "1000"), ("X", None, "TRADE", "PARTIALLY_FILLED", "10000/6000/4000")),
    ],
}


_TYPED: dict[str, Callable[..., tuple[Any, ...]]] = {
    "bust": lambda ref, qty: (ref, Decimal(qty), Decimal(10)),
    "correct": lambda ref, old, new: (ref, (Decimal(old), Decimal(10)), (Decimal(new), Decimal(10))),
    "stop": lambda qty, px: (Decimal(qty), Decimal(px)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    o = order()
    for step, expected in SCENARIOS[name]:
        args: tuple[Any, ...] = step[1:]
        if step[0] in ("bust", "correct", "stop"):
            args = _TYPED[step[0]](*args)
        assert row(do(o, step[0], *args)) == expected, f"{name}: {step}"


def test_filled_order_accepts_correction_and_bust() -> None:
    """J.1.a."""
    o = order()
    o.fill("E1", Decimal(4000), Decimal(10))
    o.fill("E2", Decimal(6000), Decimal(11))
    assert (o.ord_status, o.avg_px) == (OrdStatus.FILLED, Decimal("10.6"))
    corrected = o.correct("E3", "E2", (Decimal(6000), Decimal(11)), (Decimal(6000), Decimal(10)))
    assert (corrected.ord_status, corrected.avg_px, corrected.exec_ref_id) == (OrdStatus.FILLED, Decimal(10), "E2")
    busted = o.bust("E4", "E1", Decimal(4000), Decimal(10))
    assert (busted.ord_status, busted.cum_qty, busted.leaves_qty) == (
        OrdStatus.PARTIALLY_FILLED,
        Decimal(6000),
        Decimal(4000),
    )


def test_gtc_order_done_for_day_keeps_its_leaves_and_is_renewed() -> None:
    """H.1.a."""
    o = order(tif=TimeInForce.GTC)
    o.fill("E1", Decimal(2000), Decimal(10))
    done = o.finish_day("E2")
    assert (done.ord_status, done.leaves_qty) == (OrdStatus.DONE_FOR_DAY, Decimal(8000))
    restated = o.restate("E3", ExecType.RESTATED, 1, o.terms)
    assert (restated.ord_status, restated.leaves_qty) == (OrdStatus.PARTIALLY_FILLED, Decimal(8000))


def test_stock_split_scales_quantities_and_prices() -> None:
    """H.1.b."""
    o = order(tif=TimeInForce.GTC)
    o.fill("E1", Decimal(2000), Decimal(10))
    o.split(Decimal(2))
    r = o.restate("E2", ExecType.RESTATED, 0, o.terms)
    assert (r.order_qty, r.cum_qty, r.leaves_qty, r.avg_px) == tuple(map(Decimal, ("20000", "4000", "16000", "5")))
    assert r.terms is not None
    assert r.terms.price == Decimal(5)


def test_unacknowledged_order_can_be_canceled_while_pending() -> None:
    """B.1.d."""
    o = order(acknowledged=False)
    assert o.pending_new("E1").ord_status is OrdStatus.PENDING_NEW
    pending = o.request("Y", None)
    assert o.show_pending("E2", pending).ord_status is OrdStatus.PENDING_CANCEL
    assert o.acknowledge("E3").ord_status is OrdStatus.PENDING_CANCEL
    assert o.accept("E4", pending).ord_status is OrdStatus.CANCELED


def test_cash_order_has_no_quantity_until_its_price_is_known() -> None:
    """L.1.b."""
    o = Order(
        number=1,
        order_id="O1",
        owner="S",
        symbol="ACME",
        side=Side.BUY,
        cl_ord_id="X",
        terms=Terms(ord_type=OrdType.MARKET, cash_order_qty=Decimal(10000)),
    )
    assert (o.acknowledge("E1").ord_status, o.leaves_qty) == (OrdStatus.NEW, Decimal(0))
    o.order_qty = Decimal(200)
    assert o.fill("E2", Decimal(200), Decimal(50)).ord_status is OrdStatus.FILLED


@pytest.mark.parametrize(
    ("prepare", "replace_to", "reason"),
    [
        (lambda o: o.cancel("E"), None, CxlRejReason.TOO_LATE),
        (lambda o: o.fill("E", Decimal(10000), Decimal(10)), None, CxlRejReason.TOO_LATE),
        (lambda o: o.fill("E", Decimal(10000), Decimal(10)), "10000", CxlRejReason.TOO_LATE),
        (lambda o: o.fill("E", Decimal(10000), Decimal(10)), "10001", None),
        (lambda o: o.finish_day("E"), None, CxlRejReason.TOO_LATE),
        (lambda o: o.request("P", None), None, CxlRejReason.ALREADY_PENDING),
        (lambda o: o.fill("E", Decimal(9999), Decimal(10)), None, None),
    ],
)
def test_why_a_cancel_or_replace_is_refused(prepare: Any, replace_to: str | None, reason: int | None) -> None:
    o = order()
    prepare(o)
    refusal = o.why_not(None if replace_to is None else terms(replace_to))
    assert (refusal and refusal[0]) == reason


def test_precedence_is_that_of_fix() -> None:
    """Of two that hold, the higher one shows: 12 Pending Cancel down to 2 New."""
    o = order()
    shown = [o.fill("E1", Decimal(10000), Decimal(10)), o.calculate("E2"), o.finish_day("E3")]
    shown += [o.show_pending("E4", o.request("Y", terms("11000"))), o.show_pending("E5", o.request("Z", None))]
    assert [r.ord_status.name for r in shown] == [
        "FILLED",
        "CALCULATED",
        "DONE_FOR_DAY",
        "PENDING_REPLACE",
        "PENDING_CANCEL",
    ]


def test_rejected_order_stays_rejected_and_cannot_be_rejected_after_a_fill() -> None:
    o = order(acknowledged=False)
    assert o.reject("E1", 0).ord_status is OrdStatus.REJECTED
    assert o.leaves_qty == 0
    filled = order()
    filled.fill("E2", Decimal(1), Decimal(1))
    with pytest.raises(RuleBroken):
        filled.reject("E3", 0)
