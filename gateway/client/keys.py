"""ClOrdID(11)s that are never used twice, without keeping a file.

A key is `prefix-start-pid-n`: a prefix that the client chooses, the microsecond at which the client was made, the
process id, and a number that counts up within the process, all three in base 36. A restart has another start, a second
process on the machine has another pid, a second client in the process has other numbers. What is left to the user:
programs that share one client id on several machines (or containers) take different prefixes.
"""

import itertools
import re
from collections.abc import Iterator

MAX_KEY = 36
"""Characters that the gateway takes as ClOrdID(11)."""

MAX_PREFIX = 12
"""Characters. With 10 for the start (until 2085), 5 for the pid and 3 dashes, 6 of 36 remain for the number: two
thousand million keys of one process.
"""

_PREFIX = re.compile(rf"[A-Za-z0-9_.]{{1,{MAX_PREFIX}}}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_numbers = itertools.count(1)


class KeyGenerator:
    """Makes the keys of one client."""

    def __init__(self, prefix: str, started_ns: int, pid: int, numbers: Iterator[int] = _numbers) -> None:
        """Start a sequence of keys.

        Args:
            prefix: 1 to 12 letters, digits, underscores or points.
            started_ns: when the client was made, nanoseconds since the epoch.
            pid: the process id.
            numbers: counts up; by default one counter for the whole process.

        Raises:
            ValueError: the prefix is too long or has other characters.
        """
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"key_prefix {prefix!r}: 1 to {MAX_PREFIX} letters, digits, '_' or '.' are expected")
        self.stem = f"{prefix}-{_base36(started_ns // 1_000)}-{_base36(pid)}-"
        self._numbers = numbers

    def next(self) -> str:
        """A new key of at most 36 characters."""
        return self.stem + _base36(next(self._numbers))


def default_prefix(client_id: str) -> str:
    """What a client id gives as prefix: its first characters, those that a key cannot hold as '_'."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", client_id[:MAX_PREFIX])


def _base36(value: int) -> str:
    digits = []
    while value:
        value, digit = divmod(value, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"
