"""The checks before an order leaves: guard clauses in a fixed, tested order; the first that says no is the answer.

All of them are pure functions of the state. Each limit on an order's way is checked, at every scope from the strategy
to the firm; where it is certain at once that all of them are kept (`quick`), they are not looked at one by one. An
order that only reduces a position passes what `Spec.reduces` says, so that risk can always be taken off.
"""

from decimal import Decimal

from gateway.core.commands import SubmitOrder
from gateway.core.events import Terms
from gateway.core.money import ZERO, exactly
from gateway.core.order import Order
from gateway.core.refusal import Refusal
from gateway.core.risk import bounds, exposure, prices, quick, scopes, trial, worst_case
from gateway.core.risk.asked import HUNDRED, Asked, any_override, number, over, overridden, percent, share, words
from gateway.core.risk.book import Cell, Leaf, Path
from gateway.core.risk.controls import Control
from gateway.core.risk.state import Kind, RiskState
from gateway.core.state import State
from gateway.core.types import Reason, Side

MOST_STRATEGIES = 1_000
"""How many strategies an account may have: something is kept of each (rule 7)."""
_SECOND_NS = 1_000_000_000
# Looked up once: on Python 3.11 each look at a member of an enum is a call.
_BUY, _SELL = Side.BUY, Side.SELL


@exactly
def check_submit(state: State, command: SubmitOrder, terms: Terms, venue: str, at_ns: int) -> Asked:
    """A new order.

    Raises:
        Refusal: a control says no.
    """
    book = exposure.settle(state)
    if command.strategy in state.risk.strategies.get(command.account, ()):
        path = _authorised(state, command, venue)
    else:
        path = _on_trial(state, command, venue)
    instrument, qty = path.instrument, terms.order_qty
    price = book.prices.get(command.symbol) or prices.price_of(state, command.symbol, instrument)
    if terms.cash_order_qty is not None:
        qty = exposure.bought_by(terms.cash_order_qty, terms, price, instrument.lot_size, instrument.multiplier)
    asked = Asked(state, book, path, command, terms, venue, 1 if command.side is _BUY else -1, qty, qty, price, at_ns)
    if quick.passes(asked):
        _check_duplicate(asked)
        return asked
    _check(asked)
    _check_duplicate(asked)
    worst_case.check_counts(asked)
    return asked


@exactly
def check_replace(state: State, order: Order, terms: Terms, at_ns: int) -> Asked:
    """New terms for an order: the worse of old and new counts until the venue has answered.

    Raises:
        Refusal: a control says no.
    """
    command, venue = order.command, order.venue
    book = exposure.settle(state)
    path = _authorised(state, command, venue)
    reserve = book.reserves.get(order.order_id)
    reserved = reserve.qty if reserve is not None else ZERO
    extra = max(ZERO, terms.order_qty - order.cum_qty - reserved)
    price = prices.price_of(state, command.symbol, path.instrument)
    asked = Asked(
        state,
        book,
        path,
        command,
        terms,
        venue,
        1 if command.side is _BUY else -1,
        terms.order_qty,
        extra,
        price,
        at_ns,
        order.order_id,
        not extra and _lowers(order.terms, terms),
    )
    if quick.passes(asked):
        return asked
    _check(asked)
    if extra and not reserved:  # It comes back to life.
        worst_case.check_counts(asked)
    return asked


def _lowers(before: Terms, terms: Terms) -> bool:
    return (
        terms.order_qty < before.order_qty
        and (terms.price, terms.stop_px) == (before.price, before.stop_px)
        and (terms.time_in_force, terms.expire_time_ns) == (before.time_in_force, before.expire_time_ns)
        and terms.cash_order_qty is None
    )


def _check(asked: Asked) -> None:
    asked.reduces = worst_case.reduces(asked)
    _check_stopped(asked)
    if asked.path.missing:
        raise Refusal(
            Reason.RISK_LIMIT_MISSING,
            "",
            f"no limit of {', '.join(asked.path.missing)} applies to this order; a missing limit blocks",
        )
    _check_instrument(asked)
    _check_short_sale(asked)
    _check_mark(asked)
    _check_size(asked)
    _check_collar(asked)
    if asked.extra:
        worst_case.check(asked)
    worst_case.check_profit(asked)
    _check_ratio(asked)
    _check_rate(asked)


# --- Who may, and whether anybody may ---


def _authorised(state: State, command: SubmitOrder, venue: str) -> Path:
    """The order's way, which nothing is kept of before it is known that it may be gone."""
    book, key = state.risk.book, (command.client_id, command.account, command.strategy, command.symbol, venue)
    path = book.paths.get(key)
    if path is not None and path.authorised and path.gathered and path.version == book.version:
        return path
    _check_authorised(state.risk, command)
    return exposure.path_of(state, *key)


def _on_trial(state: State, command: SubmitOrder, venue: str) -> Path:
    """The same of a strategy that has sent no order, of which nothing is kept before this one is taken."""
    _check_authorised(state.risk, command)
    _check_new_strategy(state.risk, command)
    return trial.path_of(state, command, venue)


def _check_authorised(risk: RiskState, command: SubmitOrder) -> None:
    client = bounds.client_of(risk.setup, command.client_id)
    if client is None:
        raise Refusal(Reason.RISK_NOT_AUTHORISED, "", f"client {command.client_id} may not trade")
    known = risk.setup.instruments.get(command.symbol)
    if known is None or known.dropped:
        raise Refusal(Reason.RISK_NOT_AUTHORISED, "symbol", f"risk knows no instrument {command.symbol}")
    for field, value, allowed in (
        ("account", command.account, client.accounts),
        ("strategy", command.strategy, client.strategies),
    ):
        if not bounds.is_among(value, allowed):
            raise Refusal(
                Reason.RISK_NOT_AUTHORISED,
                field,
                f"client {command.client_id} may not trade for {field} {value!r}; it may for"
                f" {', '.join(allowed) or 'none'}",
            )


def _check_new_strategy(risk: RiskState, command: SubmitOrder) -> None:
    """A name of which something is going to be kept."""
    if not scopes.is_strategy_name(command.strategy):
        text = "a strategy is named without slash, and not *: no limit could name it"
        raise Refusal(Reason.FIELD_INVALID, "strategy", text)
    if len(risk.strategies.get(command.account, ())) >= MOST_STRATEGIES:
        raise Refusal(
            Reason.RISK_NOT_AUTHORISED,
            "strategy",
            f"account {command.account} has had {number(Decimal(MOST_STRATEGIES))} strategies, and may not have more:"
            f" {command.strategy!r} is none of them",
        )


def _check_stopped(asked: Asked) -> None:
    risk = asked.risk
    if not risk.stops:
        return
    places: list[tuple[str, Cell | Leaf]] = [
        (node.scope, cell) for leaf in asked.path.leaves for node, cell in leaf.places
    ]
    places.append((f"{scopes.ORDER}:{asked.order_id}", asked.path.leaves[0]))
    for place, key in [(place, key) for scope, place in places for key in risk.stopped.get(scope, ())]:
        stopped = risk.stops[key].stopped
        if not (stopped.allow_reducing and worst_case.reduces_at(asked, place)):
            by = f" by {stopped.operator}" if stopped.operator else ""
            ends = "a person has to resume it" if stopped.needs_person else "it resumes by itself"
            raise Refusal(
                Reason.RISK_STOPPED,
                "",
                f"trading is stopped at {words(stopped.scope)} ({stopped.source}){by}: {stopped.reason}."
                f" Cancels still pass; {ends}",
            )


def _check_instrument(asked: Asked) -> None:
    for scope in asked.path.barred:
        if not overridden(asked.risk, "restricted", scope, asked.at_ns):
            raise Refusal(Reason.RISK_RESTRICTED, "symbol", f"{asked.path.symbol} is restricted at {words(scope)}")


def _check_short_sale(asked: Asked) -> None:
    rule, leaf = asked.path.instrument.short_sale, asked.path.leaves[0]
    if asked.sign > 0 or rule == "free" or not asked.extra or any_override(asked, "short_sale"):
        return
    short = leaf.sells + asked.extra > max(ZERO, leaf.net_qty)
    flagged = asked.command.side is not _SELL
    if (short or flagged) and rule == "forbidden":
        raise Refusal(Reason.RISK_SHORT_SALE, "side", f"{asked.path.symbol} may not be sold short")
    if short and not flagged:
        raise Refusal(
            Reason.RISK_SHORT_SALE,
            "side",
            f"the position is {number(leaf.net_qty)} with {number(leaf.sells)} in working sales: this sale goes beyond"
            " it and has to be SELL_SHORT",
        )
    if flagged and not asked.command.locate_id:
        raise Refusal(Reason.RISK_SHORT_SALE, "locate_id", "a short sale needs locate_id: who lends the shares")


# --- What prices say ---


def _check_mark(asked: Asked) -> None:
    """What is not known, or cannot be believed, blocks what takes on more: at the firm, or where a limit stands."""
    price, (_, at_firm) = asked.price, asked.path.leaves[0].places[0]
    if not worst_case.takes_on_nothing(asked, at_firm):
        _check_known(asked)
    if price.at_ns is not None:
        _check_age(asked, asked.at_ns - price.at_ns)
        if price.moved:
            _check_move(asked)


def _check_known(asked: Asked) -> None:
    price, symbol = asked.price, asked.path.symbol
    if price.px is None:
        raise Refusal(Reason.RISK_NO_MARK, "symbol", f"{symbol} has neither a mark nor a reference price")
    if price.rate is None:
        currency, ours = asked.path.instrument.currency, asked.risk.setup.currency
        raise Refusal(Reason.RISK_NO_MARK, "symbol", f"no rate of {currency} in {ours} is known")
    if price.crossed and not any_override(asked, "crossed_mark"):
        mark = asked.risk.marks[symbol].mark
        raise Refusal(Reason.RISK_CROSSED_MARK, "symbol", f"{symbol} is crossed: bid {mark.bid}, ask {mark.ask}")


def _check_age(asked: Asked, age_ns: int) -> None:
    for limit, node, _, cell, _, _ in asked.path.bounds[Control.MAX_MARK_AGE_S]:
        if age_ns <= limit * _SECOND_NS:
            return
        if worst_case.takes_on_nothing(asked, cell):
            continue
        age_s = Decimal(age_ns) / _SECOND_NS
        over(asked, Control.MAX_MARK_AGE_S, node, age_s, limit, "symbol", "age of the mark in seconds")


def _check_move(asked: Asked) -> None:
    moved, reference = asked.price.moved, asked.price.reference
    for limit, node, _, cell, _, _ in asked.path.bounds[Control.MAX_MARK_MOVE_PCT]:
        if moved <= limit * reference:
            return
        if worst_case.takes_on_nothing(asked, cell):
            continue
        what = "percent that the mark moved from the reference price"
        over(asked, Control.MAX_MARK_MOVE_PCT, node, share(moved, reference), limit, "symbol", what)


# --- One order ---


def _check_size(asked: Asked) -> None:
    qty, limits = asked.qty, asked.path.bounds
    for limit, node, _, _, _, _ in limits[Control.MAX_ORDER_QTY]:
        if qty <= limit:
            break
        over(asked, Control.MAX_ORDER_QTY, node, qty, limit, "order_qty", "order quantity")
    value = _order_value(asked)
    for limit, node, _, _, _, _ in limits[Control.MAX_ORDER_VALUE]:
        if value <= limit:
            break
        field = "order_qty" if asked.terms.cash_order_qty is None else "cash_order_qty"
        over(asked, Control.MAX_ORDER_VALUE, node, value, limit, field, "order value")


def _order_value(asked: Asked) -> Decimal:
    """At the higher of its price and the mark."""
    terms, mark = asked.terms, asked.price
    price = terms.price or terms.stop_px
    if terms.cash_order_qty is not None:
        return terms.cash_order_qty * (mark.rate or ZERO)
    if price is None or (mark.px is not None and mark.px >= price):
        return asked.qty * mark.unit
    return asked.qty * price * asked.path.instrument.multiplier * (mark.rate or ZERO)


def _check_collar(asked: Asked) -> None:
    px, terms = asked.price.px, asked.terms
    if px is None:
        return
    if terms.price is not None and terms.price != px:
        _check_distance(asked, "price", terms.price, px)
    if terms.stop_px is not None and terms.stop_px != px:
        _check_distance(asked, "stop_px", terms.stop_px, px)


def _check_distance(asked: Asked, field: str, price: Decimal, px: Decimal) -> None:
    limits, away, tick = asked.path.bounds, abs(price - px), asked.path.instrument.tick_size
    for limit, node, _, _, _, _ in limits[Control.PRICE_COLLAR_PCT]:
        if away * HUNDRED <= limit * px:
            break
        what = f"{field} {number(price)} against the mark {number(px)}: percent"
        over(asked, Control.PRICE_COLLAR_PCT, node, percent(away, px), limit, field, what)
    for limit, node, _, _, _, _ in limits[Control.PRICE_COLLAR_TICKS]:
        if away <= limit * tick:
            break
        what = f"{field} {number(price)} against the mark {number(px)}: ticks"
        over(asked, Control.PRICE_COLLAR_TICKS, node, share(away, tick), limit, field, what)


def _check_duplicate(asked: Asked) -> None:
    if not asked.path.duplicate_ns:
        return
    before = asked.risk.recent.get(kind_of(asked.command))
    if before is None or before > asked.at_ns:  # A clock that was set back says nothing of how long ago it was.
        return
    age_ns = asked.at_ns - before
    for limit, node, _, _, _, _ in asked.path.bounds[Control.DUPLICATE_WINDOW_S]:
        if age_ns < limit * _SECOND_NS and not overridden(
            asked.risk, Control.DUPLICATE_WINDOW_S, node.scope, asked.at_ns
        ):
            raise Refusal(
                Reason.RISK_DUPLICATE_ORDER,
                "",
                f"an order of the same side, quantity and price was sent {number(Decimal(age_ns) / _SECOND_NS)} s ago;"
                f" {words(node.scope)} has to wait {number(limit)} s between two",
            )


def kind_of(command: SubmitOrder) -> Kind:
    """What makes two orders alike."""
    return (
        command.client_id,
        command.account,
        command.strategy,
        command.symbol,
        command.side,
        command.order_qty,
        command.price,
        command.stop_px,
        command.cash_order_qty,
    )


# --- How much has been sent ---


def _check_ratio(asked: Asked) -> None:
    meters = asked.risk.meters
    for value, node, _, _, whole, limit in asked.path.bounds[Control.ORDER_TO_TRADE]:
        meter = meters.get(node.scope)
        if meter is None:
            continue
        sent, executions = meter.messages + 1, meter.executions or 1
        if sent > whole * executions and sent > limit.after and sent > value * executions:
            ratio = share(Decimal(sent), Decimal(executions))
            over(asked, Control.ORDER_TO_TRADE, node, ratio, value, "", "messages for each execution")


def _check_rate(asked: Asked) -> None:
    """A leaky bucket: one message fills it by the time that passes between two at the full rate."""
    at_ns, meters = asked.at_ns, asked.risk.meters
    for node, between_ns, window_ns, _, _ in asked.path.paces:
        if not between_ns:
            continue
        scope = node.scope
        meter = meters.get(scope)
        ahead_ns = 0 if meter is None else meter.full_ns - at_ns
        if ahead_ns < 0 or ahead_ns > window_ns:  # Empty; or the clock was set back: one passes, which fills it again.
            ahead_ns = 0
        wait_ns = ahead_ns + between_ns - window_ns
        if wait_ns > 0 and not overridden(asked.risk, Control.MESSAGE_RATE, scope, at_ns):
            limit = node.limits[Control.MESSAGE_RATE]
            raise Refusal(
                Reason.RISK_MESSAGE_RATE,
                "",
                f"message rate over limit {number(limit.value)} in {limit.per_s} s at {words(scope)}; try again in"
                f" {number(Decimal(wait_ns) / _SECOND_NS)} s",
            )
