"""`make crash CYCLES=n`: a crash campaign over as many stacks as it takes, some of them at a time.

A stack lives for a number of cycles that its seed decides, most for few, so that its journal stays short, and some for
many. The first stack has the seed that was asked for, the next one the next. Stacks share nothing but the machine.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import cast

import msgspec
from rich.console import Console

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.archive import Archive
from gateway.runtime.ports import JournalError
from ops.crash.lane import Job
from ops.crash.result import Result, Tally, result, table
from ops.progress import Progress
from ops.stack import ROOT

LANES = (os.cpu_count() or 1) + 1
"""More than cores: a stack often waits, for a second until its gateway connects again."""
LENGTHS = {20: 12, 50: 3, 150: 1}
"""How many cycles a stack lives for, and how often."""
MOST_FAILED = 3
"""After so many stacks with problems no further one is begun."""
MOST_BYTES = 1_000_000
JOURNAL_COPY = "journal-copy.sqlite"
JOURNALS = {"sqlite": "sqlite", "postgres": "postgresql"}
"""As the command says it, and as the result does."""

Journals = Callable[[], str]


def length(seed: int) -> int:
    """For how many cycles the stack with this seed lives."""
    dice = Random(f"length of {seed}")  # noqa: S311  # It makes a run repeatable; nothing here is secret.
    return dice.choices(list(LENGTHS), list(LENGTHS.values()))[0]


def stacks(cycles: int, seed: int) -> Iterator[tuple[int, int]]:
    """The seed and the cycles of each stack, for so many cycles together."""
    while cycles > 0:
        count = min(cycles, length(seed))
        yield seed, count
        cycles -= count
        seed += 1


class Lanes:
    """Some stacks at a time until all have ended.

    Args:
        folder: where each stack gets a folder of its own, which stays only when something was wrong with it, then with
            a copy of its journal when that was elsewhere.
        jobs: the seed and the cycles of each stack.
        journals: where the next stack's journal is; empty for a file in its folder.
        tell: called whenever there is news.
    """

    def __init__(
        self, folder: Path, jobs: Iterable[tuple[int, int]], journals: Journals, tell: Callable[["Lanes"], object]
    ) -> None:
        self.tallies: dict[int, Tally] = {}
        self.failed: list[Job] = []
        self.problems: list[str] = []
        self._folder = folder
        self._jobs = iter(jobs)
        self._journals = journals
        self._tell = tell
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopped = False

    async def run(self, lanes: int) -> None:
        """All of them, so many at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane())

    def stop(self) -> None:
        """Each stack ends after the cycle that is under way, and no further one begins."""
        self._stopped = True
        for lane in self._running:
            lane.terminate()

    async def _lane(self) -> None:
        async with self._process() as (given, told):
            while not told.at_eof() and (job := self._next_job()):
                await self._stack(given, told, job)

    def _next_job(self) -> Job | None:
        planned = None if self._stopped or len(self.failed) >= MOST_FAILED else next(self._jobs, None)
        if planned is None:
            return None
        seed, cycles = planned
        return Job(seed, cycles, str(self._folder / f"seed-{seed}"), self._journals())

    @contextlib.asynccontextmanager
    async def _process(self) -> AsyncIterator[tuple[asyncio.StreamWriter, asyncio.StreamReader]]:
        lane = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.crash.lane"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_BYTES,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        given, told = cast("asyncio.StreamWriter", lane.stdin), cast("asyncio.StreamReader", lane.stdout)
        self._running.add(lane)
        try:
            yield given, told
        finally:
            await lane.communicate(b"")  # That was all.
            self._running.remove(lane)
            # The word to stop ends one that had not yet begun to listen to it.
            if lane.returncode and not (self._stopped and lane.returncode == -signal.SIGTERM):
                self.problems.append(f"a lane ended with exit code {lane.returncode}; why is above")

    async def _stack(self, given: asyncio.StreamWriter, told: asyncio.StreamReader, job: Job) -> None:
        given.write(msgspec.json.encode(job) + b"\n")
        tally = Tally()
        while not tally.ended and (line := await told.readline()):
            tally = self.tallies[job.seed] = msgspec.json.decode(line, type=Tally)
            self._tell(self)
        if not tally.ended:
            if self._stopped and not _began(job):
                return  # The word to stop came before the lane listened to it.
            tally.problems = [f"the lane of the stack with seed {job.seed} ended; why is above"]
            self.tallies[job.seed] = tally
        if tally.passed:
            shutil.rmtree(job.folder, ignore_errors=True)
        else:
            self.failed.append(job)
            await asyncio.to_thread(_keep_journal, job)


def _began(job: Job) -> bool:
    return Path(job.folder).exists()


def _keep_journal(job: Job) -> None:
    """The server of a journal that is no file ends with the campaign: a copy goes into the stack's folder."""
    if not job.journal_url:
        return
    folder = Path(job.folder)
    source = SqlJournal(job.journal_url, older=Archive(folder / "gateway" / "archive"))
    try:
        SqlJournal(f"sqlite:///{folder}/{JOURNAL_COPY}").import_batches(source.batches())
    except JournalError as error:
        print(f"{folder} has no copy of the journal: {error}", file=sys.stderr, flush=True)


class Report:
    """The line of this campaign in a file of them: what was really run is there, however the campaign ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = ""

    def write(self, found: Result) -> None:
        """The line as it is now, in place of what it was."""
        before, line = self._line, msgspec.json.encode(found).decode() + "\n"
        text = self._path.read_text() if self._path.exists() else ""
        text = text.replace(before, line) if before and before in text else text + line
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text(text)
        draft.replace(self._path)
        self._line = line


def said(found: Result, cycles: int) -> str:
    """How far it is."""
    rate = found.cycles / max(1, found.seconds)
    left = timedelta(seconds=round((cycles - found.cycles) / rate)) if rate else "?"
    return (
        f"{found.cycles:,} of {cycles:,} cycles  {found.orders:,} orders  {found.lost} lost  "
        f"{found.duplicated + found.sent_twice} duplicated  {found.in_doubt} in doubt  {rate:.2f} cycles/s  {left} left"
    )


def main() -> int:
    """The command; exit code 0 when there were cycles, and nothing was lost, doubled or left open in them."""
    given = _given()
    console = Console(stderr=True)
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    console.print(
        f"{given.cycles} cycles from seed {seed} on, {given.lanes} stacks at a time, in {folder}", highlight=False
    )
    with _journals(given.journal) as journals:
        found, failed = asyncio.run(_campaign(given, seed, folder, journals))
    console.print(table(found))
    for line in found.problems:
        console.print(f"[bold red]problem:[/] {line}", highlight=False)
    for job in failed:
        console.print(f"Everything is kept in {job.folder}; again: {again(job)}", highlight=False)
    if found.passed:
        shutil.rmtree(folder, ignore_errors=True)
    if found.passed and not found.cycles:
        console.print("Nothing was compared: it was stopped before the end of the first cycle.")
        return 1
    print(msgspec.json.encode(found).decode(), flush=True)
    return 0 if found.passed else 1


def again(job: Job) -> str:
    """The command that runs this stack once more."""
    journal = " JOURNAL=postgres" if job.journal_url else ""
    return f"make crash CYCLES={job.cycles} SEED={job.seed}{journal}"


async def _campaign(given: argparse.Namespace, seed: int, folder: Path, journals: Journals) -> tuple[Result, list[Job]]:
    began = time.monotonic()
    report = Report(given.report) if given.report is not None else None

    def tell(running: Lanes) -> Result:
        seconds = time.monotonic() - began
        found = result(
            running.tallies.values(),
            seconds=seconds,
            seed=seed,
            journal=JOURNALS[given.journal],
            problems=running.problems,
        )
        progress.update(said(found, given.cycles), found.cycles / given.cycles)
        if report is not None and (found.cycles or found.problems):
            report.write(found)
        return found

    with Progress("crash campaign") as progress:
        jobs = list(stacks(given.cycles, seed))
        running = Lanes(folder, jobs, journals, tell)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.stop)
        await running.run(min(given.lanes, len(jobs)))
        return tell(running), running.failed


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--cycles", type=_at_least_one, default=50)
    parser.add_argument("--seed", type=int, default=None, help="what is killed when; printed when not given")
    parser.add_argument("--lanes", type=_at_least_one, default=LANES, help="stacks at a time")
    parser.add_argument("--journal", choices=JOURNALS, default="sqlite")
    parser.add_argument("--report", type=Path, help="keep the result as a line of JSON in this file, from early on")
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a whole number of at least 1")
    return number


@contextlib.contextmanager
def _journals(kind: str) -> Iterator[Journals]:
    if kind == "sqlite":
        yield str  # A file of the stack's own.
        return
    from tests.postgres import PostgresServer  # noqa: PLC0415  # The server comes with the tests' packages.

    with PostgresServer() as server:
        yield lambda: server.url(server.new_database())


if __name__ == "__main__":
    sys.exit(main())
