"""When sessions are up: in the venue's local time, across changes of the clocks, with numbers of their own."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.adapters.quickfix.schedule import schedule_of
from gateway.config import ScheduleConfig
from gateway.core.reports import SessionDown, SessionUp
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue

DAILY = ScheduleConfig("08:00:00", "17:00:00", "America/New_York")
NIGHTLY = ScheduleConfig("18:00:00", "17:00:00", "America/Chicago")
WEEKLY = ScheduleConfig("17:00:00", "16:00:00", "America/Chicago", "sun", "fri")
ENDLESS = ScheduleConfig("00:00:00", "00:00:00", "UTC")


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
        (ENDLESS, "2026-01-06T23:59:59", "2026-01-06T00:00:00"),
        (ENDLESS, "2026-01-07T00:00:00", "2026-01-07T00:00:00"),
    ],
)
def test_the_session_of_a_moment(config: ScheduleConfig, at: str, began: str | None) -> None:
    assert schedule_of(config).session_at(ns(at)) == (ns(began) if began else None)


class Clock:
    def __init__(self, at: str) -> None:
        self.at_ns = ns(at)

    def __call__(self) -> int:
        return self.at_ns


async def test_a_scheduled_session_ends_and_the_next_begins_with_new_numbers(
    venue: RawVenue, gateways: Gateways
) -> None:
    clock = Clock("2026-01-06T13:59:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock).start()
    logon = await asyncio.to_thread(venue.logon)
    assert logon["34"] == "1"
    up = await asyncio.to_thread(gateway.wait_for, SessionUp)
    assert up.reset is False

    clock.at_ns = ns("2026-01-06T22:00:00")
    logout = await asyncio.to_thread(venue.read_until, "5")
    assert logout["58"] == "end of session"
    venue.send("35=5\x01")
    await asyncio.to_thread(gateway.wait_for, SessionDown)

    clock.at_ns = ns("2026-01-07T13:00:00")
    assert (await asyncio.to_thread(venue.logon, seq=1))["34"] == "1"
    up = await asyncio.to_thread(gateway.wait_for, SessionUp, 2)
    assert up.reset is True
    assert gateway.link.status().next_target_msg_seq_num == 2
    await asyncio.to_thread(gateway.link.stop)


async def test_outside_of_its_schedule_nothing_connects_and_a_restart_keeps_the_numbers(
    venue: RawVenue, gateways: Gateways
) -> None:
    clock = Clock("2026-01-06T12:00:00")
    gateway = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock).start()
    assert gateway.link.status().enabled is False
    clock.at_ns = ns("2026-01-06T13:00:00")
    await asyncio.to_thread(venue.logon)
    await asyncio.to_thread(gateway.wait_for, SessionUp)
    await asyncio.to_thread(gateway.link.stop)

    again = gateways(venue_config(venue.port, schedule=DAILY), now_ns=clock).start()
    logon = await asyncio.to_thread(venue.logon)
    assert int(logon["34"]) > 1
    assert (await asyncio.to_thread(again.wait_for, SessionUp)).reset is False
    await asyncio.to_thread(again.link.stop)
