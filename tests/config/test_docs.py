"""docs/configuration.md has every key of every section, with what it may be and its default, and nothing else."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect as mi

from gateway.config import risk, sections
from gateway.config.shape import describe
from gateway.config.values import Section

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
SECTIONS: dict[str, type] = {
    "The file": sections.Config,
    "`[journal]`": sections.JournalConfig,
    "`[api]`": sections.ApiConfig,
    "`[metrics]`": sections.MetricsConfig,
    "`[log]`": sections.LogConfig,
    "`[limits]`": sections.LimitsConfig,
    "`[retention]`": sections.RetentionConfig,
    "`[projections]`": sections.ProjectionsConfig,
    "`[[clients]]`": sections.ClientConfig,
    "`[[venues]]`": sections.VenueConfig,
    "`[venues.schedule]`": sections.ScheduleConfig,
    "`[venues.reconcile]`": sections.ReconcileConfig,
    "`[venues.drop_copy]`": sections.DropCopyConfig,
    "`[venues.dialect]`": sections.DialectConfig,
    "`[[instruments]]`": sections.InstrumentConfig,
    "`[risk]`": risk.RiskConfig,
    "`[[risk.desks]]`": risk.DeskConfig,
    "`[[risk.limits]]`": risk.RiskLimitsConfig,
    "`[risk.limits.message_rate]`": risk.MessageRateConfig,
    "`[risk.limits.order_to_trade]`": risk.OrderToTradeConfig,
    "`[risk.limits.max_concentration_pct]`": risk.ConcentrationConfig,
    "`[[risk.scenarios]]`": risk.ScenarioConfig,
    "`[[risk.correlations]]`": risk.CorrelationConfig,
    "`[[risk.breakers]]`": risk.BreakerConfig,
    "`[[trading_sessions]]`": sections.TradingSessionConfig,
    "`[[trading_sessions.auctions]]`": sections.AuctionConfig,
}


def documented(title: str) -> list[tuple[str, ...]]:
    """The rows of the section's table: key, what it may be, default, meaning."""
    (text,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    rows = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [tuple(row) for row in rows]


def toml(value: Any) -> str:
    """A default as the file would spell it."""
    match value:
        case None:
            return "none"
        case msgspec.Struct():
            return "as below"
        case str():
            return f'`"{value}"`'
        case tuple():
            return f"`[{', '.join(toml(each).strip('`') for each in value)}]`"
        case dict() if not value:
            return "`{}`"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | Decimal():
            return f"`{value}`"
    raise TypeError(value)


def default(field: mi.Field) -> str:
    if field.required:
        return "required"
    return toml(field.default if field.default is not msgspec.NODEFAULT else field.default_factory())


@pytest.mark.parametrize("title", SECTIONS)
def test_the_page_tells_every_key_with_what_it_may_be_and_its_default(title: str) -> None:
    kind = mi.type_info(SECTIONS[title])
    assert isinstance(kind, mi.StructType)

    rows = documented(title)

    assert [row[:3] for row in rows] == [(f"`{f.encode_name}`", describe(f.type), default(f)) for f in kind.fields]
    assert all(len(row) == 4 and row[3].endswith(".") for row in rows)


def test_the_page_has_all_sections_and_no_others() -> None:
    assert re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE) == list(SECTIONS)
    declared = {
        each
        for module in (sections, risk)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Section)
    }
    assert declared - {Section} == set(SECTIONS.values())
