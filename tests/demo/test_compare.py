"""The demo's verdict comes from comparing three accounts: each kind of difference that can be planted is found."""

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal

import pytest

from ops.demo.compare import ClientView, Fill, JournalView, VenueView, Verdict, compare

A, B = Fill("XSIM", "E1", Decimal(10), Decimal(100)), Fill("YSIM", "E1", Decimal(5), Decimal(101))
CLIENT = ClientView(orders={"a": "O1", "b": "O2"}, fills=[A, B], latencies_us=[30, 10, 20])
JOURNAL = JournalView(orders={"a": "O1", "b": "O2"}, at_venue={"R1": "O1", "R2": "O2"}, fills=[A, B], in_doubt=0)
VENUE = VenueView(received={"R1": 1, "R2": 1}, fills=[A, B])

Plant = Callable[[ClientView, JournalView, VenueView], object]


def test_three_equal_accounts_lose_and_duplicate_nothing() -> None:
    verdict = compare(CLIENT, JOURNAL, VENUE)
    assert verdict == Verdict(
        orders=2, executions=2, venue_executions=2, lost=0, duplicated=0, in_doubt=0, p50_us=20, p99_us=30
    )
    assert verdict.as_line() == (
        '{"orders":2,"executions":2,"venue_executions":2,"lost":0,"duplicated":0,"in_doubt":0,"p50_us":20,"p99_us":30}'
    )


@pytest.mark.parametrize(
    ("plant", "lost", "duplicated"),
    [
        pytest.param(lambda c, j, v: j.orders.pop("a"), 1, 0, id="an accepted order is not in the journal"),
        pytest.param(lambda c, j, v: j.orders.update(a="O9"), 1, 0, id="the journal has another order under the key"),
        pytest.param(lambda c, j, v: v.received.pop("R1"), 1, 0, id="an order never reached the venue"),
        pytest.param(lambda c, j, v: j.fills.remove(A), 1, 1, id="the journal missed a fill that the client was told"),
        pytest.param(lambda c, j, v: c.fills.remove(A), 1, 0, id="a fill was not told to the client"),
        pytest.param(lambda c, j, v: (j.fills.remove(A), c.fills.remove(A)), 1, 0, id="both missed a fill"),
        pytest.param(lambda c, j, v: v.received.update(R1=2), 0, 1, id="an order was sent twice"),
        pytest.param(lambda c, j, v: v.received.update(R9=1), 0, 1, id="the venue has an order that nobody decided"),
        pytest.param(lambda c, j, v: c.fills.append(A), 0, 1, id="a fill was told twice"),
        pytest.param(lambda c, j, v: (j.fills.append(A), c.fills.append(A)), 0, 1, id="a fill was booked twice"),
        pytest.param(lambda c, j, v: setattr(c, "repeated_events", 3), 0, 3, id="events were delivered twice"),
        pytest.param(
            lambda c, j, v: v.fills.__setitem__(0, A._replace(last_px=Decimal(99))), 1, 1, id="a fill at another price"
        ),
    ],
)
def test_a_planted_difference_is_found(plant: Plant, lost: int, duplicated: int) -> None:
    accounts = deepcopy((CLIENT, JOURNAL, VENUE))
    plant(*accounts)
    verdict = compare(*accounts)
    assert (verdict.lost, verdict.duplicated) == (lost, duplicated), verdict.problems
    assert verdict.problems
