"""What operators, and those who know prices, ask of risk."""

from decimal import Decimal

import msgspec

from gateway.core.risk.events import Mark
from gateway.core.risk.setup import Limit


class SetLimit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SetLimit"):
    """An operator sets a limit, raises or lowers it, or takes it off a scope (`limit` None). `control` is a word of
    `Control`, `unit` the one that the operator means: a limit in another unit than the control's is refused.
    """

    operator: str
    scope: str
    control: str
    unit: str
    reason: str
    limit: Limit | None = None
    expires_ns: int | None = None


class DecideChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="DecideChange"):
    """A second person approves a proposed change of a limit, or declines it."""

    operator: str
    change_id: str
    approve: bool
    reason: str


class GrantOverride(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="GrantOverride"):
    """A named person lets the orders of a scope pass one control for a limited time."""

    operator: str
    scope: str
    control: str
    until_ns: int
    reason: str


class EndOverride(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="EndOverride"):
    """An operator ends an override before its time."""

    operator: str
    scope: str
    control: str
    reason: str


class StopTrading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="StopTrading"):
    """The kill switch: no new orders in a scope, working ones are canceled (`cancels`), until a person resets it."""

    operator: str
    scope: str
    reason: str
    cancels: bool = True
    allow_reducing: bool = False


class ResumeTrading(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ResumeTrading"):
    """A person resets a stop. `source` is "kill" or the breaker that tripped."""

    operator: str
    scope: str
    source: str
    reason: str


class SetMarks(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="SetMarks"):
    """Prices of instruments and rates of currencies, from whoever has them."""

    operator: str
    marks: tuple[Mark, ...] = ()
    rates: dict[str, Decimal] = {}


class ClientPresence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ClientPresence"):
    """A fact from the API: a client has its first stream, or its last one ended."""

    client_id: str
    connected: bool


RiskCommand = SetLimit | DecideChange | GrantOverride | EndOverride | StopTrading | ResumeTrading | SetMarks
