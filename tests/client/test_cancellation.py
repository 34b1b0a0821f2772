"""A cancellation is never lost, also when it meets the end of a call: grpc.aio gives the call's own error then."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import grpc
import pytest

from gateway.client.client import GatewayClient
from gateway.client.event_stream import EventStream
from gateway.client.trade import TradeStream
from gateway.pb.v1 import gateway_pb2 as pb

AWAY = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "nobody listens")


class Failing:
    """A call whose gateway is away: whoever waits is canceled, and the call fails in the same moment."""

    def __init__(self, ends: Callable[[], Any]) -> None:
        self.waiting = asyncio.Event()
        self.calls = 0
        self._ends = ends

    async def read(self) -> Any:
        self.calls += 1
        self.waiting.set()
        if self.calls > 1:
            return await asyncio.Event().wait()  # It has tried again, and can be canceled now.
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return self._ends()

    async def write(self, _: object) -> None:
        await asyncio.Event().wait()

    def cancel(self) -> None:
        """Nothing is left to be canceled."""

    async def open(self) -> "Failing":
        return self

    def Subscribe(self, *_: object, **__: object) -> "Failing":
        return self

    def ask(self, *_: object, **__: object) -> Awaitable[Any]:
        """A question instead of a stream."""
        return self.read()


def fails() -> None:
    raise AWAY


ENDS = pytest.mark.parametrize("ends", [fails, lambda: grpc.aio.EOF])


@ENDS
async def test_a_trade_stream_is_closed_while_its_call_fails(ends: Callable[[], Any]) -> None:
    call = Failing(ends)
    stream = TradeStream(call.open, Random(1), 1, lambda _event: None, lambda _why: None)
    await call.waiting.wait()
    await asyncio.wait_for(stream.close(), 5)
    assert call.calls == 1


@ENDS
async def test_who_reads_events_is_canceled_while_the_call_fails(ends: Callable[[], Any]) -> None:
    call: Any = Failing(ends)
    stream = EventStream(call, (), Random(1), 7, pb.EventFilter())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(stream)
    assert (call.calls, stream.next_seq) == (1, 7)


async def test_who_asks_is_canceled_while_the_call_fails() -> None:
    call = Failing(fails)
    client = GatewayClient("127.0.0.1:1", client_id="C")
    asking = asyncio.create_task(client._call(call.ask, None, 5.0))
    await call.waiting.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 5)
    assert call.calls == 1


class Closing:
    """Opens real calls to nobody; the one that opens them is canceled in the moment in which the last one fails."""

    def __init__(self, attempts: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.aio.insecure_channel("127.0.0.1:1", options=options)
        self.left = attempts
        self._method: Any = self.channel.stream_stream("/none/None", pb.TradeRequest.SerializeToString)

    async def open(self) -> Any:
        call, task = self._method(), asyncio.current_task()
        self.left -= 1
        if self.left == 0 and task is not None:
            call.add_done_callback(lambda _call: task.cancel())
        return call


@pytest.mark.parametrize("attempts", range(1, 6))
async def test_a_trade_stream_is_closed_in_the_moment_in_which_its_call_fails(attempts: int) -> None:
    """Over the real grpc.aio."""
    closing = Closing(attempts)
    trade = TradeStream(closing.open, Random(attempts), 1, lambda _event: None, lambda _why: None)
    await asyncio.wait_for(asyncio.wait([trade._task]), 20)
    assert closing.left == 0
    await closing.channel.close()
