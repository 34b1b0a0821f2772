"""A snapshot's bytes: the whole state as of one seq, tied to one journal and to one layout of the state.

A head of fixed size says what it is: the layout of the structs that make the state, the seq, the journal's chain hash
there, and the SHA-256 of the rest. The payload is msgpack. Nothing in it is ever migrated: a snapshot that any other
version of the gateway wrote is not used, the journal has everything.
"""

import hashlib
import struct
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from gateway import __version__
from gateway.core.name_index import NameIndex
from gateway.core.risk.book import Book
from gateway.core.state import State

MAGIC = b"gateway snapshot 1\n"

_HEAD = struct.Struct(f">{len(MAGIC)}s32sq32sq32s")
HEAD_SIZE = _HEAD.size


class SnapshotUnusable(Exception):
    """These bytes are no snapshot that this program can start from; the message says why, for people."""


class Head(msgspec.Struct, frozen=True):
    """What a snapshot says of itself: `seq` is the last event in it, `chain_hash` the hash of the batch that ends
    there.
    """

    seq: int
    chain_hash: bytes
    size: int
    digest: bytes


def pack(state: State, chain_hash: bytes) -> tuple[bytes, bytes]:
    """The snapshot of a state as of the end of the batch with this hash: its head, and what follows."""
    payload = encode(state)
    digest = hashlib.sha256(payload).digest()
    return _HEAD.pack(MAGIC, layout(), state.seq, chain_hash, len(payload), digest), payload


def head(data: bytes) -> Head:
    """What the first `HEAD_SIZE` bytes say.

    Raises:
        SnapshotUnusable: it is no snapshot, or one of another version.
    """
    written, said = _head(data)
    if written != layout():
        raise SnapshotUnusable("another version of the gateway wrote it")
    return said


def place(data: bytes) -> tuple[int, bytes]:
    """The seq and the chain's hash that the first `HEAD_SIZE` bytes name, whichever version wrote them.

    Raises:
        SnapshotUnusable: it is no snapshot.
    """
    _, said = _head(data)
    return said.seq, said.chain_hash


def _head(data: bytes) -> tuple[bytes, Head]:
    if len(data) < HEAD_SIZE or not data.startswith(MAGIC):
        raise SnapshotUnusable("it does not begin as a snapshot does")
    _, written, seq, chain_hash, size, digest = _HEAD.unpack(data[:HEAD_SIZE])
    return written, Head(seq, chain_hash, size, digest)


def unpack(data: bytes) -> State:
    """The state in a snapshot.

    Raises:
        SnapshotUnusable: it is not whole, or not of this version.
    """
    said = head(data)
    payload = memoryview(data)[HEAD_SIZE:]
    if len(payload) != said.size:
        raise SnapshotUnusable(f"it has {len(payload)} bytes where {said.size} were written")
    if hashlib.sha256(payload).digest() != said.digest:
        raise SnapshotUnusable("it does not match its hash")
    try:
        state = decode(payload)
    except (msgspec.MsgspecError, ValueError) as error:
        raise SnapshotUnusable(f"it cannot be decoded: {error}") from error
    if state.seq != said.seq:
        raise SnapshotUnusable(f"it holds the state at seq {state.seq}, and says {said.seq}")
    return state


# --- The payload ---


def encode(state: State) -> bytes:
    """The state as msgpack. Dictionaries keep their order: decisions follow it."""
    return _encoder.encode(state)


def decode(payload: bytes | memoryview) -> State:
    """The state that was encoded.

    Raises:
        msgspec.MsgspecError, ValueError: it is none.
    """
    return _decoder.decode(payload)


def _to_bytes(value: object) -> bytes:
    if isinstance(value, NameIndex):
        return value.dump()
    if isinstance(value, Book):  # It follows from the rest.
        return b""
    raise NotImplementedError(f"nothing says how to write a {type(value).__name__}")


def _from_bytes(kind: type, value: object) -> object:
    if kind is NameIndex and isinstance(value, bytes):
        return NameIndex.load(value)
    if kind is Book:
        return Book()
    raise NotImplementedError(f"nothing says how to read a {kind.__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_bytes)
_decoder = msgspec.msgpack.Decoder(State, dec_hook=_from_bytes)


# --- The layout ---


@cache
def layout() -> bytes:
    """What has to be the same for a snapshot to be used: the version, the byte order of the machine's words, and all
    that the state is made of.
    """
    return hashlib.sha256("\n".join([__version__, sys.byteorder, *describe(State)]).encode()).digest()


def describe(root: type) -> list[str]:
    """One line for each field of each struct or tuple that a type is made of, with its type and default, and one for
    each enumeration.
    """
    lines: set[str] = set()
    pending: list[Any] = [root]
    known: set[Any] = {root}
    while pending:
        kind = pending.pop()
        fields = dict(_fields(kind))
        lines.update(f"{kind.__module__}.{kind.__name__}.{name}: {said}" for name, (_, said) in fields.items())
        if isinstance(kind, type) and issubclass(kind, Enum):
            lines.add(f"{kind.__module__}.{kind.__name__}: {[each.value for each in kind]}")
        parts = {*get_args(kind), *[made_of for made_of, _ in fields.values()]}
        pending += parts - known
        known |= parts
    return sorted(lines)


def _fields(kind: Any) -> Iterator[tuple[str, tuple[Any, str]]]:
    """The fields of a struct or a named tuple: what each is made of, and all that is to be said of it."""
    if get_origin(kind) is not None or not isinstance(kind, type):
        return
    if issubclass(kind, msgspec.Struct):
        tag = kind.__struct_config__.tag
        for field in msgspec.structs.fields(kind):
            yield field.name, (field.type, f"{field.type} = {field.default!r} or {field.default_factory!r}, {tag}")
    elif hasattr(kind, "_field_defaults"):
        for name, made_of in get_type_hints(kind).items():
            yield name, (made_of, str(made_of))
