"""The gateway with one mine in it: run in place of `gateway.cli.server`, it ends by SIGKILL at one exact point.

CRASH_POINT names the point and CRASH_AT a file. While that file is not there, nothing happens; from then on the
passages of the point are counted, and at the one whose number the file holds the process kills itself. The product
knows nothing of this: its functions are wrapped here, in this process. Points inside the C library's calls are those
of points.c, which has to be preloaded.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import quickfix as fix

from gateway.adapters.grpc import orders, trade
from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.postgres import PostgresDatabase, PostgresWriter
from gateway.adapters.quickfix import QuickFixLink
from gateway.adapters.quickfix.application import Application
from gateway.cli import server
from gateway.core import engine
from gateway.core import events as ev
from gateway.core.events import Record
from gateway.runtime import recovery, snapshots
from gateway.runtime.feed import Feed
from gateway.runtime.follower import Follower

SENT = (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested)
REQUESTS = ("D", "F", "G")
# The calls of points.c, by the names used there.
BODY_STORED, HEADER_STORED, BEFORE_SEQNUMS, BEFORE_SEND, AFTER_SEND, WAL_WRITE, WAL_SYNC, HALF_SEND = range(1, 9)


class Mine:
    """Counts passages while the file is there."""

    def __init__(self, file: Path, end: Callable[[], None]) -> None:
        self._file = file
        self._end = end
        self._passed = 0

    @property
    def wanted(self) -> int:
        """The passage to end at; 0 while the mine is not armed."""
        try:
            return int(self._file.read_text() or 1)
        except FileNotFoundError:
            return 0

    def passed(self) -> None:
        """End here, when this is the passage."""
        if wanted := self.wanted:
            self._passed += 1
            if self._passed == wanted:
                self._end()


def die() -> None:
    """As `kill -9` from outside would: no handler, no flush, no cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def sleep() -> None:
    """As `kill -STOP` from outside would: it goes on when it is woken."""
    os.kill(os.getpid(), signal.SIGSTOP)


# --- In the journal ---


def holds(records: Sequence[Record], *kinds: type) -> bool:
    return any(isinstance(record.event, kinds) for record in records)


def of_venue(records: Sequence[Record]) -> bool:
    return any(record.cause.kind == "venue" and record.order is not None for record in records)


def around_append(mine: Mine, fits: Callable[[Sequence[Record]], bool], *, before: bool = False, call: int = 0) -> None:
    """Before or after the commit of a batch that fits, or in one of the calls that make up its commit."""
    real = SqlJournal.append

    def append(self: SqlJournal, records: Sequence[Record]) -> None:
        if fits(records):
            if before:
                mine.passed()
            elif call and mine.wanted:
                ctypes.CDLL(None).crash_arm(call, mine.wanted)
        real(self, records)
        if fits(records) and not before and not call:
            mine.passed()

    SqlJournal.append = append  # type: ignore[method-assign]


def in_statement(mine: Mine, call: int) -> None:
    """In the call that sends a commit to PostgreSQL. All of it has to be in one: nothing is prepared before."""
    real = PostgresDatabase.writer

    def writer(self: PostgresDatabase, **named: bool) -> PostgresWriter:
        made = real(self, **named)
        made.connection.connection.driver_connection.prepare_threshold = None  # type: ignore[union-attr]
        return made

    PostgresDatabase.writer = writer  # type: ignore[method-assign, assignment]
    around_append(mine, requests, call=call)


# --- On the way out ---


def at_act(mine: Mine) -> None:
    """Committed, and not given to QuickFIX yet."""
    real = QuickFixLink.act

    def act(self: QuickFixLink, record: Record) -> None:
        if isinstance(record.event, SENT):
            mine.passed()
        real(self, record)

    QuickFixLink.act = act  # type: ignore[method-assign]


def at_to_app(mine: Mine, call: int = 0) -> None:
    """QuickFIX has a request: before it stores anything, or in one of the calls that store and send it."""
    real = Application.toApp

    def to_app(self: Application, message: fix.Message, session: fix.SessionID) -> None:
        request = message.getHeader().getField(35) in REQUESTS
        if request and not call:
            mine.passed()
        real(self, message, session)
        if request and call and mine.wanted:
            ctypes.CDLL(None).crash_arm(call, mine.wanted)

    Application.toApp = to_app  # type: ignore[method-assign]


# --- On the way in ---


def at_from_app(mine: Mine) -> None:
    """QuickFIX hands over a report, and nothing of ours has it yet."""
    real = Application.fromApp

    def from_app(self: Application, message: fix.Message, session: fix.SessionID) -> None:
        mine.passed()
        real(self, message, session)

    Application.fromApp = from_app  # type: ignore[method-assign]


def at_commit_while_quickfix_waits(mine: Mine) -> None:
    """A report is committed while QuickFIX is still in the callback, so that its own number has not moved."""
    real = Application.fromApp

    def from_app(self: Application, message: fix.Message, session: fix.SessionID) -> None:
        real(self, message, session)
        if mine.wanted:
            threading.Event().wait()

    Application.fromApp = from_app  # type: ignore[method-assign]
    around_append(mine, of_venue)


# --- To clients ---


def at_publish(mine: Mine) -> None:
    """Acted on, and no stream has it."""
    real = Feed.publish

    def publish(self: Feed, records: Sequence[Record]) -> None:
        if of_venue(records):
            mine.passed()
        real(self, records)

    Feed.publish = publish  # type: ignore[method-assign]


def at_reply(mine: Mine) -> None:
    """All is done but to tell whoever asked."""
    for module in (orders, trade):
        real = module.reply

        def reply(*arguments: Any, real: Callable[..., Any] = real) -> Any:
            mine.passed()
            return real(*arguments)

        module.reply = reply


# --- In recovery ---


def at_replay(mine: Mine) -> None:
    """The journal is being replayed."""
    real = engine.advance

    def advance(*arguments: Any) -> Any:
        mine.passed()
        return real(*arguments)

    recovery.advance = advance  # type: ignore[attr-defined]


def at_open(mine: Mine) -> None:
    """The journal is taken over: a new epoch is in force, of which no record speaks."""
    real = SqlJournal.open

    def take_over(self: SqlJournal) -> Any:
        head = real(self)
        mine.passed()
        return head

    SqlJournal.open = take_over  # type: ignore[method-assign]


def at_start(mine: Mine, *, before: bool) -> None:
    """The state is whole: before or after a link looks at its store and begins to connect."""
    real = QuickFixLink.start

    def start(self: QuickFixLink, *arguments: Any, **named: Any) -> None:
        if before:
            mine.passed()
        real(self, *arguments, **named)
        if not before:
            mine.passed()

    QuickFixLink.start = start  # type: ignore[method-assign]


# --- In the follower's snapshots ---


def at_snapshot(mine: Mine, step: str, *, torn: bool = False) -> None:
    """Before a step of writing a snapshot, or with half of its bytes written. A snapshot is written of the smallest
    journal too.
    """
    real = getattr(snapshots, step)

    def stepping(path: Path, *parts: Any) -> None:
        if torn and mine.wanted:
            whole = b"".join(*parts)
            path.write_bytes(whole[: len(whole) // 2])
        mine.passed()
        real(path, *parts)

    setattr(snapshots, step, stepping)
    Follower.finish.__defaults__ = (0,)


def at_snapshot_name(mine: Mine) -> None:
    """The snapshot is whole on the disk, under a name that nobody reads."""
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.suffix == ".unfinished":
            mine.passed()
        return real(self, target)

    Path.replace = replace  # type: ignore[assignment, method-assign]
    Follower.finish.__defaults__ = (0,)


def logon_events(records: Sequence[Record]) -> bool:
    return holds(records, ev.SessionLoggedOn)


def began(records: Sequence[Record]) -> bool:
    return holds(records, ev.EpochBegan)


def requests(records: Sequence[Record]) -> bool:
    return holds(records, *SENT)


POINTS: dict[str, Callable[[Mine], None]] = {
    "before the commit": lambda mine: around_append(mine, requests, before=True),
    "write of the log": lambda mine: around_append(mine, requests, call=WAL_WRITE),
    "sync of the log": lambda mine: around_append(mine, requests, call=WAL_SYNC),
    "statement half sent": lambda mine: in_statement(mine, HALF_SEND),
    "statement sent": lambda mine: in_statement(mine, AFTER_SEND),
    "after the commit": lambda mine: around_append(mine, requests),
    "asleep after the commit": lambda mine: around_append(mine, requests),
    "before the link": at_act,
    "in toApp": at_to_app,
    "body stored": lambda mine: at_to_app(mine, BODY_STORED),
    "header stored": lambda mine: at_to_app(mine, HEADER_STORED),
    "number not advanced": lambda mine: at_to_app(mine, BEFORE_SEQNUMS),
    "before send": lambda mine: at_to_app(mine, BEFORE_SEND),
    "after send": lambda mine: at_to_app(mine, AFTER_SEND),
    "report in fromApp": at_from_app,
    "report before the commit": lambda mine: around_append(mine, of_venue, before=True),
    "report committed, QuickFIX waits": at_commit_while_quickfix_waits,
    "before the streams": at_publish,
    "before the reply": at_reply,
    "journal taken over": at_open,
    "replay": at_replay,
    "before the epoch is told": lambda mine: around_append(mine, began, before=True),
    "after the epoch is told": lambda mine: around_append(mine, began),
    "before a link starts": lambda mine: at_start(mine, before=True),
    "after a link started": lambda mine: at_start(mine, before=False),
    "before the logon is told": lambda mine: around_append(mine, logon_events, before=True),
    "after the logon is told": lambda mine: around_append(mine, logon_events),
    "snapshot half written": lambda mine: at_snapshot(mine, "_write", torn=True),
    "snapshot written, not named": at_snapshot_name,
    "snapshot named": lambda mine: at_snapshot(mine, "sync"),
}
"""Where a process can be made to end, by name."""


def main() -> None:
    """The gateway's own command, mined."""
    point = os.environ["CRASH_POINT"]
    POINTS[point](Mine(Path(os.environ["CRASH_AT"]), sleep if point.startswith("asleep") else die))
    server.main()
