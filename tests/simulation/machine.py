"""The machine under the gateway: a disk with a page cache, a wall clock that is not to be trusted, power that may fail.

What is written is at first in the page cache. `sync` makes it durable. A process that is killed leaves the cache as it
is; a loss of power takes whatever was not synced, or a part of it: a torn write.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from gateway.codec.journal import Batch, ChainBroken, Link, Told, check, link, seal, unseal, unseal_told
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, JournalDamaged, JournalError, JournalHead

_FRAME = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)

R = TypeVar("R")
Point = Callable[[str], None]
"""Where a process may die: called with the name of the place, raises when it does."""


class Disk:
    """The journal's file: bytes, of which the first `synced` are durable, and the epoch in force (a small file that is
    always synced).
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = 0
        self.epoch = 0
        self.full = False
        self.sick = False

    def write(self, data: bytes) -> None:
        """Into the page cache."""
        self.data += data

    def sync(self) -> None:
        """Durable from here on."""
        self.synced = len(self.data)

    def lose_power(self, chance: Random) -> None:
        """Of what was not synced a part at the beginning may have reached the disk."""
        kept = self.synced + chance.randint(0, len(self.data) - self.synced)
        del self.data[kept:]


class SimJournal:
    """The `Journal` port on a disk that can lose power: frames of one batch each, synced one by one."""

    def __init__(self, disk: Disk, point: Point, synced: Callable[[Sequence[Record]], None]) -> None:
        self._disk = disk
        self._point = point
        self._on_synced = synced
        self._epoch: int | None = None
        self._end = Link()

    def open(self) -> JournalHead:
        """Cut a torn tail off, prove the end of the chain and begin an epoch."""
        whole = 0
        end = Link()
        for batch, stop in _frames(self._disk.data):
            try:
                check(end, batch)
            except ChainBroken as broken:
                raise JournalDamaged(f"the journal is damaged: {broken}", broken.damage.seq) from broken
            if stop > self._disk.synced:
                # Written whole by a process that died before it could sync it.
                self._on_synced(unseal(end, batch))
            end, whole = link(batch), stop
        self._disk.data[whole:] = b""
        self._disk.sync()
        self._end = end
        self._epoch = self._disk.epoch = max(self._disk.epoch, end.epoch) + 1
        return JournalHead(seq=end.seq, hash=end.hash, epoch=self._epoch)

    def append(self, records: Sequence[Record]) -> None:
        """See `Journal.append`."""
        self._point("before the append")
        if self._epoch is None:
            raise JournalError("the journal is not open: nothing was written")
        if self._epoch != self._disk.epoch:
            raise EpochStale("another owner took the journal over, nothing was written")
        if self._disk.full:
            raise JournalError("no space left on the device: nothing was written")
        batch = seal(self._end, self._epoch, records)
        data = _encoder.encode(batch)
        frame = _FRAME.pack(len(data)) + data
        half = len(frame) // 2
        self._disk.write(frame[:half])
        self._point("in the middle of the append")
        self._disk.write(frame[half:])
        self._point("before the append is synced")
        if self._disk.sick:
            self._disk.sick = False
            raise JournalError("input/output error on fsync: whether the batch is durable is not known")
        self._disk.sync()
        self._end = link(batch)
        self._on_synced(unseal(Link(batch.first_seq - 1, batch.prev_hash), batch))
        self._point("after the append is synced")

    def confirm(self) -> None:
        """See `Journal.confirm`."""
        if self._epoch != self._disk.epoch:
            raise EpochStale("another owner took the journal over")

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See `Journal.read`. What is not synced is not read: no one may see it yet."""
        for end, batch in self._from(from_seq):
            yield from _proven(unseal, end, batch)[max(0, from_seq - batch.first_seq) :]

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        """See `Journal.told`."""
        for end, batch in self._from(from_seq):
            yield _proven(unseal_told, end, batch)[max(0, from_seq - batch.first_seq) :]

    def hash_at(self, seq: int) -> bytes | None:
        """See `Journal.hash_at`."""
        found = (batch for batch, _ in _frames(self._disk.data[: self._disk.synced]) if batch.last_seq == seq)
        return next((batch.hash for batch in found), None)

    def _from(self, seq: int) -> Iterator[tuple[Link, Batch]]:
        """The batches that hold `seq` and what follows, each with the end of the one before."""
        end = Link()
        for batch, _ in _frames(self._disk.data[: self._disk.synced]):
            if batch.last_seq >= seq:
                self._point("while the journal is read")
                yield end, batch
            end = link(batch)

    def close(self) -> None:
        """See `Journal.close`."""
        self._epoch = None


def _proven(open_batch: Callable[[Link, Batch], list[R]], end: Link, batch: Batch) -> list[R]:
    try:
        return open_batch(end, batch)
    except ChainBroken as broken:
        raise JournalDamaged(f"the journal is damaged: {broken}", broken.damage.seq) from broken


def _frames(data: bytearray) -> Iterator[tuple[Batch, int]]:
    """Every whole batch and where it ends; a torn one at the end is passed over."""
    at = 0
    while at + _FRAME.size <= len(data):
        stop = at + _FRAME.size + _FRAME.unpack_from(data, at)[0]
        if stop > len(data):
            return
        yield _decoder.decode(bytes(data[at + _FRAME.size : stop])), stop
        at = stop


class FixFiles:
    """QuickFIX's FileStore of one session: real files, in its format, which it never syncs.

    The kernel writes back when it likes: `written_back` is what a loss of power cannot take any more.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._body, self._header, self._seqnums = (folder / f"{prefix}.{end}" for end in ("body", "header", "seqnums"))
        self.messages: dict[int, str] = {}
        self.next_sender = self.next_target = 1
        self._load()

    def _load(self) -> None:
        if not self._seqnums.exists():
            for path in (self._body, self._header):
                path.touch()
            self.set_numbers(1, 1)
            return
        sender, _, target = self._seqnums.read_text("ascii").partition(":")
        self.next_sender, self.next_target = int(sender), int(target)
        body = self._body.read_bytes()
        for entry in self._header.read_text("ascii").split():
            if entry.count(",") == 2:
                seq, offset, size = (int(part or 0) for part in entry.split(","))
                raw = body[offset : offset + size]
                # Of an entry whose bytes were lost, or overwritten since, nothing can be resent.
                if b"\x0134=%d\x01" % seq in raw and raw[-7:] == b"10=%03d\x01" % (sum(raw[:-7]) % 256):
                    self.messages[seq] = raw.decode("latin-1")

    def set_message(self, seq: int, raw: str) -> None:
        """Keep one message."""
        data = raw.encode("latin-1")
        with self._body.open("ab") as body:
            offset = body.tell()
            body.write(data)
        with self._header.open("ab") as header:
            header.write(b"%d,%d,%d " % (seq, offset, len(data)))
        self.messages[seq] = raw

    def set_numbers(self, sender: int, target: int) -> None:
        """Keep the next numbers to send and to expect."""
        self.next_sender, self.next_target = sender, target
        self._seqnums.write_text(f"{sender:010d} : {target:010d}", "ascii")

    def reset(self) -> None:
        """Begin again at 1, with no messages, in new files."""
        self.messages.clear()
        self._body.write_bytes(b"")
        self._header.write_bytes(b"")
        self.set_numbers(1, 1)


def age_store(folder: Path, chance: Random) -> None:
    """What a loss of power leaves of QuickFIX's files: none of them was ever synced."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".body", ".header"):
            data = path.read_bytes()
            path.write_bytes(data[: chance.randint(len(data) * 2 // 3, len(data))])
        elif path.suffix == ".seqnums":
            sender, _, target = path.read_text("ascii").partition(":")
            lost = chance.choice((0, 1, 2, 5, 20))
            path.write_text(f"{max(1, int(sender) - lost):010d} : {int(target):010d}", "ascii")
