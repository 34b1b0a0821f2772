"""Times of round trips in HdrHistograms, which travel between the processes as text."""

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

LOWEST_NS, HIGHEST_NS, DIGITS = 1_000, 60_000_000_000, 3


def histogram(times_ns: Iterable[int] = ()) -> HdrHistogram:
    """A histogram of these times. What is out of its range counts at the range's end."""
    made = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for time_ns in times_ns:
        made.record_value(min(max(time_ns, LOWEST_NS), HIGHEST_NS))
    return made


def to_text(given: HdrHistogram) -> str:
    """As it stands in a line of JSON."""
    return str(given.encode().decode())


def from_text(text: str) -> HdrHistogram:
    """The histogram of such a text."""
    return HdrHistogram.decode(text)


def merged(given: Iterable[HdrHistogram]) -> HdrHistogram:
    """All of them in one."""
    whole = histogram()
    for each in given:
        whole.add(each)
    return whole


def percentile_us(given: HdrHistogram, percent: float) -> float:
    """So many percent are not above this many microseconds; 100 gives the largest."""
    return float(given.get_value_at_percentile(percent)) / 1_000
