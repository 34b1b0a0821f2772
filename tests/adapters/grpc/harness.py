"""A gateway without venues: the real sequencer, feed and API server over a journal in memory, on an ephemeral port.

The test is the venue: it tells the sequencer what a venue would have reported.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.adapters.grpc.errors import DETAILS_KEY
from gateway.adapters.grpc.server import ApiServer
from gateway.adapters.grpc.services import Overview, Services
from gateway.adapters.grpc.visibility import audience
from gateway.adapters.memory_journal import Disk, MemoryJournal
from gateway.config import ClientConfig, Config, LimitsConfig, RiskConfig
from gateway.core.events import Cause, Input, Record
from gateway.core.instruments import Instrument
from gateway.core.reports import ExecutionReport, ProcessStarted, SessionUp
from gateway.core.state import Settings
from gateway.core.types import ExecType, OrdStatus
from gateway.lane import Kind, Lane, lane_path
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from gateway.runtime.feed import Feed
from gateway.runtime.ports import Known, SessionStatus
from gateway.runtime.recovery import recover
from gateway.runtime.sequencer import Sequencer
from tests.risk import open_risk

START_NS = 1_700_000_000_000_000_000
INSTRUMENTS = {
    symbol: Instrument(symbol, {"XSIM": symbol, "YSIM": symbol}, "XSIM", Decimal("0.01"), Decimal(1), "USD")
    for symbol in ("ACME", "BETA")
}
CLIENTS = (
    ClientConfig("alpha", accounts=("A1", "A2")),
    ClientConfig("bravo", accounts=("B1",)),
    ClientConfig("op", role="operator"),
    ClientConfig("second", role="operator"),
    ClientConfig("prices", role="market_data"),
)


class SlowJournal(MemoryJournal):
    """Commits wait at a gate that the test holds: what may not be seen before it is durable, must not be."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.gate = threading.Event()
        self.gate.set()

    def append(self, records: Sequence[Record]) -> None:
        self.gate.wait(20)
        super().append(records)


@dataclass
class Link:
    """A venue link as far as the API looks at it."""

    venue: str
    acted: list[Record] = field(default_factory=list)

    def start(self, known: Known) -> None: ...

    def act(self, record: Record) -> None: ...

    def stop(self) -> None: ...

    def status(self) -> SessionStatus:
        return SessionStatus(
            self.venue, "FIX.4.4", "GW", self.venue, True, True, 7, 9, START_NS, None, "127.0.0.1:9", 2
        )


@dataclass
class Running:
    """What a test holds in its hands."""

    server: ApiServer
    sequencer: Sequencer
    feed: Feed
    journal: SlowJournal
    channel: grpc.aio.Channel
    lane: str = ""
    """Where the lane is, if Trade streams take it."""
    exec_ids: Iterator[int] = field(default_factory=lambda: count(1))
    logged_on_seq: int = 0
    """Of SESSION_LOGGED_ON, the last event before the test's own and the first that clients see."""

    def as_client(self, client_id: str, channel: Any = None) -> "Client":
        return Client(channel or self.channel, client_id, self.lane)

    def tell(self, fact: Any) -> None:
        """A fact from a venue or session."""
        venue = getattr(fact, "venue", "")
        self.sequencer.tell(Input(self.sequencer.now_ns(), Cause("venue" if venue else "process", venue), fact))

    def report(self, order_id: str, exec_type: ExecType, ord_status: OrdStatus, **values: Any) -> None:
        """An ExecutionReport(35=8) about the newest request of an order."""
        order = self.sequencer.state.orders[order_id]
        request = list(order.requests)[-1]
        exec_id = f"E{next(self.exec_ids)}"
        self.tell(
            ExecutionReport(
                order.venue,
                exec_type,
                ord_status,
                exec_id,
                cl_ord_id=request,
                venue_order_id=f"V-{order_id}",
                trade_date="20231114",
                **values,
            )
        )

    def acknowledge(self, order_id: str) -> None:
        self.report(order_id, ExecType.NEW, OrdStatus.NEW)

    def fill(self, order_id: str, qty: str, px: str) -> None:
        self.report(order_id, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, last_qty=Decimal(qty), last_px=Decimal(px))

    async def settled(self) -> int:
        """Wait until everything told so far is durable; its last sequence number."""
        await eventually(lambda: self.sequencer._idle() and self.sequencer.committed_seq == self.sequencer.state.seq)
        return self.sequencer.committed_seq


class Client:
    """The stubs with one identity."""

    def __init__(self, channel: Any, client_id: str, lane: str = "") -> None:
        self.client_id = client_id
        self.lane = lane
        self.metadata = (("client-id", client_id),)
        self.orders = gateway_pb2_grpc.OrderServiceStub(channel)
        self.events = gateway_pb2_grpc.EventServiceStub(channel)
        self.positions = gateway_pb2_grpc.PositionServiceStub(channel)
        self.admin = gateway_pb2_grpc.AdminServiceStub(channel)
        self.risk = gateway_pb2_grpc.RiskServiceStub(channel)

    async def submit(self, cl_ord_id: str, **changes: Any) -> pb.CommandReply:
        return await self.orders.SubmitOrder(order(cl_ord_id, **changes), metadata=self.metadata, timeout=20)

    async def cancel(self, cl_ord_id: str, orig_cl_ord_id: str) -> pb.CommandReply:
        request = pb.CancelOrderRequest(cl_ord_id=cl_ord_id, orig_cl_ord_id=orig_cl_ord_id)
        return await self.orders.CancelOrder(request, metadata=self.metadata, timeout=20)

    async def get(self, order_id: str) -> pb.GetOrderResponse:
        return await self.orders.GetOrder(pb.GetOrderRequest(order_id=order_id), metadata=self.metadata, timeout=20)

    def subscribe(self, from_seq: int | None = 1, **values: Any) -> Any:
        return self.events.Subscribe(
            pb.SubscribeRequest(from_seq=from_seq, **values), metadata=self.metadata, timeout=60
        )

    def trade(self, timeout: float = 60) -> Any:
        if self.lane:
            return LaneStream(self.lane, self.client_id)
        return self.orders.Trade(metadata=self.metadata, timeout=timeout)


class LaneStream:
    """A Trade stream over the lane, with what gRPC's call has of methods; half closing, the lane has not."""

    def __init__(self, path: str, client_id: str, request_id: str = "") -> None:
        self._path = path
        self._hello = pb.LaneHello(client_id=client_id, request_id=request_id)
        self._lane: Lane | None = None

    async def _opened(self) -> Lane:
        if self._lane is None:
            loop = asyncio.get_running_loop()
            _, self._lane = await loop.create_unix_connection(lambda: Lane(answers=True), self._path)
            await self._lane.send(Kind.HELLO, self._hello.SerializeToString())
        return self._lane

    async def write(self, request: pb.TradeRequest) -> None:
        await self.send(request.SerializeToString())

    async def send(self, data: bytes, kind: Kind = Kind.MESSAGE) -> None:
        """Anything at all."""
        await (await self._opened()).send(kind, data)

    async def read(self) -> Any:
        async with asyncio.timeout(20):
            frame = await (await self._opened()).receive()
        assert frame is not None, "the gateway left without a word"
        if frame.kind == Kind.MESSAGE:
            return pb.TradeResponse.FromString(frame.body)
        assert frame.kind == Kind.END
        status = status_pb2.Status.FromString(frame.body)
        code = next(known for known in grpc.StatusCode if known.value[0] == status.code)
        raise grpc.aio.AioRpcError(code, (), ((DETAILS_KEY, frame.body),), status.message)

    def cancel(self) -> None:
        if self._lane is not None:
            self._lane.abort()


def order(cl_ord_id: str, **changes: Any) -> pb.SubmitOrderRequest:
    """A good order, but for the changes."""
    values: dict[str, Any] = {
        "symbol": "ACME",
        "side": pb.SIDE_BUY,
        "order_qty": "100",
        "ord_type": pb.ORD_TYPE_LIMIT,
        "price": "10.5",
        **changes,
    }
    return pb.SubmitOrderRequest(cl_ord_id=cl_ord_id, **values)


@dataclass
class Error:
    """A failed call with its details."""

    code: Any = None
    text: str = ""
    reason: str = ""
    fields: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def read_error(failed: grpc.aio.AioRpcError) -> Error:
    raw = dict(failed.trailing_metadata() or ()).get(DETAILS_KEY)
    return (
        read_status(status_pb2.Status.FromString(raw), failed.code()) if raw else Error(failed.code(), failed.details())
    )


def read_status(status: status_pb2.Status, code: Any = None) -> Error:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    assert info.domain == "gateway"
    code = code or next(known for known in grpc.StatusCode if known.value[0] == status.code)
    violated = tuple(violation.field for violation in bad.field_violations)
    return Error(code, status.message, info.reason, violated, dict(info.metadata))


@contextmanager
def failing() -> Iterator[Error]:
    """The call inside fails; what it failed with is in the object afterwards."""
    error = Error()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield error
    error.__dict__.update(read_error(caught.value).__dict__)


@asynccontextmanager
async def running(
    limits: LimitsConfig | None = None,
    disk: Disk | None = None,
    unix_socket: Path | None = None,
    window: int = 65_536,
    lane: Path | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """With `lane`, a Unix socket, Trade streams take the lane beside it."""
    limits = limits or LimitsConfig()
    ticks = count(START_NS, 1_000)
    journal = SlowJournal(disk or Disk())
    journal.open()
    state = recover(journal)
    feed = Feed(journal, state.seq, window=window, max_readers=limits.subscribers, audience=audience)
    fatal: list[BaseException] = []
    sequencer = Sequencer(
        state,
        Settings(INSTRUMENTS, ("XSIM", "YSIM"), **{"risk": open_risk(INSTRUMENTS, ("XSIM", "YSIM")), **settings}),
        journal,
        feed.publish,
        fatal.append,
        ticks.__next__,
        max_commands=limits.command_queue,
    )
    config = Config("test", "data", CLIENTS, (), (), RiskConfig("EUR", ()), limits=limits)
    links = {venue: Link(venue) for venue in ("XSIM", "YSIM")}
    server = ApiServer(Services(config, sequencer, feed, links, lambda: overview(sequencer, feed), journal))
    loop = asyncio.create_task(sequencer.run())
    sequencer.tell(Input(START_NS, Cause("process"), ProcessStarted("test")))
    await server.start("127.0.0.1", 0, lane or unix_socket)
    await server.open()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
    gateway = Running(server, sequencer, feed, journal, channel, lane_path(str(lane)) if lane else "")
    gateway.tell(SessionUp("XSIM"))
    gateway.logged_on_seq = await gateway.settled()
    try:
        yield gateway
    finally:
        journal.gate.set()
        await channel.close()
        await server.stop(1)
        sequencer.stop()
        await loop
        assert fatal == []


def overview(sequencer: Sequencer, feed: Feed) -> Overview:
    state = sequencer.state
    return Overview(
        state.seq,
        state.epoch,
        "test",
        START_NS,
        len(state.orders),
        0,
        state.executions,
        0,
        0,
        0,
        (),
        1,
        2,
        0,
        feed.readers,
    )


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; it has to within 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # What is waited for has no event: it is another part's plain state.
            await asyncio.sleep(0.001)


async def events_until(stream: Any, done: Callable[[list[pb.Event]], bool]) -> tuple[list[pb.Event], int]:
    """Read a Subscribe stream until `done`, then end it; the events and where to resume."""
    events: list[pb.Event] = []
    async with asyncio.timeout(20):
        async for response in stream:
            events.extend(response.events)
            if done(events):
                stream.cancel()
                return events, response.next_seq
    raise AssertionError("the stream ended")
