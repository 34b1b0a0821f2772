"""What app.py wires together, where no other test would notice that a wire is missing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from structlog.testing import capture_logs

from gateway import app
from gateway.config import ClientConfig, Config, JournalConfig, RiskConfig
from gateway.runtime.crowding import Crowding


@pytest.mark.parametrize(("durability", "pauses"), [("process", True), ("power", False)])
async def test_batches_pause_for_a_crowded_loop_where_no_commit_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Any, pauses: bool
) -> None:
    """Elsewhere the commit is pause enough (ADR 15)."""
    monkeypatch.setattr(Crowding, "pause_s", lambda _: 0.008)
    asked: list[float] = []

    async def run(stack: Any) -> int:
        asked.append(stack._sequencer._pause_s())
        await stack._api.stop(0)
        return app.CLEAN

    venues: list[Any] = []
    monkeypatch.setattr(app.alerts, "venues_gone", lambda _, names: venues.append(names))
    monkeypatch.setattr(app._Stack, "run", run)
    journal = JournalConfig(f"sqlite:///{tmp_path}/journal.sqlite", durability)
    clients = (ClientConfig("alpha", accounts=("A1",)),)
    config = Config("test", tmp_path, clients, (), (), RiskConfig("EUR", ()), journal=journal)
    assert await app._run(config, tmp_path / "gateway.toml") == app.CLEAN
    assert asked == [0.008 if pauses else 0.0]
    assert venues == [[]], "a start looks for orders at venues that are gone"


def test_a_long_recovery_says_in_the_log_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a while, however many commits there are."""
    now_s = 0.0
    monkeypatch.setattr(app.time, "monotonic", lambda: now_s)
    with capture_logs() as lines:
        passed = app._said_now_and_then(1_000_000)
        for seq in range(0, 1_000_001, 1_000):
            now_s = seq / 100_000
            passed(seq)
    said = [(line["event"], line["seq"], line["of"], line["percent"]) for line in lines]
    assert said == [("recovering", 200_000 * each, 1_000_000, 20 * each) for each in range(1, 6)]


@pytest.mark.parametrize("log", ["/dev/full", "a pipe that nobody reads"])
def test_a_fatal_error_ends_the_process_also_when_the_log_cannot_be_written(log: str) -> None:
    """The disk that took no commit is often the log's too. Python holds lines back and fails only at the flush, unless
    it is told not to.
    """
    code = (
        "from gateway.adapters import logs; from gateway.app import fatal; from gateway.config import LogConfig\n"
        "logs.configure(LogConfig())\n"
        "try:\n"
        "    fatal(OSError('no space left'))\n"
        "finally:\n"
        "    print('goes on', flush=True)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with _unwritable(log) as stderr:
        run = [sys.executable, "-c", code]
        ended = subprocess.run(run, stdout=subprocess.PIPE, stderr=stderr, env=environment, check=False)
    assert (ended.returncode, ended.stdout) == (app.FATAL, b"")


def _unwritable(log: str) -> IO[bytes]:
    if log == "/dev/full":
        return Path(log).open("wb")
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")
