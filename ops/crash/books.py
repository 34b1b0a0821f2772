"""Three accounts of the same orders, kept independently: what clients were told, what the journal holds, what the
venues' own ledgers hold. Each is read on from where it was read last, so that comparing costs what is new.

Nothing here uses the gateway's state: the journal's book is made from its events, one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.client import Event, EventType, Order
from gateway.core import events as ev
from gateway.core.events import OrderView, Record
from ops.demo.compare import Fill
from sim_exchange import ledger
from sim_exchange import orders as venue_orders

REQUESTS = "DFG"
"""MsgType(35) of what may be sent once only: new orders, cancels and replaces."""


class Standing(NamedTuple):
    """How an order stands: Side(54), OrdStatus(39), CumQty(14), OrderQty(38) and Price(44)."""

    side: str
    ord_status: str
    cum_qty: Decimal
    order_qty: Decimal
    price: Decimal | None


class Request(NamedTuple):
    """A request that went out: its MsgType(35), and the order that it is about."""

    msg_type: str
    order_id: str


class ClientBook:
    """What one client was told: its accepted orders by ClOrdID(11), the keys that were refused, its executions, how
    each order stands, and which events of its own it got.

    `problems` are what it saw to be wrong by itself: an event twice or out of order, one key with two orders.
    """

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.refused: set[str] = set()
        self.fills: dict[tuple[str, str], Fill] = {}
        self.told: dict[str, Order] = {}
        self.seqs: list[int] = []
        self.problems: list[str] = []
        self._last_seq = 0

    def accepted(self, cl_ord_id: str, order_id: str) -> None:
        """The gateway said that it has an order under this key; one key has one order, however often asked."""
        known = self.orders.setdefault(cl_ord_id, order_id)
        if known != order_id:
            self.problems.append(f"key {cl_ord_id} was order {known} and is order {order_id}")

    def take(self, event: Event) -> None:
        """One event of the client's stream."""
        if event.seq <= self._last_seq:
            self.problems.append(f"event {event.seq} came after event {self._last_seq}")
        self._last_seq = event.seq
        if event.order is None and event.type not in _OWN_WITHOUT_ORDER:
            return
        self.seqs.append(event.seq)
        if event.order is None:
            return
        self.told[event.order.order_id] = event.order
        key = (event.order.order_id, event.exec_id)
        if event.type is EventType.ORDER_FILLED:
            if key in self.fills:
                self.problems.append(f"execution {key} was told twice")
            qty, px = event.last_qty or Decimal(0), event.last_px or Decimal(0)
            self.fills[key] = Fill(event.order.venue, event.exec_id, qty, px)


_OWN_WITHOUT_ORDER = (EventType.COMMAND_REFUSED, EventType.MASS_CANCEL_DONE)


class JournalBook:
    """What the journal says was taken, sent, answered and executed, and how each order stands."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders: dict[str, dict[str, str]] = defaultdict(dict)
        self.views: dict[str, OrderView] = {}
        self.routed: dict[str, Request] = {}
        self.unsent: set[str] = set()
        self.answered: set[str] = set()
        self.seqs: dict[str, list[int]] = defaultdict(list)
        self.fills: dict[str, dict[tuple[str, str], Fill]] = defaultdict(dict)
        self.kinds: Counter[str] = Counter()

    def read(self, records: Iterable[Record]) -> None:
        """Take records, from the one after the last that was taken."""
        for record in records:
            self.seq = record.seq
            self.kinds[type(record.event).__name__] += 1
            if client_id := _owner(record):
                self.seqs[client_id].append(record.seq)
            if record.order is not None:
                self.views[record.order.order_id] = record.order
            self._take(record)

    def _take(self, record: Record) -> None:
        event = record.event
        match event:
            case ev.OrderSubmitted():
                self.orders[event.command.client_id][event.command.cl_ord_id] = event.order_id
            case ev.OrderRouted():
                self.routed[event.venue_cl_ord_id] = Request("D", event.order_id)
            case ev.CancelRequested():
                self.routed[event.venue_cl_ord_id] = Request("F", event.order_id)
            case ev.ReplaceRequested():
                self.routed[event.venue_cl_ord_id] = Request("G", event.order_id)
            case ev.OrderUnsent():
                self.unsent.add(event.venue_cl_ord_id)
            case ev.OrderCanceled() | ev.OrderReplaced() | ev.RequestPending() | ev.RequestRejected():
                self.answered.add(event.venue_cl_ord_id)
            case ev.OrderFilled() if record.order is not None:
                fill = Fill(record.order.venue, event.exec_id, event.last_qty, event.last_px)
                self.fills[record.order.client_id][event.order_id, event.exec_id] = fill
            case _:
                pass


def _owner(record: Record) -> str:
    if record.order is not None:
        return record.order.client_id
    if isinstance(record.event, (ev.CommandRefused, ev.MassCancelDone)):
        return str(getattr(record.event.command, "client_id", ""))
    return ""


class VenueBook:
    """What one venue's ledger says it received and executed, and its orders. Only whole pieces of work are read."""

    def __init__(self, venue: str, path: Path) -> None:
        self.received: dict[str, Counter[str]] = {kind: Counter() for kind in REQUESTS}
        self.executions = ledger.NetExecutions()
        self.orders: dict[str, venue_orders.Order] = {}
        self.venue = venue
        self._path = path
        self._offset = 0
        self._decoder: msgspec.json.Decoder[ledger.Line] = msgspec.json.Decoder(ledger.Line)

    def read(self) -> None:
        """Take what the ledger has got since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new.rfind(_END) + len(_END) if _END in new else 0
        self._offset += whole
        for raw in new[:whole].splitlines():
            line = self._decoder.decode(raw)
            if isinstance(line, ledger.Received) and line.msg_type in self.received:
                self.received[line.msg_type][_cl_ord_id(line.raw)] += 1
            elif isinstance(line, ledger.Execution):
                self.executions.add(line)
            elif isinstance(line, venue_orders.Order):
                self.orders[line.order_id] = line

    def fills(self) -> Iterator[Fill]:
        """The executions that stand."""
        for line in self.executions.standing.values():
            yield Fill(self.venue, line.exec_id, line.last_qty, line.last_px)


_END = b'{"kind":"end"}\n'


def _cl_ord_id(raw: str) -> str:
    return next(field[3:] for field in raw.split("\x01") if field.startswith("11="))


class Findings(msgspec.Struct):
    """What the accounts do not agree on, a line for each order, execution or event."""

    lost: list[str] = []
    duplicated: list[str] = []
    sent_twice: list[str] = []
    stream: list[str] = []
    standing: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.lines())

    def lines(self) -> list[str]:
        """All of them, each with its kind."""
        kinds = {name: getattr(self, name) for name in self.__struct_fields__}
        return [f"{name.replace('_', ' ')}: {line}" for name, lines in kinds.items() for line in lines]


class Books:
    """The three accounts. Read the venues before the journal: what a venue has, the journal had before (rule 1)."""

    def __init__(self, clients: Iterable[str], ledgers: dict[str, Path]) -> None:
        self.clients = {client_id: ClientBook() for client_id in clients}
        self.journal = JournalBook()
        self.venues = {venue: VenueBook(venue, path) for venue, path in ledgers.items()}

    def read(self, records: Iterable[Record]) -> None:
        """Bring journal and venues up to now."""
        for venue in self.venues.values():
            venue.read()
        self.journal.read(records)

    def received(self, kinds: str = REQUESTS) -> Counter[str]:
        """How often each request came to the venues."""
        counts: Counter[str] = Counter()
        for venue in self.venues.values():
            for kind in kinds:
                counts.update(venue.received[kind])
        return counts

    def at_any_time(self) -> Findings:
        """What must hold at every moment, also while orders are on their way."""
        found = Findings()
        for client_id, client in self.clients.items():
            known = self.journal.orders[client_id]
            found.lost += [
                f"order {order_id} ({key}) of {client_id} was accepted and is not in the journal"
                for key, order_id in client.orders.items()
                if known.get(key) != order_id
            ]
            found.standing += [
                f"order {known[key]} ({key}) of {client_id} was refused and is in the journal"
                for key in sorted(client.refused & known.keys())
            ]
            found.stream += [f"{client_id}: {problem}" for problem in client.problems]
        orders: dict[str, list[str]] = defaultdict(list)
        for name, times in self.received().items():
            if times > 1:
                found.sent_twice.append(f"request {name} reached the venue {times} times")
            routed = self.journal.routed.get(name)
            if routed is None:
                found.duplicated.append(f"request {name} reached the venue and is not in the journal")
            elif routed.msg_type == "D":
                orders[routed.order_id].append(name)
        found.sent_twice += [
            f"order {order_id} reached the venue as {' and as '.join(names)}"
            for order_id, names in orders.items()
            if len(names) > 1
        ]
        return found

    def at_rest(self) -> Findings:
        """What must hold once nothing is on its way and every stream has caught up with the journal."""
        found = self.at_any_time()
        self._compare_requests(found)
        self._compare_fills(found)
        for venue in self.venues.values():
            self._compare_orders(found, venue)
        for client_id, client in self.clients.items():
            _compare_streams(found, client_id, client.seqs, self.journal.seqs[client_id])
            found.standing += [
                f"order {order_id} is {_told(order)} as {client_id} was told, and {here} in the journal"
                for order_id, order in client.told.items()
                if (here := _ours(self.journal.views.get(order_id))) != _told(order)
            ]
        return found

    def _compare_requests(self, found: Findings) -> None:
        """Each one came to its venue, or its owner was told that it did not. A cancel or replace that never came and
        was never answered is settled by the end of its order.
        """
        there, journal = self.received(), self.journal
        for name, (kind, order_id) in journal.routed.items():
            if name in there:
                if name in journal.unsent:
                    found.lost.append(f"request {name} was told to be unsent, and the venue has it")
            elif kind == "D" and name not in journal.unsent:
                found.lost.append(f"order {name} never reached the venue, and nobody was told")
            elif name in journal.answered:
                found.duplicated.append(f"request {name} has an answer, and never reached the venue")
            elif name not in journal.unsent and not _is_done(journal.views.get(order_id)):
                found.lost.append(f"request {name} never reached the venue, and nobody was told")

    def _compare_orders(self, found: Findings, venue: VenueBook) -> None:
        """Whatever a venue has of ours stands there as it does here; what it does not have does not work here."""
        at_venue: set[str] = set()
        for order in venue.orders.values():
            routed = self.journal.routed.get(next(iter(order.cl_ord_ids), ""))
            if routed is None:
                continue  # No order of ours; a request that no journal has is found elsewhere.
            at_venue.add(routed.order_id)
            there, view = _theirs(order), self.journal.views.get(routed.order_id)
            if view is None or order.open == _is_done(view) or not _alike(there, view, order.open):
                name = f"order {routed.order_id} ({order.order_id})"
                found.standing.append(f"{name} is {there} at {venue.venue} and {_ours(view)} in the journal")
        found.standing += [
            f"order {view.order_id} works in the journal, and {venue.venue} has no such order"
            for view in self.journal.views.values()
            if view.venue == venue.venue and view.order_id not in at_venue and not _is_done(view)
        ]

    def _compare_fills(self, found: Findings) -> None:
        venues = Counter(fill for venue in self.venues.values() for fill in venue.fills())
        journal = Counter(fill for fills in self.journal.fills.values() for fill in fills.values())
        clients = Counter(fill for client in self.clients.values() for fill in client.fills.values())
        found.lost += _missing(venues, journal, "is at the venue and not in the journal")
        found.lost += _missing(journal, clients, "is in the journal and was not told")
        found.duplicated += _missing(journal, venues, "is in the journal and not at the venue")
        found.duplicated += _missing(clients, journal, "was told and is not in the journal")


def _is_done(view: OrderView | None) -> bool:
    return view is not None and not view.leaves_qty and not view.pending


def _alike(there: Standing, view: OrderView, working: bool) -> bool:
    """Of one that works only Side(54) and CumQty(14) are compared: a request on its way may change the rest."""
    here = _ours(view)
    return (here.side, here.cum_qty) == (there.side, there.cum_qty) if working else here == there


def _ours(view: OrderView | None) -> Standing:
    if view is None:
        return Standing("?", "unknown", Decimal(0), Decimal(0), None)
    return Standing(view.side.value, view.ord_status.value, view.cum_qty, view.terms.order_qty, view.terms.price)


def _told(order: Order) -> Standing:
    return Standing(order.side.value, order.ord_status.value, order.cum_qty, order.order_qty, order.price)


def _theirs(order: venue_orders.Order) -> Standing:
    return Standing(order.side.value, order.ord_status.value, order.cum_qty, order.order_qty, order.terms.price)


def _missing(have: Counter[Fill], among: Counter[Fill], what: str) -> list[str]:
    return [f"{fill} {what}" for fill in (have - among).elements()]


def _compare_streams(found: Findings, client_id: str, told: list[int], due: list[int]) -> None:
    """`told` is known to be rising: a client's book checks that at each event."""
    if told == due:
        return
    missing, more = sorted(set(due) - set(told)), sorted(set(told) - set(due))
    found.stream.append(f"{client_id}: the stream missed the events {missing[:10]} and had {more[:10]} too many")
