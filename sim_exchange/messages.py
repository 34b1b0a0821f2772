"""What clients ask of the venue and what it tells them, in the venue's own words; the codec turns both into FIX."""

from decimal import Decimal

import msgspec

from sim_exchange.enums import ExecType, OrdStatus, OrdType, Side, TimeInForce

ZERO = Decimal(0)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may set on an order and change with a replace. Prices and quantities are exact decimals.

    `expires_ns` is the moment at which a GTD order ends (nanoseconds since the epoch); `expire_time` and `expire_date`
    keep ExpireTime(126) and ExpireDate(432) as they came, for the reports.
    """

    ord_type: OrdType
    tif: TimeInForce = TimeInForce.DAY
    order_qty: Decimal = ZERO
    cash_order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    max_floor: Decimal | None = None
    exec_inst: str | None = None
    expire_time: str | None = None
    expire_date: str | None = None
    expires_ns: int = 0


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """NewOrderSingle(D)."""

    cl_ord_id: str
    symbol: str
    side: Side
    terms: Terms
    account: str | None = None
    poss_resend: bool = False


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """OrderCancelRequest(F)."""

    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: Side
    order_id: str | None = None


class ReplaceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """OrderCancelReplaceRequest(G)."""

    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: Side
    terms: Terms
    order_id: str | None = None


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """OrderStatusRequest(H)."""

    cl_ord_id: str | None
    symbol: str
    side: Side | None
    order_id: str | None = None
    ord_status_req_id: str | None = None


class MassStatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """OrderMassStatusRequest(AF), by Symbol(55) or for all orders of the session."""

    mass_status_req_id: str
    symbol: str | None
    side: Side | None = None


class MassCancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """OrderMassCancelRequest(q); `request_type` is MassCancelRequestType(530)."""

    cl_ord_id: str
    request_type: str
    symbol: str | None
    side: Side | None = None


Request = NewOrder | CancelRequest | ReplaceRequest | StatusRequest | MassStatusRequest | MassCancelRequest


class Report(msgspec.Struct, kw_only=True):
    """ExecutionReport(8) for the session `owner`; absent fields are None. `tags` overrides or adds raw FIX fields.

    `transact_ns` is TransactTime(60), zero for the moment of sending; `copied` makes it a drop copy.
    """

    owner: str
    order_id: str
    exec_id: str
    exec_type: ExecType
    ord_status: OrdStatus
    symbol: str
    side: Side | None
    leaves_qty: Decimal = ZERO
    cum_qty: Decimal = ZERO
    avg_px: Decimal = ZERO
    terms: Terms | None = None
    order_qty: Decimal | None = None
    cl_ord_id: str | None = None
    orig_cl_ord_id: str | None = None
    exec_ref_id: str | None = None
    account: str | None = None
    last_qty: Decimal = ZERO
    last_px: Decimal = ZERO
    ord_rej_reason: int | None = None
    restatement_reason: int | None = None
    text: str | None = None
    was_replaced: bool = False
    ord_status_req_id: str | None = None
    mass_status_req_id: str | None = None
    tot_num_reports: int | None = None
    last_rpt_requested: bool = False
    tags: dict[str, str] = {}
    poss_resend: bool = False
    transact_ns: int = 0
    copied: bool = False


class CancelReject(msgspec.Struct, kw_only=True):
    """OrderCancelReject(9). `response_to` is CxlRejResponseTo(434): 1 for a cancel, 2 for a replace."""

    owner: str
    order_id: str
    cl_ord_id: str
    orig_cl_ord_id: str
    ord_status: OrdStatus
    response_to: str
    reason: int
    text: str | None = None
    tags: dict[str, str] = {}
    was_replaced: bool = False
    poss_resend: bool = False


class MassCancelReport(msgspec.Struct, kw_only=True):
    """OrderMassCancelReport(r); `response` is MassCancelResponse(531), "0" when the request is refused."""

    owner: str
    cl_ord_id: str
    order_id: str
    request_type: str
    response: str
    total_affected: int
    reason: str | None = None
    text: str | None = None
    tags: dict[str, str] = {}
    poss_resend: bool = False


Reply = Report | CancelReject | MassCancelReport
