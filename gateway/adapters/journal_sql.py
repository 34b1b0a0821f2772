"""The journal in a SQL database: one row per batch, one INSERT per commit. SQLite, embedded, in WAL mode.

What ends a journal. A commit of SQLite is atomic: what a crash tears lies in the write-ahead log behind the last
whole transaction, and SQLite cuts it off when the file is next opened. So a torn tail shows as a last batch that is
not there, never as a row that does not match its hash: such a row was committed whole and changed later, even when
it is the last one, and it may hold an order that was acknowledged. It is damage, and start is refused. The same
goes for a bad place in the write-ahead log with whole transactions behind it, which SQLite by itself would cut off
like a torn tail (see gateway.codec.sqlite_wal).

Who may write. `open` counts the epoch up in the database; an append is one INSERT that selects from the row which
holds the epoch, so it writes nothing once the epoch is not its own. Two processes may hold the same file open: the
newer one wins, the older one learns it at its next append.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
import structlog
from msgspec.structs import replace

from gateway.codec.journal import (
    FORMAT_VERSION,
    Batch,
    ChainBroken,
    Damage,
    Link,
    RecordsUnknown,
    Verdict,
    link,
    seal,
    unseal,
    verify,
)
from gateway.codec.sqlite_wal import lost_frame
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, JournalDamaged, JournalError, JournalHead

_log = structlog.get_logger(__name__)

_metadata = sa.MetaData()

# One row: the format of the batches, and the epoch in force.
_owner = sa.Table(
    "journal_owner",
    _metadata,
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("format_version", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

# SQLite makes only a column declared INTEGER its row number, and with it appends go to the end of one tree.
_Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_batch = sa.Table(
    "journal_batch",
    _metadata,
    sa.Column("first_seq", _Seq, primary_key=True, autoincrement=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("records", sa.LargeBinary, nullable=False),
    sa.Column("prev_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
)

_COLUMNS = tuple(_batch.columns.keys())

_APPEND = sa.insert(_batch).from_select(
    _COLUMNS,
    sa.select(*(sa.bindparam(column.name, type_=column.type) for column in _batch.columns)).where(
        sa.exists(sa.select(sa.literal(1)).where(_owner.c.epoch == sa.bindparam("epoch", type_=sa.BigInteger)))
    ),
)

# A reader takes at most so much at a time and holds no snapshot between, so that it neither fills memory nor keeps
# SQLite's log from being reset.
_CHUNK_BATCHES = 256
_CHUNK_BYTES = 4 << 20

_BUSY_S = 5.0

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqlJournal:
    """The `Journal` port on a SQLAlchemy URL (`sqlite:///relative` or `sqlite:////absolute`).

    `durability` is "power" (each commit is fsynced) or "process" (survives kill -9, may lose the last moments when
    the machine loses power). The methods may be called from any thread. `read` and `verify` need no `open` and
    change nothing.
    """

    def __init__(self, url: str, durability: Literal["power", "process"] = "power") -> None:
        self._url = sa.make_url(url)
        if self._url.get_backend_name() != "sqlite" or not self._url.database:
            raise JournalError(
                f"journal {url}: only SQLite files are supported; write a URL such as sqlite:///journal.sqlite"
            )
        self._path = Path(self._url.database)
        self._durability = durability
        self._lock = threading.Lock()
        self._writer: sa.Connection | None = None
        self._end = Link()
        self._epoch = 0

    # --- Writing ----------------------------------------------------------------------------------

    def open(self) -> JournalHead:
        """See `Journal.open`. Checks the format and the last batch; the whole chain is proven by whoever reads it,
        as recovery does.
        """
        with self._lock, self._translated("open"):
            if self._writer is not None:
                raise JournalError(f"journal {self._path} is open already: close it first")
            self._refuse_lost_commits()
            writer = _writing(self._url).connect()
            try:
                _set_up(writer, self._durability)
                self._take_over(writer)
            except BaseException:
                writer.close()
                raise
            self._writer = writer
            return JournalHead(seq=self._end.seq, hash=self._end.hash, epoch=self._epoch)

    def append(self, records: Sequence[Record]) -> None:
        """See `Journal.append`. After a failed commit the journal is closed: nobody can try again by mistake."""
        with self._lock:
            writer = self._writer
            if writer is None:
                raise JournalError(f"journal {self._path} is not open: nothing was written")
            try:
                batch = seal(self._end, self._epoch, records)
            except (ValueError, OverflowError) as error:
                raise JournalError(f"journal {self._path}: {error}; nothing was written") from error
            try:
                self._insert(writer, batch)
            except BaseException:
                self._give_back()
                raise
            self._end = link(batch)

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._give_back()

    def _insert(self, writer: sa.Connection, batch: Batch) -> None:
        values = {name: getattr(batch, name) for name in _COLUMNS}
        with self._translated(f"append seq {batch.first_seq} to {batch.last_seq} to"):
            if writer.execute(_APPEND, values).rowcount != 1:
                raise EpochStale(
                    f"journal {self._path}: epoch {self._epoch} is over, another process took the journal over; "
                    f"seq {batch.first_seq} to {batch.last_seq} were not written and this process has to stop"
                )

    def _give_back(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _take_over(self, writer: sa.Connection) -> None:
        """In one transaction: the tables are there, the format is ours, the last batch is whole, the next epoch
        begins.
        """
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            _metadata.create_all(writer)
            owned = self._owned_epoch(writer)
            self._end = self._proven_end(writer)
            self._epoch = max(owned or 0, self._end.epoch) + 1
            if owned is None:
                writer.execute(_owner.insert().values(id=1, format_version=FORMAT_VERSION, epoch=self._epoch))
            else:
                writer.execute(_owner.update().values(epoch=self._epoch))
        except BaseException:
            writer.exec_driver_sql("ROLLBACK")
            raise
        writer.exec_driver_sql("COMMIT")

    def _proven_end(self, connection: sa.Connection) -> Link:
        newest_first = sa.select(_batch).order_by(_batch.c.first_seq.desc()).limit(2)
        rows = connection.execute(newest_first).all()
        if not rows:
            return Link()
        end = link(_as_batch(rows[1], 1)) if len(rows) == 2 else Link()
        batch = _as_batch(rows[0], end.seq + 1)
        unseal(end, batch)
        return link(batch)

    # --- Reading ----------------------------------------------------------------------------------

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See `Journal.read`. Every batch is proven before its first record is given.

        Raises:
            JournalDamaged: here the chain breaks; every record given before is good.
        """
        with self._translated("read"), self._reading() as reader:
            end = _before(reader, from_seq)
            for batch in _batches(reader, end.seq + 1):
                records = unseal(end, batch)
                end = link(batch)
                yield from records[max(0, from_seq - batch.first_seq) :]

    def last_seq(self) -> int:
        """The seq of the last committed record, 0 when there is none. Changes nothing."""
        with self._translated("read"), self._reading() as reader:
            return _last_seq(reader)

    def verify(self) -> Verdict:
        """Walk the whole chain, and look for commits that SQLite would drop from its log. Changes nothing.

        Raises:
            JournalError: there is no journal, or it cannot be read at all.
        """
        with self._translated("verify"):
            lost = self._lost_frame()
            try:
                with self._reading() as reader:
                    verdict = verify(_batches(reader, 1))
            except ChainBroken as broken:
                verdict = Verdict(damage=broken.damage)
        if verdict.damage is None and lost is not None:
            return replace(verdict, damage=Damage(verdict.records + 1, _lost(self._wal_path(), lost)))
        return verdict

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection that cannot write, on a journal of a format that this program knows.

        Raises:
            ChainBroken: what says that it is a journal is damaged itself.
        """
        if not self._path.exists():
            raise JournalError(f"journal {self._path} does not exist")
        with _read_only(self._path).connect() as reader:
            with _corruption(1):
                known = sa.inspect(reader).has_table(_owner.name) and self._owned_epoch(reader) is not None
            if not known and (lost := self._lost_frame()) is not None:
                raise ChainBroken(Damage(1, _lost(self._wal_path(), lost)))
            if not known:
                raise JournalError(f"{self._path} is not a journal: no gateway ever opened it")
            yield reader

    def _owned_epoch(self, connection: sa.Connection) -> int | None:
        """The epoch in force; None when the journal was never opened."""
        row = connection.execute(sa.select(_owner.c.format_version, _owner.c.epoch)).one_or_none()
        if row is None:
            return None
        format_version, epoch = row
        if format_version > FORMAT_VERSION:
            raise JournalError(
                f"journal {self._path} has format version {format_version}, and this gateway knows versions up to "
                f"{FORMAT_VERSION}: start the version of the gateway that wrote it, or a newer one"
            )
        return int(epoch)

    # --- Damage and errors ------------------------------------------------------------------------

    def _wal_path(self) -> Path:
        return self._path.with_name(self._path.name + "-wal")

    def _lost_frame(self) -> int | None:
        """The bad frame before whole ones in SQLite's log, if there is one."""
        path = self._wal_path()
        try:
            wal = path.read_bytes()
            lost = lost_frame(wal)
            # A living writer may have begun the log anew while it was read, which looks like damage to frames of
            # two generations.
            return lost if lost is None or path.read_bytes()[:32] == wal[:32] else self._lost_frame()
        except FileNotFoundError:
            return None

    def _refuse_lost_commits(self) -> None:
        """Before SQLite opens the file: from then on it takes its own view of the log, and makes it final when it
        is closed.

        In "process" durability a loss of power can leave holes in the log; that is the loss that this setting
        accepts, so it is only told.
        """
        lost = self._lost_frame()
        if lost is None:
            return
        what = _lost(self._wal_path(), lost)
        if self._durability == "process":
            _log.warning("journal_cut", journal=str(self._path), what=what)
            return
        with self._reading() as reader:
            raise ChainBroken(Damage(_last_seq(reader) + 1, what))

    def _damaged(self, damage: Damage) -> JournalDamaged:
        return JournalDamaged(
            f"journal {self._path} is damaged at seq {damage.seq}: {damage.what}. Nothing was changed. Keep the file "
            f"(and {self._wal_path().name}) as evidence, put back a copy that `gateway journal verify` accepts, and "
            "start again",
            damage.seq,
        )

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """What the codec finds and what SQLAlchemy, SQLite and the system say, as the port's errors."""
        try:
            with _corruption(1):
                yield
        except ChainBroken as broken:
            raise self._damaged(broken.damage) from broken
        except RecordsUnknown as error:
            raise JournalError(
                f"journal {self._path}: {error}; start the version of the gateway that wrote it"
            ) from error
        except sa.exc.SQLAlchemyError as error:
            raise JournalError(f"journal {self._path}: cannot {doing} it: {_said(error)}") from error
        except OSError as error:
            raise JournalError(f"journal {self._path}: cannot {doing} it: {error}") from error


def _last_seq(reader: sa.Connection) -> int:
    newest = sa.select(_batch.c.last_seq).order_by(_batch.c.first_seq.desc()).limit(1)
    return int(reader.execute(newest).scalar() or 0)


def _before(reader: sa.Connection, from_seq: int) -> Link:
    """The end of the chain before the batch that holds `from_seq`, or before the last one when `from_seq` is not
    there yet.
    """
    ends = (_batch.c.last_seq, _batch.c.hash, _batch.c.epoch)
    nearest = sa.select(*ends).where(_batch.c.first_seq <= from_seq).order_by(_batch.c.first_seq.desc()).limit(2)
    rows = reader.execute(nearest).all()
    return Link(*rows[1]) if len(rows) == 2 else Link()


def _batches(reader: sa.Connection, first_seq: int) -> Iterator[Batch]:
    """The batches from the one that begins at `first_seq`, some at a time.

    Raises:
        ChainBroken: SQLite itself cannot make sense of what comes next.
    """
    while True:
        with _corruption(first_seq):
            chunk = _chunk(reader, first_seq)
        if not chunk:
            return
        yield from chunk
        first_seq = chunk[-1].last_seq + 1


@contextlib.contextmanager
def _corruption(seq: int) -> Iterator[None]:
    """When SQLite itself finds the file damaged, it is damage from `seq` on."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        if _code(error) not in _CORRUPT:
            raise
        raise ChainBroken(Damage(seq, f"SQLite says: {_said(error)}")) from error


def _chunk(reader: sa.Connection, first_seq: int) -> list[Batch]:
    chunk: list[Batch] = []
    size = 0
    query = sa.select(_batch).where(_batch.c.first_seq >= first_seq).order_by(_batch.c.first_seq).limit(_CHUNK_BATCHES)
    with reader.execute(query) as rows:
        for row in rows:
            chunk.append(_as_batch(row, first_seq))
            size += len(chunk[-1].records)
            if size >= _CHUNK_BYTES:
                break
    return chunk


def _as_batch(row: Sequence[Any], first_seq: int) -> Batch:
    """SQLite keeps a type with each value, and a damaged one can come as anything."""
    if [type(value) for value in row] != [int, int, int, bytes, bytes, bytes]:
        raise ChainBroken(Damage(first_seq, "a row of the table holds values of the wrong types"))
    return Batch(*row)


# --- SQLite ---------------------------------------------------------------------------------------


def _writing(url: sa.URL) -> sa.Engine:
    # Autocommit: a single INSERT is a transaction of its own, and the others say BEGIN IMMEDIATE themselves.
    arguments = {"check_same_thread": False, "timeout": _BUSY_S}
    return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)


def _read_only(path: Path) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        # A connection that cannot write leaves SQLite's log as it is when it is closed.
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False, timeout=_BUSY_S)

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")


def _set_up(writer: sa.Connection, durability: str) -> None:
    """Put the connection into the mode that the durability asks for, and see that it really is.

    Raises:
        JournalError: SQLite did not take a setting, as on a file system without shared memory.
    """
    synchronous, number = {"power": ("FULL", 2), "process": ("NORMAL", 1)}[durability]
    for setting, value, wanted in (("journal_mode", "WAL", "wal"), ("synchronous", synchronous, number)):
        writer.exec_driver_sql(f"PRAGMA {setting} = {value}")
        got: Any = writer.exec_driver_sql(f"PRAGMA {setting}").scalar()
        if got != wanted:
            raise JournalError(
                f"SQLite has {setting} {got!r} where durability {durability!r} needs {wanted!r}: "
                "is the journal a file on a local disk?"
            )
    # The next commit begins the log anew, so that what a crash left in it cannot be taken for anything later. Passive,
    # because the other kinds wait for an owner that still lives, and it for them.
    writer.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")


def _lost(wal: Path, frame: int) -> str:
    place = f"frame {frame}" if frame else "the header"
    return (
        f"{place} of {wal.name} does not match its checksum, and whole commits stand behind it that SQLite would drop"
    )


_NEXT_STEPS = {
    sqlite3.SQLITE_FULL: "free space on its disk, then start again",
    sqlite3.SQLITE_IOERR: "the disk failed: look at the system's log before starting again",
    sqlite3.SQLITE_CANTOPEN: "see that its directory exists and that this user may write there",
    sqlite3.SQLITE_READONLY: "let this user write the file and its directory",
    sqlite3.SQLITE_BUSY: f"another process holds it for longer than {_BUSY_S:g} s: find and stop that one",
}


def _code(error: sa.exc.SQLAlchemyError) -> int:
    """SQLite's primary result code; 0 when the error is not SQLite's."""
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF


def _said(error: sa.exc.SQLAlchemyError) -> str:
    original = getattr(error, "orig", None)
    name = getattr(original, "sqlite_errorname", "")
    said = f"{original} ({name})" if name else str(original or error)
    step = _NEXT_STEPS.get(_code(error))
    return f"{said}; {step}" if step else said
