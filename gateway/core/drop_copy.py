"""The drop copy: a second session of a venue that copies every execution, compared with what the order session told.

Two lists for each venue, each waiting for the other source: what only the drop copy told (`told`), and what it has not
shown while it was up (`untold`). After the grace time the first is applied, the second is an item.
"""

from collections.abc import Iterator

import msgspec

from gateway.core import differences, items, lost, rejects, venue_reports
from gateway.core import events as ev
from gateway.core.events import Event
from gateway.core.executions import has_undated
from gateway.core.order import Order, report_key
from gateway.core.reports import DropCopied, ExecutionReport
from gateway.core.state import Copied, DropCopy, Reconcile, Settings, State
from gateway.core.types import ExecType, ItemKind

MAX_AWAITED = 100_000
"""How many executions of a venue wait for the other source at most (rule 7)."""
APPLIED_AT_ONCE = 500
"""How many executions that only the drop copy told one turn of the clock applies at most: venues and clients have to be
heard in between.
"""
_FINAL = (ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED)
_EXECUTIONS = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)


def decide(state: State, settings: Settings, fact: DropCopied) -> list[Event]:
    """The events of one drop copy.

    An execution that the order session has not told waits for it, as long as the grace time. Any other copy is news
    only when the order is in doubt: then it is evidence, and taken at once. Not a rejection that names a cancel or a
    replace: whether it is of that or of the order depends on what came before it, which only the order session tells.

    The copy may be ahead of the order session, which tells of what was before it later. So only what ends the order for
    good is known by its ExecID(17) then; all else counts once more in its place.
    """
    report = fact.report
    order = venue_reports.find(state, report)
    if order is None or order.venue != report.venue:
        return _stranger(state, fact)
    known = report_key(report.trade_date, report.exec_id) in order.seen
    if report.exec_type in _EXECUTIONS:
        known = known and order.has_execution(report.trade_date, report.exec_id)
        known = known or has_undated(order.executions, order.seen, report.trade_date, report.exec_id)
        return [ev.DropCopyNoted(fact.session, report, known, order.order_id)]
    noted = ev.DropCopyNoted(fact.session, report, True, order.order_id)
    if known or not order.in_doubt or report.exec_type is ExecType.ORDER_STATUS:
        return [noted]
    if report.exec_type is ExecType.REJECTED and rejects.is_of_a_request(order, report):
        return [noted]
    told = report if report.exec_type in _FINAL else msgspec.structs.replace(report, exec_id="")
    return [noted, *venue_reports.decide(state, settings, _evidence(fact.session, told))]


def _stranger(state: State, fact: DropCopied) -> list[Event]:
    report = fact.report
    known = state.external.get(report.venue, {})
    new = venue_reports.is_working_elsewhere(report) and len(known) < venue_reports.MAX_EXTERNAL
    if venue_reports.find(state, report) is None and (report.venue_order_id in known or new):
        return [ev.ExternalOrderReported(report.venue, report.venue_order_id, report)]
    return [ev.DropCopyNoted(fact.session, report, False)]


def _evidence(session: str, report: ExecutionReport) -> ExecutionReport:
    """The copy as a report, which says where it comes from."""
    text = f"told by drop copy {session}" + (f": {report.text}" if report.text else "")
    return msgspec.structs.replace(report, text=text)


def waits(state: State, settings: Settings, at_ns: int) -> bool:
    """Whether the clock's next turn would apply an execution that only the drop copy told."""
    copies = [(venue, state.drop_copies.get(venue)) for venue in settings.drop_copies.values()]
    return any(copy and _late(copy.told, at_ns, _grace_ns(settings, venue), 1) for venue, copy in copies)


def _grace_ns(settings: Settings, venue: str) -> int:
    return settings.reconcile.get(venue, Reconcile()).grace_ns


def due(state: State, settings: Settings, at_ns: int) -> Iterator[Event]:
    """What has waited for the other source as long as the grace time, of each venue its part. Both lists are oldest
    first.
    """
    part = max(1, APPLIED_AT_ONCE // max(1, len(settings.drop_copies)))
    for venue in settings.drop_copies.values():
        copy, grace_ns = state.drop_copies.get(venue), _grace_ns(settings, venue)
        if copy is None:
            continue
        for waiting in _late(copy.told, at_ns, grace_ns, part):
            yield from _apply(state, settings, venue, copy, waiting)
        room = max(items.MAX_OPEN - len(state.items), 0)  # One more says that there are too many.
        for waiting in _late(copy.untold, at_ns, grace_ns, room + 1):
            yield from _unconfirmed(state, venue, copy, waiting)
        if copy.lost_track:
            text = f"drop copy {copy.session} has not shown {MAX_AWAITED} executions; those are not compared any more"
            yield from items.raise_(state, ItemKind.TOO_MANY, venue, text)


def overflow(state: State, settings: Settings, fact: DropCopied) -> Iterator[Event]:
    """No execution is forgotten: when too many wait, the oldest is applied before its time."""
    copy = state.drop_copies.get(fact.report.venue)
    if copy is not None and len(copy.told) > MAX_AWAITED:
        yield from _apply(state, settings, fact.report.venue, copy, next(iter(copy.told.values())))


def _apply(state: State, settings: Settings, venue: str, copy: DropCopy, waiting: Copied) -> Iterator[Event]:
    """The order session never told an execution: the drop copy is evidence (rule 2), and the ledger takes it by the
    same rules as the order session's own report, which is dropped by its ExecID(17) when it comes after all. A copy
    that cannot be true is set aside, and its item stays open.
    """
    report = waiting.report
    if report is None:
        return
    key = report_key(waiting.trade_date, waiting.exec_id)
    yield from items.raise_(
        state,
        ItemKind.EXECUTION_MISSING,
        venue,
        f"drop copy {copy.session} has execution {waiting.exec_id}, which {venue} has not told",
        order_id=waiting.order_id,
        exec_id=waiting.exec_id,
        trade_date=waiting.trade_date,
        theirs=f"{report.last_qty} at {report.last_px}",
    )
    yield from lost.spoken_of(state, settings, report)
    for event in venue_reports.decide(state, settings, _evidence(copy.session, report)):
        yield event
        if state.orders[waiting.order_id].has_execution(waiting.trade_date, waiting.exec_id):
            text = f"applied from drop copy {copy.session}"
            yield from items.resolve(state, text, ItemKind.EXECUTION_MISSING, venue, waiting.order_id, key)
        yield from differences.of(state, settings, event, report)
    yield ev.DropCopyNoted(copy.session, report, True, waiting.order_id)


def _late(waiting: dict[str, Copied], at_ns: int, grace_ns: int, most: int) -> list[Copied]:
    late: list[Copied] = []
    for each in waiting.values():
        # Late are also those from before the clock was set back by more than the grace time.
        if len(late) == most or abs(at_ns - each.at_ns) < grace_ns:
            break
        late.append(each)
    return late


def _unconfirmed(state: State, venue: str, copy: DropCopy, waiting: Copied) -> Iterator[Event]:
    yield from items.raise_(
        state,
        ItemKind.EXECUTION_UNCONFIRMED,
        venue,
        f"drop copy {copy.session} has not shown execution {waiting.exec_id}",
        order_id=waiting.order_id,
        exec_id=waiting.exec_id,
        trade_date=waiting.trade_date,
    )


# --- Changing ---


def _key(order_id: str, trade_date: str, exec_id: str) -> str:
    return f"{order_id}|{report_key(trade_date, exec_id)}"


def _take(waiting: dict[str, Copied], order_id: str, trade_date: str, exec_id: str) -> bool:
    """An execution no longer waits for the other source; whether it did. One without a trade date is the one with the
    same ExecID(17), whatever its date.
    """
    if waiting.pop(_key(order_id, trade_date, exec_id), None) is not None:
        return True
    if trade_date:
        return waiting.pop(_key(order_id, "", exec_id), None) is not None
    same = (key for key, each in waiting.items() if (each.order_id, each.exec_id) == (order_id, exec_id))
    return waiting.pop(next(same, ""), None) is not None


def noted(state: State, event: ev.DropCopyNoted, at_ns: int) -> None:
    """The drop copy has told it: the other source is awaited, or was first."""
    report = event.report
    if not event.order_id or report.exec_type not in _EXECUTIONS:
        return
    copy = state.drop_copies.setdefault(report.venue, DropCopy(event.session))
    key = _key(event.order_id, report.trade_date, report.exec_id)
    _take(copy.untold, event.order_id, report.trade_date, report.exec_id)
    if event.known:
        copy.told.pop(key, None)
    elif key not in copy.told:
        copy.told[key] = Copied(event.order_id, report.exec_id, report.trade_date, at_ns, report)


def executed(
    state: State, order: Order, event: ev.OrderFilled | ev.ExecutionCorrected | ev.ExecutionBusted, at_ns: int
) -> None:
    """The ledger has it: the drop copy is awaited, or was first."""
    copy = state.drop_copies.get(order.venue)
    if copy is None:
        return
    key = _key(order.order_id, event.trade_date, event.exec_id)
    if _take(copy.told, order.order_id, event.trade_date, event.exec_id) or not copy.up:
        return
    if len(copy.untold) >= MAX_AWAITED:
        copy.untold.clear()
        copy.lost_track = True
    copy.untold[key] = Copied(order.order_id, event.exec_id, event.trade_date, at_ns)


def logged_on(state: State, session: str, venue: str) -> None:
    """From here on the drop copy has to show what the order session tells."""
    copy = state.drop_copies.setdefault(venue, DropCopy(session))
    copy.session, copy.up = session, True


def logged_out(state: State, venue: str) -> None:
    """What it shows later tells nothing about its silence until then."""
    copy = state.drop_copies[venue]
    copy.up = False
    copy.untold.clear()


def item_raised(state: State, event: ev.ItemRaised) -> None:
    """From here on the item waits, not the list."""
    copy = state.drop_copies.get(event.venue)
    if copy is None:
        return
    if event.kind is ItemKind.EXECUTION_UNCONFIRMED:
        copy.untold.pop(_key(event.order_id, event.trade_date, event.exec_id), None)
    elif event.kind is ItemKind.TOO_MANY:
        copy.lost_track = False
