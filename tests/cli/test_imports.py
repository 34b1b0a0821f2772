"""What a program loads before it works: nothing that only another command or another database needs.

Every start pays for what it imports, and after a crash the orders wait for it.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MIGRATIONS = {"alembic", "mako"}
POSTGRESQL = {"psycopg"}
HELP = {"rich.markdown", "markdown_it"}
BARS = {"rich.progress", "rich.live"}
DATABASES = {"sqlalchemy", "sqlite3", *MIGRATIONS, *POSTGRESQL}
SERVING = {"quickfix", "uvloop", "prometheus_client"}
PROJECTIONS = {"gateway.adapters.projections.store"}

OPENED = "from gateway.adapters.journal import SqlJournal; SqlJournal({url!r}).open()"


def loaded(code: str) -> set[str]:
    """The modules of a new process that has run `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "not_needed"),
    [
        ("gateway.cli.ctl", DATABASES | SERVING | HELP | BARS | {"gateway.cli.ctl_top"}),
        ("gateway.cli.server", MIGRATIONS | POSTGRESQL | SERVING | HELP | BARS | PROJECTIONS),
        ("gateway.app", MIGRATIONS | POSTGRESQL | HELP | BARS | PROJECTIONS),
        ("gateway.cli.follow", MIGRATIONS | POSTGRESQL | SERVING | HELP | BARS | {"grpc"}),
        ("sim_exchange.cli", DATABASES | {"quickfix", "grpc", "rich", "pygments"}),
    ],
)
def test_a_program_loads_nothing_that_it_does_not_need(module: str, not_needed: set[str]) -> None:
    there = loaded(f"import {module}")
    assert module in there
    assert not not_needed & there


def test_a_journal_of_sqlite_that_is_up_to_date_is_opened_without_migrations_and_postgresql(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    made = loaded(OPENED.format(url=url))
    assert made >= MIGRATIONS, "the first start makes the tables, and this test would notice"
    assert not (MIGRATIONS | POSTGRESQL) & loaded(OPENED.format(url=url))


@pytest.mark.parametrize(
    "name", sorted(DATABASES | SERVING | HELP | BARS | PROJECTIONS | {"grpc", "pygments", "gateway.cli.ctl_top"})
)
def test_there_is_such_a_module(name: str) -> None:
    assert find_spec(name) is not None
