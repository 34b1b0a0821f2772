"""The witness of reconciliation: no order before the venue was compared, no difference without an item, and every
execution of a drop copy accounted for.

It knows from the records alone which venues may be sent orders, which items are open, and which executions one of two
sessions has told and the other has not; and from the venues which orders of somebody else they work.
"""

from collections.abc import Callable

from gateway.core.events import (
    CancelRequested,
    CommandRefused,
    DoubtResolved,
    DropCopyNoted,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    ExternalOrderReported,
    ItemRaised,
    ItemResolved,
    OrderCanceled,
    OrderEntryOpened,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderRouted,
    OrderStatusReported,
    OrderSubmitted,
    QuantityDisputed,
    ReconciliationEnded,
    ReconciliationStarted,
    Record,
    ReplaceRequested,
    Reported,
    ReportSetAside,
    RequestRejected,
    SessionLoggedOn,
    SessionLoggedOut,
)
from gateway.core.reports import ExecutionReport, MessageRejected
from gateway.core.state import Reconcile, Settings, State
from gateway.core.types import DoubtOutcome, ExecType, ItemKind, OrdStatus, Reason
from gateway.core.venue_reports import ENDED_STATUS

Fail = Callable[[str], None]
About = tuple[ItemKind, str, str, str]
"""What an item is about: its kind, the venue, the order (ours or theirs), the execution."""
Key = tuple[str, str, str]
"""An execution: the order, the trade date, ExecID(17)."""
Execution = OrderFilled | ExecutionCorrected | ExecutionBusted

_EXECUTIONS = (ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL)
_ENDED_BY_A_COMPARISON = (ItemKind.NOT_ANSWERED, ItemKind.SEQUENCE_RESET)
BY_A_PERSON = (ItemKind.REPORT_UNKNOWN, ItemKind.ORDER_EXTERNAL, ItemKind.EXECUTION_UNCONFIRMED, ItemKind.STATUS)
"""Items that no evidence may ever resolve; the others a venue that is honest again resolves."""


class ReconciliationWitness:
    """Order entry, items and drop copies, as the durable records have them."""

    def __init__(
        self,
        failed: Fail,
        said: Callable[[str, int], str],
        strangers: Callable[[str], set[str]],
        settings: Settings,
    ) -> None:
        self._failed = failed
        self._said = said
        self._strangers = strangers
        self._compared = settings.reconcile
        self._copied = settings.drop_copies
        self._grace_ns = {
            venue: settings.reconcile.get(venue, Reconcile()).grace_ns for venue in settings.drop_copies.values()
        }
        self._ready: set[str] = set()
        self._items: dict[str, About] = {}
        self._open: dict[About, str] = {}
        self._owed: dict[About, None] = {}
        self._external: set[tuple[str, str]] = set()
        self._shown: set[tuple[str, str]] = set()
        self._to_be_shown: dict[str, set[str]] = {}
        self._hidden: dict[str, set[str]] = {}
        self._showing: set[str] = set()
        self._told: dict[Key, tuple[str, int]] = {}
        self._untold: dict[Key, tuple[str, int]] = {}
        self._copies: dict[Key, str] = {}  # As they were told: the session's numbers may start over.
        self._missed: set[Key] = set()
        self._names: dict[str, str] = {}
        self._denied: set[str] = set()
        self._called_canceled: set[str] = set()

    # --- What is durable ---

    def synced(self, record: Record) -> None:
        """This is durable from here on."""
        event = record.event
        self._is_denied(record)
        match event:
            case SessionLoggedOn():
                self._logged_on(event)
            case SessionLoggedOut():
                self._logged_out(event.venue)
            case ReconciliationStarted():
                self._comparison_begins(event)
            case ReconciliationEnded() if event.complete:
                self._ready.add(event.venue)
                self._comparison_is_complete(record.seq, event.venue)
            case OrderEntryOpened():
                self._ready.add(event.venue)
            case OrderSubmitted() | ReplaceRequested():
                if event.venue not in self._ready:
                    self._failed(f"record {record.seq}: {type(event).__name__}, and {event.venue} takes no orders")
            case CommandRefused(reason=Reason.SESSION_NOT_RECONCILED):
                venue, opened = event.text.split(maxsplit=1)[0], "have still to come into doubt" not in event.text
                if opened and venue in self._ready:
                    self._failed(f"record {record.seq}: refused because of {venue}, which takes orders")
            case ItemRaised():
                self._raised(record, event)
            case ItemResolved():
                self._resolved(record.seq, event)
            case DropCopyNoted():
                self._noted(record, event)
            case OrderFilled() | ExecutionCorrected() | ExecutionBusted():
                self._executed(record, event)
            case _:
                self._differs(record, event)

    def _is_denied(self, record: Record) -> None:
        """An operator calls an order canceled only while its venue says that it does not know it, and until then."""
        event = record.event
        match event:
            case OrderRouted() | CancelRequested() | ReplaceRequested():
                self._names[event.venue_cl_ord_id] = event.order_id
            case ReportSetAside(report=ExecutionReport(exec_type=ExecType.ORDER_STATUS) as report):
                self._denied.add(self._names.get(report.cl_ord_id, ""))
            case Reported() if record.cause.kind == "venue" and not isinstance(event, RequestRejected):
                self._denied.discard(event.order_id)
                self._lives_again(record, event)
            case DoubtResolved(outcome=DoubtOutcome.CANCELED):
                self._called_canceled.add(event.order_id)
                if event.order_id not in self._denied:
                    self._failed(
                        f"record {record.seq}: order {event.order_id} is called canceled, and its venue has it"
                    )

    def _lives_again(self, record: Record, event: Reported) -> None:
        """The venue speaks of it: unless that is an end, what an operator said of it is over."""
        if event.order_id not in self._called_canceled:
            return
        self._called_canceled.discard(event.order_id)
        told = event.ord_status if isinstance(event, OrderStatusReported) else None
        ends = isinstance(event, OrderCanceled | OrderExpired | OrderRejected) or told in ENDED_STATUS
        if not ends and record.order is not None and record.order.ord_status is OrdStatus.CANCELED:
            self._failed(f"record {record.seq}: order {event.order_id} is Canceled, and its venue speaks of it")

    def batch_ended(self) -> None:
        """What comes of one input shares its commit: by now each difference has its item."""
        for kind, venue, subject, _ in self._owed:
            self._failed(f"there is no item {kind} about {subject or venue}")

    # --- Order entry ---

    def on_wire(self, venue: str, name: str) -> None:
        """A new order, or new terms, go into the socket."""
        if venue not in self._ready:
            self._failed(f"{name} was sent, and {venue} takes no orders: it is not compared, or not logged on")

    def _logged_on(self, event: SessionLoggedOn) -> None:
        venue = event.venue
        if event.copies:
            self._showing.add(event.copies)
        elif venue in self._compared:
            self._ready.discard(venue)
            if event.unexpected:
                self._owes((ItemKind.SEQUENCE_RESET, venue, "", ""))
        else:
            self._ready.add(venue)

    def _logged_out(self, session: str) -> None:
        self._ready.discard(session)
        if (venue := self._copied.get(session)) is not None:
            self._showing.discard(venue)
            for key in [key for key, (at_venue, _) in self._untold.items() if at_venue == venue]:
                del self._untold[key]

    # --- Items ---

    def _owes(self, about: About) -> None:
        if about not in self._open:
            self._owed[about] = None

    def _raised(self, record: Record, event: ItemRaised) -> None:
        about = (event.kind, event.venue, event.order_id or event.venue_order_id, event.exec_id)
        if about in self._open:
            self._failed(f"record {record.seq}: there is a second item {event.kind} about {about[2]}")
        self._owed.pop(about, None)
        self._items[event.item_id], self._open[about] = about, event.item_id
        key = (event.order_id, event.trade_date, event.exec_id)
        if event.kind is ItemKind.EXECUTION_MISSING:
            self._is_late(record, self._told.get(key))
            self._missed.add(key)
        elif event.kind is ItemKind.EXECUTION_UNCONFIRMED:
            self._is_late(record, self._untold.pop(key, None))

    def _resolved(self, seq: int, event: ItemResolved) -> None:
        about = self._items.pop(event.item_id, None)
        if about is None:
            self._failed(f"record {seq}: item {event.item_id} is resolved, and was not open")
        else:
            del self._open[about]

    def _comparison_begins(self, event: ReconciliationStarted) -> None:
        """A mass question is answered with every order that works, of others as well."""
        if event.how == "mass":
            self._to_be_shown[event.venue] = self._strangers(event.venue)
        elif not event.mass_status_req_id:
            self._to_be_shown.pop(event.venue, None)

    def _comparison_is_complete(self, seq: int, venue: str) -> None:
        if venue in self._to_be_shown:
            self._shows_strangers(seq, venue)
        for kind in _ENDED_BY_A_COMPARISON:
            if (kind, venue, "", "") in self._open:
                self._failed(f"record {seq}: {venue} is compared, and its item {kind} is open")

    def _differs(self, record: Record, event: Event) -> None:
        """What has to have an item, where the venue is compared."""
        match event:
            case QuantityDisputed() if record.order is not None and record.order.venue in self._compared:
                self._owes((ItemKind.QUANTITY, record.order.venue, event.order_id, ""))
            case ReportSetAside() if event.report.venue in self._compared and not _is_reply(event.report):
                unknown = getattr(event.report, "venue_order_id", "")
                self._owes((ItemKind.REPORT_UNKNOWN, event.report.venue, unknown, ""))
            case ExternalOrderReported():
                self._stranger(event)

    def _stranger(self, event: ExternalOrderReported) -> None:
        """An order of somebody else has an item from the first time on that it is heard of."""
        named = (event.venue, event.venue_order_id)
        self._shown.add(named)
        if event.report.ord_status in ENDED_STATUS:
            self._external.discard(named)
        elif named not in self._external and (event.venue in self._compared or event.venue in self._copied.values()):
            self._external.add(named)
            self._owes((ItemKind.ORDER_EXTERNAL, *named, ""))

    def _shows_strangers(self, seq: int, venue: str) -> None:
        """A line of an answer may be told behind its last one, where the venue tells things out of turn; not twice."""
        works = self._to_be_shown.pop(venue) & self._strangers(venue)
        hidden = {name for name in works if (venue, name) not in self._shown}
        for name in sorted(hidden & self._hidden.get(venue, set())):
            self._failed(f"record {seq}: {venue} is compared again, and {name} of somebody else is not shown")
        self._hidden[venue] = hidden

    # --- The drop copy ---

    def _noted(self, record: Record, event: DropCopyNoted) -> None:
        report = event.report
        if not event.order_id or report.exec_type not in _EXECUTIONS:
            return
        key = (event.order_id, report.trade_date, report.exec_id)
        self._untold.pop(key, None)
        if record.cause.msg_seq_num is not None:
            self._copies[key] = self._said(record.cause.who, record.cause.msg_seq_num)
        if event.known:
            self._told.pop(key, None)
        else:
            self._told.setdefault(key, (report.venue, record.at_ns))

    def _executed(self, record: Record, event: Execution) -> None:
        """The ledger has it: from now on the drop copy is awaited, unless it was first."""
        assert record.order is not None
        key, venue = (event.order_id, event.trade_date, event.exec_id), record.order.venue
        if self._told.pop(key, None) is None and venue in self._showing:
            self._untold[key] = (venue, record.at_ns)

    def _is_late(self, record: Record, waiting: tuple[str, int] | None) -> None:
        """One of two sessions has not told it for the grace time; or the clock was set meanwhile."""
        if waiting is None:
            self._failed(f"record {record.seq}: an execution is missed that nobody waits for")
        elif abs(record.at_ns - waiting[1]) < self._grace_ns[waiting[0]]:
            self._failed(f"record {record.seq}: an execution is missed before its grace time is over")

    def copy_of(self, event: Execution) -> str:
        """The message in which the drop copy told an execution that was then taken from it; "" when it did not."""
        key = (event.order_id, event.trade_date, event.exec_id)
        return self._copies.get(key, "") if key in self._missed else ""

    def waits(self) -> dict[tuple[str, str], int]:
        """The executions that one of two sessions has told, and how long the other may keep silent."""
        waiting = [*self._told.items(), *self._untold.items()]
        return {("execution", " ".join(key)): self._grace_ns[venue] for key, (venue, _) in waiting}

    # --- What is so now, and at the end ---

    def committed(self, state: State) -> None:
        """The state is as of the last durable record."""
        if state.items.keys() != self._items.keys():
            self._failed(f"open are the items {list(self._items)}, and the state has {list(state.items)}")
        disputed = {order_id for order_id in state.disputed if state.orders[order_id].venue in self._compared}
        told = {subject for kind, _, subject, _ in self._open if kind is ItemKind.QUANTITY}
        if disputed != told:
            self._failed(f"disputed at compared venues are {sorted(disputed)}, and items tell of {sorted(told)}")

    def open(self, state: State) -> list[str]:
        """What is not resolved yet, in words."""
        lasts = {venue: state.last_runs.get(venue) for venue in self._compared}
        found = [f"{venue} is not compared" for venue, last in lasts.items() if last is None or not last.complete]
        found += [f"{venue} takes no orders, as the journal has it" for venue in lasts if venue not in self._ready]
        found += [f"item {kind} about {subject or venue} is open" for kind, venue, subject, _ in self._open]
        return found + [f"{' '.join(waiting)} waits for the other session" for waiting in self.waits()]


def _is_reply(report: object) -> bool:
    """What answers a question is no report of its own; nor is a reject that names one."""
    return isinstance(report, MessageRejected) or (
        isinstance(report, ExecutionReport) and report.exec_type is ExecType.ORDER_STATUS
    )
