"""Which orders no limit of a control covers: a missing limit blocks, so it has to be told before an order finds out."""

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from gateway.core.risk import scopes
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import RiskSetup

Limits = Mapping[str, Container[Control]]
"""By scope, the controls that have a limit of its own there."""


class Gap(NamedTuple):
    """Controls without a limit on one way or several: the first of them for people, and how many there are."""

    controls: tuple[Control, ...]
    way: str
    ways: int


def gaps(setup: RiskSetup, limits: Limits, markets: Iterable[tuple[str, str]]) -> list[Gap]:
    """Every gap for orders of the configured clients in `markets`, pairs of symbol and venue.

    What an order passes is, on the one side, its client, account and strategy, on the other its instrument and venue: a
    control is missing where neither side has a limit of it.
    """
    senders, sides = _senders(setup, limits), _sides(setup, limits, markets)
    found: dict[tuple[Control, ...], Gap] = {}
    for without, names in senders.items():
        for also_without, others in sides.items():
            missing = tuple([control for control in SPECS if control in without & also_without])
            if missing:
                known = found.get(missing) or Gap(missing, f"{names[0]} in {others[0]}", 0)
                found[missing] = known._replace(ways=known.ways + len(names) * len(others))
    return list(found.values())


def _senders(setup: RiskSetup, limits: Limits) -> dict[frozenset[Control], list[str]]:
    """Client, account and strategy, by what they have no limit of."""
    found: dict[frozenset[Control], list[str]] = {}
    for client_id, client in setup.clients.items():
        for account in client.accounts:
            above = (scopes.FIRM, *scopes.desks_above(setup, account), f"account:{account}", f"client:{client_id}")
            for name in client.strategies:
                # "*" is also a strategy that nobody has heard of, which has what all of them have.
                own = "strategy:*" if name == "*" else scopes.strategy(account, name)
                words = "any strategy" if name == "*" else f'strategy "{name}"'
                way = f"client {client_id}, account {account}, {words}"
                found.setdefault(_without(limits, (*above, own)), []).append(way)
    return found


def _sides(setup: RiskSetup, limits: Limits, markets: Iterable[tuple[str, str]]) -> dict[frozenset[Control], list[str]]:
    """Instrument and venue, by what they have no limit of."""
    found: dict[frozenset[Control], list[str]] = {}
    for symbol, venue in markets:
        asset_class = setup.instruments[symbol].asset_class
        path = (f"asset_class:{asset_class}", f"instrument:{symbol}", f"venue:{venue}")
        found.setdefault(_without(limits, path), []).append(f"{symbol} at {venue}")
    return found


def _without(limits: Limits, path: Iterable[str]) -> frozenset[Control]:
    there = [limits[each] for scope in path for each in (scope, scopes.default_of(scope)) if each in limits]
    return frozenset([control for control in SPECS if not any(control in controls for controls in there)])
