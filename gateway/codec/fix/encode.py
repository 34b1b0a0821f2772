"""Committed records to FIX: the bodies of orders, (mass) cancels, replaces, (mass) status requests and business
rejects.

A body begins with MsgType(35) and has no other header field; the FIX session adds those.
"""

from decimal import Decimal

from gateway.codec.fix.dialect import FIX42, Dialect
from gateway.codec.fix.times import utc_timestamp
from gateway.core.events import (
    CancelRequested,
    OrderRouted,
    OrderView,
    ReconciliationStarted,
    Record,
    ReplaceRequested,
    StatusRequested,
    Terms,
)
from gateway.core.risk.events import MassCancelSent
from gateway.core.types import OrdType, Side, TimeInForce

SOH = "\x01"
_FROM_SESSION = frozenset({8, 9, 10, 34, 35, 49, 52, 56})
_AT_CLOSE_42 = {OrdType.MARKET: "5", OrdType.LIMIT: "B"}
"""FIX 4.2 has no TimeInForce(59) "at the close"; it has OrdType(40) 5, market on close, and B, limit on close."""


class EncodeError(Exception):
    """The record cannot be said in this dialect. The message names the field."""


class Encoder:
    """Writes the messages of one venue. Made once for each session; what never changes is put together here."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._added = {kind: [f"{tag}={text}" for tag, text in tags.items()] for kind, tags in dialect.add.items()}
        self._required = {kind: frozenset(tags) - _FROM_SESSION for kind, tags in dialect.required.items()}
        self._routing = [f"100={dialect.ex_destination}"] if dialect.ex_destination else []
        self._handling = [f"21={dialect.handl_inst}"] if dialect.handl_inst else []

    def encode(self, record: Record) -> str:
        """The body of the message that `record` stands for.

        Raises:
            EncodeError: a field is missing, cannot be said in this version, or has characters that FIX does not allow;
                or the event is none that is sent to a venue.
        """
        pieces = self._pieces(record)
        pieces += self._added.get(pieces[0][3:], ())
        return joined(pieces)

    def missing_required(self, body: str) -> list[int]:
        """The tags that the dialect requires of such a message and that `body` lacks, in ascending order."""
        if not self._required:
            return []
        pieces = body.split(SOH)
        required = self._required.get(pieces[0][3:])
        if not required:
            return []
        return sorted(required - {int(piece.partition("=")[0]) for piece in pieces if piece})

    def _pieces(self, record: Record) -> list[str]:
        if isinstance(record.event, ReconciliationStarted):
            return self._mass_status(record.event)
        if isinstance(record.event, MassCancelSent):
            return self._mass_cancel(record.event, record.at_ns)
        view = record.order
        if view is None:
            raise EncodeError(f"record {record.seq} has no order")
        match record.event:
            case OrderRouted() as event:
                return self._new_order(event, view, record.at_ns)
            case CancelRequested() as event:
                return self._cancel(event, view, record.at_ns)
            case ReplaceRequested() as event:
                return self._replace(event, view, record.at_ns)
            case StatusRequested() as event:
                return self._status(event, view)
        raise EncodeError(f"{type(record.event).__name__} is not sent to a venue")

    def _new_order(self, event: OrderRouted, view: OrderView, at_ns: int) -> list[str]:
        return [
            "35=D",
            f"11={event.venue_cl_ord_id}",
            *self._account(view),
            *self._handling,
            *self._routing,
            *self._instrument(view),
            *_locate(view.side),
            f"60={utc_timestamp(at_ns)}",
            *self._terms(view, view.terms),
        ]

    def _replace(self, event: ReplaceRequested, view: OrderView, at_ns: int) -> list[str]:
        return [
            "35=G",
            *_order_id(view),
            f"41={event.orig_venue_cl_ord_id}",
            f"11={event.venue_cl_ord_id}",
            *self._account(view),
            *self._handling,
            *self._routing,
            *self._instrument(view),
            *_locate(view.side),
            f"60={utc_timestamp(at_ns)}",
            *self._terms(view, event.terms),
        ]

    def _cancel(self, event: CancelRequested, view: OrderView, at_ns: int) -> list[str]:
        return [
            "35=F",
            f"41={event.orig_venue_cl_ord_id}",
            *_order_id(view),
            f"11={event.venue_cl_ord_id}",
            *self._account(view),
            *self._instrument(view),
            f"60={utc_timestamp(at_ns)}",
            _quantity(view.terms),
        ]

    def _status(self, event: StatusRequested, view: OrderView) -> list[str]:
        return ["35=H", *_order_id(view), f"11={event.venue_cl_ord_id}", *self._account(view), *self._instrument(view)]

    def _mass_status(self, event: ReconciliationStarted) -> list[str]:
        """OrderMassStatusRequest(35=AF) for all orders: MassStatusReqType(585) is 7."""
        if self._dialect.begin_string == FIX42:
            raise EncodeError("FIX 4.2 has no OrderMassStatusRequest(35=AF)")
        return ["35=AF", f"584={event.mass_status_req_id}", "585=7"]

    def _mass_cancel(self, event: MassCancelSent, at_ns: int) -> list[str]:
        """OrderMassCancelRequest(35=q) for all orders: MassCancelRequestType(530) is 7."""
        if self._dialect.begin_string == FIX42:
            raise EncodeError("FIX 4.2 has no OrderMassCancelRequest(35=q)")
        return ["35=q", f"11={event.venue_cl_ord_id}", "530=7", f"60={utc_timestamp(at_ns)}"]

    def _account(self, view: OrderView) -> list[str]:
        return [f"1={self._dialect.accounts.get(view.account, view.account)}"] if view.account else []

    def _instrument(self, view: OrderView) -> list[str]:
        # What the venue called it when the order was sent counts, also after the instrument left the configuration.
        symbol = view.venue_symbol or self._dialect.symbols.get(view.symbol)
        if not symbol:
            raise EncodeError(f"Symbol(55): {view.symbol} is not traded at {self._dialect.venue}")
        return [f"55={symbol}", f"54={view.side.value}"]

    def _terms(self, view: OrderView, terms: Terms) -> list[str]:
        ord_type, time_in_force = self._type_and_time(view.ord_type, terms.time_in_force)
        pieces = [_quantity(terms), f"40={ord_type}", *time_in_force]
        _put(pieces, "44", terms.price)
        _put(pieces, "99", terms.stop_px)
        _put(pieces, "111", terms.max_floor)
        if view.exec_inst:
            pieces.append(f"18={view.exec_inst}")
        if terms.expire_time_ns is not None:
            pieces.append(f"126={utc_timestamp(terms.expire_time_ns)}")
        return pieces

    def _type_and_time(self, ord_type: OrdType, time_in_force: TimeInForce) -> tuple[str, list[str]]:
        if time_in_force is not TimeInForce.ATC or self._dialect.begin_string != FIX42:
            return ord_type.value, [f"59={time_in_force.value}"]
        at_close = _AT_CLOSE_42.get(ord_type)
        if at_close is None:
            raise EncodeError("TimeInForce(59): FIX 4.2 knows only market and limit orders at the close")
        return at_close, []


def _quantity(terms: Terms) -> str:
    """OrderQty(38), or CashOrderQty(152) for as long as the venue has not said what quantity it makes of that."""
    by_cash = terms.cash_order_qty is not None and not terms.order_qty
    return f"152={terms.cash_order_qty:f}" if by_cash else f"38={terms.order_qty:f}"


def encode_business_reject(ref_msg_type: str, ref_seq_num: int, reason: int, text: str, ref_id: str = "") -> str:
    """The body of BusinessMessageReject(35=j) for a message that we could not process.

    `reason` is BusinessRejectReason(380), `ref_id` BusinessRejectRefID(379). Characters that FIX does not allow are
    replaced, so that a venue's odd message cannot keep it from being answered.
    """
    pieces = ["35=j", f"45={ref_seq_num}", f"372={_clean(ref_msg_type)}", f"380={reason}", f"58={_clean(text)}"]
    if ref_id:
        pieces.append(f"379={_clean(ref_id)}")
    return SOH.join(pieces) + SOH


def joined(pieces: list[str]) -> str:
    """The pieces as one body, when each is a tag with a value of printable ASCII; so no text can smuggle in a
    delimiter, and with it a field.

    Raises:
        EncodeError: one is not; the message names its tag.
    """
    body = SOH.join(pieces) + SOH
    fine = body.isascii() and body.replace(SOH, "").isprintable() and "=\x01" not in body
    if fine and body.count(SOH) == len(pieces):
        return body
    for piece in pieces:
        tag, _, value = piece.partition("=")
        if not value:
            raise EncodeError(f"tag {tag} has no value")
        if not (value.isascii() and value.isprintable()):
            raise EncodeError(f"tag {tag} has a character that FIX does not allow: {value[:40]!r}")
    return body


def _order_id(view: OrderView) -> list[str]:
    """The venue's name for the order, where it has one and FIX allows its letters: a cancel does not fail for it."""
    name = view.venue_order_id
    return [f"37={name}"] if name not in ("", "NONE") and name.isascii() and name.isprintable() else []


def _locate(side: Side) -> list[str]:
    """LocateReqd(114)=N on short sales: the shares are located on our side, the broker need not look for them."""
    return ["114=N"] if side in (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT) else []


def _put(pieces: list[str], tag: str, value: Decimal | None) -> None:
    if value is not None:
        pieces.append(f"{tag}={value:f}")


def _clean(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:256]) or "?"
