"""Protobuf's wire format where the library's objects are not enough: splicing encoded events, naming what is broken.

An event is encoded once for all its readers; a response is then a join of bytes. Protobuf guarantees this: the encoding
of a repeated message field is its tag, its length and its bytes, one after the other.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.pb.v1 import gateway_pb2 as pb

LOOKED_THROUGH_BYTES = 16 * 1024
"""The longest message that is looked through for what is broken in it. A field has two bytes at least and costs
microseconds: a message of 4 MiB would hold up everybody for seconds.
"""

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BITS = 70


def _tag(message: Any, field: str, wire_type: int) -> bytes:
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire_type)


def varint(number: int) -> bytes:
    """A whole number, not negative, as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def framed(message: Message) -> bytes:
    """A message with its length before it: what follows the tag of a field that holds it."""
    body = message.SerializeToString()
    return varint(len(body)) + body


_SUBSCRIBE_EVENTS = _tag(pb.SubscribeResponse, "events", _LENGTH_DELIMITED)
_SUBSCRIBE_NEXT_SEQ = _tag(pb.SubscribeResponse, "next_seq", _VARINT)
_TRADE_EVENTS = _tag(pb.TradeResponse, "events", _LENGTH_DELIMITED)
_TRADE_NEXT_SEQ = _tag(pb.TradeResponse, "next_seq", _VARINT)


def subscribe_response(events: Sequence[bytes], next_seq: int) -> bytes:
    """An encoded SubscribeResponse of framed events."""
    return _SUBSCRIBE_EVENTS.join((b"", *events)) + _SUBSCRIBE_NEXT_SEQ + varint(next_seq)


def trade_response(events: Sequence[bytes], next_seq: int) -> bytes:
    """An encoded TradeResponse of framed events."""
    return _TRADE_EVENTS.join((b"", *events)) + _TRADE_NEXT_SEQ + varint(next_seq)


def broken_text_field(message: Any, data: bytes) -> str:
    """The path of the first text field whose bytes are not UTF-8; empty when the message is broken in another way, or
    longer than LOOKED_THROUGH_BYTES.

    `message` is the descriptor of its type. Protobuf refuses such a message as a whole without saying where. A message
    type without fields takes everything as unknown fields, which can be looked through.
    """
    if len(data) > LOOKED_THROUGH_BYTES:
        return ""
    shell = pb.ListSessionsRequest()
    try:
        shell.ParseFromString(data)
    except DecodeError:
        return ""
    for unknown in UnknownFieldSet(shell):  # type: ignore[attr-defined]  # The stub forgot __iter__.
        field = message.fields_by_number.get(unknown.field_number)
        if field is not None and unknown.wire_type == _LENGTH_DELIMITED and (path := _broken(field, unknown.data)):
            return path
    return ""


def _broken(field: FieldDescriptor, data: bytes) -> str:
    if field.type == FieldDescriptor.TYPE_STRING:
        return "" if _is_utf8(data) else field.name
    if field.message_type is None:
        return ""
    inner = broken_text_field(field.message_type, data)
    return f"{field.name}.{inner}" if inner else ""


def crowded_field(message: Any, data: bytes, most: int) -> str | None:
    """The name of the field that is one too many where a message has more than `most` in a row, entries of a list
    counted one by one: empty for one that is not known, None when there are not more.

    `message` is the descriptor of its type. Protobuf makes an object of each entry, two million in 4 MiB, which takes
    most of a second. This looks at no more than `most` of them and at nothing inside.
    """
    place = 0
    for _ in range(most + 1):
        if place >= len(data):
            return None
        tag, place = _varint_at(data, place)
        place = _behind(tag & 7, data, place)
    field = message.fields_by_number.get(tag >> 3)
    return field.name if field is not None else ""


def _varint_at(data: bytes, place: int) -> tuple[int, int]:
    """The number there and the place behind it. One that is broken is as long as it goes on: the parser refuses it."""
    number = shift = 0
    while place < len(data) and shift < _VARINT_BITS:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            break
        shift += 7
    return number, place


def _behind(wire_type: int, data: bytes, place: int) -> int:
    """The place behind a field's value. What is in a group counts as fields of the message."""
    if wire_type == _VARINT:
        return _varint_at(data, place)[1]
    if wire_type == _LENGTH_DELIMITED:
        size, place = _varint_at(data, place)
        return place + size
    return place + _FIXED_BYTES.get(wire_type, 0)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
