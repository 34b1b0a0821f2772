"""Reconciliation items: the differences between our books, a venue's and its drop copy's, each open until it is so no
more or an operator has dealt with it.

What raises an item is a generator of events: each event is applied before the next is decided (see `engine.execute`).
"""

from collections.abc import Iterator

from gateway.core import events as ev
from gateway.core.money import ZERO
from gateway.core.order import Order
from gateway.core.state import Item, State
from gateway.core.types import ItemKind, Severity

MAX_OPEN = 10_000
"""How many items are open at most (rule 7). Beyond it a venue has one TOO_MANY instead of one for each difference."""

SEVERITY = {
    ItemKind.QUANTITY: Severity.CRITICAL,
    ItemKind.STATUS: Severity.CRITICAL,
    ItemKind.TERMS: Severity.CRITICAL,
    ItemKind.ORDER_UNKNOWN: Severity.CRITICAL,
    ItemKind.ORDER_EXTERNAL: Severity.WARNING,
    ItemKind.REPORT_UNKNOWN: Severity.WARNING,
    ItemKind.REPORT_WAITING: Severity.CRITICAL,
    ItemKind.EXECUTION_MISSING: Severity.CRITICAL,
    ItemKind.EXECUTION_UNCONFIRMED: Severity.WARNING,
    ItemKind.SEQUENCE_RESET: Severity.CRITICAL,
    ItemKind.NOT_ANSWERED: Severity.CRITICAL,
    ItemKind.TOO_MANY: Severity.CRITICAL,
}


def name(kind: ItemKind, venue: str, subject: str = "", execution: str = "") -> str:
    """What an item is about: of each there is one open item at most. `subject` is our order, or the venue's OrderID(37)
    of one that is not ours; `execution` the key of a report.
    """
    return f"{kind}|{venue}|{subject}|{execution}"


def name_of(raised: ev.ItemRaised) -> str:
    """What the item is about. Each report that waits has an item of its own."""
    execution = f"{raised.trade_date}:{raised.exec_id}" if raised.exec_id else ""
    execution = f"event {raised.set_aside_seq}" if raised.set_aside_seq else execution
    return name(raised.kind, raised.venue, raised.order_id or raised.venue_order_id, execution)


def find(state: State, kind: ItemKind, venue: str, subject: str = "", execution: str = "") -> str:
    """The item_id of the open item about this; empty when there is none."""
    return state.item_names.get(name(kind, venue, subject, execution), "") if state.items else ""


def raise_(
    state: State,
    kind: ItemKind,
    venue: str,
    text: str,
    *,
    severity: Severity | None = None,
    order: Order | None = None,
    order_id: str = "",
    venue_order_id: str = "",
    exec_id: str = "",
    trade_date: str = "",
    ours: object = "",
    theirs: object = "",
    set_aside_seq: int = 0,
) -> Iterator[ev.ItemRaised]:
    """A difference, unless an item about it is open already; TOO_MANY when there are too many of them.

    An order of ours is named by itself or by its order_id, one that is not ours by the venue's OrderID(37).
    """
    raised = ev.ItemRaised(
        f"{state.id_prefix}I{state.last_item_no + 1}",
        venue,
        kind,
        severity or SEVERITY[kind],
        text,
        order_id=order.order_id if order is not None else order_id,
        venue_order_id=order.venue_order_id if order is not None else venue_order_id,
        exec_id=exec_id,
        trade_date=trade_date,
        ours=str(ours),
        theirs=str(theirs),
        set_aside_seq=set_aside_seq,
    )
    if name_of(raised) in state.item_names:
        return
    if len(state.items) >= MAX_OPEN and kind is not ItemKind.TOO_MANY:
        yield from raise_(
            state,
            ItemKind.TOO_MANY,
            venue,
            f"{MAX_OPEN} items are open; further differences at {venue} are in the journal, but have no item",
        )
        return
    yield raised


def resolve(
    state: State, text: str, kind: ItemKind, venue: str, subject: str = "", execution: str = ""
) -> Iterator[ev.ItemResolved]:
    """The difference is no more: evidence says so."""
    item_id = find(state, kind, venue, subject, execution)
    if item_id:
        yield ev.ItemResolved(item_id, venue, text)


def waiting(state: State) -> list[ev.ItemRaised]:
    """The items of reports that wait until what they speak of can be read, oldest first."""
    return [item.raised for item in state.items.values() if item.raised.set_aside_seq]


def open_at(state: State, venue: str) -> list[Item]:
    """The venue's open items, oldest first."""
    return [item for item in state.items.values() if item.raised.venue == venue]


# --- Changing ---


def item_raised(state: State, event: ev.ItemRaised, at_ns: int) -> None:
    """The item is open."""
    state.last_item_no += 1
    state.items[event.item_id] = Item(event, at_ns)
    state.item_names[name_of(event)] = event.item_id


def item_resolved(state: State, event: ev.ItemResolved, _: int) -> Order | None:
    """The item is closed. An operator who settles a quantity takes our own sum of executions for right."""
    raised = state.items.pop(event.item_id).raised
    state.item_names.pop(name_of(raised), None)
    order = state.orders.get(raised.order_id)
    if raised.kind is not ItemKind.QUANTITY or order is None:
        return None
    order.disputed, order.disputed_cum_qty = False, ZERO
    return order
