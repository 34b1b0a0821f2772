"""What the events of risk tell in the API's stream of events."""

from collections.abc import Callable
from typing import Any

from gateway.codec.proto import enums
from gateway.codec.proto.orders import decimal_text
from gateway.codec.proto.risk import limit_to_pb
from gateway.core.risk import events as re

Extras = dict[str, Any]

_MARKS_SHOWN = 20


def _configured(event: re.RiskConfigured) -> Extras:
    count = sum(len(limits) for limits in event.setup.limits.values())
    return {"text": f"{count} limits at {len(event.setup.limits)} scopes"}


def _proposed(event: re.LimitProposed) -> Extras:
    return {
        "scope": event.scope,
        "control": event.control.value,
        "change_id": event.change_id,
        "limit": limit_to_pb(event.limit),
        "until_ns": event.expires_ns,
        "operator": event.operator,
        "text": event.reason,
    }


def _changed(event: re.LimitChanged) -> Extras:
    approved = f"; approved by {event.approved_by}" if event.approved_by else ""
    return {
        "scope": event.scope,
        "control": event.control.value,
        "change_id": event.change_id,
        "limit": limit_to_pb(event.limit),
        "old_limit": limit_to_pb(event.old),
        "until_ns": event.expires_ns,
        "operator": event.operator,
        "text": f"{event.reason}{approved}",
    }


def _declined(event: re.LimitDeclined) -> Extras:
    return {"change_id": event.change_id, "operator": event.operator, "text": event.reason}


def _expired(event: re.LimitExpired) -> Extras:
    return {"scope": event.scope, "control": event.control.value, "limit": limit_to_pb(event.limit)}


def _override_proposed(event: re.OverrideProposed) -> Extras:
    return {
        "scope": event.scope,
        "control": event.control,
        "change_id": event.change_id,
        "until_ns": event.until_ns,
        "operator": event.operator,
        "text": event.reason,
    }


def _granted(event: re.OverrideGranted) -> Extras:
    approved = f"; approved by {event.approved_by}" if event.approved_by else ""
    return {
        "scope": event.scope,
        "control": event.control,
        "change_id": event.change_id,
        "until_ns": event.until_ns,
        "operator": event.operator,
        "text": f"{event.reason}{approved}",
    }


def _ended(event: re.OverrideEnded) -> Extras:
    return {"scope": event.scope, "control": event.control, "operator": event.operator, "text": event.reason}


def _marks(event: re.MarksSet) -> Extras:
    said = [f"{mark.symbol} {decimal_text(mark.px)}" for mark in event.marks]
    said += [f"{currency} {decimal_text(rate)}" for currency, rate in event.rates.items()]
    more = f" and {len(said) - _MARKS_SHOWN} more" if len(said) > _MARKS_SHOWN else ""
    return {"text": f"{', '.join(said[:_MARKS_SHOWN])}{more}"}


def _day(event: re.RiskDayBegan) -> Extras:
    return {"text": event.day}


def _stopped(event: re.TradingStopped) -> Extras:
    return {
        "scope": event.scope,
        "source": event.source,
        "operator": event.operator,
        "until_ns": event.until_ns,
        "text": event.reason,
    }


def _resumed(event: re.TradingResumed) -> Extras:
    return {"scope": event.scope, "source": event.source, "operator": event.operator, "text": event.reason}


def _completed(event: re.StopCompleted) -> Extras:
    return {"scope": event.scope, "source": event.source}


def _mass_cancel(event: re.MassCancelSent) -> Extras:
    return {"scope": event.scope, "venue": event.venue, "text": event.venue_cl_ord_id}


def _mass_cancel_answered(event: re.MassCancelAnswered) -> Extras:
    count = "" if event.total_affected is None else f", {event.total_affected} orders affected"
    said = f": {event.text}" if event.text else ""
    return {"venue": event.venue, "text": f"{'accepted' if event.accepted else 'refused'}{count}{said}"}


def _presence(event: re.ClientAway | re.ClientBack) -> Extras:
    return {"scope": f"client:{event.client_id}"}


def _breach_began(event: re.BreachBegan) -> Extras:
    return {
        "scope": event.scope,
        "control": event.control,
        "severity": enums.SEVERITY_TO_PB[event.severity],
        "value": decimal_text(event.value),
        "limit": {"value": decimal_text(event.limit)},
        "text": event.text,
        "symbol": event.symbol,
    }


def _breach_ended(event: re.BreachEnded) -> Extras:
    return {"scope": event.scope, "control": event.control, "symbol": event.symbol}


EXTRAS: dict[type, Callable[[Any], Extras]] = {
    re.RiskConfigured: _configured,
    re.LimitProposed: _proposed,
    re.LimitChanged: _changed,
    re.LimitDeclined: _declined,
    re.LimitExpired: _expired,
    re.OverrideProposed: _override_proposed,
    re.OverrideGranted: _granted,
    re.OverrideEnded: _ended,
    re.MarksSet: _marks,
    re.RiskDayBegan: _day,
    re.TradingStopped: _stopped,
    re.TradingResumed: _resumed,
    re.StopCompleted: _completed,
    re.MassCancelSent: _mass_cancel,
    re.MassCancelAnswered: _mass_cancel_answered,
    re.ClientAway: _presence,
    re.ClientBack: _presence,
    re.BreachBegan: _breach_began,
    re.BreachEnded: _breach_ended,
}
