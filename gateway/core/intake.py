"""What commands become: events, or a refusal. Refusals are guard clauses in a fixed, tested order; the first that
holds is the answer.

Every refusal is an event too (rule 3): the same request gets the same answer, after a restart as well.
"""

from decimal import Decimal
from typing import assert_never

from msgspec import structs

from gateway.core import doubt, lost, mass_cancel, reconciliation
from gateway.core import events as ev
from gateway.core.commands import (
    AdministerSession,
    CancelOrder,
    ClientCommand,
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
from gateway.core.events import Event, Terms
from gateway.core.instruments import Instrument, TradingSession
from gateway.core.money import is_multiple
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import checks, limits, self_match, stops
from gateway.core.risk.commands import (
    DecideChange,
    EndOverride,
    GrantOverride,
    ResumeTrading,
    SetLimit,
    SetMarks,
    StopTrading,
)
from gateway.core.sessions import request_id
from gateway.core.state import Settings, State
from gateway.core.types import OrdType, Reason, TimeInForce

EXEC_INST = frozenset("56GMPRhioEJKZ")
"""ExecInst(18) values passed on to a venue; what it supports is the venue's to say.

The list keeps typing errors from becoming orders.
"""
BY_COMMAND = "asked by its owner"
"""Why a status is asked for by RequestOrderStatus, and by nothing else."""
_HAS_PRICE = frozenset(ord_type for ord_type in OrdType if ord_type.has_price)
_HAS_STOP_PX = frozenset(ord_type for ord_type in OrdType if ord_type.has_stop_px)
_GTD = TimeInForce.GTD


def decide(state: State, settings: Settings, command: Command, at_ns: int) -> list[Event]:
    """The events of one command.

    None at all when its key is known and the request is the same: the stored answer stands.
    """
    try:
        return _decide(state, settings, command, at_ns)
    except Refusal as refusal:
        return [ev.CommandRefused(command, refusal.reason, refusal.field, refusal.text)]


def _decide(state: State, settings: Settings, command: Command, at_ns: int) -> list[Event]:
    if isinstance(command, (SubmitOrder, ReplaceOrder, CancelOrder, MassCancel)) and _is_repeated(state, command):
        return []
    match command:
        case SubmitOrder():
            return _submit(state, settings, command, at_ns)
        case ReplaceOrder():
            return _replace(state, settings, command, at_ns)
        case CancelOrder():
            return _cancel(state, settings, command)
        case MassCancel():
            return mass_cancel.decide(state, settings, command)
        case RequestOrderStatus():
            return _request_status(state, command)
        case HaltInstrument():
            return [ev.InstrumentHalted(_known(settings, command.symbol).symbol, command.reason, command.operator)]
        case ResumeInstrument():
            return [ev.InstrumentResumed(_known(settings, command.symbol).symbol, command.reason, command.operator)]
        case AdministerSession():
            return [_administer(settings, command)]
        case ReconcileVenue() | OpenOrderEntry() | ResolveItem():
            return reconciliation.decide(state, settings, command, at_ns)
        case ResolveDoubt():
            lost.check_order(state, command.order_id)
            return doubt.decide(state, command)
        case StopTrading() | ResumeTrading():
            return stops.decide(state, command)
        case SetLimit() | DecideChange() | GrantOverride() | EndOverride() | SetMarks():
            return limits.decide(state, command, at_ns)
    assert_never(command)


def _is_repeated(state: State, command: ClientCommand) -> bool:
    key = state.keys.get(command.client_id, {}).get(getattr(command, "cl_ord_id", ""))
    if key is None:
        return False
    if not _is_same(key.command, command):
        raise Refusal(
            Reason.DUPLICATE_CL_ORD_ID, "cl_ord_id", "this ClOrdID was used for another request; choose a new one"
        )
    return True


def _is_same(first: ClientCommand, again: ClientCommand) -> bool:
    """Whether two requests under one key say the same. One that names no account says so also when the configuration
    gives the client another first account meanwhile.
    """
    if isinstance(first, SubmitOrder) and isinstance(again, SubmitOrder):
        account = again.account if again.account_given or first.account_given else first.account
        again = structs.replace(again, account=account, account_given=first.account_given)
    return first == again


# --- New orders ---


def _submit(state: State, settings: Settings, command: SubmitOrder, at_ns: int) -> list[Event]:
    instrument = _known(settings, command.symbol)
    venue = choose_venue(instrument, command.venue)
    if venue in settings.accounts:
        _check_account(settings.accounts[venue], venue, command.account)
    terms = submitted_terms(command)
    check_terms(instrument, command.ord_type, terms)
    if command.exec_inst:
        _check_exec_inst(command.exec_inst)
    if len(state.working.get(command.client_id, ())) >= settings.max_working_orders_per_client:
        limit = settings.max_working_orders_per_client
        raise Refusal(Reason.TOO_MANY_ORDERS, "", f"{limit} working orders is the limit of a client; cancel some first")
    if state.halted:
        _check_halted(state, instrument)
    if instrument.trading_session is not None:
        _check_open(instrument, instrument.trading_session, command, at_ns)
        _check_auction(instrument, instrument.trading_session, command.ord_type, terms, at_ns)
    _check_session(state, venue)
    reconciliation.check_order_entry(state, settings, venue, at_ns)
    way = self_match.clear(checks.check_submit(state, command, terms, venue, at_ns), settings)
    if way.taken:
        text = f"all of it was taken off against our own order {way.taken}, with which it would have traded"
        return [ev.CommandRefused(command, Reason.RISK_SELF_MATCH, "order_qty", text), *way.first]
    order_id = f"{state.id_prefix}O{state.last_order_no + 1}"
    submitted = ev.OrderSubmitted(
        order_id,
        command,
        venue,
        instrument.multiplier,
        instrument.currency,
        instrument.venue_symbols[venue],
        way.terms if way.terms is not terms else None,
    )
    return [*way.first, submitted, ev.OrderRouted(order_id, venue, request_id(state, len(way.first) + 1))]


def choose_venue(instrument: Instrument, named: str) -> str:
    """Where an order goes: the venue that the client named, or the instrument's primary one.

    Smart routing takes this place.
    """
    if named and named not in instrument.venue_symbols:
        raise Refusal(
            Reason.VENUE_UNKNOWN,
            "venue",
            f"{instrument.symbol} trades at {', '.join(instrument.venue_symbols)}, not at {named}",
        )
    return named or instrument.primary_venue


def submitted_terms(command: SubmitOrder) -> Terms:
    """The terms of a new order."""
    return Terms(
        command.order_qty,
        command.time_in_force,
        command.price,
        command.stop_px,
        command.expire_time_ns,
        command.max_floor,
        command.cash_order_qty,
    )


def check_terms(instrument: Instrument, ord_type: OrdType, terms: Terms) -> None:
    """Prices and times that the order type needs and no others, on tick and on lot."""
    price, stop_px, expire_time_ns, tif = terms.price, terms.stop_px, terms.expire_time_ns, terms.time_in_force
    if (price is None) is (ord_type in _HAS_PRICE):
        raise _wrong_presence("price", price, ord_type)
    if (stop_px is None) is (ord_type in _HAS_STOP_PX):
        raise _wrong_presence("stop_px", stop_px, ord_type)
    if (expire_time_ns is None) is (tif is _GTD):
        raise _wrong_presence("expire_time_ns", expire_time_ns, tif)
    lot_size, tick_size, max_floor = instrument.lot_size, instrument.tick_size, terms.max_floor
    if not is_multiple(terms.order_qty, lot_size):
        raise _off_step(Reason.QTY_OFF_LOT, "order_qty", terms.order_qty, lot_size)
    if price is not None and not is_multiple(price, tick_size):
        raise _off_step(Reason.PRICE_OFF_TICK, "price", price, tick_size)
    if stop_px is not None and not is_multiple(stop_px, tick_size):
        raise _off_step(Reason.PRICE_OFF_TICK, "stop_px", stop_px, tick_size)
    if max_floor is not None and not is_multiple(max_floor, lot_size):
        raise _off_step(Reason.QTY_OFF_LOT, "max_floor", max_floor, lot_size)
    _check_amount(terms)
    if price is not None and price <= 0:
        raise Refusal(Reason.FIELD_INVALID, "price", "price must be above 0")
    if stop_px is not None and stop_px <= 0:
        raise Refusal(Reason.FIELD_INVALID, "stop_px", "stop_px must be above 0")
    if max_floor is not None and not 0 < max_floor <= terms.order_qty:
        raise Refusal(
            Reason.FIELD_INVALID, "max_floor", f"max_floor must be above 0 and at most order_qty {terms.order_qty}"
        )


def _check_amount(terms: Terms) -> None:
    """An order has a quantity or an amount of money, never both."""
    cash = terms.cash_order_qty
    if cash is None and terms.order_qty <= 0:
        raise Refusal(Reason.FIELD_INVALID, "order_qty", "order_qty must be above 0")
    if cash is not None and terms.order_qty:
        raise Refusal(Reason.FIELD_NOT_ALLOWED, "order_qty", "an order by cash_order_qty has no order_qty")
    if cash is not None and cash <= 0:
        raise Refusal(Reason.FIELD_INVALID, "cash_order_qty", "cash_order_qty must be above 0")


def _wrong_presence(field: str, value: object, kind: OrdType | TimeInForce) -> Refusal:
    """A field that this kind of order needs is not there, or one that it has not is."""
    if value is None:
        return Refusal(Reason.FIELD_REQUIRED, field, f"a {kind.name} order needs {field}")
    return Refusal(Reason.FIELD_NOT_ALLOWED, field, f"a {kind.name} order has no {field}")


def _off_step(reason: Reason, field: str, value: Decimal, step: Decimal) -> Refusal:
    name = "lot size" if reason is Reason.QTY_OFF_LOT else "tick size"
    return Refusal(reason, field, f"{field} {value} is not a multiple of the {name} {step}")


def _check_exec_inst(exec_inst: str) -> None:
    unknown = [value for value in exec_inst.split() if value not in EXEC_INST]
    if unknown:
        raise Refusal(
            Reason.FIELD_INVALID,
            "exec_inst",
            f"ExecInst {' '.join(unknown)!r} is not known; known are {' '.join(sorted(EXEC_INST))}",
        )


def _check_account(known: tuple[str, ...], venue: str, account: str) -> None:
    if account not in known:
        raise Refusal(
            Reason.ACCOUNT_UNKNOWN,
            "account",
            f"account {account!r} is not mapped at {venue}; mapped are {', '.join(known)}",
        )


def _check_halted(state: State, instrument: Instrument) -> None:
    why = state.halted.get(instrument.symbol)
    if why is not None:
        raise Refusal(
            Reason.INSTRUMENT_HALTED,
            "",
            f"{instrument.symbol} is halted: {why}. An operator can resume it; cancels still pass",
        )


def _check_open(instrument: Instrument, session: TradingSession, command: SubmitOrder, at_ns: int) -> None:
    waits = command.time_in_force in (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.OPG, TimeInForce.ATC)
    if not waits and not session.is_open(at_ns):
        hours = f"{session.open:%H:%M} to {session.close:%H:%M} {session.time_zone}"
        raise Refusal(
            Reason.MARKET_CLOSED,
            "",
            f"{instrument.symbol} trades {hours} ({session.name}); GTC, GTD, OPG and ATC orders may wait for it",
        )


def _check_auction(
    instrument: Instrument, session: TradingSession, ord_type: OrdType, terms: Terms, at_ns: int
) -> None:
    """In a call nothing trades at once: what has to, and what takes any price, waits for its end."""
    tif = terms.time_in_force
    at_once = tif in (TimeInForce.IOC, TimeInForce.FOK)
    any_price = ord_type is OrdType.MARKET and tif not in (TimeInForce.OPG, TimeInForce.ATC)
    if (at_once or any_price) and session.in_auction(at_ns):
        raise Refusal(
            Reason.RISK_AUCTION,
            "time_in_force",
            f"{instrument.symbol} is in an auction ({session.name}): no IOC, FOK or market orders, but OPG and ATC",
        )


def _check_session(state: State, venue: str) -> None:
    session = state.sessions.get(venue)
    if session is None or not session.up:
        raise Refusal(Reason.SESSION_DOWN, "", f"the FIX session to {venue} is not logged on; nothing was sent")


def _known(settings: Settings, symbol: str) -> Instrument:
    instrument = settings.instruments.get(symbol)
    if instrument is None:
        raise Refusal(Reason.SYMBOL_UNKNOWN, "symbol", f"no instrument {symbol!r} is configured")
    return instrument


# --- Cancels and replaces ---


def _replace(state: State, settings: Settings, command: ReplaceOrder, at_ns: int) -> list[Event]:
    order = _owned(state, command.client_id, command.orig_cl_ord_id)
    if order.closed:
        raise Refusal(Reason.ORDER_NOT_WORKING, "orig_cl_ord_id", "the order has ended; send a new one")
    instrument = _known(settings, order.command.symbol)
    terms = replaced_terms(order, command)
    check_terms(instrument, order.command.ord_type, terms)
    if not order.leaves_qty and terms.order_qty <= order.cum_qty:
        raise Refusal(
            Reason.ORDER_NOT_WORKING,
            "orig_cl_ord_id",
            f"the order is filled; only an order_qty above {order.cum_qty} can revive it",
        )
    _check_unanswered(settings.max_unanswered_per_order, order)
    _check_halted(state, instrument)
    if instrument.trading_session is not None:
        _check_auction(instrument, instrument.trading_session, order.command.ord_type, terms, at_ns)
    _check_session(state, order.venue)
    reconciliation.check_order_entry(state, settings, order.venue, at_ns)
    way = self_match.clear(checks.check_replace(state, order, terms, at_ns), settings)
    asked = ev.ReplaceRequested(
        order.order_id,
        order.venue,
        command.cl_ord_id,
        request_id(state, len(way.first) + 1),
        order.last_venue_cl_ord_id(),
        terms,
        command,
    )
    return [*way.first, asked]


def replaced_terms(order: Order, command: ReplaceOrder) -> Terms:
    """The full terms that a replace asks for: what it does not name stays as last asked for."""
    last = order.last_terms()
    tif = command.time_in_force if command.time_in_force is not None else last.time_in_force
    expire = command.expire_time_ns if command.expire_time_ns is not None else last.expire_time_ns
    return Terms(
        order_qty=command.order_qty if command.order_qty is not None else last.order_qty,
        time_in_force=tif,
        price=command.price if command.price is not None else last.price,
        stop_px=command.stop_px if command.stop_px is not None else last.stop_px,
        expire_time_ns=expire if tif is TimeInForce.GTD or command.expire_time_ns is not None else None,
        max_floor=command.max_floor if command.max_floor is not None else last.max_floor,
    )


def _cancel(state: State, settings: Settings, command: CancelOrder) -> list[Event]:
    order = _owned(state, command.client_id, command.orig_cl_ord_id)
    if not order.working:
        raise Refusal(
            Reason.ORDER_NOT_WORKING, "orig_cl_ord_id", "nothing is left to cancel: the order is filled or has ended"
        )
    # A cancel is the last thing to be refused, but it is bounded too (rule 7).
    _check_unanswered(2 * settings.max_unanswered_per_order, order)
    _check_session(state, order.venue)
    key, orig = request_id(state, 1), lost.orig_of_cancel(state, order)
    return [ev.CancelRequested(order.order_id, order.venue, command.cl_ord_id, key, orig, command)]


def _check_unanswered(limit: int, order: Order) -> None:
    if len(order.unanswered) >= limit:
        raise Refusal(
            Reason.TOO_MANY_REQUESTS,
            "orig_cl_ord_id",
            f"{limit} requests of this order are unanswered; wait for the venue",
        )


def _owned(state: State, client_id: str, cl_ord_id: str) -> Order:
    order = state.find_order(client_id, cl_ord_id)
    if order is None:
        raise Refusal(Reason.ORDER_UNKNOWN, "orig_cl_ord_id", f"no order of yours has the ClOrdID {cl_ord_id!r}")
    return order


def _request_status(state: State, command: RequestOrderStatus) -> list[Event]:
    order = _owned(state, command.client_id, command.orig_cl_ord_id)
    _check_session(state, order.venue)
    return [ev.StatusRequested(order.order_id, order.venue, order.venue_cl_ord_id, BY_COMMAND)]


def _administer(settings: Settings, command: AdministerSession) -> Event:
    known = (*settings.venues, *settings.drop_copies)
    if command.venue not in known:
        raise Refusal(
            Reason.VENUE_UNKNOWN, "venue", f"no venue {command.venue!r} is configured; there are {', '.join(known)}"
        )
    numbers = (command.next_sender_msg_seq_num, command.next_target_msg_seq_num)
    if command.action == "set_sequence" and numbers == (None, None):
        raise Refusal(
            Reason.FIELD_REQUIRED,
            "next_sender_msg_seq_num",
            "give next_sender_msg_seq_num, next_target_msg_seq_num or both",
        )
    return ev.SessionAdministered(command.operator, command.venue, command.action, command.reason, *numbers)
