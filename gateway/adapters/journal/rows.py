"""What is read of the journal's tables, in any database."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from gateway.adapters.journal.database import as_batch
from gateway.adapters.journal.tables import REVISIONS, batch, border, owner
from gateway.codec.journal import FORMAT_VERSION, Batch, ChainBroken, Damage, Link, link, unseal
from gateway.runtime.ports import JournalNewer

VERSION_TABLE = "alembic_version"

# The epoch that stands in the journal while an import has not ended.
IMPORTING = 0


def revision(connection: sa.Connection, tables: set[str], label: str) -> str | None:
    """The revision of the tables of the journal `label`; None when they are older than that.

    Raises:
        JournalNewer: a newer version of the gateway made them.
    """
    if VERSION_TABLE not in tables:
        return None
    found = connection.execute(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))).scalar()
    if found is not None and found not in REVISIONS:
        raise JournalNewer(
            f"the tables of journal {label} have revision {found}, and this gateway knows revisions up to "
            f"{REVISIONS[-1]}: start the version of the gateway that wrote it, or a newer one"
        )
    return None if found is None else str(found)


def owned_epoch(connection: sa.Connection, label: str, *, lock: bool = False) -> int | None:
    """The epoch in force in the journal `label`; None when it was never opened. With `lock` nobody appends until the
    transaction ends.

    Raises:
        JournalNewer: a newer version of the gateway wrote it.
        ChainBroken: its row holds values of the wrong types.
    """
    query = sa.select(owner.c.format_version, owner.c.epoch)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    format_version, epoch = row
    if type(format_version) is not int or type(epoch) is not int:
        raise ChainBroken(Damage(1, "the row of the epoch holds values of the wrong types"))
    if format_version > FORMAT_VERSION:
        raise JournalNewer(
            f"journal {label} has format version {format_version}, and this gateway knows versions up to "
            f"{FORMAT_VERSION}: start the version of the gateway that wrote it, or a newer one"
        )
    return epoch


def own(connection: sa.Connection, epoch: int) -> None:
    """Put `epoch` in force."""
    if connection.execute(owner.update().values(epoch=epoch)).rowcount == 0:
        connection.execute(owner.insert().values(id=1, format_version=FORMAT_VERSION, epoch=epoch))


def archived(connection: sa.Connection) -> Link:
    """The last batch that was moved to the archive; that of an empty journal when none was.

    Raises:
        ChainBroken: what says so holds values of the wrong types.
    """
    row = connection.execute(sa.select(border.c.seq, border.c.hash, border.c.epoch)).one_or_none()
    if row is None:
        return Link()
    if [type(value) for value in row] != [int, bytes, int]:
        raise ChainBroken(Damage(1, "the row of the archive's border holds values of the wrong types"))
    return Link(*row)


def set_archived(connection: sa.Connection, last: Link) -> None:
    """What comes behind `last` stands in the table, and `last` does not."""
    values = {"seq": last.seq, "hash": last.hash, "epoch": last.epoch}
    if connection.execute(border.update().values(values)).rowcount == 0:
        connection.execute(border.insert().values(id=1, **values))


def last(connection: sa.Connection, after: Link) -> Link:
    """The end of the chain as it stands there, unproven; `after` when there are no batches."""
    row = connection.execute(_ends().order_by(batch.c.first_seq.desc()).limit(1)).one_or_none()
    return Link(*row) if row is not None else after


def proven_end(connection: sa.Connection, after: Link) -> Link:
    """The end of the chain, after it is proven that the last batch is whole and follows on the one before.

    Raises:
        ChainBroken, RecordsUnknown: it is not, or holds what this version does not know.
    """
    rows = connection.execute(sa.select(batch).order_by(batch.c.first_seq.desc()).limit(2)).all()
    if not rows:
        return after
    end = link(as_batch(rows[1], rows[1].first_seq)) if len(rows) == 2 else after
    newest = as_batch(rows[0], end.seq + 1)
    unseal(end, newest)
    return link(newest)


def one(connection: sa.Connection, seq: int) -> list[Batch]:
    """The first batch from `seq` on, if there is one; no other is looked at.

    Raises:
        ChainBroken: it holds values of the wrong types.
    """
    query = sa.select(batch).where(batch.c.first_seq >= seq).order_by(batch.c.first_seq).limit(1)
    return [as_batch(row, seq) for row in connection.execute(query)]


def before(connection: sa.Connection, seq: int, after: Link) -> Link:
    """The end of the chain before the batch that holds `seq`, or before the last one when `seq` is not there yet;
    `after` when nothing is before it.
    """
    nearest = _ends().where(batch.c.first_seq <= seq).order_by(batch.c.first_seq.desc()).limit(2)
    rows: Sequence[Any] = connection.execute(nearest).all()
    return Link(*rows[1]) if len(rows) == 2 else after


def ending_at(connection: sa.Connection, seq: int) -> bytes | None:
    """The hash of the batch that ends at `seq`, when there is one."""
    nearest = _ends().where(batch.c.first_seq <= seq).order_by(batch.c.first_seq.desc()).limit(1)
    row = connection.execute(nearest).one_or_none()
    if row is None or row.last_seq != seq:
        return None
    if not isinstance(row.hash, bytes):
        raise ChainBroken(Damage(seq, "a row of the table holds values of the wrong types"))
    return row.hash


class Row(NamedTuple):
    """A batch without its records."""

    first_seq: int
    last_seq: int
    hash: bytes
    epoch: int


def oldest(connection: sa.Connection, seq: int, limit: int) -> list[Row]:
    """The first batches that end before `seq`, at most `limit`, never the last of all."""
    columns = (batch.c.first_seq, batch.c.last_seq, batch.c.hash, batch.c.epoch)
    found = connection.execute(sa.select(*columns).order_by(batch.c.first_seq).limit(limit + 1)).all()
    return [Row(*row) for row in found[:-1] if row.last_seq < seq]


def drop(connection: sa.Connection, through: Row) -> None:
    """Delete the first batches up to this one: it is the border then."""
    connection.execute(batch.delete().where(batch.c.first_seq <= through.first_seq))
    set_archived(connection, Link(through.last_seq, through.hash, through.epoch))


def _ends() -> sa.Select[Any]:
    return sa.select(batch.c.last_seq, batch.c.hash, batch.c.epoch)
