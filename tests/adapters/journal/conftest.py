"""Failures inside the contract suite show their values like those of any test."""

import pytest

pytest.register_assert_rewrite("tests.adapters.journal.contract")
