"""What every test of the core shares: its caller's decimal context is one that can do nothing."""

from collections.abc import Callable, Iterator
from decimal import Context, DivisionByZero, Inexact, InvalidOperation, Overflow, Rounded, localcontext
from functools import wraps
from typing import Any

import pytest

from gateway.core import engine
from gateway.core.risk import figures

HOSTILE = Context(prec=1, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact, Rounded])
"""A plain operator with a result of two digits raises in it."""
ENTRANCES: tuple[tuple[Any, str], ...] = (
    *[(engine, name) for name in ("step", "apply", "execute", "replay")],
    (figures, "figures"),
)
"""By which the tests, like the gateway, come into the core."""


def under(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called by somebody with this context."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with localcontext(context):
            return function(*args, **kwargs)

    return run


@pytest.fixture(autouse=True, scope="module")
def hostile_context() -> Iterator[None]:
    """What the core computes is the same under every context: only then does a journal replay in every process."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ENTRANCES:
            patch.setattr(module, name, under(HOSTILE, getattr(module, name)))
        yield
