"""Marks and rates as somebody sets them: what cannot be a price is refused by name, and then nothing of it is taken."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.core.risk import events as re
from gateway.core.risk import marks
from gateway.core.risk.commands import SetMarks
from gateway.core.risk.events import Mark
from gateway.core.types import Reason
from tests.core.world import SETTINGS, World, restarted


def mark(symbol: str = "ACME", px: str = "10.5", **changes: str) -> Mark:
    return Mark(symbol, Decimal(px), **{name: Decimal(value) for name, value in changes.items()})


def world() -> World:
    """Risk is in EUR; USD is known by its rate."""
    return World.started(replace(SETTINGS, risk=replace(SETTINGS.risk, rates={"USD": Decimal("0.9")})))


def test_marks_and_rates_are_set() -> None:
    of = world()
    said = (mark(), mark("FUT", "20", bid="21", ask="19"))

    assert of.ask(SetMarks("feed", said, {"USD": Decimal("0.8")})).reason is None
    assert of.events(re.MarksSet) == [re.MarksSet(said, {"USD": Decimal("0.8")})]
    assert of.state.risk.marks["ACME"].mark == mark()
    assert of.state.risk.marks["FUT"].mark.bid == 21, "a crossed mark is what the market says"
    assert of.state.risk.rates == {"USD": Decimal("0.8")}
    assert restarted(of).state.risk.marks == of.state.risk.marks


@pytest.mark.parametrize(
    ("said", "rates", "reason", "field"),
    [
        ((), {}, Reason.FIELD_REQUIRED, "marks"),
        ((mark(), mark("NONE")), {}, Reason.SYMBOL_UNKNOWN, "marks[1].px"),
        ((mark(px="0"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(px="-1"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(px="NaN"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(px="Infinity"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(px="1e15"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(px="0.00000000001"),), {}, Reason.FIELD_INVALID, "marks[0].px"),
        ((mark(bid="0"),), {}, Reason.FIELD_INVALID, "marks[0].bid"),
        ((mark(), mark("FUT", ask="-1")), {}, Reason.FIELD_INVALID, "marks[1].ask"),
        ((), {"GBP": "1"}, Reason.FIELD_INVALID, "rates[GBP]"),
        ((), {"EUR": "1"}, Reason.FIELD_INVALID, "rates[EUR]"),
        ((), {"USD": "0"}, Reason.FIELD_INVALID, "rates[USD]"),
        ((mark(),), {"USD": "-1"}, Reason.FIELD_INVALID, "rates[USD]"),
    ],
)
def test_what_cannot_be_a_price_is_refused_and_nothing_is_taken(
    said: tuple[Mark, ...], rates: dict[str, str], reason: Reason, field: str
) -> None:
    of = world()

    answer = of.ask(SetMarks("feed", said, {name: Decimal(value) for name, value in rates.items()}))

    assert (answer.reason, answer.field) == (reason, field)
    assert not of.state.risk.marks
    assert of.state.risk.rates == {"USD": Decimal("0.9")}


def test_the_number_of_marks_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MAX_MARKS", 2)
    of = world()

    assert of.ask(SetMarks("feed", (mark(), mark("FUT")), {"USD": Decimal(1)})).reason is Reason.FIELD_INVALID
    assert of.ask(SetMarks("feed", (mark(),), {"USD": Decimal(1)})).reason is None
