from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack import Stack
from tests.e2e.stack import running_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that the test may kill."""
    with running_stack(tmp_path / "stack") as running:
        yield running
