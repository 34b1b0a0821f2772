"""Events: what happened. The journal is a sequence of these, and the state is nothing but their sum.

Every event is past tense and self-contained: with the `OrderView` of its record it can be sent to a venue, shown to a
client or read by an auditor without asking the state. Versioning: fields are only ever added, with a default; a tag
is never reused. So an old journal always loads.

The file is long on purpose: whoever reads a journal finds everything that can happen in one list, and there is no
program here that could be taken apart.
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
from gateway.core.reports import ExecutionReport, MessageRejected, ReportFact
from gateway.core.risk.events import RiskEvent
from gateway.core.types import DoubtOutcome, ItemKind, OrdStatus, OrdType, Reason, Severity, Side, TimeInForce


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
    operator or venue, or why a process went on with less than was accepted.

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
    unanswered cancel and replace requests. `avg_px` is rounded to 10 decimals; quantities are exact. `request` is the
    client's ClOrdID of the request that the event speaks of, when that is not the one in force.
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
    request: str = ""


# --- From commands ---


class OrderSubmitted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderSubmitted"):
    """The intent is ours now: durable, keyed, with an order_id. `venue` is where it goes.

    `terms` are there when it goes out with others than the command's: a part was taken off so that it does not trade
    with an order of ours.
    """

    order_id: str
    command: SubmitOrder
    venue: str
    multiplier: Decimal
    currency: str
    venue_symbol: str = ""
    terms: Terms | None = None


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
    """A mass cancel takes back `requested` orders; remembered under its key.

    `skipped` are order_ids whose session is down or that have too many unanswered requests. `later` are those whose
    cancels follow: not more than so many are asked for at once.
    """

    command: MassCancel
    requested: int
    skipped: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


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
    """The venue refused the order (ExecType 8, or a Reject or BusinessMessageReject of its message).

    `reason_tag` is the tag of the reason, where its message was rejected: 373 or 380. `by_reply`: no report said so,
    but the answer to a status request.
    """

    ord_rej_reason: str = ""
    reason_tag: int = 103
    by_reply: bool = False


class OrderUnsent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderUnsent"):
    """It is proven that the request never reached the venue; `evidence` says how.

    A new order ends by it, a cancel or replace is void.
    """

    order_id: str
    venue_cl_ord_id: str
    evidence: str


class RequestPending(Reported, frozen=True, gc=False, omit_defaults=True, tag="RequestPending"):
    """The venue has the cancel or replace and has not decided (ExecType 6 or E). `arrived`: it was taken for unsent."""

    venue_cl_ord_id: str = ""
    arrived: bool = False


class RequestRejected(Reported, frozen=True, gc=False, omit_defaults=True, tag="RequestRejected"):
    """The venue said no to a cancel or replace (OrderCancelReject(35=9), or a reject of its message).

    `reason_tag` is the tag of the reason, where an ExecutionReport gave it, 103, or its message was rejected: 373 or
    380. `arrived`: it was taken for unsent.
    """

    venue_cl_ord_id: str = ""
    cxl_rej_reason: str = ""
    reason_tag: int = 102
    arrived: bool = False


class OrderReplaced(Reported, frozen=True, gc=False, omit_defaults=True, tag="OrderReplaced"):
    """New terms are in force (ExecType 5).

    `venue_cl_ord_id` names the request; empty when the venue did it by itself. `overtaken`: a later replace, asked for
    on top of this one, is in force already, so that only the request is answered. `pending_new`: the venue accepted the
    replace before the order itself, which is Pending New there.
    """

    terms: Terms | None = None
    venue_cl_ord_id: str = ""
    overtaken: bool = False
    pending_new: bool = False


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
    quantities. `mass_status_req_id` names the mass question that it answers. `poss_dup`: it came again
    (PossDupFlag(43)=Y), and may answer a question of an earlier connection.
    """

    venue_cl_ord_id: str = ""
    ord_status: OrdStatus = OrdStatus.NEW
    mass_status_req_id: str = ""
    poss_dup: bool = False


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
    """A report that fits no order of ours, or could not be understood: kept whole and visible, never guessed about.

    `session` is set when the drop copy told it.
    """

    report: ReportFact
    why: str
    session: str = ""


class MessageRefused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MessageRefused"):
    """A Reject(3) or BusinessMessageReject(j) that names no request of ours."""

    report: MessageRejected


# --- Reconciliation ---


class ReconciliationStarted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReconciliationStarted"):
    """The venue is asked how it sees our orders.

    `how` is "mass" (the link sends OrderMassStatusRequest(35=AF) with `mass_status_req_id`) or "each" (one
    OrderStatusRequest(35=H) for each order, as StatusRequested). `orders` is how many of ours are compared. When a
    mass question was answered, or refused (then without `mass_status_req_id`), the same run goes on with "each" for
    the orders that the answer left out; nothing is sent for that event itself.
    """

    venue: str
    run: int
    how: str
    why: str
    orders: int
    mass_status_req_id: str = ""


class ReconciliationEnded(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReconciliationEnded"):
    """The comparison is over. `complete` opens order entry; otherwise `text` says why it is not.

    `items` counts the differences that are open at this venue now.
    """

    venue: str
    run: int
    complete: bool
    orders: int
    items: int
    text: str = ""


class OrderEntryOpened(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderEntryOpened"):
    """An operator lets new orders go to a venue that is not reconciled."""

    venue: str
    operator: str
    reason: str


class ItemRaised(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ItemRaised"):
    """A difference between our books and somebody else's. Its age counts from this record.

    `ours` and `theirs` are the two values, for people. `order_id` or `venue_order_id` name the order. `set_aside_seq`
    is the event that has the report which waits, where one does.
    """

    item_id: str
    venue: str
    kind: ItemKind
    severity: Severity
    text: str
    order_id: str = ""
    venue_order_id: str = ""
    exec_id: str = ""
    trade_date: str = ""
    ours: str = ""
    theirs: str = ""
    set_aside_seq: int = 0


class ItemResolved(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ItemResolved"):
    """A difference is no more, or an operator has dealt with it (`operator` is empty when evidence did)."""

    item_id: str
    venue: str
    text: str
    operator: str = ""


class ExternalOrderReported(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ExternalOrderReported"):
    """What a venue says of an order that we never sent: adopted as external, shown, never counted as ours."""

    venue: str
    venue_order_id: str
    report: ExecutionReport


class DropCopyNoted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="DropCopyNoted"):
    """A drop copy was compared with what the order session told.

    `known` is false while only the drop copy has the execution; `order_id` is empty when it names no order of ours.
    """

    session: str
    report: ExecutionReport
    known: bool
    order_id: str = ""


class DoubtResolved(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="DoubtResolved"):
    """An operator's evidence about a request in doubt; the event after it says what it makes of the order.

    `venue_cl_ord_id` names the request; empty when it is about the order itself, which its venue does not know.
    `in_force` is the venue_cl_ord_id that was in force until then, and `terms` the terms: what is so again when the
    venue says that a replace was not accepted after all.
    """

    order_id: str
    venue_cl_ord_id: str
    outcome: DoubtOutcome
    operator: str
    reason: str
    in_force: str = ""
    terms: Terms | None = None


# --- What leaves memory, and comes back ---


class OrderRetired(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderRetired"):
    """An order that has ended left memory. `memory` is all of it, with its keys (see gateway.core.retention)."""

    order_id: str
    memory: bytes


class KeysRetired(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="KeysRetired"):
    """Spent keys (client_id, ClOrdID) that name no order left memory; their answers are where they were given."""

    keys: tuple[tuple[str, str], ...]


class OrderRecalled(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderRecalled"):
    """A retired order is needed again and is back in memory, as `memory` has it."""

    order_id: str
    memory: bytes


class KeyRecalled(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="KeyRecalled"):
    """A retired key that names no order is needed again and is back in memory."""

    client_id: str
    cl_ord_id: str
    memory: bytes


# --- From sessions and the process ---


class SessionLoggedOn(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionLoggedOn"):
    """The FIX session is up. `reset` is true when its numbers started over, `unexpected` when without our asking.

    `logon_seq_num` is MsgSeqNum(34) of our own Logon: no number below it may ever be used again. `copies` is the
    venue whose drop copy this session is. `later` are the order_ids in doubt about which a venue that is not compared
    is asked soon: not more than so many are asked about at once.
    """

    venue: str
    reset: bool = False
    logon_seq_num: int = 0
    unexpected: bool = False
    copies: str = ""
    later: tuple[str, ...] = ()


class SessionLoggedOut(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionLoggedOut"):
    """The FIX session is down."""

    venue: str
    text: str = ""


class EpochBegan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="EpochBegan"):
    """A process took over.

    `id_prefix` starts every id that is given from here on. It comes from the time.
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
    | DoubtResolved
    | ExternalOrderReported
    | DropCopyNoted
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
    | ReconciliationStarted
    | ReconciliationEnded
    | OrderEntryOpened
    | ItemRaised
    | ItemResolved
    | OrderRetired
    | KeysRetired
    | OrderRecalled
    | KeyRecalled
)
Event = ClientEvent | VenueEvent | SystemEvent | RiskEvent


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
