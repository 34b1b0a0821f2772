"""`make crash CYCLES=n`: kills the gateway or a venue, or several, with SIGKILL at random moments under load, starts
them again at once, and compares three accounts of every order: the clients', the journal's and the venues'.

A cycle is a kill, a restart, a gateway that is ready, and venues that take orders again. One stack lives through all of
them. After each cycle everything that holds at any moment is checked; after every few the load rests, and the accounts
must agree to the last execution and the last event. The seed decides what is killed and after how many orders.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.adapters.journal import SqlJournal
from gateway.client import GatewayClient
from gateway.runtime.recovery import recover
from ops.crash.books import Books, Findings
from ops.crash.load import Openings, Trader
from ops.stack import VENUES, NotReady, Process, Stack, put

CLIENTS = ("crash1", "crash2", "crash3")
RECOVERY_S = 30.0
"""Recovery ends within 30 seconds: a cycle that takes longer fails."""
LOAD_S = 60.0
REST_EVERY = 10

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


class Times(msgspec.Struct):
    """Seconds from the start of a process to some point, over the cycles."""

    p50: float = 0
    p99: float = 0
    max: float = 0
    count: int = 0


class Result(msgspec.Struct):
    """The last line of a campaign. `ready` counts from the start of the gateway's process to its word that it is ready,
    `open` to the first order that each venue took again.
    """

    cycles: int
    kills: dict[str, int]
    orders: int
    requests: int
    executions: int
    lost: int
    duplicated: int
    sent_twice: int
    stream_faults: int
    in_doubt: int
    ready_s: Times
    open_s: Times
    seconds: int
    seed: int
    journal: str
    durability: str
    problems: list[str] = []

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or left open."""
        return not self.problems


class Broken(Exception):
    """The accounts do not agree, or something did not come back in time. Each argument is one line."""


class Campaign:
    """One stack, its load, and what happened to it."""

    def __init__(self, stack: Stack, journal_url: str, seed: int, console: Console) -> None:
        self.stack = stack
        self.journal_url = journal_url
        self.books = Books(CLIENTS, {venue: stack.ledger(venue) for venue in stack.venues})
        self.kills: Counter[str] = Counter()
        self.ready_s: list[float] = []
        self.open_s: list[float] = []
        self.cycles = 0
        self.found = Findings()
        self._seed = seed
        self._random = Random(seed)  # noqa: S311  # It makes a run repeatable; nothing here is secret.
        self._console = console
        self._openings = Openings(VENUES)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End after the cycle that is under way."""
        self._stopped.set()

    async def run(self, cycles: int) -> None:
        """The campaign.

        Raises:
            Broken: with all that is wrong.
        """
        async with contextlib.AsyncExitStack() as connected:
            traders = [await self._trader(connected, name) for name in CLIENTS]
            async with asyncio.TaskGroup() as listening:
                streams = [listening.create_task(trader.listen()) for trader in traders]
                while self.cycles < cycles and not self._stopped.is_set():
                    await self._some_cycles(traders, min(REST_EVERY, cycles - self.cycles))
                    await self._compare(traders)
                    self._say()
                for stream in streams:
                    stream.cancel()

    async def _trader(self, connected: contextlib.AsyncExitStack, name: str) -> Trader:
        gateway = GatewayClient(self.stack.api_address, client_id=name, timeout_s=LOAD_S)
        await connected.enter_async_context(gateway)
        dice = Random(f"{self._seed}:{name}")  # noqa: S311  # As above.
        return Trader(gateway, self.books.clients[name], dice, self._openings)

    async def _some_cycles(self, traders: list[Trader], count: int) -> None:
        rest = asyncio.Event()
        async with asyncio.TaskGroup() as trading:
            for trader in traders:
                trading.create_task(trader.trade(rest))
            try:
                for _ in range(count):
                    await self._cycle()
                    if self._stopped.is_set():
                        break
            finally:
                rest.set()

    async def _cycle(self) -> None:
        try:
            await self._openings.some(self._random.randint(2, 25), LOAD_S)
            await asyncio.sleep(self._random.uniform(0, 0.05))  # The moment is meant to be any.
            names = self._random.choices(list(KINDS), list(KINDS.values()))[0]
            again_after_s = self._random.uniform(0, 1.2)
            self.kills[" + ".join(names)] += 1
            started = await asyncio.to_thread(self._kill_and_restart, names, again_after_s)
            opened = await self._openings.all_open(RECOVERY_S)
        except (TimeoutError, NotReady) as error:
            raise Broken(f"cycle {self.cycles + 1}: not back within {RECOVERY_S:g} s: {error!r}") from error
        self.open_s.append(opened - started)
        self.cycles += 1
        self._check(self.books.at_any_time)

    def _kill_and_restart(self, names: tuple[str, ...], again_after_s: float) -> float:
        """When the last process was started, in `time.monotonic`."""
        victims = [self._process(name) for name in names if not name.endswith("again")]
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        for victim in victims:
            victim.kill()
        self._openings.expect()
        for victim in victims:
            victim.launch()
        if names[-1].endswith("again"):
            time.sleep(again_after_s)  # Into its recovery.
            self.stack.gateway.kill()
            self.stack.gateway.launch()
        started = time.monotonic()
        for victim in victims:
            victim.wait_ready(RECOVERY_S)
            if victim is self.stack.gateway:
                self.ready_s.append(time.monotonic() - started)
        return started

    def _process(self, name: str) -> Process:
        return self.stack.gateway if name == "gateway" else self.stack.venues[name]

    def _check(self, compare: Callable[[], Findings]) -> None:
        journal = SqlJournal(self.journal_url)
        self.books.read(journal.read(self.books.journal.seq + 1))
        self.found = compare()
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
        self._check(self.books.at_rest)

    async def _caught_up(self) -> None:
        journal = SqlJournal(self.journal_url)
        async with asyncio.timeout(LOAD_S):
            while True:
                self.books.read(journal.read(self.books.journal.seq + 1))
                due = {name: self.books.journal.seqs[name][-1:] for name in CLIENTS}
                if all(self.books.clients[name].seqs[-1:] >= seq for name, seq in due.items()):
                    return
                await asyncio.sleep(0.05)

    def _say(self) -> None:
        executions = sum(len(fills) for fills in self.books.journal.fills.values())
        self._console.print(
            f"{self.cycles:>6,} cycles  {self._openings.accepted:>8,} orders  {executions:>8,} executions  "
            f"nothing lost, nothing twice  open again p50 {times(self.open_s).p50:.2f} s",
            highlight=False,
            soft_wrap=True,
        )

    def result(self, seconds: float, in_doubt: int) -> Result:
        """What it came to."""
        journal, problems = self.books.journal, self.found
        return Result(
            cycles=self.cycles,
            kills=dict(self.kills),
            orders=sum(len(orders) for orders in journal.orders.values()),
            requests=len(journal.routed),
            executions=sum(len(fills) for fills in journal.fills.values()),
            lost=len(problems.lost),
            duplicated=len(problems.duplicated),
            sent_twice=len(problems.sent_twice),
            stream_faults=len(problems.stream),
            in_doubt=in_doubt,
            ready_s=times(self.ready_s),
            open_s=times(self.open_s),
            seconds=round(seconds),
            seed=self._seed,
            journal=self.journal_url.partition(":")[0].partition("+")[0],
            durability="power",
        )


def times(values: list[float]) -> Times:
    """The distribution, by nearest rank."""
    ranked = sorted(values)
    if not ranked:
        return Times()
    p50, p99 = (ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 99))
    return Times(round(p50, 3), round(p99, 3), round(ranked[-1], 3), len(ranked))


def with_clients(text: str) -> str:
    """The gateway's configuration with the campaign's clients, and durability as on a trading machine."""
    return text + "".join(f'\n[[clients]]\nid = "{name}"\nrole = "trader"\naccounts = ["ACC1"]\n' for name in CLIENTS)


async def campaign(folder: Path, cycles: int, seed: int, console: Console, journal_url: str = "") -> Result:
    """One campaign in a folder; the journal is a file there, or at this URL."""
    began = time.monotonic()

    def configured(text: str) -> str:
        return with_clients(put(text, "url", f'"{journal_url}"') if journal_url else text)

    with Stack(folder, {"gateway": configured}) as stack:
        journal_url = journal_url or stack.journal_url
        running = Campaign(stack, journal_url, seed, console)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.stop)
        problems: list[str] = []
        try:
            await running.run(cycles)
        except* Broken as broken:
            problems = [line for each in _leaves(broken) for line in each.args]
        finally:
            stack.stop()
    in_doubt = len(recover(SqlJournal(journal_url)).doubtful)
    if in_doubt:
        problems.append(f"{in_doubt} requests are in doubt at the end")
    result = running.result(time.monotonic() - began, in_doubt)
    return msgspec.structs.replace(result, problems=problems[:50])


def _leaves(group: BaseExceptionGroup[Broken]) -> list[Broken]:
    found: list[Broken] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


def table(result: Result) -> Table:
    """The result for people."""
    shown = Table("what", "figure", title="Crash campaign", title_justify="left")
    for name, value in msgspec.to_builtins(result).items():
        if isinstance(value, dict):
            value = "  ".join(f"{key}: {each}" for key, each in value.items())  # noqa: PLW2901
        if name != "problems":
            shown.add_row(name.replace("_", " "), str(value))
    return shown


def main() -> int:
    """The command; exit code 0 when nothing was lost, doubled or left open."""
    given = _given()
    console = Console(stderr=True)
    logging.getLogger("gateway.client").setLevel(logging.ERROR)  # That the gateway is away is no news here.
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    console.print(f"{given.cycles} cycles with seed {seed} in {folder}", highlight=False)
    with _journal(given.journal) as journal_url:
        result = asyncio.run(campaign(folder, given.cycles, seed, console, journal_url))
    console.print(table(result))
    for line in result.problems:
        console.print(f"[bold red]problem:[/] {line}", highlight=False)
    if result.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        console.print(f"Everything is kept in {folder}; again with SEED={seed}.", highlight=False)
    line = msgspec.json.encode(result).decode()
    if given.report is not None:
        with given.report.open("a") as report:
            report.write(line + "\n")
    print(line, flush=True)
    return 0 if result.passed else 1


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="what is killed when; printed when not given")
    parser.add_argument("--journal", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--report", type=Path, help="add the result as a line of JSON to this file")
    return parser.parse_args()


@contextlib.contextmanager
def _journal(kind: str) -> Iterator[str]:
    """Where the journal is; empty for a file of the stack's own."""
    if kind == "sqlite":
        yield ""
        return
    from tests.postgres import PostgresServer  # noqa: PLC0415  # The server comes with the tests' packages.

    with PostgresServer() as server:
        yield server.url(server.new_database())


if __name__ == "__main__":
    sys.exit(main())
