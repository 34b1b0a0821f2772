"""Clients that went away: where it is configured, their orders are canceled after a grace."""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.core.events import Event
from gateway.core.order import Order
from gateway.core.risk import events as re
from gateway.core.risk import watch
from gateway.core.risk.commands import ClientPresence
from gateway.core.risk.setup import RiskSetup
from gateway.core.state import Settings, State

JUMP_NS = 1_000_000_000
"""As long as one turn of the clock: when it is set by less, what it measures stays as good as it was."""


def decide(state: State, fact: ClientPresence) -> list[Event]:
    """A client has its first stream, or its last one ended."""
    client_id, away = fact.client_id, fact.client_id in state.risk.away
    if fact.connected:
        return [re.ClientBack(client_id)] if away else []
    return [re.ClientAway(client_id)] if not away and _grace_ns(state.risk.setup, client_id) is not None else []


def process_started(state: State, settings: Settings) -> list[Event]:
    """No client has a stream yet. The configuration is the one that is in force from here on."""
    return [
        re.ClientAway(client_id)
        for client_id, working in state.working.items()
        if working and client_id not in state.risk.away and _grace_ns(settings.risk, client_id) is not None
    ]


def begin_anew(state: State, at_ns: int, jumped_ns: int) -> list[re.ClientAway]:
    """Absences whose length the wall clock does not tell any more: it was set back to before they began, or forward by
    `jumped_ns` when they were not over their grace. They wait it again, from now on: none is cut short.
    """
    forward_ns = jumped_ns if jumped_ns >= JUMP_NS else 0
    over = set(overdue(state, at_ns - forward_ns))
    return [
        re.ClientAway(client_id)
        for client_id, since_ns in state.risk.away.items()
        if at_ns < since_ns or (forward_ns and client_id not in over)
    ]


def overdue(state: State, at_ns: int) -> Iterator[str]:
    """Clients that are away for longer than their grace."""
    for client_id, since_ns in state.risk.away.items():
        grace_ns = _grace_ns(state.risk.setup, client_id)
        if grace_ns is not None and at_ns - since_ns >= grace_ns:
            yield client_id


def _grace_ns(setup: RiskSetup, client_id: str) -> int | None:
    client = setup.clients.get(client_id) or setup.clients.get("*")
    return client.cancel_on_disconnect_ns if client is not None else None


# --- Changing ---


def _away(state: State, event: re.ClientAway, at_ns: int) -> None:
    state.risk.away[event.client_id] = at_ns
    watch.refresh(state, f"client:{event.client_id}")


def _back(state: State, event: re.ClientBack, _: int) -> None:
    state.risk.away.pop(event.client_id, None)
    watch.refresh(state, f"client:{event.client_id}")


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {re.ClientAway: _away, re.ClientBack: _back}
