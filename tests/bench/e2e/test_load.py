"""The load measures from the intended time, and sends at its rate whatever the server does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.e2e import load, messages
from tests.bench.e2e.histograms import from_text, percentile_us
from tests.bench.e2e.load import Client, Done, Load, Slice
from tests.bench.e2e.programs import Program
from tests.bench.peers.echo import answer

RATE, SECONDS = 200.0, 0.5
ORDERS = 100


@asynccontextmanager
async def served(trade: Callable[[Any, Any], Awaitable[None]]) -> AsyncIterator[Load]:
    """A load on a stand-in for a server."""
    server = grpc.aio.server()
    methods = {"Trade": grpc.stream_stream_rpc_method_handler(trade)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gateway.v1.OrderService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loading = Load(f"127.0.0.1:{port}")
    yield loading
    await loading.close()
    await server.stop(None)


async def echo(_requests: Any, context: Any) -> None:
    while (data := await context.read()) is not grpc.aio.EOF:
        await context.write(answer(data))


def at_least_us(done: Done, limit_us: float) -> int:
    """How many of the times in the histogram are not below the limit."""
    found = from_text(done.histogram)
    return sum(
        step.count_added_in_this_iter_step
        for step in found.get_recorded_iterator()
        if step.value_iterated_to >= limit_us * 1_000
    )


@pytest.mark.parametrize(
    "asked", [Slice(RATE, SECONDS), Slice(RATE, SECONDS, batch=True), Slice(RATE, SECONDS, clients=7)]
)
async def test_every_order_is_sent_answered_and_counted(asked: Slice) -> None:
    async with served(echo) as loading:
        done = await loading.run(asked)
    assert (done.sent, done.done, done.refused) == (ORDERS, ORDERS, 0)
    assert from_text(done.histogram).get_total_count() == ORDERS


async def test_the_warm_up_is_sent_and_does_not_count() -> None:
    async with served(echo) as loading:
        done = await loading.run(Slice(RATE, SECONDS, warm_up_s=0.25))
    assert (done.orders, done.sent, done.done) == (ORDERS * 3 // 2, ORDERS, ORDERS)
    assert from_text(done.histogram).get_total_count() == ORDERS


async def test_a_server_that_stalls_does_not_hold_back_the_load() -> None:
    """It answers nothing before it has everything. A load that waited for answers would never send it all."""
    held: list[bytes] = []

    async def stalled(_requests: Any, context: Any) -> None:
        await context.write(answer(await context.read()))
        while len(held) < ORDERS:
            held.append(answer(await context.read()))
        for each in held:
            await context.write(each)
        await context.read()

    async with served(stalled) as loading:
        done = await loading.run(Slice(RATE, SECONDS))
    assert done.done == ORDERS
    # Of the order that was due first the last one was due (ORDERS - 1) intervals away, and half of them half as far.
    whole_us = (ORDERS - 1) / RATE * 1e6
    assert percentile_us(from_text(done.histogram), 100) >= whole_us * 0.999
    assert at_least_us(done, whole_us / 2 * 0.999) >= ORDERS // 2


async def test_what_the_load_could_not_send_in_time_counts_from_when_it_was_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Coordinated omission: while the load hangs nothing is sent, and measured from the sending nothing is slow."""
    stall_s, send = 0.2, Client.send
    hung: list[bool] = []

    def hanging(client: Client, message: bytes) -> None:
        if not hung:
            hung.append(True)
            time.sleep(stall_s)
        send(client, message)

    monkeypatch.setattr(Client, "send", hanging)
    async with served(echo) as loading:
        done = await loading.run(Slice(RATE, SECONDS))
    assert done.done == ORDERS
    assert at_least_us(done, stall_s / 2 * 1e6) >= RATE * stall_s / 2, "all that was due in the stall's first half"


async def test_an_order_without_answer_counts_with_the_time_it_was_waited_for() -> None:
    async def silent(_requests: Any, context: Any) -> None:
        await context.write(answer(await context.read()))
        while await context.read() is not grpc.aio.EOF:
            pass

    async with served(silent) as loading:
        done = await loading.run(Slice(RATE, 0.05, patience_s=0.1))
    assert (done.sent, done.done) == (10, 0)
    assert at_least_us(done, 0.1 * 0.999 * 1e6) == 10


async def test_refused_orders_are_told_from_answered_ones(capfd: pytest.CaptureFixture[str]) -> None:
    async def refusing(_requests: Any, context: Any) -> None:
        await context.write(answer(await context.read()))
        while (data := await context.read()) is not grpc.aio.EOF:
            reply = pb.TradeReply()
            reply.error.message = "no limit of max_loss covers it"
            commands = pb.TradeRequest.FromString(data).commands
            await context.write(pb.TradeResponse(replies=[reply] * len(commands)).SerializeToString())

    async with served(refusing) as loading:
        done = await loading.run(Slice(RATE, 0.05))
    assert (done.sent, done.done, done.refused) == (10, 0, 10)
    assert "no limit of max_loss" in capfd.readouterr().err


async def test_what_was_sent_can_be_canceled_after_it_was_counted() -> None:
    canceled: list[str] = []

    async def canceling(_requests: Any, context: Any) -> None:
        await context.write(answer(await context.read()))
        while (data := await context.read()) is not grpc.aio.EOF:
            asked = pb.TradeRequest.FromString(data)
            ends = [each.cancel_order.orig_cl_ord_id for each in asked.commands if each.HasField("cancel_order")]
            canceled.extend(ends)
            events = [pb.Event(type=pb.ORDER_CANCELED, cl_ord_id=key) for key in ends]
            await context.write(pb.TradeResponse(events=events).SerializeToString() if ends else answer(data))

    async with served(canceling) as loading:
        done = await loading.run(Slice(RATE, 0.05, cancel=True))
    assert done.done == 10
    assert sorted(canceled) == [messages.cl_ord_id(1, index) for index in range(10)]


async def test_it_serves_slices_as_lines_of_json(tmp_path: Any) -> None:
    server = grpc.aio.server()
    methods = {"Trade": grpc.stream_stream_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gateway.v1.OrderService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    program = Program("load", tmp_path, "tests.bench.e2e.load", "--address", f"127.0.0.1:{port}")
    await asyncio.to_thread(program.wait_ready)
    first, second = [await asyncio.to_thread(program.ask, Slice(RATE, 0.05)) for _ in range(2)]
    await asyncio.to_thread(program.stop)
    await server.stop(None)
    assert (first.done, second.done) == (10, 10)


def test_orders_differ_from_those_of_their_kind_just_before() -> None:
    """What is alike within a second would be refused as a mistake."""
    orders = [
        pb.TradeRequest.FromString(messages.order(number, "k" * 20)).commands[0].submit_order for number in range(2_000)
    ]
    seen = {(each.symbol, each.account, each.order_qty) for each in orders}
    assert len(seen) == 2_000
    assert {each.cl_ord_id for each in orders} == {"k" * 20}
    assert load.BATCH_AT_MOST <= 1_000
