"""Three accounts of the same orders, kept independently: what clients were told, what the journal holds, what the
venues' own ledgers hold. Each is read on from where it was read last, so that comparing costs what is new.

Nothing here uses the gateway's state: the journal's book is made from its events, one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from gateway.client import Event, EventType
from gateway.core import events as ev
from gateway.core.events import Record
from ops.demo.compare import Fill
from sim_exchange import ledger

REQUESTS = "DFG"
"""MsgType(35) of what may be sent once only: new orders, cancels and replaces."""


class ClientBook:
    """What one client was told: its accepted orders by ClOrdID(11), its executions, and which events of its own it got.

    `problems` are what it saw to be wrong by itself: an event twice or out of order, one key with two orders.
    """

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.fills: dict[tuple[str, str], Fill] = {}
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
        key = (event.order.order_id, event.exec_id)
        if event.type is EventType.ORDER_FILLED:
            if key in self.fills:
                self.problems.append(f"execution {key} was told twice")
            qty, px = event.last_qty or Decimal(0), event.last_px or Decimal(0)
            self.fills[key] = Fill(event.order.venue, event.exec_id, qty, px)


_OWN_WITHOUT_ORDER = (EventType.COMMAND_REFUSED, EventType.MASS_CANCEL_DONE)


class JournalBook:
    """What the journal says was taken, sent and executed."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders: dict[str, dict[str, str]] = defaultdict(dict)
        self.routed: dict[str, str] = {}
        self.unsent: set[str] = set()
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
            self._take(record)

    def _take(self, record: Record) -> None:
        event = record.event
        match event:
            case ev.OrderSubmitted():
                self.orders[event.command.client_id][event.command.cl_ord_id] = event.order_id
            case ev.OrderRouted():
                self.routed[event.venue_cl_ord_id] = "D"
            case ev.CancelRequested():
                self.routed[event.venue_cl_ord_id] = "F"
            case ev.ReplaceRequested():
                self.routed[event.venue_cl_ord_id] = "G"
            case ev.OrderUnsent():
                self.unsent.add(event.venue_cl_ord_id)
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
    """What one venue's ledger says it received and executed. Only whole pieces of work are read."""

    def __init__(self, venue: str, path: Path) -> None:
        self.received: dict[str, Counter[str]] = {kind: Counter() for kind in REQUESTS}
        self.executions = ledger.NetExecutions()
        self._venue = venue
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

    def fills(self) -> Iterator[Fill]:
        """The executions that stand."""
        for line in self.executions.standing.values():
            yield Fill(self._venue, line.exec_id, line.last_qty, line.last_px)


_END = b'{"kind":"end"}\n'


def _cl_ord_id(raw: str) -> str:
    return next(field[3:] for field in raw.split("\x01") if field.startswith("11="))


class Findings(msgspec.Struct):
    """What the accounts do not agree on, a line for each order, execution or event."""

    lost: list[str] = []
    duplicated: list[str] = []
    sent_twice: list[str] = []
    stream: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.lost or self.duplicated or self.sent_twice or self.stream)

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
            found.stream += [f"{client_id}: {problem}" for problem in client.problems]
        for name, times in self.received().items():
            if times > 1:
                found.sent_twice.append(f"request {name} reached the venue {times} times")
            if name not in self.journal.routed:
                found.duplicated.append(f"request {name} reached the venue and is not in the journal")
        return found

    def at_rest(self) -> Findings:
        """What must hold once nothing is on its way and every stream has caught up with the journal."""
        found = self.at_any_time()
        there = self.received()
        for name, kind in self.journal.routed.items():
            if name in self.journal.unsent:
                if name in there:
                    found.lost.append(f"request {name} was told to be unsent, and the venue has it")
            elif kind == "D" and name not in there:
                found.lost.append(f"order {name} never reached the venue, and nobody was told")
        self._compare_fills(found)
        for client_id, client in self.clients.items():
            _compare_streams(found, client_id, client.seqs, self.journal.seqs[client_id])
        return found

    def _compare_fills(self, found: Findings) -> None:
        venues = Counter(fill for venue in self.venues.values() for fill in venue.fills())
        journal = Counter(fill for fills in self.journal.fills.values() for fill in fills.values())
        clients = Counter(fill for client in self.clients.values() for fill in client.fills.values())
        found.lost += _missing(venues, journal, "is at the venue and not in the journal")
        found.lost += _missing(journal, clients, "is in the journal and was not told")
        found.duplicated += _missing(journal, venues, "is in the journal and not at the venue")
        found.duplicated += _missing(clients, journal, "was told and is not in the journal")


def _missing(have: Counter[Fill], among: Counter[Fill], what: str) -> list[str]:
    return [f"{fill} {what}" for fill in (have - among).elements()]


def _compare_streams(found: Findings, client_id: str, told: list[int], due: list[int]) -> None:
    """`told` is known to be rising: a client's book checks that at each event."""
    if told == due:
        return
    missing, more = sorted(set(due) - set(told)), sorted(set(told) - set(due))
    found.stream.append(f"{client_id}: the stream missed the events {missing[:10]} and had {more[:10]} too many")
