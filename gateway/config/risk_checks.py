"""What the keys of [risk] have to say about one another and about the rest of the file.

Above all: that each order a client may send has a limit of every control. A missing limit blocks, so it is told here
and not by the first order.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from gateway.config.checks import each, known, time_zone, unique
from gateway.config.risk import BreakerConfig, CorrelationConfig, DeskConfig, RiskConfig, RiskLimitsConfig
from gateway.config.risk_setup import core_risk
from gateway.config.sections import Config
from gateway.config.shape import Problem
from gateway.core.risk import coverage, scopes
from gateway.core.risk.controls import SPECS
from gateway.core.risk.setup import RiskSetup

_ALL_PCT = 100


def check_risk(config: Config) -> Iterator[Problem]:
    """Every problem of [risk], of a configuration whose single values have the right form."""
    risk = config.risk
    yield from time_zone("risk.time_zone", risk.time_zone)
    yield from unique("risk.approvals[{}]", risk.approvals)
    yield from _currencies(config)
    wrong_desks = list(_desks(config))
    yield from wrong_desks
    yield from _scenarios(config)
    yield from _correlations(risk, _asset_classes(config))
    if wrong_desks:  # The tree is none: whether a scope is in it cannot be said.
        return
    setup = core_risk(config)
    wrong_limits = [
        *unique("risk.limits[{}].scope", [limits.scope for limits in risk.limits]),
        *each("risk.limits", risk.limits, lambda key, item: _limits(key, item, setup)),
    ]
    yield from wrong_limits
    yield from each("risk.breakers", risk.breakers, lambda key, item: _breaker(key, item, setup))
    yield from unique("risk.breakers[{}]", [f"{item.kind} at {item.scope}" for item in risk.breakers])
    yield from _lots(config)
    if not wrong_limits:  # What is meant for another scope may be all that is missing.
        yield from _missing(config, setup)


# --- Names ---


def _currencies(config: Config) -> Iterator[Problem]:
    risk = config.risk
    if risk.currency in risk.rates:
        yield Problem(f"risk.rates.{risk.currency}", "this is the risk currency, expected another one: its rate is 1")
    for place, item in enumerate(config.instruments):
        if item.currency != risk.currency and item.currency not in risk.rates:
            yield Problem(
                f"instruments[{place}].currency",
                f'found "{item.currency}", which has no rate; expected {item.currency} = ... below [risk.rates], the'
                f" value of one {item.currency} in {risk.currency}",
            )


def _desks(config: Config) -> Iterator[Problem]:
    desks = config.risk.desks
    accounts = sorted({account for client in config.clients for account in client.accounts})
    names = [desk.name for desk in desks]
    yield from unique("risk.desks[{}].name", names)
    parents = {desk.name: desk.parent for desk in desks}
    homes: dict[str, str] = {}
    for place, desk in enumerate(desks):
        key = f"risk.desks[{place}]"
        if desk.parent:
            yield from known(f"{key}.parent", desk.parent, names, 'a desk, or "" for the firm')
        yield from _cycle(f"{key}.parent", desk, parents)
        for number, account in enumerate(desk.accounts):
            yield from known(f"{key}.accounts[{number}]", account, accounts, "an account of some client")
            if account in homes:
                text = f'found "{account}", which is in {homes[account]} already, expected an account in one desk only'
                yield Problem(f"{key}.accounts[{number}]", text)
            homes.setdefault(account, desk.name)


def _cycle(key: str, desk: DeskConfig, parents: dict[str, str]) -> Iterator[Problem]:
    way = [desk.name]
    while parent := parents.get(way[-1], ""):
        if parent == desk.name:
            yield Problem(key, f"found a cycle, {' -> '.join([*way, parent])}, expected desks that end at the firm")
        if parent in way:
            return
        way.append(parent)


def _scenarios(config: Config) -> Iterator[Problem]:
    names = [*_asset_classes(config), *(item.symbol for item in config.instruments)]
    scenarios = config.risk.scenarios
    yield from unique("risk.scenarios[{}].name", [scenario.name for scenario in scenarios])
    for place, scenario in enumerate(scenarios):
        for name in scenario.shocks:
            yield from known(f"risk.scenarios[{place}].shocks.{name}", name, names, "an asset class or a symbol")


def _asset_classes(config: Config) -> list[str]:
    return list(dict.fromkeys(item.asset_class for item in config.instruments))


def _limits(key: str, item: RiskLimitsConfig, setup: RiskSetup) -> Iterator[Problem]:
    yield from _scope(f"{key}.scope", item.scope, setup)
    for control, spec in SPECS.items():
        if spec.tree_only and getattr(item, control) is not None and scopes.level_of(item.scope) in ("client", "venue"):
            yield Problem(
                f"{key}.{control}",
                f'found it at "{item.scope}", which has no profit of its own, expected another scope',
            )
    for name, symbols in (("restricted", item.restricted), ("permitted", item.permitted or ())):
        for place, symbol in enumerate(symbols):
            yield from known(f"{key}.{name}[{place}]", symbol, list(setup.instruments), "a configured instrument")


def _lots(config: Config) -> Iterator[Problem]:
    """Instruments of which one lot is more than a limit lets pass that every order of theirs meets."""
    largest = {item.scope: item.max_order_qty for item in config.risk.limits if item.max_order_qty is not None}
    for place, item in enumerate(config.instruments):
        for level, name in ((scopes.FIRM, ""), ("asset_class", item.asset_class), ("instrument", item.symbol)):
            every = scopes.scope(level, "*")
            scope = own if (own := scopes.scope(level, name)) in largest else every
            if scope in largest and item.lot_size > largest[scope]:
                yield Problem(
                    f"instruments[{place}].lot_size",
                    f"found {item.lot_size}, expected at most {largest[scope]}, the max_order_qty at {scope}: no order"
                    " would pass it",
                )


def _scope(key: str, scope: str, setup: RiskSetup) -> Iterator[Problem]:
    if scopes.is_known(setup, scope):
        return
    level, _, name = scope.partition(":")
    there = scopes.names(setup, level)
    if there and name:
        yield from known(key, scope, [scopes.scope(level, one) for one in there], "a scope")
    elif level == "strategy":
        yield Problem(key, f'found "{scope}", expected "strategy:ACCOUNT/NAME" with an account of some client')
    else:
        yield Problem(key, f'found "{scope}", expected "firm", or one of {_levels()} with ":" and a name')


def _levels() -> str:
    return ", ".join(level for level in scopes.LEVELS if level != scopes.FIRM)


def _breaker(key: str, item: BreakerConfig, setup: RiskSetup) -> Iterator[Problem]:
    yield from _scope(f"{key}.scope", item.scope, setup)
    if item.clear >= item.value:
        yield Problem(
            f"{key}.clear",
            f"found {item.clear}, expected less than value, {item.value}: else it would trip again at once",
        )
    if item.kind in ("loss", "drawdown") and scopes.level_of(item.scope) in ("client", "venue"):
        yield Problem(f"{key}.scope", f'found "{item.scope}", which has no profit of its own, expected another scope')
    if item.kind == "reject_rate" and item.value > _ALL_PCT:
        yield Problem(f"{key}.value", f"found {item.value}, expected at most {_ALL_PCT}: it is in percent")
    if item.kind == "repeated_execution" and not item.needs_person:
        yield Problem(f"{key}.needs_person", "found false, expected true: RTS 6 15(3) asks for a person")


# --- Correlations ---


def _correlations(risk: RiskConfig, classes: Sequence[str]) -> Iterator[Problem]:
    problems: list[Problem] = []
    seen: dict[frozenset[str], int] = {}
    for place, item in enumerate(risk.correlations):
        problems += _correlation(f"risk.correlations[{place}]", item, classes)
        first = seen.setdefault(frozenset(item.of), place)
        if first != place:
            text = f"found {' and '.join(item.of)} a second time; first at risk.correlations[{first}]"
            problems.append(Problem(f"risk.correlations[{place}].of", text))
    yield from problems
    if not problems and not _is_possible(risk.correlations, classes):
        yield Problem(
            "risk.correlations",
            f"found a matrix of {', '.join(classes)} that is not positive semidefinite (what is not given is 1),"
            " expected correlations that can be true together: with these some portfolio would have less than no risk",
        )


def _correlation(key: str, item: CorrelationConfig, classes: Sequence[str]) -> Iterator[Problem]:
    for number, name in enumerate(item.of):
        yield from known(f"{key}.of[{number}]", name, classes, "an asset class")
    if len(set(item.of)) != 2 or len(item.of) != 2:
        yield Problem(f"{key}.of", f"found {', '.join(item.of) or 'none'}, expected two different asset classes")
    if not -1 <= item.value <= 1:
        yield Problem(f"{key}.value", f"found {item.value}, expected a number from -1 to 1")


def _is_possible(correlations: Sequence[CorrelationConfig], classes: Sequence[str]) -> bool:
    """Whether the matrix of all asset classes is positive semidefinite: symmetric elimination in exact fractions."""
    said = {frozenset(item.of): item.value for item in correlations}
    return is_positive_semidefinite(
        [[Fraction(said.get(frozenset((one, other)), Decimal(1))) for other in classes] for one in classes]
    )


def is_positive_semidefinite(rows: list[list[Fraction]]) -> bool:
    """Of a symmetric matrix: each pivot is above zero, or is zero in a row of zeros."""
    while rows:
        (pivot, *first), *others = rows
        if pivot < 0 or (pivot == 0 and any(first)):
            return False
        rows = [
            [value - row[0] * above / pivot for value, above in zip(row[1:], first, strict=True)] if pivot else row[1:]
            for row in others
        ]
    return True


# --- Every order has a limit of every control ---


def _missing(config: Config, setup: RiskSetup) -> Iterator[Problem]:
    markets = [(item.symbol, venue) for item in config.instruments for venue in item.venue_symbols]
    for gap in coverage.gaps(setup, setup.limits, markets):
        more = f" (and {gap.ways - 1} more such ways)" if gap.ways > 1 else ""
        yield Problem(
            "risk.limits",
            f"no limit of {', '.join(gap.controls)} applies to {gap.way}{more}: its orders would be refused; expected"
            ' one at any scope on the way, such as "firm"',
        )
