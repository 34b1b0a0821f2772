"""What the lane has of its own: who gets in and how, what ends a stream, and that nobody stays for ever. What a Trade
stream does is in test_trade.py, for both wires.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
import uvloop

from gateway.adapters.grpc import lane as lane_module
from gateway.adapters.grpc.server import AddressInUse, ApiServer
from gateway.codec.proto.fields import KEY_LENGTH
from gateway.core.events import Cause, Record
from gateway.lane import HEADER_BYTES, MAX_BODY_BYTES, MAX_SOCKET_PATH_BYTES, Kind, Lane, lane_path
from gateway.pb.v1 import gateway_pb2 as pb
from tests.adapters.grpc.harness import (
    LaneStream,
    Running,
    eventually,
    failing,
    read_status,
    running,
)
from tests.adapters.grpc.lane_peer import (
    SUBSCRIBE,
    end_in,
    exists,
    frame,
    hello,
    open_lanes,
    permissions,
    rest_of,
    stranger,
    submits,
)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(lane=tmp_path / "gateway.sock") as started:
        yield started


# --- Who gets in ---


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (frame(Kind.MESSAGE, submits("k-1").SerializeToString()), "the first frame has to be a hello"),
        (frame(Kind.END, b""), "the first frame has to be a hello"),
        (frame(Kind.HELLO, b"\xff"), "this is not a gateway.v1.LaneHello"),
        (frame(Kind.HELLO, b"\x0a\x02\xc3\x28"), "is not UTF-8"),
        (frame(7, b""), "a frame of kind 7"),
        (frame(Kind.PING, b""), "the first frame has to be a hello"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "a frame of kind 80"),
    ],
    ids=["message", "end", "no protobuf", "no text", "no kind", "sign of life", "gRPC"],
)
async def test_who_does_not_begin_with_a_hello_gets_nowhere(gateway: Running, first: bytes, text: str) -> None:
    before = gateway.sequencer.state.seq
    with stranger(gateway, first, frame(Kind.MESSAGE, submits("k-1").SerializeToString())) as peer:
        error = end_in(await rest_of(peer))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert text in error.text
    await gateway.settled()
    assert gateway.sequencer.state.seq == before


async def test_who_says_nothing_is_sent_away(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "HELLO_S", 0.05)
    with stranger(gateway, hello("alpha")[:-1]) as peer:
        error = end_in(await rest_of(peer))
    assert (error.code, error.text) == (grpc.StatusCode.INVALID_ARGUMENT, "no hello within 0 s")
    await eventually(lambda: open_lanes(gateway) == 0)


async def test_who_leaves_before_the_hello_is_forgotten(gateway: Running) -> None:
    with stranger(gateway, b"\x01"):
        await eventually(lambda: open_lanes(gateway) == 1)
    await eventually(lambda: open_lanes(gateway) == 0)


@pytest.mark.parametrize("client_id", ["", "nobody"])
async def test_who_is_not_known_is_told_so_and_logged(gateway: Running, client_id: str) -> None:
    with structlog.testing.capture_logs() as logs, failing() as error:
        await gateway.as_client(client_id).trade().read()
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CLIENT_UNKNOWN")
    assert [(entry["event"], entry["method"]) for entry in logs] == [
        ("request denied", "gateway.v1.OrderService/Trade")
    ]


@pytest.mark.parametrize("client_id", ["op", "prices"])
async def test_only_traders_get_in(gateway: Running, client_id: str) -> None:
    with failing() as error:
        await gateway.as_client(client_id).trade().read()
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")


async def test_the_journal_says_who_asked_and_by_which_request(gateway: Running) -> None:
    stream = LaneStream(gateway.lane, "alpha", "r-77")
    await stream.write(submits("k-1"))
    await stream.read()
    causes = [record.cause for record in gateway.journal.read(gateway.logged_on_seq + 1)]
    assert causes == [Cause("client", "alpha", request="r-77")] * 2
    stream.cancel()


async def test_a_request_id_that_is_none_is_refused(gateway: Running) -> None:
    with failing() as error:
        await LaneStream(gateway.lane, "alpha", "x" * (KEY_LENGTH + 1)).read()
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("request-id",))


async def test_until_the_gateway_is_open_nobody_gets_in(gateway: Running, tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    other = ApiServer(gateway.server.services)
    await other.start("127.0.0.1", 0, path)
    with failing() as error:
        await LaneStream(lane_path(str(path)), "alpha").read()
    assert (error.code, error.reason, error.metadata["key_spent"]) == (
        grpc.StatusCode.UNAVAILABLE,
        "UNAVAILABLE",
        "false",
    )
    await other.open()
    stream = LaneStream(lane_path(str(path)), "alpha")
    await stream.write(submits("k-1"))
    assert (await stream.read()).replies[0].HasField("reply")
    stream.cancel()
    await other.stop(1)


async def test_lanes_are_bounded(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "MAX_LANES", 2)
    kept = [gateway.as_client("alpha").trade() for _ in range(2)]
    for stream in kept:
        await stream.write(SUBSCRIBE)
        await stream.read()
    with failing() as error:
        await gateway.as_client("alpha").trade().read()
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    kept.pop().cancel()
    await eventually(lambda: open_lanes(gateway) == 1)
    kept.append(gateway.as_client("bravo").trade())
    await kept[-1].write(SUBSCRIBE)
    await kept[-1].read()
    for stream in kept:
        stream.cancel()


# --- What a stream is told ---


async def test_a_key_is_done_once_whichever_way_it_comes(gateway: Running) -> None:
    first = (await gateway.as_client("alpha").submit("k-1")).order_id
    stream = gateway.as_client("alpha").trade()
    await stream.write(submits("k-1"))
    (reply,) = (await stream.read()).replies
    assert (reply.reply.order_id, reply.reply.repeated) == (first, True)
    stream.cancel()


async def test_what_came_together_shares_a_commit_and_waits_for_no_pause(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However busy the loop is: here it would pause for an hour."""
    monkeypatch.setattr(gateway.sequencer, "_pause_s", lambda: 3_600.0)
    appended: list[int] = []
    append = gateway.journal.append

    def counted(records: Sequence[Record]) -> None:
        appended.append(len(records))
        append(records)

    monkeypatch.setattr(gateway.journal, "append", counted)
    together = hello("alpha") + b"".join(
        frame(Kind.MESSAGE, submits(f"k-{number}").SerializeToString()) for number in range(20)
    )
    reader, writer = await asyncio.open_unix_connection(gateway.lane)
    writer.write(together)
    async with asyncio.timeout(20):
        size = int.from_bytes((await reader.readexactly(HEADER_BYTES))[1:], "big")
        response = pb.TradeResponse.FromString(await reader.readexactly(size))
    assert [reply.cl_ord_id for reply in response.replies] == [f"k-{number}" for number in range(20)]
    assert appended == [40]
    writer.close()


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (frame(Kind.MESSAGE, b"\xff"), ()),
        (
            frame(Kind.MESSAGE, submits("HURT").SerializeToString().replace(b"HURT", b"\xc3\x28\xff\xfe")),
            ("commands.submit_order.cl_ord_id",),
        ),
        (frame(Kind.HELLO, b""), ()),
        (frame(Kind.END, b""), ()),
        (b"\0" + (MAX_BODY_BYTES + 1).to_bytes(4, "big"), ()),
    ],
    ids=["no protobuf", "no text", "a second hello", "an end", "too long"],
)
async def test_what_cannot_be_read_ends_the_stream_after_the_replies(
    gateway: Running, broken: bytes, field: tuple[str, ...]
) -> None:
    good, late = (frame(Kind.MESSAGE, submits(key).SerializeToString()) for key in ("k-1", "late"))
    with stranger(gateway, hello("alpha"), good, broken, late) as peer:
        data = await rest_of(peer)
    size = 5 + int.from_bytes(data[1:5], "big")
    (reply,) = pb.TradeResponse.FromString(data[5:size]).replies
    assert (data[0], reply.cl_ord_id) == (Kind.MESSAGE, "k-1")
    error = end_in(data[size:])
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", field)
    assert len(gateway.sequencer.state.orders) == 1


async def test_a_defect_of_ours_is_logged_and_not_told(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, gathered: bool) -> None:
        raise ZeroDivisionError(f"secret {gathered}")

    monkeypatch.setattr(gateway.sequencer, "begin", broken)
    stream = gateway.as_client("alpha").trade()
    with structlog.testing.capture_logs() as logs, failing() as error:
        await stream.write(submits("k-1"))
        await stream.read()
    assert (error.code, error.reason, error.metadata["key_spent"]) == (grpc.StatusCode.INTERNAL, "INTERNAL", "unknown")
    assert "secret" not in error.text
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


async def test_between_messages_others_have_their_turn() -> None:
    """Also while there is room for more: a reader of a long history who keeps up must not hold up orders."""
    async with turns_while_on_a_lane() as (call, _, turns):
        for message in range(5):
            await call.write(b"m")
            assert len(turns) > message


@pytest.mark.parametrize(("size", "gives_way"), [(lane_module.BATCH_BYTES, False), (lane_module.BATCH_BYTES + 1, True)])
async def test_before_a_batch_others_have_their_turn(size: int, gives_way: bool) -> None:
    """Single commands that are here are taken at once; many batches together must not hold up other clients' orders."""
    async with turns_while_on_a_lane() as (call, peer, turns):
        peer.sendall(frame(Kind.MESSAGE, b"m" * size) * 5)
        await call.read()
        before = len(turns)
        for _ in range(4):
            await call.read()
        assert len(turns) - before == (4 if gives_way else 0)


async def test_between_signs_of_life_others_have_their_turn() -> None:
    """Whoever sends nothing else is not served before everybody."""
    async with turns_while_on_a_lane() as (call, peer, turns):
        peer.sendall(frame(Kind.PING, b"") * 5_000 + frame(Kind.MESSAGE, b"m"))
        before = len(turns)
        async with asyncio.timeout(20):
            assert await call.read() == b"m"
        assert len(turns) - before >= 5_000


@asynccontextmanager
async def turns_while_on_a_lane() -> AsyncIterator[tuple[lane_module.LaneCall, socket.socket, list[None]]]:
    """A call, its client as a bare socket, and one entry for each turn that another task has had."""
    ours, theirs = socket.socketpair()
    _, lane = await asyncio.get_running_loop().create_connection(Lane, sock=ours)
    turns: list[None] = []

    async def another() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    task = asyncio.create_task(another())
    try:
        yield lane_module.LaneCall(lane, pb.LaneHello()), theirs, turns
    finally:
        task.cancel()
        lane.abort()
        theirs.close()


# --- Where it listens ---


async def test_it_listens_for_its_owner_only(gateway: Running) -> None:
    assert permissions(gateway.lane) == 0o600


async def test_a_lane_that_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(lane_path(str(path)))
    async with running(lane=path) as gateway:
        stream = gateway.as_client("alpha").trade()
        await stream.write(submits("k-1"))
        assert (await stream.read()).replies
        stream.cancel()


async def test_a_lane_of_a_living_process_is_left_alone(gateway: Running, tmp_path: Path) -> None:
    other = ApiServer(gateway.server.services)
    with pytest.raises(AddressInUse, match=r"another process listens on .*gateway\.sock\.lane"):
        await other.start("127.0.0.1", 0, tmp_path / "gateway.sock")
    await other.stop(0)
    assert exists(gateway.lane)
    stream = gateway.as_client("alpha").trade()
    await stream.write(submits("k-1"))
    assert (await stream.read()).replies
    stream.cancel()


async def test_a_file_that_is_no_socket_is_left_alone(gateway: Running, tmp_path: Path) -> None:
    precious = tmp_path / "other.sock.lane"
    precious.write_text("data")
    with pytest.raises(AddressInUse, match=r"other.sock.lane exists and is not a socket"):
        await ApiServer(gateway.server.services).start("127.0.0.1", 0, tmp_path / "other.sock")
    assert precious.read_text() == "data"


async def test_where_there_is_no_folder_the_path_is_named(gateway: Running, tmp_path: Path) -> None:
    with pytest.raises(AddressInUse, match=r"nowhere/gateway.sock.lane: No such file"):
        await ApiServer(gateway.server.services).start("127.0.0.1", 0, tmp_path / "nowhere" / "gateway.sock")


async def test_the_longest_path_there_may_be_has_room_for_the_lane(gateway: Running, tmp_path: Path) -> None:
    longest = tmp_path / ("x" * (MAX_SOCKET_PATH_BYTES - len(str(tmp_path)) - 1))
    other = ApiServer(gateway.server.services)
    await other.start("127.0.0.1", 0, longest)
    assert exists(longest)
    assert exists(lane_path(str(longest)))
    await other.stop(0)
    with pytest.raises(AddressInUse, match=f"too long for a Unix socket: {MAX_SOCKET_PATH_BYTES} bytes"):
        await ApiServer(gateway.server.services).start("127.0.0.1", 0, Path(f"{longest}x"))


async def test_the_page_shows_a_client_that_works(gateway: Running, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program = program.replace('"/var/lib/gateway/gateway.sock.lane"', repr(gateway.lane)).replace('"demo"', '"alpha"')
    told: list[Any] = []
    running = asyncio.create_task(asyncio.to_thread(exec, program, {"print": told.append}))
    await eventually(lambda: gateway.feed.readers == 1)
    (lane,) = gateway.server._lane._running
    lane.heard()
    lane.ping()
    await eventually(lane.heard)
    await gateway.as_client("alpha").submit("k-1")
    await eventually(lambda: [event.cl_ord_id for message in told for event in message.events][-2:] == ["k-1"] * 2)
    await gateway.server.stop(1)
    async with asyncio.timeout(20):
        await running
    assert read_status(told[-1]).code is grpc.StatusCode.UNAVAILABLE


def test_it_runs_on_uvloop(tmp_path: Path) -> None:
    async def one_order() -> None:
        async with running(lane=tmp_path / "gateway.sock") as gateway:
            assert permissions(gateway.lane) == 0o600
            stream = gateway.as_client("alpha").trade()
            await stream.write(SUBSCRIBE)
            await stream.write(submits("k-1"))
            events: list[pb.Event] = []
            while len(events) < 3:
                events += (await stream.read()).events
            assert [event.seq for event in events] == [gateway.logged_on_seq + more for more in range(3)]
            await gateway.server.stop(1)
            with failing() as error:
                while True:
                    await stream.read()
            assert error.code is grpc.StatusCode.UNAVAILABLE
            assert not exists(gateway.lane)

    uvloop.run(one_order())
