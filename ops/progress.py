"""Say how far a long step is: one line that is rewritten on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

WIDTH = 24
TERMINAL_EVERY_S = 0.5
PLAIN_EVERY_S = 15.0
CLEAR_LINE = "\r\033[K"


class Progress:
    """A step that shows what it is doing and for how long, on standard error, until its `with` block ends.

    Args:
        title: what is being done, for a person.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._text = ""
        self._share: float | None = None
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_showing, daemon=True)

    def __enter__(self) -> Self:
        """Show the step at once, and again from time to time."""
        self._show()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        """Stop showing; the last line stays when the step was done."""
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._text, self._share = "done", None
            self._show()
        if self._terminal:
            print(file=sys.stderr)

    def update(self, text: str, share: float | None = None) -> None:
        """Say what is being done now and, where it is known, the share of the step that is done, from 0 to 1."""
        self._text, self._share = text, share

    def _keep_showing(self) -> None:
        while not self._ended.wait(TERMINAL_EVERY_S if self._terminal else PLAIN_EVERY_S):
            self._show()

    def _show(self) -> None:
        parts = [self._title, self._bar(), self._text, self._elapsed()]
        line = "  ".join(part for part in parts if part)
        before, after = (CLEAR_LINE, "") if self._terminal else ("", "\n")
        print(f"{before}{line}", end=after, file=sys.stderr, flush=True)

    def _bar(self) -> str:
        if self._share is None:
            return ""
        full = round(WIDTH * self._share)
        bar = f"[{'#' * full}{'.' * (WIDTH - full)}] " if self._terminal else ""
        return f"{bar}{self._share:4.0%}"

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes}:{seconds:02}"
