"""`gatewayctl risk`: limits, overrides, the kill switch, exposure and marks."""

import re
import time
from decimal import Decimal, InvalidOperation
from math import inf
from typing import Annotated

import grpc
import typer
from rich.text import Text

from gateway.cli import tables_risk as tables
from gateway.cli.ctl_api import explain
from gateway.cli.ctl_command import USAGE, Ctl, command, confirm, fail
from gateway.cli.layout import first_of
from gateway.cli.tables import limit as shown
from gateway.cli.tables import number
from gateway.pb.v1 import gateway_pb2 as pb

app = typer.Typer(
    help="Limits, overrides, the kill switch, exposure. Every action is written to the journal.", no_args_is_help=True
)

LOOK_S = 0.25
"""How often the orders that a stop still has to cancel are counted."""

PATIENCE_S = 3.0
"""When a stop that is not done yet is explained."""

# "100,25" is a decimal comma, and no number a hundred times as large.
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_NS = 100 * 366 * 86_400 * 1_000_000_000
_LONGEST_EXPONENT = 100
_NONE = "none"
_MOST_STOPS = 5

Scope = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help="firm, desk:NAME, account:ACC1, strategy:ACC1/alpha, ...", show_default=False),
]
ScopePrefix = Annotated[
    str, typer.Argument(metavar="SCOPE", help="One scope, or the beginning of several.", show_default=False)
]
ControlName = Annotated[
    str, typer.Argument(metavar="CONTROL", help="As docs/controls.md has them.", show_default=False)
]
ChangeId = Annotated[str, typer.Argument(metavar="CHANGE", help="As `risk proposals` shows it.", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Why; it is written to the journal.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


# --- Limits -----------------------------------------------------------------------------------------------------------


@command(app, "limits")
def limits(
    ctl: Ctl, scope: ScopePrefix = "", control: Annotated[str, typer.Option(help="Only this control.")] = ""
) -> None:
    """Limits in force, what is used of them, and who set them."""
    message = ctl.api.risk(pb.ListLimitsRequest(scope=scope, control=control))
    ctl.show(message, tables.limits(message.limits, ctl.now_ns))


@command(app, "set")
def set_limit(
    ctl: Ctl,
    scope: Scope,
    control: ControlName,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A number, or none: no limit of its own there.", show_default=False)
    ],
    unit: Annotated[
        str,
        typer.Argument(
            metavar="UNIT",
            help="qty, pct, ticks, count, count_per_s, ratio or s; of money the risk currency, such as USD.",
            show_default=False,
        ),
    ],
    reason: Why,
    per_s: Annotated[int, typer.Option(min=0, max=86_400, help="The window of a rate, in seconds.")] = 0,
    after: Annotated[str, typer.Option(help="The smallest amount at which a ratio or a share counts.")] = "0",
    period: Annotated[str, typer.Option("--for", help="For so long, as 30m or 2h; for good when not given.")] = "",
) -> None:
    """Set, raise or lower a limit, from the next order on; some raises wait for a second person."""
    request = pb.SetLimitRequest(scope=scope, control=control, unit=unit, reason=reason)
    if value != _NONE:
        request.limit.CopyFrom(pb.Limit(value=_number(value), per_s=per_s, after=_number(after)))
    if period:
        request.expires_ns = ctl.now_ns + _period_ns(period)
    reply: pb.SetLimitResponse = ctl.api.risk(request)
    what = f"{control} at {scope}"
    if reply.change_id:
        ctl.show(reply, f"{what} {_waits(reply.seq, reply.change_id)}")
    else:
        to = shown(request.limit) if request.HasField("limit") else _NONE
        ctl.show(reply, f"{what} is {to}{f' for {period}' if period else ''} (event {reply.seq})")


def _waits(seq: int, change_id: str) -> str:
    next_step = f"another operator decides within the hour: gatewayctl risk approve {change_id} --reason TEXT"
    return f"is proposed (event {seq}) and not in force; {next_step}"


@command(app, "proposals")
def proposals(ctl: Ctl) -> None:
    """Changes of limits, and overrides, that wait for a second person."""
    message = ctl.api.risk(pb.ListProposalsRequest())
    ctl.show(message, tables.proposals(message.proposals, ctl.now_ns))


@command(app, "approve")
def approve(ctl: Ctl, change: ChangeId, reason: Why, yes: Yes = False) -> None:
    """Let a proposed change, or override, take effect; not your own."""
    confirm(f"Approve change {change}? It is in force at once.", yes=yes)
    reply = ctl.api.risk(pb.DecideChangeRequest(change_id=change, approve=True, reason=reason))
    ctl.show(reply, f"{change} is in force (event {reply.seq})")


@command(app, "decline")
def decline(ctl: Ctl, change: ChangeId, reason: Why) -> None:
    """Say no to a proposed change, or override."""
    reply = ctl.api.risk(pb.DecideChangeRequest(change_id=change, approve=False, reason=reason))
    ctl.show(reply, f"{change} is declined (event {reply.seq})")


# --- Overrides --------------------------------------------------------------------------------------------------------


@command(app, "override")
def override(
    ctl: Ctl,
    scope: Scope,
    control: ControlName,
    period: Annotated[str, typer.Option("--for", help="For so long, as 10m.", show_default=False)],
    reason: Why,
    yes: Yes = False,
) -> None:
    """Let the orders of a scope pass one control for a limited time, in your name; some wait for a second person."""
    until_ns = ctl.now_ns + _period_ns(period)
    confirm(f"Let the orders of {scope} pass {control} for {period}?", yes=yes)
    request = pb.GrantOverrideRequest(scope=scope, control=control, until_ns=until_ns, reason=reason)
    reply: pb.GrantOverrideResponse = ctl.api.risk(request)
    if reply.change_id:
        ctl.show(reply, f"the override of {control} at {scope} {_waits(reply.seq, reply.change_id)}")
    else:
        ctl.show(reply, f"orders of {scope} pass {control} for {period} (event {reply.seq})")


@command(app, "end-override")
def end_override(ctl: Ctl, scope: Scope, control: ControlName, reason: Why) -> None:
    """End an override before its time."""
    reply = ctl.api.risk(pb.EndOverrideRequest(scope=scope, control=control, reason=reason))
    ctl.show(reply, f"{control} counts at {scope} again (event {reply.seq})")


@command(app, "overrides")
def overrides(ctl: Ctl) -> None:
    """Overrides in force."""
    message = ctl.api.risk(pb.ListOverridesRequest())
    ctl.show(message, tables.overrides(message.overrides, ctl.now_ns))


# --- Stops ------------------------------------------------------------------------------------------------------------


@command(app, "kill")
def kill(
    ctl: Ctl,
    scope: Scope,
    reason: Why,
    keep_orders: Annotated[
        bool, typer.Option("--keep-orders", help="Cancel nothing; only refuse what is new.")
    ] = False,
    allow_reducing: Annotated[
        bool, typer.Option("--allow-reducing", help="Let orders that only reduce a position pass.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not follow until nothing works any more.")] = False,
) -> None:
    """Stop trading in a scope at once: no new orders, working ones are canceled, until a person resumes it."""
    request = pb.StopTradingRequest(scope=scope, reason=reason, keep_orders=keep_orders, allow_reducing=allow_reducing)
    reply = ctl.api.risk(request)
    orders = _kept(ctl, scope) if keep_orders else "working orders are being canceled"
    _say(ctl, Text(f"trading is stopped at {scope} (event {reply.seq}); {orders}; cancels still pass", "bold red"))
    stop = None if no_wait or keep_orders else _follow(ctl, scope)
    if ctl.as_json:
        ctl.show({"reply": reply, "stop": stop} if stop is not None else reply)


def _kept(ctl: Ctl, scope: str) -> str:
    """What becomes of working orders when this stop was to keep them: it makes an earlier one there no weaker."""
    stop, _ = _look(ctl, scope)
    if stop is None:
        return "it cancels no working orders, unless an earlier stop there does"
    return (
        "working orders are canceled all the same, by an earlier stop there" if stop.cancels else "working orders stay"
    )


def _say(ctl: Ctl, text: str | Text) -> None:
    if not ctl.as_json:
        ctl.console.print(text, markup=False)


def _follow(ctl: Ctl, scope: str) -> pb.Stop | None:
    """Say how many orders still work, until none does. The stop needs nobody who looks: Ctrl-C ends the looking."""
    told = ""
    explain_at = time.monotonic() + PATIENCE_S
    try:
        while True:
            stop, news = _look(ctl, scope)
            if news not in {"", told}:
                _say(ctl, Text(news, "green" if stop is not None and stop.completed else "yellow"))
                told = news
            if stop is not None and (stop.completed or not stop.scope):
                return stop
            if time.monotonic() >= explain_at:
                _say(ctl, _NOT_YET)
                explain_at = inf
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        _say(ctl, "the stop stays; gatewayctl risk stops shows how far it is")
        return None


_NOT_YET = (
    "not all is answered yet: gatewayctl sessions shows whether a venue is away, its cancels go out when it is back; "
    "Ctrl-C ends this look and not the stop"
)


def _look(ctl: Ctl, scope: str) -> tuple[pb.Stop | None, str]:
    """The stop as it is now, None when the gateway does not answer; and that in words, none when it is nearly done."""
    try:
        stops: pb.ListStopsResponse = ctl.api.risk(pb.ListStopsRequest())
    except grpc.RpcError as error:
        return None, f"{explain(error, ctl.api.address, ctl.api.client_id)[0]}; the stop stays, looking again"
    for stop in stops.stops:
        if (stop.scope, stop.source) == (scope, "kill"):
            if stop.completed:
                return stop, f"nothing works any more at {scope}"
            work = "order still works" if stop.open_orders == 1 else "orders still work"
            return stop, f"{stop.open_orders:,} {work}" if stop.open_orders else ""
    return pb.Stop(), f"trading at {scope} was resumed meanwhile"


@command(app, "resume")
def resume(
    ctl: Ctl,
    scope: Scope,
    reason: Why,
    source: Annotated[str, typer.Option(help="kill, or the breaker that stopped it.")] = "kill",
    yes: Yes = False,
) -> None:
    """Let a scope trade again."""
    confirm(f"Let {scope} trade again?", yes=yes)
    reply = ctl.api.risk(pb.ResumeTradingRequest(scope=scope, source=source, reason=reason))
    ctl.show(reply, f"{scope} trades again, as far as {source} is concerned (event {reply.seq})")
    if not ctl.as_json:
        _say_others(ctl)


def _say_others(ctl: Ctl) -> None:
    """Name the stops that remain: they may hold what was resumed, too."""
    left = [f"{stop.scope} ({stop.source})" for stop in ctl.api.risk(pb.ListStopsRequest()).stops]
    more = f" and {len(left) - _MOST_STOPS:,} more" if len(left) > _MOST_STOPS else ""
    if left:
        _say(ctl, Text(f"still stopped: {', '.join(left[:_MOST_STOPS])}{more}", "yellow"))


@command(app, "stops")
def stops(ctl: Ctl) -> None:
    """Where trading is stopped, by whom, and what still works there."""
    message = ctl.api.risk(pb.ListStopsRequest())
    ctl.show(message, tables.stops(message.stops, ctl.now_ns))


@command(app, "breaches")
def breaches(ctl: Ctl) -> None:
    """Figures that are beyond their limits, or near them."""
    message = ctl.api.risk(pb.ListBreachesRequest())
    ctl.show(message, tables.breaches(message.breaches))


# --- Exposure and marks -----------------------------------------------------------------------------------------------


@command(app, "exposure")
def exposure(
    ctl: Ctl,
    scope: ScopePrefix = "",
    level: Annotated[str, typer.Option(help="Only this level: desk, account, strategy, ...")] = "",
    children: Annotated[bool, typer.Option("--children", help="Also what stands right below.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Live, until q or Ctrl-C.")] = False,
    interval_s: Annotated[float, typer.Option("--interval", min=0.2, max=60, help="Seconds between looks.")] = 1.0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")] = 200,
) -> None:
    """What scopes hold and have working, their profit, and how much of their limits they use."""
    if watch:
        from gateway.cli import ctl_exposure  # noqa: PLC0415  # It has a screen of its own.

        request = pb.WatchExposureRequest(scope=scope, level=level, children=children)
        request.interval_ms = int(interval_s * 1_000)
        ctl_exposure.watch(ctl, request)
        return
    message = ctl.api.exposure(pb.GetExposureRequest(scope=scope, level=level, children=children), limit)
    more = ["There are more: -n shows them"] if message.next_page_token else []
    ctl.show(message, tables.exposure(message.rows, message.currency), *more)


@command(app, "marks")
def marks(
    ctl: Ctl,
    prices: Annotated[
        list[str] | None, typer.Argument(metavar="SYMBOL=PX", help="Or SYMBOL=PX:BID:ASK.", show_default=False)
    ] = None,
    rate: Annotated[list[str] | None, typer.Option(help="CURRENCY=RATE, in the risk currency.")] = None,
    of: Annotated[
        str, typer.Option(help="Show one instrument, or all whose symbols begin so.", show_default=False)
    ] = "",
) -> None:
    """Say what instruments and currencies are worth now; with nothing to say, show it and since when."""
    if prices or rate:
        if of:
            fail("--of shows marks: leave out what is to be set", USAGE)
        _set_marks(ctl, prices or [], rate or [])
        return
    message = ctl.api.risk(pb.ListMarksRequest(symbol=of))
    known = tables.marks(message.marks, ctl.now_ns, first_of("Marks", len(message.marks), message.total))
    ctl.show(message, known, tables.rates(message.rates, message.currency))


def _set_marks(ctl: Ctl, prices: list[str], rates: list[str]) -> None:
    given = dict(_pair(text) for text in rates)
    request = pb.SetMarksRequest(
        marks=[_mark(text) for text in prices], rates={name: _number(value) for name, value in given.items()}
    )
    reply = ctl.api.risk(request)
    said = [*((mark.symbol, mark.px) for mark in request.marks), *request.rates.items()]
    values = ", ".join(f"{name} {number(value)}" for name, value in said)
    ctl.show(reply, f"{values} set (event {reply.seq})")


def _mark(text: str) -> pb.Mark:
    symbol, said = _pair(text)
    px, *quotes = (_number(part) for part in said.split(":"))
    if len(quotes) not in {0, 2}:
        fail(f"{text!r} is not SYMBOL=PX or SYMBOL=PX:BID:ASK", USAGE)
    bid, ask = quotes or (None, None)
    return pb.Mark(symbol=symbol, px=px, bid=bid, ask=ask)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not (name and equals):
        fail(f"{text!r} is not NAME=NUMBER", USAGE)
    return name, value


def _number(text: str) -> str:
    """A number as people may write it, with thousands apart."""
    if "," in text and not _THOUSANDS.fullmatch(text):
        fail(f"{text!r} has a comma that sets no thousands apart: the decimals come after a point", USAGE)
    plain = text.replace(",", "").replace("_", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        fail(f"{text!r} is not a number", USAGE)
    if not number.is_finite():
        fail(f"{text!r} is not a number", USAGE)
    if abs(number.adjusted()) > _LONGEST_EXPONENT:  # Written out, 1e999999999 is a gigabyte.
        fail(f"{text!r} has too many digits: the gateway takes 15 before the point and 10 behind it", USAGE)
    return f"{number:f}"


def _period_ns(text: str) -> int:
    """'90s', '30m', '2h', '1d'."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        fail(f"{text!r} is not a time like 90s, 30m, 2h or 1d", USAGE)
    period_ns = int(found[1]) * _UNITS_S[found[2]] * 1_000_000_000
    return period_ns if period_ns <= _LONGEST_NS else fail(f"{text!r} is more than a hundred years", USAGE)
