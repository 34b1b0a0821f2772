"""The operator at seven in the morning: what gatewayctl shows of a real stack."""

import re
import signal
from collections.abc import Iterator

import pytest

from ops.stack import Stack
from tests.e2e.programs import ctl, ctl_json, ctl_lines, stack_with_history, the_session, until
from tests.e2e.stack import CLIENT_ID
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with_history(tmp_path_factory.mktemp("desk")) as stack:
        yield stack


def test_sessions(desk: Stack) -> None:
    session = the_session(desk, "XSIM")
    assert (session["logged_on"], session["enabled"], session["begin_string"]) == (True, True, "FIX.4.4")
    assert session["connects_to"] == f"127.0.0.1:{desk.fix_ports['XSIM']}"
    assert int(session["next_sender_msg_seq_num"]) > 4
    assert int(session["last_received_ns"]) > 0
    shown = ctl(desk, "sessions")
    assert "GATEWAY -> XSIM" in shown
    assert shown.count("logged on") == 2


def test_orders_and_their_filters(desk: Stack) -> None:
    def keys(*arguments: str) -> list[str]:
        orders = ctl_json(desk, "orders", *arguments)["orders"]
        return [order["cl_ord_id"] for order in orders if not order["cl_ord_id"].startswith("probe")]

    assert keys() == ["rest", "take"]
    assert keys("--working") == ["rest"]
    assert keys("--status", "filled", "--strategy", "taker", "--account", "ACC2", "--symbol", "ACME") == ["take"]
    assert keys("--venue", "YSIM", "--client", CLIENT_ID) == []
    assert ctl(desk, "orders", "--symbol", "GLOBEX", "--working") == "Orders: none\n"
    (order,) = ctl_json(desk, "orders", "--working")["orders"]
    assert (order["cum_qty"], order["leaves_qty"], order["avg_px"]) == ("40", "60", "100.1")
    assert re.search(r"rest .* XSIM .* 100 .* 100.1 .* 40 .* 60 .* PARTIALLY_FILLED", ctl(desk, "orders"))


def test_one_orders_life(desk: Stack) -> None:
    life = ctl_json(desk, "order", "rest", "--client", CLIENT_ID)
    assert life["order"]["account"] == "ACC1"
    assert [event["type"] for event in life["events"]] == [
        "ORDER_SUBMITTED",
        "ORDER_ROUTED",
        "ORDER_ACKNOWLEDGED",
        "ORDER_FILLED",
    ]
    (execution,) = life["executions"]
    assert (execution["last_qty"], execution["last_px"], execution["in_force"]) == ("40", "100.1", True)
    assert ctl_json(desk, "order", life["order"]["order_id"]) == life
    shown = ctl(desk, "order", life["order"]["order_id"])
    for words in ("Requests", "Executions", execution["exec_id"], "ORDER_ROUTED", f"client: {CLIENT_ID}"):
        assert words in shown


def test_executions(desk: Stack) -> None:
    events = ctl_json(desk, "executions")["executions"]
    assert {(each["order"]["cl_ord_id"], each["last_qty"], each["last_px"]) for each in events} == {
        ("take", "40", "100.1"),
        ("rest", "40", "100.1"),
    }
    shown = ctl(desk, "executions")
    assert all(each["exec_id"] in shown for each in events)
    assert ctl_json(desk, "executions", "-n", "1")["executions"] == events[-1:]


def test_positions(desk: Stack) -> None:
    positions = ctl_json(desk, "positions", "--symbol", "ACME")["positions"]
    assert {(each["account"], each["strategy"], each["net_qty"]) for each in positions} == {
        ("ACC1", "maker", "-40"),
        ("ACC2", "taker", "40"),
    }
    assert re.search(r"ACC1 +maker +ACME +-40 +100.1", ctl(desk, "positions"))


def test_events_from_the_beginning_and_the_newest(desk: Stack) -> None:
    told = ctl_lines(desk, "events", "--from", "1")
    assert [int(event["seq"]) for event in told] == list(range(1, len(told) + 1))
    assert told[0]["type"] == "EPOCH_BEGAN"
    (refused,) = ctl_lines(desk, "events", "--type", "command_refused", "--symbol", "ACME", "-n", "1")
    assert (refused["reason"], refused["field"], refused["cl_ord_id"]) == ("PRICE_OFF_TICK", "price", "off-tick")
    assert "COMMAND_REFUSED" in ctl(desk, "events", "--type", "command_refused")
    assert ctl_lines(desk, "events", "--from", "2", "-n", "3") == told[1:4]


def test_events_can_be_followed(desk: Stack) -> None:
    terminal = Terminal("events", "--follow", "--type", "instrument-resumed", "--address", desk.api_address)
    with terminal:
        until(lambda: ctl_json(desk, "overview")["subscribers"] == 1)
        ctl(desk, "resume", "INITECH", "--reason", "to be followed")
        terminal.read_until("to be followed")
        terminal.send_signal(signal.SIGINT)
        assert terminal.exit_code() == 0


def test_what_is_set_aside_is_shown_whole(desk: Stack) -> None:
    kept = ctl_json(desk, "set-aside")
    assert kept["total"] == "1"
    assert "STRAY-E1" in kept["reports"][0]["report_json"]
    assert "STRAY-E1" in ctl(desk, "set-aside")


def test_overview(desk: Stack) -> None:
    seen = ctl_json(desk, "overview")
    assert (seen["working_orders"], seen["executions"], seen["in_doubt"]) == ("1", "2", "0")
    assert int(seen["order_to_ack_p50_us"]) > 0
    assert re.search(r"working 1 +executions 2", ctl(desk, "overview"))


def test_top_without_a_terminal_is_one_look(desk: Stack) -> None:
    seen = ctl_json(desk, "top")
    assert [order["cl_ord_id"] for order in seen["working_orders"]] == ["rest"]
    assert len(seen["executions"]) == 2
    shown = ctl(desk, "top")
    for words in ("Sessions", "Working orders", "Newest executions", "Positions", "PARTIALLY_FILLED"):
        assert words in shown


@pytest.mark.parametrize("size", [(24, 80), (40, 120)])
def test_top_on_a_terminal_fits_it_and_leaves_it_clean(desk: Stack, size: tuple[int, int]) -> None:
    with Terminal("top", "--address", desk.api_address, size=size) as terminal:
        terminal.read_until("q to leave", "Working orders", "ACME", "Positions" if size[0] > 24 else "positions do")
        terminal.write("q")
        assert terminal.exit_code() == 0
        assert "Traceback" not in terminal.shown
        assert terminal.is_as_before()
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.shown).splitlines()
        longest = max(lines, key=len)
        assert len(longest) <= size[1], ascii(longest)
