"""Runs the fault catalogue and writes docs/faults.md when every line holds: `make faults`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.catalogue import CATALOGUE, Fault

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"

INTRODUCTION = """\
# Faults

What the gateway survives, and how that shows. The process may die at any moment besides: that is
[crash-points.md](crash-points.md). Each line is proven by the tests that it names, over real sockets, files and
processes wherever the fault is one of theirs, and in each of them no order is lost, none is sent twice and no execution
is counted twice. A line without a test says why it does not apply yet.

`make faults` runs all of them and writes this page when they pass. Do not edit it.
"""


def faults() -> Iterator[Fault]:
    """Every line."""
    for lines in CATALOGUE.values():
        yield from lines


def node_ids() -> list[str]:
    """Every test that the catalogue names, once."""
    return list(dict.fromkeys(test for fault in faults() for test in fault.tests))


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, lines in CATALOGUE.items():
        rows = "\n".join(f"| {fault.name} | {fault.shows} | {_proof(fault)} |" for fault in lines)
        parts.append(f"## {title}\n\n| fault | what shows | proven by |\n| --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _proof(fault: Fault) -> str:
    if not fault.tests:
        return f"does not apply yet: {fault.not_yet}"
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in fault.tests)


def main() -> int:
    """Run, and write the page when everything passed."""
    code = pytest.main([*node_ids(), "-q", "-n", "2", "--dist", "loadfile"])
    if code == pytest.ExitCode.OK:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"{len(list(faults()))} faults, {len(node_ids())} tests; wrote {PAGE.relative_to(ROOT)}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
