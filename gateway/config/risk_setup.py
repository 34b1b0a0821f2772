"""From the configuration to what the core knows about risk."""

from collections.abc import Iterator
from decimal import Decimal

from gateway.config.risk import RiskConfig, RiskLimitsConfig
from gateway.config.sections import ClientConfig, Config, InstrumentConfig
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import (
    BreakerRule,
    Limit,
    RiskClient,
    RiskInstrument,
    RiskSetup,
    RiskVenue,
    Scenario,
)

_SECOND_NS = 1_000_000_000


def core_risk(config: Config) -> RiskSetup:
    """What the configuration says about risk, as the core wants it."""
    said = config.risk
    return RiskSetup(
        currency=said.currency,
        rates=dict(said.rates),
        desks={desk.name: desk.parent for desk in said.desks},
        accounts=_accounts(config),
        clients={client.id: _client(client) for client in config.clients if client.role == "trader"},
        instruments={item.symbol: _instrument(item) for item in config.instruments},
        venues={venue.name: RiskVenue(venue.dialect.mass_cancel) for venue in config.venues},
        limits={each.scope: dict(_limits(each)) for each in said.limits},
        restricted={each.scope: each.restricted for each in said.limits if each.restricted},
        permitted={each.scope: each.permitted for each in said.limits if each.permitted is not None},
        scenarios=tuple(Scenario(each.name, dict(each.shocks)) for each in said.scenarios),
        correlations={"/".join(each.of): each.value for each in said.correlations},
        breakers=_breakers(said),
        self_match=said.self_match,
        approvals=said.approvals,
        day_start=int(said.day_start[:2]) * 60 + int(said.day_start[3:]),
        time_zone=said.time_zone,
    )


def _accounts(config: Config) -> dict[str, str]:
    """Every account of a client, and its desk; what is in no desk belongs to the firm."""
    desks = {account: desk.name for desk in config.risk.desks for account in desk.accounts}
    accounts = sorted({account for client in config.clients for account in client.accounts})
    return {account: desks.get(account, "") for account in accounts}


def _client(client: ClientConfig) -> RiskClient:
    grace_s = client.cancel_on_disconnect_s
    return RiskClient(client.accounts, client.strategies, None if grace_s is None else grace_s * _SECOND_NS)


def _instrument(item: InstrumentConfig) -> RiskInstrument:
    return RiskInstrument(
        asset_class=item.asset_class,
        currency=item.currency,
        multiplier=item.multiplier,
        tick_size=item.tick_size,
        lot_size=item.lot_size,
        reference_px=item.reference_px,
        margin_pct=item.margin_pct,
        volatility_pct=item.volatility_pct,
        short_sale=item.short_sale,
    )


def _limits(said: RiskLimitsConfig) -> Iterator[tuple[Control, Limit]]:
    """Each limit that is given. The keys of a limit are the words of `Control`."""
    if (rate := said.message_rate) is not None:
        yield Control.MESSAGE_RATE, Limit(Decimal(rate.count), per_s=rate.per_s)
    if (ratio := said.order_to_trade) is not None:
        yield Control.ORDER_TO_TRADE, Limit(ratio.ratio, after=Decimal(ratio.after))
    if (share := said.max_concentration_pct) is not None:
        yield Control.MAX_CONCENTRATION_PCT, Limit(share.pct, after=share.above)
    for control in Control:
        value = getattr(said, control)
        if isinstance(value, (int, Decimal)):
            yield control, Limit(Decimal(value))


def _breakers(said: RiskConfig) -> tuple[BreakerRule, ...]:
    return tuple(
        BreakerRule(
            scope=each.scope,
            kind=Breaker(each.kind),
            value=each.value,
            clear=each.clear,
            window_s=each.window_s,
            after=each.after,
            cool_down_s=each.cool_down_s,
            needs_person=each.needs_person,
            cancels=each.cancels,
        )
        for each in said.breakers
    )
