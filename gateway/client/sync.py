"""The same client for programs without an event loop: the asynchronous one, on a loop in a thread of its own.

Methods take what their asynchronous namesakes take, return and raise the same, and block. One client may be used from
several threads.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from gateway.client.client import GatewayClient
from gateway.client.errors import Unavailable, not_open
from gateway.client.event_stream import EventStream
from gateway.client.handle import OrderHandle
from gateway.client.types import Event, Order

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")

CLOSE_S = 5.0


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway-client", daemon=True)
        self._taking = threading.Lock()
        self._takes = True
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` there and wait for it. An interrupt (Ctrl-C) here cancels it there.

        Raises:
            Unavailable: nothing runs there any more.
            RuntimeError: the caller is what runs there, and would wait for itself.
        """
        future = self._begun(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _begun(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        refusal = self._refusal()
        if refusal is None:
            with self._taking:
                if self._takes:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
            refusal = Unavailable("the client was closed")
        work.close()
        raise refusal

    def _refusal(self) -> Exception | None:
        """Why this caller would wait for ever. Asked before the lock: in a forked process that may be held for ever."""
        if threading.current_thread() is self._thread:
            return RuntimeError("a condition may look at the order, but not call the client, which is waiting")
        if not self._thread.is_alive():
            return Unavailable("the client was closed, or belongs to the process that this one was forked from")
        return None

    def stop(self) -> None:
        """End it, when every other thread that waits for work here was told how that ended."""
        with self._taking:
            self._takes = False
        asyncio.run_coroutine_threadsafe(_ended(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        self._loop.close()


async def _ended() -> None:
    """Return when everything else on this loop has; what does not end by itself is canceled."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, late = await asyncio.wait(others, timeout=CLOSE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class _Face(Protocol[A]):
    """What stands in front of an asynchronous object."""

    _loop: _Loop
    _behind: A


def _blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Face[A], P], T]:
    @wraps(method)
    def call(self: _Face[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.run(method(self._behind, *args, **kwargs))

    return call


def _giving_handle(
    method: Callable[Concatenate[GatewayClient, P], Coroutine[Any, Any, OrderHandle]],
) -> Callable[Concatenate[_Face[GatewayClient], P], "SyncOrderHandle"]:
    @wraps(method)
    def call(self: _Face[GatewayClient], /, *args: P.args, **kwargs: P.kwargs) -> SyncOrderHandle:
        return SyncOrderHandle(self._loop, self._loop.run(method(self._behind, *args, **kwargs)))

    return call


def _iterating(
    method: Callable[Concatenate[GatewayClient, P], AsyncIterator[Order]],
) -> Callable[Concatenate[_Face[GatewayClient], P], Iterator[Order]]:
    @wraps(method)
    def call(self: _Face[GatewayClient], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Order]:
        orders = method(self._behind, *args, **kwargs)
        while (order := self._loop.run(_next(orders))) is not None:
            yield order

    return call


async def _next(items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


def _streaming(
    method: Callable[Concatenate[GatewayClient, P], EventStream],
) -> Callable[Concatenate[_Face[GatewayClient], P], "SyncEventStream"]:
    @wraps(method)
    def call(self: _Face[GatewayClient], /, *args: P.args, **kwargs: P.kwargs) -> SyncEventStream:
        async def make() -> EventStream:  # On the loop, where the position that it begins at is read.
            return method(self._behind, *args, **kwargs)

        return SyncEventStream(self._loop, self._loop.run(make()))

    return call


class SyncOrderHandle:
    """`OrderHandle`, blocking."""

    def __init__(self, loop: _Loop, handle: OrderHandle) -> None:
        self._loop = loop
        self._behind = handle
        self.cl_ord_id = handle.cl_ord_id

    def __repr__(self) -> str:
        return repr(self._behind)

    @property
    def order(self) -> Order:
        """The latest view of the order."""
        return self._behind.order

    cancel = _blocking(OrderHandle.cancel)
    replace = _blocking(OrderHandle.replace)
    executions = _blocking(OrderHandle.executions)
    wait_for = _blocking(OrderHandle.wait_for)
    done = _blocking(OrderHandle.done)
    settled = _blocking(OrderHandle.settled)


class _Wait:
    """One wait for an event: the task that does it, and what that was given."""

    task: asyncio.Task[Any] | None = None
    event: Event | None = None


class SyncEventStream:
    """`EventStream`, blocking: an iterator that never ends by itself. A wait that is interrupted (Ctrl-C) can be taken
    up again, and nothing is lost by it.
    """

    def __init__(self, loop: _Loop, stream: EventStream) -> None:
        self._loop = loop
        self._behind = stream
        self._returned: deque[Event] = deque()  # Taken for somebody who was interrupted before he had it.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            return self._taken(None)
        except StopAsyncIteration:  # By `close`, of another thread.
            raise StopIteration from None

    def next(self, timeout_s: float) -> Event | None:
        """The next event, or None when there is none within `timeout_s` seconds."""
        try:
            return self._taken(timeout_s)
        except TimeoutError:
            return None

    @property
    def next_seq(self) -> int:
        """Where to resume (`EventStream.next_seq`)."""
        return self._returned[0].seq if self._returned else self._behind.next_seq

    def close(self) -> None:
        """End the subscription (`EventStream.aclose`)."""
        self._loop.run(self._behind.aclose())

    def _taken(self, timeout_s: float | None) -> Event:
        wait = _Wait()
        try:
            return self._loop.run(self._take(wait, timeout_s))
        except BaseException:  # It may come when the loop has the event already, or while that is told to stop.
            with contextlib.suppress(Unavailable, RuntimeError):  # Nothing runs there any more: there was no event.
                self._loop.run(self._take_back(wait))
            raise

    async def _take(self, wait: _Wait, timeout_s: float | None) -> Event:
        wait.task = asyncio.current_task()
        async with asyncio.timeout(timeout_s):
            wait.event = self._returned.popleft() if self._returned else await anext(self._behind)
        return wait.event

    async def _take_back(self, wait: _Wait) -> None:
        """Not before the task has left the stream, which the next one could not read beside it."""
        if wait.task is not None:
            await asyncio.wait([wait.task])
        if wait.event is not None:
            self._returned.appendleft(wait.event)


class SyncGatewayClient:
    """`GatewayClient` for programs without an event loop. Use it as `with`; what it is made with and what its methods
    do is said there.
    """

    def __init__(self, address: str, *, client_id: str, key_prefix: str | None = None, timeout_s: float = 10.0) -> None:
        self._behind = GatewayClient(address, client_id=client_id, key_prefix=key_prefix, timeout_s=timeout_s)
        self._loop: _Loop = not_open()

    def __enter__(self) -> Self:
        """Connect (`GatewayClient.__aenter__`)."""
        self._loop = _Loop()
        try:
            self._loop.run(self._behind.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect (`GatewayClient.__aexit__`)."""
        try:
            self._loop.run(self._behind.__aexit__(kind, error, trace))
        finally:
            self._loop.stop()

    def new_cl_ord_id(self) -> str:
        """A new key (`GatewayClient.new_cl_ord_id`)."""
        return self._behind.new_cl_ord_id()

    submit = _giving_handle(GatewayClient.submit)
    attach = _giving_handle(GatewayClient.attach)
    replace = _blocking(GatewayClient.replace)
    cancel = _blocking(GatewayClient.cancel)
    mass_cancel = _blocking(GatewayClient.mass_cancel)
    request_order_status = _blocking(GatewayClient.request_order_status)
    get_order = _blocking(GatewayClient.get_order)
    positions = _blocking(GatewayClient.positions)
    list_orders = _iterating(GatewayClient.list_orders)
    events = _streaming(GatewayClient.events)
