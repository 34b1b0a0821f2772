"""The control port: its answers, and what it says is wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sim_exchange.control import Control

Make = Callable[..., Any]


async def test_control_answers_and_names_what_is_wrong(bench: Make) -> None:
    b = bench()
    control = Control(b.exchange, lambda: b.now, lambda: None, lambda: pytest.fail("it would end"))

    async def ask(text: str) -> dict[str, Any]:
        return await control.answer(text.encode())

    assert (await ask('{"do":"ping"}'))["venue"] == "XSIM"
    for text, error in [
        ("nonsense", "malformed"),
        ("[" * 100_000, "recursion depth"),
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


ORDER = {"session": "FIX.4.4:XSIM->GATEWAY", "symbol": "ACME", "side": "1"}


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"do": "drop", "session": []}, "session: expected a string"),
        ({"do": "wait", "for": "sent", "msg_type": "8", "cl_ord_id": []}, "cl_ord_id: expected a string"),
        ({"do": "fault", "kind": "delay", "delay_ms": 10**18}, "delay_ms: expected 0 to 600000"),
        ({"do": "fill", "cl_ord_id": "X", "qty": "1", "px": "1e30"}, "px: expected a decimal below"),
        ({"do": "fill", "cl_ord_id": "X", "qty": "1e999999", "px": "1"}, "qty: expected a decimal below"),
        ({"do": "fill", "cl_ord_id": "X", "qty": "1", "px": "1e-13"}, "at most 12 places"),
        ({"do": "fill", "cl_ord_id": "X", "qty": "1", "px": "1", "exec_id": "E", "order_qty": "500"}, "already has"),
        ({"do": "fill", "cl_ord_id": "X", "qty": "1", "px": "1", "tags": {"1" * 5000: "x"}}, "tags: expected"),
        ({"do": "lie", "cl_ord_id": "X", "tags": {"1" * 5000: "x"}}, "tags: expected"),
        ({"do": "correct", "cl_ord_id": "X", "qty": "-5"}, "qty must be positive"),
        ({"do": "restate", "cl_ord_id": "X", "qty": "-5"}, "qty must be positive"),
        ({"do": "restate", "cl_ord_id": "X", "ratio": "100000000000000"}, "ratio: expected one that leaves"),
        ({"do": "restate", "cl_ord_id": "X", "ratio": "2", "price": "junk"}, "price: expected a decimal"),
        ({"do": "stopped", "cl_ord_id": "X", "qty": "-1", "px": "1"}, "qty must be positive"),
        ({"do": "phone_order", **ORDER, "qty": "1e30"}, "qty: expected a decimal below"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_changes_nothing(
    bench: Make, request_: dict[str, Any], error: str
) -> None:
    b = bench()
    failed: list[bool] = []
    control = Control(b.exchange, lambda: b.now, lambda: None, lambda: failed.append(True))
    b.new("X", "1", "10", "99.00")
    b.desk("fill", cl_ord_id="X", qty="2", px="99.00", exec_id="E")
    before = msgspec.to_builtins(b.venue.orders)
    answer = await control.answer(msgspec.json.encode(request_))
    assert not answer["ok"]
    assert error in answer["error"]
    assert (failed, msgspec.to_builtins(b.venue.orders)) == ([], before)


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


async def test_a_long_listing_lets_others_in_between(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And shows the last rows of all that match, each of them made only when it is shown."""
    b = bench()
    control = Control(b.exchange, lambda: b.now, lambda: None, lambda: None)
    for n in range(40):
        b.new(f"S{n}", "2", "1", "101.00")
        b.new(f"B{n}", "1", "1", "101.00")
        b.new(f"X{n}", "1", "1", "99.00")
    monkeypatch.setattr("sim_exchange.control.LOOK_SLICE", 10)
    monkeypatch.setattr("sim_exchange.control.SHOW_SLICE", 2)
    for request, total, pauses, last in (
        ({"do": "orders", "limit": 6}, 120, 15, "X39"),
        ({"do": "orders", "limit": 6, "open": True}, 40, 7, "X39"),
        ({"do": "orders", "limit": 6, "open": False}, 80, 15, "B39"),
        ({"do": "orders", "cl_ord_id": "S7"}, 1, 1, "S7"),
        ({"do": "executions", "limit": 6}, 80, 11, "B39"),
    ):
        asking = asyncio.ensure_future(control.answer(msgspec.json.encode(request)))
        await asyncio.sleep(0)
        turns = 0
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        answer = asking.result()
        rows = answer["orders" if request["do"] == "orders" else "executions"]
        assert (answer["ok"], answer["total"], turns, rows[-1]["cl_ord_id"]) == (True, total, pauses, last), request
        assert len(rows) == min(total, 6)
    assert (await control.answer(b'{"do":"stats"}'))["open_orders"] == 40
