"""`gatewayctl executions`: the newest ones, looked for from the journal's end and not from its beginning."""

import pytest

from gateway.cli import ctl_api
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_gateway import FakeGateway, an_event
from tests.cli.test_ctl import document, words


def test_executions_are_the_newest_ones(run: Run, gateway: FakeGateway) -> None:
    filled = gateway.details["O1"].order
    gateway.events = [
        an_event(seq, pb.ORDER_FILLED, filled, exec_id=f"E{seq}", last_qty="1", last_px="2") for seq in range(1, 10_001)
    ]

    found = document(run, "executions", "-n", "3")["executions"]

    assert [event["exec_id"] for event in found] == ["E9998", "E9999", "E10000"]
    subscribed = [request for request in gateway.requests if isinstance(request, pb.SubscribeRequest)]
    assert [request.from_seq for request in subscribed] == [8_001]  # Looks back no further than it has to.
    assert list(subscribed[0].filter.types) == [pb.ORDER_FILLED, pb.EXECUTION_CORRECTED, pb.EXECUTION_BUSTED]


def test_executions_look_back_to_the_beginning_when_there_are_few(run: Run, gateway: FakeGateway) -> None:
    old = gateway.events[2]
    quiet = [an_event(seq, pb.REPORT_IGNORED) for seq in range(1, 20_001)]
    quiet[4] = an_event(5, pb.ORDER_FILLED, old.order, exec_id="E1", last_qty="1000", last_px="99.95")
    gateway.events = quiet

    lines = words(run, "executions")

    assert lines[-1][-5:] == ["BUY", "1,000", "99.95", "1,000", "E1"]


def test_what_is_not_found_near_the_journals_end_is_looked_for_elsewhere(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway reads its journal beside its trading: not all of it for a symbol that nobody trades."""
    monkeypatch.setattr(ctl_api, "MOST_BACK", 15_000)
    old = gateway.events[2]
    gateway.events = [an_event(seq, pb.REPORT_IGNORED) for seq in range(1, 20_001)]
    gateway.events[4] = an_event(5, pb.ORDER_FILLED, old.order, exec_id="E1", last_qty="1000", last_px="99.95")
    gateway.events[9_999] = an_event(10_000, pb.ORDER_FILLED, old.order, exec_id="E2", last_qty="1", last_px="99.95")

    shown, found = run("executions"), document(run, "executions")

    assert "of the newest 15,000 events, from seq 5,001 on; all executions are in: gatewayctl query" in shown.stdout
    assert [event["exec_id"] for event in found["executions"]] == ["E2"]
    assert found["looked_from_seq"] == "5001"
    subscribed = [request for request in gateway.requests if isinstance(request, pb.SubscribeRequest)]
    assert min(request.from_seq for request in subscribed) == 5_001
    assert "of the newest" not in run("executions", "-n", "1").stdout
    events = run("events", "--type", "order_filled", "--json")
    assert (len(events.stdout.splitlines()), "--from SEQ looks at older ones" in events.stderr) == (1, True)
