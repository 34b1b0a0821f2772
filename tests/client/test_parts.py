"""Keys, back-off, and what the package depends on."""

import ast
import itertools
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import grpc
import pytest

import gateway.client
from gateway.client import (
    GatewayError,
    Order,
    OrderEnded,
    OrdStatus,
    OrdType,
    Refused,
    Side,
    Unavailable,
    Unknown,
)
from gateway.client.backoff import CAP_S, FIRST_S, Backoff
from gateway.client.keys import KeyGenerator, default_prefix
from gateway.client.outage import Outage
from gateway.client.types import EventType
from gateway.pb.v1 import gateway_pb2 as pb

ENUMS = (Side.BUY, OrdType.LIMIT, OrdStatus.CANCELED)
PACKAGE = Path(gateway.client.__file__).parent
ALLOWED = ("gateway.client", "gateway.lane", "gateway.pb.v1", "gateway.core.types")
NS_2085 = 3_650_000_000 * 1_000_000_000


def test_the_longest_key_has_36_characters() -> None:
    keys = KeyGenerator("p" * 12, lambda: NS_2085, lambda: 4_194_304, itertools.count(36**6 - 1))
    assert len(keys.next()) == 36


def test_keys_differ_between_runs_processes_and_clients() -> None:
    generators = [
        KeyGenerator("p", lambda: 1_000_000, lambda: 1),
        KeyGenerator("p", lambda: 1_001_000, lambda: 1),
        KeyGenerator("p", lambda: 1_000_000, lambda: 2),
        KeyGenerator("p", lambda: 1_000_000, lambda: 1),
    ]
    keys = [generator.next() for generator in generators for _ in range(100)]
    assert len(set(keys)) == 400


def test_processes_that_were_forked_with_a_client_make_keys_of_their_own() -> None:
    """With the same key, the order of the second would have been the order of the first."""
    made = """
import os, time
from gateway.client import GatewayClient

client = GatewayClient("127.0.0.1:1", client_id="demo")
for _ in range(2):
    if not (pid := os.fork()):
        print(client.new_cl_ord_id(), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
print(client.new_cl_ord_id())
"""
    keys = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(keys)) == len(keys) == 3


def test_a_forked_process_with_the_pid_of_an_earlier_one_has_another_start() -> None:
    pids, now_us = iter((1, 1, 7, 1, 7)), iter(range(10))
    keys = KeyGenerator("p", lambda: next(now_us) * 1_000, pids.__next__, itertools.repeat(1))
    made = [keys.next() for _ in range(4)]
    assert made == ["p-0-1-1", "p-1-7-1", "p-2-1-1", "p-3-7-1"]


@pytest.mark.parametrize("prefix", ["", "p" * 13, "a b", "a\x01", "ä", "a-b"])
def test_a_prefix_that_makes_no_good_key_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="key_prefix"):
        KeyGenerator(prefix, lambda: 1)


def test_any_client_id_gives_a_prefix() -> None:
    KeyGenerator(default_prefix("desk-1/alpha and a long tail"), lambda: 1)


def test_backoff_grows_to_its_cap_and_starts_over() -> None:
    backoff = Backoff(Random(7))
    delays = [backoff.next_s() for _ in range(20)]
    assert FIRST_S / 2 <= delays[0] <= FIRST_S
    assert all(CAP_S / 2 <= delay <= CAP_S for delay in delays[10:])
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


def test_backoff_is_repeatable_from_its_seed() -> None:
    one, two = Backoff(Random(7)), Backoff(Random(7))
    assert [one.next_s() for _ in range(5)] == [two.next_s() for _ in range(5)]


@pytest.mark.parametrize(
    "error",
    [
        Refused("off tick", reason="PRICE_OFF_TICK", field="price", cl_ord_id="K1", key_spent=True),
        Unknown("where is it", cl_ord_id="K1"),
        OrderEnded(Order("O1", "demo", "K1", "ACME", "XSIM", *ENUMS, *(Decimal(1),) * 4)),
        Unavailable("gone", code=grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_errors_survive_pickling(error: GatewayError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_every_kind_of_event_of_the_proto_has_its_name() -> None:
    assert [member.value for member in EventType] == list(pb.EventType.keys())


def test_the_package_imports_nothing_of_the_server() -> None:
    files = sorted(PACKAGE.glob("*.py"))
    assert len(files) > 5
    for path in files:
        for module in _imports(ast.parse(path.read_text())):
            assert not module.startswith("gateway") or module.startswith(ALLOWED), f"{path.name} imports {module}"


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    code = "import sys, gateway.client; print(*sorted(m for m in sys.modules if m.startswith('gateway')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "gateway.client.client" in loaded
    assert [m for m in loaded if m not in ("gateway", "gateway.core", "gateway.pb") and not m.startswith(ALLOWED)] == []


def _imports(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append(node.module or "")
    return found


def test_a_long_outage_is_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 100.0
    outage = Outage("Trade stream", lambda: now_s)
    for _ in range(100):
        outage.lost("UNAVAILABLE: away")
        now_s += 1.5
    outage.back()
    outage.back()
    outage.lost("UNAVAILABLE: away again")
    assert caplog.messages == [
        "Trade stream lost (UNAVAILABLE: away); it is tried again until it is back",
        "Trade stream still away after 60 s and 41 tries (UNAVAILABLE: away)",
        "Trade stream still away after 120 s and 81 tries (UNAVAILABLE: away)",
        "Trade stream is back after 150.0 s",
        "Trade stream lost (UNAVAILABLE: away again); it is tried again until it is back",
    ]
