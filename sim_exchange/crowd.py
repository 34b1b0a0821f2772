"""Seeded random counterparties: they quote around a drifting reference price and sometimes take."""

from collections import deque
from random import Random

from sim_exchange.book import BUY, SELL
from sim_exchange.config import CrowdConfig
from sim_exchange.enums import Phase, TimeInForce
from sim_exchange.matching import Event, Market, MarketOrder

OPENING_ACTIONS = 20


class Crowd:
    """The random participants of one instrument. The same seed and the same calls give the same orders.

    Their orders have keys below zero. They are not part of the venue's memory: after a restart they quote anew.
    """

    def __init__(self, config: CrowdConfig, market: Market, reference: int, seed: str) -> None:
        self.config = config
        self.rate = config.rate
        self._market = market
        self._anchor = self._reference = reference
        self._rng = Random(seed)
        self._key = 0
        self._quotes: deque[int] = deque()
        self._acted = 0
        self._started_ns: int | None = None

    def tick(self, mono_ns: int, limit: int = 100) -> list[Event]:
        """Do what is due since the first call, at most `limit` actions; a backlog beyond that is dropped."""
        if not self.rate or self._market.phase is not Phase.OPEN:
            self._started_ns = None
            return []
        if self._started_ns is None:
            # The first call builds a book, so that there is a market from the first moment.
            self._started_ns, self._acted = mono_ns, -OPENING_ACTIONS
        due = int((mono_ns - self._started_ns) * self.rate / 1_000_000_000) - self._acted
        self._acted += due
        events: list[Event] = []
        for _ in range(min(due, limit)):
            events += self.act()
        return events

    def act(self) -> list[Event]:
        """One action: drift, then quote both sides or take."""
        self._drift()
        if self._rng.random() < self.config.take:
            return self._take()
        return self._quote(BUY) + self._quote(SELL)

    def _drift(self) -> None:
        """A random walk that leans back to where it began."""
        pull = 0.1 if self._reference < self._anchor else -0.1 if self._reference > self._anchor else 0.0
        draw = self._rng.random()
        self._reference += (draw < 0.3 + pull) - (draw > 0.7 + pull)

    def _quote(self, side: int) -> list[Event]:
        config = self.config
        away = config.spread_ticks + self._rng.randrange(config.levels)
        price = max(1, self._reference - side * away)
        key = self._next_key()
        self._quotes.append(key)
        if len(self._quotes) > config.max_quotes:
            self._market.cancel(self._quotes.popleft())
        return self._market.submit(MarketOrder(key, side, self._lots(), price))

    def _take(self) -> list[Event]:
        side = BUY if self._rng.random() < 0.5 else SELL
        limit = max(1, self._reference + side * (self.config.spread_ticks + self.config.levels))
        return self._market.submit(MarketOrder(self._next_key(), side, self._lots(), limit, tif=TimeInForce.IOC))

    def _lots(self) -> int:
        return self._rng.randint(1, self.config.max_lots)

    def _next_key(self) -> int:
        self._key -= 1
        return self._key
