"""ClOrdID(11)s that are never used twice, without keeping a file.

A key is `prefix-start-pid-n`: a prefix that the client chooses, the microsecond at which the client was made, the
process id, and a number that counts up within the process, all three in base 36. A restart has another start, a second
process on the machine has another pid, a second client in the process has other numbers. A process that was forked with
a client in it begins anew, with a start and a pid of its own. What is left to the user: programs that share one client
id on several machines (or containers) take different prefixes.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator

MAX_KEY = 36
"""Characters that the gateway takes as ClOrdID(11)."""

MAX_PREFIX = 12
"""Characters. With 10 for the start (until 2085), 5 for the pid and 3 dashes, 6 of 36 remain for the number: two
thousand million keys of one process.
"""

_PREFIX = re.compile(rf"[A-Za-z0-9_.]{{1,{MAX_PREFIX}}}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_.\-]{1,32}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_numbers = itertools.count(1)


class KeyGenerator:
    """Makes the keys of one client."""

    def __init__(
        self,
        prefix: str,
        now_ns: Callable[[], int],
        pid: Callable[[], int] = os.getpid,
        numbers: Iterator[int] = _numbers,
    ) -> None:
        """Start a sequence of keys.

        Args:
            prefix: 1 to 12 letters, digits, underscores or points.
            now_ns: the clock, nanoseconds since the epoch.
            pid: the id of the process that asks.
            numbers: counts up; by default one counter for the whole process.

        Raises:
            ValueError: the prefix is too long or has other characters.
        """
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"key_prefix {prefix!r}: 1 to {MAX_PREFIX} letters, digits, '_' or '.' are expected")
        self._prefix, self._now_ns, self._pid, self._numbers = prefix, now_ns, pid, numbers
        self._begin(pid())

    def _begin(self, pid: int) -> None:
        self._made_in = pid
        self.stem = f"{self._prefix}-{_base36(self._now_ns() // 1_000)}-{_base36(pid)}-"

    def next(self) -> str:
        """A new key of at most 36 characters."""
        pid = self._pid()
        if pid != self._made_in:  # Forked: the process it comes from makes keys of the same numbers.
            self._begin(pid)
        return self.stem + _base36(next(self._numbers))


def checked_client_id(client_id: str) -> str:
    """A client id as the gateway's configuration can name one.

    Raises:
        TypeError, ValueError: it cannot.
    """
    if not isinstance(client_id, str):
        raise TypeError(f"client_id: a str is expected, not {client_id!r:.100}")
    if not _CLIENT_ID.fullmatch(client_id):
        raise ValueError(f"client_id {client_id!r:.100}: 1 to 32 letters, digits or any of _ . - are expected")
    return client_id


def default_prefix(client_id: str) -> str:
    """What a client id gives as prefix: its first characters, those that a key cannot hold as '_'."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", client_id[:MAX_PREFIX])


def _base36(value: int) -> str:
    digits = []
    while value:
        value, digit = divmod(value, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"
