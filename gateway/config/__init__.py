"""The configuration file: typed and strict. An error names the file, the key, what is there and what is expected.

One file describes one stack. `sections` has the keys, `shape` compares them with what stands in a file, `checks` holds
what one key has to say about another, `load` puts them together.
"""

from gateway.config.load import load
from gateway.config.sections import (
    ApiConfig,
    ClientConfig,
    Config,
    ConfigError,
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
    "ScheduleConfig",
    "TradingSessionConfig",
    "VenueConfig",
    "load",
]
