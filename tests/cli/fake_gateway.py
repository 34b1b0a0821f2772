"""A gRPC server with the gateway's services and canned answers, to run `gatewayctl` against."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc

# 2026-03-02 12:00:00 UTC
NOON_NS = 1_772_452_800_000_000_000


def an_order(order_id: str, **changes: Any) -> pb.Order:
    order = pb.Order(
        order_id=order_id,
        client_id="demo",
        cl_ord_id=f"c-{order_id}",
        symbol="ACME",
        venue="XSIM",
        side=pb.SIDE_BUY,
        ord_type=pb.ORD_TYPE_LIMIT,
        terms=pb.Terms(order_qty="1000", price="99.95", time_in_force=pb.TIME_IN_FORCE_DAY),
        ord_status=pb.ORD_STATUS_NEW,
        cum_qty="0",
        leaves_qty="1000",
        avg_px="0",
        account="ACC1",
    )
    order.MergeFrom(pb.Order(**changes))
    return order


def an_event(seq: int, kind: int, order: pb.Order | None = None, **fields: Any) -> pb.Event:
    return pb.Event(seq=seq, time_ns=NOON_NS + seq * 1_000_000, type=kind, order=order, **fields)  # type: ignore[arg-type]


class FakeGateway:
    """Serves what its attributes hold; `requests` and `callers` say what was asked by whom."""

    def __init__(self, address: str = "127.0.0.1:0") -> None:
        self.requests: list[Message] = []
        self.callers: set[str] = set()
        self.refuse: status_pb2.Status | None = None
        self.events: list[pb.Event] = []
        self.all_orders: list[pb.Order] = []
        self.page = 2
        self.details: dict[str, pb.GetOrderResponse] = {}
        self.overview = pb.GetOverviewResponse(seq=6, epoch=2, version="0.1.0", started_ns=NOON_NS)
        self.sessions = pb.ListSessionsResponse()
        self.positions = pb.ListPositionsResponse()
        self.set_aside = pb.ListSetAsideResponse()
        self.items = pb.ListItemsResponse()
        self.in_doubt = pb.ListInDoubtResponse()
        self.external_orders = pb.ListExternalOrdersResponse()
        self.limits = pb.ListLimitsResponse(currency="EUR")
        self.change_id = ""
        self.proposals = pb.ListProposalsResponse()
        self.overrides = pb.ListOverridesResponse()
        self.stops: list[pb.ListStopsResponse] = []
        self.away = 0
        self.breaches = pb.ListBreachesResponse()
        self.marks = pb.ListMarksResponse(currency="EUR")
        self.exposure: list[pb.Exposure] = []
        self.truncated = False
        self._server = grpc.server(ThreadPoolExecutor(4))
        port = self._server.add_insecure_port(address)
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        services: Any = gateway_pb2_grpc
        for name in ("OrderService", "EventService", "PositionService", "AdminService", "RiskService"):
            getattr(services, f"add_{name}Servicer_to_server")(self, self._server)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def fail_next(self, code: Any, text: str, reason: str, field: str = "") -> None:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="gateway", metadata={"field": field} if field else {})
        packed = any_pb2.Any()
        packed.Pack(info)
        self.refuse = status_pb2.Status(code=code.value[0], message=text, details=[packed])

    def _admit(self, request: Message, context: Any) -> None:
        self.requests.append(request)
        self.callers.add(dict(context.invocation_metadata())["client-id"])
        if self.refuse is not None:
            status, self.refuse = self.refuse, None
            context.abort_with_status(rpc_status.to_status(status))

    # --- The services ---

    def ListOrders(self, request: pb.ListOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        self._admit(request, context)
        place = int(request.page_token or 0)
        end = place + min(self.page, request.page_size)
        response = pb.ListOrdersResponse(orders=self.all_orders[place:end], as_of_seq=len(self.events))
        response.next_page_token = str(end) if end < len(self.all_orders) else ""
        return response

    def GetOrder(self, request: pb.GetOrderRequest, context: Any) -> pb.GetOrderResponse:
        self._admit(request, context)
        key = request.order_id or f"{request.client_id}/{request.cl_ord_id}"
        if key not in self.details:
            self.fail_next(grpc.StatusCode.NOT_FOUND, f"no order of yours is {key}", "ORDER_UNKNOWN")
            self._admit(request, context)
        return self.details[key]

    def Subscribe(self, request: pb.SubscribeRequest, context: Any) -> Iterator[pb.SubscribeResponse]:
        self._admit(request, context)
        next_seq = request.from_seq
        while context.is_active():
            # A test appends meanwhile: what comes after this look belongs to the next one.
            new = self.events[next_seq - 1 :]
            next_seq += len(new)
            found = [event for event in new if self._wanted(request.filter, event)]
            yield pb.SubscribeResponse(events=found, next_seq=next_seq)
            threading.Event().wait(0.01)

    def _wanted(self, wanted: pb.EventFilter, event: pb.Event) -> bool:
        return (not wanted.types or event.type in wanted.types) and wanted.symbol in {"", event.order.symbol}

    def ListPositions(self, request: pb.ListPositionsRequest, context: Any) -> pb.ListPositionsResponse:
        self._admit(request, context)
        first = int(request.page_token or 0)
        size = min(request.page_size or len(self.positions.positions), self.page)
        after = first + size
        return pb.ListPositionsResponse(
            positions=self.positions.positions[first:after],
            as_of_seq=self.positions.as_of_seq,
            next_page_token=str(after) if after < len(self.positions.positions) else "",
        )

    def GetOverview(self, request: pb.GetOverviewRequest, context: Any) -> pb.GetOverviewResponse:
        self._admit(request, context)
        return self.overview

    def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        self._admit(request, context)
        return self.sessions

    def ListSetAside(self, request: pb.ListSetAsideRequest, context: Any) -> pb.ListSetAsideResponse:
        self._admit(request, context)
        return self.set_aside

    def _administer(self, request: Message, context: Any) -> pb.AdminReply:
        self._admit(request, context)
        return pb.AdminReply(seq=77)

    def ListItems(self, request: pb.ListItemsRequest, context: Any) -> pb.ListItemsResponse:
        self._admit(request, context)
        return self.items

    def ListInDoubt(self, request: pb.ListInDoubtRequest, context: Any) -> pb.ListInDoubtResponse:
        self._admit(request, context)
        return self.in_doubt

    def ListExternalOrders(self, request: pb.ListExternalOrdersRequest, context: Any) -> pb.ListExternalOrdersResponse:
        self._admit(request, context)
        return self.external_orders

    # --- Risk ---

    def ListLimits(self, request: pb.ListLimitsRequest, context: Any) -> pb.ListLimitsResponse:
        self._admit(request, context)
        return self.limits

    def SetLimit(self, request: pb.SetLimitRequest, context: Any) -> pb.SetLimitResponse:
        self._admit(request, context)
        return pb.SetLimitResponse(seq=77, change_id=self.change_id)

    def ListProposals(self, request: pb.ListProposalsRequest, context: Any) -> pb.ListProposalsResponse:
        self._admit(request, context)
        return self.proposals

    def GrantOverride(self, request: pb.GrantOverrideRequest, context: Any) -> pb.GrantOverrideResponse:
        self._admit(request, context)
        return pb.GrantOverrideResponse(seq=77, change_id=self.change_id)

    def ListOverrides(self, request: pb.ListOverridesRequest, context: Any) -> pb.ListOverridesResponse:
        self._admit(request, context)
        return self.overrides

    def ListStops(self, request: pb.ListStopsRequest, context: Any) -> pb.ListStopsResponse:
        """The next answer, after so many failures; the last one again and again."""
        if self.away:
            self.away -= 1
            self.fail_next(grpc.StatusCode.UNAVAILABLE, "away", "UNAVAILABLE")
        self._admit(request, context)
        return self.stops.pop(0) if len(self.stops) > 1 else self.stops[0]

    def ListBreaches(self, request: pb.ListBreachesRequest, context: Any) -> pb.ListBreachesResponse:
        self._admit(request, context)
        return self.breaches

    def ListMarks(self, request: pb.ListMarksRequest, context: Any) -> pb.ListMarksResponse:
        self._admit(request, context)
        return self.marks

    def GetExposure(self, request: pb.GetExposureRequest, context: Any) -> pb.GetExposureResponse:
        self._admit(request, context)
        place = int(request.page_token or 0)
        end = place + min(self.page, request.page_size)
        response = pb.GetExposureResponse(rows=self.exposure[place:end], currency="EUR", as_of_seq=6)
        response.next_page_token = str(end) if end < len(self.exposure) else ""
        return response

    def WatchExposure(self, request: pb.WatchExposureRequest, context: Any) -> Iterator[pb.WatchExposureResponse]:
        """Two snapshots, then the gateway is gone."""
        self._admit(request, context)
        for seq in (6, 7):
            yield pb.WatchExposureResponse(
                rows=self.exposure, currency="EUR", as_of_seq=seq, time_ns=NOON_NS, truncated=self.truncated
            )
        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    DecideChange = EndOverride = StopTrading = ResumeTrading = SetMarks = _administer
    Logon = Logout = SetSequenceNumbers = HaltInstrument = ResumeInstrument = _administer
    Reconcile = OpenOrderEntry = ResolveItem = ResolveDoubt = _administer
    SubmitOrder = ReplaceOrder = CancelOrder = MassCancel = RequestOrderStatus = Trade = _administer
