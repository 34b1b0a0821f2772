"""Where the names of what left memory are remembered: from a name to the seq of the record that has it all.

A name costs 16 bytes and its share of a table, whatever its length, so that millions of them stay in memory. A
fingerprint of 64 bits stands for the name. Two names may share one: so a name leads to *all* records that were noted
under its fingerprint, and whoever reads such a record sees in it whether it is the one.
"""

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b

_TABLES = 1 << 13
_MARK, _ENTRY = 8, 16
"""Bytes of a fingerprint, and of an entry: a fingerprint and a seq."""


class NameIndex:
    """Many small tables, chosen by the first 13 bits of the fingerprint. A new name is put at the end of its table, and
    a table is searched from its beginning: 14 microseconds when there are ten million names (docs/recovery.md), and no
    name ever waits for a table that is laid out anew.
    """

    __slots__ = ("_tables", "_total")

    def __init__(self) -> None:
        self._tables: list[bytearray | None] = []  # None of them as long as there are no names.
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NameIndex) and (self._total, self._tables) == (other._total, other._tables)

    __hash__ = None  # type: ignore[assignment]  # It changes.

    def __repr__(self) -> str:
        return f"NameIndex({len(self)} names, {self.size} bytes)"

    @property
    def size(self) -> int:
        """Bytes that the tables with names take."""
        return sum(table.__sizeof__() for table in self._tables if table is not None)

    def add(self, name: str, seq: int) -> None:
        """From now on the name leads to the record `seq` too."""
        self.add_all([name], seq)

    def add_all(self, names: Sequence[str], seq: int) -> None:
        """From now on each of the names leads to the record `seq` too."""
        tables, place = self._tables or self._begun(), seq.to_bytes(_ENTRY - _MARK, "big")
        for name in names:
            mark = fingerprint(name)
            at = mark[0] << 5 | mark[1] >> 3
            table = tables[at]
            if table is None:
                tables[at] = bytearray(mark + place)
            else:
                table += mark + place
        self._total += len(names)

    def find(self, name: str) -> tuple[int, ...]:
        """The seq of every record that may have this name, the newest first."""
        if not self._total:
            return ()
        mark = fingerprint(name)
        table = self._tables[mark[0] << 5 | mark[1] >> 3]
        if table is None or mark not in table:
            return ()
        return tuple(sorted(_places(table, mark), reverse=True))

    def dump(self) -> bytes:
        """All of it: how many names there are, how long each table is, and the tables one after the other."""
        head, lengths = array("Q", [self._total]), array("I", [len(table or b"") for table in self._tables])
        tables = [table for table in self._tables if table is not None]
        return b"".join([head.tobytes(), lengths.tobytes(), *tables])

    @classmethod
    def load(cls, data: bytes) -> "NameIndex":
        """What `dump` gave.

        Raises:
            ValueError: it is none.
        """
        head, lengths = array("Q"), array("I")
        head.frombytes(data[:8])
        start = 8 + (lengths.itemsize * _TABLES if any(head) else 0)
        lengths.frombytes(data[8:start])
        entries = _ENTRY * sum(head)
        if not head or len(data) != start + entries or sum(lengths) != entries or any(at % _ENTRY for at in lengths):
            raise ValueError("the bytes are no index of names")
        index = cls()
        index._total = head[0]
        for at, length in enumerate(lengths):
            if length:
                index._begun()[at] = bytearray(data[start : start + length])
            start += length
        return index

    def _begun(self) -> list[bytearray | None]:
        """The tables, once there is something to put into one."""
        if not self._tables:
            self._tables += [None] * _TABLES
        return self._tables


def fingerprint(name: str) -> bytes:
    """64 bits that stand for the name."""
    return blake2b(name.encode(), digest_size=_MARK).digest()


def _places(table: bytearray, mark: bytes) -> Iterator[int]:
    """The seq of every entry with this fingerprint; the same bytes may also stand across two entries."""
    found = table.find(mark)
    while found >= 0:
        if found % _ENTRY == 0:
            yield int.from_bytes(table[found + _MARK : found + _ENTRY], "big")
        found = table.find(mark, found + 1)
