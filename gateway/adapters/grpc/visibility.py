"""Which events are whose.

Clients see those of their own orders and commands, what concerns everybody, and where trading stops for them;
operators see all.
"""

from gateway.adapters.grpc.identity import Caller
from gateway.core import events as ev
from gateway.core.events import Record
from gateway.core.risk import scopes
from gateway.core.risk.events import TradingResumed, TradingStopped
from gateway.core.risk.setup import RiskSetup
from gateway.runtime.feed import EVERYBODY

PUBLIC = (
    ev.SessionLoggedOn,
    ev.SessionLoggedOut,
    ev.ReconciliationEnded,
    ev.OrderEntryOpened,
    ev.InstrumentHalted,
    ev.InstrumentResumed,
)
"""What every trader has to know: whether a venue can be reached and takes orders, and an instrument trades."""

_EVERYBODYS = (*PUBLIC, TradingStopped, TradingResumed)


def may_see(caller: Caller, record: Record, setup: RiskSetup) -> bool:
    """True when the record is for this caller; `setup` says which desk an account belongs to."""
    event = record.event
    if caller.is_operator or owner(record) == caller.id or isinstance(event, PUBLIC):
        return True
    return isinstance(event, (TradingStopped, TradingResumed)) and concerns(caller, event.scope, setup)


def concerns(caller: Caller, scope: str, setup: RiskSetup) -> bool:
    """Whether orders of this caller may belong to a scope. Instruments and venues are everybody's."""
    level, _, name = scope.partition(":")
    match level:
        case "desk":
            return any(scope in scopes.desks_above(setup, account) for account in caller.accounts)
        case "account":
            return name in caller.accounts
        case "strategy":
            return name.partition("/")[0] in caller.accounts
        case "client":
            return name == caller.id
    return level != scopes.ORDER


def audience(record: Record) -> str:
    """Whom a record may concern, for the feed: one client, everybody, or nobody but operators."""
    if record.order is not None:
        return record.order.client_id
    return EVERYBODY if isinstance(record.event, _EVERYBODYS) else owner(record)


def owner(record: Record) -> str:
    """The client whose order or command a record is about; empty when it is no client's."""
    if record.order is not None:
        return record.order.client_id
    if isinstance(record.event, (ev.CommandRefused, ev.MassCancelDone)):
        return getattr(record.event.command, "client_id", "")
    return ""
