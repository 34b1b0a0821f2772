"""The journal's bytes: records as msgpack, batches in a hash chain. Pure; every implementation of the journal port
stores these.

A batch is what one commit made durable. Its hash covers its place, its epoch, its bytes and the hash of the batch
before it, so that nothing can be changed, dropped, inserted or moved without the chain breaking there. Records are
msgspec tagged unions in msgpack: fields are only added, with a default, so an old journal loads in a new program,
and a field that a newer minor version added is skipped by an older program.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from gateway.core.events import Cause, Event, Record

# Raised when a journal can no longer be read by the programs before it; never for a field or an event that is added.
FORMAT_VERSION = 1

# What the first batch follows on.
GENESIS = bytes(32)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])
_PLACE = struct.Struct(">qqq")

R = TypeVar("R", bound="Record | Told")


class Batch(msgspec.Struct, frozen=True):
    """One commit: the records `first_seq` to `last_seq` as msgpack, written in `epoch`, chained to the batch before
    by `prev_hash` (SHA-256).
    """

    first_seq: int
    last_seq: int
    epoch: int
    records: bytes
    prev_hash: bytes
    hash: bytes


class Told(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A `Record` whose OrderView is left as it was written, empty when there is none: most of them nobody looks at
    when a journal is replayed.
    """

    seq: int
    at_ns: int
    cause: Cause
    event: Event
    order: msgspec.Raw = msgspec.Raw()


_told_decoder = msgspec.msgpack.Decoder(list[Told])


class Damage(msgspec.Struct, frozen=True):
    """Where a journal stops being trustworthy: the first seq that cannot be relied on, and what is wrong there, for
    people.
    """

    seq: int
    what: str


class ChainBroken(Exception):
    """A batch does not stand where and as it was written."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.what)
        self.damage = damage


class RecordsUnknown(Exception):
    """A batch is whole, but it holds an event that this program does not know: a newer version wrote it."""


class Link(msgspec.Struct, frozen=True):
    """The end of a chain, to which the next batch has to be joined. The defaults are those of an empty journal."""

    seq: int = 0
    hash: bytes = GENESIS
    epoch: int = 0


def link(batch: Batch) -> Link:
    """The end of a chain whose last batch is `batch`."""
    return Link(batch.last_seq, batch.hash, batch.epoch)


def seal(end: Link, epoch: int, records: Sequence[Record]) -> Batch:
    """The batch that follows on `end`.

    Raises:
        ValueError: there are no records, or their seq do not follow on `end` one by one.
    """
    if not records:
        raise ValueError("a batch needs at least one record")
    for seq, record in enumerate(records, start=end.seq + 1):
        if record.seq != seq:
            raise ValueError(f"the record after seq {seq - 1} has to be seq {seq}, not {record.seq}")
    data = _encoder.encode(records)
    first, last = records[0].seq, records[-1].seq
    return Batch(first, last, epoch, data, end.hash, _hash(first, last, epoch, data, end.hash))


def unseal(end: Link, batch: Batch) -> list[Record]:
    """The records of `batch`, after it is proven that they are whole and follow on `end`.

    Raises:
        ChainBroken: they are not, or do not.
        RecordsUnknown: they are, and do, but a newer version wrote them.
    """
    return _unseal(end, batch, _decoder)


def unseal_told(end: Link, batch: Batch) -> list[Told]:
    """The same as `unseal`, for a replay."""
    return _unseal(end, batch, _told_decoder)


def _unseal(end: Link, batch: Batch, decoder: "msgspec.msgpack.Decoder[list[R]]") -> "list[R]":
    check(end, batch)
    try:
        records = decoder.decode(batch.records)
    except msgspec.MsgspecError as error:
        # The hash holds, so these are the bytes that were written.
        raise RecordsUnknown(f"{_name(batch)} holds what this version of the gateway does not know: {error}") from error
    if [record.seq for record in records] != list(range(batch.first_seq, batch.last_seq + 1)):
        raise _broken(batch.first_seq, f"{_name(batch)} holds records of other seq")
    return records


def check(end: Link, batch: Batch) -> None:
    """Prove that `batch` is whole and follows on `end`, without decoding it.

    Raises:
        ChainBroken: the first thing that is wrong.
    """
    expected = end.seq + 1
    if batch.first_seq > expected:
        raise _broken(expected, f"seq {expected} to {batch.first_seq - 1} are missing")
    if batch.first_seq < expected:
        raise _broken(batch.first_seq, f"{_name(batch)} begins inside the batch that ends at seq {end.seq}")
    if batch.hash != _hash(batch.first_seq, batch.last_seq, batch.epoch, batch.records, batch.prev_hash):
        raise _broken(
            batch.first_seq, f"{_name(batch)} does not match its hash: its bytes were changed after they were written"
        )
    if batch.prev_hash != end.hash:
        raise _broken(
            batch.first_seq, f"{_name(batch)} does not follow on the batch before it: one of the two was replaced"
        )
    if batch.epoch < end.epoch:
        raise _broken(
            batch.first_seq, f"{_name(batch)} was written in epoch {batch.epoch}, after epoch {end.epoch} had begun"
        )


def until(batches: Iterable[Batch], last_seq: int | None) -> Iterator[Batch]:
    """Those that end at `last_seq` or before, all when it is None. What comes behind is not asked for."""
    for batch in batches:
        if last_seq is not None and batch.last_seq > last_seq:
            return
        yield batch
        if batch.last_seq == last_seq:
            return


class Verdict(msgspec.Struct, frozen=True):
    """What was found on the way along a whole chain: how much is good, the times of the first and last good record,
    and the first damage if there is one.
    """

    batches: int = 0
    records: int = 0
    epoch: int = 0
    head_hash: bytes = GENESIS
    first_ns: int | None = None
    last_ns: int | None = None
    damage: Damage | None = None


def verify(batches: Iterable[Batch]) -> Verdict:
    """Walk a chain from its beginning to its end or its first damage."""
    end, count, first_ns, last_ns, damage = Link(), 0, None, None, None
    try:
        for batch in batches:
            records = unseal(end, batch)
            first_ns = records[0].at_ns if first_ns is None else first_ns
            last_ns, count, end = records[-1].at_ns, count + 1, link(batch)
    except ChainBroken as broken:
        damage = broken.damage
    return Verdict(count, end.seq, end.epoch, end.hash, first_ns, last_ns, damage)


def _hash(first_seq: int, last_seq: int, epoch: int, records: bytes, prev_hash: bytes) -> bytes:
    digest = hashlib.sha256(prev_hash)
    digest.update(_PLACE.pack(first_seq, last_seq, epoch))
    digest.update(records)
    return digest.digest()


def _name(batch: Batch) -> str:
    return f"the batch of seq {batch.first_seq} to {batch.last_seq}"


def _broken(seq: int, what: str) -> ChainBroken:
    return ChainBroken(Damage(seq, what))
