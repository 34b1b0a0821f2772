"""What the sequencer does when nothing waits for it."""

from tests.core.world import order
from tests.runtime.journals import ASKED, running, turns


async def test_the_totals_are_up_to_date_before_the_next_order_asks_for_them() -> None:
    async with running() as run:
        for number in range(3):
            await run.sequencer.execute(order(str(number)), ASKED)
            await turns()
            book = run.sequencer.state.risk.book
            assert (book.touched, book.nodes["firm"].open_orders) == ({}, number + 1)
