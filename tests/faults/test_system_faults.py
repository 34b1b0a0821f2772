"""Disk, threads, descriptors and memory at their limits: load is shed, and what was accepted is kept."""

import asyncio
import contextlib
import re
import resource
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.client import GatewayClient, OrderHandle
from gateway.client.errors import of_call
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from ops.stack import Stack, tail
from tests.e2e.hard import accepted, ended, sent_twice, state_of, without_doubt, working
from tests.e2e.stack import CLIENT_ID, running_stack
from tests.faults.faulty import faulty_gateway

WAIT_S = 60


@pytest.fixture
def small_queue(tmp_path: Path) -> Iterator[Stack]:
    """A stack whose gateway lets few commands wait."""
    with running_stack(tmp_path / "stack", {"gateway": lambda text: f"{text}\n[limits]\ncommand_queue = 40\n"}) as made:
        yield made


async def kept(stack: Stack, gateway: GatewayClient, handles: list[OrderHandle]) -> None:
    """Rules 1 and 2: everything acknowledged is there, and nothing was sent twice."""
    for handle in handles:
        assert (await gateway.get_order(cl_ord_id=handle.cl_ord_id)).order.order_id
    await without_doubt(gateway)
    assert not sent_twice(stack)


async def test_an_error_of_fsync_ends_the_process_and_the_commit_is_never_tried_again(own_stack: Stack) -> None:
    """After a failed fsync nobody knows what is on the disk: only recovery may say."""
    switch = faulty_gateway(own_stack)
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handles = [await working(gateway)]
        with switch.failing("E"):
            lost = asyncio.create_task(accepted(gateway))
            assert await asyncio.to_thread(ended, own_stack.gateway) == 1
            said = tail(own_stack.gateway.log, 200)
            assert "fatal error, leaving at once" in said
            assert "SQLITE_IOERR" in said
            before = state_of(own_stack)
            own_stack.gateway.stop()
        own_stack.gateway.start()
        handles.append(await lost)
        assert handles[0].cl_ord_id in {order.command.cl_ord_id for order in before.orders.values()}
        await kept(own_stack, gateway, handles)


async def test_a_disk_that_takes_two_seconds_fills_a_bounded_queue_and_refuses_by_name(small_queue: Stack) -> None:
    """Rule 7: over the bound there is an answer, not growth; what was taken is kept."""
    switch = faulty_gateway(small_queue)
    async with grpc.aio.insecure_channel(small_queue.api_address) as channel:
        submit = gateway_pb2_grpc.OrderServiceStub(channel).SubmitOrder  # type: ignore[no-untyped-call]
        await order_entry(submit)
        with switch.failing("S"):
            codes = Counter(await asyncio.gather(*(outcome(submit, f"slow-{number}") for number in range(200))))
        assert sum(codes.values()) == 200
        assert codes.keys() == {"", "OVERLOADED"}
        assert codes["OVERLOADED"] >= 100
        assert await outcome(submit, "after") == ""
    taken = {order.command.cl_ord_id for order in state_of(small_queue).orders.values()}
    assert len([name for name in taken if name.startswith("slow-")]) == codes[""]
    assert not sent_twice(small_queue)


def order_request(cl_ord_id: str) -> pb.SubmitOrderRequest:
    return pb.SubmitOrderRequest(
        cl_ord_id=cl_ord_id, symbol="ACME", side=pb.SIDE_BUY, order_qty="10", ord_type=pb.ORD_TYPE_LIMIT, price="90.00"
    )


async def outcome(submit: Any, cl_ord_id: str) -> str:
    """Send an order once; the reason why it was not taken, or ""."""
    try:
        await submit(order_request(cl_ord_id), metadata=(("client-id", CLIENT_ID),), timeout=WAIT_S)
    except grpc.aio.AioRpcError as error:
        return of_call(error).reason
    return ""


async def order_entry(submit: Any) -> None:
    """Wait until the venue takes orders."""
    async with asyncio.timeout(WAIT_S):
        for number in count():
            if not await outcome(submit, f"first-{number}"):
                return


async def test_without_threads_requests_that_need_one_fail_and_orders_go_on(own_stack: Stack) -> None:
    switch = faulty_gateway(own_stack)
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handles = [await working(gateway)]
        with switch.failing("T"):
            handles.append(await working(gateway))
            # The clients ask again by themselves when they are turned away.
            await asyncio.gather(*(first_event(gateway) for _ in range(64)), return_exceptions=True)
            assert "can't start new thread" in tail(own_stack.gateway.log, 10_000), "the fault was felt"
            handles.append(await working(gateway))
        assert await first_event(gateway) == 4, "the first that a trader sees"
        await kept(own_stack, gateway, handles)


async def first_event(gateway: GatewayClient) -> int:
    """Read history, which the gateway does on a thread."""
    async with asyncio.timeout(5):
        async for event in gateway.events(from_seq=1):
            return event.seq
    raise AssertionError


async def test_without_file_descriptors_new_connections_wait_and_orders_go_on(own_stack: Stack) -> None:
    pid = own_stack.gateway.pid
    address = ("127.0.0.1", own_stack.api_port)
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handles = [await working(gateway)]
        used = descriptors(pid)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 8, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with contextlib.ExitStack() as crowd:
            for _ in range(60):
                crowd.enter_context(socket.create_connection(address, timeout=WAIT_S))
            handles += [await working(gateway) for _ in range(20)]
        async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as later:
            handles.append(await working(later))
        await kept(own_stack, gateway, handles)


async def test_without_memory_the_process_sheds_load_or_ends_and_keeps_what_it_acknowledged(own_stack: Stack) -> None:
    pid = own_stack.gateway.pid
    handles: list[OrderHandle] = []
    async with GatewayClient(own_stack.api_address, client_id=CLIENT_ID, timeout_s=60) as gateway:
        handles.append(await working(gateway))
        resource.prlimit(pid, resource.RLIMIT_AS, (virtual_bytes(pid) + 2_000_000, resource.RLIM_INFINITY))

        async def press() -> None:
            while len(handles) < 3_000:
                handles.append(await accepted(gateway))

        pressing = [asyncio.create_task(press()) for _ in range(16)]
        waiting = asyncio.create_task(asyncio.to_thread(ended, own_stack.gateway))
        await asyncio.wait([waiting, asyncio.gather(*pressing, return_exceptions=True)], return_when="FIRST_COMPLETED")
        for task in pressing:
            task.cancel()
        await asyncio.gather(*pressing, return_exceptions=True)
        own_stack.gateway.kill()
        with contextlib.suppress(BaseException):
            await waiting
        own_stack.gateway.start()
        await kept(own_stack, gateway, handles)


def virtual_bytes(pid: int) -> int:
    return 1024 * int(re.findall(r"VmSize:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
