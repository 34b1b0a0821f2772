"""Retention: what has ended leaves memory, is remembered by name, and comes back when it is needed.

An order that has ended and about which nothing is open leaves memory some time later. All of it, with its keys, is in
the record that says so, and the state keeps a compact index from each of its names to that record. Before an input is
decided that names something which is not in memory, the record is read again and the order is put back (`wanted`,
`remembered`, `recall`): a late bust, a repeated key or a resent fill is treated as if the order had never left.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from gateway.core import events as ev
from gateway.core.commands import (
    CancelOrder,
    ClientCommand,
    MassCancel,
    ReplaceOrder,
    RequestOrderStatus,
    ResolveDoubt,
    SubmitOrder,
)
from gateway.core.events import Event, Record
from gateway.core.invariants import InvariantBroken
from gateway.core.money import ZERO
from gateway.core.order import UNANSWERED, Order
from gateway.core.positions import Fill, PositionKey
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MessageRejected,
    OrderCancelReject,
    Recalled,
    SendRefused,
)
from gateway.core.state import Key, Settings, State

ORDERS_AT_ONCE = 200
"""How many orders leave at one turn of the clock, at most: it must not hold up what venues and clients say."""

KEYS_AT_ONCE = 1_000
"""How many keys that name no order leave at one turn of the clock, at most."""

_UNNAMED = ("", "NONE")
_NOTHING = Fill(ZERO, ZERO)


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of an order: itself, its keys by ClOrdID(11), and the OrderIDs(37) that led to it and to no later order."""

    order: Order
    keys: dict[str, Key]
    venue_order_ids: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """A name that is not in memory, and the records that may have it, the newest first."""

    name: str
    seqs: tuple[int, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode_memory = msgspec.msgpack.Decoder(Memory).decode
_decode_key = msgspec.msgpack.Decoder(Key).decode


# --- What has ended ---


def note_ended(state: State, order: Order, at_ns: int) -> None:
    """An order that cannot be executed any more changed: with nothing open about it, it counts as ended from now."""
    order_id, ended = order.order_id, state.ended
    ended.pop(order_id, None)
    if order.unanswered or order.disputed:
        return
    first = next(iter(order.requests.values()), None)
    if first is None or (first.state not in UNANSWERED and not first.in_doubt):
        ended[order_id] = at_ns


def spent_key(event: ev.MassCancelDone | ev.CommandRefused, seq: int) -> Key | None:
    """The key under which an answer that names no order is remembered; None when the request has none."""
    command = event.command
    if not isinstance(command, (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)):
        return None
    if isinstance(event, ev.MassCancelDone):
        return Key(command, seq, requested=event.requested)
    return Key(command, seq, reason=event.reason, field=event.field, text=event.text)


# --- Leaving ---


def due(state: State, settings: Settings, at_ns: int) -> bool:
    """Whether the clock's next turn would retire something."""
    return next(_leaving(state, settings, at_ns), None) is not None or bool(_leaving_keys(state, settings, at_ns))


def retire(state: State, settings: Settings, at_ns: int) -> list[Event]:
    """What leaves memory at this turn of the clock, the oldest first."""
    events: list[Event] = []
    for order_id in _leaving(state, settings, at_ns):
        events.append(ev.OrderRetired(order_id, _encode(_memory(state, state.orders[order_id]))))
        if len(events) == ORDERS_AT_ONCE:
            break
    keys = _leaving_keys(state, settings, at_ns)
    return [*events, ev.KeysRetired(keys)] if keys else events


def _leaving(state: State, settings: Settings, at_ns: int) -> Iterator[str]:
    """Orders that ended long ago, or are too many; never one that an open question or comparison still names."""
    keep_ns = settings.retire_after_ns
    if keep_ns is None or not state.ended:
        return
    over = len(state.ended) - settings.max_ended_orders
    named: set[str] | None = None
    for place, (order_id, ended_ns) in enumerate(state.ended.items()):
        if at_ns - ended_ns < keep_ns and place >= over:
            return
        named = _named(state) if named is None else named
        if order_id not in named:
            yield order_id


def _named(state: State) -> set[str]:
    """The orders of open items, of comparisons that run, and of executions that wait for their copy."""
    copies = state.drop_copies.values()
    return {
        *[item.raised.order_id for item in state.items.values()],
        *[order_id for run in state.runs.values() for order_id in run.awaited],
        *[waiting.order_id for copy in copies for waiting in (*copy.told.values(), *copy.untold.values())],
    }


def _leaving_keys(state: State, settings: Settings, at_ns: int) -> tuple[tuple[str, str], ...]:
    keep_ns = settings.retire_after_ns
    if keep_ns is None:
        return ()
    over = len(state.bare_keys) - settings.max_ended_orders
    leaving: list[tuple[str, str]] = []
    for place, (key, spent_ns) in enumerate(state.bare_keys.items()):
        if (at_ns - spent_ns < keep_ns and place >= over) or place == KEYS_AT_ONCE:
            break
        leaving.append(key)
    return tuple(leaving)


def _memory(state: State, order: Order) -> Memory:
    command = order.command
    keys, name = state.keys[command.client_id], command.cl_ord_id
    its_own = {name: keys[name]}
    for request in order.requests.values():
        name = request.cl_ord_id
        its_own[name] = keys[name]
    return Memory(order, its_own, _led_to(state, order))


def _led_to(state: State, order: Order) -> tuple[str, ...]:
    """The OrderIDs(37) by which a report finds this order: a venue may use one again for a later order."""
    known, name = state.by_venue_order_id.get(order.venue, {}), order.venue_order_id
    if not order.former_venue_order_ids:
        return (name,) if known.get(name) == order.order_id else ()
    names = dict.fromkeys([*order.former_venue_order_ids, name])
    return tuple([name for name in names if known.get(name) == order.order_id])


# --- Names ---


def _order_name(order_id: str) -> str:
    return f"O{order_id}"


def _key_name(client_id: str, cl_ord_id: str) -> str:
    return f"K{len(client_id)}:{client_id}{cl_ord_id}"


def _request_name(venue_cl_ord_id: str) -> str:
    return f"R{venue_cl_ord_id}"


def _venue_name(venue: str, venue_order_id: str) -> str:
    return f"V{len(venue)}:{venue}{venue_order_id}"


def _names(memory: Memory) -> list[str]:
    order = memory.order
    ours, venues = _key_name(order.command.client_id, ""), _venue_name(order.venue, "")
    return [
        _order_name(order.order_id),
        *[ours + name for name in memory.keys],
        *[_request_name(name) for name in order.requests],
        *[venues + name for name in memory.venue_order_ids],
    ]


# --- Being needed again ---


def wanted(state: State, body: object) -> list[Wanted]:
    """What an input names that is not in memory but may be in the journal."""
    if not state.retired:
        return []
    return [Wanted(name, seqs) for name in _missing(state, body) if (seqs := state.retired.find(name))]


def _missing(state: State, body: object) -> Iterator[str]:
    match body:
        case ExecutionReport():
            yield from _missing_report(state, body)
        case DropCopied():
            yield from _missing_report(state, body.report)
        case SubmitOrder() | MassCancel():
            yield from _missing_keys(state, body.client_id, body.cl_ord_id)
        case ReplaceOrder() | CancelOrder():
            yield from _missing_keys(state, body.client_id, body.cl_ord_id, body.orig_cl_ord_id)
        case RequestOrderStatus():
            yield from _missing_keys(state, body.client_id, body.orig_cl_ord_id)
        case OrderCancelReject():
            yield from _missing_requests(state, body.cl_ord_id, body.orig_cl_ord_id)
        case MessageRejected():
            yield from _missing_requests(state, body.ref_cl_ord_id)
        case SendRefused():
            yield from _missing_requests(state, body.venue_cl_ord_id)
        case ResolveDoubt():
            if body.order_id not in state.orders:
                yield _order_name(body.order_id)
        case _:
            pass


def _missing_keys(state: State, client_id: str, *names: str) -> Iterator[str]:
    known = state.keys.get(client_id, {})
    return (_key_name(client_id, name) for name in names if name not in known)


def _missing_requests(state: State, *names: str) -> Iterator[str]:
    return (_request_name(name) for name in names if name and name not in state.by_venue_cl_ord_id)


def _missing_report(state: State, report: ExecutionReport) -> Iterator[str]:
    """The names of a report up to the first that is known: the order that it leads to is the one that is meant."""
    for name in (report.cl_ord_id, report.orig_cl_ord_id):
        if name in state.by_venue_cl_ord_id:
            return
        if name:
            yield _request_name(name)
    name = report.venue_order_id
    if name not in _UNNAMED and name not in state.by_venue_order_id.get(report.venue, {}):
        yield _venue_name(report.venue, name)


def wanted_order(state: State, order_id: str) -> Wanted:
    """Where a retired order may be, by its order_id."""
    name = _order_name(order_id)
    return Wanted(name, state.retired.find(name))


def wanted_key(state: State, client_id: str, cl_ord_id: str) -> Wanted:
    """Where a retired order may be, by a client's ClOrdID(11)."""
    name = _key_name(client_id, cl_ord_id)
    return Wanted(name, state.retired.find(name))


def is_spent(state: State, client_id: str, cl_ord_id: str) -> bool:
    """Whether a key is spent, in memory or not. In very rare cases it says so of one that is not."""
    return cl_ord_id in state.keys.get(client_id, {}) or bool(state.retired.find(_key_name(client_id, cl_ord_id)))


def is_requested(state: State, venue_cl_ord_id: str) -> bool:
    """Whether the journal has a request that venues know by this name, in memory or not. In very rare cases it says so
    of one that it has not.
    """
    return venue_cl_ord_id in state.by_venue_cl_ord_id or bool(state.retired.find(_request_name(venue_cl_ord_id)))


def spend(state: State, command: ClientCommand, cl_ord_id: str, key: Key) -> None:
    """The client's ClOrdID(11) has its answer; the first one stays."""
    keys = state.keys.get(command.client_id)
    if keys is None:
        keys = state.keys[command.client_id] = {}
    keys.setdefault(cl_ord_id, key)


def answered(state: State, event: ev.MassCancelDone | ev.CommandRefused, at_ns: int) -> None:
    """An answer that names no order is remembered by its key alone."""
    command, key = event.command, spent_key(event, state.seq)
    if key is None or not isinstance(command, (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)):
        return
    spend(state, command, command.cl_ord_id, key)
    if state.keys[command.client_id][command.cl_ord_id] is key:
        state.bare_keys[command.client_id, command.cl_ord_id] = at_ns


def remembered(record: Record, name: str) -> Memory | Key | None:
    """What a record has under this name; None when it is another's, whose fingerprint is the same."""
    event = record.event
    if isinstance(event, ev.OrderRetired):
        memory = _decode_memory(event.memory)
        return memory if name in _names(memory) else None
    if isinstance(event, (ev.MassCancelDone, ev.CommandRefused)):
        key = spent_key(event, record.seq)
        return key if key is not None and _bare_name(key) == name else None
    return None


def _bare_name(key: Key) -> str:
    return _key_name(*_bare(key))


def _bare(key: Key) -> tuple[str, str]:
    return key.command.client_id, getattr(key.command, "cl_ord_id", "")


def venue_names(memory: Memory) -> dict[str, str]:
    """The index's name of each OrderID(37) that led to an order."""
    return {known: _venue_name(memory.order.venue, known) for known in memory.venue_order_ids}


def recalled(found: list[Memory | Key]) -> Recalled:
    """The fact that says what was found."""
    return Recalled(
        orders=tuple([_encode(each) for each in found if isinstance(each, Memory)]),
        keys=tuple([_encode(each) for each in found if isinstance(each, Key)]),
    )


def recall(state: State, fact: Recalled) -> list[Event]:
    """The events that bring retired orders and keys back; what is in memory already stays as it is."""
    events: dict[object, Event] = {}
    for memory in fact.orders:
        order_id = _decode_memory(memory).order.order_id
        if order_id not in state.orders:
            events.setdefault(order_id, ev.OrderRecalled(order_id, memory))
    for memory in fact.keys:
        client_id, cl_ord_id = _bare(_decode_key(memory))
        if cl_ord_id not in state.keys.get(client_id, {}):
            events.setdefault((client_id, cl_ord_id), ev.KeyRecalled(client_id, cl_ord_id, memory))
    return list(events.values())


# --- Changing the state ---


def _order_retired(state: State, event: ev.OrderRetired, _: int) -> None:
    order_id = event.order_id
    order = state.orders.get(order_id)
    if order is None or order_id not in state.ended:
        raise InvariantBroken(f"order {order_id} is said to leave memory, but it has not ended there")
    memory = _memory(state, order)
    if _encode(memory) != event.memory and _decode_memory(event.memory) != memory:
        raise InvariantBroken(f"order {order_id} left memory as something else than it is")
    state.retired.add_all(_names(memory), state.seq)
    _forget(state, order, memory)
    state.recalled.pop(order_id, None)
    _count(state, order, 1)
    state.retired_orders += 1


def _forget(state: State, order: Order, memory: Memory) -> None:
    """Nothing leads to it any more."""
    order_id, keys, requests = order.order_id, state.keys[order.command.client_id], state.by_venue_cl_ord_id
    for name in memory.keys:
        del keys[name]
    for name in order.requests:
        del requests[name]
    for name in memory.venue_order_ids:
        del state.by_venue_order_id[order.venue][name]
    del state.orders[order_id], state.ended[order_id]


def _count(state: State, order: Order, more: int) -> None:
    """What retired orders executed, so that positions can still be proven: this one's more, or less. Within
    `exactly`.
    """
    if not order.executions:
        return
    command, sums = order.command, state.retired_sums
    key: Any = (command.account, command.strategy, command.symbol)  # As good as a PositionKey, and sooner made.
    known = sums.get(key)
    if known is None:
        key, known = PositionKey(*key), _NOTHING
    (qty, value), gone, worth = known, order.cum_qty, order.cum_value
    now: Any = (qty + gone, value + worth) if command.side.sign == more else (qty - gone, value - worth)
    sums[key] = now  # As good as a `Fill`.


def _keys_retired(state: State, event: ev.KeysRetired, _: int) -> None:
    for client_id, cl_ord_id in event.keys:
        key = state.keys[client_id].pop(cl_ord_id)
        del state.bare_keys[client_id, cl_ord_id]
        state.retired.add(_key_name(client_id, cl_ord_id), key.seq)


def _order_recalled(state: State, event: ev.OrderRecalled, at_ns: int) -> None:
    """Everything is back as it was; as an order that changed just now it stays for as long as any other."""
    memory = _decode_memory(event.memory)
    order = memory.order
    state.orders[order.order_id] = order
    state.recalled[order.order_id] = None
    keys = state.keys.setdefault(order.command.client_id, {})
    for name, key in memory.keys.items():
        keys.setdefault(name, key)
    for name in order.requests:
        state.by_venue_cl_ord_id[name] = order.order_id
    for name in memory.venue_order_ids:
        state.by_venue_order_id.setdefault(order.venue, {}).setdefault(name, order.order_id)
    note_ended(state, order, at_ns)
    _count(state, order, -1)
    state.retired_orders -= 1


def _key_recalled(state: State, event: ev.KeyRecalled, at_ns: int) -> None:
    state.keys.setdefault(event.client_id, {})[event.cl_ord_id] = _decode_key(event.memory)
    state.bare_keys[event.client_id, event.cl_ord_id] = at_ns


APPLY: dict[type, Callable[[State, Any, int], None]] = {
    ev.CommandRefused: answered,
    ev.OrderRetired: _order_retired,
    ev.KeysRetired: _keys_retired,
    ev.OrderRecalled: _order_recalled,
    ev.KeyRecalled: _key_recalled,
}
