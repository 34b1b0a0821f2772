"""The FIX edge: one QuickFIX initiator session per venue, and per drop copy, behind the `VenueLink` port."""

from gateway.adapters.quickfix.dictionary import DictionaryError
from gateway.adapters.quickfix.link import QuickFixLink
from gateway.adapters.quickfix.links import check_dictionaries, links_of

__all__ = ["DictionaryError", "QuickFixLink", "check_dictionaries", "links_of"]
