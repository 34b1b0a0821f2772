"""The orders of a scope that are to be canceled: which they are, and which of them still need a cancel.

A scope is watched from the stop (or the client's going away) until it is resumed. The watch is kept by every event of
an order, so that nothing has to look for the orders again, and what comes back to life is found as well.
"""

from collections.abc import Callable, Iterable, Iterator

from gateway.core.events import Event
from gateway.core.order import PENDING, Order, Request, void
from gateway.core.reports import MassCancelReport
from gateway.core.risk import scopes
from gateway.core.risk.events import MassCancelAnswered
from gateway.core.risk.setup import RiskSetup
from gateway.core.risk.state import Stop, Watch
from gateway.core.state import State

DOUBTFUL_KEPT = 10
"""How many cancels that may be lost stay unanswered of an order that a stop takes back: the newest."""


def scopes_of(setup: RiskSetup, order: Order) -> list[str]:
    """Every scope that an order is in."""
    command = order.command
    found = [
        scopes.FIRM,
        *scopes.desks_above(setup, command.account),
        f"account:{command.account}",
        scopes.strategy(command.account, command.strategy),
        f"client:{command.client_id}",
        f"instrument:{command.symbol}",
        f"venue:{order.venue}",
        f"{scopes.ORDER}:{order.order_id}",
    ]
    instrument = setup.instruments.get(command.symbol)
    if instrument is not None:
        found.append(f"asset_class:{instrument.asset_class}")
    return found


def covers(setup: RiskSetup, scope: str) -> Callable[[Order], bool]:
    """Whether an order is in this scope, for looking through many. In what is no scope, such as a strategy without its
    account, no order is: of `scopes_of` none would be that one.
    """
    level, _, name = scope.partition(":")
    match level:
        case "firm" if scope == scopes.FIRM:
            return lambda _: True
        case "client":
            return lambda order: order.command.client_id == name
        case "venue":
            return lambda order: order.venue == name
        case "order":
            return lambda order: order.order_id == name
        case "strategy" if "/" in name:
            account, _, strategy = name.partition("/")
            return lambda order: order.command.strategy == strategy and order.command.account == account
        case "instrument" | "asset_class":
            symbols = {name} if level == "instrument" else _symbols(setup, name)
            return lambda order: order.command.symbol in symbols
    accounts = {name} if level == "account" else _accounts(setup, scope)
    return lambda order: order.command.account in accounts


def _symbols(setup: RiskSetup, asset_class: str) -> set[str]:
    return {symbol for symbol, instrument in setup.instruments.items() if instrument.asset_class == asset_class}


def _accounts(setup: RiskSetup, desk: str) -> set[str]:
    return {account for account in setup.accounts if desk in scopes.desks_above(setup, account)}


def watches_of(state: State, order: Order) -> Iterator[tuple[str, Watch]]:
    """The watches that an order is in, with their scopes; one may come twice."""
    risk = state.risk
    for scope in scopes_of(risk.setup, order):
        holding = [risk.stops[key].stopped for key in risk.stopped.get(scope, ())]
        for name in (scope, *[stopped.scope for stopped in holding if stopped.cancels]):
            watch = risk.watched.get(name)
            if watch is not None:
                yield name, watch


def _canceling(state: State, scope: str) -> list[Stop]:
    """The stops that take the orders of this scope back."""
    stops = [state.risk.stops[key] for key in state.risk.stopped.get(scope, ())]
    return [each for each in stops if each.stopped.scope == scope and each.stopped.cancels]


def is_watched(state: State, order: Order) -> bool:
    """Whether a stop takes this order back now."""
    return bool(state.risk.watched) and any(
        order.order_id in watch.waiting
        or order.order_id in watch.over
        or order.order_id in watch.owed.get(order.venue, ())
        for _, watch in watches_of(state, order)
    )


def is_settled(watch: Watch) -> bool:
    """Whether none of its orders may execute any more."""
    return not (watch.waiting or any(watch.owed.values()))


def unsettled(watch: Watch) -> int:
    """How many of its orders may still execute."""
    return sum(map(len, watch.owed.values())) + len(watch.waiting)


def _may_execute(order: Order) -> bool:
    """It works, or may do so again: by a replace without an answer, or because it is in doubt. Of an order that has
    nothing left a cancel without an answer changes nothing; one that the venue called pending may never get any.
    """
    first = order.first_request
    in_doubt = first is not None and first.in_doubt
    return order.working or in_doubt or any(order.requests[key].kind == "replace" for key in order.unanswered)


def last_cancel(order: Order) -> Request | None:
    """The newest cancel of an order."""
    for request in reversed(order.requests.values()):
        if request.kind == "cancel":
            return request
    return None


def mass_cancel_answered(report: MassCancelReport) -> Event:
    """What a venue says of a mass cancel."""
    text = " ".join(said for said in (report.reject_reason, report.text) if said)
    return MassCancelAnswered(report.venue, report.cl_ord_id, report.accepted, report.total_affected, text)


def mass_cancel_failed(state: State, venue: str, venue_cl_ord_id: str, text: str) -> list[Event]:
    """A venue rejected a mass cancel, or it was never sent: then no report answers it."""
    asked = any(venue in watch.mass_canceled for watch in state.risk.watched.values())
    return [MassCancelAnswered(venue, venue_cl_ord_id, accepted=False, text=text)] if asked else []


# --- Changing ---


def refresh(state: State, scope: str) -> None:
    """A stop or a client's absence began or ended: watch the scope as long as one of them needs it."""
    watched = state.risk.watched
    before = watched.pop(scope, None)
    stops = _canceling(state, scope)
    level, _, name = scope.partition(":")
    away = level == "client" and name in state.risk.away
    if not stops and not away:
        return
    made = watched[scope] = Watch(mass_canceled=before.mass_canceled if before is not None else {})
    if not away and all(each.stopped.allow_reducing for each in stops):
        made.until_order_no = max(each.last_order_no for each in stops)
    _fill(state, made, [scope, *[carried for each in stops for carried in each.carried]])
    for each in stops:
        each.completed = each.completed and is_settled(made)


def regroup(state: State, before: RiskSetup) -> None:
    """The configuration says something else about who belongs where. What was stopped stays stopped, with its scope,
    until a person resumes that.
    """
    risk = state.risk
    risk.stopped = {}
    for key, stop in risk.stops.items():
        scope = stop.stopped.scope
        stop.carried = tuple(sorted({*stop.carried, *_members(before, scope)} - _members(risk.setup, scope)))
        for each in (scope, *stop.carried):
            risk.stopped.setdefault(each, []).append(key)
    for scope in tuple(risk.watched):
        refresh(state, scope)


def _members(setup: RiskSetup, scope: str) -> set[str]:
    """The scopes that make up this one, where only the configuration says which they are."""
    level, _, name = scope.partition(":")
    if level == "desk":
        return {f"account:{account}" for account in _accounts(setup, scope)}
    return {f"instrument:{symbol}" for symbol in _symbols(setup, name)} if level == "asset_class" else set()


def held(state: State, key: str) -> None:
    """A stop is there."""
    state.risk.stopped.setdefault(state.risk.stops[key].stopped.scope, []).append(key)


def let_go(state: State, key: str, stop: Stop) -> None:
    """A stop is there no more."""
    stopped = state.risk.stopped
    for scope in (stop.stopped.scope, *stop.carried):
        stopped[scope].remove(key)
        if not stopped[scope]:
            del stopped[scope]


def _fill(state: State, watch: Watch, places: list[str]) -> None:
    within, orders = [covers(state.risk.setup, place) for place in places], state.orders
    for order_id in _open_orders(state):
        order = orders[order_id]
        if any(covering(order) for covering in within):
            _place(watch, order)


def _open_orders(state: State) -> Iterable[str]:
    """Those that can execute, and those of which a venue has not settled a request, in doubt or not."""
    found: dict[str, None] = {}
    for working in state.working.values():
        found.update(working)
    if len(found) + len(state.ended) < len(state.orders):
        found.update(dict.fromkeys([order_id for order_id in state.orders if order_id not in state.ended]))
    return found


def changed(state: State, order: Order) -> None:
    """An order changed: it may need a cancel now, or not any more."""
    for scope, watch in watches_of(state, order):
        if _place(watch, order):
            for stop in _canceling(state, scope):
                stop.completed = False


def _place(watch: Watch, order: Order) -> bool:
    """Keep the order where it belongs; whether it works, or may execute only now."""
    order_id, owed = order.order_id, watch.owed.setdefault(order.venue, {})
    was = order_id in owed or order_id in watch.waiting
    if watch.until_order_no is not None and number_of(order) > watch.until_order_no:
        return False
    owes = order.working and not _on_its_way(order)
    waits = not owes and _may_execute(order)
    over = not (owes or waits) and bool(order.unanswered)
    for places, belongs in ((owed, owes), (watch.waiting, waits), (watch.over, over)):
        if belongs:
            places.setdefault(order_id, None)
        else:
            places.pop(order_id, None)
    return order.working or (waits and not was)


def number_of(order: Order) -> int:
    """Which of all orders it is. The clock does not say which came first: it may have been set back in between."""
    return int(order.order_id.rpartition("O")[2])


def _on_its_way(order: Order) -> bool:
    """A cancel was sent, and nothing says that it may have been lost. One that the venue called pending may be: no
    answer to it has to come any more.
    """
    if not order.unanswered:
        return False
    asked = [order.requests[key] for key in order.unanswered]
    return any(request.kind == "cancel" and not _may_be_lost(request) for request in asked)


def _may_be_lost(request: Request) -> bool:
    return request.in_doubt or request.state == PENDING


def give_up_oldest(state: State, order: Order) -> list[Request]:
    """A stop asks again and again: of the cancels that may be lost only the newest are waited for. An answer to
    another one counts all the same.
    """
    asked = [order.requests[key] for key in order.unanswered]
    old = [request for request in asked if request.kind == "cancel" and _may_be_lost(request)][:-DOUBTFUL_KEPT]
    if not old or not is_watched(state, order):
        return []
    void(order, [request.venue_cl_ord_id for request in old])
    return old
