"""What is particular about one venue's FIX, as data."""

from collections.abc import Mapping

import msgspec

FIX42 = "FIX.4.2"
FIX44 = "FIX.4.4"
FIX50SP2 = "FIXT.1.1"
"""The BeginString(8) under which FIX 5.0 SP2 travels: the transport has a version of its own."""


class Dialect(msgspec.Struct, frozen=True):
    """One venue's FIX.

    `begin_string` is BeginString(8). `symbols` maps our symbols to the venue's Symbol(55), `accounts` ours to its
    Account(1): empty, accounts go out under their own names; else the core refuses the others. `add` has constant
    tags by MsgType(35), `required` the tags that the venue asks for, by MsgType. `handl_inst` is HandlInst(21),
    `ex_destination` ExDestination(100); empty means that it is not sent.
    """

    venue: str
    begin_string: str
    symbols: Mapping[str, str] = {}
    accounts: Mapping[str, str] = {}
    add: Mapping[str, Mapping[str, str]] = {}
    required: Mapping[str, tuple[int, ...]] = {}
    handl_inst: str = "1"
    ex_destination: str = ""

    def our_account(self, venue_account: str) -> str:
        """Our name of the venue's Account(1), or the venue's own when we have none for it."""
        for ours, theirs in self.accounts.items():
            if theirs == venue_account:
                return ours
        return venue_account
