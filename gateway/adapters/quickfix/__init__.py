"""The FIX edge: one QuickFIX initiator session per venue behind the `VenueLink` port."""

from gateway.adapters.quickfix.link import QuickFixLink

__all__ = ["QuickFixLink"]
