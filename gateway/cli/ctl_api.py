"""How `gatewayctl` talks to a gateway: one connection in the name of one client, and failures in words that help."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import grpc
from google.protobuf.message import Message

from gateway.client.errors import of_call
from gateway.client.lane import target_of
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc

REFUSED = 1
UNREACHABLE = 3

EXECUTIONS = (pb.ORDER_FILLED, pb.EXECUTION_CORRECTED, pb.EXECUTION_BUSTED)

_TIMEOUT_S = 10.0
_HISTORY_TIMEOUT_S = 300.0
_PAGE = 1_000
# Ten thousand requests in doubt or items are more than gRPC's usual 4 MiB, and that is when they are asked for.
_LONGEST_REPLY = 64 << 20
_WINDOW = 2_000
MOST_BACK = 200_000
"""How many events are looked at for the newest ones that fit: the gateway reads them for us, beside its trading."""


class Newest(NamedTuple):
    """The newest events that fit, oldest first, and the first and the last sequence number that were looked at."""

    events: list[pb.Event]
    first_seq: int
    last_seq: int


class Api:
    """A connection to one gateway. Every method raises grpc.RpcError, which `explain` puts into words.

    `unanswered` is true from an action on until its answer has come.
    """

    def __init__(self, address: str, client_id: str) -> None:
        self.address = address
        self.client_id = client_id
        self.unanswered = False
        self._metadata = (("client-id", client_id),)
        self._channel = grpc.insecure_channel(target_of(address), [("grpc.max_receive_message_length", _LONGEST_REPLY)])
        stubs: Any = gateway_pb2_grpc  # protoc gives the services no types.
        self._orders = stubs.OrderServiceStub(self._channel)
        self._events = stubs.EventServiceStub(self._channel)
        self._positions = stubs.PositionServiceStub(self._channel)
        self._admin = stubs.AdminServiceStub(self._channel)
        self._risk = stubs.RiskServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def overview(self) -> pb.GetOverviewResponse:
        """The gateway at a glance."""
        reply: pb.GetOverviewResponse = self._call(self._admin.GetOverview, pb.GetOverviewRequest())
        return reply

    def sessions(self) -> pb.ListSessionsResponse:
        """All FIX sessions."""
        reply: pb.ListSessionsResponse = self._call(self._admin.ListSessions, pb.ListSessionsRequest())
        return reply

    def administer(self, request: Message) -> pb.AdminReply:
        """Carry out one administrative request, such as a LogonRequest."""
        method = getattr(self._admin, request.DESCRIPTOR.name.removesuffix("Request"))
        reply: pb.AdminReply = self._act(method, request)
        return reply

    def risk(self, request: Message) -> Any:
        """The answer to one request about risk, such as a ListLimitsRequest."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        call = self._call if name.startswith(("Get", "List")) else self._act
        return call(getattr(self._risk, name), request)

    def exposure(self, request: pb.GetExposureRequest, limit: int) -> pb.GetExposureResponse:
        """At most `limit` rows that fit, from as many pages as it takes; `next_page_token` leads to the rest."""
        found = pb.GetExposureResponse()
        while len(found.rows) < limit:
            request.page_size, request.page_token = min(_PAGE, limit - len(found.rows)), found.next_page_token
            found.MergeFrom(page := self.risk(request))
            found.next_page_token = page.next_page_token
            if not page.next_page_token:
                break
        return found

    def watch_exposure(self, request: pb.WatchExposureRequest) -> Iterator[pb.WatchExposureResponse]:
        """Snapshots, without an end."""
        stream = self._risk.WatchExposure(request, metadata=self._metadata)
        try:
            yield from stream
        finally:
            stream.cancel()

    def set_aside(self) -> pb.ListSetAsideResponse:
        """The reports that are set aside."""
        reply: pb.ListSetAsideResponse = self._call(self._admin.ListSetAside, pb.ListSetAsideRequest())
        return reply

    def items(self, venue: str) -> pb.ListItemsResponse:
        """The reconciliation items that are open."""
        reply: pb.ListItemsResponse = self._call(self._admin.ListItems, pb.ListItemsRequest(venue=venue))
        return reply

    def in_doubt(self) -> pb.ListInDoubtResponse:
        """The requests that may or may not have reached their venue."""
        reply: pb.ListInDoubtResponse = self._call(self._admin.ListInDoubt, pb.ListInDoubtRequest())
        return reply

    def external_orders(self, venue: str) -> pb.ListExternalOrdersResponse:
        """Orders that venues work for us and that were never sent from here."""
        request = pb.ListExternalOrdersRequest(venue=venue)
        reply: pb.ListExternalOrdersResponse = self._call(self._admin.ListExternalOrders, request)
        return reply

    def positions(self, request: pb.ListPositionsRequest, limit: int | None = None) -> pb.ListPositionsResponse:
        """All positions that fit, or at most `limit`, from as many pages as it takes; `next_page_token` leads to the
        rest.
        """
        found = pb.ListPositionsResponse()
        while limit is None or len(found.positions) < limit:
            request.page_size = _PAGE if limit is None else min(_PAGE, limit - len(found.positions))
            request.page_token = found.next_page_token
            page: pb.ListPositionsResponse = self._call(self._positions.ListPositions, request)
            found.positions.extend(page.positions)
            found.next_page_token, found.as_of_seq = page.next_page_token, page.as_of_seq
            if not page.next_page_token:
                break
        return found

    def orders(self, request: pb.ListOrdersRequest, limit: int) -> pb.ListOrdersResponse:
        """At most `limit` orders that fit, from as many pages as it takes; `next_page_token` leads to the rest."""
        found = pb.ListOrdersResponse(next_page_token=request.page_token)
        while len(found.orders) < limit:
            request.page_size, request.page_token = min(_PAGE, limit - len(found.orders)), found.next_page_token
            page: pb.ListOrdersResponse = self._call(self._orders.ListOrders, request)
            found.orders.extend(page.orders)
            found.next_page_token, found.as_of_seq = page.next_page_token, page.as_of_seq
            if not page.next_page_token:
                break
        return found

    def order(self, key: str, owner: str) -> pb.GetOrderResponse | None:
        """One order by its order_id or, failing that, by any ClOrdID(11) of its chain; `owner` says whose ClOrdID.
        None when there is none.
        """
        for request in (pb.GetOrderRequest(order_id=key), pb.GetOrderRequest(cl_ord_id=key, client_id=owner)):
            try:
                reply: pb.GetOrderResponse = self._call(self._orders.GetOrder, request)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    continue
                if error.code() is not grpc.StatusCode.INVALID_ARGUMENT or request.cl_ord_id:
                    raise
            else:
                return reply
        return None

    def last_seq(self) -> int:
        """The journal's last sequence number. Any client may ask."""
        reply: pb.ListOrdersResponse = self._call(self._orders.ListOrders, pb.ListOrdersRequest(page_size=1))
        return reply.as_of_seq

    def follow(self, from_seq: int | None, wanted: pb.EventFilter) -> Iterator[pb.Event]:
        """Events that fit, as they come, without an end; from now on where `from_seq` is None."""
        for response in self._subscribe(from_seq, wanted, None):
            yield from response.events

    def history(self, from_seq: int, to_seq: int, wanted: pb.EventFilter) -> Iterator[pb.Event]:
        """Events that fit between two sequence numbers, both included; `to_seq` must have been reached already."""
        if from_seq > to_seq:
            return
        for response in self._subscribe(from_seq, wanted, _HISTORY_TIMEOUT_S):
            yield from (event for event in response.events if event.seq <= to_seq)
            if response.next_seq > to_seq:
                return

    def newest(self, limit: int, wanted: pb.EventFilter) -> Newest:
        """At most `limit` events that fit. Looks back only as far as needed, and at MOST_BACK events at most."""
        last_seq = self.last_seq()
        first_seq, found = last_seq + 1, list[pb.Event]()
        for start, part in self._back(last_seq, wanted, max(1, last_seq - MOST_BACK + 1)):
            first_seq, found = start, [*part, *found]
            if len(found) >= limit:
                break
        return Newest(found[-limit:], first_seq, last_seq)

    def life(self, order: pb.Order, to_seq: int) -> Newest:
        """The events of an order up to `to_seq`. Looks back to its submission, and at MOST_BACK events at most."""
        wanted = pb.EventFilter(symbol=order.symbol, venue=order.venue)
        first_seq, found = to_seq + 1, list[pb.Event]()
        for start, part in self._back(to_seq, wanted, max(1, to_seq - MOST_BACK + 1)):
            first_seq, found = start, [*(event for event in part if event.order.order_id == order.order_id), *found]
            if found and found[0].type == pb.ORDER_SUBMITTED:
                break
        return Newest(found, first_seq, to_seq)

    def _back(self, to_seq: int, wanted: pb.EventFilter, from_seq: int = 1) -> Iterator[tuple[int, list[pb.Event]]]:
        """Events that fit in stretches that grow, the newest stretch first, each with where it begins."""
        end, width = to_seq, _WINDOW
        while end >= from_seq:
            start = max(from_seq, end - width + 1)
            yield start, list(self.history(start, end, wanted))
            end, width = start - 1, width * 4

    def _subscribe(
        self, from_seq: int | None, wanted: pb.EventFilter, timeout_s: float | None
    ) -> Iterator[pb.SubscribeResponse]:
        request = pb.SubscribeRequest(from_seq=from_seq, filter=wanted)
        stream = self._events.Subscribe(request, metadata=self._metadata, timeout=timeout_s)
        try:
            yield from stream
        finally:
            stream.cancel()

    def _act(self, method: Any, request: Message) -> Any:
        self.unanswered = True
        reply = self._call(method, request)
        self.unanswered = False
        return reply

    def _call(self, method: Any, request: Message) -> Any:
        return method(request, metadata=self._metadata, timeout=_TIMEOUT_S)


def may_be_done(error: grpc.RpcError) -> bool:
    """Whether an action that failed so may have reached the gateway: all but where there was no connection."""
    lost = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return lost and not of_call(error).reason and not (error.details() or "").startswith(_NEVER_LEFT)


def explain(error: grpc.RpcError, address: str, client_id: str) -> tuple[str, int]:
    """What went wrong and what to do about it, in one line, and the exit code that goes with it."""
    failure = of_call(error)
    match failure.code:
        case grpc.StatusCode.UNAVAILABLE if not failure.reason:
            return f"cannot reach {address}: {_NOT_THERE}", UNREACHABLE
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{address} gave no answer in time; is it overloaded or stopping? Look at its log", UNREACHABLE
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"{address} does not know this request: it runs another version, or is no gateway", REFUSED
    field = f" ({failure.field})" if failure.field else ""
    hint = "" if failure.reason == _SECOND_PERSON else _HINTS.get(failure.code, "").format(client_id=client_id)
    text = failure.text.removeprefix(f"{failure.field}: ") if failure.field else failure.text
    return f"{failure.reason or failure.code.name}{field}: {text}{hint}", REFUSED


_NEVER_LEFT = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed")
_NOT_THERE = (
    "is the gateway running? Start it with: gateway serve --config FILE, "
    "or name its address with --address or GATEWAY_ADDRESS"
)
_WHO = "; you are {client_id!r}, name another with --client-id or GATEWAY_CLIENT_ID"
# Nobody should approve as somebody else what they have proposed themselves.
_SECOND_PERSON = "SECOND_PERSON_NEEDED"
_HINTS = {grpc.StatusCode.UNAUTHENTICATED: _WHO, grpc.StatusCode.PERMISSION_DENIED: _WHO}


def event_types(names: Sequence[str]) -> list[Any]:
    """Event types by their names, in any case, with "-" for "_".

    Raises:
        ValueError: there is no such type; the message lists them all.
    """
    wanted = [name.upper().replace("-", "_") for name in names]
    known = [name for name, number in pb.EventType.items() if number]
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no event type {name}; there are: {', '.join(known).lower()}")
    return [pb.EventType.Value(name) for name in wanted]
