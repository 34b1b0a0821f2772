"""A client's mass cancel: one OrderCancelRequest(35=F) for each order of its that is meant, so that each has its proof.

Not more than `CANCELS_AT_ONCE` go with the command: venues and other clients have to be heard in between. The others go
with the clock's next turns. Which orders they are is written down with the command's answer, so a restart goes on where
the process before it ended, and no order gets its cancel twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.core import events as ev
from gateway.core import lost, retention
from gateway.core.commands import MassCancel
from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.risk.events import MassCancelSent
from gateway.core.sessions import request_id
from gateway.core.state import MassCanceling, Settings, State

CANCELS_AT_ONCE = 1_000
"""How many cancels one input gives at most."""


def decide(state: State, settings: Settings, command: MassCancel) -> list[Event]:
    """The first cancels, and the answer: how many orders are canceled, which of them later, and which are not because
    they cannot be reached. An order that an earlier mass cancel still has to come to gets its cancel from that one.
    """
    promised = _promised(state, command.client_id)
    reachable: list[Order] = []
    skipped: list[str] = []
    asked_before = 0
    for order in state.working_orders(command.client_id):
        if not _fits(order, command):
            continue
        if order.order_id in promised:
            asked_before += 1
        elif _takes_a_cancel(state, settings, order):
            reachable.append(order)
        else:
            skipped.append(order.order_id)
    later = tuple([order.order_id for order in reachable[CANCELS_AT_ONCE:]])
    cancels = _cancels(state, command, reachable[:CANCELS_AT_ONCE], 0, 0)
    return [*cancels, ev.MassCancelDone(command, asked_before + len(reachable), tuple(skipped), later)]


def timer(state: State, settings: Settings, before: Sequence[Event]) -> list[Event]:
    """The next cancels of each mass cancel that is under way, each its part. The requests among the events `before` in
    this turn of the clock have their IDs already.
    """
    under_way = [each for mass_cancels in state.mass_cancels.values() for each in mass_cancels.values()]
    ahead = sum(isinstance(event, (ev.CancelRequested, MassCancelSent)) for event in before)
    events: list[Event] = []
    for each in under_way:
        part = max(1, min(CANCELS_AT_ONCE // len(under_way), CANCELS_AT_ONCE - len(events)))
        orders = [order for _, order in zip(range(part), _left(state, settings, each), strict=False)]
        events += _cancels(state, each.command, orders, each.last_no, ahead + len(events))
        if len(events) >= CANCELS_AT_ONCE:
            break
    return events


def due(state: State, settings: Settings) -> bool:
    """Whether the clock's next turn would send a cancel: then it should come soon."""
    under_way = (each for mass_cancels in state.mass_cancels.values() for each in mass_cancels.values())
    return any(next(_left(state, settings, each), None) is not None for each in under_way)


def _promised(state: State, client_id: str) -> set[str]:
    """The client's orders that a mass cancel still has to come to."""
    under_way = state.mass_cancels.get(client_id, {}).values()
    return {order_id for each in under_way for left in each.left.values() for order_id in left}


def _left(state: State, settings: Settings, each: MassCanceling) -> Iterator[Order]:
    """Those that can be canceled now. Those of a venue that went away meanwhile wait until it is back."""
    for venue, left in each.left.items():
        if state.session(venue).up:
            orders = map(state.orders.__getitem__, left)
            yield from (order for order in orders if _takes_a_cancel(state, settings, order))


def _takes_a_cancel(state: State, settings: Settings, order: Order) -> bool:
    return state.session(order.venue).up and len(order.unanswered) < 2 * settings.max_unanswered_per_order


def _fits(order: Order, command: MassCancel) -> bool:
    has = order.command
    return (
        (not command.account or command.account == has.account)
        and (not command.strategy or command.strategy == has.strategy)
        and (not command.symbol or command.symbol == has.symbol)
        and (not command.venue or command.venue == order.venue)
        and (not command.side or command.side == has.side)
    )


def _cancels(state: State, command: MassCancel, orders: Iterable[Order], last_no: int, ahead: int) -> list[Event]:
    """One for each. Its ClOrdID is the mass cancel's own with a number, passing over any that the client has used."""
    events: list[Event] = []
    for order in orders:
        last_no += 1
        while retention.is_spent(state, command.client_id, name := f"{command.cl_ord_id}.{last_no}"):
            last_no += 1
        key = request_id(state, ahead + len(events) + 1)
        orig = lost.orig_of_cancel(state, order)
        events.append(ev.CancelRequested(order.order_id, order.venue, name, key, orig, command))
    return events


# --- Changing ---


def _done(state: State, event: ev.MassCancelDone, at_ns: int) -> None:
    retention.answered(state, event, at_ns)
    if not event.later:
        return
    command, left = event.command, dict[str, dict[str, None]]()
    for order_id in event.later:
        left.setdefault(state.orders[order_id].venue, {})[order_id] = None
    of_client = state.mass_cancels.setdefault(command.client_id, {})
    of_client[command.cl_ord_id] = MassCanceling(command, event.requested - len(event.later), left)


def canceled(state: State, order: Order, event: ev.CancelRequested) -> None:
    """A cancel is sent: when it is one of a mass cancel that is under way, that has come to this order."""
    under_way = state.mass_cancels.get(event.command.client_id, {}).get(event.command.cl_ord_id)
    if under_way is not None and under_way.command == event.command:
        under_way.last_no = int(event.cl_ord_id.rpartition(".")[2])
        ended(state, order)


def ended(state: State, order: Order) -> None:
    """No mass cancel has to come to this order any more."""
    client_id, order_id, venue = order.command.client_id, order.order_id, order.venue
    of_client = state.mass_cancels.get(client_id, {})
    for name, under_way in [*of_client.items()]:
        left = under_way.left.get(venue, {})
        if order_id not in left:
            continue
        del left[order_id]
        if not left:
            del under_way.left[venue]
        if not under_way.left:
            del of_client[name]
    if not of_client:
        state.mass_cancels.pop(client_id, None)


APPLY: dict[type, Callable[[State, ev.MassCancelDone, int], None]] = {ev.MassCancelDone: _done}
