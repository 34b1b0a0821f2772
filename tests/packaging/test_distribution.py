"""What `pip install .` installs: both packages with their types, the FIX dictionaries, three commands that start."""

import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


@pytest.mark.parametrize("package", ["gateway", "sim_exchange"])
def test_wheel_has_every_module_of_both_packages_and_says_that_they_are_typed(
    wheel_names: set[str], package: str
) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
    assert modules
    assert modules <= wheel_names
    assert f"{package}/py.typed" in wheel_names


@pytest.mark.parametrize("folder", ["fix_specs", "proto"])
def test_wheel_carries_the_data_that_lies_beside_the_packages(wheel_names: set[str], folder: str) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert files
    assert {f"gateway/_data/{name}" for name in files} <= wheel_names


def test_wheel_has_nothing_else(wheel_names: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel_names if ".dist-info/" not in name} == {"gateway", "sim_exchange"}


def test_installed_commands_are_those_of_pyproject() -> None:
    entry_points = importlib.metadata.distribution("fix-gateway").entry_points
    assert {entry.name: entry.value for entry in entry_points if entry.group == "console_scripts"} == SCRIPTS


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_command_starts_and_explains_itself(script: str) -> None:
    command = [Path(sys.executable).with_name(script), "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout.lower()
