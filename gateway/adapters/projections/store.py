"""The projections' writer: rows and the place in the journal in one transaction."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from gateway.adapters.projections import tables
from gateway.adapters.projections.rows import Row, Rows, position_row, rows_of
from gateway.core.events import Record
from gateway.core.executions import Execution, net
from gateway.core.positions import Position
from gateway.core.state import State
from gateway.runtime.follower import ProjectionsError
from gateway.runtime.ports import Journal

_log = structlog.get_logger(__name__)

_IN = 500
"""How many values one list in a query has at most."""

_UNTRANSLATABLE = "22P05"
"""PostgreSQL's SQLSTATE for a letter that the encoding of the database does not have."""


class Mark(msgspec.Struct, frozen=True):
    """How far the rows tell: up to `seq`, where the journal has `journal_hash`; its record came at `time_ns`.

    The positions are a picture of the whole state, which is only there at its own seq: they tell as of `positions_seq`.
    """

    seq: int = 0
    journal_hash: bytes = b""
    time_ns: int = 0
    positions_seq: int = 0


class _Contradiction(Exception):
    """The rows are not what they were left as."""


class Projections:
    """The tables in the database `url`, for one stack. One writer at a time; a second one finds that the place moved
    and stops.
    """

    def __init__(self, url: str, stack: str) -> None:
        where = sa.make_url(url)
        self._name = tables.name(where)
        self._stack = stack
        self._engine = tables.writing(where)
        self._mark = Mark()
        # Whether the positions are those of the state at our place; if not, all of them are written anew.
        self._positions_follow = False

    @property
    def seq(self) -> int:
        """How far the rows tell."""
        return self._mark.seq

    def open(self, journal: Journal) -> None:
        """See `Projecting.open`."""
        with self._translated("open"), self._engine.connect() as connection:
            self._mark, self._positions_follow = Mark(), False
            why = self._unusable(connection, journal)
            if why is None:
                return
            if why:
                _log.warning("projections_rebuilt", database=self._name, reason=why)
            self._start_over(connection)

    def apply(self, records: Sequence[Record], journal_hash: bytes, state: State) -> None:
        """See `Projecting.apply`."""
        last = records[-1]
        whole = state.seq == last.seq
        mark = Mark(last.seq, journal_hash, last.at_ns, last.seq if whole else self._mark.positions_seq)
        rows = rows_of(records)
        with self._translated("write"), self._engine.begin() as connection:
            self._move(connection, mark)
            _write(connection, rows)
            _settle(connection, rows)
            if whole and self._positions_follow:
                _write_positions(connection, [state.positions[key] for key in rows.moved])
            elif whole:
                connection.execute(tables.positions.delete())
                _write_positions(connection, list(state.positions.values()))
        self._mark, self._positions_follow = mark, whole

    def close(self) -> None:
        """See `Projecting.close`."""
        self._engine.dispose()

    def _unusable(self, connection: sa.Connection, journal: Journal) -> str | None:
        """Why the rows have to be made anew; None when they need not, empty when there are none yet.

        Raises:
            ProjectionsError: they are not ours to drop.
        """
        there = set(sa.inspect(connection).get_table_names())
        place = tables.position
        if place.name not in there:
            strangers = sorted(there & set(tables.metadata.tables))
            if strangers:
                raise ProjectionsError(
                    f"projections {self._name}: it has tables of somebody else ({', '.join(strangers)}); give the "
                    "projections a database or a file of their own"
                )
            return ""
        known = sa.select(place.c.schema_version, place.c.stack, place.c.seq, place.c.journal_hash)
        row = connection.execute(known).one_or_none()
        if row is None:
            return "it was left half made"
        version, stack, seq, journal_hash = row
        if stack != self._stack:
            raise ProjectionsError(
                f"projections {self._name}: they belong to the stack {stack!r}, and this is {self._stack!r}; give each "
                "stack a database or a file of its own"
            )
        if version != tables.SCHEMA_VERSION:
            return f"its tables have version {version}, this gateway has {tables.SCHEMA_VERSION}"
        if seq and journal.hash_at(seq) != bytes(journal_hash):
            return f"its place, seq {seq}, is not in this journal"
        whole = connection.execute(sa.select(place.c.time_ns, place.c.positions_seq)).one()
        self._mark = Mark(seq, bytes(journal_hash), *whole)
        return None

    def _start_over(self, connection: sa.Connection) -> None:
        """Drop what is there and begin with empty tables. The place goes first and comes last, so that a crash in
        between is seen.
        """
        place = tables.position
        place.create(connection, checkfirst=True)
        connection.execute(place.delete())
        connection.commit()
        tables.metadata.drop_all(connection, [table for table in tables.metadata.sorted_tables if table is not place])
        place.drop(connection)
        tables.metadata.create_all(connection)
        connection.execute(place.insert().values(id=1, **self._values(Mark())))
        connection.commit()

    def _values(self, mark: Mark) -> Row:
        return {"schema_version": tables.SCHEMA_VERSION, "stack": self._stack, **msgspec.structs.asdict(mark)}

    def _move(self, connection: sa.Connection, mark: Mark) -> None:
        """Move the place on from where it was left; this also keeps every other writer out until the end."""
        moved = tables.position.update().where(tables.position.c.seq == self._mark.seq).values(**self._values(mark))
        if connection.execute(moved).rowcount != 1:
            raise ProjectionsError(
                f"projections {self._name}: their place is no longer seq {self._mark.seq}; does another follower write "
                "them? Nothing was written"
            )

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """What SQLAlchemy and the database say, as the port's error."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            said = getattr(error, "orig", None) or error
            raise ProjectionsError(f"projections {self._name}: cannot {doing} them: {said}{_step(error)}") from error
        except _Contradiction as error:
            raise ProjectionsError(
                f"projections {self._name}: {error}; somebody changed them. Drop them, and they are built again"
            ) from error
        except tables.GARBLED as error:
            raise ProjectionsError(
                f"projections {self._name}: cannot {doing} them, they are damaged: {error!r}. Drop them, and they are "
                "built again"
            ) from error


def _step(error: sa.exc.SQLAlchemyError) -> str:
    """What to do about it, where that is known."""
    code = int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return "; delete the file, and it is built again from the journal"
    if getattr(getattr(error, "orig", None), "sqlstate", None) == _UNTRANSLATABLE:
        return "; give the projections a database with the encoding UTF8, which has every letter"
    return {
        sqlite3.SQLITE_FULL: "; free space on its disk",
        sqlite3.SQLITE_CANTOPEN: "; see that its directory exists and that this user may write there",
        sqlite3.SQLITE_READONLY: "; let this user write the file and its directory",
    }.get(code, "")


# --- Rows -------------------------------------------------------------------------------------------------------------


def _write(connection: sa.Connection, rows: Rows) -> None:
    new = [rows.orders.pop(order_id) | first for order_id, first in rows.submitted.items()]
    _insert(connection, tables.orders, new)
    _update(connection, tables.orders, "order_id", [{"of": order_id, **row} for order_id, row in rows.orders.items()])
    _insert(connection, tables.executions, rows.executions)
    _insert(connection, tables.requests, rows.requests)
    _insert(connection, tables.session_events, rows.session_events)
    if rows.raised:  # One that was raised before is raised anew.
        again = tables.items.delete().where(tables.items.c.item_id == sa.bindparam("of"))
        connection.execute(again, [{"of": item_id} for item_id in rows.raised])
    _insert(connection, tables.items, list(rows.raised.values()))
    _update(connection, tables.items, "item_id", rows.resolved)


def _insert(connection: sa.Connection, table: sa.Table, rows: list[Row]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _update(connection: sa.Connection, table: sa.Table, key: str, rows: list[Row]) -> None:
    """Update the rows whose key is in `of`; each has to be there."""
    if not rows:
        return
    change = table.update().where(table.c[key] == sa.bindparam("of"))
    values: dict[str, Any] = {name: sa.bindparam(name) for name in rows[0] if name not in {"of", key}}
    done = connection.execute(change.values(values), rows)
    if done.rowcount != len(rows):
        raise _Contradiction(f"of {len(rows)} rows to change in {table.name}, {done.rowcount} were there")


def _write_positions(connection: sa.Connection, found: Sequence[Position]) -> None:
    table = tables.positions
    rows = [position_row(position) for position in found]
    if not rows:
        return
    keys = {f"of_{name}": name for name in ("account", "strategy", "symbol")}
    same = sa.and_(*(table.c[name] == sa.bindparam(bound) for bound, name in keys.items()))
    connection.execute(table.delete().where(same), [{bound: row[name] for bound, name in keys.items()} for row in rows])
    connection.execute(table.insert(), rows)


# --- What counts of the executions ------------------------------------------------------------------------------------


def _settle(connection: sa.Connection, rows: Rows) -> None:
    """Say anew which executions are in force, of every order where that may have changed.

    A plain fill changes nothing of an order that has nothing but fills.
    """
    filled = {row["order_id"] for row in rows.executions}
    amended = {row["order_id"] for row in rows.executions if row["kind"] != "fill"}
    amended |= _amended_before(connection, sorted(filled - amended))
    changes: list[Row] = []
    for order_id in sorted(amended | set(rows.factors)):
        changes += _reckoned(connection, order_id, rows.factors.get(order_id, []), amended=order_id in amended)
    _update(connection, tables.executions, "seq", changes)


def _amended_before(connection: sa.Connection, order_ids: Sequence[str]) -> set[str]:
    table = tables.executions
    found: set[str] = set()
    for start in range(0, len(order_ids), _IN):
        some = table.c.order_id.in_(order_ids[start : start + _IN])
        found.update(connection.scalars(sa.select(table.c.order_id).where(some, table.c.kind != "fill").distinct()))
    return found


def _reckoned(
    connection: sa.Connection, order_id: str, factors: Sequence[tuple[int, Any]], *, amended: bool
) -> list[Row]:
    """The changes to the ledger of one order."""
    table = tables.executions
    ledger = connection.execute(sa.select(table).where(table.c.order_id == order_id).order_by(table.c.seq)).all()
    lines = [_line(row) for row in ledger]
    for seq, factor in factors:
        for row, line in zip(ledger, lines, strict=True):
            if row.seq < seq:
                line.factor *= factor
    if amended:
        net(lines)
    return [
        {"of": row.seq, "in_force": in_force, "factor": line.factor}
        for row, line in zip(ledger, lines, strict=True)
        if (in_force := line.in_force and line.kind != "bust") != row.in_force or line.factor != row.factor
    ]


def _line(row: sa.Row[Any]) -> Execution:
    return Execution(
        row.kind,
        row.exec_id,
        row.trade_date,
        row.last_qty,
        row.last_px,
        row.time_ns,
        row.exec_ref_id,
        row.factor,
        row.in_force,
    )
