"""One stack with a mined gateway, the client's own account of it, and what must hold when it is over."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from gateway.adapters.journal import SqlJournal
from gateway.client import GatewayClient, Order, OrderHandle
from gateway.core.events import Record
from gateway.pb.v1 import gateway_pb2 as pb
from gateway.pb.v1 import gateway_pb2_grpc
from ops.crash.books import Books
from ops.stack import Stack, tail
from sim_exchange.control import ControlClient
from tests.e2e.hard import WAIT_S, control, ended, state_of, until, without_doubt, working
from tests.e2e.stack import CLIENT_ID, without_crowd

ME = (("client-id", CLIENT_ID),)
RECOVERY_S = 30
"""Recovery ends within 30 seconds (crash_points.md)."""

Command = pb.SubmitOrderRequest | pb.ReplaceOrderRequest | pb.CancelOrderRequest


def an_order(cl_ord_id: str) -> pb.SubmitOrderRequest:
    """An order that nobody trades with."""
    return pb.SubmitOrderRequest(
        cl_ord_id=cl_ord_id,
        symbol="ACME",
        side=pb.SIDE_BUY,
        order_qty="10",
        ord_type=pb.ORD_TYPE_LIMIT,
        time_in_force=pb.TIME_IN_FORCE_DAY,
        price="89.00",
    )


class Rig:
    """A stack whose gateway dies at one point, and the account that its client keeps all the while."""

    def __init__(self, stack: Stack, gateway: GatewayClient, shim: Path) -> None:
        self.stack = stack
        self.gateway = gateway
        self.books = Books([CLIENT_ID], {name: stack.ledger(name) for name in stack.venues})
        self._shim = shim

    # --- Dying and coming back ---

    def mine(self, point: str, armed: int = 0, words: tuple[str, ...] = ("serve",)) -> None:
        """The next gateway is to end at this point: from `arm` on, or, with `armed`, at that passage from its start."""
        at = self.stack.folder / "crash-at"
        at.unlink(missing_ok=True)
        self.stack.gateway = self.stack.gateway_by(
            "tests.crash.armed", {"CRASH_POINT": point, "CRASH_AT": str(at), "LD_PRELOAD": str(self._shim)}, words
        )
        if armed:
            at.write_text(str(armed))

    def arm(self, passage: int = 1) -> None:
        """From here on passages count."""
        ready = self.stack.folder / "crash-at.new"
        ready.write_text(str(passage))
        ready.replace(self.stack.folder / "crash-at")

    async def dies(self) -> None:
        """Wait for the gateway to die at its point, and by nothing else."""
        code = await asyncio.to_thread(ended, self.stack.gateway)
        assert code == -signal.SIGKILL, tail(self.stack.gateway.log)
        self.stack.gateway.stop()

    async def restarts(self) -> None:
        """The gateway as it is, on what was left; it is ready within the time of the invariant."""
        self.stack.gateway = self.stack.gateway_by("gateway.cli.server")
        self.stack.gateway.launch()
        await asyncio.to_thread(self.stack.gateway.wait_ready, RECOVERY_S)

    async def venue_restarts(self, venue: str = "XSIM") -> None:
        self.stack.venues[venue].launch()
        await asyncio.to_thread(self.stack.venues[venue].wait_ready)

    # --- What the client does ---

    async def ask(self, command: Command) -> pb.CommandReply | grpc.StatusCode:
        """One call, never repeated: the reply, or why there is none."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.stack.api_address, options=options) as channel:
            orders: Any = gateway_pb2_grpc.OrderServiceStub(channel)  # type: ignore[no-untyped-call]
            method = {
                pb.SubmitOrderRequest: orders.SubmitOrder,
                pb.ReplaceOrderRequest: orders.ReplaceOrder,
                pb.CancelOrderRequest: orders.CancelOrder,
            }[type(command)]
            try:
                reply: pb.CommandReply = await method(command, metadata=ME, timeout=WAIT_S)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return reply

    async def lost(self, command: Command) -> None:
        """A command whose sender hears nothing, because the gateway dies."""
        assert await self.ask(command) is grpc.StatusCode.UNAVAILABLE
        await self.dies()

    async def base(self, price: str = "90.00", **order: Any) -> OrderHandle:
        """An order that works at the venue, as soon as it takes orders."""
        return await working(self.gateway, price, **order)

    async def order(self, cl_ord_id: str) -> Order:
        return (await self.gateway.get_order(cl_ord_id=cl_ord_id)).order

    async def up(self) -> None:
        """Wait until the session to XSIM takes orders again."""
        handle = await self.base("80.00")
        await handle.cancel()
        await handle.done(timeout_s=WAIT_S)

    async def becomes(self, cl_ord_id: str, holds: Callable[[Order], bool]) -> Order:
        async with asyncio.timeout(WAIT_S):
            while not holds(order := await self.order(cl_ord_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # The order is the gateway's; it is asked again.
        return order

    # --- What is there ---

    def records(self, *kinds: type) -> list[Record]:
        """The journal's records with events of these kinds, or all."""
        records = SqlJournal(self.stack.journal_url).read()
        return [record for record in records if not kinds or isinstance(record.event, kinds)]

    def venue(self) -> ControlClient:
        return control(self.stack)

    async def agrees(self, *besides: str) -> None:
        """The three accounts, once nothing is on its way; `besides` are lines expected to be found."""
        await without_doubt(self.gateway)
        mine, kept = self.books.clients[CLIENT_ID], self.books.journal
        journal = SqlJournal(self.stack.journal_url)

        def was_told() -> bool:
            self.books.read(journal.read(kept.seq + 1))
            return mine.seqs[-1:] == kept.seqs[CLIENT_ID][-1:]

        await until(was_told)
        found = self.books.at_rest()
        wrong = [line for line in found.lines() if not any(name in line for name in besides)]
        assert not wrong, "\n".join(wrong)
        assert not state_of(self.stack).disputed

    async def _listen(self) -> None:
        async for event in self.gateway.events(from_seq=1):
            self.books.clients[CLIENT_ID].take(event)


@asynccontextmanager
async def rigged(
    folder: Path,
    shim: Path,
    point: str,
    edit: Mapping[str, Callable[[str], str]] | None = None,
    journal_url: str = "",
) -> AsyncIterator[Rig]:
    """A running stack with a mine at a point, not armed yet; its journal is in SQLite where no URL is given."""
    quiet: dict[str, Callable[[str], str]] = dict.fromkeys(("XSIM", "YSIM"), without_crowd)
    stack = Stack(folder, quiet | dict(edit or {}), journal_url=journal_url)
    client = GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=60)
    rig = Rig(stack, client, shim)
    if point:
        rig.mine(point)
    with stack:
        async with client:
            listening = asyncio.create_task(rig._listen())
            try:
                yield rig
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
