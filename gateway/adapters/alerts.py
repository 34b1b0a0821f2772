"""What a person has to hear of, in the log at once. Counted per commit: a thousand orders in doubt are one line."""

from collections.abc import Sequence

import structlog

from gateway.core import events as ev
from gateway.core.events import Record
from gateway.core.types import Severity

_log = structlog.get_logger("gateway")

SHOWN = 20
"""How many names one line has."""


def tell(records: Sequence[Record]) -> None:
    """Log what is worth an alert in newly committed records."""
    doubt: dict[str, list[str]] = {}
    for record in records:
        match record.event:
            case ev.OrderInDoubt() as event:
                doubt.setdefault(record.order.venue if record.order else "", []).append(event.order_id)
            case ev.ItemRaised():
                _item(record.event)
            case ev.ItemResolved() as event:
                _log.info("item resolved", item=event.item_id, venue=event.venue, why=event.text, by=event.operator)
            case ev.ReconciliationEnded():
                _reconciled(record.event)
            case ev.OrderOverfilled() as event:
                _log.error("order overfilled", order_id=event.order_id, excess=str(event.excess))
    for venue, orders in doubt.items():
        _log.error("orders in doubt", venue=venue, count=len(orders), orders=orders[:SHOWN])


def _item(event: ev.ItemRaised) -> None:
    log = _log.error if event.severity is Severity.CRITICAL else _log.warning
    log(
        "item raised",
        item=event.item_id,
        venue=event.venue,
        kind=event.kind.value,
        severity=event.severity.value,
        order_id=event.order_id or event.venue_order_id,
        what=event.text,
    )


def _reconciled(event: ev.ReconciliationEnded) -> None:
    if event.complete:
        _log.info("reconciled", venue=event.venue, orders=event.orders, open_items=event.items)
    else:
        _log.error("not reconciled", venue=event.venue, why=event.text, open_items=event.items)
