"""What `make bench REPORT=docs` refuses before it measures."""

import subprocess
from pathlib import Path

import pytest

from tests.bench.e2e import machine, run


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one committed file, in the place of ours."""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    (tmp_path / "order.py").write_text("1\n")
    for command in ("init -q", "add order.py", "-c user.name=a -c user.email=a@b commit -q -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    return tmp_path


def began(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> bool:
    """Whether the command goes on to measure."""
    begun: list[bool] = []

    def measure(*_: object) -> None:
        begun.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr("sys.argv", ["run", *arguments])
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        run.main()
    return bool(begun)


def test_a_report_of_what_no_commit_has_is_refused_before_anything_is_measured(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "order.py").write_text("2\n")
    assert not began(monkeypatch, "--report", "docs")
    said = capsys.readouterr().err
    assert "order.py is changed and not committed" in said
    assert "Nothing was measured" in said


def test_a_report_of_a_commit_is_measured_and_so_is_anything_without_one(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "scratch.txt").write_text("not of the repository\n")
    assert began(monkeypatch, "--report", "docs")
    (tree / "order.py").write_text("2\n")
    assert began(monkeypatch)
