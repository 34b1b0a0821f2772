"""When a FIX session is to be up: windows in a venue's local time, right across changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gateway.config import ScheduleConfig

_NS = 1_000_000_000
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
            if self.start_day is not None and first.weekday() != self.start_day:
                continue
            begin, finish = self._window(first, zone)
            if begin <= at_ns < finish:
                return begin
        return None

    def _window(self, first: date, zone: ZoneInfo) -> tuple[int, int]:
        days = 0 if self.end > self.start else 1
        if self.start_day is not None and self.end_day is not None:
            days = (self.end_day - self.start_day) % 7
            if days == 0 and self.end <= self.start:
                days = 7
        return _at(first, self.start, zone), _at(first + timedelta(days=days), self.end, zone)


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


def _at(day: date, local: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, local, zone).timestamp()) * _NS
