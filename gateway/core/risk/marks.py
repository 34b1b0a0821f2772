"""Marks and rates as somebody gives them: what cannot be a price is refused by name, and then nothing of it is taken.

A crossed or a far mark is taken: it is what the market says, and the checks do not trust it.
"""

from collections.abc import Iterator
from decimal import Decimal

from gateway.core.events import Event
from gateway.core.money import LIMIT, MAX_DECIMALS, MAX_INTEGER_DIGITS
from gateway.core.refusal import Refusal
from gateway.core.risk import events as re
from gateway.core.risk.commands import SetMarks
from gateway.core.risk.setup import RiskSetup
from gateway.core.types import Reason

MAX_MARKS = 1_000
"""How many marks and rates one command may have (rule 7): with the revaluation behind each, other commands wait."""


def checked(setup: RiskSetup, asked: SetMarks) -> Event:
    """What is worth something else now.

    Raises:
        Refusal: an instrument or a currency is unknown, or a price cannot be one.
    """
    count = len(asked.marks) + len(asked.rates)
    if not count:
        raise Refusal(Reason.FIELD_REQUIRED, "marks", "give at least one mark or rate")
    if count > MAX_MARKS:
        raise Refusal(Reason.FIELD_INVALID, "marks", f"{count} marks and rates are more than {MAX_MARKS} at once")
    for field, symbol, px in _prices(asked):
        if symbol not in setup.instruments:
            raise Refusal(Reason.SYMBOL_UNKNOWN, field, f"risk knows no instrument {symbol!r}")
        _check_price(field, symbol, px)
    currencies = {*setup.rates, *(each.currency for each in setup.instruments.values())} - {setup.currency}
    for currency, rate in asked.rates.items():
        field = f"rates[{currency}]"
        if currency not in currencies:
            there_are = ", ".join(sorted(currencies)) or "none"
            raise Refusal(
                Reason.FIELD_INVALID, field, f"{currency!r} is no currency with a rate in {setup.currency}: {there_are}"
            )
        _check_price(field, currency, rate)
    return re.MarksSet(asked.marks, asked.rates)


def _prices(asked: SetMarks) -> Iterator[tuple[str, str, Decimal]]:
    for place, mark in enumerate(asked.marks):
        yield f"marks[{place}].px", mark.symbol, mark.px
        if mark.bid is not None:
            yield f"marks[{place}].bid", mark.symbol, mark.bid
        if mark.ask is not None:
            yield f"marks[{place}].ask", mark.symbol, mark.ask


def _check_price(field: str, name: str, px: Decimal) -> None:
    exponent = px.as_tuple().exponent
    if not isinstance(exponent, int) or px <= 0:
        raise Refusal(Reason.FIELD_INVALID, field, f"{px} of {name} is not a number above 0")
    if px >= LIMIT or -exponent > MAX_DECIMALS:
        raise Refusal(
            Reason.FIELD_INVALID,
            field,
            f"{px} of {name} has more than {MAX_INTEGER_DIGITS} digits before or {MAX_DECIMALS} behind the point",
        )
