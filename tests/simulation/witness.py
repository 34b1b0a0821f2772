"""The witness: sees the journal, the wires, the venues and what clients are told, and says when a promise is broken.

The promises are the invariants of the crash points. Each is checked at the moment at which it could break, with what is
durable then; what can only be seen from above is checked at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from gateway.core import retention
from gateway.core.commands import Command
from gateway.core.engine import Answer, replay
from gateway.core.events import (
    CancelRequested,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    OrderFilled,
    OrderRouted,
    OrderUnsent,
    OrderView,
    Record,
    ReplaceRequested,
    SessionAdministered,
    SessionLoggedOn,
    StatusRequested,
)
from gateway.core.invariants import check_state
from gateway.core.money import average
from gateway.core.name_index import NameIndex
from gateway.core.risk.book import Book
from gateway.core.risk.events import MassCancelSent
from gateway.core.state import State, inbound
from gateway.core.types import Reason
from gateway.runtime.ports import Journal
from tests.simulation.order_witness import EVIDENCE, OrderWitness
from tests.simulation.reconciliation_witness import ReconciliationWitness
from tests.simulation.risk_witness import RiskWitness

CHECK_EVERY = 25
"""Commits from one look at the whole state to the next, where nothing else is said."""
Fail = Callable[[str], None]


class Witness:
    """What is durable, what was said to whom, and whether it fits."""

    def __init__(
        self,
        failed: Fail,
        knows_execution: Callable[[str], tuple[Decimal, Decimal] | None],
        said: Callable[[str, int], str],
        reconciliation: ReconciliationWitness,
        check_every: int,
    ) -> None:
        self.durable: list[Record] = []
        self.answers: dict[tuple[str, str], tuple[Command, Answer]] = {}
        self.recoveries = 0
        self.inbound: dict[str, int] = {}
        self.unheard: set[str] = set()  # Venues whose numbers started over, of which the journal does not know.
        self.orders = OrderWitness(failed)
        self.risk = RiskWitness(failed)
        self.reconciliation = reconciliation
        self._failed = failed
        self._check_every = check_every
        self._knows_execution = knows_execution
        self._said = said
        self._at_venue: set[str] = set()
        self._views: dict[str, OrderView] = {}
        self._first_names: dict[str, str] = {}
        self._requests: dict[str, str] = {}
        self._questions: dict[str, int] = {}
        self._wired: dict[tuple[str, str], tuple[str, object]] = {}
        self._asked: dict[str, int] = {}
        self._counted: set[tuple[str, str, str]] = set()
        self._proven: dict[int, Record] = {}  # What a stream showed and was durable: nothing of it can change.
        self._commits = 0
        self._replayed = State()

    # --- The journal ---

    def synced(self, records: Sequence[Record]) -> None:
        """These are durable from here on."""
        for record in records:
            if record.seq != len(self.durable) + 1:
                self._failed(f"the journal goes from seq {len(self.durable)} to {record.seq}")
                return
            self.durable.append(record)
            event = record.event
            if record.cause.msg_seq_num is not None:
                self.inbound[record.cause.who] = record.cause.msg_seq_num
            elif venue := _begins_anew(event):
                self.inbound[venue] = 0
                self.unheard.discard(venue)
            self.orders.synced(record)
            self.risk.synced(record)
            self.reconciliation.synced(record)
            if record.order is not None:
                self._views[record.order.order_id] = record.order
            if isinstance(event, OrderRouted):
                self._first_names[event.order_id] = event.venue_cl_ord_id
            if isinstance(event, (OrderRouted, CancelRequested, ReplaceRequested, MassCancelSent)):
                self._requests[event.venue_cl_ord_id] = event.venue
            elif isinstance(event, StatusRequested):
                self._questions[event.venue_cl_ord_id] = self._questions.get(event.venue_cl_ord_id, 0) + 1
        self.reconciliation.batch_ended()

    def committed(self, state: State, records: Sequence[Record]) -> None:
        """The process released these; its state is as of the last of them or later."""
        for record in records:
            if record.seq > len(self.durable) or self.durable[record.seq - 1] != record:
                self._failed(f"record {record.seq} was released and is not durable")
            if isinstance(record.event, (OrderFilled, ExecutionCorrected, ExecutionBusted)):
                self._execution(record, record.event)
            self._evidence(record)
        if state.seq == len(self.durable):
            self.reconciliation.committed(state)
        self._commits += 1
        if self._commits % self._check_every == 0:
            check_state(state)

    def _evidence(self, record: Record) -> None:
        """No cancel, reject or fill is ever made up."""
        event, cause = record.event, record.cause
        if cause.kind == "operator":
            return
        if type(event) in EVIDENCE:
            if cause.kind == "timer" and isinstance(event, OrderFilled | ExecutionCorrected | ExecutionBusted):
                said = self.reconciliation.copy_of(event)
            else:
                came = inbound(cause)
                said = self._said(*came) if came is not None else ""
            if not self.orders.is_said(record, said):
                self._failed(f"record {record.seq}: {type(event).__name__} is not what {cause.who or 'anybody'} said")
        elif isinstance(event, OrderUnsent):
            self._unsent(record, event)

    def _unsent(self, record: Record, event: OrderUnsent) -> None:
        """The venue says so, or the store of its session: neither time nor a restart proves it."""
        if event.venue_cl_ord_id in self._at_venue:
            self._failed(f"record {record.seq}: order {event.order_id} is called unsent, and its venue has it")
        elif record.cause.kind != "venue":
            self._failed(f"record {record.seq}: {event.venue_cl_ord_id} is called unsent, and nobody said so")

    def _execution(self, record: Record, event: OrderFilled | ExecutionCorrected | ExecutionBusted) -> None:
        made = self._knows_execution(event.exec_id)
        if made is None:
            self._failed(f"record {record.seq}: no venue ever made execution {event.exec_id}")
        elif not isinstance(event, ExecutionBusted) and made != (event.last_qty, event.last_px):
            self._failed(f"record {record.seq}: execution {event.exec_id} is {made} at the venue, not as booked")
        mark = (event.order_id, event.trade_date, event.exec_id)
        if mark in self._counted:
            self._failed(f"record {record.seq}: execution {event.exec_id} of {event.order_id} was counted twice")
        self._counted.add(mark)

    def recovered(self, state: State, again: State, journal: Journal) -> None:
        """A new process rebuilt its state, and once more. Both are what the journal comes to without any snapshot, and
        with every record compared with what was told; each is replayed once, at the first recovery that knows of it.
        """
        for record in journal.read():
            if record.seq > self._replayed.seq:
                replay(self._replayed, record)
        self.recoveries += 1
        if not _all_of(state) == _all_of(again) == _all_of(self._replayed):
            self._failed("two recoveries of the same journal gave different states")
        if state.seq != len(self.durable):
            self._failed(f"recovery ended at seq {state.seq}, durable are {len(self.durable)}")
        self.risk.recovered(state)
        for (client, name), (_, answer) in self.answers.items():
            key = state.keys.get(client, {}).get(name)
            if key is None and not state.retired.find(retention._key_name(client, name)):
                self._failed(f"{client} was answered on {name} (order {answer.order_id}), and recovery has lost it")

    # --- Out ---

    def on_wire(self, venue: str, said: Mapping[str, str], wire: object, *, overtaken: bool) -> None:
        """A message goes into the socket, maybe of a process that another took over from."""
        msg_type, name = said["35"], said.get("11", "")
        if msg_type == "H" and said.get("43") != "Y":
            self._asked[name] = self._asked.get(name, 0) + 1
            if self._asked[name] > self._questions.get(name, 0):
                self._failed(f"a status request for {name} was sent without a committed event")
        if msg_type not in "DFGq":
            return
        if self._requests.get(name) != venue:
            self._failed(f"35={msg_type} {name} was sent to {venue} without a committed event")
        first = self._wired.setdefault((venue, name), (said["34"], wire))
        again = said.get("43") == "Y"
        if first != (said["34"], wire):
            self._failed(f"35={msg_type} {name} was sent again under MsgSeqNum {said['34']}, first under {first[0]}")
        elif not again and (venue, name, "sent") in self._counted:
            self._failed(f"35={msg_type} {name} was sent twice")
        elif not again and overtaken:
            self._failed(f"35={msg_type} {name} was sent by a process that another has taken over from")
        elif not again and msg_type in "DG":
            self.reconciliation.on_wire(venue, name)
        self._counted.add((venue, name, "sent"))
        if msg_type != "q":
            self.orders.on_wire(said)

    def new_order_at_venue(self, venue: str, name: str, counts: Mapping[str, int]) -> None:
        """A venue took a NewOrderSingle(35=D) into its own hands."""
        self._at_venue.add(name)
        if counts[name] > 1:
            self._failed(f"{venue} received the order {name} {counts[name]} times")

    # --- Clients ---

    def replies(self, client: str, command: Command, answer: Answer) -> None:
        """An answer leaves the process."""
        if answer.seq > len(self.durable):
            self._failed(f"{client} is told of seq {answer.seq}, durable are {len(self.durable)}")
        name = getattr(command, "cl_ord_id", "")
        if not name:
            return
        known = self.answers.get((client, name))
        if known is None:
            if answer.reason is not Reason.DUPLICATE_CL_ORD_ID:
                self.answers[client, name] = (command, answer)
        elif known[0] == command:
            self._same(client, name, known[1], answer)
        elif answer.reason is not Reason.DUPLICATE_CL_ORD_ID:
            self._failed(f"{client} used {name} for another request and was answered {answer}")

    def _same(self, client: str, name: str, first: Answer, now: Answer) -> None:
        told = [(a.order_id, a.seq, a.requested, a.reason, a.field, a.text) for a in (first, now)]
        if told[0] != told[1]:
            self._failed(f"{client} was answered {first} on {name}, and {now} on the same request again")

    def streams(self, records: Sequence[Record]) -> None:
        """Records leave the process on a stream."""
        for record in records:
            if self._proven.get(record.seq) is record:
                continue
            if record.seq > len(self.durable) or self.durable[record.seq - 1] != record:
                self._failed(f"a stream shows record {record.seq}, which is not durable")
            else:
                self._proven[record.seq] = record

    # --- The end ---

    def difference(
        self,
        venue: str,
        executed: Mapping[str, Mapping[str, tuple[Decimal, Decimal]]],
        working: Mapping[str, tuple[Decimal, Decimal | None]],
    ) -> str:
        """Where our ledger, as we last told it, and the venue's are not the same, or what works; "" when they are."""
        for order_id, view in self._views.items():
            if view.venue != venue:
                continue
            name = self._first_names.get(order_id, "")
            theirs = executed.get(name, {}).values()
            qty = sum((qty for qty, _ in theirs), Decimal(0))
            avg_px = average(sum((qty * px for qty, px in theirs), Decimal(0)), qty)
            if (qty, avg_px) != (view.cum_qty, view.avg_px):
                return f"order {order_id}: we have {view.cum_qty} at {view.avg_px}, {venue} has {qty} at {avg_px}"
            left, price = working.get(name, (Decimal(0), None))
            if view.leaves_qty != left or (left and view.terms.price != price):
                ours = f"{view.leaves_qty} at {view.terms.price}"
                return f"order {order_id}: {ours} is left of it here, and {left} at {price} at {venue}"
        return ""


def _all_of(state: State) -> tuple[bytes, NameIndex]:
    """The state as a snapshot has it, but for the index of names: its thousands of tables are compared as they are."""
    return _encoder.encode(state), state.retired


def _left_out(value: object) -> None:
    """A NameIndex, which is compared beside the rest, and a Book, which follows from it."""
    if not isinstance(value, NameIndex | Book):
        raise NotImplementedError(f"nothing says how to compare a {type(value).__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_left_out)


def _begins_anew(event: Event) -> str:
    """The venue whose messages are expected from 1 on after this event; "" when there is none."""
    reset = isinstance(event, SessionLoggedOn) and event.reset
    agreed = isinstance(event, SessionAdministered) and event.next_target_msg_seq_num == 1
    return getattr(event, "venue", "") if reset or agreed else ""
