"""What one key has to say about another: names that must exist, things that must differ, files that must be there."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from gateway.config.sections import (
    ClientConfig,
    Config,
    DialectConfig,
    InstrumentConfig,
    TradingSessionConfig,
    VenueConfig,
)
from gateway.config.shape import Problem
from gateway.config.values import SQLITE
from gateway.lane import MAX_SOCKET_PATH_BYTES
from gateway.resources import fix_spec_path

Item = TypeVar("Item")

# Each session's FIX store is a folder of the venue's name, and beside them is one with this name for all dictionaries.
_NO_FOLDERS = (".", "..", "dictionaries")
# BeginString, BodyLength, CheckSum, MsgSeqNum, MsgType, PossDupFlag, SenderCompID, SendingTime, TargetCompID,
# PossResend, OrigSendingTime.
_SESSION_TAGS = frozenset({"8", "9", "10", "34", "35", "43", "49", "52", "56", "97", "122"})
# EncryptMethod, HeartBtInt, ResetSeqNumFlag, Username, Password, NextExpectedMsgSeqNum, DefaultApplVerID.
_LOGON_TAGS = frozenset({"98", "108", "141", "553", "554", "789", "1137"})
# Account, ClOrdID, ExecInst, HandlInst, OrderID, OrderQty, OrdType, OrigClOrdID, Price, Side, Symbol, TimeInForce,
# TransactTime, StopPx, ExDestination, MaxFloor, LocateReqd, ExpireTime, CashOrderQty, MassCancelRequestType.
_ORDER_TAGS = frozenset(
    {
        "1",
        "11",
        "18",
        "21",
        "37",
        "38",
        "40",
        "41",
        "44",
        "54",
        "55",
        "59",
        "60",
        "99",
        "100",
        "111",
        "114",
        "126",
        "152",
        "530",
    }
)


def check(config: Config) -> Iterator[Problem]:
    """Every problem of a configuration whose single values are already known to have the right form."""
    yield from unique("clients[{}].id", [client.id for client in config.clients])
    yield from unique("venues[{}].name", [venue.name for venue in config.venues])
    yield from unique("instruments[{}].symbol", [instrument.symbol for instrument in config.instruments])
    yield from unique("trading_sessions[{}].name", [session.name for session in config.trading_sessions])
    yield from each("clients", config.clients, _client)
    accounts = {account for client in config.clients for account in client.accounts}
    yield from each("venues", config.venues, lambda key, venue: _venue(key, venue, accounts))
    yield from _fix_sessions(config.venues)
    yield from each("trading_sessions", config.trading_sessions, _trading_session)
    venues = [venue.name for venue in config.venues]
    sessions = [session.name for session in config.trading_sessions]
    yield from each("instruments", config.instruments, lambda key, item: _instrument(key, item, venues, sessions))
    yield from _symbols_at_venues(config.instruments)
    yield from _listeners(config)
    if _place(config.projections.url) == _place(config.journal.url):
        yield Problem(
            "projections.url", "found the journal's own, expected another database: it can be dropped at any time"
        )


def _place(url: str) -> str:
    """The same for every spelling of a SQLite file."""
    path = url.removeprefix(SQLITE)
    return url if path == url else str(Path(path).resolve())


def each(name: str, items: Iterable[Item], one: Callable[[str, Item], Iterator[Problem]]) -> Iterator[Problem]:
    """What `one` finds at each of a list, with its key."""
    for place, item in enumerate(items):
        yield from one(f"{name}[{place}]", item)


def unique(key: str, values: Sequence[str]) -> Iterator[Problem]:
    """Names that stand there twice; `key` has a place for the number."""
    for place, value in enumerate(values):
        if value in values[:place]:
            first = key.format(values.index(value))
            yield Problem(
                key.format(place), f'found "{value}" a second time, expected each only once; first at {first}'
            )


def known(key: str, value: str, names: Collection[str], what: str) -> Iterator[Problem]:
    """A name that is none of those that there are, with the close one."""
    if value not in names:
        close = difflib.get_close_matches(value, names, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        expected = ", ".join(names) or "none is configured"
        yield Problem(key, f'found "{value}", expected {what} ({expected}){hint}')


def _client(key: str, client: ClientConfig) -> Iterator[Problem]:
    yield from unique(key + ".accounts[{}]", client.accounts)
    if client.role == "trader" and not client.accounts:
        yield Problem(
            f"{key}.accounts", "found none, expected at least one account for a trader; the first is its default"
        )


def _venue(key: str, venue: VenueConfig, accounts: Collection[str]) -> Iterator[Problem]:
    if venue.name in _NO_FOLDERS:
        yield Problem(f"{key}.name", f'found "{venue.name}", expected another name: a folder is named after the venue')
    yield from _dialect(f"{key}.dialect", venue.dialect, accounts)
    if venue.password and not venue.username:
        yield Problem(f"{key}.username", "is missing, expected the Username(553) that belongs to the password")
    if venue.reconcile.mode == "mass" and venue.begin_string == "FIX.4.2":
        yield Problem(f"{key}.reconcile.mode", 'found "mass", expected "each": FIX 4.2 has no OrderMassStatusRequest')
    if venue.dialect.mass_cancel and venue.begin_string == "FIX.4.2":
        yield Problem(f"{key}.dialect.mass_cancel", "found true, expected false: FIX 4.2 has no OrderMassCancelRequest")
    if not venue.dialect.handl_inst and venue.begin_string == "FIX.4.2":
        expected = 'expected "1", "2" or "3": FIX 4.2 requires HandlInst(21) of orders and replaces'
        yield Problem(f"{key}.dialect.handl_inst", f'found "", {expected}')
    if venue.drop_copy is not None and venue.drop_copy.password and not venue.drop_copy.username:
        yield Problem(
            f"{key}.drop_copy.username", "is missing, expected the Username(553) that belongs to the password"
        )
    if venue.schedule is None:
        return
    yield from time_zone(f"{key}.schedule.time_zone", venue.schedule.time_zone)
    if bool(venue.schedule.start_day) != bool(venue.schedule.end_day):
        yield Problem(
            f"{key}.schedule",
            "found one of start_day and end_day, expected both (a weekly session) or none (a daily one)",
        )


def _dialect(key: str, dialect: DialectConfig, accounts: Collection[str]) -> Iterator[Problem]:
    for msg_type, tags in dialect.add.items():
        ours = _SESSION_TAGS | (_LOGON_TAGS if msg_type == "A" else _ORDER_TAGS)
        for tag in tags:
            if tag in ours:
                yield Problem(f"{key}.add.{msg_type}.{tag}", "the gateway itself writes this tag, expected another one")
    if "A" in dialect.required:
        yield Problem(f"{key}.required.A", "the Logon is not held back for a tag, expected the tag in add.A")
    for account in dialect.accounts:
        yield from known(f"{key}.accounts.{account}", account, sorted(accounts), "an account of some client")
    if dialect.dictionary:
        try:
            fix_spec_path(dialect.dictionary)
        except FileNotFoundError as error:
            yield Problem(f"{key}.dictionary", str(error))


def _fix_sessions(venues: Sequence[VenueConfig]) -> Iterator[Problem]:
    """A FIX session is known by version and CompIDs within the process, and by CompIDs to the one who listens."""
    seen: dict[tuple[str, ...], str] = {}
    for place, venue in enumerate(venues):
        ends = {f"venues[{place}]": venue, f"venues[{place}].drop_copy": venue.drop_copy}
        for key, end in ends.items():
            if end is None:
                continue
            comp_ids = (end.sender_comp_id, end.target_comp_id)
            known = [
                seen.setdefault((venue.begin_string, *comp_ids), key),
                seen.setdefault((end.host, str(end.port), *comp_ids), key),
            ]
            first = next((other for other in known if other != key), None)
            if first is not None:
                yield Problem(f"{key}.sender_comp_id", f"found the same FIX session as {first}, expected other CompIDs")
        if venue.drop_copy is not None and venue.drop_copy_session in {other.name for other in venues}:
            text = f'found a venue of the name "{venue.drop_copy_session}", which this drop copy has already'
            yield Problem(f"venues[{place}].drop_copy", text)


def _trading_session(key: str, session: TradingSessionConfig) -> Iterator[Problem]:
    yield from time_zone(f"{key}.time_zone", session.time_zone)
    yield from unique(key + ".days[{}]", session.days)
    for place, auction in enumerate(session.auctions):
        if auction.begin == auction.end:
            text = f'found "{auction.end}", expected another time than its begin'
            yield Problem(f"{key}.auctions[{place}].end", text)


def time_zone(key: str, name: str) -> Iterator[Problem]:
    """A time zone that does not exist."""
    if _is_time_zone(name):
        return
    known = available_timezones()
    if not known:
        yield Problem(key, "this machine has no time zones; install its package tzdata")
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    yield Problem(key, f'found "{name}", expected an IANA time zone such as "Europe/Berlin"{hint}')


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # No such zone, a folder of zones, a path that leads elsewhere.
        return False
    return True


def _instrument(key: str, item: InstrumentConfig, venues: Sequence[str], sessions: Sequence[str]) -> Iterator[Problem]:
    for venue in item.venue_symbols:
        yield from known(f"{key}.venue_symbols.{venue}", venue, venues, "a configured venue")
    if item.primary_venue:
        yield from known(
            f"{key}.primary_venue", item.primary_venue, list(item.venue_symbols), "one of its venue_symbols"
        )
    if item.trading_session:
        yield from known(f"{key}.trading_session", item.trading_session, sessions, "a configured trading session")


def _symbols_at_venues(instruments: Sequence[InstrumentConfig]) -> Iterator[Problem]:
    """Symbol(55) in a venue's report has to name one instrument."""
    seen: dict[tuple[str, str], str] = {}
    for place, item in enumerate(instruments):
        for venue, symbol in item.venue_symbols.items():
            other = seen.setdefault((venue, symbol), item.symbol)
            if other != item.symbol:
                text = f'found "{symbol}", which {other} has at {venue} already, expected another Symbol(55)'
                yield Problem(f"instruments[{place}].venue_symbols.{venue}", text)


def _listeners(config: Config) -> Iterator[Problem]:
    if config.api.port and (config.api.host, config.api.port) == (config.metrics.host, config.metrics.port):
        yield Problem("metrics.port", f"found {config.metrics.port}, which the API uses already, expected another port")
    size = len(config.api.unix_socket.encode())
    if size > MAX_SOCKET_PATH_BYTES:
        expected = f"expected at most {MAX_SOCKET_PATH_BYTES}; use a shorter data_dir"
        yield Problem("api.unix_socket", f"the path {config.api.unix_socket} has {size} bytes, {expected}")
