"""Slices of all contestants in turns, and what becomes of them: medians with their range, and ratios within a round.

The speed of a small shared machine changes by a factor of two within seconds. So a slice is short, the contestants
follow each other closely, each round begins with another one, and a ratio compares slices of one round only.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import msgspec
from hdrh.histogram import HdrHistogram

from tests.bench.e2e import histograms, machine
from tests.bench.e2e.contestants import Contestant
from tests.bench.e2e.load import Slice

QUIET_S, FOLLOWED_S = 2.0, 0.25
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}

Say = Callable[[str], None]


class Spread(msgspec.Struct, frozen=True):
    """The median of some values, with the smallest and the largest."""

    median: float
    low: float
    high: float


class Result(msgspec.Struct):
    """What one slice showed. Times are in microseconds; `cpu_us` is for each order, by what the process is.
    `elsewhere_pct` is the share of the machine that processes had which do not belong to it, and the machine's host.
    """

    sent: int
    done: int
    refused: int
    round_trip: dict[str, float]
    order_to_wire: dict[str, float]
    cpu_us: dict[str, float]
    yardstick_ms: float
    elsewhere_pct: float
    histogram: HdrHistogram


class Figures(msgspec.Struct, frozen=True):
    """What all slices of one kind showed."""

    slices: int
    sent: int
    done: int
    round_trip: dict[str, Spread]
    whole: dict[str, float]
    order_to_wire: dict[str, Spread]
    cpu_us: dict[str, Spread]


class Weather(msgspec.Struct, frozen=True):
    """How fast the machine was, and how much of it others had."""

    yardstick_ms: Spread
    elsewhere_pct: Spread


class Entry(msgspec.Struct, frozen=True):
    """A kind of slice: whose, and what is sent."""

    contestant: Contestant
    asked: Slice


Rounds = Sequence[Mapping[str, Result]]
"""The results of each round, by the name of the entry."""


def spread(values: Iterable[float]) -> Spread:
    """The median of these, and their range."""
    ranked = sorted(values)
    return Spread(median(ranked), ranked[0], ranked[-1])


def alternated(entries: Mapping[str, Entry], rounds: int, say: Say, what: str = "") -> list[dict[str, Result]]:
    """So many rounds of all entries, each round from another one on. `what` is said of them."""
    everybody = {entry.contestant.name: entry.contestant for entry in entries.values()}
    names, found = list(entries), []
    for number in range(rounds):
        first = number % len(names)
        results = {}
        for name in names[first:] + names[:first]:
            say(f"{what}round {number + 1} of {rounds}: {name}")
            results[name] = measured(entries[name], everybody.values())
        found.append(results)
    return found


def measured(entry: Entry, everybody: Iterable[Contestant]) -> Result:
    """One slice, when nobody has anything left to do."""
    contestant = entry.contestant
    machine.until_quiet([pid for each in everybody for pid in each.pids], QUIET_S)
    yardstick_ms, times = machine.yardstick_ms(), contestant.times
    count, roles = times.count if times else 0, contestant.pids
    before, busy_s, began = machine.used(roles), machine.busy_s(), time.monotonic()
    done = contestant.run(entry.asked)
    # A follower looks into the journal from time to time; what it has left to do then is part of the price.
    machine.until_quiet(roles, QUIET_S, FOLLOWED_S if "follower" in roles.values() else 0.05)
    orders = done.orders or round(entry.asked.rate * (entry.asked.warm_up_s + entry.asked.seconds))
    cpu_us = dict.fromkeys(roles.values(), 0.0)
    spent = {pid: max(0.0, after - before[pid]) for pid, after in machine.used(roles).items()}
    elsewhere_s = max(0.0, machine.busy_s() - busy_s - sum(spent.values()))
    for pid, ours in spent.items():
        cpu_us[roles[pid]] += ours * 1e6 / max(1, orders)
    counted = histograms.from_text(done.histogram)
    inside = histograms.histogram(times.since(count)[orders - done.sent :] if times else ())
    return Result(
        done.sent,
        done.done,
        done.refused,
        _percentiles(counted),
        _percentiles(inside) if times else {},
        cpu_us,
        yardstick_ms,
        100 * elsewhere_s / (time.monotonic() - began) / (os.cpu_count() or 1),
        counted,
    )


def _percentiles(given: HdrHistogram) -> dict[str, float]:
    return {name: histograms.percentile_us(given, percent) for name, percent in PERCENTILES.items()}


def figures(rounds: Rounds, name: str) -> Figures:
    """All slices of one entry."""
    results = [each[name] for each in rounds]
    return Figures(
        slices=len(results),
        sent=sum(each.sent for each in results),
        done=sum(each.done for each in results),
        round_trip=_spreads([each.round_trip for each in results]),
        whole=_percentiles(histograms.merged([each.histogram for each in results])),
        order_to_wire=_spreads([each.order_to_wire for each in results]),
        cpu_us=_spreads([each.cpu_us for each in results]),
    )


def _spreads(given: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    return {name: spread(each.get(name, 0.0) for each in given) for name in given[0]}


def ratio(rounds: Rounds, name: str, to: Sequence[str], percentile: str) -> Spread:
    """A round trip as a multiple of the sum of others' in the same round."""
    return spread(
        results[name].round_trip[percentile] / sum(results[other].round_trip[percentile] for other in to)
        for results in rounds
    )


def weather(rounds: Iterable[Rounds]) -> Weather:
    """Over all slices."""
    results = [result for some in rounds for each in some for result in each.values()]
    return Weather(spread(each.yardstick_ms for each in results), spread(each.elsewhere_pct for each in results))
