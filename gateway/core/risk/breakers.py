"""Circuit breakers: what stops trading by itself, and when it lets go again.

What happens order by order is counted with the event itself (`count`), in steps of the rule's window, and trips at once
(`tripped`); everything else is looked at with each turn of the clock (`timer`). What is measured:

- loss, drawdown: of the day, in the risk currency; anew from where it stood when a person resumed trading
- reject_rate: percent of the answers to new orders, replaces and cancels that were no, once there are `after` of them
- fill_rate: executions; message_rate: new orders, replaces and cancels (not those of a stop)
- repeated_execution: executions of one strategy in one instrument on one side; always needs a person (RTS 6 15(3))
- latency: milliseconds from sending an order to the venue's first word, or until it is in doubt; trips with `after`
  slow ones, and clears when fewer than that took `clear` or longer
- stale_mark: seconds since the oldest mark of an instrument with a position or a working order
- items: open critical reconciliation items
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Any, NamedTuple

import msgspec

from gateway.core import events as ev
from gateway.core import lost
from gateway.core.events import Event, Record
from gateway.core.money import ZERO, average, multiply, negated, rounded, subtract
from gateway.core.order import Order
from gateway.core.risk import exposure, scopes, watch
from gateway.core.risk.asked import number, words
from gateway.core.risk.controls import Breaker
from gateway.core.risk.events import TradingResumed, TradingStopped
from gateway.core.risk.setup import BreakerRule
from gateway.core.risk.state import Anew, Profit, Tally
from gateway.core.state import State
from gateway.core.types import Severity

STEPS = 60
"""In how many steps a window moves on: what is counted is between one window and one step more."""
_SECOND_NS, _MILLISECOND_NS = 1_000_000_000, Decimal(1_000_000)
_HUNDRED, _CENT, _NANOSECOND = Decimal(100), Decimal("0.01"), Decimal("1E-9")
_REJECT_RATE = Breaker.REJECT_RATE

_COUNTED: dict[type, tuple[Breaker, ...]] = {
    ev.OrderSubmitted: (Breaker.MESSAGE_RATE,),
    ev.ReplaceRequested: (Breaker.MESSAGE_RATE,),
    ev.CancelRequested: (Breaker.MESSAGE_RATE,),
    ev.OrderPendingNew: (Breaker.LATENCY,),
    ev.OrderAcknowledged: (Breaker.LATENCY, Breaker.REJECT_RATE),
    ev.OrderRejected: (Breaker.LATENCY, Breaker.REJECT_RATE),
    ev.OrderFilled: (Breaker.LATENCY, Breaker.REJECT_RATE, Breaker.FILL_RATE, Breaker.REPEATED_EXECUTION),
    ev.OrderReplaced: (Breaker.REJECT_RATE,),
    ev.OrderCanceled: (Breaker.REJECT_RATE,),
    ev.RequestRejected: (Breaker.REJECT_RATE,),
    ev.OrderInDoubt: (Breaker.LATENCY,),
}
"""Which breakers an event counts for."""

_WORDS = {
    Breaker.LOSS: "loss of the day",
    Breaker.DRAWDOWN: "drawdown of the day",
    Breaker.REJECT_RATE: "percent of rejects",
    Breaker.FILL_RATE: "executions",
    Breaker.REPEATED_EXECUTION: "repeated executions",
    Breaker.MESSAGE_RATE: "messages",
    Breaker.STALE_MARK: "age of a mark in seconds",
    Breaker.LATENCY: "slow answers",
    Breaker.ITEMS: "open critical reconciliation items",
}
_REDUCING = (Breaker.LOSS, Breaker.DRAWDOWN, Breaker.STALE_MARK)
"""Nothing is wrong with the orders themselves: those that only reduce a position pass, as they pass the limits."""


class Counter:
    """A rule that counts what some orders do: at which scope, under which name, of what there by itself.

    `stop` is the name of its stop, `least` the smallest count that can trip it; `slow_ns` is what makes an answer a
    slow one, and `clear_ns` what keeps the rule from clearing (None where it does not count latencies). `tally` is what
    it has counted, once it has been looked up.
    """

    __slots__ = ("clear_ns", "least", "name", "rule", "scope", "slow_ns", "step_ns", "stop", "tally", "what")

    def __init__(self, scope: str, rule: BreakerRule, what: str) -> None:
        latency = rule.kind is Breaker.LATENCY
        by_ratio = latency or rule.kind is Breaker.REJECT_RATE
        self.scope, self.rule, self.what = scope, rule, what
        self.name, self.stop, self.step_ns = _name(rule.kind, scope), f"{scope}|{rule.kind}", _step_ns(rule)
        self.least = max(1, rule.after if by_ratio else _up(rule.value))
        self.slow_ns = _up(multiply(rule.value, _MILLISECOND_NS)) if latency else None
        self.clear_ns = _up(multiply(rule.clear, _MILLISECOND_NS))
        self.tally: Tally | None = None


class Known(NamedTuple):
    """What was known of an order before an event: that the venue has accepted it, that it was in doubt (or that nobody
    listened), and when its connection was lost, if it comes into doubt for that.
    """

    accepted: bool = False
    doubtful: bool = False
    lost_ns: int = 0


Measure = Callable[[State, Order, Any, int, Known], int | None]
"""1 for what counts and 0 for an answer that was yes; the nanoseconds of a latency; None when it does not count."""
Counters = dict[type, tuple[tuple[Measure, tuple[Counter, ...]], ...]]
"""By the type of an event: what is measured, and who counts it."""

_NOTHING: dict[str, Tally] = {}
_NOTHING_YET = Known()
_ACCEPTS = (ev.OrderAcknowledged, ev.OrderFilled)
_SPEAKS_OF_NEW = frozenset({ev.OrderPendingNew, ev.OrderRejected, *_ACCEPTS})


# --- Rules ---


def _rule(state: State, kind: Breaker, scope: str) -> BreakerRule | None:
    """The scope's own rule, or the one for all of its level."""
    own = default = None
    for rule in state.risk.setup.breakers:
        if rule.kind is kind:
            own = rule if rule.scope == scope else own
            default = rule if rule.scope == scopes.default_of(scope) else default
    return own or default


def _counters(state: State, order: Order) -> Counters:
    """What counts the events of such an order; put together once for all orders of its way and side."""
    book = state.risk.book
    if book.counting is not None and book.counting[0] is order:
        return book.counting[1]
    command = order.command
    path = exposure.known_path(state, command, order.venue)
    found = path.counters.get(command.side) if path is not None else None
    if found is None:
        found = _gather(state, order)
        if path is not None:
            path.counters[command.side] = found
    book.counting = order, found
    return found


def _gather(state: State, order: Order) -> Counters:
    on_the_way = [scope for scope in watch.scopes_of(state.risk.setup, order) if not scope.startswith(scopes.ORDER)]
    by_kind: dict[Breaker, tuple[Counter, ...]] = {}
    for kind in dict.fromkeys([rule.kind for rule in state.risk.setup.breakers]):
        rules = [(scope, _rule(state, kind, scope)) for scope in on_the_way]
        by_kind[kind] = tuple([_counter(scope, rule, order) for scope, rule in rules if rule is not None])
    return {
        event: tuple([(_MEASURES[kind], by_kind[kind]) for kind in counted if by_kind.get(kind)])
        for event, counted in _COUNTED.items()
    }


def _counter(scope: str, rule: BreakerRule, order: Order) -> Counter:
    command, what = order.command, ""
    if rule.kind is Breaker.REPEATED_EXECUTION:
        what = f"{command.account}/{command.strategy} {command.symbol} {command.side.name}"
    return Counter(scope, rule, what)


def _up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def _name(kind: str, scope: str) -> str:
    return f"{kind}|{scope}"


# --- Counting ---


def known(state: State, event: Event) -> Known:
    """To be asked before the event is applied: afterwards it cannot be told from one that came earlier."""
    if type(event) not in _SPEAKS_OF_NEW:
        left = lost.of(state, event) if state.lost and type(event) is ev.OrderInDoubt else None
        return Known(doubtful=left.by_process, lost_ns=left.at_ns) if left is not None else _NOTHING_YET
    order = state.orders[event.order_id]  # type: ignore[union-attr]  # All of them are about an order.
    first = order.first_request
    return Known(order.acknowledged, first is not None and first.in_doubt)


def count(state: State, order: Order, event: Event, at_ns: int, before: Known) -> None:
    """An event that was just applied counts where a rule asks for it."""
    kind = type(event)
    if kind not in _COUNTED:
        return
    for measure, counters in _counters(state, order)[kind]:
        figure = measure(state, order, event, at_ns, before)
        if figure is None:
            continue
        for counter in counters:
            total, bad = 1, figure
            if counter.slow_ns is not None:
                total, bad = int(figure >= counter.clear_ns), int(figure >= counter.slow_ns)
                if not (total or bad):
                    continue
            _note(counter.tally or _tally(state, counter), at_ns // counter.step_ns, total, bad)


def _tally(state: State, counter: Counter) -> Tally:
    tallies = state.risk.tallies.get(counter.name)
    if tallies is None:
        tallies = state.risk.tallies[counter.name] = {}
    tally = tallies.get(counter.what)
    if tally is None:
        tally = tallies[counter.what] = Tally()
    counter.tally = tally
    return tally


def _message(state: State, order: Order, event: Any, _: int, __: Known) -> int | None:
    """What a stop does to the orders that it takes back is nothing that anybody's trading did."""
    return None if type(event) is ev.CancelRequested and watch.is_watched(state, order) else 1


def _execution(_: State, __: Order, ___: Any, ____: int, _____: Known) -> int:
    return 1


def _answer(state: State, order: Order, event: Any, _: int, before: Known) -> int | None:
    kind = type(event)
    if kind is ev.OrderRejected:
        return 1
    if kind in _ACCEPTS:
        return None if before.accepted else 0
    if not event.venue_cl_ord_id or watch.is_watched(state, order):
        return None
    return 1 if kind is ev.RequestRejected else 0


def _latency_ns(_: State, order: Order, event: Any, at_ns: int, before: Known) -> int | None:
    """Once for each order: of one that came into doubt that moment has been counted."""
    first = order.first_request
    if first is None or before.doubtful:
        return None
    doubtful = type(event) is ev.OrderInDoubt
    counts = event.venue_cl_ord_id == first.venue_cl_ord_id if doubtful else _is_first_word(order, event)
    return (before.lost_ns or at_ns) - first.sent_ns if counts else None


def _is_first_word(order: Order, event: ev.Reported) -> bool:
    return len(order.seen) == (1 if event.exec_id else 0)


_MEASURES: dict[Breaker, Measure] = {
    Breaker.MESSAGE_RATE: _message,
    Breaker.LATENCY: _latency_ns,
    Breaker.REJECT_RATE: _answer,
    Breaker.FILL_RATE: _execution,
    Breaker.REPEATED_EXECUTION: _execution,
}


def _step_ns(rule: BreakerRule) -> int:
    return max(1, rule.window_s * _SECOND_NS // STEPS)


def _note(tally: Tally, step: int, total: int, bad: int) -> None:
    steps = tally.steps
    tally.total += total
    tally.bad += bad
    last, before, bad_before = steps[-1] if steps else (-1, 0, 0)
    if last == step:
        steps[-1] = (step, before + total, bad_before + bad)
        return
    if steps and step < last - STEPS:  # The clock was set back: what was counted is of another time.
        steps.clear()
        tally.total, tally.bad = total, bad
    if steps and step <= last:
        steps[-1] = (last, before + total, bad_before + bad)
    else:
        steps.append((step, total, bad))
    while steps[0][0] < step - STEPS:
        _, gone, bad_gone = steps.pop(0)
        tally.total -= gone
        tally.bad -= bad_gone


def _within(tally: Tally, step_ns: int, at_ns: int) -> tuple[int, int]:
    """The total and the bad ones of the window that ends now."""
    oldest = at_ns // step_ns - STEPS
    total, bad = tally.total, tally.bad
    for step, gone, bad_gone in tally.steps:
        if step >= oldest:
            break
        total, bad = total - gone, bad - bad_gone
    return total, bad


# --- Tripping and clearing ---


def tripped(state: State, records: Iterable[Record], at_ns: int) -> Iterator[TradingStopped]:
    """What the events of an input trip at once. Each is applied before the next one is asked for."""
    for record in records:
        event: Any = record.event
        if type(event) not in _COUNTED:
            continue
        for _, counters in _counters(state, state.orders[event.order_id])[type(event)]:
            for counter in counters:
                tally = counter.tally or state.risk.tallies.get(counter.name, _NOTHING).get(counter.what)
                if tally is None or _is_far(tally, counter) or counter.stop in state.risk.stops:
                    continue
                figure = _of_tally(tally, counter.rule, at_ns)
                if _reaches(counter.rule, figure):
                    yield _stopped(counter.rule, counter.scope, figure, at_ns, counter.what)


def _is_far(tally: Tally, counter: Counter) -> bool:
    """Even all that is kept, some of which may be older than the window, would not be enough."""
    if counter.slow_ns is not None:
        return tally.bad < counter.least
    return tally.total < counter.least or (not tally.bad and counter.rule.kind is _REJECT_RATE)


def timer(state: State, at_ns: int, jumped_ns: int) -> list[Event]:
    """What lets go by itself, and what nothing but time or prices trip. The clock was set by `jumped_ns` meanwhile."""
    if not state.risk.setup.breakers:
        return []
    return list(_cooled_down(state, at_ns, jumped_ns)) + [
        _stopped(rule, scope, figure, at_ns)
        for rule in state.risk.setup.breakers
        for scope, figure in _looked_at(state, rule, at_ns)
        if _reaches(rule, figure) and f"{scope}|{rule.kind}" not in state.risk.stops
    ]


def _cooled_down(state: State, at_ns: int, jumped_ns: int) -> Iterator[Event]:
    """Never what a person has to resume, and never what no rule speaks of any more. A cool-down goes on for as long as
    was left of it when the clock was set.
    """
    for stop in state.risk.stops.values():
        stopped = stop.stopped
        if stopped.until_ns is None:
            continue
        until_ns = stopped.until_ns + jumped_ns
        rule = _rule(state, Breaker(stopped.source), stopped.scope) if at_ns >= until_ns else None
        if rule is not None and _is_clear(state, rule, stopped.scope, at_ns):
            reason = f"{_WORDS[rule.kind]} below {number(rule.clear)} again, {rule.cool_down_s} s later"
            yield TradingResumed(stopped.scope, stopped.source, reason)
        elif jumped_ns:
            yield msgspec.structs.replace(stopped, until_ns=until_ns)


def _is_clear(state: State, rule: BreakerRule, scope: str, at_ns: int) -> bool:
    tallies = state.risk.tallies.get(_name(rule.kind, scope), {})
    if rule.kind is Breaker.LATENCY:
        return all(_within(tally, _step_ns(rule), at_ns)[0] < max(1, rule.after) for tally in tallies.values())
    if rule.kind in _BY_CLOCK:
        return _BY_CLOCK[rule.kind](state, scope, at_ns) < rule.clear
    return all(_of_tally(tally, rule, at_ns) < rule.clear for tally in tallies.values())


def _reaches(rule: BreakerRule, figure: Decimal) -> bool:
    return figure >= (max(1, rule.after) if rule.kind is Breaker.LATENCY else rule.value) and figure > 0


def _stopped(rule: BreakerRule, scope: str, figure: Decimal, at_ns: int, what: str = "") -> TradingStopped:
    needs_person = rule.needs_person or rule.kind is Breaker.REPEATED_EXECUTION
    return TradingStopped(
        scope,
        rule.kind.value,
        _reason(rule, scope, figure, what),
        cancels=rule.cancels,
        allow_reducing=rule.kind in _REDUCING,
        needs_person=needs_person,
        until_ns=None if needs_person else at_ns + rule.cool_down_s * _SECOND_NS,
    )


def _reason(rule: BreakerRule, scope: str, figure: Decimal, what: str) -> str:
    shown, limit = number(rounded(figure, _CENT)), number(rule.value)
    of = f" of {what}" if what else ""
    if rule.kind is Breaker.LATENCY:
        return f"{shown} answers in {rule.window_s} s took {limit} ms or longer at {words(scope)}"
    window = "" if rule.kind in _BY_CLOCK else f" in {rule.window_s} s"
    return f"{_WORDS[rule.kind]}{of} {shown}{window} reached {limit} at {words(scope)}"


# --- Figures ---


def _of_tally(tally: Tally, rule: BreakerRule, at_ns: int) -> Decimal:
    total, bad = _within(tally, _step_ns(rule), at_ns)
    match rule.kind:
        case Breaker.REJECT_RATE:
            return average(multiply(bad, _HUNDRED), Decimal(total)) if total >= rule.after else ZERO
        case Breaker.LATENCY:
            return Decimal(bad)
    return Decimal(total)


def _looked_at(state: State, rule: BreakerRule, at_ns: int) -> Iterator[tuple[str, Decimal]]:
    """The scopes that a rule which the clock looks at is for, with their figures."""
    figure = _BY_CLOCK.get(rule.kind)
    if figure is None:
        return
    if not rule.scope.endswith(":*"):
        yield rule.scope, figure(state, rule.scope, at_ns)
        return
    own = {each.scope for each in state.risk.setup.breakers if each.kind is rule.kind}
    begin, counts = rule.scope.removesuffix("*"), _item_counts(state) if rule.kind is Breaker.ITEMS else None
    for scope in sorted(_with_figures(state, rule.kind) if counts is None else counts):
        if scope.startswith(begin) and scope not in own:
            yield scope, figure(state, scope, at_ns) if counts is None else Decimal(counts[scope])


def _with_figures(state: State, kind: Breaker) -> Iterable[str]:
    """The scopes at which this is not zero, and perhaps others."""
    return exposure.sync(state).nodes if kind is Breaker.STALE_MARK else state.risk.profits


def _loss(state: State, scope: str, _: int) -> Decimal:
    profit, anew = state.risk.profits.get(scope, Profit()), state.risk.anew.get(_name(Breaker.LOSS, scope))
    loss = negated(profit.day)
    return subtract(loss, anew.figure) if anew is not None and anew.day == state.risk.day else loss


def _drawdown(state: State, scope: str, _: int) -> Decimal:
    """A new high ends what a person took for the start."""
    profit, anew = state.risk.profits.get(scope, Profit()), state.risk.anew.get(_name(Breaker.DRAWDOWN, scope))
    since = anew is not None and anew.day == state.risk.day and anew.high == profit.high
    return subtract(profit.drawdown, anew.figure) if anew is not None and since else profit.drawdown


def _mark_age_s(state: State, scope: str, at_ns: int) -> Decimal:
    node = exposure.sync(state).nodes.get(scope)
    known = [state.risk.marks[symbol] for symbol in node.cells if symbol in state.risk.marks] if node else []
    oldest = max((at_ns - mark.at_ns for mark in known if mark.at_ns is not None), default=0)
    return multiply(oldest, _NANOSECOND)


def _items(state: State, scope: str, _: int) -> Decimal:
    return Decimal(_item_counts(state).get(scope, 0))


def _item_counts(state: State) -> dict[str, int]:
    """Of all scopes in one go, for there may be many of both. An item about an order of ours counts wherever the order
    does.
    """
    counts: dict[str, int] = {}
    for item in state.items.values():
        raised = item.raised
        if raised.severity is not Severity.CRITICAL:
            continue
        order = state.orders.get(raised.order_id)
        places = watch.scopes_of(state.risk.setup, order) if order is not None else []
        for scope in {scopes.FIRM, f"venue:{raised.venue}", *places}:
            counts[scope] = counts.get(scope, 0) + 1
    return counts


_BY_CLOCK = {
    Breaker.LOSS: _loss,
    Breaker.DRAWDOWN: _drawdown,
    Breaker.STALE_MARK: _mark_age_s,
    Breaker.ITEMS: _items,
}


# --- Changing ---


def begin_anew(state: State, source: str, scope: str) -> None:
    """A person resumed trading: what was counted before does not stop it again."""
    if state.risk.tallies.pop(_name(source, scope), None) is not None:
        _look_up_again(state)
    profit = state.risk.profits.get(scope)
    if profit is not None and source in (Breaker.LOSS, Breaker.DRAWDOWN):
        figure = negated(profit.day) if source == Breaker.LOSS else profit.drawdown
        state.risk.anew[_name(source, scope)] = Anew(figure, profit.high, state.risk.day)


def forget_empty(state: State, at_ns: int) -> None:
    """Without the tallies in whose window nothing is, and those that no rule speaks of any more."""
    kept: dict[str, dict[str, Tally]] = {}
    for name, tallies in state.risk.tallies.items():
        kind, _, scope = name.partition("|")
        rule = _rule(state, Breaker(kind), scope)
        if rule is None:
            continue
        oldest = at_ns // _step_ns(rule) - STEPS
        counting = {what: tally for what, tally in tallies.items() if tally.steps[-1][0] >= oldest}
        if counting:
            kept[name] = counting
    state.risk.tallies = kept
    _look_up_again(state)


def _look_up_again(state: State) -> None:
    """Some tallies are gone: who counts looks for its own."""
    book = state.risk.book
    book.counting = None
    for path in book.paths.values():
        path.counters.clear()
