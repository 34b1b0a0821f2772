"""How a request fails: a gRPC status code, words, and google.rpc details that a program can act on.

Every failure carries ErrorInfo (reason, domain "gateway", metadata); where a field is at fault also BadRequest that
names it. docs/errors.md tells each reason; a test holds the two together.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self, assert_never

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from gateway.codec.proto.fields import InvalidField
from gateway.core.engine import Answer
from gateway.core.types import Reason
from gateway.runtime.feed import SlowReader, TooManyReaders
from gateway.runtime.ports import JournalError
from gateway.runtime.sequencer import Overloaded

DOMAIN = "gateway"
DETAILS_KEY = "grpc-status-details-bin"

LONGEST_TEXT = 1_000
"""Characters of an error's words. gRPC sends them up to three times in one trailer, of which a client takes 8 KiB: over
that it puts a code of its own in the place of ours.
"""

Code = grpc.StatusCode


class ApiReason(StrEnum):
    """Why the API refused a request before it became a command. None of these spends a key."""

    CLIENT_UNKNOWN = "CLIENT_UNKNOWN"
    ROLE_REQUIRED = "ROLE_REQUIRED"
    ACCOUNT_NOT_PERMITTED = "ACCOUNT_NOT_PERMITTED"
    OVERLOADED = "OVERLOADED"
    SLOW_READER = "SLOW_READER"
    TOO_MANY_SUBSCRIBERS = "TOO_MANY_SUBSCRIBERS"
    SEQ_AHEAD = "SEQ_AHEAD"
    UNAVAILABLE = "UNAVAILABLE"
    HISTORY_UNAVAILABLE = "HISTORY_UNAVAILABLE"
    INTERNAL = "INTERNAL"


CODES: dict[Reason | ApiReason, Any] = {
    Reason.FIELD_INVALID: Code.INVALID_ARGUMENT,
    Reason.FIELD_REQUIRED: Code.INVALID_ARGUMENT,
    Reason.FIELD_NOT_ALLOWED: Code.INVALID_ARGUMENT,
    Reason.SYMBOL_UNKNOWN: Code.INVALID_ARGUMENT,
    Reason.VENUE_UNKNOWN: Code.INVALID_ARGUMENT,
    Reason.ACCOUNT_UNKNOWN: Code.INVALID_ARGUMENT,
    Reason.PRICE_OFF_TICK: Code.INVALID_ARGUMENT,
    Reason.QTY_OFF_LOT: Code.INVALID_ARGUMENT,
    Reason.DUPLICATE_CL_ORD_ID: Code.ALREADY_EXISTS,
    Reason.ORDER_UNKNOWN: Code.NOT_FOUND,
    Reason.ORDER_NOT_WORKING: Code.FAILED_PRECONDITION,
    Reason.TOO_MANY_REQUESTS: Code.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_ORDERS: Code.RESOURCE_EXHAUSTED,
    Reason.SESSION_DOWN: Code.FAILED_PRECONDITION,
    Reason.SESSION_NOT_RECONCILED: Code.FAILED_PRECONDITION,
    Reason.NOT_IN_DOUBT: Code.FAILED_PRECONDITION,
    Reason.ITEM_UNKNOWN: Code.NOT_FOUND,
    Reason.INSTRUMENT_HALTED: Code.FAILED_PRECONDITION,
    Reason.MARKET_CLOSED: Code.FAILED_PRECONDITION,
    Reason.RISK_LIMIT_MISSING: Code.FAILED_PRECONDITION,
    Reason.RISK_NOT_AUTHORISED: Code.PERMISSION_DENIED,
    Reason.RISK_RESTRICTED: Code.FAILED_PRECONDITION,
    Reason.RISK_SHORT_SALE: Code.FAILED_PRECONDITION,
    Reason.RISK_STOPPED: Code.FAILED_PRECONDITION,
    Reason.RISK_ORDER_QTY: Code.FAILED_PRECONDITION,
    Reason.RISK_ORDER_VALUE: Code.FAILED_PRECONDITION,
    Reason.RISK_PRICE_COLLAR: Code.FAILED_PRECONDITION,
    Reason.RISK_MESSAGE_RATE: Code.RESOURCE_EXHAUSTED,
    Reason.RISK_ORDER_TO_TRADE: Code.RESOURCE_EXHAUSTED,
    Reason.RISK_DUPLICATE_ORDER: Code.FAILED_PRECONDITION,
    Reason.RISK_OPEN_ORDERS: Code.RESOURCE_EXHAUSTED,
    Reason.RISK_INSTRUMENTS: Code.FAILED_PRECONDITION,
    Reason.RISK_VENUES: Code.FAILED_PRECONDITION,
    Reason.RISK_POSITION: Code.FAILED_PRECONDITION,
    Reason.RISK_GROSS_NOTIONAL: Code.FAILED_PRECONDITION,
    Reason.RISK_NET_NOTIONAL: Code.FAILED_PRECONDITION,
    Reason.RISK_CONCENTRATION: Code.FAILED_PRECONDITION,
    Reason.RISK_CORRELATED_EXPOSURE: Code.FAILED_PRECONDITION,
    Reason.RISK_MARGIN: Code.FAILED_PRECONDITION,
    Reason.RISK_LOSS: Code.FAILED_PRECONDITION,
    Reason.RISK_DRAWDOWN: Code.FAILED_PRECONDITION,
    Reason.RISK_NO_MARK: Code.FAILED_PRECONDITION,
    Reason.RISK_STALE_MARK: Code.FAILED_PRECONDITION,
    Reason.RISK_CROSSED_MARK: Code.FAILED_PRECONDITION,
    Reason.RISK_MARK_BAND: Code.FAILED_PRECONDITION,
    Reason.RISK_AUCTION: Code.FAILED_PRECONDITION,
    Reason.RISK_SELF_MATCH: Code.FAILED_PRECONDITION,
    Reason.SCOPE_UNKNOWN: Code.NOT_FOUND,
    Reason.CONTROL_UNKNOWN: Code.INVALID_ARGUMENT,
    Reason.CHANGE_UNKNOWN: Code.NOT_FOUND,
    Reason.CHANGE_OUTDATED: Code.FAILED_PRECONDITION,
    Reason.SECOND_PERSON_NEEDED: Code.PERMISSION_DENIED,
    Reason.NOT_STOPPED: Code.FAILED_PRECONDITION,
    ApiReason.CLIENT_UNKNOWN: Code.UNAUTHENTICATED,
    ApiReason.ROLE_REQUIRED: Code.PERMISSION_DENIED,
    ApiReason.ACCOUNT_NOT_PERMITTED: Code.PERMISSION_DENIED,
    ApiReason.OVERLOADED: Code.RESOURCE_EXHAUSTED,
    ApiReason.SLOW_READER: Code.RESOURCE_EXHAUSTED,
    ApiReason.TOO_MANY_SUBSCRIBERS: Code.RESOURCE_EXHAUSTED,
    ApiReason.SEQ_AHEAD: Code.OUT_OF_RANGE,
    ApiReason.UNAVAILABLE: Code.UNAVAILABLE,
    ApiReason.HISTORY_UNAVAILABLE: Code.UNAVAILABLE,
    ApiReason.INTERNAL: Code.INTERNAL,
}


class Failure(Exception):
    """A request's failure as its caller is told it. `field` names what is at fault in the request, if anything is."""

    def __init__(
        self, reason: Reason | ApiReason, text: str, field: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        text = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 4]} ..."
        super().__init__(text)
        self.reason, self.text, self.field = reason, text, field
        self.metadata = dict(metadata or {})

    def about(self, cl_ord_id: str) -> Self:
        """The same, saying which command it is about, if that is known."""
        if cl_ord_id:
            self.metadata.setdefault("cl_ord_id", cl_ord_id)
        return self

    @property
    def code(self) -> Any:
        """The gRPC status code."""
        return CODES[self.reason]

    def status(self) -> status_pb2.Status:
        """The failure with its details."""
        metadata = {"key_spent": "false", **({"field": self.field} if self.field else {}), **self.metadata}
        details = [_packed(error_details_pb2.ErrorInfo(reason=self.reason.value, domain=DOMAIN, metadata=metadata))]
        if self.field and self.code is Code.INVALID_ARGUMENT:
            violation = error_details_pb2.BadRequest.FieldViolation(field=self.field, description=self.text)
            details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
        return status_pb2.Status(code=self.code.value[0], message=self.text, details=details)


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def refused(answer: Answer, cl_ord_id: str) -> Failure:
    """The core's refusal of a command. It is durable; a command that has a key, `cl_ord_id`, has spent it."""
    if answer.reason is None:
        raise ValueError("the command was accepted")
    metadata = {"seq": str(answer.seq), "key_spent": "true" if cl_ord_id else "false"}
    if cl_ord_id:
        metadata["cl_ord_id"] = cl_ord_id
    if answer.order_id:
        metadata["order_id"] = answer.order_id
    return Failure(answer.reason, answer.text, answer.field, metadata)


Foreseen = Failure | InvalidField | Overloaded | SlowReader | TooManyReaders | JournalError
FORESEEN = (Failure, InvalidField, Overloaded, SlowReader, TooManyReaders, JournalError)


def failure(error: Foreseen) -> Failure:
    """What a caller is told about an exception that is part of the plan."""
    match error:
        case Failure():
            return error
        case InvalidField():
            return Failure(error.reason, str(error), error.field)
        case Overloaded():
            return Failure(ApiReason.OVERLOADED, str(error))
        case SlowReader():
            return slow_reader(error.next_seq)
        case TooManyReaders():
            return Failure(ApiReason.TOO_MANY_SUBSCRIBERS, str(error))
        case JournalError():
            return history_unavailable(str(error))
    assert_never(error)


def slow_reader(next_seq: int | None) -> Failure:
    """The reader fell behind; nothing is lost when it resumes at `next_seq` (None: the stream had no events)."""
    if next_seq is None:
        return Failure(ApiReason.SLOW_READER, "the replies were not read")
    text = f"the reader fell too far behind; subscribe again from next_seq {next_seq}"
    return Failure(ApiReason.SLOW_READER, text, metadata={"next_seq": str(next_seq)})


def unavailable() -> Failure:
    """The gateway is starting or stopping."""
    return Failure(
        ApiReason.UNAVAILABLE, "the gateway is starting or stopping; nothing was done, try again in a moment"
    )


def history_unavailable(why: str) -> Failure:
    """What a request names or asks for left memory and cannot be read now: its answer may stand there, so none is
    given.
    """
    text = (
        f"what this names left memory, and cannot be read now: {why}. Nothing was done; the same request again under "
        "the same key, when it can be read"
    )
    return Failure(ApiReason.HISTORY_UNAVAILABLE, text, metadata={"key_spent": "unknown"})


def internal() -> Failure:
    """A defect of ours. What it was is in the server's log, not in the answer."""
    text = (
        "the gateway failed on this request; whether a command was taken is told by sending it again under the same key"
    )
    return Failure(ApiReason.INTERNAL, text, metadata={"key_spent": "unknown"})
