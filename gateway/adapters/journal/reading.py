"""Reading a journal whose beginning may lie in the archive, while a writer appends and another process archives."""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from gateway.adapters.journal import rows
from gateway.adapters.journal.database import Database, Older
from gateway.adapters.journal.tables import border
from gateway.codec.journal import Batch, ChainBroken, Damage, Link, link
from gateway.runtime.ports import JournalError


class Reader:
    """Reads over one connection. Nothing is held between two steps, so a reader may rest as long as it likes.

    `epoch` is the one that was in force when it began.
    """

    def __init__(
        self, database: Database, connection: sa.Connection, older: Older | None, tables: set[str], epoch: int
    ) -> None:
        self.connection = connection
        self.epoch = epoch
        self._database = database
        self._older = older
        self._has_border = border.name in tables

    def archived(self) -> Link:
        """The last batch that was moved to the archive."""
        return rows.archived(self.connection) if self._has_border else Link()

    def before(self, seq: int) -> Link:
        """The end of the chain before the batch that holds `seq`, or before the last one when `seq` is not there yet.

        Raises:
            JournalError: the archive does not have it.
        """
        archived = self.archived()
        if seq > archived.seq:
            return rows.before(self.connection, seq, archived)
        first = next(self._archived_batches(seq, archived))
        return Link(first.first_seq - 1, first.prev_hash) if first.first_seq > 1 else Link()

    def batches(self, first_seq: int) -> Iterator[Batch]:
        """The batches from the one that begins at `first_seq`, or where there is none, whatever comes next.

        Raises:
            ChainBroken: the database itself cannot make sense of what comes next.
            JournalError: the archive does not have what was moved there.
        """
        while True:
            chunk = self._chunk(first_seq)
            if (not chunk or chunk[0].first_seq != first_seq) and (archived := self.archived()).seq >= first_seq:
                yield from self._archived_batches(first_seq, archived)
                first_seq = archived.seq + 1
                continue
            if not chunk:
                return
            yield from chunk
            first_seq = chunk[-1].last_seq + 1

    def _chunk(self, first_seq: int) -> list[Batch]:
        """Some of the next batches, and only one when the database cannot make sense of what comes behind it."""
        try:
            with corruption(self._database, first_seq):
                return self._database.chunk(self.connection, first_seq)
        except ChainBroken:
            with corruption(self._database, first_seq):
                return rows.one(self.connection, first_seq)

    def ending_at(self, seq: int) -> bytes | None:
        """The hash of the batch that ends at `seq`, when there is one."""
        if seq > self.archived().seq and (found := rows.ending_at(self.connection, seq)) is not None:
            return found
        # It is not there, or was moved to the archive just now.
        archived = self.archived()
        if not 1 <= seq <= archived.seq:
            return None
        if seq == archived.seq:
            return archived.hash
        holding = next(self._archived_batches(seq, archived))
        return holding.hash if holding.last_seq == seq else None

    def _archived_batches(self, seq: int, archived: Link) -> Iterator[Batch]:
        """The batches from the one that holds `seq` to the border.

        Raises:
            JournalError: the archive does not have all of them.
            ChainBroken: it has another one at the border than the journal remembers.
        """
        name = self._database.label
        if self._older is None:
            raise JournalError(
                f"seq {seq} to {archived.seq} of journal {name} were moved to an archive, and no archive was named"
            )
        end = Link(seq - 1)
        for batch in self._older.batches(seq):
            if batch.last_seq > archived.seq:
                break
            end = link(batch)
            yield batch
        if end.seq != archived.seq:
            raise JournalError(
                f"seq {end.seq + 1} to {archived.seq} of journal {name} were moved to the archive and are not in "
                f"{self._older.where}: put the archive's files back there"
            )
        if end.hash != archived.hash:
            raise ChainBroken(Damage(end.seq, f"the archive {self._older.where} is not that of this journal"))


@contextlib.contextmanager
def corruption(database: Database, seq: int) -> Iterator[None]:
    """When the database itself finds its storage damaged, it is damage from `seq` on."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        if not database.corrupt(error):
            raise
        raise ChainBroken(Damage(seq, f"{database.kind} says: {database.said(error)}")) from error
    except UnicodeDecodeError as error:  # What it says quotes its storage.
        said = error.object.decode(errors="replace")
        raise ChainBroken(Damage(seq, f"{database.kind} says: {said}")) from error
