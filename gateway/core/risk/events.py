"""Events of risk: limits, marks, stops, breakers and breaches. Everything that a decision of risk depends on, and
everything that an auditor asks about it.
"""

from decimal import Decimal

import msgspec

from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit, RiskSetup
from gateway.core.types import Severity


class Mark(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an instrument is worth now. `bid` and `ask` are there when the source has them."""

    symbol: str
    px: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None


class RiskConfigured(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="RiskConfigured"):
    """The configuration says something else about risk than before: from here on this is in force. A limit that is the
    same in the old and the new file stays as an operator has set it since.
    """

    setup: RiskSetup


class LimitProposed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="LimitProposed"):
    """An operator wants to raise a limit that a second person has to approve. Nothing changes yet. `in_force` is what
    the scope was held to then: under another limit the same change would be another one.
    """

    change_id: str
    scope: str
    control: Control
    limit: Limit | None
    operator: str
    reason: str
    expires_ns: int | None = None
    in_force: Limit | None = None


class LimitChanged(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="LimitChanged"):
    """A limit is another one from the next order on. `limit` None: the scope has none of its own any more.

    With `expires_ns` it holds until then, and the one before comes back. `approved_by` is the second person, where one
    had to approve it.
    """

    scope: str
    control: Control
    old: Limit | None
    limit: Limit | None
    operator: str
    reason: str
    expires_ns: int | None = None
    change_id: str = ""
    approved_by: str = ""


class LimitDeclined(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="LimitDeclined"):
    """A second person said no to a proposed limit or override, or nobody approved it in time."""

    change_id: str
    operator: str
    reason: str


class LimitExpired(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="LimitExpired"):
    """A limit that held for a time is over; `limit` is in force again."""

    scope: str
    control: Control
    limit: Limit | None


class OverrideProposed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OverrideProposed"):
    """An operator wants an override that a second person has to approve. Nothing passes yet."""

    change_id: str
    scope: str
    control: str
    until_ns: int
    operator: str
    reason: str


class OverrideGranted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OverrideGranted"):
    """A named person lets orders of a scope pass one control until then (RTS 6 15(6)). `approved_by` is the second
    person, where one had to approve it.
    """

    scope: str
    control: str
    until_ns: int
    operator: str
    reason: str
    change_id: str = ""
    approved_by: str = ""


class OverrideEnded(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="OverrideEnded"):
    """An override is over: its time was up (`operator` is empty), or a person ended it."""

    scope: str
    control: str
    operator: str = ""
    reason: str = ""


class MarksSet(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MarksSet"):
    """What instruments and currencies are worth now."""

    marks: tuple[Mark, ...] = ()
    rates: dict[str, Decimal] = {}


class RiskDayBegan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="RiskDayBegan"):
    """Profit and loss, and what is counted by the day, begin anew. `day` is a date such as 2026-01-05."""

    day: str


class TradingStopped(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="TradingStopped"):
    """No new orders in this scope. `source` is "kill" when a person stopped it, else the breaker that did.

    `cancels` takes working orders back, until that is proven for each. `until_ns` is when a breaker that needs no
    person may clear by itself: it is told again with another one when the clock was set.
    """

    scope: str
    source: str
    reason: str
    operator: str = ""
    cancels: bool = True
    allow_reducing: bool = False
    needs_person: bool = True
    until_ns: int | None = None


class TradingResumed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="TradingResumed"):
    """A stop is over: a person with a reason, or a breaker whose cool-down has passed (`operator` is empty)."""

    scope: str
    source: str
    reason: str
    operator: str = ""


class StopCompleted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="StopCompleted"):
    """Nothing of ours works any more in a stopped scope: proven, order by order. It says nothing of external orders,
    which the gateway did not send and does not cancel (`ListExternalOrders` has them).
    """

    scope: str
    source: str


class MassCancelSent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MassCancelSent"):
    """OrderMassCancelRequest(35=q) for all orders goes to the venue under `venue_cl_ord_id`, once. The proof is each
    order's own report.
    """

    venue: str
    venue_cl_ord_id: str
    scope: str


class MassCancelAnswered(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="MassCancelAnswered"):
    """The venue's OrderMassCancelReport(35=r), its reject of the request, or that the request was never sent. When the
    answer is no, orders are canceled one by one.
    """

    venue: str
    venue_cl_ord_id: str
    accepted: bool
    total_affected: int | None = None
    text: str = ""


class ClientAway(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ClientAway"):
    """The last stream of a client whose orders are canceled then has ended: after its grace they are. Told again when
    the clock was set meanwhile: the grace begins anew.
    """

    client_id: str


class ClientBack(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="ClientBack"):
    """The client has a stream again."""

    client_id: str


class BreachBegan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="BreachBegan"):
    """A figure is beyond its limit (severity critical) or near it (warning): somebody has to hear of it within 5 s.
    `symbol` is the instrument, where each has a figure of its own.
    """

    scope: str
    control: str
    severity: Severity
    value: Decimal
    limit: Decimal
    text: str
    symbol: str = ""


class BreachEnded(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag="BreachEnded"):
    """The figure is within its limit again."""

    scope: str
    control: str
    symbol: str = ""


RiskEvent = (
    RiskConfigured
    | LimitProposed
    | LimitChanged
    | LimitDeclined
    | LimitExpired
    | OverrideProposed
    | OverrideGranted
    | OverrideEnded
    | MarksSet
    | RiskDayBegan
    | TradingStopped
    | TradingResumed
    | StopCompleted
    | MassCancelSent
    | MassCancelAnswered
    | ClientAway
    | ClientBack
    | BreachBegan
    | BreachEnded
)
