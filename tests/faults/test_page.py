"""The catalogue of faults is whole, and its page is what the catalogue says."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from tests.faults import page
from tests.faults.catalogue import Fault

ROOT = Path(__file__).parents[2]
TESTS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def test_the_page_is_the_catalogues() -> None:
    assert page.PAGE.read_text("utf-8") == page.page(), "run `make faults`"


@pytest.mark.parametrize("fault", list(page.faults()), ids=lambda fault: fault.name)
def test_every_fault_is_proven_or_says_why_not(fault: Fault) -> None:
    assert bool(fault.tests) != bool(fault.not_yet)


@pytest.mark.parametrize("node_id", page.node_ids())
def test_every_named_test_exists(node_id: str) -> None:
    """A file, or one of its tests, or one case of a test that has several."""
    file, _, rest = node_id.partition("::")
    names, _, case = rest.removesuffix("]").partition("[")
    body: list[ast.stmt] = ast.parse((ROOT / file).read_text("utf-8")).body
    for name in names.split("::") if names else ():
        (found,) = [node for node in body if isinstance(node, TESTS) and node.name == name]
        body = found.body
    assert rest or any(isinstance(node, TESTS) and node.name.startswith("test_") for node in body)
    assert not case or case in case_ids(file, names)


def case_ids(file: str, name: str) -> set[str]:
    """The cases of a test that gives each an id."""
    test = getattr(import_module(file.removesuffix(".py").replace("/", ".")), name)
    return {each.id for mark in test.pytestmark for each in mark.args[1]}
