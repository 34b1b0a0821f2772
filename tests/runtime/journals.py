"""Journals that tests can hold up, break and look into, and the sequencer over them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.codec.journal import Told
from gateway.core.engine import Answer
from gateway.core.events import Cause, Input, Record
from gateway.core.reports import ProcessStarted, SessionUp
from gateway.core.state import Settings, State
from gateway.runtime.ports import JournalHead
from gateway.runtime.sequencer import Sequencer
from tests.core.world import CLIENT, SETTINGS, START_NS, order

ASKED = Cause("client", CLIENT)


class HeldJournal:
    """A journal in memory that keeps an append waiting, as a slow disk does, or fails it, as a full one does."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.inner = MemoryJournal(disk or Disk())
        self.inner.open()
        self.batches: list[list[Record]] = []
        self.broken: Exception | None = None
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._appending = threading.Event()

    def hold(self) -> None:
        self._may_go_on.clear()
        self._appending.clear()

    def let_go(self) -> None:
        self._may_go_on.set()

    async def until_appending(self) -> None:
        """Until the sequencer waits inside an append."""
        assert await asyncio.to_thread(self._appending.wait, 10)

    def open(self) -> JournalHead:
        raise AssertionError("it is open")

    def append(self, records: Sequence[Record]) -> None:
        self._appending.set()
        assert self._may_go_on.wait(10)
        if self.broken is not None:
            raise self.broken
        self.inner.append(records)
        self.batches.append(list(records))

    def confirm(self) -> None:
        self.inner.confirm()

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        return self.inner.read(from_seq)

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        return self.inner.told(from_seq)

    def hash_at(self, seq: int) -> bytes | None:
        return self.inner.hash_at(seq)

    def close(self) -> None:
        self.inner.close()


START_EVENTS = 3
"""What a first start says: the epoch, the limits of the configuration, and the day."""


@dataclass
class Running:
    """A sequencer at work and everything that left it."""

    sequencer: Sequencer
    journal: HeldJournal
    task: "asyncio.Task[None]"
    released: list[Record] = field(default_factory=list)
    fatal: list[BaseException] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)

    async def held_up(self) -> "asyncio.Task[Answer]":
        """An order whose commit hangs until the journal lets go: what comes meanwhile waits for the batch behind it."""
        self.journal.hold()
        first = asyncio.create_task(self.sequencer.execute(order("first"), ASKED))
        await self.journal.until_appending()
        return first


@asynccontextmanager
async def running(
    state: State | None = None,
    journal: HeldJournal | None = None,
    release: Callable[[Sequence[Record]], None] | None = None,
    settings: Settings = SETTINGS,
    **options: Any,
) -> AsyncIterator[Running]:
    """A started gateway whose sessions are up. What it released until then is not counted."""
    journal = journal or HeldJournal()
    released: list[Record] = []
    fatal: list[BaseException] = []
    commits: list[int] = []
    sequencer = Sequencer(
        state or State(),
        settings,
        journal,
        release or released.extend,
        fatal.append,
        lambda: START_NS,
        on_commit=lambda records, _: commits.append(len(records)),
        **options,
    )
    task = asyncio.create_task(sequencer.run())
    sequencer.tell(Input(START_NS, Cause("process"), ProcessStarted("1")))
    for venue in SETTINGS.venues:
        sequencer.tell(Input(START_NS, Cause("venue", venue), SessionUp(venue)))
    await sequencer.committed(sequencer.state.seq + START_EVENTS + len(SETTINGS.venues))
    await turns()
    released.clear()
    commits.clear()
    journal.batches.clear()
    try:
        yield Running(sequencer, journal, task, released, fatal, commits)
    finally:
        journal.let_go()
        sequencer.stop()
        await ended(task)


async def ended(task: "asyncio.Task[None]") -> BaseException | None:
    """Wait until the sequencer has ended; what it ended by."""
    await asyncio.wait_for(asyncio.wait([task]), 10)
    return None if task.cancelled() else task.exception()


async def turns(count: int = 20) -> None:
    """Let everything that can run, run."""
    for _ in range(count):
        await asyncio.sleep(0)
