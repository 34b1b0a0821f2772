"""The risk officer: stops trading and resumes it, lowers a limit and sets it back, says what instruments are worth.

Now and then in trouble, and with a purpose when it is over: a stop with cancels stays until nothing works in its scope.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from gateway.core.commands import Command
from gateway.core.events import Cause
from gateway.core.risk.commands import DecideChange, ResumeTrading, SetLimit, SetMarks, StopTrading
from gateway.core.risk.controls import Control
from gateway.core.risk.events import Mark
from gateway.core.risk.limits import unit_of
from gateway.core.risk.setup import Limit
from gateway.core.risk.stops import KILL
from tests.simulation.clients import Call
from tests.simulation.plan import ACCOUNTS, AUTO, CLIENTS, DESKS, MANUAL
from tests.simulation.scheduler import MS, S

if TYPE_CHECKING:
    from tests.simulation.world import World

QTY = Control.MAX_ORDER_QTY
ENOUGH = Limit(Decimal(1_000_000))
"""What the firm's limit is set back to; no order of a client is larger."""
SCOPES = (
    "firm",
    *(f"desk:{name}" for name in DESKS),
    *(f"account:{name}" for name in ACCOUNTS),
    *(f"client:{name}" for name in CLIENTS[:2]),
    *(f"instrument:{name}" for name in (AUTO, MANUAL)),
    *(f"venue:{name}" for name in ("XSIM", "YSIM")),
    "asset_class:equity",
)


class Officer:
    """Two people: what the one proposes the other has to approve."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.scheduler.stream("officer")
        self._last_stop = world.plan.last_stop
        world.scheduler.at(300 * MS, "", self._act)

    def open(self) -> list[str]:
        """What is not as it was before the trouble, in words."""
        risk = self._world.process.state.risk
        found = [
            f"trading is stopped at {stop.stopped.scope}"
            + (", and its cancels are not done" if stop.stopped.cancels and not stop.completed else "")
            for stop in risk.stops.values()
        ]
        found += [f"the limit of {scope} is not set back" for scope in self._lowered()]
        return [*found, "trading has yet to be stopped once more"] if self._last_stop else found

    def _act(self) -> None:
        self._world.scheduler.at(self._chance.randrange(100 * MS, 800 * MS), "", self._act)
        process = self._world.process
        if process.dead or not process.open:
            return
        if not self._world.trouble:
            self._mend()
        elif self._chance.random() < self._world.plan.stops:
            self._meddle()

    # --- In trouble ---

    def _meddle(self) -> None:
        kind = self._chance.random()
        if kind < 0.5:
            self._stop(self._scope())
        elif kind < 0.65:
            self._lower(self._chance.choice(SCOPES))
        elif kind < 0.75:
            self._decide(approve=self._chance.random() < 0.7)
        else:
            self._do(SetMarks("risk", (self._mark(AUTO), self._mark(MANUAL))))

    def _scope(self) -> str:
        orders = self._world.process.state.orders
        if orders and self._chance.random() < 0.15:
            return f"order:{self._chance.choice(list(orders))}"
        return self._chance.choice(SCOPES)

    def _stop(self, scope: str) -> None:
        cancels, allow_reducing = self._chance.random() < 0.7, self._chance.random() < 0.3
        self._world.scheduler.count(f"trading stopped {'with' if cancels else 'without'} cancels")
        self._do(StopTrading("risk", scope, "it looks wrong", cancels=cancels, allow_reducing=allow_reducing))
        if self._chance.random() < 0.7:
            self._world.scheduler.at(self._chance.randrange(100 * MS, 3 * S), "", self._resume, scope)

    def _resume(self, scope: str) -> None:
        self._do(ResumeTrading("risk", scope, KILL, "it looks right again"))

    def _lower(self, scope: str) -> None:
        self._world.scheduler.count("limit lowered")
        expires_ns = None
        if self._chance.random() < 0.4:
            expires_ns = self._world.process.now_ns() + self._chance.randrange(3 * S)
        self._set(scope, Limit(Decimal(self._chance.randint(5, 60))), expires_ns)
        self._world.scheduler.at(self._chance.randrange(3 * S), "", self._set_back, scope)

    def _set_back(self, scope: str) -> None:
        """At the firm only proposed, for the second person; a limit that no other scope needs is taken away."""
        self._set(scope, ENOUGH if scope == "firm" else None, None)

    def _set(self, scope: str, limit: Limit | None, expires_ns: int | None) -> None:
        self._do(SetLimit("risk", scope, QTY, unit_of(QTY, "EUR"), "orders are too large", limit, expires_ns))

    def _decide(self, *, approve: bool) -> None:
        for change_id in list(self._world.process.state.risk.proposals):
            self._do(DecideChange("chief", change_id, approve, "we have talked about it"))

    def _mark(self, symbol: str) -> Mark:
        """Now and then crossed: then what does not reduce is refused."""
        px = Decimal(1000 + self._chance.randint(-20, 20)) / 100
        half = Decimal(self._chance.choice((1, 1, 2, 5, -1))) / 100
        return Mark(symbol, px, px - half, px + half)

    # --- When it is over ---

    def _mend(self) -> None:
        risk = self._world.process.state.risk
        if self._last_stop:
            self._last_stop = False
            self._world.scheduler.count("trading stopped until nothing works")
            self._do(StopTrading("risk", "firm", "the day is over"))
            return
        for stop in list(risk.stops.values()):
            if stop.completed or not stop.stopped.cancels:
                self._resume(stop.stopped.scope)
        if risk.proposals:
            self._decide(approve=True)
        for scope in self._lowered():
            self._set_back(scope)

    def _lowered(self) -> list[str]:
        limits = self._world.process.state.risk.limits
        return [
            scope for scope, own in limits.items() if QTY in own and (scope != "firm" or own[QTY].value < ENOUGH.value)
        ]

    def _do(self, command: Command) -> None:
        operator = Cause("operator", getattr(command, "operator", ""))
        Call(self._world, self._chance, operator, command, lambda _: None)
