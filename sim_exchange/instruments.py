"""Instruments: their units, their market, and the terms that they take."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sim_exchange.book import BUY, SELL
from sim_exchange.config import InstrumentConfig
from sim_exchange.crowd import Crowd
from sim_exchange.enums import OrdRejReason, OrdType, Side, TimeInForce
from sim_exchange.matching import Market, MarketOrder
from sim_exchange.messages import Terms
from sim_exchange.orders import Order

POST_ONLY = "6"
# OrdRejReason(103) or CxlRejReason(102), and a text.
Refusal = tuple[int, str]


class Instrument:
    """One instrument: its units, and its market unless it is worked by hand."""

    def __init__(self, config: InstrumentConfig, seed: int) -> None:
        self.symbol = config.symbol
        self.config = config
        self.tick = Decimal(config.tick)
        self.lot = Decimal(config.lot)
        self.manual = config.mode == "manual"
        reference = int(Decimal(config.reference) / self.tick)
        self.market = Market(reference, config.phase)
        self.crowd = Crowd(config.crowd, self.market, reference, f"{seed}:crowd:{config.symbol}")

    def market_order(self, order: Order, qty: Decimal) -> MarketOrder:
        """`qty` of an order in the market's integers.

        A price between two ticks, which the desk or a stock split can leave, becomes the tick at which the order does
        not trade beyond its limit and is not released before its stop.
        """
        terms = order.terms
        side = BUY if order.side is Side.BUY else SELL
        return MarketOrder(
            key=order.number,
            side=side,
            qty=int(qty / self.lot),
            price=self._ticks(terms.price, -side),
            stop=None if order.triggered else self._ticks(terms.stop_px, side),
            tif=terms.tif,
            peak=int((terms.max_floor or 0) / self.lot),
            post_only=POST_ONLY in (terms.exec_inst or "").split(),
            expires_ns=terms.expires_ns,
        )

    def _ticks(self, px: Decimal | None, to: int) -> int | None:
        """A price in ticks; one between two of them goes up (`to` above zero) or down."""
        if px is None:
            return None
        return int((px / self.tick).to_integral_value(ROUND_CEILING if to > 0 else ROUND_FLOOR))


def terms_problem(instrument: Instrument, terms: Terms, now_ns: int) -> Refusal | None:
    """Why an instrument does not take these terms: OrdRejReason(103) and text, or None."""
    if terms.order_qty <= 0 or terms.order_qty % instrument.lot:
        return OrdRejReason.INCORRECT_QUANTITY, f"OrderQty(38) must be a positive multiple of {instrument.lot}"
    floor = terms.max_floor
    if floor is not None and (floor <= 0 or floor % instrument.lot or floor > terms.order_qty):
        return OrdRejReason.OTHER, f"MaxFloor(111) must be a multiple of {instrument.lot} up to OrderQty(38)"
    for tag, price in (("Price(44)", terms.price), ("StopPx(99)", terms.stop_px)):
        if price is not None and (price <= 0 or price % instrument.tick):
            return OrdRejReason.OTHER, f"{tag} must be a positive multiple of {instrument.tick}"
    unknown = [c for c in (terms.exec_inst or "").split() if c != POST_ONLY]
    if unknown:
        return OrdRejReason.UNSUPPORTED_CHARACTERISTIC, f"ExecInst(18) {' '.join(unknown)} is not supported"
    if 0 < terms.expires_ns <= now_ns:
        return OrdRejReason.OTHER, "the expiry time has passed"
    resting_market = terms.ord_type is OrdType.MARKET and terms.tif in (TimeInForce.GTC, TimeInForce.GTD)
    return (OrdRejReason.OTHER, "a market order cannot be GTC or GTD") if resting_market else None
