"""When orders are due: a timer of the kernel in the event loop, whose own timers have a resolution of a millisecond."""

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import Callable
from typing import Self

SECOND_NS = 1_000_000_000
_MONOTONIC, _NONBLOCK, _CLOEXEC, _ABSOLUTE = 1, os.O_NONBLOCK, os.O_CLOEXEC, 1
_TIMES = struct.Struct("=qqqq")  # struct itimerspec: interval, then first expiry, each in seconds and nanoseconds.
_libc = ctypes.CDLL(None, use_errno=True)


class Pacer:
    """Calls back on the loop when something is due. Use it as a context."""

    def __init__(self, tick: Callable[[int], None]) -> None:
        """`tick` gets the time of now, of the monotonic clock in nanoseconds."""
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._fd = _checked(_libc.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC))

    def __enter__(self) -> Self:
        self._loop.add_reader(self._fd, self._due)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def start(self, first_ns: int, every_ns: int) -> None:
        """Tick at this time of the monotonic clock and then again and again; 0 and 0 end it."""
        times = _TIMES.pack(*divmod(every_ns, SECOND_NS), *divmod(first_ns, SECOND_NS))
        _checked(_libc.timerfd_settime(self._fd, _ABSOLUTE, times, None))

    def _due(self) -> None:
        try:
            os.read(self._fd, 8)  # How often it expired since; what is due follows from the clock.
        except BlockingIOError:
            return
        self._tick(time.monotonic_ns())


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
