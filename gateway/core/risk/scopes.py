"""Scopes: whom a limit, a stop or a figure is about.

firm -> desk (desks may stand in desks) -> account -> strategy is a tree, in which a position counts at every scope
above it. client, instrument, asset_class and venue stand beside it. A scope is written "level:name", the firm just
"firm"; a strategy belongs to an account ("strategy:ACC1/alpha"). "strategy:*" means each of a level that has nothing of
its own; the strategies of one account have no such name ("strategy:ACC1/*" is none): the account is their scope.
"""

import difflib
from collections.abc import Collection, Iterable

from gateway.core.risk.setup import RiskSetup

FIRM = "firm"
LEVELS = (FIRM, "desk", "account", "strategy", "client", "instrument", "asset_class", "venue")
ORDER = "order"
"""One order: a scope that can be stopped, and nothing else."""
MOST_NAMED = 10
"""How many names a refusal lists."""


def scope(level: str, name: str) -> str:
    """The scope of this name."""
    return FIRM if level == FIRM else f"{level}:{name}"


def level_of(scope: str) -> str:
    """The level of a scope."""
    return scope.partition(":")[0]


def strategy(account: str, name: str) -> str:
    """The scope of a strategy in an account."""
    return f"strategy:{account}/{name}"


def desks_above(setup: RiskSetup, account: str) -> tuple[str, ...]:
    """The desks that an account belongs to, the innermost first."""
    found: list[str] = []
    desk = setup.accounts.get(account, "")
    while desk:
        found.append(f"desk:{desk}")
        desk = setup.desks[desk]
    return tuple(found)


def tree_path(setup: RiskSetup, account: str, strategy_name: str, symbol: str) -> tuple[str, ...]:
    """Where a position of this account, strategy and instrument counts, the widest first."""
    return (
        FIRM,
        *reversed(desks_above(setup, account)),
        f"account:{account}",
        strategy(account, strategy_name),
        f"asset_class:{setup.instruments[symbol].asset_class}",
        f"instrument:{symbol}",
    )


def is_known(setup: RiskSetup, text: str) -> bool:
    """Whether this names a scope that exists, or all of a level. A strategy exists where a client may trade for it:
    what is set at a slip of the pen would hold nothing.
    """
    level, _, name = text.partition(":")
    if name == "*":
        return level in LEVELS and level != FIRM
    if level == "strategy":
        account, slash, named = name.partition("/")
        return account in setup.accounts and bool(slash) and _is_traded(setup, account, named)
    if level == "client" and "*" in setup.clients:
        return bool(name)
    return text == FIRM or (bool(name) and name in names(setup, level))


def is_strategy_name(text: str) -> bool:
    """Whether a strategy may have this name: a limit has to be able to name it, and it alone."""
    return "/" not in text and text != "*"


def _is_traded(setup: RiskSetup, account: str, strategy_name: str) -> bool:
    return is_strategy_name(strategy_name) and any(
        not {account, "*"}.isdisjoint(client.accounts) and not {strategy_name, "*"}.isdisjoint(client.strategies)
        for client in setup.clients.values()
    )


def _named_strategies(setup: RiskSetup) -> set[str]:
    return {
        f"{account}/{name}"
        for client in setup.clients.values()
        for account in (setup.accounts if "*" in client.accounts else client.accounts)
        for name in client.strategies
        if name != "*"
    }


def names(setup: RiskSetup, level: str) -> list[str]:
    """What there is of a level; of strategies those that clients have by name, beside which there may be any others."""
    if level == "strategy":
        return sorted(_named_strategies(setup))
    known: dict[str, Collection[str]] = {
        "desk": setup.desks,
        "account": setup.accounts,
        "client": setup.clients,
        "instrument": setup.instruments,
        "asset_class": {instrument.asset_class for instrument in setup.instruments.values()},
        "venue": setup.venues,
    }
    return sorted(known.get(level, ()))


def default_of(text: str) -> str:
    """The scope that has what all of a level have: "strategy:*" for "strategy:ACC1/alpha"."""
    return text if text == FIRM else f"{level_of(text)}:*"


def hint(setup: RiskSetup, text: str, levels: Iterable[str] = LEVELS[1:]) -> str:
    """What can be meant where this names no scope: the others of its level, or else how a scope is named."""
    level, _, name = text.partition(":")
    there = [scope(level, each) for each in names(setup, level)] if name else []
    if there:
        return f"there is {similar(text, there)}"
    return f"it is {FIRM}, or one of {', '.join(levels)} with its name, such as account:ACC1 or strategy:ACC1/alpha"


def similar(name: str, known: Collection[str]) -> str:
    """The names like this one; when none is, the first ones and how many more there are."""
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return ", ".join(close)
    more = len(known) - MOST_NAMED
    return ", ".join(sorted(known)[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
