"""Days of trading as journals, projections of them, and what the core says should stand there."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.adapters.projections import tables
from gateway.adapters.projections.reading import Row
from gateway.adapters.projections.rows import order_row, position_row
from gateway.adapters.projections.store import Projections
from gateway.core.events import EpochBegan, Record
from gateway.core.order import view
from gateway.core.state import State
from gateway.runtime.follower import Follower
from gateway.runtime.ports import Journal
from tests.core.test_machine import Machine, step

SEEDS = [int(seed) for seed in os.environ.get("PROJECTION_SEEDS", "1 2 3 4").split()]
STACK = "test"


def day(seed: int, steps: int = 120) -> Machine:
    """A long random day: clients, venues whose messages come late, twice and crossing, busts, corrections, restarts."""
    random, machine = Random(seed), Machine()
    machine.start()
    for _ in range(steps):
        step(machine, random)
    return machine


def batches(records: Sequence[Record], random: Random, largest: int = 6) -> list[list[Record]]:
    """The records as commits made them: whole inputs, some at a time."""
    inputs = [list(group) for _, group in groupby(records, key=lambda record: (record.at_ns, record.cause))]
    made: list[list[Record]] = []
    while inputs:
        count = random.randint(1, largest)
        made.append([record for some in inputs[:count] for record in some])
        inputs = inputs[count:]
    return made


def journal_of(records: Sequence[Record], seed: int = 0, disk: Disk | None = None) -> MemoryJournal:
    """A journal that holds them."""
    journal = MemoryJournal(disk or Disk())
    journal.open()
    for batch in batches(records, Random(seed)):
        journal.append(batch)
    return journal


def url(path: Path) -> str:
    return f"sqlite:///{path / 'projections.sqlite'}"


def followed(journal: MemoryJournal, database: str) -> Follower:
    """A follower that has taken everything there is, and is gone."""
    follower = Follower(journal, Projections(database, STACK))
    follower.catch_up()
    follower.finish()
    return follower


def dump(database: str) -> dict[str, list[Row]]:
    """Every row of every table, by its key."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
            ]
            for table in tables.metadata.sorted_tables
        }


def check(database: str, state: State, records: Sequence[Record]) -> None:
    """The rows are what the core says."""
    rows = dump(database)
    assert rows["projection_position"][0]["seq"] == state.seq
    assert rows["projection_position"][0]["positions_seq"] == state.seq
    assert _without(rows["orders"], _ADDED) == _by(map(order_row, map(view, state.orders.values())), "order_id")
    assert rows["positions"] == _by(map(position_row, state.positions.values()), "account", "strategy", "symbol")
    assert _executions(rows["executions"]) == {
        order_id: [_line(msgspec.structs.asdict(line)) for line in order.executions]
        for order_id, order in state.orders.items()
        if order.executions
    }
    sent = {row["venue_cl_ord_id"]: row["order_id"] for row in rows["requests"]}
    assert sent == {key: order.order_id for order in state.orders.values() for key in order.requests}
    assert sum(row["event"] == "EpochBegan" for row in rows["session_events"]) == sum(
        isinstance(record.event, EpochBegan) for record in records
    )


_ADDED = ("currency", "multiplier", "submitted_ns", "submitted_seq", "updated_ns", "updated_seq")


def _without(rows: list[Row], names: Sequence[str]) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def _by(rows: Any, *names: str) -> list[Row]:
    return sorted(rows, key=lambda row: tuple(row[name] for name in names))


def _executions(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["order_id"], []).append(_line(row))
    return found


def _line(row: Row) -> Row:
    names = ("exec_id", "trade_date", "last_qty", "last_px", "time_ns", "exec_ref_id", "factor")
    return {name: row[name] for name in names} | {"in_force": row["in_force"] and row["kind"] != "bust"}


def rebuilt(journal: Journal, database: str) -> str:
    """Why they were built anew; empty when they were not."""
    with structlog.testing.capture_logs() as logs:
        followed(journal, database)
    return " ".join(line["reason"] for line in logs if line["event"] == "projections_rebuilt")
