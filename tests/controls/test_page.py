"""docs/controls.md is what the code says, and nothing in it is without a test."""

import ast
from pathlib import Path

import pytest

from gateway.core.risk.controls import Breaker
from tests.controls import page
from tests.controls.catalogue import BREAKER_TESTS, MEASURED, ROWS, Row

ROOT = Path(__file__).parents[2]
ASKED = 23
"""Rows of the table of controls that the rules of the trade ask for."""


def test_the_page_is_the_codes() -> None:
    assert page.PAGE.read_text("utf-8") == page.page(), "run `python -m tests.controls.page`"


def test_every_row_is_answered() -> None:
    assert len(ROWS) == ASKED


def test_every_control_and_breaker_has_a_row_and_a_test() -> None:
    assert page.unproven() == []
    assert set(BREAKER_TESTS) == set(MEASURED) == set(Breaker)


def test_a_control_without_a_test_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: tests for name, tests in page.marked().items() if name != "max_order_qty"} | {"max_order_qty": []}
    monkeypatch.setattr(page, "marked", lambda: without)
    assert page.unproven() == ["max_order_qty"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.asked)
def test_the_named_tests_exist(row: Row) -> None:
    found = page.row_tests(row)
    assert found
    for node_id in found:
        file, _, name = node_id.partition("::")
        body = ast.parse((ROOT / file).read_text("utf-8")).body
        names = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        assert name in names if name else any(each.startswith("test_") for each in names), node_id
