"""What the follower keeps is far behind the journal: who watches metrics and log learns of it."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.cli import follow


def test_a_lag_is_told_once_for_each_thing_and_when_it_is_over() -> None:
    lag = follow.Lag(300)
    with capture_logs() as lines:
        for snapshot in (0, 300, 301, 5_000, 300, 0, 400):
            lag.look({"snapshot": snapshot, "projections": 10})
        lag.look({"projections": 301})
    assert [(line["event"], line["log_level"], line["what"], line["events"]) for line in lines] == [
        ("follower_behind", "error", "snapshot", 301),
        ("follower_not_behind", "info", "snapshot", 300),
        ("follower_behind", "error", "snapshot", 400),
        ("follower_behind", "error", "projections", 301),
    ]
    assert lines[0]["runbook"] == "docs/runbook.md#follower_behind"


def test_the_server_is_told_how_far_the_projections_are_when_they_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    follower: Any = SimpleNamespace(projections_seq=None)
    said: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _file, line: said.append(line))
    wait = follow._telling(follower, lambda _pause_s: False)
    for follower.projections_seq in (None, 7, 7, None, 12):
        wait(0.1)
    fares = follow.Following()
    follow._note(fares, b"".join(said) + b"projected \njournal_damaged\n")
    assert said == [b"projected 7\n", b"projected 12\n"]
    assert fares == follow.Following(journal_damaged=True, projections_seq=12)
