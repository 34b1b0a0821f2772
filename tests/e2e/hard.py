"""What the tests of hard times ask of a stack: its clients, its journal and its venues' own ledgers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from gateway.adapters.journal import SqlJournal
from gateway.adapters.journal.archive import Archive
from gateway.client import EventType, GatewayClient, Order, OrderHandle, OrdStatus, OrdType, Refused, Side
from gateway.core.state import State
from gateway.runtime.recovery import recover
from ops.stack import Process, Stack
from sim_exchange import ledger
from sim_exchange.control import ControlClient
from tests.e2e.stack import NOT_YET, OPERATOR_ID

WAIT_S = 60


async def accepted(gateway: GatewayClient, price: str = "90.00", **order: Any) -> OrderHandle:
    """An order to buy that was taken, however often the session was still down."""
    usual: dict[str, Any] = {
        "symbol": "ACME",
        "side": Side.BUY,
        "order_qty": 10,
        "ord_type": OrdType.LIMIT,
        "price": price,
    }
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await gateway.submit(**usual | order)
            except Refused as refused:
                if refused.reason not in NOT_YET:
                    raise


async def working(gateway: GatewayClient, price: str = "90.00", **order: Any) -> OrderHandle:
    """The same, acknowledged by the venue."""
    handle = await accepted(gateway, price, **order)
    await handle.wait_for(OrdStatus.NEW, timeout_s=WAIT_S)
    return handle


async def canceled(gateway: GatewayClient, handle: OrderHandle) -> Order:
    """Cancel an order, however often the session was still down."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await handle.cancel()
            except Refused as refused:
                if refused.reason not in NOT_YET:
                    raise
            else:
                return await handle.done(timeout_s=WAIT_S)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something of this process."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


async def without_doubt(gateway: GatewayClient) -> None:
    """Wait until none of the client's orders is in doubt."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if not [order async for order in gateway.list_orders() if order.in_doubt]:
                return
            await asyncio.sleep(0.05)


async def told(stack: Stack, *types: EventType, from_seq: int = 1, venue: str = "") -> int:
    """Wait, as an operator, for an event of one of these types; the sequence number after it."""
    async with GatewayClient(stack.api_address, client_id=OPERATOR_ID, timeout_s=WAIT_S) as operator:
        async with asyncio.timeout(WAIT_S):
            async for event in operator.events(from_seq=from_seq):
                if event.type in types and venue in ("", event.venue):
                    return event.seq + 1
    raise AssertionError


def control(stack: Stack, venue: str = "XSIM") -> ControlClient:
    """A hand on a venue."""
    return ControlClient(f"127.0.0.1:{stack.control_ports[venue]}")


def journal_of(stack: Stack) -> SqlJournal:
    """The gateway's journal, with what was archived of it."""
    return SqlJournal(stack.journal_url, older=Archive(stack.folder / "gateway" / "archive"))


def state_of(stack: Stack) -> State:
    """What the journal comes to."""
    return recover(journal_of(stack))


def events_of(stack: Stack, *kinds: type) -> list[Any]:
    """The journal's events of these kinds."""
    return [record.event for record in journal_of(stack).read() if isinstance(record.event, kinds)]


def received(stack: Stack, msg_type: str) -> Counter[str]:
    """How often each ClOrdID(11) came to the venues in messages of this MsgType(35), repeats included."""
    return Counter(name for name, _ in messages(stack, msg_type))


def messages(stack: Stack, msg_type: str) -> Iterator[tuple[str, str]]:
    """ClOrdID(11) and MsgSeqNum(34) of every message of this MsgType(35) that came to the venues."""
    for venue in stack.venues:
        for line in ledger.read_lines(stack.ledger(venue)):
            if isinstance(line, ledger.Received) and line.msg_type == msg_type:
                fields = dict(field.split("=", 1) for field in line.raw.split("\x01") if "=" in field)
                yield fields["11"], fields["34"]


def sent_twice(stack: Stack) -> list[str]:
    """Orders, cancels and replaces that a venue got under more than one MsgSeqNum(34); there must be none (rule 2).

    One that went out on a connection with a gap before it comes again when the venue asks, as the same message.
    """
    numbers: dict[tuple[str, str], set[str]] = {}
    for msg_type in "DFG":
        for name, number in messages(stack, msg_type):
            numbers.setdefault((msg_type, name), set()).add(number)
    return [name for (_, name), used in numbers.items() if len(used) > 1]


def ended(process: Process) -> int:
    """Wait until a process has ended by itself; its exit code."""
    running = process._process
    assert running is not None
    return running.wait(WAIT_S)
