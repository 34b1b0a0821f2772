"""How a peer runs: on uvloop, its objects frozen, the GIL handed over fast, as the gateway does; and until SIGTERM."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import uvloop

Handler = Callable[[Any, Any], Awaitable[None]]
"""Serves one Trade stream, by the read and write of its context."""

SWITCH_INTERVAL_S = 0.0001


def run(program: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `program` until it ends; SIGTERM and SIGINT set the event that it is given."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_until_told(program))


async def _until_told(program: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await program(stop)


async def serve(address: str, handler: Handler, stop: asyncio.Event) -> None:
    """Serve OrderService/Trade with raw bytes on `address`, say so on stdout, and end when `stop` is set."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    methods = {"Trade": grpc.stream_stream_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gateway.v1.OrderService", methods),))
    server.add_insecure_port(address)
    await server.start()
    say_ready()
    await stop.wait()
    await server.stop(0.1)


def say_ready() -> None:
    """Everything is made: what there is now no collection of garbage looks at any more."""
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
