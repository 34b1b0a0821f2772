"""What the end-to-end tests start: two simulated venues and the gateway as real processes (ops.stack)."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.ctl_api import Api
from gateway.client import Reason
from ops.stack import Stack, tail

CLIENT_ID = "demo"
OPERATOR_ID = "ops"
OPEN_S = 60.0

NOT_YET = (Reason.SESSION_DOWN, Reason.SESSION_NOT_RECONCILED)
"""Why an order is refused as long as its venue has not been logged on to, or not compared."""


@contextmanager
def running_stack(
    folder: Path,
    edit: Mapping[str, Callable[[str], str]] | None = None,
    *,
    venues: Sequence[str] = ("XSIM", "YSIM"),
    journal_url: str = "",
) -> Iterator[Stack]:
    """A stack with quiet markets, where only the test's own orders meet, and with order entry open at these venues."""
    quiet = dict.fromkeys(("XSIM", "YSIM"), without_crowd)
    with Stack(folder, quiet | dict(edit or {}), journal_url=journal_url) as stack:
        until_open(stack, venues)
        yield stack


def until_open(stack: Stack, venues: Sequence[str]) -> None:
    """Wait until orders can be sent to these venues."""
    end = time.monotonic() + OPEN_S
    with Api(stack.api_address, OPERATOR_ID) as api:
        while not {each.venue for each in api.sessions().sessions if each.order_entry_open} >= set(venues):
            assert time.monotonic() < end, f"order entry did not open; the gateway says:\n{tail(stack.gateway.log)}"
            time.sleep(0.02)


def without_crowd(text: str) -> str:
    """A venue's configuration without its random counterparties."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
