"""A gateway of a few lines for the client's own tests: the proto's services over real sockets, with faults on order.

What it "made durable" lives in `Book` and survives a restart of the server, as the journal does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from tests.client.fake_lane import FakeLane, LaneContext

CLIENT = "demo"
LOSE_COMMAND = "the stream is dropped before the command is done"
LOSE_REPLY = "the command is done, and the stream is dropped before the reply"
NO_REPLY = "the command is done, and nothing is ever replied"
WRONG_REPLY = "the reply names another command"
CANCEL_STREAM = "the gateway ends the stream with CANCELLED"
END_STREAM = "the gateway ends the stream, and nothing is wrong"


def status(code: grpc.StatusCode, text: str, reason: str, **metadata: str) -> status_pb2.Status:
    """A status with the details that the gateway gives."""
    packed = Packed()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="gateway", metadata=metadata))
    return status_pb2.Status(code=code.value[0], message=text, details=[packed])


OVERLOADED = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "the command queue is full", "OVERLOADED")
SLOW_READER = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too slow", "SLOW_READER")


class Book:
    """What the fake gateway knows for good: events, orders by order_id, and the answer to every key."""

    def __init__(self) -> None:
        self.events: list[pb.Event] = []
        self.orders: dict[str, pb.Order] = {}
        self.executions: dict[str, list[pb.Execution]] = {}
        self.order_ids: dict[str, str] = {}
        self.answers: dict[str, pb.CommandReply] = {}
        self.done: list[str] = []
        self.grew = asyncio.Condition()

    def execute(self, command: pb.Command) -> pb.CommandReply:
        """Do a command once; the same key gets the same answer."""
        request = getattr(command, command.WhichOneof("command"))
        key = getattr(request, "cl_ord_id", "")
        if key in self.answers:
            return pb.CommandReply(
                cl_ord_id=key, order_id=self.answers[key].order_id, seq=self.answers[key].seq, repeated=True
            )
        self.done.append(key or request.orig_cl_ord_id)
        reply = getattr(self, "_" + command.WhichOneof("command"))(request)
        if key:
            self.answers[key] = reply
        return reply

    def _submit_order(self, request: pb.SubmitOrderRequest) -> pb.CommandReply:
        order_id = f"O{len(self.orders) + 1}"
        terms = pb.Terms(order_qty=request.order_qty, time_in_force=request.time_in_force or pb.TIME_IN_FORCE_DAY)
        if request.HasField("price"):
            terms.price = request.price
        self.orders[order_id] = pb.Order(
            order_id=order_id,
            client_id=CLIENT,
            cl_ord_id=request.cl_ord_id,
            symbol=request.symbol,
            venue=request.venue or "XSIM",
            side=request.side,
            ord_type=request.ord_type,
            terms=terms,
            ord_status=pb.ORD_STATUS_PENDING_NEW,
            cum_qty="0",
            leaves_qty=request.order_qty,
            avg_px="0",
            account=request.account,
        )
        self.executions[order_id] = []
        self.order_ids[request.cl_ord_id] = order_id
        seq = self.add(pb.ORDER_SUBMITTED, order_id, cl_ord_id=request.cl_ord_id)
        self.add(pb.ORDER_ROUTED, order_id)
        self.orders[order_id].ord_status = pb.ORD_STATUS_NEW
        self.add(pb.ORDER_ACKNOWLEDGED, order_id)
        return pb.CommandReply(cl_ord_id=request.cl_ord_id, order_id=order_id, seq=seq)

    def _cancel_order(self, request: pb.CancelOrderRequest) -> pb.CommandReply:
        order = self.orders[self.order_ids[request.orig_cl_ord_id]]
        order.pending.append(request.cl_ord_id)
        order.ord_status = pb.ORD_STATUS_PENDING_CANCEL
        seq = self.add(pb.CANCEL_REQUESTED, order.order_id, cl_ord_id=request.cl_ord_id)
        order.pending.remove(request.cl_ord_id)
        order.ord_status, order.leaves_qty = pb.ORD_STATUS_CANCELED, "0"
        self.add(pb.ORDER_CANCELED, order.order_id, cl_ord_id=request.cl_ord_id)
        return pb.CommandReply(cl_ord_id=request.cl_ord_id, order_id=order.order_id, seq=seq)

    def _replace_order(self, request: pb.ReplaceOrderRequest) -> pb.CommandReply:
        order = self.orders[self.order_ids[request.orig_cl_ord_id]]
        order.pending.append(request.cl_ord_id)
        order.ord_status = pb.ORD_STATUS_PENDING_REPLACE
        seq = self.add(pb.REPLACE_REQUESTED, order.order_id, cl_ord_id=request.cl_ord_id)
        order.pending.remove(request.cl_ord_id)
        order.cl_ord_id, order.ord_status = request.cl_ord_id, pb.ORD_STATUS_NEW
        self.order_ids[request.cl_ord_id] = order.order_id
        if request.HasField("price"):
            order.terms.price = request.price
        if request.HasField("order_qty"):
            order.terms.order_qty = request.order_qty
            order.leaves_qty = str(Decimal(request.order_qty) - Decimal(order.cum_qty))
        self.add(pb.ORDER_REPLACED, order.order_id, cl_ord_id=request.cl_ord_id)
        return pb.CommandReply(cl_ord_id=request.cl_ord_id, order_id=order.order_id, seq=seq)

    def _mass_cancel(self, request: pb.MassCancelRequest) -> pb.CommandReply:
        working = [o for o in self.orders.values() if o.leaves_qty != "0" and request.symbol in ("", o.symbol)]
        for number, order in enumerate(working):
            key = f"{request.cl_ord_id}/{number}"
            self._cancel_order(pb.CancelOrderRequest(cl_ord_id=key, orig_cl_ord_id=order.cl_ord_id))
        seq = self.add(pb.MASS_CANCEL_DONE, cl_ord_id=request.cl_ord_id)
        return pb.CommandReply(cl_ord_id=request.cl_ord_id, seq=seq, requested=len(working))

    def _request_order_status(self, request: pb.RequestOrderStatusRequest) -> pb.CommandReply:
        order_id = self.order_ids[request.orig_cl_ord_id]
        return pb.CommandReply(
            cl_ord_id=request.orig_cl_ord_id, order_id=order_id, seq=self.add(pb.STATUS_REQUESTED, order_id)
        )

    def fill(self, cl_ord_id: str, last_qty: str, last_px: str) -> str:
        """One execution; its ExecID."""
        order = self.orders[self.order_ids[cl_ord_id]]
        order.cum_qty = str(Decimal(order.cum_qty) + Decimal(last_qty))
        order.leaves_qty = str(Decimal(order.leaves_qty) - Decimal(last_qty))
        order.avg_px = last_px
        order.ord_status = pb.ORD_STATUS_PARTIALLY_FILLED if order.leaves_qty != "0" else pb.ORD_STATUS_FILLED
        exec_id = f"E{len(self.events) + 1}"
        figures = {"exec_id": exec_id, "last_qty": last_qty, "last_px": last_px, "trade_date": "20260102"}
        seq = self.add(pb.ORDER_FILLED, order.order_id, **figures)
        self.executions[order.order_id].append(pb.Execution(**figures, kind="fill", in_force=True, time_ns=seq))
        return exec_id

    def bust(self, cl_ord_id: str, exec_id: str) -> None:
        """The order's only execution never was."""
        order = self.orders[self.order_ids[cl_ord_id]]
        order.cum_qty, order.leaves_qty, order.ord_status = "0", order.terms.order_qty, pb.ORD_STATUS_NEW
        self.executions[order.order_id][0].in_force = False
        names = {"exec_id": "B" + exec_id, "exec_ref_id": exec_id}
        self.add(pb.EXECUTION_BUSTED, order.order_id, **names)
        self.executions[order.order_id].append(pb.Execution(**names, kind="bust", last_qty="0", last_px="0"))

    def add(self, kind: pb.EventType, order_id: str = "", **fields: str) -> int:
        """Commit one event; its seq, which is its time too."""
        seq = len(self.events) + 1
        event = pb.Event(seq=seq, time_ns=seq, type=kind, **fields)
        if order_id:
            event.order.CopyFrom(self.orders[order_id])
        self.events.append(event)
        return seq

    async def tell(self) -> None:
        """Wake the streams."""
        async with self.grew:
            self.grew.notify_all()

    async def read(self, from_seq: int, most: int) -> list[pb.Event]:
        """At least one event from `from_seq` on; waits for it."""
        async with self.grew:
            await self.grew.wait_for(lambda: len(self.events) >= from_seq)
        return self.events[from_seq - 1 : from_seq - 1 + most]


class FakeGateway(
    gateway_pb2_grpc.OrderServiceServicer,
    gateway_pb2_grpc.EventServiceServicer,
    gateway_pb2_grpc.PositionServiceServicer,
):
    """One process of the fake gateway. `faults` says what becomes of the commands that come next, one entry each.

    It listens on TCP, or on a Unix socket, where `lane` says whether there is a lane beside it.
    """

    def __init__(self, book: Book, unix_socket: str = "", *, lane: bool = True) -> None:
        self.book = book
        self._unix_socket = unix_socket
        self.lane = FakeLane(self.Trade) if unix_socket and lane else None
        self.faults: deque[str | status_pb2.Status] = deque()
        self.refuse_clients: status_pb2.Status | None = None
        self.cancel_calls = 0
        self.hold_trade_events = False
        self.end_events_after: int | None = None
        self.event_batch = 3
        self.trade_streams = 0
        self.lane_streams = 0
        self.subscriptions: list[int] = []
        self.batches: list[int] = []
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens, as the client wants it."""
        return f"unix:{self._unix_socket}" if self._unix_socket else f"127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen, on `port` again after a restart."""
        if self.lane is not None:
            await self.lane.start(self._unix_socket)
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        gateway_pb2_grpc.add_OrderServiceServicer_to_server(self, self._server)
        gateway_pb2_grpc.add_EventServiceServicer_to_server(self, self._server)
        gateway_pb2_grpc.add_PositionServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        if self._unix_socket:
            self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        """As a killed process: every stream breaks at once."""
        await self._server.stop(grace=None)
        if self.lane is not None:
            self.lane.stop()

    # --- Services --------------------------------------------------------------------------------------------------

    async def Trade(
        self, requests: AsyncIterator[pb.TradeRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.TradeResponse]:
        await self._admit(context)
        self.trade_streams += 1
        self.lane_streams += isinstance(context, LaneContext)
        first = await anext(requests)
        yield pb.TradeResponse(next_seq=first.subscribe.from_seq)
        out: asyncio.Queue[pb.TradeResponse | status_pb2.Status | str] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._commands(requests, out)),
            asyncio.create_task(self._events(first.subscribe.from_seq, out)),
        ]
        try:
            while isinstance(item := await out.get(), pb.TradeResponse):
                yield item
            if item != END_STREAM:
                await _abort(context, item)
        finally:
            for task in tasks:
                task.cancel()

    async def _commands(self, requests: AsyncIterator[pb.TradeRequest], out: asyncio.Queue) -> None:
        async for request in requests:
            self.batches.append(len(request.commands))
            for command in request.commands:
                await self._command(command, out)

    async def _command(self, command: pb.Command, out: asyncio.Queue) -> None:
        fault = self.faults.popleft() if self.faults else None
        if fault in (LOSE_COMMAND, CANCEL_STREAM, END_STREAM):
            out.put_nowait(fault)
            return
        request = getattr(command, command.WhichOneof("command"))
        key = getattr(request, "cl_ord_id", "") or request.orig_cl_ord_id
        if isinstance(fault, status_pb2.Status):
            out.put_nowait(pb.TradeResponse(replies=[pb.TradeReply(cl_ord_id=key, error=fault)]))
            return
        reply = self.book.execute(command)
        if fault == LOSE_REPLY:
            out.put_nowait(fault)
        elif fault == WRONG_REPLY:
            out.put_nowait(pb.TradeResponse(replies=[pb.TradeReply(cl_ord_id="another", reply=reply)]))
        elif fault != NO_REPLY:
            out.put_nowait(pb.TradeResponse(replies=[pb.TradeReply(cl_ord_id=key, reply=reply)]))
        await self.book.tell()

    async def _events(self, from_seq: int, out: asyncio.Queue) -> None:
        while True:
            events = await self.book.read(from_seq, self.event_batch)
            from_seq = events[-1].seq + 1
            if self.hold_trade_events:
                return
            out.put_nowait(pb.TradeResponse(events=events, next_seq=from_seq))

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.SubscribeResponse]:
        await self._admit(context)
        from_seq = request.from_seq
        self.subscriptions.append(from_seq)
        while True:
            events = await self.book.read(from_seq, self.event_batch)
            from_seq = events[-1].seq + 1
            wanted = [event for event in events if not request.filter.types or event.type in request.filter.types]
            yield pb.SubscribeResponse(events=wanted, next_seq=from_seq)
            if self.end_events_after is not None and from_seq > self.end_events_after:
                self.end_events_after = None
                await _abort(context, SLOW_READER)

    async def GetOrder(self, request: pb.GetOrderRequest, context: grpc.aio.ServicerContext) -> pb.GetOrderResponse:
        await self._admit(context)
        order_id = self.book.order_ids.get(request.cl_ord_id, request.order_id)
        if order_id not in self.book.orders:
            await _abort(context, status(grpc.StatusCode.NOT_FOUND, "no such order", "ORDER_UNKNOWN"))
        return pb.GetOrderResponse(
            order=self.book.orders[order_id],
            executions=self.book.executions[order_id],
            requests=[pb.OrderRequest(cl_ord_id=request.cl_ord_id, kind="new", state="accepted")],
            as_of_seq=len(self.book.events),
        )

    async def ListOrders(
        self, request: pb.ListOrdersRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListOrdersResponse:
        await self._admit(context)
        first = int(request.page_token or 0)
        size = min(request.page_size, 2)
        orders = [order for order in self.book.orders.values() if request.symbol in ("", order.symbol)]
        after = first + size
        return pb.ListOrdersResponse(
            orders=orders[first:after],
            next_page_token=str(after) if after < len(orders) else "",
            as_of_seq=len(self.book.events),
        )

    async def ListPositions(
        self, request: pb.ListPositionsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListPositionsResponse:
        positions, first = list(_positions(request)), int(request.page_token or 0)
        return pb.ListPositionsResponse(
            positions=positions[first : first + 1],
            next_page_token=str(first + 1) if first + 1 < len(positions) else "",
            as_of_seq=len(self.book.events),
        )

    async def _admit(self, context: grpc.aio.ServicerContext) -> None:
        assert dict(context.invocation_metadata())["client-id"] == CLIENT
        if self.refuse_clients:
            await _abort(context, self.refuse_clients)
        if self.cancel_calls:
            self.cancel_calls -= 1
            await _abort(context, CANCEL_STREAM)


def _positions(request: pb.ListPositionsRequest) -> Iterator[pb.Position]:
    for symbol, net_qty in (("ACME", "-30"), ("BETA", "5")):
        if request.symbol in ("", symbol):
            yield pb.Position(
                account="A1",
                symbol=symbol,
                currency="USD",
                net_qty=net_qty,
                avg_entry_px="99.5",
                realized_pnl="12.25",
                multiplier="1",
                bought_qty="0",
                sold_qty="30",
            )


async def _abort(context: grpc.aio.ServicerContext, why: status_pb2.Status | str) -> None:
    if isinstance(why, status_pb2.Status):
        await context.abort_with_status(rpc_status.to_status(why))
    await context.abort(
        grpc.StatusCode.CANCELLED if why == CANCEL_STREAM else grpc.StatusCode.UNAVAILABLE, "connection lost"
    )
