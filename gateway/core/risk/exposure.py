"""Exposure: the running totals of what every scope holds and has working.

A decision calls `sync` first: it brings the book up to date with the orders that changed since, and works it out from
scratch after a start. What an order reserves is a function of the order alone (`open_qty`): so it is taken with the
decision that accepts the order and given back by nothing but the evidence that changes the order.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

from gateway.core.commands import SubmitOrder
from gateway.core.events import Terms
from gateway.core.money import EXACT, ZERO, exactly, multiply, negated, subtract
from gateway.core.order import Order
from gateway.core.positions import Position, PositionKey
from gateway.core.risk import bounds, correlation, prices, resting, scopes
from gateway.core.risk.book import MAX_PATHS, Book, Cell, Leaf, Node, Path, Places, Price, Reserve, Resting
from gateway.core.risk.setup import RiskInstrument
from gateway.core.state import State
from gateway.core.types import OrdStatus

_NONE = (ZERO, ZERO)
_DONE_FOR_DAY = OrdStatus.DONE_FOR_DAY
_HUNDREDTH = Decimal("0.01")
_ROUNDED_UP = EXACT.copy()
_ROUNDED_UP.rounding = ROUND_CEILING
_ROUNDED_UP.clear_traps()


# --- Up to date ---


def sync(state: State) -> Book:
    """The book, true to every order and position, with all its sums."""
    book = settle(state)
    carry(state)
    return book


def settle(state: State) -> Book:
    """The book, true to every order and position in quantities, counts and gross notional: what every decision needs.
    The other sums wait for `carry`.
    """
    book = state.risk.book
    if not book.built or len(book.paths) > book.room:
        rebuild(state)
    elif book.touched:
        _settle_touched(state, book)
    return book


@exactly
def _settle_touched(state: State, book: Book) -> None:
    for order in book.touched.values():
        _settle(state, book, order)
    book.touched.clear()


@exactly
def rebuild(state: State) -> None:
    """The book from scratch: every position, and every order that can still execute."""
    book = state.risk.book
    book.forget()
    book.built = True
    for key, position in state.positions.items():
        if position.net_qty and key.symbol in state.risk.setup.instruments:
            _place(state, tree_leaf(state, *key), position.net_qty)
    for scope, held in state.risk.held.items():
        for symbol, qty in held.items():
            if qty and symbol in state.risk.setup.instruments:
                _place(state, _side_leaf(state, scope, symbol), qty)
    for order_id, order in state.orders.items():
        if order_id not in state.ended:
            _settle(state, book, order)
    book.room = max(MAX_PATHS, 2 * len(book.paths))


def _place(state: State, leaf: Leaf, net_qty: Decimal) -> None:
    _move(state.risk.book, leaf, prices.price_of(state, leaf.symbol, leaf.instrument).unit, net_qty)


def open_qty(order: Order, price: Price, lot_size: Decimal) -> Decimal:
    """What the order can still execute at worst: a replace that is not answered counts with the larger of the old and
    the new quantity, and so does one in doubt. Of an order by amount of money whose quantity nobody has said yet, what
    the rest of the amount buys.
    """
    terms, cum_qty = order.terms, order.cum_qty
    order_qty, cash = terms.order_qty, terms.cash_order_qty
    if (cash is None and cum_qty >= order_qty and not order.unanswered) or order.closed:
        return ZERO
    if order.unanswered:
        order_qty = max([order_qty, *[asked.order_qty for asked in resting.asked(order)]])
    elif _DONE_FOR_DAY in order.marks and not order.working:
        return ZERO
    qty = order_qty - cum_qty if order_qty > cum_qty else ZERO
    if cash is None or order.quantity_known:
        return qty
    rest = subtract(cash, multiply(order.cum_value, order.multiplier))
    return max(qty, bought_by(max(ZERO, rest), terms, price, lot_size, order.multiplier))


def _untold_qty(order: Order) -> Decimal:
    """What the venue counts as executed and has not told, up to the order's quantity: it is held, or will be. So it
    stays reserved when the rest of the order is gone.
    """
    return min(order.disputed_cum_qty, order.terms.order_qty) - order.cum_qty


def bought_by(cash: Decimal, terms: Terms, price: Price, lot_size: Decimal, multiplier: Decimal) -> Decimal:
    """The quantity that an amount of money buys at the lowest of the mark and the order's own prices, rounded up to a
    lot; 0 without any price.
    """
    known = [px for px in (price.px, terms.price, terms.stop_px) if px is not None]
    if not known:
        return ZERO
    lot_value = multiply(multiply(min(known), multiplier), lot_size)
    lots = _ROUNDED_UP.divide(cash, lot_value).to_integral_value(ROUND_CEILING, context=_ROUNDED_UP)
    return multiply(lots, lot_size)


def _settle(state: State, book: Book, order: Order) -> None:
    """What one order reserves and has moved, as it stands now."""
    order_id = order.order_id
    reserve = book.reserves.get(order_id)
    path = reserve.path if reserve is not None else known_path(state, order.command, order.venue)
    if path is None:  # Its instrument is no longer configured.
        return
    price = book.prices.get(path.symbol) or prices.price_of(state, path.symbol, path.instrument)
    qty = open_qty(order, price, path.instrument.lot_size)
    if order.disputed:
        qty = max(qty, _untold_qty(order))
    if order.terms.cash_order_qty is not None:
        if order.working and not order.quantity_known:
            book.by_cash[order_id] = None
        else:
            book.by_cash.pop(order_id, None)
    if reserve is None:
        if not qty:
            _move_all(state, path, price.unit)
            return
        sign = order.command.side.sign
        reserve = book.reserves[order_id] = Reserve(path, sign, path.resting[sign < 0])
    before, executed = reserve.qty, order.cum_qty
    if qty != before or executed != reserve.cum_qty:
        reserve.qty, reserve.cum_qty = qty, executed
        _move_all(state, path, price.unit, qty - before, reserve.sign)
        if not qty:
            del book.reserves[order_id]
            _ended(path, order.venue)
        elif not before:
            _opened(path, order.venue)
    resting.keep(order, reserve)


def _move_all(state: State, path: Path, unit: Decimal, change: Decimal = ZERO, sign: int = 1) -> None:
    """Positions are what the state says, and an order can execute so much more."""
    for leaf in path.leaves:
        position = leaf.position
        net_qty = _net_qty(state, leaf) if position is None else position.net_qty
        if change or net_qty != leaf.net_qty:
            _move(state.risk.book, leaf, unit, net_qty, change, sign)


def _net_qty(state: State, leaf: Leaf) -> Decimal:
    """What the state says of the position of a leaf that has none of its own yet."""
    held = leaf.held
    if held is None and len(leaf.nodes) == 1:
        held = leaf.held = state.risk.held.get(leaf.key[0])
    if held is not None:
        return held.get(leaf.symbol, ZERO)
    position = leaf.position = state.positions.get(leaf.position_key) if leaf.position_key is not None else None
    return ZERO if position is None else position.net_qty


def _opened(path: Path, venue: str) -> None:
    """One order more that works."""
    for node in path.nodes:
        node.open_orders += 1
        venues = node.venues
        venues[venue] = venues.get(venue, 0) + 1


def _ended(path: Path, venue: str) -> None:
    """One less."""
    for node in path.nodes:
        node.open_orders -= 1
        left = node.venues[venue] - 1
        if left:
            node.venues[venue] = left
        else:
            del node.venues[venue]


# --- Leaves and nodes ---


def node(state: State, scope: str) -> Node:
    """The totals of a scope."""
    found = state.risk.book.nodes.get(scope)
    if found is None:
        found = state.risk.book.nodes[scope] = Node(scope, len(state.risk.setup.scenarios))
        _limit(state, found)
    return found


def _limit(state: State, each: Node) -> None:
    """The scope's own limits, and for the others those of all of its level."""
    book, limits = state.risk.book, state.risk.limits
    if book.percent is None:
        book.percent = bounds.percentages(state.risk.setup)
    here = {**limits.get(scopes.default_of(each.scope), {}), **limits.get(each.scope, {})}
    bounds.limit(each, here, book.percent)


def limits_changed(state: State) -> None:
    """Limits are others: every path is put together anew when it is next needed."""
    carry(state)
    book = state.risk.book
    book.version += 1
    book.duplicate_ns = None
    others = set()
    for each in book.nodes.values():
        before = each.looks
        _limit(state, each)
        if each.looks != before:
            others.add(each)
    for leaf in book.leaves.values() if others else ():
        if not others.isdisjoint(leaf.nodes):
            bounds.split(leaf)


def tree_leaf(state: State, account: str, strategy: str, symbol: str) -> Leaf:
    """The leaf of an account's strategy in an instrument."""
    key, book = (scopes.strategy(account, strategy), symbol), state.risk.book
    if book.on_trial is not None and book.on_trial[0] == key[0]:
        book.on_trial = None  # Something else is of this strategy: it stays.
    known = book.leaves.get(key)
    if known is None:
        known = _new_leaf(state, key, scopes.tree_path(state.risk.setup, account, strategy, symbol))
        known.position_key = PositionKey(account, strategy, symbol)
    return known


def _side_leaf(state: State, scope: str, symbol: str) -> Leaf:
    """The leaf of a client or a venue in an instrument."""
    key = (scope, symbol)
    return state.risk.book.leaves.get(key) or _new_leaf(state, key, (scope,))


def _new_leaf(state: State, key: tuple[str, str], path: tuple[str, ...]) -> Leaf:
    book, symbol = state.risk.book, key[1]
    places = tuple([(node(state, scope), _cell(book, scope, symbol)) for scope in path])
    made = Leaf(symbol, state.risk.setup.instruments[symbol], places, key[0])
    bounds.split(made)
    book.leaves[key] = made
    book.by_symbol.setdefault(symbol, []).append(made)
    return made


def _cell(book: Book, scope: str, symbol: str) -> Cell:
    cell = book.cells.get((scope, symbol))
    if cell is None:
        cell = book.cells[scope, symbol] = Cell()
    return cell


def path_of(state: State, client_id: str, account: str, strategy: str, symbol: str, venue: str) -> Path:
    """What an order of these has to pass."""
    path = _path(state, (client_id, account, strategy, symbol, venue))
    if not path.gathered:
        bounds.gather(path)
    return path


def known_path(state: State, command: SubmitOrder, venue: str) -> Path | None:
    """The way of an order that is there, without its limits; None for an instrument that is no longer configured."""
    book, symbol = state.risk.book, command.symbol
    key = (command.client_id, command.account, command.strategy, symbol, venue)
    path = book.paths.get(key)
    if path is not None and path.version == book.version:
        return path
    return _path(state, key) if symbol in state.risk.setup.instruments else None


def _path(state: State, key: tuple[str, str, str, str, str]) -> Path:
    book = state.risk.book
    path = book.paths.get(key)
    if path is None:
        path = book.paths[key] = _new_path(state, *key)
    if path.version != book.version:
        bounds.pace(path)
        path.version = book.version
    return path


def _new_path(state: State, client_id: str, account: str, strategy: str, symbol: str, venue: str) -> Path:
    leaves = (
        tree_leaf(state, account, strategy, symbol),
        _side_leaf(state, f"client:{client_id}", symbol),
        _side_leaf(state, f"venue:{venue}", symbol),
    )
    known = state.risk.book.resting
    ours = [known.setdefault((venue, symbol, sign), Resting()) for sign in (1, -1)]
    return bounds.new_path(state.risk.setup, (client_id, account, strategy), leaves, (ours[0], ours[1]))


def _move(book: Book, leaf: Leaf, unit: Decimal, net_qty: Decimal, change: Decimal = ZERO, sign: int = 1) -> None:
    """The leaf's position is this now, and its working orders of one side can execute so much more: carry what is
    needed at once to every scope that it counts at.
    """
    if change and sign > 0:
        leaf.buys += change
    elif change:
        leaf.sells += change
    long_qty, short_qty = net_qty + leaf.buys, net_qty - leaf.sells
    by_long, by_short = long_qty - leaf.long_qty, short_qty - leaf.short_qty
    leaf.net_qty, leaf.long_qty, leaf.short_qty = net_qty, long_qty, short_qty
    if not (long_qty or short_qty) or by_long == long_qty or by_short == short_qty:
        _use(leaf, by_long, by_short)
    gross = worst_qty(long_qty, short_qty) * unit
    _add(leaf.at_once, by_long, by_short, gross - leaf.gross)
    leaf.gross = gross
    book.dirty[leaf] = None


def _add(places: Places, by_long: Decimal, by_short: Decimal, by_gross: Decimal) -> None:
    if by_long:
        for cell in places.cells:
            cell.long_qty += by_long
    if by_short:
        for cell in places.cells:
            cell.short_qty += by_short
    if by_gross:
        for each in places.sums:
            each.gross += by_gross
        for cell in places.shares:
            cell.gross += by_gross


def _use(leaf: Leaf, by_long: Decimal, by_short: Decimal) -> None:
    """A scope's cell is in use while one of its leaves is."""
    was = bool(leaf.long_qty != by_long or leaf.short_qty != by_short)
    used = bool(leaf.long_qty or leaf.short_qty) - was
    for each, cell in leaf.places if used else ():
        cell.leaves += used
        if cell.leaves:
            each.cells[leaf.symbol] = cell
        else:
            del each.cells[leaf.symbol]


def worst_qty(long_qty: Decimal, short_qty: Decimal) -> Decimal:
    """The larger amount of the two; the first is never the lower one."""
    return long_qty if long_qty + short_qty >= 0 else -short_qty


@exactly
def carry(state: State) -> None:
    """Bring the sums that are not always needed up to date."""
    dirty = state.risk.book.dirty
    for leaf in dirty:
        _carry(state, leaf)
    dirty.clear()


def _carry(state: State, leaf: Leaf) -> None:
    instrument, unit = leaf.instrument, prices.price_of(state, leaf.symbol, leaf.instrument).unit
    long_, short, net_value = leaf.long_qty * unit, leaf.short_qty * unit, leaf.net_qty * unit
    by_long, by_short, by_net = long_ - leaf.long, short - leaf.short, net_value - leaf.net_value
    (long_qty, short_qty, gross), carried = leaf.carried, (leaf.long_qty, leaf.short_qty, leaf.gross)
    by_gross = leaf.gross - gross
    by_margin = by_gross * instrument.margin_pct * _HUNDREDTH
    _add(leaf.later, leaf.long_qty - long_qty, leaf.short_qty - short_qty, by_gross)
    leaf.long, leaf.short, leaf.net_value, leaf.carried = long_, short, net_value, carried
    name = instrument.asset_class
    more, less = correlation.sigma_of(instrument, by_long), correlation.sigma_of(instrument, by_short)
    losses = scenario_losses(state, leaf.symbol, instrument, by_long, by_short)
    for each in leaf.nodes:
        each.long += by_long
        each.short += by_short
        each.net += by_net
        each.margin += by_margin
        for number, loss in losses:
            each.losses[number] += loss
        if more or less:
            largest, smallest = each.sigmas.get(name, _NONE)
            each.sigmas[name] = largest + more, smallest + less


def scenario_losses(
    state: State, symbol: str, instrument: RiskInstrument, by_long: Decimal, by_short: Decimal
) -> list[tuple[int, Decimal]]:
    """What each scenario would lose more: of a fall the largest position that is possible loses most, of a rise the
    smallest.
    """
    losses = []
    for number, scenario in enumerate(state.risk.setup.scenarios):
        shock = scenario.shocks.get(symbol)
        if shock is None:
            shock = scenario.shocks.get(instrument.asset_class)
        if shock:
            moved = by_long if shock.is_signed() else by_short
            if moved:
                losses.append((number, negated(multiply(multiply(moved, shock), _HUNDREDTH))))
    return losses


# --- Positions and prices ---


@exactly
def revalue(state: State, symbols: Iterable[str]) -> None:
    """The marks or rates of these are others."""
    book = state.risk.book
    for symbol in symbols:
        book.prices.pop(symbol, None)
        for leaf in book.by_symbol.get(symbol, ()) if book.built else ():
            unit = prices.price_of(state, symbol, leaf.instrument).unit
            by_gross = worst_qty(leaf.long_qty, leaf.short_qty) * unit - leaf.gross
            leaf.gross += by_gross
            _add(leaf.at_once, ZERO, ZERO, by_gross)
            book.dirty[leaf] = None
    book.touched.update({order_id: state.orders[order_id] for order_id in book.by_cash})


def positions_in(state: State, symbol: str) -> Iterable[Position]:
    """All positions in an instrument, in the order in which they were opened."""
    book = state.risk.book
    if book.positions is None:
        book.positions = {}
        for key, position in state.positions.items():
            book.positions.setdefault(key.symbol, {})[key] = position
    return book.positions.get(symbol, {}).values()


def note_position(state: State, position: Position) -> None:
    """A position that may be a new one."""
    known = state.risk.book.positions
    if known is not None:
        key = PositionKey(position.account, position.strategy, position.symbol)
        known.setdefault(position.symbol, {})[key] = position


# --- Proof ---


def differences(state: State) -> list[str]:
    """Where the running totals are not what orders and positions add up to, for people; changes nothing."""
    running = state.risk.book
    if not running.built:
        return []
    sync(state)
    state.risk.book = Book()
    sync(state)
    scratch, state.risk.book = state.risk.book, running
    said = [
        f"risk at {scope}: the running totals are {_figures(running.nodes.get(scope))}, from scratch they are"
        f" {_figures(scratch.nodes.get(scope))}"
        for scope in {**running.nodes, **scratch.nodes}
        if _figures(running.nodes.get(scope)) != _figures(scratch.nodes.get(scope))
    ]
    said += [
        f"{side} of {symbol} at {venue} rests otherwise than the orders say"
        for venue, symbol, side in {**running.resting, **scratch.resting}
        if _prices(running, venue, symbol, side) != _prices(scratch, venue, symbol, side)
    ]
    return said


def _prices(book: Book, venue: str, symbol: str, side: int) -> object:
    found = book.resting.get((venue, symbol, side)) or Resting()
    return found.prices, {px: set(orders) for px, orders in found.orders.items()}, found.stops


def _figures(totals: Node | None) -> object:
    """All that a scope adds up to; nothing at all is the same as a scope that is not there."""
    if totals is None or not (totals.cells or totals.open_orders):
        return None
    return (
        (totals.long, totals.short, totals.gross, totals.net, totals.margin, totals.losses),
        {name: sigma for name, sigma in totals.sigmas.items() if any(sigma)},
        {symbol: (cell.long_qty, cell.short_qty, cell.gross) for symbol, cell in totals.cells.items()},
        (totals.open_orders, totals.venues),
    )
