"""The load: a process of its own that sends orders at a fixed rate, whatever becomes of them, and times the answers.

    python -m tests.bench.e2e.load --address 127.0.0.1:7001

It says `ready`, then reads slices as lines of JSON and answers each with one (`Slice`, `Done`). A round trip begins
when the order was due, not when it was sent: a server that stalls cannot make the load wait and so hide the stall
("coordinated omission"). It ends when the venue's acknowledgement is here.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
import msgspec
import uvloop

from gateway.lane import Kind, Lane
from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.e2e import messages
from tests.bench.e2e.histograms import histogram, to_text
from tests.bench.e2e.pacing import SECOND_NS, Pacer

BATCH_EVERY_NS = 1_000_000
BATCH_AT_MOST = 500
LEAD_NS = 20_000_000
LANE = "lane:"
"""What an address begins with whose rest is the path of a lane."""
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 << 20))


class Slice(msgspec.Struct):
    """What to send: `rate` orders per second for `seconds`, after a warm-up that does not count.

    Orders go to `clients` streams in turn: each in a message of its own or, with `batch`, what is due in one. With
    `cancel` they are canceled afterwards. Who has no answer `patience_s` after the end is not waited for.
    """

    rate: float
    seconds: float
    warm_up_s: float = 0.0
    clients: int = 1
    batch: bool = False
    cancel: bool = False
    patience_s: float = 10.0


class Done(msgspec.Struct):
    """What became of it. The histogram has all that counted, an order without answer with the time it was waited for;
    `sent` and `done` count those, `orders` all with the warm-up.
    """

    histogram: str
    sent: int
    done: int
    orders: int = 0
    refused: int = 0


class _Grpc:
    """The Trade stream of one client, as gRPC has it."""

    def __init__(self, client_id: str, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._call = self._channel.stream_stream(messages.METHOD)(metadata=(("client-id", client_id),))

    async def open(self) -> None:
        """Nothing is to be done: the first message connects."""

    async def write(self, message: bytes) -> None:
        """Send one message; returns when there is room for the next."""
        await self._call.write(message)

    async def read(self) -> bytes:
        """The next message."""
        data = await self._call.read()
        if not isinstance(data, bytes):
            raise SystemExit(f"the stream ended: {await self._call.details()}")
        return data

    async def close(self) -> None:
        """Leave."""
        self._call.cancel()
        await self._channel.close()


class _Lane:
    """The same over the lane."""

    def __init__(self, client_id: str, path: str) -> None:
        self._client_id, self._path = client_id, path
        self._lane = Lane(answers=True)

    async def open(self) -> None:
        """Connect."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self._lane, self._path)
        await self._lane.send(Kind.HELLO, pb.LaneHello(client_id=self._client_id).SerializeToString())

    async def write(self, message: bytes) -> None:
        """Send one message; returns when there is room for the next."""
        await self._lane.send(Kind.MESSAGE, message)

    async def read(self) -> bytes:
        """The next message."""
        frame = await self._lane.receive()
        if frame is None or frame.kind != Kind.MESSAGE:
            raise SystemExit(f"the lane ended: {frame}")
        return frame.body

    async def close(self) -> None:
        """Leave."""
        self._lane.abort()


class Client:
    """One stream of one client."""

    def __init__(self, number: int, address: str, answered: Any) -> None:
        name, lane = f"bench-{number}", address.removeprefix(LANE)
        self._stream = _Grpc(name, address) if lane == address else _Lane(name, lane)
        self._answered = answered
        self._waiting: deque[bytes] = deque()
        self._awake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.batch = False

    async def open(self) -> None:
        """Connect and subscribe; returns when events will come."""
        await self._stream.open()
        await self._stream.write(messages.subscription())
        await self._stream.read()
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._read())]
        for task in self._tasks:
            task.add_done_callback(_failed)

    async def close(self) -> None:
        """End the stream."""
        for task in self._tasks:
            task.remove_done_callback(_failed)
            task.cancel()
        await self._stream.close()

    def send(self, message: bytes) -> None:
        """Hand a message over; it goes out as soon as those before it have."""
        self._waiting.append(message)
        self._awake.set()

    async def _write(self) -> None:
        waiting = self._waiting
        while True:
            if not waiting:
                self._awake.clear()
                await self._awake.wait()
            taken = min(len(waiting), BATCH_AT_MOST) if self.batch else 1
            await self._stream.write(b"".join([waiting.popleft() for _ in range(taken)]))

    async def _read(self) -> None:
        while True:
            data = await self._stream.read()
            self._answered(data, time.monotonic_ns())


def _failed(task: asyncio.Task[None]) -> None:
    """Without its streams the process is of no use: whoever reads its answers sees it end."""
    if not task.cancelled() and (error := task.exception()) is not None:
        print(error, file=sys.stderr)
        asyncio.get_running_loop().stop()


class Load:
    """Sends slices to one address, one after the other."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._clients: list[Client] = []
        self._slice_no = self._orders = 0
        self._answers: list[int] = []
        self._awaited = self._refused = 0
        self._finished = asyncio.Event()

    async def run(self, asked: Slice) -> Done:
        """Send one slice and wait for its answers."""
        while len(self._clients) < asked.clients:
            client = Client(len(self._clients), self._address, self._answered)
            self._clients.append(client)
            await client.open()
        self._slice_no += 1
        every_ns = round(SECOND_NS / asked.rate)
        warm, count = round(asked.rate * asked.warm_up_s), round(asked.rate * asked.seconds)
        keys = [messages.cl_ord_id(self._slice_no, index) for index in range(warm + count)]
        orders = [messages.order(self._orders + index, key) for index, key in enumerate(keys)]
        self._orders += len(orders)
        clients = self._clients[: asked.clients]
        started_ns = await self._send(orders, clients, every_ns, asked)
        ended_ns = time.monotonic_ns()
        times = [
            (answer or ended_ns) - started_ns - index * every_ns
            for index, answer in enumerate(self._answers[warm:], start=warm)
        ]
        done = Done(to_text(histogram(times)), count, sum(map(bool, self._answers[warm:])), len(orders), self._refused)
        if asked.cancel:
            await self._cancel([key for key, answer in zip(keys, self._answers, strict=True) if answer], clients, asked)
        return done

    async def close(self) -> None:
        """End all streams."""
        for client in self._clients:
            await client.close()

    async def _send(self, orders: Sequence[bytes], clients: Sequence[Client], every_ns: int, asked: Slice) -> int:
        """All of them when they are due; the time at which the first one was."""
        self._await(len(orders), clients, batch=asked.batch)
        started_ns, sent, size = time.monotonic_ns() + LEAD_NS, 0, len(clients)

        def tick(now_ns: int) -> None:
            nonlocal sent
            due = min(len(orders), (now_ns - started_ns) // every_ns + 1)
            for index in range(sent, due):
                clients[index % size].send(orders[index])
            sent = max(sent, due)
            if sent == len(orders):
                pacer.start(0, 0)

        with Pacer(tick) as pacer:
            pacer.start(started_ns, max(every_ns, BATCH_EVERY_NS) if asked.batch else every_ns)
            await self._wait((LEAD_NS + len(orders) * every_ns) / SECOND_NS + asked.patience_s)
        return started_ns

    async def _cancel(self, keys: Sequence[str], clients: Sequence[Client], asked: Slice) -> None:
        self._await(len(keys), clients, batch=True)
        index = messages.index_of
        for key in keys:
            clients[(index(key, self._slice_no) or 0) % len(clients)].send(messages.cancel(key))
        await self._wait(asked.patience_s)

    def _await(self, answers: int, clients: Sequence[Client], *, batch: bool) -> None:
        gc.collect()
        gc.freeze()
        self._answers, self._awaited, self._refused = [0] * answers, answers, 0
        self._finished.clear()
        for client in clients:
            client.batch = batch

    async def _wait(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self._finished.wait()
        except TimeoutError:
            return

    def _answered(self, data: bytes, now_ns: int) -> None:
        response = pb.TradeResponse.FromString(data)
        for event in response.events:
            if event.type == pb.ORDER_ACKNOWLEDGED:
                index = messages.index_of(event.cl_ord_id, self._slice_no)
                if index is not None and not self._answers[index]:
                    self._answers[index] = now_ns
                    self._settled()
            elif event.type == pb.ORDER_CANCELED:
                self._settled()
            elif event.type == pb.ORDER_REJECTED:
                self._refuse(event.text)
        for reply in response.replies:
            if reply.HasField("error"):
                self._refuse(reply.error.message)

    def _refuse(self, why: str) -> None:
        if not self._refused:
            print(f"refused: {why}", file=sys.stderr, flush=True)
        self._refused += 1
        self._settled()

    def _settled(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self._finished.set()


async def _main(address: str) -> None:
    load = Load(address)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        done = await load.run(msgspec.json.decode(line, type=Slice))
        print(msgspec.json.encode(done).decode(), flush=True)
    await load.close()


def main() -> None:
    """Serve slices until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    gc.disable()
    sys.setswitchinterval(0.0001)
    uvloop.run(_main(parser.parse_args().address))


if __name__ == "__main__":
    main()
