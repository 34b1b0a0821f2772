"""What an order's story is made of, as its twin is told it: requests, reports, and what became of the connection."""

from dataclasses import dataclass
from decimal import Decimal

from gateway.core.reports import ExecutionReport, OrderCancelReject
from gateway.core.types import DoubtOutcome


@dataclass(frozen=True)
class Asked:
    """The client's request, as sent: "new", "cancel" or "replace", the terms that it asks for, and what it replaces."""

    kind: str
    cl_ord_id: str
    venue_cl_ord_id: str
    order_qty: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    on_top_of: str = ""


@dataclass(frozen=True)
class Lost:
    """The session went down, the process ended or the venue kept silent: what nobody spoke of is in doubt."""


@dataclass(frozen=True)
class Back:
    """The session is up again, on a new connection: what the venue says of an order now, it says knowing all that was
    sent before.
    """


@dataclass(frozen=True)
class Unsent:
    """It is proven that this request never arrived."""

    venue_cl_ord_id: str


@dataclass(frozen=True)
class Settled:
    """An operator's word about a request in doubt, or without one about the order; it holds until the venue speaks."""

    venue_cl_ord_id: str
    outcome: DoubtOutcome


Said = Asked | Lost | Back | Unsent | Settled | ExecutionReport | OrderCancelReject
