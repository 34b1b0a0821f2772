"""The venue's rules: orders, instruments, requests. No sockets, no files; time is an argument."""

from decimal import Decimal
from typing import Any

import msgspec

from sim_exchange.book import Fill
from sim_exchange.config import Config
from sim_exchange.enums import CxlRejReason, ExecType, OrdRejReason, OrdStatus, Phase, TimeInForce
from sim_exchange.fix import utc_timestamp
from sim_exchange.inquiries import Inquiries
from sim_exchange.instruments import Instrument, Refusal, terms_problem
from sim_exchange.ledger import LastPrice, PhaseChange, State, Used
from sim_exchange.matching import Event, Gone, Refused, Triggered, Why
from sim_exchange.messages import (
    CancelReject,
    CancelRequest,
    MassCancelReport,
    MassCancelRequest,
    MassStatusRequest,
    NewOrder,
    ReplaceRequest,
    Report,
    Request,
    StatusRequest,
    Terms,
)
from sim_exchange.orders import Order, RuleBroken, in_units_of_now


class Venue(Inquiries):
    """All orders of all clients. One instance is owned by one thread."""

    def __init__(self, config: Config, state: State) -> None:
        super().__init__(config, state)
        # Orders that are open and that no market holds now: suspended, done for the day, less than a lot.
        self._aside: dict[int, Order] = {}
        self._restore(state)

    # Restart --------------------------------------------------------------------------------------

    def _restore(self, state: State) -> None:
        """Open orders rest again in the priority they had, and stop orders wait where the market was."""
        self._rank = max((order.rank for order in self.orders.values()), default=0)
        for symbol, phase in state.phases.items():
            if symbol in self.instruments:
                self.instruments[symbol].market.phase = phase
        for symbol, last_px in state.prices.items():
            if symbol in self.instruments:
                self.instruments[symbol].market.last_price = int(last_px / self.instruments[symbol].tick)
        for order in sorted(self.orders.values(), key=lambda o: o.rank):
            instrument = self.instruments.get(order.symbol)
            if instrument is None or instrument.manual:
                continue
            if order.acknowledged and self._tradable(instrument, order):
                instrument.market.restore(instrument.market_order(order, order.leaves_qty))
            elif order.working:
                self._aside[order.number] = order

    # Requests -------------------------------------------------------------------------------------

    def handle(self, owner: str, request: Request, refusal: Refusal | None = None) -> None:
        """Do what the client `owner` asks; `refusal` makes the venue refuse an order or change outright."""
        match request:
            case NewOrder():
                self._new(owner, request, refusal)
            case CancelRequest() | ReplaceRequest():
                self._change(owner, request, refusal)
            case StatusRequest():
                self.status(owner, request)
            case MassStatusRequest():
                self.mass_status(owner, request)
            case MassCancelRequest():
                self._mass_cancel(owner, request)

    def _new(self, owner: str, request: NewOrder, refusal: Refusal | None) -> None:
        if (owner, request.cl_ord_id) in self._by_cl_ord_id:
            self._duplicate(owner, request)
            return
        if self.full:
            self._reject_unrecorded(owner, request, OrdRejReason.EXCEEDS_LIMIT, "the venue is full")
            return
        order = self.create(owner, request)
        instrument = self.instruments.get(request.symbol)
        refusal = refusal or self._why_not_new(instrument, order)
        if refusal is not None or instrument is None:
            reason, text = refusal or (OrdRejReason.UNKNOWN_SYMBOL, "unknown symbol")
            self.emit(order, order.reject(self.next_exec_id(), reason, text))
        elif not instrument.manual:
            self.emit(order, order.acknowledge(self.next_exec_id()))
            self._enter(instrument, order)

    def create(self, owner: str, request: NewOrder) -> Order:
        """A record for an order that came in, by FIX or by telephone (then with an empty ClOrdID)."""
        number = self._count("order")
        cl_ord_id = request.cl_ord_id or None
        order = Order(
            number=number,
            order_id=f"{self.name}-O{number}",
            owner=owner,
            symbol=request.symbol,
            side=request.side,
            terms=request.terms,
            cl_ord_id=cl_ord_id,
            account=request.account,
            order_qty=request.terms.order_qty,
            cl_ord_ids=[cl_ord_id] if cl_ord_id else [],
        )
        self._index(order)
        self.touch(order)
        return order

    def _duplicate(self, owner: str, request: NewOrder) -> None:
        known = self._by_cl_ord_id[owner, request.cl_ord_id]
        if request.poss_resend and known is not None:
            self.replies.append(known.status())
            return
        self._reject_unrecorded(owner, request, OrdRejReason.DUPLICATE_ORDER, "duplicate ClOrdID(11)")

    def _reject_unrecorded(self, owner: str, request: NewOrder, reason: int, text: str) -> None:
        self.replies.append(
            Report(
                owner=owner,
                order_id="NONE",
                exec_id=self.next_exec_id(),
                exec_type=ExecType.REJECTED,
                ord_status=OrdStatus.REJECTED,
                symbol=request.symbol,
                side=request.side,
                terms=request.terms,
                order_qty=request.terms.order_qty,
                cl_ord_id=request.cl_ord_id,
                account=request.account,
                ord_rej_reason=reason,
                text=text,
            )
        )

    def _why_not_new(self, instrument: Instrument | None, order: Order) -> Refusal | None:
        if instrument is None:
            return OrdRejReason.UNKNOWN_SYMBOL, f"unknown symbol {order.symbol}"
        if instrument.manual:
            return None
        problem = terms_problem(instrument, order.terms, self.now_ns)
        if problem:
            return problem
        try:
            instrument.market.check(instrument.market_order(order, order.order_qty))
        except Refused as refused:
            closed = instrument.market.phase in (Phase.CLOSED, Phase.HALTED)
            return OrdRejReason.EXCHANGE_CLOSED if closed else OrdRejReason.OTHER, str(refused)
        return None

    # Cancel and replace ---------------------------------------------------------------------------

    def _change(self, owner: str, request: CancelRequest | ReplaceRequest, refusal: Refusal | None) -> None:
        terms = request.terms if isinstance(request, ReplaceRequest) else None
        order = self._by_cl_ord_id.get((owner, request.orig_cl_ord_id))
        if order is None:
            self._unknown(owner, request, terms is not None)
            return
        if (owner, request.cl_ord_id) in self._by_cl_ord_id:
            reject = order.cancel_reject(
                request.cl_ord_id, terms is not None, CxlRejReason.DUPLICATE_CL_ORD_ID, "duplicate ClOrdID(11)"
            )
            self.replies.append(reject)
            return
        if self.full and (terms is not None or order.why_not(None)):
            text = "the venue is full, it takes cancels of working orders only"
            self.replies.append(order.cancel_reject(request.cl_ord_id, terms is not None, CxlRejReason.OTHER, text))
            return
        self._by_cl_ord_id[owner, request.cl_ord_id] = order
        instrument = self.instruments.get(order.symbol)
        manual = instrument is None or instrument.manual
        refusal = refusal or _not_as_ordered(order, request)
        if refusal is None and not manual:
            refusal = order.why_not(terms) or self._why_not_replace(order, terms)
        pending = order.request(request.cl_ord_id, terms)
        self.lines.append(Used(session=owner, cl_ord_id=request.cl_ord_id, order_id=order.order_id))
        self.touch(order)
        if refusal is not None:
            self.replies.append(order.refuse(pending, *refusal))
        elif not manual:
            self.accept(order, request.cl_ord_id)

    def _unknown(self, owner: str, request: CancelRequest | ReplaceRequest, replace: bool) -> None:
        self.replies.append(
            CancelReject(
                owner=owner,
                order_id="NONE",
                cl_ord_id=request.cl_ord_id,
                orig_cl_ord_id=request.orig_cl_ord_id,
                ord_status=OrdStatus.REJECTED,
                response_to="2" if replace else "1",
                reason=CxlRejReason.UNKNOWN_ORDER,
                text="unknown order",
            )
        )
        self._spend(owner, request.cl_ord_id)

    def _why_not_replace(self, order: Order, terms: Terms | None) -> Refusal | None:
        if terms is None:
            return None
        instrument = self.instruments[order.symbol]
        problem = terms_problem(instrument, terms, self.now_ns)
        if problem:
            return CxlRejReason.OTHER, problem[1]
        changed = msgspec.structs.replace(order, terms=terms)
        try:
            instrument.market.check(instrument.market_order(changed, terms.order_qty))
        except Refused as refused:
            return CxlRejReason.BROKER_OPTION, str(refused)
        return None

    def accept(self, order: Order, cl_ord_id: str, **fields: Any) -> Report:
        """Accept a waiting cancel or replace and let the market follow; `fields` change the report."""
        old = order.terms
        report = order.accept(self.next_exec_id(), order.find_pending(cl_ord_id))
        self.emit(order, msgspec.structs.replace(report, **fields))
        if order.terms.stop_px != old.stop_px:
            order.triggered = False
        self.sync(order)
        return report

    def sync(self, order: Order) -> None:
        """Make the market hold exactly what may still trade of an order that was changed outside of it."""
        instrument = self.instruments.get(order.symbol)
        if instrument is None or instrument.manual:
            return
        market = instrument.market
        self._aside.pop(order.number, None)
        if not self._tradable(instrument, order):
            market.cancel(order.number)
            if order.working:
                self._aside[order.number] = order
            return
        if not order.acknowledged:
            return
        target = instrument.market_order(order, order.leaves_qty)
        target.post_only = False
        if order.number not in market:
            self._enter(instrument, order)
            return
        if not market.keeps_place(target):
            self._behind_all(order)
        events = market.replace(target)
        self.apply(instrument, events)

    @staticmethod
    def _tradable(instrument: Instrument, order: Order) -> bool:
        """Whether the market may hold an order. The desk may leave less than one lot of it, which nothing trades."""
        return order.leaves_qty >= instrument.lot and not order.suspended and not order.done_for_day

    def _enter(self, instrument: Instrument, order: Order) -> None:
        self._behind_all(order)
        entry = instrument.market_order(order, order.leaves_qty)
        try:
            events = instrument.market.submit(entry)
        except Refused as refused:
            self.emit(order, order.cancel(self.next_exec_id(), text=str(refused)))
            return
        self.apply(instrument, events)

    def _behind_all(self, order: Order) -> None:
        self._rank += 1
        order.rank = self._rank

    # Mass cancel ----------------------------------------------------------------------------------

    def forget(self, order: Order) -> None:
        """Know nothing of an order from now on; what was executed stands."""
        instrument = self.instruments.get(order.symbol)
        if instrument is not None and not instrument.manual:
            instrument.market.cancel(order.number)
        self._aside.pop(order.number, None)
        self._drop(order)

    def _mass_cancel(self, owner: str, request: MassCancelRequest) -> None:
        refusal = self._why_not_mass_cancel(owner, request)
        self._spend(owner, request.cl_ord_id)
        orders = [] if refusal else self._working(owner, request.symbol, request.side)
        reason, text = refusal or (None, None)
        self.replies.append(
            MassCancelReport(
                owner=owner,
                cl_ord_id=request.cl_ord_id,
                order_id=f"{self.name}-M{self._count('order')}",
                request_type=request.request_type,
                response="0" if refusal else request.request_type,
                total_affected=len(orders),
                reason=reason,
                text=text,
            )
        )
        self._cancel_all(orders, "mass cancel")

    def cancel_on_disconnect(self, owner: str) -> None:
        """Cancel what a client that is gone has left, but not what is good beyond the day."""
        beyond = (TimeInForce.GTC, TimeInForce.GTD)
        orders = [order for order in self._working(owner, None, None) if order.terms.tif not in beyond]
        self._cancel_all(orders, "cancel on disconnect")

    def _cancel_all(self, orders: list[Order], text: str) -> None:
        for order in orders:
            self.emit(order, order.cancel(self.next_exec_id(), text=text))
            self.sync(order)

    def _why_not_mass_cancel(self, owner: str, request: MassCancelRequest) -> tuple[str, str] | None:
        if (owner, request.cl_ord_id) in self._by_cl_ord_id:
            return "99", "duplicate ClOrdID(11)"
        if request.request_type not in ("1", "7"):
            return "0", "MassCancelRequestType(530) must be 1 or 7"
        if request.symbol is not None and request.symbol not in self.instruments:
            return "1", f"unknown symbol {request.symbol}"
        return None

    # The market -----------------------------------------------------------------------------------

    def set_phase(self, symbol: str, phase: Phase) -> None:
        """Move an instrument to a phase. Raises RuleBroken for an unknown symbol."""
        instrument = self.instrument(symbol)
        events = instrument.market.set_phase(phase, self.now_ns)
        self.lines.append(PhaseChange(time=utc_timestamp(self.now_ns), symbol=symbol, phase=phase))
        self.apply(instrument, events)
        if phase is Phase.CLOSED and not instrument.manual:
            lasting = (TimeInForce.GTC, TimeInForce.GTD)
            over = [o for o in self._aside.values() if o.symbol == symbol and o.terms.tif not in lasting]
            self._expire_aside(over, Why.END_OF_DAY)

    def _expire_aside(self, orders: list[Order], why: Why) -> None:
        for order in orders:
            self.emit(order, order.expire(self.next_exec_id(), text=why.value))
            self.sync(order)

    def instrument(self, symbol: str) -> Instrument:
        """The instrument with this symbol. Raises RuleBroken."""
        if symbol not in self.instruments:
            raise RuleBroken(f"unknown symbol {symbol}")
        return self.instruments[symbol]

    def tick(self, mono_ns: int) -> None:
        """Let time pass: GTD orders expire, the crowd acts."""
        for instrument in self.instruments.values():
            if not instrument.manual:
                self.apply(instrument, instrument.market.expire(self.now_ns))
                self.apply(instrument, instrument.crowd.tick(mono_ns))
        over = [o for o in self._aside.values() if 0 < o.terms.expires_ns <= self.now_ns]
        self._expire_aside(over, Why.TIME)

    def apply(self, instrument: Instrument, events: list[Event]) -> None:
        """Tell the owners what happened in a market, and remember its last price."""
        if any(isinstance(event, Fill) for event in events):
            last_px = instrument.market.last_price * instrument.tick
            self.lines.append(LastPrice(symbol=instrument.symbol, last_px=last_px))
        for event in events:
            match event:
                case Fill():
                    qty, px = event.qty * instrument.lot, event.price * instrument.tick
                    for key in (event.maker, event.taker):
                        if key in self._by_number:
                            self.fill(self._by_number[key], qty, px)
                case Gone() if event.key in self._by_number:
                    order = self._by_number[event.key]
                    leave = order.expire if event.expired else order.cancel
                    self.emit(order, leave(self.next_exec_id(), text=event.why.value))
                case Triggered() if event.key in self._by_number:
                    order = self._by_number[event.key]
                    order.triggered = True
                    self._behind_all(order)
                    self.touch(order)
                case _:
                    pass

    # Executions -----------------------------------------------------------------------------------

    def fill(
        self,
        order: Order,
        qty: Decimal,
        px: Decimal,
        exec_id: str | None = None,
        order_qty: Decimal | None = None,
        **fields: Any,
    ) -> Report:
        """Execute `qty` of an order at `px` and report it; `order_qty` is what the order has from now on.

        Raises RuleBroken when the order has this ExecID(17).
        """
        if exec_id is not None and self.executions.get(order.order_id, exec_id) is not None:
            raise RuleBroken(f"order {order.order_id} already has execution {exec_id}")
        if order_qty is not None:
            order.order_qty = order_qty
        report = order.fill(exec_id or self.next_exec_id(), qty, px)
        self._execution(order, report, "new")
        self.emit(order, msgspec.structs.replace(report, **fields))
        return report

    def bust(self, order: Order, exec_id: str, **fields: Any) -> Report:
        """Take back an execution and report it, in units of now."""
        old = self.standing(order, exec_id)
        qty, px = in_units_of_now(order, old.last_qty, old.last_px, old.factor)
        report = order.bust(self.next_exec_id(), exec_id, qty, px, old.last_qty * old.last_px)
        self._execution(order, report, "bust")
        self.emit(order, msgspec.structs.replace(report, **fields))
        self.sync(order)
        return report

    def correct(self, order: Order, exec_id: str, qty: Decimal | None, px: Decimal | None, **fields: Any) -> Report:
        """Change quantity or price of an execution and report it, in units of now."""
        standing = self.standing(order, exec_id)
        old = in_units_of_now(order, standing.last_qty, standing.last_px, standing.factor)
        new = (old[0] if qty is None else qty, old[1] if px is None else px)
        notional = standing.last_qty * standing.last_px
        report = order.correct(self.next_exec_id(), exec_id, old, new, notional)
        self._execution(order, report, "correct")
        self.emit(order, msgspec.structs.replace(report, **fields))
        self.sync(order)
        return report


def _not_as_ordered(order: Order, request: CancelRequest | ReplaceRequest) -> Refusal | None:
    """Why a request is not about the order that it names: both must have the same Symbol(55) and Side(54)."""
    for tag, asked, ordered in (("Symbol(55)", request.symbol, order.symbol), ("Side(54)", request.side, order.side)):
        if asked != ordered:
            return CxlRejReason.OTHER, f"{tag} {asked} is not that of the order, which is {ordered}"
    return None
