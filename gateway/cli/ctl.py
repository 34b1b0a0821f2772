"""`gatewayctl`: looks into a running gateway and administers it, through its API.

Exit codes: 0 done, 1 the gateway said no, 2 the command line is wrong, 3 the gateway cannot be reached.
"""

import contextlib
import os
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from gateway.cli import ctl_reconcile, ctl_risk, query, tables
from gateway.cli.ctl_api import EXECUTIONS, REFUSED, Newest, event_types
from gateway.cli.ctl_command import USAGE, Ctl, command, confirm, fail
from gateway.cli.failing import run
from gateway.codec.proto.fields import MAX_MSG_SEQ_NUM
from gateway.pb.v1 import gateway_pb2 as pb

_LAST_SEQ = (1 << 63) - 1
_EVENTS = 50

app = typer.Typer(
    name="gatewayctl",
    help="Looks into a running gateway and administers it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
session_app = typer.Typer(
    help="Act on the FIX session to a venue. Every action is written to the journal.", no_args_is_help=True
)
app.add_typer(session_app, name="session")
app.add_typer(query.app, name="query")
app.add_typer(ctl_risk.app, name="risk")

Account = Annotated[str, typer.Option(help="Only this account.")]
Strategy = Annotated[str, typer.Option(help="Only this strategy.")]
Symbol = Annotated[str, typer.Option(help="Only this symbol.")]
Venue = Annotated[str, typer.Option(help="Only this venue.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is written to the journal.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
VenueName = Annotated[str, typer.Argument(metavar="VENUE", show_default=False)]
SymbolName = Annotated[str, typer.Argument(metavar="SYMBOL", show_default=False)]


# --- Looking ----------------------------------------------------------------------------------------------------------


@command(app, "overview")
def overview(ctl: Ctl) -> None:
    """The gateway at a glance."""
    message = ctl.api.overview()
    ctl.show(message, tables.overview(message, ctl.now_ns), *tables.not_up(ctl.api.sessions().sessions))


@command(app, "sessions")
def sessions(ctl: Ctl) -> None:
    """FIX sessions: state, sequence numbers, how long ago something came in or went out."""
    message = ctl.api.sessions()
    ctl.show(message, tables.sessions(message.sessions, ctl.now_ns))


@command(app, "orders")
def orders(
    ctl: Ctl,
    account: Account = "",
    strategy: Strategy = "",
    symbol: Symbol = "",
    venue: Venue = "",
    client: Annotated[str, typer.Option(help="Only this client's.")] = "",
    status: Annotated[list[str] | None, typer.Option(help="Only with this OrdStatus; may be given again.")] = None,
    working: Annotated[bool, typer.Option("--working", help="Only orders that can still trade.")] = False,
    limit: Limit = 100,
    page_token: Annotated[str, typer.Option(help="Go on from where the last list ended.")] = "",
) -> None:
    """Orders, in order of submission."""
    request = pb.ListOrdersRequest(
        account=account,
        strategy=strategy,
        symbol=symbol,
        venue=venue,
        client_id=client,
        ord_status=[_ord_status(name) for name in status or ()],
        working=working,
        page_token=page_token,
    )
    message = ctl.api.orders(request, limit)
    more = [f"There are more: --page-token {message.next_page_token}"] if message.next_page_token else []
    ctl.show(message, tables.orders(message.orders), *more)


@command(app, "order")
def order(
    ctl: Ctl,
    key: Annotated[
        str, typer.Argument(metavar="ORDER", help="Its order_id or any of its ClOrdIDs.", show_default=False)
    ],
    client: Annotated[str, typer.Option(help="Whose ClOrdID it is; you when not given.")] = "",
) -> None:
    """One order's life: terms, requests, executions, and its events among the newest 200,000."""
    found = ctl.api.order(key, client)
    if found is None:
        whose = f"{client}'s" if client else "yours"
        hint = "" if client else "; with --client CLIENT it is looked for among that client's"
        fail(f"ORDER_UNKNOWN: no order has the order_id {key!r}, and none of {whose} that ClOrdID{hint}", REFUSED)
    life = ctl.api.life(found.order, found.as_of_seq)
    document = {
        "order": found.order,
        "requests": list(found.requests),
        "executions": list(found.executions),
        "events": life.events,
        "looked_from_seq": str(life.first_seq),
    }
    whole = life.events and life.events[0].type == pb.ORDER_SUBMITTED
    others = f"all of its life is in: gateway journal show --config FILE --order {found.order.order_id}"
    older = [] if whole else _stopped_short(life, len(life.events) + 1, others)
    ctl.show(document, tables.order_life(found, life.events, ctl.now_ns), *older)


@command(app, "executions")
def executions(
    ctl: Ctl, account: Account = "", strategy: Strategy = "", symbol: Symbol = "", venue: Venue = "", limit: Limit = 50
) -> None:
    """The newest executions, corrections and busts."""
    wanted = pb.EventFilter(account=account, strategy=strategy, symbol=symbol, venue=venue, types=EXECUTIONS)
    found = ctl.api.newest(limit, wanted)
    ctl.show(
        {"executions": found.events, "looked_from_seq": str(found.first_seq)},
        tables.executions(found.events, ctl.now_ns),
        *_stopped_short(found, limit, "all executions are in: gatewayctl query executions --config FILE"),
    )


def _stopped_short(found: Newest, limit: int, others: str) -> list[Text]:
    """What to know where there may be more that fit than were found, and where the others are."""
    if len(found.events) >= limit or found.first_seq <= 1:
        return []
    looked_at = found.last_seq - found.first_seq + 1
    return [Text(f"of the newest {looked_at:,} events, from seq {found.first_seq:,} on; {others}", "yellow")]


@command(app, "positions")
def positions(ctl: Ctl, account: Account = "", strategy: Strategy = "", symbol: Symbol = "") -> None:
    """Positions per account, strategy and instrument."""
    message = ctl.api.positions(pb.ListPositionsRequest(account=account, strategy=strategy, symbol=symbol))
    ctl.show(message, tables.positions(message.positions))


@command(app, "events")
def events(
    ctl: Ctl,
    from_seq: Annotated[
        int | None, typer.Option("--from", min=1, max=_LAST_SEQ, help="The first sequence number wanted.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens from now on, until Ctrl-C.")
    ] = False,
    account: Account = "",
    strategy: Strategy = "",
    symbol: Symbol = "",
    venue: Venue = "",
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only of this type; may be given again.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many; 50 without --from.")
    ] = None,
) -> None:
    """Events: the newest, or with --from all from there on."""
    wanted = pb.EventFilter(account=account, strategy=strategy, symbol=symbol, venue=venue, types=_types(kind or ()))
    most_to_come = limit
    if from_seq is None:
        found = ctl.api.newest(limit or _EVENTS, wanted)
        ctl.show_events(found.events, tables.event_line)
        for text in _stopped_short(found, limit or _EVENTS, "--from SEQ looks at older ones"):
            Console(stderr=True, highlight=False, soft_wrap=True).print(text)
        from_seq, most_to_come = found.last_seq + 1, None
    elif not follow:
        last_seq = ctl.api.last_seq()
        if from_seq > last_seq:
            fail(f"the journal ends at seq {last_seq}", REFUSED)
        ctl.show_events(islice(ctl.api.history(from_seq, last_seq, wanted), limit), tables.event_line)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            ctl.show_events(islice(ctl.api.follow(from_seq, wanted), most_to_come), tables.event_line)


@command(app, "set-aside")
def set_aside(ctl: Ctl) -> None:
    """Reports from venues that fit no order or could not be understood."""
    message = ctl.api.set_aside()
    ctl.show(message, tables.set_aside(message.reports, message.total, ctl.now_ns))


ctl_reconcile.register(app)


@command(app, "top")
def top(
    ctl: Ctl,
    interval_s: Annotated[float, typer.Option("--interval", min=0.1, max=60, help="Seconds between looks.")] = 1.0,
) -> None:
    """A live view, until q or Ctrl-C. Without a terminal, how things stand once."""
    from gateway.cli import ctl_top  # noqa: PLC0415  # The only command with a screen of its own.

    ctl_top.run(ctl, interval_s)


# --- Acting -----------------------------------------------------------------------------------------------------------


@command(app, "halt")
def halt(ctl: Ctl, symbol: SymbolName, reason: Why) -> None:
    """Refuse new orders in an instrument; cancels still pass."""
    ctl.act(pb.HaltInstrumentRequest(symbol=symbol, reason=reason), f"{symbol} is halted")


@command(app, "resume")
def resume(ctl: Ctl, symbol: SymbolName, reason: Why) -> None:
    """Let an instrument trade again."""
    ctl.act(pb.ResumeInstrumentRequest(symbol=symbol, reason=reason), f"{symbol} trades again")


@command(session_app, "logon")
def logon(ctl: Ctl, venue: VenueName, reason: Why, yes: Yes = False) -> None:
    """Connect and log on."""
    confirm(f"Log on to {venue}?", yes=yes)
    ctl.act(pb.LogonRequest(venue=venue, reason=reason), f"{venue}: logon asked for")


@command(session_app, "logout")
def logout(ctl: Ctl, venue: VenueName, reason: Why, yes: Yes = False) -> None:
    """Log out and stay away until an operator's logon. No order is canceled by it."""
    confirm(
        f"Log out from {venue}? Its orders go on working there, and their reports wait for the next logon.", yes=yes
    )
    ctl.act(pb.LogoutRequest(venue=venue, reason=reason), f"{venue}: logout asked for")


@command(session_app, "set-sequence")
def set_sequence(
    ctl: Ctl,
    venue: VenueName,
    reason: Why,
    next_sender: Annotated[
        int | None, typer.Option(min=1, max=MAX_MSG_SEQ_NUM, help="The next MsgSeqNum(34) that we send.")
    ] = None,
    next_target: Annotated[
        int | None, typer.Option(min=1, max=MAX_MSG_SEQ_NUM, help="The next MsgSeqNum(34) that we expect.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Set sequence numbers of the FIX session."""
    if next_sender is None and next_target is None:
        fail("nothing to set: give --next-sender, --next-target or both", USAGE)
    confirm(f"Set the sequence numbers of {venue}? A number that is too high hides messages from one side.", yes=yes)
    request = pb.SetSequenceNumbersRequest(
        venue=venue, reason=reason, next_sender_msg_seq_num=next_sender, next_target_msg_seq_num=next_target
    )
    ctl.act(request, f"{venue}: sequence numbers set")


def main() -> None:
    """The console script `gatewayctl`."""
    # What goes wrong is told by `explain`; the notes that gRPC's core writes beside it would only disturb.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    run(app)


def _ord_status(name: str) -> Any:
    wanted = name.upper().replace("-", "_")
    known = [each.removeprefix("ORD_STATUS_") for each, number in pb.OrdStatus.items() if number]
    if wanted not in known:
        fail(f"there is no OrdStatus {wanted}; there are: {', '.join(known).lower()}", USAGE)
    return pb.OrdStatus.Value(f"ORD_STATUS_{wanted}")


def _types(names: list[str] | tuple[()]) -> list[Any]:
    try:
        return event_types(names)
    except ValueError as error:
        fail(str(error), USAGE)
