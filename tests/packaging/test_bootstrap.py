"""What the set-up promises: an interrupt leaves nothing running, a kept wheel is found, a failure explains itself."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import _quickfix
import pytest

from ops import bootstrap, build_quickfix
from ops.processes import Failed, run

ROOT = Path(__file__).resolve().parents[2]

# A step that starts a shell, which starts a process of its own; the pipe they all hold closes when the last one ends.
INTERRUPTED_STEP = """
import sys
from ops.processes import main_of, started
def step():
    with started(["sh", "-c", "sleep 600 & echo ready; wait"], log=sys.stderr, stdout=sys.stdout):
        pass
main_of(step)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = build_quickfix.cache_dir()
    folder.mkdir(parents=True)
    assert folder.is_relative_to(tmp_path)
    return folder


def _keep_wheel(cache: Path, *, tls: bool) -> Path:
    wheel = cache / build_quickfix.wheel_key(tls=tls) / "quickfix-1-cp311-cp311-linux_x86_64.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"")
    return wheel


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process_that_was_started(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_STEP], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    # End of file comes when the last process that holds the pipe is gone, the shell's own child among them.
    _rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Nothing is left running" in errors


def test_a_failed_step_shows_the_end_of_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"(?s)line 99\n.*exit code 3"):
        run(["sh", "-c", "seq -f 'line %g' 99; exit 3"], log=tmp_path / "log")


@pytest.mark.parametrize("headers", [True, False])
def test_a_kept_wheel_with_tls_is_used_with_or_without_headers(
    cache: Path, monkeypatch: pytest.MonkeyPatch, headers: bool
) -> None:
    wheel = _keep_wheel(cache, tls=True)
    _keep_wheel(cache, tls=False)
    monkeypatch.setattr(build_quickfix, "tls_headers_present", lambda: headers)
    assert build_quickfix.ensure_wheel() == wheel


def test_a_wheel_without_tls_does_not_serve_once_the_headers_are_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep_wheel(cache, tls=False)
    monkeypatch.setattr(build_quickfix, "tls_headers_present", lambda: True)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Failed, match="no-such-compiler"):
        build_quickfix.ensure_wheel()


@pytest.mark.parametrize(
    ("built", "headers", "again"),
    [(False, False, False), (False, True, True), (True, True, False), (True, False, False)],
)
def test_what_was_installed_without_tls_is_installed_again_once_the_headers_are_there(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool, headers: bool, again: bool
) -> None:
    """ "Then the same command again", it said."""
    wheels, installed = {tls: _keep_wheel(cache, tls=tls) for tls in (True, False)}, []
    for name, path in {"VENV": "venv", "PYTHON": "venv/bin/python", "STAMP": "venv/made-from"}.items():
        monkeypatch.setattr(bootstrap, name, tmp_path / path)
    monkeypatch.setattr(bootstrap, "_install", lambda wheel, *_: installed.append(wheel))
    monkeypatch.setattr(bootstrap, "ensure_wheel", lambda: wheels[built])
    monkeypatch.setattr(bootstrap, "run", lambda *_, **__: (tmp_path / "venv" / "bin").mkdir(parents=True))
    monkeypatch.setattr(bootstrap, "_has_pip", lambda: bool(installed))
    bootstrap.ensure_environment()
    bootstrap.PYTHON.write_text("")
    monkeypatch.setattr(bootstrap, "ensure_wheel", lambda: wheels[True])
    monkeypatch.setattr(bootstrap, "tls_headers_present", lambda: headers)
    bootstrap.ensure_environment()
    assert installed == [wheels[built]] + [wheels[True]] * again


def test_without_a_compiler_the_line_to_run_is_shown(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Failed, match=r"apt-get install -y g\+\+ python3-dev python3-venv libssl-dev"):
        build_quickfix.ensure_wheel()


@pytest.mark.parametrize("home", ["none", "a file"])
def test_who_has_no_home_is_told_how_to_name_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """As in a container whose user has just a number."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home == "none":
        monkeypatch.setattr(Path, "home", _no_home)
    else:
        (tmp_path / "home").write_text("")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(Failed, match="export XDG_CACHE_HOME="):
        build_quickfix.ensure_wheel()


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_cache_that_is_not_absolute_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip installs a wheel by its full path alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert build_quickfix.cache_dir() == Path.home() / ".cache" / "fix-gateway" / "wheels"


def test_what_a_killed_build_left_is_cleared(cache: Path) -> None:
    wheel = _keep_wheel(cache, tls=True)
    leftover = cache / "build-killed"
    leftover.mkdir()
    (leftover / "half.o").write_bytes(b"\x7fELF")
    assert build_quickfix.ensure_wheel() == wheel
    assert not leftover.exists()


def test_quickfix_is_linked_with_tls_where_the_headers_are() -> None:
    linked = b"libssl.so" in Path(_quickfix.__file__).read_bytes()
    assert linked or not build_quickfix.tls_headers_present()
