"""The benchmark of the core measures whole lives: what it says was done was done."""

import subprocess
import sys
from pathlib import Path

from gateway.core.invariants import check_state
from gateway.core.order import ord_status
from gateway.core.types import OrdStatus
from tests.bench.core_lives import lived


def test_every_life_ends_with_a_fill() -> None:
    state, _ = lived(40)
    assert [ord_status(order) for order in state.orders.values()] == [OrdStatus.FILLED] * 40
    assert (state.executions, state.set_aside_total, len(state.positions)) == (40, 0, 20)
    check_state(state)


def test_its_command_says_how_many_a_second() -> None:
    command = [sys.executable, "-m", "tests.bench.core_lives", "--lives", "50", "--times", "2"]
    said = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True).stdout
    assert said.count("lives per second") == 2
