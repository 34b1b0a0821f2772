"""Figures and ratios are computed right from given slices, and the search finds what it is to find."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.e2e import page
from tests.bench.e2e.clocked_gateway import Times
from tests.bench.e2e.histograms import histogram
from tests.bench.e2e.parts import RoundTrips, rows
from tests.bench.e2e.report import Report, as_json
from tests.bench.e2e.rounds import PERCENTILES, Result, Spread, figures, ratio, spread, weather
from tests.bench.e2e.sustained import Search, Sustained, rates
from tests.bench.e2e.tables import tables, under
from tests.bench.e2e.targets import Target, targets


def a_slice(p50: float, p99: float = 0.0, *, done: int = 10, inside: float = 0.0, busy_pct: float = 3.0) -> Result:
    trip = dict.fromkeys(PERCENTILES, p99 or 2 * p50) | {"p50": p50}
    times = histogram([int(p50 * 1_000)] * 9 + [int((p99 or 2 * p50) * 1_000)])
    wire = dict.fromkeys(PERCENTILES, inside) if inside else {}
    return Result(10, done, 10 - done, trip, wire, {"server": p50 / 2, "load": 1.0}, 1.0, busy_pct, times)


ROUNDS = [
    {"echo": a_slice(100), "fix": a_slice(300), "bridge": a_slice(1_000), "process": a_slice(500, inside=140)},
    {"echo": a_slice(200), "fix": a_slice(600), "bridge": a_slice(4_000), "process": a_slice(1_600, inside=120)},
    {"echo": a_slice(100), "fix": a_slice(150), "bridge": a_slice(1_000), "process": a_slice(900, 5_000, inside=160)},
]


def test_a_ratio_compares_slices_of_one_round() -> None:
    """The medians of both alone would give 0.9: that of a slow moment against that of a quick one."""
    assert ratio(ROUNDS, "process", ["bridge"], "p50") == Spread(0.5, 0.4, 0.9)
    assert ratio(ROUNDS, "process", ["echo", "fix"], "p50") == Spread(2.0, 1.25, 3.6)


def test_figures_are_medians_of_slices_and_few_orders_are_looked_at_together() -> None:
    found = figures(ROUNDS, "process")
    assert (found.slices, found.sent, found.done) == (3, 30, 30)
    assert found.round_trip["p50"] == Spread(900, 500, 1_600)
    assert found.order_to_wire["p50"] == Spread(140, 120, 160)
    assert found.cpu_us["server"] == Spread(450, 250, 800)
    assert found.whole["max"] == pytest.approx(5_000, rel=0.002)
    assert found.whole["p50"] == pytest.approx(900, rel=0.002)


def test_who_did_not_take_part_is_nobodys_base() -> None:
    without = [{name: each for name, each in results.items() if name != "fix"} for results in ROUNDS]
    found = rows(without, {"bridge": ["bridge"], "floors": ["echo", "fix"]})
    assert set(found["process"].ratios) == {"bridge"}


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_a_machine_that_others_used_is_said_to_be_no_measure() -> None:
    busy = [{"process": a_slice(100, busy_pct=share)} for share in (5, 20, 60)]
    report = a_report()
    assert "too much" not in under(report)
    report.round_trips = RoundTrips({}, {}, weather([busy]))
    assert "20 % (5 to 60) went to other programs" in under(report)
    assert "measure again" in under(report)


# --- The highest rate ---


def searched(machine: Callable[[float, int], float], search: Search) -> tuple[float, list[float]]:
    """What is found, and what was tried, on a machine that needs so much of the limit at a rate and try."""
    asked, tried = rates(search), []
    rate = next(asked)
    while True:
        tried.append(rate)
        try:
            rate = asked.send(machine(rate, len(tried)))
        except StopIteration as end:
            return end.value, tried


@pytest.mark.parametrize("capacity", [130, 700, 1_000, 3_333, 20_000])
def test_it_finds_the_highest_rate_that_holds(capacity: float) -> None:
    found, tried = searched(lambda rate, _: 0.5 if rate <= capacity else 99.0, Search(first=1_000, precision=0.1))
    assert found <= capacity
    assert found >= capacity * 0.85 - 50, "no less than the precision says"
    assert tried.count(found) >= 2 + 1, "it is confirmed twice"


def test_nothing_is_sustained_by_what_never_answers() -> None:
    found, tried = searched(lambda _, __: float("inf"), Search())
    assert found == 0
    assert len(tried) < 20


def test_a_narrow_failure_is_tried_again_and_a_clear_one_is_not() -> None:
    def hesitates(rate: float, number: int) -> float:
        return 1.5 if number == 1 else float(rate > 1_500) * 9

    _, tried = searched(hesitates, Search(first=1_000))
    assert tried[:3] == [1_000, 1_000, 2_000]
    assert tried.count(2_000) == 1


def test_what_does_not_hold_again_is_not_reported() -> None:
    """2,000 held by luck; when it is confirmed it fails, and so the search steps down."""
    found, _ = searched(lambda rate, number: 9.0 if rate > 1_000 and number > 3 else 0.5, Search(first=1_000))
    assert 500 < found <= 1_000


def test_a_search_ends_even_where_everything_holds() -> None:
    found, _ = searched(lambda _, __: 0.1, Search(first=1_000))
    assert found >= 32_000


# --- What is said ---


def a_report() -> Report:
    steps = [{"1000": each["bridge"], "100000": each["process"]} for each in ROUNDS]
    return Report(
        {"cpu": "a processor", "cores": 2, "kernel": "6", "python": "3.11", "date": "today", "commit": "abc"},
        "bench",
        1_000,
        round_trips=RoundTrips(
            {"200": rows(ROUNDS, {}), "1000": rows(ROUNDS, {"bridge": ["bridge"], "floors": ["echo", "fix"]})},
            {"process": {"server": 100.0}},
            weather([ROUNDS]),
        ),
        sustained={"bridge": Sustained(2_000), "process": Sustained(5_000)},
        open_orders=rows(steps, {"first": ["1000"]}),
        core_lives_per_s=Spread(24_999.0, 24_000.0, 26_000.0),
    )


def met() -> dict[str, Target]:
    return {each.name: each for each in targets(a_report())}


def test_targets_are_met_missed_or_not_measured() -> None:
    found = met()
    assert (
        found["process: round trip p50 to the bridge's"].figure,
        found["process: round trip p50 to the bridge's"].met,
    ) == ("0.50", True)
    assert found["process: round trip p99 to the bridge's"].met is True
    assert found["process: round trip p50 to the floors' sum"].met is False
    assert found["process: highest sustained rate to the bridge's"].figure == "2.50"
    assert found["process: order to wire p50, us"].met is True
    assert found["core: lives per second"].met is False
    assert found["p99 with 100,000 open orders to 1,000"].met is True
    assert found["power: round trip p50 to the bridge's"].met is None
    assert found["p99 with 200 clients to one"].met is None


def test_the_page_has_every_table_and_its_plots(tmp_path: Path) -> None:
    page.write(a_report(), tmp_path)
    text = (tmp_path / "performance.md").read_text()
    for each in tables(a_report()):
        assert f"## {each.title}\n" in text
    drawn = sorted(path.name for path in (tmp_path / "performance").iterdir())
    assert drawn == ["open-orders.svg", "rates.svg", "round-trips.svg", "sustained.svg"]
    for name in drawn:
        assert text.count(f"(performance/{name})") == 1
        assert "<script" not in (tmp_path / "performance" / name).read_text()


def test_the_same_figures_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        page.write(a_report(), tmp_path / name)
    one, two = [{path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("one", "two")]
    assert one == two


def test_the_last_line_is_json_with_four_digits() -> None:
    found = json.loads(as_json(a_report(), targets=targets(a_report())))
    assert found["core_lives_per_s"]["median"] == 25_000
    assert found["round_trips"]["rates"]["1000"]["process"]["ratios"]["bridge"]["p50"]["median"] == 0.5
    assert len(found["targets"]) == len(met())


def test_the_clock_at_the_wire_keeps_the_newest_times(tmp_path: Path) -> None:
    writer, reader = Times(tmp_path / "times"), Times(tmp_path / "times")
    for time_ns in (5, 6, 7):
        writer.add(time_ns)
    assert (reader.count, list(reader.since(1)), list(reader.since(3))) == (3, [6, 7], [])
