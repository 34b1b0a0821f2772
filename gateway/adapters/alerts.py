"""What a person has to hear of, in the log at once. Counted per commit: a thousand orders in doubt are one line, and so
are the same breach or stop at many scopes. Each line of risk has a severity and leads to its page of the runbook.
"""

from collections.abc import Collection, Sequence
from itertools import chain

import structlog

from gateway.core import events as ev
from gateway.core.events import Record
from gateway.core.risk import events as re
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import Limit
from gateway.core.state import State
from gateway.core.types import Severity

_log = structlog.get_logger("gateway")

_QUIET = frozenset({ev.OrderSubmitted, ev.OrderRouted, ev.OrderPendingNew, ev.OrderAcknowledged, ev.OrderFilled})
"""Most of what there is, and never worth an alert."""

SHOWN = 20
"""How many names one line has."""


def tell(records: Sequence[Record]) -> None:
    """Log what is worth an alert in newly committed records."""
    records = [record for record in records if type(record.event) not in _QUIET]
    if not records:
        return
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
        page = "docs/runbook.md#an-order-is-in-doubt"
        _log.error("orders in doubt", venue=venue, count=len(orders), orders=orders[:SHOWN], runbook=page)
    _risk(records)


def venues_gone(state: State, venues: Collection[str]) -> None:
    """Log where orders can still trade although no venue has that name now: `venues` are those of the configuration.
    Nobody asks about such orders, and no cancel reaches them.
    """
    gone: dict[str, list[str]] = {}
    for order_id in chain.from_iterable(state.working.values()):
        venue = state.orders[order_id].venue
        if venue not in venues:
            gone.setdefault(venue, []).append(order_id)
    for venue, orders in gone.items():
        _log.error(
            "orders at a venue that is not configured",
            venue=venue,
            count=len(orders),
            orders=orders[:SHOWN],
            next="put the venue back into the configuration under this name, until nothing works there",
        )


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
        page = "docs/runbook.md#order-entry-stays-closed-after-a-logon"
        _log.error("not reconciled", venue=event.venue, why=event.text, open_items=event.items, runbook=page)


# --- Risk ---


def runbook(name: str) -> str:
    """The page of the runbook about a control, a breaker or a stop."""
    anchor = f"breaker-{name}" if name in list(Breaker) else name
    return f"docs/runbook.md#{anchor}"


def _control(name: str) -> str:
    """The page about a control; a breach may also be a breaker's."""
    return f"docs/runbook.md#{name}" if name in list(Control) else runbook(name)


def _risk(records: Sequence[Record]) -> None:
    alike: dict[tuple[str, ...], list[re.RiskEvent]] = {}
    for record in records:
        match record.event:
            case re.BreachBegan() as event:
                alike.setdefault(("BreachBegan", event.control, event.severity), []).append(event)
            case re.BreachEnded() as event:
                alike.setdefault(("BreachEnded", event.control), []).append(event)
            case re.TradingStopped() | re.TradingResumed() | re.StopCompleted() as event:
                alike.setdefault((type(event).__name__, event.source), []).append(event)
            case re.LimitProposed() | re.LimitChanged() | re.OverrideProposed() | re.OverrideGranted() as event:
                _changed(event)
    for events in alike.values():
        _tell_alike(events[0], [_place(event) for event in events])


def _place(event: re.RiskEvent) -> str:
    """The scope, and the instrument where each has a figure of its own."""
    scope, symbol = getattr(event, "scope", ""), getattr(event, "symbol", "")
    return f"{scope} {symbol}" if symbol else scope


def _tell_alike(first: re.RiskEvent, scopes: Sequence[str]) -> None:
    """One line for all scopes that the same happened to; words and figures are those of the first."""
    where = {"count": len(scopes), "scopes": list(scopes[:SHOWN])}
    match first:
        case re.BreachBegan():
            log = _log.error if first.severity is Severity.CRITICAL else _log.warning
            severity, page = first.severity.value, _control(first.control)
            log("risk breach", severity=severity, control=first.control, what=first.text, **where, runbook=page)
        case re.BreachEnded():
            _log.info("risk breach over", severity="info", control=first.control, **where)
        case re.TradingStopped():
            page = runbook(first.source)
            by, why = first.operator or "the gateway", first.reason
            _log.error(
                "trading stopped", severity="critical", source=first.source, by=by, why=why, **where, runbook=page
            )
        case re.TradingResumed():
            by, why = first.operator or "the gateway", first.reason
            _log.warning("trading resumed", severity="warning", source=first.source, by=by, why=why, **where)
        case re.StopCompleted():
            _log.info("stop completed", severity="info", source=first.source, **where)


def _changed(event: re.LimitProposed | re.LimitChanged | re.OverrideProposed | re.OverrideGranted) -> None:
    """What a person did to a limit, so that another one sees it."""
    what = {"scope": event.scope, "control": event.control, "by": event.operator, "why": event.reason}
    match event:
        case re.LimitProposed():
            page = "docs/runbook.md#a-limit-was-proposed"
            to, change = _limit(event.limit), event.change_id
            _log.warning("limit proposed", severity="warning", **what, to=to, change=change, runbook=page)
        case re.LimitChanged():
            page = "docs/runbook.md#a-limit-was-changed"
            old, to = _limit(event.old), _limit(event.limit)
            approved = event.approved_by
            _log.warning(
                "limit changed", severity="warning", **what, old=old, to=to, approved_by=approved, runbook=page
            )
        case re.OverrideProposed():
            page = "docs/runbook.md#a-limit-was-proposed"
            until_ns, change = event.until_ns, event.change_id
            _log.warning(
                "override proposed", severity="warning", **what, until_ns=until_ns, change=change, runbook=page
            )
        case re.OverrideGranted():
            page = "docs/runbook.md#a-control-was-overridden"
            until_ns, approved = event.until_ns, event.approved_by
            _log.warning(
                "override granted", severity="warning", **what, until_ns=until_ns, approved_by=approved, runbook=page
            )


def _limit(limit: Limit | None) -> str:
    if limit is None:
        return "none"
    return f"{limit.value:f}" + (f" in {limit.per_s} s" if limit.per_s else "")
