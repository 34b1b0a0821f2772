"""The projections' reader: listings for history, and how fresh they are. Changes nothing and waits for nobody."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from gateway.adapters.projections import tables
from gateway.adapters.projections.wanted import Wanted
from gateway.core.money import ZERO
from gateway.core.order import CLOSING
from gateway.core.types import OrdStatus
from gateway.runtime.follower import ProjectionsError

Row = dict[str, Any]

LISTS: dict[str, sa.Table] = {
    "orders": tables.orders,
    "executions": tables.executions,
    "positions": tables.positions,
    "sessions": tables.session_events,
    "items": tables.items,
}
"""What can be listed."""

_NEWEST_FIRST: dict[str, tuple[sa.ColumnElement[Any], ...]] = {
    "orders": (tables.orders.c.submitted_seq.desc(),),
    "executions": (tables.executions.c.seq.desc(),),
    "positions": (
        tables.positions.c.account.desc(),
        tables.positions.c.strategy.desc(),
        tables.positions.c.symbol.desc(),
    ),
    "sessions": (tables.session_events.c.seq.desc(),),
    "items": (tables.items.c.raised_seq.desc(),),
}

_OVER = [status.name for status in (*CLOSING, OrdStatus.DONE_FOR_DAY, OrdStatus.CALCULATED)]
_NO_END = sa.literal(1 << 62, sa.BigInteger)


def _can_trade(order: sa.ColumnCollection[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
    """Something of it is left, or how much there was is not known yet."""
    unknown = sa.and_(order.order_qty == ZERO, order.cash_order_qty.is_not(None), order.ord_status.not_in(_OVER))
    return sa.or_(order.leaves_qty != ZERO, unknown)


# An order or an item belongs to every time between its beginning and its end; one that is open has none yet.
_SINCE = {
    "orders": sa.case((_can_trade(tables.orders.c), _NO_END), else_=tables.orders.c.updated_ns),
    "executions": tables.executions.c.time_ns,
    "sessions": tables.session_events.c.time_ns,
    "items": sa.func.coalesce(tables.items.c.resolved_ns, _NO_END),
}
_UNTIL = {
    "orders": tables.orders.c.submitted_ns,
    "executions": tables.executions.c.time_ns,
    "sessions": tables.session_events.c.time_ns,
    "items": tables.items.c.raised_ns,
}


class Listing(msgspec.Struct, frozen=True):
    """The rows, the oldest first, whether there are `more` before them, and as of when: the journal's `seq`, and the
    time of that record.
    """

    rows: list[Row]
    more: bool
    seq: int
    time_ns: int


class History:
    """The tables in the database `url`, for reading.

    Raises:
        ProjectionsError: it is no URL of a database. The message does not show it: it may have a password.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            raise ProjectionsError(f"the projections' URL cannot be read: write one such as {_URLS}") from None

    def list(self, what: str, wanted: Wanted) -> Listing:
        """The rows of one of `LISTS` that fit.

        Raises:
            ProjectionsError: there are no projections, or they cannot be read.
        """
        with self._reading() as connection:
            place = connection.execute(sa.select(tables.position)).one()
            query = sa.select(LISTS[what]).where(*_conditions(what, wanted)).order_by(*_NEWEST_FIRST[what])
            found = [dict(row) for row in connection.execute(query.limit(wanted.limit + 1)).mappings()]
            seq, time_ns = place.seq, place.time_ns
            if what == "positions" and place.positions_seq != seq:
                seq, time_ns = place.positions_seq, _last_execution_ns(connection, place.positions_seq)
            return Listing(found[: wanted.limit][::-1], len(found) > wanted.limit, seq, time_ns)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment, on tables of this version."""
        name = tables.name(self._url)
        if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").exists():
            raise ProjectionsError(f"there are no projections at {name} yet; {_MAKE}")
        try:
            with tables.reading(self._url).connect() as connection:
                _one_moment(connection)
                self._check(connection, name)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            said = getattr(error, "orig", None) or error
            raise ProjectionsError(f"projections {name}: cannot read them: {said}") from error
        except tables.GARBLED as error:
            raise ProjectionsError(f"projections {name} are damaged: {error!r}. Drop them; {_MAKE}") from error

    def _check(self, connection: sa.Connection, name: str) -> None:
        place = tables.position
        known = sa.inspect(connection).has_table(place.name)
        version = connection.scalar(sa.select(place.c.schema_version)) if known else None
        if version is None:
            raise ProjectionsError(f"there are no projections at {name} yet; {_MAKE}")
        if version != tables.SCHEMA_VERSION:
            raise ProjectionsError(
                f"projections {name}: their tables have version {version}, and this program reads version "
                f"{tables.SCHEMA_VERSION}; {_MAKE}"
            )


_URLS = "sqlite:///projections.sqlite or postgresql+psycopg://user@host/database"
_MAKE = "start the gateway, or run: gateway follow --once --config FILE"


def _one_moment(connection: sa.Connection) -> None:
    """Every query of this connection sees the same rows, and none can change them."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _last_execution_ns(connection: sa.Connection, seq: int) -> int:
    """When something was executed last up to a seq: what positions that lag behind the other rows are as of."""
    executions = tables.executions.c
    return connection.scalar(sa.select(sa.func.max(executions.time_ns)).where(executions.seq <= seq)) or 0


def _conditions(what: str, wanted: Wanted) -> Sequence[sa.ColumnElement[bool]]:
    table = LISTS[what]
    found: list[sa.ColumnElement[bool]] = [table.c[name] == value for name, value in wanted.columns.items()]
    if wanted.order:
        found.append(_of_order(table, wanted.order))
    if wanted.since_ns is not None:
        found.append(_SINCE[what] >= wanted.since_ns)
    if wanted.until_ns is not None:
        found.append(_UNTIL[what] < wanted.until_ns)
    if wanted.status:
        found.append(_status(what, wanted.status))
    return found


def _of_order(table: sa.Table, name: str) -> sa.ColumnElement[bool]:
    requests = tables.requests
    known = sa.or_(requests.c.cl_ord_id == name, requests.c.venue_cl_ord_id == name)
    chain = sa.select(requests.c.order_id).where(known)
    submitted = sa.select(tables.orders.c.order_id).where(tables.orders.c.cl_ord_id == name)
    return sa.or_(table.c.order_id == name, table.c.order_id.in_(chain), table.c.order_id.in_(submitted))


def _status(what: str, status: Sequence[str]) -> sa.ColumnElement[bool]:
    if what == "orders":
        return tables.orders.c.ord_status.in_(status)
    resolved = tables.items.c.resolved_seq
    return sa.or_(*(resolved.is_(None) if each == "open" else resolved.is_not(None) for each in status))
