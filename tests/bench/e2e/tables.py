"""The tables of a run: for the terminal (rich) and for the page (markdown), from the same cells."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console, Group
from rich.table import Table

from tests.bench.codec import GATEWAY
from tests.bench.e2e.parts import Row, Rows
from tests.bench.e2e.report import Report
from tests.bench.e2e.rounds import Spread
from tests.bench.e2e.targets import Target, targets
from tests.bench.recovery import ROWS as RECOVERY_ROWS

_MISSING = "-"
QUIET_ENOUGH_PCT = 10


class Cells(NamedTuple):
    """One table, and the plots that show the same (tests.bench.e2e.plots)."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    plots: Sequence[str] = ()


def tables(report: Report) -> Iterator[Cells]:
    """All that this run has something for."""
    yield Cells("Targets", ("target", "limit", "figure", "met"), [_target(each) for each in targets(report)])
    if report.round_trips is not None:
        for rate, rows in report.round_trips.rates.items():
            drawn = ("round-trips", "rates") if int(rate) == report.compared_at else ()
            yield _contest(f"Round trips at {int(rate):,} orders per second, us", rows, drawn)
    if report.sustained:
        yield _sustained(report)
    if report.round_trips is not None:
        yield _price(report)
    for title, first, rows, plot in (
        ("Round trips beside open orders", "open orders", report.open_orders, "open-orders"),
        ("Round trips of more clients at the same total rate", "clients", report.clients, "clients"),
        ("Round trips of more FIX sessions at the same total rate", "sessions", report.sessions, "sessions"),
    ):
        if rows:
            yield _varied(title, first, rows)._replace(plots=(plot,))
    yield from _alone(report)


def _target(each: Target) -> list[str]:
    met = {True: "met", False: "MISSED", None: "not measured"}[each.met]
    return [each.name, each.limit, each.figure or _MISSING, met]


def _contest(title: str, rows: Rows, drawn: Sequence[str]) -> Cells:
    head = (
        "",
        "p50",
        "p99",
        "p99.9",
        "max",
        "answered",
        "p50 / bridge",
        "p99 / bridge",
        "p50 / floors",
        "p99 / floors",
    )
    lines = [[name, *_trip(row), *_ratios(row, ("bridge", "floors"))] for name, row in rows.items()]
    return Cells(title, head, lines, drawn)


def _trip(row: Row) -> list[str]:
    """The slices' medians of what many orders show, and the run's of what few do."""
    of = row.figures
    return [
        us_with_range(of.round_trip["p50"]),
        us_with_range(of.round_trip["p99"]),
        f"{of.whole['p99.9']:,.0f}",
        f"{of.whole['max']:,.0f}",
        f"{of.done:,} of {of.sent:,}",
    ]


def us_with_range(value: Spread) -> str:
    """A time with the range that the slices had."""
    return f"{value.median:,.0f} ({value.low:,.0f} to {value.high:,.0f})"


def _ratios(row: Row, bases: Sequence[str]) -> list[str]:
    return [
        f"{row.ratios[base][percentile].median:.2f}" if base in row.ratios else _MISSING
        for base in bases
        for percentile in ("p50", "p99")
    ]


def _sustained(report: Report) -> Cells:
    found = report.sustained
    bridge = found["bridge"].rate if "bridge" in found else 0.0
    lines = []
    for name, each in found.items():
        ratio = f"{each.rate / bridge:.2f}" if bridge else _MISSING
        cpu = sum(us for role, us in each.cpu_us.items() if role not in {"venue", "load"})
        lines.append([name, f"{each.rate:,.0f}", ratio, f"{each.p99_us:,.0f}", f"{cpu:,.0f}", str(each.tries)])
    head = ("", "orders per second", "/ bridge", "p99 there, us", "processor per order, us", "tries")
    return Cells("Highest sustained rate with p99 under 5 ms", head, lines, ("sustained",))


def _price(report: Report) -> Cells:
    """The processor's time for each order and the memory, by process; how long orders are inside."""
    trips = report.round_trips
    rows = trips.rates[str(report.compared_at)] if trips is not None else {}
    lines = []
    for name, row in rows.items():
        cpu = {role: f"{value.median:,.0f}" for role, value in row.figures.cpu_us.items()}
        memory = trips.memory_mib.get(name, {}) if trips is not None else {}
        inside = row.figures.order_to_wire
        lines.append(
            [
                name,
                us_with_range(inside["p50"]) if inside else _MISSING,
                us_with_range(inside["p99"]) if inside else _MISSING,
                *[cpu.get(role, _MISSING) for role in ("server", "follower", "database", "venue", "load")],
                *[f"{memory[role]:,.0f}" if role in memory else _MISSING for role in ("server", "follower")],
            ]
        )
    head = ("", "order to wire p50, us", "p99, us", "server, us", "follower", "database", "venue", "load")
    title = f"Inside, and the processor per order, at {report.compared_at:,} orders per second"
    return Cells(title, (*head, "server, MiB", "follower, MiB"), lines)


def _varied(title: str, first: str, rows: Rows) -> Cells:
    head = (first, "p50", "p99", "p99.9", "max", "answered", "p50 / first", "p99 / first", "server, us per order")
    lines = [
        [f"{int(name):,}", *_trip(row), *_ratios(row, ("first",)), f"{row.figures.cpu_us['server'].median:,.0f}"]
        for name, row in rows.items()
    ]
    return Cells(title, head, lines)


def _alone(report: Report) -> Iterator[Cells]:
    lines = []
    if (lives := report.core_lives_per_s) is not None:
        lines.append(["core: lives of orders per second of the processor", us_with_range(lives)])
    lines += [
        [f"risk: all checks of an order beside {int(count):,} open ones, us", f"{us:.1f}"]
        for count, us in report.risk_us.items()
    ]
    if lines:
        yield Cells("The core alone", ("", "median"), lines)
    if report.codec:
        lines = [
            [what, who, f"{each.us:.1f} ({each.low:.1f} to {each.high:.1f})", f"{each.us / by[GATEWAY].us:.2f}"]
            for what, by in report.codec.items()
            for who, each in by.items()
        ]
        yield Cells("The codecs alone, processor time for each message", ("", "by", "us", "/ gateway"), lines)
    if report.recovery:
        head = ("events", *[f"{of.events:,}" for of in report.recovery])
        lines = [[name, *[said(of) for of in report.recovery]] for name, said in RECOVERY_ROWS]
        yield Cells("Recovery and memory by the length of the journal", head, lines)


def under(report: Report) -> str:
    """What the machine was doing, without which no figure means anything."""
    if report.round_trips is None:
        return ""
    yardstick, elsewhere = report.round_trips.weather.yardstick_ms, report.round_trips.weather.elsewhere_pct
    text = (
        f"The yardstick took {yardstick.median:.1f} ms ({yardstick.low:.1f} to {yardstick.high:.1f}). Of the machine"
        f" {elsewhere.median:.0f} % ({elsewhere.low:.0f} to {elsewhere.high:.0f}) went to other programs and its host."
    )
    warning = " That is too much: let the machine rest and measure again."
    return text + warning * (elsewhere.median > QUIET_ENOUGH_PCT)


def show(report: Report, console: Console) -> None:
    """Everything on the terminal."""
    made = []
    for each in tables(report):
        table = Table(*each.head[:1], title=each.title, title_justify="left")
        for name in each.head[1:]:
            table.add_column(name, justify="right")
        for line in each.lines:
            table.add_row(*line)
        made.append(table)
    console.print(Group(*made, under(report)))


def markdown(each: Cells) -> str:
    """The same for a page."""
    lines = ["| " + " | ".join(each.head) + " |", "| --- |" + " ---: |" * (len(each.head) - 1)]
    return "\n".join([*lines, *["| " + " | ".join(line) + " |" for line in each.lines]])
