"""How a gateway starts, runs and stops: what cannot be started, what breaks beside trading, and where it writes to."""

import json
from pathlib import Path

import pytest

from ops.stack import NotReady, Process, Stack
from sim_exchange import ledger

WAIT_S = 60


def lines(process: Process) -> list[dict[str, object]]:
    return [json.loads(line) for line in process.log.read_text().splitlines()]


@pytest.mark.parametrize("task", ["timer", "watch", "note", "follower"])
def test_what_breaks_beside_trading_ends_the_process_and_says_what_it_was(tmp_path: Path, task: str) -> None:
    """Without its clock no order times out and nothing leaves memory; a gateway must not go on so without a word."""
    gateway = Stack(tmp_path).gateway_by("tests.e2e.breaking", {"BREAKS": task})
    gateway.start()
    assert gateway.ended(WAIT_S) == 1
    broke, last = lines(gateway)[-2:]
    assert (broke["level"], broke["event"], broke["task"]) == ("critical", "background task broke", task)
    assert last["event"] == "fatal error, leaving at once"
    assert "a fault that was planted" in str(last["exception"])


def test_a_session_that_cannot_be_started_leaves_none_behind_without_a_logout(own_stack: Stack) -> None:
    """The first was logged on by then, and its venue saw the connection drop."""
    own_stack.gateway.stop()
    (numbers,) = (own_stack.folder / "gateway" / "fix" / "YSIM").glob("*.seqnums")
    numbers.unlink()
    numbers.mkdir()
    with pytest.raises(NotReady):
        own_stack.gateway.start()
    assert own_stack.gateway.ended(WAIT_S) == 1
    (refused,) = [line for line in lines(own_stack.gateway) if line["event"] == "not started"]
    assert str(numbers) in str(refused["reason"])
    came = [each.msg_type for each in ledger.read_lines(own_stack.ledger("XSIM")) if isinstance(each, ledger.Received)]
    assert came[-1] == "5"
