"""What a person has to look at, as the API shows it: items, doubt, orders that are not ours."""

from decimal import Decimal

from gateway.codec.proto import enums
from gateway.codec.proto.orders import decimal_text, order_to_pb
from gateway.core.events import OrderView
from gateway.core.order import Request
from gateway.core.state import ExternalOrder, Item
from gateway.pb.v1 import gateway_pb2 as pb


def item_to_pb(item: Item) -> pb.Item:
    """An open reconciliation item."""
    raised = item.raised
    return pb.Item(
        item_id=raised.item_id,
        venue=raised.venue,
        kind=raised.kind.value,
        severity=enums.SEVERITY_TO_PB[raised.severity],  # type: ignore[arg-type]  # The stub wants the enum's own type.
        text=raised.text,
        order_id=raised.order_id,
        venue_order_id=raised.venue_order_id,
        exec_id=raised.exec_id,
        ours=raised.ours,
        theirs=raised.theirs,
        raised_ns=item.at_ns,
    )


def doubt_to_pb(order: OrderView, request: Request) -> pb.DoubtfulRequest:
    """A request that may or may not have reached its venue."""
    return pb.DoubtfulRequest(
        order=order_to_pb(order),
        venue_cl_ord_id=request.venue_cl_ord_id,
        cl_ord_id=request.cl_ord_id,
        kind=request.kind,
        sent_ns=request.sent_ns,
    )


def external_to_pb(external: ExternalOrder) -> pb.ExternalOrder:
    """An order at a venue that we never sent."""
    report = external.report
    return pb.ExternalOrder(
        venue=report.venue,
        venue_order_id=report.venue_order_id,
        venue_cl_ord_id=report.cl_ord_id,
        venue_symbol=report.venue_symbol,
        side=enums.SIDE_TO_PB[report.side] if report.side is not None else pb.SIDE_UNSPECIFIED,  # type: ignore[arg-type]  # As above.
        ord_status=enums.ORD_STATUS_TO_PB[report.ord_status],  # type: ignore[arg-type]  # As above.
        order_qty=_told(report.order_qty),
        cum_qty=_told(report.cum_qty),
        price=_told(report.price),
        account=report.account,
        first_ns=external.first_ns,
        last_ns=external.last_ns,
    )


def _told(value: Decimal | None) -> str:
    return "" if value is None else decimal_text(value)
