"""The Python client of the gateway. `GatewayClient` is asynchronous, `SyncGatewayClient` the same for programs without
an event loop. See docs/client.md.
"""

from gateway.client.client import GatewayClient
from gateway.client.errors import (
    GatewayError,
    NotAllowed,
    NotFound,
    OrderEnded,
    Overloaded,
    Refused,
    Unavailable,
    Unknown,
)
from gateway.client.event_stream import EventStream
from gateway.client.handle import OrderHandle
from gateway.client.sync import SyncEventStream, SyncGatewayClient, SyncOrderHandle
from gateway.client.types import (
    CommandReply,
    Event,
    EventType,
    Execution,
    Order,
    OrderDetail,
    OrderRequest,
    Position,
)
from gateway.core.types import OrdStatus, OrdType, Reason, Side, TimeInForce

__all__ = [
    "CommandReply",
    "Event",
    "EventStream",
    "EventType",
    "Execution",
    "GatewayClient",
    "GatewayError",
    "NotAllowed",
    "NotFound",
    "OrdStatus",
    "OrdType",
    "Order",
    "OrderDetail",
    "OrderEnded",
    "OrderHandle",
    "OrderRequest",
    "Overloaded",
    "Position",
    "Reason",
    "Refused",
    "Side",
    "SyncEventStream",
    "SyncGatewayClient",
    "SyncOrderHandle",
    "TimeInForce",
    "Unavailable",
    "Unknown",
]
