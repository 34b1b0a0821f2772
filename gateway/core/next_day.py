"""What a new day makes of an order: a corporate action changes its quantities, and what was done for the day can trade
again.

Of that its venue tells by a restatement or a New, as the table of marks has it (see gateway.core.order), or only by an
OrdStatus(39) that Done For Day would outrank. A status reply settles that. Any other report may be older than the day's
end, and is a reason to ask; but an order that is taken for working too early is compared with the venue's, and one that
is taken for over is not.
"""

from decimal import Decimal
from typing import Any

from gateway.core import events as ev
from gateway.core import rejects
from gateway.core.events import Event
from gateway.core.money import EXACT
from gateway.core.order import FACTORS, Order
from gateway.core.reports import ExecutionReport
from gateway.core.state import State
from gateway.core.types import ExecType, OrdStatus

CORPORATE_ACTION = "0"
"""ExecRestatementReason(378): GT corporate action."""
_DONE_FOR_DAY = OrdStatus.DONE_FOR_DAY
_CAN_TRADE = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.STOPPED, OrdStatus.SUSPENDED})
Evidence = tuple[Any, ...]
"""What every event of a report says (see gateway.core.events.Reported)."""
_SAID_BY_ITSELF = (ExecType.NEW, ExecType.RESTATED)


def told(state: State, order: Order, report: ExecutionReport, event: Event, evidence: Evidence) -> list[Event]:
    """What else it says that a report, and with it `event`, speaks of a day order that is done for the day as one that
    can trade: a replace which the venue took works, and whether that is so now, or what any other report means, is
    asked. Nothing of a New or a restatement, which say it by themselves.
    """
    if not _is_spoken_of(order, report) or report.exec_type in _SAID_BY_ITSELF:
        return []
    why = f"it is done for the day, and {order.venue} speaks of it as one that can trade"
    if not isinstance(event, ev.OrderReplaced) or event.overtaken:
        return rejects.ask(state, order, why)
    return [*_taken_up(report, evidence), *rejects.ask(state, order, why, event.venue_cl_ord_id)]


def replied(order: Order, report: ExecutionReport, evidence: Evidence) -> list[Event]:
    """The same of a status reply, which settles it; nothing when it is not so. One that comes again
    (PossDupFlag(43)=Y) tells how things were.
    """
    return _taken_up(report, evidence) if is_replied(order, report) else []


def is_replied(order: Order, report: ExecutionReport) -> bool:
    """Whether a status reply speaks of such an order as one that can trade now."""
    return not report.poss_dup and _is_spoken_of(order, report)


def _is_spoken_of(order: Order, report: ExecutionReport) -> bool:
    over = _DONE_FOR_DAY in order.marks and not (order.closed or order.terms.time_in_force.outlives_the_day)
    return over and report.ord_status in _CAN_TRADE


def _taken_up(report: ExecutionReport, evidence: Evidence) -> list[Event]:
    suspended = [ev.OrderSuspended(*evidence)] if report.ord_status is OrdStatus.SUSPENDED else []
    return [ev.OrderAcknowledged(*evidence), *suspended]


def split_factor(order: Order, report: ExecutionReport) -> Decimal:
    """What a corporate action made of one unit: believed only when OrderQty(38) and CumQty(14) agree on it exactly
    (Appendix D, H.1.b).
    """
    told = report.exec_restatement_reason == CORPORATE_ACTION and report.order_qty
    if not told or not order.cum_qty or not order.terms.order_qty:
        return Decimal(1)
    factor = FACTORS.divide(told, order.terms.order_qty)  # Rounded when no decimal holds it; the check then fails.
    return factor if report.cum_qty == EXACT.multiply(order.cum_qty, factor) else Decimal(1)
