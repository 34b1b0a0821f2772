"""The floor of gRPC: answers each order at once with an OrderAcknowledged, each cancel with an OrderCanceled.

    python -m tests.bench.peers.echo --listen 127.0.0.1:7001
    python -m tests.bench.peers.echo --listen unix:/tmp/echo.sock

What a client sees of it is what grpc.aio costs on both ends, with the gateway's own messages.
"""

import argparse
import asyncio
from typing import Any

import grpc

from gateway.pb.v1 import gateway_pb2 as pb
from tests.bench.peers import running

_EVENT = b"\x12%c\x18%c\x2a%c%s"
"""An event of a TradeResponse: its type and its ClOrdID(11). Built so, it costs a third of what the objects do."""


def answer(data: bytes) -> bytes:
    """An encoded TradeResponse with one event for each command of an encoded TradeRequest."""
    request = pb.TradeRequest.FromString(data)
    events = b"".join([_event(command) for command in request.commands])
    if request.HasField("subscribe"):
        return events + pb.TradeResponse(next_seq=1).SerializeToString()
    return events


def _event(command: pb.Command) -> bytes:
    kind, key = pb.ORDER_ACKNOWLEDGED, command.submit_order.cl_ord_id
    if not key:
        kind, key = pb.ORDER_CANCELED, command.cancel_order.cl_ord_id
    # ClOrdIDs have 36 characters at most, as with the gateway, so that each length is one byte.
    text = key.encode()
    return _EVENT % (len(text) + 4, kind, len(text), text)


async def _trade(_requests: Any, context: Any) -> None:
    while (data := await context.read()) is not grpc.aio.EOF:
        await context.write(answer(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT|unix:PATH")
    given = parser.parse_args()

    async def program(stop: asyncio.Event) -> None:
        await running.serve(given.listen, _trade, stop)

    running.run(program)


if __name__ == "__main__":
    main()
