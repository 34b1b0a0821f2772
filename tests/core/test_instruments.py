"""Trading sessions: local hours, past midnight and over changes of the clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.instruments import TradingSession

XETRA = TradingSession("continuous", "Europe/Berlin", time(9), time(17, 30))
GLOBEX = TradingSession("globex", "America/New_York", time(18), time(17), ("sun", "mon", "tue", "wed", "thu"))
# In Berlin the clocks go from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
IN_THE_GAP = TradingSession("night", "Europe/Berlin", time(2, 30), time(17), ("sun",))
UNTIL_THE_GAP = TradingSession("late", "Europe/Berlin", time(18), time(2, 15), ("sat",))
ROUND_THE_CLOCK = TradingSession(
    "round the clock", "UTC", time(0), time(0), ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SECOND_NS = 1_000_000_000


def at(text: str) -> int:
    """Nanoseconds of a UTC time."""
    seconds, _, rest = text.partition(".")
    moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND_NS + int(rest.ljust(9, "0") or 0)


@pytest.mark.parametrize(
    ("session", "utc", "is_open"),
    [
        # Winter in Berlin is UTC+1, summer UTC+2.
        (XETRA, "2026-01-05 07:59:59.999999999", False),
        (XETRA, "2026-01-05 08:00:00", True),
        (XETRA, "2026-01-05 16:29:59.999999999", True),
        (XETRA, "2026-01-05 16:30:00", False),
        (XETRA, "2026-07-06 07:00:00", True),
        (XETRA, "2026-07-06 15:30:00", False),
        (XETRA, "2026-01-04 10:00:00", False),  # A Sunday.
        # The clocks change on 29 March and 25 October: the Fridays before and the Mondays after differ by an hour.
        (XETRA, "2026-03-27 07:30:00", False),
        (XETRA, "2026-03-30 07:30:00", True),
        (XETRA, "2026-10-23 07:30:00", True),
        (XETRA, "2026-10-26 07:30:00", False),
        # Past midnight: from Sunday evening on, with an hour's break; Friday's evening belongs to no session.
        (GLOBEX, "2026-01-04 22:59:59", False),
        (GLOBEX, "2026-01-04 23:00:00", True),
        (GLOBEX, "2026-01-05 03:00:00", True),
        (GLOBEX, "2026-01-05 21:59:59.999999999", True),
        (GLOBEX, "2026-01-05 22:00:00", False),
        (GLOBEX, "2026-01-05 23:00:00", True),
        (GLOBEX, "2026-01-09 21:59:59", True),
        (GLOBEX, "2026-01-09 23:30:00", False),
        # New York's clocks change on 8 March and 1 November, both inside no session but before one.
        (GLOBEX, "2026-03-08 21:59:59", False),
        (GLOBEX, "2026-03-08 22:00:00", True),
        (GLOBEX, "2026-11-01 22:30:00", False),
        (GLOBEX, "2026-11-01 23:00:00", True),
        # A time that does not come is that of the change: it opened half an hour late, and closed 15 minutes late.
        (IN_THE_GAP, "2026-03-29 00:59:59.999999999", False),
        (IN_THE_GAP, "2026-03-29 01:00:00", True),
        (UNTIL_THE_GAP, "2026-03-29 00:59:59.999999999", True),
        (UNTIL_THE_GAP, "2026-03-29 01:00:00", False),
        (ROUND_THE_CLOCK, "2026-01-03 00:00:00", True),
        (ROUND_THE_CLOCK, "2026-01-03 23:59:59.999999999", True),
    ],
)
def test_hours_by_hand(session: TradingSession, utc: str, is_open: bool) -> None:
    assert session.is_open(at(utc)) is is_open


# Clocks change in the small hours; markets open and close outside them, so local time alone says what is open.
HOURS = st.integers(5 * 60, 23 * 60 + 59).map(lambda minutes: time(minutes // 60, minutes % 60))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "America/Chicago", "Asia/Tokyo", "Australia/Sydney"]
)
DAYS = st.sets(st.sampled_from(WEEK), min_size=1).map(lambda days: tuple(sorted(days, key=WEEK.index)))
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31))  # noqa: DTZ001  # Read as UTC below.


def naive_is_open(session: TradingSession, moment: datetime) -> bool:
    """The obvious reading: what do the clock and the calendar on the wall say?"""
    local = moment.astimezone(ZoneInfo(session.time_zone))
    today, yesterday = WEEK[local.weekday()], WEEK[(local - timedelta(days=1)).weekday()]
    wall = local.time()
    if session.open < session.close:
        return today in session.days and session.open <= wall < session.close
    return (today in session.days and wall >= session.open) or (yesterday in session.days and wall < session.close)


@given(ZONES, HOURS, HOURS, DAYS, MOMENTS, st.booleans())
def test_a_session_is_what_the_clock_on_the_wall_says(
    zone: str, opens: time, closes: time, days: tuple[str, ...], near: datetime, at_edge: bool
) -> None:
    session = TradingSession("s", zone, opens, closes, days)
    moment = near.replace(tzinfo=UTC, microsecond=0)
    if at_edge:
        moment = datetime.combine(moment.date(), opens, ZoneInfo(zone)).astimezone(UTC)
    for step in (0, -1, 1):
        shifted = moment + timedelta(microseconds=step)
        at_ns = (shifted - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
        assert session.is_open(at_ns) is naive_is_open(session, shifted)
