"""Venues that lose orders or deny them, and what an operator makes of that who has them on the telephone.

An order that its venue has lost stays until the operator calls it canceled. One that the venue only denied works again
when the venue speaks of it.
"""

from typing import TYPE_CHECKING

from gateway.core.commands import RequestOrderStatus, ResolveDoubt, ResolveItem
from gateway.core.events import Cause
from gateway.core.order import Order
from gateway.core.types import DoubtOutcome, ItemKind
from tests.simulation.clients import Call
from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.world import World


class Telephone:
    """An operator who believes what is said, and now and then speaks of the wrong order: that is refused."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.scheduler.stream("telephone")
        self._ended: dict[str, Order] = {}
        if world.plan.lies and world.plan.reconcile:
            world.scheduler.at(1 * S, "", self._act)

    def _act(self) -> None:
        self._world.scheduler.at(self._chance.randrange(200 * MS, 1200 * MS), "", self._act)
        process = self._world.process
        if process.dead or not process.open:
            return
        items, orders = process.state.items.values(), process.state.orders
        about = [item.raised.order_id for item in items if item.raised.kind is ItemKind.ORDER_UNKNOWN]
        unknown = [orders[order_id] for order_id in about if order_id in orders]
        if self._world.trouble:
            self._meddle(unknown)
        else:
            self._mend(unknown)

    def _meddle(self, unknown: list[Order]) -> None:
        if unknown and self._chance.random() < 0.6:
            self._call_canceled(self._chance.choice(unknown))
            return
        state, chance = self._world.process.state, self._chance.random()
        working = [state.orders[order_id] for order_ids in state.working.values() for order_id in order_ids]
        confirmed = [order for order in working if order.acknowledged and not order.unanswered]
        if not confirmed:
            return
        order = self._chance.choice(confirmed)
        venue = self._world.venues[order.venue]
        if chance < 0.1:
            venue.loses(order.first_venue_cl_ord_id)
        elif chance < 0.4:
            venue.denies(order.first_venue_cl_ord_id)
            delay = self._chance.randrange(10 * MS, 400 * MS)
            self._world.scheduler.at(delay, "", self._call_canceled, order)
        elif chance < 0.5:
            self._call_canceled(order)

    def _mend(self, unknown: list[Order]) -> None:
        """What the venue has lost is over, and our sum of its executions the only one; of what it has it is asked until
        it says so.
        """
        for order in unknown:
            if not self._works(order):
                self._call_canceled(order)
        items, orders = self._world.process.state.items, self._world.process.state.orders
        for item_id, item in items.items():
            disputed = orders.get(item.raised.order_id) if item.raised.kind is ItemKind.QUANTITY else None
            if disputed is not None and not self._world.venues[disputed.venue].has(disputed.first_venue_cl_ord_id):
                self._do(ResolveItem("ops", item_id, "they have nothing to compare it with"))
        for order in self._ended.values():
            known = orders.get(order.order_id)
            if self._works(order) and (known is None or not known.working):
                self._do(RequestOrderStatus(order.command.client_id, order.command.cl_ord_id))

    def _works(self, order: Order) -> bool:
        return self._world.venues[order.venue].works(order.first_venue_cl_ord_id)

    def _call_canceled(self, order: Order) -> None:
        self._ended[order.order_id] = order
        self._world.scheduler.count("order called canceled")
        self._do(ResolveDoubt("ops", order.order_id, DoubtOutcome.CANCELED, "they do not have it"))

    def _do(self, command: ResolveDoubt | ResolveItem | RequestOrderStatus) -> None:
        Call(self._world, self._chance, Cause("operator", "ops"), command, lambda _: None)
