import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.crash.rig import Rig, rigged
from tests.postgres import PostgresServer, postgres

__all__ = ["on_postgresql", "postgres", "rig", "shim"]

Rigged = Callable[..., AbstractAsyncContextManager[Rig]]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """points.c, compiled."""
    target = tmp_path_factory.mktemp("shim") / "points.so"
    source = Path(__file__).with_name("points.c")
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-o", str(target), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return target


@pytest.fixture
def rig(tmp_path: Path, shim: Path) -> Rigged:
    """Starts a stack of the test's own: `async with rig(point) as running`."""
    return partial(rigged, tmp_path / "stack", shim)


@pytest.fixture
def on_postgresql(rig: Rigged, postgres: PostgresServer) -> Rigged:
    """The same, with the gateway's journal in a database of its own on a real server."""
    return partial(rig, journal_url=postgres.url(postgres.new_database()))
