"""What happened, in words: one line for each record, the same wherever people read events.

Numbers are shown exactly, in FIX's words (CumQty, LeavesQty, AvgPx), with the evidence: ExecID(17), MsgSeqNum(34)
and what the venue said.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

from gateway.codec import risk_words
from gateway.core import events as ev
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    Command,
    HaltInstrument,
    MassCancel,
    OpenOrderEntry,
    ReconcileVenue,
    ReplaceOrder,
    RequestOrderStatus,
    ResolveDoubt,
    ResolveItem,
    ResumeInstrument,
    SubmitOrder,
)
from gateway.core.reports import MessageRejected, UnexpectedMessage
from gateway.core.risk.commands import (
    DecideChange,
    EndOverride,
    GrantOverride,
    ResumeTrading,
    SetLimit,
    SetMarks,
    StopTrading,
)
from gateway.core.types import OrdStatus, OrdType, Side


def describe(record: ev.Record) -> str:
    """One line that says what happened, without its time: 'filled 40 @ 100.02 (ExecID E12), CumQty 40, ...'."""
    event, order = record.event, record.order
    parts = [_EVENTS[type(event)](event)]
    if isinstance(event, ev.Reported):
        parts[0] += _evidence(event, record.cause)
    if order is not None and isinstance(event, _MOVES):
        parts += _figures(order)
    if isinstance(event, ev.Reported) and event.text:
        parts.append(f"the venue says {event.text!r}")
    return ", ".join(parts)


def status(value: OrdStatus) -> str:
    """OrdStatus(39) as people write it: 'Partially Filled'."""
    return value.name.replace("_", " ").title()


def number(value: Decimal) -> str:
    """Exactly this number, without an exponent."""
    return format(value, "f")


def _evidence(event: ev.Reported, cause: ev.Cause) -> str:
    found = [f"ExecID {event.exec_id}"] if event.exec_id else []
    if cause.msg_seq_num is not None:
        found.append(f"MsgSeqNum {cause.msg_seq_num}")
    return f" ({', '.join(found)})" if found else ""


def _figures(order: ev.OrderView) -> list[str]:
    figures = [f"CumQty {number(order.cum_qty)}", f"LeavesQty {number(order.leaves_qty)}"]
    if order.cum_qty:
        figures.append(f"AvgPx {number(order.avg_px)}")
    return [*figures, f"{status(order.ord_status)}{', in doubt' if order.in_doubt else ''}"]


# --- Orders and terms -----------------------------------------------------------------------------


_ORD_TYPES = {OrdType.MARKET: "market", OrdType.LIMIT: "limit", OrdType.STOP: "stop", OrdType.STOP_LIMIT: "stop limit"}


def _asked(side: Side, symbol: str, ord_type: OrdType, terms: ev.Terms | SubmitOrder) -> str:
    """'BUY 100 ACME @ 100.02 stop 99 DAY limit'."""
    quantity = number(terms.order_qty)
    if terms.cash_order_qty is not None:
        quantity = f"for {number(terms.cash_order_qty)} of money"
    words = [side.name.replace("_", " "), quantity, symbol, *_prices(terms), terms.time_in_force.name]
    return " ".join([*words, *_limits(terms), _ORD_TYPES[ord_type]])


def _terms(terms: ev.Terms | ReplaceOrder) -> str:
    """'100 @ 100.02 DAY'; what a replace leaves as it is does not show."""
    quantity = [] if terms.order_qty is None else [number(terms.order_qty)]
    in_force = [] if terms.time_in_force is None else [terms.time_in_force.name]
    return " ".join([*quantity, *_prices(terms), *in_force, *_limits(terms)]) or "the same terms"


def _prices(terms: ev.Terms | SubmitOrder | ReplaceOrder) -> list[str]:
    price = [] if terms.price is None else [f"@ {number(terms.price)}"]
    return price if terms.stop_px is None else [*price, f"stop {number(terms.stop_px)}"]


def _limits(terms: ev.Terms | SubmitOrder | ReplaceOrder) -> list[str]:
    until = [] if terms.expire_time_ns is None else [f"until {_utc(terms.expire_time_ns)}"]
    return until if terms.max_floor is None else [*until, f"showing {number(terms.max_floor)}"]


def _utc(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%SZ}"


# --- Commands -------------------------------------------------------------------------------------


def _command(command: Command) -> str:
    """What was asked, as in 'cancel of a-1 by alpha'."""
    match command:
        case SubmitOrder():
            asked = _asked(command.side, command.symbol, command.ord_type, command)
            return f"{command.client_id}'s order {command.cl_ord_id} ({asked}{_account(command)})"
        case ReplaceOrder():
            return f"{command.client_id}'s replace {command.cl_ord_id} of {command.orig_cl_ord_id} to {_terms(command)}"
        case CancelOrder():
            return f"{command.client_id}'s cancel {command.cl_ord_id} of {command.orig_cl_ord_id}"
        case MassCancel():
            return f"{command.client_id}'s mass cancel {command.cl_ord_id} of {_filters(command)}"
        case RequestOrderStatus():
            return f"{command.client_id}'s status request for {command.orig_cl_ord_id}"
        case ResumeInstrument():
            return f"{command.operator}'s resume of {command.symbol}{_because(command.reason)}"
        case HaltInstrument():
            return f"{command.operator}'s halt of {command.symbol}{_because(command.reason)}"
        case AdministerSession():
            return f"{command.operator}'s {command.action} for the session to {command.venue}{_because(command.reason)}"
        case ReconcileVenue():
            return f"{command.operator}'s reconciliation of {command.venue}{_because(command.reason)}"
        case OpenOrderEntry():
            return f"{command.operator}'s opening of order entry at {command.venue}{_because(command.reason)}"
        case ResolveDoubt():
            return f"{command.operator}'s word on the doubt about {command.order_id}{_because(command.reason)}"
        case ResolveItem():
            return f"{command.operator}'s resolution of item {command.item_id}{_because(command.reason)}"
        case (
            SetLimit() | DecideChange() | GrantOverride() | EndOverride() | StopTrading() | ResumeTrading() | SetMarks()
        ):
            return risk_words.command(command)


def _account(command: SubmitOrder) -> str:
    account = f" for account {command.account}" if command.account else ""
    return f"{account}, strategy {command.strategy}" if command.strategy else account


def _filters(command: MassCancel) -> str:
    names = ("account", "strategy", "symbol", "venue")
    given = [f"{name} {getattr(command, name)}" for name in names if getattr(command, name)]
    if command.side is not None:
        given.append(f"side {command.side.name}")
    return f"all working orders with {', '.join(given)}" if given else "all working orders"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


# --- Events ---------------------------------------------------------------------------------------


def _order_submitted(event: ev.OrderSubmitted) -> str:
    command = event.command
    asked = _asked(command.side, command.symbol, command.ord_type, command)
    to = f"to go to {event.venue}"
    if event.terms is not None:
        to += f" as {_terms(event.terms)}: the rest would trade with our own"
    return f"{asked}{_account(command)}, from {command.client_id} as {command.cl_ord_id}, {to}"


def _order_routed(event: ev.OrderRouted) -> str:
    return f"sent to {event.venue} as {event.venue_cl_ord_id}"


def _cancel_requested(event: ev.CancelRequested) -> str:
    whole = " (mass cancel)" if isinstance(event.command, MassCancel) else ""
    return f"cancel {event.cl_ord_id} asked{whole}, sent to {event.venue} as {event.venue_cl_ord_id}"


def _replace_requested(event: ev.ReplaceRequested) -> str:
    sent = f"sent to {event.venue} as {event.venue_cl_ord_id}"
    return f"replace {event.cl_ord_id} to {_terms(event.terms)} asked, {sent}"


def _mass_cancel_done(event: ev.MassCancelDone) -> str:
    skipped = f", {len(event.skipped)} skipped: {', '.join(event.skipped)}" if event.skipped else ""
    later = f", {len(event.later)} of them soon" if event.later else ""
    return f"{_command(event.command)}: {event.requested} cancel requests made{later}{skipped}"


def _command_refused(event: ev.CommandRefused) -> str:
    field = f" in {event.field}" if event.field else ""
    return f"refused by the gateway ({event.reason.value}{field}): {_command(event.command)}: {event.text}"


def _status_requested(event: ev.StatusRequested) -> str:
    return f"status of {event.venue_cl_ord_id} asked of {event.venue}: {event.why}"


def _session_administered(event: ev.SessionAdministered) -> str:
    numbers = (("next to send", event.next_sender_msg_seq_num), ("next to expect", event.next_target_msg_seq_num))
    given = "".join(f", {name} {value}" for name, value in numbers if value is not None)
    return f"operator {event.operator}: {event.action} on the session to {event.venue}{given}{_because(event.reason)}"


def _instrument_halted(event: ev.InstrumentHalted) -> str:
    return f"{event.symbol} halted by {event.operator or 'the gateway'}{_because(event.reason)}"


def _instrument_resumed(event: ev.InstrumentResumed) -> str:
    return f"{event.symbol} resumed by {event.operator}{_because(event.reason)}"


def _order_rejected(event: ev.OrderRejected) -> str:
    return f"rejected by the venue{_coded(_code_of(event.reason_tag), event.ord_rej_reason)}"


def _order_unsent(event: ev.OrderUnsent) -> str:
    return f"{event.venue_cl_ord_id} never reached the venue{_because(event.evidence)}"


def _request_pending(event: ev.RequestPending) -> str:
    return f"the venue is deciding on {event.venue_cl_ord_id or 'the request'}"


def _request_rejected(event: ev.RequestRejected) -> str:
    code = _coded(_code_of(event.reason_tag), event.cxl_rej_reason)
    return f"{event.venue_cl_ord_id or 'the request'} refused by the venue{code}"


def _code_of(reason_tag: int) -> str:
    names = {102: "CxlRejReason", 103: "OrdRejReason", 373: "SessionRejectReason", 380: "BusinessRejectReason"}
    return names.get(reason_tag, "reason")


def _order_replaced(event: ev.OrderReplaced) -> str:
    if event.overtaken:
        return f"replaced by {event.venue_cl_ord_id} before the replace that is in force, told late"
    by = f"by {event.venue_cl_ord_id}" if event.venue_cl_ord_id else "by the venue, unasked"
    waits = ", the order itself still pending" if event.pending_new else ""
    return f"replaced {by}{_now(event.terms)}{waits}"


def _order_canceled(event: ev.OrderCanceled) -> str:
    return f"canceled by {event.venue_cl_ord_id}" if event.venue_cl_ord_id else "canceled by the venue, unasked"


def _order_stopped(event: ev.OrderStopped) -> str:
    guaranteed = f": {number(event.last_qty)} guaranteed @ {number(event.last_px)}" if event.last_qty else ""
    return f"stopped{guaranteed}"


def _order_restated(event: ev.OrderRestated) -> str:
    factor = f", every earlier execution times {number(event.factor)}" if event.factor != 1 else ""
    why = _coded("ExecRestatementReason", event.exec_restatement_reason)
    return f"restated by the venue{why}{_now(event.terms)}{factor}"


def _order_filled(event: ev.OrderFilled) -> str:
    return f"filled {number(event.last_qty)} @ {number(event.last_px)}"


def _execution_corrected(event: ev.ExecutionCorrected) -> str:
    return f"execution {event.exec_ref_id} corrected to {number(event.last_qty)} @ {number(event.last_px)}"


def _execution_busted(event: ev.ExecutionBusted) -> str:
    return f"execution {event.exec_ref_id} busted: it never was"


def _order_status_reported(event: ev.OrderStatusReported) -> str:
    of = f" of {event.venue_cl_ord_id}" if event.venue_cl_ord_id else ""
    return f"the venue reports the status{of}: {status(event.ord_status)}"


def _quantity_disputed(event: ev.QuantityDisputed) -> str:
    return (
        f"disputed: the venue has CumQty {number(event.venue_cum_qty)}, "
        f"the executions it told us make {number(event.cum_qty)}"
    )


def _order_overfilled(event: ev.OrderOverfilled) -> str:
    return f"overfilled by {number(event.excess)}"


def _order_in_doubt(event: ev.OrderInDoubt) -> str:
    return f"in doubt whether {event.venue_cl_ord_id} reached the venue{_because(event.why)}"


def _report_ignored(event: ev.ReportIgnored) -> str:
    which = f" (ExecID {event.exec_id})" if event.exec_id else ""
    return f"a report{which} was ignored{_because(event.why)}"


def _report_set_aside(event: ev.ReportSetAside) -> str:
    report = event.report
    kind = f"message of type {report.msg_type}" if isinstance(report, UnexpectedMessage) else type(report).__name__
    names = {"ExecID": "exec_id", "ClOrdID": "cl_ord_id", "OrderID": "venue_order_id"}
    given = [f"{name} {getattr(report, field)}" for name, field in names.items() if getattr(report, field, "")]
    which = f" ({', '.join(given)})" if given else ""
    return f"{kind} from {report.venue}{which} set aside{_because(event.why)}"


def _message_refused(event: ev.MessageRefused) -> str:
    return f"{_rejected(event.report)}; it names no request of ours"


def _rejected(report: MessageRejected) -> str:
    number_named = f" {report.ref_seq_num}" if report.ref_seq_num is not None else ""
    reason = _coded("reason", report.reject_reason)
    said = f": {report.text!r}" if report.text else ""
    return f"{report.venue} rejected our message{number_named} of type {report.ref_msg_type}{reason}{said}"


def _session_logged_on(event: ev.SessionLoggedOn) -> str:
    return f"session to {event.venue} logged on{', its numbers started over' if event.reset else ''}"


def _session_logged_out(event: ev.SessionLoggedOut) -> str:
    return f"session to {event.venue} logged out{_because(event.text)}"


def _epoch_began(event: ev.EpochBegan) -> str:
    return f"gateway {event.version} took over, epoch {event.epoch}, venue ClOrdIDs begin with {event.id_prefix}"


def _doubt_resolved(event: ev.DoubtResolved) -> str:
    about = event.venue_cl_ord_id or f"{event.order_id}, which its venue does not know"
    return f"{event.operator} settles the doubt about {about}: {event.outcome}{_because(event.reason)}"


def _external_order(event: ev.ExternalOrderReported) -> str:
    report = event.report
    return f"{event.venue} works order {event.venue_order_id}, which is not ours: {status(report.ord_status)}"


def _drop_copy_noted(event: ev.DropCopyNoted) -> str:
    how = "which the order session told" if event.known else "which the order session has not told"
    return f"drop copy {event.session} shows ExecID {event.report.exec_id}, {how}"


def _reconciliation_started(event: ev.ReconciliationStarted) -> str:
    orders = "1 order is" if event.orders == 1 else f"{event.orders} orders are"
    return f"{orders} compared with {event.venue}'s{_because(event.why)}"


def _reconciliation_ended(event: ev.ReconciliationEnded) -> str:
    items = "1 item is open" if event.items == 1 else f"{event.items} items are open"
    if event.complete:
        return f"{event.venue} is reconciled: {event.orders} orders compared, {items}"
    return f"{event.venue} is NOT reconciled{_because(event.text)}; {items}"


def _order_entry_opened(event: ev.OrderEntryOpened) -> str:
    return f"{event.operator} opens order entry at {event.venue} without reconciliation{_because(event.reason)}"


def _item_raised(event: ev.ItemRaised) -> str:
    return f"{event.severity} item {event.item_id} at {event.venue} ({event.kind}): {event.text}"


def _item_resolved(event: ev.ItemResolved) -> str:
    by = f" by {event.operator}" if event.operator else ""
    return f"item {event.item_id} at {event.venue} is resolved{by}: {event.text}"


def _keys_retired(event: ev.KeysRetired) -> str:
    return f"{len(event.keys)} spent keys left memory"


def _key_recalled(event: ev.KeyRecalled) -> str:
    return f"key {event.cl_ord_id} of {event.client_id} is back in memory"


def _coded(name: str, code: str) -> str:
    return f" ({name} {code})" if code else ""


def _now(terms: ev.Terms | None) -> str:
    return f", now {_terms(terms)}" if terms is not None else ""


_EVENTS: dict[type, Callable[[Any], str]] = {
    ev.OrderSubmitted: _order_submitted,
    ev.OrderRouted: _order_routed,
    ev.CancelRequested: _cancel_requested,
    ev.ReplaceRequested: _replace_requested,
    ev.MassCancelDone: _mass_cancel_done,
    ev.CommandRefused: _command_refused,
    ev.StatusRequested: _status_requested,
    ev.SessionAdministered: _session_administered,
    ev.InstrumentHalted: _instrument_halted,
    ev.InstrumentResumed: _instrument_resumed,
    ev.OrderPendingNew: lambda _: "received by the venue, not yet accepted",
    ev.OrderAcknowledged: lambda _: "accepted by the venue",
    ev.OrderRejected: _order_rejected,
    ev.OrderUnsent: _order_unsent,
    ev.RequestPending: _request_pending,
    ev.RequestRejected: _request_rejected,
    ev.OrderReplaced: _order_replaced,
    ev.OrderCanceled: _order_canceled,
    ev.OrderExpired: lambda _: "expired",
    ev.OrderDoneForDay: lambda _: "done for the day",
    ev.OrderStopped: _order_stopped,
    ev.OrderSuspended: lambda _: "suspended",
    ev.OrderCalculated: lambda _: "calculated: the day's figures are final",
    ev.OrderRestated: _order_restated,
    ev.OrderFilled: _order_filled,
    ev.ExecutionCorrected: _execution_corrected,
    ev.ExecutionBusted: _execution_busted,
    ev.OrderStatusReported: _order_status_reported,
    ev.QuantityDisputed: _quantity_disputed,
    ev.OrderOverfilled: _order_overfilled,
    ev.OrderInDoubt: _order_in_doubt,
    ev.ReportIgnored: _report_ignored,
    ev.ReportSetAside: _report_set_aside,
    ev.MessageRefused: _message_refused,
    ev.SessionLoggedOn: _session_logged_on,
    ev.SessionLoggedOut: _session_logged_out,
    ev.EpochBegan: _epoch_began,
    ev.DoubtResolved: _doubt_resolved,
    ev.ExternalOrderReported: _external_order,
    ev.DropCopyNoted: _drop_copy_noted,
    ev.ReconciliationStarted: _reconciliation_started,
    ev.ReconciliationEnded: _reconciliation_ended,
    ev.OrderEntryOpened: _order_entry_opened,
    ev.ItemRaised: _item_raised,
    ev.ItemResolved: _item_resolved,
    ev.OrderRetired: lambda _: "ended, left memory",
    ev.KeysRetired: _keys_retired,
    ev.OrderRecalled: lambda _: "is back in memory",
    ev.KeyRecalled: _key_recalled,
    **risk_words.EVENTS,
}

# After these the order's figures are worth a look.
_MOVES = get_args(ev.VenueEvent)
