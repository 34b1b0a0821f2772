"""An asyncio event loop in virtual time, for one simulated process.

What asyncio promises is kept: callbacks run in the order in which they were scheduled, a timer never early, what an
executor gives comes back as a callback. What it leaves open is left to chance: how long a turn takes, how long a thread
works, and so what else happens between two turns. Each turn is one entry of the scheduler: between any two of them,
that is at any await, the process may be dropped.
"""

import asyncio
from asyncio.events import _get_running_loop as get_running_loop
from asyncio.events import _set_running_loop as set_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import Any

from tests.simulation.scheduler import MS, US, Mortal, S, Scheduler


class _Handle(asyncio.Handle):
    """What `call_soon` gives. It does not ask the loop whether it is being debugged."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], loop: "Loop", context: Context) -> None:
        self._callback: Callable[..., Any] = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._repr = self._source_traceback = None


class Loop(asyncio.AbstractEventLoop):
    """The loop of `owner`; it lives in the scheduler's queue and ends with its owner."""

    def __init__(
        self, scheduler: Scheduler, owner: Mortal, chance: Random, failed: Callable[[BaseException], None]
    ) -> None:
        self._scheduler = scheduler
        self._owner = owner
        self._chance = chance
        self._failed = failed
        self._ready: deque[asyncio.Handle] = deque()
        self._armed = False
        self.slow_ns = 0

    # --- What asyncio and the code under test call ---

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context if context is not None else copy_context())
        self._ready.append(handle)
        if not self._armed:
            self._arm()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        due = round(when * S) - self._scheduler.now_ns
        self._scheduler.at(due, "", self._timer_due, handle, owner=self._owner)
        return handle

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """A thread starts to work after a while, and what it says is heard after another."""
        future = self.create_future()
        name = getattr(func, "__name__", "work")
        delay = int(self._chance.expovariate(1 / (200 * US)))
        if self._chance.random() < 0.01:
            delay += self._chance.randrange(50 * MS)
        if self.slow_ns:
            delay += self._chance.randrange(self.slow_ns)
        self._scheduler.at(delay, f"thread: {name}", self._work, func, args, future, owner=self._owner)
        return future

    def time(self) -> float:
        return self._scheduler.now_ns / S

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._owner.dead

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self._owner.dead:
            self._failed(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    # --- How time passes ---

    def enter(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run something as if it ran on this loop."""
        before = get_running_loop()
        set_running_loop(self)
        try:
            return call(*args)
        finally:
            set_running_loop(before)

    def _arm(self) -> None:
        if not self._armed and not self._owner.dead:
            self._armed = True
            chance = self._chance
            turn = chance.randrange(1 * US, 30 * US)
            if chance.random() < 0.0005:
                turn += chance.randrange(80 * MS)  # Something else had the processor.
            self._scheduler.at(turn, "", self._turn, owner=self._owner)

    def _turn(self) -> None:
        self._armed = False
        handle = self._ready.popleft()
        if not handle._cancelled:
            set_running_loop(self)
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # As `asyncio.Handle` does it.
                self.call_exception_handler({"exception": error})
            finally:
                set_running_loop(None)
        if self._ready:
            self._arm()

    def _timer_due(self, handle: asyncio.TimerHandle) -> None:
        if not handle.cancelled():
            self._ready.append(handle)
            self._arm()

    def _work(self, func: Callable[..., Any], args: tuple[Any, ...], future: asyncio.Future[Any]) -> None:
        try:
            outcome, error = func(*args), None
        except BaseException as raised:
            outcome, error = None, raised
        if not self._owner.dead:
            delay = int(self._chance.expovariate(1 / (50 * US)))
            self._scheduler.at(delay, "", self._tell, future, outcome, error, owner=self._owner)

    def _tell(self, future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
        self.call_soon(_settle, future, outcome, error)


def _settle(future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(outcome)
    else:
        future.set_exception(error)
