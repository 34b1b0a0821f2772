"""FIX's vocabulary: enums that carry the wire characters.

The values are those of FIX 4.4; the codec translates what FIX 4.2 says differently.
"""

from enum import StrEnum


class Side(StrEnum):
    """Side(54)."""

    BUY = "1"
    SELL = "2"
    SELL_SHORT = "5"
    SELL_SHORT_EXEMPT = "6"

    sign: int
    """+1 when a fill adds to the position, -1 when it takes from it."""

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "1" else -1


class OrdType(StrEnum):
    """OrdType(40)."""

    MARKET = "1"
    LIMIT = "2"
    STOP = "3"
    STOP_LIMIT = "4"

    @property
    def has_price(self) -> bool:
        """Price(44) belongs to it."""
        return self in (OrdType.LIMIT, OrdType.STOP_LIMIT)

    @property
    def has_stop_px(self) -> bool:
        """StopPx(99) belongs to it."""
        return self in (OrdType.STOP, OrdType.STOP_LIMIT)


class TimeInForce(StrEnum):
    """TimeInForce(59)."""

    DAY = "0"
    GTC = "1"
    OPG = "2"
    IOC = "3"
    FOK = "4"
    GTD = "6"
    ATC = "7"

    @property
    def outlives_the_day(self) -> bool:
        """A done-for-day report leaves such an order working on the next day (Appendix D, H.1)."""
        return self in (TimeInForce.GTC, TimeInForce.GTD)


class OrdStatus(StrEnum):
    """OrdStatus(39)."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    PENDING_REPLACE = "E"


class ExecType(StrEnum):
    """ExecType(150), as FIX 4.4 has it."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class CxlRejResponseTo(StrEnum):
    """CxlRejResponseTo(434): which request an OrderCancelReject(35=9) answers."""

    CANCEL = "1"
    REPLACE = "2"


class Reason(StrEnum):
    """Why the gateway itself refused a command. Stable: clients and documents rely on these codes."""

    # The request itself is wrong: it can never be accepted as it stands.
    FIELD_INVALID = "FIELD_INVALID"
    FIELD_REQUIRED = "FIELD_REQUIRED"
    FIELD_NOT_ALLOWED = "FIELD_NOT_ALLOWED"
    SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
    VENUE_UNKNOWN = "VENUE_UNKNOWN"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    QTY_OFF_LOT = "QTY_OFF_LOT"
    # The key or the order is not what the request takes it for.
    DUPLICATE_CL_ORD_ID = "DUPLICATE_CL_ORD_ID"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    # The request is well formed but the state of things forbids it.
    ORDER_NOT_WORKING = "ORDER_NOT_WORKING"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
    SESSION_DOWN = "SESSION_DOWN"
    SESSION_NOT_RECONCILED = "SESSION_NOT_RECONCILED"
    NOT_IN_DOUBT = "NOT_IN_DOUBT"
    ITEM_UNKNOWN = "ITEM_UNKNOWN"
    INSTRUMENT_HALTED = "INSTRUMENT_HALTED"
    MARKET_CLOSED = "MARKET_CLOSED"
    # Risk: the request is well formed and a control says no. gateway/core/risk/controls.py has their formulas.
    RISK_LIMIT_MISSING = "RISK_LIMIT_MISSING"
    RISK_NOT_AUTHORISED = "RISK_NOT_AUTHORISED"
    RISK_RESTRICTED = "RISK_RESTRICTED"
    RISK_SHORT_SALE = "RISK_SHORT_SALE"
    RISK_STOPPED = "RISK_STOPPED"
    RISK_ORDER_QTY = "RISK_ORDER_QTY"
    RISK_ORDER_VALUE = "RISK_ORDER_VALUE"
    RISK_PRICE_COLLAR = "RISK_PRICE_COLLAR"
    RISK_MESSAGE_RATE = "RISK_MESSAGE_RATE"
    RISK_ORDER_TO_TRADE = "RISK_ORDER_TO_TRADE"
    RISK_DUPLICATE_ORDER = "RISK_DUPLICATE_ORDER"
    RISK_OPEN_ORDERS = "RISK_OPEN_ORDERS"
    RISK_INSTRUMENTS = "RISK_INSTRUMENTS"
    RISK_VENUES = "RISK_VENUES"
    RISK_POSITION = "RISK_POSITION"
    RISK_GROSS_NOTIONAL = "RISK_GROSS_NOTIONAL"
    RISK_NET_NOTIONAL = "RISK_NET_NOTIONAL"
    RISK_CONCENTRATION = "RISK_CONCENTRATION"
    RISK_CORRELATED_EXPOSURE = "RISK_CORRELATED_EXPOSURE"
    RISK_MARGIN = "RISK_MARGIN"
    RISK_LOSS = "RISK_LOSS"
    RISK_DRAWDOWN = "RISK_DRAWDOWN"
    RISK_NO_MARK = "RISK_NO_MARK"
    RISK_STALE_MARK = "RISK_STALE_MARK"
    RISK_CROSSED_MARK = "RISK_CROSSED_MARK"
    RISK_MARK_BAND = "RISK_MARK_BAND"
    RISK_AUCTION = "RISK_AUCTION"
    RISK_SELF_MATCH = "RISK_SELF_MATCH"
    # What an operator asks of risk cannot be done.
    SCOPE_UNKNOWN = "SCOPE_UNKNOWN"
    CONTROL_UNKNOWN = "CONTROL_UNKNOWN"
    CHANGE_UNKNOWN = "CHANGE_UNKNOWN"
    CHANGE_OUTDATED = "CHANGE_OUTDATED"
    SECOND_PERSON_NEEDED = "SECOND_PERSON_NEEDED"
    NOT_STOPPED = "NOT_STOPPED"


class Severity(StrEnum):
    """How much a reconciliation item matters: CRITICAL is money or an order that may be wrong right now."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class ItemKind(StrEnum):
    """What differs between our books, the venue's and the drop copy's."""

    QUANTITY = "QUANTITY"  # The venue's CumQty(14) is not the sum of the executions it told us.
    STATUS = "STATUS"  # The venue says that an order of ours has ended, or lives, without having told us.
    TERMS = "TERMS"  # OrderQty(38) or Price(44) in force differ.
    ORDER_UNKNOWN = "ORDER_UNKNOWN"  # The venue does not know an order that it once confirmed.
    ORDER_EXTERNAL = "ORDER_EXTERNAL"  # The venue works an order for us that we never sent.
    REPORT_UNKNOWN = "REPORT_UNKNOWN"  # A report that fits no order was set aside.
    REPORT_WAITING = "REPORT_WAITING"  # A report was set aside because what it speaks of cannot be read now.
    EXECUTION_MISSING = "EXECUTION_MISSING"  # The drop copy has an execution that the order session never told.
    EXECUTION_UNCONFIRMED = "EXECUTION_UNCONFIRMED"  # The drop copy never showed an execution that we have.
    SEQUENCE_RESET = "SEQUENCE_RESET"  # The session's numbers started over without our asking.
    NOT_ANSWERED = "NOT_ANSWERED"  # A reconciliation ended without the venue's answer.
    TOO_MANY = "TOO_MANY"  # There are more differences than are kept one by one.


class DoubtOutcome(StrEnum):
    """What an operator's evidence says of a request in doubt, or of an order that its venue says it does not know."""

    UNSENT = "unsent"  # It never reached the venue.
    ACCEPTED = "accepted"  # It did, and the venue acted on it.
    REJECTED = "rejected"  # It did, and the venue refused it.
    CANCELED = "canceled"  # Of the order itself: the venue had it, and works it no more.
