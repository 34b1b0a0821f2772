"""What the checks ask about, and how they say no."""

from decimal import ROUND_CEILING, Decimal

import msgspec

from gateway.core.commands import SubmitOrder
from gateway.core.events import Terms
from gateway.core.money import EXACT, multiply, plain
from gateway.core.refusal import Refusal
from gateway.core.risk.book import Book, Node, Path, Price
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.state import RiskState
from gateway.core.state import State

HUNDRED = Decimal(100)
_SHOWN = Decimal("0.0001")
_QUOTIENT = EXACT.copy()
_QUOTIENT.rounding = ROUND_CEILING
_QUOTIENT.clear_traps()


class Asked(msgspec.Struct, gc=False):
    """What is asked for, and what it would change. `extra` is the quantity that it would reserve more than is reserved
    now; `reduces` says that it can only bring the position of its account's strategy nearer to zero, `lowers` that it
    is a replace which takes quantity away and leaves prices and times. `order_id` is empty for a new order.
    """

    state: State
    book: Book
    path: Path
    command: SubmitOrder
    terms: Terms
    venue: str
    sign: int
    qty: Decimal
    extra: Decimal
    price: Price
    at_ns: int
    order_id: str = ""
    lowers: bool = False
    reduces: bool = False

    @property
    def risk(self) -> RiskState:
        """What risk remembers."""
        return self.state.risk


def over(asked: Asked, control: Control, node: Node, value: Decimal, limit: Decimal, field: str, what: str) -> None:
    """Say no, unless a person has overridden this control there.

    Raises:
        Refusal: nobody has.
    """
    if not overridden(asked.risk, control, node.scope, asked.at_ns):
        said = f"{what} {number(value)} over limit {number(limit)} at {words(node.scope)}"
        raise Refusal(SPECS[control].reason, field, said)


def overridden(risk: RiskState, control: str, scope: str, at_ns: int) -> bool:
    """Whether a person lets the orders of this scope pass this control now."""
    granted = risk.overrides.get(scope) if risk.overrides else None
    until = granted.get(control) if granted else None
    return until is not None and at_ns < until


def any_override(asked: Asked, control: str) -> bool:
    """Whether a person lets this order pass a control that is not about one scope's limit."""
    return bool(asked.risk.overrides) and any(
        overridden(asked.risk, control, scope, asked.at_ns) for scope in asked.path.scopes
    )


def share(part: Decimal, whole: Decimal) -> Decimal:
    """A quotient for people, to 4 decimals. It is rounded up: what is over a limit must look so."""
    return _QUOTIENT.quantize(_QUOTIENT.divide(part, whole), _SHOWN)


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """A share in percent, for people."""
    return share(multiply(part, HUNDRED), whole)


def root(square: Decimal) -> Decimal:
    """A square root for people, in the same way."""
    return _QUOTIENT.quantize(_QUOTIENT.sqrt(square), _SHOWN)


def number(value: Decimal) -> str:
    """A figure as people read it: 1,250,000 and not 1250000.00."""
    return f"{plain(value):,f}"


def words(scope: str) -> str:
    """A scope as people say it: "account ACC1", "the firm"."""
    level, _, name = scope.partition(":")
    return f"{level.replace('_', ' ')} {name}" if name else "the firm"
