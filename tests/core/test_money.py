"""Rule 6: money is exact, and what cannot be exact is rounded in one place, in one way."""

from decimal import Decimal, Inexact, getcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import money

PARSED = st.decimals(
    min_value=Decimal(-(10**15)) + 1, max_value=Decimal(10**15) - 1, places=10, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", "100"),
        ("100.00", "100"),
        ("007.50", "7.5"),
        ("-1.25", "-1.25"),
        (".5", "0.5"),
        ("-0", "0"),
        ("0.0000000001", "0.0000000001"),
        ("999999999999999.9999999999", "999999999999999.9999999999"),
    ],
)
def test_a_number_has_one_spelling(text: str, value: str) -> None:
    parsed = money.parse_decimal(text)
    assert str(parsed) == str(Decimal(value))
    assert parsed.as_tuple() == Decimal(value).as_tuple()


WRONG = """
    - . 1e3 1E3 NaN Infinity -inf 1,000 1_000 +1 --1 1- 1.2.3 0x10 １ 1000000000000000 0.00000000001
"""  # noqa: RUF001  # One of the digits is a wide one.


@pytest.mark.parametrize("text", ["", " 1", "1 ", "9" * 33, "1" + "0" * 400, *WRONG.split()])
def test_what_is_no_plain_number_or_has_too_many_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        money.parse_decimal(text)


@given(PARSED)
def test_every_number_the_gateway_carries_survives_its_text(value: Decimal) -> None:
    short = money.plain(value)
    assert short == value
    assert money.parse_decimal(f"{short:f}") == value


@given(st.lists(st.tuples(PARSED, PARSED), max_size=20))
def test_sums_of_products_are_exact(terms: list[tuple[Decimal, Decimal]]) -> None:
    total = money.ZERO
    for qty, px in terms:
        total = money.add(total, money.multiply(qty, px))
    assert Fraction(total) == sum((Fraction(qty) * Fraction(px) for qty, px in terms), Fraction(0))


def test_what_cannot_be_exact_is_never_rounded_silently() -> None:
    with pytest.raises(Inexact):
        money.EXACT.divide(Decimal(1), Decimal(3))


def test_within_exactly_plain_operators_are_exact_and_outside_nothing_changes() -> None:
    longest, outside = Decimal("999999999999999.9999999999"), getcontext()

    @money.exactly
    def square() -> Decimal:
        return longest * longest

    @money.exactly
    def twice() -> Decimal:
        return square() + square()  # The first does not end what this function began.

    @money.exactly
    def seventh() -> Decimal:
        return twice() / 7

    assert Fraction(twice()) == 2 * Fraction(longest) ** 2
    with pytest.raises(Inexact):
        seventh()
    assert getcontext() is outside
    assert Fraction(longest * longest) != Fraction(longest) ** 2


@given(PARSED, PARSED.filter(bool))
def test_an_average_is_the_nearest_number_with_ten_decimals(total: Decimal, count: Decimal) -> None:
    found = Fraction(money.average(total, count))
    assert abs(found - Fraction(total) / Fraction(count)) <= Fraction(1, 2 * 10**10)


@given(st.decimals(0, Decimal(10) ** 60, places=20))
def test_a_square_root_is_the_nearest_number_with_ten_decimals(square: Decimal) -> None:
    found, half = Fraction(money.square_root(square)), Fraction(1, 2 * 10**10)
    assert max(0, found - half) ** 2 <= Fraction(square) <= (found + half) ** 2


@pytest.mark.parametrize(
    ("total", "count", "average"),
    [
        ("10", "3", "3.3333333333"),
        ("20", "3", "6.6666666667"),
        ("0.0000000001", "2", "0"),  # A tie goes to the even neighbour,
        ("0.0000000003", "2", "0.0000000002"),  # from either side.
        ("1000", "10", "100"),
        ("5", "0", "0"),
    ],
)
def test_averages_by_hand(total: str, count: str, average: str) -> None:
    assert str(money.average(Decimal(total), Decimal(count))) == str(money.plain(Decimal(average)))


@given(st.integers(-(10**18), 10**18), st.sampled_from(["0.01", "0.05", "1", "100", "0.0000000001", "0.125"]))
def test_steps(count: int, step: str) -> None:
    size = Decimal(step)
    assert money.is_multiple(size * count, size)
    assert not money.is_multiple(size * count + size / 2, size)
