"""How a command ends that cannot go on."""

import contextlib
import errno
import os
import sys

import typer
from rich.console import Console
from rich.text import Text

# Of a disk that is full or failed, of a quota, of a file that may not grow.
_NOT_WRITTEN = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)


def failed(message: str, code: int = 1) -> typer.Exit:
    """What a command raises to end with this exit code, once its message is on standard error, if that takes it."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with contextlib.suppress(OSError):
        for line in message.splitlines():
            console.print(Text.assemble(("error: ", "bold red"), line))
    return typer.Exit(code)


def run(app: typer.Typer) -> None:
    """A whole console script. Where standard output cannot be written it ends with exit code 1, and a message unless
    whoever reads it has left.
    """
    _fill_standard_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # While a failure can still be told.
    except OSError as error:
        if error.filename is not None or error.errno not in (*_NOT_WRITTEN, errno.EPIPE):
            raise
        if error.errno in _NOT_WRITTEN:
            failed(f"standard output cannot be written: {error.strerror}; what was asked for may have been done")
        sys.exit(1)
    finally:
        give_up_unwritten()


def _fill_standard_streams() -> None:
    """Where it was started with a standard stream closed, the first file that a program opens would be taken for that
    stream: what its libraries and its follower write there would go into the file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: PTH123, SIM115  # For as long as we run.


def give_up_unwritten() -> None:
    """What standard output or error does not take, as on a full disk, Python would try to write once more at the end,
    and make 120 of the exit code, which is none of ours.
    """
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
