"""Instruments: what can be traded, where, and in which steps."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

_SECOND_NS = 1_000_000_000
_DAY_NS = 86_400 * _SECOND_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class TradingSession(msgspec.Struct, frozen=True):
    """When a market takes day orders: local times of `time_zone` (IANA name), on `days` ("mon" to "sun").

    `close` before `open` means that the session runs past midnight and belongs to the day on which it opened.
    `auctions` are the times from the beginning to the end of each call: of a session past midnight, one that begins
    before the open belongs to the next morning.
    """

    name: str
    time_zone: str
    open: time
    close: time
    days: tuple[str, ...] = _WEEK[:5]
    auctions: tuple[tuple[time, time], ...] = ()

    def is_open(self, at_ns: int) -> bool:
        """True when `at_ns` (nanoseconds since the epoch, UTC) lies inside the session; the open counts, the close
        does not.
        """
        return any(start <= at_ns < end for start, end in _windows(self, at_ns // _DAY_NS))

    def in_auction(self, at_ns: int) -> bool:
        """True when `at_ns` lies inside an auction's call; its begin counts, its end does not."""
        return bool(self.auctions) and any(start <= at_ns < end for start, end in _calls(self, at_ns // _DAY_NS))


@lru_cache(maxsize=256)
def _windows(session: TradingSession, utc_day: int) -> tuple[tuple[int, int], ...]:
    """The session's windows, in nanoseconds since the epoch, that can touch one UTC day."""
    zone = ZoneInfo(session.time_zone)
    return tuple([_span(day, session.open, session.close, zone) for day in _days(session, utc_day, zone)])


@lru_cache(maxsize=256)
def _calls(session: TradingSession, utc_day: int) -> tuple[tuple[int, int], ...]:
    """The same of its auctions."""
    zone = ZoneInfo(session.time_zone)
    over_night = session.close <= session.open
    return tuple(
        [
            _span(day + timedelta(days=1) if over_night and begin < session.open else day, begin, end, zone)
            for day in _days(session, utc_day, zone)
            for begin, end in session.auctions
        ]
    )


def _days(session: TradingSession, utc_day: int, zone: ZoneInfo) -> list[date]:
    middle = datetime.fromtimestamp(utc_day * 86_400, UTC).astimezone(zone).date()
    days = [middle + timedelta(days=step) for step in (-2, -1, 0, 1)]
    return [day for day in days if _WEEK[day.weekday()] in session.days]


def _span(day: date, begin: time, end: time, zone: ZoneInfo) -> tuple[int, int]:
    last = day if end > begin else day + timedelta(days=1)
    return moment_ns(day, begin, zone), moment_ns(last, end, zone)


def moment_ns(day: date, local: time, zone: ZoneInfo) -> int:
    """The moment of a local time, in nanoseconds since the epoch, UTC: the first one when it comes twice, and the end
    of the gap when it does not come.
    """
    first = datetime.combine(day, local, zone)
    early, late = _epoch_ns(first.replace(fold=1)), _epoch_ns(first)
    # With the offset after a gap the time is too early, with the one before it too late.
    return late if early >= late else _end_of_gap(early // _SECOND_NS, late // _SECOND_NS, zone) * _SECOND_NS


def _end_of_gap(early_s: int, late_s: int, zone: ZoneInfo) -> int:
    """When the clocks change between two moments, in seconds since the epoch: the first one that is after it."""
    before = datetime.fromtimestamp(early_s, zone).utcoffset()
    while late_s - early_s > 1:
        middle_s = (early_s + late_s) // 2
        if datetime.fromtimestamp(middle_s, zone).utcoffset() == before:
            early_s = middle_s
        else:
            late_s = middle_s
    return late_s


def _epoch_ns(moment: datetime) -> int:
    """Exactly: a float of seconds would blur the last microsecond."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


class Instrument(msgspec.Struct, frozen=True):
    """One tradable thing under the gateway's own symbol.

    `venue_symbols` maps a venue's name to Symbol(55) there; the first venue in it is the primary one unless
    `primary_venue` says otherwise. `tick_size` and `lot_size` are the steps of prices and quantities, `multiplier`
    the value of one point per unit in `currency`.
    """

    symbol: str
    venue_symbols: dict[str, str]
    primary_venue: str
    tick_size: Decimal
    lot_size: Decimal
    currency: str
    multiplier: Decimal = Decimal(1)
    trading_session: TradingSession | None = None
