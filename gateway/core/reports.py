"""Facts: what venues, FIX sessions and the clock tell us. They are never refused, only understood or set aside."""

from decimal import Decimal

import msgspec

from gateway.core.types import CxlRejResponseTo, ExecType, OrdStatus, Side


class ExecutionReport(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ExecutionReport"):
    """ExecutionReport(35=8), normalised to FIX 4.4 terms. None or empty: the venue did not say.

    `cl_ord_id` and `orig_cl_ord_id` are as the venue echoes them, that is, the gateway's venue_cl_ord_ids.
    `trade_date` is TradeDate(75), or the UTC date of TransactTime(60), as YYYYMMDD. `mass_status_req_id`,
    `tot_num_reports` and `last_rpt_requested` are MassStatusReqID(584), TotNumReports(911), LastRptRequested(912).
    """

    venue: str
    exec_type: ExecType
    ord_status: OrdStatus
    exec_id: str = ""
    exec_ref_id: str = ""
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    venue_order_id: str = ""
    venue_symbol: str = ""
    side: Side | None = None
    account: str = ""
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    avg_px: Decimal | None = None
    ord_rej_reason: str = ""
    exec_restatement_reason: str = ""
    text: str = ""
    trade_date: str = ""
    transact_time_ns: int | None = None
    poss_dup: bool = False
    poss_resend: bool = False
    mass_status_req_id: str = ""
    tot_num_reports: int | None = None
    last_rpt_requested: bool = False


class OrderCancelReject(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OrderCancelReject"):
    """OrderCancelReject(35=9): the answer no to a cancel or a replace."""

    venue: str
    cl_ord_id: str
    orig_cl_ord_id: str
    ord_status: OrdStatus | None = None
    cxl_rej_response_to: CxlRejResponseTo = CxlRejResponseTo.CANCEL
    cxl_rej_reason: str = ""
    venue_order_id: str = ""
    text: str = ""
    poss_dup: bool = False


class MessageRejected(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MessageRejected"):
    """The venue refused one of our messages as such: Reject(35=3) or BusinessMessageReject(35=j).

    `ref_cl_ord_id` is the venue_cl_ord_id of the refused message, where BusinessRejectRefID(379) or our own record of
    RefSeqNum(45) names it. `reason_tag` says what `reject_reason` is a code of: SessionRejectReason(373) or
    BusinessRejectReason(380); 0 in older journals.
    """

    venue: str
    ref_msg_type: str
    ref_cl_ord_id: str = ""
    ref_seq_num: int | None = None
    reject_reason: str = ""
    text: str = ""
    reason_tag: int = 0


class MassCancelReport(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MassCancelReport"):
    """OrderMassCancelReport(35=r): what the venue makes of our mass cancel `cl_ord_id`.

    `accepted` is False when MassCancelResponse(531) is 0; `total_affected` is TotalAffectedOrders(533), where it is
    said. It proves nothing about any order: each one's own report does.
    """

    venue: str
    cl_ord_id: str
    accepted: bool
    total_affected: int | None = None
    reject_reason: str = ""
    text: str = ""


class UnexpectedMessage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="UnexpectedMessage"):
    """An application message that could not be understood.

    `problem` says why; `raw` is the text with SOH as "|", cut at 4,096 characters.
    """

    venue: str
    msg_type: str
    problem: str
    raw: str


class SessionUp(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionUp"):
    """The FIX session to a venue is logged on. `reset` is true when either side's numbers started over from 1.

    `logon_seq_num` is MsgSeqNum(34) of our own Logon; 0 when the link cannot tell. `unexpected` says that the numbers
    started over without our asking.
    """

    venue: str
    reset: bool = False
    logon_seq_num: int = 0
    unexpected: bool = False


class SessionDown(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SessionDown"):
    """The FIX session to a venue is not logged on (any more)."""

    venue: str
    text: str = ""


class SendRefused(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SendRefused"):
    """The venue link did not hand a message to the session: nothing was stored, nothing can be resent later.

    Proof that it is unsent.
    """

    venue: str
    venue_cl_ord_id: str
    text: str


class TimerFired(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="TimerFired"):
    """The clock's turn: the core looks for requests that wait too long for an answer.

    `jumped_ns` is by how much the wall clock was set forward since the turn before (back: below 0), as a clock that
    nobody sets has it.
    """

    jumped_ns: int = 0


class ProcessStarted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ProcessStarted"):
    """A process of this `version` took over the journal, under this epoch of it (0: the next one)."""

    version: str
    epoch: int = 0


class DropCopied(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="DropCopied"):
    """What the drop-copy session `session` of a venue says: a copy of a report, on a session of its own.

    `report.venue` is the venue of the orders.
    """

    session: str
    report: ExecutionReport


class Recalled(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="Recalled"):
    """What left memory and is needed again, as it was written when it left (see gateway.core.retention)."""

    orders: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()


class OutOfReach(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OutOfReach"):
    """A report about what left memory, while that cannot be read: the archive is away, or damaged there.

    `why` says what is missing, for people. `session` is the drop copy's when it came on one.
    """

    report: "ExecutionReport | OrderCancelReject"
    why: str
    session: str = ""


ReportFact = ExecutionReport | OrderCancelReject | MessageRejected | MassCancelReport | UnexpectedMessage
Fact = (
    ReportFact
    | SessionUp
    | SessionDown
    | SendRefused
    | TimerFired
    | ProcessStarted
    | DropCopied
    | Recalled
    | OutOfReach
)
