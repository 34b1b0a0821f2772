"""The lock files pin everything that pyproject.toml asks for, by hash, and say nothing of where it comes from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from ops import lockfile

LOCKS = [lockfile.RUNTIME, lockfile.DEV]


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((lockfile.ROOT / "pyproject.toml").read_text())


def _group(name: str) -> list[str]:
    requirements: list[str] = []
    for entry in _pyproject()["dependency-groups"][name]:
        requirements += _group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return requirements


def _assert_pinned(lock: Path, requirements: list[str]) -> None:
    assert requirements
    pinned = lockfile.entries(lock)
    for requirement in map(Requirement, requirements):
        assert lockfile.normalized(requirement.name) in pinned, f"{requirement} is not in {lock.name}: run make lock"
        version = lockfile.version(lock, lockfile.normalized(requirement.name))
        assert version in requirement.specifier, f"{lock.name} has {version}, not {requirement}: run make lock"


def test_runtime_lock_pins_every_dependency_within_its_range() -> None:
    _assert_pinned(lockfile.RUNTIME, _pyproject()["project"]["dependencies"])


def test_dev_lock_pins_every_development_tool_within_its_range() -> None:
    _assert_pinned(lockfile.DEV, _group("dev"))


def test_dev_lock_contains_the_runtime_lock_unchanged() -> None:
    dev = lockfile.entries(lockfile.DEV)
    for name, pinned in lockfile.entries(lockfile.RUNTIME).items():
        assert dev[name] == pinned, f"{name} differs between the lock files: run make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pinned_release_has_a_hash(lock: Path) -> None:
    for name, pinned in lockfile.entries(lock).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", pinned), f"{name} has no hash"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_names_no_address_and_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index|--find-links)\b", text, re.MULTILINE)


def test_quickfix_is_pinned_as_its_one_source_package() -> None:
    assert lockfile.subset(lockfile.RUNTIME, ["quickfix"]).count("--hash=") == 1


def test_a_requirement_without_a_pin_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("grpcio>=1.80\n")
    with pytest.raises(ValueError, match=r"not a pinned requirement: grpcio>=1\.80"):
        lockfile.entries(lock)
