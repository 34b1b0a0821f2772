"""A world where what has ended leaves memory."""

import msgspec

from gateway.core import events as ev
from gateway.core import retention
from gateway.core.events import Cause, Record
from gateway.core.order import Order
from gateway.core.reports import TimerFired
from gateway.runtime.retired import recalled
from tests.core.world import PROCESS, SECOND_NS, SETTINGS, World

KEEP_NS = 60 * SECOND_NS
RETIRING = msgspec.structs.replace(SETTINGS, retire_after_ns=KEEP_NS)


class Keeping(World):
    """A world that reads back from its own records what an input wants, as the sequencer does from the journal."""

    def give(self, body: object, cause: Cause) -> list[Record]:
        wanted = retention.wanted(self.state, body)
        if wanted:
            fact = recalled(self.state, wanted, lambda seq: self.records[seq - 1])
            super().give(fact, PROCESS)
            self.now_ns -= 1_000_000  # It is of the same moment.
        return super().give(body, cause)

    def later(self, ns: int = KEEP_NS) -> list[ev.Event]:
        """The clock's next turn, so much later."""
        self.now_ns += ns
        return self.tell(TimerFired())


def filled(world: World, cl_ord_id: str = "1", **changes: object) -> Order:
    made = world.submit(cl_ord_id, **changes)
    world.acknowledge(made)
    world.fill(made, 100, venue_order_id=f"V{cl_ord_id}", exec_id=f"X{cl_ord_id}")
    return made


def known(world: World) -> dict[str, object]:
    """All that memory has of orders and keys."""
    state = world.state
    return {
        "orders": state.orders,
        "keys": {client: keys for client, keys in state.keys.items() if keys},
        "requests": state.by_venue_cl_ord_id,
        "venue": {venue: names for venue, names in state.by_venue_order_id.items() if names},
        "working": {client: orders for client, orders in state.working.items() if orders},
        "disputed": state.disputed,
        "waiting": state.waiting,
        "doubtful": state.doubtful,
    }


NAMES = ("orders", "keys", "requests", "venue", "working", "disputed", "waiting", "doubtful")
NOTHING: dict[str, object] = {name: {} for name in NAMES}
