"""From a TOML file to a `Config`, or to every problem that it has."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import inspect as mi
from msgspec.structs import replace

from gateway.config.checks import check
from gateway.config.risk_checks import check_risk
from gateway.config.sections import Config
from gateway.config.shape import Problem, Shape
from gateway.config.values import SQLITE, ConfigError, sqlite_url


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `path`, checked, with its paths made absolute.

    `data_dir` is relative to the file's directory; the SQLite file and the Unix socket are relative to `data_dir`.
    "${NAME}" in a text value stands for the environment variable NAME, so that no secret has to stand in the file.

    Raises:
        ConfigError: the file cannot be read or used. All problems of one kind are reported together: first what has not
            the right form, then what does not fit together.
    """
    raw = _parse(path)
    shape = Shape(environment)
    try:
        read = shape.read(mi.type_info(Config), raw)
    except ValueError:  # A number in hexadecimal of thousands of digits cannot be shown.
        raise _unbounded(path) from None
    _refuse(path, raw, shape.problems)
    config = _absolute(msgspec.convert(read, Config), path.absolute().parent)
    _refuse(path, raw, [*check(config), *check_risk(config)])
    return config


def _parse(path: Path) -> dict[str, Any]:
    try:
        # Decimal, because no float may ever touch a price or a quantity (rule 6).
        # Some editors begin a file with a byte order mark, which nobody sees and TOML does not know.
        return tomllib.loads(path.read_text("utf-8").removeprefix("\ufeff"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start} is not UTF-8, expected a TOML file"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {_place(str(error))}"]) from None
    except (ValueError, ArithmeticError):
        raise _unbounded(path) from None
    except RecursionError:
        raise ConfigError([f"{path}: arrays or tables stand in one another a thousand times, expected TOML"]) from None


def _unbounded(path: Path) -> ConfigError:
    """Of a number of thousands of digits, or with such an exponent; the parser does not say where."""
    return ConfigError(
        [f"{path}: there is a number with thousands of digits or an endless exponent, expected a shorter one"]
    )


def _place(message: str) -> str:
    """The parser's message with the place in front: "line 3, column 5: Invalid value"."""
    found = re.fullmatch(r"(?s)(.*) \(at (line \d+, column \d+|end of document)\)", message)
    return f"{found[2]}: {found[1]}, expected TOML" if found else message


def _refuse(path: Path, raw: dict[str, Any], problems: Iterable[Problem]) -> None:
    lines = [f"{path}: {problem.key}{_label(raw, problem.key)}: {problem.text}" for problem in problems]
    if lines:
        raise ConfigError(lines)


def _label(raw: dict[str, Any], key: str) -> str:
    """Which of many it is, by name: " (XSIM)" for venues[0].port."""
    found = re.match(r"(risk\.)?(\w+)\[(\d+)\]", key)
    if found is None:
        return ""
    item = (raw["risk"] if found[1] else raw)[found[2]][int(found[3])]
    if not isinstance(item, dict):
        return ""
    name = item.get("name") or item.get("symbol") or item.get("id") or item.get("scope")
    return f" ({name[:32]})" if isinstance(name, str) else ""


def _absolute(config: Config, base: Path) -> Config:
    data_dir = (base / config.data_dir).resolve()
    socket = config.api.unix_socket
    return replace(
        config,
        data_dir=str(data_dir),
        journal=replace(config.journal, url=_database(config.journal.url, data_dir)),
        projections=replace(config.projections, url=_database(config.projections.url, data_dir)),
        api=replace(config.api, unix_socket=socket and str(data_dir / socket)),
    )


def _database(url: str, data_dir: Path) -> str:
    """The URL with the path of a SQLite file made absolute."""
    return sqlite_url(data_dir / unquote(url.removeprefix(SQLITE))) if url.startswith(SQLITE) else url
