"""What the people who administer do for the promises, as the manual has it."""

from pathlib import Path
from random import Random

import pytest

from gateway.core.events import SessionAdministered
from tests.simulation import plan, stand_in
from tests.simulation.plan import Plan, Trouble
from tests.simulation.scheduler import MS, S
from tests.simulation.world import World

SEEDS = 12


class Unheard(set[str]):
    """Venues whose numbers started over: none of them is heard to say so, nor at all for a second from then on."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add(self, venue: str) -> None:
        super().add(venue)
        self._world._strike(Trouble(0, "network down", venue, 1 * S))


def forgetful(chance: Random, venues: tuple[str, ...]) -> Plan:
    """One venue tries to forget its numbers again and again, and nothing else happens."""
    made = DRAW(chance, venues)
    made.trouble_ns, made.clients, made.quota, made.pause_ns = 5 * S, 2, 15, 60 * MS
    made.loss, made.lies, made.deaths, made.faults = 0.0, 0.0, [], {}
    made.troubles = [Trouble(number * 400 * MS, "numbers forgotten", venues[0]) for number in range(2, 12)]
    return made


DRAW = plan.draw


def test_what_a_venue_numbered_anew_unheard_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """faults.md: "a sequence number that is too low". Logged on without new numbers the session would come up in the
    end, and nobody would ever ask for the fills in between.
    """
    monkeypatch.setattr(plan, "draw", forgetful)
    agreed = 0
    for seed in range(SEEDS):
        with stand_in.simulated():
            world = World(seed, tmp_path / f"{seed}")
            world.witness.unheard = Unheard(world)
            world.run()
        assert not world.failure, f"seed {seed}: {world.failure}"
        told = [record.event for record in world.witness.durable]
        agreed += sum(isinstance(event, SessionAdministered) and event.action == "set_sequence" for event in told)
        world.process.kill()
    assert agreed >= SEEDS // 4, "it hardly ever happened"
