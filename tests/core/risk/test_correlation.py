"""The correlation-adjusted exposure is the worst that working orders can make of it, and never less."""

from decimal import Decimal
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.risk import correlation
from gateway.core.risk.book import Sigma
from gateway.core.risk.setup import RiskSetup
from gateway.core.risk.state import RiskState

CLASSES = "abcdefgh"
ZERO = Decimal(0)
sigmas = st.tuples(st.integers(-9, 9), st.integers(0, 5)).map(lambda of: (Decimal(of[0] + of[1]), Decimal(of[0])))
pairs = {f"{one}/{other}": st.sampled_from([-1, 0, 1]).map(Decimal) for one, other in combinations(CLASSES, 2)}


def of_points(risk: RiskState, points: dict[str, Decimal]) -> Decimal:
    return sum(
        (correlation.of(risk, one, other) * points[one] * points[other] for one in points for other in points), ZERO
    )


def worst(risk: RiskState, known: dict[str, Sigma]) -> Decimal:
    """Of all the combinations, one by one."""
    return max(of_points(risk, dict(zip(known, points, strict=True))) for points in product(*known.values()))


@given(st.dictionaries(st.sampled_from(CLASSES), sigmas), st.fixed_dictionaries(pairs))
def test_it_is_the_largest_of_all_combinations_and_beyond_four_classes_not_less(
    known: dict[str, Sigma], said: dict[str, Decimal]
) -> None:
    risk = RiskState(RiskSetup(correlations=said))
    found = correlation.squared(risk, known)
    if len(known) <= 4:
        assert found == worst(risk, known)
    else:
        assert found >= worst(risk, known)


def test_beyond_four_classes_what_works_counts_with_the_worst_against_each_other() -> None:
    open_: Sigma = (Decimal(1), Decimal(-1))
    assert correlation.squared(RiskState(), dict.fromkeys(CLASSES, open_)) == 8 * 8
    assert correlation.squared(RiskState(), dict.fromkeys(CLASSES, (Decimal(1), Decimal(1)))) == 8 * 8


@given(st.dictionaries(st.sampled_from(CLASSES[:4]), sigmas, min_size=1), st.fixed_dictionaries(pairs), st.data())
def test_one_working_order_more_never_lowers_it(
    known: dict[str, Sigma], said: dict[str, Decimal], data: st.DataObject
) -> None:
    risk = RiskState(RiskSetup(correlations=said))
    name, more = data.draw(st.sampled_from(sorted(known))), Decimal(data.draw(st.integers(1, 9)))
    for order in ((more, ZERO), (ZERO, -more)):
        assert correlation.squared_with(risk, known, name, order) >= correlation.squared(risk, known)
