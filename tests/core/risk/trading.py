"""A firm with desks, two accounts, two clients, three instruments and two venues, for tests of the risk checks."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.core import engine
from gateway.core.commands import Command, SubmitOrder
from gateway.core.engine import Answer
from gateway.core.events import Cause, Event
from gateway.core.risk.asked import words
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.events import Mark, MarksSet
from gateway.core.risk.setup import Limit, RiskClient, RiskSetup
from gateway.core.state import Settings
from gateway.core.types import Reason, Side
from tests.core.world import CLIENT, OTHER_VENUE, SYMBOL, VENUE, World, instrument
from tests.core.world import order as plain_order
from tests.risk import ample, open_risk, risk_instrument

OTHER_CLIENT, BOND = "other", "BOND"
STRATEGY = "alpha"
KNOWN = {
    SYMBOL: instrument(),
    "FUT": instrument("FUT", multiplier=Decimal(10), tick_size=Decimal("0.25")),
    BOND: instrument(BOND),
}
TREE = ("firm", "desk:europe", "desk:cash", "account:A1", "strategy:A1/alpha", "asset_class:equity", "instrument:ACME")
SIDES = ("client:desk", "venue:XSIM")
SCOPES = (*TREE, *SIDES)

each_scope = pytest.mark.parametrize("scope", SCOPES)


def each_scope_but(*levels: str) -> Any:
    """All the scopes of an order where the control says anything."""
    return pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope.partition(":")[0] not in levels])


def setup(limits: dict[str, dict[Control, Limit]] | None = None, **changes: Any) -> RiskSetup:
    """Ample limits for the firm, and these."""
    made = open_risk(KNOWN, (VENUE, OTHER_VENUE))
    instruments = made.instruments | {BOND: risk_instrument(KNOWN[BOND], asset_class="bond")}
    own = {"firm": ample()} | {
        scope: ample() | said if scope == "firm" else said for scope, said in (limits or {}).items()
    }
    tree = {
        "desks": {"cash": "europe", "europe": "", "rates": ""},
        "accounts": {"A1": "cash", "A2": "rates"},
        "clients": {name: RiskClient(accounts=("*",)) for name in (CLIENT, OTHER_CLIENT)},
        "instruments": instruments,
        "limits": own,
    }
    return msgspec.structs.replace(made, **(tree | changes))


def of_acme(**changes: Any) -> dict[str, Any]:
    """The instruments, with something else about ACME."""
    known = setup().instruments
    return {"instruments": known | {SYMBOL: msgspec.structs.replace(known[SYMBOL], **changes)}}


def started(limits: dict[str, dict[Control, Limit]] | None = None, **changes: Any) -> World:
    return World.started(Settings(KNOWN, (VENUE, OTHER_VENUE), risk=setup(limits, **changes)))


def limited(scope: str, control: Control, value: int | str, *, per_s: int = 0, after: int = 0, **changes: Any) -> World:
    """One limit at one scope; what else there is, nobody reaches."""
    return started({scope: {control: Limit(Decimal(value), per_s, Decimal(after))}}, **changes)


def buy(cl_ord_id: str, order_qty: int | str = 100, **changes: Any) -> SubmitOrder:
    """A limit order at 10 in ACME."""
    return plain_order(cl_ord_id, order_qty, **({"strategy": STRATEGY} | changes))


def sell(cl_ord_id: str, order_qty: int | str = 100, **changes: Any) -> SubmitOrder:
    return buy(cl_ord_id, order_qty, side=Side.SELL, **changes)


def elsewhere(command: SubmitOrder) -> SubmitOrder:
    """The same at no scope of its own but the firm."""
    return msgspec.structs.replace(
        command, client_id=OTHER_CLIENT, account="A2", strategy="beta", symbol=BOND, venue=OTHER_VENUE
    )


def happen(world: World, event: Event) -> None:
    """An event that a command of an operator gives."""
    world.now_ns += 1_000_000
    world.records.append(engine.apply(world.state, event, world.now_ns, Cause("operator", "ops")))


def mark(world: World, px: int | str, symbol: str = SYMBOL, **changes: Any) -> None:
    happen(world, MarksSet((Mark(symbol, Decimal(px), **changes),)))


def hold(world: World, qty: int | str, px: int | str = 10, **changes: Any) -> None:
    """A position that is long by an order that has ended."""
    name = f"hold {len(world.records)}"
    world.fill(world.submit(name, qty, price=Decimal(px), **({"strategy": STRATEGY} | changes)), qty, px)


def hedge(world: World, qty: int | str = 60) -> None:
    """Another strategy of the account sells so many of what `hold` has bought: the scopes above have less."""
    world.fill(world.submit(f"hedge {len(world.records)}", qty, side=Side.SELL, strategy="beta"), qty)


def again(world: World, command: Any) -> Answer:
    """Under a key of its own: what was refused once is refused for good under its key."""
    return world.ask(msgspec.structs.replace(command, cl_ord_id=f"{command.cl_ord_id} again {len(world.records)}"))


def no(world: World, command: Command, reason: Reason, text: str, field: str | None = None) -> None:
    """It is refused, for this reason, in these words."""
    answer = again(world, command)
    assert (answer.reason, text in answer.text) == (reason, True), answer
    assert field is None or answer.field == field


def yes(world: World, command: Command) -> None:
    answer = again(world, command)
    assert answer.reason is None, answer


def over(world: World, scope: str, control: Control, command: Command, text: str) -> None:
    """Over the limit of the scope, in these words; an override lets it pass, until its time and not longer."""
    reason, said = SPECS[control].reason, f"{text} at {words(scope)}"
    no(world, command, reason, said)
    overridable(world, scope, control.value, command, reason)


def overridable(world: World, scope: str, control: str, command: Command, reason: Reason) -> None:
    for until_ns, allowed in ((world.now_ns + 1_000_000, False), (world.now_ns + 2_000_001, True)):
        world.state.risk.overrides = {scope: {control: until_ns}}
        answer = again(world, command)
        assert (answer.reason is None) == allowed, answer
        assert allowed or answer.reason is reason
    world.state.risk.overrides = {}
