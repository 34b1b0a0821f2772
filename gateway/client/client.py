"""The client that strategies use."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from random import Random
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import grpc

from gateway.client import wire
from gateway.client.backoff import Backoff
from gateway.client.cancellation import cancellations
from gateway.client.errors import Failure, Overloaded, Unavailable, Unknown, not_open, of_call
from gateway.client.event_stream import EventStream
from gateway.client.handle import Handles, OrderHandle
from gateway.client.keys import KeyGenerator, checked_client_id, default_prefix
from gateway.client.lane import TradeCalls, target_of
from gateway.client.trade import TradeStream
from gateway.client.types import CommandReply, EventType, Order, OrderDetail, Position
from gateway.client.wire import Number
from gateway.core.types import OrdStatus, OrdType, Side, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc

PAGE_SIZE = 500
_CHANNEL_OPTIONS = (
    # A gateway that restarts is back within a second or two; gRPC would wait up to two minutes before it looks again.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A gateway that vanished without a word is noticed within 15 s. It allows a sign of life every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # One client, one connection: what happens to one is no matter of another in the same process.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


class GatewayClient:
    """A connection to one gateway under one client id. Use it as `async with`; all its methods belong to that block.

    Commands carry a key, ClOrdID(11), made here unless one is given. The gateway does a key once, so the client repeats
    a command that was not answered until `timeout_s` passes, and a refusal is never repeated. What commands raise:

        Refused: the gateway said no; `reason` is a code of docs/errors.md.
        NotAllowed: the gateway does not know this client id, or not for this.
        Overloaded, Unavailable: the deadline passed, and nothing was done.
        Unknown: the deadline passed, and it may have been done: repeat it with its `cl_ord_id`, or ask `get_order`.
        TypeError, ValueError: a price or quantity is a float, an enum is none, a field cannot hold what was given, or
        the command is larger than 4 KiB; nothing was sent.
        RuntimeError: the client was never opened.
    """

    def __init__(
        self,
        address: str,
        *,
        client_id: str,
        key_prefix: str | None = None,
        timeout_s: float = 10.0,
        random: Random | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare a client; `async with` connects it.

        Args:
            address: "host:port", or "unix:/path/gateway.sock" on the gateway's own host, where commands take the lane.
            client_id: who calls, as in the gateway's configuration.
            key_prefix: what generated keys begin with, up to 12 letters, digits, '_' or '.'; from the client id when
            not given. Programs that
                share a client id on several machines take different ones.
            timeout_s: how long a call may take, repeats included, where it does not say otherwise. Seconds.
            random: draws the back-off's jitter; seeded from the keys when not given.
            now_ns: the clock that keys are made from, nanoseconds since the epoch.

        Raises:
            TypeError, ValueError: no client can have that id, or no key that prefix.
        """
        self.client_id = checked_client_id(client_id)
        self.timeout_s = timeout_s
        self._address = address
        self._metadata = (("client-id", client_id),)
        prefix = default_prefix(client_id) if key_prefix is None else key_prefix
        self._keys = KeyGenerator(prefix, now_ns)
        self._random = random or Random(self._keys.stem)  # noqa: S311  It spreads retries; nothing here is secret.
        self._handles = Handles(client_id)
        self._event_streams: WeakSet[EventStream] = WeakSet()
        self._channel: grpc.aio.Channel | None = None
        self._orders: Any = not_open()
        self._events: Any = not_open()
        self._positions: Any = not_open()
        self._trade: TradeStream = not_open()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Connect, and follow the client's own orders from now on.

        Raises:
            Unavailable: the gateway cannot be reached within `timeout_s`.
            NotAllowed: it does not know the client id.
        """
        self._channel = grpc.aio.insecure_channel(target_of(self._address), options=_CHANNEL_OPTIONS)
        self._closed, self._handles = asyncio.Event(), Handles(self.client_id)  # It may be opened again.
        try:
            self._orders = gateway_pb2_grpc.OrderServiceStub(self._channel)  # type: ignore[no-untyped-call]
            self._events = gateway_pb2_grpc.EventServiceStub(self._channel)  # type: ignore[no-untyped-call]
            self._positions = gateway_pb2_grpc.PositionServiceStub(self._channel)  # type: ignore[no-untyped-call]
            # Where the journal is now. From here on the Trade stream is resumed by number, so that nothing can fall
            # between connecting and the first event.
            head = await self._call(self._orders.ListOrders, pb.ListOrdersRequest(page_size=1), None)
            self._trade = TradeStream(
                TradeCalls(self._address, self.client_id, self._trade_over_grpc).open,
                self._random,
                head.as_of_seq + 1,
                self._handles.on_event,
                self._handles.end,
            )
        except BaseException:
            self._closed.set()
            await self._channel.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect. Orders stay as they are at the gateway; whoever still waits here gets Unavailable, or Unknown for
        a command that was sent.
        """
        self._closed.set()
        await self._trade.close()
        for stream in tuple(self._event_streams):
            await stream.aclose()
        if self._channel is not None:
            await self._channel.close()

    def _trade_over_grpc(self) -> Any:
        return self._orders.Trade(metadata=self._metadata)

    # --- Commands ---------------------------------------------------------------------------------------------------

    def new_cl_ord_id(self) -> str:
        """A new key, for a caller that wants to write it down before it sends a command."""
        return self._keys.next()

    async def submit(
        self,
        *,
        symbol: str,
        side: Side,
        ord_type: OrdType,
        order_qty: Number | None = None,
        cash_order_qty: Number | None = None,
        price: Number | None = None,
        stop_px: Number | None = None,
        time_in_force: TimeInForce | None = None,
        expire_time_ns: int | None = None,
        max_floor: Number | None = None,
        exec_inst: str = "",
        account: str = "",
        strategy: str = "",
        venue: str = "",
        locate_id: str = "",
        cl_ord_id: str | None = None,
        timeout_s: float | None = None,
    ) -> OrderHandle:
        """Send a new order. When this returns the gateway has it durably and it is on its way to the venue; its life
        goes on in the handle.

        A key that was submitted before, in this program or an earlier one, gives the handle of that order and sends
        nothing.

        Args:
            symbol: the gateway's symbol.
            side: Side(54).
            ord_type: OrdType(40).
            order_qty: OrderQty(38); left out only with `cash_order_qty`.
            cash_order_qty: CashOrderQty(152), an amount of money instead of a quantity: the venue says what it makes of
            it.
            price: Price(44), for limit and stop limit orders.
            stop_px: StopPx(99), for stop and stop limit orders.
            time_in_force: TimeInForce(59); DAY when not given.
            expire_time_ns: ExpireTime(126) of a GTD order, UTC nanoseconds since the epoch.
            max_floor: MaxFloor(111), the quantity to show.
            exec_inst: ExecInst(18), FIX's characters separated by spaces.
            account: one of the client's accounts; its first when not given.
            strategy: any name; positions are kept by it.
            venue: where to; the symbol's primary venue when not given.
            locate_id: of a short sale, who lends the shares.
            cl_ord_id: the key; generated when not given.
            timeout_s: instead of the client's own.

        Raises:
            What commands raise (see the class).
        """
        request = wire.built(
            pb.SubmitOrderRequest,
            cl_ord_id=cl_ord_id or self._keys.next(),
            symbol=symbol,
            side=wire.side_to_wire(side),
            order_qty=wire.optional(order_qty, "order_qty"),
            cash_order_qty=wire.optional(cash_order_qty, "cash_order_qty"),
            ord_type=wire.ord_type_to_wire(ord_type),
            time_in_force=wire.time_in_force_to_wire(time_in_force),
            price=wire.optional(price, "price"),
            stop_px=wire.optional(stop_px, "stop_px"),
            expire_time_ns=expire_time_ns,
            max_floor=wire.optional(max_floor, "max_floor"),
            exec_inst=exec_inst,
            account=account,
            strategy=strategy,
            venue=venue,
            locate_id=locate_id,
        )
        handle = self._handles.of_cl_ord_id(request.cl_ord_id, self)
        deadline = asyncio.get_running_loop().time() + self._limit_s(timeout_s)
        reply = await self._command(pb.Command(submit_order=request), request.cl_ord_id, timeout_s)
        if not reply.repeated:
            return handle
        try:
            return await self._refreshed(handle, max(deadline - asyncio.get_running_loop().time(), 0.001))
        except (Unavailable, Overloaded) as error:
            text = f"{request.cl_ord_id} is order {reply.order_id}, and how it stands could not be asked"
            raise Unknown(text, cl_ord_id=request.cl_ord_id) from error

    async def replace(
        self,
        orig_cl_ord_id: str,
        *,
        order_qty: Number | None = None,
        price: Number | None = None,
        stop_px: Number | None = None,
        time_in_force: TimeInForce | None = None,
        expire_time_ns: int | None = None,
        max_floor: Number | None = None,
        cl_ord_id: str | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply:
        """Ask for new terms of an order, known by any ClOrdID(11) of its chain. What is not given stays; `order_qty` is
        the new total.

        Raises:
            What commands raise (see the class).
        """
        request = wire.built(
            pb.ReplaceOrderRequest,
            cl_ord_id=cl_ord_id or self._keys.next(),
            orig_cl_ord_id=orig_cl_ord_id,
            order_qty=wire.optional(order_qty, "order_qty"),
            price=wire.optional(price, "price"),
            stop_px=wire.optional(stop_px, "stop_px"),
            time_in_force=wire.time_in_force_to_wire(time_in_force),
            expire_time_ns=expire_time_ns,
            max_floor=wire.optional(max_floor, "max_floor"),
        )
        return await self._command(pb.Command(replace_order=request), request.cl_ord_id, timeout_s)

    async def cancel(
        self, orig_cl_ord_id: str, *, cl_ord_id: str | None = None, timeout_s: float | None = None
    ) -> CommandReply:
        """Ask for the rest of an order, known by any ClOrdID(11) of its chain, to be canceled.

        Raises:
            What commands raise (see the class).
        """
        request = wire.built(
            pb.CancelOrderRequest, cl_ord_id=cl_ord_id or self._keys.next(), orig_cl_ord_id=orig_cl_ord_id
        )
        return await self._command(pb.Command(cancel_order=request), request.cl_ord_id, timeout_s)

    async def mass_cancel(
        self,
        *,
        account: str = "",
        strategy: str = "",
        symbol: str = "",
        venue: str = "",
        side: Side | None = None,
        cl_ord_id: str | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply:
        """Ask for every working order of this client that fits all the filters given to be canceled; `requested` of the
        reply says how many there were.

        Raises:
            What commands raise (see the class).
        """
        request = wire.built(
            pb.MassCancelRequest,
            cl_ord_id=cl_ord_id or self._keys.next(),
            account=account,
            strategy=strategy,
            symbol=symbol,
            venue=venue,
            side=wire.side_to_wire(side),
        )
        return await self._command(pb.Command(mass_cancel=request), request.cl_ord_id, timeout_s)

    async def request_order_status(self, orig_cl_ord_id: str, *, timeout_s: float | None = None) -> CommandReply:
        """Let the gateway ask the venue how an order stands. It needs no key: asking twice changes nothing.

        Raises:
            What commands raise (see the class).
        """
        request = wire.built(pb.RequestOrderStatusRequest, orig_cl_ord_id=orig_cl_ord_id)
        return await self._command(pb.Command(request_order_status=request), orig_cl_ord_id, timeout_s)

    # --- Questions --------------------------------------------------------------------------------------------------

    async def attach(self, cl_ord_id: str, *, timeout_s: float | None = None) -> OrderHandle:
        """The handle of an order that exists, known by any ClOrdID(11) of its chain: after a restart, or for another
        program of the same client.

        Raises:
            NotFound: this client has no such order.
            Unavailable, Overloaded: no answer within `timeout_s`.
        """
        return await self._refreshed(self._handles.of_cl_ord_id(cl_ord_id, self), timeout_s)

    async def get_order(
        self, *, cl_ord_id: str | None = None, order_id: str | None = None, timeout_s: float | None = None
    ) -> OrderDetail:
        """One order with its executions and requests, by any ClOrdID(11) of its chain or by the gateway's order_id.

        Raises:
            NotFound: this client has no such order.
            Unavailable, Overloaded: no answer within `timeout_s`.
            ValueError: not exactly one of the two is given.
        """
        if (cl_ord_id is None) == (order_id is None):
            raise ValueError("give either cl_ord_id or order_id")
        request = wire.built(pb.GetOrderRequest, cl_ord_id=cl_ord_id, order_id=order_id)
        return wire.detail(await self._call(self._orders.GetOrder, request, timeout_s))

    async def list_orders(
        self,
        *,
        account: str = "",
        strategy: str = "",
        symbol: str = "",
        venue: str = "",
        ord_status: Iterable[OrdStatus] = (),
        working: bool = False,
        client_id: str = "",
        timeout_s: float | None = None,
    ) -> AsyncIterator[Order]:
        """This client's orders that fit all the filters given, oldest first, fetched page by page.

        Args:
            account: filter.
            strategy: filter.
            symbol: filter.
            venue: filter.
            ord_status: any of these statuses.
            working: only orders that can still trade.
            client_id: for operators: one client's orders instead of everybody's.
            timeout_s: of each page, instead of the client's own.

        Raises:
            Unavailable, Overloaded: no answer within `timeout_s`.
        """
        request = wire.built(
            pb.ListOrdersRequest,
            account=account,
            strategy=strategy,
            symbol=symbol,
            venue=venue,
            ord_status=[wire.ord_status_to_wire(status) for status in ord_status],
            working=working,
            page_size=PAGE_SIZE,
            client_id=client_id,
        )
        while True:
            page = await self._call(self._orders.ListOrders, request, timeout_s)
            for message in page.orders:
                yield wire.order(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def positions(
        self, *, account: str = "", strategy: str = "", symbol: str = "", timeout_s: float | None = None
    ) -> list[Position]:
        """The positions of this client's accounts that fit all the filters given. Up to 500 are all of one moment; what
        comes after them is asked for by further questions.

        Args:
            account: filter.
            strategy: filter.
            symbol: filter.
            timeout_s: of each question, instead of the client's own.

        Raises:
            Unavailable, Overloaded: no answer within `timeout_s`.
        """
        request = wire.built(
            pb.ListPositionsRequest, account=account, strategy=strategy, symbol=symbol, page_size=PAGE_SIZE
        )
        found: list[Position] = []
        while True:
            page = await self._call(self._positions.ListPositions, request, timeout_s)
            found += [wire.position(message) for message in page.positions]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    # --- Events -----------------------------------------------------------------------------------------------------

    def events(
        self,
        from_seq: int | None = None,
        *,
        account: str = "",
        strategy: str = "",
        symbol: str = "",
        venue: str = "",
        types: Iterable[EventType] = (),
    ) -> EventStream:
        """The events of this client's orders and commands, in order, without gap or duplicate, across lost connections
        and restarts of the gateway.

        Args:
            from_seq: the first sequence number wanted: 1 is the beginning, a stored `next_seq` goes on after a restart.
            None: from this call on,
                however late the iteration begins.
            account: filter.
            strategy: filter.
            symbol: filter.
            venue: filter.
            types: any of these kinds.

        Raises:
            TypeError, ValueError: a filter or `from_seq` cannot hold what was given.
        """
        event_filter = wire.built(
            pb.EventFilter,
            account=account,
            strategy=strategy,
            symbol=symbol,
            venue=venue,
            types=[wire.event_type_to_wire(kind) for kind in types],
        )
        first = self._trade.next_seq if from_seq is None else from_seq
        wire.built(pb.SubscribeRequest, from_seq=first)
        stream = EventStream(self._events, self._metadata, self._random, first, event_filter)
        self._event_streams.add(stream)
        return stream

    # --- Inside -----------------------------------------------------------------------------------------------------

    async def _command(self, command: pb.Command, cl_ord_id: str, timeout_s: float | None) -> CommandReply:
        return await self._trade.execute(command, cl_ord_id, self._limit_s(timeout_s))

    def _limit_s(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else timeout_s

    async def _refreshed(self, handle: OrderHandle, timeout_s: float | None) -> OrderHandle:
        """Bring a handle up to the gateway's knowledge; when its order has a handle already, that one is returned."""
        detail = await self.get_order(cl_ord_id=handle.cl_ord_id, timeout_s=timeout_s)
        handle = self._handles.of_order_id(detail.order.order_id, handle)
        handle.learn(detail.order, detail.as_of_seq)
        return handle

    async def _call(self, method: Any, request: Any, timeout_s: float | None) -> Any:
        """A question, asked again until it is answered or the deadline passes: asking changes nothing."""
        limit_s = self._limit_s(timeout_s)
        clock = asyncio.get_running_loop().time
        deadline = clock() + limit_s
        backoff, before, closed = Backoff(self._random), cancellations(), self._closed
        while not closed.is_set():
            try:
                return await method(request, metadata=self._metadata, timeout=max(deadline - clock(), 0.001))
            except grpc.aio.AioRpcError as error:
                failure = of_call(error)
            except asyncio.CancelledError:
                if cancellations():
                    raise
                failure = Failure(grpc.StatusCode.CANCELLED, "the gateway canceled the call", None)
            if cancellations() > before:
                raise asyncio.CancelledError
            delay_s = backoff.next_s()
            if not failure.is_transient or clock() + delay_s >= deadline:
                raise failure.error()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await closed.wait()
        raise Unavailable("the client was closed")
