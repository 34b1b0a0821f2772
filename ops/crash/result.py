"""What a crash campaign came to: the tally of each stack, and the one line that they all make."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from rich.table import Table


class Times(msgspec.Struct):
    """Seconds from the start of a process to some point, over the cycles."""

    p50: float = 0
    p99: float = 0
    max: float = 0
    count: int = 0


def times(values: Iterable[float]) -> Times:
    """The distribution, by nearest rank."""
    ranked = sorted(values)
    if not ranked:
        return Times()
    p50, p99 = (ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 99))
    return Times(round(p50, 3), round(p99, 3), round(ranked[-1], 3), len(ranked))


class Counts(msgspec.Struct):
    """What is counted in a campaign, and what may not be there."""

    cycles: int = 0
    kills: dict[str, int] = {}
    orders: int = 0
    requests: int = 0
    executions: int = 0
    lost: int = 0
    duplicated: int = 0
    sent_twice: int = 0
    stream_faults: int = 0
    in_doubt: int = 0
    problems: list[str] = []

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or left open."""
        return not self.problems


class Tally(Counts, kw_only=True):
    """One stack so far. `ended` is set in its last one."""

    ready_s: list[float] = []
    open_s: list[float] = []
    ended: bool = False


class Result(Counts, kw_only=True):
    """The line of a campaign. `ready` counts from the start of the gateway's process to its word that it is ready,
    `open` to the first order that each venue took again. The stacks had the seeds from `seed` on. A `note` says what
    was found about its problems afterwards.
    """

    stacks: int = 1
    ready_s: Times
    open_s: Times
    seconds: int
    seed: int
    journal: str
    durability: str = "power"
    note: str = ""


MOST_PROBLEMS = 50


def result(tallies: Iterable[Tally], *, seconds: float, seed: int, journal: str) -> Result:
    """All stacks together."""
    counted = list(tallies)
    kills: Counter[str] = Counter()
    for tally in counted:
        kills.update(tally.kills)
    sums = {name: sum(getattr(tally, name) for tally in counted) for name in _SUMMED}
    return Result(
        **sums,
        kills=dict(kills),
        problems=[line for tally in counted for line in tally.problems][:MOST_PROBLEMS],
        stacks=len(counted),
        ready_s=times(value for tally in counted for value in tally.ready_s),
        open_s=times(value for tally in counted for value in tally.open_s),
        seconds=round(seconds),
        seed=seed,
        journal=journal,
    )


_SUMMED = tuple(field.name for field in msgspec.structs.fields(Counts) if field.type is int)


def table(found: Result) -> Table:
    """The result for people."""
    shown = Table("what", "figure", title="Crash campaign", title_justify="left")
    for name, value in msgspec.to_builtins(found).items():
        if isinstance(value, dict):
            value = "  ".join(f"{key}: {each}" for key, each in value.items())  # noqa: PLW2901
        if name != "problems":
            shown.add_row(name.replace("_", " "), str(value))
    return shown
