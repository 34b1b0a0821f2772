"""Walks what TOML holds beside what the sections declare, and finds every difference in one pass.

msgspec alone would stop at the first one and could not say what was found; `describe` is also what the documentation is
checked against.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect as mi

from gateway.config.values import ANY_SIGN, NOT_NEGATIVE, SECRETS, without_password
from gateway.core.money import parse_decimal

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DIGITS = 30
_KINDS = {
    dict: "a table",
    list: "an array",
    bool: "true or false",
    str: "text",
    int: "a whole number",
    Decimal: "a number",
}


class Problem(msgspec.Struct, frozen=True):
    """What is wrong at one key (as in venues[0].port). `text` never shows a secret."""

    key: str
    text: str


def describe(kind: mi.Type) -> str:
    """What a value of this type may be, in words for people."""
    match kind:
        case mi.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or describe(inner))
        case mi.IntType(ge=low, le=high):
            return f"a whole number{_range(low, high)}"
        case mi.DecimalType():
            return 'a number above zero such as 0.01 or "0.01"'
        case mi.BoolType():
            return "true or false"
        case mi.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case mi.UnionType(types=types):
            return describe(_member(types))
        case mi.VarTupleType(item_type=item, min_length=least):
            return f"{'a non-empty' if least else 'an'} array, each {describe(item)}"
        case mi.DictType() | mi.StructType():
            return "a table"
        case mi.StrType():
            return "text"
    raise TypeError(f"the configuration cannot hold {kind}")


class Shape:
    """One walk. After `read` has returned, `problems` says what did not fit."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._environment = environment

    def read(self, kind: mi.Type, value: Any, key: str = "") -> Any:
        """`value` with environment references filled in and decimals exact.

        Where it does not fit `kind`, a problem is noted and the result is of no use.
        """
        match kind:
            case mi.Metadata(type=inner):
                one = isinstance(inner, (mi.StrType, mi.DecimalType))
                return self._leaf(kind, value, key) if one else self.read(inner, value, key)
            case mi.UnionType(types=types):
                return self.read(_member(types), value, key)
            case mi.StructType() if isinstance(value, dict):
                return dict(self._section(kind, value, key))
            case mi.VarTupleType(item_type=item, min_length=least) if isinstance(value, list) and len(value) >= (
                least or 0
            ):
                return [self.read(item, each, f"{key}[{place}]") for place, each in enumerate(value)]
            case mi.DictType() if isinstance(value, dict) and len(value) >= (kind.min_length or 0):
                return dict(self._table(kind, value, key))
            case mi.StructType() | mi.VarTupleType() | mi.DictType():
                return self._unfit(kind, value, key)
        return self._leaf(kind, value, key)

    def _section(self, kind: mi.StructType, value: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
        fields = {field.encode_name: field for field in kind.fields}
        for name in (name for name in value if name not in fields):
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(fields)}"
            self._note(_join(key, name), f"there is no such key; {hint}")
        for name, field in fields.items():
            if name in value:
                yield name, self.read(field.type, value[name], _join(key, name))
            elif field.required:
                self._note(_join(key, name), f"is missing, expected {describe(field.type)}")

    def _table(self, kind: mi.DictType, value: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
        for name, item in value.items():
            if _fits(kind.key_type, name):
                yield name, self.read(kind.value_type, item, _join(key, name))
            else:
                self._note(_join(key, name), f"the key has to be {describe(kind.key_type)}")

    def _leaf(self, kind: mi.Type, value: Any, key: str) -> Any:
        filled = self._fill(value, key) if isinstance(value, str) else value
        if not _fits(kind, filled):
            return self._unfit(kind, value, key)
        return _decimal(filled) if isinstance(_plain(kind), mi.DecimalType) else filled

    def _fill(self, text: str, key: str) -> str:
        for name in _REFERENCE.findall(text):
            if name not in self._environment:
                self._note(key, f"the environment variable {name} is not set")
        return _REFERENCE.sub(lambda found: self._environment.get(found[1], found[0]), text)

    def _unfit(self, kind: mi.Type, value: Any, key: str) -> None:
        close = difflib.get_close_matches(str(value), _values(kind), n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        self._note(key, f"found {show(value, key)}, expected {describe(kind)}{hint}")

    def _note(self, key: str, text: str) -> None:
        self.problems.append(Problem(key, text))


def show(value: Any, key: str) -> str:
    """What was found, in few words; only its kind where the key names a secret."""
    kind = next((words for python, words in _KINDS.items() if isinstance(value, python)), f"a {type(value).__name__}")
    if key.rpartition(".")[2].partition("[")[0] in SECRETS:
        return f"{kind} (not shown)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return f"{kind} with nothing in it" if not value else kind
    return json.dumps(without_password(value)[:60], ensure_ascii=False) if isinstance(value, str) else str(value)[:60]


def _fits(kind: mi.Type, value: Any) -> bool:
    match kind:
        case mi.Metadata(type=mi.DecimalType(), extra={"sign": sign}):
            number = _decimal(value)
            return number is not None and (sign == ANY_SIGN or (sign == NOT_NEGATIVE and number >= 0))
        case mi.Metadata(type=inner):
            return _fits(inner, value)
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.StrType(pattern=pattern):
            return isinstance(value, str) and re.fullmatch(pattern or "(?s:.*)", value) is not None
        case mi.IntType(ge=low, le=high):
            whole = isinstance(value, int) and not isinstance(value, bool)
            return whole and (low is None or value >= low) and (high is None or value <= high)
        case mi.LiteralType(values=values):
            return isinstance(value, str) and value in values
        case mi.DecimalType():
            number = _decimal(value)
            return number is not None and number > 0
    raise TypeError(f"the configuration cannot hold {kind}")


def _decimal(value: Any) -> Decimal | None:
    """The decimal that `value` is, exactly; None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    # Written out, because the core takes no exponents; but not the million digits of 1e999999.
    plain = format(value, "f") if isinstance(value, Decimal) and abs(value.adjusted()) < _DIGITS else str(value)
    try:
        return parse_decimal(plain)
    except ValueError:
        return None


def _plain(kind: mi.Type) -> mi.Type:
    """The type without what is said about it."""
    return kind.type if isinstance(kind, mi.Metadata) else kind


def _member(types: tuple[mi.Type, ...]) -> mi.Type:
    """The one type of `X | None`: TOML has no null, a key is there or it is not."""
    return next(kind for kind in types if not isinstance(kind, mi.NoneType))


def _values(kind: mi.Type) -> list[str]:
    return [str(value) for value in kind.values] if isinstance(kind, mi.LiteralType) else []


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return ""
    return f" from {low} to {high}" if high is not None else f" of at least {low}"


def _join(key: str, name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9_\-]+", name)
    return f"{key}{'.' if key else ''}{name if plain else repr(name)}"
