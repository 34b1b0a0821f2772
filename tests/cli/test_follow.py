"""`gateway follow`: catches up, goes on until it is told to end or its parent is gone, and never past what is wrong."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import uvloop
from msgspec.structs import replace
from structlog.testing import capture_logs
from typer.testing import CliRunner

from gateway.adapters.journal import SqlJournal
from gateway.cli import follow as following
from gateway.cli.follow import Following
from gateway.cli.server import app
from gateway.core.commands import HaltInstrument
from gateway.core.engine import execute
from gateway.core.events import Cause, Input, Record
from gateway.core.types import OrdStatus
from tests.adapters.projections.harness import check, dump
from tests.cli.followers import WITHIN_S, at, logged, once, projections, rows_at, started, told, until
from tests.cli.history import configured, write_journal
from tests.core.world import World
from tests.postgres import PostgresServer

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def world() -> World:
    """One order, half filled."""
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    world.fill(order, 50)
    return world


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


@pytest.fixture
def journal(tmp_path: Path, config: Path, world: World) -> Iterator[SqlJournal]:
    made = write_journal(tmp_path, world)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command changes its own process; here that is the tests' process."""
    monkeypatch.setattr(os, "nice", lambda _: 0)
    mask, root = os.umask(0o077), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    os.umask(mask)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_once_catches_up_and_ends(config: Path, journal: SqlJournal, world: World) -> None:
    result = once(config)
    assert result.exit_code == 0, result.output
    assert f"caught up with the journal at seq {world.state.seq}" in result.stdout
    check(projections(config), world.state, world.records)


def test_it_tails_the_journal_until_sigterm(config: Path, journal: SqlJournal, world: World) -> None:
    with started(config) as process:
        until(lambda: at(config) == world.state.seq, "caught up")
        known = len(world.records)
        world.fill(world.state.orders[next(iter(world.state.orders))], 50)
        journal.append(world.records[known:])
        until(lambda: at(config) == world.state.seq, "the fill came")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    assert dump(projections(config))["orders"][0]["ord_status"] == OrdStatus.FILLED.name


def test_it_ends_with_its_parent(config: Path, journal: SqlJournal) -> None:
    with started(config, "--until-stdin-closes") as process:
        until(lambda: at(config) > 0, "caught up")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WITHIN_S) == 0


def test_a_second_one_says_that_there_is_one(config: Path, journal: SqlJournal) -> None:
    with started(config):
        until(lambda: at(config) > 0, "caught up")
        result = once(config)
    assert result.exit_code == 1
    assert "another follower runs on" in result.stderr


def test_a_data_directory_that_cannot_be_used_is_told(config: Path, journal: SqlJournal) -> None:
    """As that of another user: here a directory stands where the lock belongs, which stops root too."""
    (config.parent / "data" / "follower.lock").mkdir()
    result = once(config)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert "follower.lock" in result.stderr


@pytest.mark.parametrize("way", [["--once"], []])
def test_a_journal_that_does_not_replay_is_told_with_its_seq(
    config: Path, tmp_path: Path, world: World, way: list[str]
) -> None:
    """What was told is not what follows from the events: the program or the journal is not what it was."""
    wrong = [record for record in world.records if record.order is not None][-1]
    _rewrite(tmp_path, world, {wrong.seq: _other(wrong)})
    with started(config, *way) as process:
        assert process.wait(WITHIN_S) == 3
    (line,) = [line for line in logged(config) if line["level"] == "critical"]
    assert f"event {wrong.seq} (OrderFilled) replays differently" in str(line["reason"])


def _other(record: Record) -> Record:
    assert record.order is not None
    return replace(record, order=replace(record.order, ord_status=OrdStatus.CANCELED))


def _rewrite(tmp_path: Path, world: World, changed: dict[int, Record]) -> None:
    """The journal with some records changed and every hash right."""
    journal = SqlJournal(f"sqlite:///{tmp_path / 'data' / 'journal.sqlite'}", "process")
    journal.open()
    journal.append([changed.get(record.seq, record) for record in world.records])
    journal.close()


@pytest.mark.parametrize("became", ["CAST(records || x'00' AS BLOB)", "CAST(x'ff00fe80' AS TEXT)"])
def test_a_damaged_journal_ends_it_with_3(config: Path, tmp_path: Path, journal: SqlJournal, became: str) -> None:
    journal.close()
    with sqlite3.connect(tmp_path / "data" / "journal.sqlite") as database:
        database.execute(f"UPDATE journal_batch SET records = {became} WHERE first_seq = 1")
    database.close()
    with started(config, "--once") as process:
        assert process.wait(WITHIN_S) == 3
    (line,) = [line for line in logged(config) if line["level"] == "critical"]
    assert "damaged at seq 1" in str(line["reason"])


def test_a_journal_that_is_not_there_is_waited_for_and_told_once(config: Path, tmp_path: Path, world: World) -> None:
    with started(config) as process:
        until(lambda: len(logged(config)) == 2, "it is told")
        write_journal(tmp_path, world).close()
        until(lambda: at(config) == world.state.seq, "the journal came")
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    assert [line["event"] for line in logged(config)] == ["following", "journal_away", "journal_back", "stopped"]


def test_once_on_a_journal_that_is_not_there_fails(config: Path) -> None:
    result = once(config)
    assert result.exit_code == 1
    assert "does not exist" in result.stderr


def test_snapshots_are_kept_and_started_from(tmp_path: Path) -> None:
    config = configured(tmp_path, "[retention]\nsnapshot_events = 1000\nsnapshots = 1")
    world = World.started()
    for number in range(1_200):
        given = Input(world.now_ns + number, Cause("operator", "ops"), HaltInstrument("ops", "ACME", "a test"))
        world.records.extend(execute(world.state, world.settings, given))
    write_journal(tmp_path, world).close()
    assert once(config).exit_code == 0
    (kept,) = [path.name for path in (tmp_path / "data" / "snapshots").iterdir()]
    with started(config, "--once") as process:
        assert process.wait(WITHIN_S) == 0
    (line,) = [line for line in logged(config) if line["event"] == "following"]
    assert (line["snapshot"], line["from_seq"]) == (True, int(kept.split(".")[0]) + 1)


# --- What lies behind a snapshot ---


def _old_journal(tmp_path: Path) -> tuple[Path, World, SqlJournal]:
    """A journal of many batches that was followed: a snapshot and the projections are at its end."""
    config = configured(tmp_path, "[retention]\nsnapshot_events = 1000\nsnapshots = 1")
    world = World.started()
    journal = write_journal(tmp_path, world)
    for _ in range(30):
        _append_more(world, journal, 40)
    assert once(config).exit_code == 0
    return config, world, journal


def _append_more(world: World, journal: SqlJournal, count: int) -> None:
    known = len(world.records)
    for _ in range(count):
        given = Input(world.now_ns, Cause("operator", "ops"), HaltInstrument("ops", "ACME", "a test"))
        world.records.extend(execute(world.state, world.settings, given))
    journal.append(world.records[known:])


def _damage(tmp_path: Path) -> int:
    """One bit of an old batch is another; its seq."""
    with sqlite3.connect(tmp_path / "data" / "journal.sqlite") as database:
        ((seq, good),) = database.execute(
            "SELECT first_seq, records FROM journal_batch ORDER BY first_seq LIMIT 1 OFFSET 10"
        ).fetchall()
        bad = good[:100] + bytes([good[100] ^ 16]) + good[101:]
        database.execute("UPDATE journal_batch SET records = ? WHERE first_seq = ?", (bad, seq))
    database.close()
    return int(seq)


def test_damage_behind_the_snapshot_is_told_with_its_seq_and_ends_nothing(tmp_path: Path) -> None:
    """A start does not look there. What was found while it can still be helped must not end the snapshots."""
    config, world, journal = _old_journal(tmp_path)
    seq = _damage(tmp_path)
    with started(config) as process:
        until(lambda: "journal_damaged" in told(config), "it is told")
        _append_more(world, journal, 1)
        until(lambda: at(config) == world.state.seq, "it goes on")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    journal.close()
    (line,) = [line for line in logged(config) if line["level"] == "critical"]
    assert (line["event"], line["seq"]) == ("journal_damaged", seq)
    assert f"the batch of seq {seq} to" in str(line["reason"])
    assert "journal_proven" not in told(config)


def test_a_whole_journal_is_proven_to_the_snapshot_once(tmp_path: Path) -> None:
    config, _, journal = _old_journal(tmp_path)
    journal.close()
    (kept,) = (tmp_path / "data" / "snapshots").iterdir()
    with started(config) as process:
        until(lambda: "journal_proven" in told(config), "it is proven")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    (line,) = [line for line in logged(config) if line["event"] == "journal_proven"]
    assert line["through"] == int(kept.stem)


def test_an_archive_that_is_away_is_waited_for_and_then_proven(tmp_path: Path) -> None:
    config, _, journal = _old_journal(tmp_path)
    assert CliRunner().invoke(app, ["archive", "--config", str(config)]).exit_code == 0
    assert journal.first_seq() > 1
    journal.close()
    archive = tmp_path / "data" / "archive"
    archive.rename(tmp_path / "shelf")
    with started(config) as process:
        until(lambda: "old_journal_away" in told(config), "it is told")
        (tmp_path / "shelf").rename(archive)
        until(lambda: "journal_proven" in told(config), "it is proven")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    assert told(config) == ["following", "old_journal_away", "old_journal_back", "journal_proven", "stopped"]


def test_without_projections_it_only_proves_and_keeps_snapshots(tmp_path: Path, world: World) -> None:
    config = configured(tmp_path, '[projections]\nurl = ""')
    write_journal(tmp_path, world).close()
    assert once(config).exit_code == 0
    assert not (tmp_path / "data" / "projections.sqlite").exists()


# --- PostgreSQL ---


def test_a_journal_and_projections_in_postgresql_and_a_server_that_goes_away(tmp_path: Path, world: World) -> None:
    """Both are waited for, each is told once, and nothing is lost."""
    with PostgresServer() as server:
        books, rows = server.url(server.new_database()), server.url(server.new_database())
        config = configured(tmp_path, f'[journal]\nurl = "{books}"\n[projections]\nurl = "{rows}"')
        journal = SqlJournal(books)
        journal.open()
        journal.append(world.records)
        journal.close()
        with started(config) as process:
            until(lambda: rows_at(rows) == world.state.seq, "caught up")
            server.kill()
            until(lambda: "journal_away" in told(config), "it is noticed")
            server.start()
            until(lambda: "journal_back" in told(config), "it is back")
            known = len(world.records)
            world.fill(world.state.orders[next(iter(world.state.orders))], 50)
            journal.open()
            journal.append(world.records[known:])
            journal.close()
            until(lambda: rows_at(rows) == world.state.seq, "the fill came")
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN_S) == 0
        check(rows, world.state, world.records)
    assert told(config) == ["following", "journal_away", "journal_back", "stopped"]


# --- The server's child ---


async def test_the_server_keeps_one_running_and_ends_it(config: Path, journal: SqlJournal) -> None:
    keeping = asyncio.create_task(following.attend(config, Following()))
    await asyncio.to_thread(until, lambda: at(config) > 0, "it runs")
    assert once(config).exit_code == 1
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert once(config).exit_code == 0


async def test_the_server_knows_how_its_follower_fares(tmp_path: Path) -> None:
    """For its metrics: what is in a log only is not seen by who watches those."""
    config, _, journal = _old_journal(tmp_path)
    journal.close()
    _damage(tmp_path)
    fares = Following()
    keeping = asyncio.create_task(following.attend(config, fares))
    await asyncio.to_thread(until, lambda: fares.journal_damaged, "the damage is found")
    assert fares.runs
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert (fares.runs, fares.journal_damaged) == (False, True)


def _autogroup_nice(pid: int) -> int | None:
    """None on a system that has no such groups."""
    group = Path(f"/proc/{pid}/autogroup")
    return int(group.read_text().split()[-1]) if group.exists() else None


@pytest.mark.skipif(sys.platform != "linux", reason="nice is all that other systems have")
async def test_it_yields_to_everybody_from_its_first_moment_on(config: Path, journal: SqlJournal) -> None:
    process = await following.spawn(config)
    try:
        assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
        # By session Linux shares the processor out first: in the gateway's it would be weighed with the gateway.
        assert os.getsid(process.pid) == process.pid
        assert _autogroup_nice(process.pid) in (None, 19)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="nice is all that other systems have")
async def test_at_its_end_it_yields_no_more(config: Path, journal: SqlJournal) -> None:
    """A stop waits for it, and on a busy machine it got nothing of the processor for as long as that."""
    process = await following.spawn(config)
    try:
        os.kill(process.pid, signal.SIGSTOP)
        ending = asyncio.create_task(following._end(process))
        await asyncio.sleep(0)
        assert _autogroup_nice(process.pid) in (None, 0)
        if os.geteuid() == 0:  # Nobody else may take back that he yields.
            assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == 0
    finally:
        process.kill()
    await asyncio.wait_for(ending, WITHIN_S)


def test_it_inherits_no_connection_of_the_gateway(config: Path, journal: SqlJournal) -> None:
    """C0 to C12: a venue has to see at once that a gateway was killed. QuickFIX opens what a child would inherit."""
    ours, venues = socket.socketpair()
    ours.set_inheritable(True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # As `gateway serve` runs.
        process = runner.run(following.spawn(config))
    try:
        ours.close()
        with venues:
            venues.settimeout(WITHIN_S)
            assert venues.recv(1) == b""
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


async def test_one_that_is_canceled_while_it_is_started_leaves_none_behind(
    config: Path, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that starts it cannot be stopped."""
    made: list[subprocess.Popen[bytes]] = []
    begun, go_on, real = threading.Event(), threading.Event(), following._spawned

    def spawned(path: Path) -> subprocess.Popen[bytes]:
        begun.set()
        assert go_on.wait(WITHIN_S)
        made.append(real(path))
        return made[-1]

    monkeypatch.setattr(following, "_spawned", spawned)
    keeping = asyncio.create_task(following.attend(config, Following()))
    assert await asyncio.to_thread(begun.wait, WITHIN_S)
    keeping.cancel()
    await asyncio.sleep(0)  # The cancel is delivered while the thread is at work.
    go_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(keeping, WITHIN_S)
    await asyncio.to_thread(until, lambda: bool(made), "the thread is done")
    assert made[0].poll() is not None, "nobody would wait for it"


async def test_one_that_was_killed_is_started_again(
    config: Path, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[subprocess.Popen[bytes]] = []
    real = following.spawn

    async def spawn(path: Path) -> subprocess.Popen[bytes]:
        made.append(await real(path))
        return made[-1]

    monkeypatch.setattr(following, "spawn", spawn)
    monkeypatch.setattr(following, "_AGAIN_S", (0.01, 0.01))
    fares = Following()
    keeping = asyncio.create_task(following.attend(config, fares))
    await asyncio.to_thread(until, lambda: fares.projections_seq == at(config) > 0, "it runs, and tells how far it is")
    made[0].kill()
    await asyncio.to_thread(until, lambda: len(made) > 1, "another runs")
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_one_that_no_thread_can_start_now_is_started_later(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is full for a moment: the follower stayed away for good, without a word."""
    tried: list[Path] = []

    def spawned(path: Path) -> subprocess.Popen[bytes]:
        tried.append(path)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(following, "_spawned", spawned)
    monkeypatch.setattr(following, "_AGAIN_S", (0.01, 0.01))
    with capture_logs() as lines:
        keeping = asyncio.create_task(following.attend(config, Following()))
        await asyncio.to_thread(until, lambda: len(tried) > 1, "it is tried again")
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert [line["event"] for line in lines][:2] == ["follower_not_started", "follower_ended"]


async def test_one_that_found_the_journal_wrong_is_not_started_again(
    config: Path, tmp_path: Path, world: World
) -> None:
    wrong = [record for record in world.records if record.order is not None][-1]
    _rewrite(tmp_path, world, {wrong.seq: _other(wrong)})
    await asyncio.wait_for(following.attend(config, Following()), WITHIN_S)
