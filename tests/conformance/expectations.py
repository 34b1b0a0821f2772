"""What a client of the gateway must see after every row of a scenario table.

A report row says it itself. After a request, a refusal or an event outside FIX the tables are silent: quantities stay
what they were, and a request shows as pending from the moment it is sent (README.md of the tables, `client_status`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from gateway.core.events import OrderView
from gateway.core.types import OrdStatus
from tests.conformance.scenario import MessageKind, Path, Row, Scenario, VenueAction

Key = tuple[str, str, int]
"""A row: scenario id, path name and the number of the row in the path, from 1."""

GIVEN_ORDER_QTY = Decimal(10000)
"""OrderQty(38) of an order that came before the first row (`given`)."""

PENDING: Mapping[MessageKind, OrdStatus] = MappingProxyType(
    {
        MessageKind.CANCEL_REQUEST: OrdStatus.PENDING_CANCEL,
        MessageKind.REPLACE_REQUEST: OrdStatus.PENDING_REPLACE,
    }
)

RANKS: Mapping[OrdStatus, int] = MappingProxyType(
    {
        OrdStatus.PENDING_CANCEL: 12,
        OrdStatus.PENDING_REPLACE: 11,
        OrdStatus.DONE_FOR_DAY: 10,
        OrdStatus.CALCULATED: 9,
        OrdStatus.FILLED: 8,
        OrdStatus.STOPPED: 7,
        OrdStatus.SUSPENDED: 6,
        OrdStatus.CANCELED: 5,
        OrdStatus.EXPIRED: 5,
        OrdStatus.PARTIALLY_FILLED: 4,
        OrdStatus.NEW: 2,
        OrdStatus.PENDING_NEW: 2,
        OrdStatus.REJECTED: 2,
    }
)
"""The numbers that FIX 4.4, Appendix D, gives the values of OrdStatus(39)."""

NOT_OUR_ORDER_QTY: Mapping[Key, str] = MappingProxyType(
    {
        ("G.1.a", "main", 5): "the venue does not have the order and says 0; its owner is shown what was asked for",
    }
)
"""Where OrderQty(38) of a report is not what the client is shown, with the reason."""


class Mismatch(AssertionError):
    """What was seen is not what the table says."""


def same(what: str, seen: object, expected: object) -> None:
    """Raises Mismatch when two things differ."""
    if seen != expected:
        raise Mismatch(f"{what}: {seen}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures of one order as its owner must see them; None where no order of the gateway exists (E.1.a)."""

    ord_status: OrdStatus
    order_qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal


def shown(order: OrderView | None) -> Shown | None:
    """The same of what the gateway shows."""
    if order is None:
        return None
    return Shown(order.ord_status, order.terms.order_qty, order.cum_qty, order.leaves_qty, order.avg_px)


def expectations(scenario: Scenario, path: Path) -> tuple[tuple[str, Shown | None], ...]:
    """For every row the letter of the order it is about, and what its owner must see after it.

    An event outside FIX is about the order of the row before it.
    """
    teller = _Teller(scenario)
    return tuple(teller.after((scenario.id, path.name, number), row) for number, row in enumerate(path.rows, 1))


class _Teller:
    """Follows the rows of one path."""

    def __init__(self, scenario: Scenario) -> None:
        self._chain: dict[str, str] = {}
        self._shown: dict[str, Shown | None] = {}
        self._open: dict[str, MessageKind] = {}
        self._last = ""
        if scenario.lost:
            self._begin(scenario.lost, GIVEN_ORDER_QTY)

    def after(self, key: Key, row: Row) -> tuple[str, Shown | None]:
        message = row.received or row.sent
        if message is not None:
            self._last = self._chain.setdefault(
                message.cl_ord_id, self._chain.get(message.orig_cl_ord_id, message.cl_ord_id)
            )
        if row.received is not None:
            self._request(row)
        elif row.sent is not None:
            self._report(key, row)
        return self._last, self._shown.get(self._last)

    def _request(self, row: Row) -> None:
        message = row.received
        assert message is not None
        if message.kind is MessageKind.NEW_ORDER and message.cl_ord_id not in self._shown:
            self._begin(message.cl_ord_id, row.order_qty)
        elif message.kind in PENDING:
            self._open[message.cl_ord_id] = message.kind
            self._show(replace(self._known(), ord_status=self._highest(self._known().ord_status)))

    def _begin(self, letter: str, order_qty: Decimal | None) -> None:
        """A new order: its whole quantity is open, and nobody has said anything about it yet."""
        self._chain[letter] = letter
        qty = Decimal(0) if order_qty is None else order_qty
        self._shown[letter] = Shown(OrdStatus.PENDING_NEW, qty, Decimal(0), qty, Decimal(0))

    def _report(self, key: Key, row: Row) -> None:
        message = row.sent
        assert message is not None
        assert row.expected_status is not None
        if not message.cl_ord_id:
            return
        if row.venue_does in _ANSWERS:
            self._open.pop(message.cl_ord_id, None)
        shown = replace(self._known(), ord_status=row.expected_status)
        if message.kind is MessageKind.EXECUTION:
            order_qty = shown.order_qty if key in NOT_OUR_ORDER_QTY else row.expected_order_qty
            shown = replace(
                shown,
                order_qty=shown.order_qty if order_qty is None else order_qty,
                cum_qty=_known(row.cum_qty),
                leaves_qty=_known(row.expected_leaves_qty),
                avg_px=_known(row.avg_px),
            )
        self._show(shown)

    def _highest(self, status: OrdStatus) -> OrdStatus:
        """Pending Cancel outranks Pending Replace outranks all the rest."""
        kinds = set(self._open.values())
        if OrdStatus.PENDING_CANCEL is status or MessageKind.CANCEL_REQUEST in kinds:
            return OrdStatus.PENDING_CANCEL
        return OrdStatus.PENDING_REPLACE if kinds else status

    def _known(self) -> Shown:
        shown = self._shown[self._last]
        assert shown is not None
        return shown

    def _show(self, shown: Shown) -> None:
        self._shown[self._last] = shown


_ANSWERS = frozenset({VenueAction.CANCEL, VenueAction.REPLACE, VenueAction.REJECT_CANCEL, VenueAction.REJECT_REPLACE})


def _known(value: Decimal | None) -> Decimal:
    assert value is not None
    return value
