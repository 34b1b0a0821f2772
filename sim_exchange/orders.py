"""The venue's order record: FIX 4.4 Appendix D, one order at a time.

An order has two axes: what was executed, and which requests are pending. OrdStatus(39) is computed from both by the FIX
precedence and never stored. Each method is one transition; it changes the record and returns the report that says so.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from sim_exchange.enums import CxlRejReason, ExecType, OrdStatus, Side, TimeInForce
from sim_exchange.messages import ZERO, CancelReject, Report, Terms

_AVG_PX_STEP = Decimal("0.00000001")


class RuleBroken(Exception):
    """The transition is not possible in this state; `args[0]` says why."""


class Pending(msgspec.Struct, kw_only=True):
    """A cancel or (with `terms`) a replace that waits for its answer; `shown` once it was reported as pending."""

    cl_ord_id: str
    terms: Terms | None = None
    shown: bool = False


class Order(msgspec.Struct, kw_only=True, tag_field="kind", tag="order"):
    """One order of one FIX session (`owner`). `number` is its key in the market, `order_id` the same for the wire.

    `cl_ord_id` is the ClOrdID(11) last accepted, None for an order taken by telephone. `notional` is the sum of
    quantity times price over the executions that stand, so that AvgPx(6) stays exact until it is shown. `lies` are raw
    fields that every report about the order gets, whatever is true. `factor` is what stock splits have multiplied its
    quantities by.
    """

    number: int
    order_id: str
    owner: str
    symbol: str
    side: Side
    terms: Terms
    cl_ord_id: str | None = None
    account: str | None = None
    cl_ord_ids: list[str] = []
    cum_qty: Decimal = ZERO
    notional: Decimal = ZERO
    order_qty: Decimal = ZERO
    acknowledged: bool = False
    was_replaced: bool = False
    ended: OrdStatus | None = None
    done_for_day: bool = False
    calculated: bool = False
    suspended: bool = False
    stopped_qty: Decimal = ZERO
    pending: list[Pending] = []
    triggered: bool = False
    rank: int = 0
    lies: dict[str, str] = {}
    factor: Decimal = Decimal(1)

    @property
    def avg_px(self) -> Decimal:
        """AvgPx(6), rounded to eight places, zero without executions."""
        if not self.cum_qty:
            return ZERO
        return trim((self.notional / self.cum_qty).quantize(_AVG_PX_STEP, ROUND_HALF_EVEN))

    @property
    def leaves_qty(self) -> Decimal:
        """LeavesQty(151): nothing for what has ended, nor for a day order that is done for the day."""
        if self.ended is not None or self._over_for_today:
            return ZERO
        return max(ZERO, self.order_qty - self.cum_qty)

    @property
    def open(self) -> bool:
        """Whether the order may still trade or waits for an answer."""
        return self.ended is None and (self.working or bool(self.pending))

    @property
    def working(self) -> bool:
        """Whether there is something left that may trade or be canceled.

        A CashOrderQty(152) order has no quantity, and so no leaves, until its price is known (Appendix D L.1.b).
        """
        if self.ended is not None or self.filled:
            return False
        unpriced = not self.order_qty and self.terms.cash_order_qty is not None and not self._over_for_today
        return not self.acknowledged or unpriced or self.leaves_qty > ZERO

    @property
    def _over_for_today(self) -> bool:
        lasts = self.terms.tif in (TimeInForce.GTC, TimeInForce.GTD)
        return (self.done_for_day or self.calculated) and not lasts

    @property
    def filled(self) -> bool:
        """Whether all that was ordered has been executed."""
        return ZERO < self.order_qty <= self.cum_qty

    @property
    def ord_status(self) -> OrdStatus:
        """OrdStatus(39): of all that holds, what stands first in the FIX precedence."""
        return next(status for status, holds in self._precedence() if holds)

    def _guaranteed(self) -> bool:
        """Stopped until more is executed than was guaranteed (Appendix D, L.1.a), or until the order ends with that."""
        if self.stopped_qty == self.cum_qty:
            return self.stopped_qty > ZERO and self.ended is None
        return self.stopped_qty > self.cum_qty

    def _precedence(self) -> tuple[tuple[OrdStatus, bool], ...]:
        shown = [p for p in self.pending if p.shown]
        return (
            (OrdStatus.PENDING_CANCEL, any(p.terms is None for p in shown)),
            (OrdStatus.PENDING_REPLACE, any(p.terms is not None for p in shown)),
            (OrdStatus.DONE_FOR_DAY, self.done_for_day),
            (OrdStatus.CALCULATED, self.calculated),
            (OrdStatus.FILLED, self.filled),
            (OrdStatus.STOPPED, self._guaranteed()),
            (OrdStatus.SUSPENDED, self.suspended),
            (OrdStatus.CANCELED, self.ended is OrdStatus.CANCELED),
            (OrdStatus.EXPIRED, self.ended is OrdStatus.EXPIRED),
            (OrdStatus.REJECTED, self.ended is OrdStatus.REJECTED),
            (OrdStatus.PARTIALLY_FILLED, self.cum_qty > ZERO),
            (OrdStatus.NEW, self.acknowledged),
            (OrdStatus.PENDING_NEW, True),
        )

    # Reports --------------------------------------------------------------------------------------

    def report(self, exec_type: ExecType, exec_id: str, **fields: Any) -> Report:
        """ExecutionReport(8) of the present state; `fields` are further members of Report."""
        values: dict[str, Any] = {
            "owner": self.owner,
            "order_id": self.order_id,
            "exec_id": exec_id,
            "exec_type": exec_type,
            "ord_status": self.ord_status,
            "symbol": self.symbol,
            "side": self.side,
            "terms": self.terms,
            "order_qty": self.order_qty,
            "leaves_qty": self.leaves_qty,
            "cum_qty": self.cum_qty,
            "avg_px": self.avg_px,
            "cl_ord_id": self.cl_ord_id,
            "account": self.account,
            "was_replaced": self.was_replaced,
            "tags": self.lies,
        }
        return Report(**(values | fields))

    def status(self, **fields: Any) -> Report:
        """Answer to a status request: ExecType(150) I, ExecID(17) 0, nothing changes."""
        return self.report(ExecType.ORDER_STATUS, "0", **fields)

    # The order itself -----------------------------------------------------------------------------

    def pending_new(self, exec_id: str) -> Report:
        """Received, not yet accepted."""
        self._require(not self.acknowledged, "the order is already acknowledged")
        return self.report(ExecType.PENDING_NEW, exec_id)

    def acknowledge(self, exec_id: str) -> Report:
        """Accepted."""
        self._require(not self.acknowledged and self.ended is None, "the order is already acknowledged or ended")
        self.acknowledged = True
        return self.report(ExecType.NEW, exec_id)

    def reject(self, exec_id: str, reason: int, text: str | None = None) -> Report:
        """Refused; never after an acknowledgement with executions."""
        self._require(self.ended is None and not self.cum_qty, "only an order without executions can be rejected")
        self._end(OrdStatus.REJECTED)
        return self.report(ExecType.REJECTED, exec_id, ord_rej_reason=reason, text=text)

    def fill(self, exec_id: str, qty: Decimal, px: Decimal) -> Report:
        """Executed. A pending request does not matter: the report speaks of the order as last accepted."""
        self._require(qty > ZERO, "qty must be positive")
        self.cum_qty += qty
        self.notional += qty * px
        return self.report(ExecType.TRADE, exec_id, last_qty=qty, last_px=px)

    def bust(
        self, exec_id: str, exec_ref_id: str, qty: Decimal, px: Decimal, notional: Decimal | None = None
    ) -> Report:
        """Take back an execution of `qty` at `px`, also after the order has ended.

        `notional` is what the execution is worth where a stock split has left no exact `px`.
        """
        self.cum_qty -= qty
        self.notional -= qty * px if notional is None else notional
        return self.report(ExecType.TRADE_CANCEL, exec_id, exec_ref_id=exec_ref_id, last_qty=qty, last_px=px)

    def correct(
        self,
        exec_id: str,
        exec_ref_id: str,
        old: tuple[Decimal, Decimal],
        new: tuple[Decimal, Decimal],
        notional: Decimal | None = None,
    ) -> Report:
        """Change an execution from `old`, with `notional` as in `bust`, to `new`; each is a (quantity, price)."""
        self.cum_qty += new[0] - old[0]
        self.notional += new[0] * new[1] - (old[0] * old[1] if notional is None else notional)
        return self.report(ExecType.TRADE_CORRECT, exec_id, exec_ref_id=exec_ref_id, last_qty=new[0], last_px=new[1])

    def cancel(self, exec_id: str, reason: int | None = None, text: str | None = None) -> Report:
        """Canceled by the venue, unasked; `reason` is ExecRestatementReason(378)."""
        self._require_unended()
        self._end(OrdStatus.CANCELED)
        return self.report(ExecType.CANCELED, exec_id, restatement_reason=reason, text=text)

    def expire(self, exec_id: str, text: str | None = None) -> Report:
        """Its time in force is over."""
        self._require_unended()
        self._end(OrdStatus.EXPIRED)
        return self.report(ExecType.EXPIRED, exec_id, text=text)

    def finish_day(self, exec_id: str) -> Report:
        """Done for the day; a GTC or GTD order keeps its leaves for tomorrow."""
        self.done_for_day = True
        return self.report(ExecType.DONE_FOR_DAY, exec_id)

    def calculate(self, exec_id: str) -> Report:
        """Commission and the like have been calculated for the day."""
        self.calculated = True
        return self.report(ExecType.CALCULATED, exec_id)

    def suspend(self, exec_id: str) -> Report:
        """Held back, for instance by a trading halt."""
        self._require(self.ended is None, "the order has already ended")
        self.suspended = True
        return self.report(ExecType.SUSPENDED, exec_id)

    def reinstate(self, exec_id: str, exec_type: ExecType = ExecType.NEW) -> Report:
        """The suspension is over; Appendix D K.1.a."""
        self._require(self.suspended, "the order is not suspended")
        self.suspended = False
        return self.report(exec_type, exec_id)

    def stop(self, exec_id: str, qty: Decimal, px: Decimal) -> Report:
        """Guarantee `qty` at `px` before it is executed; the order is Stopped until that much more has traded."""
        self.stopped_qty = self.cum_qty + qty
        return self.report(ExecType.STOPPED, exec_id, last_qty=qty, last_px=px)

    def restate(self, exec_id: str, exec_type: ExecType, reason: int | None, terms: Terms) -> Report:
        """Terms changed by the venue, unasked; a new day for an order that was done for the day."""
        self.done_for_day = self.calculated = False
        self._adopt(terms)
        return self.report(exec_type, exec_id, restatement_reason=reason)

    def split(self, ratio: Decimal) -> None:
        """A stock split: quantities times `ratio`, prices divided by it; to be followed by `restate`."""
        self.cum_qty = trim(self.cum_qty * ratio)
        self.stopped_qty = trim(self.stopped_qty * ratio)
        self.factor = trim(self.factor * ratio)
        scaled = msgspec.structs.replace(
            self.terms,
            order_qty=trim(self.order_qty * ratio),
            price=None if self.terms.price is None else trim(self.terms.price / ratio),
            stop_px=None if self.terms.stop_px is None else trim(self.terms.stop_px / ratio),
            max_floor=None if self.terms.max_floor is None else trim(self.terms.max_floor * ratio),
        )
        self._adopt(scaled)

    # Cancel and replace ---------------------------------------------------------------------------

    def request(self, cl_ord_id: str, terms: Terms | None) -> Pending:
        """Note a cancel (no terms) or replace request that waits for its answer."""
        pending = Pending(cl_ord_id=cl_ord_id, terms=terms)
        self.pending.append(pending)
        self.cl_ord_ids.append(cl_ord_id)
        return pending

    def find_pending(self, cl_ord_id: str) -> Pending:
        """The waiting request with this ClOrdID(11)."""
        for pending in self.pending:
            if pending.cl_ord_id == cl_ord_id:
                return pending
        raise RuleBroken(f"no request {cl_ord_id} is waiting on order {self.order_id}")

    def show_pending(self, exec_id: str, pending: Pending) -> Report:
        """Pending Cancel or Pending Replace: the request was received, the order is as it was."""
        pending.shown = True
        kind = ExecType.PENDING_CANCEL if pending.terms is None else ExecType.PENDING_REPLACE
        return self.report(kind, exec_id, cl_ord_id=pending.cl_ord_id, orig_cl_ord_id=self.cl_ord_id)

    def accept(self, exec_id: str, pending: Pending) -> Report:
        """Do what the request asks. A quantity below CumQty(14) becomes CumQty (Appendix D C.3.c)."""
        self._require(self.ended is None, "the order has already ended")
        self._require(pending.terms is not None or not self.filled, "the order is filled")
        self.pending.remove(pending)
        original, self.cl_ord_id = self.cl_ord_id, pending.cl_ord_id
        if pending.terms is None:
            self._end(OrdStatus.CANCELED)
            return self.report(ExecType.CANCELED, exec_id, orig_cl_ord_id=original)
        self.was_replaced = True
        terms = pending.terms
        self._adopt(msgspec.structs.replace(terms, order_qty=max(terms.order_qty, self.cum_qty)))
        return self.report(ExecType.REPLACED, exec_id, orig_cl_ord_id=original)

    def refuse(self, pending: Pending, reason: int, text: str | None = None) -> CancelReject:
        """Refuse a waiting request, before or after it was shown as pending."""
        self.pending.remove(pending)
        return self.cancel_reject(pending.cl_ord_id, pending.terms is not None, reason, text)

    def cancel_reject(self, cl_ord_id: str, replace: bool, reason: int, text: str | None = None) -> CancelReject:
        """OrderCancelReject(9); OrigClOrdID(41) is the ClOrdID last accepted (Appendix D D.2.d)."""
        return CancelReject(
            owner=self.owner,
            order_id=self.order_id,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=self.cl_ord_id or "NONE",
            ord_status=self.ord_status,
            response_to="2" if replace else "1",
            reason=reason,
            text=text,
            was_replaced=self.was_replaced,
        )

    def why_not(self, terms: Terms | None) -> tuple[int, str] | None:
        """Reason and text when a cancel (no terms) or replace cannot be done now, None when it can."""
        if self.pending:
            return CxlRejReason.ALREADY_PENDING, "a cancel or replace is already pending"
        if self.ended is not None:
            return CxlRejReason.TOO_LATE, f"too late, the order is {self.ended.name.lower()}"
        if self.done_for_day and not self.leaves_qty:
            return CxlRejReason.TOO_LATE, "too late, the order is done for the day"
        if self.filled and (terms is None or terms.order_qty <= self.cum_qty):
            return CxlRejReason.TOO_LATE, "too late, the order is filled"
        return None

    def _adopt(self, terms: Terms) -> None:
        self.terms = terms
        self.order_qty = terms.order_qty

    def _end(self, status: OrdStatus) -> None:
        self.ended = status
        self.suspended = False
        self.stopped_qty = ZERO

    def _require_unended(self) -> None:
        """A filled order has nothing left to cancel either (Appendix D B.1.c)."""
        self._require(self.ended is None, "the order has already ended")
        self._require(not self.filled, "the order is filled")

    @staticmethod
    def _require(holds: bool, text: str) -> None:
        if not holds:
            raise RuleBroken(text)


def in_units_of_now(order: Order, qty: Decimal, px: Decimal, factor: Decimal) -> tuple[Decimal, Decimal]:
    """Quantity and price (eight places) of what was executed when the order's factor was `factor`."""
    since = order.factor / factor
    if since == 1:
        return qty, px
    return trim(qty * since), trim((px / since).quantize(_AVG_PX_STEP, ROUND_HALF_EVEN))


def trim(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    normal = value.normalize()
    return normal.quantize(Decimal(1)) if normal == normal.to_integral_value() else normal
