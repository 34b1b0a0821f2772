"""The sequencer owns the state and is the only writer.

One loop: drain what is waiting (bounded), stamp, step, apply, append the events of the whole batch to the journal in
    one commit, and only then release effects:
FIX messages out, events and replies to clients (rule 1). Under load a batch grows and the cost of a commit is shared;
    when idle a batch is one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from gateway.core.commands import Command
from gateway.core.engine import Answer, answer, execute
from gateway.core.events import Cause, Input, Record
from gateway.core.state import Settings, State
from gateway.runtime.ports import Journal, Source

T = TypeVar("T")


class Overloaded(Exception):
    """The command queue is full. Nothing was done and no key is spent: the same command may be sent again later."""


class _Waiting(NamedTuple):
    at_ns: int
    commands: Sequence[Command]
    cause: Cause
    reply: asyncio.Future[list[Answer]]


class _Batch(NamedTuple):
    records: list[Record]
    replies: list[tuple[asyncio.Future[list[Answer]], list[Answer]]]


Release = Callable[[Sequence[Record]], None]
Committed = Callable[[Sequence[Record], float], None]


class Sequencer:
    """Runs the core over one journal.

    `release` gets the records of every committed batch, in order, on the event loop; it must not raise. `fatal` is
    called once when a commit or the core fails: memory is ahead of the journal then, so the process has to stop at
    once, and nothing is released any more.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        journal: Journal,
        release: Release,
        fatal: Callable[[BaseException], None],
        now_ns: Callable[[], int],
        *,
        max_batch: int = 512,
        max_commands: int = 10_000,
        on_commit: Committed = lambda _records, _seconds: None,
    ) -> None:
        self.state = state
        self.settings = settings
        self.now_ns = now_ns
        self.committed_seq = state.seq
        self._journal = journal
        self._release = release
        self._fatal = fatal
        self._on_commit = on_commit
        self._max_batch = max_batch
        self._max_commands = max_commands
        self._sources: list[Source] = []
        self._facts: deque[Input] = deque()
        self._commands: deque[_Waiting] = deque()
        self._queued = 0
        self._awake = asyncio.Event()
        self._stopping = False
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._commit_waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    # --- What others call, on the event loop unless it says otherwise ---

    @property
    def queued_commands(self) -> int:
        """Commands that wait to be decided."""
        return self._queued

    def add_source(self, source: Source) -> None:
        """Drain facts from here too."""
        self._sources.append(source)

    def wake(self) -> None:
        """Something is waiting in a source. Thread-safe."""
        try:
            self._loop.call_soon_threadsafe(self._awake.set)
        except RuntimeError:  # The loop is closed: the process is ending, and what was not committed comes again.
            return

    def tell(self, fact: Input) -> None:
        """A fact of the process itself (started, timer)."""
        self._facts.append(fact)
        self._awake.set()

    async def execute(self, command: Command, cause: Cause) -> Answer:
        """Decide one command; returns when its outcome is durable.

        Raises:
            Overloaded: the command queue is full, or the gateway is stopping.
        """
        return (await self.execute_many((command,), cause))[0]

    async def execute_many(self, commands: Sequence[Command], cause: Cause) -> list[Answer]:
        """Decide commands in order, all of them or (Overloaded) none; returns when their outcomes are durable.

        A caller that goes away does not take its commands with it.
        """
        if not commands:
            return []
        if self._stopping or self._queued + len(commands) > self._max_commands:
            raise Overloaded(
                f"{self._queued} commands are waiting, {self._max_commands} is the limit; try again in a moment"
            )
        reply: asyncio.Future[list[Answer]] = self._loop.create_future()
        self._commands.append(_Waiting(self.now_ns(), commands, cause, reply))
        self._queued += len(commands)
        self._awake.set()
        return await asyncio.shield(reply)

    async def committed(self, seq: int) -> None:
        """Wait until the event with this sequence number is durable."""
        if seq <= self.committed_seq:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._commit_waiters.append((seq, waiter))
        await waiter

    async def run(self) -> None:
        """The loop. Ends after `stop`, when everything that was accepted is decided and durable."""
        try:
            while not (self._stopping and self._idle()):
                if self._idle():
                    await self._awake.wait()
                self._awake.clear()
                while (batch := self._next_batch()) is not None:
                    await self._finish(batch)
        except (
            BaseException
        ) as error:  # Whatever it is: the state may be ahead of the journal, so nothing more may leave.
            if not isinstance(error, asyncio.CancelledError):
                self._fatal(error)
            raise
        finally:
            self._writer.shutdown(wait=True)

    def stop(self) -> None:
        """Take no more commands and end when the queue is empty."""
        self._stopping = True
        self._awake.set()

    # --- The loop's parts ---

    def _idle(self) -> bool:
        return not self._commands and not self._facts and not self._awake.is_set()

    def _next_batch(self) -> _Batch | None:
        """Facts first: what venues say must not wait behind a flood of commands."""
        batch = _Batch([], [])
        taken = self._take_facts(batch)
        while self._commands and taken < self._max_batch:
            taken += self._take_commands(batch, self._commands.popleft())
        return batch if taken else None

    def _take_facts(self, batch: _Batch) -> int:
        facts: list[Input] = [self._facts.popleft() for _ in range(min(len(self._facts), self._max_batch))]
        for source in self._sources:
            if (room := self._max_batch - len(facts)) > 0:
                facts.extend(source.drain(room))
        for fact in facts:
            batch.records.extend(execute(self.state, self.settings, fact))
        return len(facts)

    def _take_commands(self, batch: _Batch, waiting: _Waiting) -> int:
        answers = []
        for command in waiting.commands:
            records = execute(self.state, self.settings, Input(waiting.at_ns, waiting.cause, command))
            answers.append(answer(self.state, command, records))
            batch.records.extend(records)
        self._queued -= len(waiting.commands)
        batch.replies.append((waiting.reply, answers))
        return len(waiting.commands)

    async def _finish(self, batch: _Batch) -> None:
        """Durable, then visible (rule 1)."""
        if batch.records:
            started = time.perf_counter()
            await self._loop.run_in_executor(self._writer, self._journal.append, batch.records)
            committed = time.perf_counter()
            self.committed_seq = batch.records[-1].seq
            self._release(batch.records)
            self._on_commit(batch.records, committed - started)
            while self._commit_waiters and self._commit_waiters[0][0] <= self.committed_seq:
                _resolve(self._commit_waiters.popleft()[1], None)
        for reply, answers in batch.replies:
            _resolve(reply, answers)


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)
