"""Positions per account, strategy and instrument, by average cost; moved by the same event as the fill.

Everything is kept as (signed quantity, signed value), so that nothing but the split of cost on a partial close is
ever rounded, and even then no money appears or disappears: realized profit = open cost - sum of signed values,
exactly, always.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

import msgspec

from gateway.core.executions import Execution, Net
from gateway.core.money import ZERO, average, exactly, multiply, plain

REVERSIBLE_FILLS = 10_000
"""How many of a position's newest fills are kept one by one.

A bust of one of them leaves the position as if the fill had never been; an older one is reversed by the opposite
trade at its own price, which gives the same quantity and the same money but may split them differently into open and
realized.
"""

_SPLIT_STEP = Decimal("1E-12")
_REVERSAL = -1  # The place of what trades against a fill that is no longer kept: no line of a ledger stands there.
_SPLIT = Context(prec=100, rounding=ROUND_HALF_EVEN)


class PositionKey(NamedTuple):
    """What a position is kept for."""

    account: str
    strategy: str
    symbol: str


class Fill(NamedTuple):
    """Signed quantity and signed value (quantity times price) of one execution."""

    qty: Decimal
    value: Decimal


Booked = tuple[str, int, Decimal, Decimal]
"""One execution in a position: its order_id, its place in the order's ledger, and what a `Fill` has."""


class Position(msgspec.Struct):
    """One position.

    `net_qty` is negative when short, `cost` is the signed value of what is open, `realized` is in price points times
    quantity. `fills` are the newest, in the order of their arrival.
    """

    account: str
    strategy: str
    symbol: str
    currency: str
    multiplier: Decimal
    net_qty: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    bought_qty: Decimal = ZERO
    sold_qty: Decimal = ZERO
    fills: list[Booked] = []
    base: tuple[Decimal, Decimal, Decimal, Decimal, Decimal] = (ZERO, ZERO, ZERO, ZERO, ZERO)

    @property
    def avg_entry_px(self) -> Decimal:
        """Average price of what is open, to 10 decimals; zero when flat."""
        return average(self.cost, self.net_qty)

    @property
    def realized_pnl(self) -> Decimal:
        """Realized profit in the instrument's currency, multiplier included."""
        return plain(multiply(self.realized, self.multiplier))

    def add(self, order_id: str, sign: int, place: int, line: Execution) -> None:
        """Move by a fill that has just come, the line at `place` of the order's ledger. Within `exactly`."""
        qty = line.last_qty
        value = qty * line.last_px
        if sign < 0:
            qty, value = -qty, -value
        self.fills.append((order_id, place, qty, value))
        self._trade(qty, value)
        if len(self.fills) > 2 * REVERSIBLE_FILLS:
            self._settle()

    @exactly
    def take(self, order_id: str, sign: int, before: Net, after: Net) -> None:
        """Move by the difference that an event made to what counts of one order's executions."""
        gone = [place for place in before if place not in after]
        changed = [place for place, counted in after.items() if place in before and before[place] != counted]
        fresh = [place for place in after if place not in before]
        for place in gone:
            self._reverse(order_id, place, _signed(sign, before[place]))
        for place in changed:
            self._correct(order_id, place, _signed(sign, before[place]), _signed(sign, after[place]))
        for place in fresh:
            self.fills.append((order_id, place, *_signed(sign, after[place])))
        if gone or changed:
            self._recount()
        else:
            for place in fresh:
                self._trade(*_signed(sign, after[place]))
        if len(self.fills) > 2 * REVERSIBLE_FILLS:
            self._settle()

    def _trade(self, qty: Decimal, value: Decimal) -> None:
        """One execution: what opens adds cost, what closes releases its share of it and realizes the difference."""
        net_qty = self.net_qty
        sells = qty.is_signed()
        if sells:
            self.sold_qty -= qty
        else:
            self.bought_qty += qty
        if not net_qty or sells == net_qty.is_signed() or not qty:
            self._open(qty, value)
            return
        closing = qty if abs(qty) <= abs(net_qty) else -net_qty
        closing_value = _share(value, closing, qty)
        released = _share(self.cost, -closing, net_qty)
        self.realized -= closing_value + released
        self.cost -= released
        self.net_qty = net_qty + closing
        if closing != qty:
            self._open(qty - closing, value - closing_value)

    def _open(self, qty: Decimal, value: Decimal) -> None:
        self.net_qty += qty
        self.cost += value

    def _reverse(self, order_id: str, place: int, fill: Fill) -> None:
        """A bust: forget the fill, or trade against it when it is no longer kept by itself."""
        at = self._find(order_id, place)
        if at is not None:
            del self.fills[at]
        else:
            self.fills.append((order_id, _REVERSAL, -fill.qty, -fill.value))

    def _correct(self, order_id: str, place: int, old: Fill, new: Fill) -> None:
        at = self._find(order_id, place)
        if at is not None:
            self.fills[at] = (order_id, place, *new)
        else:
            self._reverse(order_id, place, old)
            self.fills.append((order_id, place, *new))

    def _find(self, order_id: str, place: int) -> int | None:
        """Where a fill stands; None when it is no longer kept by itself."""
        for at, booked in enumerate(self.fills):
            if booked[1] == place and booked[0] == order_id:
                return at
        return None

    def _recount(self) -> None:
        """Start over from the base: the position is what its fills make of it."""
        self.net_qty, self.cost, self.realized, self.bought_qty, self.sold_qty = self.base
        for _, _, qty, value in self.fills:
            self._trade(qty, value)

    def _settle(self) -> None:
        """Fold the older half of the fills into the base, so that memory stays bounded (rule 7)."""
        newest = self.fills[REVERSIBLE_FILLS:]
        del self.fills[REVERSIBLE_FILLS:]
        self._recount()
        self.base = (self.net_qty, self.cost, self.realized, self.bought_qty, self.sold_qty)
        self.fills = newest
        self._recount()


def _signed(sign: int, counted: tuple[Decimal, Decimal]) -> Fill:
    qty, value = counted
    return Fill(qty, value) if sign > 0 else Fill(-qty, -value)


def _share(value: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`value * part / whole`; exact when `part` is the whole, else rounded to 12 decimals, half to even."""
    if part == whole:
        return value
    return _SPLIT.quantize(_SPLIT.divide(value * part, whole), _SPLIT_STEP)
