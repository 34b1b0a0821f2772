"""What happened and was asked in risk, in words. `gateway.codec.words` puts them among all others."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.core.money import plain
from gateway.core.risk import events as re
from gateway.core.risk.commands import (
    DecideChange,
    EndOverride,
    GrantOverride,
    ResumeTrading,
    RiskCommand,
    SetLimit,
    SetMarks,
    StopTrading,
)
from gateway.core.risk.setup import Limit

_MARKS_SHOWN = 20


def number(value: Decimal) -> str:
    """Exactly this number, with thousands apart: 1,250,000."""
    return f"{plain(value):,f}"


def limit(value: Limit | None) -> str:
    """A limit: '100 in 10 s', '40 once above 1,000,000'."""
    if value is None:
        return "none"
    window = f" in {value.per_s} s" if value.per_s else ""
    after = f" once above {number(value.after)}" if value.after else ""
    return f"{number(value.value)}{window}{after}"


def _until(ns: int | None) -> str:
    return "" if ns is None else f" until {datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%SZ}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _marks(marks: tuple[re.Mark, ...], rates: dict[str, Decimal]) -> str:
    said = [f"{mark.symbol} {number(mark.px)}{_quotes(mark)}" for mark in marks]
    said += [f"{currency} {number(rate)}" for currency, rate in rates.items()]
    more = f" and {len(said) - _MARKS_SHOWN} more" if len(said) > _MARKS_SHOWN else ""
    return f"{', '.join(said[:_MARKS_SHOWN])}{more}" or "nothing"


def _quotes(mark: re.Mark) -> str:
    if mark.bid is None and mark.ask is None:
        return ""
    bid, ask = ("-" if each is None else number(each) for each in (mark.bid, mark.ask))
    return f" ({bid} / {ask})"


# --- Commands -------------------------------------------------------------------------------------


def command(asked: RiskCommand) -> str:
    """What was asked, as in 'ops's stop of trading at account:ACC1: fat finger'."""
    match asked:
        case SetLimit():
            to = f"{limit(asked.limit)} {asked.unit}" if asked.limit is not None else "none"
            what = f"{asked.control} at {asked.scope} to {to}{_until(asked.expires_ns)}"
            return f"{asked.operator}'s change of {what}{_because(asked.reason)}"
        case DecideChange():
            word = "approval" if asked.approve else "decline"
            return f"{asked.operator}'s {word} of change {asked.change_id}{_because(asked.reason)}"
        case GrantOverride():
            what = f"{asked.control} at {asked.scope}{_until(asked.until_ns)}"
            return f"{asked.operator}'s override of {what}{_because(asked.reason)}"
        case EndOverride():
            what = f"{asked.control} at {asked.scope}"
            return f"{asked.operator}'s end of the override of {what}{_because(asked.reason)}"
        case StopTrading():
            return f"{asked.operator}'s stop of trading at {asked.scope}{_because(asked.reason)}"
        case ResumeTrading():
            what = f"{asked.scope} ({asked.source})"
            return f"{asked.operator}'s resumption of trading at {what}{_because(asked.reason)}"
        case SetMarks():
            return f"{asked.operator}'s marks: {_marks(asked.marks, asked.rates)}"


# --- Events ---------------------------------------------------------------------------------------


def _configured(event: re.RiskConfigured) -> str:
    count = sum(len(limits) for limits in event.setup.limits.values())
    return (
        f"risk configured: {count} limits at {len(event.setup.limits)} scopes, in {event.setup.currency or 'no money'}"
    )


def _proposed(event: re.LimitProposed) -> str:
    what = f"{event.control.value} at {event.scope} to {limit(event.limit)}{_until(event.expires_ns)}"
    return (
        f"{event.operator} proposes change {event.change_id}: {what}{_because(event.reason)}; a second person decides"
    )


def _changed(event: re.LimitChanged) -> str:
    what = f"{event.control.value} at {event.scope} from {limit(event.old)} to {limit(event.limit)}"
    approved = f", approved by {event.approved_by}" if event.approved_by else ""
    change = f" (change {event.change_id}{approved})" if event.change_id else approved
    return f"{event.operator} sets {what}{_until(event.expires_ns)}{change}{_because(event.reason)}"


def _declined(event: re.LimitDeclined) -> str:
    by = f" by {event.operator}" if event.operator else ""
    return f"change {event.change_id} declined{by}{_because(event.reason)}"


def _expired(event: re.LimitExpired) -> str:
    return f"{event.control.value} at {event.scope} held for a time and is {limit(event.limit)} again"


def _override_proposed(event: re.OverrideProposed) -> str:
    what = f"to override {event.control} at {event.scope}{_until(event.until_ns)}"
    return (
        f"{event.operator} proposes change {event.change_id}: {what}{_because(event.reason)}; a second person decides"
    )


def _granted(event: re.OverrideGranted) -> str:
    what = f"{event.control} at {event.scope}{_until(event.until_ns)}"
    change = f" (change {event.change_id}, approved by {event.approved_by})" if event.approved_by else ""
    return f"{event.operator} overrides {what}{change}{_because(event.reason)}"


def _ended(event: re.OverrideEnded) -> str:
    by = f"by {event.operator}" if event.operator else "by itself"
    return f"override of {event.control} at {event.scope} ended {by}{_because(event.reason)}"


def _stopped(event: re.TradingStopped) -> str:
    by = f"by {event.operator}" if event.operator else "by itself"
    orders = "working orders are canceled" if event.cancels else "working orders stay"
    passing = ", orders that reduce a position pass" if event.allow_reducing else ""
    person = "until a person resumes it" if event.needs_person else f"for a time{_until(event.until_ns)}"
    return (
        f"trading stopped at {event.scope} ({event.source}) {by}, {orders}{passing}, {person}{_because(event.reason)}"
    )


def _resumed(event: re.TradingResumed) -> str:
    by = f"by {event.operator}" if event.operator else "by itself"
    return f"trading resumed at {event.scope} ({event.source}) {by}{_because(event.reason)}"


def _mass_cancel_answered(event: re.MassCancelAnswered) -> str:
    count = "" if event.total_affected is None else f", {event.total_affected} orders affected"
    word = "accepts" if event.accepted else "refuses"
    return f"{event.venue} {word} mass cancel {event.venue_cl_ord_id}{count}{_because(event.text)}"


def _breach(event: re.BreachBegan) -> str:
    figures = f"{number(event.value)} against limit {number(event.limit)}"
    return f"{event.severity.value} breach of {event.control} at {event.scope}, {figures}{_because(event.text)}"


def _breach_ended(event: re.BreachEnded) -> str:
    where = f" in {event.symbol}" if event.symbol else ""
    return f"breach of {event.control}{where} at {event.scope} is over"


EVENTS: dict[type, Callable[[Any], str]] = {
    re.RiskConfigured: _configured,
    re.LimitProposed: _proposed,
    re.LimitChanged: _changed,
    re.LimitDeclined: _declined,
    re.LimitExpired: _expired,
    re.OverrideProposed: _override_proposed,
    re.OverrideGranted: _granted,
    re.OverrideEnded: _ended,
    re.MarksSet: lambda event: f"marks set: {_marks(event.marks, event.rates)}",
    re.RiskDayBegan: lambda event: f"risk day {event.day} began: profit and loss begin anew",
    re.TradingStopped: _stopped,
    re.TradingResumed: _resumed,
    re.StopCompleted: lambda event: f"nothing works any more at {event.scope} ({event.source})",
    re.MassCancelSent: lambda event: (
        f"everything canceled at {event.venue} by {event.venue_cl_ord_id}, for {event.scope}"
    ),
    re.MassCancelAnswered: _mass_cancel_answered,
    re.ClientAway: lambda event: f"the last stream of client {event.client_id} ended",
    re.ClientBack: lambda event: f"client {event.client_id} has a stream again",
    re.BreachBegan: _breach,
    re.BreachEnded: _breach_ended,
}
