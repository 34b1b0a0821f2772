"""How far a long command is: a bar on standard error, on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BAR_FROM = 20_000
"""Fewer events are done before anybody reads a bar."""
_STEP = 1_000


@contextmanager
def progress(what: str, first: int, last: int) -> Iterator[Callable[[int], None]]:
    """While the events behind `first` to `last` are gone through. Gives what is told at which seq that is."""
    if last - first < BAR_FROM or not sys.stderr.isatty():
        yield lambda _seq: None
        return
    from rich.console import Console  # noqa: PLC0415  # Every other command, and the server, starts without these.
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, shown = bar.add_task(what, total=last - first), first

        def passed(seq: int) -> None:
            nonlocal shown
            if seq - shown >= _STEP:
                shown = seq
                bar.update(task, completed=seq - first)

        yield passed
