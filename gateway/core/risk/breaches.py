"""Breaches: figures near their limits, or beyond them. Each is told once when it begins and once when it ends, within a
turn of the clock, so that somebody hears of it in time (RTS 6 16).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from gateway.core.events import Event
from gateway.core.money import EXACT, ZERO, average, multiply, negated
from gateway.core.order import Order
from gateway.core.risk import exposure
from gateway.core.risk.asked import number, words
from gateway.core.risk.book import Cell, Node
from gateway.core.risk.controls import Control
from gateway.core.risk.events import BreachBegan, BreachEnded
from gateway.core.risk.figures import figure
from gateway.core.risk.setup import Limit
from gateway.core.state import State
from gateway.core.types import Severity

WATCHED = {
    Control.MAX_LOSS: "loss of the day",
    Control.MAX_DRAWDOWN: "drawdown of the day",
    Control.MAX_GROSS_NOTIONAL: "gross notional",
    Control.MAX_NET_NOTIONAL: "net notional",
    Control.MAX_MARGIN: "margin",
    Control.MAX_CORRELATED_EXPOSURE: "correlation-adjusted exposure",
    Control.MAX_POSITION_QTY: "position with all working orders",
    Control.MAX_CONCENTRATION_PCT: "percent of the gross notional",
    Control.MAX_OPEN_ORDERS: "working orders",
    Control.MAX_INSTRUMENTS: "instruments",
    Control.MAX_VENUES: "venues",
}
"""Figures that prices, executions and a lowered limit move, beside what orders are checked for."""

_COUNTED = (Control.MAX_OPEN_ORDERS, Control.MAX_INSTRUMENTS, Control.MAX_VENUES)
"""Nothing but a lowered limit takes these beyond it, and many stay at it by intent: near it is none of a warning."""
_BY_INSTRUMENT = (Control.MAX_POSITION_QTY, Control.MAX_CONCENTRATION_PCT)
"""Each instrument has a figure of its own."""
_WHOLE = Decimal(100)
_NEAR, _OVER = Decimal("0.8"), Decimal("0.75")
"""A warning begins at this part of the limit, and ends below this one."""


def timer(state: State, at_ns: int) -> list[Event]:
    """What began or ended since the last turn of the clock."""
    return list(_changes(state, at_ns))


def _changes(state: State, at_ns: int) -> Iterator[Event]:
    book, open_ = exposure.sync(state), state.risk.breaches
    for scope in state.risk.profits:
        if scope not in book.nodes:  # It has nothing left but what it gained or lost.
            exposure.node(state, scope)
    for scope in sorted(book.nodes):  # The order in which the book came to know them is none of the state.
        node = book.nodes[scope]
        limits = node.limits
        for control in WATCHED:
            limit = limits.get(control)
            if limit is None:
                continue
            if control in _BY_INSTRUMENT:
                yield from _of_instruments(state, node, control, limit)
            elif (value := figure(state, node, control, limit, at_ns)) is not None:
                yield from _change(state, node, control, "", value, limit.value)
    for breach in open_.values():
        found = book.nodes.get(breach.scope)
        if (
            found is None
            or Control(breach.control) not in found.limits
            or (breach.symbol and breach.symbol not in found.cells)
        ):
            yield BreachEnded(breach.scope, breach.control, breach.symbol)


def _of_instruments(state: State, node: Node, control: Control, limit: Limit) -> Iterator[Event]:
    """Those near their limit, or that were."""
    open_ = state.risk.breaches
    if control is Control.MAX_POSITION_QTY:
        near = multiply(limit.value, _NEAR)
        symbols = [symbol for symbol, cell in node.cells.items() if _largest(cell) >= near]
    else:
        near = multiply(multiply(limit.value, _NEAR), node.gross)
        symbols = [symbol for symbol, cell in node.cells.items() if multiply(cell.gross, _WHOLE) >= near]
    if open_:
        symbols += [symbol for symbol in node.cells if _key(node.scope, control, symbol) in open_]
    for symbol in sorted(set(symbols)):
        value = _value(node, node.cells[symbol], control, limit)
        yield from _change(state, node, control, symbol, value, limit.value)


def _value(node: Node, cell: Cell, control: Control, limit: Limit) -> Decimal:
    if control is Control.MAX_POSITION_QTY:
        return _largest(cell)
    if node.gross <= limit.after or limit.value >= _WHOLE:
        return ZERO
    return average(multiply(cell.gross, _WHOLE), node.gross)


def _largest(cell: Cell) -> Decimal:
    return max(cell.long_qty, negated(cell.short_qty))


def _change(state: State, node: Node, control: Control, symbol: str, value: Decimal, limit: Decimal) -> Iterator[Event]:
    before = state.risk.breaches.get(_key(node.scope, control, symbol)) if state.risk.breaches else None
    if before is None and value < multiply(limit, _NEAR):
        return
    severity = _severity(control, value, limit)
    if before is not None and severity is not Severity.CRITICAL and _is_over(before, value, limit):
        yield BreachEnded(node.scope, control, symbol)
        before = None
    if severity is not None and (before is None or (severity is not before.severity and severity is Severity.CRITICAL)):
        text = _text(node, control, symbol, value, limit)
        yield BreachBegan(node.scope, control, severity, value, limit, text, symbol)


def _severity(control: Control, value: Decimal, limit: Decimal) -> Severity | None:
    """Beyond the limit, as the checks have it: at the limit orders still pass."""
    if value > limit:
        return Severity.CRITICAL
    near = control not in _COUNTED and value > 0 and value >= multiply(limit, _NEAR)
    return Severity.WARNING if near else None


def _is_over(before: BreachBegan, value: Decimal, limit: Decimal) -> bool:
    if before.severity is Severity.CRITICAL:
        return value <= limit
    return value < multiply(limit, _OVER) or not value


def _text(node: Node, control: Control, symbol: str, value: Decimal, limit: Decimal) -> str:
    what = f"{WATCHED[control]} in {symbol}" if symbol else WATCHED[control]
    percent = EXACT.divide_int(multiply(value, _WHOLE), limit) if limit else None  # Rounded as `gatewayctl` does it.
    share = f" ({number(percent)} %)" if percent is not None else ""
    return f"{what} {number(value)} of limit {number(limit)}{share} at {words(node.scope)}"


def _key(scope: str, control: str, symbol: str) -> str:
    return f"{scope}|{control}|{symbol}" if symbol else f"{scope}|{control}"


# --- Changing ---


def _began(state: State, event: BreachBegan, _: int) -> None:
    state.risk.breaches[_key(event.scope, event.control, event.symbol)] = event


def _ended(state: State, event: BreachEnded, _: int) -> None:
    state.risk.breaches.pop(_key(event.scope, event.control, event.symbol), None)


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {BreachBegan: _began, BreachEnded: _ended}
