"""What a database has to offer so that the journal can be kept in it. `sqlite` and `postgres` do."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import sqlalchemy as sa

from gateway.codec.journal import Batch, ChainBroken, Damage, Link

Durability = Literal["power", "process"]


class Writer(Protocol):
    """A connection that may write, in the mode that the durability asks for."""

    @property
    def connection(self) -> sa.Connection:
        """The connection as it is now."""

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """One transaction; no other that was begun in this way runs at the same time, in any process."""

    def insert(self, batch: Batch, end: Link) -> bool:
        """Make one batch durable that follows on `end`; False when its epoch is over and nothing was written."""

    def prove(self, epoch: int) -> bool:
        """Return when everything that was committed is as durable as the setting says, or `epoch` is over (False)."""

    def replaced(self) -> bool:
        """Whether something else stands where it writes to, so that the next reader will not find what is written.

        Raises:
            OSError: what stands there cannot be seen now.
        """

    def owned_epoch(self) -> int | None:
        """The epoch in force as this connection sees it, for when no other comes about; None when it cannot tell."""

    def close(self) -> None:
        """Give the connection back."""


class Database(Protocol):
    """One place where a journal is kept. `label` names it for people and has no password; `kind` is whose it is."""

    label: str
    kind: str
    # What to keep when the journal is found damaged.
    evidence: str
    # Whether a commit waits for no device and no other machine.
    prompt: bool

    def refuse_lost_commits(self) -> None:
        """Before anything is opened: what the database would drop by itself and without a word.

        Raises:
            ChainBroken: it would drop commits that were acknowledged.
        """

    def lost_commits(self) -> str | None:
        """The same for people, without refusing; None when nothing would be lost."""

    def missing(self) -> str:
        """That there is no journal, for people."""

    def writer(self, *, patient: bool = False) -> Writer:
        """A new connection for writing; `patient` when it can wait long for a busy owner.

        Raises:
            JournalError: the database cannot give what the durability needs.
        """

    def reading(self) -> AbstractContextManager[sa.Connection | None]:
        """A connection that cannot write; None when nothing was ever kept there."""

    def tables(self, connection: sa.Connection) -> set[str]:
        """The names of the tables that are there."""

    def chunk(self, reader: sa.Connection, first_seq: int) -> list[Batch]:
        """Some batches with a first seq of at least `first_seq`, in order: a bounded amount."""

    def corrupt(self, error: sa.exc.SQLAlchemyError) -> bool:
        """Whether the database says that its own storage is damaged."""

    def away(self, error: sa.exc.SQLAlchemyError) -> bool:
        """Whether the database could not be reached, which passes by itself or may."""

    def said(self, error: sa.exc.SQLAlchemyError) -> str:
        """What went wrong and what to do next, for people."""


class Older(Protocol):
    """Where the batches are that were moved out of the journal. `where` names the place for people."""

    where: str

    def batches(self, seq: int) -> Iterator[Batch]:
        """The archived batches from the one that holds `seq`, in order, as far as they are there without a gap."""

    def gaps(self, through: int) -> list[tuple[int, int]]:
        """Which seq up to `through` no file is named after, as (first, last). Nothing is opened."""


# A reader takes at most so much at a time and holds no snapshot between, so that it neither fills memory nor keeps
# the database from cleaning up behind it.
CHUNK_BATCHES = 256
CHUNK_BYTES = 4 << 20


def as_batch(row: Sequence[object], first_seq: int) -> Batch:
    """One row of the table. SQLite keeps a type with each value, and a damaged one can come as anything."""
    if [type(value) for value in row] != [int, int, int, bytes, bytes, bytes]:
        raise ChainBroken(Damage(first_seq, "a row of the table holds values of the wrong types"))
    return Batch(*row)  # type: ignore[arg-type]  # Seen just now.


def chunks(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Lists of a bounded size, at least one."""
    chunk: list[Batch] = []
    size = 0
    for each in batches:
        chunk.append(each)
        size += len(each.records)
        if len(chunk) >= CHUNK_BATCHES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    yield chunk
