"""What is known of prices: marks, reference prices and rates, put together once for each instrument."""

from decimal import Decimal

from gateway.core.money import ZERO, multiply, subtract
from gateway.core.risk.book import Price
from gateway.core.risk.setup import RiskInstrument
from gateway.core.state import State

_ONE = Decimal(1)
_HUNDRED = Decimal(100)


def price_of(state: State, symbol: str, instrument: RiskInstrument) -> Price:
    """What is known of the instrument's price: the mark, or the reference price while there was none."""
    found = state.risk.book.prices.get(symbol)
    if found is None:
        found = state.risk.book.prices[symbol] = _price(state, symbol, instrument)
    return found


def _price(state: State, symbol: str, instrument: RiskInstrument) -> Price:
    known, reference = state.risk.marks.get(symbol), instrument.reference_px
    px = known.mark.px if known is not None else reference
    made = Price(px if px is not None and px > 0 else None, rate(state, instrument.currency))
    if known is not None:
        bid, ask = known.mark.bid, known.mark.ask
        made.at_ns = known.at_ns
        made.crossed = bid is not None and ask is not None and bid > ask
    made.point = multiply(instrument.multiplier, made.rate or ZERO)
    if made.px is not None:
        made.unit = multiply(made.px, made.point)
        made.reference = reference or (known.first if known is not None else ZERO)
        made.moved = multiply(subtract(made.px, made.reference).copy_abs(), _HUNDRED)
    return made


def rate(state: State, currency: str) -> Decimal | None:
    """The value of one unit of a currency in the risk currency."""
    return _ONE if currency == state.risk.setup.currency else state.risk.rates.get(currency)
