"""What must hold after every event, checked in production too, with explicit raises."""

from decimal import Decimal

from gateway.core.executions import net, totals
from gateway.core.money import ZERO, add, subtract
from gateway.core.order import UNANSWERED, Order
from gateway.core.positions import PositionKey
from gateway.core.state import State


class InvariantBroken(Exception):
    """The program contradicts itself. The process has to stop: what it would do next cannot be trusted."""


def check_order(order: Order) -> None:
    """The cheap checks, after every event of the order."""
    if order.cum_qty < 0 or order.leaves_qty < 0:
        raise InvariantBroken(
            f"order {order.order_id}: negative CumQty {order.cum_qty} or LeavesQty {order.leaves_qty}"
        )
    if order.leaves_qty and order.cum_qty + order.leaves_qty != order.terms.order_qty:
        raise InvariantBroken(
            f"order {order.order_id}: CumQty {order.cum_qty} and LeavesQty {order.leaves_qty} "
            f"are not OrderQty {order.terms.order_qty}"
        )
    if order.closed and order.unanswered:
        raise InvariantBroken(f"order {order.order_id} has ended and still waits for {', '.join(order.unanswered)}")


def check_state(state: State) -> None:
    """Everything, from scratch: after recovery and in tests."""
    for order in state.orders.values():
        check_order(order)
        _check_ledger(order)
        _check_indexes(state, order)
    _check_positions(state)


def _check_ledger(order: Order) -> None:
    if (order.cum_qty, order.cum_value) != totals(net(order.executions)):
        raise InvariantBroken(f"order {order.order_id}: CumQty {order.cum_qty} is not what its executions add up to")
    unanswered = [
        key for key, request in order.requests.items() if request.kind != "new" and request.state in UNANSWERED
    ]
    if unanswered != list(order.unanswered):
        raise InvariantBroken(f"order {order.order_id}: unanswered are {unanswered}, not {list(order.unanswered)}")


def _check_indexes(state: State, order: Order) -> None:
    for key, request in order.requests.items():
        if (key in state.waiting) != (request.state == "sent") or (key in state.doubtful) != request.in_doubt:
            raise InvariantBroken(
                f"order {order.order_id}: request {key} ({request.state}) is not indexed as it stands"
            )
    working = order.order_id in state.working.get(order.command.client_id, {})
    if working != order.working:
        raise InvariantBroken(f"order {order.order_id}: LeavesQty {order.leaves_qty}, but working is {working}")


def _check_positions(state: State) -> None:
    """Positions are what the orders executed, and no money appears or disappears: realized profit = open cost - sum
    of signed values.
    """
    executed: dict[PositionKey, tuple[Decimal, Decimal]] = {}
    for order in state.orders.values():
        command, sign = order.command, order.command.side.sign
        key = PositionKey(command.account, command.strategy, command.symbol)
        qty, value = executed.get(key, (ZERO, ZERO))
        executed[key] = add(qty, sign * order.cum_qty), add(value, sign * order.cum_value)
    for key, position in state.positions.items():
        qty, value = executed[key]
        if not qty == position.net_qty == subtract(position.bought_qty, position.sold_qty):
            raise InvariantBroken(f"position {key}: net {position.net_qty} is not what was executed, {qty}")
        if position.realized != subtract(position.cost, value):
            raise InvariantBroken(f"position {key}: {position.realized} realized does not account for {value}")
        if not position.net_qty and position.cost:
            raise InvariantBroken(f"position {key} is flat with an open cost of {position.cost}")
