"""An alert leads to a place in the runbook that exists, and the runbook speaks of what the gateway really says."""

import re
from pathlib import Path

import pytest

from tests.docs.test_commands import anchors

DOCS = Path(__file__).parents[2] / "docs"
RUNBOOK, OPERATIONS = (DOCS / name for name in ("runbook.md", "operations.md"))
SOURCE = "\n".join(path.read_text() for path in sorted((DOCS.parent / "gateway").rglob("*.py")))


def signs() -> list[tuple[str, str]]:
    """What the runbook's first table says one sees, and where it leads."""
    rows = re.findall(r"^\| [a-z ]*\| (.*`.*) \| \[.*\]\((.*)\) \|$", RUNBOOK.read_text(), re.MULTILINE)
    return [(sign, where) for said, where in rows for sign in re.findall(r"`([^`]*)`", said)]


def test_signs_were_found() -> None:
    assert len(signs()) > 12


@pytest.mark.parametrize(("sign", "where"), signs())
def test_the_gateway_says_what_the_runbook_speaks_of(sign: str, where: str) -> None:
    assert sign.removesuffix(" > 0").removesuffix(" == 0") in SOURCE
    assert where.partition("#")[0] or where.removeprefix("#") in anchors(RUNBOOK)


def test_an_alert_on_the_operators_page_leads_to_its_place() -> None:
    """Each row of its table of alerts that names a sign links to where the runbook has it; of risk, to any place."""
    alerts = OPERATIONS.read_text().partition("Worth an alert:")[2].partition("\n## ")[0]
    rows = [(sign, where, row) for sign, where in signs() for row in alerts.splitlines() if f"| `{sign}`" in row]
    found = {sign: row for sign, where, row in rows if place(where) in row}
    assert len(found) > 8
    assert {sign for sign, *_ in rows} == found.keys()


def place(where: str) -> str:
    if where == "#risk":
        return "(runbook.md#"
    return f"(runbook.md{where})" if where.startswith("#") else f"({where})"


def test_what_the_gateway_logs_leads_to_a_place_that_exists() -> None:
    named = set(re.findall(r"docs/runbook\.md#([\w-]+)", SOURCE))
    assert named
    assert named <= anchors(RUNBOOK)
