"""A desk whose limits change while the gateway runs: what its tests ask for and look at."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway.core.engine import Answer
from gateway.core.events import Cause
from gateway.core.reports import SessionUp, TimerFired
from gateway.core.risk import events as re
from gateway.core.risk.commands import DecideChange, SetLimit
from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup
from gateway.core.types import Reason
from tests.core.world import CLIENT, INSTRUMENTS, OTHER_VENUE, SECOND_NS, SETTINGS, VENUE, World, order, restarted
from tests.risk import open_risk

HOUR_NS = 3_600 * SECOND_NS
QTY = Control.MAX_ORDER_QTY


def setup(**changes: Any) -> RiskSetup:
    """A desk with an account, another account in the firm, and ample limits there."""
    made = open_risk(
        INSTRUMENTS,
        (VENUE, OTHER_VENUE),
        desks={"EQ": ""},
        accounts={"A1": "EQ", "A2": ""},
        clients={CLIENT: RiskClient(("A1", "A2"))},
    )
    return replace(made, **changes)


def world(**changes: Any) -> World:
    return World.started(replace(SETTINGS, risk=setup(**changes)))


def limit(value: int | str, **more: Any) -> Limit:
    return Limit(Decimal(value), **more)


def asked(scope: str = "account:A1", value: int | str | None = 50, control: str = QTY, **changes: Any) -> SetLimit:
    made = SetLimit("olga", scope, control, "qty", "a test", None if value is None else limit(value))
    return replace(made, **changes)


def refused(answer: Answer, reason: Reason, field: str) -> str:
    assert (answer.reason, answer.field) == (reason, field), answer
    return answer.text


def passes(of: World, order_qty: int, **changes: Any) -> bool:
    """Whether an order of this quantity passes now."""
    number = f"o{len(of.records)}"
    answer = of.ask(order(number, order_qty, **changes))
    assert answer.reason in (None, Reason.RISK_ORDER_QTY), answer
    return answer.reason is None


def own(of: World, scope: str, control: Control = QTY) -> Limit | None:
    return of.state.risk.limits.get(scope, {}).get(control)


def after(of: World, seconds: float) -> list[object]:
    """Which limits and changes end so much later."""
    of.now_ns += int(seconds * SECOND_NS)
    return [event for event in of.tell(TimerFired()) if type(event) in (re.LimitExpired, re.LimitDeclined)]


def again(of: World, **changes: Any) -> World:
    """After a restart, perhaps with another file."""
    risk = setup(**changes) if changes else of.settings.risk
    now = restarted(World(replace(of.settings, risk=risk), of.state, of.records, of.now_ns))
    now.tell(SessionUp(VENUE), Cause("venue", VENUE))
    return now


def proposed(of: World, value: int | None = 70, scope: str = "firm", **changes: Any) -> str:
    assert of.ask(asked(scope, value, **changes)).reason is None
    return of.events(re.LimitProposed)[-1].change_id


def decide(of: World, change_id: str, operator: str = "otto", *, approve: bool = True, reason: str = "seen") -> Answer:
    return of.ask(DecideChange(operator, change_id, approve, reason))
