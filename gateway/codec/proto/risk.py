"""Limits, stops, breaches and exposure as the API shows them."""

from decimal import Decimal

from gateway.codec.proto import enums
from gateway.codec.proto.orders import decimal_text
from gateway.core.risk.events import BreachBegan, LimitProposed, OverrideProposed
from gateway.core.risk.figures import Figures, Gain
from gateway.core.risk.limits import unit_of
from gateway.core.risk.setup import Limit
from gateway.core.risk.state import KnownMark, Stop
from gateway.pb.v1 import gateway_pb2 as pb


def limit_to_pb(limit: Limit | None) -> pb.Limit | None:
    """A limit; None stays none."""
    if limit is None:
        return None
    return pb.Limit(value=decimal_text(limit.value), per_s=limit.per_s, after=decimal_text(limit.after))


def proposal_to_pb(
    proposal: LimitProposed | OverrideProposed, in_force: Limit | None, currency: str, lapses_ns: int
) -> pb.Proposal:
    """A change that waits for a second person; money is in the risk currency."""
    made = pb.Proposal(
        change_id=proposal.change_id,
        scope=proposal.scope,
        control=proposal.control,
        operator=proposal.operator,
        reason=proposal.reason,
        lapses_ns=lapses_ns,
    )
    if isinstance(proposal, LimitProposed):
        change = pb.Proposal(
            unit=unit_of(proposal.control, currency),
            limit=limit_to_pb(proposal.limit),
            in_force=limit_to_pb(in_force),
            expires_ns=proposal.expires_ns,
        )
        made.MergeFrom(change)
    else:
        made.override_until_ns = proposal.until_ns
    return made


def stop_to_pb(stop: Stop, open_orders: int) -> pb.Stop:
    """A scope in which trading is stopped."""
    said = stop.stopped
    return pb.Stop(
        scope=said.scope,
        source=said.source,
        reason=said.reason,
        operator=said.operator,
        cancels=said.cancels,
        allow_reducing=said.allow_reducing,
        needs_person=said.needs_person,
        until_ns=said.until_ns,
        stopped_ns=stop.at_ns,
        completed=stop.completed,
        open_orders=open_orders,
    )


def breach_to_pb(breach: BreachBegan) -> pb.Breach:
    """A figure beyond its limit, or near it."""
    return pb.Breach(
        scope=breach.scope,
        control=breach.control,
        severity=enums.SEVERITY_TO_PB[breach.severity],  # type: ignore[arg-type]  # The stub wants the enum's own type.
        value=decimal_text(breach.value),
        limit=decimal_text(breach.limit),
        text=breach.text,
        symbol=breach.symbol,
    )


def mark_to_pb(known: KnownMark, currency: str) -> pb.MarkRow:
    """What an instrument is worth, and since when that is known."""
    mark = pb.Mark(
        symbol=known.mark.symbol, px=decimal_text(known.mark.px), bid=_quote(known.mark.bid), ask=_quote(known.mark.ask)
    )
    return pb.MarkRow(mark=mark, currency=currency, set_ns=known.at_ns)


def _quote(px: Decimal | None) -> str | None:
    return None if px is None else decimal_text(px)


def exposure_to_pb(figures: Figures) -> pb.Exposure:
    """One row of an exposure."""
    made = pb.Exposure(
        scope=figures.row.scope,
        parent=figures.parent,
        symbol=figures.row.symbol,
        long_notional=decimal_text(figures.long),
        short_notional=decimal_text(figures.short),
        net_notional=decimal_text(figures.net),
        gross_notional=decimal_text(figures.gross),
        open_buys=decimal_text(figures.buys),
        open_sells=decimal_text(figures.sells),
        open_orders=figures.open_orders,
        margin=decimal_text(figures.margin),
        margin_used=decimal_text(figures.margin_used),
        correlated_exposure=decimal_text(figures.correlated),
        worst_scenario=figures.worst_scenario,
        worst_scenario_loss=decimal_text(figures.worst_loss),
        net_qty=_told(figures.net_qty),
        uses=[
            pb.Use(control=use.control.value, used=decimal_text(use.used), limit=decimal_text(use.limit))
            for use in figures.uses
        ],
    )
    if figures.gain is not None:
        _add_gain(made, figures.gain)
    return made


def _add_gain(made: pb.Exposure, gain: Gain) -> None:
    made.realized_profit = decimal_text(gain.realized)
    made.unrealized_profit = decimal_text(gain.unrealized)
    made.day_profit = decimal_text(gain.day)
    made.day_high = decimal_text(gain.high)
    made.drawdown = decimal_text(gain.drawdown)


def _told(value: Decimal | None) -> str:
    return "" if value is None else decimal_text(value)
