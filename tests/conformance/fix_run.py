"""A scenario path over real FIX: a client of the gateway on one side, the manual desk of the simulated exchange on the
other.

The core drives the same path beside it (`CoreRun`). What the running gateway tells its client of a row has to be the
same events as the core's own, with the same figures; what the exchange wrote on the wire has to be the table's row.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict

from gateway.client import wire
from gateway.client.types import Event
from gateway.core import events as ev
from gateway.core.events import Record
from gateway.core.types import ExecType, OrdStatus
from gateway.pb.v1 import gateway_pb2 as pb
from sim_exchange.control import ControlError
from tests.conformance.core_run import CoreRun
from tests.conformance.expectations import GIVEN_ORDER_QTY, Key, Mismatch, Shown, expectations, same, shown
from tests.conformance.fix_ends import Desk, Gateway, Wire
from tests.conformance.fix_stack import FIX_4_2, SESSIONS, SYMBOL
from tests.conformance.scenario import Event as Outside
from tests.conformance.scenario import Message, MessageKind, Path, Row, Scenario, VenueAction

CORPORATE_ACTION, REINSTATED = 0, 8  # ExecRestatementReason(378)

ACTIONS: Mapping[VenueAction, str] = MappingProxyType(
    {action: action.value for action in VenueAction}
    | {
        VenueAction.CANCEL: "cancel_accept",
        VenueAction.REJECT_CANCEL: "cancel_reject",
        VenueAction.REPLACE: "replace_accept",
        VenueAction.REJECT_REPLACE: "replace_reject",
        VenueAction.STOP: "stopped",
        VenueAction.REPORT_STATUS: "status",
    }
)
"""The name of each action at the exchange's manual desk."""

BY_ITSELF: Mapping[Key, str] = MappingProxyType(
    {
        ("B.1.f", "main", 2): "the exchange refuses by itself to cancel an order that it does not know",
        ("G.1.a", "main", 5): "the exchange tells by itself that it does not know the order",
    }
)
"""Rows that nobody at the desk has to do anything for."""


class ByHand(NamedTuple):
    """Tags that the desk sets, "=X" standing for a name, because the exchange would say it in another way that FIX
    allows too.
    """

    tags: Mapping[str, str]
    why: str


_NO_ORIG = "the exchange leaves OrigClOrdID out of status replies"
_BUSTED = "the exchange repeats the busted quantity in LastQty, the matrices say 0"
_NEVER_CAME = "the message that is refused never came, so the desk has to say that it is refused"
_NAMED_X = "the exchange calls a canceled order by the name of the cancel, as the second path has it"
BY_HAND: Mapping[Key, ByHand] = MappingProxyType(
    {
        ("B.1.d", "main", 4): ByHand({"39": "0"}, "the exchange says Pending Cancel, which outranks New"),
        ("D.2.b", "main", 7): ByHand(
            {"38": "8000", "151": "7000"},
            "the exchange counts with the quantity last accepted, this matrix with one that is only pending",
        ),
        ("E.1.a", "main", 2): ByHand({"151": "0"}, "this matrix confirms an order by telephone with LeavesQty 0"),
        ("F.1.a", "main", 5): ByHand({"103": "6"}, _NEVER_CAME),
        ("F.1.b", "main", 6): ByHand({"103": "6"}, _NEVER_CAME),
        ("G.1.b", "main", 4): ByHand({"32": "0"}, "the exchange leaves LastQty out of status replies"),
        ("G.1.c", "main", 17): ByHand({"41": "=X"}, _NO_ORIG),
        ("G.1.c", "pending", 6): ByHand({"41": "=X"}, _NO_ORIG),
        ("J.1.a", "main", 5): ByHand({"32": "0"}, _BUSTED),
        ("J.1.b", "main", 7): ByHand({"32": "0", "11": "=X"}, f"{_BUSTED}; {_NAMED_X}"),
        ("J.1.b", "main", 8): ByHand({"11": "=X"}, _NAMED_X),
        ("J.1.b", "named_by_the_cancel", 7): ByHand({"32": "0"}, _BUSTED),
        ("J.1.d", "main", 6): ByHand({"32": "0"}, _BUSTED),
        ("K.1.a", "reported", 7): ByHand({"378": "8"}, "the exchange gives no reason when it reinstates an order"),
        ("L.1.b", "main", 2): ByHand(
            {"38": "500", "151": "500"}, "the desk says what quantity the amount is when it fills the order"
        ),
    }
)

NOT_SAID: Mapping[Key, str] = MappingProxyType(
    {("G.1.a", "main", 5): "the exchange leaves OrderQty out of its answer about an order that it does not know"}
)
"""Rows whose OrderQty(38) is not on the wire, with the reason."""

ANSWERED_AFTERWARDS: Mapping[str, tuple[str, ...]] = MappingProxyType({"B.1.f": ("ORDER_UNSENT",)})
"""Events after the last row: the gateway asked about the order in doubt, and the exchange answers by itself."""

MSG_TYPES: Mapping[MessageKind, str] = MappingProxyType(
    {MessageKind.NEW_ORDER: "D", MessageKind.CANCEL_REQUEST: "F", MessageKind.REPLACE_REQUEST: "G"}
)
SENT_ONCE = (ev.OrderRouted, ev.CancelRequested, ev.ReplaceRequested)
UPPER_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def told(event: Event) -> Shown | None:
    """The figures of the order in an event of the gateway."""
    order = event.order
    if order is None:
        return None
    return Shown(order.ord_status, order.order_qty, order.cum_qty, order.leaves_qty, order.avg_px)


def said_in_4_2(words: Mapping[str, str | None], seen: Wire) -> Mapping[str, str | None]:
    """FIX 4.2 has other words for some of it. The figures are the same.

    ExecType(150) of an execution, a bust, a correction and a status reply tells the status; OrdStatus(39) of a replaced
    order without executions may be Replaced (5); ExecRestatementReason(378) ends at 5.
    """
    as_status = words["150"] in {ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL, ExecType.ORDER_STATUS}
    replaced = words["39"] == OrdStatus.NEW and seen.get("39") == "5"
    reason = words["378"]
    return dict(words) | {
        "150": None if as_status or replaced else words["150"],
        "39": None if replaced else words["39"],
        "378": reason if reason is not None and int(reason) <= 5 else None,
    }


class _Chain(TypedDict):
    cl_ord_id: str
    orig_cl_ord_id: str


class FixRun:
    """One path. `name` makes its ClOrdIDs and its strategy unique."""

    def __init__(self, gateway: Gateway, desk: Desk, version: str, scenario: Scenario, path: Path, name: str) -> None:
        self._gateway, self._desk = gateway, desk
        self._version, self._scenario, self._path, self._name = version, scenario, path, name
        self._session = SESSIONS[version]
        self._core = CoreRun(scenario)
        self._wire_names: dict[str, str] = {}
        self._exec_ids: dict[str, str] = {}
        self._phone_order_id = ""
        self._order_qty = Decimal(0)
        self._shown: Shown | None = None

    def play(self) -> int:
        """Every row in turn; the number of rows. Raises Mismatch."""
        self._gateway.skip_what_is_old()
        self._desk.forget()
        self._before_the_first_row()
        told = expectations(self._scenario, self._path)
        for number, (row, (_, expected)) in enumerate(zip(self._path.rows, told, strict=True), 1):
            key = (self._scenario.id, self._path.name, number)
            try:
                self._row(key, row, expected)
            except (Mismatch, ControlError) as problem:
                raise Mismatch(f"{self._version} {key}: {problem}") from None
            self._order_qty = expected.order_qty if expected is not None else self._order_qty
        self._after_the_last_row()
        return len(self._path.rows)

    def _before_the_first_row(self) -> None:
        """What is `given`: an order that the venue never sees, although it comes to the exchange's socket."""
        lost = self._scenario.lost
        if not lost:
            return
        self._desk.do("fault", kind="silence", msg_type="D")
        self._submit(lost, GIVEN_ORDER_QTY)
        self._expect([record for record in self._core.records if record.order is not None])
        self._learn_name(lost, "D")
        self._desk.forget()

    def _after_the_last_row(self) -> None:
        """What the venue answers by itself; then nothing more may have come, and the position must be the core's."""
        answers = ANSWERED_AFTERWARDS.get(self._scenario.id, ())
        same("events", [self._gateway.next_event().type.value for _ in answers], list(answers))
        same("the gateway's last event", self._gateway.last_seq, self._gateway.head())
        same("messages sent", len(self._desk.unseen("sent")), len(answers))
        same("messages received", self._desk.unseen("received"), [])
        same("position", self._gateway.net_qty(self._name), self._core.position())
        if any(row.event is Outside.HALT for row in self._path.rows):
            self._desk.do("resume", symbol=SYMBOL)

    def _row(self, key: Key, row: Row, expected: Shown | None) -> None:
        records = self._core.play(row)
        if row.received is not None:
            self._request(row.received, row, records)
        elif row.sent is not None:
            action = self._action(row.sent, row)
            if key not in BY_ITSELF:
                self._perform(action, BY_HAND[key].tags if key in BY_HAND else {})
            self._expect(records)
            self._check_sent(row.sent, row, self._desk.next("sent"), not_said=key in NOT_SAID)
        elif row.event in {Outside.HALT, Outside.RESUME}:
            self._desk.do("halt" if row.event is Outside.HALT else "resume", symbol=SYMBOL)
        same("client", self._shown, expected)

    # The client's side ------------------------------------------------------------------------------------------------

    def _request(self, message: Message, row: Row, records: Sequence[Record]) -> None:
        """Ask the gateway for what the row has the venue receive, and look at what the venue received."""
        match message.kind:
            case MessageKind.NEW_ORDER:
                self._submit(message.cl_ord_id, row.order_qty)
            case MessageKind.CANCEL_REQUEST:
                cancel = pb.CancelOrderRequest(**self._chain(message))
                self._gateway.command(self._gateway.orders.CancelOrder, cancel)
            case MessageKind.REPLACE_REQUEST:
                replace = pb.ReplaceOrderRequest(
                    **self._chain(message), order_qty=str(row.order_qty), price=row.fields.get("price")
                )
                self._gateway.command(self._gateway.orders.ReplaceOrder, replace)
            case _:
                status = pb.RequestOrderStatusRequest(orig_cl_ord_id=self._client_name(message.cl_ord_id))
                self._gateway.command(self._gateway.orders.RequestOrderStatus, status)
        self._expect(records)
        if message.kind is MessageKind.STATUS_REQUEST:
            self._desk.await_status_request()
        elif any(isinstance(record.event, SENT_ONCE) for record in records):
            self._learn_name(message.cl_ord_id, MSG_TYPES[message.kind])
            self._check_received(message, row, self._desk.next("received"))

    def _submit(self, letter: str, order_qty: Decimal | None) -> None:
        terms = self._scenario.order
        request = pb.SubmitOrderRequest(
            cl_ord_id=self._client_name(letter),
            symbol=SYMBOL,
            side=wire.side_to_wire(terms.side),
            order_qty="" if order_qty is None else str(order_qty),
            ord_type=wire.ord_type_to_wire(terms.ord_type),
            time_in_force=wire.time_in_force_to_wire(terms.time_in_force),
            price=None if terms.price is None else str(terms.price),
            cash_order_qty=None if terms.cash_order_qty is None else str(terms.cash_order_qty),
            exec_inst=terms.exec_inst,
            strategy=self._name,
            venue=self._session.venue,
        )
        self._gateway.command(self._gateway.orders.SubmitOrder, request)

    def _chain(self, message: Message) -> _Chain:
        return {
            "cl_ord_id": self._client_name(message.cl_ord_id),
            "orig_cl_ord_id": self._client_name(message.orig_cl_ord_id),
        }

    def _client_name(self, letter: str) -> str:
        return f"{self._name}-{letter}"

    def _learn_name(self, letter: str, msg_type: str) -> None:
        """What the gateway calls the message on the wire, once the venue has it."""
        name = self._gateway.wire_name(self._client_name(letter))
        self._wire_names[letter] = name
        self._desk.await_request(msg_type, name)

    def _expect(self, records: Sequence[Record]) -> None:
        """The gateway tells its client what the core makes of the row: the same events with the same figures."""
        for record in records:
            event = self._gateway.next_event()
            same("event", event.type.value, UPPER_SNAKE.sub("_", type(record.event).__name__).upper())
            same(f"order after {event.type.value}", told(event), shown(record.order))
            if event.order is not None and record.order is not None:
                self._shown = told(event)
                pending = [self._client_name(letter) for letter in record.order.pending]
                same("pending requests", list(event.order.pending), pending)
                same("in doubt", event.order.in_doubt, record.order.in_doubt)

    # The venue's side -------------------------------------------------------------------------------------------------

    def _action(self, message: Message, row: Row) -> dict[str, Any]:
        """What the desk has to do so that the exchange sends the row. Only what the row says is given."""
        assert row.venue_does is not None
        given = {"do": ACTIONS[row.venue_does]} | self._order_of(message)
        reason = next((int(v) for k, v in row.fields.items() if k.endswith("_reason")), None)
        more: dict[str, Any] = {}
        match row.venue_does:
            case VenueAction.NEW if not message.cl_ord_id:
                terms = self._scenario.order
                _, begin_string, sender, target = self._session
                more = {"session": f"{begin_string}:{target}->{sender}", "symbol": SYMBOL}
                more |= {"do": "phone_order", "side": terms.side.value, "qty": row.order_qty, "price": terms.price}
            case VenueAction.FILL | VenueAction.STOP:
                more = {"qty": row.last_qty, "px": row.last_px}
                more |= {"order_qty": row.order_qty} if self._scenario.order.cash_order_qty else {}
            case VenueAction.CORRECT:
                more = {"qty": row.last_qty, "px": row.last_px, "exec_ref_id": self._exec_ids[row.exec_ref_id]}
            case VenueAction.BUST:
                more = {"exec_ref_id": self._exec_ids[row.exec_ref_id]}
            case VenueAction.RESTATE if reason == CORPORATE_ACTION:
                assert row.order_qty is not None
                more = {"ratio": row.order_qty / self._order_qty, "reason": reason}
            case VenueAction.RESTATE if reason == REINSTATED:
                more = {"do": "reinstate", "exec_type": "D"}
            case VenueAction.RESTATE:
                more = {"qty": row.order_qty, "reason": reason}
            case VenueAction.REJECT if row.ord_status is not OrdStatus.REJECTED:
                more = {"do": "report", "exec_type": "8"}
            case VenueAction.REPORT_STATUS:
                more = {"text": row.fields.get("text")}
            case _ if reason is not None:
                more = {"reason": reason}
        return given | more

    def _order_of(self, message: Message) -> dict[str, str]:
        if not message.cl_ord_id:
            return {"order_id": self._phone_order_id} if self._phone_order_id else {}
        return {"cl_ord_id": self._wire_names[message.cl_ord_id]}

    def _perform(self, action: dict[str, Any], by_hand: Mapping[str, str]) -> None:
        tags = {tag: self._wire_names[text[1:]] if text[0] == "=" else text for tag, text in by_hand.items()}
        arguments = {name: str(v) if isinstance(v, Decimal) else v for name, v in action.items() if v is not None}
        answer = self._desk.do(arguments.pop("do"), **arguments, tags=tags)
        if action["do"] == "phone_order":
            self._phone_order_id = answer["report"]["order_id"]

    def _check_received(self, message: Message, row: Row, received: Wire) -> None:
        """The gateway's message: the names of the chain, and the terms asked for."""
        same("35", received["35"], MSG_TYPES[message.kind])
        figures = {"38": row.order_qty, "44": decimal(row.fields.get("price"))}
        self._check(received, message, figures, {})

    def _check_sent(self, message: Message, row: Row, sent: Wire, *, not_said: bool) -> None:
        """The venue's message as it went out."""
        same("35", sent["35"], "8" if row.exec_type else "9")
        if row.exec_id:
            self._exec_ids[row.exec_id] = sent["17"]
        figures = {
            "38": None if not_said else row.order_qty,
            "14": row.cum_qty,
            "151": row.leaves_qty,
            "6": row.avg_px,
            "32": row.last_qty,
            "31": row.last_px,
            "44": decimal(row.fields.get("price")),
        }
        words = {
            "39": row.ord_status,
            "150": row.exec_type,
            "58": row.fields.get("text"),
            "19": self._exec_ids.get(row.exec_ref_id),
            "102": row.fields.get("cxl_rej_reason"),
            "103": row.fields.get("ord_rej_reason"),
            "378": row.fields.get("exec_restatement_reason"),
        }
        old = self._version == FIX_4_2
        self._check(sent, message, figures, said_in_4_2(words, sent) if old else words)

    def _check(
        self, seen: Wire, message: Message, figures: Mapping[str, Decimal | None], words: Mapping[str, str | None]
    ) -> None:
        names = {"11": message.cl_ord_id, "41": message.orig_cl_ord_id}
        for tag, letter in names.items():
            same(f"{tag}", seen.get(tag), self._wire_names[letter] if letter else None)
        for tag, figure in figures.items():
            if figure is not None:
                same(tag, decimal(seen.get(tag)), figure)
        for tag, word in words.items():
            if word is not None:
                same(tag, seen.get(tag), str(word))
