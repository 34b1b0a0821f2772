"""The journal in a SQL database: one row per batch, one statement per commit.

Who may write. `open` counts the epoch up in the database; an append is one INSERT that selects from the row which
holds the epoch, so it writes nothing once the epoch is not its own. Two processes may hold the same journal open: the
newer one wins, the older one learns it at its next append.

What is old can be moved to an archive (`drop_before`). The chain then begins at a border that names the last batch
before it, and readers of an older seq are served from the archive.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
import structlog
from msgspec import structs

from gateway.adapters.journal import rows
from gateway.adapters.journal.database import CHUNK_BATCHES, Durability, Older, Writer, chunks
from gateway.adapters.journal.reading import Reader, corruption
from gateway.adapters.journal.sqlite import SqliteDatabase
from gateway.adapters.journal.tables import REVISIONS, batch, owner
from gateway.adapters.journal.urls import database_at
from gateway.codec.journal import (
    Batch,
    ChainBroken,
    Damage,
    Link,
    RecordsUnknown,
    Told,
    Verdict,
    check,
    link,
    seal,
    unseal,
    unseal_told,
    until,
    verify,
)
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, JournalAway, JournalDamaged, JournalError, JournalHead, JournalNewer

_log = structlog.get_logger(__name__)

GIVE_UP_S = 60.0
_LONGEST_REST_S = 1.0


class SqlJournal:
    """The `Journal` port on a SQLAlchemy URL: `sqlite:///relative`, `sqlite:////absolute` or
    `postgresql+psycopg://user@host/database`, where `?options=-csearch_path%3Dname` chooses a schema.

    `durability` is "power" (each commit is fsynced) or "process" (survives kill -9, may lose the last moments when
    the machine loses power). `older` is where archived batches are. When a PostgreSQL server goes away in the middle
    of a commit, `append` looks for up to `give_up_s` seconds until it knows what became of it. The methods may be
    called from any thread. Only `open` and what comes after it, `import_batches` and `drop_before` change anything.
    """

    def __init__(
        self,
        url: str,
        durability: Durability = "power",
        *,
        older: Older | None = None,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        self._database = database_at(url, durability, give_up_s)
        self._older = older
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._end = Link()
        self._epoch = 0

    @property
    def label(self) -> str:
        """The file or database, for people; without a password."""
        return self._database.label

    @property
    def file(self) -> Path | None:
        """The file that it is kept in; None when that is a server's."""
        return Path(self._database.label) if isinstance(self._database, SqliteDatabase) else None

    @property
    def prompt(self) -> bool:
        """Whether a commit is no more than a write into memory: it waits for no device and no other machine."""
        return self._database.prompt

    # --- Writing ------------------------------------------------------------------------------------------------------

    def open(self) -> JournalHead:
        """See `Journal.open`. Brings the tables up to date, and checks the format and the last batch; the whole chain
        is proven by whoever reads it, as recovery does.
        """
        with self._lock, self._translated("open"):
            self._refuse_open()
            self._database.refuse_lost_commits()
            writer = self._database.writer()
            try:
                with writer.transaction() as connection:
                    self._take_over(connection)
                writer.prove(self._epoch)
            except BaseException:
                writer.close()
                raise
            self._writer = writer
            self._say_what_the_archive_lacks(rows.archived(writer.connection).seq)
            return JournalHead(seq=self._end.seq, hash=self._end.hash, epoch=self._epoch)

    def _say_what_the_archive_lacks(self, through: int) -> None:
        """What can trade does not need it, so a start goes on; what left memory long ago cannot be looked up then."""
        if self._older is None:
            return
        try:
            missing = ", ".join(f"seq {first} to {last}" for first, last in self._older.gaps(through))
        except OSError as error:
            missing = str(error)
        if missing:
            page = "docs/runbook.md#a-missing-archive"
            _log.critical("archive_missing", where=self._older.where, missing=missing, runbook=page)

    def append(self, records: Sequence[Record]) -> None:
        """See `Journal.append`. After a failed commit the journal is closed: nobody can try again by mistake."""
        with self._lock:
            writer = self._writer
            if writer is None:
                raise JournalError(f"journal {self.label} is not open: nothing was written")
            try:
                batch = seal(self._end, self._epoch, records)
            except (ValueError, OverflowError) as error:
                raise JournalError(f"journal {self.label}: {error}; nothing was written") from error
            try:
                self._insert(writer, batch)
            except BaseException:
                self._give_back()
                raise
            self._end = link(batch)

    def confirm(self) -> None:
        """See `Journal.confirm`."""
        writer = self._writer
        if writer is None:
            raise JournalError(f"journal {self.label} is not open")
        over = f"journal {self.label}: epoch {self._epoch} is over, another process took the journal over"
        try:
            with self._translated("read"):
                if writer.replaced():
                    raise EpochStale(f"journal {self.label} was removed or replaced while it was open: {_REPLACED}")
                try:
                    with self._reading() as reader:
                        epoch = rows.owned_epoch(reader.connection, self.label)
                except sa.exc.DBAPIError:
                    if (epoch := self._seen_by_the_writer()) is None:
                        raise
        except JournalNewer as error:
            raise EpochStale(f"{over}: {error}") from error
        if epoch != self._epoch:
            raise EpochStale(over)

    def _seen_by_the_writer(self) -> int | None:
        """The epoch in force on the connection that commits; None while it is at work: its commit finds out then."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._writer.owned_epoch() if self._writer is not None else None
        finally:
            self._lock.release()

    def close(self) -> None:
        """See `Journal.close`."""
        with self._lock:
            self._give_back()

    def _insert(self, writer: Writer, batch: Batch) -> None:
        try:
            written = writer.insert(batch, self._end)
        except Exception:
            with self._translated(f"append seq {batch.first_seq} to {batch.last_seq} to"):
                raise
        if not written:
            raise EpochStale(
                f"journal {self.label}: epoch {self._epoch} is over, another process took the journal over; "
                f"seq {batch.first_seq} to {batch.last_seq} were not written and this process has to stop"
            )

    def _give_back(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _take_over(self, connection: sa.Connection) -> None:
        """In one transaction: the tables are there, the format is ours, the last batch is whole, the next epoch
        begins.
        """
        owned = self._ready(connection)
        if owned == rows.IMPORTING:
            raise self._importing()
        self._end = rows.proven_end(connection, rows.archived(connection))
        self._epoch = max(owned or 0, self._end.epoch) + 1
        rows.own(connection, self._epoch)

    def _ready(self, connection: sa.Connection) -> int | None:
        """Bring the tables up to date and hold everybody else off; the epoch in force."""
        tables = self._database.tables(connection)
        revision = rows.revision(connection, tables, self.label)
        if owner.name in tables:
            rows.owned_epoch(connection, self.label)
        if revision != REVISIONS[-1]:
            # Alembic takes longer to import than all the rest, and is hardly ever needed.
            from gateway.adapters.journal.upgrade import upgrade  # noqa: PLC0415

            upgrade(connection, stamp=REVISIONS[0] if revision is None and batch.name in tables else None)
        return rows.owned_epoch(connection, self.label, lock=True)

    def _refuse_open(self) -> None:
        if self._writer is not None:
            raise JournalError(f"journal {self.label} is open already: close it first")

    # --- Reading ------------------------------------------------------------------------------------------------------

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See `Journal.read`. Every batch is proven before its first record is given.

        Raises:
            JournalDamaged: here the chain breaks; every record given before is good.
        """
        with self._translated("read"), self._reading() as reader:
            end = reader.before(from_seq)
            for batch in reader.batches(end.seq + 1):
                records = unseal(end, batch)
                end = link(batch)
                yield from records[max(0, from_seq - batch.first_seq) :]

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        """See `Journal.told`."""
        with self._translated("read"), self._reading() as reader:
            end = reader.before(from_seq)
            for batch in reader.batches(end.seq + 1):
                records = unseal_told(end, batch)
                end = link(batch)
                yield records[max(0, from_seq - batch.first_seq) :]

    def last_seq(self) -> int:
        """The seq of the last committed record, 0 when there is none."""
        with self._translated("read"), self._reading() as reader:
            return rows.last(reader.connection, reader.archived()).seq

    def hash_at(self, seq: int) -> bytes | None:
        """See `Journal.hash_at`."""
        with self._translated("read"), self._reading() as reader:
            return reader.ending_at(seq)

    def verify(self, through: int | None = None) -> Verdict:
        """Walk the whole chain, and look for commits that the database would drop from its log.

        With `through` no further than the batch that ends there: neither damage behind it counts nor an import that
        did not end.

        Raises:
            JournalError: there is no journal, or it cannot be read at all.
        """
        with self._translated("verify"):
            lost = self._database.lost_commits()
            try:
                with self._reading(torn=through is not None) as reader:
                    verdict = verify(until(reader.batches(1), through))
            except ChainBroken as broken:
                verdict = Verdict(damage=broken.damage)
        if verdict.damage is None and lost is not None and verdict.records != through:
            return structs.replace(verdict, damage=Damage(verdict.records + 1, lost))
        return verdict

    # --- Batches, for archive, backup and restore ---------------------------------------------------------------------

    def head(self) -> JournalHead | None:
        """Where the journal ends, without opening it; None when no gateway ever opened one there."""
        with self._translated("read"), self._connected() as reader:
            if reader is None:
                return None
            end = rows.last(reader.connection, reader.archived())
            return JournalHead(seq=end.seq, hash=end.hash, epoch=max(reader.epoch, end.epoch))

    def first_seq(self) -> int:
        """The first seq that is not in the archive; 1 when nothing is."""
        return self.archived().seq + 1

    def archived(self) -> Link:
        """The last batch that was moved to the archive; seq 0 when none was."""
        with self._translated("read"), self._reading() as reader:
            return reader.archived()

    def batches(self, first_seq: int = 1, through: int | None = None) -> Iterator[Batch]:
        """The batches from the one that holds `first_seq`, in order, each proven to follow on the one before; with
        `through` as far as `verify` walks with it.

        Raises:
            JournalDamaged: here the chain breaks; every batch given before is good.
        """
        with self._translated("read"), self._reading(torn=through is not None) as reader:
            if through is None:
                self._database.refuse_lost_commits()
            end = reader.before(first_seq)
            for batch in until(reader.batches(end.seq + 1), through):
                check(end, batch)
                end = link(batch)
                if batch.last_seq >= first_seq:
                    yield batch

    def import_batches(
        self, batches: Iterable[Batch], after: Link | None = None, *, readable: bool = False
    ) -> JournalHead:
        """Put whole batches of another journal behind the end of this one; where it ends then.

        An empty journal takes those from seq 1, or from behind `after`, which then counts as archived. No gateway
        may run on it. Until all are in, the journal cannot be opened, so that nothing starts with less than there is;
        with `readable` one that was whole before can be used all the time, with as much as is in.

        Raises:
            JournalError: they do not follow, or cannot be written.
        """
        with self._lock, self._translated("import into"):
            self._refuse_open()
            self._database.refuse_lost_commits()
            writer = self._database.writer()
            try:
                return self._import(writer, batches, after or Link(), readable=readable)
            finally:
                writer.close()

    def _import(self, writer: Writer, batches: Iterable[Batch], after: Link, *, readable: bool) -> JournalHead:
        epoch, end, begun = 0, Link(), False
        for chunk in chunks(batches):
            with writer.transaction() as connection:
                if not begun:
                    epoch, end = self._begin_import(connection, after, readable=readable)
                    begun = True
                end = self._put(connection, end, chunk)
        epoch = max(epoch, end.epoch, 1)
        with writer.transaction() as connection:
            rows.own(connection, epoch)
        writer.prove(epoch)
        return JournalHead(seq=end.seq, hash=end.hash, epoch=epoch)

    def _begin_import(self, connection: sa.Connection, after: Link, *, readable: bool) -> tuple[int, Link]:
        """The epoch that was in force, and the end that the first batch has to follow."""
        epoch = self._ready(connection) or rows.IMPORTING
        end = rows.proven_end(connection, rows.archived(connection))
        if end.seq == 0 and after.seq > 0:
            rows.set_archived(connection, after)
            end = after
        rows.own(connection, epoch if readable else rows.IMPORTING)
        return epoch, end

    def _put(self, connection: sa.Connection, end: Link, chunk: Sequence[Batch]) -> Link:
        for each in chunk:
            try:
                check(end, each)
            except ChainBroken as broken:
                raise JournalError(
                    f"journal {self.label}: what was to be imported does not follow on seq {end.seq}: {broken}"
                ) from broken
            end = link(each)
        if chunk:
            connection.execute(batch.insert(), [structs.asdict(each) for each in chunk])
        return end

    def drop_before(self, seq: int, chunk: int = CHUNK_BATCHES) -> int:
        """Delete the whole batches that end before `seq`, but never the last one; how many they were.

        Only what `older` has, hash by hash, is deleted; `chunk` batches in one transaction, so that a running writer
        waits little.

        Raises:
            JournalError: the archive does not have them; what it has not was not deleted.
        """
        with self._translated("drop archived batches from"):
            with self._reading():
                pass
            self._database.refuse_lost_commits()
            writer = self._database.writer(patient=True)
            try:
                with writer.transaction() as connection:
                    self._ready(connection)
                return sum(iter(lambda: self._drop(writer, seq, chunk), 0))
            finally:
                writer.close()

    def _drop(self, writer: Writer, seq: int, chunk: int) -> int:
        """Delete one chunk from the front; how many batches it was, 0 at the end."""
        going = rows.oldest(writer.connection, seq, chunk)
        if not going:
            return 0
        self._prove_archived(going)
        began = time.monotonic()
        with writer.transaction() as connection:
            if rows.archived(connection).seq + 1 != going[0].first_seq:
                raise JournalError(f"journal {self.label}: another process archives it at the same time")
            rows.drop(connection, going[-1])
        # The owner, too, has to find a moment when nobody else writes.
        time.sleep(min(time.monotonic() - began, _LONGEST_REST_S))
        return len(going)

    def _prove_archived(self, going: Sequence[rows.Row]) -> None:
        kept = self._older.batches(going[0].first_seq) if self._older is not None else iter(())
        for row in going:
            each = next(kept, None)
            if each is None or each.hash != row.hash or not _whole(each):
                where = self._older.where if self._older is not None else "an archive, for none was named"
                raise JournalError(
                    f"journal {self.label}: seq {row.first_seq} to {row.last_seq} are not in {where}, so they were "
                    "not deleted: archive them first"
                )

    # --- Both ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Reader | None]:
        """A reader of the journal, of a format that this program knows; None when no gateway ever opened it.

        Raises:
            ChainBroken: what says that it is a journal is damaged itself.
        """
        with self._database.reading() as connection:
            if connection is None:
                yield None
                return
            with corruption(self._database, 1):
                tables = self._database.tables(connection)
                rows.revision(connection, tables, self.label)
                epoch = rows.owned_epoch(connection, self.label) if owner.name in tables else None
            if epoch is None and (lost := self._database.lost_commits()) is not None:
                raise ChainBroken(Damage(1, lost))
            yield Reader(self._database, connection, self._older, tables, epoch) if epoch is not None else None

    @contextlib.contextmanager
    def _reading(self, *, torn: bool = False) -> Iterator[Reader]:
        """A reader of the journal; with `torn` also of one with a part of what was to be imported.

        Raises:
            JournalError: there is none, or an import into it did not end.
        """
        with self._connected() as reader:
            if reader is None:
                raise JournalError(self._database.missing())
            if reader.epoch == rows.IMPORTING and not torn:
                raise self._importing()
            yield reader

    def _importing(self) -> JournalError:
        return JournalError(
            f"journal {self.label} is not whole, because an import into it did not end: import the rest, or all of it "
            "into a new place"
        )

    def _damaged(self, damage: Damage) -> JournalDamaged:
        return JournalDamaged(
            f"journal {self.label} is damaged at seq {damage.seq}: {damage.what}. Nothing was changed. Keep "
            f"{self._database.evidence} as evidence, put back a copy that `gateway journal verify` accepts, and "
            "start again",
            damage.seq,
        )

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """What the codec finds and what SQLAlchemy, the database and the system say, as the port's errors."""
        try:
            with corruption(self._database, 1):
                yield
        except ChainBroken as broken:
            raise self._damaged(broken.damage) from broken
        except RecordsUnknown as error:
            raise JournalError(
                f"journal {self.label}: {error}; start the version of the gateway that wrote it"
            ) from error
        except sa.exc.SQLAlchemyError as error:
            kind = JournalAway if self._database.away(error) else JournalError
            raise kind(f"journal {self.label}: cannot {doing} it: {self._database.said(error)}") from error
        except OSError as error:
            raise JournalError(f"journal {self.label}: cannot {doing} it: {error}") from error


_REPLACED = "what is committed now is not in it. Put its files back as they were before you start again"


def _whole(batch: Batch) -> bool:
    """Whether its bytes match its hash."""
    try:
        check(Link(batch.first_seq - 1, batch.prev_hash), batch)
    except ChainBroken:
        return False
    return True
