"""What the pages say can be typed, can be typed; and every link leads somewhere."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.ctl import app as gatewayctl
from gateway.cli.server import app as gateway
from sim_exchange import desk
from sim_exchange.cli import app as sim_exchange

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROGRAMS = {"gatewayctl": gatewayctl, "gateway": gateway, "sim-exchange": sim_exchange}
# What stands for a number or a choice of the reader's in a command.
PLACEHOLDERS = {"N": "1", "SEQ": "1"}


def code(page: str) -> Iterator[str]:
    """Lines of shell and indented blocks, and what stands in backquotes."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose)


def commands(page: str, programs: set[str]) -> list[list[str]]:
    """The commands of these programs with at least one argument, each as its words."""
    found = []
    for line in code(page):
        if line.partition(" ")[0] in programs and " " in line:
            words = shlex.split(line.split(" | ")[0], comments=True)
            found.append([PLACEHOLDERS.get(word, word) for word in words])
    return found


def typed() -> list[tuple[str, list[str]]]:
    return [(path.name, words) for path in PAGES for words in commands(path.read_text(), set(PROGRAMS))]


def problem(words: list[str]) -> str:
    """Why the command line is not understood; empty when it is."""
    command: Any = get_command(PROGRAMS[words[0]])
    name, *rest = words
    try:
        while subcommands := getattr(command, "commands", None):
            name, *rest = rest
            command = subcommands[name]
        # A command named in a sentence is not a line to be typed.
        command.make_context(name, rest or ["--help"], resilient_parsing=not rest)
    except Exception as error:
        return repr(error)
    return ""


@pytest.mark.parametrize(("page", "words"), typed(), ids=str)
def test_the_command_is_understood(page: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert problem(words) == ""


def test_commands_were_found() -> None:
    assert {"README.md", "operations.md", "configuration.md", "sim-exchange.md"} <= {page for page, _ in typed()}
    assert len(typed()) > 40


@pytest.mark.parametrize("wrong", ["gatewayctl bogus", "gatewayctl sessions --bogus", "gatewayctl halt ACME"])
def test_a_wrong_command_would_be_noticed(wrong: str) -> None:
    assert problem(wrong.split()) != ""


def test_every_command_of_gatewayctl_is_on_the_operators_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    top: Any = get_command(gatewayctl)
    names = [*top.commands, *(f"session {name}" for name in top.commands["session"].commands)]
    assert [name for name in names if f"`gatewayctl {name}" not in page] == []


def test_make_and_its_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {words[1] for path in PAGES for words in commands(path.read_text(), {"make"}) if words[1].isalpha()}
    assert asked
    assert asked <= targets


def test_modules_that_are_run_exist() -> None:
    modules = {name for path in PAGES for name in re.findall(r"python3? -m ([\w.]+)", path.read_text())}
    assert "ops.build_quickfix" in modules
    assert [name for name in modules if find_spec(name) is None] == []


def test_the_desks_actions_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "sim-exchange.md").read_text()
    assert [action for action in sorted(desk.NAMES) if f"`{action}`" not in page] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        there = path.parent / target if target else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_on_the_architectures_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    pages = [path.name for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert len(pages) >= 12
    assert [name for name in pages if f"(adr/{name})" not in page] == []


def test_what_the_server_warns_of_is_on_the_operators_page() -> None:
    """By the fixed words that can be searched for."""
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    said = re.compile(r'_log\.(?:warning|error|critical)\(\s*"([^"]+)"')
    places = [path for path in (ROOT / "gateway").rglob("*.py") if path.parent.name != "client"]
    words = {word for path in places for word in said.findall(path.read_text())}
    # A session's alerts are handed from QuickFIX's thread to the loop, which logs them.
    wire = (ROOT / "gateway" / "adapters" / "quickfix" / "wire.py").read_text()
    alerts = re.findall(r'text = f?"([^"{]+)[^"]*"\n.*Kind\.ALERT', wire)
    assert len(alerts) > 2
    words |= {alert.strip().removesuffix(":") for alert in alerts}
    assert len(words) > 15
    assert sorted(word for word in words if word not in page) == []
