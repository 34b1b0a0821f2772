"""`gatewayctl risk exposure` and `marks`: figures and bars as people read them, and prices as they write them."""

import json
import time
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from gateway.cli import ctl_exposure, tables_risk
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_gateway import FakeGateway
from tests.cli.test_ctl import document, words

SECOND_NS = 1_000_000_000


def a_row(scope: str, **changes: Any) -> pb.Exposure:
    row = pb.Exposure(
        scope=scope,
        long_notional="1200",
        short_notional="-200.5",
        net_notional="999.5",
        gross_notional="2500",
        open_buys="0",
        open_sells="50",
        open_orders=3,
        day_profit="-75.25",
        drawdown="80",
        margin_used="300",
        uses=[
            pb.Use(control="max_gross_notional", used="2500", limit="10000"),
            pb.Use(control="max_loss", used="75.25", limit="100"),
            pb.Use(control="max_open_orders", used="19", limit="20"),
        ],
    )
    row.MergeFrom(pb.Exposure(**changes))
    return row


def test_exposure_shows_figures_and_bars(run: Run, gateway: FakeGateway) -> None:
    gateway.exposure = [a_row("firm"), a_row("strategy:ACC1/x", symbol="ACME", uses=[])]
    gateway.page = 1
    lines = words(run, "risk", "exposure", "firm", "--children", "--level", "firm")
    firm = " ".join(lines[-2])
    for part in ("999.5", "2,500", "-200.5", "-75.25", "25 %", "75 %", "95 % max_open_orders"):
        assert part in firm
    assert lines[-1][:2] == ["strategy:ACC1/x", "ACME"]
    first = gateway.requests[0]
    assert isinstance(first, pb.GetExposureRequest)
    assert (first.scope, first.level, first.children) == ("firm", "firm", True)
    assert len(document(run, "risk", "exposure")["rows"]) == 2
    assert "There are more" in run("risk", "exposure", "-n", "1").stdout


def test_exposure_watched_by_a_program_is_a_line_a_snapshot(run: Run, gateway: FakeGateway) -> None:
    gateway.exposure = [a_row("firm")]
    result = run("risk", "exposure", "--watch", "--interval", "0.5", "--json")
    assert [json.loads(line)["as_of_seq"] for line in result.stdout.splitlines()] == ["6", "7"]
    assert gateway.requests == [pb.WatchExposureRequest(interval_ms=500)]
    assert result.exit_code == 3  # The gateway is gone.


def test_exposure_watched_without_a_terminal_is_one_look(run: Run, gateway: FakeGateway) -> None:
    gateway.exposure = [a_row("firm")]
    result = run("risk", "exposure", "--watch")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("Exposure in EUR") == 1


def test_exposure_that_the_gateway_cut_short_says_so(run: Run, gateway: FakeGateway) -> None:
    """A snapshot has at most 500 rows: what is not there would be taken for flat."""
    gateway.exposure, gateway.truncated = [a_row("firm"), a_row("desk:europe")], True
    assert "Exposure, the first 2 of more than 2 in EUR" in run("risk", "exposure", "--watch").stdout
    snapshot = pb.WatchExposureResponse(rows=gateway.exposure, currency="EUR", truncated=True)
    console = Console(width=100, force_terminal=True)
    with console.capture() as capture:
        console.print(ctl_exposure._table(snapshot, -3))
    assert "Exposure, the first 1 of more than 2 in EUR" in Text.from_ansi(capture.get()).plain


@pytest.mark.parametrize(
    ("used", "limit", "percent", "style"),
    [
        ("0", "100", 0, "green"),
        ("69.9", "100", 69, "green"),
        ("70", "100", 70, "yellow"),
        ("90", "100", 90, "red"),
        ("250", "100", 250, "red"),
        ("0", "0", 0, "green"),
        ("1", "0", 100, "red"),
        ("-5", "100", 0, "green"),
    ],
)
def test_a_bar_is_as_long_as_what_is_used(used: str, limit: str, percent: int, style: str) -> None:
    drawn = tables_risk.bar(used, limit)
    assert drawn.plain.endswith(f"{percent:>3} %")
    assert drawn.plain.count("█") == min(percent, 100) * 8 // 100
    assert str(drawn.spans[-1].style) == style


def test_a_narrow_terminal_keeps_the_figures_that_matter() -> None:
    console = Console(width=100, force_terminal=True)
    with console.capture() as capture:
        console.print(tables_risk.exposure([a_row("firm")], "EUR"))
    lines = capture.get().splitlines()
    assert all(part in capture.get() for part in ("999.5", "-75.25", "max_open_orders"))
    assert "without" in lines[0]


def test_exposure_fits_a_terminal_of_80_columns() -> None:
    console = Console(width=80, force_terminal=True)
    row = pb.Exposure(
        scope="strategy:ACC1/maker",
        net_notional="-1167092.125",
        gross_notional="11692000",
        day_profit="-2387.958",
        uses=[pb.Use(control="max_open_orders", used="19", limit="20")],
    )
    with console.capture() as capture:
        console.print(tables_risk.exposure([row], "USD"))
    line = Text.from_ansi(capture.get()).plain.splitlines()[-1]
    assert line.split() == [
        "strategy:ACC1/maker", "-1,167,092.12", "11,692,000", "-2,387.96", "95", "%", "max_open_orders",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("control", "value", "shown"),
    [
        ("max_loss", "2387.958", "2,387.96"),
        ("order_to_trade", "2.6174496644", "2.62"),
        ("max_gross_notional", "123456789012345678901234567890.125", "123,456,789,012,345,678,901,234,567,890.12"),
        ("max_position_qty", "0.00012345", "0.00012345"),
        ("max_open_orders", "12", "12"),
        ("max_loss", "", ""),
    ],
)
def test_money_is_shown_to_the_cent_and_quantities_whole(control: str, value: str, shown: str) -> None:
    assert tables_risk.figure(control, value) == shown


def test_marks_and_rates_are_sent(run: Run, gateway: FakeGateway) -> None:
    result = run("risk", "marks", "ACME=10.5", "BRK=A=1,000:999:1001", "LOSS=-1,234,567.8", "--rate", "USD=0.9")
    assert gateway.requests == [
        pb.SetMarksRequest(
            marks=[
                pb.Mark(symbol="ACME", px="10.5"),
                pb.Mark(symbol="BRK=A", px="1000", bid="999", ask="1001"),
                pb.Mark(symbol="LOSS", px="-1234567.8"),
            ],
            rates={"USD": "0.9"},
        )
    ]
    assert result.stdout == "ACME 10.5, BRK=A 1,000, LOSS -1,234,567.8, USD 0.9 set (event 77)\n"


def test_marks_are_listed_with_their_age_and_what_stands_in_for_them(run: Run, gateway: FakeGateway) -> None:
    mark = pb.Mark(symbol="ACME", px="1000.5", bid="1000", ask="1001")
    gateway.marks.marks.append(pb.MarkRow(mark=mark, currency="EUR", set_ns=time.time_ns() - 3_630 * SECOND_NS))
    gateway.marks.marks.append(pb.MarkRow(mark=pb.Mark(symbol="ACMF", px="7"), currency="USD"))
    gateway.marks.rates["USD"] = "0.92"
    listed = words(run, "risk", "marks", "--of", "ACM")

    assert gateway.requests == [pb.ListMarksRequest(symbol="ACM")]
    assert ["ACME", "1,000.5", "1,000", "1,001", "EUR", "60", "min", "mark"] in listed
    assert ["ACMF", "7", "USD", "reference_px"] in listed
    assert listed[-1] == ["USD", "0.92"]
