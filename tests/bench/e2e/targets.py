"""What the gateway has to reach, and what this run showed."""

from collections.abc import Callable, Iterator

import msgspec

from tests.bench.e2e.field import BRIDGE, POWER, POWER_LANE, PROCESS, PROCESS_LANE
from tests.bench.e2e.parts import Row
from tests.bench.e2e.report import Report

ORDER_TO_WIRE_US = 150.0
LIVES_PER_S = 25_000
_TO_THE_BRIDGE = {PROCESS: 0.8, PROCESS_LANE: 0.8, POWER: 1.15, POWER_LANE: 1.15}


class Target(msgspec.Struct, frozen=True):
    """One figure and its limit; `met` is None when this run did not measure it."""

    name: str
    limit: str
    figure: str
    met: bool | None


def targets(report: Report) -> list[Target]:
    """All of them, in the order of the table."""
    return [*_round_trips(report), *_highest(report), *_inside(report), *_flatness(report)]


def _round_trips(report: Report) -> Iterator[Target]:
    rows = report.round_trips.rates.get(str(report.compared_at), {}) if report.round_trips else {}
    for name, most in _TO_THE_BRIDGE.items():
        for percentile in ("p50", "p99"):
            yield _ratio(rows.get(name), f"{name}: round trip {percentile} to the bridge's", "bridge", percentile, most)
    for name in _TO_THE_BRIDGE:
        for percentile in ("p50", "p99"):
            what = f"{name}: round trip {percentile} to the floors' sum"
            yield _ratio(rows.get(name), what, "floors", percentile, 1.3)


def _highest(report: Report) -> Iterator[Target]:
    bridge = report.sustained.get(BRIDGE)
    for name in _TO_THE_BRIDGE:
        found = report.sustained.get(name)
        figure = found.rate / bridge.rate if found and bridge and bridge.rate else None
        yield _target(f"{name}: highest sustained rate to the bridge's", figure, lambda value: value >= 2, ">= 2")


def _inside(report: Report) -> Iterator[Target]:
    rows = report.round_trips.rates.get(str(report.compared_at), {}) if report.round_trips else {}
    for name in (PROCESS, PROCESS_LANE):
        inside = rows[name].figures.order_to_wire["p50"].median if name in rows else None
        met = f"< {ORDER_TO_WIRE_US:.0f}"
        yield _target(f"{name}: order to wire p50, us", inside, lambda value: value < ORDER_TO_WIRE_US, met)
    lives = report.core_lives_per_s.median if report.core_lives_per_s else None
    yield _target("core: lives per second", lives, lambda value: value >= LIVES_PER_S, f">= {LIVES_PER_S:,}")


def _flatness(report: Report) -> Iterator[Target]:
    yield _ratio(report.open_orders.get("100000"), "p99 with 100,000 open orders to 1,000", "first", "p99", 1.2)
    yield _ratio(report.clients.get("200"), "p50 with 200 clients to one", "first", "p50", 1.5)
    yield _ratio(report.clients.get("200"), "p99 with 200 clients to one", "first", "p99", 1.5)


def _ratio(row: Row | None, name: str, base: str, percentile: str, most: float) -> Target:
    found = row.ratios.get(base) if row is not None else None
    figure = found[percentile].median if found else None
    return _target(name, figure, lambda value: value <= most, f"<= {most}")


def _target(name: str, figure: float | None, is_met: Callable[[float], bool], limit: str) -> Target:
    if figure is None:
        return Target(name, limit, "", None)
    return Target(name, limit, f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}", is_met(figure))
