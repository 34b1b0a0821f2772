"""The witness of stops, limits and absences: what the journal says about them is what happens.

It knows from the records alone what is stopped, how large an order and a position may be, and which orders work.
"""

from collections.abc import Callable
from decimal import Decimal

from gateway.core.commands import SubmitOrder
from gateway.core.events import CancelRequested, OrderSubmitted, OrderView, Record, ReplaceRequested
from gateway.core.risk.controls import Control
from gateway.core.risk.events import (
    ClientAway,
    ClientBack,
    LimitChanged,
    LimitExpired,
    RiskConfigured,
    StopCompleted,
    TradingResumed,
    TradingStopped,
)
from gateway.core.risk.setup import Limit, RiskSetup
from gateway.core.state import State

Fail = Callable[[str], None]
_QTY, _POSITION = Control.MAX_ORDER_QTY, Control.MAX_POSITION_QTY


class RiskWitness:
    """What is stopped, limited and away, as the durable records have it."""

    def __init__(self, failed: Fail) -> None:
        self._failed = failed
        self._setup = RiskSetup()
        self._stops: dict[str, TradingStopped] = {}
        self._stopped_at: dict[str, int] = {}
        self._limits: dict[str, Decimal] = {}
        self._away: dict[str, int] = {}
        self._submitted: dict[str, tuple[int, OrderSubmitted]] = {}
        self._views: dict[str, OrderView] = {}

    def synced(self, record: Record) -> None:
        """This is durable from here on."""
        event = record.event
        match event:
            case TradingStopped():
                key = f"{event.scope}|{event.source}"
                self._stops[key], self._stopped_at[key] = event, record.seq
            case TradingResumed():
                del self._stops[f"{event.scope}|{event.source}"]
            case StopCompleted():
                self._nothing_works(record.seq, f"{event.scope}|{event.source}")
            case RiskConfigured():
                self._setup = event.setup
                self._limits = {scope: own[_QTY].value for scope, own in event.setup.limits.items() if _QTY in own}
            case LimitChanged() | LimitExpired() if event.control is _QTY:
                self._limit(event.scope, event.limit)
            case ClientAway():
                self._away[event.client_id] = record.at_ns
            case ClientBack():
                del self._away[event.client_id]
            case OrderSubmitted():
                self._submitted[event.order_id] = record.seq, event
                self._may_pass(record, event.order_id)
                self._fits(record.seq, event.command)
            case ReplaceRequested():
                self._may_pass(record, event.order_id)
            case CancelRequested():
                self._is_owed(record, event)
        if record.order is not None:
            self._views[record.order.order_id] = record.order

    def recovered(self, state: State) -> None:
        """A new process knows all of it."""
        risk = state.risk
        if self._stops != {key: stop.stopped for key, stop in risk.stops.items()}:
            self._failed(f"stopped are {list(self._stops)}, and recovery knows of {list(risk.stops)}")
        if self._limits != {scope: own[_QTY].value for scope, own in risk.limits.items() if _QTY in own}:
            self._failed(f"recovery has other limits than {self._limits}")
        if self._away != risk.away:
            self._failed(f"away are {self._away}, and recovery knows of {risk.away}")

    def takes_back(self) -> bool:
        """Whether a stop cancels orders."""
        return any(stop.cancels for stop in self._stops.values())

    # --- What may pass ---

    def _limit(self, scope: str, limit: Limit | None) -> None:
        if limit is None:
            self._limits.pop(scope, None)
        else:
            self._limits[scope] = limit.value

    def _may_pass(self, record: Record, order_id: str) -> None:
        """No order, and no replace, where trading is stopped; none larger than a limit."""
        event = record.event
        assert isinstance(event, OrderSubmitted | ReplaceRequested)
        qty = event.terms.order_qty if event.terms is not None else self._command(order_id).order_qty
        scopes = self._scopes(order_id)
        for stop in self._stops.values():
            if stop.scope in scopes and not (stop.allow_reducing and self._reduces(order_id, qty)):
                self._failed(f"record {record.seq}: {type(event).__name__} of {order_id}, and {stop.scope} is stopped")
        for scope, limit in self._limits.items():
            if scope in scopes and qty > limit:
                self._failed(f"record {record.seq}: {qty} of {order_id} are over the limit {limit} of {scope}")

    def _fits(self, seq: int, asked: SubmitOrder) -> None:
        """No order takes the position of the firm, with all that works and all that is in doubt, over its limit; unless
        it only makes up for the other side.
        """
        limit, worst = self._setup.limits["firm"][_POSITION].value, dict.fromkeys((1, -1), Decimal(0))
        for each in self._views.values():
            if each.symbol == asked.symbol:
                worst[each.side.sign] += each.cum_qty + each.leaves_qty
                worst[-each.side.sign] -= each.cum_qty
        with_it = worst[asked.side.sign] + asked.order_qty
        if with_it > max(limit, worst[-asked.side.sign]):
            self._failed(f"record {seq}: the position in {asked.symbol} may become {with_it}, and {limit} is the limit")

    def _command(self, order_id: str) -> SubmitOrder:
        return self._submitted[order_id][1].command

    def _scopes(self, order_id: str) -> set[str]:
        event, command = self._submitted[order_id][1], self._command(order_id)
        desk = self._setup.accounts[command.account]
        return {
            "firm",
            "asset_class:equity",
            f"desk:{desk}",
            f"account:{command.account}",
            f"client:{command.client_id}",
            f"instrument:{command.symbol}",
            f"venue:{event.venue}",
            f"order:{order_id}",
        }

    def _reduces(self, order_id: str, qty: Decimal) -> bool:
        """What is left of it is on the other side of the position, and not more."""
        asked, view = self._command(order_id), self._views.get(order_id)
        net = sum(
            (
                each.side.sign * each.cum_qty
                for each in self._views.values()
                if (each.account, each.symbol) == (asked.account, asked.symbol)
            ),
            Decimal(0),
        )
        left = qty - (view.cum_qty if view is not None else 0)
        return net * asked.side.sign < 0 and left <= abs(net)

    # --- What is taken back ---

    def _nothing_works(self, seq: int, key: str) -> None:
        """A stop is completed: only what it let pass since may work there."""
        stop = self._stops[key]
        for order_id, view in self._views.items():
            let_pass = stop.allow_reducing and self._submitted[order_id][0] > self._stopped_at[key]
            if view.leaves_qty and not let_pass and stop.scope in self._scopes(order_id):
                self._failed(f"record {seq}: the stop of {stop.scope} is called completed, and {order_id} works")

    def _is_owed(self, record: Record, event: CancelRequested) -> None:
        """The gateway cancels by itself only what is stopped, or whose client is away for longer than its grace."""
        name, _, _ = event.cl_ord_id.partition(".")
        scopes = self._scopes(event.order_id)
        if name.startswith("STOP") and not any(stop.cancels and stop.scope in scopes for stop in self._stops.values()):
            self._failed(f"record {record.seq}: {event.order_id} is canceled, and nothing is stopped there")
        if name == "AWAY":
            client_id = self._command(event.order_id).client_id
            since_ns, grace_ns = self._away.get(client_id), self._setup.clients[client_id].cancel_on_disconnect_ns
            if since_ns is None or grace_ns is None or record.at_ns - since_ns < grace_ns:
                self._failed(f"record {record.seq}: {event.order_id} is canceled, and {client_id} is not away so long")
