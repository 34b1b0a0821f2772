"""The lane: messages over a Unix socket, for a Trade stream between two processes of one host.

gRPC costs more than most of what is done with an order, on both sides, and hands over one message at a time. The lane
carries the same messages as `OrderService.Trade` with nothing between them and the socket, and what has come is there
at once. A frame is its kind (one byte), the length of its body (four bytes, the most significant first) and the body:

    1 HELLO    client to gateway, the first frame: gateway.v1.LaneHello
    0 MESSAGE  gateway.v1.TradeRequest to the gateway, gateway.v1.TradeResponse from it
    2 END      gateway to client, the last frame: google.rpc.Status, with the details that a gRPC call would have had
    3 PING     gateway to client, who sends it back: a sign of life, asked of one who says nothing; its body is empty

Who closes the socket has left; the system tells the other side at once, also of a process that was killed. Of one that
was stopped it tells nothing: hence the signs of life.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, cast

HEADER_BYTES = 5
MAX_BODY_BYTES = 4 * 1024 * 1024
READ_AHEAD_BYTES = 256 * 1024
"""What may wait here to be received before no more is read from the socket; a single frame may be larger."""
WRITE_AHEAD_BYTES = 256 * 1024
"""What may wait here to be written before there is no room."""

_SUFFIX = ".lane"
MAX_SOCKET_PATH_BYTES = 107 - len(_SUFFIX)
"""Of a Unix socket that has a lane beside it. The system takes 107 bytes, and the lane's path is the longer one."""


def lane_path(unix_socket: str) -> str:
    """Where the lane of a gateway is whose gRPC listens on that Unix socket."""
    return unix_socket + _SUFFIX


def grpc_target(unix_socket: str) -> str:
    """What gRPC calls that Unix socket: of its names it takes "%41" for an "A"."""
    return f"unix:{unix_socket.replace('%', '%25')}"


class Kind(IntEnum):
    """What a frame is."""

    MESSAGE = 0
    HELLO = 1
    END = 2
    PING = 3


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    body: bytes


class BrokenLane(Exception):
    """What came is not a lane's. The message says why."""


class Lane(asyncio.Protocol):
    """One end of a connection. All on the event loop; one task receives, one sends.

    `opened` is called when it is connected, `lost` when it is no more, whoever closed it. `answers` is for the client's
    end: a PING goes back as soon as the loop reads it, whatever the client does, and nobody receives it.
    """

    def __init__(
        self,
        opened: Callable[["Lane"], None] = lambda _: None,
        lost: Callable[["Lane"], None] = lambda _: None,
        *,
        answers: bool = False,
    ) -> None:
        self._opened, self._lost, self._answers = opened, lost, answers
        self._transport: asyncio.Transport
        self._part = bytearray()
        self._part_wanted = 0
        self._frames: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._reads = True
        self._ended = asyncio.Event()
        self._heard = False
        self._fault = ""
        self._receiver: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    # --- What the two sides call ---

    async def receive(self) -> Frame | None:
        """The next frame; at once while there is one. None: the other side has left.

        Raises:
            BrokenLane: nothing can be read any more.
        """
        while not self._frames:
            if self._fault:
                raise BrokenLane(self._fault)
            if self._ended.is_set():
                return None
            self._receiver = asyncio.get_running_loop().create_future()
            await self._receiver
        frame = self._frames.popleft()
        self._waiting_bytes -= HEADER_BYTES + len(frame.body)
        if not (self._reads or self._ended.is_set() or self._fault) and self._waiting_bytes < READ_AHEAD_BYTES:
            self._reads = True
            self._transport.resume_reading()
        return frame

    async def send(self, kind: Kind, body: bytes) -> None:
        """Write one frame; returns when there is room for the next, at once while there is. What is sent to one who has
        left is dropped.
        """
        if not self._ended.is_set():
            self._transport.write(kind.to_bytes() + len(body).to_bytes(4, "big") + body)
        if not self._room.is_set():
            await self._room.wait()

    def ping(self) -> None:
        """Ask for a sign of life, or give one."""
        if not self._ended.is_set():
            self._transport.write(_PING)

    def heard(self) -> bool:
        """Whether the other side said anything since this was asked last. Who is held back here cannot, and may be
        there; so may one who takes what waited for him.
        """
        heard, self._heard = self._heard or not self._reads, False
        return heard

    async def close(self) -> None:
        """Leave; returns when what was sent is written, or the other side has left before."""
        self._transport.close()
        await self._ended.wait()

    def abort(self) -> None:
        """Leave at once."""
        if not self._ended.is_set():
            self._transport.abort()

    # --- What the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_AHEAD_BYTES)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        """A frame that comes in many pieces is looked at when all of it is here: what it costs grows with its size."""
        self._heard = True
        if self._part:
            self._part += data
            if len(self._part) < self._part_wanted:
                return
            data = bytes(self._part)
        rest = self._take_frames(data)
        self._part = bytearray(data[rest:])
        if self._waiting_bytes >= READ_AHEAD_BYTES:
            self._pause()
        if self._frames or self._fault:
            self._wake()

    def _take_frames(self, data: bytes) -> int:
        """All that are whole; where the rest begins."""
        start, end = 0, len(data)
        self._part_wanted = HEADER_BYTES
        while end - start >= HEADER_BYTES:
            kind, size = data[start], int.from_bytes(data[start + 1 : start + HEADER_BYTES], "big")
            if kind not in _KINDS or size > MAX_BODY_BYTES:
                self._break(f"a frame of kind {kind} with {size} bytes; {MAX_BODY_BYTES} is the limit")
                break
            body = start + HEADER_BYTES
            if end - body < size:
                self._part_wanted = HEADER_BYTES + size
                break
            start = body + size
            if self._answers and kind == Kind.PING:
                self.ping()
            else:
                self._frames.append(Frame(kind, data[body:start]))
                self._waiting_bytes += HEADER_BYTES + size
        return start

    def eof_received(self) -> None:
        """There is no half close: who sends nothing more has left, also with something unread."""
        self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended.set()
        self._room.set()
        self._wake()
        self._lost(self)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._heard = True
        self._room.set()

    def _break(self, why: str) -> None:
        self._fault = why
        self._pause()

    def _pause(self) -> None:
        if self._reads:
            self._reads = False
            self._transport.pause_reading()

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)


_KINDS = frozenset(Kind)
_PING = Kind.PING.to_bytes() + bytes(4)
