"""Changes that wait for a second person: limits and overrides at the levels that the configuration names."""

from collections.abc import Callable
from typing import Any

from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import events as re
from gateway.core.risk import scopes
from gateway.core.risk.commands import DecideChange
from gateway.core.risk.state import RiskState
from gateway.core.state import State
from gateway.core.types import Reason

MAX_PROPOSALS = 1_000
PROPOSAL_NS = 3_600 * 1_000_000_000
"""How long a proposed change waits for a second person."""

Proposal = re.LimitProposed | re.OverrideProposed


def are_needed(risk: RiskState, scope: str) -> bool:
    """Whether it takes two people to let more pass at this scope."""
    return scopes.level_of(scope) in risk.setup.approvals


def next_id(risk: RiskState) -> str:
    """The id of one more proposal.

    Raises:
        Refusal: too many wait already.
    """
    if len(risk.proposals) >= MAX_PROPOSALS:
        raise Refusal(Reason.TOO_MANY_REQUESTS, "", f"{MAX_PROPOSALS} changes wait for a second person already")
    return f"L{risk.last_change_no + 1}"


def named(risk: RiskState, change_id: str) -> Proposal:
    """The proposal with this id.

    Raises:
        Refusal: there is none.
    """
    proposed = risk.proposals.get(change_id)
    if proposed is None:
        there_are = ", ".join(list(risk.proposals)[:20]) or "none"
        raise Refusal(
            Reason.CHANGE_UNKNOWN, "change_id", f"no change {change_id!r} is proposed; proposed are: {there_are}"
        )
    return proposed


def check_second(proposed: Proposal, asked: DecideChange) -> None:
    """Raises Refusal: who approves it is who proposed it."""
    if asked.operator == proposed.operator:
        raise Refusal(
            Reason.SECOND_PERSON_NEEDED,
            "change_id",
            f"{asked.operator} proposed it; another operator has to approve it",
        )


def reasons(proposed: Proposal, asked: DecideChange) -> str:
    """What both people said, for the journal."""
    return f"{proposed.reason}; {asked.operator}: {asked.reason}"


def lapsed(risk: RiskState, at_ns: int) -> list[Event]:
    """Those that nobody approved in time."""
    return [
        re.LimitDeclined(change_id, "", "nobody approved it in time")
        for change_id, since_ns in risk.proposed_ns.items()
        if at_ns - since_ns >= PROPOSAL_NS
    ]


def forget(risk: RiskState, change_id: str) -> None:
    """It has been decided."""
    risk.proposals.pop(change_id, None)
    risk.proposed_ns.pop(change_id, None)


def _proposed(state: State, event: Proposal, at_ns: int) -> None:
    state.risk.last_change_no += 1
    state.risk.proposals[event.change_id] = event
    state.risk.proposed_ns[event.change_id] = at_ns


def _declined(state: State, event: re.LimitDeclined, _: int) -> None:
    forget(state.risk, event.change_id)


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    re.LimitProposed: _proposed,
    re.OverrideProposed: _proposed,
    re.LimitDeclined: _declined,
}
