"""Each peer as the benchmark starts it, against a simulated exchange: every order is acknowledged."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import ROOT, Process, free_port
from tests.bench.e2e.histograms import from_text
from tests.bench.lives import SYMBOLS
from tests.bench.peers.echo import answer

ORDERS = 25
SERVES_S = 30.0
SENDERS = ("BRIDGE1", "BRIDGE2", "FLOOR")
"""One for each test: a session whose numbers started over would not come up."""


@pytest.fixture(scope="module")
def venue_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("venue"), free_port()
    sessions = "".join(f'[[session]]\nclient = "{name}"\nbegin_string = "FIX.4.4"\n' for name in SENDERS)
    instruments = "".join(
        f'[[instrument]]\nsymbol = "{symbol}"\ntick = "0.01"\nlot = "1"\nreference = "10.00"\n' for symbol in SYMBOLS
    )
    config = folder / "venue.toml"
    config.write_text(
        f'[venue]\nname = "XSIM"\nfix = "127.0.0.1:{port}"\ncontrol = "unix:{folder}/control"\n'
        f'data_dir = "{folder}/data"\n{sessions}{instruments}'
    )
    code = "from sim_exchange.cli import main; main()"
    venue = Process("venue", [sys.executable, "-c", code, "serve", "--config", str(config)], folder / "venue.log")
    venue.start()
    yield port
    venue.stop()


def fix_arguments(port: int, sender: str, folder: Path) -> list[str]:
    return [f"--venue-port={port}", f"--sender={sender}", "--target=XSIM", "--begin-string=FIX.4.4", f"--dir={folder}"]


@contextmanager
def running(peer: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The peer, when it is ready; it has to end cleanly when it is told to."""
    command = [sys.executable, "-m", f"tests.bench.peers.{peer}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(SERVES_S) == 0
        finally:
            process.kill()


def orders(prefix: str, side: pb.Side = pb.SIDE_BUY, count: int = ORDERS) -> list[pb.Command]:
    return [
        pb.Command(
            submit_order=pb.SubmitOrderRequest(
                cl_ord_id=f"{prefix}{number}",
                symbol=SYMBOLS[number % 20],
                side=side,
                order_qty="100",
                ord_type=pb.ORD_TYPE_LIMIT,
                price="10.00",
            )
        )
        for number in range(count)
    ]


def cancel(key: str, orig_cl_ord_id: str) -> pb.Command:
    return pb.Command(cancel_order=pb.CancelOrderRequest(cl_ord_id=key, orig_cl_ord_id=orig_cl_ord_id))


class Client:
    """One Trade stream, used as the benchmark's load generator uses it."""

    def __init__(self, channel: Any) -> None:
        self._call = channel.stream_stream("/gateway.v1.OrderService/Trade")()
        self.replies: list[pb.TradeReply] = []
        self.events: list[pb.Event] = []

    async def subscribe(self) -> int:
        await self._call.write(pb.TradeRequest(subscribe=pb.SubscribeRequest()).SerializeToString())
        return pb.TradeResponse.FromString(await self._call.read()).next_seq

    async def send(self, *commands: pb.Command) -> None:
        await self._call.write(pb.TradeRequest(commands=commands).SerializeToString())

    async def receive(self, events: int) -> None:
        async with asyncio.timeout(SERVES_S):
            while len(self.events) < events:
                response = pb.TradeResponse.FromString(await self._call.read())
                self.replies += response.replies
                self.events += response.events

    def acknowledged(self) -> list[str]:
        return [event.cl_ord_id for event in self.events if event.type == pb.ORDER_ACKNOWLEDGED]


@pytest.mark.parametrize("transport", ["tcp", "unix"])
async def test_the_echo_acknowledges_each_order(tmp_path: Path, transport: str) -> None:
    address = f"127.0.0.1:{free_port()}" if transport == "tcp" else f"unix:{tmp_path}/echo.sock"
    with running("echo", "--listen", address):
        async with grpc.aio.insecure_channel(address) as channel:
            client = Client(channel)
            assert await client.subscribe() == 1
            await client.send(*orders("a"))
            await client.send(*orders("b", count=1), cancel("c", "b0"))
            await client.receive(ORDERS + 2)
    assert client.acknowledged() == [f"a{number}" for number in range(ORDERS)] + ["b0"]
    assert (client.events[-1].type, client.events[-1].cl_ord_id) == (pb.ORDER_CANCELED, "c")


def test_the_echo_answers_a_subscription_and_orders_in_one_message() -> None:
    data = pb.TradeRequest(subscribe=pb.SubscribeRequest(), commands=orders("x" * 34, count=2)).SerializeToString()
    response = pb.TradeResponse.FromString(answer(data))
    assert (response.next_seq, [event.cl_ord_id[-1] for event in response.events]) == (1, ["0", "1"])


async def test_the_bridge_sends_orders_and_gives_each_client_its_own_reports(tmp_path: Path, venue_port: int) -> None:
    address = f"127.0.0.1:{free_port()}"
    arguments = fix_arguments(venue_port, "BRIDGE1", tmp_path)
    with running("bridge", "--listen", address, *arguments):
        async with grpc.aio.insecure_channel(address) as channel:
            buyer, seller = Client(channel), Client(channel)
            assert [await buyer.subscribe(), await seller.subscribe()] == [1, 1]
            await buyer.send(*orders("b"))
            await buyer.receive(ORDERS)
            assert buyer.acknowledged() == [f"b{number}" for number in range(ORDERS)]
            assert [reply.reply.cl_ord_id for reply in buyer.replies] == buyer.acknowledged()
            await seller.send(*orders("s", pb.SIDE_SELL))
            await seller.receive(2 * ORDERS)
            await buyer.receive(2 * ORDERS)
    assert seller.acknowledged() == [f"s{number}" for number in range(ORDERS)]
    for client, side in ((buyer, "b"), (seller, "s")):
        filled = [event for event in client.events if event.type == pb.ORDER_FILLED]
        assert {event.cl_ord_id for event in filled} == {f"{side}{number}" for number in range(ORDERS)}
        assert {(event.last_qty, event.last_px) for event in filled} == {("100", "10.00")}


async def test_the_bridge_cancels_and_passes_on_a_reject(tmp_path: Path, venue_port: int) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running("bridge", "--listen", address, *fix_arguments(venue_port, "BRIDGE2", tmp_path)):
        async with grpc.aio.insecure_channel(address) as channel:
            client = Client(channel)
            await client.subscribe()
            unknown, rests = orders("unknown", count=1)[0], orders("rests", count=1)[0]
            unknown.submit_order.symbol = "NOWHERE"
            await client.send(unknown, rests, cancel("c0", "rests0"), cancel("c1", "nothing"))
            await client.receive(3)
    assert [(event.type, event.cl_ord_id) for event in client.events] == [
        (pb.ORDER_REJECTED, "unknown0"),
        (pb.ORDER_ACKNOWLEDGED, "rests0"),
        (pb.ORDER_CANCELED, "c0"),
    ]
    assert [reply.WhichOneof("result") for reply in client.replies] == ["reply", "reply", "reply", "error"]


def test_the_floor_measures_slice_after_slice(tmp_path: Path, venue_port: int) -> None:
    with running("quickfix_floor", *fix_arguments(venue_port, "FLOOR", tmp_path)) as floor:
        assert floor.stdin is not None
        assert floor.stdout is not None
        for seconds in (0.2, 0.1):
            floor.stdin.write(json.dumps({"rate": 100, "seconds": seconds, "warm_up_s": 0.1}) + "\n")
            floor.stdin.flush()
            said = json.loads(floor.stdout.readline())
            count = round(100 * seconds)
            assert (said["sent"], said["done"]) == (count, count)
            assert from_text(said["histogram"]).get_total_count() == count
