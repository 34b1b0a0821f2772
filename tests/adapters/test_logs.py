"""Logs are one JSON object or one readable line an event, and show no secret."""

import io
import json
import logging
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog

from gateway.adapters import logs
from gateway.config import LogConfig, VenueConfig

SOH = "\x01"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def one(**fields: Any) -> dict[str, Any]:
    """What comes out of one event with these fields."""
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream)
    structlog.get_logger("gateway.test").info("seen", **fields)
    (line,) = logged(stream)
    return line


def test_a_line_has_time_level_logger_event_and_the_callers_fields() -> None:
    line = one(venue="XSIM", last_px=Decimal("1.10"), seq=7)

    assert list(line) == ["timestamp", "level", "logger", "event", "venue", "last_px", "seq"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "logger": "gateway.test",
        "event": "seen",
        "venue": "XSIM",
        "last_px": "1.10",
        "seq": 7,
    }


def test_what_libraries_log_comes_out_the_same_way() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream)

    logging.getLogger("asyncio").warning("slow %s", "callback", extra={"password": "hunter2"})

    (line,) = logged(stream)
    assert (line["level"], line["logger"], line["event"], line["password"]) == (
        "warning",
        "asyncio",
        "slow callback",
        "***",
    )
    assert line["timestamp"].endswith("Z")


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(level="warning", format="json"), stream)

    structlog.get_logger("a").info("no")
    structlog.get_logger("a").warning("yes")
    logging.getLogger("b").info("no")

    assert [line["event"] for line in logged(stream)] == ["yes"]


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        logs.configure(LogConfig(format="auto"), stream)
        structlog.get_logger("gateway.test").info("seen", venue="XSIM")

    assert "\x1b[" in terminal.getvalue()
    assert "seen" in terminal.getvalue()
    assert logged(pipe)[0]["venue"] == "XSIM"


def test_console_without_a_terminal_has_no_colours() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="console"), stream)
    structlog.get_logger("gateway.test").info("seen", venue="XSIM")

    assert "\x1b" not in stream.getvalue()
    assert "venue=XSIM" in stream.getvalue()


def test_the_last_configuration_counts() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(LogConfig(format="json"), first)
    logs.configure(LogConfig(format="json"), second)
    structlog.get_logger("a").info("once")

    assert not first.getvalue()
    assert len(logged(second)) == 1


@pytest.mark.parametrize("key", ["password", "new_password", "PASSWORD", "client_secret", "api_token"])
@pytest.mark.parametrize("value", ["hunter2", 17, ["hunter2"], {"a": "hunter2"}])
def test_a_value_under_a_telling_key_is_hidden(key: str, value: object) -> None:
    assert one(**{key: value})[key] == "***"
    assert one(inner=[{key: value}])["inner"] == [{key: "***"}]


@pytest.mark.parametrize("tag", [554, 925, 96, 1402, 1404])
@pytest.mark.parametrize("separator", [SOH, "|", "^A"])
def test_a_password_inside_a_fix_message_is_hidden(tag: int, separator: str) -> None:
    raw = separator.join(["8=FIX.4.4", "35=A", "553=me", f"{tag}=hunter2", "10=123", ""])

    line = one(raw=raw, text=f"{tag}=hunter2", nested={"raws": [raw]}, octets=raw.encode())

    assert "hunter2" not in json.dumps(line)
    assert line["raw"] == raw.replace("hunter2", "***")
    assert line["nested"]["raws"] == [raw.replace("hunter2", "***")]


def test_a_password_with_a_pipe_in_it_is_hidden_whole() -> None:
    assert one(raw=f"553=me{SOH}554=hun|ter2{SOH}10=123{SOH}")["raw"] == f"553=me{SOH}554=***{SOH}10=123{SOH}"


def test_other_tags_that_end_in_the_same_digits_stay() -> None:
    raw = f"8=FIX.4.4{SOH}1554=a{SOH}196=b{SOH}9554=c{SOH}"

    assert one(raw=raw)["raw"] == raw


def test_a_secret_in_the_event_itself_in_an_exception_or_in_a_url_is_hidden() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream)
    log = structlog.get_logger("gateway.test")

    log.info("sent %s", f"35=A{SOH}554=hunter2{SOH}")
    try:
        int("bad message 35=A|554=hunter2|10=1|")
    except ValueError:
        log.exception("failed")
    log.info("database", url="postgresql://me:hunter2@db/x")
    log.info("database", url="postgresql://db/x?password=hunter2&connect_timeout=3")

    assert "hunter2" not in stream.getvalue()
    assert "'bad message 35=A|554=***|10=1|" in logged(stream)[1]["exception"]
    assert logged(stream)[2]["url"] == "postgresql://me:***@db/x"
    assert logged(stream)[3]["url"] == "postgresql://db/x?password=***&connect_timeout=3"


def test_a_venues_configuration_can_be_logged() -> None:
    venue = VenueConfig("XSIM", "FIX.4.4", "host", 1, "GW", "XSIM", username="me", password="hunter2")

    assert "hunter2" not in json.dumps(one(venue=venue))
