"""Order types, times in force and phases of one market, one rule a test."""

import pytest

from sim_exchange.book import BUY, SELL, Fill
from sim_exchange.config import CrowdConfig
from sim_exchange.crowd import Crowd
from sim_exchange.enums import Phase, TimeInForce
from sim_exchange.matching import Gone, Market, MarketOrder, Refused, Triggered, Why


def market_with(*orders: tuple[int, int, int, int]) -> Market:
    """A market at 100 in which (key, side, qty, price) rest."""
    market = Market(100)
    for key, side, qty, price in orders:
        assert market.submit(MarketOrder(key, side, qty, price)) == []
    return market


def test_better_price_first_then_older() -> None:
    market = market_with((1, SELL, 5, 102), (2, SELL, 5, 101), (3, SELL, 5, 101))
    assert market.submit(MarketOrder(9, BUY, 12, 102)) == [
        Fill(2, 9, BUY, 5, 101),
        Fill(3, 9, BUY, 5, 101),
        Fill(1, 9, BUY, 2, 102),
    ]


def test_iceberg_shows_its_peak_and_its_next_slice_queues_behind() -> None:
    market = Market(100)
    market.submit(MarketOrder(1, SELL, 10, 101, peak=4))
    market.submit(MarketOrder(2, SELL, 5, 101))
    assert market.book.depth(SELL) == [(101, 9)]
    assert market.submit(MarketOrder(9, BUY, 10, 101)) == [
        Fill(1, 9, BUY, 4, 101),
        Fill(2, 9, BUY, 5, 101),
        Fill(1, 9, BUY, 1, 101),
    ]


def test_fok_that_cannot_fill_trades_nothing() -> None:
    market = market_with((1, SELL, 5, 101))
    assert market.submit(MarketOrder(9, BUY, 6, 101, tif=TimeInForce.FOK)) == [Gone(9, Why.IMMEDIATE, False)]
    assert market.book.depth(SELL) == [(101, 5)]


def test_fok_counts_what_icebergs_hide() -> None:
    market = Market(100)
    market.submit(MarketOrder(1, SELL, 10, 101, peak=1))
    events = market.submit(MarketOrder(9, BUY, 10, 101, tif=TimeInForce.FOK))
    assert sum(e.qty for e in events if isinstance(e, Fill)) == 10


def test_ioc_and_market_orders_cancel_their_rest() -> None:
    market = market_with((1, SELL, 5, 101))
    events = market.submit(MarketOrder(8, BUY, 6, 101, tif=TimeInForce.IOC))
    assert events == [Fill(1, 8, BUY, 5, 101), Gone(8, Why.IMMEDIATE, False)]
    assert market.submit(MarketOrder(9, BUY, 6)) == [Gone(9, Why.NO_LIQUIDITY, False)]


def test_stop_waits_for_its_price_and_sets_off_the_next() -> None:
    market = market_with((1, SELL, 5, 101), (2, SELL, 5, 103), (3, SELL, 5, 105))
    assert market.submit(MarketOrder(7, BUY, 5, stop=103)) == []
    assert market.submit(MarketOrder(8, BUY, 5, stop=101)) == []
    events = market.submit(MarketOrder(9, BUY, 5, 101))
    assert events == [
        Fill(1, 9, BUY, 5, 101),
        Triggered(8),
        Fill(2, 8, BUY, 5, 103),
        Triggered(7),
        Fill(3, 7, BUY, 5, 105),
    ]


def test_stop_limit_rests_at_its_limit_once_released() -> None:
    market = market_with((1, BUY, 5, 99))
    market.submit(MarketOrder(7, SELL, 5, 100, stop=99))
    market.submit(MarketOrder(9, SELL, 1, 99))
    assert market.book.depth(SELL) == [(100, 5)]


def test_post_only_is_refused_when_it_would_trade() -> None:
    market = market_with((1, SELL, 5, 101))
    with pytest.raises(Refused, match="would trade at once"):
        market.submit(MarketOrder(9, BUY, 5, 101, post_only=True))
    assert market.submit(MarketOrder(9, BUY, 5, 100, post_only=True)) == []


def test_less_quantity_keeps_priority_and_more_loses_it() -> None:
    market = market_with((1, SELL, 5, 101), (2, SELL, 5, 101))
    market.replace(MarketOrder(1, SELL, 3, 101))
    assert [r.key for r in market.book.resting(SELL)] == [1, 2]
    market.replace(MarketOrder(1, SELL, 4, 101))
    assert [r.key for r in market.book.resting(SELL)] == [2, 1]


def test_opening_auction_then_opg_expires_and_day_stays() -> None:
    market = Market(100, Phase.PRE_OPEN)
    market.submit(MarketOrder(1, SELL, 5, 99))
    market.submit(MarketOrder(2, BUY, 3, 101, tif=TimeInForce.OPG))
    market.submit(MarketOrder(3, BUY, 7, 98, tif=TimeInForce.OPG))
    events = market.set_phase(Phase.OPEN, 0)
    assert [(e.qty, e.maker, e.taker) for e in events if isinstance(e, Fill)] == [(3, 1, 2)]
    assert Gone(3, Why.AUCTION_OVER, True) in events
    assert [(r.key, r.open_qty) for r in market.book.resting(SELL)] == [(1, 2)]
    with pytest.raises(Refused, match="opening is over"):
        market.submit(MarketOrder(4, BUY, 1, 100, tif=TimeInForce.OPG))


@pytest.mark.parametrize("before", [Phase.HALTED, Phase.CLOSED])
def test_a_market_that_was_halted_before_it_opened_does_not_open_crossed(before: Phase) -> None:
    market = Market(100, Phase.PRE_OPEN)
    for key, side, price in ((1, SELL, 99), (2, BUY, 101)):
        market.submit(MarketOrder(key, side, 5, price, tif=TimeInForce.GTC))
    if before is Phase.HALTED:
        market.submit(MarketOrder(3, BUY, 4))
    assert not [e for e in market.set_phase(before, 0) if isinstance(e, Fill)]
    events = market.set_phase(Phase.OPEN, 0)
    assert sum(e.qty for e in events if isinstance(e, Fill)) == 5
    assert (market.book.best(SELL), 3 in market) == (None, False)
    assert market.book.best(BUY) == (101 if before is Phase.HALTED else None)


@pytest.mark.parametrize("tif", [TimeInForce.OPG, TimeInForce.ATC])
def test_a_stop_order_takes_no_part_in_an_auction_only(tif: TimeInForce) -> None:
    """It would trade there whatever its stop price says."""
    market = Market(100, Phase.PRE_OPEN)
    with pytest.raises(Refused, match="auction only"):
        market.submit(MarketOrder(1, SELL, 5, stop=50, tif=tif))
    assert 1 not in market


def test_closing_auction_takes_atc_then_the_day_ends() -> None:
    market = market_with((1, SELL, 5, 101))
    market.submit(MarketOrder(2, BUY, 5, tif=TimeInForce.ATC))
    market.submit(MarketOrder(3, BUY, 5, 90))
    market.submit(MarketOrder(4, BUY, 5, 91, tif=TimeInForce.GTC))
    events = market.set_phase(Phase.CLOSED, 0)
    assert events == [Fill(1, 2, BUY, 5, 101), Gone(3, Why.END_OF_DAY, True)]
    assert [r.key for r in market.book.resting(BUY)] == [4]


def test_gtd_expires_at_its_time() -> None:
    market = Market(100)
    market.submit(MarketOrder(1, BUY, 5, 99, tif=TimeInForce.GTD, expires_ns=50))
    assert market.expire(49) == []
    assert market.expire(50) == [Gone(1, Why.TIME, True)]
    assert market.expire(51) == []


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CLOSED])
def test_nothing_enters_while_halted_or_closed_but_cancels_pass(phase: Phase) -> None:
    market = market_with()
    market.submit(MarketOrder(1, BUY, 5, 99, tif=TimeInForce.GTC))
    market.set_phase(phase, 0)
    with pytest.raises(Refused, match=phase.value):
        market.submit(MarketOrder(2, SELL, 5, 99))
    assert market.cancel(1)


def test_crowd_makes_the_same_market_from_the_same_seed() -> None:
    def run(seed: str) -> list[object]:
        market = Market(1000)
        crowd = Crowd(CrowdConfig(rate=50.0, take=0.2), market, 1000, seed)
        events: list[object] = []
        for ms in range(0, 20_000, 20):
            events += crowd.tick(ms * 1_000_000)
        return [*events, market.book.depth(BUY), market.book.depth(SELL)]

    assert run("1:crowd:ACME") == run("1:crowd:ACME")
    assert run("1:crowd:ACME") != run("2:crowd:ACME")
    assert sum(isinstance(e, Fill) for e in run("1:crowd:ACME")) > 50


def test_crowd_is_bounded() -> None:
    market = Market(1000)
    crowd = Crowd(CrowdConfig(rate=1000.0, take=0.0, max_quotes=30), market, 1000, "s")
    for ms in range(0, 20_000, 20):
        crowd.tick(ms * 1_000_000)
    assert 0 < len(market.book) <= 30
