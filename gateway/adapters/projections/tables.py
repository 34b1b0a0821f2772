"""The tables. Names are FIX's, in the spelling of the rest of the gateway; times are UTC nanoseconds.

Decimals are exact: NUMERIC in PostgreSQL; TEXT in SQLite, which knows no exact number with a point. Enums are words
("BUY", "PARTIALLY_FILLED"), as the API has them. A column that is changed, added or taken away asks for the next
`SCHEMA_VERSION`: tables of another version are dropped and built again from the journal.
"""

import sqlite3
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from gateway.config.values import without_password
from gateway.core.money import plain

SCHEMA_VERSION = 1

_BUSY_S = 5.0
_CONNECT_S = 5
# Behind the projections wait the snapshots, and a start that asks how far they tell: neither a dead network nor
# somebody who holds a lock, as a report that reads in an open transaction does, is waited for without an end.
_CONNECTION = {
    "connect_timeout": _CONNECT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    # In the database's own one, where that is SQL_ASCII, texts come as bytes.
    "client_encoding": "utf8",
}


# What a flipped bit makes of reading: a text that is no UTF-8, or a value of another type than was written.
GARBLED = (ValueError, TypeError, ArithmeticError)


class Exact(sa.TypeDecorator[Decimal]):
    """A decimal that comes back as it was written, in its one spelling."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """TEXT where a number with a point would become a float."""
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else sa.Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> Any:
        """To the database."""
        if value is None:
            return None
        return _text(value) if dialect.name == "sqlite" else plain(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002  # SQLAlchemy's signature.
        """From the database."""
        return None if value is None else plain(Decimal(value))


@lru_cache(maxsize=65_536)
def _text(value: Decimal) -> str:
    return format(plain(value), "f")


def _text_column(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _exact(name: str, *, nullable: bool = False) -> sa.Column[Decimal]:
    return sa.Column(name, Exact, nullable=nullable)


def _number(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        name, sa.BigInteger, nullable=nullable and not primary_key, primary_key=primary_key, autoincrement=False
    )


metadata = sa.MetaData()

# One row: how far the rows tell, and of which journal. The first five columns stay what they are in every version.
position = sa.Table(
    "projection_position",
    metadata,
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    _text_column("stack"),
    _number("seq"),
    sa.Column("journal_hash", sa.LargeBinary(32), nullable=False),
    _number("time_ns"),
    _number("positions_seq"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Text, primary_key=True),
    *(
        _text_column(name)
        for name in ("client_id", "cl_ord_id", "account", "strategy", "symbol", "venue", "venue_symbol")
    ),
    *(_text_column(name) for name in ("side", "ord_type", "time_in_force")),
    _exact("order_qty"),
    *(_exact(name, nullable=True) for name in ("cash_order_qty", "price", "stop_px", "max_floor")),
    _number("expire_time_ns", nullable=True),
    _text_column("exec_inst"),
    _text_column("ord_status"),
    *(_exact(name) for name in ("cum_qty", "leaves_qty", "avg_px")),
    _text_column("pending"),
    sa.Column("in_doubt", sa.Boolean, nullable=False),
    _text_column("venue_order_id"),
    _text_column("currency"),
    _exact("multiplier"),
    *(_number(name) for name in ("submitted_ns", "submitted_seq", "updated_ns", "updated_seq")),
)

executions = sa.Table(
    "executions",
    metadata,
    _number("seq", primary_key=True),
    _number("time_ns"),
    *(
        _text_column(name)
        for name in ("order_id", "client_id", "cl_ord_id", "account", "strategy", "symbol", "venue", "side")
    ),
    *(_text_column(name) for name in ("kind", "exec_id", "exec_ref_id", "trade_date")),
    *(_exact(name) for name in ("last_qty", "last_px", "factor")),
    sa.Column("in_force", sa.Boolean, nullable=False),
    _text_column("venue_order_id"),
    _number("transact_time_ns", nullable=True),
    _number("msg_seq_num", nullable=True),
    _text_column("text"),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("venue_cl_ord_id", sa.Text, primary_key=True),
    *(_text_column(name) for name in ("orig_venue_cl_ord_id", "order_id", "client_id", "cl_ord_id", "venue", "kind")),
    *(_exact(name, nullable=True) for name in ("order_qty", "price", "stop_px")),
    _number("sent_ns"),
    _number("sent_seq"),
)

positions = sa.Table(
    "positions",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("account", "strategy", "symbol")),
    _text_column("currency"),
    *(
        _exact(name)
        for name in ("multiplier", "net_qty", "avg_entry_px", "cost", "realized_pnl", "bought_qty", "sold_qty")
    ),
)

session_events = sa.Table(
    "session_events",
    metadata,
    _number("seq", primary_key=True),
    _number("time_ns"),
    *(_text_column(name) for name in ("venue", "event", "cause", "text")),
    _number("msg_seq_num", nullable=True),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    *(_text_column(name) for name in ("venue", "kind", "severity", "text", "order_id", "venue_order_id")),
    *(_text_column(name) for name in ("exec_id", "trade_date", "ours", "theirs")),
    *(_number(name) for name in ("raised_ns", "raised_seq")),
    *(_number(name, nullable=True) for name in ("resolved_ns", "resolved_seq")),
    _text_column("resolution"),
    _text_column("operator"),
)

sa.Index("orders_by_time", orders.c.updated_ns)
sa.Index("executions_by_order", executions.c.order_id)
sa.Index("executions_by_time", executions.c.time_ns)
sa.Index("requests_by_order", requests.c.order_id)
sa.Index("requests_by_cl_ord_id", requests.c.cl_ord_id)


def name(url: sa.URL) -> str:
    """How messages name the database: its URL, without a password in any of its places."""
    return without_password(url.render_as_string(hide_password=True))


def writing(url: sa.URL) -> sa.Engine:
    """An engine that writes. Nothing is lost with these tables that the journal does not have, so no commit waits for
    the disk; and the one connection is kept, because SQLite syncs everything when the last one is closed.
    """
    if url.get_backend_name() != "sqlite":
        return _on_server(url, poolclass=sa.QueuePool, pool_size=1, pool_pre_ping=True)
    engine = sa.create_engine(url, poolclass=sa.QueuePool, pool_size=1, connect_args={"timeout": _BUSY_S})
    path = Path(url.database or "")

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, kept: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        kept.info["file"] = _file(path)

    @sa.event.listens_for(engine, "checkout")
    def _same_file(_connection: Any, kept: Any, _: Any) -> None:
        """Who drops the tables may delete their file; what was open then is nobody's any more."""
        if kept.info["file"] != _file(path):
            raise sa.exc.DisconnectionError("the file was replaced")

    return engine


def _on_server(url: sa.URL, **pool: Any) -> sa.Engine:
    engine = sa.create_engine(url, connect_args=_CONNECTION, **pool)

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.execute(f"SET lock_timeout = '{_BUSY_S}s'")
        connection.commit()

    return engine


def _file(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def reading(url: sa.URL) -> sa.Engine:
    """An engine that changes nothing, waits for no lock for long, and never creates the file."""
    if url.get_backend_name() != "sqlite":
        return _on_server(url, poolclass=sa.NullPool)
    path = Path(url.database or "").absolute()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_S)

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
