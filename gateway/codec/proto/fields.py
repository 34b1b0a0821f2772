"""What a single field may hold. Syntax only: whether a price is on tick or a venue is up is the core's to say."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from gateway.core import money
from gateway.core.types import Reason

KEY_LENGTH = 36
NAME_LENGTH = 32
SCOPE_LENGTH = 96
NOTE_LENGTH = 256
LIST_LENGTH = 256
MAX_MSG_SEQ_NUM = 2_000_000_000

_EXEC_INST = re.compile(r"[0-9A-Za-z]( [0-9A-Za-z]){0,15}", re.ASCII)
_ORDER_ID = re.compile(r"[0-9A-Za-z]{1,36}", re.ASCII)
_KEPT_TEXTS = 16_384

T = TypeVar("T", bound=StrEnum)


class InvalidField(Exception):
    """A request's field cannot be what it says. `reason` is FIELD_INVALID or FIELD_REQUIRED, `text` says why."""

    def __init__(self, field: str, text: str, reason: Reason = Reason.FIELD_INVALID) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field, self.text, self.reason = field, text, reason


def key(field: str, value: str) -> str:
    """ClOrdID(11) or OrigClOrdID(41): 1 to 36 printable ASCII characters, so no SOH ever reaches a FIX message."""
    return _text(field, value, KEY_LENGTH, required=True)


def name(field: str, value: str) -> str:
    """An account, a strategy, a venue: at most 32 printable ASCII characters; empty when not given."""
    return _text(field, value, NAME_LENGTH, required=False)


def required_name(field: str, value: str) -> str:
    """A name that has to be given."""
    return _text(field, value, NAME_LENGTH, required=True)


def scope(field: str, value: str) -> str:
    """A scope of risk, such as "account:ACC1": at most 96 printable ASCII characters; empty when not given."""
    return _text(field, value, SCOPE_LENGTH, required=False)


def required_scope(field: str, value: str) -> str:
    """A scope that has to be given."""
    return _text(field, value, SCOPE_LENGTH, required=True)


def note(field: str, value: str) -> str:
    """An operator's reason for what he does: 1 to 256 printable characters, in any language. It is kept in the journal,
    and no FIX message has it.
    """
    return _text(field, value, NOTE_LENGTH, required=True, ascii_only=False)


def order_id(field: str, value: str) -> str:
    """An order_id or item_id as the gateway gave it."""
    if not _ORDER_ID.fullmatch(value):
        raise InvalidField(field, f"{_shown(value)} is not an id that this gateway gave")
    return value


def exec_inst(field: str, value: str) -> str:
    """ExecInst(18): single letters or digits with a space between them; empty when not given."""
    if value and not _EXEC_INST.fullmatch(value):
        raise InvalidField(
            field, f"{_shown(value)} is not a list of single characters with a space between them, like 'G 6'"
        )
    return value


def quantity(field: str, value: str) -> Decimal:
    """A quantity above 0."""
    number = decimal(field, value)
    if number <= 0:
        raise InvalidField(field, f"{value} is not above 0")
    return number


def decimal(field: str, value: str) -> Decimal:
    """A price or quantity of either sign, exact."""
    if not value:
        raise InvalidField(field, "is required, as a decimal number in a string like '99.95'", Reason.FIELD_REQUIRED)
    try:
        return _parsed(value)
    except ValueError as problem:
        raise InvalidField(field, str(problem)) from None


@lru_cache(maxsize=_KEPT_TEXTS)
def _parsed(value: str) -> Decimal:
    return money.parse_decimal(value)


def time_ns(field: str, value: int) -> int:
    """A time in UTC nanoseconds since the epoch."""
    if value <= 0:
        raise InvalidField(field, f"{value} is not a time in nanoseconds since 1970-01-01 UTC")
    return value


def msg_seq_num(field: str, value: int) -> int:
    """A MsgSeqNum(34): from 1 up to 2,000,000,000, which every FIX engine can hold."""
    if not 1 <= value <= MAX_MSG_SEQ_NUM:
        raise InvalidField(field, f"{value} is not a sequence number from 1 to {MAX_MSG_SEQ_NUM}")
    return value


def member(field: str, value: int, known: Mapping[int, T]) -> T:
    """An enum's member that has to be given."""
    found = known.get(value)
    if found is not None:
        return found
    if value == 0:
        raise InvalidField(field, f"is required: one of {_names(known)}", Reason.FIELD_REQUIRED)
    raise InvalidField(field, f"{value} is not known; known are {_names(known)}")


def optional_member(field: str, value: int, known: Mapping[int, T]) -> T | None:
    """An enum's member, or None when it is not given."""
    return member(field, value, known) if value else None


def listed(field: str, values: Sequence[int]) -> Sequence[int]:
    """An enum's members in a list of at most LIST_LENGTH, more than any enum has: a message of 4 MiB has room for four
    million.
    """
    if len(values) > LIST_LENGTH:
        raise InvalidField(field, f"has {len(values)} entries, {LIST_LENGTH} is the limit")
    return values


def _text(field: str, value: str, longest: int, *, required: bool, ascii_only: bool = True) -> str:
    kind = "printable ASCII" if ascii_only else "printable"
    if not value:
        if required:
            raise InvalidField(field, f"is required, 1 to {longest} {kind} characters", Reason.FIELD_REQUIRED)
        return value
    if len(value) > longest:
        raise InvalidField(field, f"has {len(value)} characters, {longest} is the limit")
    if not value.isprintable() or (ascii_only and not value.isascii()):
        raise InvalidField(field, f"{_shown(value)} has a character that is not {kind}")
    return value


def _shown(value: str) -> str:
    return ascii(value[:KEY_LENGTH])


def _names(known: Mapping[int, StrEnum]) -> str:
    return ", ".join(found.name for found in known.values())
