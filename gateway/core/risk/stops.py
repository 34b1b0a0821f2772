"""Stops: the kill switch, and the cancels that every stop owes until it is proven that nothing works any more.

A stop is latched: it is part of the state, and only a person (or, where the rule allows it, a breaker's cool-down) ends
it. That no new order passes is `checks`; which orders are left is `watch`. All of it is about our own orders: external
ones, which the gateway did not send, count in no exposure and are canceled at the venue.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from gateway.core import events as ev
from gateway.core import lost, retention, sessions
from gateway.core.commands import CancelOrder
from gateway.core.events import Event, Record
from gateway.core.order import PENDING, Order, Request
from gateway.core.refusal import Refusal
from gateway.core.risk import breaches, breakers, presence, scopes, watch
from gateway.core.risk import events as re
from gateway.core.risk.commands import ResumeTrading, StopTrading
from gateway.core.risk.state import Stop, Watch
from gateway.core.state import Settings, State
from gateway.core.types import Reason

KILL = "kill"
"""The source of a stop by a person."""
CANCELS_AT_ONCE = 1_000
"""How many cancels one input gives at most: venues and clients have to be heard in between."""
RETRY_NS = 1_000_000_000
"""How long an order that was not canceled waits for the next cancel, at least."""
PATIENT_AFTER, MOST_PATIENT = 5, 60
"""After so many cancels in a row each waits longer than the one before, up to so many times as long."""
DOUBT_NS = 10_000_000_000
"""How long a cancel may be in doubt: the venue was asked, and its answer did not settle it."""
PENDING_NS = 30_000_000_000
"""How long a venue may call a cancel pending, on the session on which it was sent."""
SILENCE_NS = 5_000_000_000
"""How long a mass cancel waits for its effect, at a venue without a limit of its own."""
MOST_STOPS = 10_000
"""With so many no more orders, strategies and other names that the configuration does not have are stopped one by one:
what has them can be.
"""


# --- A person's commands ---


def decide(state: State, command: StopTrading | ResumeTrading) -> list[Event]:
    """A person stops a scope, or resumes it. A stop that is there already is never made weaker by another: its cancels
    go on.

    Raises:
        Refusal: the scope is unknown or not stopped, there is no reason, or there are too many stops.
    """
    if not command.reason.strip():
        raise Refusal(Reason.FIELD_REQUIRED, "reason", "say why: it stays in the journal")
    if isinstance(command, ResumeTrading):
        return [_resumed(state, command)]
    before = state.risk.stops.get(_key(command.scope, KILL))
    if before is None and not _is_known(state, command.scope):
        hint = scopes.hint(state.risk.setup, command.scope, (*scopes.LEVELS[1:], scopes.ORDER))
        raise Refusal(Reason.SCOPE_UNKNOWN, "scope", f"{command.scope!r} is no scope that can be stopped; {hint}")
    if before is None:
        _check_number(state, command.scope)
    cancels = command.cancels or (before is not None and before.stopped.cancels)
    return [
        re.TradingStopped(
            command.scope,
            KILL,
            command.reason,
            command.operator,
            cancels=cancels,
            allow_reducing=command.allow_reducing and (before is None or before.stopped.allow_reducing),
        )
    ]


def _is_known(state: State, scope: str) -> bool:
    """It is configured, or it has orders or a position: not everything that may trade is configured by name."""
    level, _, name = scope.partition(":")
    if level == scopes.ORDER:
        return name in state.orders
    if name == "*" or (not name and scope != scopes.FIRM):
        return False
    return scopes.is_known(state.risk.setup, scope) or _has_traded(state, scope)


def _has_traded(state: State, scope: str) -> bool:
    positions = state.positions.values()
    return (
        scope in state.risk.held
        or any(scope in (f"account:{each.account}", scopes.strategy(each.account, each.strategy)) for each in positions)
        or any(map(watch.covers(state.risk.setup, scope), state.orders.values()))
    )


def _check_number(state: State, scope: str) -> None:
    """There is always room for what the configuration names, above all for the firm."""
    level, _, name = scope.partition(":")
    number = len(state.risk.stops)
    if number < MOST_STOPS or scope == scopes.FIRM or name in scopes.names(state.risk.setup, level):
        return
    raise Refusal(
        Reason.TOO_MANY_REQUESTS,
        "scope",
        f"{number:,} stops are there; resume some, or stop what has {scope}: its account, its desk or {scopes.FIRM}",
    )


def _resumed(state: State, command: ResumeTrading) -> Event:
    if _key(command.scope, command.source) not in state.risk.stops:
        stopped = [f"{each.stopped.scope} ({each.stopped.source})" for each in state.risk.stops.values()]
        there_are = f"stopped are {', '.join(stopped[:20])}" if stopped else "nothing is stopped"
        raise Refusal(
            Reason.NOT_STOPPED, "scope", f"{command.scope!r} is not stopped by {command.source!r}; {there_are}"
        )
    return re.TradingResumed(command.scope, command.source, command.reason, command.operator)


def _key(scope: str, source: str) -> str:
    return f"{scope}|{source}"


# --- What is owed ---


def session_up(state: State, settings: Settings, venue: str, at_ns: int) -> list[Event]:
    """The cancels that stops still owe this venue: they go out before anything else."""
    return _cancels(state, settings, _sweeping(state, at_ns), at_ns, venue) if state.risk.watched else []


def timer(state: State, settings: Settings, at_ns: int, jumped_ns: int) -> list[Event]:
    """Absences that begin anew, cancels that are still owed, breakers and breaches."""
    anew = presence.begin_anew(state, at_ns, jumped_ns)
    waiting = [event.client_id for event in anew]
    owed = _cancels(state, settings, _sweeping(state, at_ns, waiting), at_ns) if state.risk.watched else []
    set_by_ns = jumped_ns if abs(jumped_ns) >= presence.JUMP_NS else 0
    return [*anew, *owed, *_completed(state), *breakers.timer(state, at_ns, set_by_ns), *breaches.timer(state, at_ns)]


def due(state: State, settings: Settings, at_ns: int) -> bool:
    """Whether the clock's next turn would send a cancel: then it should come soon."""
    if not state.risk.watched:
        return False
    return next(_owed(state, settings, _sweeping(state, at_ns), at_ns), None) is not None


def follow(state: State, settings: Settings, records: tuple[Record, ...], at_ns: int) -> Iterator[Event]:
    """What the events of an input trip at once, the first cancels of a stop, and those that a mass cancel was to spare.
    Each event is applied before the next one is asked for.
    """
    stopped = [record.event for record in records if type(record.event) is re.TradingStopped]
    if state.risk.setup.breakers:
        for event in breakers.tripped(state, records, at_ns):
            stopped.append(event)
            yield event
    named = {event.scope for event in stopped}
    if state.risk.watched:
        named |= _left_to_single_cancels(state, records)
    if named:
        sweeping = {scope: name for scope, name in _sweeping(state, at_ns).items() if scope in named}
        yield from _cancels(state, settings, sweeping, at_ns)
        yield from _completed(state)


def _left_to_single_cancels(state: State, records: tuple[Record, ...]) -> set[str]:
    """The scopes whose mass cancel came to nothing by these events."""
    venues = [
        record.event.venue
        for record in records
        if type(record.event) is re.MassCancelAnswered and not record.event.accepted
    ]
    return {
        scope
        for scope, watched in state.risk.watched.items()
        if any(watched.mass_canceled.get(venue) == 0 for venue in venues)
    }


def _sweeping(state: State, at_ns: int, waiting: Collection[str] = ()) -> dict[str, str]:
    """The scopes whose orders are canceled now, with what the ClOrdIDs of their cancels begin with. The grace of the
    clients that are `waiting` is not over.
    """
    away = [client_id for client_id in presence.overdue(state, at_ns) if client_id not in waiting]
    found = {f"client:{client_id}": "AWAY" for client_id in away}
    for stop in state.risk.stops.values():
        if stop.stopped.cancels:
            found[stop.stopped.scope] = f"STOP{stop.number}"
    return found


def _completed(state: State) -> list[Event]:
    watched = state.risk.watched
    return [
        re.StopCompleted(stop.stopped.scope, stop.stopped.source)
        for stop in state.risk.stops.values()
        if stop.stopped.cancels and not stop.completed and watch.is_settled(watched[stop.stopped.scope])
    ]


def _cancels(
    state: State, settings: Settings, sweeping: dict[str, str], at_ns: int, logged_on: str = ""
) -> list[Event]:
    """What is owed now, within the bound; all of it decided before any of it is applied."""
    events: list[Event] = []
    for scope, venue, order in _owed(state, settings, sweeping, at_ns, logged_on):
        number = state.last_request_no + len(events) + 1
        key = sessions.request_id(state, len(events) + 1)
        if order is None:
            events.append(re.MassCancelSent(venue, key, scope))
        else:
            events.append(_cancel_of(state, order, f"{sweeping[scope]}.{number}", key))
        if len(events) == CANCELS_AT_ONCE:
            break
    return events


def _cancel_of(state: State, order: Order, name: str, key: str) -> Event:
    client_id = order.command.client_id
    while retention.is_spent(state, client_id, name):  # Only when the client itself made such a name up.
        name = f"{name}.1"
    command = CancelOrder(client_id, name, order.cl_ord_id)
    return ev.CancelRequested(order.order_id, order.venue, name, key, lost.orig_of_cancel(state, order), command)


def _owed(
    state: State, settings: Settings, sweeping: Iterable[str], at_ns: int, logged_on: str = ""
) -> Iterator[tuple[str, str, Order | None]]:
    """Scope, venue and order of each cancel that can go now, once for each order; no order: the venue's mass cancel.

    `logged_on` is the venue whose session has just come up, and no other is meant then.
    """
    given: set[str] = set()
    for scope in sweeping:
        watched = state.risk.watched[scope]
        for venue, owed in watched.owed.items():
            if not owed or (venue != logged_on if logged_on else not state.session(venue).up):
                continue
            if _takes_mass_cancel(state, scope, venue):
                if venue not in watched.mass_canceled and _means_all(state, watched):
                    yield scope, venue, None
                    continue
                if not logged_on and _mass_cancel_may_work(settings, watched, venue, at_ns):
                    continue
            for order_id in owed:
                order = state.orders[order_id]
                if order_id not in given and _may_go(state, order, at_ns, bool(logged_on)):
                    given.add(order_id)
                    yield scope, venue, order


def _takes_mass_cancel(state: State, scope: str, venue: str) -> bool:
    """Only where everything that we have at the venue is meant: a mass cancel knows no accounts of ours."""
    config = state.risk.setup.venues.get(venue)
    return config is not None and config.mass_cancel and scope in (scopes.FIRM, f"venue:{venue}")


def _means_all(state: State, watched: Watch) -> bool:
    """Not once there may be orders that came after a stop which lets them pass."""
    return watched.until_order_no is None or state.last_order_no == watched.until_order_no


def _mass_cancel_may_work(settings: Settings, watched: Watch, venue: str, at_ns: int) -> bool:
    return abs(at_ns - watched.mass_canceled.get(venue, 0)) < settings.ack_timeout_ns.get(venue, SILENCE_NS)


def _may_go(state: State, order: Order, at_ns: int, logged_on: bool) -> bool:
    """A cancel in doubt waits for what the venue says when it is asked, and is sent again when that settles nothing.
    However many came before it: no number of them ends this.
    """
    last = watch.last_cancel(order)
    if last is None:
        return True
    age_ns = abs(at_ns - last.sent_ns)
    if age_ns < _least_ns(state, order, last) or (logged_on and last.in_doubt):
        return False
    return age_ns >= RETRY_NS * _patience(order)


def _least_ns(state: State, order: Order, last: Request) -> int:
    """How long nobody can say what became of a cancel."""
    if last.in_doubt:
        return DOUBT_NS
    if last.state != PENDING:
        return RETRY_NS
    return PENDING_NS if last.logon == state.session(order.venue).logons else DOUBT_NS


def _patience(order: Order) -> int:
    in_a_row = 0
    for request in reversed(order.requests.values()):
        if request.kind != "cancel" or in_a_row == PATIENT_AFTER + MOST_PATIENT:
            break
        in_a_row += 1
    return max(1, in_a_row - PATIENT_AFTER)


# --- Changing ---


def _trading_stopped(state: State, event: re.TradingStopped, at_ns: int) -> None:
    stops, key = state.risk.stops, _key(event.scope, event.source)
    known = stops.get(key)
    if known is None:
        state.risk.last_stop_no += 1
        stops[key] = Stop(event, at_ns, state.risk.last_stop_no, state.last_order_no)
        watch.held(state, key)
    else:
        known.stopped = event
        if event.source == KILL:  # A breaker's is told again when the clock was set.
            known.last_order_no = state.last_order_no
    watch.refresh(state, event.scope)


def _trading_resumed(state: State, event: re.TradingResumed, _: int) -> None:
    key = _key(event.scope, event.source)
    stop = state.risk.stops.pop(key, None)
    if stop is not None:
        watch.let_go(state, key, stop)
    watch.refresh(state, event.scope)
    if event.operator:
        breakers.begin_anew(state, event.source, event.scope)


def _stop_completed(state: State, event: re.StopCompleted, _: int) -> None:
    state.risk.stops[_key(event.scope, event.source)].completed = True


def _mass_cancel_sent(state: State, event: re.MassCancelSent, at_ns: int) -> None:
    state.last_request_no += 1
    sessions.sent(state, event.venue)
    state.risk.watched[event.scope].mass_canceled[event.venue] = at_ns


def _mass_cancel_answered(state: State, event: re.MassCancelAnswered, _: int) -> None:
    """Of a mass cancel that was refused no effect is waited for."""
    for watched in state.risk.watched.values():
        if not event.accepted and event.venue in watched.mass_canceled:
            watched.mass_canceled[event.venue] = 0


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    re.TradingStopped: _trading_stopped,
    re.TradingResumed: _trading_resumed,
    re.StopCompleted: _stop_completed,
    re.MassCancelSent: _mass_cancel_sent,
    re.MassCancelAnswered: _mass_cancel_answered,
    **presence.APPLY,
    **breaches.APPLY,
}
