"""One gateway process: the real parts, wired as `gateway.app` wires them, on a simulated machine.

It may die at any entry of the scheduler's queue, and at each named point inside of one. What it was then is gone: its
loop, its tasks, its memory. What it had written and sent is not.
"""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gateway.adapters.grpc.presence import Presence
from gateway.adapters.grpc.streams import WRITE_TIMEOUT_S
from gateway.adapters.quickfix.link import QuickFixLink
from gateway.adapters.quickfix.links import drop_copy_session
from gateway.app import CROWDED_TIMER_S, TIMER_S
from gateway.config import VenueConfig
from gateway.core import drop_copy, sessions
from gateway.core.commands import Command
from gateway.core.engine import Answer, Diverged
from gateway.core.events import Cause, Input, Record
from gateway.core.invariants import InvariantBroken
from gateway.core.reports import ProcessStarted, TimerFired
from gateway.core.state import State, inbound
from gateway.runtime.crowding import LONGEST_S
from gateway.runtime.feed import Feed, SlowReader, TooManyReaders
from gateway.runtime.ports import JournalError, Known
from gateway.runtime.recovery import recover
from gateway.runtime.sequencer import Overloaded, Sequencer
from tests.runtime.following import follow
from tests.simulation import stand_in
from tests.simulation.engine import Session
from tests.simulation.follower import Following
from tests.simulation.loop import Loop
from tests.simulation.machine import SimJournal

if TYPE_CHECKING:
    from tests.simulation.world import World


class Killed(BaseException):
    """The process died here."""


class Process:
    """One life of the gateway."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.number = number
        self.boot = world.boot
        self.store_dir = world.store_dir
        self.dead = False
        self.paused_until_ns = 0
        self.open = False
        self.sessions: dict[str, Session] = {}
        self.links: dict[str, QuickFixLink] = {}
        self.calls: set[Any] = set()
        self.streams: list[Any] = []
        self.presence: Presence | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.loop = Loop(world.scheduler, self, world.scheduler.stream(f"loop {number}"), self._failed)

    def start(self) -> None:
        """Recover and go to work."""
        world = self.world
        try:
            self.journal = SimJournal(world.disk, self.point, self._synced)
            head = self.journal.open()
            state = recover(self.journal, world.snapshots)
            world.witness.recovered(state, recover(self.journal, world.snapshots), self.journal)
            self.loop.enter(self._build, state, head.epoch)
        except Killed:
            pass
        except (JournalError, Diverged, InvariantBroken) as error:
            world.failed(f"not started: {error!r}", error)

    def _synced(self, records: Sequence[Record]) -> None:
        self.world.witness.synced(records)
        self.world.committed(self, records)

    def _build(self, state: State, epoch: int) -> None:
        world = self.world
        self.state = state
        self.feed = Feed(self.journal, state.seq, window=world.plan.window, max_readers=16)
        chance = world.scheduler.stream(f"sequencer {self.number}")
        commit_here, longest_pause_s = chance.random() < 0.5, chance.choice((0.0, LONGEST_S))
        self.sequencer = Sequencer(
            state,
            world.settings,
            self.journal,
            self._release,
            self.fatal,
            self.now_ns,
            max_batch=world.plan.max_batch,
            max_commands=world.plan.max_commands,
            on_commit=lambda records, _: world.witness.committed(self.state, records),
            commit_here=commit_here,
            pause_s=lambda: chance.random() * longest_pause_s if commit_here else 0.0,
            clock_s=self.loop.time,
        )
        self.presence = Presence(self.sequencer)
        stand_in.belongs_to(self)
        for venue in world.venue_configs:
            self._link(venue)
            if venue.drop_copy is not None:
                self._link(drop_copy_session(venue, venue.drop_copy), copies=venue.name)
        self.spawn(self._main(epoch))

    def _link(self, session: VenueConfig, copies: str = "") -> None:
        link = QuickFixLink(
            session,
            self.world.settings.instruments,
            self.store_dir,
            wake=self.sequencer.wake,
            now_ns=self.now_ns,
            fatal=self.fatal,
            copies=copies,
            monotonic=self.loop.time,
        )
        link._line.venue = session.name  # type: ignore[attr-defined]
        self.links[session.name] = link

    async def _main(self, epoch: int) -> None:
        self.spawn(self.sequencer.run())
        self.spawn(self.sequencer.watch())
        self._tell(ProcessStarted("sim", epoch))
        await self.sequencer.committed(self.state.seq + 1)
        for venue, link in self.links.items():
            self.sequencer.add_source(link)
            session = self.state.session(venue)
            stand_in.belongs_to(self)
            link.start(Known(session.inbound_seq, session.sender_floor, session.logon_seq_num, self._unanswered(venue)))
        self.open = True
        Following(self)
        offset_ns = self.world.clock_offset_ns
        while True:
            settings, now_ns = self.sequencer.settings, self.now_ns()
            crowded = sessions.due(self.state, settings, now_ns) or drop_copy.waits(self.state, settings, now_ns)
            await asyncio.sleep(CROWDED_TIMER_S if crowded else TIMER_S)
            before_ns, offset_ns = offset_ns, self.world.clock_offset_ns
            self._tell(TimerFired(offset_ns - before_ns))

    def _unanswered(self, venue: str) -> list[str]:
        orders = self.state.orders
        return [key for key, order_id in self.state.waiting.items() if orders[order_id].venue == venue]

    def _tell(self, fact: ProcessStarted | TimerFired) -> None:
        kind = "process" if isinstance(fact, ProcessStarted) else "timer"
        self.sequencer.tell(Input(self.now_ns(), Cause(kind), fact))

    def _release(self, records: Sequence[Record]) -> None:
        """As `gateway.app` does it: venues first, then the streams."""
        for record in records:
            came = inbound(record.cause)
            venue = getattr(record.event, "venue", "")
            name = came[0] if came is not None else venue
            self._act(name, record)
            if venue not in ("", name):
                self._act(venue, record)
        self.feed.publish(records)

    def _act(self, name: str, record: Record) -> None:
        link = self.links.get(name)
        if link is not None:
            link.act(record)

    # --- What the outside calls ---

    @property
    def overtaken(self) -> bool:
        """Whether another process has taken the journal over."""
        return self is not self.world.process

    def now_ns(self) -> int:
        """The wall clock of this machine."""
        return self.world.start_ns + self.world.scheduler.now_ns + self.world.clock_offset_ns

    def spawn(self, coroutine: Any) -> "asyncio.Task[Any]":
        """Start a task of this process."""
        task = self.loop.enter(self.loop.create_task, coroutine)
        task.add_done_callback(self._done)
        self._tasks[task] = None
        return task  # type: ignore[no-any-return]

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None and not self.dead:
            self._failed(task.exception())

    async def execute(self, command: Command, cause: Cause, reply: Callable[[Answer | None], None]) -> None:
        """One call of the API."""
        try:
            answer = await self.sequencer.execute(command, cause)
        except Overloaded:
            reply(None)
        else:
            reply(answer)

    async def stream(
        self,
        client_id: str,
        from_seq: int | None,
        send: Callable[[Sequence[Record]], "asyncio.Future[None]"],
        ended: Callable[[str], None],
    ) -> None:
        """One subscription: each piece waits until the reader has room. As long as it lasts the client is there."""
        assert self.presence is not None
        pieces = follow(self.feed, from_seq)
        try:
            with self.presence.of(client_id):
                async for records, _ in pieces:
                    async with asyncio.timeout(WRITE_TIMEOUT_S):
                        await send(records)
        except TimeoutError:
            ended("stuck")
        except SlowReader as slow:
            ended(f"slow, resume at {slow.next_seq}")
        except TooManyReaders:
            ended("too many readers")
        finally:
            if not self.dead:
                await pieces.aclose()

    # --- Death ---

    def point(self, where: str) -> None:
        """A place where this process may die; nothing that a dead one does has an effect."""
        if self.dead:
            raise Killed(where)
        if where in self.world.deadly and self.world.dies_at(where):
            self.world.scheduler.count(f"killed {where}")
            self.kill()
            raise Killed(where)

    def fatal(self, error: BaseException | None) -> None:
        """What `gateway.app.fatal` is: the end, at once."""
        if self.dead or isinstance(error, (Killed, GeneratorExit)):
            return
        if isinstance(error, JournalError):
            self.world.scheduler.note(f"fatal: {error}")
        else:
            self.world.failed(f"fatal: {error!r}", error)
        self.kill()

    def _failed(self, error: BaseException | None) -> None:
        if not self.dead and not isinstance(error, (Killed, JournalError)):
            self.world.failed(f"a task or callback failed: {error!r}", error)

    def kill(self) -> None:
        """SIGKILL."""
        if self.dead:
            return
        self.dead = True
        self.open = False
        if self.presence is not None:
            self.presence.stop()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine: Any = task.get_coro()
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        for session in self.sessions.values():
            session.abandon()
        self.world.process_died(self)
