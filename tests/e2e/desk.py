"""A trader, an operator and a hand on the venue, at one stack: for what our books and the venue's say of each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import urlopen

from typer.testing import CliRunner

from gateway.cli import ctl
from gateway.cli.ctl_api import Api
from gateway.client import EventType, GatewayClient, Order, OrderHandle
from gateway.core import events as ev
from gateway.pb.v1 import gateway_pb2 as pb
from ops.stack import Stack
from sim_exchange.control import ControlClient
from tests.e2e.hard import WAIT_S, events_of, told, until, working
from tests.e2e.stack import CLIENT_ID, OPERATOR_ID

MANUAL = """
[[instruments]]
symbol = "DESK"
venue_symbols = { XSIM = "DESK" }
tick_size = 0.01
lot_size = 1
currency = "EUR"
reference_px = 10
"""
"""The instrument that XSIM works by hand, for the gateway's configuration."""


class Desk:
    """Orders at a venue that does what the test says."""

    def __init__(self, stack: Stack, gateway: GatewayClient, api: Api, control: ControlClient, venue: str) -> None:
        self.stack, self.gateway, self.api, self.venue = stack, gateway, api, venue
        self._control = control

    def do(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Have the venue do something."""
        return dict(self._control.do(action, **arguments))

    def said(self, msg_type: str, count: int = 1) -> None:
        """Wait until the venue got that many messages of this MsgType(35)."""
        self._control.wait("received", msg_type=msg_type, count=count, timeout_s=WAIT_S)

    async def working(self, **order: Any) -> tuple[OrderHandle, str]:
        """An acknowledged order, and what the venue calls it."""
        handle = await working(self.gateway, **order)
        return handle, await self.name(handle)

    async def name(self, handle: OrderHandle) -> str:
        """What the venue calls an order."""
        return (await self.gateway.get_order(cl_ord_id=handle.cl_ord_id)).requests[0].venue_cl_ord_id

    async def order(self, handle: OrderHandle) -> Order:
        """How it stands."""
        return (await self.gateway.get_order(cl_ord_id=handle.cl_ord_id)).order

    async def compared(self) -> None:
        """Have everything compared, and wait for the end of it; it is asked for again where an answer came too late."""
        async with asyncio.timeout(WAIT_S):
            while True:
                asked = self.api.administer(pb.ReconcileRequest(venue=self.venue, reason="a test"))
                await told(self.stack, EventType.RECONCILIATION_ENDED, from_seq=asked.seq, venue=self.venue)
                ends = [each for each in events_of(self.stack, ev.ReconciliationEnded) if each.venue == self.venue]
                if ends[-1].complete:
                    return

    # --- Items --------------------------------------------------------------------------------------------------------

    def items(self, kind: str, order_id: str = "") -> list[pb.Item]:
        """The open ones of this kind, of one order or of all."""
        found = self.api.items(self.venue).items
        return [item for item in found if item.kind == kind and order_id in ("", item.order_id)]

    async def item(self, kind: str, order_id: str = "") -> pb.Item:
        """Wait for one."""
        await until(lambda: bool(self.items(kind, order_id)))
        return self.items(kind, order_id)[0]

    async def closed(self, item: pb.Item) -> ev.ItemResolved:
        """Wait until it is no longer open; what the journal says of its end."""
        await until(lambda: item.item_id not in {each.item_id for each in self.api.items("").items})
        (event,) = [each for each in events_of(self.stack, ev.ItemResolved) if each.item_id == item.item_id]
        assert isinstance(event, ev.ItemResolved)
        return event

    def raised(self, kind: str, order_id: str) -> list[ev.ItemRaised]:
        """All that the journal has of this kind about an order, open or not."""
        return [
            event
            for event in events_of(self.stack, ev.ItemRaised)
            if (event.kind.value, event.order_id) == (kind, order_id)
        ]

    # --- What an operator sees ----------------------------------------------------------------------------------------

    def ctl(self, *arguments: str) -> str:
        """What `gatewayctl` prints."""
        return self._run(0, arguments)

    def refused(self, *arguments: str) -> str:
        """What it prints when the gateway says no."""
        return self._run(1, arguments)

    def _run(self, exit_code: int, arguments: tuple[str, ...]) -> str:
        command = [*arguments, "--address", self.stack.api_address, "--client-id", OPERATOR_ID]
        done = CliRunner().invoke(ctl.app, command, env={"COLUMNS": "200"})
        assert done.exit_code == exit_code, done.output
        return done.output

    def metric(self, name: str) -> float:
        """One figure, by its name and labels."""
        return self.metrics()[name]

    def metrics(self) -> dict[str, float]:
        """All figures, by their names and labels."""
        with urlopen(f"http://127.0.0.1:{self.stack.metrics_port}/metrics", timeout=WAIT_S) as page:
            lines = [line.rpartition(" ") for line in page.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def session_open(self) -> bool:
        """Whether new orders may go to the venue."""
        return next(each.order_entry_open for each in self.api.sessions().sessions if each.venue == self.venue)


@asynccontextmanager
async def desk_at(stack: Stack, venue: str = "XSIM") -> AsyncIterator[Desk]:
    """A desk; what it armed at the venue is disarmed afterwards."""
    async with GatewayClient(stack.api_address, client_id=CLIENT_ID, timeout_s=WAIT_S) as gateway:
        with (
            Api(stack.api_address, OPERATOR_ID) as api,
            ControlClient(f"127.0.0.1:{stack.control_ports[venue]}") as control,
        ):
            yield Desk(stack, gateway, api, control, venue)
            control.do("clear_faults")
