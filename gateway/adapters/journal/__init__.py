"""The journal in a SQL database: SQLite, embedded, or PostgreSQL."""

from gateway.adapters.journal.sql import SqlJournal

__all__ = ["SqlJournal"]
