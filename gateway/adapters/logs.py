"""Structured logs on standard error: one line an event, JSON for programs or coloured text for people, never a secret.

Every line has `timestamp` (UTC, ISO 8601, microseconds), `level`, `logger` and `event`, and whatever the caller added.
What libraries log through the standard library's logging comes out the same way.

A line is written by the thread that logs it. So log what an operator wants to know, not what happens on every order; a
standard error that nobody reads (a full pipe) holds up the thread that writes to it.
"""

import logging
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.config import LogConfig

HIDDEN = "***"
_SECRET_KEY = re.compile("password|secret|token", re.IGNORECASE)
# Password(554), NewPassword(925), RawData(96), EncryptedPassword(1402), EncryptedNewPassword(1404).
_TAGS = "(?:554|925|96|1402|1404)="
# Between the fields of a message stands SOH, raw or as repr() spells it, or what people put in its place. Where it is
# SOH, a password may hold a "|" of its own.
_WITH_SOH = re.compile(rf"((?:^|\x01|\\x01|[\s'\"]){_TAGS})(?:(?!\x01|\\x01).)*", re.DOTALL)
_WITH_PIPE = re.compile(rf"((?:^|\||\^A|[\s'\"]){_TAGS})(?:(?!\||\^A).)*", re.DOTALL)
_URL_PASSWORD = re.compile(r"(?P<user>://[^:/@\s]*:)[^@\s]*@|(?P<option>[?&]password=)[^&\s'\"]*")


def configure(config: LogConfig, stream: TextIO | None = None) -> None:
    """Send everything that is logged from now on to `stream`, standard error when not given. The last call counts."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(config, stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level.upper())
    # Which steps an upgrade of the tables takes is in the version's notes; that it does is the journal's own line.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that hides secrets: values under a telling key, passwords inside FIX messages and URLs."""
    return {key: _hide(key, value) for key, value in event.items()}


_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper("%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def _formatter(config: LogConfig, stream: TextIO) -> logging.Formatter:
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_COMMON],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _what_when_first, redact, renderer],
    )


def _what_when_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What every line has comes before what only this one has."""
    return {key: event[key] for key in ("timestamp", "level", "logger", "event") if key in event} | dict(event)


def _hide(key: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return HIDDEN if value is not None and _SECRET_KEY.search(key) else value
    if _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _hide(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hide("", item) for item in value]
    return _scrub(str(value) if isinstance(value, (str, Decimal)) else repr(value))


def _scrub(text: str) -> str:
    pattern = _WITH_SOH if "\x01" in text or "\\x01" in text else _WITH_PIPE
    return _URL_PASSWORD.sub(_hidden_in_url, pattern.sub(rf"\1{HIDDEN}", text))


def _hidden_in_url(found: re.Match[str]) -> str:
    return f"{found['user']}{HIDDEN}@" if found["user"] else f"{found['option']}{HIDDEN}"
