"""What must hold after every event, with explicit raises: the order that changed is looked at after each event, in
production too, all of the state at each start.
"""

from decimal import Decimal
from typing import Any

from gateway.core.executions import net, totals
from gateway.core.items import MAX_OPEN, name_of
from gateway.core.money import ZERO, add, exactly
from gateway.core.order import SENT, UNANSWERED, Order
from gateway.core.risk import exposure
from gateway.core.state import Copied, DropCopy, Item, Run, State
from gateway.core.types import ItemKind
from gateway.core.venue_reports import ENDED_STATUS, MAX_EXTERNAL


class InvariantBroken(Exception):
    """The program contradicts itself. The process has to stop: what it would do next cannot be trusted."""


def check_order(order: Order, leaves_qty: Decimal) -> None:
    """The cheap checks, after every event of the order; `leaves_qty` is its LeavesQty(151)."""
    cum_qty = order.cum_qty
    if cum_qty < ZERO or leaves_qty < ZERO:
        raise InvariantBroken(f"order {order.order_id}: negative CumQty {cum_qty} or LeavesQty {leaves_qty}")
    if leaves_qty and add(cum_qty, leaves_qty) != order.terms.order_qty:
        raise InvariantBroken(
            f"order {order.order_id}: CumQty {cum_qty} and LeavesQty {leaves_qty} "
            f"are not OrderQty {order.terms.order_qty}"
        )
    if order.unanswered and order.closed:
        raise InvariantBroken(f"order {order.order_id} has ended and still waits for {', '.join(order.unanswered)}")


@exactly
def check_state(state: State) -> None:
    """Everything, from scratch: after recovery and in tests."""
    for order in state.orders.values():
        check_order(order, order.leaves_qty)
        _check_ledger(order)
        _check_requests(state, order)
        _check_working(state, order)
    _check_positions(state)
    _check_silent(state)
    _check_items(state)
    _check_mass_cancels(state)
    for venue, run in state.runs.items():
        _check_run(state, venue, run)
    for venue, known in state.external.items():
        if len(known) > MAX_EXTERNAL or any(order.report.ord_status in ENDED_STATUS for order in known.values()):
            raise InvariantBroken(f"{venue}: {len(known)} external orders; {MAX_EXTERNAL} at most, that have not ended")
    for copy in state.drop_copies.values():
        _check_drop_copy(state, copy)
    for said in exposure.differences(state):
        raise InvariantBroken(said)


def _check_ledger(order: Order) -> None:
    if (order.cum_qty, order.cum_value) != _added_up(order):
        raise InvariantBroken(f"order {order.order_id}: CumQty {order.cum_qty} is not what its executions add up to")


def _added_up(order: Order) -> tuple[Decimal, Decimal]:
    """Of fills that each have an ExecID(17) of their own all count, and no story has to be found out."""
    lines = order.executions
    if not lines:
        return ZERO, ZERO
    if order.amended or (len(lines) > 1 and len({line.exec_id for line in lines}) < len(lines)):
        return totals(net(lines))
    qty = value = ZERO
    for line in lines:
        qty += line.qty
        value += line.last_qty * line.last_px
    return qty, value


def _check_requests(state: State, order: Order) -> None:
    """Each request is indexed as it stands."""
    unanswered = []
    for key, request in order.requests.items():
        if (key in state.waiting) != (request.state == SENT) or (key in state.doubtful) != request.in_doubt:
            raise InvariantBroken(
                f"order {order.order_id}: request {key} ({request.state}) is not indexed as it stands"
            )
        if request.state in UNANSWERED and request.kind != "new":
            unanswered.append(key)
    if unanswered != [*order.unanswered]:
        raise InvariantBroken(f"order {order.order_id}: unanswered are {unanswered}, not {[*order.unanswered]}")


def _check_working(state: State, order: Order) -> None:
    working = order.order_id in state.working.get(order.command.client_id, {})
    if working != order.working:
        raise InvariantBroken(f"order {order.order_id}: LeavesQty {order.leaves_qty}, but working is {working}")


def _check_positions(state: State) -> None:
    """Positions are what the orders executed, and no money appears or disappears: realized profit = open cost - sum
    of signed values.
    """
    executed: dict[Any, tuple[Decimal, Decimal]] = {**state.retired_sums}
    for order in state.orders.values():
        if order.executions:
            command, sign = order.command, order.command.side.sign
            named = (command.account, command.strategy, command.symbol)  # As good as a PositionKey.
            qty, value = executed.get(named, (ZERO, ZERO))
            executed[named] = qty + sign * order.cum_qty, value + sign * order.cum_value
    lost = [key for key, sums in executed.items() if any(sums) and key not in state.positions]
    if lost:
        raise InvariantBroken(f"position {lost[0]} is missing: {executed[lost[0]]} was executed")
    for key, position in state.positions.items():
        qty, value = executed.get(key, (ZERO, ZERO))  # A restatement makes one for an order that never trades.
        if not qty == position.net_qty == position.bought_qty - position.sold_qty:
            raise InvariantBroken(f"position {key}: net {position.net_qty} is not what was executed, {qty}")
        if position.realized != position.cost - value:
            raise InvariantBroken(f"position {key}: {position.realized} realized does not account for {value}")
        if not position.net_qty and position.cost:
            raise InvariantBroken(f"position {key} is flat with an open cost of {position.cost}")


def _check_silent(state: State) -> None:
    """`silent` is what waits and is not in doubt; the oldest of it is what has still to come into doubt."""
    silent = {key: order_id for at_venue in state.silent.values() for key, order_id in at_venue.items()}
    wanted = {key: order_id for key, order_id in state.waiting.items() if key not in state.doubtful}
    if silent != wanted:
        raise InvariantBroken(f"requests {set(silent) ^ set(wanted)} are not indexed as they stand")
    for venue, unasked in state.unasked.items():
        if not unasked or not state.session(venue).up or not all(state.orders[each].in_doubt for each in unasked):
            raise InvariantBroken(f"{venue} is still to be asked about orders that need no question")
    for venue, lost in state.lost.items():
        at_venue = state.silent.get(venue, {}).items()
        logons = [state.orders[order_id].requests[key].logon for key, order_id in at_venue]
        left = sum(1 for logon in logons if logon <= lost.logons)
        if not left == lost.left > 0 or any(logon > lost.logons for logon in logons[:left]):
            raise InvariantBroken(f"{left} requests that were lost at {venue} are not in doubt yet, not {lost.left}")


def _check_mass_cancels(state: State) -> None:
    """They have to come to orders that can still trade, and to each once."""
    under_way = [each for mass_cancels in state.mass_cancels.values() for each in mass_cancels.values()]
    left = [(each, venue, order_id) for each in under_way for venue, ids in each.left.items() for order_id in ids]
    for each, venue, order_id in left:
        client_id, order = each.command.client_id, state.orders.get(order_id)
        if order is None or order.venue != venue or order_id not in state.working.get(client_id, {}):
            raise InvariantBroken(
                f"mass cancel {each.command.cl_ord_id} has to come to {order_id}, which works no more"
            )
    if len({order_id for *_, order_id in left}) < len(left):
        raise InvariantBroken("two mass cancels have to come to the same order")


def _check_items(state: State) -> None:
    """There is one open item about a thing at most, there are not too many, and each says what is so."""
    if state.item_names != {name_of(item.raised): item_id for item_id, item in state.items.items()}:
        raise InvariantBroken("the open items are not indexed as they stand")
    kept = [item for item in state.items.values() if item.raised.kind is not ItemKind.TOO_MANY]
    if len(kept) > MAX_OPEN:
        raise InvariantBroken(f"{len(kept)} items are open, {MAX_OPEN} at most")
    for item in kept:
        if not _holds(state, item):
            raise InvariantBroken(f"item {item.raised.item_id} is open: {item.raised.text}; but that is not so")


def _holds(state: State, item: Item) -> bool:
    raised = item.raised
    order, last = state.orders.get(raised.order_id), state.last_runs.get(raised.venue)
    match raised.kind:
        case ItemKind.QUANTITY:
            return order is not None and order.disputed
        case ItemKind.STATUS:
            return order is not None and order.closed
        case ItemKind.TERMS | ItemKind.ORDER_UNKNOWN:
            return order is not None and order.working
        case ItemKind.ORDER_EXTERNAL:
            return raised.venue_order_id in state.external[raised.venue]
        case ItemKind.EXECUTION_MISSING | ItemKind.EXECUTION_UNCONFIRMED:
            known = order is not None and order.has_execution(raised.trade_date, raised.exec_id)
            return known == (raised.kind is ItemKind.EXECUTION_UNCONFIRMED)
        case ItemKind.NOT_ANSWERED:
            return last is not None and not last.complete
    return True


def _check_run(state: State, venue: str, run: Run) -> None:
    """A run waits for orders of its venue that are open, and knows which of them are still to be asked."""
    orders = [state.orders[order_id] for order_id in run.awaited]
    needed = all(order.venue == venue and (order.working or order.in_doubt or order.disputed) for order in orders)
    if not (needed and state.session(venue).up):
        raise InvariantBroken(f"comparison {run.run} waits for what {venue} need not answer")
    asked = sum(1 for at_ns in run.awaited.values() if at_ns is not None)
    unasked = {order_id for order_id, at_ns in run.awaited.items() if at_ns is None}
    if asked != run.asked or (run.how == "each" and not unasked <= set(run.queue)):
        raise InvariantBroken(f"comparison {run.run}: {run.asked} asked, {len(run.queue)} to ask is not what it awaits")


def _check_drop_copy(state: State, copy: DropCopy) -> None:
    """What only the drop copy told is in no ledger; what it has not shown is, and it could have shown it."""

    def is_known(waiting: Copied) -> bool:
        return state.orders[waiting.order_id].has_execution(waiting.trade_date, waiting.exec_id)

    if any(map(is_known, copy.told.values())) or not all(map(is_known, copy.untold.values())):
        raise InvariantBroken(f"drop copy {copy.session}: what waits for the other source is not as the ledger has it")
    if copy.untold and not copy.up:
        raise InvariantBroken(f"drop copy {copy.session} is down and awaited")
