"""OrderService: commands, and questions about orders. The Trade stream is in trade.py."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from copy import copy
from heapq import merge

from gateway.adapters.grpc import pages
from gateway.adapters.grpc.errors import Failure
from gateway.adapters.grpc.identity import Call, Caller
from gateway.adapters.grpc.pieces import encoded
from gateway.adapters.grpc.presence import Presence
from gateway.adapters.grpc.replies import check_account, reply
from gateway.adapters.grpc.services import Services
from gateway.adapters.grpc.slips import refuse_slips
from gateway.adapters.grpc.streams import EventEncoder, Streams
from gateway.adapters.grpc.trade import TradeStream
from gateway.codec.proto import commands, enums, fields
from gateway.codec.proto.fields import InvalidField
from gateway.codec.proto.orders import execution_to_pb, executions_shown, order_and_requests_to_pb, order_to_pb
from gateway.core import retention
from gateway.core.commands import ClientCommand
from gateway.core.events import OrderView
from gateway.core.order import Order, ord_status, view
from gateway.core.state import State
from gateway.core.types import OrdStatus, Reason
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.runtime.retired import retired_order

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
SCANNED_PER_PAGE = 20_000
"""Orders looked at for one page: a bound on how long a question can hold up the event loop (rule 7).

A page that hits it is short, not the last.
"""


class OrderService:
    """The methods of gateway.v1.OrderService."""

    def __init__(self, services: Services, encoder: EventEncoder, streams: Streams, presence: Presence) -> None:
        self._services = services
        self._sequencer = services.sequencer
        self._encoder = encoder
        self._streams = streams
        self._presence = presence

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
        with self._presence.of(call.caller.id), self._streams.running(stream):
            await stream.run()

    async def get_order(self, request: pb.GetOrderRequest, call: Call) -> pb.GetOrderResponse:
        """One order's whole life. Somebody else's order is not found, in the same words as one that does not exist."""
        as_of_seq = self._sequencer.state.seq  # What is read in the journal stood so now, and may change meanwhile.
        order = await self._find(request, call.caller)
        found, executions = order_and_requests_to_pb(order, as_of_seq), list(map(copy, executions_shown(order)))
        found.executions.extend(await encoded(executions, execution_to_pb))
        await self._sequencer.committed(found.as_of_seq)
        return found

    async def _find(self, request: pb.GetOrderRequest, caller: Caller) -> Order:
        """The order, in memory or, when it has left it, in the journal."""
        owner = caller.owner(request.client_id)
        state = self._sequencer.state
        match request.WhichOneof("key"):
            case "order_id":
                field, named = "order_id", fields.order_id("order_id", request.order_id)
                order = state.orders.get(named)
                retired = retention.wanted_order(state, named)
            case "cl_ord_id":
                field, named = "cl_ord_id", fields.key("cl_ord_id", request.cl_ord_id)
                order = state.find_order(owner, named)
                retired = retention.wanted_key(state, owner, named)
            case _:
                raise InvalidField("order_id", "is required, or cl_ord_id", Reason.FIELD_REQUIRED)
        if order is None and retired.seqs:
            await self._sequencer.committed(max(retired.seqs))
            order = await asyncio.to_thread(retired_order, self._services.journal, retired)
        if order is None or not (caller.is_operator or order.command.client_id == owner):
            raise Failure(Reason.ORDER_UNKNOWN, f"no order of yours has the {field} {named!r}", field)
        return order

    async def list_orders(self, request: pb.ListOrdersRequest, call: Call) -> pb.ListOrdersResponse:
        """A page of the orders that fit, in order of submission."""
        wanted = _Wanted(request, call.caller)
        size = min(request.page_size or PAGE_SIZE, MAX_PAGE_SIZE)
        after = pages.after("orders", request.page_token)
        if after > self._sequencer.state.last_order_no:
            raise pages.unknown()
        response = pb.ListOrdersResponse(as_of_seq=self._sequencer.state.seq)
        found, response.next_page_token = self._page(wanted, after, size)
        if not (found or after or response.next_page_token):
            names = {"venue": request.venue, "symbol": request.symbol, "client_id": request.client_id}
            refuse_slips(self._sequencer.state.risk.setup, call.caller, **names)
        response.orders.extend(await encoded(found, order_to_pb))
        await self._sequencer.committed(response.as_of_seq)
        return response

    def _page(self, wanted: "_Wanted", after: int, size: int) -> tuple[list[OrderView], str]:
        """Orders behind the one with the number `after`, those in memory, and the token of the next page. Numbers are
        given in order of submission, so the last one looked at stays what it is while orders come and leave, and after
        a restart.
        """
        state = self._sequencer.state
        found: list[OrderView] = []
        looked_at = 0
        for order_id in _behind(state, after):
            if len(found) == size or looked_at == SCANNED_PER_PAGE:
                return found, pages.token("orders", after)
            looked_at, after = looked_at + 1, _number(order_id)
            if wanted.fits(state.orders[order_id]):
                found.append(view(state.orders[order_id]))
        return found, ""


def _number(order_id: str) -> int:
    """The number in an order_id, the counter behind the journal's prefix."""
    return int(order_id.rpartition("O")[2])


def _behind(state: State, after: int) -> Iterable[str]:
    """The order_ids whose number is above `after`, in order, as many as one page looks at. Those that came back into
    memory stand behind newer ones there.
    """
    back = sorted(state.recalled, key=_number)
    rest = state.orders.copy() if back else state.orders
    for order_id in back:
        rest.pop(order_id, None)
    if not after:
        return merge(rest, back, key=_number) if back else rest
    ids = list(rest)
    first, first_back = (bisect_right(each, after, key=_number) for each in (ids, back))
    usual, late = ids[first : first + SCANNED_PER_PAGE + 1], back[first_back:]
    return merge(usual, late, key=_number) if late else usual


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
    wanted = fields.listed("ord_status", request.ord_status)
    return (fields.member("ord_status", number, enums.ORD_STATUS) for number in wanted)
