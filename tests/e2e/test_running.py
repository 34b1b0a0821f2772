"""How a gateway starts, runs and stops: what cannot be started, what breaks beside trading, and where it writes to."""

import json
import signal
import subprocess
import time
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
    said = {str(line["event"]): line for line in lines(gateway)}  # A FIX thread may say something in between.
    broke, last = said["background task broke"], said["fatal error, leaving at once"]
    assert (broke["level"], broke["task"]) == ("critical", task)
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


# --- Where it writes to -----------------------------------------------------------------------------------------------


def until_said(text: str, path: Path) -> None:
    """Wait until a file has these words."""
    end = time.monotonic() + WAIT_S
    while text not in path.read_text():
        assert time.monotonic() < end, path.read_text()
        time.sleep(0.02)


def test_a_gateway_whose_standard_output_takes_nothing_runs_and_stops_as_ever(tmp_path: Path) -> None:
    """A full disk, or a reader that is gone: it ended with "not started", or with 120, which a service manager takes
    for a fault.
    """
    command, log = Stack(tmp_path / "stack").gateway.command, tmp_path / "log"
    log.touch()
    with Path("/dev/full").open("wb") as full, log.open("wb") as err:
        gateway = subprocess.Popen(command, stdout=full, stderr=err)
        until_said('"ready"', log)
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(WAIT_S) == 0
    assert "standard output does not take the line that we are ready" in log.read_text()


def test_a_gateway_that_is_started_without_standard_streams_puts_no_file_in_their_place(tmp_path: Path) -> None:
    """The lock of its data directory was its standard output: every child and library could write there."""
    script = 'exec "$@" <&- >&- 2>&-'
    stack = Stack(tmp_path / "stack")
    gateway = subprocess.Popen(["sh", "-c", script, "sh", *stack.gateway.command])
    sock = tmp_path / "stack" / "gateway" / "gateway.sock"
    end = time.monotonic() + WAIT_S
    while not sock.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert {str(Path(f"/proc/{gateway.pid}/fd/{number}").readlink()) for number in range(3)} == {"/dev/null"}
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(WAIT_S) == 0


def test_a_wrong_configuration_has_its_exit_code_also_where_nobody_can_be_told(tmp_path: Path) -> None:
    """Not 1, after which a service manager starts it again and again."""
    stack = Stack(tmp_path)
    stack.gateway_config.write_text("nonsense")
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(stack.gateway.command, stderr=full, check=False, timeout=WAIT_S).returncode == 2
