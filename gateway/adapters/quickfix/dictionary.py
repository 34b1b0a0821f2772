"""The data dictionaries that a session is checked against: QuickFIX's own, loosened, with a venue's overlay laid over.

The engine is left to judge what belongs to the session layer: framing, header, checksum, sequence, the admin messages,
and that a tag is not repeated outside of a group. What an application message says is judged by the codec, which sets a
report aside with its full text where the engine would throw it away: an OrdRejReason(103) that FIX 4.2 does not list,
an AvgPx(6) that is left out. So value lists are dropped, and in application messages no field is required and none but
counts and raw data has a type. Encoded texts, EncodedText(355) and its like, are no raw data here: the engine believes
whatever length stands before data, reads on behind the message by it, and one below zero ends the process. None of the
encodings that FIX allows for texts has a delimiter in it.

A start reads them again, and the engine searches the whole file for each component that a message names: FIX50SP2.xml
took it a second. So the components of application messages are written out. Of a message that the codec does not read
only the groups are left, each with all fields below it side by side: enough to know where a tag may come again.
"""

import hashlib
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from gateway.runtime.files import naming

_KEPT_TYPES = frozenset({"NUMINGROUP", "LENGTH", "DATA", "XMLDATA"})
# ExecutionReport, OrderCancelReject, OrderMassCancelReport, BusinessMessageReject.
_READ_BY_THE_CODEC = frozenset({"8", "9", "r", "j"})
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class DictionaryError(Exception):
    """A dictionary or an overlay cannot be used. The message names the file and what is wrong."""


def standard_dictionary(name: str) -> Path:
    """Where QuickFIX installed its dictionary `name`, such as "FIX44.xml".

    Raises:
        DictionaryError: it is not where QuickFIX puts it.
    """
    looked: list[Path] = []
    for place in _places(name):
        if place.is_file():
            return place
        looked.append(place.parent)
    where = ", ".join(map(str, looked))
    raise DictionaryError(f"QuickFIX's dictionary {name} is in none of {where}; is quickfix 1.16.0 installed?")


def _places(name: str) -> Iterator[Path]:
    for root in (sys.prefix, sysconfig.get_path("data")):
        yield Path(root) / "share" / "quickfix" / name
    with suppress(PackageNotFoundError):
        yield from (Path(str(each.locate())) for each in files("quickfix") or () if each.name == name)


def write_dictionary(name: str, overlay: Path | None, folder: Path) -> Path:
    """The file in `folder` with the loosened standard dictionary `name`, with `overlay` laid over it.

    An overlay has the form of a QuickFIX dictionary with only what it adds: <fields>, and <messages> whose members are
    added to the message of that msgtype, those of a group that it has already to that group. The file appears whole or
    not at all, and all sessions share it. One that was made of the same files is left as it is: to make it takes longer
    than all the rest of a start.

    Raises:
        DictionaryError: a file cannot be read, or the overlay has something that cannot be laid over the standard.
        OSError: the file cannot be written.
    """
    standard = standard_dictionary(name)
    target = folder / (f"{name}+{overlay.name}" if overlay is not None else name)
    made_of, stamp = _digest(standard, overlay), target.with_name(f"{target.name}.stamp")
    if stamp.exists() and target.exists() and stamp.read_text("ascii") == f"{made_of} {_digest(target)}":
        return target
    root = _read(standard)
    if overlay is not None:
        _lay_over(root, _read(overlay), overlay)
    _loosen(root)
    text = _Writer(root).text()
    folder.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.new")
    try:
        with naming(target):
            draft.write_text(text, "utf-8")
            draft.replace(target)
            stamp.write_text(f"{made_of} {_digest(target)}", "ascii")
    finally:  # On a full disk a part of it takes what is left.
        draft.unlink(missing_ok=True)
    return target


def _digest(*paths: Path | None) -> str:
    """Of these files and of this one, which says what is made of them."""
    digest = hashlib.sha256()
    try:
        for path in (Path(__file__), *paths):
            digest.update(path.read_bytes() if path is not None else b"")
    except OSError as error:
        raise DictionaryError(f"{error.filename}: {error}") from error
    return digest.hexdigest()


def _read(path: Path) -> ET.Element:
    try:
        return ET.parse(path).getroot()  # noqa: S314 - our own files and QuickFIX's, never a peer's.
    except (OSError, ET.ParseError) as error:
        raise DictionaryError(f"{path}: {error}") from error


def _section(root: ET.Element, name: str) -> ET.Element:
    section = root.find(name)
    return section if section is not None else ET.SubElement(root, name)


Components = Mapping[str | None, ET.Element]


def _components(root: ET.Element) -> Components:
    return {component.get("name"): component for component in _section(root, "components")}


def _members(element: ET.Element, components: Components) -> Iterator[ET.Element]:
    """The fields and groups of a message, a group or a component, with those of its components in their place."""
    for member in element:
        if member.tag != "component":
            yield member
        elif (component := components.get(member.get("name"))) is not None:
            yield from _members(component, components)
        else:
            raise DictionaryError(f"component {member.get('name')} is defined nowhere")


def _lay_over(root: ET.Element, overlay: ET.Element, path: Path) -> None:
    _refuse_malformed(overlay, path)
    fields, messages, components = _section(root, "fields"), _section(root, "messages"), _components(root)
    known = {field.get("name"): field.get("number") for field in fields}
    names = {number: name for name, number in known.items()}
    for field in overlay.findall("fields/field"):
        name, number = field.get("name"), field.get("number")
        if known.get(name, number) != number:
            raise DictionaryError(f"{path}: field {name} is number {known[name]} already, not {number}")
        if names.setdefault(number, name) != name:
            raise DictionaryError(f"{path}: number {number} is field {names[number]} already, not {name}")
        if name not in known:
            fields.append(field)
            known[name] = number
    by_type = {message.get("msgtype"): message for message in messages}
    for message in overlay.findall("messages/message"):
        _refuse_unknown(message, known, components, path)
        there = by_type.get(message.get("msgtype"))
        if there is None:
            messages.append(message)
        else:
            _add_members(there, message, components)


def _refuse_malformed(overlay: ET.Element, path: Path) -> None:
    """What the engine would read as something else, pass over, or name by the file that was made of it."""
    for part in overlay:
        if part.tag not in ("fields", "messages"):
            raise DictionaryError(f"{path}: found <{part.tag}>, an overlay has only <fields> and <messages>")
    for field in overlay.findall("fields/field"):
        name, number = field.get("name"), field.get("number", "")
        if not name or not _NUMBER.fullmatch(number):
            text = f'found name "{name or ""}" and number "{number}"'
            raise DictionaryError(f"{path}: {text}, a field has a name and a tag number such as 9100")
    for message in overlay.findall("messages/message"):
        if not message.get("msgtype"):
            raise DictionaryError(f"{path}: message {message.get('name', '')} has no msgtype, which is its MsgType(35)")


def _refuse_unknown(message: ET.Element, fields: Collection[str | None], components: Components, path: Path) -> None:
    """Of a message of an overlay: what is in it has to be defined, and a group has to have something in it."""
    for member in message.iter():
        name = member.get("name")
        if member.tag in ("field", "group") and name not in fields:
            raise DictionaryError(f"{path}: field {name} is defined neither there nor in the standard")
        if member.tag == "component" and name not in components:
            raise DictionaryError(f"{path}: component {name} is none of the standard's, write its fields and groups")
        if member.tag == "group" and not len(member):
            raise DictionaryError(f"{path}: group {name} has no field in it")


def _add_members(there: ET.Element, more: ET.Element, components: Components) -> None:
    """What an overlay adds to a message, or to a group. A group that is there already is the same group with more in
    it: a second one of its name would take its place.
    """
    known = {member.get("name"): member for member in [*there, *_members(there, components)]}
    for member in more:
        same = known.get(member.get("name"))
        if same is None:
            there.append(member)
        elif member.tag == same.tag == "group":
            _add_members(same, member, components)


def _loosen(root: ET.Element) -> None:
    strict = _session_fields(root)
    for field in _section(root, "fields"):
        for value in field.findall("value"):
            field.remove(value)
        kept = field.get("name") in strict or field.get("type") in _KEPT_TYPES
        if _is_text(field) or not kept:
            field.set("type", "STRING")
    for message in _section(root, "messages"):
        if message.get("msgcat") != "admin":
            _require_nothing(message)
    for component in _section(root, "components"):
        _require_nothing(component)
    for group in root.iterfind(".//group[@name='NoAffectedOrders']"):
        # QuickFIX's FIX50SP2.xml has the name of a later extension pack only, AffectedOrigClOrdID(1824).
        if group.find("field[@name='OrigClOrdID']") is None:
            ET.SubElement(group, "field", name="OrigClOrdID", required="N")


def _is_text(field: ET.Element) -> bool:
    """An encoded text, or the length of one."""
    name = field.get("name", "")
    return "Encoded" in name or (field.get("type") == "XMLDATA" and name != "XmlData")


def _require_nothing(element: ET.Element) -> None:
    for member in element.iter():
        if member.get("required") is not None:
            member.set("required", "N")


def _session_fields(root: ET.Element) -> set[str | None]:
    """Fields that the session layer itself works with."""
    parts = [*root.findall("header"), *root.findall("trailer")]
    parts += [message for message in _section(root, "messages") if message.get("msgcat") == "admin"]
    return {member.get("name") for part in parts for member in part.iter() if member.tag in ("field", "group")}


class _Writer:
    """Writes a dictionary out. Messages are put together from texts: as elements, FIX50SP2.xml's would be three hundred
    thousand.
    """

    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._components = _components(root)
        self._below: dict[ET.Element, dict[str, None]] = {}
        self._flat: dict[ET.Element, str] = {}

    def text(self) -> str:
        sections = [
            _element(section, map(self._message, section)) if section.tag == "messages" else _whole(section)
            for section in self._root
        ]
        return _element(self._root, sections)

    def _message(self, message: ET.Element) -> str:
        if message.get("msgcat") == "admin":
            return _whole(message)
        if message.get("msgtype") in _READ_BY_THE_CODEC:
            return _element(message, map(self._written_out, _members(message, self._components)))
        groups = (each for each in _members(message, self._components) if each.tag == "group")
        return _element(message, map(self._flattened, groups))

    def _written_out(self, member: ET.Element) -> str:
        return _element(member, map(self._written_out, _members(member, self._components)))

    def _flattened(self, group: ET.Element) -> str:
        """A group with the fields of the groups in it as its own."""
        if group not in self._flat:  # Most groups are in many messages.
            self._flat[group] = _element(group, map(_field, self._names_below(group)))
        return self._flat[group]

    def _names_below(self, group: ET.Element) -> Mapping[str, None]:
        """In their order, each once."""
        names = self._below.get(group)
        if names is None:
            names = self._below[group] = {}
            for member in _members(group, self._components):
                names[member.get("name", "")] = None
                if member.tag == "group":
                    names |= self._names_below(member)
        return names


@cache
def _field(name: str) -> str:
    return f"<field name={quoteattr(name)}/>"


def _element(element: ET.Element, inside: Iterable[str]) -> str:
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in element.attrib.items())
    return f"<{element.tag}{attributes}>{''.join(inside)}</{element.tag}>\n"


def _whole(element: ET.Element) -> str:
    return ET.tostring(element, "unicode")
