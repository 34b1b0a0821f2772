"""The tables of an older version become those of this one; a new journal gets its first. With Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).with_name("migrations")


def configuration() -> Config:
    """Alembic's configuration: where the migrations are. There is no file for it, and no URL in it."""
    config = Config()
    # Alembic reads a per cent sign as the beginning of a variable.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(connection: sa.Connection, stamp: str | None) -> None:
    """Bring the tables to the newest revision, inside the transaction that is under way.

    `stamp` is the revision of tables that are there without saying which they have.
    """
    config = configuration()
    config.attributes["connection"] = connection
    if stamp is not None:
        command.stamp(config, stamp)
    command.upgrade(config, "head")
