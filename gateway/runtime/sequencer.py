"""The sequencer owns the state and is the only writer.

One loop: drain what is waiting (bounded), stamp, step, apply, append the events of the whole batch to the journal in
one commit, and only then release effects: FIX messages out, events and replies to clients (rule 1). Under load a batch
grows and the cost of a commit is shared; when idle a batch is one.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import structlog

from gateway.core import items, retention
from gateway.core.commands import Command
from gateway.core.engine import Answer, answer, execute
from gateway.core.events import Cause, Input, ItemRaised, Record
from gateway.core.reports import TimerFired
from gateway.core.retention import Wanted
from gateway.core.risk import exposure
from gateway.core.risk.commands import StopTrading
from gateway.core.state import Settings, State
from gateway.runtime.fair_queue import FairQueue
from gateway.runtime.ports import EpochStale, Journal, JournalError, Source
from gateway.runtime.retired import Recall, set_aside, taken_up

T = TypeVar("T")

_log = structlog.get_logger(__name__)

CONFIRM_S = 5.0
"""How often the journal is asked whose it is."""

SLEPT_S = 0.1
"""How long a commit may take until the journal is asked whose it is before anything of it leaves."""

ASK_AGAIN_S = 0.2
"""How long to wait before it is asked again, when it could not be."""

GIVE_UP_S = 60.0
"""For how long it is asked; as long as a commit waits for a database that is away."""

MOST_ASKS = 3
"""How often it is asked because the answer took long as well: a machine that is only slow has to go on."""

MAX_RECALLS = 64
"""Inputs of one batch that may have to wait for something that left memory to be read again; each costs a look into
the journal, and what is behind them waits too.
"""

FULL_AT = 2_000
"""With so many records a batch takes no more inputs: one that cancels much makes a thousand, and everybody waits for
the commit of all of them.
"""

LOOK_AGAIN_NS = 2_000_000_000
"""How long reports that wait for something that cannot be read are left alone before the next look."""

COMMANDS_PART = 4
"""One part in so many of each batch is for commands that wait: a venue that sends a day again must not hold them up."""

MAX_STOPS = 100
"""Orders to stop trading that may wait; they have room of their own and go before everything else."""


class Overloaded(Exception):
    """The command queue is full. Nothing was done and no key is spent: the same command may be sent again later."""


class _Waiting(NamedTuple):
    """Commands that were handed in together. `answers` are those of commands before them, in a batch before."""

    at_ns: int
    commands: Sequence[Command]
    cause: Cause
    reply: asyncio.Future[list[Answer]]
    answers: Sequence[Answer] = ()


class _Batch:
    """What shares one commit: the records of some inputs, and what to reply when they are durable."""

    def __init__(self, room: int) -> None:
        self.records: list[Record] = []
        self.replies: list[tuple[asyncio.Future[list[Answer]], list[Answer]]] = []
        self.taken = 0
        self.recalls = 0
        self._room = room

    @property
    def room(self) -> int:
        """How many inputs more it takes."""
        return self._room - self.taken if not self.is_full else 0

    @property
    def is_full(self) -> bool:
        """Whether even what was handed in together has to go on in the next one."""
        return self.recalls >= MAX_RECALLS or len(self.records) >= FULL_AT

    def takes_a_fact(self, commands: int) -> bool:
        """Whether it takes one more fact beside the part of it that is for the commands that wait, so many of them."""
        kept, looks = min(commands, self._room // COMMANDS_PART), MAX_RECALLS // COMMANDS_PART if commands else 0
        return self.room > kept and self.recalls + looks < MAX_RECALLS


Release = Callable[[Sequence[Record]], None]
Committed = Callable[[Sequence[Record], float], None]


class Sequencer:
    """Runs the core over one journal.

    `release` gets the records of every committed batch, in order, on the event loop; it must not raise. `fatal` is
    called once when a commit or the core fails: memory is ahead of the journal then, so the process has to stop at
    once, and nothing is released any more. `commit_here` is for a journal whose commits wait for no device: they are
    made on the event loop then, which costs less than another thread would. `pause_s` is asked before a batch for how
    many seconds to wait for more of it. A batch waits when it has commands and none of them came gathered; facts alone
    wait when the commands before them did. What is gathered, an order to stop trading, the gateway's own stop and a
    batch that is full wait for nobody, and end a pause. `clock_s` counts also while the process is stopped.
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
        commit_here: bool = False,
        pause_s: Callable[[], float] = lambda: 0.0,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.state = state
        self.settings = settings
        self.now_ns = now_ns
        self.committed_seq = state.seq
        self._journal = journal
        self._release = release
        self._fatal = fatal
        self._on_commit = on_commit
        self._commit_here = commit_here
        self._pause_s = pause_s
        self._clock_s = clock_s
        self._max_batch = max_batch
        self._sources: list[Source] = []
        self._facts: deque[Input] = deque()
        self._drained: deque[Input] = deque()
        self._commands: FairQueue[_Waiting] = FairQueue(max_commands)
        self._stops: deque[_Waiting] = deque()
        self._recaller = Recall(journal)
        self._looked_ns = self._looked_seq = 0
        self._awake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stopping = self._paced = False
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._commit_waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    # --- What others call, on the event loop unless it says otherwise ---

    @property
    def queued_commands(self) -> int:
        """Commands that wait to be decided."""
        return self._commands.size + len(self._stops)

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
        """A fact of the process itself (started, timer).

        The clock's turn waits once: while a commit hangs, the turns after it would only grow (rule 7).
        """
        if isinstance(fact.body, TimerFired) and any(isinstance(each.body, TimerFired) for each in self._facts):
            return
        self._facts.append(fact)
        self._awake.set()

    async def execute(self, command: Command, cause: Cause) -> Answer:
        """Decide one command; returns when its outcome is durable.

        Raises:
            Overloaded: the command queue is full, or has too much of this caller's, or the gateway is stopping.
        """
        return (await self.execute_many((command,), cause))[0]

    async def execute_many(self, commands: Sequence[Command], cause: Cause) -> list[Answer]:
        """Decide commands in order, all of them or (Overloaded) none; returns when their outcomes are durable.

        A caller that goes away does not take its commands with it. Who stops trading waits for nobody: however full the
        queue is, that is decided before everything that waits.

        Raises:
            Overloaded: as above.
        """
        return await asyncio.shield(self.begin(commands, cause))

    def begin(
        self, commands: Sequence[Command], cause: Cause, *, gathered: bool = False
    ) -> asyncio.Future[list[Answer]]:
        """The same without waiting: the answers come when their outcomes are durable. `gathered` says that whoever
        hands commands in does so at once with all that have come.

        Raises:
            Overloaded: as above.
        """
        if not commands:
            nothing: asyncio.Future[list[Answer]] = self._loop.create_future()
            nothing.set_result([])
            return nothing
        if isinstance(commands[0], StopTrading):
            return self._stop_trading(commands, cause)
        queue, size = self._commands, len(commands)
        if self._stopping or not queue.has_room(cause.who, size):
            raise Overloaded(
                f"{queue.size} commands are waiting, {queue.held(cause.who)} of them yours, and {queue.limit} is the "
                "limit; try again in a moment"
            )
        waiting = self._waiting(commands, cause)
        queue.put(cause.who, size, waiting)
        if gathered:
            self._hurry.set()
        return waiting.reply

    def _stop_trading(self, commands: Sequence[Command], cause: Cause) -> asyncio.Future[list[Answer]]:
        if self._stopping or len(self._stops) >= MAX_STOPS:
            raise Overloaded(f"{len(self._stops)} stops are waiting to be decided; try again in a moment")
        waiting = self._waiting(commands, cause)
        self._stops.append(waiting)
        self._hurry.set()
        return waiting.reply

    def _waiting(self, commands: Sequence[Command], cause: Cause) -> _Waiting:
        self._awake.set()
        return _Waiting(self.now_ns(), commands, cause, self._loop.create_future())

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
                await self._gather()
                self._awake.clear()
                batch = await self._next_batch()
                if batch.taken:
                    seconds = await self._finish(batch)
                    if batch.room <= 0:
                        self._awake.set()  # There may be more where that came from, enough for a batch.
                        self._hurry.set()
                    await asyncio.sleep(0)  # Replies leave; what arrived meanwhile is read and joins the next batch.
                    self._note(batch, seconds)
        except BaseException as error:  # Whatever it is: memory may be ahead of the journal, nothing more may leave.
            if not isinstance(error, asyncio.CancelledError):
                self._fatal(error)
            raise
        finally:
            self._writer.shutdown(wait=True)

    async def watch(self) -> None:
        """Look from time to time whether the journal is ours still, until this is canceled. A process that was
        overtaken while it had nothing to commit would keep its sessions to venues otherwise (C13). It looks in a thread
        of its own: a look may take long, and no commit has to wait for it.
        """
        looker = ThreadPoolExecutor(1, thread_name_prefix="journal-watch")
        try:
            while True:
                await asyncio.sleep(CONFIRM_S)
                try:
                    await self._loop.run_in_executor(looker, self._journal.confirm)
                except EpochStale as error:
                    self._fatal(error)
                    return
                except JournalError:  # It cannot be seen now: the next commit finds out what is wrong.
                    continue
        finally:
            looker.shutdown(wait=False)

    def stop(self) -> None:
        """Take no more commands and end when the queue is empty."""
        self._stopping = True
        self._awake.set()
        self._hurry.set()

    # --- The loop's parts ---

    def _idle(self) -> bool:
        return not (self._stops or self._commands or self._facts or self._drained or self._awake.is_set())

    async def _gather(self) -> None:
        """Let more come where there is no time to spare, unless somebody is in a hurry."""
        waits = not self._hurry.is_set() and (bool(self._commands) or self._paced)
        if waits and (pause_s := self._pause_s()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()
        self._paced = waits and not self._hurry.is_set()
        self._hurry.clear()

    async def _next_batch(self) -> _Batch:
        """Stops first, then facts: what venues say must not wait behind a flood of commands. Nor may a cancel wait
        behind a flood of facts.
        """
        batch = _Batch(self._max_batch)
        while self._stops and batch.room > 0:
            await self._take_commands(batch, self._stops.popleft())
        self._drain()
        while self._drained and batch.takes_a_fact(self._commands.size):
            await self._hear(batch, self._drained.popleft())
        while self._commands and batch.room > 0:
            await self._take_commands(batch, self._commands.take())
        return batch

    def _drain(self) -> None:
        """As many facts as a batch holds, those first that the batch before left over, and then those of another source
        each time: one that has more leaves the others their turn.
        """
        for _ in range(min(len(self._facts), self._max_batch - len(self._drained))):
            self._drained.append(self._facts.popleft())
        for source in self._sources:
            if (room := self._max_batch - len(self._drained)) > 0:
                self._drained.extend(source.drain(room))
        self._sources = self._sources[1:] + self._sources[:1]

    async def _take_commands(self, batch: _Batch, waiting: _Waiting) -> None:
        """Decide what was handed in together. Only of commands that name too much of what left memory, or that make
        too many records, there is a rest, for the batches that follow.
        """
        answers = [*waiting.answers]
        for number, command in enumerate(waiting.commands):
            if batch.is_full:
                rest = waiting._replace(commands=waiting.commands[number:], answers=answers)
                self._commands.put_back(waiting.cause.who, len(rest.commands), rest)
                return
            try:
                records = await self._execute(batch, Input(waiting.at_ns, waiting.cause, command))
            except JournalError as error:  # An answer to its key may stand there: none is given, and none is kept.
                answers.append(Answer(out_of_reach=str(error)))
            else:
                answers.append(answer(self.state, command, records))
        batch.replies.append((waiting.reply, answers))

    async def _hear(self, batch: _Batch, given: Input) -> None:
        """Decide one fact. One about what cannot be read now waits, whole in the journal, and trading goes on."""
        try:
            await self._execute(batch, given)
        except JournalError as error:
            if (waits := set_aside(self.state, given, error)) is not None:
                batch.records.extend(execute(self.state, self.settings, waits))
        if self.state.items and isinstance(given.body, TimerFired):
            await self._take_up(batch, given.at_ns)

    async def _execute(self, batch: _Batch, given: Input) -> list[Record]:
        """Decide and apply one input, after what it names is back in memory.

        This is asked for each input right before it is executed: one before it in the same batch may have made
        something leave memory.

        Raises:
            JournalError: what it names cannot be read now. Nothing was decided.
        """
        batch.taken += 1
        wanted = retention.wanted(self.state, given.body)
        if wanted:
            await self._recall(batch, given.at_ns, wanted)
        records = execute(self.state, self.settings, given)
        batch.records.extend(records)
        return records

    async def _recall(self, batch: _Batch, at_ns: int, wanted: Sequence[Wanted]) -> None:
        """Read what is wanted off the loop and put it back. What only this batch has is not in the journal yet."""
        batch.recalls += 1
        fresh = {record.seq: record for record in batch.records}
        fact = await self._loop.run_in_executor(self._writer, self._recaller.find, self.state, wanted, fresh)
        if fact.orders or fact.keys:
            batch.records.extend(execute(self.state, self.settings, Input(at_ns, Cause("process"), fact)))

    async def _take_up(self, batch: _Batch, at_ns: int) -> None:
        """Decide the reports that wait, as far as what they speak of can be read by now. The first that still has to
        wait ends the look; the next one begins behind it.
        """
        if abs(at_ns - self._looked_ns) < LOOK_AGAIN_NS:
            return
        self._looked_ns = at_ns
        waiting = sorted(items.waiting(self.state), key=lambda item: item.set_aside_seq <= self._looked_seq)
        for item in waiting:
            if batch.room <= 0:
                return
            self._looked_seq = item.set_aside_seq
            try:
                await self._take_up_one(batch, at_ns, item)
            except JournalError:
                return

    async def _take_up_one(self, batch: _Batch, at_ns: int, item: ItemRaised) -> None:
        fresh = {record.seq: record for record in batch.records}
        record = await self._loop.run_in_executor(self._writer, self._recaller.read, item.set_aside_seq, fresh)
        report, resolved = taken_up(at_ns, record, item)
        await self._execute(batch, report)
        batch.records.extend(execute(self.state, self.settings, resolved))

    async def _finish(self, batch: _Batch) -> float:
        """Durable, then visible (rule 1). How many seconds it took to make it durable."""
        seconds = 0.0
        if batch.records:
            started = self._clock_s()
            if self._commit_here:
                self._journal.append(batch.records)
            else:
                await self._loop.run_in_executor(self._writer, self._journal.append, batch.records)
            seconds = self._clock_s() - started
            if seconds > SLEPT_S:
                await self._confirm()
            self.committed_seq = batch.records[-1].seq
            self._release(batch.records)
            while self._commit_waiters and self._commit_waiters[0][0] <= self.committed_seq:
                _resolve(self._commit_waiters.popleft()[1], None)
        for reply, answers in batch.replies:
            _resolve(reply, answers)
        return seconds

    async def _confirm(self) -> None:
        """Who was stopped may have been overtaken since the commit, and its orders are then no longer its to send
        (C13): return when the journal is ours, and was so a moment ago.

        Raises:
            EpochStale: it is another's.
            JournalError: nobody could say. What was committed is durable, and the next start finds it.
        """
        give_up_s = self._clock_s() + GIVE_UP_S
        for _ in range(MOST_ASKS):
            asked = self._clock_s()
            await self._ask(give_up_s)
            if self._clock_s() - asked <= SLEPT_S:
                return

    async def _ask(self, give_up_s: float) -> None:
        away = False
        while True:
            try:
                return await self._loop.run_in_executor(self._writer, self._journal.confirm)
            except EpochStale:
                raise
            except JournalError as error:
                if self._clock_s() >= give_up_s:
                    raise
                if not away:
                    _log.warning("journal_not_confirmed", reason=str(error), next="asked again; nothing leaves before")
                away = True
            await asyncio.sleep(ASK_AGAIN_S)

    def _note(self, batch: _Batch, seconds: float) -> None:
        """What nobody waits for, when everything that somebody waits for has left."""
        if batch.records:
            self._on_commit(batch.records, seconds)
        exposure.settle(self.state)  # The next decision finds it done.


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)
