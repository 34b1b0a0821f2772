"""The journal's tables, the same in every database, and the statement that appends.

The migrations beside this file make them; a test holds both against each other.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

# The revisions of the tables, oldest first, as the migrations name them. Tables without one are older than all of them.
REVISIONS = ("0001", "0002")

# One row: the format of the batches, and the epoch in force; 0 while an import has not ended.
owner = sa.Table(
    "journal_owner",
    metadata,
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("format_version", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

# SQLite makes only a column declared INTEGER its row number, and with it appends go to the end of one tree.
_Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")

batch = sa.Table(
    "journal_batch",
    metadata,
    sa.Column("first_seq", _Seq, primary_key=True, autoincrement=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("records", sa.LargeBinary, nullable=False),
    sa.Column("prev_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
)

# One row when batches were moved to the archive: the last of them, on which the first row of journal_batch follows.
border = sa.Table(
    "journal_border",
    metadata,
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

COLUMNS = tuple(batch.columns.keys())

# One statement: the batch goes in only while its epoch is in force. PostgreSQL holds the row of the epoch until the
# commit, so that a takeover waits for it; SQLite has one writer at a time and no such lock.
APPEND = (
    sa.insert(batch)
    .from_select(
        COLUMNS,
        sa.select(*(sa.bindparam(column.name, type_=column.type) for column in batch.columns))
        .select_from(owner)
        .where(owner.c.epoch == sa.bindparam("epoch", type_=sa.BigInteger))
        .with_for_update(read=True),
    )
    .execution_options(preserve_rowcount=True)
)
