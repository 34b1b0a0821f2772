"""The programs as a person runs them, at a stack whose XSIM asks for credentials, an account and a tag of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.client import GatewayClient, OrderHandle, OrdStatus, OrdType, Refused, Side
from ops.stack import ROOT, Stack
from sim_exchange.control import ControlClient
from tests.e2e.stack import CLIENT_ID, NOT_YET, running_stack

WAIT_S = 60
PASSWORD = "s3cr3t-of-XSIM"
VARIABLE = "GATEWAY_TEST_XSIM_PASSWORD"
PROGRAMS = {"gatewayctl": "gateway.cli.ctl", "gateway": "gateway.cli.server"}


def with_dialect(text: str) -> str:
    """The gateway's configuration with what XSIM asks for."""
    logon = f'target_comp_id = "XSIM"\nusername = "gw"\npassword = "${{{VARIABLE}}}"'
    dialect = """
[venues.dialect]
add = { D = { 9001 = "GW" }, F = { 9001 = "GW" }, G = { 9001 = "GW" } }
required = { D = [1, 9001] }
accounts = { ACC1 = "X-1", ACC2 = "X-2" }
"""
    head, tail = text.replace('target_comp_id = "XSIM"', logon).split('\n[[venues]]\nname = "YSIM"')
    return f'{head}{dialect}\n[[venues]]\nname = "YSIM"{tail}'


def demanding(text: str) -> str:
    """XSIM's configuration: who may log on, and what each message has to have."""
    tags = '{ tag = 1, msg_types = ["D"] }, { tag = 9001, msg_types = ["D", "F", "G"] }'
    wanted = f'begin_string = "FIX.4.4"\nusername = "gw"\npassword = "{PASSWORD}"\nrequired = [{tags}]'
    quiet = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crowd = "))
    return quiet.replace('begin_string = "FIX.4.4"', wanted)


@contextmanager
def stack_with_history(folder: Path) -> Iterator[Stack]:
    """A stack with a little history: a part-filled order and the one that filled it, a refusal, a stray report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, PASSWORD)
        with running_stack(folder, {"gateway": with_dialect, "XSIM": demanding}) as stack:
            asyncio.run(make_history(stack))
            yield stack


async def make_history(stack: Stack) -> None:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        await session_is_up(gateway)
        rest = await send(gateway, "rest", Side.SELL, 100, account="ACC1", strategy="maker")
        await rest.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
        take = await send(gateway, "take", Side.BUY, 40, account="ACC2", strategy="taker")
        await take.done(timeout_s=WAIT_S)
        await rest.wait_for(lambda order: order.cum_qty == 40, timeout_s=WAIT_S)
        with pytest.raises(Refused):
            await send(gateway, "off-tick", Side.BUY, 1, price="100.001")
    with ControlClient(f"127.0.0.1:{stack.control_ports['XSIM']}") as venue:
        fields = {"37": "STRAY-1", "11": "nobody", "17": "STRAY-E1", "150": "0", "39": "0", "55": "ACME", "54": "1"}
        fields |= {"38": "5", "151": "5", "14": "0", "6": "0"}
        venue.do("send", msg_type="8", fields=[[int(tag), value] for tag, value in fields.items()])
    until(lambda: ctl_json(stack, "overview")["set_aside"] == "1")


async def session_is_up(gateway: GatewayClient) -> None:
    """An order to each venue is taken: until its session is up, each try is refused and spends its key."""
    for venue in ("XSIM", "YSIM"):
        number = 0
        while True:
            try:
                probe = await send(gateway, f"probe-{venue}-{number}", Side.BUY, 1, price="1", venue=venue)
            except Refused as refused:
                if refused.reason not in NOT_YET:
                    raise
                number += 1
            else:
                await probe.cancel()
                await probe.done(timeout_s=WAIT_S)
                break


async def send(
    gateway: GatewayClient, key: str, side: Side, order_qty: int, *, price: str = "100.10", **fields: Any
) -> OrderHandle:
    return await gateway.submit(
        symbol="ACME", side=side, order_qty=order_qty, ord_type=OrdType.LIMIT, price=price, cl_ord_id=key, **fields
    )


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str


def run(program: str, *arguments: str) -> Done:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {VARIABLE: PASSWORD, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    code = f"import sys; sys.argv[0] = {program!r}; from {PROGRAMS[program]} import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
    return Done(ended.returncode, ended.stdout, ended.stderr)


def ctl(stack: Stack, *arguments: str) -> str:
    """What gatewayctl prints when all is well."""
    done = run("gatewayctl", *arguments, "--address", stack.api_address)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def ctl_json(stack: Stack, *arguments: str) -> Any:
    return json.loads(ctl(stack, *arguments, "--json"))


def ctl_lines(stack: Stack, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in ctl(stack, *arguments, "--json").splitlines()]


def until(holds: Callable[[], bool]) -> None:
    """Ask again until it holds."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline


def the_session(stack: Stack, venue: str) -> dict[str, Any]:
    (found,) = [each for each in ctl_json(stack, "sessions")["sessions"] if each["venue"] == venue]
    return dict(found)


async def buy(stack: Stack, symbol: str, venue: str) -> OrderHandle:
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID) as gateway:
        return await gateway.submit(
            symbol=symbol, venue=venue, side=Side.BUY, order_qty=10, ord_type=OrdType.LIMIT, price="1"
        )


def journal(stack: Stack, *arguments: str) -> str:
    done = run("gateway", "journal", *arguments, "--config", str(stack.gateway_config))
    assert (done.code, done.err) == (0, ""), done
    return done.out
