"""A network that can fall silent: a TCP address in front of a server, whose bytes may stay where they are."""

import contextlib
import select
import socket
import threading
from pathlib import Path
from typing import Self

_SMALL = 4_096


class SilentProxy:
    """Forwards connections to a Unix socket. While it is silent nothing passes and nothing is closed, which to both
    ends is a network that has died: what was sent is not read, and a new connection is taken and never answered.
    """

    def __init__(self, to: Path) -> None:
        self._to = str(to)
        self._passes = threading.Event()
        self._passes.set()
        self._ends = threading.Event()
        self._listener = socket.socket()
        # What is taken without being read is as little as can be, so that a sender notices.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._passes.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def fall_silent(self) -> None:
        """From now on nothing passes in either direction."""
        self._passes.clear()

    def speak_again(self) -> None:
        """What was held passes, and everything after it."""
        self._passes.set()

    def _accept(self) -> None:
        while not self._ends.is_set():
            if select.select([self._listener], [], [], 0.01)[0]:
                near = self._listener.accept()[0]
                self._threads.append(threading.Thread(target=self._carry, args=(near,)))
                self._threads[-1].start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
            far.connect(self._to)
            while not self._ends.is_set():
                if not self._passes.wait(0.01):
                    continue
                for each in select.select([near, far], [], [], 0.01)[0]:
                    said = each.recv(_SMALL)
                    # What was read before it fell silent is held as well.
                    self._passes.wait()
                    if not said:
                        return
                    (far if each is near else near).sendall(said)
