"""Requests to commands.

The fields are looked at in the order of their numbers; the first that is wrong is the one that is named.
"""

from decimal import Decimal
from typing import Any

from gateway.codec.proto import enums, fields
from gateway.codec.proto.fields import InvalidField
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    ClientCommand,
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
from gateway.core.money import ZERO
from gateway.core.types import Reason, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb


def submit_order(request: pb.SubmitOrderRequest, client_id: str, default_account: str) -> SubmitOrder:
    """A new order of `client_id`; an order that names no account is for `default_account`.

    Raises:
        InvalidField: as do all functions here.
    """
    return SubmitOrder(
        client_id=client_id,
        cl_ord_id=fields.key("cl_ord_id", request.cl_ord_id),
        symbol=fields.required_name("symbol", request.symbol),
        side=fields.member("side", request.side, enums.SIDE),
        order_qty=_order_qty(request),
        ord_type=fields.member("ord_type", request.ord_type, enums.ORD_TYPE),
        time_in_force=_time_in_force(request) or TimeInForce.DAY,
        price=_price(request, "price"),
        stop_px=_price(request, "stop_px"),
        expire_time_ns=_expire_time_ns(request),
        max_floor=_quantity(request, "max_floor"),
        exec_inst=fields.exec_inst("exec_inst", request.exec_inst),
        account=fields.name("account", request.account) or default_account,
        strategy=fields.name("strategy", request.strategy),
        venue=fields.name("venue", request.venue),
        cash_order_qty=_quantity(request, "cash_order_qty"),
        locate_id=fields.name("locate_id", request.locate_id),
        account_given=bool(request.account),
    )


def _order_qty(request: pb.SubmitOrderRequest) -> Decimal:
    """Required, unless the order is by amount of money: then the venue says the quantity."""
    if request.HasField("cash_order_qty") and not request.order_qty:
        return ZERO
    return fields.quantity("order_qty", request.order_qty)


def replace_order(request: pb.ReplaceOrderRequest, client_id: str) -> ReplaceOrder:
    """New terms for an order of `client_id`; a term that is not given stays as it is."""
    return ReplaceOrder(
        client_id=client_id,
        cl_ord_id=fields.key("cl_ord_id", request.cl_ord_id),
        orig_cl_ord_id=fields.key("orig_cl_ord_id", request.orig_cl_ord_id),
        order_qty=_quantity(request, "order_qty"),
        price=_price(request, "price"),
        stop_px=_price(request, "stop_px"),
        time_in_force=_time_in_force(request),
        expire_time_ns=_expire_time_ns(request),
        max_floor=_quantity(request, "max_floor"),
    )


def cancel_order(request: pb.CancelOrderRequest, client_id: str) -> CancelOrder:
    """The end of an order of `client_id`."""
    return CancelOrder(
        client_id=client_id,
        cl_ord_id=fields.key("cl_ord_id", request.cl_ord_id),
        orig_cl_ord_id=fields.key("orig_cl_ord_id", request.orig_cl_ord_id),
    )


def mass_cancel(request: pb.MassCancelRequest, client_id: str) -> MassCancel:
    """The end of all orders of `client_id` that fit."""
    return MassCancel(
        client_id=client_id,
        cl_ord_id=fields.key("cl_ord_id", request.cl_ord_id),
        account=fields.name("account", request.account),
        strategy=fields.name("strategy", request.strategy),
        symbol=fields.name("symbol", request.symbol),
        venue=fields.name("venue", request.venue),
        side=fields.optional_member("side", request.side, enums.SIDE),
    )


def request_order_status(request: pb.RequestOrderStatusRequest, client_id: str) -> RequestOrderStatus:
    """A question to the venue about an order of `client_id`."""
    return RequestOrderStatus(client_id=client_id, orig_cl_ord_id=fields.key("orig_cl_ord_id", request.orig_cl_ord_id))


def command(request: pb.Command, client_id: str, default_account: str) -> ClientCommand:
    """One command of a Trade stream."""
    match request.WhichOneof("command"):
        case "submit_order":
            return submit_order(request.submit_order, client_id, default_account)
        case "replace_order":
            return replace_order(request.replace_order, client_id)
        case "cancel_order":
            return cancel_order(request.cancel_order, client_id)
        case "mass_cancel":
            return mass_cancel(request.mass_cancel, client_id)
        case "request_order_status":
            return request_order_status(request.request_order_status, client_id)
    raise InvalidField("command", "is required: a command has to hold one of the requests", Reason.FIELD_REQUIRED)


def command_key(request: pb.Command) -> str:
    """The ClOrdID that a reply to this command goes by; a status request has none and goes by OrigClOrdID(41)."""
    kind = request.WhichOneof("command")
    if kind is None:
        return ""
    body = getattr(request, kind)
    named: str = body.orig_cl_ord_id if kind == "request_order_status" else body.cl_ord_id
    return named[: fields.KEY_LENGTH]


def logon(request: pb.LogonRequest, operator: str) -> AdministerSession:
    """Let a FIX session connect."""
    return _administer(request, operator, "logon")


def logout(request: pb.LogoutRequest, operator: str) -> AdministerSession:
    """Take a FIX session down until it is told to log on."""
    return _administer(request, operator, "logout")


def _administer(request: pb.LogonRequest | pb.LogoutRequest, operator: str, action: str) -> AdministerSession:
    venue = fields.required_name("venue", request.venue)
    return AdministerSession(operator, venue, action, fields.note("reason", request.reason))


def set_sequence_numbers(request: pb.SetSequenceNumbersRequest, operator: str) -> AdministerSession:
    """Set the next MsgSeqNum(34) to send, to expect, or both."""
    return AdministerSession(
        operator=operator,
        venue=fields.required_name("venue", request.venue),
        action="set_sequence",
        reason=fields.note("reason", request.reason),
        next_sender_msg_seq_num=_msg_seq_num(request, "next_sender_msg_seq_num"),
        next_target_msg_seq_num=_msg_seq_num(request, "next_target_msg_seq_num"),
    )


def halt_instrument(request: pb.HaltInstrumentRequest, operator: str) -> HaltInstrument:
    """No new orders in an instrument."""
    symbol = fields.required_name("symbol", request.symbol)
    return HaltInstrument(operator, symbol, fields.note("reason", request.reason))


def resume_instrument(request: pb.ResumeInstrumentRequest, operator: str) -> ResumeInstrument:
    """New orders again."""
    symbol = fields.required_name("symbol", request.symbol)
    return ResumeInstrument(operator, symbol, fields.note("reason", request.reason))


def reconcile(request: pb.ReconcileRequest, operator: str) -> ReconcileVenue:
    """Our orders are compared with the venue's, now."""
    return ReconcileVenue(operator, fields.required_name("venue", request.venue), fields.note("reason", request.reason))


def open_order_entry(request: pb.OpenOrderEntryRequest, operator: str) -> OpenOrderEntry:
    """New orders go to a venue that could not be reconciled."""
    return OpenOrderEntry(operator, fields.required_name("venue", request.venue), fields.note("reason", request.reason))


def resolve_item(request: pb.ResolveItemRequest, operator: str) -> ResolveItem:
    """A reconciliation item is dealt with."""
    item_id = fields.order_id("item_id", request.item_id)
    return ResolveItem(operator, item_id, fields.note("reason", request.reason))


def resolve_doubt(request: pb.ResolveDoubtRequest, operator: str) -> ResolveDoubt:
    """An operator's evidence about a request in doubt."""
    return ResolveDoubt(
        operator=operator,
        order_id=fields.order_id("order_id", request.order_id),
        venue_cl_ord_id=fields.name("venue_cl_ord_id", request.venue_cl_ord_id),
        outcome=fields.member("outcome", request.outcome, enums.DOUBT_OUTCOME),
        reason=fields.note("reason", request.reason),
    )


def _price(request: Any, field: str) -> Decimal | None:
    return fields.decimal(field, getattr(request, field)) if request.HasField(field) else None


def _quantity(request: Any, field: str) -> Decimal | None:
    return fields.quantity(field, getattr(request, field)) if request.HasField(field) else None


def _msg_seq_num(request: Any, field: str) -> int | None:
    return fields.msg_seq_num(field, getattr(request, field)) if request.HasField(field) else None


def _expire_time_ns(request: Any) -> int | None:
    return fields.time_ns("expire_time_ns", request.expire_time_ns) if request.HasField("expire_time_ns") else None


def _time_in_force(request: Any) -> TimeInForce | None:
    return fields.optional_member("time_in_force", request.time_in_force, enums.TIME_IN_FORCE)
