"""What a file may touch, by its folder; and how long it may be.

app -> cli, adapters -> runtime -> codec -> core, one way. Every check here is a function of the sources alone, so that
planted violations prove that it finds what it is there for.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Sources = Mapping[str, str]
"""Source text by module name."""

# What each part of gateway/ may import of gateway/ besides itself.
MAY_IMPORT = {
    "core": set(),
    "codec": {"core", "pb"},
    "runtime": {"codec", "core"},
    "resources": {"core"},
    "config": {"core", "resources", "lane"},
    "lane": set(),
    "adapters": {"runtime", "codec", "core", "pb", "config", "resources", "lane"},
    "client": {"pb", "core.types", "core.money", "lane"},
    "cli": {"adapters", "client", "runtime", "codec", "core", "pb", "config", "resources"},
    "app": {"cli", "adapters", "runtime", "codec", "core", "config", "resources"},
}
EXCEPTIONS = {
    ("gateway.cli.server", "gateway.app"): "`gateway run` is the command that starts what app.py wires together",
}
CORE_MAY_IMPORT = {
    "array": "numbers side by side",
    "bisect": "prices in order",
    "collections.abc": "types of arguments",
    "datetime": "calendars and time zones of trading sessions; never the clock",
    "decimal": "exact money",
    "difflib": "the close words in a refusal",
    "enum": "FIX's enumerations",
    "functools": "caches of pure functions",
    "hashlib": "fingerprints of names",
    "typing": "types",
    "zoneinfo": "rules of time zones, which are data",
    "msgspec": "structs",
}
CORE_NEVER_CALLS = {
    "now",
    "today",
    "utcnow",
    "open",
    "print",
    "input",
    "eval",
    "exec",
    "float",
    "hash",
    "id",
    "__import__",
}

LONGEST_FUNCTION, LONGEST_FILE = 60, 500
LONGER = {
    "gateway/client/client.py:submit": "most of it is the signature and what strategies read about it",
    "gateway/core/events.py": "everything that can happen, in one list: definitions, no program",
}


# --- What there is ---


def sources(*packages: str) -> dict[str, str]:
    """The project's own modules; generated code is nobody's to judge."""
    found = {}
    for path in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[:2] != ("gateway", "pb"):
            found[".".join(parts).removesuffix(".__init__")] = path.read_text()
    return found


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, imported name) of every import, wherever it stands; `from a import b` is a.b, a relative one has its dots
    in front.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


# --- The checks: each gives what is wrong ---


def wrong_directions(modules: Sources) -> list[str]:
    """Imports inside gateway/ against the one way, between adapters, and those that do not say whose they are."""
    found = []
    for module, source in modules.items():
        parts = module.split(".")
        if parts[0] != "gateway" or len(parts) == 1:
            continue
        allowed = {parts[1], *MAY_IMPORT[parts[1]]}
        for line, name in imports(source):
            ours = within(name, "gateway") or name.startswith(".")
            if ours and not _is_allowed(module, name, allowed):
                found.append(f"{module}:{line} imports {name}")
    return found


def _is_allowed(module: str, name: str, allowed: set[str]) -> bool:
    if any(module == source and within(name, target) for source, target in EXCEPTIONS):
        return True
    inside = name.removeprefix("gateway").removeprefix(".")
    if inside == "__version__":
        return True
    if module.startswith("gateway.adapters.") and inside.startswith("adapters."):
        return module.split(".")[2] == name.split(".")[2]
    return any(within(inside, target) for target in allowed)


def impurities(modules: Sources) -> list[str]:
    """What core imports that is not on its list, and calls that reach for the clock, the world or a float."""
    found = []
    for module, source in modules.items():
        if not within(module, "gateway.core"):
            continue
        for line, name in imports(source):
            if not any(within(name, allowed) for allowed in [*CORE_MAY_IMPORT, "gateway.core"]):
                found.append(f"{module}:{line} imports {name}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and _called(node) in CORE_NEVER_CALLS:
                found.append(f"{module}:{node.lineno} calls {_called(node)}")
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.append(f"{module}:{node.lineno} has the float {node.value}")
    return found


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def mixed_systems(modules: Sources) -> list[str]:
    """The exchange that tests trade on shares nothing with the gateway, so one misreading of FIX cannot sit on both
    sides.
    """
    other = {"gateway": "sim_exchange", "sim_exchange": "gateway"}
    return [
        f"{module}:{line} imports {name}"
        for module, source in modules.items()
        for line, name in imports(source)
        if within(name, other.get(module.split(".")[0], "-"))
    ]


def too_long(modules: Sources, listed: Mapping[str, str]) -> list[str]:
    """Functions and files over their length that give no reason, and reasons that nothing needs any more."""
    found = set()
    for module, source in modules.items():
        path = module.replace(".", "/") + ".py"
        if source.count("\n") > LONGEST_FILE:
            found.add(path)
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION:
                found.add(f"{path}:{node.name}")
    return [f"{name} is too long" for name in sorted(found - set(listed))] + [
        f"{name} is not too long any more: take it off the list" for name in sorted(set(listed) - found)
    ]


# --- The project ---


@pytest.fixture(scope="module")
def project() -> dict[str, str]:
    found = sources("gateway", "sim_exchange", "ops")
    for package in ("core", "codec", "runtime", "adapters", "client", "cli", "config"):
        assert any(within(module, f"gateway.{package}") for module in found), f"no module of {package} was scanned"
    assert {"gateway.core.engine", "gateway.app", "sim_exchange.venue"} <= set(found)
    return found


def test_imports_go_one_way(project: Sources) -> None:
    assert wrong_directions(project) == []


def test_core_is_pure(project: Sources) -> None:
    assert impurities(project) == []


def test_the_simulated_exchange_shares_nothing_with_the_gateway(project: Sources) -> None:
    assert mixed_systems(project) == []


def test_functions_and_files_are_short_or_say_why(project: Sources) -> None:
    assert too_long(project, LONGER) == []
    assert all(LONGER.values())


def test_every_exception_is_needed(project: Sources) -> None:
    for module, target in EXCEPTIONS:
        assert any(within(name, target) for _, name in imports(project[module]))


def test_every_folder_of_the_gateway_has_its_rule() -> None:
    """A new part cannot stay outside the rules."""
    parts = {
        path.stem for path in (ROOT / "gateway").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__", "pb"} == set(MAY_IMPORT)


def test_the_rules_themselves_go_one_way() -> None:
    """No circle: each part can be put after all that it may import."""
    left = {part: {target.split(".")[0] for target in targets} - {"pb"} for part, targets in MAY_IMPORT.items()}
    while left:
        ready = {part for part, targets in left.items() if not targets & set(left)}
        assert ready, f"these import each other: {sorted(left)}"
        left = {part: targets for part, targets in left.items() if part not in ready}


# --- The checks find what is planted ---


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateway.core.order", "from gateway.runtime import ports"),
        ("gateway.core.order", "import gateway.codec.journal"),
        ("gateway.core.order", "def late():\n    from gateway.adapters import logs"),
        ("gateway.core.order", "from ..adapters import logs"),
        ("gateway.codec.journal", "from gateway.runtime.ports import Journal"),
        ("gateway.runtime.feed", "from gateway.adapters.memory_journal import Disk"),
        ("gateway.runtime.feed", "from gateway.config import Config"),
        ("gateway.config.load", "from gateway.codec import journal"),
        ("gateway.adapters.logs", "from gateway.adapters.metrics import Metrics"),
        ("gateway.adapters.logs", "from gateway.adapters import metrics"),
        ("gateway.adapters.grpc.server", "from gateway.adapters.quickfix.link import QuickFixLink"),
        ("gateway.adapters.logs", "import gateway.app"),
        ("gateway.adapters.logs", "from gateway import cli"),
        ("gateway.client.client", "from gateway.core.events import Record"),
        ("gateway.client.client", "from gateway.core import engine"),
        ("gateway.cli.ctl", "from gateway.app import serve"),
    ],
)
def test_a_wrong_direction_is_found(module: str, source: str) -> None:
    assert len(wrong_directions({module: source})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateway.adapters.grpc.server", "from gateway.adapters.grpc.calls import Gate"),
        ("gateway.client.client", "from gateway.core.types import Side"),
        ("gateway.app", "from gateway.cli import server"),
        ("gateway.cli.server", "from gateway.app import serve"),
        ("gateway.core.order", "from gateway.core import events"),
    ],
)
def test_a_right_direction_passes(module: str, source: str) -> None:
    assert wrong_directions({module: source}) == []


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import time",
        "import os.path",
        "import threading",
        "from pathlib import Path",
        "from random import Random",
        "import logging as log",
        "import collections",
        "if True:\n    import socket",
        "import structlog",
        "from datetime import datetime\nx = datetime.now()",
        "from datetime import date\nx = date.today()",
        "x = open('file')",
        "x = float('1')",
        "x = 0.5",
        "x = hash('order')",
    ],
)
def test_an_impurity_of_core_is_found(source: str) -> None:
    assert len(impurities({"gateway.core.order": source})) == 1
    assert impurities({"gateway.runtime.feed": source}) == []


def test_a_bridge_between_the_gateway_and_the_exchange_is_found() -> None:
    assert mixed_systems({"sim_exchange.codec": "from gateway.core.types import Side"})
    assert mixed_systems({"gateway.codec.fix": "import sim_exchange.codec"})
    assert not mixed_systems({"sim_exchange.codec": "import sim_exchange.enums"})


def test_what_is_too_long_is_found_unless_it_says_why() -> None:
    long_function = "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION
    assert too_long({"gateway.a": long_function}, {}) == ["gateway/a.py:f is too long"]
    assert too_long({"gateway.a": "async " + long_function}, {"gateway/a.py:f": "because"}) == []
    assert too_long({"gateway.a": "x = 1\n" * (LONGEST_FILE + 1)}, {}) == ["gateway/a.py is too long"]
    assert too_long({"gateway.a": "x = 1\n" * LONGEST_FILE}, {}) == []
    assert len(too_long({"gateway.a": "x = 1"}, {"gateway/a.py": "it was"})) == 1
