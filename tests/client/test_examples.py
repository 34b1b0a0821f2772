"""The examples of docs/examples, run as a reader would run them, against real processes."""

import asyncio
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import grpc
import pytest

from gateway.client import EventType, OrdStatus, OrdType, Refused, Side, SyncGatewayClient, TimeInForce
from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import Stack
from tests.client.fake_gateway import Book, FakeGateway, status
from tests.e2e.stack import CLIENT_ID, NOT_YET, running_stack

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
END_S = 60
COVERED = {
    "submit_and_wait.py",
    "cancel_replace.py",
    "market_maker_stream.py",
    "sync_quickstart.py",
    "resume_after_restart.py",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def gw(stack: Stack) -> Iterator[SyncGatewayClient]:
    with SyncGatewayClient(stack.api_address, client_id=CLIENT_ID) as gw:
        yield gw


class Program:
    """An example that runs. Leaving the context ends it."""

    def __init__(self, name: str, *arguments: str) -> None:
        # Its errors go where pytest's own do. A second pipe would not: `communicate` on two of them passes over what
        # `readline` has taken in ahead.
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), *arguments],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip()

    def lines(self) -> list[str]:
        """What it prints until it ends well."""
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        assert self._process.wait(END_S) == 0
        return out.splitlines()

    def interrupt(self) -> list[str]:
        """Ctrl-C; what it prints until it ends well."""
        self._process.send_signal(signal.SIGINT)
        return self.lines()

    def kill(self) -> list[str]:
        """SIGKILL; what it had printed."""
        assert self._process.stdout is not None
        self._process.kill()
        return self._process.stdout.read().splitlines()


def run(name: str, *arguments: str) -> list[str]:
    with Program(name, *arguments) as program:
        return program.lines()


def other_side(gw: SyncGatewayClient, symbol: str, side: Side, order_qty: int, price: str) -> None:
    """A counterparty, under another account, that takes what it finds and leaves nothing behind."""
    end = time.monotonic() + END_S
    while True:
        try:
            handle = gw.submit(
                symbol=symbol,
                side=side,
                order_qty=order_qty,
                ord_type=OrdType.LIMIT,
                price=price,
                time_in_force=TimeInForce.IOC,
                account="ACC2",
            )
            break
        except Refused as refused:
            if refused.reason not in NOT_YET or time.monotonic() > end:
                raise
    assert handle.done(timeout_s=END_S).ord_status is OrdStatus.FILLED


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == COVERED


def test_submit_and_wait(stack: Stack, gw: SyncGatewayClient) -> None:
    resting = gw.submit(
        symbol="ACME", side=Side.SELL, order_qty=60, ord_type=OrdType.LIMIT, price="100.05", account="ACC2"
    )
    resting.wait_for(OrdStatus.NEW, timeout_s=END_S)
    lines = run("submit_and_wait.py", stack.api_address)
    assert lines[0] == "CANCELED: 60 of 100 at 100.05"
    assert [line.split(": ")[1] for line in lines[1:]] == ["60 at 100.05"]


async def test_submit_and_wait_is_told_of_a_fill_that_was_faster_than_its_cancel(
    server: FakeGateway, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "nothing is left to cancel: the order is filled or has ended"
    filled = status(grpc.StatusCode.FAILED_PRECONDITION, text, "ORDER_NOT_WORKING", key_spent="true")
    running = asyncio.create_task(runpy.run_path(str(EXAMPLES / "submit_and_wait.py"))["main"](server.address))
    while not book.orders:  # noqa: ASYNC110 - The fake gateway's, which tells nobody.
        await asyncio.sleep(0.01)
    server.faults.append(filled)
    while server.faults:  # noqa: ASYNC110 - Likewise.
        await asyncio.sleep(0.01)
    book.fill(next(iter(book.orders.values())).cl_ord_id, "100", "100.05")
    await book.tell()
    await running
    assert capsys.readouterr().out.startswith("FILLED: 100 of 100 at 100.05")


def test_cancel_replace(stack: Stack) -> None:
    assert run("cancel_replace.py", stack.unix_address) == [
        "replace accepted: 150 at 90.5",
        "CANCELED with 0 done",
        "refused: ORDER_NOT_WORKING",
    ]


def test_sync_quickstart(stack: Stack) -> None:
    lines = run("sync_quickstart.py", stack.api_address)
    kinds = [line.split()[1] for line in lines if " -> " in line]
    assert kinds[0] == "ORDER_SUBMITTED"
    assert kinds[-1] == "ORDER_CANCELED"
    assert any(line.startswith("working:") for line in lines)


def test_market_maker_stream_counts_right_across_a_kill_of_the_gateway(stack: Stack, gw: SyncGatewayClient) -> None:
    with Program("market_maker_stream.py", stack.api_address) as maker:
        assert maker.line() == "quoting"
        wait_for_quotes(gw, 2)
        other_side(gw, "GLOBEX", Side.BUY, 10, "251.00")
        assert maker.line().endswith("SELL 10 at 250.5, now -10")
        wait_for_quotes(gw, 2)
        logons = gw.events(venue="YSIM", types=[EventType.SESSION_LOGGED_ON])
        stack.gateway.kill()
        stack.gateway.start()
        next(logons)
        other_side(gw, "GLOBEX", Side.SELL, 10, "249.00")
        assert maker.line().endswith("BUY 10 at 249.5, now 0")
        assert maker.interrupt() == ["2 fills, position 0"]
    assert list(gw.list_orders(strategy="maker", working=True)) == []


async def test_market_maker_stream_quotes_again_what_was_refused(
    server: FakeGateway, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fill of the time in which a venue was away is told before new orders may go there."""

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(END_S):
            while not condition():  # noqa: ASYNC110 - The fake gateway's, which tells nobody.
                await asyncio.sleep(0.01)

    main = runpy.run_path(str(EXAMPLES / "market_maker_stream.py"))["main"]
    running = asyncio.create_task(main(server.address))
    await until(lambda: len(book.orders) == 2)
    for order in book.orders.values():
        order.strategy = "maker"
    server.faults.append(
        status(grpc.StatusCode.FAILED_PRECONDITION, "wait", "SESSION_NOT_RECONCILED", key_spent="true")
    )
    book.fill(book.orders["O1"].cl_ord_id, "10", "249.5")
    await book.tell()
    await until(lambda: not server.faults)
    book.add(pb.RECONCILIATION_ENDED)
    await book.tell()
    await until(lambda: len(book.orders) == 3)
    assert book.orders["O3"].side == pb.SIDE_BUY
    assert capsys.readouterr().out.endswith("now 10\nno BUY: SESSION_NOT_RECONCILED\n")
    running.cancel()
    await asyncio.wait([running])


def wait_for_quotes(gw: SyncGatewayClient, count: int) -> None:
    """Wait until the maker has so many orders in the market."""
    events = gw.events(1, strategy="maker")
    while sum(o.ord_status is OrdStatus.NEW for o in gw.list_orders(strategy="maker", working=True)) < count:
        next(events)


def test_resume_after_restart_sends_once_and_misses_nothing(
    stack: Stack, gw: SyncGatewayClient, tmp_path: Path
) -> None:
    notes = str(tmp_path / "notes.json")
    with Program("resume_after_restart.py", stack.api_address, notes, "1000000") as program:
        first = [program.line() for _ in range(4)]
        first += program.kill()
    second = run("resume_after_restart.py", stack.api_address, notes, "2")
    assert second[0] == first[0]
    assert len([order for order in gw.list_orders() if str(order.price) == "80"]) == 1
    seen, resumed = seqs(first), seqs(second)
    events = gw.events(1)
    every = [next(events).seq for _ in range(len(seen) + 2)]
    assert seen == every[: len(seen)]
    assert resumed in (every[len(seen) - 1 : -1], every[len(seen) :])  # The one that was not written down comes again.


def seqs(lines: list[str]) -> list[int]:
    return [int(found[1]) for line in lines if (found := re.match(r"(\d+) ", line))]
