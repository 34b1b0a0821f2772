"""Events: what happened. The journal is a sequence of these, and the state is nothing but their sum.

Every event is past tense and self-contained: with the `OrderView` of its record it can be sent to a venue, shown to a
client or read by an auditor without asking the state. Versioning: fields are only ever added, with a default; a tag
is never reused. So an old journal always loads.
"""

from decimal import Decimal

import msgspec

from gateway.core.commands import (
    CancelOrder,
    Command,
    MassCancel,
    ReplaceOrder,
    SubmitOrder,
)
from gateway.core.reports import MessageRejected, ReportFact
from gateway.core.types import OrdStatus, OrdType, Reason, Side, TimeInForce


class Terms(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a replace can change: OrderQty(38), Price(44), StopPx(99), TimeInForce(59), ExpireTime(126),
    MaxFloor(111).

    `cash_order_qty` is CashOrderQty(152) of an order by amount of money; its OrderQty is 0 until the venue says it.
    """

    order_qty: Decimal
    time_in_force: TimeInForce = TimeInForce.DAY
    price: Decimal | None = None
    stop_px: Decimal | None = None
    expire_time_ns: int | None = None
    max_floor: Decimal | None = None
    cash_order_qty: Decimal | None = None


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an event is there: `kind` is "client", "operator", "venue", "timer" or "process"; `who` the client,
    operator or venue.

    `msg_seq_num` is MsgSeqNum(34) of the venue's message: the journal owns the inbound sequence. `request` is the
    caller's request id, if it gave one.
    """

    kind: str
    who: str = ""
    msg_seq_num: int | None = None
    request: str = ""


class OrderView(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order as its owner sees it right after an event. Derived, and written beside the event as the record of what
    was told.

    `cl_ord_id` is the ClOrdID in force (the original until a replace is accepted). `pending` lists the ClOrdIDs of
    unanswered cancel and replace requests. `avg_px` is rounded to 10 decimals; quantities are exact.
    """

    order_id: str
    client_id: str
    cl_ord_id: str
    symbol: str
    venue: str
    side: Side
    ord_type: OrdType
    terms: Terms
    ord_status: OrdStatus
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal
    account: str = ""
    strategy: str = ""
    exec_inst: str = ""
    venue_order_id: str = ""
    pending: tuple[str, ...] = ()
    in_doubt: bool = False
    venue_symbol: str = ""


# --- From commands ---


class OrderSubmitted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderSubmitted"):
    """The intent is ours now: durable, keyed, with an order_id. `venue` is where it goes."""

    order_id: str
    command: SubmitOrder
    venue: str
    multiplier: Decimal
    currency: str
    venue_symbol: str = ""


class OrderRouted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderRouted"):
    """NewOrderSingle(35=D) goes to the venue under `venue_cl_ord_id`, once.

    The terms are those of the record's OrderView.
    """

    order_id: str
    venue: str
    venue_cl_ord_id: str


class CancelRequested(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="CancelRequested"):
    """OrderCancelRequest(35=F) goes to the venue, once."""

    order_id: str
    venue: str
    cl_ord_id: str
    venue_cl_ord_id: str
    orig_venue_cl_ord_id: str
    command: CancelOrder | MassCancel


class ReplaceRequested(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReplaceRequested"):
    """OrderCancelReplaceRequest(35=G) goes to the venue, once, with `terms` in full."""

    order_id: str
    venue: str
    cl_ord_id: str
    venue_cl_ord_id: str
    orig_venue_cl_ord_id: str
    terms: Terms
    command: ReplaceOrder


class MassCancelDone(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MassCancelDone"):
    """A mass cancel was turned into `requested` cancel requests; remembered under its key.

    `skipped` are order_ids whose session is down or that have too many unanswered requests.
    """

    command: MassCancel
    requested: int
    skipped: tuple[str, ...] = ()


class CommandRefused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="CommandRefused"):
    """The gateway itself said no: nothing was sent. The key is spent: the same request gets the same answer."""

    command: Command
    reason: Reason
    field: str
    text: str


class StatusRequested(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="StatusRequested"):
    """OrderStatusRequest(35=H) goes to the venue for the request known there as `venue_cl_ord_id`."""

    order_id: str
    venue: str
    venue_cl_ord_id: str
    why: str


class SessionAdministered(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionAdministered"):
    """An operator's action on a FIX session; the link carries it out."""

    operator: str
    venue: str
    action: str
    reason: str
    next_sender_msg_seq_num: int | None = None
    next_target_msg_seq_num: int | None = None


class InstrumentHalted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="InstrumentHalted"):
    """No new orders in this instrument until an operator resumes it.

    `operator` is empty when the gateway halted it by itself.
    """

    symbol: str
    reason: str
    operator: str = ""


class InstrumentResumed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="InstrumentResumed"):
    """An operator lets the instrument trade again."""

    symbol: str
    reason: str
    operator: str


# --- From venue reports ---


class Reported(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What every event from an ExecutionReport(35=8) carries: the evidence.

    `venue_cum_qty` is the venue's CumQty(14): a check, not a source (rule 4). `order_qty` is OrderQty(38) where the
    venue is the first to know it: what it makes of an order by CashOrderQty(152).
    """

    order_id: str
    exec_id: str = ""
    trade_date: str = ""
    venue_order_id: str = ""
    text: str = ""
    transact_time_ns: int | None = None
    venue_cum_qty: Decimal | None = None
    order_qty: Decimal | None = None


class OrderPendingNew(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderPendingNew"):
    """The venue has the order and has not accepted it yet (ExecType A)."""


class OrderAcknowledged(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderAcknowledged"):
    """The venue works the order (ExecType 0)."""


class OrderRejected(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderRejected"):
    """The venue refused the order (ExecType 8, or a Reject or BusinessMessageReject of its message)."""

    ord_rej_reason: str = ""


class OrderUnsent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderUnsent"):
    """It is proven that the request never reached the venue; `evidence` says how.

    A new order ends by it, a cancel or replace is void.
    """

    order_id: str
    venue_cl_ord_id: str
    evidence: str


class RequestPending(Reported, frozen=True, gc=False, omit_defaults=True, tag="RequestPending"):
    """The venue has the cancel or replace and has not decided (ExecType 6 or E)."""

    venue_cl_ord_id: str = ""


class RequestRejected(Reported, frozen=True, gc=False, omit_defaults=True, tag="RequestRejected"):
    """The venue said no to a cancel or replace (OrderCancelReject(35=9), or a reject of its message)."""

    venue_cl_ord_id: str = ""
    cxl_rej_reason: str = ""


class OrderReplaced(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderReplaced"):
    """New terms are in force (ExecType 5).

    `venue_cl_ord_id` names the request; empty when the venue did it by itself.
    """

    terms: Terms | None = None
    venue_cl_ord_id: str = ""


class OrderCanceled(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderCanceled"):
    """The rest of the order is gone (ExecType 4). `venue_cl_ord_id` names the request; empty when nobody asked."""

    venue_cl_ord_id: str = ""


class OrderExpired(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderExpired"):
    """Its time is over (ExecType C)."""


class OrderDoneForDay(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderDoneForDay"):
    """No more executions today (ExecType 3)."""


class OrderStopped(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderStopped"):
    """The venue guarantees a price before it executes (ExecType 7).

    It is `last_px` or better, for `last_qty`; a quantity of 0 means the whole order.
    """

    last_qty: Decimal = Decimal(0)
    last_px: Decimal = Decimal(0)


class OrderSuspended(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderSuspended"):
    """The order may not trade for now (ExecType 9)."""


class OrderCalculated(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderCalculated"):
    """The day's figures of the order are final (ExecType B)."""


class OrderRestated(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderRestated"):
    """The venue states the order anew (ExecType D): renewal of a GTC order, a split, an amended quantity.

    `factor` is what a corporate action multiplies the executed quantities by; their value in money stays.
    """

    terms: Terms | None = None
    exec_restatement_reason: str = ""
    factor: Decimal = Decimal(1)


class OrderFilled(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderFilled"):
    """An execution, part or whole (ExecType F)."""

    last_qty: Decimal = Decimal(0)
    last_px: Decimal = Decimal(0)


class ExecutionCorrected(Reported, frozen=True, gc=False, omit_defaults=True, tag="ExecutionCorrected"):
    """An earlier execution has other figures (ExecType G, or ExecTransType 2 in FIX 4.2)."""

    exec_ref_id: str = ""
    last_qty: Decimal = Decimal(0)
    last_px: Decimal = Decimal(0)


class ExecutionBusted(Reported, frozen=True, gc=False, omit_defaults=True, tag="ExecutionBusted"):
    """An earlier execution never was (ExecType H, or ExecTransType 1 in FIX 4.2)."""

    exec_ref_id: str = ""


class OrderStatusReported(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderStatusReported"):
    """The venue's answer to a status request (ExecType I): evidence about what is in doubt, never a source of
    quantities.
    """

    venue_cl_ord_id: str = ""
    ord_status: OrdStatus = OrdStatus.NEW


class QuantityDisputed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="QuantityDisputed"):
    """The venue's CumQty(14) is not the sum of the executions it told us (rule 4).

    A person or reconciliation resolves it.
    """

    order_id: str
    venue_cum_qty: Decimal
    cum_qty: Decimal


class OrderOverfilled(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderOverfilled"):
    """More was executed than ordered, by `excess`. Recorded as it is."""

    order_id: str
    excess: Decimal


class OrderInDoubt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderInDoubt"):
    """Whether a request reached the venue is not known (rule 2). It stays so until evidence comes."""

    order_id: str
    venue_cl_ord_id: str
    why: str


class ReportIgnored(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReportIgnored"):
    """A report that says nothing new: a duplicate or an answer to what was answered."""

    order_id: str
    exec_id: str
    why: str
    trade_date: str = ""


class ReportSetAside(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReportSetAside"):
    """A report that fits no order of ours, or could not be understood: kept whole and visible, never guessed about."""

    report: ReportFact
    why: str


class MessageRefused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MessageRefused"):
    """A Reject(3) or BusinessMessageReject(j) that names no request of ours."""

    report: MessageRejected


# --- From sessions and the process ---


class SessionLoggedOn(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionLoggedOn"):
    """The FIX session is up. `reset` is true when its numbers started over."""

    venue: str
    reset: bool = False


class SessionLoggedOut(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionLoggedOut"):
    """The FIX session is down."""

    venue: str
    text: str = ""


class EpochBegan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="EpochBegan"):
    """A process took over.

    `id_prefix` starts every venue_cl_ord_id of this journal and comes from the time of the first epoch.
    """

    version: str
    epoch: int
    id_prefix: str


ClientEvent = OrderSubmitted | CancelRequested | ReplaceRequested | MassCancelDone | CommandRefused
VenueEvent = (
    OrderPendingNew
    | OrderAcknowledged
    | OrderRejected
    | OrderUnsent
    | RequestPending
    | RequestRejected
    | OrderReplaced
    | OrderCanceled
    | OrderExpired
    | OrderDoneForDay
    | OrderStopped
    | OrderSuspended
    | OrderCalculated
    | OrderRestated
    | OrderFilled
    | ExecutionCorrected
    | ExecutionBusted
    | OrderStatusReported
    | QuantityDisputed
    | OrderOverfilled
    | OrderInDoubt
    | ReportIgnored
    | ReportSetAside
    | MessageRefused
)
SystemEvent = (
    OrderRouted
    | StatusRequested
    | SessionAdministered
    | InstrumentHalted
    | InstrumentResumed
    | SessionLoggedOn
    | SessionLoggedOut
    | EpochBegan
)
Event = ClientEvent | VenueEvent | SystemEvent


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One event in its place: `seq` without gaps from 1, `at_ns` the receive time of the input (UTC, nanoseconds),
    why, what, and what its owner saw.
    """

    seq: int
    at_ns: int
    cause: Cause
    event: Event
    order: OrderView | None = None


class Input(msgspec.Struct, frozen=True, gc=False):
    """What the engine is given: a command or a fact, with its receive time and its cause."""

    at_ns: int
    cause: Cause
    body: object
