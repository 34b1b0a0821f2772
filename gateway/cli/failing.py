"""How a command ends that cannot go on."""

import errno
import os
import sys

import typer
from rich.console import Console
from rich.text import Text


def failed(message: str, code: int = 1) -> typer.Exit:
    """What a command raises to end with this exit code, once its message is on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in message.splitlines():
        console.print(Text.assemble(("error: ", "bold red"), line))
    return typer.Exit(code)


# Of a disk that is full or failed, of a quota, of a file that may not grow.
_NOT_WRITTEN = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)


def run(app: typer.Typer) -> None:
    """A whole console script. Where standard output cannot be written it ends with exit code 1, and a message unless
    whoever reads it has left.
    """
    try:
        try:
            app()
        finally:
            print(end="", flush=True)  # While a failure can still be told.
    except OSError as error:
        if error.filename is not None or error.errno not in (*_NOT_WRITTEN, errno.EPIPE):
            raise
        # What is left in the buffer would be tried again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in _NOT_WRITTEN:
            failed(f"standard output cannot be written: {error.strerror}; what was asked for may have been done")
        sys.exit(1)
