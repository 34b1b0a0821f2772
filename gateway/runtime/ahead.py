"""Reading ahead: a process beside a long start reads the journal, proves it, and keeps the last words.

To read the batches, prove their hashes, keep the last word on every order and compare those of the orders that left
memory needs no state. The process hands over the records without their views, batch by batch, each after it was proven,
and at the end the words that are left.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import IO

import msgspec

from gateway.codec.journal import Batch, Told
from gateway.core.events import OrderRetired
from gateway.runtime.last_words import LastWords, Word
from gateway.runtime.ports import Journal

_LENGTH = 4
_RETIRED = OrderRetired.__name__


class ReaderFailed(Exception):
    """The process beside came to no end: its work has to be done here."""


class _Event(msgspec.Struct, gc=False):
    """What there is to know of an event, whatever it is."""

    type: str = ""
    order_id: str = ""
    venue_cl_ord_id: str = ""
    memory: bytes = b""


class _Piece(msgspec.Struct, gc=False, omit_defaults=True):
    """A record whose parts are left as they were written."""

    seq: int
    at_ns: int
    cause: msgspec.Raw
    event: msgspec.Raw
    order: msgspec.Raw = msgspec.Raw()


class _End(msgspec.Struct, array_like=True):
    """What comes last: the end of the chain that was proven and the words that are left, or why there is no more."""

    seq: int = 0
    hash: bytes = b""
    words: dict[str, Word] = {}
    failed: str = ""


_encode = msgspec.msgpack.Encoder().encode
_pieces = msgspec.msgpack.Decoder(list[_Piece]).decode
_event = msgspec.msgpack.Decoder(_Event).decode
_SOME = msgspec.Raw(_encode(True))
_decode = msgspec.msgpack.Decoder(list[Told]).decode
_decode_end = msgspec.msgpack.Decoder(_End).decode


def hand_over(batches: Iterable[Batch], write: Callable[[bytes], object], send_after: int = 0) -> None:
    """The records of proven batches, then the end. What goes wrong is said as the end. Those that begin at
    `send_after` or before are only proven.
    """
    last, end = LastWords(), _End()
    try:
        for batch in batches:
            records = _pieces(batch.records)
            _note(last, records)
            end = _End(batch.last_seq, batch.hash, last.words)
            if batch.first_seq > send_after:
                data = _encode(records)
                write(len(data).to_bytes(_LENGTH, "little"))
                write(data)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # Whatever it is: who replays finds it again, and says so.
        end = _End(failed=f"{type(error).__name__}: {error}")
    write(bytes(_LENGTH) + _encode(end))


def _note(last: LastWords, records: list[_Piece]) -> None:
    """Of what the owners were told only whether there was something goes on."""
    for record in records:
        event = _event(record.event)
        if record.order:
            last.note(event.order_id, event.venue_cl_ord_id, record.order)
            record.order = _SOME
        elif event.type == _RETIRED:
            last.left(event.order_id, event.memory)


def taken_over(stream: IO[bytes], journal: Journal, last: LastWords) -> Iterator[list[Told]]:
    """What `hand_over` wrote of this journal. When all of it is there, `last` has the words that are left.

    Raises:
        ReaderFailed: it broke off, or was of another journal.
    """
    try:
        while length := int.from_bytes(_read(stream, _LENGTH), "little"):
            yield _decode(_read(stream, length))
        end = _decode_end(stream.read())
    except msgspec.MsgspecError as error:
        raise ReaderFailed(f"what it says cannot be read: {error}") from error
    if end.failed:
        raise ReaderFailed(end.failed)
    if end.seq and journal.hash_at(end.seq) != end.hash:
        raise ReaderFailed(f"it read another journal, which ends at seq {end.seq}")
    last.words = end.words


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise ReaderFailed("it ended in the middle")
    return data
