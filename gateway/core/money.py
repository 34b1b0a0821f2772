"""Exact decimal arithmetic (rule 6: no float ever touches a price or a quantity).

Prices and quantities come with at most 15 digits before the point and 10 behind it; what corporate actions and sums
make of them is longer. Nothing here depends on the decimal context of the caller, which would round it: what is
computed is the same in every process, live and in a replay. It is exact under `EXACT`, which traps any rounding: by its
methods, or by plain operators within `exactly`. That is wide enough for the longest that risk needs: the square of a
quantity times a price, a multiplier, a rate and a percentage.
"""

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ZERO = Decimal(0)

MAX_INTEGER_DIGITS = 15
MAX_DECIMALS = 10
LIMIT = Decimal(10) ** MAX_INTEGER_DIGITS

EXACT = Context(prec=400, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_ROUNDED = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_AVERAGE_STEP = Decimal("1E-10")
_ONE = Decimal(1)

add = EXACT.add
subtract = EXACT.subtract
multiply = EXACT.multiply
negated = EXACT.minus  # A plain minus sign would round to 28 digits.


def exactly(function: Callable[P, T]) -> Callable[P, T]:
    """Within the function the plain operators are as exact as `EXACT`, and a third as slow as its methods."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        before = getcontext()
        if before is EXACT:
            return function(*args, **kwargs)
        setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(before)

    return run


def average(total: Decimal, count: Decimal) -> Decimal:
    """`total / count` to 10 decimals, half to even, without trailing zeros; zero when `count` is zero.

    Used where a quotient cannot be exact: AvgPx(6), an average entry price.
    """
    if not count:
        return ZERO
    return plain(_ROUNDED.quantize(_ROUNDED.divide(total, count), _AVERAGE_STEP))


def square_root(value: Decimal) -> Decimal:
    """To 10 decimals, in the same way."""
    return plain(rounded(_ROUNDED.sqrt(value), _AVERAGE_STEP))


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """To the decimals of `step`, half to even, however large it is."""
    return _ROUNDED.quantize(value, step)


def plain(value: Decimal) -> Decimal:
    """The same number in one form: no trailing zeros, no exponent above 0 (10, never 1E+1 or 10.00)."""
    if not value:
        return ZERO
    short = value.normalize(_ROUNDED)
    return short.quantize(_ONE, context=_ROUNDED) if "E+" in str(short) else short


def parse_decimal(text: str) -> Decimal:
    """A price or quantity from its text, in one spelling.

    Raises:
        ValueError: not a plain decimal number, not finite, or more digits than the gateway carries.
    """
    if not text.isascii() or len(text) > 32 or any(c not in "0123456789.-" for c in text):
        raise ValueError(f"{text[:40]!r} is not a plain decimal number like 100 or 99.95")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a plain decimal number like 100 or 99.95") from None
    short = plain(value)
    exponent = short.as_tuple().exponent
    if short.copy_abs() >= LIMIT:
        raise ValueError(f"{text!r} has more than {MAX_INTEGER_DIGITS} digits before the point")
    if isinstance(exponent, int) and -exponent > MAX_DECIMALS:
        raise ValueError(f"{text!r} has more than {MAX_DECIMALS} decimals")
    return short


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """True when `value` is a whole number of `step`s."""
    return not EXACT.remainder(value, step)
