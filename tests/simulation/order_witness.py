"""The witness of orders: what goes to a venue is what was asked for, what is recorded of an order is what its venue's
message says of that order, and what its owner is shown as pending is what was asked.

It knows from the records alone what was asked, and reads the messages themselves.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from gateway.core.commands import ReplaceOrder, SubmitOrder
from gateway.core.events import (
    CancelRequested,
    ExecutionBusted,
    ExecutionCorrected,
    OrderAcknowledged,
    OrderCalculated,
    OrderCanceled,
    OrderDoneForDay,
    OrderExpired,
    OrderFilled,
    OrderPendingNew,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    OrderRouted,
    OrderStatusReported,
    OrderStopped,
    OrderSubmitted,
    OrderSuspended,
    OrderView,
    Record,
    ReplaceRequested,
    RequestPending,
    RequestRejected,
    Terms,
)
from gateway.core.intake import submitted_terms
from gateway.core.types import OrdStatus

EVIDENCE: dict[type, tuple[str, ...]] = {
    # What the venue's message must say, somewhere, for the event to be its word and not ours.
    OrderAcknowledged: ("150=0", "150=5", "150=I", "20=3"),
    OrderPendingNew: ("150=A",),
    OrderFilled: ("150=F", "150=1", "150=2"),
    OrderCanceled: ("150=4", "39=4"),
    OrderExpired: ("150=C", "39=C"),
    OrderRejected: ("150=8", "39=8", "35=3", "35=j"),
    OrderReplaced: ("150=5", "150=I", "20=3"),
    RequestPending: ("150=6", "150=E", "39=6", "39=E"),
    RequestRejected: ("35=9", "150=8", "35=3", "35=j"),
    OrderDoneForDay: ("150=3", "39=3"),
    OrderSuspended: ("150=9", "39=9"),
    OrderCalculated: ("150=B",),
    OrderStopped: ("150=7",),
    OrderRestated: ("150=D",),
    OrderStatusReported: ("150=I", "20=3"),
    ExecutionBusted: ("150=H", "20=1"),
    ExecutionCorrected: ("150=G", "20=2"),
}
_PENDING = {"F": OrdStatus.PENDING_CANCEL, "G": OrdStatus.PENDING_REPLACE}
Fail = Callable[[str], None]


class OrderWitness:
    """Orders and their requests, as the durable records have them."""

    def __init__(self, failed: Fail) -> None:
        self._failed = failed
        self._commands: dict[str, SubmitOrder] = {}
        self._wanted: dict[str, dict[str, str]] = {}  # By ClOrdID(11) at the venue, what its message has to say.
        self._orders: dict[str, str] = {}  # By the same, the order.
        self._venue_names: dict[tuple[str, str], int] = {}  # By order and OrderID(37), the first record that had it.
        self._numbers: set[tuple[str, str]] = set()  # The MsgSeqNums(34) of each order's messages.
        self._kinds: dict[tuple[str, str], str] = {}  # By order and ClOrdID(11), the MsgType(35).

    def synced(self, record: Record) -> None:
        """This is durable from here on."""
        event = record.event
        match event:
            case OrderSubmitted():
                self._commands[event.order_id] = event.command
            case OrderRouted():
                command = self._commands[event.order_id]
                self._wants(event.order_id, event.venue_cl_ord_id, "D", _said(command, submitted_terms(command)))
            case CancelRequested():
                self._asked(event, "F", {"41": event.orig_venue_cl_ord_id})
            case ReplaceRequested():
                self._is_what_was_asked(record.seq, event)
                terms = _said(self._commands[event.order_id], event.terms)
                self._asked(event, "G", {**terms, "41": event.orig_venue_cl_ord_id})
            case _:
                pass
        if record.order is not None:
            self._shown(record, record.order)

    def _asked(self, event: CancelRequested | ReplaceRequested, msg_type: str, wanted: dict[str, str]) -> None:
        self._kinds[event.order_id, event.cl_ord_id] = msg_type
        self._wants(event.order_id, event.venue_cl_ord_id, msg_type, wanted)

    def _wants(self, order_id: str, name: str, msg_type: str, wanted: dict[str, str]) -> None:
        command = self._commands[order_id]
        about = {"35": msg_type, "11": name, "54": command.side.value, "55": command.symbol, "1": command.account}
        self._wanted[name] = {**about, **wanted}
        self._orders[name] = order_id

    def _is_what_was_asked(self, seq: int, event: ReplaceRequested) -> None:
        command = event.command
        if isinstance(command, ReplaceOrder):
            for asked, terms in ((command.order_qty, event.terms.order_qty), (command.price, event.terms.price)):
                if asked is not None and asked != terms:
                    self._failed(f"record {seq}: {command.cl_ord_id} asks for {asked}, and its terms have {terms}")

    # --- What an owner is shown ---

    def _shown(self, record: Record, view: OrderView) -> None:
        """Rule 5: what is unanswered outranks all else."""
        asked = {self._kinds.get((view.order_id, name), "") for name in view.pending}
        shown = next((status for msg_type, status in _PENDING.items() if msg_type in asked), None)
        if "" in asked:
            self._failed(f"record {record.seq}: {view.order_id} is shown as pending {view.pending}, which nobody asked")
        if shown is not view.ord_status and (shown or view.ord_status in _PENDING.values()):
            self._failed(
                f"record {record.seq}: {view.order_id} is shown as {view.ord_status.name}, and pending are "
                f"{', '.join(view.pending) or 'no requests'}"
            )
        if view.venue_order_id:
            self._venue_names.setdefault((view.order_id, view.venue_order_id), record.seq)

    # --- Out ---

    def on_wire(self, said: Mapping[str, str]) -> None:
        """A new order, a cancel or a replace goes into the socket."""
        name = said["11"]
        for tag, value in self._wanted.get(name, {}).items():
            if not _is_same(tag, value, said.get(tag, "")):
                self._failed(f"{name} was sent with {tag}={said.get(tag, '')}, and asked for was {value or 'none'}")
        self._numbers.add((self._orders.get(name, ""), said["34"]))

    # --- In ---

    def is_said(self, record: Record, message: str) -> bool:
        """Whether the venue's message says what the record has, and says it of the order of which the record has it."""
        pieces = EVIDENCE[type(record.event)]
        if not any(f"\x01{piece}\x01" in message for piece in pieces):
            return False
        order_id: str = getattr(record.event, "order_id", "")
        said = dict(piece.split("=", 1) for piece in message.split("\x01") if piece)
        if any(self._orders.get(said.get(tag, "")) == order_id for tag in ("11", "41", "379")):
            return True
        if said["35"] in "3j":
            return (order_id, said["45"]) in self._numbers
        return self._venue_names.get((order_id, said.get("37", "")), record.seq) < record.seq


def _said(command: SubmitOrder, terms: Terms) -> dict[str, str]:
    """What a message says that has terms."""
    price = "" if terms.price is None else str(terms.price)
    tif = terms.time_in_force.value
    return {"38": str(terms.order_qty), "40": command.ord_type.value, "44": price, "59": tif}


def _is_same(tag: str, wanted: str, said: str) -> bool:
    if tag in ("38", "44") and wanted and said:
        return Decimal(wanted) == Decimal(said)
    return wanted == said
