"""FIX's UTC times to nanoseconds since the epoch and back."""

import re
from datetime import UTC, datetime
from functools import lru_cache

_NS = 1_000_000_000
_LATEST_NS = (1 << 63) - 1
"""In the year 2262: what 64 bits hold, and so the journal, the API and a database."""


class OutOfRange(ValueError):
    """A time that nobody could keep, as the 00010101 of a clock that was never set."""


_TIMESTAMP = re.compile(r"(\d{8})-([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,12}))?", re.ASCII)


def utc_timestamp(ns: int) -> str:
    """UTCTimestamp to the millisecond: 20260102-03:04:05.678."""
    seconds, rest = divmod(ns, _NS)
    return f"{_second(seconds)}.{rest // 1_000_000:03d}"


def parse_utc_timestamp(text: str) -> int:
    """Nanoseconds since the epoch of a UTCTimestamp with any fraction of a second, or none.

    A leap second counts as the next one.

    Raises:
        OutOfRange: it is not between the years 1678 and 2262.
        ValueError: it is none.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("is not a UTCTimestamp (YYYYMMDD-HH:MM:SS)")
    date, hours, minutes, seconds, fraction = match.groups()
    at_s = midnight(date) + int(hours) * 3_600 + int(minutes) * 60 + int(seconds)
    at_ns = at_s * _NS + (int(fraction[:9].ljust(9, "0")) if fraction else 0)
    if abs(at_ns) > _LATEST_NS:
        raise OutOfRange
    return at_ns


@lru_cache(maxsize=64)
def midnight(date: str) -> int:
    """Seconds since the epoch at the start of a UTC day given as YYYYMMDD.

    Raises:
        ValueError: there is no such day.
    """
    if len(date) != 8 or not (date.isascii() and date.isdigit()):
        raise ValueError("is not a date (YYYYMMDD)")
    try:
        day = datetime(int(date[:4]), int(date[4:6]), int(date[6:]), tzinfo=UTC)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None
    return int(day.timestamp())


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")
