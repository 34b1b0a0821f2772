"""Create or update .venv so that it holds what requirements-dev.lock pins: `python3 -m ops.bootstrap`.

Quick when nothing changed: a stamp inside .venv names the lock files, pyproject.toml and the interpreter that it was
made from. The stamp is taken away first and written last. A .venv without one was interrupted, and pip takes a package
of which it wrote only half for an installed one; so such a .venv is made anew, from what pip and we have kept.
Standard library only: this is what runs on a bare machine.
"""

import fcntl
import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ops import lockfile
from ops.build_quickfix import HOW_TO_INSTALL, ensure_wheel, has_tls, tls_headers_present
from ops.processes import Failed, main_of, run
from ops.progress import Progress

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from"
WITHOUT_TLS = " without TLS"
QUICKFIX_ORIGIN = (
    "import importlib.metadata as m, quickfix;print(m.distribution('quickfix').read_text('direct_url.json') or '{}')"
)


def ensure_environment() -> None:
    """Leave a .venv that is complete and current.

    Raises:
        Failed: Python is too old, a system package is missing, or an installation failed.
    """
    _check_python()
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _made_from()
        if PYTHON.exists() and _is_current(wanted):
            return
        wheel = ensure_wheel()
        with tempfile.TemporaryDirectory(prefix="fix-gateway-") as logs, Progress("Installing into .venv") as progress:
            if not (STAMP.is_file() and _has_pip()):
                progress.update("creating it")
                run([sys.executable, "-m", "venv", "--clear", VENV], log=Path(logs, "venv.log"))
            STAMP.unlink(missing_ok=True)
            _install(wheel, Path(logs), progress)
        STAMP.write_text(wanted if has_tls(wheel) else wanted + WITHOUT_TLS)


def _is_current(wanted: str) -> bool:
    """A QuickFIX without TLS is current only as long as it could not be built with it."""
    stamp = STAMP.read_text() if STAMP.is_file() else ""
    return stamp == wanted or (stamp == wanted + WITHOUT_TLS and not tls_headers_present())


def _check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = sys.version.split()[0]
        raise Failed(f"Python 3.11 or newer is needed; this is {found}. Say which: make PYTHON=python3.11")
    if importlib.util.find_spec("ensurepip") is None:
        raise Failed(f"Python's venv module is missing. {HOW_TO_INSTALL}")


def _made_from() -> str:
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {VENV}".encode())
    for path in (lockfile.RUNTIME, lockfile.DEV, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _has_pip() -> bool:
    """Whether .venv can be updated by its own pip: not when its interpreter is gone."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _install(wheel: Path, logs: Path, progress: Progress) -> None:
    pinned = logs / "requirements.lock"
    names = [name for name in lockfile.entries(lockfile.DEV) if name != "quickfix"]
    pinned.write_text(lockfile.subset(lockfile.DEV, names))
    progress.update(f"{len(names)} packages from requirements-dev.lock")
    _pip(["--require-hashes", "-r", pinned], logs)
    progress.update("QuickFIX")
    _install_quickfix(wheel, logs)
    progress.update("the project itself")
    _pip(["--no-deps", "--no-build-isolation", "--no-index", "--editable", ROOT], logs)


def _install_quickfix(wheel: Path, logs: Path) -> None:
    # pip leaves an installed release alone even when another build of it is wanted, so compare where it came from.
    found = subprocess.run([PYTHON, "-c", QUICKFIX_ORIGIN], capture_output=True, text=True, check=False)
    if found.returncode == 0 and json.loads(found.stdout).get("url") == wheel.as_uri():
        return
    _pip(["--no-deps", "--no-index", "--force-reinstall", wheel], logs)


def _pip(arguments: list[str | Path], logs: Path) -> None:
    run([PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments], log=logs / "pip.log")


if __name__ == "__main__":
    main_of(ensure_environment)
