"""The benchmark of the codecs lets all of them do the same: the same fields out, the same values in."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway.codec.fix import Decoded
from gateway.core.reports import ExecutionReport
from tests.bench import codec
from tests.bench.stages import Life

FRAME = {"8", "9", "10"}


@pytest.fixture(scope="module")
def life() -> Life:
    return codec.lives(1)[0]


def fields(message: str | bytes) -> dict[str, str]:
    text = message.decode() if isinstance(message, bytes) else message
    return dict(piece.split("=", 1) for piece in text.split("\x01") if piece)


def test_all_write_the_same_order(life: Life) -> None:
    record = life.submitted[-1]
    ours = fields(codec.gateway_out(record))
    assert {"11", "55", "54", "38", "40", "44", "59", "60"} <= ours.keys()
    for other in (codec.gateway_quickfix_out, codec.simplefix_out, codec.quickfix_out):
        found = fields(other(record))
        assert {tag: text for tag, text in found.items() if tag not in FRAME} == ours
        assert re.fullmatch("[0-9]{3}", found["10"])


def test_all_read_the_same_report(life: Life) -> None:
    ours = codec.gateway_in(life.fill)
    assert isinstance(ours, Decoded)
    fact = ours.fact
    assert isinstance(fact, ExecutionReport)
    values = codec.simplefix_in(life.fill)
    assert values == codec.quickfix_in(life.fill)
    assert codec.gateway_quickfix_in(life.fill) == ours
    assert {fact.cl_ord_id, fact.exec_id, fact.venue_order_id, fact.cum_qty, fact.last_px, fact.order_qty} <= set(
        values
    )


def test_its_command_says_what_was_measured() -> None:
    command = [sys.executable, "-m", "tests.bench.codec", "--seconds", "0"]
    said = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True).stdout
    measured = msgspec.convert(json.loads(said.splitlines()[-1]), dict[str, dict[str, codec.Slices]])
    assert {"gateway", "simplefix", "QuickFIX"} <= measured["NewOrderSingle out"].keys()
    assert measured["ExecutionReport in"].keys() == measured["NewOrderSingle out"].keys()
    assert all(0 < each.low <= each.us <= each.high for by in measured.values() for each in by.values())
    if "asyncfix" not in measured["ExecutionReport in"]:
        assert "asyncfix is not installed" in said
