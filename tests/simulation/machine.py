"""The machine under the gateway: a disk with a page cache, a wall clock that is not to be trusted, power that may fail.

What is written is at first in the page cache. `sync` makes it durable. A process that is killed leaves the cache as it
is; a loss of power takes whatever was not synced, or a part of it: a torn write.
"""

import os
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from gateway.codec.journal import Batch, ChainBroken, Link, Told, link, seal, unseal, unseal_told
from gateway.core.events import Record
from gateway.runtime.ports import EpochStale, JournalDamaged, JournalError, JournalHead

_FRAME = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)

R = TypeVar("R")
Point = Callable[[str], None]
"""Where a process may die: called with the name of the place, raises when it does."""


class Frame:
    """A whole batch on the disk, and the end of the batch before it. What is on a disk does not change: its hash is
    proven, and its records decoded, once.
    """

    __slots__ = ("_records", "_told", "batch", "before", "stop")

    def __init__(self, before: Link, batch: Batch, stop: int) -> None:
        self.before = before
        self.batch = batch
        self.stop = stop
        self._records: list[Record] | None = None
        self._told: list[Told] | None = None

    def records(self) -> list[Record]:
        """See `unseal`."""
        if self._records is None:
            self._records = _proven(unseal, self.before, self.batch)
        return self._records

    def told(self) -> list[Told]:
        """See `unseal_told`."""
        if self._told is None:
            self._told = _proven(unseal_told, self.before, self.batch)
        return self._told

    def written(self) -> list[Record]:
        """The records, if it follows on the batch that its writer believed to be the last."""
        believed = Link(self.batch.first_seq - 1, self.batch.prev_hash)
        if (believed.seq, believed.hash) == (self.before.seq, self.before.hash):
            return self.records()
        return unseal(believed, self.batch)


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
        self._frames: list[Frame] = []

    def write(self, data: bytes) -> None:
        """Into the page cache."""
        self.data += data

    def sync(self) -> None:
        """Durable from here on."""
        self.synced = len(self.data)

    def cut(self, size: int) -> None:
        """Lose what stands after the first `size` bytes."""
        del self.data[size:]
        while self._frames and self._frames[-1].stop > size:
            self._frames.pop()

    def lose_power(self, chance: Random) -> None:
        """Of what was not synced a part at the beginning may have reached the disk."""
        self.cut(self.synced + chance.randint(0, len(self.data) - self.synced))

    def frames(self) -> list[Frame]:
        """Every whole batch; a torn one at the end is passed over."""
        data, frames = self.data, self._frames
        at = frames[-1].stop if frames else 0
        while at + _FRAME.size <= len(data):
            stop = at + _FRAME.size + _FRAME.unpack_from(data, at)[0]
            if stop > len(data):
                break
            before = link(frames[-1].batch) if frames else Link()
            frames.append(Frame(before, _decoder.decode(bytes(data[at + _FRAME.size : stop])), stop))
            at = stop
        return frames

    def durable(self, seq: int) -> list[Frame]:
        """The synced batches that hold `seq` and what follows."""
        frames = self.frames()
        first = bisect_left(frames, seq, key=lambda frame: frame.batch.last_seq)
        return frames[first : bisect_right(frames, self.synced, key=lambda frame: frame.stop)]


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
        for frame in self._disk.frames():
            records = frame.records()
            if frame.stop > self._disk.synced:
                # Written whole by a process that died before it could sync it.
                self._on_synced(records)
            end, whole = link(frame.batch), frame.stop
        self._disk.cut(whole)
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
        self._on_synced(self._disk.frames()[-1].written())
        self._point("after the append is synced")

    def confirm(self) -> None:
        """See `Journal.confirm`."""
        if self._epoch != self._disk.epoch:
            raise EpochStale("another owner took the journal over")

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """See `Journal.read`. What is not synced is not read: no one may see it yet."""
        for frame in self._from(from_seq):
            yield from frame.records()[max(0, from_seq - frame.batch.first_seq) :]

    def told(self, from_seq: int = 1) -> Iterator[Sequence[Told]]:
        """See `Journal.told`."""
        for frame in self._from(from_seq):
            yield frame.told()[max(0, from_seq - frame.batch.first_seq) :]

    def hash_at(self, seq: int) -> bytes | None:
        """See `Journal.hash_at`."""
        batches = (frame.batch for frame in self._disk.durable(seq)[:1])
        return next((batch.hash for batch in batches if batch.last_seq == seq), None)

    def _from(self, seq: int) -> Iterator[Frame]:
        for frame in self._disk.durable(seq):
            self._point("while the journal is read")
            yield frame

    def close(self) -> None:
        """See `Journal.close`."""
        self._epoch = None


def _proven(open_batch: Callable[[Link, Batch], list[R]], end: Link, batch: Batch) -> list[R]:
    try:
        return open_batch(end, batch)
    except ChainBroken as broken:
        raise JournalDamaged(f"the journal is damaged: {broken}", broken.damage.seq) from broken


class FixFiles:
    """QuickFIX's FileStore of one session: real files, in its format, which it never syncs.

    The kernel writes back when it likes: `written_back` is what a loss of power cannot take any more.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._body, self._header, self._seqnums = (folder / f"{prefix}.{end}" for end in ("body", "header", "seqnums"))
        self.messages: dict[int, str] = {}
        self._files: tuple[int, ...] = ()
        self.next_sender = self.next_target = 1
        self._load()

    def _load(self) -> None:
        if not self._seqnums.exists():
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
        body, header, _ = self._open()
        offset = os.lseek(body, 0, os.SEEK_END)
        os.write(body, data)
        os.write(header, b"%d,%d,%d " % (seq, offset, len(data)))
        self.messages[seq] = raw

    def set_numbers(self, sender: int, target: int) -> None:
        """Keep the next numbers to send and to expect."""
        self.next_sender, self.next_target = sender, target
        os.pwrite(self._open()[2], b"%010d : %010d" % (sender, target), 0)  # Always as long.

    def reset(self) -> None:
        """Begin again at 1, with no messages, in new files."""
        self.messages.clear()
        self._body.write_bytes(b"")
        self._header.write_bytes(b"")
        self.set_numbers(1, 1)

    def close(self) -> None:
        """What is written after this opens the files again."""
        for file in self._files:
            os.close(file)
        self._files = ()

    def _open(self) -> tuple[int, ...]:
        """The files of messages, of their places and of the numbers."""
        if not self._files:
            ends = (self._body, os.O_APPEND), (self._header, os.O_APPEND), (self._seqnums, 0)
            self._files = tuple(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o666) for path, how in ends)
        return self._files


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
