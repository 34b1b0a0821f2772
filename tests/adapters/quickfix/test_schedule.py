"""When sessions are up: in the venue's local time, across changes of the clocks, with numbers of their own."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.adapters.quickfix.schedule import SETTLE_S, Keeper, schedule_of
from gateway.config import ScheduleConfig
from gateway.core.reports import SessionDown, SessionUp
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue

DAILY = ScheduleConfig("08:00:00", "17:00:00", "America/New_York")
NIGHTLY = ScheduleConfig("18:00:00", "17:00:00", "America/Chicago")
WEEKLY = ScheduleConfig("17:00:00", "16:00:00", "America/Chicago", "sun", "fri")
HOUR_NS = 3_600_000_000_000
ENDLESS = ScheduleConfig("00:00:00", "00:00:00", "UTC")
BERLIN_NIGHT = ScheduleConfig("22:00:00", "02:30:00", "Europe/Berlin")
BERLIN_EARLY = ScheduleConfig("02:15:00", "03:15:00", "Europe/Berlin")
BERLIN_GAP = ScheduleConfig("02:15:00", "02:45:00", "Europe/Berlin")
BERLIN_ROUND = ScheduleConfig("02:30:00", "02:30:00", "Europe/Berlin")
NEW_YORK_EARLY = ScheduleConfig("01:30:00", "02:30:00", "America/New_York")
NEW_YORK_WEEK = ScheduleConfig("18:00:00", "17:00:00", "America/New_York", "sun", "fri")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("config", "at", "began"),
    [
        # New York is at UTC-5 until 2026-03-08 and at UTC-4 from then on.
        (DAILY, "2026-03-06T12:59:59", None),
        (DAILY, "2026-03-06T13:00:00", "2026-03-06T13:00:00"),
        (DAILY, "2026-03-06T21:59:59", "2026-03-06T13:00:00"),
        (DAILY, "2026-03-06T22:00:00", None),
        (DAILY, "2026-03-09T12:00:00", "2026-03-09T12:00:00"),
        (DAILY, "2026-03-09T21:00:00", None),
        (NIGHTLY, "2026-01-06T22:59:59", "2026-01-06T00:00:00"),
        (NIGHTLY, "2026-01-06T23:30:00", None),
        (NIGHTLY, "2026-01-07T00:00:00", "2026-01-07T00:00:00"),
        # The week in which the clocks change: it begins at UTC-6 and ends at UTC-5.
        (WEEKLY, "2026-03-06T21:59:59", "2026-03-01T23:00:00"),
        (WEEKLY, "2026-03-06T22:00:00", None),
        (WEEKLY, "2026-03-08T22:00:00", "2026-03-08T22:00:00"),
        (WEEKLY, "2026-03-13T20:59:59", "2026-03-08T22:00:00"),
        (WEEKLY, "2026-03-13T21:00:00", None),
        # Berlin goes from UTC+1 to UTC+2 at 2026-03-29T01:00Z: 02:00 to 03:00 do not come. What would begin or end in
        # between does so when the gap ends.
        (BERLIN_NIGHT, "2026-03-29T00:59:59", "2026-03-28T21:00:00"),
        (BERLIN_NIGHT, "2026-03-29T01:00:00", None),
        (BERLIN_EARLY, "2026-03-29T00:59:59", None),
        (BERLIN_EARLY, "2026-03-29T01:00:00", "2026-03-29T01:00:00"),
        (BERLIN_EARLY, "2026-03-29T01:14:59", "2026-03-29T01:00:00"),
        (BERLIN_EARLY, "2026-03-29T01:15:00", None),
        (BERLIN_GAP, "2026-03-29T01:00:00", None),
        (BERLIN_GAP, "2026-03-30T00:15:00", "2026-03-30T00:15:00"),
        (BERLIN_ROUND, "2026-03-29T00:59:59", "2026-03-28T01:30:00"),
        (BERLIN_ROUND, "2026-03-29T01:00:00", "2026-03-29T01:00:00"),
        # And back at 2026-10-25T01:00Z: 02:00 to 03:00 come twice. The first time counts.
        (BERLIN_NIGHT, "2026-10-25T00:29:59", "2026-10-24T20:00:00"),
        (BERLIN_NIGHT, "2026-10-25T00:30:00", None),
        (BERLIN_NIGHT, "2026-10-25T01:15:00", None),
        (BERLIN_EARLY, "2026-10-25T00:15:00", "2026-10-25T00:15:00"),
        (BERLIN_EARLY, "2026-10-25T02:14:59", "2026-10-25T00:15:00"),
        (BERLIN_EARLY, "2026-10-25T02:15:00", None),
        (BERLIN_ROUND, "2026-10-25T01:30:00", "2026-10-25T00:30:00"),
        (BERLIN_ROUND, "2026-10-26T01:30:00", "2026-10-26T01:30:00"),
        # New York: forward at 2026-03-08T07:00Z, back at 2026-11-01T06:00Z.
        (NEW_YORK_EARLY, "2026-03-08T06:30:00", "2026-03-08T06:30:00"),
        (NEW_YORK_EARLY, "2026-03-08T06:59:59", "2026-03-08T06:30:00"),
        (NEW_YORK_EARLY, "2026-03-08T07:00:00", None),
        (NEW_YORK_EARLY, "2026-11-01T05:30:00", "2026-11-01T05:30:00"),
        (NEW_YORK_EARLY, "2026-11-01T07:29:59", "2026-11-01T05:30:00"),
        (NEW_YORK_EARLY, "2026-11-01T07:30:00", None),
        (NEW_YORK_WEEK, "2026-03-08T22:00:00", "2026-03-08T22:00:00"),
        (NEW_YORK_WEEK, "2026-11-01T22:59:59", None),
        (NEW_YORK_WEEK, "2026-11-01T23:00:00", "2026-11-01T23:00:00"),
        (NEW_YORK_WEEK, "2026-11-06T21:59:59", "2026-11-01T23:00:00"),
        (NEW_YORK_WEEK, "2026-11-06T22:00:00", None),
        (ENDLESS, "2026-01-06T23:59:59", "2026-01-06T00:00:00"),
        (ENDLESS, "2026-01-07T00:00:00", "2026-01-07T00:00:00"),
    ],
)
def test_the_session_of_a_moment(config: ScheduleConfig, at: str, began: str | None) -> None:
    assert schedule_of(config).session_at(ns(at)) == (ns(began) if began else None)


@pytest.mark.parametrize("config", [DAILY, WEEKLY, BERLIN_NIGHT, BERLIN_GAP, NEW_YORK_WEEK])
def test_the_next_session_is_the_one_that_comes(config: ScheduleConfig) -> None:
    """Each hour of a year; one whose times are in a gap of the clocks does not come."""
    schedule, first = schedule_of(config), ns("2026-01-01T12:00:00")
    coming: tuple[int, int] | None = None
    for at_ns in reversed(range(first, first + 365 * 24 * HOUR_NS, HOUR_NS)):
        began, (begin, end) = schedule.session_at(at_ns), schedule.now_or_next(at_ns)
        assert begin < end
        assert began == (begin if begin <= at_ns < end else None)
        assert schedule.session_at(begin) == begin
        assert coming is None or (begin, end) == coming or end <= coming[0]
        coming = begin, end


class Clock:
    """A wall clock and a monotonic one. `to` lets time pass; `jump` moves the wall clock alone."""

    def __init__(self, at: str) -> None:
        self.at_ns = ns(at)
        self.passed_s = 1_000.0

    def __call__(self) -> int:
        return self.at_ns

    def monotonic(self) -> float:
        return self.passed_s

    def to(self, at: str) -> None:
        self.passed_s += (ns(at) - self.at_ns) / 1_000_000_000
        self.at_ns = ns(at)

    def jump(self, at: str) -> None:
        self.at_ns = ns(at)


async def test_a_scheduled_session_ends_and_the_next_begins_with_new_numbers(
    venue: RawVenue, gateways: Gateways
) -> None:
    clock = Clock("2026-01-06T13:59:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock, monotonic=clock.monotonic).start()
    logon = await asyncio.to_thread(venue.logon)
    assert logon["34"] == "1"
    up = await asyncio.to_thread(gateway.wait_for, SessionUp)
    assert up.reset is False

    clock.to("2026-01-06T22:00:00")
    logout = await asyncio.to_thread(venue.read_until, "5")
    assert logout["58"] == "end of session"
    venue.send("35=5\x01")
    await asyncio.to_thread(gateway.wait_for, SessionDown)

    clock.to("2026-01-07T13:00:00")
    assert (await asyncio.to_thread(venue.logon, seq=1))["34"] == "1"
    up = await asyncio.to_thread(gateway.wait_for, SessionUp, 2)
    assert up.reset is True
    assert gateway.link.status().next_target_msg_seq_num == 2
    await asyncio.to_thread(gateway.link.stop)


async def test_outside_of_its_schedule_nothing_connects_and_a_restart_keeps_the_numbers(
    venue: RawVenue, gateways: Gateways
) -> None:
    clock = Clock("2026-01-06T12:00:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock, monotonic=clock.monotonic).start()
    assert gateway.link.status().enabled is False
    clock.to("2026-01-06T13:00:00")
    await asyncio.to_thread(venue.logon)
    await asyncio.to_thread(gateway.wait_for, SessionUp)
    await asyncio.to_thread(gateway.link.stop)

    again = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock, monotonic=clock.monotonic).start()
    logon = await asyncio.to_thread(venue.logon)
    assert int(logon["34"]) > 1
    assert (await asyncio.to_thread(again.wait_for, SessionUp)).reset is False
    await asyncio.to_thread(again.link.stop)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("start", ["00:00:00", "01:30:00", "02:00:00", "02:30:00", "03:00:00"])
def test_sessions_that_follow_one_another_have_neither_a_gap_nor_an_overlap(zone: str, start: str) -> None:
    """Every quarter of an hour of a year belongs to one session, and sessions begin in order, once a day."""
    schedule = schedule_of(ScheduleConfig(start, start, zone))
    first, began = ns("2026-01-01T12:00:00"), []
    for quarter in range(365 * 96):
        at = schedule.session_at(first + quarter * 900_000_000_000)
        assert at is not None
        if not began or began[-1] != at:
            began.append(at)
    assert began == sorted(set(began))
    assert len(began) in (365, 366)


def keeper(schedule: ScheduleConfig, clock: Clock) -> Keeper:
    return Keeper(schedule_of(schedule), clock, clock.monotonic)


def test_a_clock_that_jumps_over_the_end_of_a_session_starts_no_numbers_over() -> None:
    clock = Clock("2026-01-06T22:55:00")
    keeps = keeper(NIGHTLY, clock)
    _, in_force = keeps.wants(None)
    assert in_force == ns("2026-01-06T00:00:00")
    clock.jump("2026-01-07T00:01:00")  # One hour and some forward: already in the next session.
    assert keeps.jumped_s() == 3_960
    assert keeps.wants(in_force) == (False, in_force)
    clock.passed_s += 60
    clock.jump("2026-01-06T22:56:00")  # It is set right again.
    assert keeps.jumped_s() == -3_960
    assert keeps.wants(in_force) == (True, in_force)
    clock.to("2026-01-07T00:00:00")
    assert keeps.jumped_s() == 0
    assert keeps.wants(in_force) == (True, ns("2026-01-07T00:00:00"))


def test_a_clock_that_stays_where_it_jumped_to_is_believed_after_a_while() -> None:
    clock = Clock("2026-01-06T22:55:00")
    keeps = keeper(NIGHTLY, clock)
    in_force = ns("2026-01-06T00:00:00")
    clock.jump("2026-01-07T00:01:00")
    keeps.jumped_s()
    clock.passed_s += SETTLE_S
    assert keeps.wants(in_force) == (True, ns("2026-01-07T00:00:00"))


def test_a_clock_that_goes_back_over_a_beginning_keeps_the_session_in_force() -> None:
    clock = Clock("2026-01-07T00:05:00")
    keeps = keeper(ENDLESS, clock)
    in_force = ns("2026-01-07T00:00:00")
    clock.jump("2026-01-06T23:05:00")
    assert keeps.jumped_s() == -3_600
    assert keeps.wants(in_force) == (True, in_force)


@pytest.mark.parametrize(
    ("schedule", "in_force", "now", "told"),
    [
        (DAILY, "2026-01-06T12:00:00", "2026-01-06T14:00:00", True),  # It began at 07:00 in New York, not 08:00.
        (DAILY, "2026-01-06T12:00:00", "2026-01-07T13:00:00", False),  # Changed in the evening.
        (DAILY, "2026-01-05T13:00:00", "2026-01-06T14:00:00", False),
        (DAILY, "2026-03-07T13:00:00", "2026-03-08T12:00:00", False),  # 23 hours: the clocks are changed.
        (WEEKLY, "2026-01-04T22:00:00", "2026-01-06T14:00:00", True),
        (WEEKLY, "2026-01-04T23:00:00", "2026-01-11T23:00:00", False),
        (DAILY, None, "2026-01-06T14:00:00", False),
    ],
)
def test_a_session_that_begins_because_the_schedule_was_changed_is_told(
    schedule: ScheduleConfig, in_force: str | None, now: str, *, told: bool
) -> None:
    keeps = keeper(schedule, Clock(now))
    in_force_ns = ns(in_force) if in_force else None
    _, began_ns = keeps.wants(in_force_ns)
    assert began_ns not in (None, in_force_ns)
    moved = keeps.moved(in_force_ns, began_ns or 0)
    assert moved.get("in_force_since") == (f"{in_force}+00:00" if told else None)


async def test_a_start_that_is_moved_in_the_middle_of_a_session_starts_its_numbers_over_with_a_warning(
    venue: RawVenue, gateways: Gateways
) -> None:
    clock = Clock("2026-01-06T13:30:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock, monotonic=clock.monotonic).start()
    assert (await asyncio.to_thread(venue.logon))["34"] == "1"
    await asyncio.to_thread(gateway.wait_for, SessionUp)
    venue.drop()
    await asyncio.to_thread(gateway.wait_for, SessionDown)
    await asyncio.to_thread(gateway.link.stop)
    clock.to("2026-01-06T15:00:00")
    later = msgspec.structs.replace(DAILY, start="09:30:00")
    with capture_logs() as lines:
        again = gateways(venue_config(venue.port, schedule=later), now_ns=clock, monotonic=clock.monotonic)
        again.start(committed=1, floor=1)
    (warned,) = [line for line in lines if line["log_level"] == "warning"]
    assert (warned["event"], warned["in_force_since"], warned["begins"]) == (
        "the schedule was changed: the numbers start over within a session",
        "2026-01-06T13:00:00+00:00",
        "2026-01-06T14:30:00+00:00",
    )
    assert (await asyncio.to_thread(venue.logon))["34"] == "1"
    assert (await asyncio.to_thread(again.wait_for, SessionUp)).reset is True
    await asyncio.to_thread(again.link.stop)


async def test_a_clock_one_hour_forward_and_back_over_the_end_keeps_the_store(
    venue: RawVenue, gateways: Gateways
) -> None:
    """With the real QuickFIX: it logs out, comes back with the next number, and nothing was reset."""
    clock = Clock("2026-01-06T21:30:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock, monotonic=clock.monotonic).start()
    await asyncio.to_thread(venue.logon)
    await asyncio.to_thread(gateway.wait_for, SessionUp)
    gateway.order("g1")
    order = await asyncio.to_thread(venue.read_until, "D")
    clock.jump("2026-01-06T22:30:00")
    await asyncio.to_thread(venue.read_until, "5")
    venue.send("35=5\x01")
    await asyncio.to_thread(gateway.wait_for, SessionDown)
    clock.jump("2026-01-06T21:31:00")
    assert int((await asyncio.to_thread(venue.logon))["34"]) > int(order["34"])
    assert (await asyncio.to_thread(gateway.wait_for, SessionUp, 2)).reset is False
    await asyncio.to_thread(gateway.link.stop)
    assert not gateway.fatal


@pytest.mark.parametrize(
    ("restarted", "number"), [("2026-01-07T22:59:00", 3), ("2026-01-07T23:30:00", None), ("2026-01-08T00:00:01", 1)]
)
async def test_a_restart_inside_outside_and_in_the_next_session(
    restarted: str, number: int | None, venue: RawVenue, gateways: Gateways
) -> None:
    """A session that crosses midnight UTC and the process's day: its numbers go on until the next one begins."""
    clock = Clock("2026-01-07T00:30:00")
    config = venue_config(venue.port, schedule=NIGHTLY)
    gateway = gateways(config, now_ns=clock, monotonic=clock.monotonic).start()
    assert (await asyncio.to_thread(venue.logon))["34"] == "1"
    await asyncio.to_thread(gateway.wait_for, SessionUp)
    venue.drop()
    await asyncio.to_thread(gateway.wait_for, SessionDown)
    await asyncio.to_thread(gateway.link.stop)

    clock.to(restarted)
    again = gateways(config, now_ns=clock, monotonic=clock.monotonic).start(committed=1, floor=1)
    assert again.link.status().enabled is (number is not None)
    if number is not None:
        logon = await asyncio.to_thread(venue.logon, seq=1 if number == 1 else 2)
        assert int(logon["34"]) == 1 if number == 1 else int(logon["34"]) > 1
        up = await asyncio.to_thread(again.wait_for, SessionUp)
        assert (up.reset, up.unexpected) == (number == 1, False)
    await asyncio.to_thread(again.link.stop)
