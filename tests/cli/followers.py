"""Followers in processes of their own, for tests: started, waited for, and what they have written."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from typer.testing import CliRunner, Result

from gateway.cli.server import app
from tests.adapters.projections.harness import dump

ROOT = Path(__file__).parents[2]
WITHIN_S = 100
"""A follower has only what nobody else wants of the processor."""


def projections(config: Path) -> str:
    return f"sqlite:///{config.parent / 'data' / 'projections.sqlite'}"


def once(config: Path) -> Result:
    return CliRunner().invoke(app, ["follow", "--config", str(config), "--once"])


@contextlib.contextmanager
def started(config: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "gateway.cli.follow", "--config", str(config), *more]
    with (config.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=log)
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


def at(config: Path) -> int:
    """How far the projections tell."""
    return rows_at(projections(config))


def rows_at(database: str) -> int:
    try:
        return int(dump(database)["projection_position"][0]["seq"])
    except (SQLAlchemyError, IndexError):
        return 0


def told(config: Path) -> list[object]:
    """What was logged, by name."""
    return [line["event"] for line in logged(config)]


def logged(config: Path) -> list[dict[str, object]]:
    lines = (config.parent / "log").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
