"""Overrides: a named person lets the orders of one scope pass one control, for a limited time (RTS 6 15(6))."""

from collections.abc import Callable
from typing import Any

from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import events as re
from gateway.core.risk import proposals, scopes
from gateway.core.risk.commands import DecideChange, EndOverride, GrantOverride
from gateway.core.risk.controls import Control
from gateway.core.risk.state import RiskState
from gateway.core.state import State
from gateway.core.types import Reason

MAX_OVERRIDES = 1_000
LONGEST_NS = 24 * 3_600 * 1_000_000_000
OTHERS = ("restricted", "short_sale", "crossed_mark", "self_match")
"""Controls without a number, which can be overridden like the others."""


def check_reason(reason: str) -> None:
    """Raises Refusal: a change of risk has a reason."""
    if not reason.strip():
        raise Refusal(Reason.FIELD_REQUIRED, "reason", "say why: it stays in the journal")


def check_scope(state: State, scope: str) -> None:
    """Raises Refusal: there is no such scope."""
    setup = state.risk.setup
    if scopes.is_known(setup, scope) or _has_traded(state, scope):
        return
    hint = scopes.hint(setup, scope)
    raise Refusal(Reason.SCOPE_UNKNOWN, "scope", f"{scope!r} is no scope; {hint}")


def _has_traded(state: State, scope: str) -> bool:
    """A strategy that has an order or a position, though nobody may trade for it any more."""
    level, _, name = scope.partition(":")
    account, slash, strategy = name.partition("/")
    if level != "strategy" or not slash or account not in state.risk.setup.accounts:
        return False
    return any((key.account, key.strategy) == (account, strategy) for key in state.positions) or any(
        (order.command.account, order.command.strategy) == (account, strategy) for order in state.orders.values()
    )


def asked_for(state: State, asked: GrantOverride, at_ns: int) -> Event:
    """The override, or where a second person has to approve it the proposal of it.

    Raises:
        Refusal: it cannot be, or there is no reason for it.
    """
    risk = state.risk
    check_reason(asked.reason)
    _check(state, asked.scope, asked.control, asked.until_ns, at_ns)
    if proposals.are_needed(risk, asked.scope) and not _shortens(risk, asked):
        return re.OverrideProposed(
            proposals.next_id(risk), asked.scope, asked.control, asked.until_ns, asked.operator, asked.reason
        )
    return re.OverrideGranted(asked.scope, asked.control, asked.until_ns, asked.operator, asked.reason)


def approved(state: State, proposed: re.OverrideProposed, asked: DecideChange, at_ns: int) -> Event:
    """The override that a second person has approved.

    Raises:
        Refusal: it cannot be any more.
    """
    _check(state, proposed.scope, proposed.control, proposed.until_ns, at_ns)
    return re.OverrideGranted(
        proposed.scope,
        proposed.control,
        proposed.until_ns,
        proposed.operator,
        proposals.reasons(proposed, asked),
        proposed.change_id,
        asked.operator,
    )


def _check(state: State, scope: str, control: str, until_ns: int, at_ns: int) -> None:
    """Whether it can be now; asked again when a second person approves it."""
    check_scope(state, scope)
    if scope.endswith(":*"):
        raise Refusal(Reason.SCOPE_UNKNOWN, "scope", f"{scope!r} is many; an override is for one scope by name")
    _check_control(control)
    if not at_ns < until_ns <= at_ns + LONGEST_NS:
        raise Refusal(Reason.FIELD_INVALID, "until_ns", "an override ends within the next 24 hours")
    there = state.risk.overrides
    if control not in there.get(scope, {}) and sum(map(len, there.values())) >= MAX_OVERRIDES:
        raise Refusal(Reason.TOO_MANY_REQUESTS, "", f"there are {MAX_OVERRIDES} overrides already; end some")


def _shortens(risk: RiskState, asked: GrantOverride) -> bool:
    """Nothing passes that would not pass anyway."""
    return asked.until_ns <= risk.overrides.get(asked.scope, {}).get(asked.control, 0)


def _check_control(name: str) -> None:
    names = [*Control, *OTHERS]
    if name not in names:
        there = scopes.similar(name, names)
        raise Refusal(Reason.CONTROL_UNKNOWN, "control", f"{name!r} is no control; there is {there}")


def ended(risk: RiskState, asked: EndOverride) -> Event:
    """The end of an override before its time.

    Raises:
        Refusal: there is none, or no reason to end it.
    """
    check_reason(asked.reason)
    if asked.control not in risk.overrides.get(asked.scope, {}):
        there = [f"{control} at {scope}" for scope, controls in risk.overrides.items() for control in controls]
        raise Refusal(
            Reason.CONTROL_UNKNOWN,
            "control",
            f"{asked.control!r} is not overridden at {asked.scope!r}; overridden: {', '.join(there[:20]) or 'nothing'}",
        )
    return re.OverrideEnded(asked.scope, asked.control, asked.operator, asked.reason)


def over(risk: RiskState, at_ns: int) -> list[Event]:
    """The overrides whose time is up."""
    return [
        re.OverrideEnded(scope, control)
        for scope, controls in risk.overrides.items()
        for control, until_ns in controls.items()
        if until_ns <= at_ns
    ]


def _override_granted(state: State, event: re.OverrideGranted, _: int) -> None:
    state.risk.overrides.setdefault(event.scope, {})[event.control] = event.until_ns
    proposals.forget(state.risk, event.change_id)


def _override_ended(state: State, event: re.OverrideEnded, _: int) -> None:
    overrides = state.risk.overrides
    controls = overrides.get(event.scope, {})
    controls.pop(event.control, None)
    if not controls:
        overrides.pop(event.scope, None)


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    re.OverrideGranted: _override_granted,
    re.OverrideEnded: _override_ended,
}
