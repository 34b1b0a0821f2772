"""The control port: its answers, and what it says is wrong."""

from collections.abc import Callable
from typing import Any

from sim_exchange.control import Control

Make = Callable[..., Any]


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
