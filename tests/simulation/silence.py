"""Silence is noticed: no request waits unanswered, no comparison runs, and no execution waits for the other one of two
sessions, much longer than its limit.

Measured in true time: the limits of the gateway are those of its wall clock, which may be set.
"""

from typing import TYPE_CHECKING

from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.world import World

GRACE_NS = 4 * S
"""Beside a limit: the turn of the gateway's clock, a slow disk, a process that stands still."""
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
        waits |= {wait: limit_ns + COPY_GRACE_NS for wait, limit_ns in world.reconciliation.waits().items()}
        self._since = {wait: self._since.get(wait, now) for wait in waits}
        for wait, limit_ns in waits.items():
            if now - self._since[wait] > limit_ns:
                world.failed(f"{' '.join(wait)} has heard nothing for {(now - self._since[wait]) // S} s")
