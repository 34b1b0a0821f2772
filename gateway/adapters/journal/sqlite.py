"""The journal in a SQLite file, in WAL mode.

What ends a journal. A commit of SQLite is atomic: what a crash tears lies in the write-ahead log behind the last
whole transaction, and SQLite cuts it off when the file is next opened. So a torn tail shows as a last batch that is
not there, never as a row that does not match its hash: such a row was committed whole and changed later, even when
it is the last one, and it may hold an order that was acknowledged. It is damage, and start is refused. The same
goes for a bad place in the write-ahead log with whole transactions behind it, which SQLite by itself would cut off
like a torn tail (see gateway.codec.sqlite_wal).
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import sqlite

from gateway.adapters.journal import database
from gateway.adapters.journal.database import Durability, as_batch
from gateway.adapters.journal.sqlite_log import LogMover
from gateway.adapters.journal.tables import APPEND, batch
from gateway.codec.journal import Batch, ChainBroken, Damage, Link
from gateway.codec.sqlite_wal import lost_frame
from gateway.runtime.files import sync
from gateway.runtime.ports import JournalError

_log = structlog.get_logger(__name__)

_BUSY_S = 5.0
# SQLite gives the turn to whoever asks at the right moment, and a busy writer leaves few of them.
_PATIENT_MS = 60_000

# The one statement that every order waits for goes to the driver as text: SQLAlchemy takes longer than SQLite does.
_COMPILED = APPEND.compile(dialect=sqlite.dialect(paramstyle="qmark"))
_APPEND = str(_COMPILED)
_values = attrgetter(*(_COMPILED.positiontup or ()))

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_NEXT_STEPS = {
    sqlite3.SQLITE_FULL: "free space on its disk, then start again",
    sqlite3.SQLITE_IOERR: "the disk failed: look at the system's log before starting again",
    sqlite3.SQLITE_CANTOPEN: "see that its directory exists and that this user may write there",
    sqlite3.SQLITE_READONLY: "let this user write the file and its directory",
    sqlite3.SQLITE_BUSY: "another process holds it for too long: find and stop that one",
}


class SqliteWriter:
    """See `Writer`."""

    def __init__(self, connection: sa.Connection, connect: Callable[[], sa.Connection], files: Sequence[Path]) -> None:
        self.connection = connection
        self._files = {path: known for path in files if (known := _identity(path)) is not None}
        self._driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        self._connect = connect
        self._log: LogMover | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """See `Writer.transaction`. SQLite has one writer at a time."""
        self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            # After some errors SQLite has done it already.
            with contextlib.suppress(sa.exc.DBAPIError):
                self.connection.exec_driver_sql("ROLLBACK")
            raise
        self.connection.exec_driver_sql("COMMIT")

    def insert(self, batch: Batch, _end: Link) -> bool:
        """See `Writer.insert`."""
        if self._log is None:
            self._log = LogMover(self.connection, self._connect)
        try:
            done = self._driver.execute(_APPEND, _values(batch)).rowcount == 1
        except sqlite3.Error as error:
            raise sa.exc.OperationalError(_APPEND, None, error) from error
        self._log.note(len(batch.records))
        return done

    def prove(self, _epoch: int) -> bool:
        """See `Writer.prove`. A commit that SQLite reports is one."""
        return True

    def replaced(self) -> bool:
        """See `Writer.replaced`. SQLite goes on writing to files that have no name any more."""
        return any(_identity(path) != known for path, known in self._files.items())

    def owned_epoch(self) -> int | None:
        """See `Writer.owned_epoch`. Where another cannot read the file, this one proves nothing."""
        return None

    def close(self) -> None:
        """See `Writer.close`."""
        if self._log is not None:
            self._log.close()
        self.connection.close()


class SqliteDatabase:
    """See `Database`; the URL is `sqlite:///relative` or `sqlite:////absolute`."""

    def __init__(self, url: sa.URL, durability: Durability) -> None:
        if not url.database:
            raise JournalError("the URL of a journal in SQLite names a file: sqlite:///journal.sqlite")
        self._path = Path(url.database)
        self._durability = durability
        # Autocommit: a single INSERT is a transaction of its own, and the others say BEGIN IMMEDIATE themselves.
        arguments = {"check_same_thread": False, "timeout": _BUSY_S}
        self._engine = sa.create_engine(
            url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments
        )
        sa.event.listen(self._engine, "connect", lambda connection, _: _read_any_text(connection))
        self._reader = _read_only(self._path)
        self.kind = "SQLite"
        self.prompt = durability == "process"
        self.label = str(self._path)
        self.evidence = f"the file (and {self._wal_path().name})"

    def writer(self, *, patient: bool = False) -> SqliteWriter:
        """See `Database.writer`."""
        self._refuse_folder()
        connection = self._engine.connect()
        try:
            if patient:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {_PATIENT_MS}")
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return SqliteWriter(connection, self._engine.connect, (self._path, self._wal_path()))

    def _set_up(self, writer: sa.Connection) -> None:
        """Put the connection into the mode that the durability asks for, and see that it really is.

        Raises:
            JournalError: SQLite did not take a setting, as on a file system without shared memory.
        """
        synchronous, number = {"power": ("FULL", 2), "process": ("NORMAL", 1)}[self._durability]
        for setting, value, wanted in (("journal_mode", "WAL", "wal"), ("synchronous", synchronous, number)):
            writer.exec_driver_sql(f"PRAGMA {setting} = {value}")
            got: Any = writer.exec_driver_sql(f"PRAGMA {setting}").scalar()
            if got != wanted:
                raise JournalError(
                    f"journal {self.label}: SQLite has {setting} {got!r} where durability {self._durability!r} needs "
                    f"{wanted!r}: is the journal a file on a local disk?"
                )
        # The next commit begins the log anew, so that what a crash left in it cannot be taken for anything later.
        # Passive, because the other kinds wait for an owner that still lives, and it for them.
        writer.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """See `Database.reading`."""
        if not self._path.exists():
            yield None
            return
        self._refuse_folder()
        with self._reader.connect() as reader:
            yield reader

    def _refuse_folder(self) -> None:
        if self._path.is_dir():
            raise JournalError(f"{self.label} is a folder: name the journal's file in it, such as journal.sqlite")

    def missing(self) -> str:
        """See `Database.missing`."""
        if not self._path.exists():
            return f"journal {self.label} does not exist"
        return f"{self.label} is not a journal: no gateway ever opened it"

    def tables(self, connection: sa.Connection) -> set[str]:
        """See `Database.tables`."""
        return set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())

    def chunk(self, reader: sa.Connection, first_seq: int) -> list[Batch]:
        """See `Database.chunk`."""
        found: list[Batch] = []
        size = 0
        query = sa.select(batch).where(batch.c.first_seq >= first_seq).order_by(batch.c.first_seq)
        with reader.execute(query.limit(database.CHUNK_BATCHES)) as rows:
            for row in rows:
                try:
                    found.append(as_batch(row, found[-1].last_seq + 1 if found else first_seq))
                except ChainBroken:
                    if found:  # Those before it are good, and the next chunk begins with it.
                        break
                    raise
                size += len(found[-1].records)
                if size >= database.CHUNK_BYTES:
                    break
        return found

    def corrupt(self, error: sa.exc.SQLAlchemyError) -> bool:
        """See `Database.corrupt`."""
        return isinstance(error, sa.exc.DatabaseError) and _code(error) in _CORRUPT

    def away(self, _error: sa.exc.SQLAlchemyError) -> bool:
        """See `Database.away`. A file is there or is not."""
        return False

    def said(self, error: sa.exc.SQLAlchemyError) -> str:
        """See `Database.said`."""
        original = getattr(error, "orig", None)
        name = getattr(original, "sqlite_errorname", "")
        said = f"{original} ({name})" if name else str(original or error)
        step = _NEXT_STEPS.get(_code(error))
        return f"{said}; {step}" if step else said

    # --- The log ------------------------------------------------------------------------------------------------------

    def refuse_lost_commits(self) -> None:
        """See `Database.refuse_lost_commits`. From its opening on SQLite takes its own view of the log, and makes it
        final when it is closed.

        In "process" durability a loss of power can leave holes in the log; that is the loss that this setting
        accepts, so it is only told.
        """
        lost = self.lost_commits()
        if lost is None:
            return
        if self._durability == "process":
            _log.warning("journal_cut", journal=self.label, what=lost)
            return
        with self._reader.connect() as reader:
            newest = sa.select(batch.c.last_seq).order_by(batch.c.first_seq.desc()).limit(1)
            seq = int(reader.execute(newest).scalar() or 0) if batch.name in self.tables(reader) else 0
        raise ChainBroken(Damage(seq + 1, lost))

    def lost_commits(self) -> str | None:
        """See `Database.lost_commits`."""
        frame = self._lost_frame()
        if frame is None:
            return None
        place = f"frame {frame}" if frame else "the header"
        return (
            f"{place} of {self._wal_path().name} does not match its checksum, and whole commits stand behind it "
            "that SQLite would drop"
        )

    def _lost_frame(self) -> int | None:
        """The bad frame before whole ones in SQLite's log, if there is one: seen twice, because a living writer that
        begins the log anew, or is in the middle of a frame, looks like damage while it is read.
        """
        path, before = self._wal_path(), None
        while True:
            try:
                wal = path.read_bytes()
            except FileNotFoundError:
                return None
            lost = lost_frame(wal)
            if lost is None or (wal[:32], lost) == before:
                return lost
            before = wal[:32], lost

    def _wal_path(self) -> Path:
        """Beside the file itself, where the journal's name is a link to it."""
        real = self._path.resolve()
        return real.with_name(real.name + "-wal")


def seal(path: Path) -> None:
    """Put everything of a journal that is complete into its one file, so that it can be read where nothing can be
    written.

    Raises:
        JournalError: another program has it open, or it cannot be written.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S)) as database:
        try:
            database.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise JournalError(f"{path} cannot be written: {error}") from error
    sync(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file this is; None when there is none.

    Raises:
        OSError: it cannot be seen.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _read_only(path: Path) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        # A connection that cannot write leaves SQLite's log as it is when it is closed.
        name = f"file:{quote(str(path))}?mode=ro"
        connection = sqlite3.connect(name, uri=True, check_same_thread=False, timeout=_BUSY_S)
        _read_any_text(connection)
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")


def _read_any_text(connection: Any) -> None:
    """Bytes that damage has made a text come as one, so that they are found to be of the wrong type in their place."""
    connection.text_factory = lambda text: text.decode(errors="replace")


def _code(error: sa.exc.SQLAlchemyError) -> int:
    """SQLite's primary result code; 0 when the error is not SQLite's."""
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
