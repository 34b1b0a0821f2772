"""Clients whose orders are canceled when they are away: they go, and come back."""

from typing import TYPE_CHECKING

from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.world import World


class Absence:
    """One client's: now and then in trouble, and with `last` once more when it is over, until nothing of it works."""

    def __init__(self, world: "World", client: "Client") -> None:
        self.client = client
        self.last = world.plan.last_away
        self._world = world
        self._chance = world.scheduler.stream(f"absence {client.name}")
        self._act()

    def _act(self) -> None:
        self._world.scheduler.at(self._chance.randrange(300 * MS, 2 * S), "", self._act)
        if self.client.away:
            return
        if self._world.trouble:
            if self._chance.random() < 0.3 and self.client.leave():
                self._world.scheduler.count("client away")
                self._world.scheduler.at(self._chance.randrange(50 * MS, 4 * S), "", self.client.come_back)
        elif self.last and not self.client.to_answer and self.client.leave():
            self.last = False
            self._world.scheduler.count("client away until nothing works")
            self._come_back_when_nothing_works()

    def _come_back_when_nothing_works(self) -> None:
        process = self._world.process
        if process.open and not process.state.working.get(self.client.name):
            self.client.come_back()
        else:
            self._world.scheduler.at(300 * MS, "", self._come_back_when_nothing_works)
