"""What the tests of journals share: a PostgreSQL server, and a new place for a journal in either database."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres

# Failures inside the contract suite show their values like those of any test.
pytest.register_assert_rewrite("tests.adapters.journal.contract")

__all__ = ["new_schema", "new_url", "postgres"]

_numbers = itertools.count(1)


@pytest.fixture
def new_schema(postgres: PostgresServer) -> Callable[[], str]:
    """Makes an empty schema; the URL of a journal in it."""

    def new() -> str:
        schema = f"stack{next(_numbers)}"
        postgres.execute(f"CREATE SCHEMA {schema}")
        return postgres.url(schema=schema)

    return new


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty place for a journal, in each database in turn; its URL."""
    if request.param == "postgres":
        found: Callable[[], str] = request.getfixturevalue("new_schema")
        return found
    return lambda: f"sqlite:///{tmp_path}/{next(_numbers)}.sqlite"
