"""What FIX asks of every message, whatever it is about: tags, values, their order, repeating groups. Pure."""

import re

from sim_exchange.codec import FIX42, FIX44, FIXT11, SessionReject
from sim_exchange.fix import Message, parse_utc

ADMIN = frozenset(["0", "1", "2", "3", "4", "5", "A"])
_HOPS = frozenset((628, 629, 630))
_ROUTE = frozenset((50, 57, 115, 116, 128, 129, 142, 143, 144, 145))
HEADER = (
    _ROUTE
    | _HOPS
    | frozenset((8, 9, 34, 35, 43, 49, 52, 56, 90, 91, 97, 122, 212, 213, 347, 369, 370, 627, 1128, 1129, 1156))
)
TRAILER = frozenset((93, 89, 10))
_LOGON_GROUP = frozenset((372, 385, 1130, 1131, 1406, 1410))

# The last tag that a version defines; 5000 to 9999 are for users, those above for what two firms have agreed on. FIX
# 4.2 is given the tags and types of 4.4: what came later is not supported, but it is no mistake of the session.
_LAST_TAG = {FIX42: 956, FIX44: 956, FIXT11: 4999}
_FIRST_USER_TAG = 5000
# U and what begins with it is for messages of a firm's own.
_MSG_TYPES = {
    FIX42: re.compile(r"[0-9A-HJ-NP-TV-Za-z]|A[A-Z]|B[A-H]|U.*"),
    FIX44: re.compile(r"[0-9A-HJ-NP-TV-Za-z]|A[A-Z]|B[A-H]|U.*"),
    FIXT11: re.compile(r"[0-9A-HJ-NP-TV-Za-z]|[A-D][A-Z]|E[AB]|U.*"),
}
# The tag that counts a repeating group, and the tag with which each of its entries begins.
_GROUPS = {78: 79, 382: 375, 384: 372, 386: 336, 453: 448, 627: 628, 802: 523}


def check(begin_string: str, message: Message) -> None:
    """Raises SessionReject with the first thing that is wrong with a message on the session level."""
    if not _MSG_TYPES[begin_string].fullmatch(message.msg_type):
        raise SessionReject(35, 11, f"MsgType(35) {message.msg_type} does not exist")
    if message.malformed is not None:
        _malformed(message.malformed)
    _fields(begin_string, message)
    for tag in sorted(message.repeated):
        if tag in HEADER - _HOPS or tag in TRAILER or (message.msg_type in ADMIN and tag not in _LOGON_GROUP):
            raise SessionReject(tag, 13, f"tag {tag} appears more than once")
    _groups(message)
    _poss_dup(message)


def _malformed(item: str) -> None:
    name, equals, _ = item.partition("=")
    if not equals:
        raise SessionReject(None, 17, "a value holds the delimiter, or a field is not tag=value")
    tag = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None
    raise SessionReject(tag, 0, f"{name[:20]} is not a tag number")


def _fields(begin_string: str, message: Message) -> None:
    """Each tag is one that FIX has, each has a value, and header, body and trailer follow each other."""
    last, place = _LAST_TAG[begin_string], 0
    for tag, value in message.fields:
        if last < tag < _FIRST_USER_TAG:
            raise SessionReject(tag, 0, f"tag {tag} does not exist in {begin_string}")
        if not value:
            raise SessionReject(tag, 4, f"tag {tag} has no value")
        here = 0 if tag in HEADER else 2 if tag in TRAILER else 1
        if here < place:
            raise SessionReject(tag, 14, f"tag {tag} stands behind the part of the message that it belongs to")
        place = here


def _groups(message: Message) -> None:
    """Each repeating group has as many entries as it says, and each entry begins with its first field."""
    tags = [tag for tag, _ in message.fields]
    for at, (tag, value) in enumerate(message.fields):
        first = _GROUPS.get(tag)
        if first is None:
            continue
        if not (value.isascii() and value.isdigit()) or len(value) > 4:
            raise SessionReject(tag, 6, f"tag {tag} is not a number of entries")
        if int(value) and tags[at + 1] != first:
            raise SessionReject(tag, 15, f"a group of tag {tag} begins with tag {first}")
        rest = tags[at + 1 :]
        found = (rest[: rest.index(tag)] if tag in rest else rest).count(first)
        if int(value) and found != int(value):
            raise SessionReject(tag, 16, f"tag {tag} says {value}, but there are {found}")


def _poss_dup(message: Message) -> None:
    """A possible duplicate names the time at which it was first sent; a SequenceReset(4) may go without."""
    if message.get(43) != "Y" or message.msg_type == "4":
        return
    first_sent = message.get(122)
    if first_sent is None:
        raise SessionReject(122, 1, "OrigSendingTime(122) is required with PossDupFlag(43)")
    if _time(first_sent, 122) > _time(message.get(52) or "", 52):
        raise SessionReject(122, 10, "OrigSendingTime(122) is after SendingTime(52)")


def comp_id(message: Message, tag: int, wanted: str) -> None:
    """Raises SessionReject when SenderCompID(49) or TargetCompID(56) is not this session's."""
    if message.get(tag) != wanted:
        raise SessionReject(tag, 9, f"tag {tag} is not this session's")


def sending_time(message: Message, wall_ns: int, max_skew_s: int) -> None:
    """Raises SessionReject when SendingTime(52) is missing, is none, or is too far from our clock (0: never)."""
    text = message.get(52)
    if text is None:
        raise SessionReject(52, 1, "SendingTime(52) is missing")
    if abs(_time(text, 52) - wall_ns) > max_skew_s * 1_000_000_000 > 0:
        raise SessionReject(52, 10, f"SendingTime(52) is more than {max_skew_s} s away from the venue's clock")


def _time(text: str, tag: int) -> int:
    try:
        return parse_utc(text)
    except ValueError:
        raise SessionReject(tag, 6, f"tag {tag} is not a UTC time") from None


def whole(message: Message, tag: int) -> int:
    """The value of a field that must be a whole number; raises SessionReject."""
    if message.get(tag) is None:
        raise SessionReject(tag, 1, f"required tag {tag} is missing")
    value = message.number(tag)
    if value is None:
        raise SessionReject(tag, 6, f"tag {tag} is not a whole number")
    return value
