"""Files of a stack: what one process has for itself, and what has to survive a loss of power."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AGAIN_S = 0.05


class Taken(Exception):
    """Another process has it."""


@contextmanager
def alone(lock: Path, taken: str, patience_s: float = 0.0) -> Iterator[None]:
    """Hold a lock while this is open, as the only process. Its directory is made if need be, durably and for its owner
    alone.

    Raises:
        Taken: another process holds it, and still after `patience_s`; it says `taken`.
    """
    make_durably(lock.parent)
    until = time.monotonic() + patience_s
    with lock.open("w") as file:
        while not _locked(file.fileno()):
            if time.monotonic() >= until:
                raise Taken(taken)
            time.sleep(_AGAIN_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file, name and content, so that it is there after a loss of power: all of it, or what was there
    before.
    """
    draft = path.with_name(f"{path.name}.new")
    with naming(path):
        draft.write_bytes(content)
        sync(draft)
        draft.replace(path)
        sync(path.parent)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Let an OSError of this block say which file it is about: the system names one that cannot be opened, and none
    that cannot be written, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def make_durably(directory: Path) -> None:
    """Make a directory that is not there, for its owner alone, with those above it, so that it is there after a loss
    of power.
    """
    if directory.is_dir():
        return
    make_durably(directory.parent)
    directory.mkdir(exist_ok=True, mode=0o700)
    sync(directory.parent)


def sync(path: Path) -> None:
    """Make the content of a file durable, or the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
