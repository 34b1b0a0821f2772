"""The order-state scenarios of FIX 4.4, Appendix D, read from the tables in appendix_d/.

README.md there explains the format. The tables are seen from the venue: it receives requests and sends reports.
Words are FIX's own, quantities and prices are Decimals.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TypeVar

from gateway.core.types import ExecType, OrdStatus, OrdType, Side, TimeInForce

SCENARIO_DIR = FilePath(__file__).parent / "appendix_d"

E = TypeVar("E", bound=StrEnum)


class ScenarioError(ValueError):
    """A scenario file is not as the format wants it; the message names file and line."""


class MessageKind(StrEnum):
    """What the messages of a table are called. The first four are received by the venue, the others sent by it."""

    NEW_ORDER = "New Order"
    CANCEL_REQUEST = "Cancel Request"
    REPLACE_REQUEST = "Replace Request"
    STATUS_REQUEST = "Status Request"
    EXECUTION = "Execution"
    CANCEL_REJECT = "Cancel Reject"


RECEIVED = frozenset(
    {MessageKind.NEW_ORDER, MessageKind.CANCEL_REQUEST, MessageKind.REPLACE_REQUEST, MessageKind.STATUS_REQUEST}
)


class Event(StrEnum):
    """What happens outside the FIX session."""

    VERBAL = "verbal"
    NEXT_DAY = "next day"
    HALT = "halt"
    RESUME = "resume"


class VenueAction(StrEnum):
    """What the people at the venue do so that the row is sent. Deduced from the message and its ExecType(150)."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    REJECT = "reject"
    FILL = "fill"
    CORRECT = "correct"
    BUST = "bust"
    PENDING_CANCEL = "pending_cancel"
    CANCEL = "cancel"
    REJECT_CANCEL = "reject_cancel"
    UNSOLICITED_CANCEL = "unsolicited_cancel"
    PENDING_REPLACE = "pending_replace"
    REPLACE = "replace"
    REJECT_REPLACE = "reject_replace"
    DONE_FOR_DAY = "done_for_day"
    STOP = "stop"
    SUSPEND = "suspend"
    RESTATE = "restate"
    REPORT_STATUS = "report_status"


_ACTIONS = MappingProxyType(
    {
        ExecType.PENDING_NEW: VenueAction.PENDING_NEW,
        ExecType.NEW: VenueAction.NEW,
        ExecType.REJECTED: VenueAction.REJECT,
        ExecType.TRADE: VenueAction.FILL,
        ExecType.TRADE_CORRECT: VenueAction.CORRECT,
        ExecType.TRADE_CANCEL: VenueAction.BUST,
        ExecType.PENDING_CANCEL: VenueAction.PENDING_CANCEL,
        ExecType.PENDING_REPLACE: VenueAction.PENDING_REPLACE,
        ExecType.REPLACED: VenueAction.REPLACE,
        ExecType.DONE_FOR_DAY: VenueAction.DONE_FOR_DAY,
        ExecType.STOPPED: VenueAction.STOP,
        ExecType.SUSPENDED: VenueAction.SUSPEND,
        ExecType.RESTATED: VenueAction.RESTATE,
        ExecType.ORDER_STATUS: VenueAction.REPORT_STATUS,
    }
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message and the letters that stand for its ClOrdID(11) and OrigClOrdID(41). Empty: the message has none."""

    kind: MessageKind
    cl_ord_id: str
    orig_cl_ord_id: str = ""

    def __str__(self) -> str:
        ids = ",".join(filter(None, (self.cl_ord_id, self.orig_cl_ord_id)))
        return f"{self.kind}({ids})"


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """The terms of the first New Order of each path, except OrderQty(38), which stands in the row."""

    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    price: Decimal | None = None
    exec_inst: str = ""
    cash_order_qty: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: an event, a message that the venue receives, or one that it sends.

    A blank cell is None (or empty). `fields` holds the further FIX fields of the message, by name. `client_status`,
    `client_order_qty` and `client_leaves_qty` are what the gateway shows where that is not what the venue says; the
    `expected_` properties combine the two. `line` is the row's line in its file.
    """

    line: int
    event: Event | None = None
    received: Message | None = None
    sent: Message | None = None
    venue_does: VenueAction | None = None
    exec_type: ExecType | None = None
    ord_status: OrdStatus | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    avg_px: Decimal | None = None
    day_order_qty: Decimal | None = None
    day_cum_qty: Decimal | None = None
    exec_id: str = ""
    exec_ref_id: str = ""
    client_status: OrdStatus | None = None
    client_order_qty: Decimal | None = None
    client_leaves_qty: Decimal | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def expected_status(self) -> OrdStatus | None:
        """The OrdStatus(39) that the gateway shows its client after this row."""
        return self.client_status or self.ord_status

    @property
    def expected_order_qty(self) -> Decimal | None:
        """The OrderQty(38) that the gateway shows its client after this row."""
        return self.order_qty if self.client_order_qty is None else self.client_order_qty

    @property
    def expected_leaves_qty(self) -> Decimal | None:
        """The LeavesQty(151) that the gateway shows its client after this row."""
        return self.leaves_qty if self.client_leaves_qty is None else self.client_leaves_qty


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a scenario, complete from its first row."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One matrix of Appendix D. `given` tells of an order lost before the first row, if any, its letter first."""

    id: str
    title: str
    source: str
    order: OrderTerms
    given: str
    paths: tuple[Path, ...]

    @property
    def lost(self) -> str:
        """The letter of the order that never reached the venue; empty without one."""
        return self.given[:1]


COLUMNS = frozenset(column.name for column in fields(Row)) - {"line", "venue_does"}
FIELD_NAMES = frozenset(
    {"cash_order_qty", "cxl_rej_reason", "exec_restatement_reason", "ord_rej_reason", "poss_resend", "price", "text"}
)
_ORDER_TERMS = frozenset(term.name for term in fields(OrderTerms))

_TITLE = re.compile(r"(?P<id>[A-L]\.[1-3]\.[a-f])  (?P<title>\S.*)")
_MESSAGE = re.compile(r"(?P<kind>[A-Z][A-Za-z ]+)\((?P<ids>|[A-Z]|[A-Z],[A-Z])\)")


def load_scenarios(directory: FilePath = SCENARIO_DIR) -> tuple[Scenario, ...]:
    """All scenarios of a directory, sorted by id. Raises ScenarioError."""
    return tuple(load_scenario(file) for file in sorted(directory.glob("*.txt")))


def load_scenario(file: FilePath) -> Scenario:
    """The scenario of one file, which is named after its id. Raises ScenarioError."""
    scenario = parse_scenario(file.read_text(encoding="utf-8"), file.name)
    if scenario.id != file.stem:
        raise ScenarioError(f"{file.name}: holds scenario {scenario.id}")
    return scenario


def parse_scenario(text: str, name: str = "scenario") -> Scenario:
    """A scenario from its text. `name` is what a ScenarioError calls it."""
    reader = _Reader(name, text.splitlines())
    title = _TITLE.fullmatch(reader.next_line())
    if title is None:
        raise reader.error("the first line must be an id, two spaces and a title")
    source = reader.heading("source")
    order = _order_terms(reader, reader.heading("order"))
    given = reader.heading("given") if reader.peek().startswith("given: ") else ""
    if given and not re.match("[A-Z] ", given):
        raise reader.error("what is given begins with the letter of the lost order")
    paths = tuple(_paths(reader))
    if not paths:
        raise reader.error("no path")
    if len({path.name for path in paths}) != len(paths):
        raise reader.error("two paths have the same name")
    return Scenario(title["id"], title["title"], source, order, given, paths)


class _Reader:
    """The lines of one file and the place in it."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name = name
        self._lines = lines
        self.line = 0

    def error(self, problem: str) -> ScenarioError:
        return ScenarioError(f"{self._name}:{self.line}: {problem}")

    def peek(self) -> str:
        return self._lines[self.line] if self.line < len(self._lines) else ""

    def next_line(self) -> str:
        text = self.peek()
        self.line += 1
        return text

    def at_end(self) -> bool:
        return self.line >= len(self._lines)

    def heading(self, word: str) -> str:
        key, _, value = self.next_line().partition(": ")
        if key != word or not value:
            raise self.error(f"expected '{word}: ...'")
        return value

    def choice(self, kind: type[E], word: str) -> E:
        """The member of a vocabulary whose name the word spells: 'Partially Filled' is PARTIALLY_FILLED."""
        try:
            return kind[word.upper().replace(" ", "_")]
        except KeyError:
            raise self.error(f"{kind.__name__} has no '{word}'") from None

    def decimal(self, word: str) -> Decimal:
        try:
            number = Decimal(word)
        except InvalidOperation:
            raise self.error(f"'{word}' is no number") from None
        if not number.is_finite() or number < 0:
            raise self.error(f"'{word}' is no quantity and no price")
        return number

    def pairs(self, text: str, known: frozenset[str]) -> dict[str, str]:
        """The name=value terms of a cell or heading; a value of several words stands in double quotes."""
        found: dict[str, str] = {}
        for term in self._terms(text):
            key, separator, value = term.partition("=")
            if key not in known or key in found or not separator or not value:
                raise self.error(f"'{term}' is not understood here")
            found[key] = value
        return found

    def _terms(self, text: str) -> list[str]:
        try:
            return shlex.split(text)
        except ValueError:
            raise self.error(f"'{text}' has a quote that does not end") from None


def _order_terms(reader: _Reader, text: str) -> OrderTerms:
    terms = reader.pairs(text, _ORDER_TERMS)
    missing = {"side", "ord_type", "time_in_force"} - terms.keys()
    if missing:
        raise reader.error(f"the order has no {', '.join(sorted(missing))}")
    return OrderTerms(
        side=reader.choice(Side, terms["side"]),
        ord_type=reader.choice(OrdType, terms["ord_type"]),
        time_in_force=reader.choice(TimeInForce, terms["time_in_force"]),
        price=reader.decimal(terms["price"]) if "price" in terms else None,
        exec_inst=terms.get("exec_inst", ""),
        cash_order_qty=reader.decimal(terms["cash_order_qty"]) if "cash_order_qty" in terms else None,
        currency=terms.get("currency", ""),
    )


def _paths(reader: _Reader) -> Iterator[Path]:
    while not reader.at_end():
        if reader.next_line():
            raise reader.error("expected an empty line before a path")
        word, _, name = reader.next_line().partition(" ")
        if word != "path" or not re.fullmatch(r"[a-z_]+", name):
            raise reader.error("expected 'path' and a name")
        columns = _cells(reader.next_line())
        unknown = [column for column in columns if column not in COLUMNS]
        if unknown or len(set(columns)) != len(columns):
            raise reader.error(f"columns unknown or named twice: {', '.join(unknown) or 'twice'}")
        yield Path(name, tuple(_rows(reader, columns)))


def _rows(reader: _Reader, columns: list[str]) -> Iterator[Row]:
    requests: dict[str, MessageKind] = {}
    while reader.peek():
        cells = _cells(reader.next_line())
        if len(cells) > len(columns):
            raise reader.error("more cells than columns")
        row = _row(reader, {column: cell for column, cell in zip(columns, cells, strict=False) if cell}, requests)
        if row.received is not None:
            requests[row.received.cl_ord_id] = row.received.kind
        yield row


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _row(reader: _Reader, cells: dict[str, str], requests: Mapping[str, MessageKind]) -> Row:
    if len(cells.keys() & {"event", "received", "sent"}) != 1:
        raise reader.error("a row is an event, a message received or a message sent")
    sent = _message(reader, cells["sent"]) if "sent" in cells else None
    received = _message(reader, cells["received"]) if "received" in cells else None
    if (sent and sent.kind in RECEIVED) or (received and received.kind not in RECEIVED):
        raise reader.error("a venue does not send requests and does not receive reports")
    exec_type = reader.choice(ExecType, cells["exec_type"]) if "exec_type" in cells else None
    return Row(
        line=reader.line,
        event=reader.choice(Event, cells["event"]) if "event" in cells else None,
        received=received,
        sent=sent,
        venue_does=_action(reader, sent, exec_type, requests) if sent else None,
        exec_type=exec_type,
        ord_status=_status(reader, cells, "ord_status"),
        order_qty=_number(reader, cells, "order_qty"),
        cum_qty=_number(reader, cells, "cum_qty"),
        leaves_qty=_number(reader, cells, "leaves_qty"),
        last_qty=_number(reader, cells, "last_qty"),
        last_px=_number(reader, cells, "last_px"),
        avg_px=_number(reader, cells, "avg_px"),
        day_order_qty=_number(reader, cells, "day_order_qty"),
        day_cum_qty=_number(reader, cells, "day_cum_qty"),
        exec_id=cells.get("exec_id", ""),
        exec_ref_id=cells.get("exec_ref_id", ""),
        client_status=_status(reader, cells, "client_status"),
        client_order_qty=_number(reader, cells, "client_order_qty"),
        client_leaves_qty=_number(reader, cells, "client_leaves_qty"),
        fields=MappingProxyType(reader.pairs(cells.get("fields", ""), FIELD_NAMES)),
        note=cells.get("note", ""),
    )


def _number(reader: _Reader, cells: Mapping[str, str], column: str) -> Decimal | None:
    return reader.decimal(cells[column]) if column in cells else None


def _status(reader: _Reader, cells: Mapping[str, str], column: str) -> OrdStatus | None:
    return reader.choice(OrdStatus, cells[column]) if column in cells else None


def _message(reader: _Reader, text: str) -> Message:
    found = _MESSAGE.fullmatch(text)
    if found is None or found["kind"] not in list(MessageKind):
        raise reader.error(f"'{text}' is no message")
    cl_ord_id, _, orig_cl_ord_id = found["ids"].partition(",")
    return Message(MessageKind(found["kind"]), cl_ord_id, orig_cl_ord_id)


def _action(
    reader: _Reader, sent: Message, exec_type: ExecType | None, requests: Mapping[str, MessageKind]
) -> VenueAction:
    if sent.kind is MessageKind.CANCEL_REJECT:
        request = requests.get(sent.cl_ord_id)
        if request is MessageKind.CANCEL_REQUEST:
            return VenueAction.REJECT_CANCEL
        if request is MessageKind.REPLACE_REQUEST:
            return VenueAction.REJECT_REPLACE
        raise reader.error(f"{sent} answers no request")
    if exec_type is None:
        raise reader.error("an Execution has an exec_type")
    if exec_type is ExecType.CANCELED:
        return VenueAction.CANCEL if sent.orig_cl_ord_id else VenueAction.UNSOLICITED_CANCEL
    if exec_type not in _ACTIONS:
        raise reader.error(f"no venue sends {exec_type.name} in these tables")
    return _ACTIONS[exec_type]
