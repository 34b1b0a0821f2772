"""When order entry is open again, as the crash campaign sees it."""

import pytest

from ops.crash.load import Openings


async def test_an_answer_that_was_on_its_way_opens_nothing() -> None:
    openings = Openings(("XSIM", "YSIM"))
    expected = openings.expect()
    openings.note("XSIM", expected - 0.001)  # Sent before the kill, and its answer was read after the start.
    openings.note("YSIM", expected)
    with pytest.raises(TimeoutError):
        await openings.all_open(0)
    openings.note("XSIM", expected)
    assert await openings.all_open(0) >= expected


async def test_every_order_counts_as_load() -> None:
    openings = Openings(("XSIM",))
    before = openings.accepted
    openings.note("XSIM", openings.expect() - 1)
    assert openings.accepted == before + 1
