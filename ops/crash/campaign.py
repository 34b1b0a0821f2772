"""One stack of a crash campaign: kills the gateway or a venue, or several, with SIGKILL at random moments under load,
starts them again at once, and compares three accounts of every order: the clients', the journal's and the venues'.

A cycle is a kill, a restart, a gateway that is ready, and venues that take orders again. One stack lives through all of
them. After each cycle everything that holds at any moment is checked; after every few the load rests, and the accounts
must agree to the last execution and the last event, and on how each order ended. The seed decides what is killed and
after how many orders, and what the stack is like (`ops.crash.plan`).
"""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.client import GatewayClient
from gateway.runtime.ports import JournalError
from gateway.runtime.recovery import recover
from ops.crash.books import Books, Findings
from ops.crash.forked import ForkedStack, Starter
from ops.crash.house import Ended, House, killed
from ops.crash.load import Openings, Trader
from ops.crash.plan import FROM_NOTHING, Plan, planned
from ops.crash.result import MOST_PROBLEMS, Tally, times
from ops.stack import VENUES, NotReady, Process

CLIENTS = ("crash1", "crash2", "crash3")
RECOVERY_S = 30.0
"""Recovery ends within 30 seconds: a cycle that takes longer fails."""
LOAD_S = 60.0
REST_EVERY = 10
FIRST_OPEN_S = 1.0
"""About how long it takes until venues take orders again, before it was measured."""

# What is killed, and how often.
KINDS: dict[tuple[str, ...], int] = {
    ("gateway",): 8,
    ("gateway", "gateway again"): 3,
    ("XSIM",): 2,
    ("YSIM",): 2,
    ("gateway", "XSIM"): 2,
    ("gateway", "YSIM"): 2,
    ("gateway", "XSIM", "YSIM"): 1,
}


class Broken(Exception):
    """The accounts do not agree, or something did not come back in time. Each argument is one line."""


class Campaign:
    """One stack, its load, and what happened to it."""

    def __init__(
        self, stack: ForkedStack, plan: Plan, tell: Callable[[Tally], None], stopped: Callable[[], bool]
    ) -> None:
        self.stack = stack
        self.plan = plan
        self.house = House(stack, plan.dice("house"))
        self.books = Books(CLIENTS, {venue: stack.ledger(venue) for venue in stack.venues})
        self.kills: Counter[str] = Counter()
        self.ready_s: list[float] = []
        self.open_s: list[float] = []
        self.cycles = 0
        self.from_snapshot = 0
        self._snapshot = False
        self.found = Findings()
        self._random = Random(plan.seed)  # noqa: S311  # It makes a run repeatable; nothing here is secret.
        self._tell = tell
        self._openings = Openings(VENUES)
        self._stopped = stopped

    async def run(self, cycles: int) -> None:
        """The campaign.

        Raises:
            Broken: with all that is wrong.
        """
        async with contextlib.AsyncExitStack() as connected:
            traders = [await self._trader(connected, name) for name in CLIENTS]
            async with asyncio.TaskGroup() as listening:
                streams = [listening.create_task(trader.listen()) for trader in traders]
                while self.cycles < cycles and not self._stopped():
                    await self._some_cycles(traders, min(REST_EVERY, cycles - self.cycles))
                    await self._compare(traders)
                    self._tell(self.tally())
                for stream in streams:
                    stream.cancel()

    async def _trader(self, connected: contextlib.AsyncExitStack, name: str) -> Trader:
        address = self.stack.unix_address if name in self.plan.over_unix else self.stack.api_address
        gateway = GatewayClient(address, client_id=name, timeout_s=LOAD_S)
        await connected.enter_async_context(gateway)
        return Trader(gateway, self.books.clients[name], self.plan.dice(name), self._openings)

    async def _some_cycles(self, traders: list[Trader], count: int) -> None:
        rest = asyncio.Event()
        async with asyncio.TaskGroup() as trading:
            for trader in traders:
                trading.create_task(trader.trade(rest))
            try:
                for _ in range(count):
                    await self._cycle()
                    if self._stopped():
                        break
            finally:
                rest.set()

    async def _cycle(self) -> None:
        try:
            await self._openings.some(self._random.randint(2, 25), LOAD_S)
            await asyncio.sleep(self._random.uniform(0, 0.05))  # The moment is meant to be any.
            names = self._random.choices(list(KINDS), list(KINDS.values()))[0]
            again_after_s = self._random.uniform(0, 1.2) * (times(self.open_s).p50 or FIRST_OPEN_S)
            self.kills[" + ".join(names)] += 1
            await asyncio.to_thread(self.house.before_the_kill)
            started = await asyncio.to_thread(self._kill_and_restart, names, again_after_s)
            opened = await self._openings.all_open(RECOVERY_S)
            if problems := await asyncio.to_thread(self.house.after_the_kill):
                raise Broken(*problems)
        except (TimeoutError, NotReady) as error:
            raise Broken(f"cycle {self.cycles + 1}: not back within {RECOVERY_S:g} s: {error!r}") from error
        except Ended as ended:
            raise Broken(*ended.args) from ended
        self.open_s.append(opened - started)
        self.cycles += 1
        self._read()
        self._judge(self.books.at_any_time())

    def _kill_and_restart(self, names: tuple[str, ...], again_after_s: float) -> float:
        """When the last process was started, in `time.monotonic`."""
        victims = [self._process(name) for name in names if not name.endswith("again")]
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        for victim in victims:
            killed(victim)
        for victim in victims:
            self._launch(victim)
        if names[-1].endswith("again"):
            time.sleep(again_after_s)  # Into its recovery.
            killed(self.stack.gateway)
            self._launch(self.stack.gateway)
        started = self._openings.expect()
        for victim in victims:
            victim.wait_ready(RECOVERY_S)
            if victim is self.stack.gateway:
                self._note_ready(time.monotonic() - started)
        return started

    def _launch(self, program: Process) -> None:
        if program is self.stack.gateway:
            self._snapshot = self.house.has_snapshot()
        program.launch()

    def _note_ready(self, seconds: float) -> None:
        self.from_snapshot += self._snapshot
        if self.stack.gateway_is_forked:  # What a new interpreter needs is no matter of the gateway's.
            self.ready_s.append(seconds)

    def _process(self, name: str) -> Process:
        return self.stack.gateway if name == "gateway" else self.stack.venues[name]

    def _read(self) -> None:
        try:
            self.books.read(self.house.journal.read(self.books.journal.seq + 1))
        except JournalError as error:
            raise Broken(f"the journal cannot be read: {error}") from error

    def _judge(self, found: Findings) -> None:
        self.found = found
        if self.found:
            raise Broken(*self.found.lines())

    async def _compare(self, traders: list[Trader]) -> None:
        """Everything at rest, then to the last event."""
        try:
            await asyncio.gather(*(trader.close() for trader in traders))
            await self._caught_up()
        except TimeoutError as error:
            raise Broken(
                f"after cycle {self.cycles}: orders stay open or in doubt, or a stream stays behind"
            ) from error
        self._judge(self.books.at_rest())

    async def _caught_up(self) -> None:
        """Every stream is where the journal is. What has ended goes on to leave memory: it is compared at once."""
        async with asyncio.timeout(LOAD_S):
            while True:
                self._read()
                due = {name: self.books.journal.seqs[name][-1:] for name in CLIENTS}
                if all(self.books.clients[name].seqs[-1:] >= seq for name, seq in due.items()):
                    return
                await asyncio.sleep(0.05)

    def tally(self) -> Tally:
        """What it came to so far."""
        journal, found = self.books.journal, self.found
        return Tally(
            cycles=self.cycles,
            kills=dict(self.kills),
            orders=sum(len(orders) for orders in journal.orders.values()),
            requests=len(journal.routed),
            executions=sum(len(fills) for fills in journal.fills.values()),
            lost=len(found.lost),
            duplicated=len(found.duplicated),
            sent_twice=len(found.sent_twice),
            stream_faults=len(found.stream),
            standing=len(found.standing),
            from_snapshot=self.from_snapshot,
            retired=journal.kinds["OrderRetired"],
            recalled=journal.kinds["OrderRecalled"],
            archived=self.house.archived(),
            follower_kills=self.house.follower_kills,
            from_nothing=self.stack.from_nothing,
            over_unix=len(self.plan.over_unix),
            process_stacks=int(self.plan.durability == "process"),
            ready_s=self.ready_s,
            open_s=self.open_s,
        )


async def campaign(
    folder: Path,
    cycles: int,
    seed: int,
    tell: Callable[[Tally], None],
    starter: Starter,
    journal_url: str = "",
    stopped: Callable[[], bool] = lambda: False,
) -> Tally:
    """One stack in a folder; the journal is a file there, or at this URL. `tell` hears of it after each comparison, and
    it ends after the cycle in which `stopped` says so.
    """
    plan = planned(seed, CLIENTS)
    fresh = plan.dice("starts")
    edit = {"gateway": lambda text: plan.gateway(text, CLIENTS)}
    with ForkedStack(folder, starter, edit, journal_url, lambda: fresh.random() < FROM_NOTHING) as stack:
        running = Campaign(stack, plan, tell, stopped)
        problems: list[str] = []
        with running.house as house:
            try:
                await running.run(cycles)
            except* Broken as broken:
                problems = [line for each in _leaves(broken) for line in each.args]
            codes = stack.stop()
            try:
                problems = problems or house.at_the_end(codes, running.books.journal)
            except NotReady as error:
                problems = [str(error)]
    tally = running.tally()
    tally.in_doubt = len(recover(running.house.journal).doubtful)
    if tally.in_doubt:
        problems.append(f"{tally.in_doubt} requests are in doubt at the end")
    tally.problems, tally.ended = problems[:MOST_PROBLEMS], True
    return tally


def _leaves(group: BaseExceptionGroup[Broken]) -> list[Broken]:
    found: list[Broken] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found
