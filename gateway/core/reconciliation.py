"""Reconciliation: at every logon, periodically and on demand, our orders are compared with the venue's.

A *run* asks the venue how it sees our orders: with one mass question, or one by one. Absence from a mass answer is no
evidence (a venue may list open orders only, or some of them): what it left out is asked singly. While a venue has not
answered, it takes no new orders. What differs is an item (see gateway.core.differences).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.core import differences, drop_copy, items, lost, sessions
from gateway.core import events as ev
from gateway.core.commands import CancelOrder, OpenOrderEntry, ReconcileVenue, ReplaceOrder, ResolveItem, SubmitOrder
from gateway.core.events import Event, Input, Record
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.reports import (
    DropCopied,
    ExecutionReport,
    MessageRejected,
    OutOfReach,
    ProcessStarted,
    SessionDown,
    SessionUp,
    TimerFired,
)
from gateway.core.state import ExternalOrder, LastRun, Run, Settings, State
from gateway.core.types import ExecType, ItemKind, Reason
from gateway.core.venue_reports import ENDED_STATUS, MAX_EXTERNAL, says_no_orders

MASS_STATUS = "AF"
_ALL_IN_DOUBT = "the session is up, and what was lost with another is in doubt"
_SELDOM_FOLLOWED = frozenset({SubmitOrder, ReplaceOrder, CancelOrder, ExecutionReport})
"""Only when an item is open or may be raised, or a comparison waits for the report."""


# --- An operator's commands ---


def decide(
    state: State, settings: Settings, command: ReconcileVenue | OpenOrderEntry | ResolveItem, at_ns: int
) -> list[Event]:
    """The events of an operator's command about reconciliation.

    Raises:
        Refusal: there is no such venue or item, the session is down, or a comparison is under way already.
    """
    match command:
        case ReconcileVenue():
            _check_venue(state, settings.reconcile, command.venue)
            if (run := state.runs.get(command.venue)) is not None:
                raise Refusal(
                    Reason.TOO_MANY_REQUESTS, "venue", f"{_under_way(run, at_ns)}; ask again when it has ended"
                )
            lost.check_none_left(state, command.venue, "venue")
            return [_started(state, settings, command.venue, f"asked by {command.operator}: {command.reason}")]
        case OpenOrderEntry():
            _check_venue(state, settings.venues, command.venue)
            return [ev.OrderEntryOpened(command.venue, command.operator, command.reason)]
        case ResolveItem():
            item = state.items.get(command.item_id)
            if item is None:
                raise Refusal(Reason.ITEM_UNKNOWN, "item_id", f"no open item is called {command.item_id!r}")
            return [ev.ItemResolved(command.item_id, item.raised.venue, command.reason, command.operator)]


def _check_venue(state: State, known: dict[str, Any] | tuple[str, ...], venue: str) -> None:
    if venue not in known:
        there_are = f"there are {', '.join(known)}" if known else "no venue is compared"
        raise Refusal(Reason.VENUE_UNKNOWN, "venue", f"{venue!r} is not a venue that can be named here; {there_are}")
    if not state.session(venue).up:
        raise Refusal(Reason.SESSION_DOWN, "venue", f"the FIX session to {venue} is not logged on")


def check_order_entry(state: State, settings: Settings, venue: str, at_ns: int) -> None:
    """New orders and new terms wait until the venue has said how it sees the orders that it has.

    Raises:
        Refusal: it has not.
    """
    if state.lost:
        lost.check_none_left(state, venue)
    if venue not in settings.reconcile or state.session(venue).reconciled:
        return
    run, last = state.runs.get(venue), state.last_runs.get(venue)
    why = "it has not been compared since it logged on"
    if run is not None:
        why = _under_way(run, at_ns)
    elif last is not None:
        why = f"the comparison that ended at {_utc(last.ended_ns)} failed: {last.text}"
    raise Refusal(
        Reason.SESSION_NOT_RECONCILED,
        "",
        f"{venue} is not reconciled: {why}. Nothing was sent; cancels pass. Try again when it is reconciled, or have "
        "an operator open order entry",
    )


def _under_way(run: Run, at_ns: int) -> str:
    seconds = (at_ns - run.started_ns) // 1_000_000_000
    return f"comparison {run.run} began {seconds} s ago and waits for {len(run.awaited)} of {run.total} orders"


def _utc(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


# --- What an input makes necessary besides its own events ---


def may_follow(state: State, settings: Settings, body: object, records: Sequence[Record]) -> bool:
    """Whether `follow` can give anything: not of most reports of orders and not of most commands."""
    if not (settings.reconcile or settings.drop_copies or state.items or state.runs):
        return type(body) is OutOfReach
    if state.items or type(body) not in _SELDOM_FOLLOWED or (state.runs and type(body) is ExecutionReport):
        return True
    return any(type(record.event) in differences.RAISING for record in records)


def follow(state: State, settings: Settings, given: Input, records: tuple[Record, ...]) -> Iterator[Event]:
    """What the events of an input (`records`) lead to: items, questions, the begin and end of comparisons.

    Each event is applied before the next one is asked for, so every decision sees what the one before made of the
    state. Changes nothing itself.
    """
    body: object = given.body
    if isinstance(body, OutOfReach):
        yield from differences.waiting(state, body, records[0].seq)
        body, records = None if body.session else body.report, ()  # A run goes on without it.
    for record in records:
        if state.items or type(record.event) in differences.RAISING:
            yield from differences.of(state, settings, record.event, body)
    match body:
        case ExecutionReport() | MessageRejected():
            if state.runs:
                yield from _answered(state, settings, body)
        case DropCopied():
            yield from drop_copy.overflow(state, settings, body)
        case SessionUp():
            yield from _logged_on(state, settings, body)
        case SessionDown():
            yield from _abandon(state, body.venue, "the session went down")
        case ProcessStarted():
            for venue in tuple(state.runs):
                yield from _abandon(state, venue, "the process ended")
        case ReconcileVenue() if isinstance(records[0].event, ev.ReconciliationStarted):
            yield from _begun(state, settings, body.venue)
        case TimerFired():
            yield from _due(state, settings, given.at_ns)
            yield from drop_copy.due(state, settings, given.at_ns)
            for venue in tuple(state.runs):
                yield from _advance(state, settings, venue)  # The drop copy may have told what was asked.
        case ResolveItem():
            for venue in tuple(state.runs):
                yield from _advance(state, settings, venue)


def _logged_on(state: State, settings: Settings, fact: SessionUp) -> Iterator[Event]:
    yield from _abandon(state, fact.venue, "the session was logged on again")
    if fact.venue in settings.reconcile and fact.venue not in state.lost:
        yield from _start(state, settings, fact.venue, "the session is up")


def _due(state: State, settings: Settings, at_ns: int) -> Iterator[Event]:
    """A venue that is silent too long has not answered; one that is due is asked again, sooner after a failure."""
    for venue, config in settings.reconcile.items():
        run, last = state.runs.get(venue), state.last_runs.get(venue)
        if run is not None:
            if abs(at_ns - run.heard_ns) >= config.timeout_ns:  # Also when the clock was set back by more than that.
                yield from _not_answered(state, venue, run, config.timeout_ns)
        elif state.session(venue).up and venue not in state.lost:
            wait_ns = config.every_ns if last is not None and last.complete else config.timeout_ns
            if last is None or last.logons != state.session(venue).logons:
                yield from _start(state, settings, venue, _ALL_IN_DOUBT)
            elif abs(at_ns - last.ended_ns) >= wait_ns:
                yield from _start(state, settings, venue, "it is time again")


# --- A run from its start to its end ---


def _start(state: State, settings: Settings, venue: str, why: str) -> Iterator[Event]:
    yield _started(state, settings, venue, why)
    yield from _begun(state, settings, venue)


def _started(state: State, settings: Settings, venue: str, why: str) -> Event:
    """A venue that left the mass question without an answer may not know it: then it is asked one by one, and when that
    fails as well, in the other way again.
    """
    run, orders, last = state.last_run_no + 1, len(_compared(state, venue)), state.last_runs.get(venue)
    unknown = last is not None and not last.complete and last.how == "mass"
    if settings.reconcile[venue].mass and not unknown:
        return ev.ReconciliationStarted(venue, run, "mass", why, orders, f"{state.id_prefix}M{run}")
    return ev.ReconciliationStarted(venue, run, "each", why, orders)


def _begun(state: State, settings: Settings, venue: str) -> Iterator[Event]:
    yield from differences.disputes(state, venue)
    yield from _advance(state, settings, venue)


def _answered(state: State, settings: Settings, body: ExecutionReport | MessageRejected) -> Iterator[Event]:
    run = state.runs.get(body.venue)
    if run is None:
        return
    if run.how == "mass":
        asked = run.mass_status_req_id
        if isinstance(body, MessageRejected):
            if body.ref_msg_type == MASS_STATUS or asked == body.ref_cl_ord_id:
                yield _one_by_one(
                    body.venue, run, f"the venue refused the mass question: {body.text or 'no reason'}", ""
                )
        elif body.mass_status_req_id == asked and _is_last(state, run, body):
            if not run.awaited:
                yield from _complete(state, body.venue, run)
                return
            yield _one_by_one(body.venue, run, f"the venue's answer named {run.compared} of {run.total} orders", asked)
    yield from _advance(state, settings, body.venue)


def _is_last(state: State, run: Run, report: ExecutionReport) -> bool:
    told = report.tot_num_reports
    return report.last_rpt_requested or (told is not None and run.replies >= told) or says_no_orders(state, report)


def _one_by_one(venue: str, run: Run, why: str, answered: str) -> Event:
    """What a mass answer did not name is asked singly; without `answered` there was none."""
    return ev.ReconciliationStarted(venue, run.run, "each", why, len(run.awaited), answered)


def _advance(state: State, settings: Settings, venue: str) -> Iterator[Event]:
    """Ask the next questions, or end the run when every answer is there."""
    run = state.runs.get(venue)
    if run is None or run.how == "mass":
        return
    if not run.awaited:
        yield from _complete(state, venue, run)
        return
    window = settings.reconcile[venue].window if venue in settings.reconcile else 1
    while run.queue and run.asked < window:
        order = state.orders[run.queue[-1]]
        yield ev.StatusRequested(order.order_id, venue, order.venue_cl_ord_id, f"comparison {run.run}")


def _complete(state: State, venue: str, run: Run) -> Iterator[Event]:
    text = f"comparison {run.run} is complete"
    for kind in (ItemKind.NOT_ANSWERED, ItemKind.SEQUENCE_RESET):
        yield from items.resolve(state, text, kind, venue)
    if run.mass_status_req_id:
        for venue_order_id in _gone(state, venue, run):
            gone = f"{venue} no longer works it: {text}"
            yield from items.resolve(state, gone, ItemKind.ORDER_EXTERNAL, venue, venue_order_id)
    yield from differences.disputes(state, venue)
    if len(state.items) < items.MAX_OPEN:
        yield from items.resolve(state, text, ItemKind.TOO_MANY, venue)
    yield ev.ReconciliationEnded(venue, run.run, True, run.compared, len(items.open_at(state, venue)))


def _not_answered(state: State, venue: str, run: Run, timeout_ns: int) -> Iterator[Event]:
    missing = "the mass question" if run.how == "mass" else f"{len(run.awaited)} of {run.total} questions"
    text = f"{venue} has not answered {missing} for {timeout_ns // 1_000_000_000} s"
    yield from items.raise_(state, ItemKind.NOT_ANSWERED, venue, text)
    yield from _abandon(state, venue, text)


def _abandon(state: State, venue: str, text: str) -> Iterator[Event]:
    run = state.runs.get(venue)
    if run is not None:
        yield ev.ReconciliationEnded(venue, run.run, False, run.compared, len(items.open_at(state, venue)), text)


def _compared(state: State, venue: str) -> dict[str, int | None]:
    """The orders that a run asks about: those that can still trade, and those with something in doubt or a quantity in
    dispute. A late execution has a CumQty(14) of its time, so only the venue's answer can say that the sum is right.

    Not an order that was just sent: a venue may answer the question before it has looked at the order, and say that it
    does not know it. When its answer stays out, it is in doubt, and asked.
    """
    orders, silent = state.orders, state.silent.get(venue, {})
    just_sent = {order_id for key, order_id in silent.items() if orders[order_id].first_venue_cl_ord_id == key}
    compared: dict[str, int | None] = {
        order_id: None
        for order_ids in state.working.values()
        for order_id in order_ids
        if orders[order_id].venue == venue and order_id not in just_sent
    }
    open_questions = (*state.doubtful.values(), *state.disputed)
    compared.update((order_id, None) for order_id in open_questions if orders[order_id].venue == venue)
    return compared


def _gone(state: State, venue: str, run: Run) -> list[str]:
    """External orders that a whole mass answer did not name."""
    known = state.external.get(venue, {})
    return [venue_order_id for venue_order_id, order in known.items() if order.last_ns < run.started_ns]


# --- Changing ---


def spoken(state: State, order: Order, event: ev.VenueEvent, at_ns: int) -> None:
    """The venue spoke of an order: in a run it no longer has to be asked once it replied, or the order has ended.

    A reply that comes again may be that to an earlier run, of how things were before the connection was lost.
    """
    run = state.runs.get(order.venue)
    if run is None:
        return
    if isinstance(event, ev.OrderStatusReported) and not event.poss_dup:
        _replied(run, event.mass_status_req_id, order.order_id, at_ns)
        _heard(run, order.order_id, at_ns)
    else:
        no_longer_asked(state, order, at_ns)


def no_longer_asked(state: State, order: Order, at_ns: int) -> None:
    """A run need not wait for an order that has ended with nothing open about it."""
    run = state.runs.get(order.venue)
    if run is not None and not (order.working or order.in_doubt or order.disputed):
        _heard(run, order.order_id, at_ns)


def _replied(run: Run, mass_status_req_id: str, about: str, at_ns: int) -> None:
    """One reply more to the mass question. One that comes again, as with PossResend(97)=Y, is none more: it would take
    the place of another in TotNumReports(911).
    """
    if mass_status_req_id and mass_status_req_id == run.mass_status_req_id:
        run.heard_ns = at_ns
        run.replies += about not in run.listed
        if about:
            run.listed[about] = None


def _heard(run: Run, order_id: str, at_ns: int) -> None:
    if order_id in run.awaited:
        run.asked -= run.awaited.pop(order_id) is not None
        run.compared += 1
        run.heard_ns = at_ns
        _trim(run)


def asked(state: State, event: ev.StatusRequested, at_ns: int) -> None:
    """A question is on its way."""
    if state.unasked:
        lost.asked(state, event.venue, event.order_id)
    run = state.runs.get(event.venue)
    if run is None or run.awaited.get(event.order_id, at_ns) is not None:
        return
    run.awaited[event.order_id] = at_ns
    run.asked += 1
    _trim(run)


def _trim(run: Run) -> None:
    """The last of the queue is always the next one to ask."""
    while run.queue and run.awaited.get(run.queue[-1], 0) is not None:
        run.queue.pop()


def _run_started(state: State, event: ev.ReconciliationStarted, at_ns: int) -> None:
    run = state.runs.get(event.venue)
    if run is None:
        awaited, logons = _compared(state, event.venue), state.session(event.venue).logons
        run = Run(event.run, event.how, at_ns, awaited=awaited, total=event.orders, logons=logons)
        state.runs[event.venue] = run
        state.last_run_no = event.run
    run.how, run.mass_status_req_id, run.heard_ns = event.how, event.mass_status_req_id, at_ns
    if event.how == "mass":
        sessions.sent(state, event.venue)
    else:
        run.queue = list(reversed(run.awaited))
        _trim(run)


def _run_ended(state: State, event: ev.ReconciliationEnded, at_ns: int) -> None:
    run = state.runs.pop(event.venue)
    state.last_runs[event.venue] = LastRun(
        event.run, event.complete, event.orders, run.started_ns, at_ns, event.text, run.how, run.logons
    )
    if not event.complete:
        return
    state.sessions[event.venue].reconciled = True
    if run.mass_status_req_id:
        for venue_order_id in _gone(state, event.venue, run):
            del state.external[event.venue][venue_order_id]


def _entry_opened(state: State, event: ev.OrderEntryOpened, _: int) -> None:
    state.sessions[event.venue].reconciled = True


def _external_reported(state: State, event: ev.ExternalOrderReported, at_ns: int) -> None:
    known = state.external.setdefault(event.venue, {})
    if (run := state.runs.get(event.venue)) is not None:
        kept = event.venue_order_id in known or len(known) < MAX_EXTERNAL
        about = f"external {event.venue_order_id}" if kept else ""
        _replied(run, event.report.mass_status_req_id, about, at_ns)
    if event.report.ord_status in ENDED_STATUS:
        known.pop(event.venue_order_id, None)
        return
    before = known.get(event.venue_order_id)
    if before is not None or len(known) < MAX_EXTERNAL:
        first_ns = before.first_ns if before is not None else at_ns
        known[event.venue_order_id] = ExternalOrder(event.report, first_ns, at_ns)


def _set_aside(state: State, event: ev.ReportSetAside, at_ns: int) -> None:
    """A reply that could not be taken is a reply all the same: the run goes on without it. Not when it comes again."""
    report = event.report
    run = state.runs.get(report.venue)
    if run is None or not isinstance(report, ExecutionReport) or report.exec_type is not ExecType.ORDER_STATUS:
        return
    if report.poss_dup:
        return
    named = [state.by_venue_cl_ord_id.get(name, "") for name in (report.cl_ord_id, report.orig_cl_ord_id)]
    _replied(run, report.mass_status_req_id, named[0] or named[1], at_ns)
    for order_id in named:
        _heard(run, order_id, at_ns)


def _item_raised(state: State, event: ev.ItemRaised, at_ns: int) -> None:
    items.item_raised(state, event, at_ns)
    drop_copy.item_raised(state, event)


APPLY: dict[type, Callable[[State, Any, int], Order | None]] = {
    ev.ReportSetAside: _set_aside,
    ev.ExternalOrderReported: _external_reported,
    ev.DropCopyNoted: drop_copy.noted,
    ev.ReconciliationStarted: _run_started,
    ev.ReconciliationEnded: _run_ended,
    ev.OrderEntryOpened: _entry_opened,
    ev.ItemRaised: _item_raised,
    ev.ItemResolved: items.item_resolved,
}
