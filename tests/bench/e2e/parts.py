"""The parts of a run. Each starts what it needs, measures, and stops it."""

import gc
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from ops.stack import NotReady
from tests.bench import codec, core_lives, recovery, risk
from tests.bench.e2e import machine
from tests.bench.e2e.configurations import Gateway
from tests.bench.e2e.contestants import Contestant
from tests.bench.e2e.field import BRIDGE, FLOORS, gateway, started, taking_part
from tests.bench.e2e.load import Slice
from tests.bench.e2e.plan import Plan
from tests.bench.e2e.rounds import (
    Entry,
    Figures,
    Rounds,
    Say,
    Spread,
    Weather,
    alternated,
    figures,
    ratio,
    spread,
    weather,
)
from tests.bench.e2e.sustained import Sustained, highest

FILLED_AT_ONCE, FILLED_WITHIN_S = 2_000, 30.0


class Row(msgspec.Struct, frozen=True):
    """One contestant's figures, and what multiple of others' in the same round its round trips are: of the bridge's
    ("bridge"), of both floors' together ("floors"), of the first row's ("first").
    """

    figures: Figures
    ratios: dict[str, dict[str, Spread]] = {}


Rows = dict[str, Row]


class RoundTrips(msgspec.Struct, frozen=True):
    """Rows by contestant, by rate; and the memory of each at the end, in MiB by what the process is."""

    rates: dict[str, Rows]
    memory_mib: dict[str, dict[str, float]]
    weather: Weather


class Contest(msgspec.Struct, frozen=True):
    """What the contestants of one field showed."""

    round_trips: RoundTrips
    sustained: dict[str, Sustained]


def contest(plan: Plan, folder: Path, say: Say) -> Contest:
    """Round trips at fixed rates, and the highest rates."""
    say("starting the contestants")
    with taking_part([*plan.contestants, *plan.others], folder) as found:
        trips = _round_trips(plan, found, say)
        searched = [found[name] for name in plan.searched]
        return Contest(trips, highest(searched, plan.search, say) if plan.search else {})


def _round_trips(plan: Plan, found: Mapping[str, Contestant], say: Say) -> RoundTrips:
    rates, everything = {}, []
    for rate in plan.rates:
        names = [*plan.contestants, *(plan.others if rate == plan.compared_at else ())]
        entries = {name: Entry(found[name], _slice(plan, rate)) for name in names}
        rounds = alternated(
            entries, plan.rounds if rate == plan.compared_at else plan.other_rounds, say, f"{rate:,}/s, "
        )
        rates[str(rate)] = rows(rounds, {BRIDGE: [BRIDGE], "floors": FLOORS})
        everything.append(rounds)
    memory = {name: memory_mib(each) for name, each in found.items()}
    return RoundTrips(rates, memory, weather(everything))


def rows(rounds: Rounds, bases: Mapping[str, Any]) -> Rows:
    """Every entry of these rounds with its ratios, as far as those that it is compared with took part."""
    there = {base: names for base, names in bases.items() if set(names) <= set(rounds[0])}
    return {
        name: Row(
            figures(rounds, name),
            {
                base: {percentile: ratio(rounds, name, names, percentile) for percentile in ("p50", "p99")}
                for base, names in there.items()
            },
        )
        for name in rounds[0]
    }


def memory_mib(contestant: Contestant) -> dict[str, float]:
    """What its processes hold now, by what they are."""
    found: dict[str, float] = {}
    for pid, role in contestant.pids.items():
        found[role] = found.get(role, 0.0) + machine.rss_mib(pid)
    return found


def _slice(plan: Plan, rate: int, **more: Any) -> Slice:
    return Slice(rate=rate, seconds=plan.seconds, warm_up_s=plan.warm_up_s, **more)


# --- What a gateway costs against what it holds and serves ---


def open_orders(plan: Plan, folder: Path, say: Say) -> Rows:
    """The same load beside more and more open orders. What a slice adds is canceled after it."""
    makes = {str(count): gateway(str(count), Gateway()) for count in plan.open_orders}
    with started(makes, folder) as found:
        for name, contestant in found.items():
            _fill(contestant, int(name), plan.fill_rate, say)
        asked = _slice(plan, plan.steady_rate, cancel=True)
        rounds = alternated({name: Entry(each, asked) for name, each in found.items()}, plan.other_rounds, say)
    return rows(rounds, {"first": [next(iter(makes))]})


def _fill(contestant: Contestant, count: int, rate: int, say: Say) -> None:
    """Open so many orders, some at a time and no faster than they are answered.

    Raises:
        NotReady: some were not answered.
    """
    for opened in range(0, count, FILLED_AT_ONCE):
        say(f"opening {count:,} orders: {opened:,}")
        more = min(FILLED_AT_ONCE, count - opened)
        done = contestant.run(Slice(rate=rate, seconds=more / rate, batch=True, patience_s=FILLED_WITHIN_S))
        if done.done < more:
            raise NotReady(f"{more - done.done} of {more} orders were not answered")


def clients(plan: Plan, folder: Path, say: Say) -> Rows:
    """The same load from more and more clients, each with a stream of its own."""
    with started({"clients": gateway("clients", Gateway())}, folder) as found:
        one = found["clients"]
        one.run(_slice(plan, plan.steady_rate, clients=max(plan.clients)))  # So that all are connected.
        entries = {str(count): Entry(one, _slice(plan, plan.steady_rate, clients=count)) for count in plan.clients}
        rounds = alternated(entries, plan.other_rounds, say)
    return rows(rounds, {"first": [str(plan.clients[0])]})


def sessions(plan: Plan, folder: Path, say: Say) -> Rows:
    """The same load to more and more FIX sessions of one gateway."""
    makes = {str(count): gateway(str(count), Gateway(sessions=count)) for count in plan.sessions}
    with started(makes, folder) as found:
        asked = _slice(plan, plan.steady_rate)
        rounds = alternated({name: Entry(each, asked) for name, each in found.items()}, plan.other_rounds, say)
    return rows(rounds, {"first": [next(iter(makes))]})


# --- Parts of the gateway by themselves ---


def core(plan: Plan, say: Say) -> Spread:
    """Complete lives of orders per second of the processor."""
    say("the core alone")
    gc.collect()
    gc.disable()
    found = spread(plan.lives / core_lives.lived(plan.lives)[1] for _ in range(plan.lives_times))
    gc.enable()
    return found


def risk_us(plan: Plan, say: Say) -> dict[str, float]:
    """The median of all risk checks of one order in microseconds, by the number of open orders."""
    found = {}
    for count in plan.risk_open:
        say(f"risk checks with {count:,} open orders")
        found[str(count)] = median(checked for checked, _ in risk.measure(count, 2_000)) / 1_000
    return found


def codecs(plan: Plan, say: Say) -> dict[str, dict[str, codec.Slices]]:
    """Microseconds for a message, by what is done and who does it."""
    say("the codecs alone")
    return codec.measure(plan.codec_s) if plan.codec_s else {}


def recoveries(plan: Plan, say: Say) -> list[recovery.Growth]:
    """Restarts at growing sizes of the journal."""
    found = []
    for events in plan.recovery:
        say(f"recovery of {events:,} events")
        found.append(recovery.measured(events))
    return found
