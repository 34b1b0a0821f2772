"""The day of risk: profit and loss begin anew at a time of day in a time zone, through changes of the clocks."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from gateway.core.reports import TimerFired
from gateway.core.risk import events as re
from gateway.core.risk.days import day_at
from gateway.core.risk.setup import RiskSetup
from tests.core.world import SECOND_NS, SETTINGS, World, restarted


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


def days(of: World, text: str) -> list[str]:
    """The days that begin with the clock's turn at this time."""
    of.now_ns = at(text)
    return [event.day for event in of.tell(TimerFired()) if isinstance(event, re.RiskDayBegan)]


def test_a_day_begins_with_the_process_and_at_its_hour() -> None:
    of = World.started(replace(SETTINGS, risk=replace(SETTINGS.risk, day_start=17 * 60, time_zone="America/Chicago")))

    assert of.events(re.RiskDayBegan) == [re.RiskDayBegan("2026-01-04")], "the zone of the file that has just been read"
    assert days(of, "2026-01-05T22:59:58+00:00") == []
    assert days(of, "2026-01-05T23:00:00+00:00") == ["2026-01-05"]
    assert days(of, "2026-01-06T22:00:00+00:00") == []
    assert days(restarted(of), "2026-01-06T22:30:00+00:00") == []
    of.now_ns = at("2026-01-08T00:00:00+00:00")
    assert restarted(of).events(re.RiskDayBegan)[-1] == re.RiskDayBegan("2026-01-07")


def test_a_clock_that_is_set_back_over_midnight_begins_no_day() -> None:
    """The day's loss would be forgotten, and again when the clock comes back to midnight."""
    of = World.started(SETTINGS)
    assert days(of, "2026-03-01T00:00:01+00:00") == ["2026-03-01"]

    assert days(of, "2026-02-28T23:59:59+00:00") == []
    assert restarted(of).events(re.RiskDayBegan)[-1] == re.RiskDayBegan("2026-03-01")
    assert days(of, "2026-03-01T00:00:00+00:00") == []
    assert days(of, "2026-03-02T00:00:00+00:00") == ["2026-03-02"]


@pytest.mark.parametrize(
    ("zone", "start", "time", "day"),
    [
        ("UTC", 0, "2026-01-05T00:00:00+00:00", "2026-01-05"),
        ("UTC", 0, "2026-01-04T23:59:59+00:00", "2026-01-04"),
        ("Europe/Berlin", 0, "2026-06-30T22:00:00+00:00", "2026-07-01"),
        ("Europe/Berlin", 0, "2026-12-31T22:59:59+00:00", "2026-12-31"),
        ("Europe/Berlin", 150, "2026-03-29T00:59:59+00:00", "2026-03-28"),  # 01:59:59; 02:30 does not exist.
        ("Europe/Berlin", 150, "2026-03-29T01:00:00+00:00", "2026-03-29"),  # 03:00.
        ("Asia/Kolkata", 1_439, "2026-01-05T18:29:00+00:00", "2026-01-05"),
    ],
)
def test_a_day_is_named_by_the_date_on_which_it_began(zone: str, start: int, time: str, day: str) -> None:
    assert day_at(RiskSetup(day_start=start, time_zone=zone), at(time)) == day
