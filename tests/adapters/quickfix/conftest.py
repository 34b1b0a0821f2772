"""A gateway of one link: what it is told, and what it tells."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.quickfix import QuickFixLink
from gateway.config import VenueConfig
from gateway.core.events import Cause, Event, Input, OrderRouted, OrderView, Record, SessionLoggedOn, Terms
from gateway.core.instruments import Instrument
from gateway.core.reports import SessionUp
from gateway.core.types import OrdStatus, OrdType, Side
from gateway.runtime.ports import Known
from ops.stack import free_port
from tests.adapters.quickfix.peers import Acceptor, RawVenue, wait_until

INSTRUMENTS = {
    "ACME": Instrument("ACME", {"XSIM": "ACM.N"}, "XSIM", Decimal("0.01"), Decimal(1), "USD"),
}


def view(**changes: Any) -> OrderView:
    base: dict[str, Any] = {
        "order_id": "1",
        "client_id": "alice",
        "cl_ord_id": "a1",
        "symbol": "ACME",
        "venue": "XSIM",
        "side": Side.BUY,
        "ord_type": OrdType.LIMIT,
        "terms": Terms(Decimal(100), price=Decimal("10.5")),
        "ord_status": OrdStatus.PENDING_NEW,
        "cum_qty": Decimal(0),
        "leaves_qty": Decimal(100),
        "avg_px": Decimal(0),
        "account": "house",
    }
    return OrderView(**(base | changes))


class Gateway:
    """A link with the least of a gateway around it: facts become committed records one by one, in order."""

    def __init__(self, folder: Path, config: VenueConfig, **options: Any) -> None:
        self.config = config
        self.facts: list[Input] = []
        self.fatal: list[BaseException] = []
        self.committing = True
        self.committed = 0
        self.seq = 0
        self.link = QuickFixLink(
            config,
            INSTRUMENTS,
            folder,
            wake=lambda: None,
            fatal=self.fatal.append,
            **{"now_ns": time.time_ns} | options,
        )

    def start(self, committed: int = 0, floor: int = 0, unanswered: Sequence[str] = ()) -> "Gateway":
        self.link.start(Known(committed, floor, floor, tuple(unanswered)))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            threading.Thread(target=self._tend, daemon=True).start()
        return self

    def _tend(self) -> None:
        """What the loop's timer does, where a test has no loop."""
        while not self.link._stopped:
            self.link.tend()
            time.sleep(0.01)

    def turn(self) -> None:
        """What the loop does: take facts, commit them."""
        for given in self.link.drain(100):
            self.facts.append(given)
            if self.committing:
                self.commit(given)

    def commit(self, given: Input) -> None:
        event: Any = given.body
        if isinstance(event, SessionUp):
            event = SessionLoggedOn(event.venue, event.reset, event.logon_seq_num, event.unexpected)
        self.act(event, cause=given.cause)

    def act(self, event: Event | Any, order: OrderView | None = None, cause: Cause | None = None) -> None:
        self.seq += 1
        self.link.act(Record(self.seq, time.time_ns(), cause or Cause("client", "alice"), event, order))

    def order(self, cl_ord_id: str, **changes: Any) -> None:
        self.act(OrderRouted("1", "XSIM", cl_ord_id), view(**changes))

    def bodies(self, kind: type) -> list[Any]:
        self.turn()
        return [given.body for given in self.facts if isinstance(given.body, kind)]

    def wait_for(self, kind: type, count: int = 1, where: Callable[[Any], bool] = lambda _body: True) -> Any:
        def there() -> list[Any]:
            found = [body for body in self.bodies(kind) if where(body)]
            return found if len(found) >= count else []

        return wait_until(there, f"{count} {kind.__name__}")[count - 1]

    def input_of(self, body: Any) -> Input:
        return next(given for given in self.facts if given.body is body)


def venue_config(port: int, begin_string: str = "FIX.4.4", **changes: Any) -> VenueConfig:
    base: dict[str, Any] = {
        "name": "XSIM",
        "begin_string": begin_string,
        "host": "127.0.0.1",
        "port": port,
        "sender_comp_id": "GW",
        "target_comp_id": "VENUE",
        "reconnect_interval_s": 1,
    }
    if begin_string != "FIX.4.2":
        # FIX 4.2 has no tags for them: a venue that wants them agrees on it, and QuickFIX's dictionary knows nothing.
        base |= {"username": "gw-user", "password": "s3cret"}
    return VenueConfig(**(base | changes))


Gateways = Callable[..., Gateway]
Acceptors = Callable[[str], tuple[Acceptor, int]]


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    """Makes gateways, and stops them at the end."""
    made: list[Gateway] = []

    def make(config: VenueConfig, **options: Any) -> Gateway:
        made.append(Gateway(tmp_path / "gateway", config, **options))
        return made[-1]

    yield make
    for each in made:
        each.link.stop()


@pytest.fixture
def acceptors(tmp_path: Path) -> Iterator[Acceptors]:
    made: list[Acceptor] = []

    def make(begin_string: str) -> tuple[Acceptor, int]:
        port = free_port()
        made.append(Acceptor(begin_string, port, tmp_path / "venue").start())
        return made[-1], port

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def venue(gateways: Gateways) -> Iterator[RawVenue]:
    """A venue that goes away before the gateways do, so that none waits for the answer to its logout."""
    it = RawVenue()
    yield it
    it.close()
