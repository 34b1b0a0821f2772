"""`gateway check-config` shows what a person checks before the day begins."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from gateway.cli.summary import summary
from gateway.config import load

SAMPLE = Path(__file__).parents[2] / "config" / "gateway.toml"

DIALECT = """dialect = { add = { A = { 9100 = "${TOKEN}" }, D = { 9001 = "GW" } }, required = { D = [1, 76] },\
 accounts = { ACC1 = "X-1" }, dictionary = "example-overlay.xml", mass_cancel = true }"""
BERLIN = 'schedule = { start = "07:00", end = "22:00", time_zone = "Europe/Berlin" }'
CHICAGO = (
    'schedule = { start = "17:00", end = "16:00", time_zone = "America/Chicago", start_day = "sun", end_day = "fri" }'
)
AUCTION = 'close = "00:00"\nauctions = [{ begin = "09:00", end = "09:05" }]'


def lines(folder: Path, now: str, **changes: str) -> list[str]:
    """What is shown of the sample at this time (UTC), with text put in behind XSIM's port or YSIM's, or at the end."""
    text = SAMPLE.read_text(encoding="utf-8")
    text = text.replace("port = 9001\n", f"port = 9001\n{changes.get('xsim', '')}\n")
    text = text.replace("port = 9002\n", f"port = 9002\n{changes.get('ysim', '')}\n")
    text = text.replace('close = "00:00"', changes.get("session", 'close = "00:00"'))
    text = text.replace('asset_class = "equity"\nreference_px = 40', 'asset_class = "future"\nreference_px = 40')
    path = folder / "gateway.toml"
    path.write_text(f"{text}\n{changes.get('more', '')}\n", encoding="utf-8")
    config = load(path, {"TOKEN": "s3cr3t"})
    now_ns = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    console = Console(width=300, highlight=False)
    with console.capture() as capture:
        console.print(summary(config, now_ns))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("now", "xsim", "ysim"),
    [
        # A Sunday in winter; both sessions are down.
        (
            "2026-11-22T21:00",
            ["down", "Mon 2026-11-23 07:00:00", "Mon 2026-11-23 22:00:00", "Mon 2026-11-23 06:00:00"],
            ["down", "Sun 2026-11-22 17:00:00", "Fri 2026-11-27 16:00:00", "Sun 2026-11-22 23:00:00"],
        ),
        # A Friday: the clocks of Chicago have changed as the week began.
        (
            "2026-03-13T20:59:59",
            ["in a session", "Fri 2026-03-13 07:00:00", "Fri 2026-03-13 22:00:00", "Fri 2026-03-13 06:00:00"],
            ["in a session", "Sun 2026-03-08 17:00:00", "Fri 2026-03-13 16:00:00", "Sun 2026-03-08 22:00:00"],
        ),
    ],
)
def test_schedules_are_shown_with_the_session_of_now_or_the_next(
    now: str, xsim: list[str], ysim: list[str], tmp_path: Path
) -> None:
    shown = "\n".join(lines(tmp_path, now, xsim=BERLIN, ysim=CHICAGO))
    assert f"XSIM {' '.join(xsim)}" in shown
    assert f"YSIM {' '.join(ysim)}" in shown


def test_what_is_particular_about_a_venue_is_shown_without_what_the_logon_may_hide(tmp_path: Path) -> None:
    shown = lines(tmp_path, "2026-11-22T21:00", xsim=DIALECT)
    assert "XSIM example-overlay.xml yes 1 left out A: 9100; D: 9001=GW D: 1, 76 ACC1 as X-1" in shown
    assert not any("s3cr3t" in line for line in shown)
    assert "Schedules, as of now" not in shown


@pytest.mark.parametrize(("now", "state"), [("2026-11-22T09:04:59", "auction"), ("2026-11-22T09:05", "open")])
def test_auctions_bounds_and_scenarios_are_shown(now: str, state: str, tmp_path: Path) -> None:
    correlated = '[[risk.correlations]]\nof = ["equity", "future"]\nvalue = 0.3'
    more = f"[limits]\ncommand_queue = 20_000\norders_per_client = 500\n{correlated}"
    shown = lines(tmp_path, now, session=AUCTION, more=more)
    assert f"always UTC 00:00 00:00 mon tue wed thu fri sat sun 09:00 to 09:05 {state}" in shown
    assert "queues 20,000 commands, 100,000 messages of each venue; 512 in a commit" in shown
    assert "each client at most 500 working orders, 1,000 unanswered requests each" in shown
    assert {"scenario crash equity -20 %", "correlation equity and future: 0.3"} <= set(shown)
