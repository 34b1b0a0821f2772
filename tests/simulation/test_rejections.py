"""A venue that rejects orders whose replaces it had accepted, and tells the two the other way round."""

from pathlib import Path
from random import Random

import pytest

from gateway.core.events import OrderRejected, OrderReplaced, RequestRejected
from sim_exchange.config import FaultConfig
from sim_exchange.orders import Order
from tests.simulation import plan, stand_in
from tests.simulation.plan import Plan
from tests.simulation.scheduler import MS, S
from tests.simulation.venue import SimVenue
from tests.simulation.world import World

SEEDS = 4
DRAW, ANSWER = plan.draw, SimVenue._answer


def out_of_turn(chance: Random, venues: tuple[str, ...]) -> Plan:
    """Each acceptance of a replace is told after the report that was made next, and nothing else happens."""
    made = DRAW(chance, venues)
    made.trouble_ns, made.clients, made.quota, made.pause_ns = 5 * S, 3, 40, 60 * MS
    made.loss, made.lies, made.stops, made.deaths, made.troubles = 0.0, 0.0, 0.0, [], []
    late = FaultConfig(kind="reorder", exec_type="5", probability=1.0, delay_ms=800)
    made.faults = {venue: [late] for venue in venues}
    return made


def fickle(venue: SimVenue, order: Order) -> None:
    """The desk accepts the replace of an order that it has not accepted, and rejects the order."""
    asked = order.pending[0] if order.pending else None
    if not venue._world.trouble or order.acknowledged or order.cum_qty:
        ANSWER(venue, order)
    elif asked is not None and asked.terms is not None:
        venue._perform("replace_accept", order, cl_ord_id=asked.cl_ord_id)
        venue._perform("reject", order)
    elif asked is not None:
        ANSWER(venue, order)


def test_an_order_that_is_rejected_under_a_name_that_is_told_later_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The rejection may have refused the replace, so the order goes on until a reply says that it is rejected."""
    monkeypatch.setattr(plan, "draw", out_of_turn)
    monkeypatch.setattr(SimVenue, "_answer", fickle)
    ended = 0
    for seed in range(SEEDS):
        with stand_in.simulated():
            world = World(seed, tmp_path / f"{seed}")
            world.run()
        assert not world.failure, f"seed {seed}: {world.failure}"
        told = [record.event for record in world.witness.durable]
        refused = {event.venue_cl_ord_id for event in told if isinstance(event, RequestRejected)}
        accepted = [event for event in told if isinstance(event, OrderReplaced) and event.venue_cl_ord_id in refused]
        replaced = {event.order_id for event in accepted}
        ended += sum(isinstance(event, OrderRejected) and event.order_id in replaced for event in told)
        world.process.kill()
    assert ended >= SEEDS, "it hardly ever happened"
