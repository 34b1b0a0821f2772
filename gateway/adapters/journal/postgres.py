"""The journal in PostgreSQL, through psycopg.

One append is one statement in autocommit, one way to the server and back. It holds the row of the epoch until it is
committed, so that a takeover, which changes that row, waits for it.

What is not known is looked up. When the connection breaks in the middle of a commit, nobody can say whether it is
durable. The append then goes on blocking, so that nothing is released and nothing further is decided: it connects
again, holds everybody else off, and looks. The batch is there by its hash; or the journal still ends where the batch
was to follow, and it is put there; or something else is there, and the process has to stop. `docs/adr/0007` says why
this is not a blind retry.

A commit that waits for a standby can be cancelled: PostgreSQL then reports success, with a warning that it is durable
here and perhaps nowhere else. Later commits wait for all that was before them, so the append makes small ones until
one has waited to its end.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import sqlalchemy as sa
import structlog

from gateway.adapters.journal import database, rows
from gateway.adapters.journal.database import Durability, as_batch
from gateway.adapters.journal.tables import APPEND, COLUMNS, batch, owner
from gateway.codec.journal import Batch, Link
from gateway.runtime.ports import EpochStale, JournalError

_log = structlog.get_logger(__name__)

# Before a takeover gives up on an append of the old owner that does not end.
_LOCK_TIMEOUT_MS = 30_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0

# "jrnl": together with the schema, what openings, imports and the archiver of one journal hold against each other.
_LOCK_CLASS = 0x6A726E6C

# A dead network must show within seconds, on both sides; libpq by itself waits for hours.
_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "gateway",
    # In the database's own one, where that is SQL_ASCII, texts come as bytes, the names of tables too.
    "client_encoding": "utf8",
}
# What a database or a role may have set otherwise. It goes with the connection, so that it holds from its first moment.
_SESSION = {
    "client_min_messages": "warning",
    "default_transaction_isolation": r"read\ committed",
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": str(_LOCK_TIMEOUT_MS),
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_TRANSACTION_TIMEOUT_SINCE = 17_00_00

# From weak to strong, as far as a commit waits for it.
_SYNCHRONOUS_COMMIT = ("off", "local", "remote_write", "on", "remote_apply")

_FACTS = """
SELECT current_schema() AS schema, current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('server_version_num')::int AS version
"""

_EPOCH: Final = "SELECT epoch FROM journal_owner"


class _Unknown(Exception):
    """The server went away, or does not serve now: what became of the statement is not known."""


class PostgresWriter:
    """See `Writer`."""

    def __init__(self, database: "PostgresDatabase", give_up_s: float) -> None:
        self._database = database
        self._give_up_s = give_up_s
        self._unproven = False
        self.connection = database.connect(writes=True)
        self._watch()

    def _watch(self) -> None:
        _driver(self.connection).add_notice_handler(self._noticed)

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.source_function == "SyncRepWaitForLSN" or "synchronous replication" in (notice.message_primary or ""):
            self._unproven = True

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """See `Writer.transaction`."""
        connection = self.connection
        connection.exec_driver_sql("BEGIN")
        try:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_CLASS}, hashtext(current_schema()))")
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            if not connection.invalidated:
                with contextlib.suppress(sa.exc.DBAPIError):
                    connection.exec_driver_sql("ROLLBACK")
            raise

    def insert(self, batch: Batch, end: Link) -> bool:
        """See `Writer.insert`."""
        try:
            with _unknowns():
                if not _append(self.connection, batch):
                    return False
                proven = self.prove(batch.epoch)
        except _Unknown as unknown:
            proven = self._settle(batch, end, str(unknown))
        if not proven:
            raise EpochStale(
                f"journal {self._database.label}: epoch {batch.epoch} is over, another process took the journal over "
                f"while seq {batch.first_seq} to {batch.last_seq} were being written: whether they are there counts "
                "for that process only, and this one has to stop"
            )
        return True

    def prove(self, epoch: int) -> bool:
        """See `Writer.prove`. Commits something small until a commit has waited for the standbys to its end."""
        while self._unproven:
            _log.warning("journal_not_replicated", journal=self._database.label, waits="for a commit that is")
            self._unproven = False
            if not _touch(self.connection, epoch):
                return False
        return True

    def replaced(self) -> bool:
        """See `Writer.replaced`. A table that was dropped shows at the next statement."""
        return False

    def owned_epoch(self) -> int | None:
        """See `Writer.owned_epoch`. As after the password was changed, or while nobody resolves the server's name.

        SQLAlchemy must not see this connection fail, or it would replace it: what became of a commit on it is for
        `insert` to find out.
        """
        try:
            row = _driver(self.connection).execute(_EPOCH).fetchone()
        except psycopg.Error:
            return None
        return row[0] if row is not None else None

    def close(self) -> None:
        """See `Writer.close`."""
        with contextlib.suppress(sa.exc.DBAPIError):
            self.connection.close()

    # --- After the connection broke -----------------------------------------------------------------------------------

    def _settle(self, batch: Batch, end: Link, why: str) -> bool:
        """Find out what became of `batch`, and see to it that it is durable; False when the epoch is over.

        Raises:
            JournalError: it took too long, or the journal is not what it was.
        """
        label, place = self._database.label, f"seq {batch.first_seq} to {batch.last_seq}"
        _log.warning("journal_connection_lost", journal=label, undecided=place, reason=why)
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                with _unknowns():
                    outcome = self._look(batch, end)
                _log.info("journal_connection_back", journal=label, batch=place, outcome=outcome, after_s=_since(began))
                return outcome != "epoch over"
            except _Unknown as unknown:
                why = str(unknown)
            if time.monotonic() - began + pause > self._give_up_s:
                raise JournalError(
                    f"journal {label}: the database did not come back within {self._give_up_s:g} s ({why}). Whether "
                    f"{place} were written is not known, and nothing of it was told to anybody. Bring the database "
                    "back, then start again: what is in the journal then is what counts"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _look(self, batch: Batch, end: Link) -> str:
        """Connect again; what became of the batch."""
        self.close()
        self.connection = self._database.connect(writes=True)
        self._unproven = False
        self._watch()
        with self.transaction() as connection:
            # Waits for what the lost connection may still be doing, and lets nobody else in.
            if rows.owned_epoch(connection, self._database.label, lock=True) != batch.epoch:
                return "epoch over"
            outcome = self._put(connection, batch, end)
            # The commit of this transaction waits for the standbys, and so proves the batch also when it was there.
            _touch(connection, batch.epoch)
        return outcome if self.prove(batch.epoch) else "epoch over"

    def _put(self, connection: sa.Connection, batch: Batch, end: Link) -> str:
        last = rows.last(connection, rows.archived(connection))
        if last.hash == batch.hash:
            return "was written"
        if last != end:
            raise JournalError(
                f"journal {self._database.label} came back ending at seq {last.seq}, where it had confirmed "
                f"seq {end.seq}: is it another server, or one that lost what it had confirmed? This process has to "
                "stop; before starting again find the server that has them"
            )
        _append(connection, batch)
        return "written now"


class PostgresDatabase:
    """See `Database`; the URL is `postgresql+psycopg://user@host/database`."""

    def __init__(self, url: sa.URL, durability: Durability, give_up_s: float) -> None:
        self._durability = durability
        self._give_up_s = give_up_s
        self._engine = _engine(url)
        self.kind = "PostgreSQL"
        self.prompt = False
        self.label = _label(url)
        self.evidence = "a dump of the database"

    def refuse_lost_commits(self) -> None:
        """See `Database.refuse_lost_commits`. PostgreSQL checks its log by itself."""

    def lost_commits(self) -> None:
        """See `Database.lost_commits`."""

    def missing(self) -> str:
        """See `Database.missing`."""
        return f"{self.label} has no journal: no gateway ever opened one there"

    def writer(self, *, patient: bool = False) -> PostgresWriter:  # noqa: ARG002  # Who waits here has its turn.
        """See `Database.writer`."""
        return PostgresWriter(self, self._give_up_s)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """See `Database.reading`."""
        connection = self.connect(writes=False)
        try:
            yield connection
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):
                connection.close()

    def connect(self, *, writes: bool) -> sa.Connection:
        """A new connection, in the mode that the durability needs.

        Raises:
            JournalError: there is no schema, or the server does not fsync.
        """
        connection = self._engine.connect()
        try:
            self._set_up(connection, writes)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: sa.Connection, writes: bool) -> None:
        facts = connection.exec_driver_sql(_FACTS).one()
        if facts.schema is None:
            raise JournalError(
                f"{self.label} has no schema on its search_path: create the schema, or correct options in the URL"
            )
        settings = {"transaction_timeout": "0"} if facts.version >= _TRANSACTION_TIMEOUT_SINCE else {}
        if not writes:
            settings["default_transaction_read_only"] = "on"
        else:
            settings["synchronous_commit"] = self._synchronous_commit(facts.fsync, facts.synchronous_commit)
        changes = "".join(f", set_config('{name}', '{value}', false)" for name, value in settings.items())
        # Exactly one schema: with more, a journal of another stack further down the path could be taken for ours.
        connection.exec_driver_sql(f"SELECT set_config('search_path', quote_ident(current_schema()), false){changes}")

    def _synchronous_commit(self, fsync: str, servers: str) -> str:
        """What a commit waits for: never less than the server itself asks for, unless "process" wants it fast."""
        if self._durability == "process":
            return "off"
        if fsync != "on":
            raise JournalError(
                f"the server of {self.label} runs with fsync = {fsync}, and durability 'power' needs it on: set it on, "
                "or set the journal's durability to 'process'"
            )
        return max(servers, "on", key=_SYNCHRONOUS_COMMIT.index)

    def tables(self, connection: sa.Connection) -> set[str]:
        """See `Database.tables`."""
        names = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return set(connection.exec_driver_sql(names).scalars())

    def chunk(self, reader: sa.Connection, first_seq: int) -> list[Batch]:
        """See `Database.chunk`."""
        query = {"first_seq": first_seq, "batches": database.CHUNK_BATCHES, "bytes": database.CHUNK_BYTES}
        return [as_batch(row, first_seq) for row in reader.execute(_CHUNK, query)]

    def corrupt(self, error: sa.exc.SQLAlchemyError) -> bool:
        """See `Database.corrupt`."""
        return _state(error) in ("XX001", "XX002")

    def away(self, error: sa.exc.SQLAlchemyError) -> bool:
        """See `Database.away`."""
        return isinstance(error, sa.exc.DBAPIError) and _passes(error)

    def said(self, error: sa.exc.SQLAlchemyError) -> str:
        """See `Database.said`."""
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        state = _state(error)
        step = _NEXT_STEPS.get(state) or _NEXT_STEPS.get(state[:2])
        return f"{said}; {step}" if step else said


# Rows from `first_seq` on until their records come to so many bytes, at least one; the records of the others are not
# even looked at.
_near = sa.select(
    batch, sa.func.sum(sa.func.octet_length(batch.c.records)).over(order_by=batch.c.first_seq).label("size")
)
_near_rows = (
    _near.where(batch.c.first_seq >= sa.bindparam("first_seq"))
    .order_by(batch.c.first_seq)
    .limit(sa.bindparam("batches"))
    .subquery()
)
_CHUNK: Final = (
    sa.select(*(_near_rows.c[name] for name in COLUMNS))
    .where(_near_rows.c.size - sa.func.octet_length(_near_rows.c.records) < sa.bindparam("bytes"))
    .order_by(_near_rows.c.first_seq)
)

# Of a connection that was refused libpq gives a text and no SQLSTATE: whatever the reason is, it is one of these.
_UNREACHABLE = (
    "see that the server runs, that this machine reaches it, and that user, password and database in the URL are "
    "right; then start again"
)
_NEXT_STEPS = {
    "": _UNREACHABLE,
    "08": _UNREACHABLE,
    "25006": "the server is a standby or read-only: name the one that takes writes",
    "42501": "grant this user CREATE and USAGE on the schema, and all rights on the journal's tables",
    "53": "the server has no room left: free some, then start again",
    "55P03": f"another process holds it for longer than {_LOCK_TIMEOUT_MS // 1000} s: find and stop that one",
    "57": "the server stopped or cancelled it: see its log, then start again",
    "58": "the server's disk failed: see its log before starting again",
}

# What passes by itself, or may: after these nothing is known about a statement that was under way. Connection, server
# shut down or starting, cancelled by a person; a standby that is not promoted yet; no free connection; a lock held.
_PASSES = ("08", "57", "25006", "53300", "55P03")


@contextlib.contextmanager
def _unknowns() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not _passes(error):
            raise
        raise _Unknown(" ".join(str(error.orig).split())) from error


def _passes(error: sa.exc.DBAPIError) -> bool:
    state = _state(error)
    # Without a state, it is libpq that speaks: of a connection that it lost or did not get.
    lost = error.connection_invalidated or (not state and isinstance(error.orig, psycopg.OperationalError))
    return lost or state.startswith(_PASSES)


def _append(connection: sa.Connection, batch: Batch) -> bool:
    return connection.execute(APPEND, {name: getattr(batch, name) for name in COLUMNS}).rowcount == 1


def _touch(connection: sa.Connection, epoch: int) -> bool:
    """A commit that changes nothing; False when `epoch` is over."""
    return connection.execute(owner.update().where(owner.c.epoch == epoch).values(epoch=epoch)).rowcount == 1


def _engine(url: sa.URL) -> sa.Engine:
    arguments: dict[str, Any] = {name: value for name, value in _CONNECT.items() if name not in url.query}
    given = url.query.get("options", os.environ.get("PGOPTIONS", ""))
    ours = [f"-c{name}={value}" for name, value in _SESSION.items()]
    arguments["options"] = " ".join([*([given] if isinstance(given, str) else given), *ours])
    if isinstance(url.query.get("host"), tuple) or "," in str(url.query.get("host", url.host)):
        # After a failover the first name may be that of a standby.
        arguments.setdefault("target_session_attrs", "read-write")
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)


def _driver(connection: sa.Connection) -> "psycopg.Connection[Any]":
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"{driver!r} is not a connection of psycopg")
    return driver


def _label(url: sa.URL) -> str:
    """The URL without password and options."""
    host = url.host or url.query.get("host") or "local"
    where = host if isinstance(host, str) else ",".join(host)
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{where}{port}/{url.database or ''}"


def _state(error: sa.exc.SQLAlchemyError) -> str:
    """PostgreSQL's SQLSTATE; empty when it did not come to one, as when there was no connection."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
