"""From our configuration to QuickFIX's settings and to the codec's dialect."""

from collections.abc import Callable, Mapping
from pathlib import Path

import quickfix as fix

from gateway.adapters.quickfix.dictionary import write_dictionary
from gateway.codec.fix import FIX42, FIX44, FIX50SP2, Dialect
from gateway.config import VenueConfig
from gateway.core.instruments import Instrument

_DICTIONARIES = {
    FIX42: {"DataDictionary": "FIX42.xml"},
    FIX44: {"DataDictionary": "FIX44.xml"},
    FIX50SP2: {"TransportDataDictionary": "FIXT11.xml", "AppDataDictionary": "FIX50SP2.xml"},
}
_APPLICATION = ("DataDictionary", "AppDataDictionary")


def dialect_of(config: VenueConfig, instruments: Mapping[str, Instrument], venue: str = "") -> Dialect:
    """The codec's view of a venue: its dialect, and the symbols of the instruments that are traded there.

    `venue` is the venue of the orders where the session is not the one that they are sent on.
    """
    own, venue = config.dialect, venue or config.name
    traded = {name: each.venue_symbols for name, each in instruments.items()}
    return Dialect(
        venue=venue,
        begin_string=config.begin_string,
        symbols={name: symbols[venue] for name, symbols in traded.items() if venue in symbols},
        accounts=own.accounts,
        add=own.add,
        required=own.required,
        handl_inst=own.handl_inst,
        ex_destination=own.ex_destination,
    )


def session_settings(config: VenueConfig, dictionaries: Path, overlay: Path | None, mark: int) -> str:
    """QuickFIX's settings for one initiator session, in its own file format. Puts its dictionaries into `dictionaries`.

    `mark` is the size of the socket's send buffer, by which the link finds the socket (see line.py).

    The venue's name qualifies the session, because QuickFIX keeps the sessions of a process by their ID alone.

    Raises:
        DictionaryError: a dictionary or the overlay cannot be used.
    """
    session = {
        "BeginString": config.begin_string,
        "SenderCompID": config.sender_comp_id,
        "TargetCompID": config.target_comp_id,
        "SessionQualifier": config.name,
        "SocketConnectHost": config.host,
        "SocketConnectPort": str(config.port),
        "HeartBtInt": str(config.heart_bt_int_s),
    }
    if config.begin_string == FIX50SP2:
        session["DefaultApplVerID"] = "FIX.5.0SP2"
    session |= {key: str(path) for key, path in write_dictionaries(config, overlay, dictionaries).items()}
    default = {"ReconnectInterval": str(config.reconnect_interval_s), "SocketSendBufferSize": str(mark)}
    return _section("DEFAULT", _DEFAULTS | default) + _section("SESSION", session)


def write_dictionaries(config: VenueConfig, overlay: Path | None, folder: Path) -> dict[str, Path]:
    """QuickFIX's keys for the dictionaries of a venue's version, with the files in `folder`, where they are put.

    Raises:
        DictionaryError: a dictionary or the overlay cannot be used.
    """
    names = _DICTIONARIES[config.begin_string]
    return {
        key: write_dictionary(name, overlay if key in _APPLICATION else None, folder) for key, name in names.items()
    }


def messages_of(config: VenueConfig, dictionaries: Path, overlay: Path | None) -> Callable[[str], fix.Message]:
    """How a body of ours becomes QuickFIX's message.

    Where the dialect adds tags they may be a repeating group, and only with a dictionary does QuickFIX not sort those
    among the others. It takes longer, and a start has to read it.

    Raises:
        DictionaryError: a dictionary or the overlay cannot be used.
    """
    if not config.dialect.add.keys() - {"A"}:
        return lambda body: fix.Message(body, False)
    name = next(name for key, name in _DICTIONARIES[config.begin_string].items() if key in _APPLICATION)
    groups = fix.DataDictionary(str(write_dictionary(name, overlay, dictionaries)))
    return lambda body: fix.Message(body, groups, False)


# CheckLatency: a fill is a fill however wrong a clock is; QuickFIX would refuse it for good over SendingTime(52).
# SocketNodelay counts in [DEFAULT] only. NonStopSession: when a session begins, ends and resets is decided by the
# link's schedule, because QuickFIX's own knows UTC and the process's zone only, and deletes the store to reset.
_DEFAULTS = {
    "CheckLatency": "N",
    "ConnectionType": "initiator",
    "NonStopSession": "Y",
    "SocketNodelay": "Y",
    "UseDataDictionary": "Y",
    "ValidateFieldsOutOfOrder": "N",
    "ValidateFieldsHaveValues": "N",
    "ValidateUserDefinedFields": "N",
    "AllowUnknownMsgFields": "Y",
    "PersistMessages": "Y",
    "TimeStampPrecision": "3",
    "LogonTimeout": "10",
    "LogoutTimeout": "2",
}


def _section(name: str, values: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
