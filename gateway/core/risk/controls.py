"""The controls: what is limited, in which unit, by which formula, and which rule of the trade asks for it.

One table; the checks, the API, the command line and docs/controls.md all read it.
"""

from enum import StrEnum

import msgspec

from gateway.core.types import Reason


class Control(StrEnum):
    """What a limit limits. The words are those of the configuration file and of the API."""

    MAX_ORDER_QTY = "max_order_qty"
    MAX_ORDER_VALUE = "max_order_value"
    PRICE_COLLAR_PCT = "price_collar_pct"
    PRICE_COLLAR_TICKS = "price_collar_ticks"
    MESSAGE_RATE = "message_rate"
    ORDER_TO_TRADE = "order_to_trade"
    DUPLICATE_WINDOW_S = "duplicate_window_s"
    MAX_OPEN_ORDERS = "max_open_orders"
    MAX_INSTRUMENTS = "max_instruments"
    MAX_VENUES = "max_venues"
    MAX_POSITION_QTY = "max_position_qty"
    MAX_GROSS_NOTIONAL = "max_gross_notional"
    MAX_NET_NOTIONAL = "max_net_notional"
    MAX_CONCENTRATION_PCT = "max_concentration_pct"
    MAX_CORRELATED_EXPOSURE = "max_correlated_exposure"
    MAX_MARGIN = "max_margin"
    MAX_LOSS = "max_loss"
    MAX_DRAWDOWN = "max_drawdown"
    MAX_MARK_AGE_S = "max_mark_age_s"
    MAX_MARK_MOVE_PCT = "max_mark_move_pct"


class Breaker(StrEnum):
    """What stops trading by itself."""

    LOSS = "loss"
    DRAWDOWN = "drawdown"
    REJECT_RATE = "reject_rate"
    FILL_RATE = "fill_rate"
    REPEATED_EXECUTION = "repeated_execution"
    MESSAGE_RATE = "message_rate"
    STALE_MARK = "stale_mark"
    LATENCY = "latency"
    ITEMS = "items"


class Unit(StrEnum):
    """What a limit's number counts. Money is in the risk currency of the stack."""

    QTY = "qty"
    MONEY = "money"
    PCT = "pct"
    TICKS = "ticks"
    COUNT = "count"
    COUNT_PER_S = "count_per_s"
    RATIO = "ratio"
    SECONDS = "s"


class Spec(msgspec.Struct, frozen=True):
    """One control. Every one is required: an order that no limit of it covers is refused (RISK_LIMIT_MISSING).

    `reduces` says that an order which only reduces a position passes it; at a scope whose figure it would raise all the
    same (another client's, another venue's, a net that it kept in balance), it is held to the limit. `formula` says
    what is compared with the limit, `rule` which rules ask for it. `tree_only` says that a limit of it can stand
    nowhere but on the way of a position: a client and a venue have no profit of their own.
    """

    reason: Reason
    unit: Unit
    formula: str
    rule: str
    reduces: bool = False
    tree_only: bool = False


SPECS: dict[Control, Spec] = {
    Control.MAX_ORDER_QTY: Spec(
        Reason.RISK_ORDER_QTY, Unit.QTY, "order_qty of the order, or of the replace", "15c3-5; RTS 6 15(1)(c); FIA"
    ),
    Control.MAX_ORDER_VALUE: Spec(
        Reason.RISK_ORDER_VALUE,
        Unit.MONEY,
        "order_qty x price x multiplier x rate; price is the higher of the limit price and the mark, the mark where the"
        " order has no price; cash_order_qty x rate of an order by amount",
        "15c3-5; RTS 6 15(1)(b); FIA",
    ),
    Control.PRICE_COLLAR_PCT: Spec(
        Reason.RISK_PRICE_COLLAR,
        Unit.PCT,
        "|price - mark| / mark x 100, of price and stop_px",
        "15c3-5; RTS 6 15(1)(a); FIA",
    ),
    Control.PRICE_COLLAR_TICKS: Spec(
        Reason.RISK_PRICE_COLLAR,
        Unit.TICKS,
        "|price - mark| / tick_size, of price and stop_px",
        "15c3-5; RTS 6 15(1)(a); FIA",
    ),
    Control.MESSAGE_RATE: Spec(
        Reason.RISK_MESSAGE_RATE,
        Unit.COUNT_PER_S,
        "new orders and replaces within per_s seconds, as a leaky bucket of that size; cancels count and always pass",
        "15c3-5; RTS 6 15(1)(d); FIA",
    ),
    Control.ORDER_TO_TRADE: Spec(
        Reason.RISK_ORDER_TO_TRADE,
        Unit.RATIO,
        "orders, replaces and cancels of the day / executions of the day, once there are more than `after` of them",
        "15c3-5; RTS 6 15(1)(d); FIA",
    ),
    Control.DUPLICATE_WINDOW_S: Spec(
        Reason.RISK_DUPLICATE_ORDER,
        Unit.SECONDS,
        "seconds since an order of the same client, account, strategy, instrument, side, quantity and price",
        "15c3-5",
    ),
    Control.MAX_OPEN_ORDERS: Spec(
        Reason.RISK_OPEN_ORDERS, Unit.COUNT, "working orders, this one included", "RTS 6 8 and 15"
    ),
    Control.MAX_INSTRUMENTS: Spec(
        Reason.RISK_INSTRUMENTS,
        Unit.COUNT,
        "instruments with a position or a working order",
        "RTS 6 8 and 15",
        reduces=True,
    ),
    Control.MAX_VENUES: Spec(
        Reason.RISK_VENUES, Unit.COUNT, "venues with a working order", "RTS 6 8 and 15", reduces=True
    ),
    Control.MAX_POSITION_QTY: Spec(
        Reason.RISK_POSITION,
        Unit.QTY,
        "max(|net_qty + working buys|, |net_qty - working sells|) in one instrument",
        "RTS 6 15(2); FIA",
        reduces=True,
    ),
    Control.MAX_GROSS_NOTIONAL: Spec(
        Reason.RISK_GROSS_NOTIONAL,
        Unit.MONEY,
        "sum over positions of max(|net_qty + working buys|, |net_qty - working sells|) x mark x multiplier x rate",
        "15c3-5; RTS 6 15(4)",
        reduces=True,
    ),
    Control.MAX_NET_NOTIONAL: Spec(
        Reason.RISK_NET_NOTIONAL,
        Unit.MONEY,
        "max(|sum of (net_qty + working buys) x mark x multiplier x rate|, the same with working sells taken off)",
        "15c3-5; RTS 6 15(4)",
        reduces=True,
    ),
    Control.MAX_CONCENTRATION_PCT: Spec(
        Reason.RISK_CONCENTRATION,
        Unit.PCT,
        "gross notional of the instrument / gross notional of the scope x 100, once the latter is above `after`",
        "this gateway",
        reduces=True,
    ),
    Control.MAX_CORRELATED_EXPOSURE: Spec(
        Reason.RISK_CORRELATED_EXPOSURE,
        Unit.MONEY,
        "sqrt(largest sum over asset classes a, b of correlation(a, b) x u(a) x u(b)) with each u(a) the larger or the"
        " smaller of: the sum over its positions of (net_qty + working buys) x mark x multiplier x rate x"
        " volatility_pct / 100; the same with working sells taken off instead",
        "this gateway",
        reduces=True,
    ),
    Control.MAX_MARGIN: Spec(
        Reason.RISK_MARGIN,
        Unit.MONEY,
        "the larger of: gross notional x margin_pct / 100 by instrument; the largest loss of all scenarios, each"
        " position with the working orders that make it worst",
        "RTS 6 15(4)",
        reduces=True,
    ),
    Control.MAX_LOSS: Spec(
        Reason.RISK_LOSS,
        Unit.MONEY,
        "- (realized + unrealized profit since the start of the day, at the current marks)",
        "FIA",
        reduces=True,
        tree_only=True,
    ),
    Control.MAX_DRAWDOWN: Spec(
        Reason.RISK_DRAWDOWN,
        Unit.MONEY,
        "highest profit of the day (at least 0) - profit now",
        "FIA",
        reduces=True,
        tree_only=True,
    ),
    Control.MAX_MARK_AGE_S: Spec(
        Reason.RISK_STALE_MARK,
        Unit.SECONDS,
        "seconds since the mark was set; while none was, reference_px counts: a person's price, which is never stale",
        "FIA",
        reduces=True,
    ),
    Control.MAX_MARK_MOVE_PCT: Spec(
        Reason.RISK_MARK_BAND,
        Unit.PCT,
        "|mark - reference_px| / reference_px x 100; without reference_px the day's first mark takes its place",
        "FIA",
        reduces=True,
    ),
}
