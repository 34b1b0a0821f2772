"""What a gateway has besides trading, in a campaign: snapshots and projections behind it, and an archive for what is
old, all while it is killed.
"""

import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Self

import msgspec

from gateway.adapters.journal.archive import Archive
from gateway.cli.keep import kept_journal, kept_snapshots
from gateway.config import load
from ops.crash import rows
from ops.crash.books import JournalBook
from ops.crash.forked import ForkedStack
from ops.stack import Process

OFTEN = 1 / 6
"""In so many cycles the gateway lives until there is a new snapshot, in as many what is old is archived, and in twice
as many the follower is killed.
"""
LINGER_S, LOOK_S = 4.0, 0.05
ENDS_S = 60.0


class Ended(Exception):
    """A program had ended by itself, when it was to be killed."""


def killed(program: Process) -> None:
    """It is gone, by the kill and by nothing before it. Raises Ended."""
    code = program.kill()
    if code != -signal.SIGKILL:
        raise Ended(f"{program.name} had ended by itself, with exit code {code}; why is in {program.log}")


class Said(msgspec.Struct):
    """A line of the log."""

    event: str = ""
    level: str = ""

    @property
    def alarms(self) -> bool:
        """Whether it says that a snapshot, a journal or a FIX store is not as it should be, or why the gateway gave
        up.
        """
        return self.level == "critical" or "snapshot" in self.event or self.event in _ALARMS


# The last three are of a loss of power, and here is none: a kill loses nothing that was written.
_ALARMS = frozenset({"follower_stopped", "journal_cut", "store lost", "store older than the journal"})


class House:
    """Of one stack. Use it as a context, while its gateway runs: it has a follower in it."""

    def __init__(self, stack: ForkedStack, dice: Random) -> None:
        config = load(stack.gateway_config)
        self.journal = kept_journal(config)
        self._snapshots = kept_snapshots(config)
        self._archive = Archive(Path(config.data_dir) / "archive")
        self._projections = config.projections.url
        self._stack = stack
        self._dice = dice
        self._archiving: Process | None = None
        self._follower = self._command("follow")
        self.follower_kills = 0

    def __enter__(self) -> Self:
        """Start the follower."""
        self._follower.launch()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing goes on."""
        self._follower.kill()
        if self._archiving is not None:
            self._archiving.kill()

    def _command(self, *words: str) -> Process:
        return self._stack.gateway_by("gateway.cli.server", words=words)

    def has_snapshot(self) -> bool:
        """Whether a gateway that starts now has one to begin at."""
        return self._snapshots.newest_seq() is not None

    def archived(self) -> int:
        """How many stretches of the journal are in the archive."""
        return len(self._archive.segments())

    def before_the_kill(self) -> None:
        """Now and then the gateway lives until there is a snapshot of it, what is old is on its way to the archive when
        it is killed, or the follower is killed before it. Raises Ended.
        """
        if self._dice.random() < OFTEN:
            self._linger()
        if self._dice.random() < OFTEN:
            self._archiving = self._command("archive")
            self._archiving.launch()
        if self._dice.random() < 2 * OFTEN:
            killed(self._follower)
            self.follower_kills += 1
            self._follower.launch()

    def _linger(self) -> None:
        before, end = self._snapshots.newest_seq(), time.monotonic() + LINGER_S
        while self._snapshots.newest_seq() == before and time.monotonic() < end:
            time.sleep(LOOK_S)  # The follower's writing is seen by its file alone.

    def after_the_kill(self) -> list[str]:
        """What went wrong beside the kill. Raises ops.stack.NotReady when it does not end."""
        archiving, self._archiving = self._archiving, None
        return [] if archiving is None else self._failed("archive", archiving)

    def at_the_end(self, codes: Mapping[str, int], journal: JournalBook) -> list[str]:
        """What is wrong once the stack has ended with these exit codes: a gateway or follower that did not end well,
        one that cannot catch up, rows that are not the journal's, an alarm in the log. Raises NotReady as above.
        """
        codes = {"gateway": codes["gateway"], "follower": self._follower.stop()}
        if any(codes.values()):
            return [f"exit codes at the end: {codes}; why is in {self._stack.gateway.log}"]
        following = self._command("follow", "--once")
        following.launch()
        if failed := self._failed("follow --once", following):
            return failed
        journal.read(self.journal.read(journal.seq + 1))
        return rows.differences(self._projections, journal) + list(self._alarms())

    def _failed(self, what: str, process: Process) -> list[str]:
        code = process.ended(ENDS_S)
        return [f"gateway {what} ended with exit code {code}; why is in {process.log}"] if code else []

    def _alarms(self) -> Iterator[str]:
        for line in self._stack.gateway.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and msgspec.json.decode(line, type=Said).alarms:
                yield f"in the log: {line}"
