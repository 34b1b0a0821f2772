"""Which database a journal's URL names."""

import sqlalchemy as sa

from gateway.adapters.journal.database import Database, Durability
from gateway.adapters.journal.sqlite import SqliteDatabase
from gateway.runtime.ports import JournalError

_URLS = "sqlite:///journal.sqlite or postgresql+psycopg://user@host/database"


def database_at(url: str, durability: Durability, give_up_s: float) -> Database:
    """The database at a SQLAlchemy URL; see `SqlJournal`. Nothing is opened.

    Raises:
        JournalError: no journal can be kept there.
    """
    try:
        made = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # What cannot be read may hold a password, so it is not shown.
        raise JournalError(f"the journal's URL cannot be read: write one such as {_URLS}") from None
    if made.drivername in ("sqlite", "sqlite+pysqlite"):
        return SqliteDatabase(made, durability)
    if made.drivername == "postgresql+psycopg":
        # psycopg takes long to import, and every command would wait for it.
        from gateway.adapters.journal.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(made, durability, give_up_s)
    raise JournalError(f"a journal cannot be kept in {made.drivername}: write a URL such as {_URLS}")
