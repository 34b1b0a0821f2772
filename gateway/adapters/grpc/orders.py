"""OrderService: commands, and questions about orders. The Trade stream is in trade.py."""

import base64
import binascii
from collections.abc import Iterator
from itertools import islice

from gateway.adapters.grpc.errors import Failure
from gateway.adapters.grpc.identity import Call, Caller
from gateway.adapters.grpc.replies import check_account, reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.streams import EventEncoder, Streams
from gateway.adapters.grpc.trade import TradeStream
from gateway.codec.proto import commands, enums, fields
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.orders import order_to_pb, whole_order_to_pb
from gateway.core.commands import ClientCommand
from gateway.core.order import Order, ord_status, view
from gateway.core.types import OrdStatus, Reason
from gateway.pb.v1 import gateway_pb2 as pb

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
SCANNED_PER_PAGE = 20_000
"""Orders looked at for one page: a bound on how long a question can hold up the event loop (rule 7).

A page that hits it is short, not the last.
"""


class OrderService:
    """The methods of gateway.v1.OrderService."""

    def __init__(self, services: Services, encoder: EventEncoder, streams: Streams) -> None:
        self._services = services
        self._sequencer = services.sequencer
        self._encoder = encoder
        self._streams = streams

    async def submit_order(self, request: pb.SubmitOrderRequest, call: Call) -> pb.CommandReply:
        """A new order. The reply says that it is durable; what the venue makes of it comes as events."""
        command = commands.submit_order(request, call.caller.id, call.caller.accounts[0])
        check_account(call.caller, command)
        return await self._execute(command, command.cl_ord_id, call)

    async def replace_order(self, request: pb.ReplaceOrderRequest, call: Call) -> pb.CommandReply:
        """New terms for an order."""
        return await self._execute(commands.replace_order(request, call.caller.id), request.cl_ord_id, call)

    async def cancel_order(self, request: pb.CancelOrderRequest, call: Call) -> pb.CommandReply:
        """The end of an order."""
        return await self._execute(commands.cancel_order(request, call.caller.id), request.cl_ord_id, call)

    async def mass_cancel(self, request: pb.MassCancelRequest, call: Call) -> pb.CommandReply:
        """The end of all orders that fit. The account is a filter, no permission: one may always end his own."""
        return await self._execute(commands.mass_cancel(request, call.caller.id), request.cl_ord_id, call)

    async def request_order_status(self, request: pb.RequestOrderStatusRequest, call: Call) -> pb.CommandReply:
        """A question to the venue; the answer comes as an event."""
        command = commands.request_order_status(request, call.caller.owner(request.client_id))
        return await self._execute(command, "", call)

    async def _execute(self, command: ClientCommand, cl_ord_id: str, call: Call) -> pb.CommandReply:
        return reply(await self._sequencer.execute(command, call.cause), cl_ord_id)

    async def trade(self, call: Call) -> None:
        """Batches of commands in, replies and events out."""
        stream = TradeStream(self._services, self._encoder, call)
        with self._streams.running(stream):
            await stream.run()

    async def get_order(self, request: pb.GetOrderRequest, call: Call) -> pb.GetOrderResponse:
        """One order's whole life. Somebody else's order is not found, in the same words as one that does not exist."""
        found = whole_order_to_pb(self._find(request, call.caller), self._sequencer.state.seq)
        await self._sequencer.committed(found.as_of_seq)
        return found

    def _find(self, request: pb.GetOrderRequest, caller: Caller) -> Order:
        owner = caller.owner(request.client_id)
        state = self._sequencer.state
        match request.WhichOneof("key"):
            case "order_id":
                field, named = "order_id", fields.order_id("order_id", request.order_id)
                order = state.orders.get(named)
            case "cl_ord_id":
                field, named = "cl_ord_id", fields.key("cl_ord_id", request.cl_ord_id)
                order = state.find_order(owner, named)
            case _:
                raise InvalidField("order_id", "is required, or cl_ord_id", Reason.FIELD_REQUIRED)
        if order is None or not (caller.is_operator or order.command.client_id == owner):
            raise Failure(Reason.ORDER_UNKNOWN, f"no order of yours has the {field} {named!r}", field)
        return order

    async def list_orders(self, request: pb.ListOrdersRequest, call: Call) -> pb.ListOrdersResponse:
        """A page of the orders that fit, in order of submission."""
        wanted = _Wanted(request, call.caller)
        size = min(request.page_size or PAGE_SIZE, MAX_PAGE_SIZE)
        place = _place(request.page_token)
        response = self._page(wanted, place, size)
        await self._sequencer.committed(response.as_of_seq)
        return response

    def _page(self, wanted: "_Wanted", place: int, size: int) -> pb.ListOrdersResponse:
        orders = self._sequencer.state.orders
        if place > len(orders):
            raise InvalidField("page_token", "is not one that this gateway gave")
        response = pb.ListOrdersResponse(as_of_seq=self._sequencer.state.seq)
        for order in islice(orders.values(), place, place + SCANNED_PER_PAGE):
            if len(response.orders) == size:
                break
            place += 1
            if wanted.fits(order):
                response.orders.append(order_to_pb(view(order)))
        if place < len(orders):
            response.next_page_token = _token(place)
        return response


class _Wanted:
    """Which orders a ListOrdersRequest asks for."""

    def __init__(self, request: pb.ListOrdersRequest, caller: Caller) -> None:
        self._account = fields.name("account", request.account)
        self._strategy = fields.name("strategy", request.strategy)
        self._symbol = fields.name("symbol", request.symbol)
        self._venue = fields.name("venue", request.venue)
        self._statuses = set(_statuses(request))
        self._working = request.working
        self._client_id = caller.owner(request.client_id)
        if caller.is_operator and not request.client_id:
            self._client_id = ""

    def fits(self, order: Order) -> bool:
        """True when the order has all that was asked for."""
        command = order.command
        return (
            self._client_id in ("", command.client_id)
            and self._account in ("", command.account)
            and self._strategy in ("", command.strategy)
            and self._symbol in ("", command.symbol)
            and self._venue in ("", order.venue)
            and not (self._working and not order.working)
            and not (self._statuses and ord_status(order) not in self._statuses)
        )


def _statuses(request: pb.ListOrdersRequest) -> Iterator[OrdStatus]:
    return (fields.member("ord_status", number, enums.ORD_STATUS) for number in request.ord_status)


def _token(place: int) -> str:
    """Orders are only ever added at the end, so a place stays what it is while orders arrive and after a restart."""
    return base64.urlsafe_b64encode(f"orders:{place}".encode()).decode()


def _place(token: str) -> int:
    if not token:
        return 0
    try:
        kind, _, place = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().partition(":")
        if kind == "orders" and place.isdecimal() and len(place) < 16:
            return int(place)
    except (binascii.Error, ValueError):
        pass
    raise InvalidField("page_token", "is not one that this gateway gave")
