"""What can go wrong, by what the caller can do about it, and how it is read from gRPC's status and its details."""

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.client.types import Order
from gateway.core.types import Reason

_STATUS_DETAILS = "grpc-status-details-bin"
_REFUSALS = frozenset(Reason)
# These two say "not now", although they come with a code of their own rather than UNAVAILABLE.
_NOT_NOW = frozenset({"OVERLOADED", "TOO_MANY_SUBSCRIBERS", "SLOW_READER"})
_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        # A connection that breaks inside a message, or a server that dies, shows as one of these; the key makes asking
        # again safe.
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_NOT_ALLOWED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
SEE = "see that it runs, and that this is its address"
"""The next step where gRPC's own words are all that is known."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GatewayError(Exception):
    """Every error of this package. `code` is the gRPC status code, None where no answer was involved.

    All of them can be copied and pickled.
    """

    def __init__(self, text: str, *, code: grpc.StatusCode | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Refused(GatewayError):
    """The gateway said no to a command, for good: the same request would get the same answer, so it is never retried.

    `reason` is a code of docs/errors.md, `field` the field at fault or empty. With `key_spent` the key `cl_ord_id` is
    used up: send a corrected order under another.
    """

    def __init__(
        self,
        text: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        field: str = "",
        cl_ord_id: str = "",
        key_spent: bool = False,
    ) -> None:
        super().__init__(text, code=code)
        self.reason = reason
        self.field = field
        self.cl_ord_id = cl_ord_id
        self.key_spent = key_spent

    def __str__(self) -> str:
        return f"{self.reason}{f' ({self.field})' if self.field else ''}: {self.text}"


class NotFound(GatewayError):
    """There is no such order, or it belongs to another client."""


class NotAllowed(GatewayError):
    """The gateway does not know this client id, or does not let it do this."""


class Overloaded(GatewayError):
    """The gateway's queue stayed full until the deadline: nothing was done and the key is not spent."""


class Unavailable(GatewayError):
    """The gateway could not be reached until the deadline. Of a command, nothing was sent."""


class Unknown(GatewayError):
    """The deadline passed and the fate of the command is not known: it was sent and no answer came.

    Send the same request again under the same `cl_ord_id` (it is done once, whatever happened), or ask
    `get_order(cl_ord_id=...)`.
    """

    def __init__(self, text: str, *, cl_ord_id: str = "") -> None:
        super().__init__(text)
        self.cl_ord_id = cl_ord_id


class OrderEnded(GatewayError):
    """The order ended with another status than the one waited for. `order` is its last view."""

    def __init__(self, order: Order) -> None:
        Exception.__init__(self, order)
        self.order = order
        self.text = f"order {order.cl_ord_id} ended as {order.ord_status.name}"
        self.code = None

    def __str__(self) -> str:
        return self.text


def not_open() -> Any:
    """What stands where a client's connection will be: whoever uses it gets a RuntimeError that says so."""
    return _NotOpen()


class _NotOpen:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("the client is not open: use it as `async with` (`with` for SyncGatewayClient)")


class Failure:
    """A gRPC status with its details unpacked."""

    def __init__(self, code: grpc.StatusCode, text: str, details: status_pb2.Status | None) -> None:
        info = _error_info(details)
        self.code = code
        self.text = text
        self.reason = info.reason if info else ""
        metadata = dict(info.metadata) if info else {}
        self.field = metadata.get("field", "")
        self.cl_ord_id = metadata.get("cl_ord_id", "")
        self.key_spent = metadata.get("key_spent") == "true"

    @property
    def is_transient(self) -> bool:
        """Worth asking again with the same key. A refusal never is, whatever its code."""
        if self.reason in _REFUSALS or self.key_spent:
            return False
        return self.code in _TRANSIENT or self.is_overload

    @property
    def is_overload(self) -> bool:
        """The gateway answered, and had no room."""
        return self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and (self.reason in _NOT_NOW or not self.reason)

    def error(self, cl_ord_id: str = "") -> GatewayError:
        """The exception for it. With `cl_ord_id`, for the command of that key."""
        if not cl_ord_id and self.code in _NOT_ALLOWED:
            return NotAllowed(self.text, code=self.code)
        if self.is_overload:
            return Overloaded(self.text, code=self.code)
        if self.is_transient:
            text = self.text if self.reason else f"the gateway does not answer ({self.text}): {SEE}"
            return Unavailable(text, code=self.code)
        if self.code is grpc.StatusCode.NOT_FOUND and not cl_ord_id:
            return NotFound(self.text, code=self.code)
        return Refused(
            self.text,
            code=self.code,
            reason=self.reason or self.code.name,
            field=self.field,
            cl_ord_id=self.cl_ord_id or cl_ord_id,
            key_spent=self.key_spent,
        )


def of_call(error: grpc.aio.AioRpcError) -> Failure:
    """The failure of a call."""
    details = None
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS:
            details = status_pb2.Status.FromString(value)
    return Failure(error.code(), error.details() or error.code().name, details)


def of_status(status: status_pb2.Status) -> Failure:
    """The failure of one command in the Trade stream."""
    return Failure(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), status.message, status)


def _error_info(status: status_pb2.Status | None) -> error_details_pb2.ErrorInfo | None:
    """The detail that every failure of the gateway carries. What BadRequest says besides is in its metadata too."""
    info = error_details_pb2.ErrorInfo()
    for packed in status.details if status else ():
        if packed.Unpack(info):
            return info
    return None
