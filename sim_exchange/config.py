"""The venue's configuration: strict TOML. An error names the file, the key and what is expected."""

import re
import tomllib
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import msgspec

from sim_exchange.enums import Phase
from sim_exchange.session import Identity

_MAX_DELAY_MS = 600_000
_MAX_CROWD = 1_000_000
# A quantity of 18 digits is told exactly in units of the ninth place.
_LIMIT, _PLACES = 10**15, 9
_NAME = re.compile(r"[ -~]+")
_TAG_AND_VALUE = re.compile(r"[1-9][0-9]*=[ -~]+")


class ConfigError(Exception):
    """The configuration cannot be used; `args[0]` is one line for a person."""


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[venue]: who the venue is and where it listens. `fix` is host:port; `control` is host:port or unix:PATH.

    `mass_status` answers OrderMassStatusRequest(AF), `mass_status_ended` also with orders that have ended;
    `mass_cancel` answers OrderMassCancelRequest(q). `max_skew_s` is how far SendingTime(52) may be from the venue's
    clock, 0 for no limit.
    """

    name: str
    fix: str = "127.0.0.1:0"
    control: str = "127.0.0.1:0"
    data_dir: str
    seed: int = 1
    max_records: int = 2_000_000
    mass_status: bool = True
    mass_status_ended: bool = False
    mass_cancel: bool = True
    max_skew_s: int = 120


class RequiredTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag that this venue demands on some message types although FIX does not."""

    tag: int
    msg_types: list[str]


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[session]]: one client. `client` is its SenderCompID(49).

    `cancel_on_disconnect_tag` is what a Logon(A) asks for cancel on disconnect with, such as 9100=Y.
    """

    client: str
    begin_string: Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
    username: str | None = None
    password: str | None = None
    required: list[RequiredTag] = []
    cancel_on_disconnect_tag: str | None = None


class DropCopyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[drop_copy]]: a session that gets copies of other sessions' reports. `client` is its SenderCompID(49).

    `of` names the clients that are copied, none for all; `reports` "all" copies every report and not only executions.
    """

    client: str
    begin_string: Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"]
    username: str | None = None
    password: str | None = None
    of: list[str] = []
    reports: Literal["executions", "all"] = "executions"


class CrowdConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Random counterparties of one instrument.

    `rate` is actions per second, 0 for none; `take` is the share of actions that trade.
    """

    rate: float = 0.0
    spread_ticks: int = 2
    levels: int = 5
    max_lots: int = 500
    max_quotes: int = 200
    take: float = 0.05


class InstrumentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[instrument]]: what trades. `tick`, `lot` and `reference` are decimal strings."""

    symbol: str
    tick: str
    lot: str
    reference: str
    currency: str = "USD"
    mode: Literal["auto", "manual"] = "auto"
    phase: Phase = Phase.OPEN
    crowd: CrowdConfig = CrowdConfig()


FaultKind = Literal[
    "delay",
    "duplicate",
    "reorder",
    "poss_dup",
    "poss_resend",
    "drop",
    "gap",
    "lose",
    "torn",
    "reject",
    "silence",
    "session_reject",
    "business_reject",
    "refuse_logon",
    "lose_numbers",
    "bust",
    "correct",
    "unsolicited_cancel",
    "halt",
    "done_for_day",
    "restate",
    "overfill",
]


# The MsgTypes(35) that a kind of fault can hit; the others befall orders.
_REPLIES, _REQUESTS, _LOGON = ("8", "9", "r"), ("D", "F", "G", "H", "AF", "q"), ("A",)
_HITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("delay", "duplicate", "reorder", "poss_dup", "poss_resend", "drop", "gap", "lose", "torn"), _REPLIES
    ),
    **dict.fromkeys(("silence", "session_reject", "business_reject"), _REQUESTS),
    **dict.fromkeys(("refuse_logon", "lose_numbers"), _LOGON),
    "reject": ("D", "F", "G"),
}


class FaultConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[fault]]: what goes wrong, and when. See docs/sim-exchange.md, Fault script."""

    kind: FaultKind
    msg_type: str | None = None
    exec_type: str | None = None
    symbol: str | None = None
    session: str | None = None
    cl_ord_id: str | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    times: int | None = None
    delay_ms: int = 0
    qty: str | None = None
    px: str | None = None
    reason: int | None = None
    text: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration file."""

    venue: VenueConfig
    session: list[SessionConfig]
    instrument: list[InstrumentConfig]
    fault: list[FaultConfig] = []
    drop_copy: list[DropCopyConfig] = []

    def sessions(self) -> list[SessionConfig | DropCopyConfig]:
        """All FIX sessions that this venue accepts."""
        return [*self.session, *self.drop_copy]

    def identity(self, session: SessionConfig | DropCopyConfig) -> Identity:
        """The FIX session with one client."""
        return Identity(
            begin_string=session.begin_string,
            sender=self.venue.name,
            target=session.client,
            username=session.username,
            password=session.password,
            max_skew_s=self.venue.max_skew_s,
        )


def load(path: Path) -> Config:
    """Read and check a configuration file. Relative `data_dir` and unix paths are taken from the working directory.

    Raises ConfigError.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
    for problem in _problems(config):
        raise ConfigError(f"{path}: {problem}")
    return config


def parse_fault(data: dict[str, Any]) -> FaultConfig:
    """A fault from a control request. Raises ConfigError."""
    try:
        fault = msgspec.convert(data, FaultConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    for problem in _fault_problems("fault", fault):
        raise ConfigError(problem)
    return fault


def _problems(config: Config) -> list[str]:
    problems = _address_problems(config.venue) + _name_problems(config)
    if not 0 <= config.venue.max_skew_s <= 86_400:
        problems.append("venue.max_skew_s: expected 0 to 86400")
    if not config.session:
        problems.append("session: expected at least one [[session]]")
    if not config.instrument:
        problems.append("instrument: expected at least one [[instrument]]")
    for n, instrument in enumerate(config.instrument):
        problems += _instrument_problems(f"instrument[{n}]", instrument)
    names = [i.symbol for i in config.instrument]
    problems += [f"instrument: symbol {s} is given twice" for s in sorted({s for s in names if names.count(s) > 1})]
    keys = [(s.client, s.begin_string) for s in config.sessions()]
    problems += [f"session: {c} with {b} is given twice" for c, b in sorted({k for k in keys if keys.count(k) > 1})]
    for n, session in enumerate(config.session):
        tag = session.cancel_on_disconnect_tag
        if tag is not None and not _TAG_AND_VALUE.fullmatch(tag):
            problems.append(f"session[{n}].cancel_on_disconnect_tag: expected TAG=VALUE such as 9100=Y, got {tag!r}")
    clients = {s.client for s in config.session}
    for n, copy in enumerate(config.drop_copy):
        problems += [f"drop_copy[{n}].of: no [[session]] has client {c}" for c in copy.of if c not in clients]
    for n, fault in enumerate(config.fault):
        problems += _fault_problems(f"fault[{n}]", fault)
    return problems


def _name_problems(config: Config) -> list[str]:
    """Names are values of FIX fields; none may be empty or hold a delimiter."""
    names = [("venue.name", config.venue.name)]
    names += [(f"session[{n}].client", s.client) for n, s in enumerate(config.session)]
    names += [(f"drop_copy[{n}].client", s.client) for n, s in enumerate(config.drop_copy)]
    names += [(f"instrument[{n}].symbol", i.symbol) for n, i in enumerate(config.instrument)]
    return [f"{at}: expected printable ASCII, got {name!r}" for at, name in names if not _NAME.fullmatch(name)]


def _address_problems(venue: VenueConfig) -> list[str]:
    problems = []
    for key, address in (("fix", venue.fix), ("control", venue.control)):
        if key == "control" and address.startswith("unix:"):
            continue
        host, _, port = address.rpartition(":")
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            problems.append(f"venue.{key}: expected IP:PORT, got {address}")
            continue
        if not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
            problems.append(f"venue.{key}: expected a port from 0 to 65535, got {port}")
        if key == "control" and not loopback:
            problems.append("venue.control: expected a loopback address, whoever reaches it owns the venue")
    return problems


def _instrument_problems(at: str, instrument: InstrumentConfig) -> list[str]:
    problems = []
    values = {key: _decimal(getattr(instrument, key)) for key in ("tick", "lot", "reference")}
    for key, value in values.items():
        if value is None or not 0 < value < _LIMIT or value != round(value, _PLACES):
            problems.append(
                f"{at}.{key}: expected a positive decimal as a string, below {_LIMIT} with at most {_PLACES} places, "
                f"got {getattr(instrument, key)!r}"
            )
    if not problems and values["reference"] % values["tick"]:  # type: ignore[operator]
        problems.append(f"{at}.reference: expected a multiple of the tick {instrument.tick}")
    return problems + _crowd_problems(f"{at}.crowd", instrument.crowd)


def _crowd_problems(at: str, crowd: CrowdConfig) -> list[str]:
    problems = []
    if not 0 <= crowd.rate <= 1000:
        problems.append(f"{at}.rate: expected 0 to 1000 actions per second")
    if not 0 <= crowd.take <= 1:
        problems.append(f"{at}.take: expected 0 to 1")
    for key, least in (("spread_ticks", 0), ("levels", 1), ("max_lots", 1), ("max_quotes", 1)):
        if not least <= getattr(crowd, key) <= _MAX_CROWD:
            problems.append(f"{at}.{key}: expected {least} to {_MAX_CROWD}")
    return problems


def _fault_problems(at: str, fault: FaultConfig) -> list[str]:
    problems = []
    chosen = [key for key in ("nth", "every", "probability") if getattr(fault, key) is not None]
    if len(chosen) > 1:
        problems.append(f"{at}: expected one of nth, every, probability, got {' and '.join(chosen)}")
    hits = _HITS.get(fault.kind, ())
    if fault.msg_type is not None and fault.msg_type not in hits:
        problems.append(
            f"{at}.msg_type: expected {' or '.join(hits) or 'none'} with {fault.kind}, got {fault.msg_type}"
        )
    if fault.probability is not None and not 0 <= fault.probability <= 1:
        problems.append(f"{at}.probability: expected 0 to 1")
    for key in ("nth", "every", "times"):
        value = getattr(fault, key)
        if value is not None and value < 1:
            problems.append(f"{at}.{key}: expected 1 or more")
    for key in ("qty", "px"):
        value = getattr(fault, key)
        if value is not None and _decimal(value) is None:
            problems.append(f"{at}.{key}: expected a decimal as a string")
    if not 0 <= fault.delay_ms <= _MAX_DELAY_MS:
        problems.append(f"{at}.delay_ms: expected 0 to 600000")
    return problems


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
