"""The end of the demo: three independent accounts of the same orders, compared.

The client's (what the strategy was told), the journal's (what the gateway decided) and the venues' (their own ledgers).
An order or execution that one of them has and another misses is *lost*; one that is there twice, or that nobody at the
venue knows, is *duplicated*.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.core.engine import replay
from gateway.core.events import OrderRetired, Record
from gateway.core.order import Order, counted
from gateway.core.state import State
from sim_exchange import ledger


class Fill(NamedTuple):
    """One execution that counts."""

    venue: str
    exec_id: str
    last_qty: Decimal
    last_px: Decimal


class ClientView(msgspec.Struct):
    """What the strategy was told: its accepted orders by ClOrdID(11), its executions, and how often it got an event
    twice.
    """

    orders: dict[str, str] = {}
    fills: list[Fill] = []
    repeated_events: int = 0
    refused: int = 0
    latencies_us: list[int] = []


class VenueView(msgspec.Struct):
    """What the venues have: how often each NewOrderSingle(35=D) came in, by ClOrdID(11), and the executions that
    stand.
    """

    received: dict[str, int]
    fills: list[Fill]


class JournalView(msgspec.Struct):
    """What the journal has: orders of the client by their ClOrdID(11), those that must be at a venue, the executions
    that count.
    """

    orders: dict[str, str]
    at_venue: dict[str, str]
    fills: list[Fill]
    in_doubt: int


class Verdict(msgspec.Struct):
    """The last line of the demo. `problems` names what is lost or duplicated."""

    orders: int
    executions: int
    venue_executions: int
    lost: int
    duplicated: int
    in_doubt: int
    p50_us: int
    p99_us: int
    problems: list[str] = []

    def as_line(self) -> str:
        """One JSON object."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "problems" or self.problems}
        return msgspec.json.encode(shown).decode()


def compare(client: ClientView, journal: JournalView, venue: VenueView) -> Verdict:
    """Hold the three against each other."""
    lost = [
        *(
            f"order {order_id} ({key}) was accepted and is not in the journal"
            for key, order_id in client.orders.items()
            if journal.orders.get(key) != order_id
        ),
        *(f"order {key} never reached the venue" for key in journal.at_venue if key not in venue.received),
        *_missing(venue.fills, journal.fills, "is at the venue and not in the journal"),
        *_missing(journal.fills, client.fills, "is in the journal and was not told to the client"),
    ]
    duplicated = [
        *(f"order {key} reached the venue {times} times" for key, times in venue.received.items() if times > 1),
        *(f"order {key} is unknown to the journal" for key in venue.received if key not in journal.at_venue),
        *_missing(journal.fills, venue.fills, "is in the journal and not at the venue"),
        *_missing(client.fills, journal.fills, "was told to the client and is not in the journal"),
        *(["an event was delivered twice"] * client.repeated_events),
    ]
    ranked = sorted(client.latencies_us)
    return Verdict(
        orders=len(journal.orders),
        executions=len(journal.fills),
        venue_executions=len(venue.fills),
        lost=len(lost),
        duplicated=len(duplicated),
        in_doubt=journal.in_doubt,
        p50_us=_percentile(ranked, 50),
        p99_us=_percentile(ranked, 99),
        problems=[*lost, *duplicated][:20],
    )


def _missing(have: Iterable[Fill], among: Iterable[Fill], what: str) -> list[str]:
    """What stands in `have` more often than in `among`."""
    return [f"{fill} {what}" for fill in (Counter(have) - Counter(among)).elements()]


def _percentile(ranked: list[int], percent: int) -> int:
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] if ranked else 0


def every_order(records: Iterable[Record]) -> list[Order]:
    """Every order of a journal, also those that have left memory.

    Raises:
        Diverged, InvariantBroken: an event does not replay to what was told when it happened.
    """
    state, left = State(), {}
    for record in records:
        if isinstance(record.event, OrderRetired):
            left[record.event.order_id] = state.orders[record.event.order_id]
        replay(state, record)
    return list((left | state.orders).values())


def journal_view(every: Iterable[Order], client_id: str) -> JournalView:
    """The client's orders among those of the journal."""
    orders = [order for order in every if order.command.client_id == client_id]
    return JournalView(
        orders={order.command.cl_ord_id: order.order_id for order in orders},
        at_venue={order.first_venue_cl_ord_id: order.order_id for order in orders if _must_be_there(order)},
        fills=[fill for order in orders for fill in _fills(order)],
        in_doubt=sum(order.in_doubt for order in orders),
    )


def _must_be_there(order: Order) -> bool:
    first = order.requests.get(order.first_venue_cl_ord_id)
    return first is not None and first.state != "unsent" and not first.in_doubt


def _fills(order: Order) -> list[Fill]:
    counted(order)  # Marks which lines are in force.
    return [
        Fill(order.venue, _first_id(order, place), line.qty, line.last_px)
        for place, line in enumerate(order.executions)
        if line.in_force and line.kind != "bust"
    ]


def _first_id(order: Order, place: int) -> str:
    """A venue's ledger keeps a corrected execution under its first ExecID(17)."""
    line = order.executions[place]
    while line.exec_ref_id:
        line = next(other for other in order.executions if other.exec_id == line.exec_ref_id)
    return line.exec_id


def venue_view(ledgers: Mapping[str, Path]) -> VenueView:
    """All venues together. Raises sim_exchange.ledger.LedgerDamaged."""
    received: Counter[str] = Counter()
    fills: list[Fill] = []
    for venue, path in ledgers.items():
        for line in ledger.read_lines(path):
            if isinstance(line, ledger.Received) and line.msg_type == "D":
                received[_tag(line.raw, "11")] += 1
        fills.extend(Fill(venue, line.exec_id, line.last_qty, line.last_px) for line in ledger.read_executions(path))
    return VenueView(dict(received), fills)


def _tag(raw: str, tag: str) -> str:
    return next(field.partition("=")[2] for field in raw.split("\x01") if field.startswith(f"{tag}="))
