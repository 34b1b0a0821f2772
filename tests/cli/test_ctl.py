"""`gatewayctl` asks the right things in the right name, and shows people and programs what it is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import ctl, ctl_api
from gateway.cli.ctl_api import Api
from gateway.cli.ctl_top import Watcher
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_gateway import FakeGateway, an_event, an_order


def document(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def words(run: Run, *arguments: str) -> list[list[str]]:
    """The lines for people, as words."""
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout  # No colours where there is no terminal.
    return [line.split() for line in result.stdout.splitlines() if line.strip()]


# --- Looking ---


def test_sessions_show_state_sequence_numbers_and_age(run: Run, gateway: FakeGateway) -> None:
    lines = words(run, "sessions")

    assert lines[-3][:10] == ["XSIM", "logged", "on", "FIX.4.4", "GW", "->", "XSIM", "127.0.0.1:9001", "12", "0"]
    assert lines[-3][-3:] == ["d", "never", "0"]
    assert lines[-2][:2] == ["YSIM", "connecting"]
    assert lines[-2][-5:] == ["0", "34", "never", "never", "3"]
    assert lines[-1][:3] == ["ZSIM", "logged", "out"]


def test_sessions_as_json_are_the_apis_own_message(run: Run) -> None:
    sessions = document(run, "sessions")["sessions"]

    assert [session["venue"] for session in sessions] == ["XSIM", "YSIM", "ZSIM"]
    assert sessions[0]["next_sender_msg_seq_num"] == "12"
    assert sessions[1]["logged_on"] is False
    assert "last_received_ns" not in sessions[1]


def test_calls_are_made_as_the_operator_or_as_who_is_named(run: Run, gateway: FakeGateway) -> None:
    run("sessions")
    run("positions", "--client-id", "demo")
    CliRunner().invoke(
        ctl.app, ["positions"], env={"GATEWAY_ADDRESS": gateway.address, "GATEWAY_CLIENT_ID": "from-environment"}
    )

    assert gateway.callers == {"ops", "demo", "from-environment"}


def test_orders_pass_their_filters_on(run: Run, gateway: FakeGateway) -> None:
    names = ("--account", "ACC1", "--strategy", "s", "--symbol", "ACME", "--venue", "XSIM", "--client", "demo")
    run("orders", *names, "--working", "--status", "new", "--status", "partially-filled", "-n", "7")

    (request,) = gateway.requests
    assert isinstance(request, pb.ListOrdersRequest)
    assert (request.account, request.strategy, request.symbol, request.venue) == ("ACC1", "s", "ACME", "XSIM")
    assert (request.client_id, request.working, request.page_size) == ("demo", True, 7)
    assert list(request.ord_status) == [pb.ORD_STATUS_NEW, pb.ORD_STATUS_PARTIALLY_FILLED]


def test_orders_are_shown_with_exact_numbers_and_doubt(run: Run) -> None:
    lines = words(run, "orders")

    assert lines[-2] == [
        *("O1", "demo", "c-O1", "ACME", "XSIM", "BUY", "LIMIT", "DAY"),
        *("1,000", "99.95", "1,000", "0", "99.9500000001", "FILLED"),
    ]
    assert lines[-1] == [
        *("O2", "demo", "c-O2", "GLOBEX", "XSIM", "SHORT", "LIMIT", "DAY"),
        *("1,000", "99.95", "@98", "0", "1,000", "NEW", "IN", "DOUBT"),
    ]


def test_pages_are_put_together_up_to_the_limit(run: Run, gateway: FakeGateway) -> None:
    gateway.all_orders = [an_order(f"O{n}") for n in range(9)]

    whole = document(run, "orders")
    part = document(run, "orders", "-n", "5")
    rest = document(run, "orders", "--page-token", part["next_page_token"])

    assert [order["order_id"] for order in whole["orders"]] == [f"O{n}" for n in range(9)]
    assert not whole["next_page_token"]
    assert [order["order_id"] for order in part["orders"]] == [f"O{n}" for n in range(5)]
    assert [order["order_id"] for order in rest["orders"]] == [f"O{n}" for n in range(5, 9)]
    assert f"--page-token {part['next_page_token']}" in run("orders", "-n", "5").stdout


def test_an_unknown_status_is_answered_with_those_that_there_are(run: Run, gateway: FakeGateway) -> None:
    result = run("orders", "--status", "filed")

    assert result.exit_code == 2
    assert "there is no OrdStatus FILED; there are: new, partially_filled, filled," in result.stderr
    assert not gateway.requests


def test_an_orders_life_is_told_from_its_terms_to_its_last_event(run: Run) -> None:
    result = run("order", "O1")

    assert [part in result.stdout for part in ("FILLED", "account: ACC1", "V1", "accepted", "fill")] == [True] * 5
    events = result.stdout.split("Events")[1].split("\n")
    assert [line.split()[0] for line in events if line.strip()] == ["2", "3"]
    assert "ORDER_FILLED" in events[2]
    assert "1,000 at 99.95 (E1)" in events[2]


def test_an_order_is_found_by_its_owners_cl_ord_id(run: Run, gateway: FakeGateway) -> None:
    found = document(run, "order", "c-O1", "--client", "demo")

    assert found["order"]["order_id"] == "O1"
    assert [event["type"] for event in found["events"]] == ["ORDER_SUBMITTED", "ORDER_FILLED"]
    assert [execution["exec_id"] for execution in found["executions"]] == ["E1"]
    assert [request["kind"] for request in found["requests"]] == ["new"]


@pytest.mark.parametrize(("submitted", "asked"), [(9_000, [8_001]), (7_000, [8_001, 1])])
def test_an_orders_life_is_looked_for_from_its_end(
    run: Run, gateway: FakeGateway, submitted: int, asked: list[int]
) -> None:
    """The journal may have all that happened for years."""
    life = gateway.events[1:3]
    gateway.events = [an_event(seq, pb.SESSION_LOGGED_OUT, venue="YSIM") for seq in range(1, 10_001)]
    for seq, event in zip((submitted, 9_500), life, strict=True):
        event.seq = seq
        gateway.events[seq - 1] = event
    gateway.details["O1"].as_of_seq = 10_000

    found = document(run, "order", "O1")

    assert [event["seq"] for event in found["events"]] == [str(submitted), "9500"]
    subscribed = [request for request in gateway.requests if isinstance(request, pb.SubscribeRequest)]
    assert [request.from_seq for request in subscribed] == asked


def test_the_older_events_of_an_order_are_looked_for_elsewhere(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that is good till canceled: the gateway would read its journal of months beside its trading."""
    monkeypatch.setattr(ctl_api, "MOST_BACK", 15_000)
    submitted, filled = gateway.events[1:3]
    gateway.events = [an_event(seq, pb.SESSION_LOGGED_OUT, venue="YSIM") for seq in range(1, 20_001)]
    for seq, event in ((5, submitted), (19_000, filled)):
        event.seq = seq
        gateway.events[seq - 1] = event
    gateway.details["O1"].as_of_seq = 20_000

    shown, found = run("order", "O1"), document(run, "order", "O1")

    assert "of the newest 15,000 events, from seq 5,001 on; all of its life is in: gateway journal show" in shown.stdout
    assert "--order O1" in shown.stdout
    assert [event["seq"] for event in found["events"]] == ["19000"]
    assert found["looked_from_seq"] == "5001"
    assert [execution["exec_id"] for execution in found["executions"]] == ["E1"]
    subscribed = [request for request in gateway.requests if isinstance(request, pb.SubscribeRequest)]
    assert min(request.from_seq for request in subscribed) == 5_001


def test_an_order_that_does_not_exist_is_told_with_the_reason_code(run: Run) -> None:
    result = run("order", "nope")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ORDER_UNKNOWN: no order has the order_id 'nope'")
    assert "--client CLIENT" in result.stderr


def test_positions_show_what_is_short_and_lost(run: Run) -> None:
    assert words(run, "positions")[-1] == [
        *("ACC1", "ACME", "-1,234,567.5", "99.95", "-10.25", "0", "1,234,567.5", "1", "USD"),
    ]
    assert document(run, "positions")["positions"][0]["net_qty"] == "-1234567.5"


def test_events_are_one_line_each_the_newest_or_from_a_number_on(run: Run) -> None:
    newest = run("events", "-n", "2").stdout.splitlines()
    assert [line.split()[0] for line in newest] == ["5", "6"]
    assert newest[0].endswith("COMMAND_REFUSED          c9  price  PRICE_OFF_TICK  [not] a tick")

    lines = run("events", "--from", "4", "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == ["4", "5", "6"]
    lines = run("events", "--from", "4", "--follow", "-n", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == ["4", "5"]


def test_events_of_one_type(run: Run) -> None:
    lines = run("events", "--type", "order-filled", "--json").stdout.splitlines()

    assert [json.loads(line)["type"] for line in lines] == ["ORDER_FILLED"]


def test_an_unknown_event_type_is_answered_with_those_that_there_are(run: Run) -> None:
    result = run("events", "--type", "order_fill")

    assert result.exit_code == 2
    assert "there is no event type ORDER_FILL; there are: order_submitted, order_routed," in result.stderr


def test_an_empty_journal_has_no_events(run: Run, gateway: FakeGateway) -> None:
    gateway.events = []

    assert run("events").stdout == ""
    assert document(run, "executions") == {"executions": [], "looked_from_seq": "1"}


def test_set_aside_reports_are_shown_whole(run: Run) -> None:
    lines = words(run, "set-aside")

    assert lines[0] == ["Set", "aside:", "5,", "the", "newest", "1"]
    assert lines[-1][-6:] == ["12:00:00.000", "XSIM", "unknown", "order", '{"exec_id":', '"E9"}']


def test_items_show_what_differs_and_how_much_it_matters(run: Run) -> None:
    (line,) = [line for line in words(run, "items") if line and line[0] == "I1"]

    assert line[1] == "CRITICAL"
    assert "XSIM" in line
    assert "O2" in line
    assert "resolve-item" in run("items").stdout
    assert document(run, "items")["items"][0]["theirs"] == "10"


def test_requests_in_doubt_are_listed_with_their_order(run: Run) -> None:
    (line,) = [line for line in words(run, "in-doubt") if line and line[0] == "O2"]

    assert line[1:5] == ["demo", "c-O2", "R2", "new"]
    assert line[-3:] == ["NEW", "IN", "DOUBT"]
    assert document(run, "in-doubt")["requests"][0]["venue_cl_ord_id"] == "R2"


def test_a_list_that_was_cut_short_says_so(run: Run, gateway: FakeGateway) -> None:
    gateway.in_doubt.total, gateway.marks.total = 10_001, 20_000
    gateway.marks.marks.add(mark=pb.Mark(symbol="ACME", px="1"))
    assert "In doubt, the first 1 of 10,001" in run("in-doubt").stdout
    assert "Marks, the first 1 of 20,000" in run("risk", "marks").stdout


def test_orders_that_are_not_ours_are_shown(run: Run) -> None:
    (line,) = [line for line in words(run, "external-orders") if line and line[0] == "XSIM"]

    assert line[1:6] == ["V99", "ACME", "BUY", "1,000", "98"]
    assert document(run, "external-orders")["orders"][0]["venue_order_id"] == "V99"


def test_a_venue_that_is_up_and_not_reconciled_says_so(run: Run, gateway: FakeGateway) -> None:
    gateway.sessions.sessions[0].order_entry_open = False
    assert "NOT RECONCILED" in run("sessions").stdout
    gateway.sessions.sessions[0].reconciling = True
    assert "reconciling" in run("sessions").stdout


def test_an_outcome_that_there_is_not_is_refused(run: Run, gateway: FakeGateway) -> None:
    result = run("resolve-doubt", "O2", "--outcome", "filled", "--reason", "because", "--yes")

    assert result.exit_code == 2
    assert "unsent, accepted, rejected, canceled" in result.stderr
    assert gateway.requests == []


def test_the_overview_names_what_a_person_has_to_look_at(run: Run) -> None:
    text = run("overview").stdout

    for part in ("working 1", "in doubt 1", "ack p50 190 us", "ack p99 1,234 us", "halted: GLOBEX"):
        assert part in text
    assert "stopped" not in text
    assert document(run, "overview")["order_to_ack_p99_us"] == "1234"


def test_the_overview_names_sessions_that_are_not_up(run: Run, gateway: FakeGateway) -> None:
    up = pb.Session(venue="XSIM", logged_on=True, enabled=True, order_entry_open=True)
    gateway.sessions = pb.ListSessionsResponse(sessions=[up])
    assert "sessions" not in run("overview").stdout
    down = (pb.Session(venue="YSIM", enabled=True), pb.Session(venue="XSIM-DC", drop_copy_of="XSIM"))
    gateway.sessions.sessions.extend(down)
    assert "sessions: YSIM connecting, XSIM-DC logged out" in run("overview").stdout


def test_the_overview_says_that_trading_is_stopped(run: Run, gateway: FakeGateway) -> None:
    gateway.overview.stops, gateway.overview.breaches = 2, 3
    assert "stopped: 2   breaches: 3" in run("overview").stdout


def test_top_without_a_terminal_is_one_look(run: Run) -> None:
    text = run("top").stdout

    titles = ("Sessions", "Items", "In doubt", "Working orders", "Newest executions", "Positions")
    assert [text.count(f"\n{title}") for title in titles] == [1] * len(titles)
    parts = document(run, "top")
    assert list(parts) == ["overview", "sessions", "working_orders", "executions", "positions", "items", "in_doubt"]
    assert [event["exec_id"] for event in parts["executions"]] == ["E1"]


def test_a_look_that_breaks_off_shows_no_execution_twice(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the gateway restarts in the middle of it."""
    with Api(gateway.address, "ops") as api:
        watcher = Watcher(api)
        watcher.look()
        filled = gateway.details["O1"].order
        gateway.events += [an_event(seq, pb.ORDER_FILLED, filled, exec_id=f"E{seq}") for seq in (7, 8)]

        def broken_off(*arguments: Any) -> Iterator[pb.Event]:
            yield next(whole(*arguments))
            raise grpc.RpcError

        whole = api.history
        monkeypatch.setattr(api, "history", broken_off)
        with pytest.raises(grpc.RpcError):
            watcher.look()
        monkeypatch.undo()
        assert [event.exec_id for event in watcher.look().executions] == ["E1", "E7", "E8"]


def test_top_reads_no_long_lists_again_and_again(run: Run, gateway: FakeGateway) -> None:
    gateway.overview.open_items = gateway.overview.in_doubt = 9_999

    text = run("top").stdout

    assert "9,999 items: gatewayctl items lists them" in text
    assert "9,999 in doubt: gatewayctl in-doubt lists them" in text
    assert not any(isinstance(each, pb.ListItemsRequest | pb.ListInDoubtRequest) for each in gateway.requests)


def test_top_shows_critical_items_first(run: Run, gateway: FakeGateway) -> None:
    gateway.items.items.insert(0, pb.Item(item_id="I0", severity=pb.SEVERITY_WARNING, text="less"))
    gateway.overview.open_items = 2

    text = run("top").stdout

    assert text.index("I1") < text.index("I0")


def test_more_than_grpcs_usual_message_can_be_listed(run: Run, gateway: FakeGateway) -> None:
    gateway.in_doubt.requests.extend([gateway.in_doubt.requests[0]] * 40_000)

    assert gateway.in_doubt.ByteSize() > 4 << 20
    assert len(document(run, "in-doubt")["requests"]) == 40_001


# --- Acting ---


@pytest.mark.parametrize(
    ("arguments", "request_sent"),
    [
        (("session", "logon", "XSIM"), pb.LogonRequest(venue="XSIM", reason="because")),
        (("session", "logout", "XSIM"), pb.LogoutRequest(venue="XSIM", reason="because")),
        (
            ("session", "set-sequence", "XSIM", "--next-sender", "5", "--next-target", "7"),
            pb.SetSequenceNumbersRequest(
                venue="XSIM", reason="because", next_sender_msg_seq_num=5, next_target_msg_seq_num=7
            ),
        ),
        (
            ("session", "set-sequence", "XSIM", "--next-target", "7"),
            pb.SetSequenceNumbersRequest(venue="XSIM", reason="because", next_target_msg_seq_num=7),
        ),
        (("halt", "ACME"), pb.HaltInstrumentRequest(symbol="ACME", reason="because")),
        (("resume", "ACME"), pb.ResumeInstrumentRequest(symbol="ACME", reason="because")),
        (("reconcile", "XSIM"), pb.ReconcileRequest(venue="XSIM", reason="because")),
        (("open-entry", "XSIM"), pb.OpenOrderEntryRequest(venue="XSIM", reason="because")),
        (("resolve-item", "I1"), pb.ResolveItemRequest(item_id="I1", reason="because")),
        (
            ("resolve-doubt", "O2", "--outcome", "unsent", "--request", "R2"),
            pb.ResolveDoubtRequest(
                order_id="O2", venue_cl_ord_id="R2", outcome=pb.DOUBT_OUTCOME_UNSENT, reason="because"
            ),
        ),
        (
            ("resolve-doubt", "O2", "--outcome", "canceled"),
            pb.ResolveDoubtRequest(order_id="O2", outcome=pb.DOUBT_OUTCOME_CANCELED, reason="because"),
        ),
    ],
)
def test_an_action_is_sent_with_its_reason(
    run: Run, gateway: FakeGateway, arguments: tuple[str, ...], request_sent: object
) -> None:
    confirm = () if arguments[0] in {"halt", "resume", "reconcile"} else ("--yes",)

    result = run(*arguments, "--reason", "because", *confirm)

    assert result.exit_code == 0, result.stderr
    assert gateway.requests == [request_sent]
    assert "(event 77)" in result.stdout
    assert document(run, *arguments, "--reason", "because", *confirm) == {"seq": "77"}


def test_without_a_reason_nothing_is_done(run: Run, gateway: FakeGateway) -> None:
    result = run("session", "logout", "XSIM", "--yes")

    assert result.exit_code == 2
    assert "--reason" in result.stderr
    assert not gateway.requests


def test_without_a_terminal_to_ask_on_an_action_needs_yes(run: Run, gateway: FakeGateway) -> None:
    result = run("session", "logout", "XSIM", "--reason", "because")

    assert result.exit_code == 2
    assert result.stderr == "error: this asks before it acts, and there is no terminal to ask on: add --yes\n"
    assert not gateway.requests


@pytest.mark.parametrize(
    "arguments",
    [
        ("session", "set-sequence", "XSIM", "--reason", "r", "--yes", "--next-sender", "2000000001"),
        ("session", "set-sequence", "XSIM", "--reason", "r", "--yes", "--next-target", f"{1 << 64}"),
        ("events", "--from", f"{1 << 64}"),
    ],
)
def test_a_number_that_is_too_large_is_refused(run: Run, gateway: FakeGateway, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert (result.exit_code, gateway.requests) == (2, [])
    assert "less than or equal to" in result.stderr


def test_setting_no_sequence_number_is_refused(run: Run, gateway: FakeGateway) -> None:
    result = run("session", "set-sequence", "XSIM", "--reason", "because", "--yes")

    assert (result.exit_code, gateway.requests) == (2, [])
    assert "give --next-sender, --next-target or both" in result.stderr


# --- The documentation ---


def commands_of(group: Any, prefix: str = "gatewayctl") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():
        found |= commands_of(command, f"{prefix} {name}") if hasattr(command, "commands") else {f"{prefix} {name}"}
    return found


def test_the_operations_page_shows_every_command_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    documented = re.findall(r"^\| `(gatewayctl (?:session |query |risk )?[a-z-]+)", page, re.MULTILINE)

    assert sorted(documented) == sorted(commands_of(typer.main.get_command(ctl.app)))
