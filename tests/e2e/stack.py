"""What the end-to-end tests start: two simulated venues and the gateway as real processes (ops.stack)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.stack import Stack

CLIENT_ID = "demo"
OPERATOR_ID = "ops"


@contextmanager
def running_stack(folder: Path, edit: Mapping[str, Callable[[str], str]] | None = None) -> Iterator[Stack]:
    """A stack with quiet markets: no random counterparties, so that only the test's own orders meet."""
    quiet = dict.fromkeys(("XSIM", "YSIM"), without_crowd)
    with Stack(folder, quiet | dict(edit or {})) as stack:
        yield stack


def without_crowd(text: str) -> str:
    """A venue's configuration without its random counterparties."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
