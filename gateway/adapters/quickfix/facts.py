"""What becomes of messages that are no plain reports: copies on a drop-copy session, what QuickFIX refused, and what
could not be sent.
"""

from typing import Any

import msgspec

from gateway.codec.fix import readable, shown, whole
from gateway.core.events import (
    CancelRequested,
    Input,
    OrderRouted,
    ReconciliationStarted,
    ReplaceRequested,
    StatusRequested,
)
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    Fact,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    ReportFact,
    SendRefused,
    UnexpectedMessage,
)
from gateway.core.risk.events import MassCancelSent

Sent = OrderRouted | CancelRequested | ReplaceRequested | StatusRequested | ReconciliationStarted | MassCancelSent


def copied(fact: ReportFact, raw: str, session: str) -> Fact:
    """What a drop-copy session says: copies of executions. Nothing else of it may touch an order."""
    match fact:
        case ExecutionReport():
            return DropCopied(session, fact)
        case MessageRejected():
            return msgspec.structs.replace(fact, venue=session, ref_cl_ord_id="")
        case OrderCancelReject():
            problem = "OrderCancelReject(35=9) is no copy of an execution"
            return UnexpectedMessage(session, "9", problem, shown(raw))
        case MassCancelReport():
            problem = "OrderMassCancelReport(35=r) is no copy of an execution"
            return UnexpectedMessage(session, "r", problem, shown(raw))
        case UnexpectedMessage():
            return msgspec.structs.replace(fact, venue=session)


def refused_by_engine(reject: str, session: str) -> tuple[UnexpectedMessage, int | None]:
    """What is known of a message that QuickFIX refused with this Reject(35=3) or
    BusinessMessageReject(35=j), and its MsgSeqNum(34).
    """
    said = dict(piece.split("=", 1) for piece in reject.split("\x01") if "=" in piece)
    tag = f" (tag {said['371']})" if "371" in said else ""
    problem = f"refused by the session layer: {readable(said.get('58', 'no reason given') + tag)}"
    fact = UnexpectedMessage(session, shown(said.get("372", "")[:32]), problem, shown(reject))
    return fact, whole(said.get("45", ""))


def refused_here(event: Sent, venue: str, problem: str) -> SendRefused | MessageRejected:
    """A message of ours that was not sent."""
    name = name_of(event)
    if isinstance(event, StatusRequested):
        # It asks about a request under that request's own ID: a SendRefused would read as proof that the request
        # itself was not sent.
        return MessageRejected(venue, "H", name, text=problem)
    if isinstance(event, ReconciliationStarted):
        return MessageRejected(venue, "AF", name, text=problem)
    return SendRefused(venue, name, problem)


def name_of(event: Sent) -> str:
    """What a venue calls the message by, and we too."""
    return event.mass_status_req_id if isinstance(event, ReconciliationStarted) else event.venue_cl_ord_id


def recordable(given: Input) -> Input:
    """A fact that the journal can hold: in one with bytes that are no UTF-8 they become "?".

    The second line: what is told in a venue's own words is made readable where it is taken over.
    """
    try:
        msgspec.msgpack.encode(given.body)
    except UnicodeEncodeError:
        return msgspec.structs.replace(given, body=_encodable(given.body))
    return given


def _encodable(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{n: _encodable(getattr(value, n)) for n in value.__struct_fields__})
    return value.encode("utf-8", "replace").decode() if type(value) is str else value
