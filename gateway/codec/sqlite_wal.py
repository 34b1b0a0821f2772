"""SQLite's write-ahead log, read without SQLite: is what SQLite would drop from it a torn tail, or damage before
the tail?

SQLite ends its recovery at the first frame whose checksum does not hold and forgets, without a word, every commit
behind it. After a crash that is right: that frame is where the writing stopped. After a flipped bit it would lose
commits that were acknowledged. The two differ in what stands behind: nothing was ever written behind a torn tail,
so a later transaction that is still whole proves that the bad frame had been written, and lies before the tail.

The layout is SQLite's "WAL-mode file format": a 32-byte header, then frames of a 24-byte header and one page, all
numbers big-endian, each frame's checksum continuing the one before.
"""

import struct
import sys
from collections.abc import Iterator

import msgspec

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
_WORD = 0xFFFFFFFF
_DEFAULT_PAGE_SIZE = 4096
_NATIVE = "<" if sys.byteorder == "little" else ">"


class Frame(msgspec.Struct, frozen=True):
    """One frame of the log's current generation: its number from 1, whether it ends a transaction, and whether its
    checksum holds.
    """

    number: int
    commits: bool
    holds: bool


def lost_frame(wal: bytes) -> int | None:
    """The number of the first bad frame that has a whole later transaction behind it; 0 for the header; None when
    only a tail is torn, or nothing is.
    """
    bad: int | None = None
    committed = False
    for frame in frames(wal):
        if bad is None:
            bad = None if frame.holds else frame.number
        elif frame.holds and committed:
            return bad
        committed = bad is not None and (committed or frame.commits)
    return None


def frames(wal: bytes) -> Iterator[Frame]:
    """Frame 0, which stands for the header, and every frame behind it.

    A frame is checked against the checksum that the frame before it carries, so that one bad frame does not hide
    whether those behind it are whole. What is left from an earlier generation of the log has other salts and does
    not hold.
    """
    if len(wal) < _HEADER.size + _FRAME.size:
        return
    header = _header(wal)
    yield Frame(0, commits=False, holds=header.holds)
    before = header.sums
    size = _FRAME.size + header.page_size
    for number, at in enumerate(range(_HEADER.size, len(wal) - size + 1, size), start=1):
        _, pages_after, salt_1, salt_2, sum_1, sum_2 = _FRAME.unpack_from(wal, at)
        holds = (salt_1, salt_2) == header.salts
        if holds:
            content = wal[at : at + 8] + wal[at + _FRAME.size : at + size]
            holds = _checksum(content, before, header.order) == (sum_1, sum_2)
        yield Frame(number, commits=pages_after != 0, holds=holds)
        before = (sum_1, sum_2)


class _Header(msgspec.Struct, frozen=True):
    holds: bool
    page_size: int
    order: str
    salts: tuple[int, int]
    sums: tuple[int, int]


def _header(wal: bytes) -> _Header:
    """The header; where its own checksum does not hold, what a log of this machine most likely says there, so that
    the frames can still be judged.
    """
    magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack_from(wal)
    order = ">" if magic & 1 else "<"
    if magic & ~1 == _MAGIC and _checksum(wal[:24], (0, 0), order) == (sum_1, sum_2):
        return _Header(True, page_size, order, (salt_1, salt_2), (sum_1, sum_2))
    salts = _FRAME.unpack_from(wal, _HEADER.size)[2:4]
    return _Header(False, _DEFAULT_PAGE_SIZE, _NATIVE, salts, (sum_1, sum_2))


def _checksum(content: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's two running sums over pairs of 32-bit words in the byte order that the header's magic number names."""
    sum_1, sum_2 = start
    for first, second in struct.iter_unpack(f"{order}II", content):
        sum_1 = (sum_1 + first + sum_2) & _WORD
        sum_2 = (sum_2 + second + sum_1) & _WORD
    return sum_1, sum_2
