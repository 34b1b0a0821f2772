"""All that a run showed, as it goes into one line of JSON."""

import json
from typing import Any

import msgspec

from tests.bench.codec import Slices
from tests.bench.e2e.parts import RoundTrips, Rows
from tests.bench.e2e.rounds import Spread
from tests.bench.e2e.sustained import Sustained
from tests.bench.recovery import Growth


class Report(msgspec.Struct):
    """What was not measured is empty. Times are in microseconds unless their name says otherwise."""

    machine: dict[str, str | int]
    plan: str
    compared_at: int
    seconds: float = 0.0
    round_trips: RoundTrips | None = None
    sustained: dict[str, Sustained] = {}
    open_orders: Rows = {}
    clients: Rows = {}
    sessions: Rows = {}
    core_lives_per_s: Spread | None = None
    risk_us: dict[str, float] = {}
    codec: dict[str, dict[str, Slices]] = {}
    recovery: list[Growth] = []


def as_json(report: Report, **more: Any) -> str:
    """One line. Four digits of a figure are more than the machine repeats."""
    return json.dumps(
        _rounded(msgspec.to_builtins(report) | {name: msgspec.to_builtins(it) for name, it in more.items()})
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
