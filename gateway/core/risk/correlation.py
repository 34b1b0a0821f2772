"""What positions of several asset classes make together at worst, when not all of them move as one.

Working orders may fill or not. So each asset class counts with the largest or with the smallest that it can become,
whichever makes the whole larger: no working order lowers the figure, also not one that would be a hedge.
"""

from collections.abc import Mapping
from decimal import Decimal

from gateway.core.money import ZERO, add, exactly, multiply
from gateway.core.risk.book import Sigma
from gateway.core.risk.setup import RiskInstrument
from gateway.core.risk.state import RiskState

_ONE = Decimal(1)
_HUNDREDTH = Decimal("0.01")
Taken = tuple[str, tuple[Decimal, ...]]
"""An asset class with what it can be: one of the two, or still either."""
MOST_WAYS = 16
"""How many combinations are looked at: all of four asset classes with working orders. What there is beyond these counts
with the worst against each of the others by itself, which is never less.
"""


def sigma_of(instrument: RiskInstrument, value: Decimal) -> Decimal:
    """A day's standard deviation of a value."""
    pct = instrument.volatility_pct
    return multiply(multiply(value, pct), _HUNDREDTH) if pct else ZERO


def squared_with(risk: RiskState, sigmas: Mapping[str, Sigma], asset_class: str, more: Sigma) -> Decimal:
    """The square of a scope's correlation-adjusted exposure, with `more` standard deviations in one asset class."""
    largest, smallest = sigmas.get(asset_class, (ZERO, ZERO))
    return squared(risk, {**sigmas, asset_class: (add(largest, more[0]), add(smallest, more[1]))})


@exactly
def squared(risk: RiskState, sigmas: Mapping[str, Sigma]) -> Decimal:
    """The same as it is."""
    ways: list[tuple[tuple[Taken, ...], Decimal]] = [((), ZERO)]
    for name, (largest, smallest) in sorted(sigmas.items()):
        if largest == smallest:
            choices: list[tuple[Decimal, ...]] = [(largest,)] if largest else []
        else:
            choices = [(largest,), (smallest,)] if len(ways) < MOST_WAYS else [(largest, smallest)]
        if choices:
            ways = [
                ((*taken, (name, each)), total + _added(risk, taken, name, each))
                for taken, total in ways
                for each in choices
            ]
    return max([total for _, total in ways])


def _added(risk: RiskState, taken: tuple[Taken, ...], name: str, ours: tuple[Decimal, ...]) -> Decimal:
    """What one asset class more adds to those that are taken."""
    added = max([sigma * sigma for sigma in ours])
    for other, theirs in taken:
        twice = of(risk, name, other) * 2
        if twice:
            added += max([twice * first * second for first in ours for second in theirs])
    return added


def of(risk: RiskState, one: str, other: str) -> Decimal:
    """Of two asset classes; what nobody said is 1."""
    known = risk.book.correlations.get((one, other))
    if known is None:
        said, (first, last) = risk.setup.correlations, sorted((one, other))
        known = said.get(f"{first}/{last}", said.get(f"{last}/{first}", _ONE))
        risk.book.correlations[one, other] = known
    return known
