"""One message's text to its fields, and the fields to values.

Every problem is a `FieldError`, so that no input can raise anything else.
"""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from gateway.codec.fix.times import OutOfRange, midnight, parse_utc_timestamp
from gateway.core.money import parse_decimal

SOH = "\x01"
MAX_MESSAGE = 65_536
MAX_TEXT = 1_024

# BusinessRejectReason(380).
OTHER = 0
UNSUPPORTED_MESSAGE_TYPE = 3
CONDITIONALLY_REQUIRED_FIELD_MISSING = 5

# The fields that count, with their names. All others, and Text(58), are read over whatever they hold.
NAMES = {
    "1": "Account",
    "6": "AvgPx",
    "11": "ClOrdID",
    "14": "CumQty",
    "17": "ExecID",
    "19": "ExecRefID",
    "20": "ExecTransType",
    "31": "LastPx",
    "32": "LastQty",
    "34": "MsgSeqNum",
    "35": "MsgType",
    "37": "OrderID",
    "38": "OrderQty",
    "39": "OrdStatus",
    "41": "OrigClOrdID",
    "43": "PossDupFlag",
    "44": "Price",
    "45": "RefSeqNum",
    "54": "Side",
    "55": "Symbol",
    "60": "TransactTime",
    "75": "TradeDate",
    "97": "PossResend",
    "99": "StopPx",
    "102": "CxlRejReason",
    "103": "OrdRejReason",
    "150": "ExecType",
    "151": "LeavesQty",
    "152": "CashOrderQty",
    "371": "RefTagID",
    "372": "RefMsgType",
    "373": "SessionRejectReason",
    "378": "ExecRestatementReason",
    "379": "BusinessRejectRefID",
    "380": "BusinessRejectReason",
    "434": "CxlRejResponseTo",
    "531": "MassCancelResponse",
    "532": "MassCancelRejectReason",
    "533": "TotalAffectedOrders",
    "584": "MassStatusReqID",
    "911": "TotNumReports",
    "912": "LastRptRequested",
}

_LENGTH_OF = {"89": "93", "91": "90", "96": "95", "213": "212"}
"""Signature, SecureData, RawData and XmlData, which may have a delimiter in them, and the tags of their lengths."""

_ODD = re.compile(r"[^\x01\x20-\x7e]")
_V = TypeVar("_V")


class FieldError(Exception):
    """A field is missing or wrong. `reason` is the BusinessRejectReason(380) that says so to the venue."""

    def __init__(self, problem: str, reason: int = OTHER) -> None:
        super().__init__(problem)
        self.problem = problem
        self.reason = reason


class Fields(dict[str, str]):
    """The fields of one message by tag.

    `repeated` has the tags that came more than once, as members of a repeating group do; `odd` is true when a character
    outside of printable ASCII is somewhere in the message.
    """

    repeated: frozenset[str] = frozenset()
    odd: bool = False


def parse(raw: str) -> tuple[Fields, str]:
    """The fields of `raw`, and what is wrong with its form ("" when nothing is). Of a repeated tag the first counts."""
    if len(raw) > MAX_MESSAGE:
        return parse(raw[:MAX_MESSAGE])[0], f"the message has more than {MAX_MESSAGE} characters"
    pieces = raw.split(SOH)
    if pieces.pop():
        return _broken(pieces), "the message does not end with a delimiter"
    try:
        fields = Fields([piece.split("=", 1) for piece in pieces])
    except ValueError:
        return _broken(pieces), "a field is not of the form tag=value"
    fields.odd = _ODD.search(raw) is not None
    if len(fields) == len(pieces):
        return fields, ""
    return _with_groups(pieces, fields.odd), ""


def _with_groups(pieces: list[str], odd: bool) -> Fields:
    first, repeated = Fields(), set()
    for piece in pieces:
        tag, value = piece.split("=", 1)
        if tag in first:
            repeated.add(tag)
        else:
            first[tag] = value
    first.repeated = frozenset(repeated)
    first.odd = odd
    return first


def _broken(pieces: list[str]) -> Fields:
    """What can still be told of a message that is broken: enough to answer it."""
    fields = Fields()
    for piece in pieces:
        tag, _, value = piece.partition("=")
        fields.setdefault(tag, value)
    return fields


def check(fields: Fields, in_groups: Collection[str] = ()) -> None:
    """Every field that counts is there once, and has no character that an identifier or a number cannot have. Those of
    `in_groups` are members of a group that the message has in the standard.

    Raises:
        FieldError: one is not so.
    """
    for tag in fields.repeated:
        if tag in NAMES and tag not in in_groups:
            raise FieldError(f"{name(tag)} is there more than once")
    for tag, length in _LENGTH_OF.items():
        if tag in fields and whole(fields.get(length, "")) != len(fields[tag].encode("utf-8", "surrogateescape")):
            # What stands behind the delimiter would be read as fields.
            raise FieldError(f"the data in tag {tag} is not as long as tag {length} says, or has a delimiter in it")
    if not fields.odd:
        return
    for tag in NAMES:
        value = fields.get(tag, "")
        if _ODD.search(value):
            raise FieldError(f"{name(tag)} has characters outside of ASCII: {value[:40]!a}")


def name(tag: str) -> str:
    """A field as problems speak of it: "ClOrdID(11)"."""
    return f"{NAMES[tag]}({tag})"


def required(fields: Fields, tag: str) -> str:
    """The value of a field that has to be there."""
    value = fields.get(tag)
    if not value:
        raise FieldError(f"{name(tag)} is missing", CONDITIONALLY_REQUIRED_FIELD_MISSING)
    return value


def free_text(fields: Fields, tag: str = "58") -> str:
    """Text(58) for people, as `readable` gives it."""
    return readable(fields.get(tag, "")) if fields.odd else fields.get(tag, "")[:MAX_TEXT]


def readable(text: str) -> str:
    """A text for people: what cannot be shown is replaced, what is too long is cut."""
    return _ODD.sub(_shown, text[:MAX_TEXT]).replace(SOH, "?")


def _shown(match: re.Match[str]) -> str:
    """A byte that was not UTF-8 is shown as Latin-1; control characters become "?"."""
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    letter = chr(code)
    return letter if letter.isprintable() and not 0xD800 <= code <= 0xDFFF else "?"


def number(fields: Fields, tag: str) -> Decimal | None:
    """A price or quantity, None when it is not there."""
    value = fields.get(tag)
    if not value:
        return None
    try:
        return _decimal(value)
    except ValueError as error:
        raise FieldError(f"{name(tag)}: {error}") from None


def readable_number(fields: Fields, tag: str) -> Decimal | None:
    """A number that nothing is decided by, None also when it cannot be read: an execution is not lost for it."""
    try:
        return number(fields, tag)
    except FieldError:
        return None


@lru_cache(maxsize=65_536)
def _decimal(value: str) -> Decimal:
    """The same prices and quantities come again and again."""
    return parse_decimal(value)


def choice(fields: Fields, tag: str, meanings: Mapping[str, _V]) -> _V | None:
    """What an enumerated value means, None when it is not there."""
    return required_choice(fields, tag, meanings) if fields.get(tag) else None


def required_choice(fields: Fields, tag: str, meanings: Mapping[str, _V]) -> _V:
    """What an enumerated value that has to be there means."""
    value = required(fields, tag)
    if value not in meanings:
        raise FieldError(f"{name(tag)}={value[:20]} is not known")
    return meanings[value]


def time_ns(fields: Fields, tag: str) -> int | None:
    """A UTCTimestamp in nanoseconds since the epoch, None when it is not there. None as well when it says no time that
    can be meant: an execution is not lost for a clock that was never set.
    """
    value = fields.get(tag)
    if not value:
        return None
    try:
        return parse_utc_timestamp(value)
    except OutOfRange:
        return None
    except ValueError as error:
        raise FieldError(f"{name(tag)} {error}: {value[:40]}") from None


def date(fields: Fields, tag: str) -> str:
    """A LocalMktDate as it stands (YYYYMMDD), "" when it is not there."""
    value = fields.get(tag)
    if not value:
        return ""
    try:
        midnight(value)
    except ValueError as error:
        raise FieldError(f"{name(tag)} {error}: {value[:40]}") from None
    return value


def whole(value: str) -> int | None:
    """A sequence number; None when it is none."""
    return int(value) if value and len(value) <= 18 and value.isascii() and value.isdigit() else None
