"""The stack that a test of faults may kill."""

from tests.e2e.conftest import own_stack  # noqa: F401 - a fixture.
