"""Silence is noticed: no request waits unanswered, no comparison runs or stays out, no execution waits for the other
one of two sessions, and no process goes on that another took over from, much longer than its limit.

Measured in true time: the limits of the gateway are those of its wall clock, which may be set.
"""

from typing import TYPE_CHECKING

from gateway.core.state import State
from gateway.runtime.sequencer import CONFIRM_S
from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

GRACE_NS = 4 * S
"""Beside a limit: the turn of the gateway's clock, a slow disk, a process that stands still."""
CONFIRM_NS = int(CONFIRM_S * S)
"""How often a process asks whose the journal is."""
COPY_GRACE_NS = 2 * S
"""The same where nobody has to answer."""


class Silence:
    """Looks now and then at what the gateway waits for."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._since: dict[tuple[str, str], int] = {}
        self._look()

    def _look(self) -> None:
        world = self._world
        world.scheduler.at(500 * MS, "", self._look)
        process = world.process
        if process.dead or not process.open or world.disk.full or process.loop.slow_ns:
            self._since.clear()
            return
        state, now = process.state, world.scheduler.now_ns
        waits = {("request", key): 2 * S + GRACE_NS for silent in state.silent.values() for key in silent}
        waits |= {("comparison", f"{run.run} {run.heard_ns}"): 3 * S + GRACE_NS for run in state.runs.values()}
        waits |= {("comparison", f"due after {last}"): 4 * S + COPY_GRACE_NS for last in self._last_comparisons(state)}
        waits |= {("process", f"{each.number}, overtaken,"): CONFIRM_NS + GRACE_NS for each in self._overtaken()}
        waits |= {wait: limit_ns + COPY_GRACE_NS for wait, limit_ns in world.reconciliation.waits().items()}
        self._since = {wait: self._since.get(wait, now) for wait in waits}
        for wait, limit_ns in waits.items():
            if now - self._since[wait] > limit_ns:
                world.failed(f"{' '.join(wait)} has heard nothing for {(now - self._since[wait]) // S} s")

    def _last_comparisons(self, state: State) -> list[str]:
        """Of each venue that is up, is to be compared and is not being compared just now."""
        venues = [venue for venue in self._world.settings.reconcile if state.session(venue).up]
        lasts = {venue: state.last_runs.get(venue) for venue in venues if venue not in state.runs}
        return [f"{last.run if last else 0} of {venue}" for venue, last in lasts.items()]

    def _overtaken(self) -> list["Process"]:
        """Processes that another took over from, and that are awake."""
        now, newest = self._world.scheduler.now_ns, self._world.process
        older = [process for process in self._world.processes if process is not newest and not process.dead]
        return [process for process in older if process.paused_until_ns <= now]
