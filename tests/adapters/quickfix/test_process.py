"""What only a process can show: it dies by its own decision, or is killed between receiving and committing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.core.reports import ExecutionReport, SessionUp
from tests.adapters.quickfix.conftest import Gateways, venue_config
from tests.adapters.quickfix.gateway_process import FATAL
from tests.adapters.quickfix.peers import DEADLINE_S, RawVenue
from tests.adapters.quickfix.test_sequence import new, poss_dup

REPOSITORY = Path(__file__).parents[3]


Processes = Callable[[int, int, str], subprocess.Popen[str]]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made: list[subprocess.Popen[str]] = []

    def start(port: int, committed: int, mode: str) -> subprocess.Popen[str]:
        arguments = [str(tmp_path / "gateway"), str(port), str(committed), mode]
        made.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.adapters.quickfix.gateway_process", *arguments],
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_exception_in_a_callback_ends_the_process(venue: RawVenue, processes: Processes) -> None:
    process = processes(venue.port, 0, "broken")
    venue.logon()
    venue.send(new("e2"))
    assert process.wait(DEADLINE_S) == FATAL


def test_what_was_received_and_not_committed_comes_again_after_kill_9(
    venue: RawVenue, processes: Processes, gateways: Gateways
) -> None:
    process = processes(venue.port, 0, "uncommitted")
    venue.logon()
    venue.send(new("e2"))
    lines = iter(process.stdout.readline, "")
    assert "e2\n" in lines
    process.kill()
    process.wait()

    venue.fills_gaps = False
    gateway = gateways(venue_config(venue.port)).start(committed=0)
    venue.logon()
    gateway.wait_for(SessionUp)
    assert venue.read_until("2")["7"] == "1"
    venue.send("35=4\x01123=Y\x0136=2\x01", 1, poss_dup())
    venue.send(new("e2"), 2, poss_dup())
    assert gateway.wait_for(ExecutionReport).exec_id == "e2"
