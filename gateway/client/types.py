"""What the client hands out: frozen values in FIX's words.

Prices and quantities are exact decimals in the instrument's units, times are UTC nanoseconds since the epoch. Text that
does not apply is empty, anything else is None.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from gateway.core.types import OrdStatus, OrdType, Side, TimeInForce


class EventType(StrEnum):
    """What an event says. `UNSPECIFIED` stands for a kind that a newer gateway knows and this client does not."""

    UNSPECIFIED = "EVENT_TYPE_UNSPECIFIED"
    ORDER_SUBMITTED = "ORDER_SUBMITTED"
    ORDER_ROUTED = "ORDER_ROUTED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    REPLACE_REQUESTED = "REPLACE_REQUESTED"
    MASS_CANCEL_DONE = "MASS_CANCEL_DONE"
    COMMAND_REFUSED = "COMMAND_REFUSED"
    STATUS_REQUESTED = "STATUS_REQUESTED"
    ORDER_PENDING_NEW = "ORDER_PENDING_NEW"
    ORDER_ACKNOWLEDGED = "ORDER_ACKNOWLEDGED"
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_UNSENT = "ORDER_UNSENT"
    REQUEST_PENDING = "REQUEST_PENDING"
    REQUEST_REJECTED = "REQUEST_REJECTED"
    ORDER_REPLACED = "ORDER_REPLACED"
    ORDER_CANCELED = "ORDER_CANCELED"
    ORDER_EXPIRED = "ORDER_EXPIRED"
    ORDER_DONE_FOR_DAY = "ORDER_DONE_FOR_DAY"
    ORDER_STOPPED = "ORDER_STOPPED"
    ORDER_SUSPENDED = "ORDER_SUSPENDED"
    ORDER_CALCULATED = "ORDER_CALCULATED"
    ORDER_RESTATED = "ORDER_RESTATED"
    ORDER_FILLED = "ORDER_FILLED"
    EXECUTION_CORRECTED = "EXECUTION_CORRECTED"
    EXECUTION_BUSTED = "EXECUTION_BUSTED"
    ORDER_STATUS_REPORTED = "ORDER_STATUS_REPORTED"
    QUANTITY_DISPUTED = "QUANTITY_DISPUTED"
    ORDER_OVERFILLED = "ORDER_OVERFILLED"
    ORDER_IN_DOUBT = "ORDER_IN_DOUBT"
    REPORT_IGNORED = "REPORT_IGNORED"
    REPORT_SET_ASIDE = "REPORT_SET_ASIDE"
    MESSAGE_REFUSED = "MESSAGE_REFUSED"
    SESSION_ADMINISTERED = "SESSION_ADMINISTERED"
    INSTRUMENT_HALTED = "INSTRUMENT_HALTED"
    INSTRUMENT_RESUMED = "INSTRUMENT_RESUMED"
    SESSION_LOGGED_ON = "SESSION_LOGGED_ON"
    SESSION_LOGGED_OUT = "SESSION_LOGGED_OUT"
    EPOCH_BEGAN = "EPOCH_BEGAN"
    DOUBT_RESOLVED = "DOUBT_RESOLVED"
    EXTERNAL_ORDER_REPORTED = "EXTERNAL_ORDER_REPORTED"
    DROP_COPY_NOTED = "DROP_COPY_NOTED"
    RECONCILIATION_STARTED = "RECONCILIATION_STARTED"
    RECONCILIATION_ENDED = "RECONCILIATION_ENDED"
    ORDER_ENTRY_OPENED = "ORDER_ENTRY_OPENED"
    ITEM_RAISED = "ITEM_RAISED"
    ITEM_RESOLVED = "ITEM_RESOLVED"
    ORDER_RETIRED = "ORDER_RETIRED"
    KEYS_RETIRED = "KEYS_RETIRED"
    ORDER_RECALLED = "ORDER_RECALLED"
    KEY_RECALLED = "KEY_RECALLED"
    RISK_CONFIGURED = "RISK_CONFIGURED"
    LIMIT_PROPOSED = "LIMIT_PROPOSED"
    LIMIT_CHANGED = "LIMIT_CHANGED"
    LIMIT_DECLINED = "LIMIT_DECLINED"
    LIMIT_EXPIRED = "LIMIT_EXPIRED"
    OVERRIDE_GRANTED = "OVERRIDE_GRANTED"
    OVERRIDE_ENDED = "OVERRIDE_ENDED"
    MARKS_SET = "MARKS_SET"
    RISK_DAY_BEGAN = "RISK_DAY_BEGAN"
    TRADING_STOPPED = "TRADING_STOPPED"
    TRADING_RESUMED = "TRADING_RESUMED"
    STOP_COMPLETED = "STOP_COMPLETED"
    MASS_CANCEL_SENT = "MASS_CANCEL_SENT"
    CLIENT_AWAY = "CLIENT_AWAY"
    CLIENT_BACK = "CLIENT_BACK"
    BREACH_BEGAN = "BREACH_BEGAN"
    BREACH_ENDED = "BREACH_ENDED"
    MASS_CANCEL_ANSWERED = "MASS_CANCEL_ANSWERED"
    OVERRIDE_PROPOSED = "OVERRIDE_PROPOSED"


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order as the gateway knew it at some sequence number.

    `cl_ord_id` is the ClOrdID(11) in force: the original until a replace is accepted. `pending` lists the ClOrdIDs of
    cancel and replace requests that the venue has not answered. `in_doubt` is true while it is not known whether a
    request of this order reached the venue.
    """

    order_id: str
    client_id: str
    cl_ord_id: str
    symbol: str
    venue: str
    side: Side
    ord_type: OrdType
    ord_status: OrdStatus
    order_qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal
    time_in_force: TimeInForce = TimeInForce.DAY
    price: Decimal | None = None
    stop_px: Decimal | None = None
    expire_time_ns: int | None = None
    max_floor: Decimal | None = None
    account: str = ""
    strategy: str = ""
    exec_inst: str = ""
    venue_order_id: str = ""
    pending: tuple[str, ...] = ()
    in_doubt: bool = False
    cash_order_qty: Decimal | None = None

    @property
    def is_done(self) -> bool:
        """Nothing is left to trade (LeavesQty(151) is 0) and no request is unanswered: filled, canceled, rejected,
        expired or done for its last day.

        An order by `cash_order_qty` has no quantity, and so nothing to be done with, until the venue says what it is.
        """
        ended = self.ord_status in {OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED}
        quantity_known = bool(self.order_qty) or self.cash_order_qty is None
        return (quantity_known or ended) and not self.leaves_qty and not self.pending


class Execution(msgspec.Struct, frozen=True, gc=False):
    """One line of an order's execution ledger. `kind` is "fill", "correction" or "bust".

    `exec_ref_id` is ExecRefID(19): the execution that a correction or bust speaks of. `in_force` says whether the line
    counts: a busted or corrected execution no longer does, and a bust has nothing to count.

    `factor` is what corporate actions made of one unit since, such as 2 after a 2:1 split: `last_qty * factor` counts
    now, and `last_qty * last_px` is the value, then and now.
    """

    exec_id: str
    trade_date: str
    last_qty: Decimal
    last_px: Decimal
    exec_ref_id: str
    in_force: bool
    time_ns: int
    kind: str
    factor: Decimal = Decimal(1)


class OrderRequest(msgspec.Struct, frozen=True, gc=False):
    """One request of an order's chain. `kind` is "new", "cancel" or "replace", `state` "sent", "pending", "accepted",
    "rejected", "unsent" (proven not to have reached the venue) or "void" (the order ended first).
    """

    cl_ord_id: str
    venue_cl_ord_id: str
    kind: str
    state: str
    in_doubt: bool
    text: str


class OrderDetail(msgspec.Struct, frozen=True):
    """One order with everything about it, true up to the journal's sequence number `as_of_seq`.

    `executions` holds the newest of them where there are very many; `executions_total` counts all.
    """

    order: Order
    executions: tuple[Execution, ...]
    requests: tuple[OrderRequest, ...]
    as_of_seq: int
    executions_total: int


class CommandReply(msgspec.Struct, frozen=True, gc=False):
    """The gateway has the command: it is durable, will not be lost and never be done twice.

    `seq` is the event that accepted it; `repeated` is true when this key had been answered before; `requested` counts
    the cancels of a mass cancel.
    """

    cl_ord_id: str
    order_id: str
    seq: int
    repeated: bool
    requested: int


class Event(msgspec.Struct, frozen=True):
    """One committed event. `order` is the order right after it, where it belongs to one; `last_qty` and `last_px` are
    there on executions only.

    `cl_ord_id` names the command that it answers or came from, `scope` and `source` where trading stopped or went on
    and by what. Of a venue's `reason` `reason_tag` says what it is a code of: 103, 102, 373, 380 or 378.
    `complete` is there on RECONCILIATION_ENDED: whether new orders may go to the venue. Resume after it with
    `from_seq=event.seq + 1`.
    """

    seq: int
    time_ns: int
    type: EventType
    order: Order | None = None
    cl_ord_id: str = ""
    exec_id: str = ""
    exec_ref_id: str = ""
    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    trade_date: str = ""
    transact_time_ns: int = 0
    reason: str = ""
    text: str = ""
    venue: str = ""
    symbol: str = ""
    field: str = ""
    scope: str = ""
    source: str = ""
    reason_tag: int = 0
    complete: bool | None = None


class Position(msgspec.Struct, frozen=True, gc=False):
    """A position of an account and strategy in a symbol. `net_qty` is negative when short; `realized_pnl` is in
    `currency`, contract multiplier included.
    """

    account: str
    strategy: str
    symbol: str
    currency: str
    net_qty: Decimal
    avg_entry_px: Decimal
    realized_pnl: Decimal
    multiplier: Decimal
    bought_qty: Decimal
    sold_qty: Decimal
