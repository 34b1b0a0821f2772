"""The lane: frames come out as they went in, everything has its bound, and who leaves is missed at once."""

import asyncio
import inspect
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.lane import (
    HEADER_BYTES,
    MAX_BODY_BYTES,
    READ_AHEAD_BYTES,
    WRITE_AHEAD_BYTES,
    BrokenLane,
    Frame,
    Kind,
    Lane,
    lane_path,
)

L = TypeVar("L", bound=Lane)
CHUNK_BYTES = 256 * 1024
"""What an event loop reads at once."""


def on_both_loops(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test of the scenario on asyncio's own loop, which clients have, and on uvloop, which the gateway has."""

    def test(new_loop: Callable[[], asyncio.AbstractEventLoop], **given: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scenario(**given))

    loop = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(scenario).parameters.values()
    test.__signature__ = inspect.Signature([loop, *parameters])  # type: ignore[attr-defined]
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    return pytest.mark.parametrize("new_loop", loops, ids=["asyncio", "uvloop"])(test)


def encoded(kind: int, body: bytes) -> bytes:
    """A frame, as docs/api.md has it."""
    return bytes([kind]) + len(body).to_bytes(4, "big") + body


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # The kernel's buffers have no event.
            await asyncio.sleep(0.001)


async def lane_on(sock: socket.socket, **told: Callable[[Lane], None]) -> Lane:
    _, lane = await asyncio.get_running_loop().create_connection(lambda: Lane(**told), sock=sock)
    return lane


@asynccontextmanager
async def two_lanes() -> AsyncIterator[tuple[Lane, Lane]]:
    one, two = [await lane_on(end) for end in socket.socketpair()]
    try:
        yield one, two
    finally:
        one.abort()
        two.abort()


class CountingLane(Lane):
    """It says how many bytes have come."""

    came = 0

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        super().data_received(data)


@asynccontextmanager
async def lane_and_socket(make: Callable[[], L] = Lane) -> AsyncIterator[tuple[L, socket.socket]]:
    """A lane, and its other side as a bare socket."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    _, lane = await asyncio.get_running_loop().create_connection(make, sock=ours)
    try:
        yield lane, theirs
    finally:
        lane.abort()
        theirs.close()


async def all_frames(lane: Lane) -> list[Frame]:
    """Until the other side has left."""
    frames = []
    async with asyncio.timeout(20):
        while (frame := await lane.receive()) is not None:
            frames.append(frame)
    return frames


async def all_bytes(sock: socket.socket) -> bytes:
    """Until the lane at the other end has left."""
    data = b""
    async with asyncio.timeout(20):
        while part := await asyncio.get_running_loop().sock_recv(sock, 65_536):
            data += part
    return data


FRAMES = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40)), max_size=12)


@given(FRAMES, st.lists(st.integers(1, 30), max_size=200))
def test_frames_that_come_in_any_pieces_come_out_whole_and_in_order(
    frames: list[tuple[Kind, bytes]], cuts: list[int]
) -> None:
    async def scenario() -> None:
        async with lane_and_socket(CountingLane) as (lane, theirs):
            data, sent = b"".join(encoded(*frame) for frame in frames), 0
            for size in cuts:
                sent += theirs.send(data[sent : sent + size])
                await eventually(lambda: lane.came == sent)  # noqa: B023  # It is waited for here.
            await asyncio.get_running_loop().sock_sendall(theirs, data[sent:])
            theirs.close()
            assert await all_frames(lane) == frames

    asyncio.run(scenario())


@on_both_loops
async def test_what_one_lane_sends_the_other_receives() -> None:
    async with two_lanes() as (one, two):
        for kind, body in ((Kind.HELLO, b"it is me"), (Kind.MESSAGE, b""), (Kind.MESSAGE, b"x" * MAX_BODY_BYTES)):
            sending = asyncio.create_task(one.send(kind, body))
            async with asyncio.timeout(20):
                assert await two.receive() == (kind, body)
            await sending
        await two.send(Kind.END, b"over")
        assert await one.receive() == (Kind.END, b"over")


@pytest.mark.parametrize(
    "broken",
    [
        encoded(Kind.MESSAGE, b"")[:1] + (MAX_BODY_BYTES + 1).to_bytes(4, "big"),
        b"\x00\xff\xff\xff\xff",
        encoded(4, b"no kind"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["one too long", "four GiB", "unknown kind", "gRPC"],
)
@on_both_loops
async def test_what_is_no_frame_breaks_the_lane_after_the_good_frames_before_it(broken: bytes) -> None:
    async with lane_and_socket() as (lane, theirs):
        theirs.send(encoded(Kind.HELLO, b"h") + encoded(Kind.MESSAGE, b"m") + broken + encoded(Kind.MESSAGE, b"late"))
        assert await lane.receive() == (Kind.HELLO, b"h")
        assert await lane.receive() == (Kind.MESSAGE, b"m")
        for _ in range(2):
            with pytest.raises(BrokenLane, match=f"{MAX_BODY_BYTES} is the limit"):
                await lane.receive()
        assert not lane._transport.is_reading()
        await lane.send(Kind.END, b"why")
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == encoded(Kind.END, b"why")


@pytest.mark.parametrize("body", [b"", b"x" * 100, b"x" * 60_000])
@on_both_loops
async def test_what_nobody_receives_holds_its_sender_back(body: bytes) -> None:
    """Rule 7: on neither side more waits than it may, whatever the frames are like."""
    frame, count = encoded(Kind.MESSAGE, body), 2_000_000 // (HEADER_BYTES + len(body))
    async with lane_and_socket() as (lane, theirs):
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, frame * count))
        await eventually(lambda: not lane._reads)
        assert not sending.done()
        assert READ_AHEAD_BYTES <= lane._waiting_bytes <= READ_AHEAD_BYTES + CHUNK_BYTES
        assert lane._waiting_bytes == sum(HEADER_BYTES + len(each.body) for each in lane._frames)
        async with asyncio.timeout(20):
            for _ in range(count):
                assert await lane.receive() == (Kind.MESSAGE, body)
            await sending
        assert lane._waiting_bytes == 0


@on_both_loops
async def test_a_frame_larger_than_what_may_wait_is_received() -> None:
    async with lane_and_socket() as (lane, theirs):
        body = b"x" * (3 * READ_AHEAD_BYTES)
        data = encoded(Kind.MESSAGE, body) * 2
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, data))
        async with asyncio.timeout(20):
            assert await lane.receive() == (Kind.MESSAGE, body)
            assert await lane.receive() == (Kind.MESSAGE, body)
            await sending


async def test_a_frame_in_many_pieces_costs_what_its_size_costs() -> None:
    """Not that times its pieces: one buffer grows, and nobody looks into it before all is there."""
    async with lane_and_socket() as (lane, _):
        data = encoded(Kind.MESSAGE, b"x" * 1_000_000)
        lane.data_received(data[:1_000])
        part = lane._part
        for start in range(1_000, len(data) - 1_000, 1_000):
            lane.data_received(data[start : start + 1_000])
            assert lane._part is part
        lane.data_received(data[len(part) :])
        assert await lane.receive() == (Kind.MESSAGE, data[HEADER_BYTES:])
        assert not lane._part


# --- Signs of life ---


@on_both_loops
async def test_a_ping_is_answered_while_nobody_receives_and_nobody_receives_it() -> None:
    async with lane_and_socket(lambda: Lane(answers=True)) as (lane, theirs):
        theirs.send(encoded(Kind.PING, b"") + encoded(Kind.MESSAGE, b"m") + encoded(Kind.PING, b""))
        async with asyncio.timeout(20):
            came = b""
            while len(came) < 2 * HEADER_BYTES:
                came += await asyncio.get_running_loop().sock_recv(theirs, 100)
            assert came == encoded(Kind.PING, b"") * 2
            theirs.close()
            assert await all_frames(lane) == [(Kind.MESSAGE, b"m")]


@on_both_loops
async def test_whoever_asks_is_told_of_the_answer_once() -> None:
    async with lane_and_socket() as (lane, theirs):
        assert not lane.heard()
        lane.ping()
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == encoded(Kind.PING, b"")
        theirs.send(encoded(Kind.PING, b"")[:3])
        await eventually(lane.heard)
        assert not lane.heard()


@on_both_loops
async def test_who_is_held_back_is_not_called_silent() -> None:
    async with lane_and_socket() as (lane, theirs):
        data = encoded(Kind.MESSAGE, b"x" * 60_000) * 50
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, data))
        await eventually(lambda: not lane._reads)
        assert [lane.heard() for _ in range(3)] == [True] * 3
        sending.cancel()


@on_both_loops
async def test_who_takes_what_waited_is_not_called_silent() -> None:
    async with lane_and_socket() as (lane, theirs), one_who_waits(lane) as (_, sending):
        lane.heard()
        assert not lane.heard()
        reading = asyncio.create_task(all_bytes(theirs))
        async with asyncio.timeout(20):
            await sending
        assert lane.heard()
        await lane.close()
        await reading


@on_both_loops
async def test_who_left_is_asked_nothing() -> None:
    async with two_lanes() as (one, two):
        two.abort()
        assert await all_frames(one) == []
        one.ping()
        assert one._transport.get_write_buffer_size() == 0


# --- Who does not read, who leaves ---


async def fill(lane: Lane, sent: list[bytes]) -> None:
    """Send until somebody reads no more, and then on."""
    for number in range(300):
        body = number.to_bytes(2, "big") * 8_192
        sent.append(body)
        await lane.send(Kind.MESSAGE, body)


@asynccontextmanager
async def one_who_waits(lane: Lane) -> AsyncIterator[tuple[list[bytes], asyncio.Task[None]]]:
    """A task that sends and has no room; what it has sent, and the task."""
    sent: list[bytes] = []
    task = asyncio.create_task(fill(lane, sent))
    await eventually(lambda: not lane._room.is_set())
    assert not task.done()
    assert lane._transport.get_write_buffer_size() <= WRITE_AHEAD_BYTES + HEADER_BYTES + 16_384
    try:
        yield sent, task
    finally:
        task.cancel()


@on_both_loops
async def test_who_sends_waits_for_one_who_does_not_read_and_goes_on_when_he_does() -> None:
    async with two_lanes() as (one, two), one_who_waits(one) as (sent, sending):
        async with asyncio.timeout(20):
            received = [await two.receive() for _ in range(300)]
            await sending
        assert [frame.body for frame in received if frame] == sent


@pytest.mark.parametrize("who", ["the reader", "the sender"])
@on_both_loops
async def test_who_sends_is_let_go_when_either_side_leaves(who: str) -> None:
    async with two_lanes() as (one, two), one_who_waits(one) as (sent, sending):
        (two if who == "the reader" else one).abort()
        async with asyncio.timeout(20):
            await sending
        assert len(sent) == 300


@on_both_loops
async def test_what_was_sent_before_leaving_arrives() -> None:
    async with two_lanes() as (one, two), one_who_waits(one) as (sent, sending):
        sending.cancel()
        leaving = asyncio.create_task(one.close())
        frames = await all_frames(two)
        assert [frame.body for frame in frames] == sent
        await leaving


@on_both_loops
async def test_leaving_lasts_until_what_was_sent_is_written() -> None:
    async with lane_and_socket() as (lane, theirs), one_who_waits(lane) as (sent, sending):
        sending.cancel()
        leaving = asyncio.create_task(lane.close())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not leaving.done()
        assert await all_bytes(theirs) == b"".join(encoded(Kind.MESSAGE, body) for body in sent)
        async with asyncio.timeout(20):
            await leaving


@on_both_loops
async def test_both_sides_learn_once_that_it_is_over() -> None:
    opened: list[Lane] = []
    lost: list[Lane] = []
    one, two = [await lane_on(end, opened=opened.append, lost=lost.append) for end in socket.socketpair()]
    assert opened == [one, two]
    await one.close()
    assert await all_frames(two) == []
    assert await all_frames(one) == []
    assert await two.receive() is None
    await eventually(lambda: len(lost) == 2)
    assert set(lost) == {one, two}
    for lane in (one, two):
        await lane.close()
        lane.abort()


@on_both_loops
async def test_what_is_sent_to_one_who_left_is_dropped() -> None:
    async with two_lanes() as (one, two):
        two.abort()
        assert await all_frames(one) == []
        async with asyncio.timeout(20):
            for _ in range(100):
                await one.send(Kind.MESSAGE, b"x" * 16_384)
        assert one._transport.get_write_buffer_size() == 0


@on_both_loops
async def test_one_who_waits_for_a_frame_learns_that_its_own_side_left() -> None:
    async with two_lanes() as (one, _):
        waiting = asyncio.create_task(one.receive())
        await asyncio.sleep(0)
        one.abort()
        async with asyncio.timeout(20):
            assert await waiting is None


@on_both_loops
async def test_a_wait_for_a_frame_that_is_given_up_loses_none() -> None:
    async with two_lanes() as (one, two):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await two.receive()
        await one.send(Kind.MESSAGE, b"1")
        assert await two.receive() == (Kind.MESSAGE, b"1")


@on_both_loops
async def test_who_closes_its_side_has_left_although_there_is_something_to_tell_it() -> None:
    """There is no half close: one who cannot answer any more is not waited for."""
    async with lane_and_socket() as (lane, theirs), one_who_waits(lane) as (_, sending):
        theirs.send(encoded(Kind.MESSAGE, b"last"))
        theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(20):
            await sending
        assert await all_frames(lane) == [(Kind.MESSAGE, b"last")]


@on_both_loops
async def test_who_is_killed_has_left(tmp_path: Path) -> None:
    """With what it sent before, half a frame and something unread."""
    lanes: list[Lane] = []
    path = lane_path(str(tmp_path / "gateway.sock"))
    server = await asyncio.get_running_loop().create_unix_server(lambda: Lane(lanes.append), path)
    program = (
        "import signal, socket, sys\n"
        "peer = socket.socket(socket.AF_UNIX)\n"
        "peer.connect(sys.argv[1])\n"
        "peer.sendall(b'\\x01\\0\\0\\0\\2hi' + b'\\0\\0\\0\\0\\x09half')\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, path]) as peer:  # noqa: ASYNC220  # It is waited for below.
        try:
            await eventually(lambda: lanes)
            assert await lanes[0].receive() == (Kind.HELLO, b"hi")
            async with one_who_waits(lanes[0]) as (_, sending):
                peer.send_signal(signal.SIGKILL)
                async with asyncio.timeout(20):
                    await sending
                    assert await lanes[0].receive() is None
        finally:
            peer.kill()
    server.close()
