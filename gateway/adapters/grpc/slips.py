"""A name in an operator's filter that nothing has. Where nothing fits, an empty answer would look like good news."""

from gateway.adapters.grpc.errors import Failure
from gateway.adapters.grpc.identity import Caller
from gateway.core.risk import scopes
from gateway.core.risk.setup import RiskSetup
from gateway.core.types import Reason

_LEVELS = {
    "venue": ("venue", Reason.VENUE_UNKNOWN),
    "symbol": ("instrument", Reason.SYMBOL_UNKNOWN),
    "client_id": ("client", Reason.FIELD_INVALID),
}


def refuse_slips(setup: RiskSetup, caller: Caller, **given: str) -> None:
    """Call it when nothing was found: `given` are names by their fields, empty where none was given. A program is told
    that nothing fits: what it asks about may have left the configuration.

    Raises:
        Failure: an operator gave a name that is not configured.
    """
    if not caller.is_operator:
        return
    for field, name in given.items():
        level, reason = _LEVELS[field]
        known = scopes.names(setup, level)
        if name and name not in known and "*" not in known:
            others = scopes.similar(name, known) or "none"
            raise Failure(reason, f"there is no {level} {name!r}; there is {others}", field)
