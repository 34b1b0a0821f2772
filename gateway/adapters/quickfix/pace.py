"""How soon a session that does not come up is tried again."""

_TOLERATED = 5
_SHORT_S = 3.0
_LONGEST_S = 30.0


class Pace:
    """Counts attempts that failed one after the other: the Logon was not answered, or the session went down at once.

    The first few are repeated at the configured interval; then each pause is twice the one before, up to 30 seconds (or
    the interval, when that is longer). Times are those of a monotonic clock, in seconds.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._failures = 0
        self._up_at: float | None = None
        self.until = 0.0
        """No attempt before this time."""

    @property
    def slowed(self) -> bool:
        """Attempts are being held back."""
        return self._failures >= _TOLERATED

    def came_up(self, at: float) -> None:
        """The session is logged on."""
        self._up_at = at

    def went_down(self, at: float) -> bool:
        """The session is down, or did not come up. True when the next attempt has to wait, until `until`."""
        lasted, self._up_at = at - self._up_at if self._up_at is not None else 0.0, None
        self._failures = 0 if lasted >= _SHORT_S else self._failures + 1
        if self.slowed:
            longest = max(_LONGEST_S, self._interval_s)
            self.until = at + min(longest, self._interval_s * 2 ** min(16, self._failures - _TOLERATED + 1))
        return self.slowed

    def at_once(self) -> None:
        """An operator wants the session up now."""
        self._failures, self.until = 0, 0.0
