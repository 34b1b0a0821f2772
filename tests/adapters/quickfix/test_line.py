"""A connection that is of no use any more, and a venue that does not let us in."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.adapters.quickfix import line
from gateway.adapters.quickfix.inbox import Entry, Kind
from gateway.adapters.quickfix.pace import Pace
from gateway.core.reports import ExecutionReport, SendRefused, SessionDown, SessionUp
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.peers import RawVenue, wait_until
from tests.adapters.quickfix.test_sequence import new

MB = 1_000_000


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / MB


def flood(venue: RawVenue, begin: bytes) -> None:
    """Up to 1,000 MB, or until the connection is gone."""
    venue.send_bytes(begin)
    for _ in range(1_000):
        venue.send_bytes(b"x" * MB)


@pytest.mark.parametrize(
    ("logged_on", "begin"),
    [
        (True, b"8=FIX.4.4\x019=2000000000\x0135=8\x01"),
        (False, b"8=FIX.4.4\x019=2000000000\x0135=A\x01"),
        (True, b"8=FIX.4.4\x019=50\x0135=8\x0158="),
        (True, b""),
    ],
    ids=["BodyLength of 2 GB", "BodyLength of 2 GB instead of a Logon", "a field without an end", "no FIX"],
)
def test_endless_bytes_without_a_message_are_cut_off(
    logged_on: bool, begin: bytes, venue: RawVenue, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded memory: without the watch QuickFIX was measured to hold 2,074 MB of the first of these."""
    monkeypatch.setattr(line, "HELD_LIMIT", 4 * MB)
    gateway = gateways(venue_config(venue.port)).start()
    if logged_on:
        venue.logon()
        gateway.wait_for(SessionUp)
    else:
        venue.accept()
        venue.read_until("A")
    before = resident_mb()
    # Less than LogonTimeout, 10 s: the gateway calls again as soon as it has cut, and that call is answered below.
    venue.patience(5)
    with pytest.raises(OSError, match=r"Broken pipe|reset|timed out"):
        flood(venue, begin)
    assert resident_mb() - before < 500
    venue.drop()
    assert "without a message" in gateway.wait_for(SessionDown, where=lambda down: "bytes" in down.text).text
    venue.logon()
    gateway.wait_for(SessionUp, 1 + logged_on)


def test_a_venue_that_starts_over_on_a_connection_keeps_it(venue: RawVenue, gateways: Gateways) -> None:
    """The kernel counts on: what was handed over before is no byte that is held."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for number in range(200):
        venue.send(new(f"e{number}"))
    gateway.wait_for(ExecutionReport, 200)
    venue.next_out = 1
    venue.send("35=A\x0198=0\x01108=30\x01141=Y\x01")
    gateway.wait_for(SessionUp, 2)
    wire = gateway.link._wire
    assert wire.connections == 1
    assert gateway.link._line.held(wire.handed_over) < 1_000


@pytest.mark.parametrize("text", ["成交成交".encode(), "exécuté".encode("latin-1")])
def test_letters_of_several_bytes_are_no_bytes_that_are_held(text: bytes, venue: RawVenue, gateways: Gateways) -> None:
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for number in range(50):
        venue.send(f"{new(f'e{number}')}58={text.decode('latin-1') * 10}\x01")
    gateway.wait_for(ExecutionReport, 50)
    wire = gateway.link._wire
    wait_until(lambda: gateway.link._line.held(wire.handed_over) == 0, "nothing is held")


def test_a_venue_whose_numbers_are_too_low_when_the_link_has_stopped_ends_nothing(gateways: Gateways) -> None:
    gateway = gateways(venue_config(1)).start()
    gateway.link.stop()
    gateway.link._inbox.put_now(Entry(1, Kind.TOO_LOW, "MsgSeqNum too low"))
    assert gateway.wait_for(SessionDown).text.startswith("MsgSeqNum too low")


def test_without_a_descriptor_the_socket_is_looked_for_again(connected: tuple[socket.socket, socket.socket]) -> None:
    """It is no reason to end the process, and none to leave a connection without a watch for good."""
    ours, theirs = connected
    mark = next(line.MARKS)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, mark)
    watched = line.Line(mark, ours.getpeername()[1])
    theirs.sendall(b"x" * 10)
    assert ours.recv(10) == b"x" * 10
    with no_descriptors():
        assert watched.of(1).held(0) == 0
    assert watched.of(1).held(0) == 10
    with no_descriptors():
        assert watched.of(1).held(0) == 0
        assert not watched.of(1).cut()
    assert watched.of(1).held(0) == 10
    assert watched.of(1).cut()
    assert theirs.recv(1) == b""


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        with theirs:
            yield ours, theirs


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process can open nothing besides its standard streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_half_open_connection_is_noticed_within_two_heartbeats_whatever_the_wall_clock_says(
    venue: RawVenue, gateways: Gateways
) -> None:
    now = [1_000.0]
    gateway = gateways(venue_config(venue.port), monotonic=lambda: now[0]).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    venue.send("35=0\x01")
    wait_until(lambda: gateway.link.status().next_target_msg_seq_num == 3, "the heartbeat is there")
    now[0] += 59.9
    gateway.order("g1")
    assert venue.read_until("D")["11"] == "g1"
    now[0] += 0.2
    assert "silent for 60 s" in gateway.wait_for(SessionDown).text
    with pytest.raises((ConnectionError, OSError)):
        venue.read_until("D")


def test_a_disconnect_in_the_middle_of_a_send_leaves_no_order_that_is_sent_later(
    venue: RawVenue, gateways: Gateways
) -> None:
    """What was accepted by the session is on the wire or gap-filled; what was refused says so. Never both."""
    gateway = gateways(venue_config(venue.port)).start()
    venue.logon()
    gateway.wait_for(SessionUp)
    for number in range(2_000):
        if number == 1_000:
            venue.drop()
        gateway.order(f"g{number}")
    gateway.wait_for(SessionDown)
    refused = {body.venue_cl_ord_id for body in gateway.bodies(SendRefused)}
    venue.logon()
    gateway.wait_for(SessionUp, 2)
    venue.send("35=2\x017=1\x0116=0\x01")
    gap = venue.read_until("4")
    assert (gap["34"], gap["123"]) == ("1", "Y")
    gateway.order("last")
    assert venue.read_until("D")["11"] == "last"
    # Of what was refused nothing holds a number: those that were taken, our own messages, and no more.
    assert 0 < len(refused) <= 1_000
    assert int(gap["36"]) <= 2_000 - len(refused) + 5


def test_a_venue_that_refuses_every_logon_is_tried_ever_more_rarely(
    venue: RawVenue, gateways: Gateways, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1_000.0]
    gateway = gateways(venue_config(venue.port), monotonic=lambda: now[0]).start()
    for number in range(1, 6):
        venue.accept()
        assert venue.read_until("A")["34"] == str(2 * number - 1)
        venue.send("35=5\x0158=not today\x01")
        venue.read_until("5")
        venue.drop()
    pace = gateway.link._wire.pace
    wait_until(lambda: pace.slowed, "the attempts are held back")
    gateway.turn()
    assert gateway.link.status().enabled
    assert not gateway.link._engine.isEnabled()
    now[0] = pace.until - 0.01
    gateway.link.tend()
    assert not gateway.link._engine.isEnabled()
    now[0] = pace.until
    venue.logon()
    gateway.wait_for(SessionUp)
    assert [down.text for down in gateway.bodies(SessionDown)] == ["not today"]
    assert capsys.readouterr().out.count("attempts are made at growing intervals") == 1


def test_pauses_grow_up_to_a_bound_and_end_with_a_session_that_lasts() -> None:
    pace, at, pauses = Pace(2), 100.0, []
    for _ in range(12):
        waits = pace.went_down(at)
        pauses.append(pace.until - at if waits else 0)
        at += 60
    assert pauses == [0, 0, 0, 0, 4, 8, 16, 30, 30, 30, 30, 30]
    pace.came_up(at)
    assert pace.went_down(at + 2.9), "up and down at once is no success"
    pace.came_up(at + 40)
    assert not pace.went_down(at + 43)
    assert Pace(60).went_down(0) is False


def test_an_operator_who_logs_on_does_not_wait() -> None:
    pace = Pace(2)
    for _ in range(9):
        pace.went_down(100.0)
    assert pace.until > 100.0
    pace.at_once()
    assert pace.until == 0.0
    assert not pace.slowed
