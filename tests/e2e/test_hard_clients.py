"""Clients that flood, vanish or come in crowds: each of their orders is one order, and others are served."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self

import grpc
import pytest

from gateway.client import GatewayClient, OrdStatus
from gateway.core import events as ev
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from ops.stack import Stack
from tests.e2e.hard import WAIT_S, events_of, sent_twice, until, working
from tests.e2e.stack import CLIENT_ID, running_stack

OTHER_ID = "other"
QUEUE = 64


def tight(text: str) -> str:
    """A gateway whose bounds a test can reach, and that has a second client."""
    client = f'\n[[clients]]\nid = "{OTHER_ID}"\nrole = "trader"\naccounts = ["ACC1"]\n'
    return f"{text}\n[limits]\ncommand_queue = {QUEUE}\nbatch = 1\nsubscriber_lag = 1024\ntrade_batch = 250\n{client}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), {"gateway": tight}) as running:
        yield running


def an_order(cl_ord_id: str, **changes: Any) -> pb.SubmitOrderRequest:
    usual: dict[str, Any] = {
        "cl_ord_id": cl_ord_id,
        "symbol": "ACME",
        "side": pb.SIDE_BUY,
        "order_qty": "10",
        "ord_type": pb.ORD_TYPE_LIMIT,
        "time_in_force": pb.TIME_IN_FORCE_DAY,
        "price": "90.00",
    }
    return pb.SubmitOrderRequest(**usual | changes)


def as_client(client_id: str = CLIENT_ID) -> tuple[tuple[str, str]]:
    """What names the caller in each call."""
    return (("client-id", client_id),)


@asynccontextmanager
async def connection(stack: Stack) -> AsyncIterator[gateway_pb2_grpc.OrderServiceStub]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(stack.api_address, options=options) as channel:
        yield gateway_pb2_grpc.OrderServiceStub(channel)  # type: ignore[no-untyped-call]


async def submit(
    orders: Any, request: pb.SubmitOrderRequest, client_id: str = CLIENT_ID
) -> pb.CommandReply | grpc.StatusCode:
    """The reply, or why there is none."""
    try:
        return await orders.SubmitOrder(request, metadata=as_client(client_id), timeout=WAIT_S)
    except grpc.aio.AioRpcError as error:
        return error.code()


async def until_accepted(orders: Any, request: pb.SubmitOrderRequest) -> pb.CommandReply:
    async with asyncio.timeout(WAIT_S):
        while True:
            reply = await submit(orders, request)
            if isinstance(reply, pb.CommandReply):
                return reply
            assert reply is grpc.StatusCode.RESOURCE_EXHAUSTED
            await asyncio.sleep(0.01)


async def test_one_key_a_thousand_times_in_parallel_is_one_order(stack: Stack) -> None:
    """Rule 3, on two connections; a full queue answers RESOURCE_EXHAUSTED and spends no key (rule 7)."""
    async with connection(stack) as one, connection(stack) as two:
        replies = await asyncio.gather(*(submit(orders, an_order("same")) for orders in [one, two] * 500))
        accepted = [reply for reply in replies if isinstance(reply, pb.CommandReply)]
        refused = {reply for reply in replies if not isinstance(reply, pb.CommandReply)}
        assert refused <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len({reply.order_id for reply in accepted}) == 1
        assert [reply.repeated for reply in accepted].count(False) == 1
        again = await until_accepted(one, an_order("same"))
        assert (again.repeated, again.order_id) == (True, accepted[0].order_id)
        assert await submit(two, an_order("same", order_qty="20")) is grpc.StatusCode.ALREADY_EXISTS
    assert not sent_twice(stack)


async def test_what_was_refused_for_a_full_queue_can_be_sent_again_under_its_key(stack: Stack) -> None:
    async with connection(stack) as orders:
        requests = [an_order(f"burst{number}") for number in range(20 * QUEUE)]
        first = await asyncio.gather(*(submit(orders, request) for request in requests))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in first
        limited = asyncio.Semaphore(QUEUE // 2)

        async def again(request: pb.SubmitOrderRequest) -> pb.CommandReply:
            async with limited:
                return await until_accepted(orders, request)

        second = await asyncio.gather(*map(again, requests))
    for before, after in zip(first, second, strict=True):
        assert after.repeated == isinstance(before, pb.CommandReply)
    assert len({reply.order_id for reply in second}) == len(requests)
    assert not sent_twice(stack)


async def test_while_one_client_floods_another_is_served(stack: Stack) -> None:
    """One who fills the queue again and again is refused; the other never is, and its orders work and are canceled."""
    async with connection(stack) as flooding, connection(stack) as calm, Flood(flooding) as flood:
        for number in range(20):
            await flood.refused_again()
            reply = await submit(calm, an_order(f"calm{number}"), OTHER_ID)
            assert isinstance(reply, pb.CommandReply), f"{reply} on order {number}"
        async with GatewayClient(stack.api_address, client_id=OTHER_ID) as other:
            handle = await working(other)
            await handle.cancel()
            assert (await handle.done(timeout_s=WAIT_S)).ord_status is OrdStatus.CANCELED
        await flood.refused_again()


class Flood:
    """Many who send orders for one client without a pause, each under a new key, while this is open."""

    def __init__(self, orders: Any) -> None:
        self._orders = orders
        self._over = False
        self._refused = 0

    async def __aenter__(self) -> Self:
        self._senders = [asyncio.create_task(self._send(sender)) for sender in range(2 * QUEUE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        await asyncio.gather(*self._senders)

    async def _send(self, sender: int) -> None:
        numbers = count()
        while not self._over:
            reply = await submit(self._orders, an_order(f"flood{sender}.{next(numbers)}"))
            self._refused += reply is grpc.StatusCode.RESOURCE_EXHAUSTED

    async def refused_again(self) -> None:
        """Wait until the queue has no room for it once more."""
        before = self._refused
        await until(lambda: self._refused > before)


async def test_clients_that_vanish_in_the_middle_of_a_call_leave_whole_orders(stack: Stack) -> None:
    """What a client does not wait for is done or not done, never half: every order of the journal was routed once."""
    for number in range(40):
        async with connection(stack) as orders:
            calls = [orders.SubmitOrder(an_order(f"gone{number}.{each}"), metadata=as_client()) for each in range(4)]
            await calls[0]
    async with connection(stack) as orders:
        for number in range(40):
            for each in range(4):
                await until_accepted(orders, an_order(f"gone{number}.{each}"))
    submitted = [event.command.cl_ord_id for event in events_of(stack, ev.OrderSubmitted)]
    assert len(submitted) == len(set(submitted))
    assert not sent_twice(stack)


async def test_two_hundred_connections_are_served_and_given_back(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        for _ in range(2):
            channels = [
                grpc.aio.insecure_channel(stack.api_address, options=[("grpc.use_local_subchannel_pool", 1)])
                for _ in range(200)
            ]
            stubs = [gateway_pb2_grpc.OrderServiceStub(channel) for channel in channels]  # type: ignore[no-untyped-call]
            pages = await asyncio.gather(
                *(
                    stub.ListOrders(pb.ListOrdersRequest(page_size=1), metadata=as_client(), timeout=WAIT_S)
                    for stub in stubs
                )
            )
            assert len(pages) == len(channels)
            await asyncio.gather(*(channel.close() for channel in channels))
        assert (await working(gateway)).order.ord_status is OrdStatus.NEW
