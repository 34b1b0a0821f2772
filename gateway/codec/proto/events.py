"""Records to the API's events. Total over the core's union: an event that is not told here stops the import."""

import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec

from gateway.codec.proto import risk_events
from gateway.codec.proto.orders import decimal_text, write_order
from gateway.core import events as ev
from gateway.core.events import Event, Record
from gateway.pb.v1 import gateway_pb2 as pb

Extras = dict[str, Any]

_SKIPPED_SHOWN = 20


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


EVENT_TYPE: dict[type, Any] = {event: pb.EventType.Value(_upper_snake(event.__name__)) for event in get_args(Event)}


def event_to_pb(record: Record) -> pb.Event:
    """One committed record as its reader sees it."""
    event, order = record.event, record.order
    extras = _EXTRAS[type(event)](event)
    message = pb.Event(seq=record.seq, time_ns=record.at_ns, type=EVENT_TYPE[type(event)], **extras)
    if order is not None:
        write_order(message.order, order)
        message.venue, message.symbol = order.venue, order.symbol
        if not message.cl_ord_id:
            message.cl_ord_id = order.request or order.cl_ord_id
    return message


def report_json(record: Record) -> str:
    """The report of a set-aside record, as JSON of its normalised fields; decimals are strings."""
    report = getattr(record.event, "report", None)
    return msgspec.json.encode(report).decode()


# --- What each event tells beyond its order ---


def _nothing(_: Event) -> Extras:
    return {}


def _submitted(event: ev.OrderSubmitted) -> Extras:
    if event.terms is None:
        return {}
    asked, goes = decimal_text(event.command.order_qty), decimal_text(event.terms.order_qty)
    return {"text": f"{goes} of {asked} go out: the rest would trade with an order of our own"}


def _request(event: ev.CancelRequested | ev.ReplaceRequested) -> Extras:
    return {"cl_ord_id": event.cl_ord_id}


def _mass_cancel_done(event: ev.MassCancelDone) -> Extras:
    text = f"{event.requested} cancels requested" + (f", {len(event.later)} of them soon" if event.later else "")
    if event.skipped:
        shown = ", ".join(event.skipped[:_SKIPPED_SHOWN]) + (", ..." if len(event.skipped) > _SKIPPED_SHOWN else "")
        text += f"; {len(event.skipped)} orders skipped because their session is down: {shown}"
    return {"cl_ord_id": event.command.cl_ord_id, "text": text}


def _command_refused(event: ev.CommandRefused) -> Extras:
    command = event.command
    return {
        "cl_ord_id": getattr(command, "cl_ord_id", ""),
        "scope": getattr(command, "scope", ""),
        "control": getattr(command, "control", ""),
        "operator": getattr(command, "operator", ""),
        "reason": event.reason.value,
        "text": event.text,
        "field": event.field,
        "venue": getattr(command, "venue", ""),
        "symbol": getattr(command, "symbol", ""),
    }


def _why(event: ev.StatusRequested | ev.OrderInDoubt) -> Extras:
    return {"text": event.why}


def _administered(event: ev.SessionAdministered) -> Extras:
    numbers = {"out": event.next_sender_msg_seq_num, "in": event.next_target_msg_seq_num}
    given = "".join(f", next {way} {number}" for way, number in numbers.items() if number is not None)
    return {
        "venue": event.venue,
        "reason": event.action,
        "text": f"{event.reason}{given}",
        "operator": event.operator,
    }


def _instrument(event: ev.InstrumentHalted | ev.InstrumentResumed) -> Extras:
    return {"symbol": event.symbol, "text": event.reason, "operator": event.operator}


def _reported(event: ev.Reported) -> Extras:
    return {
        "exec_id": event.exec_id,
        "trade_date": event.trade_date,
        "transact_time_ns": event.transact_time_ns,
        "text": event.text,
    }


def _coded(reason: str, reason_tag: int) -> Extras:
    return {"reason": reason, "reason_tag": reason_tag} if reason else {}


def _rejected(event: ev.OrderRejected) -> Extras:
    return {**_reported(event), **_coded(event.ord_rej_reason, event.reason_tag)}


def _request_rejected(event: ev.RequestRejected) -> Extras:
    return {**_reported(event), **_coded(event.cxl_rej_reason, event.reason_tag)}


def _restated(event: ev.OrderRestated) -> Extras:
    return {**_reported(event), **_coded(event.exec_restatement_reason, 378)}


def _filled(event: ev.OrderFilled) -> Extras:
    return {**_reported(event), "last_qty": decimal_text(event.last_qty), "last_px": decimal_text(event.last_px)}


def _corrected(event: ev.ExecutionCorrected) -> Extras:
    figures = {"last_qty": decimal_text(event.last_qty), "last_px": decimal_text(event.last_px)}
    return {**_reported(event), **figures, "exec_ref_id": event.exec_ref_id}


def _busted(event: ev.ExecutionBusted) -> Extras:
    return {**_reported(event), "exec_ref_id": event.exec_ref_id}


def _unsent(event: ev.OrderUnsent) -> Extras:
    return {"text": event.evidence}


def _disputed(event: ev.QuantityDisputed) -> Extras:
    told, counted = decimal_text(event.venue_cum_qty), decimal_text(event.cum_qty)
    return {"text": f"the venue's CumQty is {told}, its executions add up to {counted}"}


def _overfilled(event: ev.OrderOverfilled) -> Extras:
    return {"text": f"{decimal_text(event.excess)} more than ordered was executed"}


def _ignored(event: ev.ReportIgnored) -> Extras:
    return {"exec_id": event.exec_id, "text": event.why}


def _set_aside(event: ev.ReportSetAside) -> Extras:
    return {"venue": event.report.venue, "text": event.why}


def _message_refused(event: ev.MessageRefused) -> Extras:
    report = event.report
    return {"venue": report.venue, **_coded(report.reject_reason, report.reason_tag), "text": report.text}


def _logged_on(event: ev.SessionLoggedOn) -> Extras:
    return {"venue": event.venue, "text": "sequence numbers started over" if event.reset else ""}


def _logged_out(event: ev.SessionLoggedOut) -> Extras:
    return {"venue": event.venue, "text": event.text}


def _began(event: ev.EpochBegan) -> Extras:
    return {"text": f"version {event.version}, epoch {event.epoch}"}


def _doubt_resolved(event: ev.DoubtResolved) -> Extras:
    return {"reason": event.outcome.value, "text": event.reason, "operator": event.operator}


def _external(event: ev.ExternalOrderReported) -> Extras:
    return {"venue": event.venue, "text": f"{event.venue_order_id}: not an order of ours"}


def _drop_copy(event: ev.DropCopyNoted) -> Extras:
    known = "known" if event.known else "not told by the order session yet"
    return {"venue": event.report.venue, "exec_id": event.report.exec_id, "text": known}


def _reconciliation_started(event: ev.ReconciliationStarted) -> Extras:
    return {"venue": event.venue, "text": f"{event.why}; {event.orders} {'order' if event.orders == 1 else 'orders'}"}


def _reconciliation_ended(event: ev.ReconciliationEnded) -> Extras:
    outcome = "reconciled" if event.complete else f"not reconciled: {event.text}"
    return {"venue": event.venue, "text": f"{outcome}; {event.items} items are open", "complete": event.complete}


def _order_entry_opened(event: ev.OrderEntryOpened) -> Extras:
    return {"venue": event.venue, "text": event.reason, "operator": event.operator}


def _item_raised(event: ev.ItemRaised) -> Extras:
    return {
        "venue": event.venue,
        "reason": event.kind.value,
        "text": f"{event.item_id} ({event.severity.value}): {event.text}",
    }


def _item_resolved(event: ev.ItemResolved) -> Extras:
    return {"venue": event.venue, "text": f"{event.item_id}: {event.text}", "operator": event.operator}


def _memory(event: ev.OrderRetired | ev.OrderRecalled) -> Extras:
    return {"text": event.order_id}


def _keys_retired(event: ev.KeysRetired) -> Extras:
    return {"text": f"{len(event.keys)} keys"}


def _key_recalled(event: ev.KeyRecalled) -> Extras:
    return {"cl_ord_id": event.cl_ord_id}


_EXTRAS: dict[type, Callable[[Any], Extras]] = {
    ev.OrderSubmitted: _submitted,
    ev.OrderRouted: _nothing,
    ev.CancelRequested: _request,
    ev.ReplaceRequested: _request,
    ev.MassCancelDone: _mass_cancel_done,
    ev.CommandRefused: _command_refused,
    ev.StatusRequested: _why,
    ev.SessionAdministered: _administered,
    ev.InstrumentHalted: _instrument,
    ev.InstrumentResumed: _instrument,
    ev.OrderPendingNew: _reported,
    ev.OrderAcknowledged: _reported,
    ev.OrderRejected: _rejected,
    ev.OrderUnsent: _unsent,
    ev.RequestPending: _reported,
    ev.RequestRejected: _request_rejected,
    ev.OrderReplaced: _reported,
    ev.OrderCanceled: _reported,
    ev.OrderExpired: _reported,
    ev.OrderDoneForDay: _reported,
    ev.OrderStopped: _reported,
    ev.OrderSuspended: _reported,
    ev.OrderCalculated: _reported,
    ev.OrderRestated: _restated,
    ev.OrderFilled: _filled,
    ev.ExecutionCorrected: _corrected,
    ev.ExecutionBusted: _busted,
    ev.OrderStatusReported: _reported,
    ev.QuantityDisputed: _disputed,
    ev.OrderOverfilled: _overfilled,
    ev.OrderInDoubt: _why,
    ev.ReportIgnored: _ignored,
    ev.ReportSetAside: _set_aside,
    ev.MessageRefused: _message_refused,
    ev.SessionLoggedOn: _logged_on,
    ev.SessionLoggedOut: _logged_out,
    ev.EpochBegan: _began,
    ev.DoubtResolved: _doubt_resolved,
    ev.ExternalOrderReported: _external,
    ev.DropCopyNoted: _drop_copy,
    ev.ReconciliationStarted: _reconciliation_started,
    ev.ReconciliationEnded: _reconciliation_ended,
    ev.OrderEntryOpened: _order_entry_opened,
    ev.ItemRaised: _item_raised,
    ev.ItemResolved: _item_resolved,
    ev.OrderRetired: _memory,
    ev.KeysRetired: _keys_retired,
    ev.OrderRecalled: _memory,
    ev.KeyRecalled: _key_recalled,
    **risk_events.EXTRAS,
}

if _EXTRAS.keys() != EVENT_TYPE.keys():
    raise TypeError(
        f"not every event can be told: {sorted(kind.__name__ for kind in _EXTRAS.keys() ^ EVENT_TYPE.keys())}"
    )
