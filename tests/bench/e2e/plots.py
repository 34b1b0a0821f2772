"""The plots of a run."""

from collections.abc import Iterator

from tests.bench.e2e import drawing
from tests.bench.e2e.parts import Rows
from tests.bench.e2e.report import Report
from tests.bench.e2e.rounds import Figures

_FIGURES = ("p50", "p99", "p99.9")


def plots(report: Report) -> Iterator[tuple[str, str]]:
    """The name of each file, and what is in it."""
    trips = report.round_trips.rates if report.round_trips is not None else {}
    if rows := trips.get(str(report.compared_at)):
        yield _bars("round-trips", f"Round trip at {report.compared_at:,} orders per second, us", rows)
    if len(trips) > 1:
        names = next(iter(trips.values()))
        series = {name: [_value(rows[name].figures, "p99") for rows in trips.values()] for name in names}
        title, labels = "Round trip p99 against orders per second, us", [f"{int(rate):,}" for rate in trips]
        yield "rates", drawing.lines("rates", title, labels, series)
    for name, what, rows in (
        ("open-orders", "open orders", report.open_orders),
        ("clients", "clients at the same total rate", report.clients),
        ("sessions", "FIX sessions at the same total rate", report.sessions),
    ):
        if rows:
            yield _bars(name, f"Round trip against {what}, us", rows)
    if found := report.sustained:
        title, highest = "Highest sustained rate, orders per second", {"rate": [each.rate for each in found.values()]}
        yield "sustained", drawing.bars("sustained", title, list(found), highest, logarithmic=False)


def _bars(name: str, title: str, rows: Rows) -> tuple[str, str]:
    labels = [f"{int(each):,}" if each.isdigit() else each for each in rows]
    series = {figure: [_value(row.figures, figure) for row in rows.values()] for figure in _FIGURES}
    return name, drawing.bars(name, title, labels, series)


def _value(of: Figures, figure: str) -> float:
    """Few orders show what one in a thousand needs: all slices together."""
    return of.whole[figure] if figure == "p99.9" else of.round_trip[figure].median
