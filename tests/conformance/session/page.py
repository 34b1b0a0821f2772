"""Writes docs/session-cases.md from a run of the session cases: `python -m tests.conformance.session.page`."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "session-cases.md"
PASSED = "passed"
Key = tuple[str, str]
"""The side, and the id of the case."""

INTRODUCTION = """\
# Session cases

What FIX asks of the two ends of a session, before any order is spoken of, and what the two do. This page is written
by the run that checks the cases (`make session-cases`), and a test compares it with their tables. Do not edit it.

The source names the case in "FIX session layer test cases" (fixtrading.org), which has B for the initiator and S for
the acceptor where they differ; "ours" are cases that the document does not have. The cases are scripts of our own: no
code and no text is taken from elsewhere. An end in `expected` is the end of the connection.
"""


class Side(NamedTuple):
    """One side of a session: its table and what is said of it. The tests of a side have `word` in their file's name."""

    word: str
    title: str
    module: str
    table: str
    text: str


SIDES = (
    Side(
        "acceptor",
        "The acceptor",
        "tests.conformance.session.acceptor_cases",
        "ACCEPTOR_CASES",
        """\
The [simulated exchange](sim-exchange.md), a running `sim-exchange serve`, against a client that is a raw socket. The
client has a framer of its own and checks BodyLength and CheckSum of all that it reads. Where a case says that the
next number is expected, the client sends a TestRequest under that number and gets its Heartbeat as the next message:
so nothing else was said either.
""",
    ),
    Side(
        "initiator",
        "The initiator",
        "tests.conformance.session.initiator_cases",
        "INITIATOR_CASES",
        """\
The gateway, against a venue that is a raw socket.
""",
    ),
)


def tables() -> dict[str, Sequence[Any]]:
    """The cases of each side that has some, by its word; a case has id, name, source, expected and deviates."""
    return {s.word: getattr(import_module(s.module), s.table) for s in SIDES if find_spec(s.module) is not None}


def page(outcomes: Mapping[Key, str]) -> str:
    """The whole page, from the outcome of each case."""
    found = tables()
    parts = [INTRODUCTION]
    for side in SIDES:
        if side.word in found:
            of_side = {case_id: outcome for (word, case_id), outcome in outcomes.items() if word == side.word}
            parts += [f"## {side.title}\n", side.text, *_side(found[side.word], of_side)]
    return "\n".join(parts)


def _side(cases: Sequence[Any], outcomes: Mapping[str, str]) -> Iterator[str]:
    passed = sum(outcomes.get(case.id) == PASSED for case in cases)
    yield f"{len(cases)} cases, {passed} passed.\n"
    rows = [["case", "source", "expected", "outcome"]]
    rows += [[case.name, case.source, case.expected, _outcome(case, outcomes)] for case in cases]
    yield "\n".join(_table(rows)) + "\n"
    deviations = [f"- {case.name} ({case.source}): {case.deviates}" for case in cases if case.deviates]
    if deviations:
        yield "Where it departs from the source:\n"
        yield "\n".join(deviations) + "\n"


def _outcome(case: Any, outcomes: Mapping[str, str]) -> str:
    outcome = outcomes.get(case.id, "not run")
    return f"{outcome}, departs" if case.deviates and outcome == PASSED else outcome


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns are aligned, so that it reads well as text too."""
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


class Outcomes:
    """A pytest plugin that keeps the outcome of each test whose one parameter is the id of a case."""

    def __init__(self) -> None:
        self.by_case: dict[Key, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case has passed when nothing of it has failed."""
        file, _, test = report.nodeid.partition("::")
        for side in SIDES:
            if side.word in file and test.endswith("]"):
                key = side.word, test.partition("[")[2][:-1]
                self.by_case[key] = self.by_case.get(key, PASSED) if report.passed else "FAILED"


def main() -> None:
    """Run the cases of both sides and write the page."""
    outcomes = Outcomes()
    files = sorted(str(path) for path in HERE.glob("test_*.py") if path.name != "test_session_page.py")
    pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[outcomes])
    PAGE.write_text(page(outcomes.by_case), encoding="utf-8")
    cases = [(word, case.id) for word, table in tables().items() for case in table]
    failed = [case for case in cases if outcomes.by_case.get(case) != PASSED]
    print(f"{PAGE.name}: {len(cases) - len(failed)} cases passed, {len(failed)} did not")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
