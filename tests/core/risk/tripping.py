"""What makes breakers trip, for tests about them."""

import msgspec

from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.risk.events import TradingStopped
from gateway.core.risk.setup import BreakerRule
from gateway.core.types import ExecType, OrdStatus
from tests.core.risk.floor import Floor


def floor_with(*rules: BreakerRule) -> Floor:
    return Floor.opened(breakers=rules)


def trips(floor: Floor) -> list[tuple[str, str]]:
    return [(event.scope, event.source) for event in floor.events(TradingStopped)]


def rejected(floor: Floor, cl_ord_id: str, **changes: object) -> list[Event]:
    made = floor.submit(cl_ord_id, **changes)
    return floor.report(made, ExecType.REJECTED, ord_status=OrdStatus.REJECTED)


def lasting(rule: BreakerRule) -> BreakerRule:
    """It lets go by itself, 30 s later at the earliest."""
    return msgspec.structs.replace(rule, needs_person=False, cool_down_s=30)


def answered_after(floor: Floor, cl_ord_id: str, ms: int) -> Order:
    made = floor.submit(cl_ord_id)
    floor.now_ns += (ms - 1) * 1_000_000
    floor.acknowledge(made)
    return made
