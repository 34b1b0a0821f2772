"""The highest rate that is sustained: everything is answered, and the 99th percentile stays below 5 ms.

Rates double until one fails, then the gap is halved; the rate that is left has to hold once more, or the search steps
down. A rate that failed narrowly is tried again: the machine hesitates now and then.
"""

import math
from collections.abc import Generator

import msgspec

from tests.bench.e2e.contestants import Contestant
from tests.bench.e2e.load import Slice
from tests.bench.e2e.rounds import Entry, Result, Say, measured

P99_LIMIT_US = 5_000.0
_STEP_DOWN, _STEPS_DOWN = 0.75, 6
_HIGHEST = 64_000
_NARROWLY = 4


class Search(msgspec.Struct, frozen=True):
    """From where, how finely, and how long each try takes."""

    first: int = 1_000
    precision: float = 0.1
    seconds: float = 1.0
    warm_up_s: float = 0.3
    confirmations: int = 2


Rates = Generator[float, float, float]
"""Gives rates to try, gets how much of the limit each needed, and returns the highest that held; 0.0 when none."""


def rates(search: Search) -> Rates:
    """The order in which rates are tried."""
    good, bad = 0.0, float(search.first)
    while bad <= _HIGHEST and (yield from _held(bad)):
        good, bad = bad, bad * 2
    while bad - good > max(good, search.first / 2) * search.precision:
        middle = (good + bad) / 2
        if (yield from _held(middle)):
            good = middle
        else:
            bad = middle
    for _ in range(_STEPS_DOWN):
        if good < 1:
            break
        if (yield from _confirmed(good, search.confirmations)):
            return good
        good *= _STEP_DOWN
    return 0.0


def _confirmed(rate: float, times: int) -> Generator[float, float, bool]:
    for _ in range(times):
        if not (yield from _held(rate)):
            return False
    return True


def _held(rate: float) -> Generator[float, float, bool]:
    needed = yield rate
    if 1 < needed <= _NARROWLY:
        needed = yield rate
    return needed <= 1


class Sustained(msgspec.Struct):
    """What was found for one contestant: the highest rate, and what the last try of it showed."""

    rate: float = 0.0
    tries: int = 0
    p99_us: float = 0.0
    cpu_us: dict[str, float] = {}


def highest(contestants: list[Contestant], search: Search, say: Say) -> dict[str, Sustained]:
    """The highest rate of each, by trying one rate of each in turns."""
    found = {contestant.name: Sustained() for contestant in contestants}
    searches = {contestant.name: rates(search) for contestant in contestants}
    asked = {name: next(each) for name, each in searches.items()}
    while asked:
        for contestant in [each for each in contestants if each.name in asked]:
            name = contestant.name
            rate = asked[name]
            say(f"{name} at {rate:,.0f}/s")
            result = measured(Entry(contestant, _slice(search, rate)), contestants)
            found[name].tries += 1
            if (needed := _needed(result)) <= 1:
                found[name].p99_us, found[name].cpu_us = result.round_trip["p99"], result.cpu_us
            try:
                asked[name] = searches[name].send(needed)
            except StopIteration as end:
                found[name].rate = end.value
                del asked[name]
    return found


def _needed(result: Result) -> float:
    """How much of the limit; without bound when something was not answered."""
    return result.round_trip["p99"] / P99_LIMIT_US if result.done == result.sent else math.inf


def _slice(search: Search, rate: float) -> Slice:
    return Slice(rate=rate, seconds=search.seconds, warm_up_s=search.warm_up_s, batch=True, patience_s=1.5)
