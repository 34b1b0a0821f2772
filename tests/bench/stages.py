"""One order through every part that has to do with it, in the order of its life: what `codec.py` times and `work.py`
counts, on the same messages.

A request comes in as protobuf, is decided, sealed for the journal, written as FIX; the venue's acknowledgement and fill
come back, are decided, and the events go out. The firm has limits of every control (`tests.bench.risk`), and other
orders are open.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from gateway.codec import journal
from gateway.codec.fix import FIX44, Dialect, Encoder, decode
from gateway.codec.fix.times import utc_timestamp
from gateway.codec.proto import commands
from gateway.codec.proto.events import event_to_pb
from gateway.codec.proto.wire import framed
from gateway.core import engine
from gateway.core.commands import SubmitOrder
from gateway.core.events import Cause, Event, Input, OrderRouted, Record
from gateway.core.reports import ExecutionReport, ProcessStarted, SessionUp
from gateway.core.risk import events as re
from gateway.core.risk import exposure
from gateway.core.state import State
from gateway.core.types import ExecType, OrdStatus
from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.risk import INSTRUMENT, SETTINGS, START_NS, VENUES, orders, setup

CLIENT, ACCOUNT, SYMBOL, VENUE = "C3", "A3", "I7", VENUES[0]
SOH = "\x01"
DIALECT = Dialect(VENUE, FIX44, symbols={name: name for name in INSTRUMENT})
ENCODER = Encoder(DIALECT)
_SETTINGS = msgspec.structs.replace(SETTINGS, risk=setup())

T = TypeVar("T")


class Run(Protocol):
    """Runs one stage of a life, and gives what it gives."""

    def __call__(self, stage: str, work: Callable[[], T], /) -> T: ...


class Life(NamedTuple):
    """What one order left behind: its request as protobuf, the records, the FIX messages."""

    request: bytes
    submitted: list[Record]
    order: str
    acknowledgement: str
    acknowledged: list[Record]
    fill: str
    filled: list[Record]


class Core:
    """A core that orders live in, one after the other."""

    def __init__(self, open_orders: int = 0) -> None:
        self.state = State()
        self._inbound = self._number = 0
        self.give(ProcessStarted("1"), Cause("process"))
        for venue in VENUES:
            self.give(SessionUp(venue), Cause("venue", venue))
        self._apply(re.MarksSet(tuple([re.Mark(symbol, Decimal("100.5")) for symbol in INSTRUMENT])))
        source = orders()
        for _ in range(open_orders):
            self._rest(next(source))

    def give(self, body: object, cause: Cause) -> list[Record]:
        """Have an input decided, applied and recorded."""
        return engine.execute(self.state, _SETTINGS, Input(self._now_ns(), cause, body))

    def live(self, run: Run) -> Life:
        """Have the next order live its life; `run` is called for every stage of it."""
        self._number += 1
        request = _request(self._number)
        command = run("protobuf: command in", lambda: _command(request))
        submitted = run("core: order", lambda: self.give(command, Cause("client", CLIENT)))
        self._settle(run)
        batch = run("journal: order sealed", lambda: journal.seal(journal.Link(submitted[0].seq - 1), 1, submitted))
        run("journal: order read", lambda: journal.unseal_told(journal.Link(batch.first_seq - 1), batch))
        body = run("FIX: order out", lambda: ENCODER.encode(submitted[-1]))
        acknowledgement = self._report(submitted[-1], ExecType.NEW)
        acknowledged = self._hear(run, "acknowledgement", acknowledgement)
        fill = self._report(submitted[-1], ExecType.TRADE)
        filled = self._hear(run, "fill", fill)
        return Life(request, submitted, body, acknowledgement, acknowledged, fill, filled)

    def _hear(self, run: Run, name: str, raw: str) -> list[Record]:
        said = run(f"FIX: {name} in", lambda: decode(raw, DIALECT))
        cause = Cause("venue", VENUE, self._inbound)
        records = run(f"core: {name}", lambda: self.give(said.fact, cause))
        self._settle(run)
        run(f"protobuf: {name} out", lambda: framed(event_to_pb(records[0])))
        return records

    def _settle(self, run: Run) -> None:
        """What the sequencer does when it has released what was decided."""
        run("core: totals", lambda: exposure.settle(self.state))

    def _rest(self, command: SubmitOrder) -> None:
        routed = self.give(command, Cause("client", command.client_id))[-1].event
        assert isinstance(routed, OrderRouted), routed
        key, number = routed.venue_cl_ord_id, self._next_inbound()
        said = ExecutionReport(VENUE, ExecType.NEW, OrdStatus.NEW, f"A{number}", cl_ord_id=key, trade_date="20260105")
        self.give(said, Cause("venue", VENUE, number))
        exposure.settle(self.state)

    def _apply(self, event: Event) -> None:
        engine.apply(self.state, event, self._now_ns(), Cause("process"))

    def _now_ns(self) -> int:
        return START_NS + self.state.seq * 1_000_000

    def _next_inbound(self) -> int:
        self._inbound += 1
        return self._inbound

    def _report(self, routed: Record, exec_type: ExecType) -> str:
        """An ExecutionReport(35=8) with the fields that venues send, as it comes from the wire."""
        assert isinstance(routed.event, OrderRouted)
        assert routed.order is not None
        terms, number = routed.order.terms, self._next_inbound()
        filled = exec_type is ExecType.TRADE
        cum_qty, leaves_qty = (terms.order_qty, 0) if filled else (0, terms.order_qty)
        now = utc_timestamp(self._now_ns())
        last = f"32={cum_qty}{SOH}31={terms.price}{SOH}" if filled else ""
        return framed_fix(
            f"35=8{SOH}34={number}{SOH}49={VENUE}{SOH}52={now}{SOH}56=GATEWAY{SOH}37=V{routed.order.order_id}{SOH}"
            f"11={routed.event.venue_cl_ord_id}{SOH}17=E{number}{SOH}150={exec_type.value}{SOH}39={2 if filled else 0}"
            f"{SOH}1={ACCOUNT}{SOH}55={SYMBOL}{SOH}54=1{SOH}38={terms.order_qty}{SOH}40=2{SOH}44={terms.price}{SOH}"
            f"59=0{SOH}{last}151={leaves_qty}{SOH}14={cum_qty}{SOH}6={terms.price if filled else 0}{SOH}60={now}{SOH}"
        )


def framed_fix(body: str) -> str:
    """A body as a whole message, with BodyLength(9) and CheckSum(10)."""
    text = f"8={FIX44}{SOH}9={len(body)}{SOH}{body}"
    return f"{text}10={sum(text.encode()) % 256:03}{SOH}"


def _request(number: int) -> bytes:
    """Small, so that no limit is ever near; no two are alike for long, and none trades with an order that is open."""
    asked = pb.SubmitOrderRequest(
        cl_ord_id=f"probe-{number:06}",
        symbol=SYMBOL,
        side=pb.SIDE_BUY,
        order_qty=str(1 + number % 9),
        ord_type=pb.ORD_TYPE_LIMIT,
        price=f"100.{number % 50:02}",
        account=ACCOUNT,
        strategy="S2",
    )
    return pb.TradeRequest(commands=[pb.Command(submit_order=asked)]).SerializeToString()


def _command(request: bytes) -> object:
    return commands.command(pb.TradeRequest.FromString(request).commands[0], CLIENT, ACCOUNT)
