"""The simulator finds bugs: each that is planted is found within a few seeds, and is what makes them fail."""

from collections.abc import Iterator

import pytest

from tests.simulation.bugs import BUGS, Bug
from tests.simulation.world import Outcome, simulate

MOST_SEEDS = 60


@pytest.mark.parametrize("bug", BUGS, ids=[bug.__name__ for bug in BUGS])
def test_a_planted_bug_is_found(bug: Bug) -> None:
    found = next((outcome for outcome in outcomes(bug) if outcome.failure), None)
    assert found is not None, f"{bug.__name__} is not found within {MOST_SEEDS} seeds"
    assert not is_a_crash(found.failure), f"{bug.__name__} breaks the program, not a promise: {found.failure}"
    print(f"{bug.__name__} is found by seed {found.seed}: {found.failure}")
    assert not simulate(found.seed).failure, f"seed {found.seed} fails without the bug too"


def is_a_crash(failure: str) -> bool:
    """A bug that cannot even run would be found by anything."""
    raised = failure.startswith(("fatal: ", "raised: ", "a task or callback failed: "))
    return raised and "InvariantBroken" not in failure


def outcomes(bug: Bug) -> Iterator[Outcome]:
    """Of the seed that is known to find it, then of the others: which one does changes with the gateway."""
    for seed in (BUGS[bug], *range(MOST_SEEDS)):
        with bug():
            outcome = simulate(seed)
        yield outcome


def test_there_are_ten_and_no_two_are_the_same() -> None:
    assert len({bug.__name__ for bug in BUGS}) == len(BUGS) >= 10
