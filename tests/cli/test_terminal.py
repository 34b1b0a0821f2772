"""On a terminal `gatewayctl` asks before it acts, shows a live view, and leaves the terminal as it was."""

import signal
from collections.abc import Iterator

import pytest

from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.fake_gateway import FakeGateway, an_order
from tests.terminal import Terminal


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def start(opened: list[Terminal], *arguments: str, size: tuple[int, int] = (60, 200)) -> Terminal:
    opened.append(Terminal(*arguments, size=size))
    return opened[-1]


@pytest.mark.parametrize("leave", ["q", "Ctrl-C"])
def test_top_refreshes_until_it_is_left_and_puts_the_terminal_back(
    gateway: FakeGateway, opened: list[Terminal], leave: str
) -> None:
    terminal = start(opened, "top", "--interval", "0.1", "--address", gateway.address)
    terminal.read_until("Working orders", "Newest executions", "q to leave")

    gateway.overview.halted_symbols[:] = ["INITECH"]
    terminal.read_until("halted: INITECH")
    if leave == "q":
        terminal.write("q")
    else:
        terminal.send_signal(signal.SIGINT)

    assert terminal.exit_code() == 0
    assert terminal.is_as_before()
    assert "Traceback" not in terminal.shown


def test_top_shows_executions_as_they_come_and_reads_each_once(gateway: FakeGateway, opened: list[Terminal]) -> None:
    terminal = start(opened, "top", "--interval", "0.1", "--address", gateway.address)
    terminal.read_until("E1")

    new = pb.Event(seq=7, time_ns=1, type=pb.ORDER_FILLED, order=gateway.details["O1"].order, exec_id="E-NEW")
    gateway.events.append(new)
    terminal.read_until("E-NEW")
    terminal.write("q")

    assert terminal.exit_code() == 0
    asked = [request.from_seq for request in gateway.requests if isinstance(request, pb.SubscribeRequest)]
    assert asked == [1, 7]


def test_top_stays_while_the_gateway_is_away(gateway: FakeGateway, opened: list[Terminal]) -> None:
    terminal = start(opened, "top", "--interval", "0.1", "--address", gateway.address)
    terminal.read_until("q to leave")

    gateway.stop()
    terminal.read_until("cannot reach", "is the gateway running?")
    terminal.write("q")

    assert terminal.exit_code() == 0


def test_on_a_small_terminal_what_matters_most_still_fits(gateway: FakeGateway, opened: list[Terminal]) -> None:
    gateway.all_orders = [an_order(f"O{n}") for n in range(50)]
    gateway.overview.working_orders = 50
    terminal = start(opened, "top", "--address", gateway.address, size=(24, 200))

    terminal.read_until("q to leave", "halted: GLOBEX", "XSIM", "Working orders, the first 2 of 50", "E1")
    terminal.write("q")

    assert terminal.exit_code() == 0


@pytest.mark.parametrize(("answer", "code", "sent"), [("y\n", 0, 1), ("n\n", 2, 0), ("\n", 2, 0), ("\x04", 2, 0)])
def test_an_action_on_a_session_is_asked_about(
    gateway: FakeGateway, opened: list[Terminal], answer: str, code: int, sent: int
) -> None:
    terminal = start(opened, "session", "logout", "XSIM", "--reason", "because", "--address", gateway.address)
    terminal.read_until("Log out from XSIM?", "[y/N]")
    terminal.write(answer)

    assert terminal.exit_code() == code
    assert len(gateway.requests) == sent


def test_following_events_goes_on_until_ctrl_c(gateway: FakeGateway, opened: list[Terminal]) -> None:
    terminal = start(opened, "events", "--follow", "--address", gateway.address)
    terminal.read_until("SESSION_LOGGED_OUT")

    gateway.events.append(pb.Event(seq=7, time_ns=1, type=pb.SESSION_LOGGED_ON, venue="YSIM"))
    terminal.read_until("SESSION_LOGGED_ON")
    terminal.send_signal(signal.SIGINT)

    assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.shown
    assert [terminal.shown.count(f"     {seq} \x1b") for seq in range(1, 8)] == [1] * 7


def test_exposure_is_shown_live_until_it_is_left(gateway: FakeGateway, opened: list[Terminal]) -> None:
    gateway.exposure = [pb.Exposure(scope="account:ACC1", net_notional="1234567.5")]
    terminal = start(opened, "risk", "exposure", "--watch", "--address", gateway.address)
    # The fake gateway is gone after two snapshots, and the last one stays on the screen.
    terminal.read_until("q to leave", "account:ACC1", "1,234,567.5", "cannot reach")
    terminal.write("q")

    assert terminal.exit_code() == 0
    assert terminal.is_as_before()
    assert "Traceback" not in terminal.shown
