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
    """What is counted in a campaign, and what may not be there.

    `standing` are orders that stand otherwise in one account than in another. `from_snapshot` counts the starts of the
    gateway that had a snapshot to begin at, `retired` and `recalled` the orders that left memory and came back,
    `archived` the stretches of journal that went into an archive, `from_nothing` the starts of a new interpreter,
    `over_unix` the clients on the Unix socket, `process_stacks` the stacks whose commits were not fsynced.
    """

    cycles: int = 0
    kills: dict[str, int] = {}
    orders: int = 0
    requests: int = 0
    executions: int = 0
    lost: int = 0
    duplicated: int = 0
    sent_twice: int = 0
    stream_faults: int = 0
    standing: int = 0
    in_doubt: int = 0
    from_snapshot: int = 0
    retired: int = 0
    recalled: int = 0
    archived: int = 0
    follower_kills: int = 0
    from_nothing: int = 0
    over_unix: int = 0
    process_stacks: int = 0
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
    `open` to the first order that each venue took again. The stacks had the seeds from `seed` on. `starts` says whether
    a start is that of a new "interpreter" or is "forked" from one; only such are in `ready_s` then. A `note` says what
    was found about the campaign afterwards.
    """

    stacks: int = 1
    ready_s: Times
    open_s: Times
    seconds: int
    seed: int
    journal: str
    durability: str = "power"
    starts: str = "interpreter"
    note: str = ""


MOST_PROBLEMS = 50


def result(
    tallies: Iterable[Tally], *, seconds: float, seed: int, journal: str, problems: Iterable[str] = ()
) -> Result:
    """All stacks together; `problems` are those of no stack."""
    counted = list(tallies)
    kills: Counter[str] = Counter()
    for tally in counted:
        kills.update(tally.kills)
    sums = {name: sum(getattr(tally, name) for tally in counted) for name in _SUMMED}
    return Result(
        **sums,
        kills=dict(kills),
        problems=[*problems, *(line for tally in counted for line in tally.problems)][:MOST_PROBLEMS],
        stacks=len(counted),
        ready_s=times(value for tally in counted for value in tally.ready_s),
        open_s=times(value for tally in counted for value in tally.open_s),
        seconds=round(seconds),
        seed=seed,
        journal=journal,
        durability=_durability(sums["process_stacks"], len(counted)),
        starts="forked",
    )


def _durability(process_stacks: int, stacks: int) -> str:
    if 0 < process_stacks < stacks:
        return "power, process"
    return "process" if process_stacks else "power"


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
