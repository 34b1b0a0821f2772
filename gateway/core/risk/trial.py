"""The way of an order whose strategy may be a new one: clients name strategies as they like, and refused orders take no
room.
"""

from gateway.core.commands import SubmitOrder
from gateway.core.risk import exposure, scopes
from gateway.core.risk.book import Path
from gateway.core.state import State


def path_of(state: State, command: SubmitOrder, venue: str) -> Path:
    """What the order has to pass. When it is refused, nothing of its strategy is left once the next one comes."""
    book, account, strategy = state.risk.book, command.account, command.strategy
    key = (command.client_id, account, strategy, command.symbol, venue)
    trial = scopes.strategy(account, strategy), key
    if book.on_trial != trial:
        _end(state)
    is_new = trial[0] not in book.nodes
    path = exposure.path_of(state, *key)
    if is_new:
        book.on_trial = trial
    return path


def _end(state: State) -> None:
    """Without what belongs to the strategy on trial, unless an order or a position of it is there by now."""
    book = state.risk.book
    if book.on_trial is None:
        return
    (scope, key), book.on_trial = book.on_trial, None
    _, account, strategy, symbol, _ = key
    leaf = book.leaves[scope, symbol]
    is_known = strategy in state.risk.strategies.get(account, ())
    if is_known or leaf.position is not None or leaf.long_qty or leaf.short_qty:
        return
    del book.paths[key], book.nodes[scope], book.leaves[scope, symbol], book.cells[scope, symbol]
    book.by_symbol[symbol].remove(leaf)
    book.dirty.pop(leaf, None)
