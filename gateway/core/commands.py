"""Commands: what clients and operators ask for. Imperative; each becomes events or a refusal.

Quantities and prices are exact decimals in the instrument's units, times are UTC nanoseconds since the epoch. A field
that does not apply is None (or empty for text).
"""

from decimal import Decimal

import msgspec

from gateway.core.risk.commands import RiskCommand
from gateway.core.types import DoubtOutcome, OrdType, Side, TimeInForce


class SubmitOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SubmitOrder"):
    """A new order: NewOrderSingle(35=D) as the client says it.

    (client_id, cl_ord_id) is the idempotency key (rule 3). An order by amount of money has `cash_order_qty`,
    CashOrderQty(152), and the `order_qty` 0: the venue says what quantity it makes of it. `locate_id` says who lends
    the shares of a short sale: LocateReqd(114) is N then. `account_given` is False where the client named none, and
    `account` is the one that was its first then; also True in journals of before it was kept.
    """

    client_id: str
    cl_ord_id: str
    symbol: str
    side: Side
    order_qty: Decimal
    ord_type: OrdType
    time_in_force: TimeInForce = TimeInForce.DAY
    price: Decimal | None = None
    stop_px: Decimal | None = None
    expire_time_ns: int | None = None
    max_floor: Decimal | None = None
    exec_inst: str = ""
    account: str = ""
    strategy: str = ""
    venue: str = ""
    cash_order_qty: Decimal | None = None
    locate_id: str = ""
    account_given: bool = True


class ReplaceOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReplaceOrder"):
    """OrderCancelReplaceRequest(35=G): new terms for the order known as `orig_cl_ord_id`. None keeps a term as it is.

    `order_qty` is the new total OrderQty(38), executed part included.
    """

    client_id: str
    cl_ord_id: str
    orig_cl_ord_id: str
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    time_in_force: TimeInForce | None = None
    expire_time_ns: int | None = None
    max_floor: Decimal | None = None


class CancelOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="CancelOrder"):
    """OrderCancelRequest(35=F) for the order known as `orig_cl_ord_id` (any ClOrdID of its chain)."""

    client_id: str
    cl_ord_id: str
    orig_cl_ord_id: str


class MassCancel(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MassCancel"):
    """Cancel every working order of the client that fits all the filters given.

    One OrderCancelRequest(35=F) each, so that each has its proof.
    """

    client_id: str
    cl_ord_id: str
    account: str = ""
    strategy: str = ""
    symbol: str = ""
    venue: str = ""
    side: Side | None = None


class RequestOrderStatus(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="RequestOrderStatus"):
    """OrderStatusRequest(35=H) for one order, asked by its owner or an operator.

    Needs no key: asking twice changes nothing.
    """

    client_id: str
    orig_cl_ord_id: str


class ResumeInstrument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ResumeInstrument"):
    """An operator lets a halted instrument trade again."""

    operator: str
    symbol: str
    reason: str


class HaltInstrument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="HaltInstrument"):
    """An operator stops new orders in an instrument; cancels still pass."""

    operator: str
    symbol: str
    reason: str


class AdministerSession(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="AdministerSession"):
    """An operator acts on a FIX session: "logon", "logout" or "set_sequence". The link acts on the committed event.

    For "set_sequence" the numbers are the next ones to send and to expect; None leaves one as it is.
    """

    operator: str
    venue: str
    action: str
    reason: str
    next_sender_msg_seq_num: int | None = None
    next_target_msg_seq_num: int | None = None


class ReconcileVenue(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ReconcileVenue"):
    """An operator has our orders compared with the venue's, now."""

    operator: str
    venue: str
    reason: str


class OpenOrderEntry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OpenOrderEntry"):
    """An operator lets new orders go to a venue that could not be reconciled, with a reason that is kept."""

    operator: str
    venue: str
    reason: str


class ResolveDoubt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ResolveDoubt"):
    """An operator's evidence about a request in doubt (rule 2), or about an order that its venue does not know.

    `venue_cl_ord_id` names the request; empty means the only one of the order that is in doubt. The outcome "canceled"
    is of the order itself, and names none.
    """

    operator: str
    order_id: str
    outcome: DoubtOutcome
    reason: str
    venue_cl_ord_id: str = ""


class ResolveItem(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ResolveItem"):
    """An operator closes a reconciliation item, with a reason that is kept."""

    operator: str
    item_id: str
    reason: str


ClientCommand = SubmitOrder | ReplaceOrder | CancelOrder | MassCancel | RequestOrderStatus
OperatorCommand = (
    ResumeInstrument
    | HaltInstrument
    | AdministerSession
    | ReconcileVenue
    | OpenOrderEntry
    | ResolveDoubt
    | ResolveItem
    | RiskCommand
)
Command = ClientCommand | OperatorCommand
