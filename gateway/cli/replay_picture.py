"""A state, an order and what changed between two states: for people as tables, for programs as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from gateway.cli import tables
from gateway.cli.layout import Columns, apart, row, table
from gateway.cli.query_tables import utc
from gateway.cli.tables_reconcile import items as items_table
from gateway.codec.proto.orders import order_to_pb, position_to_pb, whole_order_to_pb
from gateway.codec.proto.reconciliation import item_to_pb
from gateway.core.events import OrderView
from gateway.core.money import plain
from gateway.core.order import Order, view
from gateway.core.positions import Position
from gateway.core.risk.setup import Limit
from gateway.core.risk.state import Held, RiskState
from gateway.core.state import Session, State

ORDERS_SHOWN = 50

Picture = dict[str, dict[str, dict[str, Any]]]
"""What can be compared: kind of thing, its name, its fields."""


class Change(msgspec.Struct, frozen=True):
    """One field of one thing. `before` is None for what was not there, `after` for what is no more."""

    kind: str
    name: str
    field: str
    before: Any
    after: Any


# --- A state ----------------------------------------------------------------------------------------------------------


def state_tables(state: State, at_ns: int) -> RenderableType:
    """The state at a glance, its newest orders, and all the rest of it."""
    newest = list(state.orders.values())[-ORDERS_SHOWN:]
    title = f"Orders: {len(state.orders):,}" + (
        f", the newest {ORDERS_SHOWN}" if len(newest) < len(state.orders) else ""
    )
    parts: list[RenderableType] = [
        Group(_head(state, at_ns), _figures(state)),
        tables.orders([order_to_pb(view(order)) for order in newest], title),
        tables.positions(position_to_pb(position) for position in state.positions.values()),
        _sessions(state.sessions),
    ]
    if state.items:
        parts.append(items_table([item_to_pb(item) for item in state.items.values()], at_ns))
    if state.halted:
        parts.append(_halted(state.halted))
    return apart(*parts)


def _head(state: State, at_ns: int) -> Text:
    return Text.assemble(
        ("state ", "bold"), f"after seq {state.seq:,}, {utc(at_ns)}, epoch {state.epoch}, ids {state.id_prefix}"
    )


def _figures(state: State) -> Text:
    working = sum(len(orders) for orders in state.working.values())
    figures = {
        "orders": len(state.orders),
        "working": working,
        "executions": state.executions,
        "waiting": len(state.waiting),
        "keys": sum(len(keys) for keys in state.keys.values()),
        "retired": state.retired_orders,
    }
    alerts = {
        "in doubt": len(state.doubtful),
        "disputed": len(state.disputed),
        "set aside": state.set_aside_total,
        "items": len(state.items),
        "external": sum(len(orders) for orders in state.external.values()),
        "stops": len(state.risk.stops),
        "breaches": len(state.risk.breaches),
    }
    line = Text()
    for name, value in (figures | alerts).items():
        style = "bold red" if name in alerts and value else "bold"
        line.append_text(Text.assemble((f"{name} ", "dim"), (f"{value:,}", style), "   "))
    return line


def _sessions(sessions: Mapping[str, Session]) -> Columns:
    columns = ("venue", "state", "order entry", "last in", "our numbers used", "logons")
    made = table("Sessions", *columns, right=("last in", "our numbers used", "logons"))
    for venue, session in sessions.items():
        row(
            made,
            Text(venue, "bold"),
            Text("logged on", "bold green") if session.up else Text("logged out", "bold red"),
            "" if session.copies else "open" if session.reconciled else "not reconciled",
            str(session.inbound_seq),
            f"to {session.sender_floor}" if session.sender_floor else "",
            str(session.logons),
        )
    return made


def _halted(halted: Mapping[str, str]) -> Columns:
    made = table("Halted", "symbol", "reason", folds=("reason",))
    for symbol, reason in halted.items():
        row(made, Text(symbol, "bold"), reason)
    return made


def state_json(state: State, at_ns: int) -> str:
    """Everything in memory that has a meaning of its own."""
    document = {
        "seq": state.seq,
        "time_ns": at_ns,
        "epoch": state.epoch,
        "id_prefix": state.id_prefix,
        "executions": state.executions,
        "orders": [_whole(order) for order in state.orders.values()],
        "positions": [_position(position) for position in state.positions.values()],
        "sessions": state.sessions,
        "halted": state.halted,
        "items": list(state.items.values()),
        "external": state.external,
        "waiting": list(state.waiting),
        "in_doubt": list(state.doubtful),
        "disputed": list(state.disputed),
        "set_aside": state.set_aside_total,
        "keys": {client: sorted(keys) for client, keys in state.keys.items()},
        "retired_orders": state.retired_orders,
        "risk": {"day": state.risk.day, **_risk(state.risk)},
    }
    return _json(document)


# --- One order --------------------------------------------------------------------------------------------------------


def order_tables(seq: int, at_ns: int, order: Order) -> RenderableType:
    """The order as it stood, its chain of requests and its executions."""
    head = Text.assemble((f"order {order.order_id} ", "bold"), f"after seq {seq:,}, {utc(at_ns)}")
    return Group(head, "", tables.order_life(whole_order_to_pb(order, seq), [], at_ns))


def order_json(seq: int, at_ns: int, order: Order) -> str:
    """The same for programs."""
    return _json({"seq": seq, "time_ns": at_ns, "order": _whole(order)})


def _whole(order: Order) -> dict[str, Any]:
    extra = {
        "submitted_ns": order.submitted_ns,
        "disputed": order.disputed,
        "requests": list(order.requests.values()),
        "executions": order.executions,
    }
    return {**_builtins(view(order)), **_builtins(extra)}


# --- What changed -----------------------------------------------------------------------------------------------------


def picture(state: State, order_ids: Iterable[str], last_seen: Mapping[str, OrderView] | None = None) -> Picture:
    """What can be compared of a state: these orders, and everything else. `last_seen` has orders that may have left
    memory.
    """
    views = {order_id: view(state.orders[order_id]) for order_id in order_ids if order_id in state.orders}
    orders = {**(last_seen or {}), **views}
    return {
        "order": {order_id: _flat(order) for order_id, order in orders.items()},
        "position": {
            " ".join(part for part in key if part): _position(position) for key, position in state.positions.items()
        },
        "session": {venue: _builtins(session) for venue, session in state.sessions.items()},
        "item": {name: _builtins(item.raised) for name, item in state.items.items()},
        "halted": {symbol: {"reason": reason} for symbol, reason in state.halted.items()},
        **_risk(state.risk),
        "state": {"": {"epoch": state.epoch, "executions": state.executions, "set_aside": state.set_aside_total}},
    }


def changes(before: Picture, after: Picture) -> list[Change]:
    """Every field that differs, in the order of the things' appearance."""
    found = []
    for kind, things in after.items():
        for name in dict.fromkeys((*before[kind], *things)):
            old, new = before[kind].get(name), things.get(name)
            fields = dict.fromkeys((*(old or {}), *(new or {})))
            for field in fields:
                was, is_now = (old or {}).get(field), (new or {}).get(field)
                if was != is_now or (old is None) != (new is None):
                    found.append(Change(kind, name, field, was if old is not None else None, is_now))
    return found


def changes_tables(first: int, first_ns: int, last: int, last_ns: int, found: Iterable[Change]) -> RenderableType:
    """One line a thing: what is new and what is gone in full, of what changed each field before and after."""
    head = Text.assemble(
        ("changes ", "bold"), f"from after seq {first:,}, {utc(first_ns)}, to after seq {last:,}, {utc(last_ns)}"
    )
    return Group(head, "", _changed(found))


def _changed(found: Iterable[Change]) -> Columns:
    made = table("Changed", "what", "name", "field", "before", "after", folds=("before", "after"))
    last = ("", "")
    for change in found:
        if change.before in _NOTHING and change.after in _NOTHING:
            continue
        again = last == (change.kind, change.name)
        last = (change.kind, change.name)
        row(
            made,
            "" if again else change.kind,
            Text("" if again else change.name, "bold"),
            change.field,
            Text(_said(change.before), "dim"),
            Text(_said(change.after), "green" if change.before in _NOTHING else ""),
        )
    return made


_NOTHING: tuple[Any, ...] = (None, "", (), "0", 0, False)


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def changes_json(first: int, last: int, found: Iterable[Change]) -> str:
    """The same for programs, every field."""
    return _json({"from_seq": first, "to_seq": last, "changes": list(found)})


# --- Parts ------------------------------------------------------------------------------------------------------------


def _flat(order: OrderView) -> dict[str, Any]:
    """An order's fields in one row, in words, with those of its terms."""
    fields: dict[str, Any] = {
        **msgspec.structs.asdict(order),
        **msgspec.structs.asdict(order.terms),
        "side": order.side.name,
        "ord_type": order.ord_type.name,
        "ord_status": order.ord_status.name,
        "time_in_force": order.terms.time_in_force.name,
    }
    del fields["terms"], fields["order_id"]
    built: dict[str, Any] = _builtins(fields)
    return built


def _position(position: Position) -> dict[str, Any]:
    numbers = {
        "net_qty": position.net_qty,
        "avg_entry_px": position.avg_entry_px,
        "realized_pnl": position.realized_pnl,
        "bought_qty": position.bought_qty,
        "sold_qty": position.sold_qty,
    }
    names = {"account": position.account, "strategy": position.strategy, "symbol": position.symbol}
    return {
        **names,
        "currency": position.currency,
        **{name: format(plain(value), "f") for name, value in numbers.items()},
    }


def _risk(risk: RiskState) -> Picture:
    """What orders are held to, and by whose word."""
    return {
        "limit": {
            f"{scope} {control}": _limit(limit, risk.temporary.get(scope, {}).get(control))
            for scope, controls in risk.limits.items()
            for control, limit in controls.items()
        },
        "override": {
            f"{scope} {control}": {"until_ns": until_ns}
            for scope, controls in risk.overrides.items()
            for control, until_ns in controls.items()
        },
        "proposal": {change_id: _fields(proposal) for change_id, proposal in risk.proposals.items()},
        "stop": {
            f"{stop.stopped.scope} {stop.stopped.source}": {**_fields(stop.stopped), "completed": stop.completed}
            for stop in risk.stops.values()
        },
        "breach": {name.replace("|", " "): _fields(breach) for name, breach in risk.breaches.items()},
        "mark": {symbol: {**_fields(known.mark), "at_ns": known.at_ns} for symbol, known in risk.marks.items()},
        "rate": {currency: {"rate": _builtins(rate)} for currency, rate in risk.rates.items()},
        "profit": {
            scope: _builtins({"day": profit.day, "drawdown": profit.drawdown}) for scope, profit in risk.profits.items()
        },
    }


def _limit(limit: Limit, held: Held | None) -> dict[str, Any]:
    until = {"until_ns": held.until_ns, "before": _builtins(held.before)} if held is not None else {}
    return {**_fields(limit), **until}


def _fields(thing: msgspec.Struct) -> dict[str, Any]:
    """Its fields, those that are as always too."""
    built: dict[str, Any] = _builtins(msgspec.structs.asdict(thing))
    return built


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True)


def _json(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
