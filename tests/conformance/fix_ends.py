"""The two ends of the line: a client of the running gateway, and the people at the exchange."""

import json
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import grpc

from gateway.client import wire
from gateway.client.types import Event, EventType
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from sim_exchange.control import ControlClient
from tests.conformance.expectations import Mismatch

DEADLINE_S = 60.0

Wire = Mapping[str, str]
"""A FIX message by tag. None of these tables has repeating groups."""


@dataclass(frozen=True)
class Address:
    """Where the parts of a running stack are."""

    api: str
    control: str
    ledger: FilePath


def parse(raw: str) -> Wire:
    """A FIX message by tag."""
    return dict(item.split("=", 1) for item in raw.split("\x01") if item)


class Desk:
    """The exchange as the people at its manual desk see it, and its ledger."""

    def __init__(self, address: Address) -> None:
        self._control = ControlClient(address.control, DEADLINE_S)
        self._ledger = address.ledger.open("rb")
        self._status_requests = 0
        self._unseen: dict[str, list[Wire]] = {"received": [], "sent": []}

    def do(self, action: str, **arguments: Any) -> Any:
        """One action of the control protocol. Raises ControlError."""
        return self._control.do(action, **arguments)

    def await_request(self, msg_type: str, cl_ord_id: str) -> None:
        """Until the exchange has received a message of the gateway."""
        self._control.wait("received", msg_type=msg_type, cl_ord_id=cl_ord_id, timeout_s=DEADLINE_S)

    def await_status_request(self) -> None:
        """Until it has received one more OrderStatusRequest(35=H)."""
        self._status_requests += 1
        self._control.wait("received", msg_type="H", count=self._status_requests, timeout_s=DEADLINE_S)

    def next(self, kind: str) -> Wire:
        """The oldest order or request "received", or report or refusal "sent", that was not looked at yet."""
        unseen = self.unseen(kind)
        if not unseen:
            raise Mismatch(f"the exchange has {kind} nothing")
        return unseen.pop(0)

    def unseen(self, kind: str) -> list[Wire]:
        """All of them."""
        for line in map(json.loads, self._ledger):
            if line["kind"] in self._unseen and line["msg_type"] in "DFG89":
                self._unseen[line["kind"]].append(parse(line["raw"]))
        return self._unseen[kind]

    def forget(self) -> None:
        """Pass over what is in the ledger now."""
        for kind in self._unseen:
            self.unseen(kind).clear()

    def close(self) -> None:
        """Hang up."""
        self._control.close()
        self._ledger.close()


class Gateway:
    """The running gateway, as a client sends to it and an operator watches it."""

    CLIENT = (("client-id", "demo"),)
    OPERATOR = (("client-id", "ops"),)

    def __init__(self, address: Address) -> None:
        self._channel = grpc.insecure_channel(address.api)
        self.orders = gateway_pb2_grpc.OrderServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._positions = gateway_pb2_grpc.PositionServiceStub(self._channel)  # type: ignore[no-untyped-call]
        events = gateway_pb2_grpc.EventServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._stream = events.Subscribe(pb.SubscribeRequest(from_seq=1), metadata=self.OPERATOR)
        self._events: queue.Queue[Event] = queue.Queue(maxsize=100_000)
        self.last_seq = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            for response in self._stream:
                for message in response.events:
                    self._events.put(wire.event(message))
        except grpc.RpcError:
            return  # The stream was canceled, or the gateway is gone: who waits for an event runs into its deadline.

    def next_event(self) -> Event:
        """The next committed event, of any client and session."""
        try:
            event = self._events.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise Mismatch(f"the gateway told nothing for {DEADLINE_S:.0f} s") from None
        self.last_seq = event.seq
        return event

    def await_sessions(self, venues: Iterable[str]) -> None:
        """Until the FIX sessions with all these venues are up for the first time."""
        missing = set(venues)
        while missing:
            event = self.next_event()
            if event.type is EventType.SESSION_LOGGED_ON:
                missing.discard(event.venue)

    def skip_what_is_old(self) -> None:
        """Forget the events up to now, so that a path that failed does not spoil the next one."""
        head = self.head()
        while self.last_seq < head:
            self.next_event()

    def head(self) -> int:
        """The sequence number of the last event."""
        request = pb.ListOrdersRequest(page_size=1)
        seq: int = self.orders.ListOrders(request, metadata=self.OPERATOR, timeout=DEADLINE_S).as_of_seq
        return seq

    def command(self, call: Callable[..., Any], request: Any) -> None:
        """Send a command as the client; a refusal shows in the events."""
        try:
            call(request, metadata=self.CLIENT, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if error.code() not in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS}:
                raise

    def wire_name(self, cl_ord_id: str) -> str:
        """What the gateway calls a request of the client on the wire."""
        request = pb.GetOrderRequest(cl_ord_id=cl_ord_id)
        answer = self.orders.GetOrder(request, metadata=self.CLIENT, timeout=DEADLINE_S)
        names: dict[str, str] = {known.cl_ord_id: known.venue_cl_ord_id for known in answer.requests}
        return names[cl_ord_id]

    def net_qty(self, strategy: str) -> Decimal:
        """The net position of a strategy."""
        request = pb.ListPositionsRequest(strategy=strategy)
        answer = self._positions.ListPositions(request, metadata=self.CLIENT, timeout=DEADLINE_S)
        return sum((Decimal(position.net_qty) for position in answer.positions), Decimal(0))

    def close(self) -> None:
        """Hang up."""
        self._stream.cancel()
        self._reader.join(DEADLINE_S)
        self._channel.close()
