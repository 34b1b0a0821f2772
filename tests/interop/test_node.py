"""A client in another language: Node.js with grpc-js, from the proto files alone, against the real processes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest

from gateway.client import OrdStatus, OrdType, Side, SyncGatewayClient
from ops.stack import Stack
from tests.e2e.stack import CLIENT_ID, running_stack, until_open

HERE = Path(__file__).parent / "node"
ROOT = Path(__file__).parents[2]
END_S = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def gw(stack: Stack) -> Iterator[SyncGatewayClient]:
    with SyncGatewayClient(stack.api_address, client_id=CLIENT_ID) as gw:
        yield gw


def node() -> str:
    """Node.js, installed with what the client needs. A machine without it fails: a test that skips proves nothing."""
    program = shutil.which("node")
    if program is None:
        pytest.fail("Node.js is missing. On Debian run, as root: apt-get install -y nodejs npm")
    if not (HERE / "node_modules" / "@grpc" / "grpc-js").is_dir():
        pytest.fail("The packages of the Node.js client are missing. Run: make node")
    return program


@contextmanager
def started(address: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The client, running. Leaving the context ends it."""
    googleapis = Path(str(files("google.rpc").joinpath("status.proto"))).parents[2]
    command = [node(), str(HERE / "client.js"), "--address", address, "--client-id", CLIENT_ID]
    command += ["--proto", str(ROOT / "proto"), "--googleapis", str(googleapis), "--symbol", "ACME", *arguments]
    # A proxy of the machine's environment is none of the loopback's.
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, str]]]:
    """Wait for the end; the exit code and the lines that it printed."""
    out, errors = process.communicate(timeout=END_S)
    assert errors == ""
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def run(address: str, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    with started(address, *arguments) as process:
        return ended(process)


def test_it_submits_and_streams_until_the_order_is_filled(stack: Stack, gw: SyncGatewayClient) -> None:
    resting = gw.submit(
        symbol="ACME", side=Side.SELL, order_qty=30, ord_type=OrdType.LIMIT, price="100.20", account="ACC2"
    )
    resting.wait_for(OrdStatus.NEW, timeout_s=END_S)
    arguments = ("--side", "SIDE_BUY", "--order-qty", "30", "--price", "100.20", "--cl-ord-id", "node-fills")
    code, lines = run(stack.api_address, *arguments)
    assert code == 0
    assert lines[0]["type"] == "ORDER_SUBMITTED"
    assert lines[-1] | {"seq": ""} == {
        "seq": "",
        "type": "ORDER_FILLED",
        "cl_ord_id": "node-fills",
        "ord_status": "ORD_STATUS_FILLED",
        "cum_qty": "30",
        "leaves_qty": "0",
        "last_qty": "30",
        "last_px": "100.2",
    }
    seqs = [int(line["seq"]) for line in lines]
    assert seqs == sorted(set(seqs))
    assert gw.get_order(cl_ord_id="node-fills").order.ord_status is OrdStatus.FILLED


def test_its_stream_goes_on_after_a_kill_of_the_gateway(stack: Stack, gw: SyncGatewayClient) -> None:
    arguments = ("--side", "SIDE_BUY", "--order-qty", "20", "--price", "99.80", "--cl-ord-id", "node-resumes")
    with started(stack.api_address, *arguments) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline())]
        while lines[-1]["type"] != "ORDER_ACKNOWLEDGED":
            lines.append(json.loads(process.stdout.readline()))
        stack.gateway.kill()
        stack.gateway.start()
        until_open(stack, ("XSIM",))
        gw.submit(symbol="ACME", side=Side.SELL, order_qty=20, ord_type=OrdType.LIMIT, price="99.80", account="ACC2")
        code, rest = ended(process)
    assert code == 0
    told = [int(line["seq"]) for line in lines + rest]
    events = gw.events(told[0], symbol="ACME")
    own = (event for event in events if event.order and event.order.order_id == order_id(gw, "node-resumes"))
    assert told == [event.seq for event in islice(own, len(told))]


def order_id(gw: SyncGatewayClient, cl_ord_id: str) -> str:
    return gw.get_order(cl_ord_id=cl_ord_id).order.order_id


def test_its_key_is_known_to_every_client_of_the_same_id(stack: Stack, gw: SyncGatewayClient) -> None:
    arguments = ("--side", "SIDE_BUY", "--order-qty", "5", "--price", "90", "--cl-ord-id", "node-cancels", "--cancel")
    code, lines = run(stack.unix_address, *arguments)
    assert code == 0
    assert [line["type"] for line in lines][-1] == "ORDER_CANCELED"
    first = gw.get_order(cl_ord_id="node-cancels").order
    assert first.ord_status is OrdStatus.CANCELED
    again = gw.submit(
        symbol="ACME", side=Side.BUY, order_qty=5, ord_type=OrdType.LIMIT, price="90", cl_ord_id="node-cancels"
    )
    assert again.order == first


def test_a_refusal_is_read_from_the_details(stack: Stack) -> None:
    code, lines = run(stack.api_address, "--side", "SIDE_BUY", "--order-qty", "5", "--price", "90.001")
    assert code == 2
    assert (lines[0]["refused"], lines[0]["field"]) == ("PRICE_OFF_TICK", "price")


def test_the_same_key_again_follows_the_same_order_to_its_end(stack: Stack) -> None:
    arguments = ("--side", "SIDE_BUY", "--order-qty", "5", "--price", "90", "--cl-ord-id", "node-again", "--cancel")
    first = run(stack.api_address, *arguments)
    assert run(stack.api_address, *arguments[:-1]) == first
    assert (first[0], first[1][-1]["type"]) == (0, "ORDER_CANCELED")


def test_a_cancel_that_finds_nothing_left_is_no_refusal_of_the_order(stack: Stack) -> None:
    """As when a fill was faster; here the order has ended in an earlier run."""
    arguments = ("--side", "SIDE_BUY", "--order-qty", "5", "--price", "90", "--cl-ord-id", "node-late", "--cancel")
    _, first = run(stack.api_address, *arguments)
    code, again = run(stack.api_address, *arguments)
    assert (code, [line for line in again if "cancel_refused" not in line]) == (0, first)
    assert [line["cancel_refused"] for line in again if "cancel_refused" in line] == ["ORDER_NOT_WORKING"]


def test_an_order_that_nobody_answered_is_not_called_refused() -> None:
    arguments = ("--side", "SIDE_BUY", "--order-qty", "5", "--price", "90", "--cl-ord-id", "node-unknown")
    code, lines = run("127.0.0.1:1", *arguments, "--give-up-ms", "300")
    assert code == 3
    assert [line["unanswered"] for line in lines] == ["node-unknown"]
