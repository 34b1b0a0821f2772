"""Limits while the gateway runs: what the configuration says, what operators change, and what ends by itself.

A limit that is raised where two people are needed is only proposed, until another operator approves it. A limit is
never taken away where nothing else would limit the same orders: they would all be refused, and to stop orders there is
the kill switch, which says so.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, assert_never

from gateway.core.events import Event
from gateway.core.money import LIMIT, MAX_DECIMALS, MAX_INTEGER_DIGITS, is_multiple
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import coverage, days, exposure, marks, overrides, proposals, scopes
from gateway.core.risk import events as re
from gateway.core.risk.commands import DecideChange, EndOverride, GrantOverride, SetLimit, SetMarks
from gateway.core.risk.controls import SPECS, Control, Unit
from gateway.core.risk.setup import Limit
from gateway.core.risk.state import Held, RiskState
from gateway.core.state import Settings, State
from gateway.core.types import Reason

MAX_SCOPES = 1_000
"""How many scopes may have limits of their own, beside those that the configuration names."""
MAX_MESSAGES, MAX_PER_S = 1_000_000, 86_400

_MAY_BE_ZERO = frozenset(
    {
        Control.DUPLICATE_WINDOW_S,
        Control.MAX_POSITION_QTY,
        Control.MAX_GROSS_NOTIONAL,
        Control.MAX_NET_NOTIONAL,
        Control.MAX_CORRELATED_EXPOSURE,
        Control.MAX_MARGIN,
    }
)
"""Where zero means something: no window, or nothing but orders that reduce."""
_WHOLE = (Unit.COUNT, Unit.COUNT_PER_S)
_WITH_AFTER = (Control.ORDER_TO_TRADE, Control.MAX_CONCENTRATION_PCT)


def configure(state: State, settings: Settings, at_ns: int) -> list[Event]:
    """The configuration is part of the journal whenever it says something else than before. While no process ran, what
    held for a time may have ended, which comes first: the configuration may say anew what is in force then. And the day
    may be another one.
    """
    configured = [re.RiskConfigured(settings.risk)] if settings.risk != state.risk.setup else []
    return [*_over(state.risk, at_ns), *configured, *days.began(settings.risk, state.risk.day, at_ns)]


def decide(
    state: State, command: SetLimit | DecideChange | GrantOverride | EndOverride | SetMarks, at_ns: int
) -> list[Event]:
    """What an operator changes.

    Raises:
        Refusal: it cannot be, or there is no reason for it.
    """
    match command:
        case SetLimit():
            return [_set_limit(state, command, at_ns)]
        case DecideChange():
            return [_decide_change(state, command, at_ns)]
        case GrantOverride():
            return [overrides.asked_for(state, command, at_ns)]
        case EndOverride():
            return [overrides.ended(state.risk, command)]
        case SetMarks():
            return [marks.checked(state.risk.setup, command)]
    assert_never(command)


# --- What operators ask for ---


def _set_limit(state: State, asked: SetLimit, at_ns: int) -> Event:
    risk = state.risk
    overrides.check_reason(asked.reason)
    _check_scope(state, asked.scope, asked.limit)
    control = _control(asked.control)
    _check_place(control, asked.scope)
    if asked.limit is not None:
        _check_unit(risk, control, asked.unit)
        _check_limit(control, asked.limit)
    _check_change(risk, asked.scope, control, asked.limit, asked.expires_ns, at_ns)
    if proposals.are_needed(risk, asked.scope) and _raises(risk, asked, control):
        return re.LimitProposed(
            proposals.next_id(risk),
            asked.scope,
            control,
            asked.limit,
            asked.operator,
            asked.reason,
            asked.expires_ns,
            _held_to(risk, asked.scope, control),
        )
    return re.LimitChanged(
        asked.scope,
        control,
        risk.limits.get(asked.scope, {}).get(control),
        asked.limit,
        asked.operator,
        asked.reason,
        asked.expires_ns,
    )


def _decide_change(state: State, asked: DecideChange, at_ns: int) -> Event:
    """A second person approves; anybody declines, also the one who proposed it."""
    overrides.check_reason(asked.reason)
    proposed = proposals.named(state.risk, asked.change_id)
    if not asked.approve:
        return re.LimitDeclined(asked.change_id, asked.operator, asked.reason)
    proposals.check_second(proposed, asked)
    if isinstance(proposed, re.OverrideProposed):
        return overrides.approved(state, proposed, asked, at_ns)
    return _approved(state, proposed, asked, at_ns)


def _approved(state: State, proposed: re.LimitProposed, asked: DecideChange, at_ns: int) -> Event:
    risk = state.risk
    _check_scope(state, proposed.scope, proposed.limit)
    if _held_to(risk, proposed.scope, proposed.control) != proposed.in_force:
        raise Refusal(
            Reason.CHANGE_OUTDATED,
            "change_id",
            f"the limit of {proposed.control} at {proposed.scope} has been changed since {proposed.operator} proposed"
            " this: decline it, and propose it anew",
        )
    _check_change(risk, proposed.scope, proposed.control, proposed.limit, proposed.expires_ns, at_ns)
    return re.LimitChanged(
        proposed.scope,
        proposed.control,
        risk.limits.get(proposed.scope, {}).get(proposed.control),
        proposed.limit,
        proposed.operator,
        proposals.reasons(proposed, asked),
        proposed.expires_ns,
        proposed.change_id,
        asked.operator,
    )


# --- Saying no ---


def _check_scope(state: State, scope: str, limit: Limit | None) -> None:
    """What a scope that left the configuration still has can be taken away."""
    if limit is not None or scope not in state.risk.limits:
        overrides.check_scope(state, scope)


def _control(name: str) -> Control:
    if name in SPECS:
        return Control(name)
    there = scopes.similar(name, list(Control))
    raise Refusal(Reason.CONTROL_UNKNOWN, "control", f"{name!r} is no control; there is {there}")


def _check_place(control: Control, scope: str) -> None:
    if SPECS[control].tree_only and scopes.level_of(scope) in ("client", "venue"):
        raise Refusal(
            Reason.FIELD_INVALID,
            "scope",
            f"{control} is about profit, which {scopes.level_of(scope)}s have none of; set it at the firm, a desk, an"
            " account, a strategy, an asset class or an instrument",
        )


def unit_of(control: Control, currency: str) -> str:
    """The unit of a control's limits as operators write it: money is in the risk currency, by its code."""
    unit = SPECS[control].unit
    return currency if unit is Unit.MONEY else str(unit)


def _check_unit(risk: RiskState, control: Control, unit: str) -> None:
    right = unit_of(control, risk.setup.currency)
    if unit != right:
        raise Refusal(Reason.FIELD_INVALID, "unit", f"{unit!r} is not the unit of {control}, which is {right!r}")


def _check_limit(control: Control, limit: Limit) -> None:
    _check_number("limit.value", limit.value)
    _check_number("limit.after", limit.after)
    if not limit.value and control not in _MAY_BE_ZERO:
        raise Refusal(
            Reason.FIELD_INVALID, "limit.value", f"{control} has to be above 0; to stop all orders use the kill switch"
        )
    if SPECS[control].unit in _WHOLE and not is_multiple(limit.value, Decimal(1)):
        raise Refusal(Reason.FIELD_INVALID, "limit.value", f"{limit.value} is no whole number; {control} counts")
    if limit.after and control not in _WITH_AFTER:
        raise Refusal(Reason.FIELD_NOT_ALLOWED, "limit.after", f"{control} counts from the first")
    if control is not Control.MESSAGE_RATE:
        if limit.per_s:
            raise Refusal(Reason.FIELD_NOT_ALLOWED, "limit.per_s", f"{control} is no rate")
        return
    if not 1 <= limit.per_s <= MAX_PER_S:
        raise Refusal(
            Reason.FIELD_INVALID, "limit.per_s", f"a rate needs its window, 1 to {MAX_PER_S} s, not {limit.per_s}"
        )
    if limit.value > MAX_MESSAGES:
        raise Refusal(Reason.FIELD_INVALID, "limit.value", f"{limit.value} is more than {MAX_MESSAGES} messages")


def _check_number(field: str, value: Decimal) -> None:
    """Not negative, and with no more digits than the gateway carries."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or value < 0:
        raise Refusal(Reason.FIELD_INVALID, field, f"{value} is not a number of at least 0")
    if value >= LIMIT or -exponent > MAX_DECIMALS:
        raise Refusal(
            Reason.FIELD_INVALID,
            field,
            f"{value} has more than {MAX_INTEGER_DIGITS} digits before or {MAX_DECIMALS} behind the point",
        )


def _check_change(
    risk: RiskState, scope: str, control: Control, limit: Limit | None, expires_ns: int | None, at_ns: int
) -> None:
    """Whether it can be now; asked again when a second person approves it."""
    if expires_ns is not None and expires_ns <= at_ns:
        raise Refusal(Reason.FIELD_INVALID, "expires_ns", "this time has passed")
    if limit is None:
        if expires_ns is not None:
            raise Refusal(Reason.FIELD_NOT_ALLOWED, "expires_ns", "a limit cannot be taken away for a time; raise it")
        _check_removal(risk, scope, control)
    elif scope not in risk.limits and len(risk.limits) >= MAX_SCOPES + len(risk.setup.limits):
        raise Refusal(Reason.TOO_MANY_REQUESTS, "scope", f"{MAX_SCOPES} more scopes than configured have limits")


def _check_removal(risk: RiskState, scope: str, control: Control) -> None:
    if control not in risk.limits.get(scope, {}):
        raise Refusal(Reason.FIELD_INVALID, "limit", f"{scope} has no limit of {control} of its own")
    lasting = {
        each: {name for name in limits if _own_lasting(risk, each, name) is not None}
        for each, limits in risk.limits.items()
    }
    before = _gaps(risk, lasting, control)
    lasting[scope].discard(control)
    after = _gaps(risk, lasting, control)
    if sum(gap.ways for gap in after) > sum(gap.ways for gap in before):
        raise Refusal(
            Reason.RISK_LIMIT_MISSING,
            "limit",
            f"without it no lasting limit of {control} would apply to {after[0].way}, and its orders would be refused;"
            " set another one first, or use the kill switch",
        )


def _gaps(risk: RiskState, lasting: dict[str, set[Control]], control: Control) -> list[coverage.Gap]:
    setup = risk.setup
    taking = [symbol for symbol, instrument in setup.instruments.items() if not instrument.dropped]
    markets = [(symbol, venue) for symbol in taking for venue in setup.venues]
    only = {scope: controls & {control} for scope, controls in lasting.items()}
    return [gap for gap in coverage.gaps(setup, only, markets) if control in gap.controls]


# --- What is more than before ---


def _raises(risk: RiskState, asked: SetLimit, control: Control) -> bool:
    """Whether more may pass than now, or than when what holds for a time is over. A limit of all of a level counts
    where a scope has none of its own.
    """
    scope, limit = asked.scope, asked.limit
    default = scopes.default_of(scope)
    if limit is None and default != scope:
        limit = _own_lasting(risk, default, control)
    if loosens(control, _held_to(risk, scope, control), limit):
        return True
    held = risk.temporary.get(scope, {}).get(control)
    if held is not None and asked.expires_ns is not None and asked.expires_ns <= held.until_ns:
        return False
    lasting = _own_lasting(risk, scope, control) or _own_lasting(risk, default, control)
    return loosens(control, lasting, limit)


def _held_to(risk: RiskState, scope: str, control: Control) -> Limit | None:
    """The limit in force at a scope: its own, or that of all of its level."""
    return _own(risk, scope, control) or _own(risk, scopes.default_of(scope), control)


def _own(risk: RiskState, scope: str, control: Control) -> Limit | None:
    return risk.limits.get(scope, {}).get(control)


def _own_lasting(risk: RiskState, scope: str, control: Control) -> Limit | None:
    """The scope's own limit when what holds for a time is over."""
    held = risk.temporary.get(scope, {}).get(control)
    return held.before if held is not None else _own(risk, scope, control)


def loosens(control: Control, old: Limit | None, new: Limit | None) -> bool:
    """Whether something may pass under the new limit that could not under the old one; None limits nothing."""
    if old is None or new is None:
        return old is not None
    if control is Control.DUPLICATE_WINDOW_S:
        return new.value < old.value
    return new.value > old.value or new.after > old.after or new.per_s < old.per_s


# --- What ends by itself ---


def timer(state: State, at_ns: int) -> list[Event]:
    """What ends by itself, the day among it."""
    return [*days.began(state.risk.setup, state.risk.day, at_ns), *_over(state.risk, at_ns)]


def _over(risk: RiskState, at_ns: int) -> list[Event]:
    """Limits and overrides that held for a time, and proposals that nobody approved."""
    return [*_expired(risk, at_ns), *proposals.lapsed(risk, at_ns), *overrides.over(risk, at_ns)]


def _expired(risk: RiskState, at_ns: int) -> Iterable[Event]:
    return [
        re.LimitExpired(scope, control, held.before)
        for scope, temporary in risk.temporary.items()
        for control, held in temporary.items()
        if held.until_ns <= at_ns
    ]


# --- Changing ---


def _limit_changed(state: State, event: re.LimitChanged, _: int) -> None:
    risk = state.risk
    before = _own_lasting(risk, event.scope, event.control)
    _put(state, event.scope, event.control, event.limit)
    if event.expires_ns is not None:
        risk.temporary.setdefault(event.scope, {})[event.control] = Held(before, event.expires_ns)
    proposals.forget(risk, event.change_id)


def _limit_expired(state: State, event: re.LimitExpired, _: int) -> None:
    _put(state, event.scope, event.control, event.limit)


def _put(state: State, scope: str, control: Control, limit: Limit | None) -> None:
    """The scope's own limit, for good."""
    risk = state.risk
    risk.temporary.get(scope, {}).pop(control, None)
    if not risk.temporary.get(scope, True):
        del risk.temporary[scope]
    own = risk.limits.setdefault(scope, {})
    if limit is None:
        own.pop(control, None)
    else:
        own[control] = limit
    if not own:
        del risk.limits[scope]
    exposure.limits_changed(state)


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    re.LimitChanged: _limit_changed,
    re.LimitExpired: _limit_expired,
    **proposals.APPLY,
    **overrides.APPLY,
}
