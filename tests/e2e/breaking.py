"""The gateway with a fault in one of the things that it does beside trading; BREAKS names it. From some moment on, what
it calls there raises what nobody expects.
"""

import os
from collections.abc import Callable
from typing import Any

from gateway import app
from gateway.adapters.journal import SqlJournal
from gateway.cli import follow, server
from gateway.runtime import sequencer
from gateway.runtime.garbage import Garbage
from gateway.runtime.witnesses import NoteKeeper


def at_call(number: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same until it is called so often."""
    left = number

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left <= 0:
            raise LookupError("a fault that was planted")
        return real(*args, **kwargs)

    return call


def main() -> None:
    """The console script `gateway`."""
    app.NOTE_S = app.FOLLOW_AFTER_S = sequencer.CONFIRM_S = 0.2
    match os.environ["BREAKS"]:
        case "timer":
            Garbage.turn = at_call(2, Garbage.turn)  # type: ignore[method-assign]
        case "watch":
            SqlJournal.confirm = at_call(2, SqlJournal.confirm)  # type: ignore[method-assign]
        case "note":
            NoteKeeper.write = at_call(2, NoteKeeper.write)  # type: ignore[method-assign]
        case "follower":
            follow._yielding = at_call(1, follow._yielding)
    server.main()
