"""What positions of several asset classes make together, when not all of them move as one."""

from decimal import Decimal

from gateway.core.money import ZERO, add, multiply
from gateway.core.risk.book import Node
from gateway.core.risk.setup import RiskInstrument
from gateway.core.risk.state import RiskState

_ONE = Decimal(1)
_HUNDREDTH = Decimal("0.01")


def sigma_of(instrument: RiskInstrument, value: Decimal) -> Decimal:
    """A day's standard deviation of a value."""
    pct = instrument.volatility_pct
    return multiply(multiply(value, pct), _HUNDREDTH) if pct else ZERO


def squared_with(risk: RiskState, each: Node, asset_class: str, more: Decimal) -> Decimal:
    """The square of a scope's correlation-adjusted exposure, with `more` standard deviations in one asset class."""
    twice = multiply(more, of(risk, asset_class, asset_class))
    for other, sigma in each.sigmas.items():
        twice = add(twice, multiply(add(sigma, sigma), of(risk, asset_class, other)))
    return add(each.correlated, multiply(more, twice))


def squared(risk: RiskState, each: Node) -> Decimal:
    """The same from scratch, as it is."""
    total = ZERO
    for one, first in each.sigmas.items():
        for other, second in each.sigmas.items():
            total = add(total, multiply(multiply(first, second), of(risk, one, other)))
    return total


def of(risk: RiskState, one: str, other: str) -> Decimal:
    """Of two asset classes; what nobody said is 1."""
    known = risk.book.correlations.get((one, other))
    if known is None:
        said, (first, last) = risk.setup.correlations, sorted((one, other))
        known = said.get(f"{first}/{last}", said.get(f"{last}/{first}", _ONE))
        risk.book.correlations[one, other] = known
    return known
