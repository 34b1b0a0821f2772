"""The FIX edge: one QuickFIX initiator session per venue, and per drop copy, behind the `VenueLink` port."""

from gateway.adapters.quickfix.link import QuickFixLink
from gateway.adapters.quickfix.links import links_of

__all__ = ["QuickFixLink", "links_of"]
