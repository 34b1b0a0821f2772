"""What a single value of the configuration may be, and what every section has in common."""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, Literal

import msgspec

SECRETS = frozenset({"password"})
_URL_PASSWORD = re.compile(r"(://[^/@:]*:).*@|([?&]password=)[^&]*")
# As SQLAlchemy takes it apart, who and the password end at the first "@": one more would make a host of what is left of
# the password, which is then shown.
SQLITE = "sqlite:///"
_SQLITE_URL = rf"{SQLITE}[^?#]+"
_POSTGRESQL_URL = (
    r"postgresql\+psycopg://([^\s@:/]*(:[^\s@]*)?@)?"  # Who.
    r"(\[[^\s@/?\[\]]+\]|[^\s@:/?\[\]]*)(:[0-9]{1,5})?"  # Where.
    r"(/[^\s@?]*)?(\?[^\s@]*)?"
)

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3_600)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,32}$", description="1 to 32 letters, digits or any of _ . -")
]
# What an order may name, without the slash that separates it from its account in the name of a scope; "*" is any.
Strategy = Annotated[
    str,
    msgspec.Meta(pattern=r"^[ -.0-~]{0,32}$", description='at most 32 printable characters without slash, "*" for any'),
]
Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:%\-]{1,253}$", description="a host name or an IP address")]
# CompIDs become part of file names in the FIX engine's store, so a slash cannot be allowed.
CompId = Annotated[
    str, msgspec.Meta(pattern=r"^[!-.0-~]{1,64}$", description="1 to 64 printable characters without space or slash")
]
FixText = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,256}$", description="1 to 256 printable ASCII characters")]
OptionalFixText = Annotated[
    str, msgspec.Meta(pattern=r"^[ -~]{0,256}$", description="at most 256 printable ASCII characters")
]
Path = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]+$", description="a path")]
TimeOfDay = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$",
        description='a time of day as text: "HH:MM" or "HH:MM:SS"',
    ),
]
Minute = Annotated[
    str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of day as text: "HH:MM"')
]
TimeZone = Annotated[str, msgspec.Meta(description='an IANA time zone such as "Europe/Berlin"')]
Currency = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{3,5}$", description='3 to 5 capital letters such as "USD" (ISO 4217)')
]
DatabaseUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=f"^({_SQLITE_URL}|{_POSTGRESQL_URL})$",
        description=(
            'a SQLAlchemy URL such as "sqlite:///journal.sqlite" or "postgresql+psycopg://user@host/database", '
            'with %40 for "@" in a password'
        ),
    ),
]
OptionalDatabaseUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=f"^(|{_SQLITE_URL}|{_POSTGRESQL_URL})$",
        description=(
            'a SQLAlchemy URL such as "sqlite:///projections.sqlite" or "postgresql+psycopg://user@host/database", '
            'with %40 for "@" in a password, or "" for none'
        ),
    ),
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OptionalWeekday = Literal["", "mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# MsgTypes that the gateway sends: Logon, NewOrderSingle, OrderCancelRequest, OrderCancelReplaceRequest,
# OrderStatusRequest, OrderMassCancelRequest.
SentMsgType = Annotated[
    str, msgspec.Meta(pattern=r"^[ADFGHq]$", description='a MsgType(35) that we send: "A", "D", "F", "G", "H" or "q"')
]
TagText = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,8}$", description="a FIX tag number such as 9001")]
Tag = Annotated[int, msgspec.Meta(ge=1, le=999_999_999)]


# msgspec has no bounds for decimals: `extra` says which numbers `shape` lets pass. Without it: above zero.
ANY_SIGN, NOT_NEGATIVE = "any", "not negative"
Signed = Annotated[Decimal, msgspec.Meta(extra={"sign": ANY_SIGN}, description='a number such as -20, 0 or "0.35"')]
NotNegative = Annotated[
    Decimal, msgspec.Meta(extra={"sign": NOT_NEGATIVE}, description='a number of at least zero such as 0 or "0.35"')
]


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has one line for each: file, key, what is there, what is expected.

    No line shows a secret.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strict: a key that does not exist is an error, not a silence. What is printed of it has no secrets."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, _shown(name, getattr(self, name))) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def _shown(name: str, value: Any) -> Any:
    if name in SECRETS:
        return value and "***"
    return without_password(value) if name == "url" else value


def sqlite_url(path: PurePath) -> str:
    """The SQLAlchemy URL of a SQLite file. In a URL "?" ends the path, and "%" begins the number of a letter."""
    return SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    return _URL_PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", url)
