"""What becomes of messages that are no plain reports: copies on a drop-copy session, what was refused, what could not
be understood, and what could not be sent.
"""

from collections import OrderedDict
from typing import Any

import msgspec

from gateway.codec.fix import Decoded, encode_business_reject, readable, shown, whole
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

_REFS_KEPT = 65_536
Sent = OrderRouted | CancelRequested | ReplaceRequested | StatusRequested | ReconciliationStarted | MassCancelSent


class Refs(OrderedDict[int, tuple[str, str]]):
    """MsgType(35) and name of the newest of our messages, by MsgSeqNum(34)."""

    def note(self, number: int, msg_type: str, name: str) -> None:
        """This message was sent."""
        self[number] = (msg_type, name)
        if len(self) > _REFS_KEPT:
            self.popitem(last=False)

    def named(self, fact: MessageRejected) -> MessageRejected:
        """With the type and the name of our message: our own record of its number knows better than the venue."""
        msg_type, name = self.get(fact.ref_seq_num or 0, (fact.ref_msg_type, ""))
        return msgspec.structs.replace(fact, ref_msg_type=msg_type, ref_cl_ord_id=fact.ref_cl_ord_id or name)


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


def answer_to(decoded: Decoded) -> str:
    """The body of the BusinessMessageReject(35=j) for a message that could not be understood; empty when there is to be
    none.
    """
    fact, seq, reason = decoded.fact, decoded.msg_seq_num, decoded.reject_reason
    if not isinstance(fact, UnexpectedMessage) or seq is None or reason is None:
        return ""
    return encode_business_reject(fact.msg_type, seq, reason, fact.problem, decoded.ref_id)


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
