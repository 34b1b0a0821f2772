"""`python -m ops.crash.starter FD`: starts the programs of a stack by forking itself, in 10 ms in place of a second.

It has imported everything that the gateway and the venues import, and has done nothing else: no thread, no event loop,
no channel of gRPC, no session of QuickFIX. What it forks becomes a program of its own: its session and process group,
its arguments, folder, output and log, and then the very `main` that the console script runs. Only the interpreter's
start and the imports are spared.

On the socket FD it takes one request after the other from the process that started it (`ops.crash.forked`), and ends
with all that it forked when the other end closes.
"""

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

# The last one brings pydantic, which typer imports when it first reads a command line.
IMPORTS = ("gateway.cli.server", "gateway.app", "sim_exchange.cli", "typer._adapters")
MOST_BYTES = 65_536
_BEHIND_STANDARD = 3


class Start(msgspec.Struct, tag=True):
    """Fork a program: the `main` of a module, or with a `command` what that says, as a new interpreter. Its output and
    its log come along as two descriptors.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    command: tuple[str, ...] = ()


class Reap(msgspec.Struct, tag=True):
    """The exit code of a program that has ended, as `subprocess` has it. Until then its id stays its own."""

    pid: int


Request = Start | Reap


def main() -> None:
    """Serve until the other end closes; in what is forked, run the program that was asked for."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # As the gateway's command does before it imports gRPC.
    for module in IMPORTS:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # What is shared stays shared: the gateway looks through everything once, and then does the same.
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        program()


def _serve(asking: socket.socket) -> Callable[[], None] | None:
    """What a forked process has to run; None in the starter itself, at its end."""
    forked: set[int] = set()
    while True:
        text, descriptors, _, _ = socket.recv_fds(asking, MOST_BYTES, 2)
        if not text:
            break
        request = msgspec.json.decode(text, type=Request)
        if isinstance(request, Start):
            answer = os.fork()
            if not answer:
                return partial(_become, request, *descriptors)
            forked.add(answer)
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(request.pid, 0)[1])
            forked.discard(request.pid)
        asking.send(str(answer).encode())
    for pid in forked:
        os.kill(pid, signal.SIGKILL)  # It is our child: until it is reaped, nobody else has its id.
        os.waitpid(pid, 0)
    return None


def _become(program: Start, output: int, log: int) -> None:
    """As a new process of that command would find the world, and then its `main`."""
    os.setsid()
    for descriptor, standard in ((output, 1), (log, 2)):
        os.dup2(descriptor, standard)
    os.closerange(_BEHIND_STANDARD, os.sysconf("SC_OPEN_MAX"))
    os.chdir(program.folder)
    if program.command:
        os.execv(program.command[0], program.command)  # noqa: S606  # It is the stack's own.
    os.environ.update(program.environment)
    sys.argv[:] = [program.name, *program.arguments]
    Path("/proc/self/comm").write_text(program.name)
    importlib.import_module(program.module).main()


if __name__ == "__main__":
    main()
