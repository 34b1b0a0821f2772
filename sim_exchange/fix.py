"""FIX tag=value text: framing a byte stream, reading one message, writing one message. Pure and version-free."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

SOH = "\x01"
MAX_BODY = 65_536
MAX_GARBLED = 1 << 20
_MAX_HEAD = 40
_MAX_DIGITS = 18
# A length field and what it says; the field that follows is data, which may hold the delimiter.
_DATA_LENGTH = re.compile(r"(?:90|93|95|212|348|350|352|354|356|358|360|362|364|445|618|621)=([0-9]{1,5})")
_SECRET = frozenset(("554", "925", "96"))
_HAS_DATA = re.compile(f"{SOH}{_DATA_LENGTH.pattern}{SOH}")


class FrameError(Exception):
    """The stream cannot be framed within its bounds; the connection must be closed."""


class Message:
    """One message as an ordered list of (tag, value).

    `repeated` holds tags that occur more than once, `malformed` the first piece that is not tag=value.
    """

    __slots__ = ("fields", "malformed", "repeated", "values")

    def __init__(self, fields: list[tuple[int, str]], malformed: str | None = None) -> None:
        self.fields = fields
        self.malformed = malformed
        self.values: dict[int, str] = {}
        self.repeated: set[int] = set()
        for tag, value in fields:
            if tag in self.values:
                self.repeated.add(tag)
            else:
                self.values[tag] = value

    def get(self, tag: int) -> str | None:
        """The first value of a tag, None when it is absent."""
        return self.values.get(tag)

    def number(self, tag: int) -> int | None:
        """The value as a whole number of at most 18 digits, None when it is absent or none."""
        value = self.values.get(tag)
        if value is None or len(value) > _MAX_DIGITS or not (value.isascii() and value.isdigit()):
            return None
        return int(value)

    @property
    def msg_type(self) -> str:
        """MsgType(35), empty when it is absent."""
        return self.values.get(35, "")


def parse(raw: bytes) -> Message | None:
    """Read one framed message; None when it does not begin with the tags 8, 9 and 35 (it is garbled and ignored)."""
    fields: list[tuple[int, str]] = []
    malformed: str | None = None
    for item in items(raw.decode("latin-1")):
        name, equals, value = item.partition("=")
        tag = _tag(name)
        if equals and tag is not None:
            fields.append((tag, value))
        elif malformed is None:
            malformed = item
    return Message(fields, malformed) if [tag for tag, _ in fields[:3]] == [8, 9, 35] else None


def items(text: str) -> list[str]:
    """The fields of a message as text; the delimiter inside of a data field does not end it."""
    if _HAS_DATA.search(text) is None:
        return text.split(SOH)[:-1]
    found: list[str] = []
    at, length = 0, -1
    while at < len(text):
        end = text.index(SOH, at)
        data_end = text.find("=", at, end) + 1 + length
        if length >= 0 and data_end >= end and text[data_end : data_end + 1] == SOH:
            end = data_end
        found.append(text[at:end])
        told = _DATA_LENGTH.fullmatch(found[-1])
        length = int(told[1]) if told else -1
        at = end + 1
    return found


def redact(raw: bytes) -> str:
    """A message for the ledger: passwords and raw data are starred out."""
    text = raw.decode("latin-1")
    if "554=" not in text and "925=" not in text and "96=" not in text:
        return text
    names = ((item, item.partition("=")[0]) for item in items(text))
    return SOH.join([*(f"{name}=***" if name in _SECRET else item for item, name in names), ""])


@lru_cache(maxsize=4096)
def _tag(name: str) -> int | None:
    whole = name.isascii() and name.isdigit() and len(name) < 10
    return int(name) if whole and name[0] != "0" else None


def encode(begin_string: str, fields: Iterable[tuple[int, str]]) -> bytes:
    """Write a message from MsgType(35) on; BeginString, BodyLength and CheckSum are added."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in fields).encode("latin-1", "replace")
    head = f"8={begin_string}{SOH}9={len(body)}{SOH}".encode("ascii") + body
    return head + b"10=%03d\x01" % (sum(head) % 256)


def utc_timestamp(wall_ns: int) -> str:
    """UTCTimestamp with milliseconds from nanoseconds since the epoch."""
    return f"{_second(wall_ns // 1_000_000_000)}.{wall_ns // 1_000_000 % 1000:03d}"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}"


def parse_utc(text: str) -> int:
    """Nanoseconds since the epoch of a UTCTimestamp with up to twelve decimals; raises ValueError."""
    whole, point, fraction = text.partition(".")
    if (point and not (fraction.isascii() and fraction.isdigit())) or len(fraction) > 12:
        raise ValueError(f"{text} is not a UTC timestamp")
    return _second_ns(whole) + int(fraction[:9].ljust(9, "0"))


@lru_cache(maxsize=16)
def _second_ns(text: str) -> int:
    return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1_000_000_000


class Framer:
    """Cuts a byte stream into messages. Garbled ones (wrong BodyLength or CheckSum) are skipped and counted."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped = 0
        self.garbled = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Complete messages in order.

        Raises FrameError when a message would be larger than MAX_BODY, or when more than MAX_GARBLED bytes had no
        message in them.
        """
        self._skipped += len(data)
        self._buffer += data
        found: list[bytes] = []
        while (raw := self._next()) is not None:
            if raw:
                found.append(raw)
        if found:
            self._skipped = len(self._buffer)
        elif self._skipped > MAX_GARBLED:
            raise FrameError(f"no message in {self._skipped} bytes")
        return found

    def _next(self) -> bytes | None:
        """One message, empty bytes for a garbled part that was skipped, None when more data is needed."""
        buffer = self._buffer
        if not buffer.startswith(b"8="[: len(buffer)]):
            return self._skip()
        end_of_8 = buffer.find(b"\x01", 0, _MAX_HEAD)
        end_of_9 = buffer.find(b"\x01", end_of_8 + 1, _MAX_HEAD) if end_of_8 >= 0 else -1
        if end_of_9 < 0:
            return None if len(buffer) < _MAX_HEAD else self._skip()
        length = bytes(buffer[end_of_8 + 3 : end_of_9])
        if buffer[end_of_8 + 1 : end_of_8 + 3] != b"9=" or not length.isdigit():
            return self._skip()
        if int(length) > MAX_BODY:
            raise FrameError(f"BodyLength(9) {length.decode()} is over {MAX_BODY}")
        return self._cut(end_of_9 + 1 + int(length))

    def _cut(self, body_end: int) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < body_end + 7:
            return None
        trailer = bytes(buffer[body_end : body_end + 7])
        if not trailer.startswith(b"10=") or trailer[-1] != 1 or buffer[body_end - 1] != 1:
            return self._skip()
        raw = bytes(buffer[: body_end + 7])
        del buffer[: body_end + 7]
        if trailer[3:6] != b"%03d" % (sum(raw[:body_end]) % 256):
            self.garbled += 1
            return b""
        return raw

    def _skip(self) -> bytes | None:
        """Drop a garbled part up to what may be the next message."""
        self.garbled += 1
        at = self._buffer.find(b"8=FIX", 1)
        if at < 0:
            # The last bytes may be the beginning of the next message.
            del self._buffer[: max(1, len(self._buffer) - 4)]
            return b"" if self._buffer.startswith(b"8=") else None
        del self._buffer[:at]
        return b""
