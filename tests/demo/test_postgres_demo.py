"""The demo with its journal in a real PostgreSQL, and what the gateway does while the server is away."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.journal import SqlJournal
from gateway.client import EventType, GatewayClient, OrderHandle, OrdType, Side, Unknown
from ops.stack import ROOT, Stack, tail
from tests.adapters.journal.records import fills
from tests.demo.test_demo import gateway_pid, line_with, verdict_of
from tests.e2e.hard import ended, received, sent_twice, until, without_doubt, working
from tests.e2e.stack import CLIENT_ID, running_stack
from tests.postgres import PostgresServer

WAIT_S = 60
LOST, BACK = "journal_connection_lost", "journal_connection_back"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    with PostgresServer() as made:
        yield made


def demo(folder: Path, journal_url: str) -> subprocess.Popen[str]:
    """It runs until it is told to stop."""
    return subprocess.Popen(
        [sys.executable, "-m", "ops.demo.run"],
        cwd=ROOT,
        env={**os.environ, "DEMO_SECONDS": "600", "DEMO_DIR": str(folder), "DEMO_JOURNAL": journal_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(folder: Path, event: str) -> int:
    """How often the gateway's log has this event."""
    return (folder / "gateway.log").read_text(errors="replace").count(event)


def wait_said(folder: Path, event: str, times: int) -> None:
    """Wait until the log has it this often."""
    pause, end = threading.Event(), time.monotonic() + WAIT_S
    while said(folder, event) < times:
        assert time.monotonic() < end, f"{event} was not said {times} times"
        pause.wait(0.02)


@pytest.mark.timeout(300)
def test_the_demo_on_postgresql_survives_the_death_of_server_and_gateway_in_turn(
    server: PostgresServer, tmp_path: Path
) -> None:
    """Both are killed with SIGKILL while the strategy trades, twice each; at the end the three ledgers are equal."""
    folder = tmp_path / "demo"
    running = demo(folder, server.url(server.new_database()))
    assert running.stdout is not None
    trading = r"executions [1-9].*XSIM up YSIM up"
    for round_number in (1, 2):
        line_with(running.stdout, trading)
        server.kill()
        wait_said(folder, LOST, round_number)
        server.start()
        wait_said(folder, BACK, round_number)
        line_with(running.stdout, trading)
        os.kill(gateway_pid(folder), signal.SIGKILL)
        line_with(running.stdout, "the gateway is back")
    line_with(running.stdout, trading)
    running.send_signal(signal.SIGINT)
    verdict = verdict_of(running)
    assert verdict["executions"] == verdict["venue_executions"] > 0
    assert (verdict["lost"], verdict["duplicated"], verdict["in_doubt"]) == (0, 0, 0), verdict


def test_a_journal_with_a_past_is_not_taken_for_a_demo(server: PostgresServer, tmp_path: Path) -> None:
    url = server.url(server.new_database())
    journal = SqlJournal(url)
    journal.open()
    journal.append(fills(1, 3))
    journal.close()
    running = demo(tmp_path / "demo", url)
    assert running.stdout is not None
    line_with(running.stdout, "the demo needs an empty database")
    with running:
        pass
    assert running.returncode == 1


async def test_while_the_server_is_away_nothing_is_acknowledged_and_nothing_sent_and_then_it_goes_on(
    server: PostgresServer, tmp_path: Path
) -> None:
    """Rule 1: an order that is not committed has not happened, and one that the server has again happens once."""
    folder, url = tmp_path / "stack", server.url(server.new_database())
    with running_stack(folder, journal_url=url) as stack:
        async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=WAIT_S) as gateway:
            before = await working(gateway)
            sent = received(stack, "D")
            server.kill()
            with pytest.raises(Unknown):
                await submit(gateway, "while-away", timeout_s=2.0)
            await until(lambda: said(folder, LOST) == 1)
            assert received(stack, "D") == sent, "nothing was sent"
            server.start()
            handle = await submit(gateway, "while-away", timeout_s=WAIT_S)
            await told(gateway, handle, EventType.ORDER_ACKNOWLEDGED)
            assert len(received(stack, "D")) == len(sent) + 1
            assert (await gateway.get_order(cl_ord_id=before.cl_ord_id)).order.order_id
            await without_doubt(gateway)
        assert not sent_twice(stack)
        assert said(folder, BACK) == 1


async def submit(gateway: GatewayClient, key: str, timeout_s: float) -> OrderHandle:
    return await gateway.submit(
        cl_ord_id=key,
        symbol="ACME",
        side=Side.BUY,
        order_qty=10,
        ord_type=OrdType.LIMIT,
        price="90.00",
        timeout_s=timeout_s,
    )


async def told(gateway: GatewayClient, handle: OrderHandle, wanted: EventType) -> None:
    async for event in gateway.events(from_seq=1):
        if event.type is wanted and event.order is not None and event.order.cl_ord_id == handle.cl_ord_id:
            return


def test_a_start_without_the_server_is_one_to_try_again(tmp_path: Path) -> None:
    """Exit code 1, after which a service manager starts it again, and not 3, which needs a person."""
    stack = Stack(tmp_path / "stack", journal_url=f"postgresql+psycopg://olga@/journal?host={tmp_path}")
    stack.gateway.launch()
    assert ended(stack.gateway) == 1
    assert "see that the server runs" in tail(stack.gateway.log)
    stack.gateway.stop()
