"""The blocking face: the same client, on a loop in a thread."""

import asyncio
import contextlib
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from decimal import Decimal
from typing import Any

import pytest

from gateway.client import (
    GatewayClient,
    NotFound,
    OrderHandle,
    OrdStatus,
    OrdType,
    Side,
    SyncGatewayClient,
    SyncOrderHandle,
    Unavailable,
    sync,
)
from tests.client.fake_gateway import CLIENT, Book, FakeGateway

LIMIT = {"symbol": "ACME", "side": Side.BUY, "order_qty": "100", "ord_type": OrdType.LIMIT, "price": "10.50"}


class Served:
    """The fake gateway on a loop of its own, as another process would be."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.book = Book()
        self.server = FakeGateway(self.book)
        self.run(self.server.start())

    def run(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def fill(self, cl_ord_id: str, last_qty: str, last_px: str) -> None:
        async def fill() -> None:
            self.book.fill(cl_ord_id, last_qty, last_px)
            await self.book.tell()

        self.run(fill())

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start(self.server.port)


@pytest.fixture
def served() -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        served = Served(loop)
        yield served
        served.run(served.server.stop())
    finally:  # The interpreter waits for this thread when it ends.
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def gw(served: Served) -> Iterator[SyncGatewayClient]:
    with SyncGatewayClient(f"127.0.0.1:{served.server.port}", client_id=CLIENT) as gw:
        yield gw


def test_an_order_from_submission_to_its_end(gw: SyncGatewayClient, served: Served) -> None:
    handle = gw.submit(**LIMIT, cl_ord_id="K1")
    assert handle.wait_for(OrdStatus.NEW, timeout_s=5).order_qty == 100
    handle.settled(handle.replace(price="10.75"), timeout_s=5)
    served.fill("K1", "40", "10.75")
    handle.wait_for(lambda order: order.cum_qty == 40, timeout_s=5)
    handle.cancel()
    assert handle.done(timeout_s=5).ord_status is OrdStatus.CANCELED
    assert [e.last_px for e in handle.executions()] == [Decimal("10.75")]


def test_events_resume_across_a_restart(gw: SyncGatewayClient, served: Served) -> None:
    gw.submit(**LIMIT)
    events = gw.events(1)
    seen = [next(events).seq]
    served.run(served.restart())
    gw.submit(**LIMIT)
    seen += [next(events).seq for _ in range(5)]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert events.next(timeout_s=0.05) is None
    assert events.next_seq == 7
    events.close()


class _Interrupted:
    """Ctrl-C while the calling thread waits: before the loop has what is waited for, or after it."""

    def __init__(self, future: Future[Any], meanwhile: Callable[[], object]) -> None:
        self._future, self._meanwhile = future, meanwhile
        self.cancel = future.cancel

    def result(self) -> None:
        self._meanwhile()
        raise KeyboardInterrupt


@pytest.mark.parametrize("came", [False, True])
def test_an_event_whose_wait_is_interrupted_comes_next(
    gw: SyncGatewayClient, served: Served, monkeypatch: pytest.MonkeyPatch, came: bool
) -> None:
    events = gw.events(1)
    handle = gw.submit(**LIMIT)
    begun, interrupts = sync._Loop._begun, iter([True])

    def interrupted(loop: sync._Loop, work: Coroutine[Any, Any, Any]) -> Any:
        future = begun(loop, work)
        meanwhile = (lambda: future.exception(10)) if came else (lambda: None)
        return _Interrupted(future, meanwhile) if next(interrupts, False) else future

    monkeypatch.setattr(sync._Loop, "_begun", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(events)
    assert events.next_seq == 1
    first = events.next(10)
    assert first is not None
    assert (first.seq, first.cl_ord_id, events.next_seq) == (1, handle.cl_ord_id, 2)
    assert [next(events).seq for _ in range(2)] == [2, 3]


def test_questions(gw: SyncGatewayClient) -> None:
    for _ in range(3):
        gw.submit(**LIMIT)
    assert [order.order_id for order in gw.list_orders()] == ["O1", "O2", "O3"]
    assert gw.get_order(order_id="O2").order.symbol == "ACME"
    assert len(gw.positions()) == 2
    assert gw.mass_cancel().requested == 3
    with pytest.raises(NotFound):
        gw.attach("K9")


def test_several_threads_share_a_client(gw: SyncGatewayClient) -> None:
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(gw.submit(**LIMIT).cl_ord_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(keys)) == 8


def test_a_gateway_that_is_not_there_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(Unavailable), SyncGatewayClient("127.0.0.1:1", client_id=CLIENT, timeout_s=0.2):
        pass
    assert threading.active_count() == before


def test_a_client_that_is_closed_leaves_no_thread_waiting(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Not even one that waits between two tries."""
    ended: list[object] = []

    def work(what: Callable[[], object]) -> None:
        try:
            ended.append(what())
        except Unavailable as error:
            ended.append(error.text)

    with SyncGatewayClient(f"127.0.0.1:{served.server.port}", client_id=CLIENT) as gw:
        handle, events = gw.submit(**LIMIT, cl_ord_id="K1"), gw.events()
        waits = (lambda: list(events), lambda: gw.get_order(cl_ord_id="K1"), lambda: handle.wait_for(OrdStatus.FILLED))
        served.run(served.server.stop())
        threads = [threading.Thread(target=work, args=(what,)) for what in waits]
        for thread in threads:
            thread.start()
        while "Event stream lost" not in caplog.text or len(asyncio.all_tasks(gw._loop._loop)) <= len(waits):
            time.sleep(0.005)
    for thread in threads:
        thread.join(10)
    assert sorted(ended, key=str) == [[], "the client was closed", "the client was closed"]
    served.run(served.server.start(served.server.port))


def test_a_call_that_comes_while_the_client_is_closed_is_told_so(served: Served) -> None:
    """However close to the end of the loop: what the loop did not begin left its caller waiting for ever."""
    over = threading.Event()

    def work() -> None:
        with contextlib.suppress(Unavailable):
            while not over.is_set():
                gw.get_order(cl_ord_id="K1")

    for _ in range(5):
        with SyncGatewayClient(f"127.0.0.1:{served.server.port}", client_id=CLIENT) as gw:
            handle, events = gw.submit(**LIMIT, cl_ord_id="K1"), gw.events()
            threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
    over.set()
    for late in (lambda: gw.submit(**LIMIT), handle.cancel, lambda: next(events), events.close):
        with pytest.raises(Unavailable, match="the client was closed"):
            late()


def test_a_client_that_is_opened_again_waits_for_a_gateway_that_restarts(served: Served) -> None:
    """It has another loop then."""
    gw = SyncGatewayClient(f"127.0.0.1:{served.server.port}", client_id=CLIENT)
    for _ in range(2):
        with gw:
            served.run(served.server.stop())
            back = threading.Timer(0.3, lambda: served.run(served.server.start(served.server.port)))
            back.start()
            assert list(gw.list_orders()) == []
            back.join()


def test_a_forked_process_is_told_whose_the_client_is() -> None:
    """The thread of the loop stays with the process that made it: every call waited for ever."""
    made = """
import asyncio, os
from gateway.client import Unavailable
from gateway.client.sync import _Loop

loop = _Loop()
if not os.fork():
    try:
        loop.run(asyncio.sleep(0))
    except Unavailable as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
loop.stop()
"""
    asked = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True, timeout=20)
    assert "belongs to the process that this one was forked from" in asked.stdout


def test_a_condition_cannot_wait_for_the_client_that_calls_it(gw: SyncGatewayClient, served: Served) -> None:
    handle = gw.submit(**LIMIT, cl_ord_id="K1")
    handle.wait_for(OrdStatus.NEW, timeout_s=5)
    with pytest.raises(RuntimeError, match="not call the client"):
        handle.wait_for(lambda order: bool(handle.executions()), timeout_s=5)
    assert gw.get_order(cl_ord_id="K1").order.ord_status is OrdStatus.NEW


@pytest.mark.parametrize(
    ("face", "behind", "renamed"),
    [
        (SyncGatewayClient, GatewayClient, set()),
        (
            SyncOrderHandle,
            OrderHandle,
            {"learn", "end", "as_of_seq"},
        ),  # What the client tells a handle is not its owner's.
    ],
)
def test_the_blocking_face_has_every_method_with_the_same_arguments(
    face: type, behind: type, renamed: set[str]
) -> None:
    public = {name for name in vars(behind) if not name.startswith("_")} - renamed
    assert public == {name for name in vars(face) if not name.startswith("_")}
    for name in public:
        if callable(getattr(behind, name)):
            assert inspect.signature(getattr(face, name)) == inspect.signature(getattr(behind, name)), name
