"""`gatewayctl`'s commands about what differs and what is in doubt: look, compare again, and say what is known."""

from collections.abc import Callable, Sized
from typing import Annotated, Any

import typer
from rich.text import Text

from gateway.cli import tables_reconcile as tables
from gateway.cli.ctl_command import USAGE, Ctl, command, confirm, fail
from gateway.cli.layout import first_of
from gateway.pb.v1 import gateway_pb2 as pb

Venue = Annotated[str, typer.Option(help="Only this venue.")]
VenueName = Annotated[str, typer.Argument(metavar="VENUE", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Why; it is written to the journal.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `gatewayctl`."""
    for name, run in _COMMANDS.items():
        command(app, name)(run)


def items(ctl: Ctl, venue: Venue = "") -> None:
    """Reconciliation items that are open: what differs, since when, and how much it matters."""
    message = ctl.api.items(venue)
    hint = "gatewayctl resolve-item ITEM --reason TEXT closes one; what differs still is raised again"
    ctl.show(message, tables.items(message.items, ctl.now_ns), *_hint(hint, message.items))


def in_doubt(ctl: Ctl) -> None:
    """Requests that may or may not have reached their venue."""
    message = ctl.api.in_doubt()
    hint = (
        "the venue is asked by itself; gatewayctl resolve-doubt ORDER --outcome ... --reason TEXT says what it told you"
    )
    title = first_of("In doubt", len(message.requests), message.total)
    ctl.show(message, tables.in_doubt(message.requests, ctl.now_ns, title), *_hint(hint, message.requests))


def external_orders(ctl: Ctl, venue: Venue = "") -> None:
    """Orders that venues work for us and that this gateway never sent."""
    message = ctl.api.external_orders(venue)
    ctl.show(message, tables.external_orders(message.orders, ctl.now_ns))


def reconcile(ctl: Ctl, venue: VenueName, reason: Why) -> None:
    """Have our orders compared with the venue's, now."""
    ctl.act(pb.ReconcileRequest(venue=venue, reason=reason), f"{venue}: reconciliation asked for")


def open_entry(ctl: Ctl, venue: VenueName, reason: Why, yes: Yes = False) -> None:
    """Let new orders go to a venue that could not be reconciled."""
    confirm(f"Let new orders go to {venue} although our orders there were not compared with its own?", yes=yes)
    ctl.act(pb.OpenOrderEntryRequest(venue=venue, reason=reason), f"{venue}: order entry is open")


def resolve_item(
    ctl: Ctl,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="As `gatewayctl items` shows it.", show_default=False)],
    reason: Why,
    yes: Yes = False,
) -> None:
    """Close an item that has been dealt with."""
    confirm(f"Close {item}? What it says is then no longer shown as open.", yes=yes)
    ctl.act(pb.ResolveItemRequest(item_id=item, reason=reason), f"{item} is closed")


def resolve_doubt(
    ctl: Ctl,
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="Its order_id, as `in-doubt` shows it.", show_default=False)
    ],
    outcome: Annotated[
        str,
        typer.Option(
            help="unsent: it never reached the venue; accepted: the venue acted on it; rejected: it refused it; "
            "canceled: the order itself, which its venue does not know (ORDER_UNKNOWN), works there no more.",
            show_default=False,
        ),
    ],
    reason: Why,
    request: Annotated[
        str, typer.Option(help="Its ClOrdID at the venue, where several requests of the order are in doubt.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Say what became of a request in doubt, or of an order that its venue does not know. The venue's own later word
    still counts for more.
    """
    of_the_order = outcome.lower() == "canceled"
    confirm(f"Take {'' if of_the_order else 'the request of '}{order} for {outcome}? Its owner is told so.", yes=yes)
    asked = pb.ResolveDoubtRequest(order_id=order, venue_cl_ord_id=request, outcome=_outcome(outcome), reason=reason)
    ctl.act(asked, f"{order}: the doubt is settled, {outcome}")


def _hint(text: str, rows: Sized) -> list[Text]:
    """What can be done about them, where there are any."""
    return [Text(text, "dim")] if rows else []


def _outcome(name: str) -> Any:
    known = [each.removeprefix("DOUBT_OUTCOME_") for each, number in pb.DoubtOutcome.items() if number]
    if name.upper() not in known:
        fail(f"there is no outcome {name}; there are: {', '.join(known).lower()}", USAGE)
    return pb.DoubtOutcome.Value(f"DOUBT_OUTCOME_{name.upper()}")


_COMMANDS: dict[str, Callable[..., None]] = {
    "items": items,
    "in-doubt": in_doubt,
    "external-orders": external_orders,
    "reconcile": reconcile,
    "open-entry": open_entry,
    "resolve-item": resolve_item,
    "resolve-doubt": resolve_doubt,
}
