"""How long to wait before trying again."""

import math
from random import Random

FIRST_S = 0.05
CAP_S = 2.0


class Backoff:
    """Doubles from 50 ms to 2 s. Each delay is drawn between half of that and all of it, so that clients which lost the
    same gateway do not come back together.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._tries = 0

    def next_s(self) -> float:
        """The next delay, in seconds."""
        longest = min(CAP_S, math.ldexp(FIRST_S, self._tries))
        self._tries += longest < CAP_S
        return longest * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: begin with short delays again."""
        self._tries = 0
