"""The harness for real, at a rate that every machine has time for: everything is answered and counted. No times."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config import load
from gateway.core.risk.controls import Control
from tests.bench.e2e import configurations, contestants, machine, parts, run
from tests.bench.e2e.configurations import Gateway
from tests.bench.e2e.parts import Rows
from tests.bench.e2e.plan import Plan
from tests.bench.e2e.report import Report, as_json
from tests.bench.e2e.rounds import Figures, Say
from tests.bench.e2e.tables import tables
from tests.bench.e2e.targets import targets

Vary = Callable[[Plan, Path, Say], Rows]

RATE = 50
PLAN = Plan("tiny", rounds=1, seconds=1.0, warm_up_s=0.2, rates=(RATE,), compared_at=RATE, lives=50, lives_times=2)
VARIED = Plan("varied", 1, 1.0, 0.2, steady_rate=RATE, fill_rate=100, open_orders=(20,), clients=(1, 7), sessions=(2,))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    said: list[str] = []
    yield run.measure(PLAN, tmp_path_factory.mktemp("bench"), said.append)
    assert any("process" in text for text in said)


def complete(of: Figures) -> bool:
    return (of.slices, of.sent, of.done) == (1, RATE, RATE)


def test_every_contestant_answered_and_counted_every_order(report: Report) -> None:
    assert report.round_trips is not None
    rows = report.round_trips.rates[str(RATE)]
    assert list(rows) == ["echo", "fix", "bridge", "process", "power", "process, lane", "power, lane"]
    for row in rows.values():
        assert complete(row.figures)
        assert 0 < row.figures.whole["p50"] <= row.figures.whole["max"]
        assert set(row.ratios) == {"bridge", "floors"}
    assert rows["bridge"].ratios["bridge"]["p50"].median == 1


def test_only_the_gateway_has_a_clock_at_its_wire_and_a_follower(report: Report) -> None:
    assert report.round_trips is not None
    rows = report.round_trips.rates[str(RATE)]
    clocked = {name: row.figures.order_to_wire["p50"].median for name, row in rows.items() if row.figures.order_to_wire}
    assert set(clocked) == {"process", "power", "process, lane", "power, lane"}
    for name, inside in clocked.items():
        assert 0 < inside < rows[name].figures.round_trip["max"].median
        assert {"server", "follower", "venue", "load"} == set(report.round_trips.memory_mib[name])


def test_what_was_measured_is_said(report: Report) -> None:
    found = json.loads(as_json(report, targets=targets(report)))
    assert found["core_lives_per_s"]["median"] > 0
    assert "cpu" in found["machine"]
    assert {each["met"] for each in found["targets"]} > {None}, "some were measured"
    assert [each.title for each in tables(report)][:2] == ["Targets", f"Round trips at {RATE} orders per second, us"]


@pytest.mark.parametrize(
    ("vary", "names"), [(parts.open_orders, ["20"]), (parts.clients, ["1", "7"]), (parts.sessions, ["2"])]
)
def test_what_a_gateway_holds_and_serves_is_varied(
    vary: Vary, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        contestants, "_until_followed", lambda _: None
    )  # It is there after some seconds, and no matter.
    rows = vary(VARIED, tmp_path, lambda _: None)
    assert list(rows) == names
    assert all(complete(row.figures) for row in rows.values())
    assert rows[names[0]].ratios["first"]["p99"].median == 1


def test_the_gateway_has_a_limit_of_every_control(tmp_path: Path) -> None:
    """Each at the levels where the benchmark of risk has it, and a window for duplicates too."""
    path = tmp_path / "gateway.toml"
    path.write_text(configurations.gateway_text(Gateway("power"), tmp_path / "data", 9_001, 9_002, 9_003))
    risk = load(path).risk
    given = {control for limits in risk.limits for control in Control if getattr(limits, control) is not None}
    assert given == set(Control)
    assert {limits.scope.partition(":")[0] for limits in risk.limits} >= {
        "firm",
        "desk",
        "account",
        "strategy",
        "client",
    }
    (firm,) = [limits for limits in risk.limits if limits.scope == "firm"]
    assert firm.duplicate_window_s
    assert len(risk.breakers) >= 5


def test_the_core_is_measured_without_garbage_collection_which_is_on_again_then() -> None:
    assert gc.isenabled()
    assert parts.core(PLAN, lambda _: None).median > 0
    assert gc.isenabled()


def test_a_process_that_is_gone_uses_nothing() -> None:
    gone = 2**22 + 1
    assert (machine.cpu_s(gone), machine.rss_mib(gone)) == (0.0, 0.0)
    assert machine.until_quiet([gone], 5.0)
