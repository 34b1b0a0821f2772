"""A slow, obvious twin of the order book.

It keeps, for each order, the plain list of everything that was accepted about it, and works out what the order looks
like by telling the whole story again from the beginning, each time somebody asks. It shares no code with the gateway
but the vocabulary. Its rules are those of the written design: the precedence of Appendix D, rules 3, 4 and 5, and that
a request is pending from the moment it is sent.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from gateway.core.reports import ExecutionReport, OrderCancelReject
from gateway.core.types import DoubtOutcome, ExecType, OrdStatus, Side
from tests.core.story import Asked, Back, Lost, Said, Settled, Unsent

FINAL = {ExecType.CANCELED: OrdStatus.CANCELED, ExecType.EXPIRED: OrdStatus.EXPIRED}
PLACES = {
    OrdStatus.PENDING_CANCEL: 12,
    OrdStatus.PENDING_REPLACE: 11,
    OrdStatus.DONE_FOR_DAY: 10,
    OrdStatus.CALCULATED: 9,
    OrdStatus.FILLED: 8,
    OrdStatus.STOPPED: 7,
    OrdStatus.SUSPENDED: 6,
    OrdStatus.CANCELED: 5.5,  # Of two endings the one that somebody caused.
    OrdStatus.EXPIRED: 5,
    OrdStatus.PARTIALLY_FILLED: 4,
    OrdStatus.REJECTED: 2.2,
    OrdStatus.NEW: 2.1,
    OrdStatus.PENDING_NEW: 2,
}


@dataclass
class Picture:
    """What an order looks like at the end of its story."""

    order_qty: Decimal
    price: Decimal
    cl_ord_id: str
    venue_cl_ord_id: str
    open_requests: dict[str, Asked]
    doubtful: set[str]
    holds: set[OrdStatus]
    ended: bool
    fills: dict[str, tuple[Decimal, Decimal]]
    unspoken: set[str]
    first: str
    older: set[str] = field(default_factory=set)
    guaranteed: Decimal = Decimal(0)
    executed: bool = False
    never_arrived: bool = False
    replaced_by: list[str] = field(default_factory=list)
    presumed: Asked | None = None
    called_canceled: bool = False
    void: set[str] = field(default_factory=set)
    unsent: set[str] = field(default_factory=set)
    before: tuple[Decimal, Decimal, str, str] = (Decimal(0), Decimal(0), "", "")

    @property
    def cum_qty(self) -> Decimal:
        return sum((qty for qty, _ in self.fills.values()), Decimal(0))

    @property
    def cum_value(self) -> Fraction:
        return sum((Fraction(qty) * Fraction(px) for qty, px in self.fills.values()), Fraction(0))

    @property
    def leaves_qty(self) -> Decimal:
        if self.ended or OrdStatus.DONE_FOR_DAY in self.holds:
            return Decimal(0)
        return max(self.order_qty - self.cum_qty, Decimal(0))

    @property
    def avg_px(self) -> Fraction:
        return self.cum_value / Fraction(self.cum_qty) if self.cum_qty else Fraction(0)

    @property
    def ord_status(self) -> OrdStatus:
        holds = {OrdStatus.PENDING_NEW, *self.holds}
        if self.cum_qty:
            holds.add(OrdStatus.FILLED if self.cum_qty >= self.order_qty else OrdStatus.PARTIALLY_FILLED)
        if self.cum_qty > self.guaranteed or (self.cum_qty == self.guaranteed and self.ended):
            holds.discard(OrdStatus.STOPPED)
        for request in self.open_requests.values():
            holds.add(OrdStatus.PENDING_CANCEL if request.kind == "cancel" else OrdStatus.PENDING_REPLACE)
        return max(holds, key=PLACES.__getitem__)


@dataclass
class TwinOrder:
    """One order: who it is, and everything that was accepted about it, in order of arrival."""

    order_id: str
    side: Side
    account: str
    said: list[Said] = field(default_factory=list)

    def hear(self, said: Said) -> None:
        """Accept one more thing; what has an ExecID that this order has seen says nothing new."""
        if isinstance(said, ExecutionReport) and said.exec_id in self.exec_ids():
            return
        self.said.append(said)

    def exec_ids(self) -> set[str]:
        return {said.exec_id for said in self.said if isinstance(said, ExecutionReport) and said.exec_id}

    def picture(self) -> Picture:
        """Tell the story again."""
        first = self.said[0]
        assert isinstance(first, Asked)
        now = Picture(
            first.order_qty,
            first.price,
            first.cl_ord_id,
            first.venue_cl_ord_id,
            {},
            set(),
            set(),
            False,
            {},
            {first.venue_cl_ord_id},
            first.venue_cl_ord_id,
        )
        now.fills = self.fills()  # What counts does not depend on when it was said.
        asked = {said.venue_cl_ord_id: said for said in self.said if isinstance(said, Asked)}
        for said in self.said[1:]:
            match said:
                case Asked():
                    now.open_requests[said.venue_cl_ord_id] = said
                    now.unspoken.add(said.venue_cl_ord_id)
                case Lost():
                    now.doubtful |= now.unspoken
                case Back():
                    now.older = set(now.open_requests)
                case Unsent():
                    if said.venue_cl_ord_id == first.venue_cl_ord_id:
                        _never_arrived(now)
                    now.unsent.add(said.venue_cl_ord_id)
                    _decided(now, said.venue_cl_ord_id)
                case Settled(venue_cl_ord_id=""):
                    now.called_canceled, now.presumed = True, None
                    _decided(now, now.first)
                    _end(now, OrdStatus.CANCELED)
                case Settled():
                    _settled(now, asked[said.venue_cl_ord_id], said.outcome)
                case OrderCancelReject():
                    if said.cl_ord_id in now.void:
                        _known_again(now)
                    if now.presumed == asked[said.cl_ord_id]:
                        _not_replaced(now, now.presumed)
                    _overruled(now, said.cl_ord_id)
                    _refused(now, said.cl_ord_id)
                case ExecutionReport():
                    _report(now, said, asked, first.venue_cl_ord_id)
            if now.ended:
                for key in list(now.open_requests):
                    _decided(now, key)
                    now.void.add(key)
        return now

    def fills(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The executions that count, by the ExecID of the first report of each."""
        reports = [said for said in self.said if isinstance(said, ExecutionReport)]
        told = {r.exec_id: r for r in reports if r.exec_type in (ExecType.TRADE, ExecType.TRADE_CORRECT)}
        busted = {r.exec_ref_id for r in reports if r.exec_type is ExecType.TRADE_CANCEL}
        corrected = {r.exec_ref_id for r in told.values() if r.exec_type is ExecType.TRADE_CORRECT}
        found = {}
        for exec_id, report in told.items():
            if exec_id in corrected:
                continue
            names = [exec_id]
            while (last := told.get(names[-1])) is not None and last.exec_ref_id:
                names.append(last.exec_ref_id)
            if not busted.intersection(names):
                assert report.last_qty is not None
                assert report.last_px is not None
                found[names[-1]] = (report.last_qty, report.last_px)
        return found


def _report(now: Picture, said: ExecutionReport, asked: dict[str, Asked], first: str) -> None:
    request = asked.get(said.cl_ord_id)
    if said.exec_type is ExecType.REPLACED and said.cl_ord_id in now.replaced_by[:-1]:
        return  # An old story: a later replace was accepted since.
    if now.never_arrived and _speaks_of_the_order(said, request):
        now.never_arrived = now.ended = False
        now.holds.remove(OrdStatus.REJECTED)
        now.presumed = None
    if _speaks_of_the_order(said, request) or (said.exec_type is ExecType.REJECTED and request is not None):
        _known_again(now)
    given_up = request if request is not None and request == now.presumed else None
    _hear_in_spite_of_the_operator(now, said, request)
    now.open_requests = {key: each for key, each in asked.items() if key in now.open_requests}  # In order again.
    match said.exec_type:
        case ExecType.PENDING_NEW:
            _spoken(now, first)
        case ExecType.NEW | ExecType.RESTATED:
            _decided(now, first)
            now.holds -= {OrdStatus.SUSPENDED, OrdStatus.DONE_FOR_DAY}
            now.holds.add(OrdStatus.NEW)
            if (said.exec_type, said.ord_status) == (ExecType.NEW, OrdStatus.DONE_FOR_DAY):
                now.holds.add(OrdStatus.DONE_FOR_DAY)
        case ExecType.CANCELED | ExecType.EXPIRED:
            _decided(now, first)
            _end(now, FINAL[said.exec_type])
        case ExecType.REJECTED if request is None or request.kind == "new":
            _decided(now, first)
            _end(now, OrdStatus.REJECTED)
        case ExecType.REJECTED:
            _refused(now, said.cl_ord_id)
        case ExecType.DONE_FOR_DAY | ExecType.STOPPED | ExecType.SUSPENDED | ExecType.CALCULATED:
            _decided(now, first)
            now.holds.add(OrdStatus(said.exec_type.value))
            if said.exec_type is ExecType.STOPPED:
                now.guaranteed = now.order_qty
        case ExecType.TRADE:
            _decided(now, first)
            now.holds.add(OrdStatus.NEW)
            now.executed = True
        case ExecType.TRADE_CORRECT | ExecType.TRADE_CANCEL:
            now.executed = True
        case ExecType.PENDING_CANCEL | ExecType.PENDING_REPLACE:
            kind = "cancel" if said.exec_type is ExecType.PENDING_CANCEL else "replace"
            if request is not None and request.kind == kind:
                if said.cl_ord_id in now.unsent and not now.ended:
                    now.unsent.discard(said.cl_ord_id)
                    waited_for = {*now.open_requests, said.cl_ord_id}
                    now.open_requests = {key: each for key, each in asked.items() if key in waited_for}
                _spoken(now, said.cl_ord_id)
            else:
                for key in [key for key, other in now.open_requests.items() if other.kind == kind][:1]:
                    _spoken(now, key)
        case ExecType.REPLACED:
            _decided(now, first)
            now.unsent.discard(said.cl_ord_id)
            now.holds.add(OrdStatus.NEW)
            if request is not None and request.venue_cl_ord_id in _below(now, asked):
                now.replaced_by.insert(0, request.venue_cl_ord_id)  # It came before the one in force, and is told late.
                _decided(now, request.venue_cl_ord_id)
                return
            _may_trade_again(now, said.ord_status)
            if request is not None and request.kind == "replace":
                _replaced(now, request)
        case ExecType.ORDER_STATUS:
            _status_reply(now, said, first, given_up)
    if said.order_qty is not None and said.exec_type in (ExecType.REPLACED, ExecType.RESTATED):
        now.order_qty = said.order_qty


def _settled(now: Picture, request: Asked, outcome: DoubtOutcome) -> None:
    """What an operator says becomes of the order, as if the venue had said it."""
    key = request.venue_cl_ord_id
    if outcome is DoubtOutcome.UNSENT:
        now.unsent.add(key)
    now.before = (now.order_qty, now.price, now.cl_ord_id, now.venue_cl_ord_id)
    match outcome, request.kind:
        case DoubtOutcome.UNSENT, "new":
            _never_arrived(now)
        case DoubtOutcome.ACCEPTED, "new":
            now.holds.add(OrdStatus.NEW)
        case DoubtOutcome.REJECTED, "new":
            _end(now, OrdStatus.REJECTED)
        case DoubtOutcome.ACCEPTED, "cancel":
            _end(now, OrdStatus.CANCELED)
        case DoubtOutcome.ACCEPTED, "replace":
            now.holds.add(OrdStatus.NEW)
            _replaced(now, request)
    if outcome is DoubtOutcome.ACCEPTED:
        _decided(now, now.first)
    _decided(now, key)
    now.presumed = request


def _hear_in_spite_of_the_operator(now: Picture, said: ExecutionReport, request: Asked | None) -> None:
    """The venue's word about what an operator settled wins."""
    presumed, status = now.presumed, said.exec_type is ExecType.ORDER_STATUS
    if presumed is None or (status and said.ord_rej_reason):
        return
    kind = request.kind if request is not None else ""
    refuses = said.exec_type is ExecType.REJECTED and kind in ("cancel", "replace")
    named = request == presumed
    if presumed.kind == "new":
        pending = {ExecType.PENDING_CANCEL: "cancel", ExecType.PENDING_REPLACE: "replace"}.get(said.exec_type)
        unheard = pending is not None and kind != pending and pending not in _kinds(now)
        if not (refuses or unheard):
            now.presumed = None
            now.holds.discard(OrdStatus.NEW)
            if OrdStatus.REJECTED in now.holds:
                now.holds.remove(OrdStatus.REJECTED)
                now.ended = False
    elif status or (refuses and named):
        kinds = _kinds(now)
        _overruled(now, presumed.venue_cl_ord_id)
        shown = status and said.ord_status.value == _SAYS_PENDING[presumed.kind].value
        if shown and (named or presumed.kind not in kinds):
            now.open_requests[presumed.venue_cl_ord_id] = presumed
            _not_replaced(now, presumed)
        elif refuses:
            _not_replaced(now, presumed)
    elif said.exec_type in FINAL or (said.exec_type is ExecType.REJECTED and not refuses):
        _overruled(now, presumed.venue_cl_ord_id)
    elif named and said.exec_type is _SAYS_PENDING[presumed.kind]:
        _overruled(now, presumed.venue_cl_ord_id)
        _not_replaced(now, presumed)
        now.open_requests[presumed.venue_cl_ord_id] = presumed
    elif named and presumed.kind == "replace" and said.exec_type is ExecType.REPLACED:
        now.presumed = None


_SAYS_PENDING = {"cancel": ExecType.PENDING_CANCEL, "replace": ExecType.PENDING_REPLACE}


def _kinds(now: Picture) -> set[str]:
    return {request.kind for request in now.open_requests.values()}


def _overruled(now: Picture, venue_cl_ord_id: str) -> None:
    """The venue speaks of the request: the end that an operator took for granted is none, unless the venue says so."""
    if now.presumed is None or now.presumed.venue_cl_ord_id != venue_cl_ord_id:
        return
    now.presumed = None
    if OrdStatus.CANCELED in now.holds:
        now.holds.remove(OrdStatus.CANCELED)
        now.ended = False


def _not_replaced(now: Picture, request: Asked) -> None:
    """The replace that an operator took for accepted was not: the order has its old name and terms, unless the venue
    has accepted another or stated other terms.
    """
    if request.kind != "replace" or now.venue_cl_ord_id != request.venue_cl_ord_id:
        return
    order_qty, price, now.cl_ord_id, now.venue_cl_ord_id = now.before
    if (now.order_qty, now.price) == (request.order_qty, request.price):
        now.order_qty, now.price = order_qty, price
    now.replaced_by.remove(request.venue_cl_ord_id)


def _known_again(now: Picture) -> None:
    """The venue speaks of an order that it did not know, and that an operator called canceled."""
    if now.called_canceled:
        now.called_canceled = now.ended = False
        now.holds.remove(OrdStatus.CANCELED)


def _never_arrived(now: Picture) -> None:
    """There is proof that the order did not reach the venue: it ends, unless the venue speaks of it after all."""
    now.never_arrived = True
    _end(now, OrdStatus.REJECTED)


def _speaks_of_the_order(said: ExecutionReport, request: Asked | None) -> bool:
    kind = request.kind if request is not None else ""
    match said.exec_type:
        case ExecType.REJECTED:
            return kind in ("", "new")
        case ExecType.PENDING_CANCEL:
            return kind == "cancel"
        case ExecType.PENDING_REPLACE:
            return kind == "replace"
        case ExecType.ORDER_STATUS:
            return not said.ord_rej_reason
    return True


def _below(now: Picture, asked: dict[str, Asked]) -> list[str]:
    """The replaces on top of which the one in force was asked for."""
    below, name = [], asked[now.venue_cl_ord_id].on_top_of
    while name in asked and asked[name].kind == "replace":
        below.append(name)
        name = asked[name].on_top_of
    return below


def _replaced(now: Picture, request: Asked) -> None:
    now.order_qty, now.price = request.order_qty, request.price
    now.cl_ord_id, now.venue_cl_ord_id = request.cl_ord_id, request.venue_cl_ord_id
    if request.venue_cl_ord_id not in now.replaced_by:
        now.replaced_by.append(request.venue_cl_ord_id)
    _decided(now, request.venue_cl_ord_id)


_SHOWS_NOTHING = (
    OrdStatus.NEW,
    OrdStatus.PARTIALLY_FILLED,
    OrdStatus.STOPPED,
    OrdStatus.SUSPENDED,
    OrdStatus.CALCULATED,
    OrdStatus.DONE_FOR_DAY,
)
"""Statuses that say that no request is pending at the venue."""


_CAN_TRADE = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.STOPPED, OrdStatus.SUSPENDED)
"""Statuses that say that it is not done for the day."""


def _status_reply(now: Picture, said: ExecutionReport, first: str, replace: Asked | None) -> None:
    """Evidence about what is in doubt: whether requests arrived and whether the order ended; never a quantity."""
    status = said.ord_status
    pending = status in (OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE)
    if said.ord_rej_reason:
        taken_for_accepted = now.presumed is not None and now.presumed.kind == "new" and not now.ended
        if (first in now.unspoken and not now.executed) or taken_for_accepted:
            _decided(now, first)
            _never_arrived(now)
            now.presumed = None
        return
    request = now.open_requests.get(said.cl_ord_id) or replace
    if request is not None and request.kind == "replace" and not pending and status is not OrdStatus.PENDING_NEW:
        _replaced(now, request)
    if status is OrdStatus.PENDING_NEW:
        _spoken(now, first)
    else:
        _decided(now, first)
        now.holds.add(OrdStatus.NEW)
    if pending:
        kind = "cancel" if status is OrdStatus.PENDING_CANCEL else "replace"
        meant = [key for key, request in now.open_requests.items() if request.kind == kind]
        _spoken(now, meant[0] if len(meant) == 1 else said.cl_ord_id)
    for key, request in list(now.open_requests.items()):
        unknown_there = status in _SHOWS_NOTHING or (status is OrdStatus.PENDING_REPLACE and request.kind == "cancel")
        if unknown_there and key in now.doubtful & now.older and key != said.cl_ord_id:
            _decided(now, key)
            now.unsent.add(key)
    if status is OrdStatus.FILLED:
        for key in now.doubtful & set(now.open_requests):
            _decided(now, key)
    _may_trade_again(now, status)
    if status in (OrdStatus.CANCELED, OrdStatus.EXPIRED) and not now.ended:
        _end(now, status)


def _may_trade_again(now: Picture, status: OrdStatus) -> None:
    if status in _CAN_TRADE and OrdStatus.DONE_FOR_DAY in now.holds and not now.ended:
        now.holds -= {OrdStatus.SUSPENDED, OrdStatus.DONE_FOR_DAY}
        now.holds |= {status} & {OrdStatus.SUSPENDED}


def _end(now: Picture, status: OrdStatus) -> None:
    now.holds.add(status)
    now.ended = True


def _spoken(now: Picture, venue_cl_ord_id: str) -> None:
    now.doubtful.discard(venue_cl_ord_id)
    now.unspoken.discard(venue_cl_ord_id)


def _refused(now: Picture, venue_cl_ord_id: str) -> None:
    if not now.ended:
        now.unsent.discard(venue_cl_ord_id)
    _decided(now, venue_cl_ord_id)


def _decided(now: Picture, venue_cl_ord_id: str) -> None:
    _spoken(now, venue_cl_ord_id)
    now.open_requests.pop(venue_cl_ord_id, None)


def position(orders: list[TwinOrder], account: str) -> tuple[Decimal, Fraction]:
    """(net quantity, sum of signed values) of everything that counts."""
    mine = [(1 if order.side is Side.BUY else -1, order.picture()) for order in orders if order.account == account]
    net_qty = sum((sign * picture.cum_qty for sign, picture in mine), Decimal(0))
    return net_qty, sum((sign * picture.cum_value for sign, picture in mine), Fraction(0))
