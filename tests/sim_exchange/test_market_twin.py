"""The market against a slow, obvious twin over seeded random commands; a failure names the seed."""

import time
from random import Random

import msgspec
import pytest

from sim_exchange.book import Fill
from sim_exchange.enums import Phase, TimeInForce
from sim_exchange.matching import Event, Gone, Market, MarketOrder, Refused, Triggered, Why, auction_price


class Slice(msgspec.Struct):
    """What the twin keeps of an order: one flat list, sorted anew each time it is looked at."""

    order: MarketOrder
    price: int
    open_qty: int
    shown: int
    rank: int


class Twin:
    """Continuous trading without levels, queues or indexes."""

    def __init__(self, reference: int) -> None:
        self.slices: list[Slice] = []
        self.stops: list[MarketOrder] = []
        self.last = reference
        self.rank = 0

    def submit(self, order: MarketOrder) -> list[Event]:
        if order.stop is not None:
            self.stops.append(order)
            return self.release([])
        return self.release(self.enter(order))

    def release(self, events: list[Event]) -> list[Event]:
        while True:
            due = [s for s in self.stops if s.stop is not None and (self.last - s.stop) * s.side >= 0]
            if not due:
                return events
            self.stops.remove(due[0])
            events = [*events, Triggered(due[0].key), *self.enter(msgspec.structs.replace(due[0], stop=None))]

    def others(self, order: MarketOrder) -> list[Slice]:
        fits = [
            s
            for s in self.slices
            if s.order.side == -order.side and (order.price is None or (s.price - order.price) * order.side <= 0)
        ]
        return sorted(fits, key=lambda s: (s.price * order.side, s.rank))

    def enter(self, order: MarketOrder) -> list[Event]:
        if order.tif is TimeInForce.FOK and sum(s.open_qty for s in self.others(order)) < order.qty:
            return [Gone(order.key, Why.IMMEDIATE, False)]
        left = order.qty
        events: list[Event] = []
        while left and (others := self.others(order)):
            maker = others[0]
            qty = min(left, maker.shown)
            left -= qty
            maker.shown -= qty
            maker.open_qty -= qty
            self.last = maker.price
            events.append(Fill(maker.order.key, order.key, order.side, qty, maker.price))
            if not maker.open_qty:
                self.slices.remove(maker)
            elif not maker.shown:
                self.rank += 1
                maker.shown, maker.rank = min(maker.order.peak, maker.open_qty), self.rank
        if not left:
            return events
        if order.tif is TimeInForce.IOC:
            return [*events, Gone(order.key, Why.IMMEDIATE, False)]
        if order.price is None:
            return [*events, Gone(order.key, Why.NO_LIQUIDITY, False)]
        self.rest(order, order.price, left)
        return events

    def rest(self, order: MarketOrder, price: int, left: int) -> None:
        self.rank += 1
        self.slices.append(Slice(order, price, left, min(order.peak or left, left), self.rank))

    def find(self, key: int) -> Slice | None:
        return next((s for s in self.slices if s.order.key == key), None)

    def cancel(self, key: int) -> bool:
        before = len(self.slices) + len(self.stops)
        self.slices = [s for s in self.slices if s.order.key != key]
        self.stops = [s for s in self.stops if s.key != key]
        return len(self.slices) + len(self.stops) < before

    def replace(self, order: MarketOrder) -> list[Event]:
        old = self.find(order.key)
        if (
            old is not None
            and order.price == old.price
            and order.peak == old.order.peak
            and order.tif == old.order.tif
            and order.qty <= old.open_qty
        ):
            old.open_qty, old.shown = order.qty, min(old.shown, order.qty)
            return []
        self.cancel(order.key)
        return self.submit(order)

    def depth(self) -> list[tuple[int, int, int, int]]:
        ranked = sorted(self.slices, key=lambda s: (s.order.side, s.price, s.rank))
        return [(s.order.side, s.price, s.order.key, s.open_qty) for s in ranked]


def random_order(rng: Random, key: int) -> MarketOrder:
    kind = rng.choice(["limit"] * 6 + ["market", "stop", "stop_limit"])
    price = rng.randint(95, 105)
    return MarketOrder(
        key,
        rng.choice((1, -1)),
        rng.randint(1, 60),
        price=None if kind in ("market", "stop") else price,
        stop=rng.randint(94, 106) if kind.startswith("stop") else None,
        tif=rng.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)),
        peak=rng.choice((0, 0, 0, 1, 5, 10)),
        post_only=kind == "limit" and rng.random() < 0.1,
    )


def depth(market: Market) -> list[tuple[int, int, int, int]]:
    resting = [r for side in (1, -1) for r in market.book.resting(side)]
    return [(r.side, r.price, r.key, r.open_qty) for r in sorted(resting, key=lambda r: (r.side, r.price, r.rank))]


def crossed(market: Market) -> bool:
    bid, offer = market.book.best(1), market.book.best(-1)
    return bid is not None and offer is not None and bid >= offer


@pytest.mark.parametrize("seed", range(12))
def test_market_does_what_the_twin_does(seed: int) -> None:
    rng, market, twin = Random(seed), Market(100), Twin(100)
    trades = 0
    for step in range(1500):
        where = f"seed {seed}, step {step}"
        draw = rng.random()
        if draw < 0.70:
            order = random_order(rng, step)
            try:
                events = market.submit(order)
            except Refused:
                assert twin.others(order), where
                assert order.post_only, where
                continue
            assert events == twin.submit(order), where
        elif draw < 0.85 and twin.slices:
            key = rng.choice(twin.slices).order.key
            assert market.cancel(key) == twin.cancel(key), where
            events = []
        elif twin.slices:
            old = rng.choice(twin.slices)
            change = {"qty": max(1, old.open_qty + rng.randint(-20, 20)), "post_only": False, "stop": None}
            if rng.random() < 0.5:
                change["price"] = old.price + rng.randint(-3, 3)
            order = msgspec.structs.replace(old.order, **change)
            events = market.replace(order)
            assert events == twin.replace(order), where
        else:
            continue
        trades += sum(isinstance(e, Fill) for e in events)
        if step % 10 == 0:
            assert depth(market) == twin.depth(), where
        assert not crossed(market), f"{where}: crossed"
    assert trades > 200, "the run must trade to prove anything"
    assert market.last_price == twin.last


@pytest.mark.parametrize("seed", range(20))
def test_an_auction_trades_the_most_that_any_single_price_could(seed: int) -> None:
    rng, market = Random(seed), Market(100, Phase.PRE_OPEN)
    orders = []
    for key in range(60):
        order = MarketOrder(
            key,
            rng.choice((1, -1)),
            rng.randint(1, 50),
            price=rng.choice([None, *range(96, 105)]),
            tif=rng.choice((TimeInForce.DAY, TimeInForce.OPG)),
            peak=rng.choice((0, 0, 3)),
        )
        orders.append(order)
        assert market.submit(order) == []

    def volume(price: int) -> int:
        bought = sum(o.qty for o in orders if o.side == 1 and (o.price is None or o.price >= price))
        sold = sum(o.qty for o in orders if o.side == -1 and (o.price is None or o.price <= price))
        return min(bought, sold)

    events = market.set_phase(Phase.OPEN, 0)
    fills = [e for e in events if isinstance(e, Fill)]
    assert len({f.price for f in fills}) == 1, f"seed {seed}"
    assert sum(f.qty for f in fills) == max(volume(p) for p in range(90, 111)), f"seed {seed}"
    price = fills[0].price
    by_key = {o.key: o for o in orders}
    for fill in fills:
        for key in (fill.maker, fill.taker):
            limit = by_key[key].price
            assert limit is None or (price - limit) * by_key[key].side <= 0, f"seed {seed}: {key} at {price}"
    assert not crossed(market), f"seed {seed}: crossed after the auction"
    for order in orders:
        gone = [e for e in events if isinstance(e, Gone) and e.key == order.key]
        traded = sum(f.qty for f in fills if order.key in (f.maker, f.taker))
        stays = order.tif is TimeInForce.DAY and order.price is not None
        assert bool(gone) == (traded < order.qty and not stays), f"seed {seed}: {order}"


@pytest.mark.parametrize("seed", range(30))
def test_the_auction_price_is_that_of_the_rule_said_plainly(seed: int) -> None:
    """The most trades; then the smaller surplus; then the nearest to the last price; then the lower one."""
    rng = Random(seed)
    entries = [(key, rng.randint(1, 4), rng.choice([None, *range(96, 105)])) for key in range(rng.randint(0, 12))]
    buys, sells = entries[::2], entries[1::2]

    def rank(price: int) -> tuple[int, int, int, int]:
        bought = sum(qty for _, qty, limit in buys if limit is None or limit >= price)
        sold = sum(qty for _, qty, limit in sells if limit is None or limit <= price)
        return -min(bought, sold), abs(bought - sold), abs(price - 100), price

    candidates = {100, *(limit for _, _, limit in entries if limit is not None)}
    best = min(map(rank, candidates))
    assert auction_price(buys, sells, 100) == (best[3] if best[0] else None)


def test_many_prices_and_many_stops_do_not_hold_up_the_venue() -> None:
    """Each was looked at for each: 20,000 prices for a minute, 20,000 stops for four milliseconds with each order."""
    started = time.process_time()
    many = [(key, 1, 1_000 + key) for key in range(20_000)]
    assert auction_price(many, many, 1) == 10_999
    market = Market(100)
    for key in range(20_000):
        market.submit(MarketOrder(key, 1, 1, stop=200 + key))
    for key in range(20_000, 22_000):
        assert market.submit(MarketOrder(key, 1, 1, 50)) == []
    assert time.process_time() - started < 5
