"""The configuration file: typed and strict. An error names the file, the key, what is there and what is expected.

One file describes one stack. `sections` and `risk` have the keys and `values` what one of them may be, `shape` compares
them with what stands in a file, `checks` and `risk_checks` hold what one key has to say about another, `load` puts them
together. `risk_setup` makes of it what the core knows about risk.
"""

from gateway.config.load import load
from gateway.config.risk import RiskConfig
from gateway.config.risk_setup import core_risk
from gateway.config.sections import (
    ApiConfig,
    ClientConfig,
    Config,
    DialectConfig,
    InstrumentConfig,
    JournalConfig,
    LimitsConfig,
    LogConfig,
    MetricsConfig,
    ScheduleConfig,
    TradingSessionConfig,
    VenueConfig,
)
from gateway.config.values import ConfigError, sqlite_url

__all__ = [
    "ApiConfig",
    "ClientConfig",
    "Config",
    "ConfigError",
    "DialectConfig",
    "InstrumentConfig",
    "JournalConfig",
    "LimitsConfig",
    "LogConfig",
    "MetricsConfig",
    "RiskConfig",
    "ScheduleConfig",
    "TradingSessionConfig",
    "VenueConfig",
    "core_risk",
    "load",
    "sqlite_url",
]
