"""The naive bridge: grpc.aio on one side, QuickFIX on the other, in one process, and as little as can be between them.

    python -m tests.bench.peers.bridge --listen 127.0.0.1:7001 --venue-port 9001 --sender BRIDGE --target XSIM --dir D

It speaks the gateway's own Trade stream. A command becomes a FIX message under the client's own ClOrdID(11), sent from
the event loop; an ExecutionReport(35=8) becomes an event for the client that sent the order. There is no journal, no
risk check, no order and no resuming: a dictionary from ClOrdID to stream is all its state, with the instrument that a
cancel has to name. It is written for speed as far as Python lets one: what the FIX thread received is handed over in
one go, answers and events that wait for a stream leave in one message, and encoded responses are joined and not built
again.
"""

import argparse
import asyncio
from collections import deque
from typing import Any

import grpc

from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.peers import fix_session, running
from tests.bench.peers.fix_session import SOH, Clock, FixSession

# By ExecType(150); what says nothing new to a client, such as A (pending new), is not here.
_EVENT_TYPES = {
    "0": pb.ORDER_ACKNOWLEDGED,
    "F": pb.ORDER_FILLED,
    "8": pb.ORDER_REJECTED,
    "4": pb.ORDER_CANCELED,
    "C": pb.ORDER_EXPIRED,
    "3": pb.ORDER_DONE_FOR_DAY,
}
_ENDED = frozenset("2348C")
"""OrdStatus(39) after which nothing more comes."""
_PARTS_PER_MESSAGE = 256


class Outbox:
    """What one stream is to be sent. Encoded TradeResponses one after the other are one TradeResponse."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._parts: list[bytes] = []
        self._awake = asyncio.Event()

    def put(self, part: bytes) -> None:
        """Send an encoded TradeResponse, with others if they come fast."""
        self._parts.append(part)
        self._awake.set()

    async def run(self) -> None:
        """Write until canceled."""
        while True:
            await self._awake.wait()
            part = b"".join(self._parts[:_PARTS_PER_MESSAGE])
            del self._parts[:_PARTS_PER_MESSAGE]
            if not self._parts:
                self._awake.clear()
            await self._context.write(part)


class Bridge:
    """Streams on one side, the FIX session on the other."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._loop = asyncio.get_running_loop()
        self._up = asyncio.Event()
        self._fix = FixSession(given, self._logged_on, self._received)
        self._now = Clock()
        self._known: dict[str, tuple[Outbox, str]] = {}
        self._reports: deque[str] = deque()
        self._woken = False
        self._seq = 0

    async def run(self, address: str, stop: asyncio.Event) -> None:
        """Log on, then serve until told to stop."""
        self._fix.start()
        try:
            await self._up.wait()
            await running.serve(address, self._trade, stop)
        finally:
            self._fix.stop()

    # --- Orders out ---

    async def _trade(self, _requests: Any, context: Any) -> None:
        outbox = Outbox(context)
        writer = asyncio.create_task(outbox.run())
        try:
            while (data := await context.read()) is not grpc.aio.EOF:
                outbox.put(self._take(data, outbox))
        finally:
            writer.cancel()
            self._known = {key: known for key, known in self._known.items() if known[0] is not outbox}

    def _take(self, data: bytes, outbox: Outbox) -> bytes:
        """Send what an encoded TradeRequest asks for; the encoded replies."""
        request = pb.TradeRequest.FromString(data)
        response = pb.TradeResponse()
        for command in request.commands:
            key, sent = self._send(command, outbox)
            reply = response.replies.add(cl_ord_id=key)
            if sent:
                reply.reply.cl_ord_id = key
            else:
                reply.error.code = grpc.StatusCode.UNAVAILABLE.value[0]
        if request.HasField("subscribe"):
            response.next_seq = self._seq + 1
        return response.SerializeToString()

    def _send(self, command: pb.Command, outbox: Outbox) -> tuple[str, bool]:
        """The key of a command, and whether it went out."""
        if command.HasField("submit_order"):
            order = command.submit_order
            key, instrument = order.cl_ord_id, f"55={order.symbol}{SOH}54={order.side}{SOH}"
            body = new_order_single(order, instrument, self._now())
        else:
            cancel = command.cancel_order
            key, (_, instrument) = cancel.cl_ord_id, self._known.get(cancel.orig_cl_ord_id, (None, ""))
            body = f"35=F{SOH}41={cancel.orig_cl_ord_id}{SOH}11={key}{SOH}{instrument}60={self._now()}{SOH}"
        if not instrument:
            return key, False
        self._known[key] = outbox, instrument
        return key, self._fix.send(body)

    # --- Reports in ---

    def _logged_on(self) -> None:
        self._loop.call_soon_threadsafe(self._up.set)

    def _received(self, text: str) -> None:
        """In QuickFIX's thread: the loop is woken once for all that wait."""
        self._reports.append(text)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._woken = False
        responses: dict[Outbox, pb.TradeResponse] = {}
        while self._reports:
            self._report(self._reports.popleft(), responses)
        for outbox, response in responses.items():
            response.next_seq = self._seq + 1
            outbox.put(response.SerializeToString())

    def _report(self, text: str, responses: dict[Outbox, pb.TradeResponse]) -> None:
        fields = dict([piece.split("=", 1) for piece in text[:-1].split(SOH)])
        event_type = _EVENT_TYPES.get(fields.get("150", ""))
        key = fields.get("11", "")
        if event_type is None or key not in self._known:
            return
        outbox = self._known[key][0]
        if fields["39"] in _ENDED:
            del self._known[key]
            self._known.pop(fields.get("41", ""), None)
        response = responses.get(outbox)
        if response is None:
            response = responses[outbox] = pb.TradeResponse()
        self._seq += 1
        response.events.add(
            seq=self._seq,
            type=event_type,
            cl_ord_id=key,
            exec_id=fields.get("17"),
            last_qty=fields.get("32"),
            last_px=fields.get("31"),
            text=fields.get("58"),
            symbol=fields.get("55"),
        )


def new_order_single(order: pb.SubmitOrderRequest, instrument: str, now: str) -> str:
    """The body of the message. OrdType(40) has the API's numbers, TimeInForce(59) counts from 0 there."""
    account = f"1={order.account}{SOH}" if order.account else ""
    price = f"44={order.price}{SOH}" if order.price else ""
    return (
        f"35=D{SOH}11={order.cl_ord_id}{SOH}{account}21=1{SOH}{instrument}60={now}{SOH}38={order.order_qty}{SOH}"
        f"40={order.ord_type}{SOH}59={max(order.time_in_force - 1, 0)}{SOH}{price}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT|unix:PATH")
    fix_session.add_arguments(parser)
    given = parser.parse_args()

    async def program(stop: asyncio.Event) -> None:
        await Bridge(given).run(given.listen, stop)

    running.run(program)


if __name__ == "__main__":
    main()
