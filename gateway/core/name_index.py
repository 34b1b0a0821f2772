"""Where the names of what left memory are remembered: from a name to the seq of the record that has it all.

A name costs 16 bytes at a load of at most 0.7, whatever its length, so that millions of them stay in memory. A
fingerprint of 64 bits stands for the name. Two names may share one: so a name leads to *all* records that were noted
under its fingerprint, and whoever reads such a record sees in it whether it is the one.
"""

from array import array
from collections.abc import Sequence
from hashlib import blake2b

_TABLE_BITS = 10
_TABLES = 1 << _TABLE_BITS
_SMALLEST = 4
"""Slots of the smallest table; every other has twice, four times, ... as many. A slot is two words, a fingerprint and
a seq; the seq of an empty one is 0.
"""


class NameIndex:
    """Open addressing in many small tables: one of them grows at a time, so that none of them holds up the rest."""

    __slots__ = ("_counts", "_tables", "_total")

    def __init__(self) -> None:
        self._tables = [array("Q") for _ in range(_TABLES)]
        self._counts = array("Q", bytes(8 * _TABLES))
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NameIndex) and self._tables == other._tables

    __hash__ = None  # type: ignore[assignment]  # It changes.

    def __repr__(self) -> str:
        return f"NameIndex({len(self)} names, {self.size} bytes)"

    @property
    def size(self) -> int:
        """Bytes that the slots take, empty ones too."""
        return sum(8 * len(table) for table in self._tables)

    def add(self, name: str, seq: int) -> None:
        """From now on the name leads to the record `seq` too."""
        self.add_all([name], seq)

    def add_all(self, names: Sequence[str], seq: int) -> None:
        """From now on each of the names leads to the record `seq` too."""
        tables, counts = self._tables, self._counts
        for name in names:
            mark = fingerprint(name)
            at = mark & (_TABLES - 1)
            table = tables[at]
            counts[at] = count = counts[at] + 1
            words = len(table)
            if 20 * count > 7 * words:  # Two words a slot.
                table = tables[at] = _grown(table)
                words = len(table)
            place = (mark >> _TABLE_BITS << 1) & (words - 1)
            while table[place + 1]:
                place = (place + 2) & (words - 1)
            table[place], table[place + 1] = mark, seq
        self._total += len(names)

    def find(self, name: str) -> tuple[int, ...]:
        """The seq of every record that may have this name, the newest first."""
        mark = fingerprint(name)
        table = self._tables[mark & (_TABLES - 1)]
        if not table:
            return ()
        found = []
        words = len(table)
        place = (mark >> _TABLE_BITS << 1) & (words - 1)
        while seq := table[place + 1]:
            if table[place] == mark:
                found.append(seq)
            place = (place + 2) & (words - 1)
        return tuple(sorted(found, reverse=True))

    def dump(self) -> bytes:
        """All of it: how long each table is, how many names are in each, and the tables one after the other."""
        lengths = array("Q", [len(table) for table in self._tables])
        return b"".join([lengths.tobytes(), self._counts.tobytes(), *[table.tobytes() for table in self._tables]])

    @classmethod
    def load(cls, data: bytes) -> "NameIndex":
        """What `dump` gave.

        Raises:
            ValueError: it is none.
        """
        index = cls()
        words = array("Q")
        words.frombytes(data)
        lengths, index._counts = words[:_TABLES], words[_TABLES : 2 * _TABLES]
        if len(words) < 2 * _TABLES or len(words) != 2 * _TABLES + sum(lengths):
            raise ValueError("the bytes are no index of names")
        index._total = sum(index._counts)
        start = 2 * _TABLES
        for place, length in enumerate(lengths):
            index._tables[place] = words[start : start + length]
            start += length
        return index


def fingerprint(name: str) -> int:
    """64 bits that stand for the name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def _grown(table: "array[int]") -> "array[int]":
    words = 2 * max(_SMALLEST, len(table))
    larger = array("Q", bytes(8 * words))
    taken = iter(table)
    for mark, seq in zip(taken, taken, strict=True):
        if seq:
            place = (mark >> _TABLE_BITS << 1) & (words - 1)
            while larger[place + 1]:
                place = (place + 2) & (words - 1)
            larger[place], larger[place + 1] = mark, seq
    return larger
