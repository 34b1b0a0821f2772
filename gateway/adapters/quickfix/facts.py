"""What becomes of messages that are no plain reports: copies on a drop-copy session, and what QuickFIX refused."""

import msgspec

from gateway.codec.fix import whole
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    Fact,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    ReportFact,
    UnexpectedMessage,
)

_RAW_SHOWN = 4_096


def copied(fact: ReportFact, raw: str, session: str) -> Fact:
    """What a drop-copy session says: copies of executions. Nothing else of it may touch an order."""
    match fact:
        case ExecutionReport():
            return DropCopied(session, fact)
        case MessageRejected():
            return msgspec.structs.replace(fact, venue=session, ref_cl_ord_id="")
        case OrderCancelReject():
            problem = "OrderCancelReject(35=9) is no copy of an execution"
            return UnexpectedMessage(session, "9", problem, raw[:_RAW_SHOWN].replace("\x01", "|"))
        case MassCancelReport():
            problem = "OrderMassCancelReport(35=r) is no copy of an execution"
            return UnexpectedMessage(session, "r", problem, raw[:_RAW_SHOWN].replace("\x01", "|"))
        case UnexpectedMessage():
            return msgspec.structs.replace(fact, venue=session)


def refused_by_engine(reject: str, session: str) -> tuple[UnexpectedMessage, int | None]:
    """What is known of a message that QuickFIX refused with this Reject(35=3), and its MsgSeqNum(34)."""
    said = dict(piece.split("=", 1) for piece in reject.split("\x01") if "=" in piece)
    tag = f" (tag {said['371']})" if "371" in said else ""
    problem = f"refused by the session layer: {said.get('58', 'no reason given')}{tag}"
    return UnexpectedMessage(session, said.get("372", ""), problem, reject.replace("\x01", "|")), whole(
        said.get("45", "")
    )
