"""The day of risk: when profit and loss begin anew."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.core.events import Event
from gateway.core.risk import events as re
from gateway.core.risk.setup import RiskSetup

_SECOND_NS = 1_000_000_000


def began(setup: RiskSetup, before: str, at_ns: int) -> list[Event]:
    """A new day, when it is a later one than `before`: a clock that is set back over its beginning makes no loss of the
    day forgotten.
    """
    day = day_at(setup, at_ns)
    return [re.RiskDayBegan(day)] if day > before else []


def day_at(setup: RiskSetup, at_ns: int) -> str:
    """The date on which the day that contains this moment began, by the clocks of the time zone."""
    local = datetime.fromtimestamp(at_ns // _SECOND_NS, UTC).astimezone(ZoneInfo(setup.time_zone))
    return (local.replace(tzinfo=None) - timedelta(minutes=setup.day_start)).date().isoformat()
