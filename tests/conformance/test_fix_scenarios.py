"""The 47 scenarios of Appendix D over real FIX, through a running gateway and a running exchange.

One gateway and one exchange serve all paths in all versions of FIX; each path is one order, or a few. The page
docs/order-states.md is written from what this run and the core's run give.
"""

import pytest

from tests.conformance.fix_stack import SESSIONS
from tests.conformance.outcomes import PATHS, Outcomes, all_outcomes
from tests.conformance.page import PAGE, page
from tests.conformance.scenario import Path, Scenario

CASES = [
    pytest.param(version, scenario, path, id=f"{version}-{scenario.id}-{path.name}")
    for version in SESSIONS
    for scenario, path in PATHS
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return all_outcomes(tmp_path_factory.mktemp("conformance"))


@pytest.mark.parametrize(("version", "scenario", "path"), CASES)
def test_every_row_over_fix(outcomes: Outcomes, version: str, scenario: Scenario, path: Path) -> None:
    outcome = outcomes[version, scenario.id, path.name]
    assert not outcome.problem
    assert outcome.rows == len(path.rows)


def test_the_page_is_what_the_run_gives(outcomes: Outcomes) -> None:
    """`make conformance` writes it again."""
    assert PAGE.read_text(encoding="utf-8") == page(outcomes)
