"""One order in the hands of its owner: its latest view, what can be done to it, and what can be waited for."""

import asyncio
from collections.abc import Callable
from copy import copy
from typing import Any, Protocol
from weakref import WeakValueDictionary

from gateway.client.errors import GatewayError, OrderEnded
from gateway.client.types import CommandReply, Event, Execution, Order, OrderDetail
from gateway.client.wire import Number
from gateway.core.types import OrdStatus, TimeInForce

Condition = OrdStatus | Callable[[Order], bool]


class Commands(Protocol):
    """What a handle needs of its client."""

    async def cancel(
        self, orig_cl_ord_id: str, *, cl_ord_id: str | None = None, timeout_s: float | None = None
    ) -> CommandReply: ...

    async def replace(
        self,
        orig_cl_ord_id: str,
        *,
        order_qty: Number | None = None,
        price: Number | None = None,
        stop_px: Number | None = None,
        time_in_force: TimeInForce | None = None,
        expire_time_ns: int | None = None,
        max_floor: Number | None = None,
        cl_ord_id: str | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply: ...

    async def get_order(
        self, *, cl_ord_id: str | None = None, order_id: str | None = None, timeout_s: float | None = None
    ) -> OrderDetail: ...


class OrderHandle:
    """One order, kept up to date by the client's stream for as long as somebody holds the handle."""

    def __init__(self, commands: Commands, cl_ord_id: str) -> None:
        self.cl_ord_id = cl_ord_id
        """The key that it was submitted (or taken up) under. `order.cl_ord_id` is the one in force."""
        self._commands = commands
        self._order: Order | None = None
        self._as_of_seq = 0
        self._ended: GatewayError | None = None
        self._waiters: list[tuple[Callable[[Order], bool], asyncio.Future[Order]]] = []

    def __repr__(self) -> str:
        return f"<OrderHandle {self.cl_ord_id} {self._order and self._order.ord_status.name}>"

    @property
    def order(self) -> Order:
        """The latest view of the order."""
        if self._order is None:
            raise GatewayError(f"nothing is known about {self.cl_ord_id} yet")
        return self._order

    @property
    def as_of_seq(self) -> int:
        """The sequence number of the event (or answer) that the latest view comes from."""
        return self._as_of_seq

    # --- What can be done -------------------------------------------------------------------------------------------

    async def cancel(self, *, cl_ord_id: str | None = None, timeout_s: float | None = None) -> CommandReply:
        """Ask for the rest of the order to be canceled. The gateway has the request when this returns; `done()` waits
        for the venue's answer.

        Raises as `GatewayClient.cancel`.
        """
        return await self._commands.cancel(self.cl_ord_id, cl_ord_id=cl_ord_id, timeout_s=timeout_s)

    async def replace(
        self,
        *,
        order_qty: Number | None = None,
        price: Number | None = None,
        stop_px: Number | None = None,
        time_in_force: TimeInForce | None = None,
        expire_time_ns: int | None = None,
        max_floor: Number | None = None,
        cl_ord_id: str | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply:
        """Ask for new terms; what is not given stays. `order_qty` is the new total. `settled(reply)` waits for the
        venue's answer.

        Raises as `GatewayClient.replace`.
        """
        return await self._commands.replace(
            self.cl_ord_id,
            order_qty=order_qty,
            price=price,
            stop_px=stop_px,
            time_in_force=time_in_force,
            expire_time_ns=expire_time_ns,
            max_floor=max_floor,
            cl_ord_id=cl_ord_id,
            timeout_s=timeout_s,
        )

    async def executions(self, *, timeout_s: float | None = None) -> tuple[Execution, ...]:
        """The order's execution ledger, asked from the gateway: what busts and corrections leave in force is its to
        say.

        Raises as `GatewayClient.get_order`.
        """
        detail = await self._commands.get_order(order_id=self.order.order_id, timeout_s=timeout_s)
        return detail.executions

    # --- What can be waited for -------------------------------------------------------------------------------------

    async def wait_for(self, condition: Condition, *, timeout_s: float | None = None) -> Order:
        """The order's first view, from the present one on, that meets `condition`: an OrdStatus(39) or a function of
        the order. No event is skipped.

        Raises:
            OrderEnded: the order is done, with another status than the one waited for.
            TimeoutError: not within `timeout_s` seconds (None: no limit).
            GatewayError: the client was closed, or can no longer follow the order.
            TypeError: `condition` is neither.
        """
        meets = _meets(condition)
        if self._ended:
            raise copy(self._ended)
        if meets(self.order):
            return self.order
        future: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        waiter = (meets, future)
        self._waiters.append(waiter)
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await future
        except TimeoutError:
            if not limit.expired():  # The condition's own.
                raise
            raise TimeoutError(f"not within {timeout_s} s: {_told(self.order)}") from None
        finally:
            self._waiters.remove(waiter)

    async def done(self, *, timeout_s: float | None = None) -> Order:
        """The order once nothing is left to trade and no request unanswered (`Order.is_done`). Raises as `wait_for`."""
        return await self.wait_for(lambda order: order.is_done, timeout_s=timeout_s)

    async def settled(self, request: CommandReply, *, timeout_s: float | None = None) -> Order:
        """The order once the venue has answered a cancel or replace. After an accepted replace `order.cl_ord_id` is
        `request.cl_ord_id`. Raises as `wait_for`.
        """
        return await self.wait_for(lambda order: request.cl_ord_id not in order.pending, timeout_s=timeout_s)

    # --- What the client tells it -----------------------------------------------------------------------------------

    def learn(self, order: Order, seq: int) -> None:
        """Take over how the order stands after `seq`. What is older than the present view changes nothing."""
        if seq <= self._as_of_seq:
            return
        self._order, self._as_of_seq = order, seq
        for meets, future in self._waiters:
            if not future.done():
                _resolve(future, meets, order)

    def end(self, why: GatewayError) -> None:
        """No event will come any more."""
        self._ended = why
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(copy(why))


class Handles:
    """The handles that somebody holds. A handle that nobody holds any more is forgotten, so the list is as long as the
    user makes it.
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._by_cl_ord_id: WeakValueDictionary[str, OrderHandle] = WeakValueDictionary()
        self._by_order_id: WeakValueDictionary[str, OrderHandle] = WeakValueDictionary()

    def of_cl_ord_id(self, cl_ord_id: str, commands: Commands) -> OrderHandle:
        """The handle of a key, a new one when there is none."""
        handle = self._by_cl_ord_id.get(cl_ord_id) or OrderHandle(commands, cl_ord_id)
        self._by_cl_ord_id[cl_ord_id] = handle
        return handle

    def of_order_id(self, order_id: str, handle: OrderHandle) -> OrderHandle:
        """The one handle of an order: the one known already, or else `handle`."""
        return self._by_order_id.setdefault(order_id, handle)

    def on_event(self, event: Event) -> None:
        """Pass an event to the handle of its order. A new order is known by its key until its first event says its
        order_id.
        """
        if event.order is None or event.order.client_id != self._client_id:  # Operators see others' too.
            return
        handle = self._by_order_id.get(event.order.order_id) or self._by_cl_ord_id.get(event.order.cl_ord_id)
        if handle is not None:
            self._by_order_id[event.order.order_id] = handle
            handle.learn(event.order, event.seq)

    def end(self, why: GatewayError) -> None:
        """Tell every handle that no event will come any more."""
        for handle in {*self._by_cl_ord_id.values(), *self._by_order_id.values()}:
            handle.end(why)


def _told(order: Order) -> str:
    """How an order stands, for somebody who waited for more."""
    text = f"order {order.cl_ord_id} is {order.ord_status.name}, {order.leaves_qty} of {order.order_qty} open"
    if order.pending:
        text += f", {order.venue} has not answered {', '.join(order.pending)}"
    return f"{text}, in doubt" if order.in_doubt else text


def _meets(condition: Any) -> Callable[[Order], bool]:
    if isinstance(condition, OrdStatus):
        return _reaches(condition)
    if not callable(condition):
        text = "condition: an OrdStatus, such as OrdStatus.FILLED, or a function of the order is expected"
        raise TypeError(f"{text}, not {condition!r:.100}")
    meets: Callable[[Order], bool] = condition
    return meets


def _reaches(status: OrdStatus) -> Callable[[Order], bool]:
    def meets(order: Order) -> bool:
        if order.ord_status is not status and order.is_done:
            raise OrderEnded(order)
        return order.ord_status is status

    return meets


def _resolve(future: asyncio.Future[Order], meets: Callable[[Order], bool], order: Order) -> None:
    try:
        if meets(order):
            future.set_result(order)
    except Exception as error:  # noqa: BLE001  A condition is the user's code: its error belongs to whoever waits, not to the stream.
        future.set_exception(error)
