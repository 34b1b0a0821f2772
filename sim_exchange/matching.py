"""One instrument's market: phases, order types and times in force on top of the book. Sans-I/O, integers only."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from sim_exchange.book import BUY, SELL, Book, Fill
from sim_exchange.enums import Phase, TimeInForce


class Why(StrEnum):
    """Why an order left the market without the client asking for it."""

    IMMEDIATE = "what could not trade at once is canceled"
    NO_LIQUIDITY = "no liquidity for the rest of a market order"
    END_OF_DAY = "end of the trading day"
    AUCTION_OVER = "the auction is over"
    TIME = "the expiry time has passed"


class MarketOrder(msgspec.Struct):
    """An order as the market sees it. `side` is +1 or -1; `price` and `stop` are ticks; `peak` and `qty` are lots.

    `expires_ns` is nanoseconds since the epoch for GTD, 0 otherwise. A key below zero belongs to the crowd.
    """

    key: int
    side: int
    qty: int
    price: int | None = None
    stop: int | None = None
    tif: TimeInForce = TimeInForce.DAY
    peak: int = 0
    post_only: bool = False
    expires_ns: int = 0


class Gone(msgspec.Struct, frozen=True):
    """An order left the market with its remaining quantity; `expired` tells Expired from Canceled."""

    key: int
    why: Why
    expired: bool


class Triggered(msgspec.Struct, frozen=True):
    """A stop order was released; from now on it is a market or limit order."""

    key: int


Event = Fill | Gone | Triggered


class Refused(Exception):
    """The market does not take the order; `args[0]` says why."""


class Market:
    """Price-time matching in the open phase, a single-price auction at the opening and at the close."""

    def __init__(self, reference: int, phase: Phase = Phase.OPEN) -> None:
        self.book = Book()
        self.phase = phase
        self.last_price = reference
        self._live: dict[int, MarketOrder] = {}
        self._stops: dict[int, MarketOrder] = {}
        # Stop prices by side, so signed and sorted that the one which is released first is at the front.
        self._stop_levels: dict[int, list[int]] = {BUY: [], SELL: []}
        self._auction: dict[int, MarketOrder] = {}
        self._timed: set[int] = set()

    def __contains__(self, key: int) -> bool:
        return key in self._live

    def check(self, order: MarketOrder) -> None:
        """Raise Refused when the order may not enter now."""
        if self.phase in (Phase.CLOSED, Phase.HALTED):
            raise Refused(f"instrument is {self.phase.value}")
        if order.tif is TimeInForce.OPG and self.phase is not Phase.PRE_OPEN:
            raise Refused("the opening is over")
        if order.tif in (TimeInForce.OPG, TimeInForce.ATC) and order.stop is not None:
            raise Refused("a stop order cannot be for an auction only")
        if order.tif in (TimeInForce.IOC, TimeInForce.FOK) and self.phase is Phase.PRE_OPEN:
            raise Refused("nothing trades before the opening")
        if order.post_only and (order.price is None or order.stop is not None):
            raise Refused("participate-don't-initiate needs a limit order")
        if order.post_only and self.book.crosses(order.side, order.price):
            raise Refused("participate-don't-initiate order would trade at once")

    def submit(self, order: MarketOrder) -> list[Event]:
        """Enter an order that `check` accepts; what happens, in order."""
        self.check(order)
        return self._place(order)

    def _place(self, order: MarketOrder) -> list[Event]:
        self._remember(order)
        if order.tif in (TimeInForce.OPG, TimeInForce.ATC):
            self._auction[order.key] = order
            return []
        if order.stop is not None:
            self._add_stop(order, order.stop)
            return self._trigger([]) if self.phase is Phase.OPEN else []
        return self._trigger(self._enter(order))

    def restore(self, order: MarketOrder) -> None:
        """Put a known order back where it rested, without matching it (used after a restart, in priority order)."""
        self._remember(order)
        if order.tif in (TimeInForce.OPG, TimeInForce.ATC) or (order.price is None and order.stop is None):
            self._auction[order.key] = order
        elif order.stop is not None:
            self._add_stop(order, order.stop)
        else:
            self._rest(order, order.qty)

    def cancel(self, key: int) -> bool:
        """Take an order out; False when it is not here."""
        self._forget_stop(key)
        self._auction.pop(key, None)
        self.book.remove(key)
        return self._forget(key)

    def keeps_place(self, order: MarketOrder) -> bool:
        """Whether to change the live order with this key to `order` only lowers its quantity, if at all."""
        old = self._live[order.key]
        terms = (order.price, order.stop, order.tif, order.peak, order.expires_ns)
        if (old.price, old.stop, old.tif, old.peak, old.expires_ns) != terms:
            return False
        resting = self.book.get(order.key)
        if resting is not None:
            return order.qty <= resting.open_qty
        waiting = self._stops.get(order.key) or self._auction.get(order.key)
        return waiting is not None and order.qty <= waiting.qty

    def replace(self, order: MarketOrder) -> list[Event]:
        """Change a live order to `order` (same key, `qty` is the new open quantity).

        Only a smaller quantity keeps the time priority; anything else enters anew and may trade.
        """
        if not self.keeps_place(order):
            self.cancel(order.key)
            return self._place(order)
        self._live[order.key] = order
        if order.key in self.book:
            self.book.reduce(order.key, order.qty)
        else:
            waiting = self._stops if order.key in self._stops else self._auction
            waiting[order.key] = order
        return []

    def set_phase(self, phase: Phase, now_ns: int) -> list[Event]:
        """Move to a phase: whatever opens the market runs the opening auction, for orders may have come to cross since
        it last traded; the close runs its own and expires what does not last.
        """
        old, self.phase = self.phase, phase
        if phase is Phase.OPEN and old is not Phase.OPEN:
            events = self._uncross(TimeInForce.OPG)
            return self._trigger(events + self._end_auction((TimeInForce.OPG,), Why.AUCTION_OVER))
        if phase is Phase.CLOSED and old is not Phase.CLOSED:
            events = self._uncross(TimeInForce.ATC) if old is Phase.OPEN else []
            return events + self._end_of_day(now_ns)
        return []

    def expire(self, now_ns: int) -> list[Event]:
        """Expire GTD orders whose time has passed."""
        due = sorted(key for key in self._timed if self._live[key].expires_ns <= now_ns)
        return [self._gone(key, Why.TIME, True) for key in due]

    def _remember(self, order: MarketOrder) -> None:
        self._live[order.key] = order
        if order.expires_ns:
            self._timed.add(order.key)

    def _forget(self, key: int) -> bool:
        self._timed.discard(key)
        return self._live.pop(key, None) is not None

    def _gone(self, key: int, why: Why, expired: bool) -> Gone:
        self.cancel(key)
        return Gone(key, why, expired)

    def _rest(self, order: MarketOrder, qty: int) -> None:
        if order.price is None:
            raise ValueError("an order without a price cannot rest")
        self.book.add(order.key, order.side, order.price, qty, order.peak)

    def _enter(self, order: MarketOrder) -> list[Event]:
        if self.phase is not Phase.OPEN:
            if order.price is None:
                self._auction[order.key] = order
            else:
                self._rest(order, order.qty)
            return []
        if order.tif is TimeInForce.FOK and self.book.available(order.side, order.price) < order.qty:
            return [self._gone(order.key, Why.IMMEDIATE, False)]
        fills = self.book.take(order.key, order.side, order.qty, order.price)
        self._settle(fills)
        left = order.qty - sum(f.qty for f in fills)
        events: list[Event] = list(fills)
        if not left:
            self._forget(order.key)
        elif order.tif is TimeInForce.IOC:
            events.append(self._gone(order.key, Why.IMMEDIATE, False))
        elif order.price is None:
            events.append(self._gone(order.key, Why.NO_LIQUIDITY, False))
        else:
            self._rest(order, left)
        return events

    def _settle(self, fills: Iterable[Fill]) -> None:
        for fill in fills:
            self.last_price = fill.price
            if fill.maker not in self.book:
                self._forget(fill.maker)

    def _trigger(self, events: list[Event]) -> list[Event]:
        """Release stop orders that the last price has reached, oldest first, until none is left to release."""
        while self.phase is Phase.OPEN and (due := self._due()):
            price = self.last_price
            for order in due:
                self._forget_stop(order.key)
                released = msgspec.structs.replace(order, stop=None)
                self._live[order.key] = released
                events += [Triggered(order.key), *self._enter(released)]
                if self.last_price != price:
                    break
        return events

    def _due(self) -> list[MarketOrder]:
        """The stop orders that the last price has reached, oldest first."""
        if not any(levels and levels[0] <= self.last_price * side for side, levels in self._stop_levels.items()):
            return []
        return [o for o in self._stops.values() if o.stop is not None and (self.last_price - o.stop) * o.side >= 0]

    def _add_stop(self, order: MarketOrder, stop: int) -> None:
        self._stops[order.key] = order
        insort(self._stop_levels[order.side], stop * order.side)

    def _forget_stop(self, key: int) -> None:
        order = self._stops.pop(key, None)
        if order is not None and order.stop is not None:
            levels = self._stop_levels[order.side]
            del levels[bisect_left(levels, order.stop * order.side)]

    def _end_auction(self, tifs: tuple[TimeInForce, ...], why: Why) -> list[Event]:
        """End what took part in an auction only; a market order that stays has nothing to rest at and is canceled."""
        left = [o for o in self._auction.values() if o.tif in tifs or o.tif is not TimeInForce.ATC]
        return [self._gone(o.key, why, o.tif in tifs) for o in left]

    def _end_of_day(self, now_ns: int) -> list[Event]:
        lasting = (TimeInForce.GTC, TimeInForce.GTD)
        due = [o.key for o in self._live.values() if o.tif not in lasting or 0 < o.expires_ns <= now_ns]
        return [self._gone(key, Why.END_OF_DAY, True) for key in due]

    def _uncross(self, tif: TimeInForce) -> list[Event]:
        """Single-price auction over the book, the auction orders of `tif` and waiting market orders."""
        entries = {side: self._auction_side(side, tif) for side in (BUY, SELL)}
        price = auction_price(entries[BUY], entries[SELL], self.last_price)
        if price is None:
            return []
        fills = list(_allocate(entries[BUY], entries[SELL], price))
        for fill in fills:
            self._reduce_after_auction(fill.taker, fill.qty)
            self._reduce_after_auction(fill.maker, fill.qty)
        if fills:
            self.last_price = price
        return list(fills)

    def _auction_side(self, side: int, tif: TimeInForce) -> list[tuple[int, int, int | None]]:
        """(key, lots, limit) in auction priority: market orders, then by price, then by time."""
        waiting = [
            o for o in self._auction.values() if o.side == side and (o.tif is tif or o.tif is not TimeInForce.ATC)
        ]
        ranked: list[tuple[tuple[int, int, int], tuple[int, int, int | None]]] = []
        for n, order in enumerate(waiting):
            level = 0 if order.price is None else 1
            ranked.append(((level, -side * (order.price or 0), n), (order.key, order.qty, order.price)))
        offset = len(waiting)
        for n, resting in enumerate(self.book.resting(side)):
            ranked.append(((1, -side * resting.price, offset + n), (resting.key, resting.open_qty, resting.price)))
        ranked.sort(key=lambda entry: entry[0])
        return [entry for _, entry in ranked]

    def _reduce_after_auction(self, key: int, qty: int) -> None:
        resting = self.book.get(key)
        if resting is not None:
            left = resting.open_qty - qty
            self.book.reduce(key, left)
        else:
            waiting = self._auction[key]
            left = waiting.qty - qty
            self._auction[key] = msgspec.structs.replace(waiting, qty=left)
        if not left:
            self._auction.pop(key, None)
            self._forget(key)


Entry = tuple[int, int, int | None]


def auction_price(buys: list[Entry], sells: list[Entry], reference: int) -> int | None:
    """Price in ticks that trades the most; ties go to the smaller surplus, then nearest to `reference`, then lower."""
    bought, sold = _by_limit(buys), _by_limit(sells)
    demand, supply = sum(bought.values()), sold.pop(None, 0)
    best: tuple[int, int, int, int] | None = None
    for price in sorted({limit for limit in (*bought, *sold, reference) if limit is not None}):
        supply += sold[price]
        rank = (-min(demand, supply), abs(demand - supply), abs(price - reference), price)
        if min(demand, supply) and (best is None or rank < best):
            best = rank
        demand -= bought[price]
    return None if best is None else best[3]


def _by_limit(entries: list[Entry]) -> Counter[int | None]:
    lots: Counter[int | None] = Counter()
    for _, qty, limit in entries:
        lots[limit] += qty
    return lots


def _allocate(buys: list[Entry], sells: list[Entry], price: int) -> Iterable[Fill]:
    buy_queue = [[key, qty] for key, qty, limit in buys if limit is None or limit >= price]
    sell_queue = [[key, qty] for key, qty, limit in sells if limit is None or limit <= price]
    b = s = 0
    while b < len(buy_queue) and s < len(sell_queue):
        qty = min(buy_queue[b][1], sell_queue[s][1])
        yield Fill(sell_queue[s][0], buy_queue[b][0], BUY, qty, price)
        buy_queue[b][1] -= qty
        sell_queue[s][1] -= qty
        b += buy_queue[b][1] == 0
        s += sell_queue[s][1] == 0
