"""Projections: after any day, however it was cut and interrupted, the rows are what the core's state says."""

import os
import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
import structlog

from gateway.adapters.journal import SqlJournal
from gateway.adapters.memory_journal import Disk
from gateway.adapters.projections import store, tables
from gateway.adapters.projections.reading import History
from gateway.adapters.projections.store import Projections
from gateway.adapters.projections.wanted import Wanted
from gateway.core import events as ev
from gateway.core.engine import apply, replay
from gateway.core.events import Cause, Record
from gateway.core.state import State
from gateway.core.types import ExecType, ItemKind, Severity
from gateway.runtime import follower as following
from gateway.runtime.follower import Follower, ProjectionsError
from gateway.runtime.ports import Journal
from gateway.runtime.snapshots import Snapshots
from tests.adapters.projections.harness import (
    SEEDS,
    STACK,
    batches,
    check,
    day,
    dump,
    followed,
    journal_of,
    rebuilt,
    url,
)
from tests.core.world import World

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("small_chunks")


@pytest.fixture
def bits(tmp_path: Path) -> str:
    """A second database."""
    (tmp_path / "bits").mkdir()
    return url(tmp_path / "bits")


# --- What stands there ---


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rows_are_what_the_state_says(tmp_path: Path, seed: int) -> None:
    world = day(seed).world
    followed(journal_of(world.records, seed), url(tmp_path))
    check(url(tmp_path), world.state, world.records)


@pytest.mark.parametrize("seed", SEEDS)
def test_built_bit_by_bit_or_at_once_the_rows_are_the_same(
    tmp_path: Path, bits: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, random = day(seed).world, Random(seed)
    journal = journal_of([])
    follower = Follower(journal, Projections(bits, STACK))
    for batch in batches(world.records, random):
        journal.append(batch)
        if random.random() < 0.6:
            follower.catch_up()
        if random.random() < 0.1:  # Another process goes on, with a state of its own.
            follower.finish()
            follower = Follower(journal, Projections(bits, STACK))
    follower.catch_up()
    follower.finish()
    monkeypatch.setattr(following, "CHUNK", 1_000)
    followed(journal, url(tmp_path))
    assert dump(url(tmp_path)) == dump(bits)


def test_one_connection_is_kept_and_a_file_that_was_dropped_is_left(tmp_path: Path) -> None:
    """Closing the last one makes SQLite sync everything, five times a second, beside the journal's own syncs."""
    world, where = day(SEEDS[0]).world, url(tmp_path)
    projections, connected, now = Projections(where, STACK), [], [0.0]
    sa.event.listen(projections._engine, "connect", lambda *_: connected.append(1))
    journal = journal_of([])
    follower = Follower(journal, projections, clock=lambda: now[0])
    for number, batch in enumerate(batches(world.records, Random(1))):
        if number == 20:
            assert len(connected) == 1
            (tmp_path / "projections.sqlite").rename(tmp_path / "dropped")
        journal.append(batch)
        follower.catch_up()
    now[0] += 1_000  # It is time for another attempt.
    follower.catch_up()
    assert not follower.projections_failure
    check(where, world.state, world.records)
    follower.finish()


def test_a_bust_and_a_correction_take_out_of_force_what_they_speak_of(tmp_path: Path) -> None:
    world = World.started()
    order = world.submit()
    world.acknowledge(order)
    for exec_id in ("F1", "F2", "F3"):
        world.fill(order, 10, exec_id=exec_id)
    world.report(order, ExecType.TRADE_CANCEL, exec_id="B1", exec_ref_id="F1")
    corrected = {"last_qty": Decimal(4), "last_px": Decimal(11)}
    world.report(order, ExecType.TRADE_CORRECT, exec_id="C2", exec_ref_id="F2", **corrected)
    followed(journal_of(world.records), url(tmp_path))
    rows = {row["exec_id"]: row for row in dump(url(tmp_path))["executions"]}
    assert {name: row["in_force"] for name, row in rows.items()} == {
        "F1": False,
        "F2": False,
        "F3": True,
        "B1": False,
        "C2": True,
    }
    assert sum(row["last_qty"] for row in rows.values() if row["in_force"]) == order.cum_qty == 14


def test_a_split_changes_the_factor_of_the_executions_before_it_only(tmp_path: Path) -> None:
    world = World.started()
    order = world.submit()
    world.fill(order, 10, exec_id="F1")
    at = world.records[-1]
    events = [
        ev.OrderRestated(order.order_id, "R1", "20260105", factor=Decimal(2)),
        ev.OrderFilled(order.order_id, "F2", "20260105", last_qty=Decimal(5), last_px=Decimal(5)),
    ]
    records = [*world.records, *(apply(world.state, event, at.at_ns + 1, at.cause) for event in events)]
    followed(journal_of(records), url(tmp_path))
    check(url(tmp_path), world.state, records)
    assert {row["exec_id"]: row["factor"] for row in dump(url(tmp_path))["executions"]} == {"F1": 2, "F2": 1}


def test_items_are_raised_and_resolved(tmp_path: Path) -> None:
    cause = Cause("venue", "XSIM", 3)
    raised = ev.ItemRaised("I1", "XSIM", ItemKind.QUANTITY, Severity.CRITICAL, "differs", ours="1", theirs="2")
    told = [raised, ev.ItemResolved("I1", "XSIM", "seen", "ops"), ev.ItemRaised("I2", *_fields(raised))]
    records = [Record(seq, 1_000 + seq, cause, event) for seq, event in enumerate(told, 1)]
    projections = Projections(url(tmp_path), STACK)
    journal = journal_of(records)
    projections.open(journal)
    projections.apply(records[:1], journal.hash_at(3) or b"", State())
    projections.apply(records[1:], journal.hash_at(3) or b"", State())
    first, second = dump(url(tmp_path))["items"]
    assert (first["raised_ns"], first["resolved_ns"], first["resolution"], first["operator"]) == (
        1_001,
        1_002,
        "seen",
        "ops",
    )
    assert (second["severity"], second["kind"], second["resolved_seq"]) == ("critical", "QUANTITY", None)


def _fields(raised: ev.ItemRaised) -> tuple[object, ...]:
    return (raised.venue, raised.kind, raised.severity, raised.text)


@pytest.mark.parametrize("text", ["0.1", "12345678901234.0123456789", "-7", "1E+3", "0E-8"])
def test_decimals_come_back_exact(text: str) -> None:
    engine = sa.create_engine("sqlite://")
    table = sa.Table("t", sa.MetaData(), sa.Column("value", tables.Exact))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert().values(value=Decimal(text)))
        assert connection.scalar(sa.select(table.c.value)) == Decimal(text)
        assert connection.exec_driver_sql("SELECT typeof(value) FROM t").scalar() == "text"


# --- The place in the journal ---


class OneSnapshot:
    """A directory of snapshots whose newest is some state."""

    def __init__(self, records: list[Record]) -> None:
        self.state = State()
        for record in records:
            replay(self.state, record)

    def newest(self, journal: Journal) -> State:
        return self.state


@pytest.mark.parametrize("projected", [0, 3, 9, 15])
def test_the_place_may_lie_before_or_behind_the_snapshot(tmp_path: Path, projected: int) -> None:
    """The snapshot is that of the 9th batch."""
    world = day(1).world
    parts = batches(world.records, Random(1))
    journal = journal_of([])
    for count, batch in enumerate(parts, 1):
        journal.append(batch)
        if count == projected:
            followed(journal, url(tmp_path))
    snapshot = OneSnapshot([record for batch in parts[:9] for record in batch])
    follower = Follower(journal, Projections(url(tmp_path), STACK), snapshot)  # type: ignore[arg-type]
    follower.catch_up()
    assert follower.state == world.state
    check(url(tmp_path), world.state, world.records)


def test_positions_that_lag_behind_the_rows_say_as_of_when(tmp_path: Path) -> None:
    """They are a picture of the whole state, which is ahead of the rows while these are built anew."""
    world = day(1).world
    projections = Projections(url(tmp_path), STACK)
    journal = journal_of(world.records)
    snapshot = OneSnapshot(world.records)
    follower = Follower(journal, projections, snapshot)  # type: ignore[arg-type]
    follower.catch_up(lambda: projections.seq > world.state.seq // 2)
    rows = History(url(tmp_path)).list("executions", Wanted())
    assert (rows.seq, rows.time_ns) == (projections.seq, world.records[projections.seq - 1].at_ns)
    positions = History(url(tmp_path)).list("positions", Wanted())
    assert (positions.rows, positions.seq, positions.time_ns) == ([], 0, 0)
    follower.catch_up()
    positions = History(url(tmp_path)).list("positions", Wanted())
    assert (positions.seq, positions.time_ns) == (world.state.seq, world.records[-1].at_ns)


def test_a_bad_snapshot_is_found_out_and_all_is_replayed(tmp_path: Path) -> None:
    world = day(1).world
    snapshot = OneSnapshot(world.records[:40])
    snapshot.state.last_order_no += 1
    snapshot.state.positions.clear()
    snapshot.state.orders.clear()
    follower = Follower(journal_of(world.records), Projections(url(tmp_path), STACK), snapshot)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as logs:
        follower.catch_up()
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["snapshot_doubted"]
    check(url(tmp_path), world.state, world.records)


def test_of_the_same_journal_they_go_on(tmp_path: Path) -> None:
    journal = journal_of(day(1).world.records)
    assert rebuilt(journal, url(tmp_path)) == ""
    assert rebuilt(journal, url(tmp_path)) == ""


@pytest.mark.parametrize("other", [2, 3])
def test_of_another_journal_they_are_built_anew(tmp_path: Path, other: int) -> None:
    followed(journal_of(day(1).world.records), url(tmp_path))
    world = day(other).world
    assert "is not in this journal" in rebuilt(journal_of(world.records), url(tmp_path))
    check(url(tmp_path), world.state, world.records)


def test_ahead_of_the_journal_they_are_built_anew(tmp_path: Path) -> None:
    """As after a restore of an older copy of the journal."""
    world = day(1).world
    followed(journal_of(world.records), url(tmp_path))
    older = batches(world.records, Random(0))[:10]
    journal = journal_of([])
    for batch in older:
        journal.append(batch)
    assert "is not in this journal" in rebuilt(journal, url(tmp_path))
    assert dump(url(tmp_path))["projection_position"][0]["seq"] == older[-1][-1].seq


def _day_with(*cl_ord_ids: str) -> World:
    world = World.started()
    for cl_ord_id in cl_ord_ids:
        world.submit(cl_ord_id)
    return world


def test_a_journal_that_is_replaced_while_it_is_followed_is_taken_from_its_own_beginning(tmp_path: Path) -> None:
    """As by a restore. What follows in the other one would replay on what is known of the first."""
    disk, snapshots = Disk(), Snapshots(tmp_path / "snapshots")
    lost, world = _day_with("k1", "k2", "lost"), _day_with("k1", "other")
    journal = journal_of(lost.records, disk=disk)
    follower = Follower(journal, Projections(url(tmp_path), STACK), snapshots, snapshot_events=1)
    follower.catch_up()
    before = dump(url(tmp_path)), snapshots.paths()
    _replace(disk, world)
    follower.catch_up()
    follower.finish(0)
    assert (dump(url(tmp_path)), snapshots.paths()) == before, "a shorter one is left alone: these know what it lacks"
    for number in range(5):
        world.submit(f"k{3 + number}")
    _replace(disk, world)
    with structlog.testing.capture_logs() as logs:
        follower.catch_up()
    warned = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert warned == ["journal_replaced", "projections_rebuilt"]
    assert follower.state == world.state
    check(url(tmp_path), world.state, world.records)
    assert snapshots.newest(journal) == world.state


def test_at_its_end_a_follower_keeps_no_snapshot_of_a_journal_that_is_gone(tmp_path: Path) -> None:
    """A start would be refused: the snapshot knows what the journal in its place has not."""
    disk, snapshots = Disk(), Snapshots(tmp_path / "snapshots")
    follower = Follower(journal_of(_day_with("k1", "lost").records, disk=disk), None, snapshots)
    follower.catch_up()
    _replace(disk, _day_with("k1", "other"))
    follower.finish(0)
    assert snapshots.paths() == []


def test_a_snapshot_that_fails_is_tried_again_soon_also_while_nothing_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for as many events as lie between two: a restart had twice as much to replay."""
    world, snapshots, now = _day_with("k1", "k2"), Snapshots(tmp_path / "snapshots"), [0.0]
    follower = Follower(journal_of(world.records), None, snapshots, snapshot_events=5, clock=lambda: now[0])
    with monkeypatch.context() as broken, structlog.testing.capture_logs() as logs:
        broken.setattr(os, "fsync", _full)
        follower.catch_up()
        now[0] += 1
        follower.catch_up()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["snapshot_failed"]
    assert snapshots.paths() == []
    now[0] += 60
    follower.catch_up()
    assert snapshots.newest_seq() == world.state.seq
    written = snapshots.paths()[0].stat().st_mtime_ns
    follower.catch_up()
    assert snapshots.paths()[0].stat().st_mtime_ns == written, "once it is there, it is there"


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def _replace(disk: Disk, world: World) -> None:
    other = Disk()
    journal_of(world.records, disk=other)
    disk.batches[:] = other.batches


def test_of_another_version_they_are_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = day(1).world
    journal = journal_of(world.records)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", 99)
    followed(journal, url(tmp_path))
    monkeypatch.undo()
    assert "version 99" in rebuilt(journal, url(tmp_path))
    check(url(tmp_path), world.state, world.records)


def test_half_dropped_they_are_built_anew(tmp_path: Path) -> None:
    world = day(1).world
    followed(journal_of(world.records), url(tmp_path))
    with sqlite3.connect(tmp_path / "projections.sqlite") as database:
        database.execute("DELETE FROM projection_position")
        database.execute("DROP TABLE orders")
    database.close()
    assert "half made" in rebuilt(journal_of(world.records), url(tmp_path))
    check(url(tmp_path), world.state, world.records)


def test_the_tables_of_another_stack_are_not_touched(tmp_path: Path) -> None:
    journal = journal_of(day(1).world.records)
    followed(journal, url(tmp_path))
    before = dump(url(tmp_path))
    with pytest.raises(ProjectionsError, match="belong to the stack 'test'"):
        Projections(url(tmp_path), "other").open(journal)
    assert dump(url(tmp_path)) == before


def test_the_tables_of_somebody_else_are_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "projections.sqlite") as database:
        database.execute("CREATE TABLE orders (precious TEXT)")
    database.close()
    with pytest.raises(ProjectionsError, match=r"tables of somebody else \(orders\)"):
        Projections(url(tmp_path), STACK).open(journal_of([]))


def test_a_second_writer_finds_that_the_place_has_moved(tmp_path: Path) -> None:
    records = day(1).world.records
    journal = journal_of(records)
    first, second = Projections(url(tmp_path), STACK), Projections(url(tmp_path), STACK)
    first.open(journal)
    second.open(journal)
    first.apply(records, journal.hash_at(records[-1].seq) or b"", State())
    before = dump(url(tmp_path))
    with pytest.raises(ProjectionsError, match="no longer seq 0"):
        second.apply(records, b"", State())
    assert dump(url(tmp_path)) == before


def test_rows_that_somebody_took_away_are_noticed(tmp_path: Path) -> None:
    world = World.started()
    order = world.submit()
    journal = journal_of(world.records)
    followed(journal, url(tmp_path))
    with sqlite3.connect(tmp_path / "projections.sqlite") as database:
        database.execute("DELETE FROM orders")
    database.close()
    world.acknowledge(order)
    journal.append(world.records[len(list(journal.read())) :])
    follower = Follower(journal, Projections(url(tmp_path), STACK))
    follower.catch_up()
    assert "of 1 rows to change in orders, 0 were there" in follower.projections_failure


@pytest.mark.parametrize("part", ["_insert", "_settle", "_write_positions"])
def test_rows_and_place_are_written_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """What fails in the middle leaves the rows as they were, and is done again."""
    world = day(1).world
    journal = journal_of(world.records)
    projections = Projections(url(tmp_path), STACK)
    now = [0.0]
    follower = Follower(journal, projections, clock=lambda: now[0])
    real, random, failures = getattr(store, part), Random(1), [0]

    def failing(*arguments: object) -> None:
        real(*arguments)
        if random.random() < 0.1:
            failures[0] += 1
            raise sa.exc.OperationalError("INSERT", {}, OSError("the disk is full"))

    monkeypatch.setattr(store, part, failing)
    for _ in range(200):
        follower.catch_up()
        now[0] += 100
        assert dump(url(tmp_path))["projection_position"][0]["seq"] == projections.seq
        if projections.seq == world.state.seq:
            break
    follower.finish()
    assert failures[0]
    check(url(tmp_path), world.state, world.records)


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """kill -9 on a real process, again and again; rows and place never part."""
    seed = SEEDS[0]
    world, random = day(seed).world, Random(seed)
    path = tmp_path / "journal.sqlite"
    journal = SqlJournal(f"sqlite:///{path}", "process")
    journal.open()
    for batch in batches(world.records, random):
        journal.append(batch)
    journal.close()
    command = [sys.executable, "-m", "tests.adapters.projections.tailing", f"sqlite:///{path}", url(tmp_path)]
    kills = 0
    for _ in range(60):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(random.randint(2, 6)):
                if process.stdout.readline().startswith("end"):
                    break
            process.kill()
        kills += process.returncode == -signal.SIGKILL
        if dump(url(tmp_path))["projection_position"][0]["seq"] == world.state.seq:
            break
    assert kills >= 2
    check(url(tmp_path), world.state, world.records)
