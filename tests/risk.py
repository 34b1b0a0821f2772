"""Limits that let everything pass, for tests that are about something else, and limits to be changed one by one."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gateway.core.instruments import Instrument
from gateway.core.risk.controls import SPECS, Control
from gateway.core.risk.setup import Limit, RiskClient, RiskInstrument, RiskSetup, RiskVenue

AMPLE = Decimal(10) ** 40
"""A limit that no test reaches; a missing limit would block."""


def ample() -> dict[Control, Limit]:
    """Every control with a limit that nothing reaches. Alike orders may follow one another at once."""
    return {
        **{control: Limit(AMPLE) for control in SPECS},
        Control.MESSAGE_RATE: Limit(Decimal(1_000_000_000), per_s=1),
        Control.DUPLICATE_WINDOW_S: Limit(Decimal(0)),
    }


def risk_instrument(instrument: Instrument, **changes: Any) -> RiskInstrument:
    """What risk knows of an instrument: an equity whose reference price is 10."""
    made = RiskInstrument(
        "equity",
        instrument.currency,
        instrument.multiplier,
        instrument.tick_size,
        instrument.lot_size,
        reference_px=Decimal(10),
    )
    return msgspec.structs.replace(made, **changes)


def open_risk(
    instruments: Mapping[str, Instrument], venues: Iterable[str], currency: str = "EUR", **changes: Any
) -> RiskSetup:
    """Anybody may trade anything, within ample limits."""
    made = RiskSetup(
        currency=currency,
        rates={each.currency: Decimal(1) for each in instruments.values() if each.currency != currency},
        clients={"*": RiskClient(accounts=("*",))},
        instruments={symbol: risk_instrument(each) for symbol, each in instruments.items()},
        venues={venue: RiskVenue() for venue in venues},
        limits={"firm": ample()},
        self_match="off",
    )
    return msgspec.structs.replace(made, **changes)
