"""Chance is Python's own, only quicker: a seed draws what it would have drawn without."""

from random import Random

import pytest

from tests.simulation.scheduler import Chance

WIDTHS = [1, 2, 3, 7, 8, 9, 255, 256, 257, 1_000, 300_000_000, 2**31 - 1, 2**32, 2**32 + 1, 10**18, 2**64 + 1]


@pytest.mark.parametrize("seed", ["0:plan", "4711:network", "99999:client C1-"])
def test_chance_draws_what_random_draws(seed: str) -> None:
    ours, pythons = Chance(seed), Random(seed)
    for width in WIDTHS * 20:
        assert ours.randrange(width) == pythons.randrange(width)
        assert ours.randrange(-5, width) == pythons.randrange(-5, width)
        assert ours.randint(3, 3 + width) == pythons.randint(3, 3 + width)
        assert ours.choice(WIDTHS) == pythons.choice(WIDTHS)
        assert ours.random() == pythons.random()
    many = list(range(50))
    assert ours.sample(many, 20) == pythons.sample(many, 20)
    assert ours.expovariate(0.5) == pythons.expovariate(0.5)


@pytest.mark.parametrize("asked", [(0,), (-1,), (5, 5), (6, 5), (0, 10, 2)])
def test_what_has_no_answer_here_is_refused(asked: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        Chance("any").randrange(*asked)
