"""Build QuickFIX's wheel once, keep it, and print where it lies: `python3 -m ops.build_quickfix`.

PyPI has QuickFIX as source only. A plain `pip install quickfix` compiles it for about five minutes, in silence and
without TLS. This builds the release that requirements.lock pins (its hash is checked), in a throw-away environment
with the setuptools that requirements-dev.lock pins, with lower optimisation, and with TLS where OpenSSL's headers are.
The wheel is kept under $XDG_CACHE_HOME (or ~/.cache)/fix-gateway/wheels. It gets there by one rename when it is
finished: an interrupted build leaves nothing that a later one could trip over.

Standard library only. Standard output carries the wheel's path and nothing else; progress goes to standard error.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ops import lockfile
from ops.processes import Failed, check, main_of, run, started
from ops.progress import Progress

HOW_TO_INSTALL = """\
On Debian run, as root:

    apt-get install -y g++ python3-dev python3-venv libssl-dev

and then the same command again."""
COMPILE_ARGS = "-O1 -g0 -DNDEBUG"
TLS_COMPILE_ARGS = "-DHAVE_SSL=1"
TLS_LINK_ARGS = "-lssl -lcrypto"
NO_TLS = """\
OpenSSL's headers are not on this machine, so QuickFIX is built without TLS, and a FIX session that asks for TLS will be
refused. To have it, run as root:  apt-get install -y libssl-dev  and then the same command again.
"""


def ensure_wheel() -> Path:
    """The kept wheel for this interpreter, built first where there is none yet.

    Raises:
        Failed: there is no place to keep it, the compiler or a header is missing, the download's hash is wrong, or the
            compiler failed.
    """
    cache = _made_cache()
    with _locked(cache / ".lock"):
        for leftover in cache.glob("build-*"):  # We hold the lock, so whoever made them is gone.
            shutil.rmtree(leftover, ignore_errors=True)
        tls = tls_headers_present()
        # A wheel with TLS serves also where the headers are gone: they are needed to compile, not to run.
        kept = _kept(cache, tls=True) or (None if tls else _kept(cache, tls=False))
        return kept or _build(cache, tls=tls)


def _made_cache() -> Path:
    """A user of a container may have no home, or one that is not theirs."""
    try:
        cache = cache_dir()
        cache.mkdir(parents=True, exist_ok=True)
        (cache / ".lock").open("w").close()
    except (OSError, RuntimeError) as error:
        raise Failed(
            f"QuickFIX is compiled once and kept, but there is no place to keep it: {error}\n"
            "Name a folder where you may write, and then the same command again:\n\n"
            "    export XDG_CACHE_HOME=/path/of/yours"
        ) from None
    return cache


def cache_dir() -> Path:
    """Where wheels are kept, following the XDG base directory rule: a path that is not absolute does not count.

    Raises:
        RuntimeError: this user has no home.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "fix-gateway" / "wheels"


def wheel_key(*, tls: bool) -> str:
    """A folder name that is another one as soon as source, compiler flags, interpreter or platform are."""
    source = lockfile.subset(lockfile.RUNTIME, ["quickfix"])
    tools = lockfile.subset(lockfile.DEV, ["setuptools", "wheel"])
    digest = hashlib.sha256("\0".join([source, tools, *_flags(tls=tls)]).encode()).hexdigest()[:12]
    release = lockfile.version(lockfile.RUNTIME, "quickfix")
    platform = sysconfig.get_platform().replace("-", "_")
    interpreter = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"quickfix-{release}-{interpreter}-{platform}-{'tls' if tls else 'plain'}-{digest}"


def _flags(*, tls: bool) -> tuple[str, str]:
    return (f"{COMPILE_ARGS} {TLS_COMPILE_ARGS}", TLS_LINK_ARGS) if tls else (COMPILE_ARGS, "")


def _kept(cache: Path, *, tls: bool) -> Path | None:
    return next((cache / wheel_key(tls=tls)).glob("*.whl"), None)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compiler() -> str:
    return (os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "g++").split()[0]


def has_tls(wheel: Path) -> bool:
    """Whether a kept wheel was built with TLS."""
    return wheel.parent.name == wheel_key(tls=True)


def tls_headers_present() -> bool:
    """Whether OpenSSL's headers are there to compile with."""
    preprocess = [_compiler(), "-E", "-x", "c++", "-"]
    with contextlib.suppress(FileNotFoundError):
        probe = subprocess.run(preprocess, input=b"#include <openssl/ssl.h>\n", capture_output=True, check=False)
        return probe.returncode == 0
    return False


def _check_tools() -> None:
    missing = []
    if shutil.which(_compiler()) is None:
        missing.append(f"a C++ compiler ({_compiler()})")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append("Python's headers (Python.h)")
    if missing:
        raise Failed(
            f"QuickFIX comes as source and has to be compiled once, but this machine lacks {' and '.join(missing)}.\n"
            f"{HOW_TO_INSTALL}"
        )


def _build(cache: Path, *, tls: bool) -> Path:
    _check_tools()
    if not tls:
        print(NO_TLS, file=sys.stderr)
    with (
        tempfile.TemporaryDirectory(prefix="build-", dir=cache) as folder,
        Progress("Compiling QuickFIX (once; it is kept)") as progress,
    ):
        work = Path(folder)
        python = _build_environment(work, progress)
        source = _source(work, python, progress)
        wheel = _compile(work, python, source, progress, tls=tls)
        kept = cache / wheel_key(tls=tls) / wheel.name
        kept.parent.mkdir(exist_ok=True)
        wheel.replace(kept)
    return kept


def _build_environment(work: Path, progress: Progress) -> Path:
    progress.update("getting the build tools")
    environment = work / "venv"
    run([sys.executable, "-m", "venv", environment], log=work / "venv.log")
    python = environment / "bin" / "python"
    tools = work / "tools.lock"
    tools.write_text(lockfile.subset(lockfile.DEV, ["packaging", "setuptools", "wheel"]))
    run([python, "-m", "pip", "install", "--require-hashes", "-r", tools], log=work / "tools.log")
    return python


def _source(work: Path, python: Path, progress: Progress) -> Path:
    progress.update("downloading the source")
    pinned = work / "quickfix.lock"
    pinned.write_text(lockfile.subset(lockfile.RUNTIME, ["quickfix"]))
    options = ["--no-deps", "--no-build-isolation", "--no-binary", "quickfix", "--require-hashes"]
    download = work / "download"
    run([python, "-m", "pip", "download", *options, "-r", pinned, "-d", download], log=work / "download.log")
    source = work / "source"
    source.mkdir()
    archive = next(download.glob("*.tar.gz"))
    run(["tar", "-xzf", archive, "--strip-components=1", "-C", source], log=work / "unpack.log")
    return source


def _compile(work: Path, python: Path, source: Path, progress: Progress, *, tls: bool) -> Path:
    compile_args, link_args = _flags(tls=tls)
    script = Path(__file__).with_name("quickfix_setup.py")
    command: list[str | Path] = [
        python,
        script,
        work / "wheel",
        f"--compile-args={compile_args}",
        f"--link-args={link_args}",
    ]
    log = work / "compile.log"
    with log.open("w") as output, started(command, log=output, stdout=subprocess.PIPE, cwd=source) as process:
        for line in process.stdout or ():
            _word, done, total = line.split()
            progress.update(f"{done} of {total} files", int(done) / int(total))
    check(process, log)
    return next((work / "wheel").glob("*.whl"))


def _main() -> None:
    print(ensure_wheel())


if __name__ == "__main__":
    main_of(_main)
