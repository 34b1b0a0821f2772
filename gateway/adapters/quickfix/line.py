"""The socket under a session, which QuickFIX keeps to itself: found by a mark, watched, and cut when it has to be.

QuickFIX's parser has no bound: a BodyLength(9) of 2 GB makes it collect 2 GB, and bytes without a message are kept for
as long as the session lives. The kernel counts what a socket received; what QuickFIX handed over is known; the
difference is what it holds. It also judges silence by the wall clock, which may jump.
"""

import errno
import fcntl
import itertools
import os
import socket
import stat
import struct
import sys
import termios
from contextlib import suppress
from pathlib import Path

MARKS = itertools.count(200_000)
"""SO_SNDBUF of each session's socket: a size that no other socket of the process has, so that it can be told."""
HELD_LIMIT = 32 * 1024 * 1024
"""Bytes that QuickFIX may hold of what a venue sent: a started message, or messages behind a gap."""
_BYTES_RECEIVED = struct.Struct("=128xQ")
_TCP_INFO_SIZE = 256


class NoDescriptor(Exception):
    """The process has as many files open as it may have."""


class Line:
    """The connected socket of the session whose SocketSendBufferSize is `mark`."""

    def __init__(self, mark: int, port: int) -> None:
        self._mark = mark
        self._port = port
        self._connection = 0
        self._fd = -1
        self._inode = 0

    def of(self, connection: int) -> "Line":
        """The line of this connection, counted from 1: with another one begins another search for its socket.

        A search takes a descriptor. Without one it is made again at the next call.
        """
        if connection != self._connection:
            self._connection, self._fd = 0, -1
            with suppress(NoDescriptor):
                self._search()
                self._connection = connection
        return self

    def trouble(self, handed_over: int, silent_s: float, heart_bt_int_s: int) -> str:
        """Why the connection has to end; "" when it has not.

        A venue that says nothing is asked by QuickFIX after 1.2 heartbeats, and has until two to answer.
        """
        held = self.held(handed_over)
        if held > HELD_LIMIT:
            return f"the venue sent {held} bytes without a message that could be read"
        if silent_s >= max(2 * heart_bt_int_s, heart_bt_int_s + 3):
            return f"the venue was silent for {silent_s:.0f} s, HeartBtInt(108) is {heart_bt_int_s}"
        return ""

    def held(self, handed_over: int) -> int:
        """Bytes that were read from the socket and not handed over; 0 when there is no socket to be found."""
        found = self._socket()
        if found is None:
            return 0
        with found:
            try:
                info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
                waiting = int.from_bytes(fcntl.ioctl(found, termios.FIONREAD, bytes(4)), sys.byteorder)
            except OSError:
                return 0
        if len(info) < _BYTES_RECEIVED.size:
            return 0  # An old kernel does not count.
        return int(_BYTES_RECEIVED.unpack_from(info)[0]) - waiting - handed_over

    def cut(self) -> bool:
        """End the connection: QuickFIX reads its end, and lets go of all that it holds. False when there is none."""
        found = self._socket()
        if found is None:
            return False
        with found:
            try:
                found.shutdown(socket.SHUT_RDWR)
            except OSError:
                return False
        return True

    def _socket(self) -> socket.socket | None:
        """A duplicate of the session's socket; None also while the process has no descriptor for one."""
        if self._fd < 0:
            return None
        try:
            known = _duplicate(self._fd)
        except NoDescriptor:
            return None
        if known is not None:
            if os.fstat(known.fileno()).st_ino == self._inode:
                return known
            known.close()
        self._fd = -1
        return None

    def _search(self) -> None:
        for fd in _descriptors():
            found = _duplicate(fd)
            if found is None:
                continue
            with found:
                if self._is_ours(found):
                    self._fd, self._inode = fd, os.fstat(found.fileno()).st_ino
                    return

    def _is_ours(self, found: socket.socket) -> bool:
        try:
            # Linux keeps, and tells, twice the size that was asked for.
            size = found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            return size == 2 * self._mark and found.getpeername()[1] == self._port
        except OSError:
            return False


def _descriptors() -> list[int]:
    if sys.platform != "linux":
        return []
    try:
        return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError as error:
        raise NoDescriptor from error


def _duplicate(fd: int) -> socket.socket | None:
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
        return socket.socket(fileno=os.dup(fd))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise NoDescriptor from error
        return None
