"""C13: who slept between a commit and what comes of it may have been overtaken meanwhile, and sends nothing then."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.core.events import Record
from gateway.runtime import sequencer
from gateway.runtime.ports import EpochStale, JournalError
from tests.core.world import order
from tests.runtime.journals import ASKED, HeldJournal, ended, running, turns


class Sleeper(HeldJournal):
    """A journal whose process is stopped right after the next commits, for so many seconds each."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.now_s = 0.0
        self.naps: list[float] = []
        self.asked = 0
        self.away = 0

    def clock_s(self) -> float:
        return self.now_s

    def append(self, records: Sequence[Record]) -> None:
        super().append(records)
        self._nap()

    def confirm(self) -> None:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise JournalError("the server is restarting")
        super().confirm()
        self._nap()

    def _nap(self) -> None:
        if self.naps:
            self.now_s += self.naps.pop(0)


@pytest.mark.parametrize("here", [False, True])
async def test_overtaken_while_it_slept_it_releases_nothing_of_what_it_had_committed(here: bool) -> None:
    disk = Disk()
    journal = Sleeper(disk)
    async with running(journal=journal, clock_s=journal.clock_s, commit_here=here) as run:
        reply = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        journal.naps = [sequencer.SLEPT_S * 2]
        overtakes(journal, disk)
        error = await ended(run.task)
        assert isinstance(error, EpochStale)
        assert run.fatal == [error]
        assert run.released == []
        assert not reply.done()
        reply.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reply
        assert len(journal.batches) == 1, "durable it is, and its new owner decides what becomes of it"


def overtakes(journal: Sleeper, disk: Disk) -> None:
    """Another opens the journal as soon as the next batch is in it."""
    real = journal.inner.append

    def append(records: Sequence[Record]) -> None:
        real(records)
        MemoryJournal(disk).open()

    journal.inner.append = append  # type: ignore[method-assign]


async def test_who_is_not_overtaken_goes_on_when_it_has_looked_without_sleeping() -> None:
    journal = Sleeper(Disk())
    async with running(journal=journal, clock_s=journal.clock_s) as run:
        journal.naps = [sequencer.SLEPT_S * 2, sequencer.SLEPT_S * 3]
        assert (await run.sequencer.execute(order("1"), ASKED)).reason is None
        assert journal.asked == 2, "asleep again while it asked, it asked again"
        assert len(run.released) == 2


async def test_a_commit_that_is_quick_asks_nobody() -> None:
    journal = Sleeper(Disk())
    async with running(journal=journal, clock_s=journal.clock_s) as run:
        journal.naps = [sequencer.SLEPT_S / 2]
        await run.sequencer.execute(order("1"), ASKED)
        assert journal.asked == 0


async def test_nothing_leaves_while_nobody_can_say_whose_the_journal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "ASK_AGAIN_S", 0.0)
    journal = Sleeper(Disk())
    async with running(journal=journal, clock_s=journal.clock_s) as run:
        journal.naps, journal.away = [sequencer.SLEPT_S * 2], 5
        reply = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        while journal.asked < 5:
            assert run.released == []
            await turns(1)
        assert (await reply).reason is None
        assert journal.asked == 6


async def test_a_machine_on_which_every_answer_takes_long_goes_on() -> None:
    journal = Sleeper(Disk())
    async with running(journal=journal, clock_s=journal.clock_s) as run:
        journal.naps = [sequencer.SLEPT_S * 2] * 100
        assert (await run.sequencer.execute(order("1"), ASKED)).reason is None
        assert journal.asked == sequencer.MOST_ASKS


@pytest.mark.parametrize("stopping", [False, True])
async def test_when_nobody_can_say_for_too_long_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    """As with a commit that cannot be made: what is durable is found by the next start, and nothing leaves late."""
    monkeypatch.setattr(sequencer, "ASK_AGAIN_S", 0.0)
    journal = Sleeper(Disk())
    async with running(journal=journal, clock_s=journal.clock_s) as run:
        journal.naps, journal.away = [sequencer.SLEPT_S * 2], 1_000_000
        reply = asyncio.create_task(run.sequencer.execute(order("1"), ASKED))
        while journal.asked < 3:
            await turns(1)
        if stopping:
            run.sequencer.stop()
        journal.now_s += sequencer.GIVE_UP_S
        assert isinstance(await ended(run.task), JournalError)
        assert (run.released, len(run.fatal), reply.done()) == ([], 1, False)
        reply.cancel()
