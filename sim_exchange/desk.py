"""The manual desk: one named action per thing a trader at the venue may do to an order.

Every action works on manual and on automatic instruments; on the latter the market follows. The actions are the rows of
FIX 4.4 Appendix D seen from the sell side.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from sim_exchange.enums import ExecType, OrdRejReason, OrdType, Side, TimeInForce
from sim_exchange.messages import NewOrder, Reply, Report, Terms
from sim_exchange.orders import Order, RuleBroken, trim
from sim_exchange.venue import Venue


class Action(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One request to the desk; see docs/sim-exchange.md. `cl_ord_id` names the order or the waiting request.

    `silent`: it is done, and the client is not told.
    """

    do: str
    cl_ord_id: str | None = None
    order_id: str | None = None
    session: str | None = None
    symbol: str | None = None
    side: Side | None = None
    account: str | None = None
    qty: str | None = None
    px: str | None = None
    order_qty: str | None = None
    price: str | None = None
    stop_px: str | None = None
    tif: TimeInForce | None = None
    exec_id: str | None = None
    exec_ref_id: str | None = None
    exec_type: ExecType | None = None
    reason: int | None = None
    ratio: str | None = None
    text: str | None = None
    ord_status_req_id: str | None = None
    tags: dict[str, str] = {}
    silent: bool = False


# What a FIX client may send too; every sum and product of such numbers can be told.
_LIMIT, _PLACES = 10**15, 12
_TAG_DIGITS = 10
Handler = Callable[[Venue, Order, Action], Reply]


def perform(venue: Venue, action: Action) -> Reply:
    """Carry out one action and return what was said to the client, or would have been. Raises RuleBroken."""
    if any(not (tag.isascii() and tag.isdigit() and len(tag) < _TAG_DIGITS) for tag in action.tags):
        raise RuleBroken("tags: expected tag numbers")
    order = _taken_by_phone(venue, action) if action.do == "phone_order" else _order(venue, action)
    venue.muted = order if action.silent else None
    try:
        return ACTIONS[action.do](venue, order, action)
    finally:
        venue.muted = None


def _order(venue: Venue, action: Action) -> Order:
    if action.order_id is not None:
        if action.order_id not in venue.orders:
            raise RuleBroken(f"no order {action.order_id}")
        return venue.orders[action.order_id]
    if action.cl_ord_id is None:
        raise RuleBroken("cl_ord_id or order_id is needed")
    return venue.find(action.cl_ord_id, action.session)


def _dec(action: Action, key: str) -> Decimal | None:
    text = getattr(action, key)
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise RuleBroken(f"{key}: expected a decimal as a string") from None
    if not value.is_finite() or abs(value) >= _LIMIT or value != round(value, _PLACES):
        raise RuleBroken(f"{key}: expected a decimal below {_LIMIT} with at most {_PLACES} places")
    return value


def _quantity(action: Action, key: str) -> Decimal | None:
    value = _dec(action, key)
    if value is not None and value <= 0:
        raise RuleBroken(f"{key} must be positive")
    return value


def _need(action: Action, key: str) -> Decimal:
    value = _dec(action, key)
    if value is None:
        raise RuleBroken(f"{key} is needed")
    return value


def _say(venue: Venue, order: Order, report: Report, action: Action, *, sync: bool = False) -> Report:
    """Send a report with the action's own fields on top, and let the market follow."""
    report.tags = report.tags | action.tags
    if action.text is not None:
        report.text = action.text
    venue.emit(order, report)
    if sync:
        venue.sync(order)
    return report


def _extra(order: Order, action: Action) -> dict[str, Any]:
    """What an action adds to the report that the venue makes."""
    return {"tags": order.lies | action.tags} | ({} if action.text is None else {"text": action.text})


# The order ----------------------------------------------------------------------------------------


def _pending_new(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.pending_new(venue.next_exec_id()), action)


def _new(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.acknowledge(venue.next_exec_id()), action, sync=True)


def _reject(venue: Venue, order: Order, action: Action) -> Report:
    reason = OrdRejReason.BROKER_OPTION if action.reason is None else action.reason
    return _say(venue, order, order.reject(venue.next_exec_id(), reason), action, sync=True)


def _fill(venue: Venue, order: Order, action: Action) -> Report:
    qty, px = _need(action, "qty"), _need(action, "px")
    # A CashOrderQty(152) order gets its quantity when its price is known (Appendix D L.1.b).
    order_qty = _quantity(action, "order_qty")
    if qty <= 0:
        raise RuleBroken("qty must be positive")
    report = venue.fill(order, qty, px, action.exec_id, order_qty, **_extra(order, action))
    venue.sync(order)
    return report


def _execution_of(venue: Venue, order: Order, action: Action) -> str:
    """The named execution, or the order's last one that stands."""
    if action.exec_ref_id is not None:
        return action.exec_ref_id
    standing = reversed(venue.executions.standing.values())
    last = next((e.exec_id for e in standing if e.order_id == order.order_id), None)
    if last is None:
        raise RuleBroken("the order has no standing execution")
    return last


def _bust(venue: Venue, order: Order, action: Action) -> Report:
    return venue.bust(order, _execution_of(venue, order, action), **_extra(order, action))


def _correct(venue: Venue, order: Order, action: Action) -> Report:
    ref = _execution_of(venue, order, action)
    return venue.correct(order, ref, _quantity(action, "qty"), _dec(action, "px"), **_extra(order, action))


def _unsolicited_cancel(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.cancel(venue.next_exec_id(), action.reason), action, sync=True)


def _expire(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.expire(venue.next_exec_id()), action, sync=True)


def _done_for_day(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.finish_day(venue.next_exec_id()), action, sync=True)


def _calculate(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.calculate(venue.next_exec_id()), action, sync=True)


def _suspend(venue: Venue, order: Order, action: Action) -> Report:
    return _say(venue, order, order.suspend(venue.next_exec_id()), action, sync=True)


def _reinstate(venue: Venue, order: Order, action: Action) -> Report:
    report = order.reinstate(venue.next_exec_id(), action.exec_type or ExecType.NEW)
    return _say(venue, order, report, action, sync=True)


def _stopped(venue: Venue, order: Order, action: Action) -> Report:
    qty = _quantity(action, "qty")
    report = order.stop(venue.next_exec_id(), order.leaves_qty if qty is None else qty, _need(action, "px"))
    return _say(venue, order, report, action)


def _restate(venue: Venue, order: Order, action: Action) -> Report:
    return _changed(venue, order, action, ExecType.RESTATED)


def _unsolicited_replace(venue: Venue, order: Order, action: Action) -> Report:
    return _changed(venue, order, action, ExecType.REPLACED)


def _changed(venue: Venue, order: Order, action: Action, exec_type: ExecType) -> Report:
    given = {
        "order_qty": _quantity(action, "qty"),
        "price": _dec(action, "price"),
        "stop_px": _dec(action, "stop_px"),
        "tif": action.tif,
    }
    _split(order, _dec(action, "ratio"))
    terms = msgspec.structs.replace(order.terms, **{key: value for key, value in given.items() if value is not None})
    report = order.restate(venue.next_exec_id(), action.exec_type or exec_type, action.reason, terms)
    return _say(venue, order, report, action, sync=True)


def _split(order: Order, ratio: Decimal | None) -> None:
    if ratio is None:
        return
    if ratio <= 0:
        raise RuleBroken("ratio must be positive")
    prices = [px for px in (order.terms.price, order.terms.stop_px) if px is not None]
    if max(order.order_qty * ratio, order.cum_qty * ratio, *(px / ratio for px in prices)) >= _LIMIT:
        raise RuleBroken(f"ratio: expected one that leaves quantities and prices below {_LIMIT}")
    order.split(ratio)


def _status(venue: Venue, order: Order, action: Action) -> Report:
    report = order.status(ord_status_req_id=action.ord_status_req_id)
    if action.cl_ord_id is not None:
        report.cl_ord_id = action.cl_ord_id if action.cl_ord_id in order.cl_ord_ids else report.cl_ord_id
    return _say(venue, order, report, action)


def _report(venue: Venue, order: Order, action: Action) -> Report:
    """Any ExecutionReport(8) over the order as it is; it changes nothing."""
    if action.exec_type is None:
        raise RuleBroken("exec_type is needed")
    exec_id = action.exec_id or venue.next_exec_id()
    last = {"last_qty": _dec(action, "qty") or Decimal(0), "last_px": _dec(action, "px") or Decimal(0)}
    fields = {"exec_ref_id": action.exec_ref_id, "restatement_reason": action.reason}
    return _say(venue, order, order.report(action.exec_type, exec_id, **last, **fields), action)


def _taken_by_phone(venue: Venue, action: Action) -> Order:
    """The record of an order that the client's session never sent."""
    if action.session is None or action.symbol is None or action.side is None:
        raise RuleBroken("session, symbol and side are needed")
    price = _dec(action, "price")
    terms = Terms(
        ord_type=OrdType.MARKET if price is None else OrdType.LIMIT,
        tif=action.tif or TimeInForce.DAY,
        order_qty=trim(_need(action, "qty")),
        price=price,
    )
    request = NewOrder(
        cl_ord_id=action.cl_ord_id or "", symbol=action.symbol, side=action.side, terms=terms, account=action.account
    )
    if action.cl_ord_id is not None and venue.is_used(action.session, action.cl_ord_id):
        raise RuleBroken(f"ClOrdID {action.cl_ord_id} was used before")
    if venue.full:
        raise RuleBroken("the venue is full, see max_records")
    return venue.create(action.session, request)


# Lies ---------------------------------------------------------------------------------------------


def _lie(venue: Venue, order: Order, action: Action) -> Report:
    """From now on every report about the order says this, whatever is true; no tags: the truth again."""
    order.lies = action.tags
    venue.touch(order)
    return order.status()


def _forget(venue: Venue, order: Order, action: Action) -> Report:  # noqa: ARG001 - one shape for all handlers.
    """Deny the order from now on."""
    last = order.status()
    venue.forget(order)
    return last


# Cancel and replace requests ----------------------------------------------------------------------


def _show_pending(venue: Venue, order: Order, action: Action) -> Report:
    pending = order.find_pending(action.cl_ord_id or "")
    if (pending.terms is None) != (action.do == "pending_cancel"):
        raise RuleBroken(f"{action.cl_ord_id} is not a request for {action.do}")
    return _say(venue, order, order.show_pending(venue.next_exec_id(), pending), action)


def _accept(venue: Venue, order: Order, action: Action) -> Report:
    pending = order.find_pending(action.cl_ord_id or "")
    if (pending.terms is None) != (action.do == "cancel_accept"):
        raise RuleBroken(f"{action.cl_ord_id} is not a request for {action.do}")
    return venue.accept(order, pending.cl_ord_id, **_extra(order, action))


def _refuse(venue: Venue, order: Order, action: Action) -> Reply:
    pending = order.find_pending(action.cl_ord_id or "")
    reject = order.refuse(pending, 0 if action.reason is None else action.reason, action.text)
    reject.tags = action.tags
    venue.touch(order)
    if not action.silent:
        venue.replies.append(reject)
    return reject


ACTIONS: dict[str, Handler] = {
    "pending_new": _pending_new,
    "new": _new,
    "reject": _reject,
    "fill": _fill,
    "bust": _bust,
    "correct": _correct,
    "pending_cancel": _show_pending,
    "cancel_accept": _accept,
    "cancel_reject": _refuse,
    "pending_replace": _show_pending,
    "replace_accept": _accept,
    "replace_reject": _refuse,
    "unsolicited_cancel": _unsolicited_cancel,
    "unsolicited_replace": _unsolicited_replace,
    "restate": _restate,
    "expire": _expire,
    "done_for_day": _done_for_day,
    "calculate": _calculate,
    "stopped": _stopped,
    "suspend": _suspend,
    "reinstate": _reinstate,
    "status": _status,
    "report": _report,
    # A new record that is acknowledged to a session that never sent it (Appendix D E.1.a).
    "phone_order": _new,
    "lie": _lie,
    "forget": _forget,
}
NAMES = frozenset(ACTIONS)
