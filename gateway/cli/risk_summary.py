"""What a configuration says about risk, as tables for people."""

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.layout import row, table
from gateway.config import Config, RiskConfig, core_risk
from gateway.core.risk.controls import Control
from gateway.core.risk.limits import unit_of
from gateway.core.risk.setup import Limit, RiskSetup

_TWO = 2


def risk_summary(config: Config) -> list[RenderableType]:
    """How risk is measured, what instruments are worth, every limit, and what stops trading by itself."""
    said, setup = config.risk, core_risk(config)
    parts = [_measures(config), _instruments(setup), _limits(setup)]
    return [*parts, *([_breakers(said)] if said.breakers else [])]


def _measures(config: Config) -> RenderableType:
    said = config.risk
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    row(grid, "risk in", ", ".join([said.currency, *(f"{name} at {rate:f}" for name, rate in said.rates.items())]))
    row(grid, "own orders", f"self match: {said.self_match}")
    row(grid, "two persons", f"to raise a limit of: {', '.join(said.approvals)}" if said.approvals else "never")
    if said.approvals and sum(client.role == "operator" for client in config.clients) < _TWO:
        row(grid, "", Text("there is no second operator among the clients, so nobody can approve that", "bold yellow"))
    row(grid, "day", f"from {said.day_start} {said.time_zone}")
    for desk in said.desks:
        row(grid, f"desk {desk.name}", f"{', '.join(desk.accounts) or 'no account'}, in {desk.parent or 'the firm'}")
    for scenario in said.scenarios:
        shocks = ", ".join(f"{name} {shock:+f} %" for name, shock in scenario.shocks.items())
        row(grid, f"scenario {scenario.name}", shocks)
    for each in said.correlations:
        row(grid, "correlation", f"{' and '.join(each.of)}: {each.value:f}")
    return grid


def _instruments(setup: RiskSetup) -> RenderableType:
    right = ("reference", "margin", "volatility")
    made = table("Risk of instruments", "symbol", "class", *right, "short sale", right=right)
    for symbol, item in setup.instruments.items():
        reference = "none: needs a mark" if item.reference_px is None else f"{item.reference_px:f}"
        percent = (f"{item.margin_pct:f} %", f"{item.volatility_pct:f} %")
        row(made, symbol, item.asset_class, reference, *percent, item.short_sale)
    return made


def _limits(setup: RiskSetup) -> RenderableType:
    made = table("Limits of risk", "scope", "control", "limit", right=("limit",))
    for scope, limits in setup.limits.items():
        for control, limit in limits.items():
            row(made, scope, control, limit_words(control, limit, setup.currency))
        for name, symbols in (("restricted", setup.restricted.get(scope)), ("permitted", setup.permitted.get(scope))):
            if symbols is not None:
                row(made, scope, name, ", ".join(symbols))
    return made


def limit_words(control: Control, limit: Limit, currency: str) -> str:
    """A limit with its unit: "200 in 1 s", "90 pct above 30,000,000 USD"."""
    if limit.per_s:
        return f"{limit.value:,f} in {limit.per_s} s"
    after = ""
    if limit.after:
        after = f" above {limit.after:,f}" + (f" {currency}" if control is Control.MAX_CONCENTRATION_PCT else "")
    return f"{limit.value:,f} {unit_of(control, currency)}{after}"


def _breakers(said: RiskConfig) -> RenderableType:
    right = ("trips at", "clears below", "over", "cools down")
    made = table(
        "Breakers", "scope", "kind", *right, "resumed by", "working orders", right=right, spare=("cools down", "over")
    )
    for item in said.breakers:
        row(
            made,
            item.scope,
            item.kind,
            f"{item.value:,f}",
            f"{item.clear:,f}",
            f"{item.window_s:,} s",
            f"{item.cool_down_s:,} s",
            "a person" if item.needs_person else "itself",
            "canceled" if item.cancels else "stay",
        )
    return made
