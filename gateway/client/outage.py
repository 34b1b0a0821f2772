"""What the log says of a stream that is away: at once, every minute until it is back, and when it is."""

import logging
import time
from collections.abc import Callable

AGAIN_S = 60.0
_log = logging.getLogger("gateway.client")


class Outage:
    """The log of one stream's losses. A try that fails every second or two is no line of its own."""

    def __init__(self, stream: str, now_s: Callable[[], float] = time.monotonic) -> None:
        """Tell of the stream of this name; `now_s` is a clock in seconds that is never set."""
        self._stream = stream
        self._now_s = now_s
        self._tries = 0
        self._began_s = self._told_s = 0.0

    def lost(self, why: str) -> None:
        """It was lost, or could not be opened again."""
        now_s = self._now_s()
        self._tries += 1
        if self._tries == 1:
            self._began_s = self._told_s = now_s
            _log.warning("%s lost (%s); it is tried again until it is back", self._stream, why)
        elif now_s - self._told_s >= AGAIN_S:
            self._told_s = now_s
            away_s = now_s - self._began_s
            _log.warning("%s still away after %.0f s and %d tries (%s)", self._stream, away_s, self._tries, why)

    def back(self) -> None:
        """A message came over it."""
        if self._tries:
            _log.warning("%s is back after %.1f s", self._stream, self._now_s() - self._began_s)
            self._tries = 0
