"""Tokens that lead to the next page of a list. Opaque to clients."""

import base64
import binascii

from gateway.codec.proto.fields import InvalidField


def token(of: str, after: int) -> str:
    """The token of a list for the page behind the place `after`."""
    return base64.urlsafe_b64encode(f"{of}:{after}".encode()).decode()


def after(of: str, given: str) -> int:
    """The place that a token names; 0 for none.

    Raises:
        InvalidField: it is none of this list.
    """
    if not given:
        return 0
    try:
        kind, _, place = base64.b64decode(given.encode(), altchars=b"-_", validate=True).decode().partition(":")
        if kind == of and place.isdecimal() and len(place) < 16:
            return int(place)
    except (binascii.Error, ValueError):
        pass
    raise unknown()


def unknown() -> InvalidField:
    """What is said of a token that this gateway did not give."""
    return InvalidField("page_token", "is not one that this gateway gave")
