"""The configurations of the benchmark: one market of 20 instruments, and a gateway with a limit of every control."""

from pathlib import Path

import msgspec

from gateway.core.risk.controls import Control
from gateway.core.risk.setup import Limit
from tests.bench.e2e.messages import ACCOUNTS, PRICE, STRATEGY, SYMBOLS
from tests.bench.risk import limits

VENUE, SENDER, BEGIN_STRING = "XSIM", "GATEWAY", "FIX.4.4"
CLIENTS = 200
OPERATOR = "ops"
_CLASSES = ("equity", "future", "bond")
_CORRELATIONS = {("equity", "future"): 0.8, ("equity", "bond"): 0.2, ("future", "bond"): 0.2}
_AMPLE = "999_999_999_999_999"


class Gateway(msgspec.Struct, frozen=True):
    """What differs between gateways. An empty `journal_url` is SQLite in the data directory."""

    durability: str = "process"
    journal_url: str = ""
    sessions: int = 1


def venue_text(folder: Path, fix_port: int, control_port: int, sessions: int = 1) -> str:
    """A quiet venue: only the orders that come in through the sessions."""
    lines = [
        "[venue]",
        f'name = "{VENUE}"',
        f'fix = "127.0.0.1:{fix_port}"',
        f'control = "127.0.0.1:{control_port}"',
        f'data_dir = "{folder}"',
    ]
    for sender in senders(sessions):
        lines += ["[[session]]", f'client = "{sender}"', f'begin_string = "{BEGIN_STRING}"']
    for symbol in SYMBOLS:
        lines += ["[[instrument]]", f'symbol = "{symbol}"', 'tick = "0.01"', 'lot = "1"', f'reference = "{PRICE}"']
    return "\n".join(lines) + "\n"


def senders(sessions: int) -> list[str]:
    """The SenderCompID(49) of each session."""
    return [SENDER, *[f"{SENDER}{number}" for number in range(2, sessions + 1)]]


def gateway_text(kind: Gateway, folder: Path, fix_port: int, api_port: int, metrics_port: int) -> str:
    """All that a gateway in production has: durable journal, projections, a limit of every control at its levels."""
    url = kind.journal_url or "sqlite:///journal.sqlite3"
    lines = [
        'stack = "bench"',
        f'data_dir = "{folder}"',
        "[journal]",
        f'url = "{url}"',
        f'durability = "{kind.durability}"',
        "[api]",
        f"port = {api_port}",
        "[metrics]",
        f"port = {metrics_port}",
        "[[clients]]",
        f'id = "{OPERATOR}"',
        'role = "operator"',
    ]
    accounts = list(ACCOUNTS)
    for number in range(CLIENTS):
        lines += ["[[clients]]", f'id = "bench-{number}"', f"accounts = {accounts}", f'strategies = ["{STRATEGY}"]']
    venues = [VENUE, *[f"{VENUE}{number}" for number in range(2, kind.sessions + 1)]]
    for name, sender in zip(venues, senders(kind.sessions), strict=True):
        lines += ["[[venues]]", f'name = "{name}"', f'begin_string = "{BEGIN_STRING}"', 'host = "127.0.0.1"']
        lines += [f"port = {fix_port}", f'sender_comp_id = "{sender}"', f'target_comp_id = "{VENUE}"']
    for place, symbol in enumerate(SYMBOLS):
        lines += _instrument(symbol, _CLASSES[place % len(_CLASSES)], venues[place % len(venues)])
    return "\n".join(lines) + "\n" + _risk()


def _instrument(symbol: str, asset_class: str, venue: str) -> list[str]:
    return [
        "[[instruments]]",
        f'symbol = "{symbol}"',
        f'venue_symbols = {{ {venue} = "{symbol}" }}',
        "tick_size = 0.01",
        "lot_size = 1",
        'currency = "USD"',
        f'asset_class = "{asset_class}"',
        f"reference_px = {PRICE}",
        "margin_pct = 20",
        "volatility_pct = 1.5",
    ]


def _risk() -> str:
    lines = [
        "[risk]",
        'currency = "USD"',
        'self_match = "refuse"',
        "[[risk.desks]]",
        'name = "europe"',
        "[[risk.desks]]",
        'name = "cash"',
        'parent = "europe"',
        f"accounts = {list(ACCOUNTS)}",
        "[[risk.scenarios]]",
        'name = "fall"',
        f"shocks = {{ {', '.join(f'{each} = -10' for each in _CLASSES)} }}",
    ]
    for pair, correlation in _CORRELATIONS.items():
        lines += ["[[risk.correlations]]", f"of = {list(pair)}", f"value = {correlation}"]
    for scope, controls in limits(everywhere=False).items():
        lines += ["[[risk.limits]]", f'scope = "{scope}"']
        lines += [f"{control} = {_limit(control, limit)}" for control, limit in controls.items()]
    for (scope, kind), value in _BREAKERS.items():
        lines += ["[[risk.breakers]]", f'scope = "{scope}"', f'kind = "{kind}"', f"value = {value}", "clear = 0"]
    return "\n".join(lines) + "\n"


_BREAKERS = {
    ("firm", "loss"): _AMPLE,
    ("firm", "drawdown"): _AMPLE,
    ("strategy:*", "reject_rate"): "100",
    ("strategy:*", "repeated_execution"): _AMPLE,
    ("client:*", "message_rate"): _AMPLE,
}


def _limit(control: Control, limit: Limit) -> str:
    """As configurations write it. What is ample in memory may be more than they take."""
    if control is Control.MESSAGE_RATE:
        return f"{{ count = {limit.value}, per_s = {limit.per_s} }}"
    if control is Control.ORDER_TO_TRADE:
        return f"{{ ratio = {_AMPLE} }}"
    if control is Control.MAX_CONCENTRATION_PCT:
        return f"{{ pct = {limit.value}, above = {limit.after} }}"
    return str(limit.value) if control is Control.DUPLICATE_WINDOW_S else _AMPLE
