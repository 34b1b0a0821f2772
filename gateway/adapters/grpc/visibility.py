"""Which events are whose.

Clients see those of their own orders and commands and what concerns everybody; operators see all.
"""

from gateway.adapters.grpc.identity import Caller
from gateway.core import events as ev
from gateway.core.events import Record

PUBLIC = (
    ev.SessionLoggedOn,
    ev.SessionLoggedOut,
    ev.ReconciliationEnded,
    ev.OrderEntryOpened,
    ev.InstrumentHalted,
    ev.InstrumentResumed,
)
"""What every trader has to know: whether a venue can be reached and takes orders, and an instrument trades."""


def may_see(caller: Caller, record: Record) -> bool:
    """True when the record is for this caller."""
    return caller.is_operator or owner(record) == caller.id or isinstance(record.event, PUBLIC)


def owner(record: Record) -> str:
    """The client whose order or command a record is about; empty when it is no client's."""
    if record.order is not None:
        return record.order.client_id
    if isinstance(record.event, (ev.CommandRefused, ev.MassCancelDone)):
        return getattr(record.event.command, "client_id", "")
    return ""
