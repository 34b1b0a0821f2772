"""The sequencer where a commit waits for nothing (durability `process`): made on the loop,
and after a pause that fills it when much comes.
"""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from gateway.core.events import Cause, Record
from gateway.core.risk.commands import StopTrading
from gateway.core.types import Reason
from gateway.runtime.ports import JournalError
from gateway.runtime.sequencer import Sequencer
from tests.core.world import order
from tests.runtime.journals import ASKED, HeldJournal, running, turns
from tests.runtime.test_sequencer import Line


class PromptJournal(HeldJournal):
    """A journal whose commits wait for nothing; it notes on which thread they are made."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def append(self, records: Sequence[Record]) -> None:
        self.threads.append(threading.get_ident())
        super().append(records)


async def test_a_prompt_journal_is_written_on_the_loop_and_still_before_anything_is_released() -> None:
    """Rule 1, where the commit costs less than another thread would."""
    journal = PromptJournal()
    async with running(journal=journal, commit_here=True) as run:
        answers = await run.sequencer.execute_many([order("1"), order("2")], ASKED)
        assert [each.reason for each in answers] == [None, None]
        assert set(journal.threads) == {threading.get_ident()}
        assert [record for batch in journal.batches for record in batch] == run.released


async def test_what_a_prompt_journal_does_not_take_is_released_to_nobody() -> None:
    """C1: memory is ahead of the journal, so the process ends."""
    journal = PromptJournal()
    async with running(journal=journal, commit_here=True) as run:
        released = list(run.released)
        journal.broken = JournalError("the disk is full")
        asked = asyncio.ensure_future(run.sequencer.execute(order("1"), ASKED))
        await turns()
        assert [str(error) for error in run.fatal] == ["the disk is full"]
        assert run.released == released
        assert not asked.done()
        asked.cancel()


def an_hour() -> float:
    """A pause that never passes: tests end it themselves."""
    return 3_600.0


STOP = StopTrading("ann", "firm", "a drill")
OPERATOR = Cause("operator", "ann")


async def test_a_pause_lets_what_comes_share_one_commit() -> None:
    async with running(pause_s=an_hour, commit_here=True) as run:
        asked = asyncio.gather(*(one_after_another(run.sequencer, number) for number in range(20)))
        await turns(50)
        assert run.commits == []
        await run.sequencer.begin([order("last")], ASKED, gathered=True)
        await asked
        await turns()
        assert run.commits == [42]


async def test_a_pause_passes() -> None:
    async with running(pause_s=lambda: 0.001, commit_here=True) as run:
        for number in range(3):
            await one_after_another(run.sequencer, number)
        await turns()
        assert run.commits == [2, 2, 2]


async def one_after_another(sequencer: Sequencer, number: int) -> None:
    await turns(number)
    assert (await sequencer.execute(order(str(number)), ASKED)).reason is None


async def test_a_stop_waits_for_no_pause() -> None:
    """The kill switch goes before everything, also when there is no time to spare, and also before what waits."""
    async with running(pause_s=an_hour, commit_here=True) as run:
        asked = run.sequencer.begin([order("1")], ASKED)
        await turns()
        assert run.commits == []
        answer = await asyncio.wait_for(run.sequencer.execute(STOP, OPERATOR), 10)
        assert answer.reason is None
        assert [each.reason for each in await asked] == [Reason.RISK_STOPPED]


async def test_who_stops_trading_before_a_pause_begins_prevents_it() -> None:
    async with running(pause_s=an_hour, commit_here=True) as run:
        asked = run.sequencer.begin([order("1")], ASKED)
        stopped = run.sequencer.begin([STOP], OPERATOR)
        assert [each.reason for each in await asyncio.wait_for(stopped, 10)] == [None]
        assert [each.reason for each in await asked] == [Reason.RISK_STOPPED]


@pytest.mark.parametrize("first", [True, False])
async def test_who_hands_in_all_that_came_waits_for_no_pause(first: bool) -> None:
    """Whoever came before or after."""
    async with running(pause_s=an_hour, commit_here=True) as run:
        asked = [run.sequencer.begin([order(str(each))], ASKED, gathered=each) for each in (first, not first)]
        answers = await asyncio.wait_for(asyncio.gather(*asked), 10)
        assert [answer.reason for (answer,) in answers] == [None, None]


async def test_who_hands_in_all_that_came_hurries_its_own_batch_only() -> None:
    async with running(pause_s=an_hour, commit_here=True) as run:
        await asyncio.wait_for(run.sequencer.begin([order("1")], ASKED, gathered=True), 10)
        asked = run.sequencer.begin([order("2")], ASKED)
        await turns()
        assert not asked.done()
        await run.sequencer.begin([order("3")], ASKED, gathered=True)
        await asked


async def test_what_is_more_than_a_batch_holds_waits_for_no_pause() -> None:
    async with running(pause_s=an_hour, commit_here=True, max_batch=2) as run:
        asked = [run.sequencer.begin([order(str(number))], ASKED, gathered=number == 0) for number in range(5)]
        await asyncio.wait_for(asyncio.gather(*asked[:4]), 10)
        await turns()
        assert run.commits == [4, 4, 2]


@pytest.mark.parametrize(
    ("gathered", "waits"),
    [((True,), False), ((False,), True), ((False, True), False)],
    ids=["all at once", "one by one", "both"],
)
async def test_facts_alone_wait_as_the_commands_before_them_did(gathered: tuple[bool, ...], waits: bool) -> None:
    """A venue's answers to orders that pause share a commit too; those to orders that do not are told at once."""
    pause_s = [0.001 if gathered == (False,) else an_hour()]
    async with running(pause_s=lambda: pause_s[0], commit_here=True) as run:
        line = Line()
        run.sequencer.add_source(line)
        asked = []
        for each in gathered:
            asked.append(run.sequencer.begin([order(str(len(asked)))], ASKED, gathered=each))
            await turns()
        await asyncio.wait_for(asyncio.gather(*asked), 10)
        pause_s[0] = an_hour()
        await turns()
        run.commits.clear()
        line.hear()
        run.sequencer.wake()
        await turns()
        assert (run.commits == []) is waits


async def test_the_gateways_own_stop_ends_a_pause() -> None:
    """What was taken is decided and answered."""
    async with running(pause_s=an_hour, commit_here=True) as run:
        asked = run.sequencer.begin([order("1")], ASKED)
        await turns()
        assert run.commits == []
        run.sequencer.stop()
        assert [answer.reason for answer in await asyncio.wait_for(asked, 10)] == [None]
