"""From a service's description and its implementation to gRPC handlers: admission, parsing and failures for all alike.

A method `SubmitOrder` is implemented by `submit_order(request, call)`. A server-streaming method writes to
`call.context` itself; one with a stream of requests reads there too and gets only the call. Requests are parsed here
and not by gRPC, which would answer a broken one with INTERNAL.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gateway.adapters.grpc.errors import DETAILS_KEY, FORESEEN, ApiReason, Failure, failure, internal, unavailable
from gateway.adapters.grpc.identity import RULES, Access, Authenticator, Call, admit
from gateway.codec.proto import fields
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.wire import broken_text_field, crowded_field

_log = structlog.get_logger("gateway.api")

LINES, LINES_S = 100, 60.0
"""How many lines the log gets at most in so many seconds about what callers did wrong, or what went wrong for them. One
who asks without end would fill the disk, and then the journal gets no room on it.
"""

_TOLD = (ApiReason.CLIENT_UNKNOWN, ApiReason.ROLE_REQUIRED, ApiReason.ACCOUNT_NOT_PERMITTED)

MOST_FIELDS = 4_000
"""In a request, entries of lists counted one by one: more than any good one has. To make objects of two million, which
4 MiB have room for, takes most of a second, and everybody waits (rule 7).
"""

M = TypeVar("M", bound=Message)
Method = Callable[..., Awaitable[Any]]


class Gate:
    """Whether calls are let in, and who they come from. Closed until recovery is done, and when the gateway stops."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.is_open = False
        self._authenticator = authenticator

    def admit(self, access: Access, context: Any) -> Call:
        """Let a call in.

        Raises:
            Failure, InvalidField: it stays outside.
        """
        call = admit(self._authenticator, access, context)
        if not self.is_open:
            raise unavailable()
        return call


def handlers(service: ServiceDescriptor, implementation: object, gate: Gate) -> Any:
    """The handlers of one service of ours, as gRPC wants them.

    Raises:
        AttributeError: a method is not implemented.
    """
    made = {method.name: _handler(method, implementation, gate) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, made)


def _handler(method: MethodDescriptor, implementation: object, gate: Gate) -> Any:
    run: Method = getattr(implementation, re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower())
    path = f"{method.containing_service.full_name}/{method.name}"
    access = RULES[path]
    request_type = GetMessageClass(method.input_type)
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_duplex(path, run, access, gate))
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_one_request(path, run, access, gate, request_type))
    serialize = GetMessageClass(method.output_type).SerializeToString
    return grpc.unary_unary_rpc_method_handler(
        _one_request(path, run, access, gate, request_type), response_serializer=serialize
    )


def _one_request(path: str, run: Method, access: Access, gate: Gate, request_type: type[Message]) -> Method:
    async def handle(data: bytes, context: Any) -> Any:
        request: Message | None = None
        try:
            call = gate.admit(access, context)
            request = parse(request_type, data)
            return await run(request, call)
        except Exception as error:  # noqa: BLE001  # Whatever it is, the caller gets a status and the log the rest.
            await _abort(context, told(path, error).about(getattr(request, "cl_ord_id", "")[: fields.KEY_LENGTH]))

    return handle


def _duplex(path: str, run: Method, access: Access, gate: Gate) -> Method:
    async def handle(_requests: Any, context: Any) -> None:
        try:
            await run(gate.admit(access, context))
        except Exception as error:  # noqa: BLE001  # As above.
            await _abort(context, told(path, error))

    return handle


def parse(message_type: type[M], data: bytes, most: int = MOST_FIELDS) -> M:
    """A request from its bytes. It has at most `most` fields, entries of lists counted one by one.

    Raises:
        InvalidField: it has more, or it is not such a message; where a text is not UTF-8 the field is named, if the
        message is not very long.
    """
    crowded = crowded_field(message_type.DESCRIPTOR, data, most) if len(data) > 2 * most else None
    if crowded is not None:
        raise InvalidField(crowded, f"more than {most:,} fields and entries in one message; nothing of it was done")
    try:
        return message_type.FromString(data)
    except DecodeError:
        raise _unreadable(message_type.DESCRIPTOR, data) from None


def _unreadable(message_type: Any, data: bytes) -> InvalidField:
    field = broken_text_field(message_type, data)
    if field:
        return InvalidField(field, "is not UTF-8")
    return InvalidField("", f"this is not a {message_type.full_name}, or a text in it is not UTF-8")


class Sparing:
    """Room for `LINES` lines in each `LINES_S`; `clock` tells seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since, self._lines, self._left_out = clock(), 0, 0

    def room(self) -> dict[str, int] | None:
        """What a line says besides: how many were left out since the last one, if any. None: leave it out."""
        if self._clock() - self._since >= LINES_S:
            self._since, self._lines = self._clock(), 0
        if self._lines >= LINES:
            self._left_out += 1
            return None
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        return {"left_out_before": left_out} if left_out else {}


_failed, _denied = Sparing(), Sparing()


def told(path: str, error: Exception) -> Failure:
    """What the caller is told. What concerns who may do what, and what nobody foresaw, is logged."""
    if not isinstance(error, FORESEEN):
        if (more := _failed.room()) is not None:
            _log.error("request failed", method=path, exc_info=error, **more)
        return internal()
    found = failure(error)
    if found.reason in _TOLD and (more := _denied.room()) is not None:
        _log.warning("request denied", method=path, reason=found.reason.value, text=found.text, **more)
    return found


async def _abort(context: Any, found: Failure) -> NoReturn:
    trailer = ((DETAILS_KEY, found.status().SerializeToString()),)
    await context.abort(found.code, found.text, trailer)
    raise AssertionError("abort returns only by raising")
