"""The control protocol: one JSON object a line in, one JSON object a line out, on loopback or a Unix socket.

`Control` answers inside the venue's loop, `ControlClient` asks from anywhere else.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import msgspec

from sim_exchange import desk
from sim_exchange.config import ConfigError, parse_fault
from sim_exchange.enums import Phase
from sim_exchange.exchange import Exchange, Lane, Link
from sim_exchange.ledger import Execution
from sim_exchange.orders import Order, RuleBroken
from sim_exchange.session import Now

MAX_LINE = 1 << 20
MAX_ROWS = 10_000
# How many orders or executions one piece of work looks at, and how many it writes into an answer.
LOOK_SLICE = 10_000
SHOW_SLICE = 500
MAX_SEQ = 10_000_000
MAX_BYTES = 64 << 20
_ENCODER = msgspec.json.Encoder()

Request = dict[str, Any]
Answer = dict[str, Any]
_Kind = TypeVar("_Kind")
_Row = TypeVar("_Row")


class BadRequest(RuleBroken):
    """The request cannot be understood; `args[0]` says what is expected."""


class Control:
    """Answers control requests. `now` reads the clocks, `shutdown` ends the venue, `fail` ends the process at once."""

    def __init__(
        self, exchange: Exchange, now: Callable[[], Now], shutdown: Callable[[], None], fail: Callable[[], None]
    ) -> None:
        self._exchange = exchange
        self._now = now
        self._shutdown = shutdown
        self._fail = fail
        self._changed = asyncio.Event()
        exchange.on_work = self._changed.set
        self._actions: dict[str, Callable[[Request], Answer]] = {
            "ping": self._ping,
            "sessions": self._sessions,
            "stats": self._stats,
            "book": self._book,
            "fault": self._fault,
            "faults": self._faults,
            "clear_faults": self._clear_faults,
            "phase": self._phase,
            "halt": self._halt,
            "resume": self._resume,
            "drop": self._drop,
            "logout": self._logout,
            "set_seq": self._set_seq,
            "send": self._send,
            "bytes": self._bytes,
            "freeze": self._freeze,
            "stop_reading": self._stop_reading,
            "read_again": self._read_again,
            "shutdown": self._stop,
        }
        self._slow: dict[str, Callable[[Request], Awaitable[Answer]]] = {
            "orders": self._orders,
            "executions": self._executions,
            "wait": self._wait,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up or sends a line longer than MAX_LINE."""
        try:
            while line := await reader.readline():
                writer.write(_ENCODER.encode(await self.answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # A line over the limit or a broken connection ends this client only; canceled is who is there when the
            # venue stops, and asyncio's streams print a traceback for each task that ends so.
            pass
        finally:
            writer.close()

    async def answer(self, line: bytes) -> Answer:
        """One request, one answer; what is wrong with the request is said in `error`."""
        try:
            request = _request(line)
            if request["do"] in self._slow:
                return await self._slow[request["do"]](request)
            return {"ok": True} | self._perform(request)
        except RuleBroken as error:
            return {"ok": False, "error": str(error)}
        except Exception:
            self._fail()
            raise

    def _perform(self, request: Request) -> Answer:
        if request["do"] in desk.NAMES:
            action = _convert(request, desk.Action)
            if action.session is not None and self._lane(request).session.name in self._exchange.copies.names:
                raise BadRequest("session: expected a session that takes orders")
            reply = self._exchange.do(lambda: desk.perform(self._exchange.venue, action), self._now())
            return {"report": msgspec.to_builtins(reply)}
        work = self._actions.get(request["do"])
        if work is None:
            known = ", ".join(sorted({*self._actions, *self._slow, *desk.NAMES}))
            raise BadRequest(f"unknown action {request['do']}; expected one of {known}")
        answer = self._exchange.do(lambda: work(request), self._now())
        if not isinstance(answer, dict):
            raise TypeError("an action must answer with an object")
        return answer

    # Looking --------------------------------------------------------------------------------------

    def _ping(self, request: Request) -> Answer:
        _only(request)
        return {"venue": self._exchange.venue.name}

    async def _orders(self, request: Request) -> Answer:
        _only(request, "cl_ord_id", "symbol", "session", "open", "limit")
        venue = self._exchange.venue
        cl_ord_id, symbol, session, wanted = (request.get(key) for key in ("cl_ord_id", "symbol", "session", "open"))
        if cl_ord_id is not None:
            orders = venue.named(_text(request, "cl_ord_id"))
        else:
            orders = venue.open_orders() if wanted is True else list(venue.orders.values())

        def matches(o: Order) -> bool:
            return symbol in (None, o.symbol) and session in (None, o.owner) and wanted in (None, o.open)

        return await _listed("orders", orders, matches, _order_row, _limit(request))

    async def _executions(self, request: Request) -> Answer:
        _only(request, "order_id", "symbol", "session", "limit")
        order_id, symbol, session = (request.get(key) for key in ("order_id", "symbol", "session"))

        def matches(e: Execution) -> bool:
            return order_id in (None, e.order_id) and symbol in (None, e.symbol) and session in (None, e.session)

        executions = list(self._exchange.venue.executions.standing.values())
        return await _listed("executions", executions, matches, msgspec.to_builtins, _limit(request))

    def _sessions(self, request: Request) -> Answer:
        _only(request)
        return {"sessions": [_session_row(lane) for lane in self._exchange.lanes.values()]}

    def _stats(self, request: Request) -> Answer:
        _only(request)
        venue = self._exchange.venue
        return {
            **{key: self._exchange.stats[key] for key in ("received", "sent", "garbled")},
            "orders": len(venue.orders),
            "open_orders": len(venue.open_orders()),
            "executions": len(venue.executions),
            "ledger": str(self._exchange.ledger.path),
        }

    def _book(self, request: Request) -> Answer:
        _only(request, "symbol", "levels")
        instrument = self._exchange.venue.instrument(_text(request, "symbol"))
        market, levels = instrument.market, _whole(request, "levels", 5)
        sides = {
            name: [
                {"px": str(px * instrument.tick), "qty": str(qty * instrument.lot)}
                for px, qty in market.book.depth(side, levels)
            ]
            for name, side in (("bids", 1), ("offers", -1))
        }
        return {"phase": market.phase.value, "last_px": str(market.last_price * instrument.tick), **sides}

    async def _wait(self, request: Request) -> Answer:
        """Wait until so many messages of a kind were received or sent, or a session is logged on or off."""
        _only(request, "for", "msg_type", "cl_ord_id", "session", "count", "timeout_s")
        holds = self._condition(request)
        timeout = request.get("timeout_s", 5)
        if not isinstance(timeout, int | float) or not 0 <= timeout <= 600:
            raise BadRequest("timeout_s: expected 0 to 600")
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return {"ok": False, "error": "timeout"}
        return {"ok": True}

    def _condition(self, request: Request) -> Callable[[], bool]:
        what = request.get("for")
        if what in ("received", "sent"):
            counter = self._exchange.received if what == "received" else self._exchange.sent
            key = (_text(request, "msg_type"), _text(request, "cl_ord_id") if "cl_ord_id" in request else None)
            count = _whole(request, "count", 1)
            return lambda: counter[key] >= count
        if what in ("logon", "logoff"):
            lane = self._lane(request)
            return lambda: lane.session.logged_on == (what == "logon")
        if what == "disconnected":
            lane = self._lane(request)
            return lambda: lane.link is None
        raise BadRequest("for: expected received, sent, logon, logoff or disconnected")

    # Doing ----------------------------------------------------------------------------------------

    def _fault(self, request: Request) -> Answer:
        try:
            fault = parse_fault({k: v for k, v in request.items() if k != "do"})
        except ConfigError as error:
            raise BadRequest(str(error)) from error
        self._exchange.faults.arm(fault)
        return {}

    def _faults(self, request: Request) -> Answer:
        _only(request)
        return {"faults": [msgspec.to_builtins(f) for f in self._exchange.faults.waiting]}

    def _clear_faults(self, request: Request) -> Answer:
        _only(request)
        self._exchange.faults.clear()
        return {}

    def _phase(self, request: Request) -> Answer:
        _only(request, "symbol", "phase")
        phase = _convert(request.get("phase"), Phase)
        self._exchange.venue.set_phase(_text(request, "symbol"), phase)
        return {"phase": phase.value}

    def _halt(self, request: Request) -> Answer:
        return self._switch(request, Phase.OPEN, Phase.HALTED)

    def _resume(self, request: Request) -> Answer:
        return self._switch(request, Phase.HALTED, Phase.OPEN)

    def _switch(self, request: Request, old: Phase, new: Phase) -> Answer:
        """Halt or resume one instrument, or all of them when none is named."""
        _only(request, "symbol")
        venue = self._exchange.venue
        symbols = [_text(request, "symbol")] if "symbol" in request else list(venue.instruments)
        changed = [s for s in symbols if venue.instrument(s).market.phase is old]
        for symbol in changed:
            venue.set_phase(symbol, new)
        return {"symbols": changed}

    def _drop(self, request: Request) -> Answer:
        """Cut the connection without a word."""
        self._link(request).abort()
        return {}

    def _freeze(self, request: Request) -> Answer:
        """Forget the connection, but do not close it: a half-open TCP connection as the client sees it."""
        self._link(request)
        self._exchange.freeze(self._lane(request))
        return {}

    def _stop_reading(self, request: Request) -> Answer:
        """Read nothing more from the connection; what the venue has to say still goes out."""
        self._link(request).pause()
        return {}

    def _read_again(self, request: Request) -> Answer:
        self._link(request).resume()
        return {}

    def _link(self, request: Request, *keys: str) -> Link:
        """The connection of the named session."""
        _only(request, "session", *keys)
        link = self._lane(request).link
        if link is None:
            raise RuleBroken("the session is not connected")
        return link

    def _logout(self, request: Request) -> Answer:
        _only(request, "session", "text")
        self._lane(request).session.logout(request.get("text", "logged out by the operator"), self._now())
        return {}

    def _set_seq(self, request: Request) -> Answer:
        """Set the next MsgSeqNum(34) that is expected or sent."""
        _only(request, "session", "next_in", "next_out")
        session = self._lane(request).session
        next_in, next_out = _whole(request, "next_in", session.next_in), _whole(request, "next_out", session.next_out)
        if max(next_in, next_out) > MAX_SEQ:
            raise BadRequest(f"next_in, next_out: expected at most {MAX_SEQ}")
        session.next_in, session.next_out = next_in, next_out
        return {"next_in": session.next_in, "next_out": session.next_out}

    def _send(self, request: Request) -> Answer:
        """Send any application message, however wrong."""
        _only(request, "session", "msg_type", "fields")
        fields = _convert(request.get("fields", []), list[tuple[int, str]])
        out = self._lane(request).session.send(_text(request, "msg_type"), fields, self._now())
        return {"msg_seq_num": out.seq}

    def _bytes(self, request: Request) -> Answer:
        """Put raw bytes (`text`, read as Latin-1) on the connection, outside of the session and of the ledger."""
        link = self._link(request, "text", "times")
        data = _text(request, "text").encode("latin-1", "replace")
        times = _whole(request, "times", 1)
        if len(data) * times > MAX_BYTES:
            raise BadRequest(f"times: expected at most {MAX_BYTES} bytes altogether")
        link.write(data * times)
        return {}

    def _stop(self, request: Request) -> Answer:
        _only(request)
        self._shutdown()
        return {}

    def _lane(self, request: Request) -> Lane:
        """The named session, or the only one that takes orders."""
        name = _text(request, "session") if request.get("session") is not None else None
        lanes = self._exchange.lanes
        if name is None:
            takes_orders = [lane for lane in lanes.values() if lane.session.name not in self._exchange.copies.names]
            if len(takes_orders) == 1:
                return takes_orders[0]
        if name not in lanes:
            raise BadRequest(f"session: expected one of {', '.join(lanes)}")
        return lanes[name]


def _request(line: bytes) -> Request:
    try:
        request = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(str(error)) from error
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise BadRequest('expected an object with "do"')
    return request


def _convert(value: object, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from error


def _only(request: Request, *keys: str) -> None:
    unknown = sorted(request.keys() - {"do", *keys})
    if unknown:
        raise BadRequest(f"unknown key {unknown[0]}; expected {', '.join(keys) or 'none'}")


def _text(request: Request, key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key}: expected a string")
    return value


def _whole(request: Request, key: str, default: int) -> int:
    value = request.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest(f"{key}: expected a whole number from 1")
    return value


def _limit(request: Request) -> int:
    return min(_whole(request, "limit", 1000), MAX_ROWS)


async def _listed(
    name: str, rows: Sequence[_Row], matches: Callable[[_Row], bool], shown: Callable[[_Row], Any], limit: int
) -> Answer:
    """How many rows match, and the last of them. Each slice is looked at by itself, others are served in between."""
    total = 0
    last: deque[_Row] = deque(maxlen=limit)
    for at in range(0, len(rows), LOOK_SLICE):
        found = [row for row in rows[at : at + LOOK_SLICE] if matches(row)]
        total += len(found)
        last += found
        await asyncio.sleep(0)
    answer = []
    for n, row in enumerate(last, 1):
        answer.append(shown(row))
        if n % SHOW_SLICE == 0:
            await asyncio.sleep(0)
    return {"ok": True, "total": total, name: answer}


def _order_row(order: Order) -> Answer:
    row = msgspec.to_builtins(order)
    if not isinstance(row, dict):
        raise TypeError("an order is an object")
    shown = {"ord_status": order.ord_status.value, "leaves_qty": str(order.leaves_qty), "avg_px": str(order.avg_px)}
    return row | shown | {"open": order.open}


def _session_row(lane: Lane) -> Answer:
    session = lane.session
    return {
        "session": session.name,
        "logged_on": session.logged_on,
        "connected": lane.link is not None,
        "next_in": session.next_in,
        "next_out": session.next_out,
        "rejects_received": session.rejects_received,
    }


class ControlError(Exception):
    """The venue refused a control request; `args[0]` is its reason."""


class ControlClient:
    """A blocking client of the control protocol.

    `address` is "host:port" or "unix:PATH"; `timeout_s` bounds every answer beyond what a `wait` itself may take.
    """

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        if address.startswith("unix:"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout_s)
            self._socket.connect(address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), timeout_s)
        self._file = self._socket.makefile("rb")

    def request(self, request: Mapping[str, Any]) -> Answer:
        """Send one request and return its answer, also a refusal. Raises OSError when the venue does not answer."""
        self._socket.settimeout(self._timeout_s + float(request.get("timeout_s", 0)))
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._file.readline()
        if not line:
            raise ConnectionError("the venue closed the control connection")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ControlError("the venue answered with something else than an object")
        return answer

    def do(self, action: str, **arguments: Any) -> Answer:
        """Ask for an action. Raises ControlError when the venue refuses it."""
        answer = self.request({"do": action} | arguments)
        if not answer.get("ok"):
            raise ControlError(answer.get("error", "refused"))
        return answer

    def wait(self, event: str, *, timeout_s: float = 5.0, **arguments: Any) -> None:
        """Wait for an event: received, sent, logon, logoff. Raises ControlError on a timeout."""
        self.do("wait", **{"for": event, "timeout_s": timeout_s} | arguments)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
