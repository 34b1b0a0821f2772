"""The Trade stream: batches in, replies in their order and events out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from gateway import lane
from gateway.adapters.grpc import streams, trade
from gateway.config import LimitsConfig
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import Client, Running, eventually, failing, order, read_status, running

GRPC_ONLY = pytest.mark.parametrize("wire", ["grpc"], indirect=True)
"""The lane has no half close."""


@pytest.fixture
async def gateway(wire: dict[str, Any]) -> AsyncIterator[Running]:
    async with running(**wire) as started:
        yield started


def submit(cl_ord_id: str, **changes: Any) -> pb.Command:
    return pb.Command(submit_order=order(cl_ord_id, **changes))


async def replies_of(stream: Any, count: int) -> list[pb.TradeReply]:
    replies: list[pb.TradeReply] = []
    async with asyncio.timeout(20):
        while len(replies) < count:
            replies += (await stream.read()).replies
    return replies


async def test_replies_come_in_the_order_of_the_commands(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    for batch in range(5):
        await stream.write(pb.TradeRequest(commands=[submit(f"k-{batch}-{number}") for number in range(20)]))
    replies = await replies_of(stream, 100)
    assert [reply.cl_ord_id for reply in replies] == [
        f"k-{batch}-{number}" for batch in range(5) for number in range(20)
    ]
    seqs = [reply.reply.seq for reply in replies]
    assert seqs == sorted(set(seqs))
    stream.cancel()


@GRPC_ONLY
async def test_a_stream_ends_after_the_last_reply_when_there_are_no_more_commands(alpha: Client) -> None:
    stream = alpha.trade()
    await stream.write(pb.TradeRequest(commands=[submit("k-1"), submit("k-2")]))
    await stream.done_writing()
    assert [reply.cl_ord_id for reply in await replies_of(stream, 2)] == ["k-1", "k-2"]
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_wrong_command_fails_alone_and_as_a_unary_call_would(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    commands = [
        submit("k-1"),
        submit("k-2", order_qty="NaN"),
        submit("k-3", price="0.001"),
        submit("k-4", account="B1"),
        submit("k-1", order_qty="7"),
        pb.Command(cancel_order=pb.CancelOrderRequest(cl_ord_id="c-1", orig_cl_ord_id="k-1")),
        pb.Command(cancel_order=pb.CancelOrderRequest(cl_ord_id="c-2", orig_cl_ord_id="nope")),
        pb.Command(mass_cancel=pb.MassCancelRequest(cl_ord_id="m-1")),
        pb.Command(request_order_status=pb.RequestOrderStatusRequest(orig_cl_ord_id="k-1")),
        pb.Command(),
        submit("k-9"),
    ]
    await stream.write(pb.TradeRequest(commands=commands))
    replies = await replies_of(stream, len(commands))
    told = [read_status(reply.error).reason if reply.HasField("error") else "" for reply in replies]
    assert told == [
        "", "FIELD_INVALID", "PRICE_OFF_TICK", "ACCOUNT_NOT_PERMITTED", "DUPLICATE_CL_ORD_ID", "", "ORDER_UNKNOWN", "",
        "", "FIELD_REQUIRED", "",
    ]  # fmt: skip
    keys = [reply.cl_ord_id for reply in replies]
    assert keys == ["k-1", "k-2", "k-3", "k-4", "k-1", "c-1", "c-2", "m-1", "k-1", "", "k-9"]
    assert replies[7].reply.requested == 1
    with failing() as unary:
        await alpha.submit("k-2", order_qty="NaN")
    assert read_status(replies[1].error) == unary
    assert unary.fields == ("order_qty",)
    stream.cancel()


async def test_a_refused_status_request_has_spent_no_key(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    ask = pb.RequestOrderStatusRequest(orig_cl_ord_id="k-1")
    await stream.write(pb.TradeRequest(commands=[pb.Command(request_order_status=ask)]))
    (reply,) = await replies_of(stream, 1)
    told = read_status(reply.error)
    with failing() as unary:
        await alpha.orders.RequestOrderStatus(ask, metadata=alpha.metadata)
    assert (reply.cl_ord_id, told.reason, told.metadata.pop("seq")) == (
        "k-1",
        "ORDER_UNKNOWN",
        str(gateway.logged_on_seq + 1),
    )
    assert unary.metadata.pop("seq") == str(gateway.logged_on_seq + 2)
    assert told == unary
    assert told.metadata == {"field": "orig_cl_ord_id", "key_spent": "false"}
    stream.cancel()


async def test_events_come_with_the_replies(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    subscribe = pb.SubscribeRequest(from_seq=1)
    await stream.write(pb.TradeRequest(subscribe=subscribe, commands=[submit("k-1")]))
    replies: list[pb.TradeReply] = []
    events: list[pb.Event] = []
    next_seq = 0
    acknowledged = False
    async with asyncio.timeout(20):
        while not (events and events[-1].type == pb.ORDER_FILLED):
            response = await stream.read()
            replies += response.replies
            events += response.events
            next_seq = response.next_seq or next_seq
            if replies and not acknowledged:
                acknowledged = True
                gateway.acknowledge(replies[0].reply.order_id)
                gateway.fill(replies[0].reply.order_id, "1", "10.5")
    assert len(replies) == 1
    assert [event.seq for event in events] == list(range(gateway.logged_on_seq, next_seq))
    stream.cancel()


@GRPC_ONLY
async def test_events_go_on_when_there_are_no_more_commands(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
    await stream.done_writing()
    await stream.read()
    seq = (await alpha.submit("k-1")).seq
    async with asyncio.timeout(20):
        assert (await stream.read()).events[0].seq == seq
    stream.cancel()


@GRPC_ONLY
async def test_a_stream_without_a_message_ends(alpha: Client) -> None:
    stream = alpha.trade()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_subscription_only_needs_no_commands(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()))
    first = await stream.read()
    assert first.next_seq == gateway.sequencer.committed_seq + 1
    stream.cancel()


async def test_a_second_subscription_ends_the_stream_after_the_replies(alpha: Client) -> None:
    stream = alpha.trade()
    await stream.write(pb.TradeRequest(commands=[submit("k-1")]))
    await stream.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(), commands=[submit("k-2")]))
    assert [reply.cl_ord_id for reply in await replies_of(stream, 1)] == ["k-1"]
    with failing() as error:
        await stream.read()
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("subscribe",))


async def test_a_batch_over_the_limit_is_refused_as_a_whole(wire: dict[str, Any]) -> None:
    async with running(LimitsConfig(trade_batch=3), **wire) as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(pb.TradeRequest(commands=[submit(f"k-{number}") for number in range(3)]))
        await stream.write(pb.TradeRequest(commands=[submit(f"l-{number}") for number in range(4)]))
        assert len(await replies_of(stream, 3)) == 3
        with failing() as error:
            await stream.read()
        assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("commands",))
        assert error.metadata["key_spent"] == "false"
        assert len(gateway.sequencer.state.orders) == 3


async def test_a_full_queue_refuses_a_batch_and_the_stream_goes_on(wire: dict[str, Any]) -> None:
    async with running(LimitsConfig(command_queue=5), **wire) as gateway:
        stream = gateway.as_client("alpha").trade()
        gateway.journal.gate.clear()
        await stream.write(pb.TradeRequest(commands=[submit("first")]))
        await eventually(lambda: gateway.sequencer.state.find_order("alpha", "first") is not None)
        await stream.write(
            pb.TradeRequest(commands=[submit(f"k-{number}") for number in range(4)] + [submit("x", price="x")])
        )
        await eventually(lambda: gateway.sequencer.queued_commands == 4)
        await stream.write(
            pb.TradeRequest(commands=[submit(f"l-{number}") for number in range(2)] + [submit("x", price="x")])
        )
        await stream.write(pb.TradeRequest(commands=[submit("m-1")]))
        await eventually(lambda: gateway.sequencer.queued_commands == 5)
        gateway.journal.gate.set()
        told = {
            reply.cl_ord_id: read_status(reply.error).reason if reply.HasField("error") else ""
            for reply in await replies_of(stream, 10)
        }
        taken = ("first", "k-0", "k-1", "k-2", "k-3", "m-1")
        assert told == {**dict.fromkeys(taken, ""), "x": "FIELD_INVALID", "l-0": "OVERLOADED", "l-1": "OVERLOADED"}
        stream.cancel()


async def test_a_batch_that_is_larger_than_the_queue_is_taken_when_nothing_waits(wire: dict[str, Any]) -> None:
    """OVERLOADED says "the same again, a moment later": it must not be told to what would never be taken."""
    async with running(LimitsConfig(command_queue=5), **wire) as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(pb.TradeRequest(commands=[submit(f"k-{number}") for number in range(6)]))
        assert all(reply.HasField("reply") for reply in await replies_of(stream, 6))
        stream.cancel()


async def test_a_client_that_does_not_read_holds_only_itself_up(alpha: Client, gateway: Running) -> None:
    """Rule 7: what is taken and not answered is bounded; other clients go on."""
    stream = alpha.trade()
    gateway.journal.gate.clear()
    for number in range(3 * trade.MESSAGES_IN_FLIGHT):
        await stream.write(pb.TradeRequest(commands=[submit(f"k-{number}")]))

    def taken() -> int:
        return gateway.sequencer.queued_commands + len(gateway.sequencer.state.orders)

    await eventually(lambda: taken() >= trade.MESSAGES_IN_FLIGHT)
    with failing():
        await alpha.submit("x", order_qty="x")
    assert taken() == trade.MESSAGES_IN_FLIGHT
    gateway.journal.gate.set()
    assert len(await replies_of(stream, 3 * trade.MESSAGES_IN_FLIGHT)) == 3 * trade.MESSAGES_IN_FLIGHT
    stream.cancel()


async def test_a_slow_reader_of_a_stream_is_dropped_too(wire: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WRITE_TIMEOUT_S", 2)
    monkeypatch.setattr(lane, "READ_AHEAD_BYTES", 16_384)
    monkeypatch.setattr(lane, "WRITE_AHEAD_BYTES", 16_384)
    async with running(window=512, **wire) as gateway:
        small = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.server.port}", options=small) as channel:
            slow = gateway.as_client("alpha", channel).trade()
            await slow.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1)))
            fast = gateway.as_client("alpha").trade()
            for batch in range(20):
                await fast.write(pb.TradeRequest(commands=[submit(f"k-{batch}-{number}") for number in range(100)]))
                assert len(await replies_of(fast, 100)) == 100
            await eventually(lambda: gateway.feed.readers == 0)
            next_seq = 0
            with failing() as error:
                while True:
                    next_seq = (await slow.read()).next_seq
            assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_READER")
            assert error.metadata["next_seq"] == str(next_seq)
            fast.cancel()


async def test_a_client_that_leaves_its_stream_does_not_lose_its_commands(alpha: Client, gateway: Running) -> None:
    gateway.journal.gate.clear()
    stream = alpha.trade()
    await stream.write(pb.TradeRequest(commands=[submit("k-1"), submit("k-2")]))
    await eventually(lambda: gateway.sequencer.state.find_order("alpha", "k-2") is not None)
    stream.cancel()
    gateway.journal.gate.set()
    await gateway.settled()
    assert (await alpha.submit("k-2")).repeated


async def test_operators_do_not_trade(operator: Client) -> None:
    with failing() as error:
        await operator.trade().read()
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")


async def test_a_stream_that_failed_ends_although_there_are_events_to_tell(alpha: Client, gateway: Running) -> None:
    stream = alpha.trade()
    for batch in range(30):
        await stream.write(pb.TradeRequest(commands=[submit(f"k-{batch}-{number}") for number in range(100)]))
        assert len(await replies_of(stream, 100)) == 100
    stream.cancel()
    late = alpha.trade()
    await late.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1)))
    await late.write(pb.TradeRequest(subscribe=pb.SubscribeRequest(from_seq=1)))
    told = 0
    with failing() as error:
        while True:
            told += len((await late.read()).events)
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("subscribe",))
    assert told < gateway.sequencer.state.seq / 2
