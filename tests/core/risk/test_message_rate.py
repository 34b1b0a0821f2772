"""The leaky bucket of a message rate, under any clock: it neither lets a flood pass nor holds trading up for long."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.commands import CancelOrder
from gateway.core.risk.controls import Control
from gateway.core.types import Reason
from tests.core.risk.test_quick import listened
from tests.core.risk.trading import again, buy, limited
from tests.core.world import CLIENT, SECOND_NS, World

LIMIT, PER_S = 4, 2
WINDOW_NS = PER_S * SECOND_NS
INTERVAL_NS = WINDOW_NS // LIMIT
TURN_NS = 1_000_000
"""By so much the clock of a world goes on with each input."""

CLOCK = st.one_of(
    st.integers(-2 * WINDOW_NS, 2 * WINDOW_NS),
    st.sampled_from([-3_600 * SECOND_NS, INTERVAL_NS - TURN_NS, WINDOW_NS, -WINDOW_NS, 1 - WINDOW_NS]),
)
MOVES = st.lists(st.tuples(st.integers(0, LIMIT + 2), st.booleans(), CLOCK), max_size=12)
"""So many orders, perhaps a cancel, and then the clock goes somewhere."""


def firm() -> World:
    return limited("firm", Control.MESSAGE_RATE, LIMIT, per_s=PER_S)


def passes(world: World) -> bool:
    """Whether one more order may go out, with the reason that it has when it may not."""
    answer = again(world, buy("o"))
    assert answer.reason in (None, Reason.RISK_MESSAGE_RATE), answer
    return answer.reason is None


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_in_no_time_more_passes_than_the_bucket_and_what_leaks_and_one_for_each_time_the_clock_was_set_back(
    moves: list[tuple[int, bool, int]],
) -> None:
    """Time is what the clock went forward by: what it was set back by did not pass."""
    world, elapsed_ns, set_back = firm(), 0, 0
    passed: list[tuple[int, int]] = []
    with listened():
        for orders, _, clock_ns in moves:
            for _ in range(orders):
                elapsed_ns += TURN_NS
                if passes(world):
                    passed.append((elapsed_ns, set_back))
            world.now_ns += clock_ns
            elapsed_ns, set_back = elapsed_ns + max(0, clock_ns), set_back + (clock_ns < 0)
    for (first, (from_ns, before)), (last, (to_ns, after)) in combinations(enumerate(passed), 2):
        assert last - first + 1 <= LIMIT + (to_ns - from_ns) // INTERVAL_NS + after - before


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_whatever_the_clock_did_and_was_sent_nobody_waits_for_longer_than_one_interval(
    moves: list[tuple[int, bool, int]],
) -> None:
    world = firm()
    one = world.submit("one")
    for number, (orders, cancels, clock_ns) in enumerate(moves):
        for _ in range(orders):
            passes(world)
        if cancels:
            world.ask(CancelOrder(CLIENT, f"c{number}", one.cl_ord_id))
        world.now_ns += clock_ns
    if not passes(world):
        world.now_ns += INTERVAL_NS - TURN_NS
        assert passes(world)
