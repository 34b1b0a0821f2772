"""`gateway follow`: keeps the projections and the snapshots behind the journal, and proves that the journal replays.

The server starts one by itself, as a process of its own (`attend`), which ends with it. It reads the journal and never
writes to it. Exit codes: 0 a clean end, 1 another one runs, or the database or the data directory is somebody else's, 2
the configuration is wrong, 3 the journal is damaged or does not replay to what was told.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Annotated, cast

import msgspec
import structlog
import typer

from gateway.adapters import logs
from gateway.cli.configured import ConfigFile, configuration
from gateway.cli.failing import failed
from gateway.cli.keep import kept_journal, kept_snapshots
from gateway.config import Config
from gateway.core.engine import Diverged
from gateway.runtime.files import Taken, alone
from gateway.runtime.follower import Follower, ProjectionsError
from gateway.runtime.ports import JournalDamaged, JournalError

FAILED, JOURNAL_WRONG = 1, 3
STOP_S = 8.0
"""How long `attend` waits for a clean end, which may write a last snapshot: ten times what a large one takes."""

NICER = 19
_LOCK_S = 5.0
"""How long to wait for one whose server was killed: it ends as soon as it notices."""
_AGAIN_S = (1.0, 60.0)
_LOOK_S = 0.1
_DAMAGED = b"journal_damaged"
_PROJECTED = b"projected "

_log = structlog.get_logger("gateway.follower")


# --- The command ------------------------------------------------------------------------------------------------------


def follow(
    config: ConfigFile,
    once: Annotated[bool, typer.Option("--once", help="Catch up with the journal, and end.")] = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Keep the projections and the snapshots behind the journal, until SIGINT or SIGTERM. Reads the journal only.

    A gateway that runs has one already. Exit codes: 0 clean end, 1 another one runs, 2 configuration wrong, 3 the
    journal is damaged or does not replay.
    """
    loaded = configuration(config)
    logs.configure(loaded.log)
    os.nice(NICER)
    os.umask(0o077)
    try:
        with _alone(Path(loaded.data_dir), _LOCK_S if until_stdin_closes else 0):
            follower = made(loaded, _tell_damage if until_stdin_closes else lambda: None)
            if once:
                _catch_up(follower)
            else:
                ending = _ending(until_stdin_closes)
                _run(follower, _telling(follower, ending) if until_stdin_closes else ending)
    except (Diverged, JournalDamaged) as error:
        _log.critical("journal_does_not_replay", reason=str(error))
        raise typer.Exit(JOURNAL_WRONG) from None
    except (JournalError, ProjectionsError, Taken, OSError) as error:  # As in a directory of another user.
        raise failed(str(error), FAILED) from None


def made(config: Config, damaged: Callable[[], None] = lambda: None) -> Follower:
    """The follower of a configuration; `damaged` as it has it."""
    journal = kept_journal(config)
    from gateway.adapters.projections.store import Projections  # noqa: PLC0415  # The server only starts a follower.

    url = config.projections.url
    return Follower(
        journal,
        Projections(url, config.stack) if url else None,
        kept_snapshots(config, lambda reason: _log.warning("snapshot_passed_over", reason=reason)),
        config.retention.snapshot_events,
        journal.batches,
        damaged,
    )


def _catch_up(follower: Follower) -> None:
    began = time.monotonic()
    count = follower.catch_up()
    if follower.projections_failure:
        raise ProjectionsError(follower.projections_failure)
    follower.finish()
    took = time.monotonic() - began
    print(f"caught up with the journal at seq {follower.state.seq:,}: {count:,} events replayed in {took:.1f} s")


def _run(follower: Follower, wait: Callable[[float], bool]) -> None:
    follower.run(wait)
    follower.finish()
    _log.info("stopped", seq=follower.state.seq)


def _tell_damage() -> None:
    _tell(_DAMAGED)


def _tell(line: bytes) -> None:
    """To the server whose child this is, for its metrics: standard output has nothing else."""
    with contextlib.suppress(OSError):  # It is gone, and we shall be.
        os.write(1, line + b"\n")


def _telling(follower: Follower, wait: Callable[[float], bool]) -> Callable[[float], bool]:
    """`wait`, and before it the server is told how far the projections are, when they went on."""
    told: int | None = None

    def waits(pause_s: float) -> bool:
        nonlocal told
        if follower.projections_seq not in (None, told):
            told = follower.projections_seq
            _tell(b"%s%d" % (_PROJECTED, told))
        return wait(pause_s)

    return waits


def _ending(until_stdin_closes: bool) -> Callable[[float], bool]:
    """Pauses, and says whether it is time to end: after SIGINT or SIGTERM, or when the parent is gone."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    if until_stdin_closes:
        threading.Thread(target=_until_closed, args=(end,), daemon=True).start()
    return end.wait


def _until_closed(end: threading.Event) -> None:
    """The other end of standard input is held by the parent alone, and closes when it dies, however it dies."""
    while os.read(0, 4_096):
        pass
    end.set()


def _alone(data_dir: Path, patience_s: float) -> AbstractContextManager[None]:
    """The only follower of this data directory."""
    taken = f"another follower runs on {data_dir}: a gateway that runs has one; nothing is to be done"
    return alone(data_dir / "follower.lock", taken, patience_s)


# --- The server's child -----------------------------------------------------------------------------------------------


class Following(msgspec.Struct):
    """How a server's follower fares: whether one runs, whether one found damage in the journal since the server
    started, and how far the projections are, None before one has told.
    """

    runs: bool = False
    journal_damaged: bool = False
    projections_seq: int | None = None


class Lag:
    """The alert when what the follower keeps is far behind the journal: once for each thing, and when it is not any
    more. One that runs may do nothing all the same, as on a disk that takes no snapshot.
    """

    def __init__(self, most_events: int) -> None:
        """Beyond `most_events` it is told."""
        self._most_events = most_events
        self._told: set[str] = set()

    def look(self, behind: Mapping[str, int]) -> None:
        """By what the follower keeps: how many events of the journal it does not have."""
        for what, events in behind.items():
            if events > self._most_events and what not in self._told:
                self._told.add(what)
                _log.error("follower_behind", what=what, events=events, runbook="docs/runbook.md#follower_behind")
            elif events <= self._most_events and what in self._told:
                self._told.remove(what)
                _log.info("follower_not_behind", what=what, events=events)


async def spawn(config: Path) -> subprocess.Popen[bytes]:
    """Start a follower that ends with this process, whose log goes to the same place. It yields to trading from its
    first moment on: to load its program takes a second of the processor. Canceled, it leaves none behind.
    """
    starting = asyncio.ensure_future(asyncio.to_thread(_spawned, config))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:  # The thread cannot be stopped, and nobody else will know of what it starts.
        with contextlib.suppress(OSError):
            await _end(await starting)
        raise


def _spawned(config: Path) -> subprocess.Popen[bytes]:
    """Not by the event loop: uvloop lets a child inherit what QuickFIX opened, and a venue would see the connection of
    a gateway that was killed for as long as its follower lives.
    """
    started = subprocess.Popen(
        [sys.executable, "-m", __name__, "--config", str(config), "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Linux shares the processor out by session first (sched_autogroup).
    )
    os.set_blocking(_said_by(started).fileno(), False)
    with contextlib.suppress(OSError):  # It has ended already; whoever waits for it hears of that.
        _yielding(started.pid)
    return started


def _yielding(pid: int) -> None:
    """Let a process have what nobody else wants of the processor: who wakes goes before it at once."""
    os.setpriority(os.PRIO_PROCESS, pid, NICER)
    if sys.platform == "linux":
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        Path(f"/proc/{pid}/autogroup").write_text(str(NICER))


def _yielding_no_more(pid: int) -> None:
    """The opposite, as far as the system lets this user: trading is over, and a stop waits for this process alone."""
    lifts: list[Callable[[], object]] = [lambda: os.setpriority(os.PRIO_PROCESS, pid, 0)]
    if sys.platform == "linux":
        lifts.append(lambda: os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0)))
        lifts.append(lambda: Path(f"/proc/{pid}/autogroup").write_text("0"))
    for lift in lifts:
        with contextlib.suppress(OSError):
            lift()


async def attend(config: Path, following: Following) -> None:
    """Keep a follower running until this is canceled; then end it, in good order if it can. `following` says meanwhile
    how it fares.

    Trading goes on without it. When it ends by itself it is started again after a while; not when it found that the
    journal does not replay, which is for people to look at.
    """
    pause, longest = _AGAIN_S
    while True:
        started = time.monotonic()
        code = await _attended(config, following)
        if code == JOURNAL_WRONG:
            _log.error(
                "follower_stopped",
                exit_code=code,
                next="run: gateway replay --config FILE --check; keep the journal's files",
            )
            return
        pause = _AGAIN_S[0] if time.monotonic() - started > longest else min(longest, pause * 2)
        _log.error("follower_ended", exit_code=code, started_again_in_s=pause)
        await asyncio.sleep(pause)


async def _attended(config: Path, following: Following) -> int:
    """One follower's exit code. It ends with us, when we are canceled."""
    try:
        process = await spawn(config)
    except (OSError, RuntimeError) as error:  # RuntimeError: there can be no further thread.
        _log.error("follower_not_started", reason=str(error))  # No defect, but a machine that is full.
        return FAILED
    following.runs = True
    try:
        return await _ended(process, following)
    except asyncio.CancelledError:
        await _end(process)
        raise
    finally:
        following.runs = False
        cast("IO[bytes]", process.stdin).close()
        _said_by(process).close()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """In good order: it ends when the other end of its standard input is closed."""
    cast("IO[bytes]", process.stdin).close()
    _yielding_no_more(process.pid)
    ending = asyncio.ensure_future(_ended(process, Following()))
    # Not asyncio.timeout: up to Python 3.11.2 it does not work in a task that is canceled.
    await asyncio.wait({ending}, timeout=STOP_S)
    if not ending.done():
        process.kill()
    await ending
    _said_by(process).close()


async def _ended(process: subprocess.Popen[bytes], following: Following) -> int:
    """Its exit code; what it says until then is noted. Nothing portable tells of its end."""
    while True:
        code = process.poll()
        _note(following, _said_by(process).read() or b"")
        if code is not None:
            return code
        await asyncio.sleep(_LOOK_S)


def _note(following: Following, said: bytes) -> None:
    for line in said.splitlines():
        if line == _DAMAGED:
            following.journal_damaged = True
        elif line.startswith(_PROJECTED) and line.removeprefix(_PROJECTED).isdigit():
            following.projections_seq = int(line.removeprefix(_PROJECTED))


def _said_by(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdout)


if __name__ == "__main__":
    typer.run(follow)
