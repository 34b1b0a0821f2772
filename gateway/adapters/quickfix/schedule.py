"""When a FIX session is to be up: windows in a venue's local time, right across changes of the clocks."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gateway.config import ScheduleConfig
from gateway.core.instruments import moment_ns

SETTLE_S = 300.0
"""How long after a jump of the wall clock no new session begins."""
_NS = 1_000_000_000
_HOUR_NS, _DAY_HOURS, _WEEK_HOURS = 3_600 * _NS, 24, 168
_CLOCKS_HOURS = 2
"""By how much at most changes of the clocks bring two beginnings closer to one another."""
_JUMP_NS = 30 * _NS
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule(msgspec.Struct, frozen=True):
    """Sessions from `start` to `end`, local times of `time_zone`.

    One each day, or one each week from `start_day` to `end_day` (0 is Monday). A start and an end that are equal make
    sessions that follow one another without a break.
    """

    start: time
    end: time
    time_zone: str
    start_day: int | None = None
    end_day: int | None = None

    def session_at(self, at_ns: int) -> int | None:
        """When the session began that `at_ns` lies in, None when it lies in none; both UTC nanoseconds.

        The end does not count as inside.
        """
        zone = ZoneInfo(self.time_zone)
        today = datetime.fromtimestamp(at_ns // _NS, UTC).astimezone(zone).date()
        reach = 8 if self.start_day is not None else 1
        for back in range(-1, reach + 1):
            first = today - timedelta(days=back)
            if not self._is_first(first):
                continue
            begin, finish = self._window(first, zone)
            if begin <= at_ns < finish:
                return begin
        return None

    def now_or_next(self, at_ns: int) -> tuple[int, int]:
        """Begin and end of the session that `at_ns` lies in or, where it lies in none, of the next one."""
        zone = ZoneInfo(self.time_zone)
        today = datetime.fromtimestamp(at_ns // _NS, UTC).astimezone(zone).date()
        for day in itertools.count(-8):
            first = today + timedelta(days=day)
            begin, finish = self._window(first, zone)
            # One whose times are in a gap of the clocks has no length, and is none.
            if self._is_first(first) and begin < finish and at_ns < finish:
                break
        return begin, finish

    def _is_first(self, day: date) -> bool:
        return self.start_day is None or day.weekday() == self.start_day

    def follow(self, one_ns: int, next_ns: int) -> bool:
        """Whether a session of this schedule and the next one can begin at these two moments."""
        hours = _DAY_HOURS if self.start_day is None else _WEEK_HOURS
        return next_ns - one_ns >= (hours - _CLOCKS_HOURS) * _HOUR_NS

    def _window(self, first: date, zone: ZoneInfo) -> tuple[int, int]:
        days = 0 if self.end > self.start else 1
        if self.start_day is not None and self.end_day is not None:
            days = (self.end_day - self.start_day) % 7
            if days == 0 and self.end <= self.start:
                days = 7
        return moment_ns(first, self.start, zone), moment_ns(first + timedelta(days=days), self.end, zone)


class Keeper:
    """What the schedule wants of the session now, by a wall clock that may jump.

    Only a new session of the schedule starts the numbers over, so that is what a wrong clock must not bring about: a
    session that began before the one in force is none, and after the wall clock jumped against the monotonic one, no
    session begins until it has settled.
    """

    def __init__(self, schedule: Schedule, now_ns: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._schedule = schedule
        self._now_ns = now_ns
        self._monotonic = monotonic
        self._ahead_ns = self._difference()
        self._settled_at = 0.0

    def _difference(self) -> int:
        return self._now_ns() - int(self._monotonic() * _NS)

    def jumped_s(self) -> int:
        """By how many seconds the wall clock jumped since this was asked last; 0 when it did not."""
        ahead_ns = self._difference()
        jump_ns, self._ahead_ns = ahead_ns - self._ahead_ns, ahead_ns
        if abs(jump_ns) < _JUMP_NS:
            return 0
        self._settled_at = self._monotonic() + SETTLE_S
        return jump_ns // _NS

    def wants(self, in_force_ns: int | None) -> tuple[bool, int | None]:
        """Whether the session is to be up, and when the one began that its numbers are to belong to.

        `in_force_ns` is when the session began that they belong to now, None when there was none yet.
        """
        began_ns = self._schedule.session_at(self._now_ns())
        if began_ns is None:
            return False, in_force_ns
        if in_force_ns is None or began_ns == in_force_ns:
            return True, began_ns
        if began_ns < in_force_ns:
            return True, in_force_ns
        return (False, in_force_ns) if self._monotonic() < self._settled_at else (True, began_ns)

    def moved(self, in_force_ns: int | None, began_ns: int) -> dict[str, str]:
        """When the session in force began and when the one that takes its place, where that is sooner than sessions of
        the schedule follow one another: it was changed meanwhile. Nothing where it begins in its time.
        """
        if in_force_ns is None or self._schedule.follow(in_force_ns, began_ns):
            return {}
        before, now = (datetime.fromtimestamp(each // _NS, UTC).isoformat() for each in (in_force_ns, began_ns))
        return {"in_force_since": before, "begins": now}


def schedule_of(config: ScheduleConfig) -> Schedule:
    """The schedule that a configuration describes."""
    weekly = bool(config.start_day and config.end_day)
    return Schedule(
        start=time.fromisoformat(config.start),
        end=time.fromisoformat(config.end),
        time_zone=config.time_zone,
        start_day=_WEEK.index(config.start_day) if weekly else None,
        end_day=_WEEK.index(config.end_day) if weekly else None,
    )
