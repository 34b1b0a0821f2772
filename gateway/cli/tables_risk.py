"""Limits, stops, breaches and exposure, as tables for people."""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal

from rich.text import Text

from gateway.cli.layout import Columns, row, table
from gateway.cli.tables import age, clock, limit, number, signed
from gateway.pb.v1 import gateway_pb2 as pb

_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"
_PLACES, _CENT = 2, Decimal("0.01")
_EXACT = Context(prec=1_000)
_NEAR, _CRITICAL = 70, 90
"""From which percent of a limit on its bar is yellow, and red."""

_BARS = {
    "gross use": "max_gross_notional",
    "net use": "max_net_notional",
    "margin use": "max_margin",
    "loss use": "max_loss",
}
_SEVERITIES = {"CRITICAL": "bold white on red", "WARNING": "yellow", "INFO": "dim"}


# --- Limits -----------------------------------------------------------------------------------------------------------


def limits(messages: Iterable[pb.LimitRow], now_ns: int) -> Columns:
    """Limits with the figures that they limit."""
    columns = ("scope", "control", "limit", "unit", "used", "use", "set at", "source", "until")
    made = table("Limits", *columns, right=("limit", "used"), spare=("set at", "unit", "source", "until"))
    for each in messages:
        row(
            made,
            Text(each.scope, "bold"),
            each.control,
            limit(each.limit),
            each.unit,
            figure(each.control, each.used),
            bar(each.used, each.limit.value) if each.HasField("used") else Text(),
            "" if each.set_at == each.scope else each.set_at,
            Text(each.source, "yellow" if each.source == "operator" else ""),
            _until(each, now_ns),
        )
    return made


def _until(message: pb.LimitRow, now_ns: int) -> str:
    if not message.HasField("until_ns"):
        return ""
    before = limit(message.before) if message.HasField("before") else "none"
    return f"{clock(message.until_ns, now_ns)}, then {before}"


def proposals(messages: Iterable[pb.Proposal], now_ns: int) -> Columns:
    """Changes that wait for a second person."""
    columns = ("change", "scope", "control", "now", "proposed", "unit", "by", "until", "lapses in", "reason")
    right = ("now", "proposed", "lapses in")
    made = table("Proposals", *columns, right=right, spare=("until", "unit"), folds=("reason",))
    for each in messages:
        row(
            made,
            Text(each.change_id, "bold"),
            each.scope,
            each.control,
            limit(each.in_force) if each.HasField("in_force") else "none",
            _proposed(each),
            each.unit,
            each.operator,
            _ends(each, now_ns),
            age(now_ns, each.lapses_ns),
            each.reason,
        )
    return made


def _proposed(proposal: pb.Proposal) -> str:
    if proposal.HasField("override_until_ns"):
        return "override"
    return limit(proposal.limit) if proposal.HasField("limit") else "none"


def _ends(proposal: pb.Proposal, now_ns: int) -> str:
    until_ns = proposal.override_until_ns or proposal.expires_ns
    return clock(until_ns, now_ns) if until_ns else ""


def overrides(messages: Iterable[pb.Override], now_ns: int) -> Columns:
    """Overrides in force."""
    made = table("Overrides", "scope", "control", "until", "left", right=("left",))
    for each in messages:
        row(made, Text(each.scope, "bold"), each.control, clock(each.until_ns, now_ns), age(now_ns, each.until_ns))
    return made


# --- Stops and breaches -----------------------------------------------------------------------------------------------


def stops(messages: Iterable[pb.Stop], now_ns: int) -> Columns:
    """Where trading is stopped."""
    columns = ("scope", "source", "by", "age", "orders", "still work", "passing", "ends", "reason")
    made = table("Stops", *columns, right=("age", "still work"), spare=("passing", "ends", "orders"), folds=("reason",))
    for each in messages:
        row(
            made,
            Text(each.scope, "bold white on red"),
            each.source,
            each.operator or "itself",
            age(each.stopped_ns, now_ns),
            "canceled" if each.cancels else "kept",
            _left(each),
            "reducing" if each.allow_reducing else "cancels only",
            "by a person" if each.needs_person or not each.HasField("until_ns") else clock(each.until_ns, now_ns),
            each.reason,
        )
    return made


def _left(stop: pb.Stop) -> Text:
    if stop.completed:
        return Text("none", "green")
    return Text(f"{stop.open_orders:,}", "bold red" if stop.cancels else "")


def breaches(messages: Iterable[pb.Breach]) -> Columns:
    """Figures beyond their limits, the worst first."""
    columns = ("severity", "scope", "control", "figure", "limit", "use", "what")
    made = table("Breaches", *columns, right=("figure", "limit"), spare=("what",), folds=("what",))
    for each in sorted(messages, key=lambda breach: (breach.severity, breach.scope)):
        name = pb.Severity.Name(each.severity).removeprefix("SEVERITY_")
        row(
            made,
            Text(name, _SEVERITIES.get(name, "")),
            Text(each.scope, "bold"),
            each.control,
            figure(each.control, each.value),
            number(each.limit),
            bar(each.value, each.limit),
            each.text,
        )
    return made


# --- Marks ------------------------------------------------------------------------------------------------------------


def marks(messages: Iterable[pb.MarkRow], now_ns: int, title: str = "Marks") -> Columns:
    """What instruments are worth, and since when that is known."""
    columns = ("symbol", "px", "bid", "ask", "currency", "age", "source")
    made = table(title, *columns, right=("px", "bid", "ask", "age"), spare=("bid", "ask"))
    for each in messages:
        mark, was_set = each.mark, each.HasField("set_ns")
        row(
            made,
            Text(mark.symbol, "bold"),
            number(mark.px),
            number(mark.bid) if mark.HasField("bid") else "",
            number(mark.ask) if mark.HasField("ask") else "",
            each.currency,
            age(each.set_ns, now_ns) if was_set else "",
            "mark" if was_set else Text("reference_px", "yellow"),
        )
    return made


def rates(found: Mapping[str, str], currency: str) -> Columns:
    """What one unit of each currency is worth."""
    made = table(f"Rates in {currency}", "currency", "rate", right=("rate",))
    for name in sorted(found):
        row(made, Text(name, "bold"), number(found[name]))
    return made


# --- Exposure ---------------------------------------------------------------------------------------------------------


def exposure(messages: Iterable[pb.Exposure], currency: str, title: str = "Exposure") -> Columns:
    """What scopes hold, have working and have gained, with bars of how much of their limits they use."""
    money = ("net", "gross", "long", "short", "buys", "sells", "day P&L", "drawdown", "margin", "correlated", "worst")
    columns = ("scope", "symbol", *money, "orders", *_BARS, "tightest")
    details = ("correlated", "worst", "long", "short", "buys", "sells", "drawdown")
    spare = (*details, "net use", "margin use", "loss use", "gross use", "margin", "orders")
    in_money = f" in {currency}" if currency else ""
    made = table(f"{title}{in_money}", *columns, right=(*money, "orders"), spare=spare)
    for each in messages:
        uses = {use.control: use for use in each.uses}
        row(
            made,
            Text(each.scope, "" if each.symbol else "bold"),
            each.symbol,
            signed(cents(each.net_notional)),
            number(cents(each.gross_notional)),
            number(cents(each.long_notional)),
            signed(cents(each.short_notional)),
            number(cents(each.open_buys)),
            number(cents(each.open_sells)),
            signed(cents(each.day_profit)),
            number(cents(each.drawdown)),
            number(cents(each.margin_used)),
            number(cents(each.correlated_exposure)),
            number(cents(each.worst_scenario_loss)),
            f"{each.open_orders:,}" if each.HasField("open_orders") else "",
            *(bar(use.used, use.limit) if (use := uses.get(name)) else Text() for name in _BARS.values()),
            _tightest(each.uses),
        )
    return made


def _tightest(uses: Iterable[pb.Use]) -> Text:
    """The limit of which most is used."""
    worst = max(uses, key=lambda use: share(use.used, use.limit), default=None)
    if worst is None or not share(worst.used, worst.limit):
        return Text()
    percent = share(worst.used, worst.limit)
    return Text.assemble((f"{percent:>3,} %", _colour(percent)), f" {worst.control}")


def figure(control: str, value: str) -> str:
    """A figure beside its limit: quantities whole, what is a matter of money or a share to the hundredth."""
    return number(value if control.endswith("_qty") else cents(value))


def cents(text: str) -> str:
    """A decimal with at most two places, for people; `--json` has them all."""
    if len(text.partition(".")[2]) <= _PLACES:
        return text
    return f"{Decimal(text).quantize(_CENT, context=_EXACT):f}"


def share(used: str, of: str) -> int:
    """How many percent of a limit are used, rounded down; over a limit of 0 everything is."""
    whole = Decimal(of)
    if whole <= 0:
        return 100 if Decimal(used) > 0 else 0
    return max(0, int(Decimal(used) * 100 / whole))


def bar(used: str, of: str) -> Text:
    """A bar with its percent: green, yellow near the limit, red at it."""
    percent = share(used, of)
    whole, part = divmod(min(percent, 100) * _BAR * 8 // 100, 8)
    drawn = f"{'█' * whole}{_EIGHTHS[part] if part else ''}"
    style = _colour(percent)
    return Text.assemble((f"{drawn:<{_BAR}}", f"{style} on grey23"), (f" {percent:>3,} %", style))


def _colour(percent: int) -> str:
    return "red" if percent >= _CRITICAL else "yellow" if percent >= _NEAR else "green"
