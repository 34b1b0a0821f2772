"""What the venue knows of its orders, and what it says of them; the rules are in venue.py.

What the venue says goes to `replies`, what it must remember to `lines`; the exchange takes both after each piece of
work.
"""

from collections.abc import Callable

import msgspec

from sim_exchange.enums import Side
from sim_exchange.fix import utc_timestamp
from sim_exchange.ledger import Execution, Forgotten, Line, State, Trans, Used
from sim_exchange.messages import Reply, Report
from sim_exchange.orders import Order, RuleBroken


class Register:
    """All orders of all clients, by every name that they have."""

    def __init__(self, name: str, state: State, max_records: int) -> None:
        self.name = name
        self.max_records = max_records
        self.orders: dict[str, Order] = {}
        self.executions = state.executions
        self.replies: list[Reply] = []
        self.lines: list[Line] = []
        self.on_report: Callable[[Order, Report], None] = lambda _order, _report: None
        self.muted: Order | None = None
        self.now_ns = 0
        self._by_number: dict[int, Order] = {}
        self._open: dict[int, Order] = {}
        self._by_cl_ord_id: dict[tuple[str, str], Order | None] = {}
        self._owners: dict[str, None] = {}
        self._counters = state.counters
        self._dirty: dict[int, Order] = {}
        self._counted = False
        for order in state.orders.values():
            self._index(order)
        for used in state.used:
            self._by_cl_ord_id.setdefault((used.session, used.cl_ord_id), None)

    # Names ----------------------------------------------------------------------------------------

    def _index(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self._by_number[order.number] = order
        self._owners[order.owner] = None
        self._note_open(order)
        for cl_ord_id in order.cl_ord_ids:
            self._by_cl_ord_id[order.owner, cl_ord_id] = order

    def _drop(self, order: Order) -> None:
        del self.orders[order.order_id], self._by_number[order.number]
        self._open.pop(order.number, None)
        self._dirty.pop(order.number, None)
        for cl_ord_id in order.cl_ord_ids:
            self._by_cl_ord_id.pop((order.owner, cl_ord_id), None)
        self.lines.append(Forgotten(time=utc_timestamp(self.now_ns), order_id=order.order_id))

    @property
    def full(self) -> bool:
        """Whether as many orders, requests and executions are held as may be.

        Each order and each request has a ClOrdID(11) of its own, unless an order came by telephone.
        """
        return max(len(self.orders), len(self._by_cl_ord_id)) + len(self.executions) >= self.max_records

    def _spend(self, owner: str, cl_ord_id: str) -> None:
        """Remember the ClOrdID(11) of a request that is about no single order; a full venue does not."""
        if not self.full and (owner, cl_ord_id) not in self._by_cl_ord_id:
            self._by_cl_ord_id[owner, cl_ord_id] = None
            self.lines.append(Used(session=owner, cl_ord_id=cl_ord_id))

    def is_used(self, owner: str, cl_ord_id: str) -> bool:
        """Whether a client's ClOrdID(11) is spent."""
        return (owner, cl_ord_id) in self._by_cl_ord_id

    def named(self, cl_ord_id: str) -> list[Order]:
        """The orders of all clients that a ClOrdID(11) speaks of."""
        return [o for owner in self._owners if (o := self._by_cl_ord_id.get((owner, cl_ord_id))) is not None]

    def find(self, cl_ord_id: str, owner: str | None) -> Order:
        """The order that a ClOrdID(11) speaks of, of any client unless `owner` is given. Raises RuleBroken."""
        found = [order for order in self.named(cl_ord_id) if owner in (None, order.owner)]
        if len(found) != 1:
            raise RuleBroken(f"{'no order has' if not found else 'several sessions use'} ClOrdID {cl_ord_id}")
        return found[0]

    def open_orders(self) -> list[Order]:
        """Every order that is open, oldest first."""
        return [order for _, order in sorted(self._open.items()) if order.open]

    def _matching(self, owner: str, symbol: str | None, side: Side | None) -> list[Order]:
        return [o for o in self._of(owner, symbol, side, self._open) if o.open]

    def _working(self, owner: str, symbol: str | None, side: Side | None) -> list[Order]:
        return [o for o in self._of(owner, symbol, side, self._open) if o.working]

    @staticmethod
    def _of(owner: str, symbol: str | None, side: Side | None, orders: dict[int, Order]) -> list[Order]:
        return [
            orders[number]
            for number in sorted(orders)
            if orders[number].owner == owner
            and symbol in (None, orders[number].symbol)
            and side in (None, orders[number].side)
        ]

    def standing(self, order: Order, exec_id: str) -> Execution:
        """An order's execution as it stands, by the ExecID(17) of any of its reports. Raises RuleBroken."""
        execution = self.executions.get(order.order_id, exec_id)
        if execution is None:
            raise RuleBroken(f"order {order.order_id} has no standing execution {exec_id}")
        return execution

    # What is said and remembered ------------------------------------------------------------------

    def emit(self, order: Order, report: Report) -> None:
        """Say something about an order, unless it is muted, and remember the order as it is now."""
        self.touch(order)
        if order is self.muted:
            return
        report.transact_ns = self.now_ns
        self.replies.append(report)
        self.on_report(order, report)

    def touch(self, order: Order) -> None:
        """Remember an order at the end of this piece of work."""
        self._dirty[order.number] = order
        self._note_open(order)

    def _note_open(self, order: Order) -> None:
        """`_open` holds at least all open orders, so that finding them takes no look at all that ever were."""
        if order.open:
            self._open[order.number] = order
        else:
            self._open.pop(order.number, None)

    def _execution(self, order: Order, report: Report, trans: Trans) -> None:
        line = Execution(
            time=utc_timestamp(self.now_ns),
            exec_id=report.exec_id,
            order_id=order.order_id,
            cl_ord_id=order.cl_ord_id,
            session=order.owner,
            symbol=order.symbol,
            side=order.side,
            last_qty=report.last_qty,
            last_px=report.last_px,
            cum_qty=order.cum_qty,
            trans=trans,
            exec_ref_id=report.exec_ref_id,
            factor=order.factor,
        )
        self.lines.append(line)
        self.executions.add(line)

    def next_exec_id(self) -> str:
        """A new ExecID(17), unique for the life of the ledger."""
        return f"{self.name}-E{self._count('exec')}"

    def _count(self, kind: str) -> int:
        value = int(getattr(self._counters, kind)) + 1
        setattr(self._counters, kind, value)
        self._counted = True
        return value

    def take_lines(self) -> list[Line]:
        """What must be written before anything is sent: counters, orders that changed, executions."""
        lines: list[Line] = [msgspec.structs.replace(self._counters)] if self._counted else []
        # An order that was changed many times would else write the names of all its changes with each one.
        lines += [msgspec.structs.replace(order, cl_ord_ids=order.cl_ord_ids[:1]) for order in self._dirty.values()]
        lines += self.lines
        self._dirty.clear()
        self.lines = []
        self._counted = False
        return lines
