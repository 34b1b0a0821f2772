"""Price-time priority order book over integers: prices are ticks, quantities are lots.

The book knows nothing of FIX, clients, clocks or sockets. It holds what rests and matches what is sent against it.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

BUY = 1
SELL = -1


class Fill(msgspec.Struct, frozen=True):
    """`qty` lots of the resting order `maker` traded at `price` ticks with `taker`; `side` is the taker's."""

    maker: int
    taker: int
    side: int
    qty: int
    price: int


class Resting(msgspec.Struct):
    """One resting order. `shown` is the displayed part of `open_qty`; `peak` is MaxFloor(111) in lots, 0 for all."""

    key: int
    side: int
    price: int
    open_qty: int
    peak: int
    shown: int
    rank: int


class _Side:
    """One side of the book; levels are keyed so that the best one sorts first on both sides."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.levels: dict[int, OrderedDict[int, Resting]] = {}
        self.keys: list[int] = []

    def queue(self, price: int) -> OrderedDict[int, Resting]:
        key = -price * self.side
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = OrderedDict()
            self.keys.insert(bisect_left(self.keys, key), key)
        return level

    def drop_if_empty(self, price: int) -> None:
        key = -price * self.side
        if not self.levels[key]:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]

    def best(self) -> int | None:
        return -self.keys[0] * self.side if self.keys else None

    def __iter__(self) -> Iterator[Resting]:
        for key in self.keys:
            yield from self.levels[key].values()


def _shown(open_qty: int, peak: int) -> int:
    return min(open_qty, peak) if peak else open_qty


class Book:
    """Both sides of one instrument, matched by price, then by time; an iceberg's refreshed slice goes to the back."""

    def __init__(self) -> None:
        self._sides = {BUY: _Side(BUY), SELL: _Side(SELL)}
        self._index: dict[int, Resting] = {}
        self._rank = 0

    def __contains__(self, key: int) -> bool:
        return key in self._index

    def __len__(self) -> int:
        return len(self._index)

    def get(self, key: int) -> Resting | None:
        """The resting order with this key, or None."""
        return self._index.get(key)

    def best(self, side: int) -> int | None:
        """Best price of a side in ticks, None when it is empty."""
        return self._sides[side].best()

    def resting(self, side: int) -> list[Resting]:
        """Every resting order of a side in priority order."""
        return list(self._sides[side])

    def depth(self, side: int, levels: int = 5) -> list[tuple[int, int]]:
        """(price, displayed quantity) of the best levels."""
        half = self._sides[side]
        return [(-key * side, sum(r.shown for r in half.levels[key].values())) for key in half.keys[:levels]]

    def add(self, key: int, side: int, price: int, qty: int, peak: int = 0) -> None:
        """Rest an order behind all others at its price, without matching it."""
        self._rank += 1
        order = Resting(key, side, price, qty, peak, _shown(qty, peak), self._rank)
        self._index[key] = order
        self._sides[side].queue(price)[key] = order

    def remove(self, key: int) -> int:
        """Take an order out and return its open quantity, 0 when it does not rest here."""
        order = self._index.pop(key, None)
        if order is None:
            return 0
        half = self._sides[order.side]
        del half.queue(order.price)[key]
        half.drop_if_empty(order.price)
        return order.open_qty

    def reduce(self, key: int, open_qty: int) -> None:
        """Lower an order's open quantity and keep its priority; 0 takes it out."""
        if open_qty <= 0:
            self.remove(key)
            return
        order = self._index[key]
        order.open_qty = open_qty
        order.shown = min(order.shown, open_qty)

    def available(self, side: int, limit: int | None) -> int:
        """Lots that a taker of `side` could trade at `limit` or better, hidden quantity included."""
        other = self._sides[-side]
        total = 0
        for key in other.keys:
            if not _acceptable(side, -key * other.side, limit):
                break
            total += sum(r.open_qty for r in other.levels[key].values())
        return total

    def crosses(self, side: int, limit: int | None) -> bool:
        """Whether a taker of `side` at `limit` would trade at once."""
        best = self.best(-side)
        return best is not None and _acceptable(side, best, limit)

    def take(self, taker: int, side: int, qty: int, limit: int | None) -> list[Fill]:
        """Match up to `qty` lots against the other side; the maker's price holds."""
        other = self._sides[-side]
        fills: list[Fill] = []
        while qty:
            price = other.best()
            if price is None or not _acceptable(side, price, limit):
                break
            maker = next(iter(other.queue(price).values()))
            traded = min(qty, maker.shown)
            qty -= traded
            fills.append(Fill(maker.key, taker, side, traded, price))
            self._consume(other, maker, traded)
        return fills

    def _consume(self, half: _Side, maker: Resting, qty: int) -> None:
        maker.shown -= qty
        maker.open_qty -= qty
        if maker.shown:
            return
        queue = half.queue(maker.price)
        del queue[maker.key]
        if maker.open_qty:
            self._rank += 1
            maker.rank = self._rank
            maker.shown = _shown(maker.open_qty, maker.peak)
            queue[maker.key] = maker
        else:
            del self._index[maker.key]
            half.drop_if_empty(maker.price)


def _acceptable(side: int, price: int, limit: int | None) -> bool:
    return limit is None or (price - limit) * side <= 0
