"""The benchmark of the risk checks works, at sizes that take no time."""

import subprocess
import sys

import pytest

from gateway.core.invariants import check_state
from gateway.core.risk import events as re
from gateway.core.state import State
from tests.bench import risk
from tests.bench.recovery import ROOT


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_it_measures_are_orders_that_pass_every_check(everywhere: bool) -> None:
    bench, source = risk.Bench(State()), risk.orders()
    bench.apply(re.RiskConfigured(risk.setup(everywhere=everywhere)))
    for _ in range(60):
        checked, settled = bench.take(next(source))
        assert checked > 0
        assert settled > 0
    for order_id in list(bench.state.orders)[:30]:
        bench.end(order_id)
    assert bench.state.risk.book.nodes["firm"].open_orders == 59, "the last order is taken in by the next check"
    check_state(bench.state)
    assert bench.state.risk.book.nodes["firm"].open_orders == 30


def test_its_command_prints_the_figures() -> None:
    command = [sys.executable, "-m", "tests.bench.risk", "--open", "20", "--samples", "20", "--events", "100"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "20 open orders: checks p50" in said
    assert "replay:" in said
