"""Writes docs/controls.md from the code: each control, the rule that asks for it, its code, formula, default and tests.

`python -m tests.controls.page`.
"""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

from gateway.config import core_risk, load
from gateway.core.risk.asked import number
from gateway.core.risk.controls import SPECS, Breaker, Control
from gateway.core.risk.setup import Limit
from tests.controls.catalogue import BREAKER_TESTS, CHECKS, MEASURED, ROWS, Row

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "controls.md"
SAMPLE = ROOT / "config" / "gateway.toml"

INTRODUCTION = """\
# Controls

What an order has to pass before it leaves, what stops trading by itself, and which rule asks for it: SEC rule 15c3-5
(market access), MiFID II RTS 6, and the FIA's best practices for automated trading. `python -m tests.controls.page`
writes this page from the code; do not edit it.

A limit may stand at any scope (the firm, a desk, an account, a strategy; a client, an instrument, an asset class, a
venue), and an order has to pass every one on its way. Each control with a number needs at least one limit there: a
missing limit blocks. A replace is checked as an order is, and until the venue has answered the worse of old and new
counts. Working orders count in full. What an order reserves is given back by nothing but evidence.

An order that can only bring the position of its account's strategy nearer to zero passes the controls that say so
below, as long as it does not raise the figure of another scope. For a stop that lets such orders pass, a loss and a
mark, that is the largest amount that the position in the instrument can become at the scope of the stop or the limit
(at the firm where no price is known or the market is crossed). A replace that only lowers the quantity passes losses
and marks too. Cancels pass everything.

The figures are exact decimals. *mark* is the last mark, or the instrument's `reference_px` while there was none; *rate*
the value of one unit of its currency in the currency of [risk]. An operator changes limits with `gatewayctl risk set`,
each with a reason and, at the levels that the configuration names, with a second person's approval;
[configuration.md](configuration.md) has the file's keys, [runbook.md](runbook.md) what to do when one speaks.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _rules(), _limits(), _formulas(), _checks(), _breakers()]
    return "\n".join(parts)


def _rules() -> str:
    rows = [f"| {row.asked} | {row.rules} | {_names(row)} | {_cell(row_tests(row))} |" for row in ROWS]
    return _table("What the rules ask for", "| asked for | by | answered by | proven by |", rows)


def _limits() -> str:
    defaults = core_risk(load(SAMPLE, {})).limits["firm"]
    rows = [
        f"| `{control}` | {spec.unit} | {_default(defaults[control])} | `{spec.reason}` |"
        f" {'yes' if spec.reduces else 'no'} | {spec.rule} |"
        for control, spec in SPECS.items()
    ]
    head = "| control | unit | sample, at the firm | reason code | reducing orders pass | asked for by |"
    return _table("Controls with a limit", head, rows)


def _formulas() -> str:
    rows = [f"| `{control}` | {spec.formula.replace('|', '&#124;')} |" for control, spec in SPECS.items()]
    return _table("Formulas", "| control | what is compared with the limit |", rows)


def _checks() -> str:
    rows = [f"| `{name}` | {check.what} | `{check.reason}` |" for name, check in CHECKS.items()]
    return _table("Controls without a number", "| control | what has to hold | reason code |", rows)


def _breakers() -> str:
    rows = [f"| `{kind}` | {MEASURED[kind]} | {_cell(breaker_tests(kind))} |" for kind in Breaker]
    return _table("Breakers", "| breaker | trips when this reaches its value | proven by |", rows)


def _table(title: str, head: str, rows: list[str]) -> str:
    rule = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join([f"## {title}", "", head, rule, *rows, ""])


def _names(row: Row) -> str:
    return (
        ", ".join(f"`{name}`" + (" (breaker)" if isinstance(name, Breaker) else "") for name in row.by) or "see tests"
    )


def _default(limit: Limit) -> str:
    said = number(limit.value)
    if limit.per_s:
        said += f" in {limit.per_s} s"
    return f"{said}, above {number(limit.after)}" if limit.after else said


def _cell(tests: list[str]) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)


def row_tests(row: Row) -> list[str]:
    """The tests that prove a row: those that are marked with its controls, of its breakers, and those it names."""
    found = [test for name in row.by for test in _tests_of(name)]
    return list(dict.fromkeys([*found, *row.tests]))


def _tests_of(name: str) -> list[str]:
    return breaker_tests(name) if isinstance(name, Breaker) else marked()[str(name)]


def breaker_tests(kind: Breaker) -> list[str]:
    """The tests of one breaker."""
    return [*BREAKER_TESTS[kind]]


@cache
def marked() -> dict[str, list[str]]:
    """The tests that say which control they are about, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for name in _controls(node):
                    found[name].append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def _controls(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The arguments of `@pytest.mark.control(...)`."""
    marks = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    marks = [each for each in marks if ast.unparse(each.func) == "pytest.mark.control"]
    return [str(argument.value) for each in marks for argument in each.args if isinstance(argument, ast.Constant)]


def unproven() -> list[str]:
    """Controls and breakers that no row has, or that no test is about."""
    named = {str(name) for row in ROWS for name in row.by} | {"limit_missing"}
    controls = [str(name) for name in (*Control, *CHECKS)]
    missing = [name for name in (*controls, *map(str, Breaker)) if name not in named]
    return missing + [name for name in controls if not marked()[name]]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
